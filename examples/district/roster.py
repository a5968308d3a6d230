"""The roster of the district: who works and learns in it, and what its places are called."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from examples.district.people import DISTRICT, DOMAIN, SCHOOLS, People, Person

COACH = "Theodore Brannock"
"""Named in the third request; on leave, so that nobody writes from this account."""
BIDDER = "William Harkettle"
"""Named in the second request; writes by letter."""

AIDE = Person(
    "s090", "Ottilie Wrenfield", f"ottilie.wrenfield@{DOMAIN}", "+15645550162", "Route Aide", "Transportation"
)
"""On the roster and no custodian; stands in planted mail only."""

PUPIL = Person("p001", "Fenella Quist", "", "+15645550171", "Student", SCHOOLS[1])
"""A student with a number of her own; texts with a coach."""
PUPILS_PARENT = Person("p002", "Ingrid Quist", "", "+15645550172", "Guardian", "")

_FIXED = (
    ("staff", COACH, "Coach Teddy", f"tbrannock@{DOMAIN}", "+15645550143"),
    ("staff", AIDE.name, "", AIDE.email, AIDE.number),
    ("vendor", BIDDER, "", "wharkettle@pinecrest.example", "+15645550151"),
    ("vendor", "Pinecrest Mechanical", "PCM", "offers@pinecrest.example", ""),
    ("school", SCHOOLS[0], "CFMS", f"cfms-office@{DOMAIN}", ""),
    ("school", SCHOOLS[1], "", f"avhs-office@{DOMAIN}", ""),
    ("school", SCHOOLS[2], "Maple Hollow", f"maple-office@{DOMAIN}", ""),
    ("school", SCHOOLS[3], "Quarry Hill", f"quarry-office@{DOMAIN}", ""),
    ("office", DISTRICT, "AVSD; Central Office", "", ""),
    ("office", "Transportation Department", "Bus Barn", "", ""),
    ("office", "Facilities Department", "", "", ""),
    ("programme", "Highly Capable Program", "HiCap", "", ""),
    ("programme", "Special Education", "SPED", "", ""),
    ("mailbox", "Transportation", "", f"transportation@{DOMAIN}", ""),
    ("mailbox", "Facilities", "", f"facilities@{DOMAIN}", ""),
    ("mailbox", "Public Records", "", f"records@{DOMAIN}", ""),
)


def write_roster(out: Path, people: People) -> None:
    """Write ``roster.csv``, which the requests name."""
    with (out / "roster.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("kind", "name", "aliases", "emails", "numbers", "guardian_of"))
        rows.writerows((*line, "") for line in _FIXED)
        rows.writerow(("student", PUPIL.name, "", "", PUPIL.number, ""))
        rows.writerow(("guardian", PUPILS_PARENT.name, "", "", PUPILS_PARENT.number, PUPIL.name))
        rows.writerows(_people(people))


def _people(people: People) -> Iterator[tuple[str, ...]]:
    for person in people.staff:
        yield "staff", person.name, "", person.email, person.number, ""
    for person in people.board:
        yield "board", person.name, "", person.email, person.number, ""
    yield (
        "counsel",
        people.attorney.name,
        people.attorney.place,
        people.attorney.email,
        people.attorney.number,
        "",
    )
    for person in people.vendors:
        yield "vendor", person.name, person.place, person.email, person.number, ""
    for student in people.students:
        yield "student", student.name, "", "", "", ""
        for guardian in {g.email: g for g in student.guardians}.values():
            yield "guardian", guardian.name, "", guardian.email, guardian.number, student.name
