"""Signs that a web page writes as references: ``&amp;``, ``&#65;``."""

from __future__ import annotations

import html
import re

_ZEROS = re.compile(r"&#0+(?=[0-9])")
_NO_SIGN = re.compile(r"&#[0-9]{8,};?")


def unescaped(text: str) -> str:
    """Return a text with its references as the signs that they stand for, as ``html.unescape`` does.

    A number of thousands of digits is U+FFFD like any other that is no sign's: the library's own function
    raises there (https://docs.python.org/3.11/library/stdtypes.html#int-max-str-digits).
    """
    try:
        return html.unescape(text)
    except ValueError:
        return html.unescape(_NO_SIGN.sub("\ufffd", _ZEROS.sub("&#", text)))
