"""A message of a thread that Meta made as a web page: who wrote it, what, and what people put on it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from lxml import etree, html

from extract import charsets
from extract.markup import drop, html_to_text
from extract.social_parts import Said, one_line, people
from records.errors import ItemError
from records.models import Address
from records.moments import of_facts
from records.vocabulary import Kind, Reason


def said(data: bytes, about: Mapping[str, str]) -> Said:
    """Read a message: its first part is who wrote it, its last when, and between them are the words.

    Raises:
        ItemError: ``corrupt`` when it is no such element.
    """
    try:
        tree = html.fragment_fromstring(charsets.tidy(data.decode("utf-8", "replace")), create_parent="div")
    except (ValueError, etree.LxmlError):
        raise ItemError(Reason.CORRUPT, "message_page") from None
    # comments and the like say nothing, and are no parts
    etree.strip_elements(tree, etree.Comment, etree.ProcessingInstruction, with_tail=False)
    parts = list(tree[0]) if len(tree) == 1 else list(tree)
    if len(parts) < 2:
        raise ItemError(Reason.CORRUPT, "message_page")
    writer = one_line(parts[0].text_content())
    reactions: list[str] = []
    files: list[str] = []
    for part in parts[1:-1]:
        reactions += [one_line(entry.text_content()) for entry in part.findall(".//ul//li")]
        for node in list(part.iter("ul")):
            drop(node)
        for node in part.iter("img", "video", "audio", "a", "source"):
            address = node.get("src") or node.get("href") or ""
            if address and ":" not in address and not address.startswith(("/", "#")):
                files.append(unquote(address).rpartition("/")[2])
    shown = [html_to_text(etree.tostring(part, encoding="unicode", method="html")) for part in parts[1:-1]]
    names = list(dict.fromkeys(filter(None, files)))
    facts = {"reactions": "; ".join(filter(None, reactions)), "media": "; ".join(names)}
    words = [one.strip("\n") for one in shown if one.strip()]
    return Said(
        Kind.CHAT,
        tuple(charsets.without_surrogates(one) for one in words or [f"[{name}]" for name in names]),
        of_facts(about),
        facts,
        sender=Address(writer, "") if writer else None,
        participants=people(about.get("members", "")),
        thread=about.get("group", ""),
    )
