"""An iPhone's backup: the assistant principal's texts with a parent, with colleagues, and at home."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from examples.district import documents as d
from examples.district.asks import Source
from examples.district.clock import pacific
from examples.district.handed import Cast, Made, Somebody, digest, file_top, missing, ordinary
from examples.district.planter import PERSONAL, STUDENT
from examples.district.truth import NO_TEXT, Answer, Piece, State, Top
from examples.exports.imessage import (
    DATABASE,
    NOON,
    NS,
    ON_PHONE,
    Phone,
    archived,
    backup_of,
    hashed,
    history,
)

FOLDER = "00008101-000A1C3E0C12001E"
SHOWN = "IMG_2041.jpeg"
AUTUMN = (1_762_072_200, 1_762_075_800)
"""Half past one on the night of 2 November 2025, before and after clocks went back: 08:30 and 09:30 UTC."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row and what is true of it.

    Attributes:
        label: What its guid is made of.
        sender: Who wrote it; None for the owner.
        said: What a reader must find; None where it is ``body``.
        body: The words, in ``attributedBody`` unless ``plain``.
        gone: It was deleted lately, and can be had back.
    """

    label: str
    at: datetime
    chat: str
    sender: Somebody | None
    body: str = ""
    said: str | None = None
    plain: bool = False
    gone: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[tuple[Piece, bool], ...] = ()
    tags: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


def iphone(source: Source, cast: Cast, count: int) -> Made:
    """Make a folder with a backup of which only the messages were copied, as the connector's page says."""
    rows = sorted([*_story(cast), *_ordinary(cast, count)], key=lambda row: row.at)
    phone = Phone()
    people: dict[str, int] = {}
    chats = _chats(phone, cast, people)
    numbers = [_write(phone, row, chats, people, cast.seed) for row in rows]
    files: dict[tuple[str, str], bytes] = {}
    tops: list[Top] = []
    scope = f"{FOLDER}/{DATABASE}"
    for row, number in zip(rows, numbers, strict=True):
        data = phone.native(number)
        guid = _guid(cast.seed, row.label)
        name = "Door duty" if row.chat == "group" else ""
        words = row.body if row.said is None else row.said
        known = row.sender.number if row.sender else source.custodian.number
        tops.append(Top(
            source, scope, guid, "message", None, f"i-{guid}", row.at, digest(data), len(data), name, words,
            participants=known, answers=row.answers, tags=("iphone", *row.tags),
        ))  # fmt: skip
        for place, (piece, there) in enumerate(row.files):
            key = f"{guid}#{_file_guid(cast.seed, row.label, place)}"
            if there:
                tops.append(file_top(source, scope, key, piece, row.at))
                files["MediaDomain", f"Library/SMS/Attachments/{place:02x}/01/{piece.name}"] = piece.data
            else:
                tops.append(missing(source, scope, key, piece.name))
    files["HomeDomain", "Library/SMS/sms.db"] = phone.image()
    backup = backup_of(files, "Assistant principal's iPhone")
    carried = {hashed(*key) for key in files if key[0] == "MediaDomain"}
    for path, data in backup.items():
        if path not in carried:
            tops.append(file_top(source, ".", f"{FOLDER}/{path}", _described(path, data)))
    return Made({f"{FOLDER}/{path}": data for path, data in backup.items()}, tops)


def _described(path: str, data: bytes) -> Piece:
    """Return a file of the backup itself: its lists are scaffolding, the database has no text of its own."""
    name = path.rpartition("/")[2]
    if name == "Info.plist":
        return Piece(name, "application/xml", data, words=data.decode(), tags=("about_phone",))
    stored: State = ("stored", None)
    listed: State = ("excluded", "export_scaffolding")
    database = path == DATABASE
    return Piece(
        name, "application/octet-stream", data, collection=stored if database else listed, text=NO_TEXT,
        tags=("database",) if database else (),
    )  # fmt: skip


def _guid(seed: int, label: str) -> str:
    return str(uuid.UUID(int=random.Random(f"guid-{label}-{seed}").getrandbits(128))).upper()


def _file_guid(seed: int, label: str, place: int) -> str:
    return f"at_{place}_{_guid(seed, f'file-{label}')}"


def _chats(phone: Phone, cast: Cast, people: dict[str, int]) -> dict[str, int]:
    """Write who takes part, and the conversations; ``people`` gets the number of each address."""
    parent, spouse = cast.pupils[0].guardians[0], _spouse(cast)
    friend, teacher = cast.office("counselor"), cast.office("teacher_a")
    for one in (parent, friend, teacher, spouse):
        people[one.number] = phone.handle(one.number)
    people[CODE] = phone.handle(CODE, "SMS")
    members = [people[friend.number], people[teacher.number]]
    return {
        "parent": _two(phone, parent.number, people),
        "home": _two(phone, spouse.number, people),
        "code": _two(phone, CODE, people, "SMS"),
        "group": phone.chat(
            "iMessage;+;chat553016", members, style=43, chat_identifier="chat553016", display_name="Door duty",
            group_id=_guid(cast.seed, "group"),
        ),
    }  # fmt: skip


CODE = "262966"


def _two(phone: Phone, number: str, people: Mapping[str, int], service: str = "iMessage") -> int:
    return phone.chat(f"{service};-;{number}", [people[number]], chat_identifier=number)


def _spouse(cast: Cast) -> Somebody:
    return cast.pupils[3].guardians[0]


def _since(at: datetime) -> float:
    """Return seconds since the ``NOON`` of the tables."""
    return at.timestamp() - 978_307_200 - NOON / NS


def _write(phone: Phone, row: _Row, chats: Mapping[str, int], people: Mapping[str, int], seed: int) -> int:
    about: dict[str, Any] = (
        {"is_from_me": 1} if row.sender is None else {"handle_id": people[row.sender.number]}
    )
    if row.chat == "code":
        about |= {"handle_id": people[CODE], "service": "SMS", "is_from_me": 0}
    about |= {"text": row.body} if row.plain else {"attributedBody": archived(row.body)} if row.body else {}
    about |= row.more
    if target := about.pop("on", None):
        about["associated_message_guid"] = f"p:0/{_guid(seed, target)}"
    chat = chats[row.chat]
    number = phone.message(_guid(seed, row.label), None if row.gone else chat, _since(row.at), **about)
    if row.gone:
        phone.delete(number, chat, _since(row.at) + 3600)
    for place, (piece, _) in enumerate(row.files):
        path = f"{ON_PHONE}/{place:02x}/01/{piece.name}"
        phone.attach(
            number,
            piece.name or "",
            path,
            guid=_file_guid(seed, row.label, place),
            mime_type=piece.media_type,
        )
    return number


def _ordinary(cast: Cast, count: int) -> list[_Row]:
    rng = cast.rng("iphone")
    friend, teacher = cast.office("counselor"), cast.office("teacher_a")
    rows = []
    for n, (at, text) in enumerate(ordinary(rng, cast.words, count)):
        sender = (None, friend, teacher)[n % 3]
        rows.append(_Row(f"more-{n}", at, "group", sender, text, plain=n % 5 == 0))
    return rows


def _story(cast: Cast) -> list[_Row]:
    pupil = cast.pupils[0]
    parent, spouse = pupil.guardians[0], _spouse(cast)
    friend, teacher = cast.office("counselor"), cast.office("teacher_a")
    before, after = "Tuesday. It is in the letter.", "Monday. The bus route change is in the letter."
    edited = pacific(2026, 2, 24, 18, 9)
    seconds = edited.timestamp() - 978_307_200
    shown = d.photo_file(SHOWN, ["Larkspur Lane stop", "no light"], ("found_only_after_ocr", "iphone_file"))
    lost = Piece("IMG_2042.MOV", "video/quicktime", b"")
    student = {"bus": STUDENT}
    first, second = (datetime.fromtimestamp(at, pacific(2025, 1, 1).tzinfo) for at in AUTUMN)
    assert first.strftime("%H:%M") == second.strftime("%H:%M") == "01:30"
    return [
        _Row(
            "asks", pacific(2026, 2, 24, 18, 2), "parent", parent,
            f"Is it true that the Larkspur Lane stop moves? {pupil.name} waits there alone.",
            tags=("hit_text", "student_data"), answers=student,
        ),
        _Row(
            "answers", pacific(2026, 2, 24, 18, 7), "parent", None, after, said=f"{after}\n[before]\n{before}",
            more={
                "date_edited": int(seconds * NS),
                "message_summary_info": history([(seconds - 120, before), (seconds, after)]),
            },
            tags=("hit_text", "edited"),
        ),
        _Row(
            "likes", pacific(2026, 2, 24, 18, 11), "parent", parent, f"Liked \u201c{after}\u201d", plain=True,
            more={"on": "answers", "associated_message_type": 2001}, tags=("hit_text", "tapback"),
        ),
        _Row(
            "unsent", pacific(2026, 2, 24, 18, 12), "parent", parent, said="[unsent]",
            more={
                "date_retracted": int((seconds + 200) * NS), "message_summary_info": history(unsent=[0]),
            },
            tags=("unsent",),
        ),
        _Row(
            "corner", pacific(2026, 2, 25, 6, 40), "parent", parent, "\ufffc\ufffcthis is the corner at six",
            said="this is the corner at six", files=((shown, True), (lost, False)), tags=("missing_media",),
        ),
        _Row(
            "early", pacific(2025, 9, 16, 7, 5), "parent", parent, "will there be a bus route change this year",
            tags=("outside_window",),
        ),
        _Row(
            "tires", pacific(2026, 2, 12, 7, 1), "group", friend, "the bus kept its route, change of driver only",
            plain=True, tags=("near_miss",),
        ),
        _Row(
            "named", pacific(2026, 2, 20, 7, 30), "group", teacher, said="[renamed the conversation] Door duty",
            more={"item_type": 2, "group_title": "Door duty"}, tags=("system_row",),
        ),
        _Row(
            "walkers", pacific(2026, 2, 26, 7, 31), "group", friend, "we rerouted the walkers past the cedar \U0001f332",
            tags=("hit_text", "emoji"),
        ),
        _Row(
            "doors", pacific(2026, 2, 26, 7, 44), "group", teacher, "stop consolidation means two doors, says the planner",
            plain=True, tags=("hit_text",),
        ),
        _Row(
            "gone", pacific(2026, 2, 26, 16, 2), "group", None, "bus route change or not, the east door stays shut",
            gone=True, tags=("hit_text", "recently_deleted"),
        ),
        _Row(
            "supper", pacific(2026, 2, 26, 17, 10), "home", spouse, "supper at six? the bus route change keeps you there again",
            tags=("personal",), answers={"bus": PERSONAL},
        ),
        _Row(
            "parcel", pacific(2026, 3, 2, 12, 0), "code", None, "Your parcel is at the door.", plain=True,
            tags=("short_code",),
        ),
        _Row(
            "before", first, "group", friend, "alarm of the east door again", tags=("outside_window", "autumn_hour"),
        ),
        _Row(
            "after", second, "group", friend, "and once more, same door", tags=("outside_window", "autumn_hour"),
        ),
    ]  # fmt: skip
