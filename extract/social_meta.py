"""A post, comment, story or message of a Facebook or Instagram download, with its texts repaired.

Layouts change often and add members; what a member is called decides little here, so that words in a place
which is new are read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from extract.json_fields import inner_of, objects_of, text_of
from extract.social_parts import Said, lines_of, number, one_line, people, person
from records.models import NO_MOMENT, Address, Moment
from records.moments import epoch_moment
from records.repair import Repair
from records.vocabulary import Kind, WarningCode

_TIMES = ("timestamp_ms", "timestamp", "creation_timestamp", "create_timestamp", "start_timestamp")
_NAMES_OF_FILES = ("photos", "videos", "audio_files", "files", "gifs", "media")
_NOT_WORDS = frozenset({
    "uri", "backup_uri", "upload_ip", "media_metadata", "thumbnail", "cover_photo", "cross_post_source",
    "fbid", "ent_name", "ent_field_name", "source_app", "subtitles", "dubbing_info", "media_variants", "ip",
})  # fmt: skip
_EVENTS = {"Subscribe": "join", "Unsubscribe": "leave"}


def said(value: Mapping[str, Any], about: Mapping[str, str]) -> Said:
    """Read an object as it stands in the download."""
    repair = Repair()
    whole: Mapping[str, Any] = repair.value(dict(value))
    doubts = (WarningCode.CHARSET_GUESSED,) if repair.left else ()
    made = _message(whole, about) if about.get("group") else _post(whole, about)
    facts = dict(made.facts)
    if repair.repaired:
        facts["texts_repaired"] = str(repair.repaired)
    if repair.left:
        facts["texts_not_repaired"] = str(repair.left)
    return Said(
        made.kind, made.texts, made.moment, facts, made.sender, made.to, made.participants, made.subject,
        made.thread, (*made.warnings, *doubts),
    )  # fmt: skip


def _moment(value: Mapping[str, Any]) -> Moment:
    places: list[Mapping[str, Any]] = [value]
    places += [inner_of(one, "comment") for one in objects_of(value, "data")]
    places += [one for one in inner_of(value, "string_map_data").values() if isinstance(one, dict)]
    places += objects_of(value, "media")
    for place in places:
        for name in _TIMES:
            stated = place.get(name)
            if isinstance(stated, int) and not isinstance(stated, bool) and 0 < stated < 10**18:
                return epoch_moment(stated, str(stated))
    return NO_MOMENT


# --- messages --------------------------------------------------------------------------------------------


def _message(value: Mapping[str, Any], about: Mapping[str, str]) -> Said:
    share = inner_of(value, "share")
    words = text_of(value, "content") or text_of(value, "text")
    kind = one_line(value.get("type"))
    unsent = value.get("is_unsent") is True or value.get("isUnsent") is True
    files = list(_file_names(value))
    texts = [
        words,
        text_of(share, "share_text"),
        one_line(share.get("link")),
        "[sticker]" if inner_of(value, "sticker") else "",
        *_call(value),
        *(f"[{one}]" for one in files if not words),
        *_labelled(value),
    ]
    facts = {
        "type": kind,
        "event": _EVENTS.get(kind, ""),
        "who": "; ".join(one_line(one.get("name")) for one in objects_of(value, "users")),
        "deleted": "true" if unsent else "",
        "reactions": "; ".join(_reactions(value)),
        "media": "; ".join(files),
    }
    return Said(
        Kind.CHAT,
        tuple(texts),
        _moment(value),
        facts,
        sender=_named(value.get("sender_name")) or _named(value.get("senderName")),
        participants=people(about.get("members", "")),
        thread=about.get("group", ""),
        warnings=(WarningCode.DELETED,) if unsent else (),
    )


def _named(value: object) -> Address | None:
    name = one_line(value)
    return Address(name, "") if name else None


def _call(value: Mapping[str, Any]) -> Iterator[str]:
    if "call_duration" in value:
        missed = value.get("missed") is True
        yield "[missed call]" if missed else f"[call, {number(value.get('call_duration')) or '0'} s]"


def _file_names(value: Mapping[str, Any]) -> Iterator[str]:
    for name in _NAMES_OF_FILES:
        for one in objects_of(value, name):
            if uri := one_line(one.get("uri")):
                yield uri.partition("?")[0].rpartition("/")[2]


def _reactions(value: Mapping[str, Any]) -> Iterator[str]:
    for one in objects_of(value, "reactions"):
        yield f"{one_line(one.get('reaction'))}: {one_line(one.get('actor'))}"


# --- posts, comments, stories ----------------------------------------------------------------------------


def _post(value: Mapping[str, Any], about: Mapping[str, str]) -> Said:
    comments = [inner_of(one, "comment") for one in objects_of(value, "data") if inner_of(one, "comment")]
    told = inner_of(value, "string_map_data")
    author = next((there for one in comments if (there := _named(one.get("author")))), None)
    title = one_line(value.get("title"))
    # Instagram writes a post's caption where Facebook writes "X shared a link".
    is_caption = about.get("platform") == "instagram"
    made = value.get("timestamp")
    updated = next(
        (one["update_timestamp"] for one in objects_of(value, "data") if "update_timestamp" in one), made
    )
    edited = updated != made
    owner = one_line(inner_of(told, "Media Owner").get("value"))
    texts = [
        *((text_of(value, "title"),) if is_caption else ()),
        *(text_of(one, "post") for one in objects_of(value, "data")),
        *(text_of(one, "comment") for one in comments),
        *_told(told),
        *_words({name: one for name, one in value.items() if name not in _READ}),
        *_labelled(value),
    ]
    facts = {
        "title": "" if is_caption else title,
        "group_named": next(filter(None, (one_line(one.get("group")) for one in comments)), ""),
        "edited": "true" if edited else "",
        "updated": number(updated) if edited else "",
        "deleted": "true" if about.get("deleted_record") == "true" else "",
        "tags": "; ".join(_tags(value)),
        "media": "; ".join(_post_files(value)),
    }
    return Said(
        Kind.POST,
        tuple(texts),
        _moment(value),
        facts,
        sender=author or person(about.get("account", "")),
        to=(Address("", f"@{owner}"),) if owner else (),
        subject="" if is_caption else title,
        warnings=(WarningCode.EDITED,) if edited else (),
    )


_READ = frozenset({"title", "data", "string_map_data", "tags", "label_values", "timestamp", "reactions"})


def _words(value: object) -> Iterator[str]:
    """Yield every text of a value that is for people, in order. A stack, since attachments nest."""
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            waiting.extend(reversed([below for name, below in one.items() if name not in _NOT_WORDS]))
        elif isinstance(one, str) and (line := text_of({"t": one}, "t").strip()):
            yield line


def _told(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Instagram tells as named values; names are in the language of the account."""
    for name, one in told.items():
        stated = text_of(one, "value") if isinstance(one, dict) else ""
        if stated and name != "Media Owner":
            yield stated if name == "Comment" else f"{one_line(Repair().text(name))}: {stated}"


def _labelled(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield what newer downloads tell as pairs of label and value."""
    for one in objects_of(value, "label_values"):
        stated = text_of(one, "value") or one_line(one.get("href"))
        if stated:
            yield f"{one_line(one.get('label'))}: {stated}"
        yield from _words([one.get("title"), one.get("dict"), one.get("vec")])


def _tags(value: Mapping[str, Any]) -> Iterator[str]:
    yield from lines_of(value, "tags")
    for one in objects_of(value, "tags"):
        if name := one_line(one.get("name")):
            yield name


def _post_files(value: Mapping[str, Any]) -> Iterator[str]:
    yield from _file_names(value)
    if uri := one_line(value.get("uri")):
        yield uri.rpartition("/")[2]
    for attachment in objects_of(value, "attachments"):
        for one in objects_of(attachment, "data"):
            if uri := one_line(inner_of(one, "media").get("uri")):
                yield uri.rpartition("/")[2]
