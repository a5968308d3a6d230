"""Typesetting: a document of plain data becomes a tagged PDF (PDF/UA-1) by typst.

Texts are data to the template and are never joined into its source, so nothing in them is read as markup. The
fonts are those in the typst package, first of all, and those of the machine for scripts that these lack. A
character that no font has is shown by its number, as is one that cannot be seen.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typst

from records.errors import SettingsError

TEMPLATE = Path(__file__).with_name("report.typ")
CELL_CHARACTERS = 2_000
"""Most characters of a text in a table; the JSON has it whole."""

STANDARD: Literal["ua-1"] = "ua-1"
_MISSING = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')
_ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}|\\(.)")
_TRIES = 12
_IN_A_CELL = re.compile(r"\S{25,}")
_IN_A_LINE = re.compile(r"\S{71,}")  # a hash in hex fits a line, and is copied whole
_BREAK = "\u200b"  # a space of no width
_JOINERS = "\u200c\u200d"


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts()


def typeset(document: dict[str, Any]) -> bytes:
    """Return the PDF of a document; the same document gives the same bytes on one machine.

    Args:
        document: As ``desk.adequacy.pages`` writes it.

    Raises:
        SettingsError: It cannot be typeset; no text of it is in the message.
    """
    missing: set[str] = set()
    for _ in range(_TRIES):
        shown = _printable(document, missing, _IN_A_LINE)
        try:
            made = typst.compile(
                TEMPLATE.read_bytes(),
                format="pdf",
                font_paths=_fonts(),
                sys_inputs={"document": json.dumps(shown, ensure_ascii=False)},
                pdf_standards=STANDARD,
            )
        except typst.TypstError as error:
            found = _without_font(error.diagnostic) - missing
            if not found:
                raise SettingsError(f"the report cannot be typeset: {_what(error.diagnostic)}") from None
            missing |= found
            continue
        assert isinstance(made, bytes)
        return made
    raise SettingsError("the report cannot be typeset: its texts need fonts that this machine lacks")


def _without_font(diagnostic: str) -> set[str]:
    """Return the characters, none of ASCII, of the texts that no font could show."""
    texts = (_ESCAPE.sub(_unescaped, found) for found in _MISSING.findall(diagnostic))
    return {character for text in texts for character in text if character > "\x7f"}


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found.group(1), 16)) if found.group(1) else found.group(2)


def _what(diagnostic: str) -> str:
    """Return the first error up to where it begins to quote: a text can hold names."""
    line = next((one for one in diagnostic.splitlines() if one.startswith("error: ")), "error: unknown")
    return re.split('[:`"]', line.removeprefix("error: "))[0].strip()


def _printable(value: Any, missing: set[str], long: re.Pattern[str]) -> Any:
    """Return data whose texts can be printed: the unseen by its number, long runs with places to break."""
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n")
        text = "".join(_character(character, missing) for character in text)
        return long.sub(_breakable, text)
    if isinstance(value, dict):
        if value.get("kind") == "table":
            long = _IN_A_CELL
        return {key: one if key == "kind" else _printable(one, missing, long) for key, one in value.items()}
    if isinstance(value, list):
        return [_printable(one, missing, long) for one in value]
    return value


def _character(character: str, missing: set[str]) -> str:
    if character == "\n" or " " <= character <= "~":
        return character
    if character == "\t":
        return " "
    category = unicodedata.category(character)
    hidden = category in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} or (
        category == "Cf" and character not in _JOINERS
    )
    return f"[U+{ord(character):04X}]" if hidden or character in missing else character


def _breakable(run: re.Match[str]) -> str:
    """Return a run of characters with places to break: after signs, as in addresses, else every 12."""
    pieces = re.findall(r".*?[@./:_\\-]+|.+", run.group())
    return _BREAK.join(
        _BREAK.join(one[at : at + 12] for at in range(0, len(one), 12)) if len(one) > 24 else one
        for one in pieces
    )


def cut(text: str) -> str:
    """Return a text as a table shows it."""
    if len(text) <= CELL_CHARACTERS:
        return text
    rest = len(text) - CELL_CHARACTERS
    return f"{text[:CELL_CHARACTERS]} … (and {rest:,} more characters; the JSON file has them)"
