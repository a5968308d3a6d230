"""A conversation with every kind of message: over midnight, of the hour that comes twice, without a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from release.keys import SigningKey
from tests.release.world import (
    OPEN,
    PERSONAL,
    RELEASE,
    UNRESPONSIVE,
    WITHHOLD,
    World,
    context,
)

ANA, LEE = (("Ana Ruiz", "+13605550101"),), (("Lee Okafor", "+13605550102"),)
KEPT = {
    "withheld": "Her grade is D",
    "unresponsive": "Lunch at noon?",
    "outside": "My cat is ill",
    "personal": "Dinner on Sunday",
    "open": "Not decided yet",
}
"""What must not be on any page; each too short for runs of words to tell it by."""


@dataclass
class Made:
    """A package of it, with the home it was made from."""

    world: World
    ids: dict[str, str]
    key: SigningKey
    home: Path
    out: Path

    @property
    def data(self) -> Path:
        """What the requester opens."""
        return self.out / "release" / "data"


def talk(world: World) -> dict[str, str]:
    """Fill a home; returns name to item id."""
    ids = {}

    def say(name, decision, at, text="", *, sender=ANA, group="C1", under="", **more):
        to = LEE if sender is ANA else ANA
        ids[name] = world.add(
            decision, kind="chat", at=at, text=text, native=f"<{name}>".encode(), name=f"{name}.json",
            sender=sender, to=to, group=group, under=f"{under or group}/", media_type="application/json",
            **more,
        )  # fmt: skip

    def noon(minute, second=0):
        return datetime(2026, 3, 4, 20, minute, second, tzinfo=UTC)

    say("first", RELEASE, noon(0), "The bus route changes on Monday.\nIt stops at the library & the gym.")
    say("withheld", WITHHOLD, noon(1), KEPT["withheld"], sender=LEE)
    say("unresponsive", UNRESPONSIVE, noon(2), KEPT["unresponsive"])
    say("outside", OPEN, noon(3), KEPT["outside"], hit=False)
    say("edited", RELEASE, noon(4), "Is that <b>sure</b>?", sender=LEE, warnings=("edited",),
        facts={"reactions": "👍 Ana Ruiz; ❤ Sam"})  # fmt: skip
    ids["photo"] = world.add(
        RELEASE, parent=ids["edited"], kind="file", native=b"\xff\xd8photo", name="stop.jpg",
        media_type="image/jpeg",
    )  # fmt: skip
    say("personal", PERSONAL, noon(5), KEPT["personal"])
    say("open", OPEN, noon(6), KEPT["open"], sender=LEE)
    say("lost", OPEN, noon(7), state="failed", reason="corrupt")
    say("early", OPEN, noon(8), state="excluded", reason="outside_window")
    say("gone", RELEASE, noon(9), "", sender=(), warnings=("deleted",))
    # midnight in the request's zone is 08:00 UTC: two pages
    say("late", RELEASE, datetime(2026, 3, 5, 7, 59, 59, tzinfo=UTC), "Good night.")
    say("next", RELEASE, datetime(2026, 3, 5, 8, 0, 0, tzinfo=UTC), "\u202eGood\x07 morning.", sender=LEE)
    # 1:30 on the clock, twice
    say("summer", RELEASE, datetime(2026, 11, 1, 8, 30, tzinfo=UTC), "Before the clocks change.")
    say("winter", RELEASE, datetime(2026, 11, 1, 9, 30, tzinfo=UTC), "After the clocks changed.", sender=LEE)
    say("undated", RELEASE, None, "Whenever that was.", days=-1, said_at="last Tuesday, 9ish")
    say("other", RELEASE, noon(30), "In another conversation.", group="C2")
    # what was left out has no facts: nothing says of which conversation these two are
    say("stray", OPEN, noon(10), state="failed", reason="truncated", under="elsewhere")
    say("astray", OPEN, noon(11), state="excluded", reason="outside_window", under="elsewhere")
    say("silent", UNRESPONSIVE, noon(31), "Nothing of this goes out.", group="C3")
    return ids


def told(**changes):
    """What the desk says of it."""
    return context(unsearchable=(), log_people={}, **changes)
