r"""Bytes to text: the declared charset first, then UTF-8, then windows-1252; never a loss without a word.

Labels lie in real mail, so what is declared is only the first try. A text is always what a reader would
see: newlines as ``\n``, no NUL, no lone surrogates (they cannot be stored as UTF-8).
"""

from __future__ import annotations

import codecs
from functools import lru_cache

_ALIASES = {
    "cp-850": "cp850",
    "x-unknown": "",
    "unknown-8bit": "",
    "unknown": "",
    "default": "",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "x-gbk": "gb18030",
    "utf8mb4": "utf-8",
    "unicode": "utf-16",
}
"""Names seen in mail that Python does not know, or knows in a narrower meaning than mail programs use."""

_LATIN = frozenset({"iso8859-1", "ascii", "latin-1"})
_MAY_MAKE_SURROGATES = frozenset({"utf-7", "utf-16-be", "utf-16-le", "utf-16", "utf-32", "cp65001"})
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@lru_cache(maxsize=512)
def python_name(charset: str) -> str | None:
    """Return Python's name of a charset label, or None when it is unknown or no text encoding."""
    label = charset.strip().strip("\"'").lower()
    label = _ALIASES.get(label, label)
    if not label:
        return None
    try:
        info = codecs.lookup(label)
    except (LookupError, ValueError):
        return None
    return info.name if getattr(info, "_is_text_encoding", True) else None


_PAGES = {
    932: "cp932", 936: "gb18030", 949: "cp949", 950: "big5hkscs", 1200: "utf-16-le", 1201: "utf-16-be",
    1361: "johab", 10000: "mac-roman", 10001: "shift_jis", 20127: "cp1252", 20866: "koi8-r",
    20932: "euc_jp", 21866: "koi8-u", 28591: "cp1252", 38598: "iso8859-8", 50220: "iso2022_jp",
    50221: "iso2022_jp", 50222: "iso2022_jp", 50225: "iso2022_kr", 51932: "euc_jp", 51936: "gb18030",
    51949: "euc_kr", 52936: "hz", 54936: "gb18030", 65000: "utf-7", 65001: "utf-8",
}  # fmt: skip
"""Windows code pages that Python knows by another name, or that mail programs use in a wider meaning."""


def of_code_page(page: int) -> str | None:
    """Return Python's name of a Windows code page (MS-UCODEREF section 2.2.1), or None for no known one."""
    if page in _PAGES:
        return _PAGES[page]
    if 28592 <= page <= 28605:
        return python_name(f"iso8859-{page - 28590}")
    return python_name(f"cp{page}") if 0 < page < 1_300 else None


def tidy(text: str) -> str:
    r"""Return text with newlines as ``\n`` and without NUL."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            text = text.replace("\r", "\n")
    if "\0" in text:
        text = text.replace("\0", "")
    return text


def without_surrogates(text: str) -> str:
    """Return text in which each lone surrogate is U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def decode(data: bytes, declared: str | None) -> tuple[str, bool]:
    """Decode bytes whose charset may be declared wrongly or not at all.

    Args:
        data: Bytes of a text.
        declared: Charset label as stated, or None.

    Returns:
        The text, and whether its charset was guessed: undeclared or wrongly declared, and not plain ASCII.
    """
    if data.isascii() and (declared is None or python_name(declared) in _ASCII_SUPERSETS):
        return data.decode("ascii"), False
    name = python_name(declared) if declared else None
    if name is not None:
        # Text labelled ISO-8859-1 is windows-1252 in practice (WHATWG encoding standard).
        text = None if name == "ascii" else _try(data, "cp1252" if name in _LATIN else name)
        if text is None and name == "iso8859-1":
            text = data.decode("latin-1")
        if text is not None:
            return (without_surrogates(text) if name in _MAY_MAKE_SURROGATES else text), False
    return _guess(data), True


_ASCII_SUPERSETS = frozenset(
    {
        None,
        "ascii",
        "utf-8",
        "iso8859-1",
        "cp1252",
        "iso8859-15",
        "iso8859-2",
        "cp1250",
        "cp1251",
        "koi8-r",
        "cp437",
    }
)


def decode_file(data: bytes) -> tuple[str, bool]:
    """Decode a text file that declares nothing: byte order mark, UTF-16 by its zeros, then as ``decode``."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            text = _try(data, name)
            return (without_surrogates(text), False) if text is not None else (_guess(data), True)
    wide = _utf16_without_mark(data)
    if wide is not None:
        return without_surrogates(data.decode(wide, "replace")), True
    return decode(data, None)


def _utf16_without_mark(data: bytes) -> str | None:
    """Western text in UTF-16 has a zero in nearly every second byte."""
    sample = data[:4096]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > len(sample) * 0.35 and even < len(sample) * 0.05:
        return "utf-16-le"
    if even > len(sample) * 0.35 and odd < len(sample) * 0.05:
        return "utf-16-be"
    return None


def _try(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, ValueError, LookupError):
        return None


def _guess(data: bytes) -> str:
    text = _try(data, "utf-8")
    if text is None:
        text = _try(data, "cp1252")
    # Five byte values have no meaning in windows-1252; ISO-8859-1 gives each byte one.
    return data.decode("latin-1") if text is None else text
