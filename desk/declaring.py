"""Declared sources: personal devices and accounts, which their owners search and hand over from.

Law: the employee searches, not the agency, and hands over what is a public record (Nissen v. Pierce County,
183 Wn.2d 863 (2015); West v. Vermillion, 196 Wn. App. 627 (2016); WAC 44-14-03001(3)). So a declared source
is read only while every file at its path has a receipt and is the file of the receipt. What is missing is
listed as a gap; nothing here says whether somebody complied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.handed_over import differs, files_at, lies_at, real, receipt
from desk import runlock
from desk.declaration_file import Answer, PlaceAnswer, read_answers
from desk.home import Home, OpenRequest
from desk.request import Request, Source
from desk.topping_up import open_round
from records import audit, canonical
from records import tables as t
from records.declarations import Declaration, DeclaredPlace, Receipt, in_force, read_declarations
from records.errors import SettingsError, UsageError
from records.rows import lock_tables


class Missing(StrEnum):
    """What is missing of what a person declares and hands over."""

    NO_DECLARATION = "no_declaration"  # a declared source of which no declaration speaks
    NO_FILE = "no_file"  # a device or account was used, and nothing of it was handed over
    NO_SOURCE = "no_source"  # files were handed over, and no source of the request reads them
    OTHER_DAYS = "other_days"  # the request asks for other days than when it was declared


NOT_USED = "declared_not_used"
"""Detail of a source whose custodian answered no."""

NOT_AS_RECEIVED = "not_as_received"
"""Detail of a source whose files are not those that receipts were given for."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing.

    Attributes:
        gap: What.
        custodian: Custodian id.
        source: Source id; empty where no source is meant.
        place: Number of the declared place; None where none is meant.
        files: Files it is about; 0 where it is about none.
    """

    gap: Missing
    custodian: str
    source: str = ""
    place: int | None = None
    files: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the declarations of a request stand.

    Attributes:
        declarations: All, superseded ones too, by custodian and number.
        unanswered: Custodians of the version in force who declared nothing.
        gaps: What is missing.
    """

    declarations: tuple[Declaration, ...]
    unanswered: tuple[str, ...]
    gaps: tuple[Gap, ...]

    def counts(self) -> dict[str, Any]:
        """Return it as counts and ids, for ``daylight status``."""
        now = [one for one in self.declarations if one.in_force]
        return {
            "answered": len(now),
            "used": sum(one.used for one in now),
            "not_used": sum(not one.used for one in now),
            "files": sum(len(place.receipts) for one in now for place in one.places),
            "unanswered": list(self.unanswered),
            "gaps": [asdict(gap) for gap in self.gaps],
        }


# -- taking in


def take_in(home: Home, request_id: str, path: Path, *, by: str) -> dict[str, Any]:
    """Take in what custodians answered: all of the file, or nothing.

    Every file that was handed over is read for its SHA-256. A declared source that was listed before is
    listed again by the next run where its files are others now.

    Args:
        home: Open.
        request_id: The request.
        path: The file of declarations, TOML or CSV.
        by: Who takes it in.

    Returns:
        The declarations, a receipt for each file, what is missing, and the sources to be listed again.

    Raises:
        AlreadyRunning: A source is to be listed again, and a run is alive or waits for a person.
        SettingsError: Something in the file is wrong, or a file that was handed over cannot be read; the
            message names every such place.
        UsageError: The request is closed, or was changed meanwhile.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; no further declaration is taken in")
    read = read_answers(path)
    given = _given(found.body, read.answers, read.folder, str(path))
    with home.catalogue.read() as connection:
        before = in_force(connection, request_id)
        again = _listed_again(connection, found, before, given)
    with _alone(home, request_id) if again else nullcontext(), home.catalogue.write() as connection:
        lock_tables(connection, t.declarations, t.receipts)
        r = t.requests.c
        if in_force(connection, request_id) != before or found.version != connection.scalar(
            sa.select(r.version).where(r.request_id == request_id, r.state != "closed")
        ):
            raise UsageError(f"request {request_id} was changed meanwhile: do this again")
        now = canonical.now_text()
        for answer, places in given:
            seq = before[answer.custodian].seq + 1 if answer.custodian in before else 1
            _write(connection, found, answer, places, seq, {"file_sha256": read.sha256, "by": by, "at": now})
        declared = in_force(connection, request_id)
        for source in found.body.sources:
            if source.declared and source.custodian in {answer.custodian for answer, _ in given}:
                _keep_count(connection, request_id, source, kept_back(found.body, declared, source))
        number = None
        if again:
            why = "other files were declared"
            number = open_round(connection, request_id, found.version, again, by, why)
    mine = [declared[answer.custodian] for answer, _ in given]
    return {
        "request_id": request_id,
        "declarations": [
            {
                "custodian": one.custodian,
                "declaration": one.seq,
                "used": one.used,
                "answered_on": one.answered_on,
                "places": len(one.places),
                "files": sum(len(place.receipts) for place in one.places),
                "supersedes": one.seq - 1 or None,
            }
            for one in mine
        ],
        "receipts": [
            {
                "custodian": one.custodian,
                "declaration": one.seq,
                "place": place.number,
                "path": receipt.path,
                "sha256": receipt.sha256,
                "size_bytes": receipt.size_bytes,
                "received_at": receipt.received_at,
            }
            for one in mine
            for place in one.places
            for receipt in place.receipts
        ],
        "round": number,
        "listed_again": again,
        **_shown(standing(home, request_id)),
    }


_Given = list[tuple[Answer, list[tuple[PlaceAnswer, list[Receipt]]]]]


def _given(body: Request, answers: Sequence[Answer], folder: Path, where: str) -> _Given:
    """Check the answers against the request, and read what was handed over.

    Raises:
        SettingsError: For all that is wrong at once.
    """
    problems: list[str] = []
    people = {one.id for one in body.custodians}
    out: _Given = []
    seen: set[str] = set()
    for answer in answers:
        name = f"declaration of {answer.custodian}"
        if answer.custodian not in people:
            problems.append(f"{name}: the request has no such custodian")
        if answer.answered_on < body.received_on:
            problems.append(f"{name}: answered_on: before the request was received")
        places = []
        for number, place in enumerate(answer.places, 1):
            at = f"{name}, place {number}"
            receipts = list(_received(place, folder, at, seen, problems))
            problems += _wrong_source(body, answer.custodian, place, receipts, at)
            places.append((place, receipts))
        out.append((answer, places))
    if problems:
        raise SettingsError(f"{where}: {'; '.join(problems)}; nothing was taken in")
    return out


def _wrong_source(
    body: Request, custodian: str, place: PlaceAnswer, receipts: Sequence[Receipt], at: str
) -> Iterator[str]:
    mine = [one for one in body.sources if one.declared and one.custodian == custodian]
    if place.source and place.source not in {one.id for one in mine}:
        yield f"{at}: source: this custodian has no declared source of this id"
        return
    found = {one.id for one in mine for file in receipts if lies_at(file.path, one.path)}
    if place.source and found - {place.source}:
        yield f"{at}: files: some are those of source {', '.join(sorted(found - {place.source}))}"
    elif len(found) > 1:
        yield f"{at}: files: of several sources ({', '.join(sorted(found))}); write a place for each"
    others = {
        one.id
        for one in body.sources
        if one.path and one.custodian != custodian
        for file in receipts
        if lies_at(file.path, one.path)
    }
    if others:
        yield f"{at}: files: of sources of somebody else ({', '.join(sorted(others))})"


def _received(
    place: PlaceAnswer, folder: Path, at: str, seen: set[str], problems: list[str]
) -> Iterator[Receipt]:
    """Yield a receipt for each file of a place; what cannot be received becomes a problem."""
    for number, name in enumerate(place.files, 1):
        what = f"{at}: files: number {number}"
        named = folder / name
        try:
            files = files_at(real(str(named)))
            if not files:
                problems.append(f"{what} {'holds no file' if named.exists() else 'is not there'}")
            for path, file in files.items():
                if path in seen:
                    problems.append(f"{what} has a file that was named before")
                else:
                    seen.add(path)
                    yield receipt(file)
        except OSError as error:
            problems.append(f"{what} cannot be read ({error.strerror})")


def _alone(home: Home, request_id: str) -> Any:
    runlock.refuse_leased(home, request_id)
    return runlock.local_run(home, request_id)


def _listed_again(
    connection: sa.Connection, found: OpenRequest, before: Mapping[str, Declaration], given: _Given
) -> list[str]:
    """Return the declared sources that were listed, and whose files are others now."""
    s = t.scopes.c
    its = s.request_id == found.request_id
    listed = set(connection.scalars(sa.select(s.source_id).where(its).distinct()))
    new = {answer.custodian: [one for _, receipts in places for one in receipts] for answer, places in given}
    again = []
    for source in found.body.sources:
        if not source.declared or source.id not in listed or source.custodian not in new:
            continue
        old = before.get(source.custodian)
        had = [one for place in old.places for one in place.receipts] if old is not None else []
        if _contents(had, source) != _contents(new[source.custodian], source):
            again.append(source.id)
    return again


def _contents(receipts: Iterable[Receipt], source: Source) -> set[tuple[str, str]]:
    return {(one.path, one.sha256) for one in receipts if lies_at(one.path, source.path)}


def _write(
    connection: sa.Connection,
    found: OpenRequest,
    answer: Answer,
    places: Sequence[tuple[PlaceAnswer, list[Receipt]]],
    seq: int,
    taken_in: Mapping[str, str],
) -> None:
    key = {"request_id": found.request_id, "custodian_id": answer.custodian, "seq": seq}
    body = {
        "statement": answer.statement,
        "places": [
            {
                "kind": str(place.kind),
                "which": place.which,
                "how_searched": place.how_searched,
                "source": place.source,
                "handed_over": place.handed_over,
                "kept_back": place.kept_back,
                "why": place.kept_back_why,
            }
            for place, _ in places
        ],
    }
    connection.execute(
        t.declarations.insert(),
        {
            **key,
            "version": found.version,
            "used": answer.used,
            "answered_on": answer.answered_on.isoformat(),
            "body": canonical.dumps(body),
            **taken_in,
        },
    )
    rows = [
        {**key, "place_no": number, **asdict(receipt)}
        for number, (_, receipts) in enumerate(places, 1)
        for receipt in receipts
    ]
    if rows:
        connection.execute(t.receipts.insert(), rows)
    audit.append(
        connection,
        action="declared",
        actor=taken_in["by"],
        request_id=found.request_id,
        version=found.version,
        custodian=answer.custodian,
        declaration=seq,
        used=answer.used,
        places=len(places),
        files=len(rows),
        file_sha256=taken_in["file_sha256"],
    )


def _keep_count(connection: sa.Connection, request_id: str, source: Source, count: int | None) -> None:
    s = t.scopes.c
    connection.execute(
        t.scopes.update().where(s.request_id == request_id, s.source_id == source.id).values(kept_back=count)
    )


# -- where they stand


def standing(home: Home, request_id: str) -> Standing:
    """Return all declarations of a request and what is missing; looks at no file.

    Raises:
        UsageError: There is no such request.
    """
    found = home.request(request_id)
    with home.catalogue.read() as connection:
        every = read_declarations(connection, request_id)
        v = t.request_versions.c
        days = {
            version: canonical.loads(body).get("window")
            for version, body in connection.execute(
                sa.select(v.version, v.body).where(v.request_id == request_id)
            )
        }
    now = {one.custodian: one for one in every if one.in_force}
    moved = {one.custodian for one in now.values() if days[one.version] != days[found.version]}
    return Standing(
        tuple(every),
        tuple(one.id for one in found.body.custodians if one.id not in now),
        tuple(_gaps(found.body, now, moved)),
    )


def _gaps(body: Request, declared: Mapping[str, Declaration], moved: set[str]) -> Iterator[Gap]:
    for custodian in body.custodians:
        one = declared.get(custodian.id)
        mine = [source for source in body.sources if source.declared and source.custodian == custodian.id]
        places = one.places if one is not None else ()
        spoken_of = {_source_of(place, mine) for place in places}
        for source in mine:
            if (one is None or one.used) and source.id not in spoken_of:
                yield Gap(Missing.NO_DECLARATION, custodian.id, source.id)
        for place in places:
            if not place.receipts:
                yield Gap(Missing.NO_FILE, custodian.id, _source_of(place, mine), place.number)
            unread = sum(
                not any(lies_at(file.path, source.path) for source in mine) for file in place.receipts
            )
            if unread:
                yield Gap(Missing.NO_SOURCE, custodian.id, place.source, place.number, unread)
        if custodian.id in moved:
            yield Gap(Missing.OTHER_DAYS, custodian.id)


def _source_of(place: DeclaredPlace, sources: Sequence[Source]) -> str:
    """Return the source that a place is read by: the one it names, or the one whose path its files lie at."""
    if place.source:
        return place.source
    return next(
        (one.id for one in sources if any(lies_at(file.path, one.path) for file in place.receipts)), ""
    )


def kept_back(body: Request, declared: Mapping[str, Declaration], source: Source) -> int | None:
    """Return how many records of a declared source were kept back, as declared; None where nobody said."""
    mine = [one for one in body.sources if one.declared and one.custodian == source.custodian]
    one = declared.get(source.custodian)
    every = one.places if one is not None else ()
    places = [place for place in every if _source_of(place, mine) == source.id]
    return sum(place.kept_back for place in places) if places else None


def kept_back_of(home: Home, found: OpenRequest, source: Source) -> int | None:
    """Return how many records of a source its owner kept back: as declared, else as the request file says."""
    if not source.declared:
        return source.kept_back
    with home.catalogue.read() as connection:
        return kept_back(found.body, in_force(connection, found.request_id), source)


def listed(home: Home, request_id: str) -> dict[str, Any]:
    """Return every declaration with its receipts, who has not answered, and what is missing.

    Raises:
        UsageError: There is no such request.
    """
    found = standing(home, request_id)
    declarations = []
    for one in found.declarations:
        said = asdict(one)
        declarations.append({"custodian": said.pop("custodian"), "declaration": said.pop("seq"), **said})
    return {"request_id": request_id, "declarations": declarations, **_shown(found)}


def _shown(found: Standing) -> dict[str, Any]:
    return {"unanswered": list(found.unanswered), "gaps": [asdict(gap) for gap in found.gaps]}


_WORDS = {
    Missing.NO_DECLARATION: "no declaration speaks of source {source}",
    Missing.NO_FILE: "place {place} was used, and no file of it was handed over",
    Missing.NO_SOURCE: "{files} files of place {place} were handed over, and no source reads them",
    Missing.OTHER_DAYS: "the request asks for other days than when it was declared",
}


def words_of(gap: Gap) -> str:
    """Return a gap in words, by ids."""
    return f"custodian {gap.custodian}: {_WORDS[gap.gap].format(**asdict(gap))}"


# -- before a source is read


@dataclass(frozen=True, slots=True)
class Barred:
    """Why a declared source is not read.

    Attributes:
        answer: What the coverage keeps as the source's answer: ``not_answered``, or ``answered`` after a no.
        detail: A code, with counts.
    """

    answer: str
    detail: str


def barred(home: Home, found: OpenRequest) -> dict[str, Barred]:
    """Return the declared sources of a request that are not to be read now, by id.

    A file is read for its SHA-256 again only when its size is that of the receipt and its time is not.
    """
    sources = [one for one in found.body.sources if one.declared]
    if not sources:
        return {}
    with home.catalogue.read() as connection:
        declared = in_force(connection, found.request_id)
    return {
        source.id: bar
        for source in sources
        if (bar := _bar(found.body, declared.get(source.custodian), source)) is not None
    }


def _bar(body: Request, declaration: Declaration | None, source: Source) -> Barred | None:
    if declaration is not None and not declaration.used:
        return Barred("answered", NOT_USED)
    mine = [one for one in body.sources if one.declared and one.custodian == source.custodian]
    places = declaration.places if declaration is not None else ()
    if source.id not in {_source_of(place, mine) for place in places}:
        return Barred("not_answered", str(Missing.NO_DECLARATION))
    receipts = {one.path: one for place in places for one in place.receipts if lies_at(one.path, source.path)}
    if not receipts:
        return Barred("not_answered", str(Missing.NO_FILE))
    try:
        there = files_at(real(source.path))
    except OSError:
        return Barred("not_answered", f"{NOT_AS_RECEIVED}: a folder cannot be read")
    problems = {
        "without a receipt": len(there.keys() - receipts.keys()),
        "not there": len(receipts.keys() - there.keys()),
        "changed": sum(differs(there[path], receipts[path]) for path in there.keys() & receipts.keys()),
    }
    said = ", ".join(f"{count} {what}" for what, count in problems.items() if count)
    return Barred("not_answered", f"{NOT_AS_RECEIVED}: files {said}") if said else None
