"""A request in which everything that must stay in has a name, a subject and a text of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from records.decisions import Hold
from release.keys import SigningKey, home_key
from release.package import approve, build_draft, package
from tests.release.world import (
    OPEN,
    PERSONAL,
    PRIVILEGED,
    REDACT,
    RELEASE,
    REQUEST,
    UNRESPONSIVE,
    WITHHOLD,
    World,
    context,
    hold,
    mail,
    zipped,
)

ROUTE = "The bus route changes on Monday, and stops at the library instead of the gym from then on."
MAP = b"%PDF-1.4 the new route map\n%%EOF\n"


def words_of(name: str) -> str:
    """Twelve words that nothing else in the request says."""
    return " ".join(f"{name}{letter}word" for letter in "abcdefghijkl")


@dataclass
class Kept:
    """One record that must stay in."""

    item: str
    subject: str
    name: str
    text: str
    native: bytes


@dataclass
class Scenario:
    world: World
    key: SigningKey
    released: dict[str, str]
    withheld: dict[str, str]
    kept: dict[str, Kept]

    def draft(self, out, **changes):
        return build_draft(self.world.catalogue, self.world.store, REQUEST, out, context=context(**changes))

    def approve(self, digest, by="R. Officer", answer="approved"):
        return approve(self.world.catalogue, REQUEST, digest, by, answer)

    def package(self, out, **given):
        told = given.pop("context", None) or context()
        return package(
            self.world.catalogue, self.world.store, REQUEST, out, context=told, key=self.key, **given
        )


def full_scenario(world: World) -> Scenario:
    made = Scenario(world, home_key(world.home), {}, {}, {})
    released, withheld = made.released, made.withheld

    def keep(name, decision, parent=None, kind="email", native=None, **more):
        text, subject = words_of(name), f"Subject of {name} kept record" if kind == "email" else ""
        file_name = f"{name}-kept-file.docx" if kind == "file" else None
        native = native or (mail(subject, text) if kind == "email" else f"native {text}".encode())
        item = world.add(
            decision,
            parent=parent,
            kind=kind,
            native=native,
            text=text,
            subject=subject,
            name=file_name,
            **more,
        )
        made.kept[name] = Kept(item, subject, file_name or "", text, native)
        return item

    released["mail"] = world.add(RELEASE, subject="Bus route change", text=ROUTE)
    family = mail("Route map", "See the map.", ("map.pdf", MAP))
    released["parent"] = world.add(RELEASE, subject="Route map", text="See the map.", native=family)
    released["map"] = world.add(
        RELEASE, parent=released["parent"], kind="file", native=MAP, name="map.pdf", text="the new route map"
    )
    archive = zipped(("schedule.txt", b"bus 7 leaves at eight"), ("stops.txt", b"library, park, school"))
    released["zip"] = world.add(RELEASE, kind="file", native=archive, name="timetables.zip", text="")
    for member, data in (("schedule.txt", b"bus 7 leaves at eight"), ("stops.txt", b"library, park, school")):
        released[member] = world.add(
            RELEASE, parent=released["zip"], kind="file", native=data, name=member, text=data.decode()
        )

    withheld["grades"] = keep("grades", WITHHOLD)
    withheld["advice"] = keep("advice", PRIVILEGED)
    keep("personal", PERSONAL)
    keep("unresponsive", UNRESPONSIVE)
    keep("undecided", OPEN)
    keep("redact", REDACT)
    keep("notice", hold(Hold.NOTICE))
    keep("later", replace(RELEASE, installment=2))
    keep("noted", replace(UNRESPONSIVE, note="The officer noted this thing for the office alone"))

    # a mail and a zip that carry something withheld: the container must stay in as well
    secret = f"native {words_of('appendix')}".encode()
    carrier = keep(
        "carrier",
        RELEASE,
        native=mail("Subject of carrier kept record", words_of("carrier"), ("a.docx", secret)),
    )
    withheld["appendix"] = keep("appendix", WITHHOLD, parent=carrier, kind="file", native=secret)
    inner = f"native {words_of('member')}".encode()
    box = keep(
        "box", RELEASE, kind="file", native=zipped(("m.docx", inner), ("fine.txt", b"harmless member"))
    )
    withheld["member"] = keep("member", PRIVILEGED, parent=box, kind="file", native=inner)
    released["fine.txt"] = world.add(
        RELEASE, parent=box, kind="file", native=b"harmless member", name="fine.txt", text="harmless member"
    )
    world.add(OPEN, hit=False, subject="Somebody else's lunch plans", text=words_of("outside"))
    world.flag(released["mail"], 0, "GS0", title="Suggested title never confirmed", reason="rule words")
    world.flag(released["mail"], 1, "GS2010-001", title="Staff communications", retention_text="2 years")
    world.flag(released["parent"], 0, "GS9", title="Another suggestion that stays in")
    return made
