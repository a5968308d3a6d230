"""A post or a message of an X archive.

Texts are shown as people saw them: without the escapes of HTML, and with the addresses that ``t.co`` stands
for (https://developer.x.com/en/docs/tco).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from extract.json_fields import inner_of, objects_of, text_of, texts_of
from extract.social_parts import Said, lines_of, number, one_line, people, person
from records.models import NO_MOMENT, Address, Moment
from records.moments import post_moment
from records.vocabulary import Kind, WarningCode

_LONGEST_TIME = 100
_EVENTS = {
    "joinConversation": "join",
    "participantsJoin": "join",
    "participantsLeave": "leave",
    "conversationNameUpdate": "rename",
}
_SHOWN = {"join": "joined", "leave": "left", "rename": "named"}


def said(value: Mapping[str, Any], about: Mapping[str, str]) -> Said:
    """Read an object as it stands in the archive."""
    name, body = "", value
    if len(value) == 1:
        ((name, only),) = value.items()
        body = only if isinstance(only, dict) else value
    return _message(name, body, about) if about.get("group") else _post(body, about)


def _moment(body: Mapping[str, Any]) -> Moment:
    stated = one_line(body.get("created_at")) or one_line(body.get("createdAt"))
    return post_moment(stated[:_LONGEST_TIME]) if stated else NO_MOMENT


def _plain(stated: str) -> str:
    """Undo the three escapes that X writes; a person's own ``&amp;`` comes as ``&amp;amp;``."""
    return stated.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _expanded(stated: str, links: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    """Return a text with each short address written out."""
    for link in links:
        short = one_line(link.get("url"))
        long = next((there for name in names if (there := one_line(link.get(name)))), "")
        if short and long:
            stated = stated.replace(short, long)
    return stated


# --- posts -----------------------------------------------------------------------------------------------


def _post(body: Mapping[str, Any], about: Mapping[str, str]) -> Said:
    core = inner_of(body, "core")  # of a long post
    entities = inner_of(body, "entities")
    media = objects_of(inner_of(body, "extended_entities"), "media") or objects_of(entities, "media")
    links = [*objects_of(entities, "urls"), *objects_of(core, "urls"), *media]
    words = text_of(body, "full_text") or text_of(body, "text") or text_of(core, "text")
    mentions = objects_of(entities, "user_mentions") or objects_of(core, "mentions")
    reply = one_line(body.get("in_reply_to_status_id_str")) or one_line(body.get("in_reply_to_status_id"))
    key = next((there for name in ("id_str", "id", "noteTweetId") if (there := one_line(body.get(name)))), "")
    edited = _versions(body)
    deleted = one_line(body.get("deleted_at"))
    facts = {
        "post_id": key,
        "in_reply_to": reply,
        "likes": number(body.get("favorite_count")),
        "reposts": number(body.get("retweet_count")),
        "language": one_line(body.get("lang")),
        "repost": "true" if words.startswith("RT @") else "",
        "versions": "; ".join(edited),
        "edited": "true" if edited else "",
        "updated_at": one_line(body.get("updatedAt")),
        "deleted": "true" if deleted or about.get("deleted_record") == "true" else "",
        "deleted_at": deleted,
        "media": "; ".join(_media_names(media)),
    }
    answered = _answered(body)
    return Said(
        Kind.POST,
        (
            _plain(_expanded(words, links, ("expanded_url", "expandedUrl"))),
            *(f"[image: {alt}]" for one in media if (alt := one_line(one.get("ext_alt_text")))),
        ),
        _moment(body),
        facts,
        sender=person(about.get("account", "")),
        to=(answered,) if answered else (),
        participants=tuple(_mentioned(mentions)),
        thread=reply or key,
        warnings=(
            *((WarningCode.EDITED,) if edited else ()),
            *((WarningCode.DELETED,) if deleted else ()),
        ),
    )


def _versions(body: Mapping[str, Any]) -> list[str]:
    """Return the ids of a post's versions where it has several: each version is a post of its own."""
    edits = inner_of(body, "edit_info")
    stated = lines_of(inner_of(edits, "initial"), "editTweetIds")
    if len(stated) > 1:
        return stated
    first = one_line(inner_of(edits, "edit").get("initialTweetId"))
    return [first] if first else []


def _answered(body: Mapping[str, Any]) -> Address | None:
    handle = one_line(body.get("in_reply_to_screen_name"))
    key = one_line(body.get("in_reply_to_user_id_str")) or one_line(body.get("in_reply_to_user_id"))
    return Address("", f"@{handle}" if handle else key) if handle or key else None


def _mentioned(mentions: list[dict[str, Any]]) -> Iterator[Address]:
    for one in mentions:
        handle = one_line(one.get("screen_name")) or one_line(one.get("screenName"))
        if handle:
            yield Address(one_line(one.get("name")), f"@{handle}")


def _media_names(media: list[dict[str, Any]]) -> Iterator[str]:
    for one in media:
        address = one_line(one.get("media_url_https")) or one_line(one.get("media_url"))
        if name := address.rpartition("/")[2]:
            yield name


# --- conversations ---------------------------------------------------------------------------------------


def _message(name: str, body: Mapping[str, Any], about: Mapping[str, str]) -> Said:
    known = texts_of(about.get("people", ""))
    event = _EVENTS.get(name, "")
    words = text_of(body, "text")
    earlier = [text_of(one, "editedText") for one in objects_of(body, "editHistory")]
    earlier = [one for one in earlier if one and one != words]
    texts = [_plain(_expanded(words, objects_of(body, "urls"), ("expanded", "expanded_url")))]
    if earlier:
        texts += ["[other versions]", *map(_plain, earlier)]
    if event:
        texts = [_event(event, body, known)]
    edited = bool(objects_of(body, "editHistory"))
    facts = {
        "message_id": one_line(body.get("id")),
        "event": event,
        "edited": "true" if edited else "",
        "reactions": "; ".join(_reactions(body, known)),
        "media": "; ".join(one.rpartition("/")[2] for one in lines_of(body, "mediaUrls")),
    }
    sender = one_line(body.get("senderId")) or one_line(body.get("initiatingUserId"))
    receiver = one_line(body.get("recipientId"))
    return Said(
        Kind.CHAT,
        tuple(texts),
        _moment(body),
        facts,
        sender=person(known.get(sender, sender)),
        to=tuple(one for one in (person(known.get(receiver, receiver)),) if one is not None),
        participants=people(about.get("members", "")),
        thread=about.get("group", ""),
        warnings=(WarningCode.EDITED,) if edited else (),
    )


def _event(event: str, body: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Return what happened to a conversation in the form ``[joined: …]``; the archive has no words for it."""
    whom = [*lines_of(body, "userIds"), *lines_of(body, "participantsSnapshot")]
    what = one_line(body.get("name")) if event == "rename" else ", ".join(known.get(one, one) for one in whom)
    return f"[{_SHOWN[event]}: {what}]" if what else f"[{_SHOWN[event]}]"


def _reactions(body: Mapping[str, Any], known: Mapping[str, str]) -> Iterator[str]:
    for one in objects_of(body, "reactions"):
        sender = one_line(one.get("senderId"))
        yield f"{one_line(one.get('reactionKey'))}: {known.get(sender, sender)}"
