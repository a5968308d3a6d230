"""Loading a batch: it is there whole or not at all.

Each load of a batch is a generation: its documents carry ``load = batch.generation``, and nobody sees them
before the batch's record names that generation as ``live``. The record is written last, on condition that no
later attempt has claimed the batch meanwhile (``if_seq_no``); only then the older generation is deleted. So
whatever fails in the middle, readers see what they saw before, and the same command run again starts a new
generation. ``_id`` is the load and the item's id: sending a document again after an answer was lost replaces
it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from elasticsearch import ApiError, ConflictError, NotFoundError, TransportError

from records import canonical
from records.errors import AttemptLost, CheckFailed, Incomplete
from search.elasticsearch_cluster import BLOCKED, PASSING, Busy, Connection
from search.elasticsearch_queries import IDS_EACH
from search.elasticsearch_reading import Reader
from search.folding import fold
from search.protocol import IndexDocument

PIECE_CHARACTERS = 16 << 20
"""Longest value of a text field; a longer text is several, parted where a token ends (the gap between values
is 0, so phrases and distances do not notice). The server refuses a string above 50 million characters."""

BULK_DOCUMENTS = 1_000
_BULK_CHARACTERS = 8 << 20
_WORDS_EACH = 2_000
_SURROGATE = re.compile("[\ud800-\udfff]")

Describe = Callable[[Iterable[str]], Iterable[tuple[str, dict[str, Any]]]]
"""Gives the fields of items that people look at and no query of ours reads, such as coding states."""


class Load:
    """One generation of a batch on its way in."""

    def __init__(
        self, connection: Connection, index: str, record: dict[str, Any], condition: dict[str, Any]
    ) -> None:
        """Take up a generation that was claimed; see ``claim``.

        Args:
            connection: To the cluster.
            index: Alias of the index that is loaded.
            record: Of the batch, as it was written by the claim.
            condition: The record's place in its history: it is written again only if it is still there.
        """
        self.generation: int = record["generation"]
        self.documents = 0
        self._connection = connection
        self._index = index
        self._batch_id: str = record["batch"]
        self._condition = condition
        self._record = record
        self._load = f"{self._batch_id}.{self.generation}"
        self._items: set[str] = set()
        self._words: Counter[str] = Counter()
        self._packs = 0

    @classmethod
    def claim(cls, connection: Connection, index: str, batch_id: str) -> Load:
        """Give a batch its next generation: no earlier attempt can show its own from now on."""
        client = connection.client()
        name = f"batch:{batch_id}"
        while True:
            condition: dict[str, Any]
            try:
                found = connection.patient(lambda: client.get(index=index, id=name))
                record = dict(found["_source"])
                condition = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            except NotFoundError:
                record = {"doc_type": "batch", "batch": batch_id, "generation": 0, "live": 0, "documents": 0}
                condition = {"op_type": "create"}
            record["generation"] += 1
            try:
                written = connection.patient(
                    lambda record=record, condition=condition: client.index(  # type: ignore[misc]
                        index=index, id=name, document=record, require_alias=True, **condition
                    )
                )
            except ConflictError:
                continue  # claimed by another in this moment, or by this one when the answer was lost
            place = {"if_seq_no": written["_seq_no"], "if_primary_term": written["_primary_term"]}
            return cls(connection, index, record, place)

    def send(self, documents: Iterable[IndexDocument], describe: Describe | None) -> None:
        """Send the documents, with what people look at of each, and then the batch's words."""
        waiting: list[IndexDocument] = []
        size = 0
        for document in documents:
            if document.item_id in self._items:
                raise CheckFailed(f"item {document.item_id} is in its batch twice")
            self._items.add(document.item_id)
            weight = len(document.text) + len(document.subject) + len(document.participants)
            if waiting and (size + weight > _BULK_CHARACTERS or len(waiting) == BULK_DOCUMENTS):
                self._send(waiting, describe)
                waiting, size = [], 0
            waiting.append(document)
            size += weight
        if waiting:
            self._send(waiting, describe)
        self.documents = len(self._items)
        named = {"batch": self._batch_id, "generation": self.generation}
        packs = list(packed(sorted(self._words.items()), self._load, named))
        self._packs = len(packs) // 2
        bulk(self._connection, self._index, packs)

    def _send(self, documents: list[IndexDocument], describe: Describe | None) -> None:
        known = dict(describe([document.item_id for document in documents])) if describe else {}
        operations: list[dict[str, Any]] = []
        for document in documents:
            words = fold(document.text).split()
            texts = (document.subject, document.filename, document.participants,
                     document.sender, document.to, document.cc, document.bcc)  # fmt: skip
            self._words.update({*words, *fold(" ".join(texts)).split()})
            source = _source(document, " ".join(words), self._load, self._batch_id)
            if document.item_id in known:
                source |= described(known[document.item_id])
            operations += [{"index": {"_id": f"{self._load}:{document.item_id}"}}, source]
        bulk(self._connection, self._index, operations)

    def check(self) -> None:
        """Make sure that all that was sent is there."""
        client, index = self._connection.client(), self._index
        self._connection.patient(lambda: client.indices.refresh(index=index))
        for kind, sent in (("item", self.documents), ("words", self._packs)):
            mine: list[dict[str, Any]] = [{"term": {"load": self._load}}, {"term": {"doc_type": kind}}]
            query: dict[str, Any] = {"bool": {"filter": mine}}
            there = self._connection.patient(lambda query=query: client.count(index=index, query=query))  # type: ignore[misc]
            if there["count"] != sent:
                raise Incomplete(
                    f"the search cluster holds {there['count']:,} of {sent:,} records of batch "
                    f"{self._batch_id}: run the same command again"
                )

    def check_alone(self, reader: Reader) -> None:
        """Make sure that no item of the batch is in another batch that is to be seen."""
        others = [load for load in reader.loads if load.rpartition(".")[0] != self._batch_id]
        items = iter(self._items)
        while others and (piece := list(islice(items, IDS_EACH))):
            query = {"bool": {"filter": [{"terms": {"item_id": piece}}, {"terms": {"load": others}}]}}
            if reader.total(query):
                raise CheckFailed("an item of this batch is in another batch too: rebuild with reindex")

    def show(self) -> None:
        """Make this generation the one that readers see, unless a later attempt has claimed the batch."""
        client, index = self._connection.client(), self._index
        record = self._record | {"live": self.generation, "documents": self.documents}
        name = f"batch:{self._batch_id}"
        try:
            self._connection.patient(
                lambda: client.index(
                    index=index, id=name, document=record, require_alias=True, **self._condition
                )
            )
        except ConflictError as error:
            # Written already when only the answer was lost.
            if client.get(index=index, id=name)["_source"] != record:
                raise AttemptLost(f"a newer attempt has claimed batch {self._batch_id}") from error
        self._connection.patient(lambda: client.indices.refresh(index=index))

    def delete(self, load: str) -> None:
        """Delete a generation that nobody sees; on failure it stays unseen, for the next load to delete."""
        self._delete({"term": {"load": load}})

    def delete_older(self) -> None:
        """Delete every other generation of the batch, what earlier failures left behind too."""
        older = {"range": {"generation": {"lt": self.generation}}}
        self._delete({"bool": {"filter": [{"term": {"batch": self._batch_id}}, older],
                               "must_not": [{"term": {"doc_type": "batch"}}]}})  # fmt: skip

    def _delete(self, query: dict[str, Any]) -> None:
        client = self._connection.client()
        with suppress(ApiError, TransportError):
            client.indices.refresh(index=self._index)
            client.delete_by_query(index=self._index, query=query, conflicts="proceed", refresh=True)


def _source(document: IndexDocument, body: str, load: str, batch_id: str) -> dict[str, Any]:
    """One document as it is stored, its text as folded words; an empty field is left out."""
    texts = {
        "subject": document.subject, "body": body, "filename": document.filename,
        "participants": document.participants, "from": document.sender, "to": document.to,
        "cc": document.cc, "bcc": document.bcc,
    }  # fmt: skip
    found: dict[str, Any] = {
        "doc_type": "item", "load": load, "batch": batch_id, "generation": int(load.rpartition(".")[2]),
        "item_id": document.item_id, "family_id": document.family_id, "source": document.source_id,
        "custodian": document.custodian_id, "kind": document.kind, "has": sorted(document.has),
        "type": document.doc_type, "lang": list(document.languages),
        "distinct_key": document.distinct_key,
    }  # fmt: skip
    if document.parent_id is not None:
        found["parent_id"] = document.parent_id
    if document.sent_on is not None:
        found["day"] = document.sent_on.isoformat()
    if document.filename:
        found["filename_keyword"] = _SURROGATE.sub(" ", document.filename)
    for name, text in texts.items():
        if text:
            pieces = [_SURROGATE.sub(" ", piece) for piece in pieces_of(text, PIECE_CHARACTERS)]
            found[name] = pieces if len(pieces) > 1 else pieces[0]
    return found


def packed(words: Iterable[tuple[str, int]], load: str, named: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Words in order, some thousand a record: looked up by their first and last."""
    stream, number = iter(words), 0
    while pack := list(islice(stream, _WORDS_EACH)):
        yield {"index": {"_id": f"{load}:words:{number}"}}
        yield {
            "doc_type": "words", "load": load, **named, "first_word": pack[0][0], "last_word": pack[-1][0],
            "words": "\n".join(f"{word} {documents}" for word, documents in pack),
        }  # fmt: skip
        number += 1


def described(fields: dict[str, Any]) -> dict[str, Any]:
    """Add the digest by which fields are known to be written already."""
    text = _SURROGATE.sub(" ", canonical.dumps(fields))
    return {**canonical.loads(text), "described": hashlib.sha256(text.encode()).hexdigest()[:16]}


def pieces_of(text: str, longest: int) -> list[str]:
    """Part a text into values of at most ``longest`` characters without parting a token.

    What has no separator for as long as a value may be (no text that a person wrote) is stored in its folded
    form from there on, which has a space wherever a token is cut, every 256 characters.
    """
    pieces: list[str] = []
    at = 0
    while len(text) - at > longest:
        end = next((n for n in range(at + longest, at, -1) if fold(text[n - 1]) == " "), 0)
        if not end:
            return [*pieces, *pieces_of(fold(text[at:]), longest)]
        pieces.append(text[at:end])
        at = end
    return [*pieces, text[at:]]


def bulk(connection: Connection, index: str, operations: list[dict[str, Any]]) -> int:
    """Send operations until each was taken; only those that the cluster was too busy for are sent again.

    Returns:
        How many were carried out: all, but for updates of documents that another load has replaced meanwhile.

    Raises:
        CheckFailed: It refuses one for good; named by its id and the cluster's code, never by content.
        Incomplete: The index takes no writes.
        Retryable: It stayed too busy, or away.
    """
    waiting = [tuple(operations[n : n + 2]) for n in range(0, len(operations), 2)]
    done = len(waiting)

    def send() -> None:
        nonlocal waiting, done
        answer = connection.client().bulk(
            index=index,
            operations=[line for pair in waiting for line in pair],
            require_alias=True,  # never let a write make an index with a mapping of its own
            filter_path=["items.*.status", "items.*.error.type"],
        )
        if len(answer["items"]) != len(waiting):
            raise Incomplete("the search cluster answered for a part of what it was sent: run it again")
        again = []
        for pair, result in zip(waiting, answer["items"], strict=True):
            ((action, outcome),) = result.items()
            kind = outcome.get("error", {}).get("type", "")
            if kind == "cluster_block_exception":
                raise Incomplete(BLOCKED)
            if outcome["status"] in PASSING:
                again.append(pair)
            elif action == "update" and outcome["status"] == 404:
                done -= 1
            elif outcome["status"] >= 300:
                name = next(iter(pair[0].values()))["_id"].rpartition(":")[2]
                raise CheckFailed(f"the search cluster refuses item {name}: {kind or outcome['status']}")
        waiting = again
        if waiting:
            raise Busy

    if waiting:
        connection.patient(send)
    return done
