r"""RTF of Outlook's messages: unpacked, and turned back into the HTML or the text that it encapsulates.

Outlook packs the RTF of a body (MS-OXRTFCP) and writes HTML into it in a form that can be undone without a
loss (MS-OXRTFEX): pieces of HTML stand in ``\*\htmltag`` groups, what stands outside of them is text of the
page, and what ``\htmlrtf`` surrounds is for readers of RTF only. RTF that encapsulates nothing becomes text.
"""

from __future__ import annotations

import html
import re
import struct
import zlib
from dataclasses import dataclass, replace

import compressed_rtf

from extract import charsets
from records.errors import ItemError
from records.vocabulary import Reason

_COMPRESSED, _PLAIN = b"LZFu", b"MELA"
_DEEPEST = 5_000
"""Groups within groups: real RTF has a few dozen."""

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,10})?\x20?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z'])|([{}])|([^\\{}\r\n]+)|[\r\n]+|.",
    re.DOTALL,
)
_HEAD_WORDS = 10
"""Among so many first words stands what the RTF encapsulates (MS-OXRTFEX section 2.1.3.1)."""
_LINK = re.compile(r"HYPERLINK\s+\"([^\"]+)\"", re.IGNORECASE)
_CHARSETS = {
    0: 1252, 2: 1252, 77: 10000, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253,
    162: 1254, 163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 254: 437, 255: 850,
}  # fmt: skip
"""What ``\\fcharset`` means (RTF 1.9.1, font table), as code pages."""

_BREAKS = {
    "par": "\n", "line": "\n", "page": "\n", "sect": "\n", "column": "\n", "row": "\n", "nestrow": "\n",
    "cell": "\t", "nestcell": "\t", "tab": "\t", "emdash": "—", "endash": "–", "emspace": "\u2003",
    "enspace": "\u2002", "qmspace": "\u2005", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "softline": "\n", "zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "\u200e",
    "rtlmark": "\u200f",
}  # fmt: skip
_SYMBOLS = {
    b"~": "\xa0",
    b"_": "\u2011",
    b"\r": "\n",
    b"\n": "\n",
    b"{": "{",
    b"}": "}",
    b"\\": "\\",
    b"-": "",
}
_SILENT = frozenset([
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "objdata", "objclass", "objname", "themedata",
    "colorschememapping", "datastore", "latentstyles", "listtable", "listoverridetable", "revtbl", "rsidtbl",
    "generator", "filetbl", "xmlnstbl", "mhtmltag", "nonshppict", "blipuid", "bkmkstart", "bkmkend",
    "datafield", "formfield", "fontemb", "panose", "falt",
])  # fmt: skip
"""Destinations that hold nothing a reader sees (RTF 1.9.1)."""
_SEEN = frozenset(
    {"htmltag", "fldinst", "shppict", "shpinst", "footnote", "annotation", "atnauthor", "shptxt"}
)
r"""Destinations behind ``\*`` that are gone through all the same; every other of these is passed over."""


@dataclass(frozen=True, slots=True)
class Rtf:
    r"""What RTF holds.

    Attributes:
        html: The HTML that it encapsulates (``\fromhtml``), or empty.
        text: Its text, where it encapsulates none.
        links: Targets of its hyperlinks, in order, where it encapsulates no HTML.
        guessed: Whether some of its bytes do not fit the code page that it states.
        from_text: Whether it is nothing but a plain text in another form (``\fromtext``).
    """

    html: str = ""
    text: str = ""
    links: tuple[str, ...] = ()
    guessed: bool = False
    from_text: bool = False


def unpacked(data: bytes) -> tuple[bytes, bool]:
    """Return RTF from its packed form (MS-OXRTFCP section 2.1), and whether it is sound.

    Raises:
        ItemError: ``corrupt`` when it is no such form.
    """
    if len(data) < 16:
        raise ItemError(Reason.TRUNCATED, "rtf_header")
    packed_size, raw_size, kind, stated = struct.unpack_from("<II4sI", data)
    content = data[16 : 4 + packed_size] if packed_size >= 12 else data[16:]
    if kind == _PLAIN:
        return content[:raw_size], len(content) >= raw_size
    if kind != _COMPRESSED:
        raise ItemError(Reason.CORRUPT, "rtf_header")
    # The checksum is CRC-32 without the usual inversions (MS-OXRTFCP section 2.1.3.2).
    actual = zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF
    sound = actual == stated and len(data) >= 4 + packed_size
    head = struct.pack("<II4sI", len(content) + 12, raw_size, kind, actual)
    try:
        raw = compressed_rtf.decompress(head + content)
    except struct.error:  # cut in the middle of a reference
        head = struct.pack("<II4sI", len(content) + 11, raw_size, kind, _crc(content[:-1]))
        raw, sound = compressed_rtf.decompress(head + content[:-1]), False
    return raw, sound and len(raw) >= raw_size


def _crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until a group ends.

    Attributes:
        silent: Nothing in it is seen.
        tag: It is a piece of HTML.
        field: It is the instruction of a field.
        fonts: It is the font table.
        suppressed: What stands here is for readers of RTF only.
        skip: Characters that stand for one beyond the code page.
        codec: Python's name of the charset of its bytes.
    """

    silent: bool = False
    tag: bool = False
    field: bool = False
    fonts: bool = False
    suppressed: bool = False
    skip: int = 1
    codec: str = "cp1252"


class _Reader:
    """Goes through RTF once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._out: list[str] = []
        self._instruction: list[str] = []
        self._bytes: list[bytes] = []
        self._units: list[int] = []
        self._now = _Group()
        self._stack: list[_Group] = []
        self._starred = False
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._default = "cp1252"
        self._skip = 0
        self._words = 0
        self.guessed = False
        self.encapsulates = ""

    def run(self) -> str:
        at, end = 0, len(self._data)
        while at < end:
            found = _TOKEN.match(self._data, at)
            assert found is not None  # the last branch takes any byte
            at = found.end()
            word, number, hex_pair, symbol, brace, text = found.groups()
            if text is not None:
                self._text(text)
            elif word is not None:
                if word == b"bin" and number is not None:
                    at += max(0, int(number))
                else:
                    self._word(word.decode("ascii"), None if number is None else int(number))
            elif hex_pair is not None:
                self._text(bytes.fromhex(hex_pair.decode("ascii")))
            elif brace == b"{":
                self._open()
            elif brace == b"}":
                self._close()
            elif symbol is not None:
                self._symbol(symbol)
        self._flush()
        return "".join(self._out)

    def links(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_LINK.findall("".join(self._instruction))))

    def _text(self, raw: bytes) -> None:
        self._starred = False
        if self._skip:
            dropped = min(self._skip, len(raw))
            self._skip -= dropped
            raw = raw[dropped:]
        now = self._now
        if raw and not now.silent and (now.tag or not now.suppressed):
            if self._units:
                self._flush()
            self._bytes.append(raw)

    def _say(self, text: str) -> None:
        now = self._now
        if not text or now.silent or (now.suppressed and not now.tag):
            return
        self._flush()
        self._put(text)

    def _put(self, text: str) -> None:
        (self._instruction if self._now.field else self._out).append(text)

    def _flush(self) -> None:
        """Decode what has gathered: a character may be two bytes that are written in two ways."""
        if self._units:
            raw = struct.pack(f"<{len(self._units)}H", *self._units)
            self._units = []
            self._put(self._escaped(raw.decode("utf-16-le", "replace")))
        if self._bytes:
            raw, self._bytes = b"".join(self._bytes), []
            text, guessed = charsets.decode(raw, self._now.codec)
            self.guessed |= guessed
            self._put(self._escaped(text))

    def _escaped(self, text: str) -> str:
        """Write text of a page as HTML: what is markup stands in tags (MS-OXRTFEX section 2.1.3.1.4)."""
        return html.escape(text, quote=False) if self.encapsulates == "html" and not self._now.tag else text

    def _open(self) -> None:
        self._flush()
        self._starred = False
        if len(self._stack) >= _DEEPEST:
            raise ItemError(Reason.BOMB, "rtf_depth")
        self._stack.append(self._now)

    def _close(self) -> None:
        self._flush()
        self._starred, self._skip = False, 0
        if self._stack:
            self._now = self._stack.pop()

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._starred = True
            return
        if self._skip and symbol in b"{}\\":
            self._skip -= 1
            return
        if symbol in (b"{", b"}", b"\\") and not self._units:
            self._text(symbol)  # may be the second byte of a character
            return
        self._say(self._escaped(_SYMBOLS.get(symbol, "")))

    def _word(self, word: str, number: int | None) -> None:
        starred, self._starred = self._starred, False
        self._words += 1
        if word == "u" and number is not None:
            self._unicode(number)
            return
        if word in _BREAKS:
            self._say(_BREAKS[word])
            return
        if word == "htmlrtf":
            self._flush()
            self._now = replace(self._now, suppressed=number != 0)
        elif word in ("fromhtml", "fromtext") and self._words <= _HEAD_WORDS:
            self.encapsulates = word.removeprefix("from")
        elif word in _SILENT or (starred and word not in _SEEN):
            self._flush()
            self._now = replace(self._now, silent=True, fonts=word == "fonttbl")
        elif word == "htmltag":
            self._flush()
            self._now = replace(self._now, tag=True)
        elif word == "fldinst":
            self._flush()
            self._now = replace(self._now, field=True)
        elif number is not None:
            self._numbered(word, number)
        elif word in ("plain", "mac", "pc", "pca"):
            self._flush()
            self._now = replace(self._now, codec=self._default if word == "plain" else self._codec_of(word))

    def _codec_of(self, word: str) -> str:
        self._default = {"mac": "mac-roman", "pc": "cp437", "pca": "cp850"}[word]
        return self._default

    def _numbered(self, word: str, number: int) -> None:
        if word == "uc":
            self._now = replace(self._now, skip=min(max(0, number), 16))
        elif word == "ansicpg":
            self._default = charsets.of_code_page(number) or "cp1252"
            self._now = replace(self._now, codec=self._default)
        elif word == "f" and self._now.fonts:
            self._font = number
        elif word in ("fcharset", "cpg") and self._now.fonts:
            page = number if word == "cpg" else _CHARSETS.get(number, 0)
            codec = charsets.of_code_page(page)
            if codec is not None and (word == "cpg" or number != 0 or self._default == "cp1252"):
                self._fonts[self._font] = codec
        elif word == "f":
            codec = self._fonts.get(number, self._default)
            if codec != self._now.codec:
                self._flush()
                self._now = replace(self._now, codec=codec)

    def _unicode(self, number: int) -> None:
        now = self._now
        self._skip = now.skip
        if now.silent or (now.suppressed and not now.tag):
            return
        if self._bytes:
            self._flush()
        self._units.append(number & 0xFFFF)


def read(data: bytes) -> Rtf:
    """Read RTF.

    Raises:
        ItemError: ``corrupt`` when it is none, ``bomb`` for groups without end.
    """
    if not data.lstrip(b"\0 \r\n\t").startswith(b"{\\rtf"):
        raise ItemError(Reason.CORRUPT, "rtf")
    reader = _Reader(data)
    text = charsets.tidy(charsets.without_surrogates(reader.run()))
    if reader.encapsulates == "html":
        return Rtf(html=text, guessed=reader.guessed)
    return Rtf(
        text=text.strip("\n"), links=reader.links(), guessed=reader.guessed,
        from_text=reader.encapsulates == "text",
    )  # fmt: skip
