"""One question, several threads: the answers and errors of one thread, and nobody left over."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from records.errors import CheckFailed
from search import embedded, embedded_found
from search.embedded import EmbeddedEngine
from search.embedded_deciding import Clock, TimeIsUp
from search.folding import ANALYZER
from search.protocol import Counts, IndexDocument, IndexState, TooLong
from search.sharing import cores, shared
from search.tree import Word
from tests.search.district import document
from tests.search.engine_contract import ids, read

THREADS = 4
MAIN = threading.main_thread()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    """Three shards of forty documents, two in each family."""
    engine = EmbeddedEngine(tmp_path / "index", threads=THREADS)
    for batch in range(3):
        engine.upsert(f"b{batch}", documents(batch))
    yield engine
    engine.close()


def documents(batch: int) -> Iterator[IndexDocument]:
    for n in range(40):
        text = f"every bus of route{n} in batch{batch}"
        yield document(f"d{batch}-{n:02d}", family=f"d{batch}-{n // 2 * 2:02d}", text=text)


def test_results_come_in_the_order_of_the_parts_from_several_threads() -> None:
    together = threading.Barrier(3, timeout=30)

    def work(part: int) -> tuple[int, int]:
        if part < 3:
            together.wait()  # so three threads are at it
        return part * part, threading.get_ident()

    results = shared(work, range(20), 3)
    assert [square for square, _ in results] == [n * n for n in range(20)]
    assert len({thread for _, thread in results[:3]}) == 3
    assert [t for t in threading.enumerate() if t.name == "daylight-shards"] == []


def test_one_thread_is_the_callers_own() -> None:
    def who(_part: int) -> int:
        return threading.get_ident()

    assert shared(who, range(5), 1) == [threading.get_ident()] * 5
    assert shared(who, range(1), 8) == [threading.get_ident()]
    assert shared(who, [], 8) == []


def test_of_several_errors_the_one_of_the_first_part_is_told_when_all_have_ended() -> None:
    together = threading.Barrier(2, timeout=30)
    begun: list[int] = []

    def work(part: int) -> int:
        begun.append(part)
        together.wait()
        raise CheckFailed(f"part {part}")

    with pytest.raises(CheckFailed, match="part 0"):
        shared(work, range(10), 2)
    assert sorted(begun) == [0, 1]  # nothing new is begun after an error
    assert [t for t in threading.enumerate() if t.name == "daylight-shards"] == []


def test_where_no_thread_can_be_had_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert shared(lambda part: (part, threading.get_ident()), range(3), 2) == [
        (n, threading.get_ident()) for n in range(3)
    ]


def test_an_engine_takes_as_many_threads_as_there_are_cores(tmp_path: Path) -> None:
    assert EmbeddedEngine(tmp_path).threads == cores() >= 1


@pytest.mark.parametrize(
    "query",
    ["bus", "route7", "every bus", "every w/3 in", "in pre/9 every", "every pre/9 in", "rout* and not batch1",
     "*oute1*", "%route12", "not batch2", "family:route7", "bus not w/2 route5", "zebra"],
)  # fmt: skip
def test_many_threads_and_one_give_the_same_answers(engine: EmbeddedEngine, query: str) -> None:
    alone = EmbeddedEngine(engine.folder, threads=1)
    node = read(query)
    assert engine.count(node) == alone.count(node)
    pages: list[list[str]] = []
    for one in (engine, alone):
        pages.append([])
        while page := one.search(node, pages[-1][-1] if pages[-1] else None, 7):
            pages[-1] += [hit.item_id for hit in page]
    assert pages[0] == pages[1] == sorted(pages[0])
    assert len(pages[0]) == engine.count(node).documents
    assert list(engine.terms([node])) == list(alone.terms([node]))
    assert [t for t in threading.enumerate() if t.name == "daylight-shards"] == []
    alone.close()


def test_helpers_ask_shards(engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts below are told whoever asks; here somebody else than the caller does."""
    asked_by: list[str] = []
    together = threading.Barrier(3, timeout=30)
    ask = embedded_found.part_of

    def seen(*args: object) -> object:
        together.wait()
        asked_by.append(threading.current_thread().name)
        return ask(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(embedded, "part_of", seen)
    assert engine.count(Word("bus")) == Counts(120, 60, 120)
    assert sorted(asked_by) == [MAIN.name, "daylight-shards", "daylight-shards"]


def test_the_time_limit_holds_in_a_helper(engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the caller's own part has all the time it wants, and waits until the helper's is up."""
    up = threading.Event()
    ask = embedded_found.part_of

    def timed(clock: Clock, asked: object) -> object:
        if threading.current_thread() is MAIN:
            assert up.wait(30)
            return ask(Clock(), asked)  # type: ignore[arg-type]
        try:
            return ask(clock, asked)  # type: ignore[arg-type]
        except TimeIsUp:
            up.set()
            raise

    monkeypatch.setattr(embedded, "part_of", timed)
    engine.time_limit_s = 0.0
    with pytest.raises(TooLong, match="longer than 0 seconds"):
        engine.count(read("in pre/9 every"))
    assert up.is_set()
    monkeypatch.undo()
    engine.time_limit_s = 60.0
    assert engine.count(read("every pre/9 in")).documents == 120


def test_a_shard_that_is_damaged_inside_is_named(engine: EmbeddedEngine) -> None:
    assert engine.count(Word("bus")).documents == 120
    engine.close()
    path = engine.folder / "shard-01.sqlite"
    page = 4096
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * page] + b"\xff" * (len(whole) - 2 * page))
    for _ in range(2):
        with pytest.raises(CheckFailed, match="rebuild it with reindex"):
            engine.count(Word("bus"))
    assert [t for t in threading.enumerate() if t.name == "daylight-shards"] == []
    engine.drop()
    engine.upsert("b1", documents(1))
    assert engine.count(Word("bus")) == Counts(40, 20, 40)


def _count_in_child(engine: EmbeddedEngine, results: multiprocessing.SimpleQueue[Counts]) -> None:
    results.put(engine.count(Word("bus")))


def test_a_child_that_was_forked_after_threads_were_at_work_has_its_own(engine: EmbeddedEngine) -> None:
    fork = multiprocessing.get_context("fork")
    assert engine.count(Word("bus")) == Counts(120, 60, 120)
    results = fork.SimpleQueue()
    child = fork.Process(target=_count_in_child, args=(engine, results))
    child.start()
    assert results.get() == Counts(120, 60, 120)
    child.join(30)
    assert child.exitcode == 0  # it ends, too
    assert ids(engine, "route7") == ["d0-07", "d1-07", "d2-07"]


def test_what_another_process_adds_or_replaces_is_seen(engine: EmbeddedEngine) -> None:
    assert engine.state() == IndexState(120, 3, ANALYZER, "embedded")
    assert ids(engine, "route7") == ["d0-07", "d1-07", "d2-07"]
    writer = multiprocessing.get_context("fork").Process(target=_write_in_child, args=(engine.folder,))
    writer.start()
    writer.join(30)
    assert writer.exitcode == 0
    assert engine.state() == IndexState(122, 4, ANALYZER, "embedded")
    assert ids(engine, "route7") == ["d0-07", "d2-07", "d9-07"]
    assert engine.count(Word("bus")) == Counts(121, 20 + 20 + 4 + 33 + 1, 121)


def _write_in_child(folder: Path) -> None:
    EmbeddedEngine(folder).upsert("b9", [document("d9-07", text="bus of route7"), document("d9-08")])
    EmbeddedEngine(folder).upsert(
        "b1", list(documents(1))[:7] + [document(f"e{n}", text="bus") for n in range(33)]
    )
