"""The collect step: order of durability, resume, failures that cost only themselves."""

from __future__ import annotations

import io
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from connectors.collect import Collector, collect_batch, part_text
from connectors.zoom_files import ZoomFiles
from records import evidence
from records import tables as t
from records.attempts import claim
from records.catalogue import Catalogue
from records.errors import AttemptLost, CursorExpired, ItemError, Retryable
from records.evidence import EvidenceStore
from records.models import (
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reason, Step
from tests.connectors.collecting import Killed, collected

REQUEST = "2026-0001"
ZONE = ZoneInfo("America/Los_Angeles")
ANY_TIME = Window(None, None, ZONE)
SCOPE = Scope("k", "k", "folder")


class Listed:
    """A source that is a list in memory: what the step does with each kind of answer."""

    name = "listed"
    version = "1"
    covers = does_not_cover = tested_on = ()

    def __init__(self, answers: list[Yielded | Exception]) -> None:
        self.answers = answers

    def check(self) -> None: ...

    def scopes(self):
        yield SCOPE

    def count(self, scope: Scope) -> Expected:
        return Expected(len(self.answers), "list")

    def parts(self, scope: Scope, max_items: int, max_bytes: int):
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None):
        for number, answer in enumerate(self.answers):
            if cursor is not None and number <= int(cursor):
                continue
            if isinstance(answer, Exception):
                raise answer
            yield answer

    def open(self, item: FoundItem):
        if isinstance(item.handle, Exception):
            raise item.handle
        return io.BytesIO(item.handle)


def found(number: int, data: bytes | Exception, key: str | None = None) -> FoundItem:
    size = len(data) if isinstance(data, bytes) else None
    return FoundItem(
        key or f"f{number}", Kind.FILE, str(number), name=f"f{number}", size_bytes=size, handle=data
    )


@pytest.fixture
def catalogue(tmp_path):
    made = Catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite")
    made.migrate()
    with made.write() as connection:
        connection.execute(
            t.batches.insert(),
            {
                "request_id": REQUEST,
                "batch_id": "b000001",
                "source_id": "s",
                "scope_key": "k",
                "part": part_text(Part(SCOPE)),
                "collect_state": "waiting",
                "extract_state": "waiting",
                "index_state": "waiting",
                "fence": 0,
            },
        )
        connection.execute(
            t.scopes.insert(),
            {
                "request_id": REQUEST,
                "source_id": "s",
                "scope_key": "k",
                "custodian_id": "c",
                "connector": "listed",
                "label": "k",
                "kind": "folder",
                "expected_by": "list",
            },
        )
    yield made
    made.close()


def collect(
    catalogue: Catalogue, folder: Path, answers: list[Yielded | Exception], kind: type[Listed] = Listed
) -> int:
    store = EvidenceStore(folder / "evidence", catalogue, REQUEST)
    attempt = claim(catalogue, REQUEST, "b000001", Step.COLLECT)
    assert attempt is not None
    context = SourceContext("s", "c", None, ZONE)
    try:
        return collect_batch(attempt, store, kind(answers), context, ANY_TIME)
    finally:
        store.close()


def rows(catalogue: Catalogue) -> list[sa.Row]:
    with catalogue.read() as connection:
        return connection.execute(t.items.select().order_by(t.items.c.position)).all()


def test_each_answer_ends_in_exactly_one_state(catalogue, tmp_path):
    answers = [
        found(0, b"one"),
        FailedItem("f1", Kind.FILE, "1", Reason.UNREADABLE, "PermissionError"),
        ExcludedItem("f2", Kind.FILE, "2", Reason.OUTSIDE_WINDOW),
        found(3, ItemError(Reason.NOT_IN_EXPORT, "gone")),
        found(4, OSError(5, "Input/output error")),
        found(5, b"one"),
    ]
    assert collect(catalogue, tmp_path, answers) == 6
    assert [(row.native_key, row.state, row.reason, row.detail) for row in rows(catalogue)] == [
        ("f0", "stored", None, None),
        ("f1", "failed", "unreadable", "PermissionError"),
        ("f2", "excluded", "outside_window", ""),
        ("f3", "failed", "not_in_export", "gone"),
        ("f4", "failed", "unreadable", "OSError"),
        ("f5", "stored", None, None),
    ]
    with catalogue.read() as connection:
        assert len(connection.execute(t.blobs.select()).all()) == 1  # the same bytes lie there once
        assert connection.execute(sa.select(t.batches.c.collect_state, t.batches.c.cursor)).one() == (
            "done",
            "5",
        )


def test_a_scope_that_breaks_off_keeps_what_came_and_says_why(catalogue, tmp_path):
    collect(catalogue, tmp_path, [found(0, b"one"), ItemError(Reason.TRUNCATED, "gzip_end")])
    assert [row.native_key for row in rows(catalogue)] == ["f0"]
    with catalogue.read() as connection:
        scope = connection.execute(t.scopes.select()).one()
    assert (scope.failure_reason, scope.failure_detail) == ("truncated", "gzip_end")


def test_a_key_that_a_source_uses_twice_loses_no_item(catalogue, tmp_path):
    collect(
        catalogue, tmp_path, [found(0, b"one", "same"), found(1, b"two", "same"), found(2, b"three", "same")]
    )
    assert [row.native_key for row in rows(catalogue)] == ["same", "same#2", "same#3"]
    assert len({row.item_id for row in rows(catalogue)}) == 3


def test_a_run_that_broke_off_resumes_after_the_last_safe_item(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    answers: list = [found(n, f"item {n}".encode()) for n in range(7)]
    with pytest.raises(RuntimeError):
        collect(catalogue, tmp_path, [*answers[:5], RuntimeError("power"), *answers[5:]])
    assert len(rows(catalogue)) == 4
    assert collect(catalogue, tmp_path, answers) == 3
    assert [row.native_key for row in rows(catalogue)] == [f"f{n}" for n in range(7)]
    assert [row.position for row in rows(catalogue)] == list(range(7))


def test_a_commit_whose_answer_is_lost_doubles_nothing(catalogue, tmp_path, monkeypatch):
    """The catalogue's server dies after it kept a chunk and before it said so."""
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    commit, commits = Collector._commit, []

    def lost(self, chunk, blobs):
        commit(self, chunk, blobs)
        commits.append(chunk.drawn)
        if len(commits) == 2:
            raise Retryable("the catalogue's server went away")

    monkeypatch.setattr(Collector, "_commit", lost)
    answers: list = [found(n, f"item {n}".encode()) for n in range(7)]
    with pytest.raises(Retryable):
        collect(catalogue, tmp_path, answers)
    assert commits == [2, 2]
    assert collect(catalogue, tmp_path, answers) == 3
    assert [row.native_key for row in rows(catalogue)] == [f"f{n}" for n in range(7)]


def test_an_expired_cursor_reads_the_place_again_and_doubles_nothing(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    items = [found(0, b"a"), found(1, b"x", "same"), found(2, b"y", "same"), found(3, b"d")]
    with pytest.raises(ZeroDivisionError):
        collect(catalogue, tmp_path, [*items[:2], ZeroDivisionError()])
    assert [row.native_key for row in rows(catalogue)] == ["f0", "same"]

    class Forgetful(Listed):
        def items(self, part: Part, window: Window, cursor: str | None = None):
            if cursor is not None:
                raise CursorExpired
            yield from super().items(part, window)

    assert collect(catalogue, tmp_path, [*items, found(4, b"new", "f0")], Forgetful) == 3
    assert [row.native_key for row in rows(catalogue)] == ["f0", "same", "same#2", "f3", "f0#2"]


def test_files_that_come_and_go_between_two_attempts_are_neither_lost_nor_doubled(tmp_path, monkeypatch):
    """A cursor of files counts them; here one came before those that are stored, and one of those went."""
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    folder = tmp_path / "meetings"
    folder.mkdir()
    for name in "bcdefg":
        (folder / f"{name}.bin").write_bytes(name.encode())
    context = SourceContext("s1", "c1", str(folder), ZONE)
    with pytest.raises(Killed):
        collected(tmp_path / "home", ZoomFiles, context, kill_after=3)
    (folder / "a.bin").write_bytes(b"a")
    (folder / "b.bin").unlink()
    (folder / "c.bin").unlink()
    with pytest.raises(Killed):
        collected(tmp_path / "home", ZoomFiles, context, kill_after=2)  # the new one, and one that is stored
    made = collected(tmp_path / "home", ZoomFiles, context)
    assert sorted(made.items) == [f"{name}.bin" for name in "abcdefg"]
    assert made.states() == {"stored": 7}


def test_a_late_attempt_writes_nothing(catalogue, tmp_path):
    store = EvidenceStore(tmp_path / "evidence", catalogue, REQUEST)
    late = claim(catalogue, REQUEST, "b000001", Step.COLLECT)
    collect(catalogue, tmp_path, [found(0, b"one")])
    context = SourceContext("s", "c", None, ZONE)
    with pytest.raises(AttemptLost):
        collect_batch(late, store, Listed([found(0, b"one"), found(1, b"late")]), context, ANY_TIME)
    assert [row.native_key for row in rows(catalogue)] == ["f0"]
    store.close()


def test_bytes_are_durable_before_a_row_points_to_them(catalogue, tmp_path, monkeypatch):
    """The order of write, fsync and commit, as the operating system and the database are told it."""
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 3)
    log: list[str] = []
    real_fsync, real_add = os.fsync, evidence.SegmentWriter.add

    def fsync(descriptor: int) -> None:
        kind = "folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "segment"
        log.append(f"fsync {kind}")
        real_fsync(descriptor)

    def add(self, data, sha256=None):
        log.append("append")
        return real_add(self, data, sha256)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(evidence.SegmentWriter, "add", add)

    @sa.event.listens_for(catalogue.engine, "commit")
    def committed(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writing"):
            log.append("commit")

    collect(catalogue, tmp_path, [found(n, f"item {n}".encode()) for n in range(5)])
    assert log == [
        "commit",  # the claim
        "append", "append", "append", "fsync segment", "fsync folder", "commit",
        "append", "append", "fsync segment", "commit",
        "commit",  # the end of the step
    ]  # fmt: skip
