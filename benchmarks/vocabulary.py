"""Queries drawn from an index itself: its words by how common they are, phrases from its texts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import sqlalchemy as sa

from benchmarks.settings import SEED, BenchmarkError
from desk.home import Home
from records import tables as t
from search.folding import fold

KINDS = ("phrase", "near", "word", "common word", "prefix", "AND", "pattern", "spelling")
COMMON_SHARE = 0.05
"""A word in more of the documents than this is *common*: rarely searched for, and in no term list."""

_OPERATORS = frozenset({"and", "or", "not", "to", "contains", "xfirstword", "xlastword"})
_TEXTS = 400
NEAR = 8
"""Distance of two words near one another."""


def _is_word(token: str) -> bool:
    return len(token) > 2 and token.isalpha() and token not in _OPERATORS


@dataclass
class Draw:
    """Draws queries; the same seed and index give the same ones.

    Attributes:
        words: Words of three letters or more, commonest first.
        common: How many of them are common.
        texts: Some texts, as tokens.
        rng: Where chance comes from.
    """

    words: list[str]
    common: int
    texts: list[list[str]]
    rng: random.Random

    @classmethod
    def of(cls, home: Home, request_id: str) -> Draw:
        """Read the vocabulary and some texts.

        Raises:
            BenchmarkError: The index holds no text, or no common or no other words.
        """
        rng = random.Random(f"queries-{SEED}")
        engine = home.engine(request_id)
        counts = sorted((-documents, word) for word, documents in engine.vocabulary("") if _is_word(word))
        most = COMMON_SHARE * engine.state().documents
        common = sum(-documents > most for documents, _ in counts)
        texts = [tokens for tokens in _texts(home, request_id, rng) if len(tokens) > 3]
        engine.close()
        if not 0 < common < len(counts) or not texts:
            raise BenchmarkError("the index holds too little text to draw queries from")
        return cls([word for _, word in counts], common, texts, rng)

    def _drawn(self, first: int, last: int) -> str:
        """Draw a word of some ranks (from 0, the last left out), evenly over the logarithm of the rank."""
        low, high = math.log(first + 1), math.log(last + 1)
        return self.words[min(last, int(math.exp(self.rng.uniform(low, high)))) - 1]

    def _word(self) -> str:
        return self._drawn(0, len(self.words))

    def _phrase(self) -> str:
        """Draw two or three words that stand side by side in a text."""
        text = self.rng.choice(self.texts)
        length = self.rng.choice((2, 3))
        start = self.rng.randrange(len(text) - length + 1)
        return '"' + " ".join(text[start : start + length]) + '"'

    def _near(self) -> str:
        """Draw two words that stand within seven words of each other in a text."""
        for text in iter(lambda: self.rng.choice(self.texts), []):
            start = self.rng.randrange(len(text) - 1)
            first, second = text[start], self.rng.choice(text[start + 1 : start + 8])
            if first != second and _is_word(first) and _is_word(second):
                return f"{first} w/{NEAR} {second}"
        raise AssertionError("iter() above never ends")

    def _long_word(self) -> str:
        return next(word for word in iter(self._word, "") if len(word) > 6)

    def query(self, kind: str) -> str:
        """Draw a query of one of ``KINDS``."""
        if kind == "phrase":
            return self._phrase()
        if kind == "near":
            return self._near()
        if kind == "pattern":
            word = self._long_word()
            return f"{word[:3]}*{word[-2:]}"
        if kind == "spelling":
            return f"%{self._long_word()}"
        if kind == "word":
            return self._drawn(self.common, len(self.words))
        if kind == "common word":
            return self._drawn(0, self.common)
        if kind == "prefix":
            # Four letters keep a prefix of a large index below the engines' limit of words.
            return next(word for word in iter(self._word, "") if len(word) > 4)[:4] + "*"
        return f"{self._word()} AND {self._word()}"

    def listed(self, kind: str) -> str:
        """Draw a line of a term list: as ``query``, but each has a word in it that is not common."""
        if kind == "phrase":
            rare = set(self.words[self.common :])
            return next(one for one in iter(self._phrase, "") if not rare.isdisjoint(one[1:-1].split()))
        if kind == "AND":
            return f"{self.query('word')} AND {self._word()}"
        if kind == "prefix":
            return next(word for word in iter(lambda: self.query("word"), "") if len(word) > 5)[:5] + "*"
        return self.query("word")


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
