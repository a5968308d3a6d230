"""Closing a request: nothing may be open, its records thaw, passwords of its files are wiped."""

from __future__ import annotations

from desk import runlock
from desk.books import books
from desk.bundle import waiver
from desk.declaring import standing, words_of
from desk.home import Home
from desk.leads import leads_to_follow
from desk.passwords import wipe
from desk.variants import OPEN, standings_of
from records import audit, canonical
from records import tables as t
from records.errors import UsageError
from records.vocabulary import Awaits
from release.selection import NotProduced
from retention.freeze import thaw
from review import sample_rows

AWAITS: dict[str, str] = {
    Awaits.DECISION: "a decision",
    Awaits.REDACTION: "redaction",
    Awaits.NOTICE: "third-party notice",
    Awaits.COUNSEL: "counsel",
    Awaits.SECOND_READER: "a second reader",
    Awaits.OCR: "OCR",
    Awaits.RETRY: "another try at reading",
    Awaits.PRODUCTION: "the next instalment",
    NotProduced.CARRIES_WITHHELD: "redaction, since they carry what is withheld",
    NotProduced.CARRIES_PERSONAL: "redaction, since they carry a personal matter",
    NotProduced.CARRIES_UNREAD_PART: "a reading of what they carry",
    NotProduced.CARRIES_NOT_RESPONSIVE: "redaction, since they carry what is not responsive",
    NotProduced.CARRIES_NOT_YET_PRODUCED: "what they carry",
    NotProduced.COPY_DECIDED_OTHERWISE: "a second look, since a copy was decided otherwise",
    NotProduced.BYTES_CHANGED: "a second look, since their bytes are not those that were decided on",
    NotProduced.NATIVE_MISSING: "a second look, since their bytes were removed",
    NotProduced.DECIDED_ANEW: "a second look, since they were decided anew after production",
    NotProduced.LATER_INSTALLMENT: "a later instalment",
}
"""What unproduced records wait for, in words, by the codes of ``desk.books``."""


def unfinished(home: Home, request_id: str) -> list[str]:
    """Return in words what is begun and not ended, though it holds no closing up; after it, it stays so.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    with home.catalogue.read() as connection:
        samples = sample_rows.samples(connection, request_id)
        coded = {
            one.number: len(sample_rows.answers_of(connection, request_id, one.number)) for one in samples
        }
    out = [
        f"sample {one.number}: {coded[one.number]:,} of {one.size:,} families are answered"
        for one in samples
        if coded[one.number] < one.size
    ]
    still = sum(one.state == OPEN for one in standings_of(home, request_id))
    if still:
        out.append(f"{still:,} {'variant is' if still == 1 else 'variants are'} neither taken nor refused")
    return out + [words_of(gap) for gap in standing(home, request_id).gaps]


def close_request(home: Home, request_id: str, *, by: str) -> None:
    """Close a request; its records thaw.

    Raises:
        AlreadyRunning: A run of it is alive, or waits for a person.
        UsageError: It is closed already, or something is undecided or awaits redaction, notice, OCR or a
            retryable failure, or a lead is open, or the ledger does not balance and nobody recorded why; the
            message counts what is open.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed already")
    if found.state == "open":
        raise UsageError(f"request {request_id} has not been run; nothing to close; `daylight run` it")
    with runlock.local_run(home, request_id):
        runlock.refuse_leased(home, request_id)
        _close(home, request_id, by=by)


def _close(home: Home, request_id: str, *, by: str) -> None:
    counted = books(home, request_id)
    awaits = counted.review["awaits"]
    assert isinstance(awaits, dict)
    if awaits:
        what = ", ".join(f"{count} await {AWAITS.get(name, name)}" for name, count in awaits.items())
        raise UsageError(f"request {request_id} cannot be closed: {what}")
    leads = leads_to_follow(home, request_id, by=by)
    if leads:
        what = f"{leads} {'lead is' if leads == 1 else 'leads are'} open"
        raise UsageError(
            f"request {request_id} cannot be closed: {what}; "
            f"`daylight leads list {request_id} --leads --open` lists them, "
            "`daylight leads close` says how each was followed"
        )
    if not counted.balanced and not waiver(home, request_id):
        raise UsageError(
            f"request {request_id} cannot be closed: its ledger does not balance; "
            "`daylight accept-unbalanced` records why that stands"
        )
    # Before it is closed: a killed command leaves no closed request that has some.
    wipe(home, request_id, by=by)
    now = canonical.now_text()
    with home.catalogue.write() as connection:
        connection.execute(
            t.requests.update()
            .where(t.requests.c.request_id == request_id)
            .values(state="closed", closed_at=now)
        )
        thaw(connection, request_id, now, by=by)
        audit.append(connection, action="closed", actor=by, request_id=request_id)
