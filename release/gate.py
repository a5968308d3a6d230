"""The leak gate: opens a built bundle and looks for everything that must not be in it.

It trusts nothing that the packaging said. What may be in the bundle is worked out from the catalogue again;
then every file is opened, its name, its words in several spellings, its hex tokens, and what it contains
(zip, gzip, mail, base64) are compared with what is withheld, personal, not responsive or not yet produced. In
doubt it refuses, by path and item id; each check says what it did not check.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import CheckFailed, ItemError
from records.evidence import BlobRef, EvidenceStore
from release import numbering, verifier
from release.leaks import (
    HEADER_WORDS,
    LONGEST_NAME,
    SCAN_BYTES,
    SHINGLE,
    WORDS_OF_A_TEXT,
    Look,
    Looker,
    Watch,
    words,
)
from release.page import STATES, UNREADABLE, WAITING
from release.plan import RETENTION_KEYS, frozen_bodies, guard
from release.selection import Role, load_members, load_selection, produced_roles
from release.slices import LEFT_OUT

DOCUMENTS = frozenset(
    {
        "data/index.csv",
        "data/index.html",
        "data/exemption-log.csv",
        "data/counts.json",
        "data/terms.csv",
        "data/unsearchable.csv",
        "data/retention.csv",
        "data/audit-head.txt",
        "data/status.json",
    }
)
TAG_FILES = frozenset({*verifier.TAG_FILES, verifier.TAG_MANIFEST, verifier.SIGNATURE})
_PAYLOAD = re.compile(r"data/(natives|text|conversations)/([A-Z][A-Z0-9-]*[0-9])\.([a-z0-9]{1,8})")
_TEMPLATES = tuple(
    Path(__file__).parent / "templates" / name for name in ("index.html.j2", "conversation.html.j2")
)

CHECKS = (
    "layout", "native", "text_file", "native_hash", "item_id", "file_name", "subject", "content", "note",
    "container", "conversation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be there.

    Attributes:
        check: One of ``CHECKS``.
        where: Path within ``release/``; a path that is not one of ours is shown by hash, since it can leak.
        what: The item id it belongs to, or a code.
    """

    check: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Check:
    """What one check covered.

    Attributes:
        name: One of ``CHECKS``.
        looked_for: How many values it looked for, or files it compared.
        findings: How many findings it has.
        not_checked: In words, with counts.
    """

    name: str
    looked_for: int
    findings: int
    not_checked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateReport:
    """The outcome.

    Attributes:
        files: Files opened.
        findings: Sorted; empty when nothing was found.
        checks: In the order of ``CHECKS``.
    """

    files: int
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class _Item:
    """One item as far as the gate needs it."""

    item_id: str
    blob_sha256: str | None
    text_sha256: str | None
    name: str | None
    subject: str | None
    people: str


@dataclass(slots=True)
class _Expected:
    """What may be in the bundle, from the catalogue.

    ``here``: number to the released item of this instalment. ``free``: every released item, earlier ones too.
    ``kept``: items in review that are not free. ``hashes`` and ``ids``: of everything that is not free.
    ``shown``: what the bundle says of its own accord. ``notes``: item id and text, for the office.
    """

    here: dict[str, _Item]
    free: dict[str, _Item]
    kept: dict[str, _Item]
    hashes: dict[str, str]
    ids: set[str]
    shown: list[str]
    notes: list[tuple[str, str]]
    missed: dict[str, Counter[str]] = field(default_factory=dict)

    def miss(self, check: str, what: str, count: int = 1) -> None:
        self.missed.setdefault(check, Counter())[what] += count


def gate(
    bundle_folder: Path,
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    *,
    shown: Iterable[str] = (),
) -> GateReport:
    """Look through a bundle.

    Args:
        bundle_folder: The folder that holds ``release/``, or that itself. ``office/`` is not looked at.
        catalogue: The catalogue.
        store: The request's evidence.
        request_id: The request.
        shown: Texts that the bundle shows on purpose (the request, cleared terms, citations); of a draft or
            instalment that the catalogue knows they are taken from there too.

    Raises:
        CheckFailed: This is no bundle of that request.
        UsageError: There is no such request.
    """
    root = bundle_folder / "release" if (bundle_folder / "release").is_dir() else bundle_folder
    with catalogue.read() as connection:
        expected = _expected(connection, request_id, _status(root, request_id))
    expected.shown.extend(shown)
    watch = _watch(expected, store)
    looked_for = _looked_for(expected, watch)
    findings: list[Finding] = []
    files = 0
    texts = _Texts(store, store.find([i.text_sha256 for i in expected.here.values() if i.text_sha256]))
    for path, name in _files(root, findings):
        files += 1
        findings += _look(path, name, expected, watch, texts)
    findings = sorted(set(findings), key=lambda f: (CHECKS.index(f.check), f.where, f.what))
    per_check = Counter(f.check for f in findings)
    checks = tuple(
        Check(name, looked_for[name], per_check[name], _not_checked(name, expected)) for name in CHECKS
    )
    return GateReport(files, tuple(findings), checks)


def _status(root: Path, request_id: str) -> Mapping[str, Any]:
    try:
        status = canonical.loads((root / "data" / "status.json").read_text("utf-8"))
        if status["request_id"] == request_id:
            return {"draft": bool(status["draft"]), "installment": int(status["installment"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckFailed("the folder does not hold a bundle that says what it is") from error
    raise CheckFailed(f"the folder holds a bundle of another request than {request_id}")


# --- what may and what must not be there


def _expected(connection: sa.Connection, request_id: str, status: Mapping[str, Any]) -> _Expected:
    frozen = frozen_bodies(connection, request_id)
    version = guard(connection, request_id).version
    produced = produced_roles(frozen)
    selection = load_selection(connection, request_id, version, len(frozen) + 1, produced)
    earlier = {i for i, role in produced.items() if role is Role.RELEASED and i not in selection.not_produced}
    numbered = _numbered(status, frozen, list(selection.going))
    reviewed = {m.item_id for m in load_members(connection, request_id, version)}
    items: dict[str, _Item] = {}
    ids: set[str] = set()
    hashes: dict[str, str] = {}
    here_ids = {i for i in numbered.values() if selection.going.get(i, produced.get(i)) is Role.RELEASED}
    free_ids = earlier | (here_ids if status["draft"] else set())
    for item in _items(connection, request_id):
        if item.item_id in reviewed:
            items[item.item_id] = item
        if item.item_id not in free_ids:
            ids.add(item.item_id)
            for digest in (item.blob_sha256, item.text_sha256):
                if digest is not None:
                    hashes[digest] = item.item_id
    free = {i: items[i] for i in free_ids if i in items}
    for item in free.values():
        hashes.pop(item.blob_sha256 or "", None)
        hashes.pop(item.text_sha256 or "", None)
    return _Expected(
        here={n: items[i] for n, i in numbered.items() if i in free},
        free=free,
        kept={i: item for i, item in items.items() if i not in free},
        hashes=hashes,
        ids=ids,
        shown=_shown(connection, request_id, status, frozen, free_ids),
        notes=list(_notes(connection, request_id)),
    )


def _numbered(status: Mapping[str, Any], frozen: list[dict[str, Any]], going: list[str]) -> dict[str, str]:
    """Return number to item id of the instalment that the bundle says it is."""
    if status["draft"]:
        return {numbering.draft(n): item_id for n, item_id in enumerate(going, 1)}
    if not 1 <= status["installment"] <= len(frozen):
        raise CheckFailed("the bundle is of an instalment that was not approved")
    body = frozen[status["installment"] - 1]
    prefix = body["context"]["prefix"]
    return {numbering.permanent(prefix, number): item_id for item_id, number in body["numbers"].items()}


def _items(connection: sa.Connection, request_id: str) -> Iterator[_Item]:
    i, r = t.items.c, t.readings.c
    for row in connection.execute(
        sa.select(
            i.item_id, i.blob_sha256, r.text_sha256, r.text_bytes, i.name, r.subject, r.sender, r.recipients
        )
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(i.request_id == request_id)
    ):
        # empty texts are all alike: their hash says nothing
        text = row.text_sha256 if row.text_bytes else None
        blob = row.blob_sha256 if row.blob_sha256 != _EMPTY else None
        people = f"{row.sender or ''} {row.recipients or ''}"
        yield _Item(row.item_id, blob, text, row.name, row.subject, people)


def _notes(connection: sa.Connection, request_id: str) -> Iterator[tuple[str, str]]:
    """Yield what reviewers wrote for the office only: notes, and why something is a personal matter."""
    d = t.decisions.c
    for item_id, body in connection.execute(sa.select(d.item_id, d.body).where(d.request_id == request_id)):
        decision = canonical.loads(body)
        for text in (decision["note"], decision["facts"]):
            if text:
                yield item_id, text


_EMPTY = hashlib.sha256(b"").hexdigest()


def _shown(
    connection: sa.Connection,
    request_id: str,
    status: Mapping[str, Any],
    frozen: list[dict[str, Any]],
    free_ids: set[str],
) -> list[str]:
    """Collect what a bundle says of its own accord: the request, our own page, confirmed retention series."""
    v, d, f, i, r = t.request_versions.c, t.drafts.c, t.retention_flags.c, t.items.c, t.readings.c
    out = [path.read_text("utf-8") for path in _TEMPLATES]
    out += [*WAITING.values(), *STATES.values(), *UNREADABLE.values(), *LEFT_OUT.values()]
    for (body,) in connection.execute(sa.select(v.body).where(v.request_id == request_id)):
        out += _strings(canonical.loads(body))
    if status["draft"]:
        newest = connection.execute(
            sa.select(d.body).where(d.request_id == request_id).order_by(d.seq.desc()).limit(1)
        ).scalar()
        contexts = [canonical.loads(newest)["context"]] if newest else []
    else:
        contexts = [frozen[status["installment"] - 1]["context"]]
    for context in contexts:
        out += shown_in(context)
    for piece in chunked(sorted(free_ids), 400):
        for (body,) in connection.execute(
            sa.select(f.body).where(f.request_id == request_id, f.item_id.in_(piece), f.seq > 0)
        ):
            flag = canonical.loads(body)
            out += [str(flag[k]) for k in RETENTION_KEYS if k in flag]
        for name, subject, sender, recipients in connection.execute(
            sa.select(i.name, r.subject, r.sender, r.recipients)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id, i.item_id.in_(piece))
        ):
            out += [name or "", subject or "", sender or "", recipients or ""]
    return out


def shown_in(context: Mapping[str, Any]) -> list[str]:
    """Return the texts that a frozen context (``release.context.frozen_form``) puts into a bundle."""
    return list(_strings({k: context[k] for k in context if k != "cleared_terms"})) + list(
        context["cleared_terms"] or ()
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


# --- what to look for


def _watch(expected: _Expected, store: EvidenceStore) -> Watch:
    """Watch for names, subjects, texts and notes of what is kept back, less what released records say."""
    watch = Watch()
    wanted = [i.text_sha256 for i in (*expected.kept.values(), *expected.free.values()) if i.text_sha256]
    texts = _Texts(store, store.find(wanted))
    everybody = " ".join({i.people for i in (*expected.kept.values(), *expected.free.values())})
    common = HEADER_WORDS | set(words(everybody))
    for item in expected.kept.values():
        for check, value in (("file_name", item.name), ("subject", item.subject)):
            _watch_name(watch, check, value, item.item_id, expected)
        if item.text_sha256 is not None:
            text = texts.get(item.text_sha256)
            if text is None:
                expected.miss("content", "texts that are not in the store")
                continue
            run = words(text)
            if len(run) > WORDS_OF_A_TEXT:
                expected.miss("content", f"words after the first {WORDS_OF_A_TEXT} of a text")
            if len(run) < SHINGLE:
                expected.miss("content", f"texts of fewer than {SHINGLE} words")
            else:
                watch.add_shingles(run[:WORDS_OF_A_TEXT], "content", item.item_id, common)
    for item_id, note in expected.notes:
        run = words(note)
        if len(run) >= _NOTE_WORDS:
            watch.add_shingles(run, "note", item_id)
        elif run:
            expected.miss("note", f"notes of fewer than {_NOTE_WORDS} words")
    for text in expected.shown:
        watch.clear(text)
    for item in expected.free.values():
        text = texts.get(item.text_sha256) if item.text_sha256 else None
        if text:
            watch.clear(text)
    return watch


_NOTE_WORDS = 4


def _watch_name(watch: Watch, check: str, value: str | None, owner: str, expected: _Expected) -> None:
    run = words(value or "")[:LONGEST_NAME]
    if not run:
        return
    # "Lunch" or "scan.pdf" stand in many places that have nothing to do with the record
    if sum(map(len, run)) < 8 or (len(run) == 1 and len(run[0]) < 12):
        expected.miss(check, "names and subjects too short to be told apart")
        return
    watch.add(run, check, owner)


@dataclass(frozen=True, slots=True)
class _Texts:
    """Stored texts; their places are looked up once."""

    store: EvidenceStore
    refs: Mapping[str, BlobRef]

    def get(self, sha256: str) -> str | None:
        """Return a text, or None when the store no longer has it."""
        ref = self.refs.get(sha256)
        try:
            return self.store.read(ref).decode("utf-8", "replace") if ref is not None else None
        except ItemError:
            return None


def _looked_for(expected: _Expected, watch: Watch) -> dict[str, int]:
    owned = watch.by_check()
    return {
        **{name: owned[name] for name in ("file_name", "subject", "content", "note")},
        "layout": 0,
        "native": len(expected.here),
        "text_file": sum(1 for item in expected.here.values() if item.text_sha256),
        "native_hash": len(expected.hashes),
        "item_id": len(expected.ids),
        "container": len(expected.hashes),
        "conversation": len(expected.here),
    }


# --- looking


def _files(root: Path, findings: list[Finding]) -> Iterator[tuple[Path, str]]:
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(folder) / name
            shown = path.relative_to(root).as_posix()
            if stat.S_ISREG(path.lstat().st_mode):
                yield path, shown
            else:
                findings.append(Finding("layout", _where(shown, frozenset()), "not_a_plain_file"))


def _where(name: str, numbers: Iterable[str]) -> str:
    """Show a path only when it is one of ours: another could itself be what leaks."""
    found = _PAYLOAD.fullmatch(name)
    if name in DOCUMENTS or name in TAG_FILES or (found is not None and found.group(2) in numbers):
        return name
    return f"a file with the name hash {hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _look(path: Path, name: str, expected: _Expected, watch: Watch, texts: _Texts) -> Iterator[Finding]:
    where = _where(name, expected.here)
    payload = _PAYLOAD.fullmatch(name)
    if where != name:
        yield Finding("layout", where, "not_a_file_of_this_bundle")
    if name == "verify.py":
        if path.read_bytes() != Path(verifier.__file__).read_bytes():
            yield Finding("layout", where, "verifier_differs")
        return
    looker = Looker(watch)
    looker.name(name)
    digest = _feed(looker, path)
    if payload is not None and payload.group(1) != "conversations" and payload.group(2) in expected.here:
        item = expected.here[payload.group(2)]
        native = payload.group(1) == "natives"
        right = item.blob_sha256 or _EMPTY if native else item.text_sha256
        if digest != right:
            yield Finding("native" if native else "text_file", where, "not_the_released_record")
    if payload is not None and payload.group(1) == "conversations":
        yield from _misplaced(path, where, expected, texts)
    if payload is not None and payload.group(1) == "natives":
        for code in sorted(looker.look.unopened):
            expected.miss("container", f"natives with: {code}")
    yield from _judged(looker.look, digest, where, expected)


def _misplaced(path: Path, where: str, expected: _Expected, texts: _Texts) -> Iterator[Finding]:
    """A page of a conversation shows released messages of this bundle in their own words, and none twice.

    The words are compared whole: a message is often too short for runs of words to tell it by.
    """
    page = verifier.ConversationPage(path.read_bytes().decode("utf-8", "replace"))
    if page.hidden or path.suffix != ".html":
        yield Finding("conversation", where, "not_as_it_is_written")
    seen: set[str] = set()
    for number, shown in page.all("text"):
        item = expected.here.get(number)
        if item is None or number in seen:
            yield Finding("conversation", where, "not_a_released_message")
            continue
        seen.add(number)
        text = texts.get(item.text_sha256) if item.text_sha256 else ""
        if text is None or not verifier.same_words(shown, text):
            yield Finding("conversation", where, item.item_id)


def _feed(looker: Looker, path: Path) -> str:
    """Look into a file; one too large for memory is hashed and looked at in its first part only."""
    if path.stat().st_size <= SCAN_BYTES * 4:
        data = path.read_bytes()
        looker.data(data)
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(SCAN_BYTES)
        digest.update(head)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    looker.data(head)
    looker.look.unopened.add("size")
    looker.look.digests.add(digest.hexdigest())
    return digest.hexdigest()


def _judged(look: Look, digest: str, where: str, expected: _Expected) -> Iterator[Finding]:
    for check, owner in look.found:
        yield Finding(check, where, owner)
    for token in look.tokens:
        if token in expected.hashes:
            yield Finding("native_hash", where, expected.hashes[token])
        if token in expected.ids:
            yield Finding("item_id", where, token)
    for inner in look.digests & expected.hashes.keys():
        yield Finding("native" if inner == digest else "container", where, expected.hashes[inner])


_NEVER: Mapping[str, tuple[str, ...]] = {
    "layout": (),
    "native": (),
    "text_file": (),
    "native_hash": ("hashes written otherwise than in hex",),
    "item_id": (),
    "file_name": ("names of records that are not in review",),
    "subject": ("subjects of records that are not in review",),
    "content": (
        "texts of records that are not in review",
        f"fewer than {SHINGLE} words in a row",
        "runs of words that are mostly names, addresses and dates of mail headers",
        "words inside pictures, sound and PDF streams",
    ),
    "note": (),
    "container": ("archives other than zip and gzip", "attachments in formats other than MIME"),
    "conversation": (),
}


def _not_checked(check: str, expected: _Expected) -> tuple[str, ...]:
    counted = expected.missed.get(check, Counter())
    return (*_NEVER[check], *(f"{what} ({n})" for what, n in sorted(counted.items())))


__all__ = ["CHECKS", "Check", "Finding", "GateReport", "gate", "shown_in"]
