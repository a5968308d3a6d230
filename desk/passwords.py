"""Passwords of locked files: taken in, told of by reference, tried on what is locked, wiped at closing.

For files only. A custodian hands them over in a file that only the public records officer can read; one
that somebody saw in a mail is tried only where the officer directs it, on one item. No connector sees them.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from desk.rereading import read_again
from desk.run import Progress
from extract.protocol import Limits
from extract.unlocking import LEFT, OPENED_BY, TRIED
from records import audit, canonical, isolation
from records import tables as t
from records.catalogue import chunked
from records.errors import AccessError, SettingsError, UsageError
from records.passwords import Kept, candidates, store_of
from records.vocabulary import CollectionState, Reason, TextState

Counts = dict[str, Any]

COLUMNS = ("custodian", "file_password", "given")
"""Of the file: a custodian's id, the password of a file, and where it came from."""

_ADDED = "password_added"
_MOST_BYTES = 1 << 20
_MOST = 1_000
_MOST_CHARACTERS = 255
"""Of a password: what Office takes at most."""

_FILE_DETAILS = frozenset({"office_password", "pdf_password", "zip"})
_MEMBER_DETAILS = frozenset({"zip_aes", "zip_crypto"})
"""Details of what a password can open here; of all else that is encrypted (7z, RAR, OpenDocument, mail with
S/MIME or PGP) it is said that it is."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file of passwords."""

    custodian_id: str
    given: str
    secret: str = field(repr=False)


def add_file(home: Home, request_id: str, path: Path, *, by: str) -> Counts:
    """Take the passwords of a file in; a line that cannot be used costs itself.

    Args:
        home: Open.
        request_id: The request.
        path: CSV in UTF-8 with the columns ``COLUMNS``; belongs to the caller, and nobody else can read it.
        by: Who adds them.

    Returns:
        ``refs`` of the new ones, ``known``: how many were kept already, ``refused``: lines and why.

    Raises:
        AccessError: The file cannot be read, or is another person's.
        SettingsError: Others can read it, or it is no such table.
        UsageError: The request is closed.
    """
    found = _open_request(home, request_id)
    lines, refused = _lines(_private(path), {one.id for one in found.body.custodians})
    kept = [Kept("", one.custodian_id, one.given, None, "", by, one.secret) for one in lines]
    refs = _add(home, request_id, kept)
    return {
        "request_id": request_id,
        "refs": refs,
        "known": len(kept) - len(refs),
        "refused": [{"line": line, "problem": problem} for line, problem in refused],
    }


def add_for_item(home: Home, request_id: str, item_id: str, secret: str, *, by: str, why: str) -> Counts:
    """Take one password in that is tried on one item alone, since the public records officer directs it.

    Args:
        home: Open.
        request_id: The request.
        item_id: A locked file, or a locked member: then the password is tried on its archive.
        secret: The password.
        by: Who directs it.
        why: Where the password was seen, and why it is tried.

    Returns:
        ``ref`` of it, and the ``item`` that it is tried on.

    Raises:
        UsageError: The request is closed, the item is not locked, or no password opens its kind.
        SettingsError: It is no password.
    """
    _open_request(home, request_id)
    problem = _problem(secret)
    if problem:
        raise SettingsError(f"item {item_id}: {problem}")
    with home.catalogue.read() as connection:
        files = _locked(connection, request_id)
    file = next((one for one in files if item_id == one.item_id or item_id in one.members), None)
    if file is None:
        raise UsageError(
            f"request {request_id} has no locked item {item_id}; `daylight passwords locked` lists them"
        )
    if not file.openable:
        raise UsageError(f"item {item_id} is of a kind that no password opens here ({file.detail})")
    refs = _add(home, request_id, [Kept("", file.custodian_id, why, file.item_id, "", by, secret)])
    return {"request_id": request_id, "refs": refs, "item": file.item_id}


def _open_request(home: Home, request_id: str) -> Any:
    isolation.forbid_dumps()
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; nothing in it is read again")
    return found


def _add(home: Home, request_id: str, new: list[Kept]) -> list[str]:
    """Keep what is not kept yet, each under a number that no password of the request ever had."""

    def change(kept: tuple[Kept, ...]) -> tuple[tuple[Kept, ...], list[str]]:
        known = {(one.custodian_id, one.item_id, one.secret) for one in kept}
        now = canonical.now_text()
        added: list[Kept] = []
        with home.catalogue.write() as connection:  # first: a number that is told of is not used again
            number = _numbers_used(connection, request_id)
            for one in new:
                if (one.custodian_id, one.item_id, one.secret) in known:
                    continue
                known.add((one.custodian_id, one.item_id, one.secret))
                number += 1
                ref = f"p{number:03d}"
                added.append(
                    Kept(ref, one.custodian_id, one.given, one.item_id, now, one.added_by, one.secret)
                )
                directed = {} if one.item_id is None else {"item": one.item_id}
                audit.append(
                    connection, action=_ADDED, actor=one.added_by, request_id=request_id, password=ref,
                    custodian=one.custodian_id, **directed,
                )  # fmt: skip
        return (*kept, *added), [one.ref for one in added]

    return store_of(home.settings, request_id).change(change)


def _numbers_used(connection: sa.Connection, request_id: str) -> int:
    """Count the passwords that were ever added: entries are canonical JSON, so facts stand in them so."""
    facts = [f'"action":{canonical.dumps(_ADDED)}', f'"request":{canonical.dumps(request_id)}']
    wanted = (t.audit.c.entry.contains(fact, autoescape=True) for fact in facts)
    return int(connection.scalar(sa.select(sa.func.count()).select_from(t.audit).where(*wanted)) or 0)


# --- the file of passwords ------------------------------------------------------------------------------


def _private(path: Path) -> str:
    """Return the text of a file that belongs to the caller and that nobody else can read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise AccessError(f"the file of passwords cannot be opened ({error.strerror})") from None
    try:
        _check_private(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MOST_BYTES:
        raise SettingsError("the file of passwords is larger than 1 MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError("the file of passwords is not UTF-8") from None


def _check_private(facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise SettingsError("the file of passwords is no regular file")
    if facts.st_uid != os.geteuid():
        raise AccessError(
            "the file of passwords belongs to somebody else; make a copy of your own, mode 0600"
        )
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        raise SettingsError(
            f"the file of passwords can be read by others (mode {mode:04o}); set it to 0600, and think "
            "about new passwords"
        )


def _lines(text: str, custodians: set[str]) -> tuple[list[_Line], list[tuple[int, str]]]:
    """Return what can be used of a file, and the numbers of lines that cannot; never what stands in them."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    lines: list[_Line] = []
    refused: list[tuple[int, str]] = []
    try:
        columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            raise SettingsError(f"the file of passwords lacks the column {' and '.join(missing)}")
        for row in reader:
            cells = {name: row.get(columns[name]) or "" for name in COLUMNS}
            if not any(cells.values()):
                continue
            problem = (
                "it has more cells than the first line" if None in row else _problem(cells["file_password"])
            )
            if cells["custodian"].strip() not in custodians:
                problem = "its custodian is none of the request"
            elif not cells["given"].strip():
                problem = "it does not say where the password came from"
            elif len(lines) == _MOST:
                problem = f"there are more than {_MOST:,} passwords"
            if problem:
                refused.append((reader.line_num, problem))
            else:
                lines.append(
                    _Line(cells["custodian"].strip(), cells["given"].strip(), cells["file_password"])
                )
    except csv.Error:
        raise SettingsError(f"the file of passwords is no CSV behind line {reader.line_num}") from None
    return lines, refused


def _problem(secret: str) -> str:
    """Say why a text is no password; empty where it can be one. Spaces at its ends are part of it."""
    if not secret.strip():
        return "there is no password"
    if len(secret) > _MOST_CHARACTERS:
        return f"a password has {_MOST_CHARACTERS} characters at most"
    if any(ord(one) < 32 or ord(one) == 127 for one in secret):
        return "a password has no line break and no control character"
    return ""


# --- what is kept, and what it opened -------------------------------------------------------------------


def listed(home: Home, request_id: str) -> Iterator[Counts]:
    """Yield every password by its reference, without itself, with the items that it opened.

    One that was removed is listed while an item says that it opened it.

    Raises:
        SettingsError: The key is gone or open to others; so with ``AccessError`` and ``CheckFailed``.
    """
    home.request(request_id)
    kept = store_of(home.settings, request_id).read()
    with home.catalogue.read() as connection:
        opened = _opened(connection, request_id)
    by_ref: dict[str, list[str]] = {}
    for item_id, refs in opened.items():
        for ref in refs:
            by_ref.setdefault(ref, []).append(item_id)
    for one in kept:
        yield {
            "ref": one.ref,
            "kept": True,
            "custodian": one.custodian_id,
            "given": one.given,
            "only_item": one.item_id,
            "added_at": one.added_at,
            "added_by": one.added_by,
            "opened": by_ref.pop(one.ref, []),
        }
    for ref in sorted(by_ref):
        yield {"ref": ref, "kept": False, "opened": by_ref[ref]}


def _opened(connection: sa.Connection, request_id: str) -> dict[str, list[str]]:
    """Return the items that a password opened, in the order of their ids, each with the references."""
    r = t.readings.c
    query = (
        sa.select(r.item_id, r.facts)
        .where(r.request_id == request_id, r.facts.contains(f'"{OPENED_BY}":', autoescape=True))
        .order_by(r.item_id)
    )
    found = {row.item_id: _facts(row.facts).get(OPENED_BY, "").split() for row in connection.execute(query)}
    return {item_id: refs for item_id, refs in found.items() if refs}


def _facts(facts: str | None) -> dict[str, str]:
    return dict(canonical.loads(facts)["metadata"]) if facts else {}


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is locked, or of which a member is."""

    item_id: str
    family_id: str
    custodian_id: str
    name: str | None
    detail: str
    facts: dict[str, str]
    members: tuple[str, ...]
    openable: bool


def locked(home: Home, request_id: str) -> Iterator[Counts]:
    """Yield what is still locked: for the question to its custodian, and for ``direct``."""
    home.request(request_id)
    with home.catalogue.read() as connection:
        files = _locked(connection, request_id)
    for one in files:
        yield {
            "item_id": one.item_id,
            "custodian": one.custodian_id,
            "name": one.name,
            "detail": one.detail,
            "openable": one.openable,
            "members": list(one.members),
            "tried": one.facts.get(TRIED, "").split(),
            "left_by_limit": int(one.facts.get(LEFT, "0")),
        }


def _locked(connection: sa.Connection, request_id: str) -> list[_File]:
    """Return what is locked in the order of its ids: a member stands with its archive."""
    i, r = t.items.c, t.readings.c
    encrypted = str(Reason.ENCRYPTED)
    same = (r.request_id == i.request_id) & (r.item_id == i.item_id)
    columns = (i.item_id, i.family_id, i.custodian_id, i.name, i.blob_sha256, r.reason, r.detail, r.facts)
    files = connection.execute(
        sa.select(*columns)
        .join_from(t.items, t.readings, same)
        .where(
            i.request_id == request_id, i.state == CollectionState.STORED,
            r.text_state == TextState.NOT_SEARCHABLE, r.reason == encrypted,
        )
    ).all()  # fmt: skip
    lost = connection.execute(
        sa.select(i.parent_id, i.item_id, i.detail)
        .where(
            i.request_id == request_id, i.state == CollectionState.FAILED, i.reason == encrypted, i.level > 0
        )
        .order_by(i.family_id, i.position)
    ).all()
    members: dict[str, list[Any]] = {}
    for row in lost:
        members.setdefault(row.parent_id, []).append(row)
    rows = {row.item_id: row for row in files}
    more = [one for one in members if one not in rows]
    for piece in chunked(more, 500):
        found = connection.execute(
            sa.select(*columns)
            .outerjoin_from(t.items, t.readings, same)
            .where(i.request_id == request_id, i.item_id.in_(piece))
        )
        rows.update({row.item_id: row for row in found})
    return [_file(rows[item_id], members.get(item_id, [])) for item_id in sorted(rows)]


def _file(row: Any, members: list[Any]) -> _File:
    by_member = bool(members) and all(one.detail in _MEMBER_DETAILS for one in members)
    # A zip without its directory is read by its local headers, which is done without passwords.
    whole = row.reason not in {str(Reason.TRUNCATED), str(Reason.CORRUPT)}
    return _File(
        row.item_id,
        row.family_id,
        row.custodian_id,
        row.name,
        members[0].detail if members else row.detail or "",
        _facts(row.facts),
        tuple(one.item_id for one in members),
        (by_member and whole) or (not members and row.detail in _FILE_DETAILS),
    )


def remove(home: Home, request_id: str, refs: list[str], *, by: str) -> Counts:
    """Remove passwords; what they opened stays open.

    Raises:
        UsageError: A reference is none of the request's; nothing is removed.
    """
    home.request(request_id)
    wanted = set(refs)

    def change(kept: tuple[Kept, ...]) -> tuple[tuple[Kept, ...], int]:
        unknown = sorted(wanted - {one.ref for one in kept})
        if unknown:
            raise UsageError(f"request {request_id} keeps no password {', '.join(unknown)}")
        with home.catalogue.write() as connection:
            for ref in sorted(wanted):
                audit.append(
                    connection, action="password_removed", actor=by, request_id=request_id, password=ref
                )
        left = tuple(one for one in kept if one.ref not in wanted)
        return left, len(left)

    store = store_of(home.settings, request_id)
    if not store.exists:
        raise UsageError(f"request {request_id} keeps no passwords")
    return {"request_id": request_id, "removed": sorted(wanted), "kept": store.change(change)}


def wipe(home: Home, request_id: str, *, by: str) -> bool:
    """Destroy the key and the passwords of a request; what they opened stays open.

    Returns:
        Whether there was anything.

    Raises:
        AccessError: Something cannot be removed.
    """
    home.request(request_id)
    if not store_of(home.settings, request_id).wipe():
        return False
    with home.catalogue.write() as connection:
        audit.append(connection, action="passwords_wiped", actor=by, request_id=request_id)
    return True


# --- another try ----------------------------------------------------------------------------------------


def try_again(
    home: Home, request_id: str, *, by: str, tell: Callable[[Progress], None] | None = None
) -> Counts:
    """Read what is locked again, here and now, where a password was given that was not tried on it.

    Nothing is collected anew. Whole families are read, so that a member of a zip in a mail comes out; ids
    stay the same. Families with a produced record are left as they are. A killed one is made up by the next
    one, or by the next run.

    Args:
        home: Open.
        request_id: The request.
        by: Who asks for it.
        tell: Told where it is, twice a second.

    Returns:
        What ``desk.rereading.read_again`` says; ``opened`` now, and ``still_locked``: all that is, whatever
        was tried.

    Raises:
        UsageError: The request is closed.
        AlreadyRunning: A run of the request is alive, or waits for a person.
        SettingsError: The key is gone or open to others; so with ``AccessError`` and ``CheckFailed``.
        Incomplete: A worker died or the disk is full; run it again to resume.
    """
    _open_request(home, request_id)
    kept = store_of(home.settings, request_id).read()
    with home.catalogue.read() as connection:
        opened = _opened(connection, request_id)
        files = [one.item_id for one in _locked(connection, request_id) if _is_worth_it(one, kept)]
    done = read_again(home, request_id, files, by=by, why="passwords", tell=tell)
    with home.catalogue.read() as connection:
        now_open = _opened(connection, request_id)
        still = _locked(connection, request_id)
    return {**done, "opened": len(now_open.keys() - opened.keys()), "still_locked": len(still)}


def _is_worth_it(file: _File, kept: tuple[Kept, ...]) -> bool:
    """Tell whether something would be tried on a file, within the limit, that was not."""
    if not file.openable:
        return False
    known = {*file.facts.get(TRIED, "").split(), *file.facts.get(OPENED_BY, "").split()}
    next_ones = candidates(kept, file.item_id, file.custodian_id)[: Limits().password_tries]
    return any(one.ref not in known for one in next_ones)
