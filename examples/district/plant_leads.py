"""Leads: places and people that the records of the bus request point to, and near-misses that point nowhere.

What stands here is written down as truth beside it: ``truth-leads.jsonl`` is made from these lines and from
``truth.jsonl``, by no reader of the project.
"""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.district import documents as d
from examples.district import phones
from examples.district.clock import ZONE, pacific
from examples.district.people import DOMAIN, Guardian, People
from examples.district.planter import Planter
from examples.district.roster import AIDE

LEADS_FROM = 1_000
"""Items from which on leads are planted; a smaller district has no room for them."""

GAP_FROM = 2_800
"""Items from which on a mailbox has so much mail that four weeks without any stand out."""

GAP_BOX = "superintendent"
GAP_FIRST, GAP_LAST = date(2026, 5, 2), date(2026, 5, 31)
"""The days, both inclusive, of which nothing is left in that mailbox; the edges are a Saturday and a Sunday."""


@dataclass(frozen=True, slots=True)
class Lead:
    """One planted lead or near-miss.

    Attributes:
        kind: Kind of the signal; of a near-miss: the kind that it must not be.
        subject: What the signal is called; empty for a near-miss.
        owner: Key of the office whose it is, or empty.
        near_miss: Why it is none; empty for a lead.
    """

    kind: str
    subject: str = ""
    owner: str = ""
    near_miss: str = ""


@dataclass
class Leads:
    """What was planted, in order; the tag of an item names its place."""

    planted: list[Lead] = field(default_factory=list)

    def tag(self, kind: str, subject: str = "", owner: str = "", *, near_miss: str = "") -> str:
        """Enter a lead or near-miss; returns the tag of the items in which it stands."""
        self.planted.append(Lead(kind, subject, owner, near_miss))
        return f"lead:{len(self.planted) - 1}"


def in_gap(box: str, at: datetime, items: int) -> bool:
    """Say whether a message is one of those that are missing from a mailbox."""
    return items >= GAP_FROM and box == GAP_BOX and GAP_FIRST <= at.astimezone(ZONE).date() <= GAP_LAST


def lead_mail(p: Planter, people: People) -> Leads:
    """Plant what can be found in mail and texts."""
    leads = Leads()
    p.others["aide"] = AIDE
    _accounts(p, leads)
    _apps(p, leads)
    _places(p, leads)
    _people(p, leads)
    _texts(p, leads)
    _near_misses(p, leads, people)
    return leads


def _accounts(p: Planter, leads: Leads) -> None:
    handle = "nightowl77@freemail.example"
    own = leads.tag("own_account", handle, "dispatch")
    root = p.mail(
        "dispatch", ["transport"], "Sheets at home",
        f"I am out from noon. For the bus route change my gmail is\n{handle}, so send the sheets there tonight.",
        pacific(2026, 2, 16, 10, 2), tags=(own,),
    )  # fmt: skip
    p.mail(
        "transport", ["dispatch"], "Re: Sheets at home", "Sent what I have on the bus route change.",
        pacific(2026, 2, 16, 16, 44), reply_to=root, tags=(own, "reply", "quoted"),
    )  # fmt: skip
    helper = p.person("assistant_cf")
    private = f"{helper.email.partition('@')[0].replace('.', '')}@freemail.example"
    p.mail(
        "assistant_cf", ["principal_cf"], "Door duty", "Writing late: the bus route change leaves the east door without staff.",
        pacific(2026, 2, 18, 22, 10), guardian=Guardian(helper.name, "", private, ""),
        tags=(leads.tag("own_account", private, "assistant_cf"),),
    )  # fmt: skip
    member = p.person("board2")
    outside = "creekside.farm@freemail.example"
    p.mail(
        "board2", ["superintendent", "clerk"], "Question before Thursday", "Two families asked me about the bus route change at the market.",
        pacific(2026, 3, 1, 19, 30), guardian=Guardian(f"{member.name}", "", outside, ""),
        tags=(leads.tag("undeclared_account", outside),),
    )  # fmt: skip
    p.mail(
        "finance", ["transport"], "Cost of one more driver",
        "For the bus route change just text me when the hours are settled, I am in meetings all day.",
        pacific(2026, 2, 17, 8, 31), tags=(leads.tag("own_device", "phone of {custodian}", "finance"),),
    )  # fmt: skip


def _apps(p: Planter, leads: Leads) -> None:
    whats = leads.tag("other_app", "WhatsApp")
    root = p.mail(
        "transport", ["principal_cf"], "New times", "The planner is done with the bus route change; I'll WhatsApp you the times as they come in.",
        pacific(2026, 2, 19, 7, 40), tags=(whats,),
    )  # fmt: skip
    p.mail(
        "principal_cf", ["transport"], "Re: New times", "Good.", pacific(2026, 2, 19, 8, 5), reply_to=root,
        tags=(whats, "reply", "quoted"),
    )  # fmt: skip
    p.mail(
        "communications", ["principal_cf", "dispatch"], "Late families", "Whoever missed the letter on the bus route change should check Remind for it.",
        pacific(2026, 2, 25, 13, 20), tags=(leads.tag("other_app", "Remind"),),
    )  # fmt: skip


def _places(p: Planter, leads: Leads) -> None:
    file = leads.tag("linked_file", "docs.google.com/1bUsRouteDraft2026")
    p.mail(
        "communications", ["transport"], "Draft to edit",
        "The letter on the bus route change: https://docs.google.com/document/d/1bUsRouteDraft2026/edit?usp=sharing",
        pacific(2026, 2, 10, 9, 15), tags=(file,),
    )  # fmt: skip
    p.mail(
        "superintendent", ["communications"], "Two remarks", "On the bus route change letter (docs.google.com/document/d/1bUsRouteDraft2026): shorter, please.",
        pacific(2026, 2, 10, 17, 50), tags=(file,),
    )  # fmt: skip
    p.mail(
        "principal_cf", ["transport"], "Where families write",
        f"I told them to write to transportation@{DOMAIN} about the bus route change.",
        pacific(2026, 2, 26, 10, 12), tags=(leads.tag("shared_mailbox", f"transportation@{DOMAIN}"),),
    )  # fmt: skip
    p.mail(
        "dispatch", ["transport"], "Radio log", f"Drivers report the bus route change to routing@{DOMAIN}, where all of us read it.",
        pacific(2026, 2, 26, 15, 3), tags=(leads.tag("shared_mailbox", f"routing@{DOMAIN}"),),
    )  # fmt: skip
    subject = "Stop list"
    root = p.mail(
        "transport", ["dispatch", "principal_cf"], subject, "The stop list for the bus route change is attached, as you asked.",
        pacific(2026, 2, 11, 14, 30), tags=(leads.tag("missing_attachment", f"2026-02-11: {subject}"),),
    )  # fmt: skip
    p.mail(
        "dispatch", ["transport"], f"Re: {subject}", "Thanks, I go through the bus route change tonight.",
        pacific(2026, 2, 11, 15, 0), reply_to=root,
        tags=(leads.tag("missing_attachment", near_miss="only quotes that something is attached"), "reply", "quoted"),
    )  # fmt: skip


def _people(p: Planter, leads: Leads) -> None:
    tag = leads.tag("person", f"{AIDE.name} ({AIDE.email})")
    lines = (
        ("transport", ["aide"], "Ride along", "Please ride along on the first morning of the bus route change."),
        ("dispatch", ["aide", "transport"], "Second morning", "The bus route change went well; ride along again on Tuesday."),
        ("aide", ["transport"], "Notes from the bus", "Bus route change, day one: eleven children at the corner of Third."),
        ("aide", ["dispatch", "transport"], "Notes, day two", "Bus route change, day two: nine children, one of them late."),
        ("principal_cf", ["transport"], "Thank the aide", "The bus route change runs smoothly, thanks to your aide."),
    )  # fmt: skip
    for n, (sender, to, subject, text) in enumerate(lines):
        cc = [] if "aide" in (sender, *to) else ["aide"]
        p.mail(sender, to, subject, text, pacific(2026, 3, 3 + n, 16, 20), cc=cc, tags=(tag,))


def _texts(p: Planter, leads: Leads) -> None:
    chief, driver = p.person("principal_cf"), p.person("dispatch")
    at = pacific(2026, 3, 9, 18, 2)
    p.text(
        "phone-01",
        phones.sms(chief.number, chief.name, at, phones.RECEIVED, "bus route change: after six text me at (564) 555-0187, not on the desk phone"),
        tags=("hit_text", leads.tag("own_account", "+15645550187", "principal_cf")),
    )  # fmt: skip
    p.text(
        "phone-01",
        phones.sms(driver.number, driver.name, at + timedelta(minutes=4), phones.RECEIVED, "the drivers talk about the bus route change on Signal now"),
        tags=("hit_text", leads.tag("other_app", "Signal")),
    )  # fmt: skip


def _near_misses(p: Planter, leads: Leads, people: People) -> None:
    chief = p.person("transport")
    planner = p.person("planner")
    parent = people.students[0].guardians[0]
    lines = (
        ("other_app", "a traffic signal", "dispatch", "Third and Main", "With the bus route change the traffic signal at Third is in the way; signal the driver by hand."),
        ("other_app", "the verb", "principal_cf", "Bulletin", "Remind parents of the bus route change, please; remind me if I forget. Remind the drivers too."),
        ("other_app", "a public post", "communications", "Posted", "The bus route change is on our page and was posted on Facebook; the teams have some slack left."),
        ("own_account", "a vendor's address", "transport", "Whom to ask", f"On the bus route change contact me or the planner at {planner.email}."),
        ("own_account", "a number that is searched", "transport", "Tonight", f"About the bus route change text me at {chief.number[2:5]}-{chief.number[5:8]}-{chief.number[8:]}."),
        ("own_device", "a phone that is searched", "transport", "On the road", "On the day of the bus route change text me from the east door."),
        ("linked_file", "no place for files", "communications", "Our page", "See https://www.aldervalley.example/routes/d/14 for the bus route change."),
        ("missing_attachment", "denied", "finance", "Costs", "I attached nothing yet on the bus route change; the table will be attached tomorrow."),
        ("missing_attachment", "fixed to a wall", "facilities", "Signs", "The sign on the bus route change is attached to the fence."),
    )  # fmt: skip
    for n, (kind, why, sender, subject, text) in enumerate(lines):
        to = "dispatch" if sender == "transport" else "transport"
        p.mail(
            sender,
            [to],
            subject,
            text,
            pacific(2026, 3, 16 + n // 4, 8 + n % 4, 7),
            tags=(leads.tag(kind, near_miss=why),),
        )
    p.mail(
        "transport", ["dispatch"], "Map", "See attached for the bus route change.", pacific(2026, 3, 19, 9, 0),
        pieces=[d.text_file("stops.txt", "Corner of Third, corner of Main.\n")],
        tags=(leads.tag("missing_attachment", near_miss="has its attachment"),),
    )  # fmt: skip
    p.mail(
        "principal_cf", ["principal_cf", "transport"], "Pick-up", "Because of the bus route change I fetch my child by car; my gmail is school.run@freemail.example.",
        pacific(2026, 3, 19, 20, 0), guardian=parent,
        tags=(leads.tag("own_account", near_miss="a parent's address"),),
    )  # fmt: skip


# -- the truth


def write_truth(
    out: Path, leads: Leads, custodians: Mapping[str, str], sources: Mapping[str, str], items: int
) -> None:
    """Write ``truth-leads.jsonl`` from what was planted and from ``truth.jsonl``.

    Args:
        out: The district's folder.
        leads: What was planted.
        custodians: Custodian id by office key.
        sources: Source id by office key.
        items: Size of the district.
    """
    found: dict[str, list[dict[str, str]]] = {}
    hits: list[tuple[str, dict[str, str]]] = []
    for row in _stored(out / "truth.jsonl"):
        here = {"source_id": row["source_id"], "native_key": row["native_key"]}
        for tag in row["tags"]:
            if tag.startswith("lead:"):
                found.setdefault(tag, []).append(here)
        if row["source_id"] == sources[GAP_BOX] and "bus" in row["review"] and row["sent_at"]:
            hits.append((row["sent_at"], here))
    lines: list[dict[str, Any]] = []
    for n, lead in enumerate(leads.planted):
        custodian = custodians[lead.owner] if lead.owner else None
        line = {"kind": lead.kind, "items": found.get(f"lead:{n}", [])}
        if lead.near_miss:
            lines.append({"near_miss": lead.near_miss, **line})
        else:
            lines.append(
                {"subject": lead.subject.format(custodian=custodian), "custodian": custodian, **line}
            )
    if leads.planted and items >= GAP_FROM:
        lines.append(_gap(sorted(hits, key=lambda hit: hit[0]), sources[GAP_BOX], custodians[GAP_BOX]))
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (out / "truth-leads.jsonl").write_text(text, "utf-8")


def _stored(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            row = json.loads(text)
            if row["collection"]["state"] == "stored":
                yield row


def _gap(hits: list[tuple[str, dict[str, str]]], source: str, custodian: str) -> dict[str, Any]:
    """Return the gap; it stands between the last message in review before it and the first after."""
    first, last = (
        datetime.combine(day, datetime.min.time(), ZONE) for day in (GAP_FIRST, GAP_LAST + timedelta(days=1))
    )
    before = [here for sent_at, here in hits if datetime.fromisoformat(sent_at) < first]
    after = [here for sent_at, here in hits if datetime.fromisoformat(sent_at) >= last]
    return {
        "subject": source,
        "custodian": custodian,
        "kind": "mail_gap",
        "from": GAP_FIRST.isoformat(),
        "to": GAP_LAST.isoformat(),
        "items": [*before[-1:], *after[:1]],
    }
