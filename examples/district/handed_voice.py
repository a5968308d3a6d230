"""A Google Voice Takeout of the counselor: texts with parents, a group, a voicemail with its transcript."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

from examples.district import documents as d
from examples.district.asks import Source
from examples.district.clock import pacific
from examples.district.handed import Cast, Made, Somebody, digest, file_top, missing, ordinals, ordinary
from examples.district.planter import STUDENT
from examples.district.takeout import BROWSER, browser_file
from examples.district.truth import Answer, Piece, Top
from examples.exports import voice

PRODUCT = "Takeout/Voice"


@dataclass(frozen=True, slots=True)
class _Text:
    """One text; ``who`` is None for the owner, ``media`` names pictures as the file does."""

    at: datetime
    who: Somebody | None
    words: str
    tags: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Page:
    """One file of texts: with whom, and whether the owner deleted it."""

    contact: Somebody
    texts: tuple[_Text, ...]
    group: tuple[Somebody, ...] = ()
    deleted: bool = False

    @property
    def name(self) -> str:
        """As Takeout names the file, by its first text."""
        what = "Group Conversation" if self.group else f"{self.contact.name} - Text"
        return f"{voice.CALLS}/{what} - {_file_time(self.texts[0].at)}.html"


def takeout_voice(source: Source, cast: Cast, count: int) -> Made:
    """Make an unpacked export of one product."""
    pages = sorted([*_story(cast), *_ordinary(cast, count)], key=lambda page: page.name)
    mine = voice.me(source.custodian.number)
    files: dict[str, bytes] = {}
    tops: list[Top] = []
    found: list[tuple[bytes, _Page, _Text]] = []
    for page in pages:
        texts = [
            voice.text(
                _shown(one.who, mine), escape(one.words, quote=False), _stated(one.at),
                "".join(map(voice.image, one.media)),
            )
            for one in page.texts
        ]  # fmt: skip
        among = ", ".join(f"<cite>{_shown(one, mine)}</cite>" for one in page.group)
        title = "Group Conversation" if page.group else page.contact.name
        files[page.name] = voice.page(title, *texts, people=among, deleted=str(page.deleted))
        found += [(native, page, one) for native, one in zip(voice.natives(texts), page.texts, strict=True)]
    picture = d.photo_file(
        f"{_picture(cast)}.jpg", ["Larkspur Lane stop", "at seven"], ("found_only_after_ocr", "voice_file")
    )
    for key, (native, page, one) in zip(ordinals([native for native, _, _ in found]), found, strict=True):
        among_all = page.group or (page.contact,)
        title = ", ".join(person.name for person in page.group) if page.group else page.contact.name
        deleted = ("deleted",) if page.deleted else ()
        tops.append(Top(
            source, "Voice", key, "message", None, f"v-{digest(native)[:16]}", one.at, digest(native),
            len(native), title, one.words, participants=" ".join(f"{p.name} {p.number}" for p in among_all),
            answers=one.answers, tags=("voice", *deleted, *one.tags),
        ))  # fmt: skip
        tops += [
            missing(source, "Voice", f"{key}#{number}", name)
            for number, name in enumerate(one for one in one.media if f"{one}.jpg" != picture.name)
        ]
    for path, data, top in _calls(source, cast):
        files[path] = data
        tops.append(top)
    browser = Piece(
        "archive_browser.html",
        "text/html",
        browser_file(("Voice",)),
        collection=("excluded", "export_scaffolding"),
    )
    cards = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:\r\nN:;;;;\r\nTEL:{source.custodian.number}\r\nEND:VCARD\r\n"
    for path, piece in (
        (f"{voice.CALLS}/{picture.name}", picture),
        (f"{PRODUCT}/Phones.vcf", d.text_file("Phones.vcf", cards, ("voice_file",), media_type="text/vcard")),
        (BROWSER, browser),
    ):
        files[path] = piece.data
        tops.append(file_top(source, "/".join(path.split("/")[1:2]), path, piece))
    return Made(files, tops)


def _shown(who: Somebody | None, mine: str) -> str:
    return mine if who is None else voice.person(who.number, who.name)


def _stated(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _file_time(at: datetime) -> str:
    return at.isoformat()[:19].replace(":", "_") + "Z"


def _picture(cast: Cast) -> str:
    """Return a picture's name, as the text that shows it has it: without its end."""
    return f"{cast.pupils[2].guardians[0].name} - Text - 2026-02-25T15_12_00Z-2-1"


def _ordinary(cast: Cast, count: int) -> list[_Page]:
    friend = cast.office("principal_cf")
    rows = list(ordinary(cast.rng("voice"), cast.words, count))
    return [
        _Page(
            friend,
            tuple(
                _Text(at, friend if n % 2 else None, text)
                for n, (at, text) in enumerate(rows[first : first + 5])
            ),
        )
        for first in range(0, len(rows), 5)
    ]


def _calls(source: Source, cast: Cast) -> list[tuple[str, bytes, Top]]:
    """Return the files of a voicemail and of a missed call, each an item by its whole file."""
    parent, friend = cast.pupils[2].guardians[0], cast.office("principal_cf")
    out = []
    for who, label, at, title, words, tags in (
        (
            parent, "Voicemail", pacific(2026, 2, 26, 7, 50), f"Voicemail from\n{parent.name}",
            "hello I wanted to ask about the bus route change please call me back", ("hit_text", "transcript"),
        ),
        (friend, "Missed", pacific(2026, 2, 26, 8, 5), f"Missed call from\n{friend.name}", "", ("call",)),
    ):  # fmt: skip
        data = voice.call(title, voice.person(who.number, who.name), label, _stated(at), words=words)
        path = f"{voice.CALLS}/{who.name} - {label} - {_file_time(at)}.html"
        (key,) = ordinals([data])
        out.append((path, data, Top(
            source, "Voice", key, "call", None, f"v-{digest(data)[:16]}", at, digest(data), len(data),
            " ".join(title.split()), words, participants=f"{who.name} {who.number}", tags=("voice", *tags),
        )))  # fmt: skip
    return out


def _story(cast: Cast) -> list[_Page]:
    pupil = cast.pupils[2]
    parent, other = pupil.guardians[0], cast.pupils[1].guardians[0]
    friend = cast.office("principal_cf")
    shown = _picture(cast)
    return [
        _Page(parent, (
            _Text(
                pacific(2026, 2, 25, 7, 10), parent,
                f"Can {pupil.name} get off at the Larkspur Lane stop with a friend?",
                ("hit_text", "student_data"), {"bus": STUDENT},
            ),
            _Text(
                pacific(2026, 2, 25, 7, 12), parent, "it is this one & the light is out",
                ("missing_media",), media=(shown, shown.replace("-2-1", "-2-2")),
            ),
            _Text(pacific(2026, 2, 25, 7, 15), None, "I will ask about the bus route change", ("hit_text",)),
        )),
        _Page(parent, (
            _Text(pacific(2026, 2, 27, 7, 1), None, "route 14 at Cedar Falls runs ten minutes late", ("hit_text",)),
        )),
        _Page(parent, (
            _Text(pacific(2025, 10, 7, 19, 1), parent, "will the bus route change before winter?", ("outside_window",)),
            _Text(pacific(2025, 10, 7, 19, 4), None, "not that I know", ("outside_window",)),
        )),
        _Page(friend, (
            _Text(
                pacific(2026, 2, 12, 18, 3), friend, "stop by tomorrow, the budget for consolidation is out",
                ("near_miss",),
            ),
        )),
        _Page(parent, (
            _Text(pacific(2026, 3, 3, 19, 30), other, "we all walk to the Larkspur Lane stop on Friday", ("hit_text",)),
            _Text(pacific(2026, 3, 3, 19, 31), None, "thank you, count me in"),
        ), group=(parent, other), deleted=True),
    ]  # fmt: skip
