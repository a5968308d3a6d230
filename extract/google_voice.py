"""Google Voice: one text by its ``div``, or a call or voicemail by its file, of a Takeout export."""

from __future__ import annotations

import re
from typing import BinaryIO, ClassVar

from lxml import etree, html

from extract import charsets
from extract.json_fields import members_of
from extract.labelled import LabelledReader
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Address, Extraction, Fields, Moment
from records.moments import iso_moment, undated
from records.vocabulary import Kind, Reason

MEDIA_TYPE = "application/x-google-voice+html"

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")
_OWNER = "Me"
_NO_WORDS = frozenset({"MMS Received", "MMS Sent"})
"""What stands where a message has media alone."""


class GoogleVoiceReader(LabelledReader):
    """Reads one message or call."""

    name: ClassVar[str] = "google_voice"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MEDIA_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read it.

        Raises:
            ItemError: ``corrupt`` when it is neither a message nor a call.
        """
        data = stream.read()
        try:
            tree = html.fromstring(_DECLARATION.sub("", data.decode("utf-8", "replace").replace("\x00", "")))
        except (ValueError, etree.ParserError):
            raise ItemError(Reason.CORRUPT, "google_voice") from None
        call = _first(tree, "haudio")
        message = _first(tree, "message")
        if call is not None:
            return _call(call, context)
        if message is not None:
            return _message(message, context)
        raise ItemError(Reason.CORRUPT, "google_voice")


def _message(node: html.HtmlElement, context: ExtractContext) -> Extraction:
    quoted = node.find(".//q")
    words = _words(quoted) if quoted is not None else ""
    owner, sender = _person(node)
    others = members_of(context.metadata.get("members", ""))
    moment = _moment(node, "dt")
    return Extraction(
        text="" if words in _NO_WORDS else words,
        kind=Kind.MESSAGE,
        fields=Fields(
            subject=context.metadata.get("group_name", ""),
            sender=sender,
            to=others if owner else (),
            participants=others,
            moment=moment,
            thread_key=context.metadata.get("group", ""),
        ),
        metadata={"direction": "sent" if owner else "received"},
        warnings=undated(moment),
    )


def _call(node: html.HtmlElement, context: ExtractContext) -> Extraction:
    """Read a call: the words are the transcript of a voicemail, if Google made one."""
    contributor = _first(node, "contributor")
    _, other = _person(contributor) if contributor is not None else (False, None)
    labels = context.metadata.get("labels", "").split(",")
    placed = "Placed" in labels
    transcript, duration = _first(node, "full-text"), _first(node, "duration")
    moment = _moment(node, "published")
    facts = {
        "call": next((label for label in labels if label in _CALLS), ""),
        "duration": charsets.tidy(duration.get("title", "")) if duration is not None else "",
    }
    return Extraction(
        text=_words(transcript) if transcript is not None else "",
        kind=Kind.CALL,
        fields=Fields(
            subject=context.metadata.get("group_name", ""),
            sender=None if placed else other,
            to=(other,) if placed and other is not None else (),
            participants=members_of(context.metadata.get("members", "")),
            moment=moment,
            thread_key=context.metadata.get("group", ""),
        ),
        metadata={name: value for name, value in facts.items() if value},
        warnings=undated(moment),
    )


_CALLS = frozenset({"Placed", "Received", "Missed", "Voicemail", "Recorded"})


def _first(node: html.HtmlElement, name: str) -> html.HtmlElement | None:
    """Return the first element of a class, which may be the node itself."""
    found = node.xpath(
        "descendant-or-self::*[contains(concat(' ', normalize-space(@class), ' '), $name)]", name=f" {name} "
    )
    return found[0] if found else None


def _words(node: html.HtmlElement) -> str:
    """Return the words of an element, ``<br>`` as a line's end."""
    words: list[str] = []  # put together here: lxml takes no control characters back that it gave
    for event, one in etree.iterwalk(node, events=("start", "end", "comment", "pi")):
        if event == "start":
            words += ["\n" if one.tag == "br" else "", one.text or ""]
        elif one is not node:
            words.append(one.tail or "")
    return charsets.tidy(charsets.without_surrogates("".join(words))).strip()


def _person(node: html.HtmlElement) -> tuple[bool, Address | None]:
    """Return whether it is the owner of the account, and who it is."""
    tel, shown = _first(node, "tel"), _first(node, "fn")
    number = " ".join((tel.get("href", "") if tel is not None else "").removeprefix("tel:").split())
    name = " ".join(shown.text_content().split()) if shown is not None else ""
    owner = name == _OWNER
    name = "" if owner or name == number else name
    return owner, Address(name, number) if name or number else None


def _moment(node: html.HtmlElement, name: str) -> Moment:
    clock = _first(node, name)
    return iso_moment(" ".join(clock.get("title", "").split()) if clock is not None else "")
