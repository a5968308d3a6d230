"""The truth table: one JSON line a top item, with its children inside."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from examples.district.asks import Ask, Fields, Source, Tokens
from examples.district.clock import utc_text
from examples.district.truth_variants import FormTable

State = tuple[str, str | None]
STORED: State = ("stored", None)
SEARCHABLE: State = ("searchable", None)
NEEDS_OCR: State = ("pending", "needs_ocr")
NO_TEXT: State = ("not_searchable", "no_text")
ENCRYPTED: State = ("not_searchable", "encrypted")
CORRUPT: State = ("not_searchable", "corrupt")
TRUNCATED: State = ("not_searchable", "truncated")
BOMB: State = ("not_searchable", "bomb")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the records officer of the example decides; the four answers of a decision.

    Attributes:
        facts: Why it is no public record; empty for a public record.
        treatment: ``release``, ``redact``, ``withhold`` or empty.
        hold: ``notice``, ``counsel``, ``second_reader`` or empty.
    """

    public_record: bool = True
    facts: str = ""
    responsive: bool = True
    treatment: str = "release"
    exemption_code: str = ""
    explanation: str = ""
    hold: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the answers as the truth table keeps them."""
        return {name: getattr(self, name) for name in self.__slots__}


RELEASE = Answer()
NOT_RESPONSIVE = Answer(responsive=False, treatment="", note="the words occur, the matter is another")


@dataclass(frozen=True, slots=True)
class Piece:
    """A thing with bytes: a file, an attachment, a member of an archive; and what is true of it.

    Attributes:
        words: The text a reader must find in it; so ``ocr_words`` for what only OCR can find.
        subject: Of a mail within a mail.
        participants: Names and addresses of a mail within a mail.
        answer: Overrides the family's answer.
        tags: What it is there for.
        hashed: False where the bytes of the child depend on the line ends of its carrier.
        plain: Known to hold no term: the matcher is spared.
    """

    name: str | None
    media_type: str
    data: bytes = field(repr=False)
    kind: str = "file"
    words: str = ""
    ocr_words: str = ""
    subject: str = ""
    participants: str = ""
    collection: State = STORED
    text: State = SEARCHABLE
    children: Sequence[Piece] = ()
    answer: Answer | None = None
    tags: Sequence[str] = ()
    hashed: bool = True
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Top:
    """One top item as it lies in one place; everything of its row but the state by request.

    Attributes:
        at: Trustworthy time, or None.
        plain: Known to hold no term: the matcher is spared.
        kept: Its zone is assumed and a window's edge is near: kept by every request.
    """

    source: Source
    scope: str
    native_key: str
    kind: str
    name: str | None
    group: str
    at: datetime | None = None
    sha256: str | None = None
    size: int | None = None
    subject: str = ""
    words: str = ""
    ocr_words: str = ""
    participants: str = ""
    collection: State = STORED
    text: State = SEARCHABLE
    children: Sequence[Piece] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    tags: Sequence[str] = ()
    plain: bool = False
    kept: bool = False


class TruthTable:
    """Writes rows as they come and counts them; nothing is kept in memory but counts."""

    def __init__(self, path: Path, asks: Sequence[Ask], forms: FormTable) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._asks = asks
        self._forms = forms
        self.by_source: Counter[str] = Counter()
        self.by_state: Counter[str] = Counter()
        self.planted: Counter[str] = Counter()

    def __enter__(self) -> TruthTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return sum(self.by_source.values())

    def add(self, top: Top) -> None:
        """Write the row of one top item."""
        states = {ask.name: self._state(ask, top) for ask in self._asks if ask.searches(top.source.id)}
        main = next(iter(states.values()))
        row: dict[str, Any] = {
            "source_id": top.source.id,
            "custodian": top.source.custodian_id,
            "connector": top.source.connector,
            "scope": top.scope,
            "native_key": top.native_key,
            "kind": top.kind,
            "name": top.name,
            "sent_at": utc_text(top.at) if top.at else None,
            "sha256": top.sha256,
            "bytes": top.size,
            "collection": _state(main),
            "text": _state(top.text) if top.collection[0] == "stored" else None,
            "content_group": top.group,
            "planted": {},
            "children": [],
            "review": {},
            "tags": list(top.tags),
        }
        other = {name: _state(state) for name, state in states.items() if state != main}
        if other:
            row["collection_by_request"] = other
        if not top.plain or top.children:
            asks = [ask for ask in self._asks if states.get(ask.name) == STORED]
            self._details(row, top, asks)
            if not top.plain:
                self._forms.add(top, asks)
        self.by_source[top.source.id] += 1
        self.by_state["/".join(filter(None, main))] += 1
        self._file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

    def _state(self, ask: Ask, top: Top) -> State:
        if top.collection == STORED and not top.kept and not ask.covers(top.at):
            return ("excluded", "outside_window")
        return top.collection

    def _details(self, row: dict[str, Any], top: Top, asks: list[Ask]) -> None:
        if not top.plain:
            fields = Fields(top.subject, top.words, top.name or "", top.participants, top.kind)
            _plant(row, fields, top.ocr_words, asks)
        row["children"] = [_child(piece, asks) for piece in top.children]
        for ask in asks:
            if _hit_in_family(row, ask.name):
                self.planted[ask.name] += 1
                _answer(row, ask.name, top.answers.get(ask.name, RELEASE), top.children)


def _plant(row: dict[str, Any], fields: Fields, ocr_words: str, asks: list[Ask]) -> None:
    tokens = Tokens(fields)
    row["planted"] = {ask.name: hits for ask in asks if (hits := ask.hits(tokens))}
    if ocr_words:
        seen = Tokens(Fields(text=ocr_words, filename=fields.filename, kind=fields.kind))
        late = {
            ask.name: [h for h in ask.hits(seen) if h not in row["planted"].get(ask.name, [])] for ask in asks
        }
        row["after_ocr"] = {name: hits for name, hits in late.items() if hits}


def _child(piece: Piece, asks: list[Ask]) -> dict[str, Any]:
    stored = piece.collection == STORED
    row: dict[str, Any] = {
        "name": piece.name,
        "kind": piece.kind,
        "sha256": hashlib.sha256(piece.data).hexdigest() if stored and piece.hashed else None,
        "bytes": len(piece.data) if stored and piece.hashed else None,
        "collection": _state(piece.collection),
        "text": _state(piece.text) if stored else None,
        "planted": {},
        "children": [_child(p, asks) for p in piece.children],
        "review": {},
        "tags": list(piece.tags),
    }
    if stored and not piece.plain:
        fields = Fields(piece.subject, piece.words, piece.name or "", piece.participants, piece.kind)
        _plant(row, fields, piece.ocr_words, asks)
    return row


def _hit_in_family(row: dict[str, Any], ask: str) -> bool:
    return ask in row["planted"] or any(_hit_in_family(child, ask) for child in row["children"])


def _answer(row: dict[str, Any], ask: str, answer: Answer, pieces: Sequence[Piece]) -> None:
    """A hit in any member puts the whole family in review: every stored member gets an answer."""
    if row["collection"]["state"] == "stored" or "scope" in row:
        row["review"][ask] = answer.as_json()
    for child, piece in zip(row["children"], pieces, strict=True):
        _answer(child, ask, piece.answer or answer, piece.children)


def _state(state: State) -> dict[str, str | None]:
    return {"state": state[0], "reason": state[1]}
