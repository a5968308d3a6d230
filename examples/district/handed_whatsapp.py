"""Two WhatsApp chats of the athletic director: with coaches, from an iPhone, and about the late bus."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from examples.district import documents as d
from examples.district.asks import Source
from examples.district.clock import pacific
from examples.district.handed import Cast, Made, digest, file_top, missing, ordinals, ordinary, zipped
from examples.district.planter import STUDENT
from examples.district.truth import Answer, Top
from examples.exports.whatsapp import LRM, android_entry, iphone_attached, iphone_entry

COACHES = "WhatsApp Chat - Track coaches.zip"
LATE_BUS = "WhatsApp Chat with Late bus.txt"
SHOWN, LOST = "00000009-PHOTO-2026-03-16-18-47-30.jpg", "00000010-VIDEO-2026-03-16-18-48-02.mp4"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry and what is true of it.

    Attributes:
        said: What a reader must find.
        lost: Why the media that it names is not there, and its name; None where nothing is missing.
    """

    at: datetime
    name: str
    native: bytes
    said: str
    tags: tuple[str, ...] = ()
    lost: tuple[str, str | None] | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)


def whatsapp(source: Source, cast: Cast, count: int) -> Made:
    """Make a zip with its media, and a chat without."""
    coaches = _sorted([*_coaches(source, cast), *_ordinary(cast, count - count // 2, android=False)])
    late = _sorted([*_late_bus(source, cast), *_ordinary(cast, count // 2, android=True)])
    shown = d.photo_file(SHOWN, ["interim coach", "three names"], ("found_only_after_ocr", "chat_file"))
    packed = zipped({"_chat.txt": _text(coaches), SHOWN: shown.data})
    tops = [
        *_tops(source, f"{COACHES}!_chat.txt", "Track coaches", coaches),
        *_tops(source, LATE_BUS, "Late bus", late),
        file_top(source, ".", f"{COACHES}!{SHOWN}", shown),
    ]
    return Made({COACHES: packed, LATE_BUS: _text(late)}, tops)


def _sorted(entries: Sequence[_Entry]) -> list[_Entry]:
    """Return entries in the order in which they were written: a chat runs on while the clock goes back."""
    return sorted(entries, key=lambda one: one.at.timestamp())


def _text(entries: Sequence[_Entry]) -> bytes:
    return b"".join(one.native for one in entries)


def _tops(source: Source, scope: str, name: str, entries: Sequence[_Entry]) -> list[Top]:
    tops = []
    for key, one in zip(ordinals([entry.native for entry in entries]), entries, strict=True):
        # Of the hour that comes twice an export says neither which it was: the first is taken.
        at = one.at.replace(fold=0)
        tops.append(Top(
            source, scope, key, "chat", None, f"w-{digest(one.native)[:16]}", at, digest(one.native),
            len(one.native), name, one.said, participants=one.name, answers=one.answers,
            tags=("whatsapp", *one.tags),
        ))  # fmt: skip
        if one.lost is not None:
            reason, stated = one.lost
            tops.append(missing(source, scope, f"{key}#media", stated, reason))
    return tops


def _ordinary(cast: Cast, count: int, *, android: bool) -> list[_Entry]:
    rng = cast.rng("whatsapp-android" if android else "whatsapp-iphone")
    people = (cast.office("athletics").name, cast.office("principal_hs").name, cast.office("teacher_b").name)
    entry = android_entry if android else iphone_entry
    return [
        _Entry(at.replace(second=0) if android else at, people[n % 3], entry(at, people[n % 3], text), text)
        for n, (at, text) in enumerate(ordinary(rng, cast.words, count))
    ]


def _coaches(source: Source, cast: Cast) -> list[_Entry]:
    mine, other, third = (
        source.custodian.name,
        cast.office("principal_hs").name,
        cast.office("teacher_b").name,
    )

    def said(
        at: datetime, name: str, text: str, *tags: str, seen: str | None = None,
        lost: tuple[str, str | None] | None = None, marked: bool = False,
    ) -> _Entry:  # fmt: skip
        native = iphone_entry(at, name, text, marked=marked)
        return _Entry(at, name, native, text if seen is None else seen, tags, lost)

    twice = pacific(2025, 11, 2, 1, 50, 10), pacific(2025, 11, 2, 1, 10, 44).replace(fold=1)
    sealed = "Messages and calls are end-to-end encrypted."
    attached, named = iphone_attached(SHOWN), iphone_attached(LOST)
    edited = "I can be the interim coach on Saturdays "
    return [
        said(
            pacific(2025, 8, 20, 8),
            "Track coaches",
            LRM + sealed,
            "system_line",
            "outside_window",
            seen=sealed,
        ),
        said(twice[0], third, "Brannock says the team is back, all in their beds", "hit_text", "autumn_hour"),
        said(twice[1], mine, "good, lights out then", "autumn_hour", "out_of_order"),
        said(pacific(2026, 3, 16, 18, 41, 12), third, "is Brannock out until May?", "hit_text"),
        said(
            pacific(2026, 3, 16, 18, 44, 2),
            mine,
            f"{edited}{LRM}<This message was edited.>",
            "hit_text",
            "edited",
            seen=f"{edited}<This message was edited.>",
        ),
        said(
            pacific(2026, 3, 16, 18, 45, 0),
            third,
            f"{LRM}This message was deleted.",
            "deleted",
            seen="This message was deleted.",
            marked=True,
        ),
        said(
            pacific(2026, 3, 16, 18, 47, 30),
            other,
            attached,
            "with_media",
            seen=attached.removeprefix(LRM),
            marked=True,
        ),
        said(
            pacific(2026, 3, 16, 18, 48, 2),
            other,
            named,
            "missing_media",
            seen=named.removeprefix(LRM),
            marked=True,
            lost=("not_in_export", LOST),
        ),
        said(pacific(2026, 3, 17, 7, 5, 0), other, "the interim bus has no seat for a coach", "near_miss"),
        said(pacific(2026, 6, 2, 8, 30, 0), mine, "Brannock is back on Monday", "outside_staffing"),
    ]


def _late_bus(source: Source, cast: Cast) -> list[_Entry]:
    mine, pupil = source.custodian.name, cast.pupils[1]
    parent = pupil.guardians[0].name

    def said(
        at: datetime, name: str, text: str, *tags: str, lost: tuple[str, str | None] | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> _Entry:  # fmt: skip
        return _Entry(at, name, android_entry(at, name, text), text, tags, lost, answers or {})

    begun = f'{mine} created group "Late bus"'
    return [
        said(pacific(2026, 1, 6, 15, 20), "", begun, "system_line"),
        said(
            pacific(2026, 2, 25, 17, 3), parent,
            f"Does the bus route change count for the late bus? {pupil.name} has practice until five.",
            "hit_text", "student_data", answers={"bus": STUDENT},
        ),
        said(
            pacific(2026, 2, 25, 17, 20), mine, "no:\nLarkspur Lane stop in the mornings only\nlate bus as ever",
            "hit_text", "multi_line",
        ),
        said(pacific(2026, 2, 25, 17, 21), parent, "ok", "duplicate"),
        said(pacific(2026, 2, 25, 17, 21), parent, "ok", "duplicate"),
        said(pacific(2026, 2, 25, 17, 30), mine, "<Media omitted>", "missing_media", lost=("omitted_by_user", None)),
        said(pacific(2026, 2, 26, 16, 1), parent, "the late bus was late, no route has a change of driver", "near_miss"),
        said(pacific(2026, 7, 2, 9, 0), parent, "thanks for a year of the Larkspur Lane stop", "outside_window"),
    ]  # fmt: skip
