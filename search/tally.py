"""Adding up what the terms of a list found, over arrays: a long list finds millions of hits.

Documents, families, contents, custodians and sources have numbers here. Once all was found, documents are
numbered by family and then by id, and hits lie in the order of their documents: the order of the rows that
are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.occurrences import UNDATED
from search.protocol import Hit

_Numbers = NDArray[np.int64]


class Tally:
    """Takes in what one term after the other found."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self._numbers: dict[str, int] = {}
        self._first: list[Hit] = []  # by document: any hit of it, since all say the same of it
        self._found: list[_Numbers] = []

    def add(self, hits: Sequence[Hit]) -> None:
        """Take in what the next term found."""
        known = self._numbers.get
        numbers = [
            number if (number := known(hit.item_id)) is not None else self._number(hit) for hit in hits
        ]
        self._found.append(np.array(numbers, np.int64))

    def _number(self, hit: Hit) -> int:
        """Number a document that was not met before."""
        number = self._numbers[hit.item_id] = len(self._first)
        self._first.append(hit)
        return number

    def found(self, family_sizes: dict[str, int]) -> Found:
        """Return all that was found.

        Args:
            family_sizes: Stored members of each family with more than one.
        """
        order = sorted(
            range(len(self._first)), key=lambda n: (self._first[n].family_id, self._first[n].item_id)
        )
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        documents = [self._first[number] for number in order]
        by_term = tuple(place[numbers] for numbers in self._found)
        families, family = _numbered([hit.family_id for hit in documents])
        return Found(
            documents=documents,
            by_term=by_term,
            family=family,
            family_sizes=np.array([family_sizes.get(name, 1) for name in families], np.int64),
            content=_numbered([hit.distinct_key for hit in documents])[1],
            custodians=_numbered([hit.custodian_id for hit in documents]),
            sources=_numbered([hit.source_id for hit in documents]),
            **_hits(by_term, len(documents)),
        )


def _numbered(names: list[str]) -> tuple[list[str], _Numbers]:
    """Return the different names, and of each the number of its name."""
    numbers: dict[str, int] = {}
    found = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return list(numbers), found


def _hits(by_term: Sequence[_Numbers], documents: int) -> dict[str, _Numbers]:
    """Turn the documents of each term into the terms of each document."""
    document = np.concatenate([np.empty(0, np.int64), *by_term])
    term = np.repeat(np.arange(len(by_term)), [len(numbers) for numbers in by_term])
    ends = np.cumsum(np.bincount(document, minlength=documents))
    return {
        "term": term[np.argsort(document, kind="stable")].astype(np.int64),
        "begin": np.concatenate([np.zeros(1, np.int64), ends]).astype(np.int64),
    }


@dataclass(frozen=True, slots=True)
class Found:
    """What a list found, before its documents were read.

    Attributes:
        documents: One hit a document, by family and then by item id.
        by_term: The numbers of each term's documents, which are their places in ``documents``.
        family: The number of each document's family.
        family_sizes: Stored members of each family.
        content: The number of each document's content.
        custodians: Their ids, and the number of each document's.
        sources: Likewise.
        term: Of each hit, by document and then by term: the number of its term.
        begin: The place in ``term`` of each document's first hit; at the end how many hits there are.
    """

    documents: list[Hit]
    by_term: tuple[_Numbers, ...]
    family: _Numbers
    family_sizes: _Numbers
    content: _Numbers
    custodians: tuple[list[str], _Numbers]
    sources: tuple[list[str], _Numbers]
    term: _Numbers
    begin: _Numbers

    def terms_of(self, document: int) -> list[int]:
        """Return the numbers of the terms that match a document, in their order."""
        found: list[int] = self.term[self.begin[document] : self.begin[document + 1]].tolist()
        return found

    def figures(self, term: int | None = None) -> dict[str, Any]:
        """Return the figures of one term, or of the whole list, that need no text."""
        documents = np.arange(len(self.documents)) if term is None else self.by_term[term]
        families = np.unique(self.family[documents])
        return {
            "documents": len(documents),
            "families": len(families),
            "with_family": int(self.family_sizes[families].sum()),
            "distinct": len(np.unique(self.content[documents])),
            "custodians": _by_name(self.custodians, documents),
            "sources": _by_name(self.sources, documents),
        }

    def unique(self) -> list[int]:
        """Return how many documents each term alone matches."""
        first = self.begin[:-1][np.diff(self.begin) == 1]
        return _counts(self.term[first], len(self.by_term))

    def unique_families(self) -> tuple[list[int], list[int]]:
        """Return how many families each term alone touches, and how many members these have."""
        terms = max(1, len(self.by_term))
        family = np.repeat(self.family, np.diff(self.begin))
        pairs = np.unique(family * terms + self.term)
        family, term = pairs // terms, pairs % terms
        alone = np.bincount(family, minlength=len(self.family_sizes))[family] == 1
        members = np.repeat(term[alone], self.family_sizes[family[alone]])
        return _counts(term[alone], len(self.by_term)), _counts(members, len(self.by_term))


def _by_name(named: tuple[list[str], _Numbers], documents: _Numbers) -> dict[str, int]:
    names, number = named
    counts = np.bincount(number[documents]).tolist()
    return dict(sorted((names[n], count) for n, count in enumerate(counts) if count))


def _counts(numbers: _Numbers, of: int) -> list[int]:
    found: list[int] = np.bincount(numbers, minlength=of).tolist()
    return found


class Read:
    """Takes in what the stored documents say: their months, and how often their terms stand in them."""

    def __init__(self, found: Found) -> None:
        """Begin with nothing read."""
        self._found = found
        self._months: dict[str, int] = {}
        self._month = np.full(len(found.documents), -1, np.int64)
        self._occurrences = np.zeros(len(found.term), np.int64)

    def add(self, document: int, month: str, counts: Sequence[int]) -> None:
        """Take in one document: its month, and the occurrences of the terms that match it."""
        self._month[document] = self._months.setdefault(month, len(self._months))
        begin = self._found.begin
        self._occurrences[begin[document] : begin[document + 1]] = counts

    def missing(self, documents: slice = slice(None)) -> int:
        """Return how many of some documents were not taken in."""
        return int((self._month[documents] < 0).sum())

    def rows(self, documents: slice) -> Iterator[tuple[int, str, str, int]]:
        """Yield term number, item id, family id and occurrences of each hit of some documents."""
        begin = self._found.begin[documents.start : documents.stop + 1]
        hits = slice(begin[0], begin[-1])
        each = np.repeat(np.arange(documents.start, documents.stop), np.diff(begin)).tolist()
        of = [self._found.documents[document] for document in each]
        return zip(
            self._found.term[hits].tolist(),
            [hit.item_id for hit in of],
            [hit.family_id for hit in of],
            self._occurrences[hits].tolist(),
            strict=True,
        )

    def occurrences(self) -> list[int]:
        """Return the occurrences of each term."""
        sums = np.zeros(len(self._found.by_term), np.int64)
        np.add.at(sums, self._found.term, self._occurrences)
        counts: list[int] = sums.tolist()
        return counts

    def by_month(self, term: int | None = None) -> dict[str, Any]:
        """Return the documents of one term, or of the whole list, by month, and those without a time."""
        month = self._month if term is None else self._month[self._found.by_term[term]]
        found = np.bincount(month, minlength=len(self._months)).tolist()
        counts = dict(zip(self._months, found, strict=True))
        undated = counts.pop(UNDATED, 0)
        return {"months": {name: counts[name] for name in sorted(counts) if counts[name]}, "undated": undated}
