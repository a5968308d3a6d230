"""What a sample says: as JSON, and in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from desk.sampling import Result
from review.sample_rows import Sample
from review.sampling import Interval

_DIGITS = 8


def as_json(request_id: str, found: Result) -> dict[str, Any]:
    """Return a result as ``daylight sample result`` prints it; shares from 0 to 1."""
    made = found.figures
    eluded = made.elusion
    missed = None
    if eluded is not None:
        missed = {key: round(value * made.population, 2) for key, value in asdict(eluded).items()}
    return {
        **described(request_id, found.sample),
        "coded": made.coded,
        "counted": made.counted,
        "left": made.size - made.coded,
        "found": made.found,
        "counted_found": made.counted_found,
        "responsive_in_review": made.responsive,
        "undecided_in_review": made.undecided,
        "provisional": made.provisional,
        "census": made.census,
        "elusion": _rounded(eluded),
        "missed": missed,
        "recall": _rounded(made.recall),
        "not_searchable": found.not_searchable,
        "partly_searchable": found.partly_searchable,
        "found_families": [asdict(one) for one in found.found],
        "stored_since": found.stored_since,
        "fresh_sample": found.fresh,
        "words": words(found),
    }


def _rounded(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {key: round(value, _DIGITS) for key, value in asdict(interval).items()}


def described(request_id: str, sample: Sample) -> dict[str, Any]:
    """Return a draw as JSON."""
    return {
        "request_id": request_id,
        "sample": sample.number,
        "version": sample.version,
        "drawn_at": sample.at,
        "drawn_by": sample.by,
        "seed": sample.seed,
        "seed_chosen": sample.basis.seed_chosen,
        "population": sample.population,
        "size": sample.size,
        "frame_sha256": sample.frame_sha256,
        "confidence": sample.basis.confidence,
        "margin": sample.basis.margin,
        "when_drawn": {
            "reviewed": sample.basis.reviewed,
            "not_stored": sample.basis.not_stored,
            "responsive": sample.basis.responsive,
            "undecided": sample.basis.undecided,
            "index_documents": sample.basis.index_documents,
        },
    }


# --- in words ------------------------------------------------------------------------------------------


def words(found: Result) -> list[str]:
    """Say a result in sentences; they state figures, and leave what these mean to a person."""
    return [*_drawn_words(found), *_estimate_words(found), *_caution_words(found)]


def _drawn_words(found: Result) -> Iterator[str]:
    made, sample = found.figures, found.sample
    yield (
        f"Sample {sample.number}: {made.size:,} of {made.population:,} families that no term of version "
        f"{sample.version} finds were drawn with seed {sample.seed}; {made.coded:,} are answered, "
        f"{made.found:,} of them responsive."
    )
    if found.not_searchable or found.partly_searchable:
        yield (
            f"Of those drawn, {found.not_searchable:,} could not be searched at all and "
            f"{found.partly_searchable:,} only in part; a person has to open them."
        )


def _estimate_words(found: Result) -> Iterator[str]:
    made = found.figures
    if made.elusion is None:
        yield "No estimate can be made yet: the first family in the order drawn is not answered."
        return
    sure = f"{found.sample.basis.confidence * 100:g} % confidence"
    if made.census:
        yield (
            f"Every family of the list was answered, so this is a count: {made.counted_found:,} of "
            f"{made.population:,} are responsive ({_percent(made.elusion.estimate, 3)})."
        )
    else:
        yield (
            f"{made.counted_found:,} of the first {made.counted:,} are responsive: elusion is estimated at "
            f"{_range(made.elusion, 3)}, with {sure}; at most {_percent(made.elusion.bound, 3)} with one end."
        )
    if made.recall is None:
        yield "No recall can be estimated: no family in review is decided responsive."
    elif made.census:
        yield (
            f"With {made.responsive:,} responsive families in review, the search found "
            f"{_percent(made.recall.estimate, 1)} of those that are responsive."
        )
    else:
        yield (
            f"With {made.responsive:,} responsive families in review, recall is estimated at "
            f"{_range(made.recall, 1)}; at least {_percent(made.recall.bound, 1)} with one end."
        )


def _caution_words(found: Result) -> Iterator[str]:
    made = found.figures
    if made.counted < made.size:
        yield (
            f"Provisional: {made.size - made.coded:,} families drawn are not answered; the estimate stands "
            f"on the first {made.counted:,} in the order drawn."
        )
    if made.undecided:
        yield f"Provisional: {made.undecided:,} families in review are undecided, so recall may change."
    if found.stored_since:
        yield (
            f"The collection has changed by {found.stored_since:+,} stored families since the draw, of which "
            "this sample says nothing: draw another."
        )
    if found.sample.basis.not_stored:
        yield f"{found.sample.basis.not_stored:,} families could not be stored and are in no sample."
    if found.found:
        unfound = sum(not one.hit_now for one in found.found)
        yield (
            f"Each responsive family is a lead, and in review; {unfound:,} of {len(found.found):,} no term "
            "of the version in force finds."
        )
        other = sum(one.review in {"not_responsive", "personal"} for one in found.found)
        if other:
            yield (
                f"The review decided otherwise on {other:,} of them. The estimates go by the sample's "
                "answers: look again, and change the answer or the decision."
            )
        if found.fresh is None:
            yield "Widen the terms and draw a fresh sample."
        else:
            yield f"Sample {found.fresh} was drawn afresh, under other terms."
    yield (
        "The figures are of families that were collected and stored, and of these readers' answers; what "
        "they mean for the request is for a person to say."
    )


def _percent(share: float, digits: int) -> str:
    return f"{share * 100:.{digits}f} %"


def _range(interval: Interval, digits: int) -> str:
    ends = f"{_percent(interval.low, digits)} to {_percent(interval.high, digits)}"
    return f"{_percent(interval.estimate, digits)} ({ends})"
