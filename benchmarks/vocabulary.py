"""Queries drawn from an index itself: its words by how common they are, phrases from its texts."""

from __future__ import annotations

import random
from dataclasses import dataclass

import sqlalchemy as sa

from benchmarks.settings import SEED, BenchmarkError
from desk.home import Home
from records import tables as t
from search.folding import fold

KINDS = ("phrase", "term", "prefix", "AND")
_OPERATORS = frozenset({"and", "or", "not", "to", "contains", "xfirstword", "xlastword"})
_TEXTS = 400


@dataclass
class Draw:
    """Draws queries; the same seed and index give the same ones."""

    words: list[str]
    texts: list[list[str]]
    rng: random.Random

    @classmethod
    def of(cls, home: Home, request_id: str) -> Draw:
        """Read the vocabulary (words of three letters or more, commonest first) and some texts.

        Raises:
            BenchmarkError: The index holds no text.
        """
        rng = random.Random(f"queries-{SEED}")
        counts = [
            (documents, word)
            for word, documents in home.engine(request_id).vocabulary("")
            if len(word) > 2 and word.isalpha() and word not in _OPERATORS
        ]
        words = [word for _, word in sorted(counts, key=lambda pair: (-pair[0], pair[1]))]
        texts = [tokens for tokens in _texts(home, request_id, rng) if len(tokens) > 3]
        if not words or not texts:
            raise BenchmarkError("the index holds no text to draw queries from")
        return cls(words, texts, rng)

    def word(self) -> str:
        """Draw a word, even over the logarithm of its rank: common and rare ones alike."""
        return self.words[min(len(self.words) - 1, int(len(self.words) ** self.rng.random()) - 1)]

    def phrase(self) -> str:
        """Draw two or three words that stand side by side in a text."""
        text = self.rng.choice(self.texts)
        length = self.rng.choice((2, 3))
        start = self.rng.randrange(len(text) - length + 1)
        return '"' + " ".join(text[start : start + length]) + '"'

    def query(self, kind: str) -> str:
        """Draw a query of one of ``KINDS``."""
        if kind == "phrase":
            return self.phrase()
        if kind == "term":
            return self.word()
        if kind == "prefix":
            # Four letters keep a prefix of a large index below the engines' limit of words.
            return next(word for word in iter(self.word, "") if len(word) > 4)[:4] + "*"
        return f"{self.word()} AND {self.word()}"


def _texts(home: Home, request_id: str, rng: random.Random) -> list[list[str]]:
    """Return some stored texts as tokens."""
    r = t.readings.c
    with home.catalogue.read() as connection:
        digests = list(
            connection.scalars(
                sa.select(r.text_sha256)
                .where(r.request_id == request_id, r.text_sha256.is_not(None))
                .distinct()
                .order_by(r.text_sha256)
            )
        )
    drawn = rng.sample(digests, min(_TEXTS, len(digests)))
    store = home.store(request_id)
    refs = store.find(drawn)
    return [fold(store.read(refs[digest]).decode("utf-8")).split() for digest in drawn]
