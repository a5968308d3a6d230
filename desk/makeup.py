"""What the stored records are: sorts of documents, languages, and languages that no term reaches.

Terms are written in some languages, mostly English, and find nothing in others; and nobody notices. A
language in which there are texts, and of which no term of the request finds a single one, is a lead: somebody
who reads it should look, or a term be added. Nothing is said about terms themselves, only what they found.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from records import tables as t
from records.catalogue import Catalogue
from records.document_types import read_type
from records.languages import codes
from records.vocabulary import CollectionState, Kind, TextState

_TESSERACT = {
    "am": "amh", "ar": "ara", "bn": "ben", "da": "dan", "de": "deu", "el": "ell", "en": "eng", "es": "spa",
    "fa": "fas", "fi": "fin", "fr": "fra", "gu": "guj", "he": "heb", "hi": "hin", "ht": "hat", "hu": "hun",
    "hy": "hye", "id": "ind", "it": "ita", "ja": "jpn", "ka": "kat", "km": "khm", "kn": "kan", "ko": "kor",
    "lo": "lao", "ml": "mal", "mr": "mar", "my": "mya", "ne": "nep", "nl": "nld", "no": "nor", "or": "ori",
    "pa": "pan", "pl": "pol", "ps": "pus", "pt": "por", "ro": "ron", "ru": "rus", "sq": "sqi", "sv": "swe",
    "sw": "swa", "ta": "tam", "te": "tel", "th": "tha", "ti": "tir", "tl": "fil", "tr": "tur", "uk": "ukr",
    "ur": "urd", "vi": "vie", "yi": "yid", "zh": "chi_sim+chi_tra",
}  # fmt: skip
"""Codes of Tesseract's data files (github.com/tesseract-ocr/tessdata_fast); it has none for Somali."""


@dataclass(frozen=True, slots=True)
class Makeup:
    """What is there, counted by item; copies count each.

    Attributes:
        types: Stored items by sort of document, most first.
        languages: Searchable texts by language, most first; a text in two counts with both, ``und`` are those
            whose language is not told.
        without_hits: Of these languages, those of which no term in force finds a text; empty before a search.
        ocr_languages: Tesseract's codes of languages in texts that the setting for OCR lacks.
    """

    types: dict[str, int]
    languages: dict[str, int]
    without_hits: dict[str, int]
    ocr_languages: tuple[str, ...]


def makeup(catalogue: Catalogue, request_id: str, version: int, ocr_setting: str) -> Makeup:
    """Return what the stored records of a request are.

    Args:
        catalogue: The catalogue.
        request_id: The request.
        version: Of the request whose terms are in force.
        ocr_setting: Languages that OCR reads with, as the setting has them.
    """
    with catalogue.read() as connection:
        types = _types(connection, request_id)
        languages, hit, searched = _languages(connection, request_id, version)
    spoken = {code for code in languages if code in _TESSERACT}
    read_with = set(ocr_setting.split("+"))
    wanted = {part for code in spoken for part in _TESSERACT[code].split("+")}
    return Makeup(
        _most_first(types),
        _most_first(languages),
        _most_first({c: n for c, n in languages.items() if searched and c not in hit and c != "und"}),
        tuple(sorted(wanted - read_with)),
    )


def _types(connection: sa.Connection, request_id: str) -> Counter[str]:
    """Count sorts of documents: by kind in the database, one by one only where more has to be looked at."""
    i, r = t.items.c, t.readings.c
    kind = sa.func.coalesce(r.kind, i.kind)
    looked_at = kind.in_([Kind.FILE.value, Kind.CALL.value])
    stored = sa.and_(i.request_id == request_id, i.state == CollectionState.STORED)
    both = t.items.outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
    counted: Counter[str] = Counter()
    for name, count in connection.execute(
        sa.select(kind, sa.func.count()).select_from(both).where(stored, ~looked_at).group_by(kind)
    ):
        counted[read_type(name, None, None, None).value] += count
    for row in connection.execute(
        sa.select(kind, i.media_type, i.name, r.facts).select_from(both).where(stored, looked_at)
    ):
        counted[read_type(*row).value] += 1
    return counted


def _languages(
    connection: sa.Connection, request_id: str, version: int
) -> tuple[Counter[str], set[str], bool]:
    """Count texts by language; return also the languages of hits, and whether there are any hits at all."""
    r, h = t.readings.c, t.hits.c
    counted: Counter[str] = Counter()
    for stored, count in connection.execute(
        sa.select(r.languages, sa.func.count())
        .where(r.request_id == request_id, r.text_state == TextState.SEARCHABLE)
        .group_by(r.languages)
    ):
        for code in codes(stored):
            counted[code] += count
    found = connection.scalars(
        sa.select(r.languages)
        .distinct()
        .join_from(t.hits, t.readings, (r.request_id == h.request_id) & (r.item_id == h.item_id))
        .where(h.request_id == request_id, h.version == version)
    ).all()
    return counted, {code for stored in found for code in codes(stored)}, bool(found)


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
