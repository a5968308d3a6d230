"""Which words a pattern, a spelling or a stem stands for: one rule for the matcher and every engine.

A term that is no plain word stands for all words of an index that it fits. Engines expand it against their
own vocabulary and search those words; the matcher asks each token of a text instead. Both use ``fits``, so a
hit and its highlights cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import product
from math import prod
from typing import Any

from search import tree as q

Fits = Callable[[str], bool]
_STEMS_KEPT = 200_000
_UNSTEMMED = 3
"""Letters at the end of a stem that its words need not share."""


@lru_cache(maxsize=1_000)
def fits(term: q.Term) -> Fits:
    """Return the question whether a token is one of the words the term stands for."""
    match term:
        case q.Word():
            return term.text.__eq__
        case q.Prefix():
            return lambda word: word.startswith(term.text)
        case q.Wild():
            pattern = re.compile(q.term_pattern(term))
            return lambda word: pattern.fullmatch(word) is not None
        case q.Fuzzy():
            return _fuzzy(term)
        case q.Stem():
            wanted = stem(term.text)
            start = common_start(term)
            return lambda word: word.startswith(start) and stem(word) == wanted


def _fuzzy(term: q.Fuzzy) -> Fits:
    from rapidfuzz.distance import OSA  # loaded when a query first asks for it

    start = term.text[: term.same]
    shortest, longest = len(term.text) - term.edits, len(term.text) + term.edits

    def near(word: str) -> bool:
        return (
            shortest <= len(word) <= longest
            and word.startswith(start)
            and OSA.distance(term.text, word, score_cutoff=term.edits) <= term.edits
        )

    return near


@lru_cache(maxsize=_STEMS_KEPT)
def stem(word: str) -> str:
    """Return a token's stem by Snowball's English stemmer (https://snowballstem.org/algorithms/english/)."""
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import snowballstemmer  # loaded when a query first asks for it

    return snowballstemmer.stemmer("english")


def common_start(term: q.Term) -> str:
    """Return what every word of a term begins with; empty when that can be anything.

    The English stemmer cuts and changes endings only: at most the last letters of a stem are not in the word
    itself (``happi`` of happy, ``possibl`` of possibility, ``die`` of dying).
    """
    match term:
        case q.Word() | q.Prefix():
            return term.text
        case q.Wild():
            return re.split(r"[*?=]", term.pattern, maxsplit=1)[0]
        case q.Fuzzy():
            return term.text[: term.same]
        case q.Stem():
            return stem(term.text)[: max(1, len(stem(term.text)) - _UNSTEMMED)]


def expand(term: q.Term, vocabulary: Iterable[str]) -> list[str]:
    """Return the words of a vocabulary that a term stands for, sorted.

    Args:
        term: The term.
        vocabulary: Words of the index, each once or more; those that begin with ``common_start(term)`` are
            enough.
    """
    return sorted(set(filter(fits(term), vocabulary)))


ALTERNATIVES = 1_000
"""Most phrases that one phrase with patterns in it is written out as; a longer one is decided by places."""


def plain(node: q.Node, words: Callable[[q.Term], list[str]]) -> q.Node:
    """Write a tree with words, prefixes and phrases of them alone.

    Args:
        node: The tree.
        words: What ``SearchEngine.expand`` says of a term.

    Returns:
        The same tree with an ``Or`` of words, or of phrases, for each leaf that holds a pattern, spelling or
        stem. One that stands for no word stands as itself, which finds nothing; so does a phrase that would
        be more than ``ALTERNATIVES``, which the engine takes apart. Labels stay as they are.
    """
    match node:
        case q.Wild() | q.Fuzzy() | q.Stem():
            return _either([q.Word(word) for word in words(node)])
        case q.Phrase():
            return _plain_phrase(node, words)
        case q.And():
            return q.And(tuple(plain(child, words) for child in node.children))
        case q.Or():
            return q.Or(tuple(plain(child, words) for child in node.children))
        case q.Not():
            return q.Not(plain(node.child, words))
        case q.Near():
            return q.Near(plain(node.left, words), plain(node.right, words), node.distance, node.ordered)
        case q.NotNear():
            return q.NotNear(plain(node.left, words), plain(node.right, words), node.distance)
        case q.Field() if node.name not in q.LABEL_FIELDS:
            return q.Field(node.name, plain(node.child, words))
        case _:
            return node


NOTHING = q.Word("0" * 257)
"""A word that no token is: tokens end after 256 characters."""


def _either(leaves: list[q.Leaf]) -> q.Node:
    if not leaves:
        return NOTHING
    return leaves[0] if len(leaves) == 1 else q.Or(tuple(leaves))


def _plain_phrase(phrase: q.Phrase, words: Callable[[q.Term], list[str]]) -> q.Node:
    if all(isinstance(term, q.Word | q.Prefix) for term in phrase.terms):
        return phrase
    places: list[list[q.Term]] = [
        [term] if isinstance(term, q.Word | q.Prefix) else [q.Word(word) for word in words(term)]
        for term in phrase.terms
    ]
    if prod(map(len, places)) <= ALTERNATIVES:
        return _either([q.Phrase(found) for found in product(*places)])
    joined: q.Node = _either(list(places[0]))
    for place in places[1:]:
        joined = q.Near(joined, _either(list(place)), 1, ordered=True)
    return joined
