"""Sampling at the desk: draw, sheet, answers, result, series.

The frozen list of a sample lies in the request's folder, named by its hash; the catalogue has what was drawn
and what was answered. A family that is found responsive is in review from then on, although no term finds it:
it is a lead, and shows that the terms are to be widened and a fresh sample drawn.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from records import audit, canonical
from records import tables as t
from records.catalogue import chunked
from records.decisions import Decision, in_review
from records.errors import AccessError, CheckFailed, UsageError
from records.vocabulary import CollectionState
from retention.suggest import flag_request
from review import sample_rows, sampling
from review.sample_rows import Answer, Basis, Sample
from review.sample_sheet import apply_sample_sheet, write_sample_sheet
from review.sampling import Figures

MARGIN = 0.02
CONFIDENCE = 0.95


# --- draw ----------------------------------------------------------------------------------------------


def draw(
    home: Home,
    request_id: str,
    *,
    by: str,
    size: int | None = None,
    margin: float | None = None,
    confidence: float = CONFIDENCE,
    seed: int | None = None,
) -> tuple[Sample, Path]:
    """Freeze the list of what no term finds, and draw from it.

    Args:
        home: Open.
        request_id: The request.
        by: Who draws.
        size: Families to draw; all of them when there are fewer. None: as the margin asks.
        margin: Half the width of the interval for a proportion of one half; None: 2 percent.
        confidence: Of the sample's intervals.
        seed: None: a random one.

    Returns:
        The sample, and the file of the frozen list.

    Raises:
        UsageError: The request is closed or its terms were not counted on all that is stored, nothing is left
            to draw from, or a figure makes no sense.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its samples no longer change")
    if not by.strip():
        raise UsageError("a sample needs the name of the person who draws it")
    if size is not None and margin is not None:
        raise UsageError("a sample has a size or a margin: name one of them")
    if size is not None and size < 1:
        raise UsageError("a sample has at least one family")
    chosen = secrets.randbelow(sampling.LARGEST_SEED + 1) if seed is None else seed
    with home.catalogue.read() as connection:
        documents = _counted_documents(connection, request_id, found.version)
        stand = sampling.families(connection, request_id, found.version)
    if not stand.left:
        raise UsageError(f"all stored families of request {request_id} are in review: none is left to draw")
    if margin is None and size is None:
        margin = MARGIN
    wanted = sampling.size_for(MARGIN if margin is None else margin, confidence, len(stand.left))
    drawn = sampling.draw(stand.left, chosen, wanted if size is None else size)
    text = sampling.frame_text(stand.left)
    digest = sampling.frame_sha256(text)
    file = _keep_frame(home, request_id, digest, text)
    basis = Basis(
        confidence=confidence,
        margin=margin,
        seed_chosen=seed is not None,
        reviewed=len(stand.reviewed),
        not_stored=len(stand.not_stored),
        responsive=len(stand.responsive),
        undecided=len(stand.undecided),
        index_documents=documents,
    )
    made = sample_rows.keep(
        home.catalogue, request_id, found.version, chosen, len(stand.left), digest, drawn, basis, by
    )
    return made, file


def _counted_documents(connection: sa.Connection, request_id: str, version: int) -> int:
    """Return how many documents the terms in force were counted on.

    Raises:
        UsageError: They were not counted, or not on all that is stored: what is left would be too much.
    """
    r, i = t.term_reports.c, t.items.c
    text = connection.scalar(sa.select(r.report).where(r.request_id == request_id, r.version == version))
    if text is None:
        raise UsageError(
            f"the terms of request {request_id} (version {version}) were not counted yet; "
            f"`daylight run` it, or `daylight terms {request_id}`"
        )
    documents = int(canonical.loads(text)["index"]["documents"])
    stored = connection.scalar(
        sa.select(sa.func.count()).where(i.request_id == request_id, i.state == CollectionState.STORED)
    )
    if documents != stored:
        raise UsageError(
            f"the terms of request {request_id} were counted on {documents} documents, and {stored} are "
            f"stored; `daylight run {request_id}` first"
        )
    return documents


# --- the frozen list -----------------------------------------------------------------------------------


def frame_file(home: Home, request_id: str, digest: str) -> Path:
    """Return where a frozen list lies."""
    return home.settings.request_folder(request_id) / "samples" / f"{digest}.txt"


def _keep_frame(home: Home, request_id: str, digest: str, text: str) -> Path:
    path = frame_file(home, request_id, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{digest}-{secrets.token_hex(4)}")
    try:
        unfinished.write_text(text, "ascii", newline="")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def frame_of(home: Home, request_id: str, sample: Sample) -> frozenset[str]:
    """Return the list a sample was drawn from.

    Raises:
        AccessError: Its file is gone.
        CheckFailed: It was altered.
    """
    path = frame_file(home, request_id, sample.frame_sha256)
    try:
        text = path.read_text("ascii", errors="replace")
    except OSError as error:
        raise AccessError(
            f"the frozen list of sample {sample.number} of request {request_id} cannot be read: "
            f"{path} ({error.strerror})"
        ) from error
    lines = text.splitlines()
    whole = text.isascii() and sampling.frame_sha256(text) == sample.frame_sha256
    if not whole or len(lines) != sample.population:
        raise CheckFailed(f"the frozen list of sample {sample.number} of request {request_id} was altered")
    return frozenset(lines)


# --- sheet and answers ---------------------------------------------------------------------------------


def sheet(home: Home, request_id: str, number: int, out: Path, *, by: str) -> dict[str, Any]:
    """Write a sample's sheet.

    Raises:
        UsageError: There is no such sample; ``out`` is neither .xlsx nor .csv, or is there already.
    """
    found = home.request(request_id)
    with home.catalogue.read() as connection:
        sample_rows.sample(connection, request_id, number)
    rows = write_sample_sheet(
        home.catalogue, home.store(request_id), request_id, number, out, zone=found.body.zone
    )
    with home.catalogue.write() as connection:
        audit.append(
            connection, action="exported", actor=by, request_id=request_id, what="sample", sample=number
        )
    return {"request_id": request_id, "sample": number, "file": str(out), "rows": rows}


def code(home: Home, request_id: str, number: int, path: Path, *, by: str) -> dict[str, Any]:
    """Take answers in; families found responsive are in review from now on, with a retention suggestion.

    Raises:
        AccessError: The file is not there.
        UsageError: There is no such sample, it is no sample sheet, or the request is closed.
    """
    if not path.is_file():
        raise AccessError(f"{path}: there is no such file")
    if not by.strip():
        raise UsageError("answers need the name of the person who hands them in")
    if home.request(request_id).state == "closed":
        raise UsageError(f"request {request_id} is closed; its samples no longer change")
    with home.catalogue.read() as connection:
        sample_rows.sample(connection, request_id, number)
    taken = apply_sample_sheet(home.catalogue, request_id, number, path, by)
    if taken.found:
        _flag(home, request_id, taken.found)
    with home.catalogue.read() as connection:
        size = len(sample_rows.drawn_of(connection, request_id, number))
        answers = sample_rows.answers_of(connection, request_id, number)
    return {
        "request_id": request_id,
        "sample": number,
        "applied": taken.applied,
        "unchanged": taken.unchanged,
        "empty": taken.empty,
        "refused": [asdict(row) for row in taken.refused],
        "coded": len(answers),
        "left": size - len(answers),
        "found": sum(answer.responsive for answer in answers.values()),
        "put_in_review": list(taken.found),
    }


def _flag(home: Home, request_id: str, family_ids: tuple[str, ...]) -> None:
    """Suggest a retention series for what has just come into review, as a run does for the rest."""
    i = t.items.c
    batches: set[str] = set()
    for piece in chunked(list(family_ids), 500):
        with home.catalogue.read() as connection:
            batches.update(
                connection.scalars(
                    sa.select(i.batch_id).where(i.request_id == request_id, i.item_id.in_(piece))
                )
            )
    flag_request(home.catalogue, home.store(request_id), request_id, batch_ids=sorted(batches))


# --- result and series ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A family that was found responsive in a sample.

    Attributes:
        family_id: The family.
        position: In the order drawn, from 1.
        hit_now: A term of the version in force finds it now.
        review: What the review made of it: ``open``, ``responsive`` (a member is), ``not_responsive``, or
            ``personal`` (every member is a personal matter).
    """

    family_id: str
    position: int
    hit_now: bool
    review: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a sample says, with what it stands on.

    Attributes:
        sample: The draw.
        figures: See ``review.sampling.Figures``.
        not_searchable: Families drawn with no member that could be searched.
        partly_searchable: Families drawn with some members that could not.
        found: Families found responsive, in the order drawn.
        stored_since: Families stored now less those stored when it was drawn.
        fresh: The first later sample that was drawn under other terms; None when there is none.
    """

    sample: Sample
    figures: Figures
    not_searchable: int
    partly_searchable: int
    found: tuple[Found, ...]
    stored_since: int
    fresh: int | None


def result(home: Home, request_id: str, number: int | None = None) -> Result:
    """Return what a sample says; None for the newest.

    Raises:
        UsageError: There is no such sample.
        AccessError: Its frozen list is gone.
        CheckFailed: Its frozen list was altered.
    """
    return _result(home, request_id, home.request(request_id).version, number)


def series(home: Home, request_id: str) -> list[Result]:
    """Return the results of all samples of a request, in the order drawn; none is ever left out."""
    version = home.request(request_id).version
    with home.catalogue.read() as connection:
        numbers = [one.number for one in sample_rows.samples(connection, request_id)]
    return [_result(home, request_id, version, number) for number in numbers]


def _result(home: Home, request_id: str, version: int, number: int | None) -> Result:
    with home.catalogue.read() as connection:
        sample = sample_rows.sample(connection, request_id, number)
        frame = frame_of(home, request_id, sample)
        later = [s for s in sample_rows.samples(connection, request_id) if s.number > sample.number]
        drawn = sample_rows.drawn_of(connection, request_id, sample.number)
        answers = sample_rows.answers_of(connection, request_id, sample.number)
        stand = sampling.families(connection, request_id, sample.version)
        searched = sampling.unsearchable(connection, request_id, drawn)
        found = _found(connection, request_id, version, drawn, answers)
    said = {family_id: answer.responsive for family_id, answer in answers.items()}
    stored_then = sample.basis.reviewed + sample.population
    return Result(
        sample=sample,
        figures=sampling.figures(drawn, said, frame, stand, sample.basis.confidence),
        not_searchable=searched[0],
        partly_searchable=searched[1],
        found=found,
        stored_since=len(stand.reviewed) + len(stand.left) - stored_then,
        fresh=next((s.number for s in later if s.version != sample.version), None),
    )


def _found(
    connection: sa.Connection,
    request_id: str,
    version: int,
    drawn: tuple[str, ...],
    answers: dict[str, Answer],
) -> tuple[Found, ...]:
    h, i = t.hits.c, t.items.c
    places = [(n, f) for n, f in enumerate(drawn, start=1) if f in answers and answers[f].responsive]
    if not places:
        return ()
    hit: set[str] = set()
    said: dict[str, set[str]] = {family_id: set() for _, family_id in places}
    standings = in_review(connection, request_id, version)
    for piece in chunked(list(said), 500):
        hit.update(
            connection.scalars(
                sa.select(h.family_id).where(
                    h.request_id == request_id, h.version == version, h.family_id.in_(piece)
                )
            )
        )
        for item_id, family_id in connection.execute(
            sa.select(i.item_id, i.family_id).where(
                i.request_id == request_id, i.family_id.in_(piece), i.state == CollectionState.STORED
            )
        ):
            said[family_id].add(_said(standings[item_id].decision if item_id in standings else None))
    return tuple(Found(f, n, hit_now=f in hit, review=_together(said[f])) for n, f in places)


def _said(decision: Decision | None) -> str:
    if decision is None or (decision.public_record and decision.responsive is None):
        return "open"
    if not decision.public_record:
        return "personal"
    return "responsive" if decision.responsive else "not_responsive"


def _together(said: set[str]) -> str:
    """Return what a family is: responsive by one member, and otherwise only when all are decided."""
    return next(word for word in ("responsive", "open", "not_responsive", "personal") if word in said)
