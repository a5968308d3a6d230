"""Near duplicates: texts most of whose runs of five words are the same.

Texts are compared, not bytes. MinHash proposes pairs (Broder 1997; bands as in Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", section 3.4), and no pair counts before the Jaccard similarity of its two sets
of shingles was counted exactly. Groups are made as reviewers know them: the longest text first, each joins
the first pivot that it is similar enough to, else it becomes a pivot. So the same texts give the same
groups in whatever order they come.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from review.grouping import Near, rules

_WORD = re.compile(r"\w+")
_ASCII_WORDS = {
    code: chr(code).lower() if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128)
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_ASCII = bytes(range(128))
_BYTES = bytes(ord(_ASCII_WORDS[code]) if code < 128 else code for code in range(256))
_MOST_ODD = 64
"""Different signs of one text that are made blanks one after the other; more take longer than ``_WORD``."""
_BAND_BYTES = 8
_SAME_BYTES = 16
_KEPT_SHINGLES = 1_000_000
"""Shingles of pivots that are kept at once, about 120 bytes each; others are made again when needed."""
_NEAREST_IN_BAND = 256
"""Pivots of one band that are looked at: those nearest in length. More share one only where a form letter was
filled in thousands of times."""


class Sketch(NamedTuple):
    """What is kept of a text to find those like it.

    Attributes:
        words: Words of it.
        same: Digest of its words, lower case: equal for texts that differ in spaces, marks and case only.
        bands: Digests of the bands of its signature; empty where it is too short or too long.
    """

    words: int
    same: bytes
    bands: bytes


class Text(NamedTuple):
    """A text to be grouped.

    Attributes:
        key: By which its words can be read again.
        sketch: Of it.
    """

    key: str
    sketch: Sketch


@dataclass(frozen=True, slots=True)
class Match:
    """A text and the pivot of its group.

    Attributes:
        key: The text; the pivot itself has a match too.
        pivot: Text that the group is about, the longest of it.
        percent: Jaccard similarity to the pivot, whole percent, rounded down.
        same_words: It has the pivot's words in the pivot's order.
    """

    key: str
    pivot: str
    percent: int
    same_words: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """What was done to group some texts.

    Attributes:
        matches: Of every text that is in a group, pivots too.
        verified: Pairs whose similarity was counted.
        cut: Texts with more likely pivots than are compared.
    """

    matches: tuple[Match, ...]
    verified: int
    cut: int


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower case, in order: runs of letters, digits and the underscore."""
    if text.isascii():  # most of a district's texts, and a third of the time
        return text.translate(_ASCII_WORDS).split()
    raw = text.encode("utf-8", "surrogatepass")
    signs = _not_ascii(raw)
    if any(sign.lower() != sign for sign in signs):  # the others are as they will be, and ASCII is done below
        text = text.lower()
        raw = text.encode("utf-8", "surrogatepass")
        signs = _not_ascii(raw)
    odd = [sign for sign in signs if not sign.isalnum()]
    if len(odd) > _MOST_ODD:
        return _WORD.findall(text.lower())
    for sign in odd:
        raw = raw.replace(sign.encode("utf-8", "surrogatepass"), b" ")
    return raw.translate(_BYTES).decode("utf-8", "surrogatepass").split()


def _not_ascii(raw: bytes) -> set[str]:
    return set(raw.translate(None, _ASCII).decode("utf-8", "surrogatepass"))


def shingles_of(words: Sequence[str], size: int) -> list[str]:
    """Return every run of ``size`` words, in order, with repeats."""
    return list(map(" ".join, zip(*(words[at:] for at in range(size)), strict=False)))


def sketch(text: str, near: Near | None = None) -> Sketch:
    """Return what is kept of a text to find those like it.

    Args:
        text: As stored.
        near: The figures; None for those of the program.
    """
    near = near or rules().near
    words = words_of(text)
    joined = " ".join(words)
    same = hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=_SAME_BYTES).digest()
    if not near.least_words <= len(words) <= near.most_words:
        return Sketch(len(words), same, b"")
    made = RMinHash(near.permutations, near.seed)
    made.update(shingles_of(_encodable(joined, words), near.words_in_a_shingle))
    signature = array("I", made.digest()).tobytes()
    step = len(signature) // near.bands
    bands = b"".join(
        hashlib.blake2b(signature[at : at + step], digest_size=_BAND_BYTES).digest()
        for at in range(0, len(signature), step)
    )
    return Sketch(len(words), same, bands)


def _encodable(joined: str, words: list[str]) -> list[str]:
    """Return words that the library takes: half a pair of surrogates is no UTF-8."""
    if joined.isascii() or not _SURROGATE.search(joined):
        return words
    return [one.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for one in words]


class Sketches:
    """Sketches of many texts, in 200 bytes each."""

    def __init__(self) -> None:
        """Begin with none."""
        self._keys = bytearray()
        self._same = bytearray()
        self._bands = bytearray()
        self._words = array("I")
        self._known: set[bytes] = set()

    def __len__(self) -> int:
        """Return how many texts can be compared."""
        return len(self._words)

    def add(self, key: str, sketch: Sketch) -> bool:
        """Take a text; one without bands, or that is there already, is passed over.

        Args:
            key: A SHA-256 in hex.
            sketch: Of the text.

        Returns:
            Whether it was taken.
        """
        digest = bytes.fromhex(key)
        if not sketch.bands or digest in self._known:
            return False
        self._known.add(digest)
        self._keys += digest
        self._same += sketch.same
        self._bands += sketch.bands
        self._words.append(sketch.words)
        return True

    def text(self, at: int) -> Text:
        """Return a text by its number, from 0."""
        count = len(self._words)
        width = len(self._bands) // count
        return Text(
            self._keys[32 * at : 32 * at + 32].hex(),
            Sketch(
                self._words[at],
                bytes(self._same[_SAME_BYTES * at : _SAME_BYTES * (at + 1)]),
                bytes(self._bands[width * at : width * (at + 1)]),
            ),
        )

    def clusters(self) -> list[list[int]]:
        """Return numbers of texts that may be near duplicates: any two that share a band are in one list.

        What is in different lists has no band in common, so each list can be grouped alone.
        """
        count = len(self._words)
        if not count:
            return []
        bands = np.frombuffer(self._bands, dtype=np.uint64).reshape(count, -1)
        ones: list[NDArray[np.intp]] = []
        others: list[NDArray[np.intp]] = []
        for column in bands.T:
            order = np.argsort(column, kind="stable")
            equal = np.flatnonzero(column[order[1:]] == column[order[:-1]])
            ones.append(order[equal])
            others.append(order[equal + 1])
        rows, columns = np.concatenate(ones), np.concatenate(others)
        graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
        _, labels = connected_components(graph, directed=False)
        found: dict[int, list[int]] = defaultdict(list)
        for place in np.flatnonzero(np.bincount(labels)[labels] > 1).tolist():
            found[int(labels[place])].append(place)
        return list(found.values())


def group(texts: Iterable[Text], read: Callable[[str], str], near: Near | None = None) -> Compared:
    """Group texts that may be near duplicates.

    A text of the same words as another is not compared again: it takes the place of that one.

    Args:
        texts: Those of one of ``Sketches.clusters``, or any; those without bands join no group.
        read: Gives a text by its key.
        near: The figures; None for those of the program.
    """
    near = near or rules().near
    alike: dict[bytes, list[Text]] = defaultdict(list)
    for text in texts:
        if text.sketch.bands:
            alike[text.sketch.same].append(text)
    first = {same: min(found, key=lambda one: one.key) for same, found in alike.items()}
    # Longest first; the digest of the words makes the order one, whatever the texts are called.
    ordered = sorted(first.values(), key=lambda one: (-one.sketch.words, one.sketch.same))
    kept = _Shingles(read, near)
    by_band: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    pivot_of: dict[int, tuple[int, int]] = {}
    verified = cut = 0
    for place, text in enumerate(ordered):
        shared: Counter[int] = Counter()
        for name in _bands(text.sketch.bands):
            shared.update(by_band[name][-_NEAREST_IN_BAND:])
        likely = [one for one, _ in sorted(shared.items(), key=lambda found: (-found[1], found[0]))]
        cut += len(likely) > near.most_compared
        mine = kept.of(text.key) if likely else frozenset()
        for one in sorted(likely[: near.most_compared]):
            other = kept.of(ordered[one].key)
            verified += 1
            percent = similarity(mine, other)
            if percent >= near.threshold_percent:
                pivot_of[place] = (one, percent)
                break
        else:
            pivot_of[place] = (place, 100)
            for name in _bands(text.sketch.bands):
                by_band[name].append(place)
    return Compared(tuple(_matches(ordered, alike, pivot_of)), verified, cut)


def similarity(one: frozenset[str], other: frozenset[str]) -> int:
    """Return the Jaccard similarity of two sets of shingles in whole percent, rounded down."""
    common = len(one & other)
    together = len(one) + len(other) - common
    return 100 * common // together if together else 100


def _matches(
    ordered: Sequence[Text], alike: dict[bytes, list[Text]], pivot_of: dict[int, tuple[int, int]]
) -> Iterable[Match]:
    sizes: Counter[int] = Counter()
    for place, (pivot, _) in pivot_of.items():
        sizes[pivot] += len(alike[ordered[place].sketch.same])
    for place, (pivot, percent) in pivot_of.items():
        if sizes[pivot] > 1:
            for text in sorted(alike[ordered[place].sketch.same]):
                yield Match(text.key, ordered[pivot].key, percent, pivot == place)


def _bands(bands: bytes) -> Iterable[tuple[int, bytes]]:
    for at in range(0, len(bands), _BAND_BYTES):
        yield at, bands[at : at + _BAND_BYTES]


class _Shingles:
    """Sets of shingles by text, the latest kept."""

    def __init__(self, read: Callable[[str], str], near: Near) -> None:
        self._read, self._size = read, near.words_in_a_shingle
        self._kept: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._held = 0

    def of(self, key: str) -> frozenset[str]:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = frozenset(shingles_of(words_of(self._read(key)), self._size))
        self._kept[key] = found
        self._held += len(found)
        while self._held > _KEPT_SHINGLES and len(self._kept) > 2:
            _, gone = self._kept.popitem(last=False)
            self._held -= len(gone)
        return found
