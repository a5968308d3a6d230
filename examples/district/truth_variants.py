"""The table of planted forms: what each adds to the list of its request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.district.asks import Ask, Fields, Tokens

if TYPE_CHECKING:
    from examples.district.plant_variants import Form
    from examples.district.truth import Piece, Top


class FormTable:
    """Counts, for every planted form, the documents that hold it and that no term of its request hits."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._rows: list[dict[str, Any]] = [
            {
                "request": form.request,
                "base_kind": form.base_kind,
                "base": form.base,
                "way": form.way,
                "form": form.form,
                "added_documents": 0,
                "added_families": 0,
                "families": [],
            }
            for form in forms
        ]

    def add(self, top: Top, asks: Sequence[Ask]) -> None:
        """Take in one family that the requests ``asks`` store."""
        members = [Tokens(Fields(top.subject, top.words, top.name or "", top.participants, top.kind))]
        members += [Tokens(fields) for fields in _fields(top.children)]
        for ask in asks:
            hit = [bool(ask.hits(member)) for member in members]
            for form, row in zip(self._forms, self._rows, strict=True):
                if form.request != ask.name:
                    continue
                added = sum(
                    form.test(member) and not is_hit for member, is_hit in zip(members, hit, strict=True)
                )
                row["added_documents"] += added
                if added:
                    row["families"].append([top.source.id, top.native_key])
                if added and not any(hit):
                    row["added_families"] += 1

    def write(self, path: Path) -> None:
        """Write one JSON object a form."""
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in self._rows]
        path.write_text("".join(lines), encoding="utf-8", newline="")


def _fields(pieces: Sequence[Piece]) -> Iterator[Fields]:
    for piece in pieces:
        if piece.collection[0] == "stored":
            yield Fields(piece.subject, piece.words, piece.name or "", piece.participants, piece.kind)
        yield from _fields(piece.children)
