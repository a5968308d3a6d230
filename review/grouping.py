"""By which figures and words records are grouped: ``grouping.toml``, read once."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("grouping.toml")


@dataclass(frozen=True, slots=True)
class Near:
    """What makes two texts near duplicates.

    Attributes:
        threshold_percent: Least Jaccard similarity of their shingles.
        words_in_a_shingle: Words that follow one another.
        least_words: Shorter texts are left out.
        most_words: So are longer ones.
        permutations: Of MinHash.
        bands: Into which a signature is cut, all of the same number of rows.
        seed: Of the permutations.
        most_compared: Pivots that one text is compared with.
    """

    threshold_percent: int
    words_in_a_shingle: int
    least_words: int
    most_words: int
    permutations: int
    bands: int
    seed: int
    most_compared: int


@dataclass(frozen=True, slots=True)
class Quoted:
    """By what quoted text is told from a message's own.

    Attributes:
        least_letters: Letters and digits by which a quoted text names the message it comes from.
        least_contained: A message of fewer is never said to be contained in another.
        heads: Lines that begin what is quoted, lower case, without their dashes.
        from_words: First label of a quoted header.
        sent_words: Labels of its time.
        other_words: Further labels of it.
        wrote: Words that end ``On … wrote:``.
    """

    least_letters: int
    least_contained: int
    heads: tuple[str, ...]
    from_words: tuple[str, ...]
    sent_words: tuple[str, ...]
    other_words: tuple[str, ...]
    wrote: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All of the file.

    Attributes:
        near: Of near duplicates.
        quoted: Of quoted text.
        prefixes: What replies and forwards put before a subject, lower case.
        sha256: Of the file.
    """

    near: Near
    quoted: Quoted
    prefixes: tuple[str, ...]
    sha256: str


@lru_cache(maxsize=1)
def rules() -> Rules:
    """Return the rules that come with the program."""
    text = FILE.read_bytes()
    found = tomllib.loads(text.decode("utf-8"))
    quoted: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found["quoted"].items()
    }
    return Rules(
        Near(**found["near"]),
        Quoted(**quoted),
        tuple(found["subject"]["prefixes"]),
        hashlib.sha256(text).hexdigest(),
    )
