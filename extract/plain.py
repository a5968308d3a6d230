r"""Text files: plain text, CSV, HTML, XML and JSON, in whatever charset they came.

XML is read without a DTD, without entities and without a network. JSON is shown with its escapes undone,
for ``caf\u00e9`` would hide the word.
"""

from __future__ import annotations

import json
import re
from typing import BinaryIO, ClassVar

from lxml import etree

from extract import charsets, markup, sniff
from extract.protocol import ExtractContext
from records.models import Extraction
from records.vocabulary import Kind, WarningCode

_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,1000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.I | re.S,
)
_XML_START = re.compile(rb"\s*<(?:\?xml|!DOCTYPE|[A-Za-z_])")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_XML_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}encoding\s*=\s*["']([A-Za-z0-9._-]{2,40})["']""")


class TextReader:
    """Reads one text file."""

    name: ClassVar[str] = "text"
    version: ClassVar[str] = "2"

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Accept what looks like text; a label or an ending makes it surer."""
        return sniff.text_score(media_type, name, head)

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the file; there is no text file that cannot be read."""
        data = stream.read()
        if not data:
            return Extraction(kind=Kind.FILE)
        form = _form(data, context)
        declared = context.metadata.get("charset") or _declared(data, form)
        text, guessed = charsets.decode(data, declared) if declared else charsets.decode_file(data)
        text = charsets.tidy(text.lstrip("\ufeff"))
        links: tuple[str, ...] = ()
        if form == "html":
            source, text = text, markup.html_to_text(text)
            links = markup.file_links(source, text)
        elif form == "xml":
            text = _xml_text(text)
        elif form == "json":
            text = _unescaped(text)
        return Extraction(
            text=text,
            kind=Kind.FILE,
            metadata={"form": form},
            links=links,
            warnings=(WarningCode.CHARSET_GUESSED,) if guessed else (),
        )


def _form(data: bytes, context: ExtractContext) -> str:
    head = data[:4096]
    media_type, ending = context.media_type or "", sniff.suffix(context.name)
    if _HTML_START.match(head) or media_type == "text/html" or ending in ("html", "htm", "xhtml"):
        return "html"
    if _XML_START.match(head) and (
        b"<?xml" in head[:200] or "xml" in media_type or ending in ("xml", "svg", "kml")
    ):
        return "xml"
    if "json" in media_type or ending in ("json", "jsonl", "ndjson", "geojson"):
        return "json"
    return "csv" if ending == "csv" or media_type == "text/csv" else "plain"


def _declared(data: bytes, form: str) -> str | None:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return None
    if form == "html":
        return markup.declared_charset(data)
    if form == "xml":
        found = _XML_DECLARED.search(data[:512])
        return found.group(1).decode("ascii") if found else None
    return None


def _xml_text(source: str) -> str:
    """Return element text and attribute values; the source itself where it is no XML."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=False
    )
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", source, count=1)  # its encoding no longer holds
    try:
        root = etree.fromstring(body.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError):
        return source
    pieces: list[str] = []
    for element in root.iter():
        if isinstance(element.tag, str):
            pieces.extend(str(value) for value in element.attrib.values() if value.strip())
        if element.text and element.text.strip():
            pieces.append(element.text.strip())
        if element.tail and element.tail.strip():
            pieces.append(element.tail.strip())
    # Attributes of a backup hold the record; in reading order they stand before the element's own text.
    return "\n".join(pieces)


def _unescaped(source: str) -> str:
    """Return JSON text with the escapes of its strings undone."""
    if "\\" not in source:
        return source
    return charsets.without_surrogates(_STRING.sub(_plain_string, source))


def _plain_string(found: re.Match[str]) -> str:
    literal = found.group()
    if "\\" not in literal:
        return literal
    try:
        return f'"{charsets.tidy(json.loads(literal))}"'
    except ValueError:
        return literal
