"""Other forms of the words of a term: misspellings, words run together or taken apart, stems.

Every other spelling comes from the vocabulary of the index and none from a dictionary: what nobody wrote is
not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search import tree as q
from search.expansion import stem
from search.protocol import SearchEngine

Terms = tuple[q.Term, ...]
"""The terms of a leaf, side by side."""

_SHORTEST_MISSPELT = 5
"""A shorter word that stands alone has too many neighbours that are other words."""
_SHORTEST_IN_COMPANY = 3
"""In a phrase, or beside other terms, the company says that the word was meant."""
_TWO_EDITS_FROM = 9
"""From so many letters on two may differ."""
_SHORTEST_PART, _SHORTEST_END = 2, 3
"""Letters of the two parts that a word is taken apart into."""
_SHORTEST_STEMMED = 3


class Vocabulary:
    """The words of an index and how many documents hold each, read once for each first letter."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine = engine
        self._read: dict[str, dict[str, int]] = {}

    def starting(self, letter: str) -> dict[str, int]:
        """Return the words that start with a letter."""
        if letter not in self._read:
            self._read[letter] = dict(self._engine.vocabulary(letter))
        return self._read[letter]

    def documents(self, word: str) -> int:
        """Return how many documents hold a word."""
        return self.starting(word[0]).get(word, 0)


class Spellings:
    """Words of an index that are probably a word misspelt.

    A misspelling begins with the same letter, has one letter more, less, changed or two swapped (two such
    slips from nine letters on), is no other form of the word, no name of the roster, and no commoner than the
    word itself, unless the index does not hold the word: then the list may have it misspelt.

    Args:
        vocabulary: Of the index.
        others: Words that are known to be words of their own: names.
    """

    def __init__(self, vocabulary: Vocabulary, others: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._others = others
        self._found: dict[tuple[q.Term, bool], list[str]] = {}

    def of(self, term: q.Term, *, alone: bool) -> list[str]:
        """Return the misspellings of a word or of what words begin with, sorted.

        Args:
            term: Other terms have none.
            alone: Whether nothing else of the query has to be near: then short words are left out.
        """
        key = term, alone
        if key not in self._found:
            self._found[key] = self._look(term, alone=alone)
        return self._found[key]

    def _look(self, term: q.Term, *, alone: bool) -> list[str]:
        if not isinstance(term, q.Word | q.Prefix):
            return []
        text = term.text
        if not text.isalpha() or len(text) < (_SHORTEST_MISSPELT if alone else _SHORTEST_IN_COMPANY):
            return []
        known = self._vocabulary.starting(text[0])
        near = _near_words(text, known) if isinstance(term, q.Word) else _near_beginnings(text, known)
        commonest = sum(known[word] for word in known if _is(term, word))
        return sorted(
            word
            for word in near
            if word.isalpha()
            and word not in self._others
            and stem(word) != stem(text)
            and (not commonest or known[word] <= commonest)
        )


def _is(term: q.Word | q.Prefix, word: str) -> bool:
    return word == term.text if isinstance(term, q.Word) else word.startswith(term.text)


def _near_words(text: str, known: dict[str, int]) -> list[str]:
    from rapidfuzz import process  # loaded when variants are first asked for
    from rapidfuzz.distance import OSA

    edits = 2 if len(text) >= _TWO_EDITS_FROM else 1
    found = process.extract_iter(text, known.keys(), scorer=OSA.distance, score_cutoff=edits)
    return [word for word, *_ in found if word != text]


def _near_beginnings(text: str, known: dict[str, int]) -> list[str]:
    """Return words that begin nearly as the prefix: with one slip in its letters."""
    from rapidfuzz.distance import OSA

    lengths = (len(text) - 1, len(text), len(text) + 1)
    return [
        word
        for word in known
        if not word.startswith(text)
        and len(word) >= lengths[0]
        and any(OSA.distance(text, word[:length], score_cutoff=1) <= 1 for length in lengths)
    ]


def misspelt(terms: Terms, spellings: Spellings, *, alone: bool) -> Iterator[list[Terms]]:
    """Yield, for each word of a leaf, the leaf with that word misspelt in each way."""
    for at, term in enumerate(terms):
        found = spellings.of(term, alone=alone and len(terms) == 1)
        if found:
            yield [(*terms[:at], q.Word(word), *terms[at + 1 :]) for word in found]


def spaced(terms: Terms) -> Iterator[Terms]:
    """Yield the leaf with two neighbours run together, all run together, or one word taken apart.

    A hyphen parts words as a space does, so ``bus-route`` is ``bus route`` already.
    """
    texts = [term.text if isinstance(term, q.Word | q.Prefix) else "" for term in terms]
    for at in range(len(terms) - 1):
        if isinstance(terms[at], q.Word) and texts[at + 1]:
            yield (*terms[:at], _joined(terms[at : at + 2]), *terms[at + 2 :])
    if len(terms) > 2 and all(texts) and all(isinstance(term, q.Word) for term in terms[:-1]):
        yield (_joined(terms),)
    for at, (term, text) in enumerate(zip(terms, texts, strict=True)):
        for cut in _cuts(text):
            end = q.Prefix(text[cut:]) if isinstance(term, q.Prefix) else q.Word(text[cut:])
            yield (*terms[:at], q.Word(text[:cut]), end, *terms[at + 1 :])


def _joined(terms: Sequence[q.Term]) -> q.Term:
    text = "".join(term.text for term in terms if isinstance(term, q.Word | q.Prefix))
    return q.Prefix(text) if isinstance(terms[-1], q.Prefix) else q.Word(text)


def _cuts(text: str) -> Iterator[int]:
    """Yield where a word can be taken apart: into two words, or between its letters and its digits."""
    for cut in range(1, len(text)):
        before, after = text[:cut], text[cut:]
        if text.isalpha():
            if len(before) >= _SHORTEST_PART and len(after) >= _SHORTEST_END:
                yield cut
        elif before.isalpha() and after.isdigit():
            yield cut


def stemmed(terms: Terms, but: frozenset[int]) -> Terms | None:
    """Return the leaf with every word as its stem; None where that changes nothing.

    Args:
        terms: The leaf.
        but: Places of names, which have no other forms.
    """
    out = tuple(
        q.Stem(term.text)
        if at not in but
        and isinstance(term, q.Word | q.Prefix)
        and term.text.isalpha()
        and len(term.text) >= _SHORTEST_STEMMED
        else term
        for at, term in enumerate(terms)
    )
    return out if out != terms else None
