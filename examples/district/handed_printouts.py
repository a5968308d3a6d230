"""Printouts of Remind and ParentSquare: histories as PDF, each message with the page that it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from examples.district.asks import Source
from examples.district.clock import pacific
from examples.district.handed import Cast, Made, digest, file_top, missing, ordinary
from examples.district.planter import STUDENT
from examples.district.transcripts import (
    PARENTSQUARE_LAYOUT,
    REMIND_LAYOUT,
    Printout,
    Said,
    parentsquare_conversation,
    remind_history,
)
from examples.district.truth import Answer, Piece, Top

REMIND, PARENTSQUARE = "Remind history 2025-26.pdf", "ParentSquare messages.pdf"
LAYOUTS = {"remind-01": "layouts/remind-1.toml", "parentsquare-01": "layouts/parentsquare-1.toml"}
LOST = "stops.pdf"


@dataclass(frozen=True, slots=True)
class _Line:
    """A message, and what is true of it."""

    said: Said
    tags: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


def remind(source: Source, cast: Cast, count: int) -> Made:
    """Make the history of one member of staff; messages to several families stand in it once."""
    mine, pupil = source.custodian.name, cast.pupils[3]
    parent = pupil.guardians[0].name
    lines = [
        _Line(
            Said(pacific(2025, 9, 9, 7, 2), mine, "No bus route change this year.", "Riders of 14", "Staff"),
            ("outside_window",),
        ),
        _Line(
            Said(
                pacific(2025, 11, 2, 1, 30),
                mine,
                "The night bus of the team is late.",
                "Track families",
                "Staff",
            ),
            ("outside_window", "autumn_hour"),
        ),
        _Line(
            Said(
                pacific(2026, 2, 12, 7, 30),
                mine,
                "The bus will change at the garage; the route of the walk stays.",
                "Riders of 14",
                "Staff",
            ),
            ("near_miss",),
        ),
        _Line(
            Said(
                pacific(2026, 2, 20, 16, 0),
                mine,
                "The bus route change begins on Monday.\nThe list of stops is attached.",
                "Riders of 14",
                "Staff",
                attachments=(LOST,),
            ),
            ("hit_text", "missing_media", "multi_line"),
        ),
        _Line(
            Said(
                pacific(2026, 2, 20, 16, 20),
                parent,
                f"{pupil.name} cannot see the Larkspur Lane stop from our door.",
            ),
            ("hit_text", "student_data"),
            {"bus": STUDENT},
        ),
        _Line(
            Said(
                pacific(2026, 2, 20, 16, 31),
                mine,
                "Drivers have rerouted: the cedar corner is first.",
                parent,
                "Staff",
            ),
            ("hit_text",),
        ),
    ]
    for n, (at, text) in enumerate(ordinary(cast.rng("remind"), cast.words, count)):
        said = Said(at, mine, text, "Riders of 14", "Staff") if n % 3 else Said(at, parent, text)
        lines.append(_Line(said))
    lines.sort(key=lambda one: one.said.at)
    made = remind_history([one.said for one in lines], owner=mine)
    return _made(source, REMIND, made, lines, f"{mine}: individual and group messages")


def parentsquare(source: Source, cast: Cast, count: int) -> Made:
    """Make a conversation as a browser prints it."""
    mine, pupil = source.custodian.name, cast.pupils[2]
    parent = pupil.guardians[0].name
    lines = [
        _Line(
            Said(pacific(2025, 10, 20, 18, 0), parent, "Will there be a bus route change?"),
            ("outside_window",),
        ),
        _Line(
            Said(pacific(2026, 2, 12, 18, 5), mine, "Stop by on Thursday; the bus is not the matter."),
            ("near_miss",),
        ),
        _Line(
            Said(
                pacific(2026, 2, 21, 18, 1),
                parent,
                f"Who decided the bus route change? {pupil.name} is in grade {pupil.grade}.",
            ),
            ("hit_text", "student_data"),
            {"bus": STUDENT},
        ),
        _Line(
            Said(pacific(2026, 2, 21, 19, 40), mine, "Stop consolidation was a matter of the whole route."),
            ("hit_text",),
        ),
    ]
    for n, (at, text) in enumerate(ordinary(cast.rng("parentsquare"), cast.words, count)):
        lines.append(_Line(Said(at, (mine, parent)[n % 2], text)))
    lines.sort(key=lambda one: one.said.at)
    address = "https://www.parentsquare.example/schools/14/chats/5530"
    made = parentsquare_conversation([one.said for one in lines], title=parent, address=address)
    return _made(source, PARENTSQUARE, made, lines, f"Conversation with {parent}")


def _made(source: Source, name: str, printout: Printout, lines: Sequence[_Line], head: str) -> Made:
    tops: list[Top] = []
    words = [head]
    for one, printed in zip(lines, printout.messages, strict=True):
        said = one.said
        people = f"{said.sender} {said.to}"
        words += [people, printed.text]
        tops.append(Top(
            source, name, printed.native_key, "chat", None, f"r-{digest(printed.native)[:16]}",
            said.at.replace(second=0), digest(printed.native), len(printed.native), words=printed.text,
            participants=people, answers=one.answers, tags=(source.id.partition("-")[0], *one.tags),
        ))  # fmt: skip
        tops += [
            missing(source, name, f"{printed.native_key}#attachment{number}", lost)
            for number, lost in enumerate(said.attachments)
        ]
    # The file has the words of all of its messages, so whoever reads it reads them once more.
    whole = Piece(name, "application/pdf", printout.data, words="\n".join(words), tags=("printout",))
    return Made({name: printout.data}, [file_top(source, name, name, whole, answers={"bus": STUDENT}), *tops])


def write_layouts(out: Path) -> None:
    """Write the layouts as the records office confirmed them."""
    for place, text in (("remind-01", REMIND_LAYOUT), ("parentsquare-01", PARENTSQUARE_LAYOUT)):
        target = out / LAYOUTS[place]
        target.parent.mkdir(exist_ok=True)
        target.write_text(text.lstrip("\n"), encoding="utf-8", newline="")
