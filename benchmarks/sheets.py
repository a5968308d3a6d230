"""Tables: one form, printed on a terminal and written to the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table.

    Attributes:
        title: What was measured.
        columns: Headings; the first column holds words, the others figures.
        rows: As many cells each as there are columns.
        notes: Sentences below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def as_table(self) -> Table:
        """Return it for a terminal."""
        table = Table(
            title=self.title, title_justify="left", caption="\n".join(self.notes), caption_justify="left"
        )
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        """Return it for a page."""
        lines = [
            f"**{self.title}**",
            "",
            _line(self.columns),
            _line(["---", *["---:"] * (len(self.columns) - 1)]),
        ]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, *[f"\n{note}" for note in self.notes]]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def figure(value: float | None, digits: int = 1) -> str:
    """Return a number as people read it; a dash for what was not measured."""
    return "–" if value is None else f"{value:,.{digits}f}"


def held(holds: bool) -> str:  # noqa: FBT001 - the one thing it says
    """Say whether a bar is reached."""
    return "reached" if holds else "missed"
