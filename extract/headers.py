"""Header fields: one reading of names, encoded words and addresses, whichever parser took the message apart.

Raw bytes in a field are UTF-8, else windows-1252 (seen in real mail; RFC 6532 allows the first). Encoded
words are read leniently (RFC 2047): inside quotes, with raw spaces, split in the middle of a character.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Mapping
from email.utils import getaddresses
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from extract import charsets
from records.models import Address

Fields = dict[str, list[str]]
"""Lower-case field name to its raw values, unfolded, in order."""

_FOLDED_BYTES = re.compile(rb"\r?\n(?=[ \t])")
_ENCODED = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*)*)\?=")
_BETWEEN = re.compile(r"(\?=)[ \t\r\n]+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SIMPLE = re.compile(
    r"\s*(?:(?:\"([^\"\\\r\n]*)\"|([^\"<>(),:;@\\\[\]]*?))\s*<\s*([^\s<>(),:;\"\\\[\]]+)\s*>"
    r"|([^\s\"<>(),:;\\\[\]]+@[^\s\"<>(),:;\\\[\]@]+))\s*(?:,|$)"
)


_USUAL = 32 << 10
"""Bytes within which nearly every header block ends."""

_NAMES_KEPT = 5_000
_NAME_CHARACTERS = 80

_ANY_ADDRESS = re.compile(r"[^\s<>()\",;:\[\]]+@(?:\[[^\s\[\]]+\]|[^\s<>()\",;:\[\]]+)")
_WORD = re.compile(r"\w+")
_BRACKETS = {'"': '"', "(": ")", "<": ">"}


def split(data: bytes) -> tuple[bytes, int]:
    """Return the header block of a message without the blank line, and where its body begins."""
    if data.startswith((b"\n", b"\r\n")):
        return b"", data.index(b"\n") + 1
    for end in (_USUAL, len(data)):  # megabytes of attachments behind it need no search
        at = data.find(b"\n\n", 0, end)
        crlf = data.find(b"\n\r\n", 0, at if at >= 0 else end)
        if crlf >= 0:
            return data[: crlf + 1], crlf + 3
        if at >= 0:
            return data[: at + 1], at + 2
    return data, len(data)


def text_of(raw: bytes | str) -> str:
    """Decode raw header bytes (or text with surrogate escapes): UTF-8, else windows-1252."""
    if isinstance(raw, str):
        if raw.isascii():
            return raw
        raw = raw.encode("utf-8", "surrogateescape")
    return charsets.decode(raw, "utf-8")[0]


class _Names(dict[str, str]):
    """Field names as stated to lower case, empty for what is none: the same few stand in all messages."""

    def __missing__(self, stated: str) -> str:
        name = stated.rstrip(" \t")
        sound = name.isascii() and " " not in name and "\t" not in name
        made = name.lower() if sound else ""
        if len(stated) <= _NAME_CHARACTERS:
            if len(self) >= _NAMES_KEPT:
                self.clear()  # bounded: hostile mail must not fill the memory
            self[stated] = made
        return made


_names = _Names()


def parse(block: bytes) -> tuple[Fields, str]:
    """Take a header block apart.

    Returns:
        The fields, and whatever lines are no field (empty in a sound message).
    """
    lines = _lines(block)
    fields: Fields = {}
    junk: list[str] = []
    for line in lines:
        stated, colon, value = line.partition(":")
        name = _names[stated] if colon else ""
        if name:
            values = fields.get(name)
            if values is None:
                fields[name] = [value.strip(" \t\r")]
            else:
                values.append(value.strip(" \t\r"))
        elif line.strip():
            junk.append(line.strip())
    return fields, "\n".join(junk)


def _lines(block: bytes) -> list[str]:
    if block.isascii():
        # No regular expression: this is the first pass over every header (a block holds no blank line).
        text = block.decode("ascii").replace("\r\n", "\n")
        return text.replace("\n ", " ").replace("\n\t", "\t").split("\n")
    # Each field on its own: one field in windows-1252 must not spoil the UTF-8 of another.
    return [text_of(line) for line in _FOLDED_BYTES.sub(b"", block).split(b"\n")]


def rebuilt(block: bytes) -> bytes:
    """Return a header block without the lines that are no field, closed by a blank line."""
    kept = []
    for line in _FOLDED_BYTES.sub(b"", block).split(b"\n"):
        name, colon, _ = line.partition(b":")
        name = name.rstrip(b" \t")
        if colon and name and name.isascii() and b" " not in name and b"\t" not in name:
            kept.append(line.rstrip(b"\r"))
    return b"\r\n".join([*kept, b"", b""])


def first(fields: Mapping[str, list[str]], name: str) -> str | None:
    """Return the first value of a field, or None when the message has none."""
    values = fields.get(name)
    return values[0] if values else None


def one_line(text: str) -> str:
    """Return text on one line, without control characters and outer spaces."""
    return _CONTROL.sub(" ", text).strip() if not text.isprintable() else text.strip()


def decoded(value: str) -> str:
    """Return a field value with its encoded words read."""
    if "=?" not in value:
        return value
    value = _BETWEEN.sub(r"\1", value)
    out: list[str] = []
    at = 0
    pending: list[bytes] = []
    charset = ""
    for found in _ENCODED.finditer(value):
        label = found.group(1).partition("*")[0]  # RFC 2231 section 5: a language may follow
        if pending and (found.start() != at or label.lower() != charset.lower()):
            out.append(charsets.decode(b"".join(pending), charset)[0])
            pending = []
        if found.start() != at:
            out.append(value[at : found.start()])
        raw = _encoded_bytes(found.group(2), found.group(3))
        if raw is None:
            if pending:
                out.append(charsets.decode(b"".join(pending), charset)[0])
                pending = []
            out.append(found.group())
        else:
            pending.append(raw)
            charset = label
        at = found.end()
    if pending:
        out.append(charsets.decode(b"".join(pending), charset)[0])
    out.append(value[at:])
    return "".join(out)


def _encoded_bytes(encoding: str, text: str) -> bytes | None:
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raw = text.encode("utf-8")
    if encoding in "qQ":
        return quopri.decodestring(raw.replace(b"_", b" "), header=False) if raw else b""
    raw = b"".join(raw.split()).rstrip(b"=")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=False)
    except binascii.Error:
        return None


def addresses(values: list[str] | None) -> tuple[Address, ...]:
    """Read an address field: the usual spellings by one pattern, everything else by the standard library.

    What is no address stays as a name without one, so that it can still be found; so does the name of a
    group (``undisclosed-recipients:;``).
    """
    if not values:
        return ()
    if len(values) == 1:
        return _addresses(values[0])
    return tuple(person for value in values for person in _addresses(value))


@lru_cache(maxsize=4096)
def _addresses(value: str) -> tuple[Address, ...]:
    people: list[Address] = []
    at, end = 0, len(value)
    while at < end:
        found = _SIMPLE.match(value, at)
        if found is None:
            return _hard_addresses(value) if value.strip() else ()
        quoted, plain, angle, bare = found.groups()
        name = quoted if quoted is not None else plain or ""
        people.append(Address(_name(name) if name else "", angle or bare))
        at = found.end()
    return tuple(people)


def _name(name: str) -> str:
    return one_line(decoded(name))


def _hard_addresses(value: str) -> tuple[Address, ...]:
    """Read groups, comments and broken spellings, one piece at a time; no word of the field is lost."""
    people: list[Address] = []
    for piece in _pieces(value):
        found = _SIMPLE.fullmatch(piece)
        if found is not None:
            people.extend(_addresses(piece))
            continue
        parsed = [(_name(name), one_line(address)) for name, address in getaddresses([piece])]
        kept = set(_WORD.findall(" ".join(text for pair in parsed for text in pair)))
        stated = _name(piece)
        # Older releases of the standard library take brackets as part of an address.
        clean = all(not address or _ANY_ADDRESS.fullmatch(address) for _, address in parsed)
        if "@" in piece and clean and kept.issuperset(_WORD.findall(stated)):
            people.extend(Address(name, address) for name, address in parsed if name or address)
        else:
            people.append(_salvaged(piece))
    return tuple(people)


def _salvaged(piece: str) -> Address:
    """Take the one address out of a broken spelling; every other word is the name."""
    found = _ANY_ADDRESS.search(piece)
    if found is None:
        return Address(_name(piece).strip('"').strip(), "")
    rest = piece[: found.start()].rstrip(" <") + " " + piece[found.end() :].lstrip(" >")
    name = _name(rest).strip('"').strip()
    return Address(name if _WORD.search(name) else "", found.group())


def _pieces(value: str) -> list[str]:
    """Split at commas, semicolons and behind the name of a group, outside quotes, comments and brackets."""
    pieces: list[str] = []
    start = depth = 0
    closing = ""
    escaped = False
    for at, character in enumerate(value):
        if escaped:
            escaped = False
        elif character == "\\" and closing:
            escaped = True
        elif closing:
            if character == "(" and closing == ")":
                depth += 1
            elif character == closing:
                depth -= 1
                closing = closing if depth > 0 else ""
        elif character in _BRACKETS:
            closing, depth = _BRACKETS[character], 1
        elif character in ",;:":
            pieces.append(value[start:at])
            start = at + 1
    pieces.append(value[start:])
    return [stripped for piece in pieces if (stripped := piece.strip())]


def file_name(type_field: str, disposition: str) -> str:
    """Return the name a part states: Content-Disposition first, then Content-Type (RFC 2183, RFC 2231)."""
    return _parameter(disposition, "filename") or _parameter(type_field, "name")


_PARAMETER = re.compile(
    r";\s*([A-Za-z0-9!#$&+.^_`|~-]+(?:\*\d{1,9})?\*?)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\r\n]*))",
    re.DOTALL,
)


def _parameter(value: str, wanted: str) -> str:
    if wanted not in value.lower():
        return ""
    given: list[tuple[str, str]] = [("", "")]
    for name, quoted, bare in _PARAMETER.findall(value):
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip()
        given.append((name.lower(), text))
    plain = ""
    pieces: dict[int, tuple[bool, str]] = {}
    for name, text in given:
        base, star, rest = name.partition("*")
        if base != wanted:
            continue
        if not star:
            plain = plain or text
        else:
            number = rest.rstrip("*")
            pieces[int(number) if number else 0] = (rest == "" or rest.endswith("*"), text)
    if pieces:
        return _joined(pieces)
    return one_line(decoded(plain))


def _joined(pieces: dict[int, tuple[bool, str]]) -> str:
    """Join the pieces of an RFC 2231 value: ``charset'language'percent-encoded``."""
    raw = b""
    charset = ""
    for number in sorted(pieces):
        encoded, text = pieces[number]
        if encoded and not charset and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw += unquote_to_bytes(text) if encoded else text.encode("utf-8")
    return one_line(charsets.decode(raw, charset or "utf-8")[0])
