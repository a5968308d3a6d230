"""Groups of records: exact duplicates, near duplicates, threads of mail, and what contains what.

Groups order the reading, and nothing else: no record leaves the ledger, the review or a release by them,
and no decision is carried from one to another. They are derived: the same records give the same groups, and
they can be made anew at any time. What is in force is one number in the catalogue, set last, so that a
killed run leaves what was there. What was read of the texts is kept beside the index, a file a batch, so
the next run reads only new ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from desk import pool, runlock
from desk.groups import in_force, records_read
from desk.home import Home, OpenRequest
from desk.run import Progress
from records import audit, canonical
from records import tables as t
from records.catalogue import ROWS_PER_TRANSACTION, chunked
from records.errors import ItemError, UsageError
from records.rows import insert
from records.vocabulary import CollectionState, Kind, TextState
from review import near
from review.duplicates import Bcc, Mode, Top, duplicates
from review.grouping import rules
from review.inclusive import Mail, Standing, standings
from review.quoted import Piece, pieces
from review.threads import Header, Placed, Threads

FOLDER = "grouping"
_FORM = "1"
"""Of the files that keep what was read of texts; another number reads all of them again."""
_TEXTS_A_TASK = 400
_ROWS_READ = 2_000
_NO_TIME = "9999"
_TABLES = (t.duplicate_items, t.near_items, t.thread_items)

Tell = Callable[[Progress], None]


class Scan(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one text.

    Attributes:
        text_sha256: The text.
        words: Words of it.
        same: Digest of its words.
        bands: Of its signature; empty where it is too short or too long.
        pieces: Of a mail: digest and letters of each depth of quotation.
    """

    text_sha256: str
    words: int
    same: bytes
    bands: bytes
    pieces: tuple[tuple[bytes, int], ...]

    @property
    def sketch(self) -> near.Sketch:
        """What near duplicates are found by."""
        return near.Sketch(self.words, self.same, self.bands)


# -- in a worker process


def scan_batch(home: Home, request_id: str, batch_id: str) -> int:
    """Read the texts of a batch that were not read yet, and keep what groups are made from.

    Returns:
        How many of its texts cannot be read: removed, or damaged.
    """
    path = _scan_path(home, request_id, batch_id)
    kept = {scan.text_sha256: scan for scan in _load(path)}
    store = home.store(request_id)
    wanted = _texts_of(home, request_id, batch_id)
    refs = store.find(wanted)
    unread = len(wanted) - len(refs)
    missing = [
        ref
        for digest, ref in refs.items()
        if digest not in kept or (wanted[digest] and not kept[digest].pieces)
    ]
    for ref in sorted(missing, key=lambda ref: (ref.segment, ref.offset)):
        try:
            text = store.read(ref).decode("utf-8", "replace")
        except ItemError:
            unread += 1
            continue
        sketch = near.sketch(text)
        found = tuple((one.digest, one.letters) for one in pieces(text)) if wanted[ref.sha256] else ()
        kept[ref.sha256] = Scan(ref.sha256, sketch.words, sketch.same, sketch.bands, found)
    if missing or kept.keys() - refs.keys():
        _write(path, [kept[digest] for digest in sorted(refs) if digest in kept])
    return unread


def _texts_of(home: Home, request_id: str, batch_id: str) -> dict[str, bool]:
    """Return the texts of a batch's stored items, and whether one of them is that of a mail."""
    i, r = t.items.c, t.readings.c
    wanted: dict[str, bool] = {}
    with home.catalogue.read() as connection:
        for digest, kind in connection.execute(
            sa.select(r.text_sha256, r.kind)
            .join_from(t.readings, t.items, (i.request_id == r.request_id) & (i.item_id == r.item_id))
            .where(
                r.request_id == request_id,
                r.batch_id == batch_id,
                r.text_sha256.is_not(None),
                i.state == CollectionState.STORED,
            )
        ):
            wanted[digest] = wanted.get(digest, False) or kind == Kind.EMAIL
    return wanted


def _scan_path(home: Home, request_id: str, batch_id: str) -> Path:
    folder = home.settings.request_folder(request_id) / FOLDER / f"{_FORM}-{rules().sha256[:16]}"
    return folder / f"{batch_id}.msgpack"


def _load(path: Path) -> list[Scan]:
    """Return what a file keeps; nothing where it is not there or not whole."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=list[Scan])
    except (FileNotFoundError, msgspec.DecodeError):
        return []


def _write(path: Path, scans: list[Scan]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.msgpack.encode(scans))
    unfinished.replace(path)


class GroupedTexts(NamedTuple):
    """What a worker made of some lists of texts.

    Attributes:
        compared: Of each list.
        unread: Texts that could not be read any more, and joined no group.
    """

    compared: list[near.Compared]
    unread: int


def group_texts(home: Home, request_id: str, lists: Sequence[Sequence[near.Text]]) -> GroupedTexts:
    """Group lists of texts that may be near duplicates; called in a worker process."""
    store = home.store(request_id)
    refs = store.find(text.key for one in lists for text in one)
    unread: set[str] = set()

    def read(key: str) -> str:
        try:
            return store.read(refs[key]).decode("utf-8", "replace")
        except (KeyError, ItemError):  # removed or damaged since it was looked at
            unread.add(key)
            return ""

    return GroupedTexts([near.group(one, read) for one in lists], len(unread))


# -- the command


def group(
    home: Home,
    request_id: str,
    *,
    mode: str | None,
    bcc: str | None = None,
    by: str,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Make all groups of a request anew; a run that was killed is begun again and reads only what is new.

    Args:
        home: Open.
        request_id: The request.
        mode: Among whose records exact duplicates are looked for: ``global``, ``custodial`` or ``none``; None
            for the mode that was used before, else ``global``. It is kept with the groups.
        bcc: Whether copies that differ in blind recipients are other messages: ``counted`` or ``left_out``;
            None for what was used before, else ``counted``. It is kept too.
        by: Who does this.
        tell: Told where it is.

    Returns:
        The figures.

    Raises:
        UsageError: There is no such request or mode, or it is closed.
        AlreadyRunning: A run of the request is alive, or another process makes its groups.
        Incomplete: A worker died or the disk is full; run it again.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its groups stay as they are")
    if mode is not None and mode not in set(Mode):
        raise UsageError(f"duplicates are looked for {', '.join(Mode)}: {mode} is none of them")
    if bcc is not None and bcc not in set(Bcc):
        raise UsageError(f"blind recipients are {', '.join(Bcc)}: {bcc} is none of them")
    before = in_force(home, request_id)
    chosen = Mode(mode) if mode is not None else before.duplicates if before else Mode.GLOBAL
    blind = Bcc(bcc) if bcc is not None else before.bcc if before else Bcc.COUNTED
    with runlock.local_run(home, request_id):
        return _Grouping(home, found, chosen, blind, by, tell or _silent).make()


def _silent(_progress: Progress) -> None:
    return None


@dataclass(slots=True)
class _Texts:
    """What was read of all texts, as it is needed further on.

    Attributes:
        sketches: Of those that can be compared.
        pieces: Of mails, by text: digests of 16 bytes one after the other, and letters of each.
        short: Texts of too few words.
        long: Texts of too many.
        unread: Texts that could not be read.
        distinct: Distinct texts.
    """

    sketches: near.Sketches = field(default_factory=near.Sketches)
    pieces: dict[bytes, tuple[bytes, tuple[int, ...]]] = field(default_factory=dict)
    short: int = 0
    long: int = 0
    unread: int = 0
    distinct: int = 0

    def pieces_of(self, text_sha256: str | None) -> tuple[Piece, ...]:
        """Return the pieces of a mail's text."""
        found = self.pieces.get(bytes.fromhex(text_sha256)) if text_sha256 else None
        if found is None:
            return ()
        digests, letters = found
        return tuple(
            Piece(digests[16 * at : 16 * at + 16] if count else b"", count)
            for at, count in enumerate(letters)
        )


@dataclass(frozen=True, slots=True)
class _Mail:
    """What is kept of a message until its thread is known, of its first copy."""

    item_id: str
    text_sha256: str | None
    whole: bool
    bcc: bool


class _Grouping:
    """One making of the groups of a request."""

    def __init__(self, home: Home, found: OpenRequest, mode: Mode, bcc: Bcc, by: str, tell: Tell) -> None:
        self._home, self._found, self._by, self._tell = home, found, by, tell
        self._mode, self._bcc = mode, bcc
        self._id = found.request_id
        self._texts = _Texts()
        self._orders = {source.id: place for place, source in enumerate(found.body.sources)}

    def make(self) -> dict[str, Any]:
        number = self._begin()
        records = records_read(self._home, self._id)
        body: dict[str, Any] = {"records": records}
        with pool.workers(self._home.settings, self._id, reading=False) as workers:
            self._scan(workers)
            compared = self._submit_near(workers)  # which takes the others as long as what follows takes us
            body["duplicates"] = self._duplicates(number)
            body["threads"], body["inclusive"] = self._threads(number)
            body["near"] = self._near(number, compared)
        self._finish(number, body)
        return {"request_id": self._id, "grouping": number, "version": self._found.version, **body}

    # -- begin and end

    def _begin(self) -> int:
        """Return the number of this making, with nothing of a killed one left under it."""
        g = t.groupings.c
        with self._home.catalogue.read() as connection:
            last = (
                connection.scalar(sa.select(sa.func.max(g.grouping_no)).where(g.request_id == self._id)) or 0
            )
        self._remove(lambda number: number != last)
        return int(last) + 1

    def _finish(self, number: int, body: dict[str, Any]) -> None:
        with self._home.catalogue.write() as connection:
            connection.execute(
                t.groupings.insert(),
                {
                    "request_id": self._id,
                    "grouping_no": number,
                    "version": self._found.version,
                    "duplicates": self._mode.value,
                    "rules_sha256": rules().sha256,
                    "body": canonical.dumps(body),
                    "by": self._by,
                    "at": canonical.now_text(),
                },
            )
            audit.append(
                connection,
                action="grouped",
                actor=self._by,
                request_id=self._id,
                grouping=number,
                duplicates=self._mode.value,
                bcc=self._bcc.value,
                records=body["records"],
                rules_sha256=rules().sha256,
            )
        self._remove(lambda one: one != number)

    def _remove(self, unwanted: Callable[[sa.ColumnElement[int]], sa.ColumnElement[bool]]) -> None:
        """Take out rows by their number, a thousand in a transaction."""
        for table in _TABLES:
            c = table.c
            which = (c.request_id == self._id) & unwanted(c.grouping_no)
            some = sa.select(c.grouping_no, c.item_id).where(which).limit(ROWS_PER_TRANSACTION)
            while True:
                with self._home.catalogue.read() as connection:
                    rows = connection.execute(some).all()
                if not rows:
                    break
                with self._home.catalogue.write() as connection:
                    for number in {row.grouping_no for row in rows}:
                        ids = [row.item_id for row in rows if row.grouping_no == number]
                        for piece in chunked(ids, 500):
                            connection.execute(
                                table.delete().where(
                                    c.request_id == self._id, c.grouping_no == number, c.item_id.in_(piece)
                                )
                            )

    def _keep(self, table: sa.Table, number: int, rows: Iterable[dict[str, Any]]) -> int:
        """Write rows as they come, a thousand in a transaction; they count once the number is in force."""
        made, count = iter(rows), 0
        while piece := [
            {"request_id": self._id, "grouping_no": number, **row}
            for row in islice(made, ROWS_PER_TRANSACTION)
        ]:
            with self._home.catalogue.write() as connection:
                insert(connection, table, piece)
            count += len(piece)
        return count

    # -- texts

    def _scan(self, workers: ProcessPoolExecutor) -> None:
        r = t.readings.c
        with self._home.catalogue.read() as connection:
            found = connection.execute(
                sa.select(r.batch_id, sa.func.count())
                .where(r.request_id == self._id, r.text_sha256.is_not(None))
                .group_by(r.batch_id)
            ).all()
        largest_first = sorted(found, key=lambda row: (-row[1], row[0]))
        batches: dict[str, int] = {row[0]: row[1] for row in largest_first}
        waiting = {workers.submit(pool.run_scan, batch_id): texts for batch_id, texts in batches.items()}
        self._wait("read the texts", waiting, self._scanned)
        _drop_old(self._home, self._id)
        words = rules().near
        seen: set[bytes] = set()
        for batch_id in sorted(batches):
            for scan in _load(_scan_path(self._home, self._id, batch_id)):
                digest = bytes.fromhex(scan.text_sha256)
                if scan.pieces and digest not in self._texts.pieces:
                    self._texts.pieces[digest] = (
                        b"".join(one.ljust(16, b"\0") for one, _ in scan.pieces),
                        tuple(letters for _, letters in scan.pieces),
                    )
                if digest in seen:
                    continue
                seen.add(digest)
                self._texts.short += scan.words < words.least_words
                self._texts.long += scan.words > words.most_words
                self._texts.sketches.add(scan.text_sha256, scan.sketch)
        self._texts.distinct = len(seen)

    def _scanned(self, unread: int) -> None:
        self._texts.unread += unread

    def _wait(self, step: str, waiting: Mapping[Future[Any], int], take: Callable[[Any], None]) -> None:
        """Take the answers of workers in their order, and say twice a second how far they are.

        Args:
            step: What they do.
            waiting: Texts that each is about.
            take: Takes an answer.
        """
        began, left, total = time.monotonic(), set(waiting), sum(waiting.values())
        self._tell(Progress(step, 0, total, 0.0))
        while left:
            _, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
            done = total - sum(map(waiting.__getitem__, left))
            self._tell(Progress(step, done, total, time.monotonic() - began))
        for future in waiting:
            take(future.result())

    # -- duplicates

    def _duplicates(self, number: int) -> dict[str, Any]:
        groups: Counter[str] = Counter()

        def rows() -> Iterator[dict[str, Any]]:
            for one in duplicates(self._tops(), self._mode):
                groups["groups"] += one.first == one.item_id
                yield {
                    "item_id": one.item_id,
                    "group_id": one.group,
                    "first_id": one.first,
                    "copies": one.copies,
                }

        self._tell(Progress("duplicates", 0, None, 0.0))
        families = self._keep(t.duplicate_items, number, rows())
        return {
            "mode": self._mode.value,
            "bcc": self._bcc.value,
            "groups": groups["groups"],
            "families": families,
        }

    def _tops(self) -> Iterator[Top]:
        i, r = t.items.c, t.readings.c
        hashes = [r.family_hash] if self._bcc is Bcc.COUNTED else [r.family_hash_no_bcc, r.family_hash]
        same = sa.func.coalesce(*hashes, i.blob_sha256)
        query = (
            sa.select(same, i.custodian_id, i.source_id, i.batch_id, i.position, i.item_id)
            .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(
                i.request_id == self._id,
                i.level == 0,
                i.state == CollectionState.STORED,
                i.size_bytes > 0,  # what has no bytes at all says nothing, and equals nothing
            )
            .order_by(same, i.custodian_id)
        )
        for key, custodian, source, batch, position, item_id in self._rows(query):
            yield Top(key, custodian, (self._orders.get(source, len(self._orders)), batch, position), item_id)

    def _rows(self, query: sa.Select[Any]) -> Iterator[Any]:
        with self._home.catalogue.read() as connection:
            yield from connection.execute(query.execution_options(yield_per=_ROWS_READ))

    # -- near duplicates

    def _submit_near(self, workers: ProcessPoolExecutor) -> dict[Future[GroupedTexts], int]:
        """Give the workers the texts that may be alike; returns what each of their answers is about."""
        sketches = self._texts.sketches
        return {
            workers.submit(pool.run_near, [[sketches.text(at) for at in one] for one in some]): sum(
                map(len, some)
            )
            for some in _in_tasks(sketches.clusters(), _TEXTS_A_TASK)
        }

    def _near(self, number: int, compared: Mapping[Future[GroupedTexts], int]) -> dict[str, Any]:
        texts = self._texts
        figures: Counter[str] = Counter()
        of_text: dict[str, near.Match] = {}

        def take(made: GroupedTexts) -> None:
            texts.unread += made.unread
            for one in made.compared:
                figures["verified"] += one.verified
                figures["cut"] += one.cut
                figures["groups"] += len({match.pivot for match in one.matches})
                of_text.update((match.key, match) for match in one.matches)

        self._wait("near duplicates", compared, take)
        items = self._keep(t.near_items, number, self._near_rows(of_text))
        return {
            "threshold_percent": rules().near.threshold_percent,
            "texts": texts.distinct,
            "compared": len(texts.sketches),
            "too_short": texts.short,
            "too_long": texts.long,
            "unread": texts.unread,
            "groups": figures["groups"],
            "texts_in_groups": len(of_text),
            "records_in_groups": items,
            "pairs_verified": figures["verified"],
            "compared_in_part": figures["cut"],
        }

    def _near_rows(self, of_text: dict[str, near.Match]) -> Iterator[dict[str, Any]]:
        """Yield the records whose texts are in groups; copies of the pivot's own text alone make none."""
        i, r = t.items.c, t.readings.c
        query = (
            sa.select(r.text_sha256, i.source_id, i.batch_id, i.family_id, i.position, i.item_id)
            .join_from(t.readings, t.items, (i.request_id == r.request_id) & (i.item_id == r.item_id))
            .where(r.request_id == self._id, r.text_sha256.is_not(None), i.state == CollectionState.STORED)
            .order_by(r.item_id)
        )
        held: list[tuple[str, str]] = []
        first: dict[str, tuple[tuple[Any, ...], str]] = {}
        for digest, source, batch, family, position, item_id in self._rows(query):
            match = of_text.get(digest)
            if match is None:
                continue
            held.append((item_id, digest))
            if match.pivot == digest:
                order = (self._orders.get(source, len(self._orders)), batch, family, position)
                first[digest] = min(first.get(digest, (order, item_id)), (order, item_id))
        for item_id, digest in held:
            match = of_text[digest]
            yield {
                "item_id": item_id,
                "group_id": match.pivot[:24],
                "pivot_id": first[match.pivot][1],
                "percent": match.percent,
                "same_words": match.same_words,
            }

    # -- threads

    def _threads(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        figures, stands = Counter[str](), Counter[str]()
        mails: dict[str, _Mail] = {}
        made = Threads()
        began, total = time.monotonic(), self._mails()
        self._tell(Progress("threads", 0, total, 0.0))
        for count, (header, mail) in enumerate(self._headers(), start=1):
            made.add(header)
            mails.setdefault(header.same, mail)
            if count % 20_000 == 0:
                self._tell(Progress("threads", count, total, time.monotonic() - began))
        carried = self._carried({mail.item_id for mail in mails.values()})

        def rows() -> Iterator[dict[str, Any]]:
            for thread in _threads_of(made.placed()):
                figures["threads"] += 1
                figures["messages"] += len(thread)
                stood = {
                    one.same: one
                    for one in standings(
                        [self._as_mail(one.same, mails[one.same], carried) for one in thread]
                    )
                }
                for placed in thread:
                    figures[f"by_{placed.by}"] += 1
                    standing = stood[placed.same]
                    stands[standing.why or "contained"] += 1
                    yield from _thread_rows(placed, standing, mails)

        records = self._keep(t.thread_items, number, rows())
        by = {name.removeprefix("by_"): figures[name] for name in sorted(figures) if name.startswith("by_")}
        contained = stands.pop("contained", 0)
        return (
            {"records": records, "messages": figures["messages"], "threads": figures["threads"], "by": by},
            {
                "inclusive": sum(stands.values()),
                "contained": contained,
                "why": {str(why): count for why, count in sorted(stands.items())},
            },
        )

    def _of_mail(self) -> sa.ColumnElement[bool]:
        i, r = t.items.c, t.readings.c
        return sa.and_(
            i.request_id == self._id,
            i.level == 0,
            i.state == CollectionState.STORED,
            r.kind == Kind.EMAIL,
        )

    def _mails(self) -> int:
        i, r = t.items.c, t.readings.c
        with self._home.catalogue.read() as connection:
            return int(
                connection.scalar(
                    sa.select(sa.func.count())
                    .select_from(t.items)
                    .join(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
                    .where(self._of_mail())
                )
                or 0
            )

    def _headers(self) -> Iterator[tuple[Header, _Mail]]:
        """Yield every mail in the order of time and id, with what is kept of it."""
        i, r = t.items.c, t.readings.c
        at = sa.func.coalesce(r.sent_at, i.moment_at, _NO_TIME).label("at")
        query = (
            sa.select(
                i.item_id, i.source_id, i.blob_sha256, at, r.content_hash, r.thread, r.subject, r.sender,
                r.recipients, r.text_sha256, r.text_state, r.children, r.expected_children,
            )
            .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(self._of_mail())
            .order_by(at, i.item_id)
        )  # fmt: skip
        least = rules().quoted.least_letters
        for row in self._rows(query):
            thread = canonical.loads_texts(row.thread)
            people = canonical.loads_texts(row.recipients)
            index = bytes.fromhex(thread.get("thread_index", ""))
            # Of mail read before Thread-Index was kept whole, its conversation is known, and not its order.
            conversation = (
                "" if index or not thread["thread_key"] else f"{row.source_id}\x1f{thread['thread_key']}"
            )
            own, quotes = (*self._texts.pieces_of(row.text_sha256), Piece(b"", 0), Piece(b"", 0))[:2]
            yield (
                Header(
                    item_id=row.item_id,
                    same=row.content_hash or row.blob_sha256 or row.item_id,
                    sent_at=row.at,
                    message_id=thread["message_id"],
                    references=thread["references"],
                    in_reply_to=thread["in_reply_to"],
                    thread_index=index,
                    conversation=conversation,
                    subject=row.subject,
                    people=_addresses(canonical.loads_texts(row.sender), people),
                    own=own.digest if own.letters >= least else b"",
                    quotes=quotes.digest if quotes.letters >= least else b"",
                ),
                _Mail(
                    row.item_id,
                    row.text_sha256,
                    row.text_state == TextState.SEARCHABLE
                    and row.text_sha256 is not None
                    and (row.expected_children is None or row.expected_children <= row.children),
                    bool(people["bcc"]),
                ),
            )

    def _carried(self, parents: set[str]) -> dict[str, frozenset[str] | None]:
        """Return the SHA-256 of what mails carry; None of one that carries something that was not stored."""
        i = t.items.c
        query = sa.select(i.parent_id, i.blob_sha256, i.state).where(i.request_id == self._id, i.level == 1)
        found: dict[str, set[str] | None] = {}
        for parent, digest, state in self._rows(query):
            if parent not in parents:
                continue
            held = found.setdefault(parent, set())
            if state != CollectionState.STORED:
                found[parent] = None
            elif held is not None:
                held.add(digest)
        return {parent: None if held is None else frozenset(held) for parent, held in found.items()}

    def _as_mail(self, same: str, mail: _Mail, carried: dict[str, frozenset[str] | None]) -> Mail:
        attachments = carried.get(mail.item_id, frozenset())
        found = self._texts.pieces_of(mail.text_sha256)
        return Mail(
            same=same,
            pieces=tuple(piece.digest for piece in found),
            letters=sum(piece.letters for piece in found),
            attachments=attachments or frozenset(),
            whole=mail.whole and attachments is not None and bool(found),
            bcc=mail.bcc,
        )


def _drop_old(home: Home, request_id: str) -> None:
    """Remove what was kept under other rules or in another form."""
    folder = home.settings.request_folder(request_id) / FOLDER
    present = f"{_FORM}-{rules().sha256[:16]}"
    for old in sorted(folder.iterdir()) if folder.is_dir() else []:
        if old.name != present:
            for file in sorted(old.iterdir()):
                file.unlink()
            old.rmdir()


def _in_tasks(lists: Iterable[list[int]], size: int) -> Iterator[list[list[int]]]:
    """Put small lists together, so that a task carries much work; the largest first."""
    task: list[list[int]] = []
    held = 0
    for one in sorted(lists, key=lambda found: (-len(found), found[0])):
        if task and held + len(one) > size:
            yield task
            task, held = [], 0
        task.append(one)
        held += len(one)
    if task:
        yield task


def _threads_of(placed: Iterable[Placed]) -> Iterator[list[Placed]]:
    thread: list[Placed] = []
    for one in placed:
        if thread and one.place == 1:
            yield thread
            thread = []
        thread.append(one)
    if thread:
        yield thread


def _thread_rows(placed: Placed, standing: Standing, mails: dict[str, _Mail]) -> Iterator[dict[str, Any]]:
    for item_id in placed.items:
        yield {
            "item_id": item_id,
            "thread_id": placed.thread,
            "by": placed.by.value,
            "parent_id": mails[placed.parent].item_id if placed.parent is not None else None,
            "place": placed.place,
            "depth": placed.depth,
            "size": placed.size,
            "why": standing.why and standing.why.value,
            "container_id": mails[standing.container].item_id if standing.container is not None else None,
        }


def _addresses(sender: list[list[str]], roles: dict[str, list[list[str]]]) -> tuple[str, ...]:
    people = [*sender, *(one for role in roles.values() for one in role)]
    return tuple(address or name for name, address in people if address or name)
