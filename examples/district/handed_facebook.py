"""The download of the district's Facebook page: posts, a comment, and messages with a parent."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from examples.district import documents as d
from examples.district.asks import Source
from examples.district.clock import epoch_ms, pacific
from examples.district.handed import Cast, Made, digest, file_top, missing, ordinary, zipped
from examples.district.people import ascii_handle
from examples.district.planter import STUDENT
from examples.district.truth import Answer, Piece, Top
from examples.exports import meta
from examples.exports.meta import PAGE

OWNER = "Alder Valley Schools"
ZIP = "facebook-aldervalleyschools-2026-07-01-Ab3Cd9.zip"
ALBUM = f"{PAGE}/posts/media/Timelinephotos_77"


@dataclass(frozen=True, slots=True)
class _Said:
    """One record of the page and what is true of it.

    Attributes:
        said: What a reader must find; None where it is ``words``.
        more: Members of the object beside time and words.
        media: Files that it names, and whether they are there.
    """

    at: datetime
    writer: str
    words: str | None
    said: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    media: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


def facebook(source: Source, cast: Cast, count: int) -> Made:
    """Make a download as one zip."""
    parent = cast.pupils[0].guardians[0].name
    folder = f"inbox/{ascii_handle(parent)}_5530"
    thread = f"{PAGE}/messages/{folder}"
    shown = d.photo_file(
        "181.jpg", ["Larkspur Lane stop", "from Monday"], ("found_only_after_ocr", "page_photo")
    )
    rows = sorted([*_posts(), *_ordinary(cast, count)], key=lambda one: one.at, reverse=True)
    posts, natives = meta.meta_list([_post(one) for one in rows])
    tops = _tops(source, f"{PAGE}/posts/profile_posts", "", rows, natives, {shown.name or ""})
    remark = _remark()
    comments, natives = meta.meta_list([_comment(remark)])
    tops += _tops(source, f"{PAGE}/comments_and_reactions/comments", "", [remark], natives, set())
    talk = sorted(_messages(cast, parent), key=lambda one: one.at, reverse=True)
    messages, natives = meta.thread(
        [meta.message(epoch_ms(one.at), one.writer, one.words, **one.more) for one in talk],
        parent, people=(parent, OWNER), path=folder,
    )  # fmt: skip
    tops += _tops(source, thread, f"{folder.partition('/')[2]}/", talk, natives, set(), group=parent)
    profile = meta.meta_json({"profile_v2": {"name": {"full_name": OWNER}}})
    about = d.text_file("profile_information.json", profile, ("page_facts",), media_type="application/json")
    files = {
        f"{PAGE}/posts/profile_posts_1.json": posts,
        f"{PAGE}/comments_and_reactions/comments.json": b'{"comments_v2": ' + comments + b"}",
        f"{thread}/message_1.json": messages,
    }
    start = Piece(
        "start_here.html", "text/html", b"<html></html>", collection=("excluded", "export_scaffolding")
    )
    for path, piece in (
        (f"{ALBUM}/181.jpg", shown), ("profile_information/profile_information.json", about),
        ("start_here.html", start),
    ):  # fmt: skip
        files[path] = piece.data
        tops.append(file_top(source, ".", path, piece))
    return Made({ZIP: zipped(files)}, tops)


def _tops(
    source: Source,
    scope: str,
    before: str,
    rows: list[_Said],
    natives: list[bytes],
    there: set[str],
    group: str = "",
) -> list[Top]:
    tops = []
    kind = "chat" if group else "post"
    times = [epoch_ms(one.at) if group else epoch_ms(one.at) // 1000 for one in rows]
    for key, one, native in zip(meta.timed(times, before), rows, natives, strict=True):
        tops.append(Top(
            source, scope, key, kind, None, f"b-{digest(native)[:16]}", one.at, digest(native), len(native), group,
            one.said if one.said is not None else one.words or "",
            participants=one.writer, answers=one.answers, tags=("facebook", *one.tags),
        ))  # fmt: skip
        tops += [
            missing(source, scope, f"{key}#{number}", name)
            for number, name in enumerate(one.media)
            if name not in there
        ]
    return tops


def _post(one: _Said) -> dict[str, Any]:
    at = epoch_ms(one.at) // 1000
    files = [
        {"data": [{"media": {"uri": f"{ALBUM}/{name}", "creation_timestamp": at}}]} for name in one.media
    ]
    return {
        "timestamp": at,
        **({"attachments": files} if files else {}),
        "data": [{"post": one.words}, {"update_timestamp": one.more.get("updated", at)}],
        "title": f"{OWNER} updated their status.",
    }


def _comment(one: _Said) -> dict[str, Any]:
    at = epoch_ms(one.at) // 1000
    said = {"timestamp": at, "comment": one.words, "author": OWNER}
    return {"timestamp": at, "data": [{"comment": said}], "title": f"{OWNER} commented on its own post."}


def _ordinary(cast: Cast, count: int) -> list[_Said]:
    return [_Said(at, OWNER, text) for at, text in ordinary(cast.rng("facebook"), cast.words, count)]


def _posts() -> list[_Said]:
    notice = pacific(2026, 2, 24, 9, 0)
    return [
        _Said(
            notice, OWNER, "The bus route change begins on Monday – merci to the Noémie café for the poster.",
            media=("181.jpg", "182.jpg"), tags=("hit_text", "non_ascii", "missing_media"),
        ),
        _Said(
            pacific(2026, 2, 25, 9, 0), OWNER, "Reminder: the Larkspur Lane stop is first.",
            more={"updated": epoch_ms(pacific(2026, 2, 25, 9, 30)) // 1000}, tags=("hit_text", "edited"),
        ),
        _Said(
            pacific(2026, 1, 15, 12, 0), OWNER, "One playground proposal hangs in the hall: come and see it.",
            tags=("hit_text",),
        ),
        _Said(pacific(2026, 2, 12, 12, 0), OWNER, "The lane is closed; the bus stops at Larkspur school.", tags=("near_miss",)),
        _Said(pacific(2025, 9, 2, 9, 0), OWNER, "No bus route change this fall.", tags=("outside_window",)),
    ]  # fmt: skip


def _remark() -> _Said:
    return _Said(
        pacific(2026, 2, 24, 12, 20),
        OWNER,
        "Yes, the Larkspur Lane stop moves two blocks north.",
        tags=("hit_text",),
    )


def _messages(cast: Cast, parent: str) -> list[_Said]:
    pupil = cast.pupils[0]
    return [
        _Said(
            pacific(2026, 2, 24, 19, 1), parent, f"My child {pupil.name} ({pupil.id}) rides 14. Whom do I ask about the bus route change?",
            more={"reactions": [{"reaction": "\u2764", "actor": OWNER}]},
            tags=("hit_text", "student_data"), answers={"bus": STUDENT},
        ),
        _Said(pacific(2026, 2, 25, 8, 2), OWNER, "Please write to the transportation office.", tags=("reply",)),
        _Said(pacific(2026, 2, 25, 8, 10), parent, None, more={"is_unsent": True}, tags=("unsent",)),
        _Said(pacific(2025, 10, 1, 8, 0), parent, "is there a bus route change?", tags=("outside_window",)),
    ]  # fmt: skip
