"""In which languages a text is written, by CLD2 (``pycld2``, Apache-2.0): n-grams, offline, in the package.

Source: "Compact Language Detector 2", github.com/CLD2Owners/cld2 (what it counts, and that it is made for
texts of 200 characters and more).
"""

from __future__ import annotations

import pycld2

from records.languages import LANGUAGES

_BEGINNING = 400
_MIDDLE = 200
"""Characters looked at: those that the writer wrote last come first; a second language often follows."""

_LEAST_BYTES = 100
"""Of letters in UTF-8, below which nothing is told: 100 Latin letters, 50 Cyrillic, 34 Chinese signs."""

_LEAST_SHARE = 20
"""Per cent of the words that make a language one of the text."""

_OTHER_CODES = {"iw": "he", "jw": "jv", "zh-Hant": "zh"}
"""Old codes, and the two ways of writing Chinese."""

_NO_WORDS = dict.fromkeys(
    [*range(9), 11, *range(14, 32), *range(127, 160), *range(0xFDD0, 0xFDF0), 0xFFFE, 0xFFFF]
)
"""Control characters and such that are none: CLD2 refuses a text with them."""


def told(text: str) -> str:
    """Return the languages of a text as they are stored (``en:71 es:28``); empty when they cannot be told.

    Args:
        text: The whole text; its beginning and a piece of its middle are looked at.
    """
    if len(text) > _BEGINNING + _MIDDLE:
        middle = len(text) // 2
        text = f"{text[:_BEGINNING]}\n{text[max(middle, _BEGINNING) : max(middle, _BEGINNING) + _MIDDLE]}"
    try:
        reliable, size, found = pycld2.detect(text, isPlainText=True)
    except (pycld2.error, UnicodeEncodeError):
        clean = text.encode("utf-8", "replace").decode("utf-8").translate(_NO_WORDS)
        try:
            reliable, size, found = pycld2.detect(clean, isPlainText=True)
        except pycld2.error:
            return ""
    if not reliable or size < _LEAST_BYTES:
        return ""
    spoken: dict[str, int] = {}
    for _, code, share, _ in found:
        code = _OTHER_CODES.get(code, code)
        if code in LANGUAGES:
            spoken[code] = spoken.get(code, 0) + share
    return " ".join(f"{code}:{share}" for code, share in spoken.items() if share >= _LEAST_SHARE)
