"""Messages as imessage-exporter writes them, as text or as a part of a web page.

Who wrote a message and when, the connector says. Here are its words, in the order of their last form and then
of earlier ones; what the program adds of its own (tapbacks, notes of replies) are facts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar
from urllib.parse import unquote

from lxml import etree, html

from extract import charsets
from extract.labelled import LabelledReader
from extract.markup import drop, html_to_text
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Address, Extraction, Fields
from records.moments import of_facts
from records.vocabulary import Kind, Reason

MESSAGE_TYPE = "application/x-imessage-exporter-message"

_TIME = r"[A-Z][a-z]{2} [ 0-3]?\d, \d{4} {1,2}\d{1,2}:\d\d:\d\d [AP]M"
_REPLY = re.compile(rf"^ {{4}}{_TIME}", re.MULTILINE)
_TAPBACK = re.compile(
    r"\s*(?:(?:Loved|Liked|Disliked|Laughed|Emphasized|Questioned|[^\w\s]{1,12}) by \S.*"
    r"|(?:[A-Z][a-z]+ )?Sticker from \S.*|Sticker from .* not found!)"
)
_TAPBACKS = re.compile(r"\s*(?:Tapbacks|Reactions):")
_EDIT = re.compile(r"\s*Edited (?P<after>.{1,60}?) later: ?(?P<words>.*)")
_EDITED = re.compile(r"Edited (?P<after>.{1,60}?) later")
_STAMPED = re.compile(rf"{_TIME} ?")
_PATH = re.compile(
    r" {0,8}(?:(?:~|[A-Za-z]:|\.{1,2})?[/\\](?:.*[/\\])?)?"
    r"[Aa]ttachments[/\\](?:.*[/\\])?(?P<name>[^/\\]+?)\s*"
    r"|/.*/[0-9a-f]{2}/(?P<sum>[0-9a-f]{40})\s*"
)
_RESPONDED = "This message responded to an earlier message."
_EVENTS = (
    ("unsent", re.compile(r" (?:unsent|deleted) a message[.!]?$")),
    ("rename", re.compile(r" (?:re)?named the conversation(?: to)? ")),
    ("photo", re.compile(r" (?:changed|removed) the group (?:photo|background)|chat background")),
    ("join", re.compile(r" added .+ to the conversation")),
    ("remove", re.compile(r" removed .+ from the conversation")),
    ("leave", re.compile(r" left the conversation")),
    ("location", re.compile(r"(?:started|stopped) sharing location|shared location")),
    ("kept_audio", re.compile(r" kept an audio message")),
)
_OWN = "Me"


class ImessageExporterReader(LabelledReader):
    """Reads one message or announcement."""

    name: ClassVar[str] = "imessage_exporter"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when the connector's facts do not fit it.
        """
        data, about = stream.read(), context.metadata
        begin, end = (_place(about.get(name, str(usual)), data) for name, usual in
                      (("body_at", 0), ("own", len(data))))  # fmt: skip
        system = about.get("system") == "true"
        said = (_page if about.get("form") == "html" else _text)(data, begin, end)
        words = "\n".join([*said.words, *(line for one in said.earlier for line in ("[before]", one))])
        sender = about.get("sender", "")
        mine = sender == _OWN
        owner = _owner(context)
        others = [Address(one, "") for one in about.get("members", "").split("; ") if one and one != _OWN]
        writer = owner if mine else (Address(sender, "") if sender else None)
        return Extraction(
            text=words,
            kind=Kind.MESSAGE,
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=None if system else writer,
                to=() if system else tuple(others) if mine else (owner,),
                participants=tuple(dict.fromkeys((*others, owner))),
                moment=of_facts(about),
                thread_key=about.get("group", ""),
            ),
            metadata=_facts(said, words, system=system, mine=mine),
        )


@dataclass(slots=True)
class _Said:
    """What a message says.

    Attributes:
        words: Lines of its last form.
        earlier: What it said before, oldest first.
        edits: How long after the form before each edit was made.
        tapbacks: As the program writes them.
        answers: It answers another message.
        replies: Replies that are printed below it.
    """

    words: list[str]
    earlier: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    tapbacks: list[str] = field(default_factory=list)
    answers: bool = False
    replies: int = 0


def _facts(said: _Said, words: str, *, system: bool, mine: bool) -> dict[str, str]:
    facts = {
        "event": next((name for name, form in _EVENTS if form.search(f" {words}")), "other")
        if system
        else "",
        "direction": "" if system else "sent" if mine else "received",
        "tapbacks": "; ".join(said.tapbacks),
        "edits": "; ".join(said.edits),
        "answers": "true" if said.answers else "",
        "replies": str(said.replies) if said.replies else "",
    }
    return {name: value for name, value in facts.items() if value}


def _owner(context: ExtractContext) -> Address:
    """Return whose messages they are: by an own number or address that is known, else as the program says."""
    known = sorted(context.owner_handles, key=lambda one: "@" in one)
    return Address("", known[0]) if known else Address(_OWN, "")


def _place(stated: str, data: bytes) -> int:
    if not stated.isascii() or not stated.isdigit() or int(stated) > len(data):
        raise ItemError(Reason.CORRUPT, "imessage_exporter")
    return int(stated)


def _decoded(data: bytes) -> str:
    return charsets.tidy(data.decode("utf-8", "replace"))


# --- text ------------------------------------------------------------------------------------------------


def _text(data: bytes, begin: int, end: int) -> _Said:
    """Read a block of a text file; of the replies below it, only lines that are none of theirs."""
    printed = _decoded(data[end:])
    lines = _decoded(data[begin:end]).strip("\n").split("\n")
    # The program indents the first line of each thing that it prints in a reply, and no other.
    lines += [line for line in printed.split("\n") if line.strip() and not line.startswith("    ")]
    said = _Said([], replies=len(_REPLY.findall(printed)))
    forms: list[list[str]] = [said.words]
    reacting = False
    for number, line in enumerate(lines):
        edit = _EDIT.fullmatch(line)
        tapback = _TAPBACK.fullmatch(line) is not None
        headed = _TAPBACKS.fullmatch(line.rstrip()) is not None and any(
            _TAPBACK.fullmatch(below) for below in lines[number + 1 : number + 2]
        )
        reacting = headed or (reacting and (tapback or not line.strip()))
        if reacting:
            said.tapbacks += [line.strip()] if tapback else []
        elif line.strip() == _RESPONDED:
            said.answers = True
        elif edit is not None:
            said.edits.append(f"{edit['after']} later")
            forms.append([edit["words"]])
        else:
            forms[-1].append(_shown(line))
    if len(forms) > 1:
        forms[0][:] = [_STAMPED.sub("", line, count=1) for line in forms[0]]
    whole = ["\n".join(form).strip("\n ") for form in forms]
    said.words, said.earlier = [whole[-1]], [one for one in whole[:-1] if one]
    return said


def _shown(line: str) -> str:
    found = _PATH.fullmatch(line)
    return f"[{found['name'] or found['sum']}]" if found is not None else line


# --- pages -----------------------------------------------------------------------------------------------


def _page(data: bytes, begin: int, end: int) -> _Said:
    """Read a part of a page."""
    del begin, end  # elements say what is what
    try:
        tree = html.fromstring(f"<div>{_decoded(data)}</div>")
    except (ValueError, etree.LxmlError):
        raise ItemError(Reason.CORRUPT, "imessage_exporter") from None
    said = _Said([])
    for node in _of(tree, "reply"):
        said.replies += 1
        drop(node)
    for name in ("replies", "reply_anchor"):
        for node in _of(tree, name):
            drop(node)
    for name in ("reactions", "tapbacks"):
        for node in _of(tree, name):
            said.tapbacks += [line for one in (*_of(node, "reaction"), *_of(node, "tapback"))
                              if (line := _line(one)) and one.tag == "div"]  # fmt: skip
            drop(node)
    for node in _of(tree, "reply_context"):
        said.answers = True
        drop(node)
    for node in _of(tree, "edited"):
        forms = [_line(cells[-1]) for row in node.iter("tr") if (cells := row.findall(".//td"))]
        said.edits += [f"{at['after']} later" for at in _EDITED.finditer(_line(node))]
        if len(forms) > 1:
            said.earlier += filter(None, forms[:-1])
            for row in list(node.iter("tr"))[:-1]:
                drop(row)
            for mark in _of(node, "timestamp"):
                drop(mark)
    for name in ("timestamp", "sender"):
        for node in _of(tree, name)[:1]:
            drop(node)
    shown_files: set[str] = set()
    for node in tree.iter("img", "video", "audio", "source"):
        address = node.get("src") or ""
        if address and "://" not in address and address not in shown_files:
            shown_files.add(address)  # a video names its file twice
            name = unquote(address).replace("\\", "/").rpartition("/")[2]
            shown_name = html.Element("span")
            shown_name.text = f" [{''.join(filter(str.isprintable, name))}] "
            node.addnext(shown_name)  # what followed the node follows it
    shown = html_to_text(etree.tostring(tree, encoding="unicode", method="html"))
    lines = [line.strip() for line in shown.split("\n")]
    said.words = list(dict.fromkeys(line for line in lines if line))
    return said


def _of(node: html.HtmlElement, name: str) -> list[html.HtmlElement]:
    """Return the elements of a class below one."""
    found: list[html.HtmlElement] = node.xpath(
        "descendant::*[contains(concat(' ', normalize-space(@class), ' '), $name)]", name=f" {name} "
    )
    return found


def _line(node: html.HtmlElement) -> str:
    return " ".join(charsets.without_surrogates(node.text_content()).split())
