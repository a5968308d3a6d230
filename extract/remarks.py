"""What a document holds beside its text: comments, tracked changes, links behind words, hidden parts.

It stands behind the document's own text, each remark in square brackets and named as what it is, so that a
search finds it and nobody takes it for the text itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MOST_ABOUT = 80
"""Characters quoted of a text that stands in the document: enough to find the place."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One of them.

    Attributes:
        label: What it is: ``Comment``, ``Deleted``, ``Hidden sheet`` …
        text: Its own words; empty for none.
        by: Who, as the file states it; empty where it does not.
        at: When, in the file's own words. Word writes the clock of its user and puts a Z behind it.
        about: Where it stands: the words, the cell or the slide.
    """

    label: str
    text: str = ""
    by: str = ""
    at: str = ""
    about: str = ""

    def line(self) -> str:
        """Return it as it stands behind the text."""
        by = f" by {self.by}" if self.by else ""
        at = f", {self.at}" if self.at else ""
        about = f", {self.about}" if self.about else ""
        return f"[{self.label}{by}{at}{about}{': ' if self.text else ''}{self.text}]"


def quoted(text: str) -> str:
    """Return the beginning of words that stand in the document, in quotation marks; empty for none."""
    short = shortened(text)
    return f'"{short}"' if short else ""


def shortened(text: str) -> str:
    """Return the beginning of a text on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _MOST_ABOUT else flat[:_MOST_ABOUT].rstrip() + " …"


def behind(text: str, remarks: Iterable[Remark]) -> str:
    """Return a text with what is remarked behind it, each once."""
    lines = list(dict.fromkeys(one.line() for one in remarks))
    if not lines:
        return text
    return "\n".join((*((text, "") if text else ()), *lines))
