from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from records.errors import AccessError, AlreadyRunning, CheckFailed, Incomplete, Retryable, UsageError
from search import embedded_writing
from search.embedded import EmbeddedEngine
from search.embedded_files import SHARDS, Lock, shard_of, translated
from search.embedded_fts import fts_expression
from search.embedded_writing import folded_texts
from search.folding import ANALYZER
from search.protocol import Counts, Hit, IndexDocument, IndexState, SearchEngine
from search.tree import Not, Word
from tests.search.district import BATCHES, EVERYTHING, document
from tests.search.engine_contract import (
    ids,
    read,
    refuses_a_prefix_beyond_the_limit,
)

ALL = Not(Word("nothing"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(tmp_path / "index")
    yield engine
    engine.close()


def filled(engine: EmbeddedEngine) -> EmbeddedEngine:
    for batch_id, documents in BATCHES.items():
        engine.upsert(batch_id, documents)
    return engine


def test_an_index_that_was_never_made_is_empty(engine: EmbeddedEngine) -> None:
    assert isinstance(engine, SearchEngine)
    assert engine.state() == IndexState(0, 0, ANALYZER, "embedded")
    assert engine.count(ALL) == Counts(0, 0, 0)
    assert engine.search(ALL) == []
    assert [found.hits for found in engine.terms([ALL, ALL])] == [(), ()]
    assert list(engine.vocabulary("a")) == []
    engine.drop()
    engine.create()
    engine.create()
    assert engine.state().documents == 0


def test_state_and_hits(engine: EmbeddedEngine) -> None:
    filled(engine)
    assert engine.state() == IndexState(13, 3, ANALYZER, "embedded")
    assert engine.search(Word("deep")) == [Hit("n2y", "n2", "okafor", "mail-2", "n2y")]
    assert engine.count(read("bus route change")) == Counts(2, 2, 1)
    assert sorted(path.name for path in engine.folder.glob("*.sqlite")) == [
        "shard-01.sqlite",
        "shard-02.sqlite",
    ]


def test_pages_follow_one_another_in_item_order_without_a_wall(engine: EmbeddedEngine) -> None:
    filled(engine)
    seen: list[str] = []
    while page := engine.search(ALL, after=seen[-1] if seen else None, limit=4):
        seen += [hit.item_id for hit in page]
    assert seen == sorted(one.item_id for one in EVERYTHING)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_of_ids_that_begin_alike(engine: EmbeddedEngine, limit: int) -> None:
    names = ["a", "abcdefgh", *(f"abcdefgh{n}" for n in range(9)), "abcdefgi", "b\u00e9", "b\U0001f600", "z"]
    for n, name in enumerate(names):
        engine.upsert(f"b{n % 5}", [])
        engine.upsert(f"c{n}", [document(name, text="common")])
    seen: list[str] = []
    while page := engine.search(Word("common"), after=seen[-1] if seen else None, limit=limit):
        seen += [hit.item_id for hit in page]
    assert seen == sorted(names)
    after_nothing_there = engine.search(Word("common"), after="abcdefgh55", limit=3)
    assert [hit.item_id for hit in after_nothing_there] == ["abcdefgh6", "abcdefgh7", "abcdefgh8"]


def test_counts_after_batches_were_replaced_out_of_turn(engine: EmbeddedEngine) -> None:
    """Numbers of documents then have gaps, within a shard of several batches."""
    for batch in ("b1", "b65", "b129"):
        engine.upsert(batch, [document(f"{batch}-{n}", family=f"{batch}-0", text="common") for n in range(3)])
    engine.upsert("b1", [document(f"b1-{n}", text="common") for n in range(5)])
    engine.upsert("b129", [document("b129-9", text="common")])
    assert engine.count(Word("common")) == Counts(9, 7, 9)
    assert ids(engine, "common") == sorted(
        [*(f"b1-{n}" for n in range(5)), *(f"b65-{n}" for n in range(3)), "b129-9"]
    )


def test_an_answer_that_was_kept_is_not_given_for_another_state(engine: EmbeddedEngine) -> None:
    filled(engine)
    assert engine.count(Word("monday")).documents == 2
    other = EmbeddedEngine(engine.folder)
    other.upsert("b000001", [document("m1", text="monday monday"), document("m9", text="monday")])
    assert engine.count(Word("monday")) == Counts(3, 3, 2)  # n1 is a copy of m1
    assert [hit.item_id for hit in engine.search(Word("monday"))] == ["m1", "m9", "n1"]
    other.drop()
    assert engine.count(Word("monday")) == Counts(0, 0, 0)
    other.upsert("b000001", [document("m1", text="monday")])
    assert engine.search(Word("monday")) == [Hit("m1", "m1", "lee", "mail", "m1")]
    other.close()


def test_word_lists_are_kept_beside_their_shards(engine: EmbeddedEngine) -> None:
    filled(engine)
    every = list(engine.vocabulary(""))
    lists = sorted(engine.folder.glob("*.words"))
    assert [path.name for path in lists] == ["shard-01.words", "shard-02.words"]
    assert {path.stat().st_mode & 0o777 for path in lists} == {0o600}
    assert ids(engine, "*nday") == ["m1", "n1"]

    def of_another() -> list[tuple[str, int]]:
        another = EmbeddedEngine(engine.folder)
        try:
            return list(another.vocabulary(""))
        finally:
            another.close()

    marked = lists[0].read_text("utf-8").replace("bus", "bux", 1)
    lists[0].write_text(marked, "utf-8")
    assert "bux" in dict(of_another())  # it is read, not made again
    lists[0].write_text(marked[: len(marked) // 2], "utf-8")
    assert of_another() == every  # cut short: made again
    lists[0].write_bytes(b"\xff\xfe")
    assert of_another() == every
    engine.upsert("b000001", [document("m1", text="bunday")])
    assert ids(engine, "*nday") == ["m1", "n1"]
    assert ids(engine, "bun*") == ["m1"]
    assert dict(of_another())["bunday"] == 1
    engine.drop()
    assert not engine.folder.exists()


def test_a_word_list_that_cannot_be_kept_is_made_each_time(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    filled(engine)
    monkeypatch.setattr("os.fsync", full)
    assert ids(engine, "*nday") == ["m1", "n1"]
    monkeypatch.undo()
    assert sorted(path.suffix for path in engine.folder.iterdir() if ".words" in path.name) == []


def test_a_batch_again_replaces_what_it_put_there(engine: EmbeddedEngine) -> None:
    filled(engine)
    before = {query: ids(engine, query) for query in ("bus", "route", "not zebra", "attachment:budget")}
    filled(engine)
    assert {query: ids(engine, query) for query in before} == before
    assert engine.state().documents == 13
    assert engine.upsert("b000001", [document("m1", text="only this now")]) == 1
    assert engine.state() == IndexState(8, 3, ANALYZER, "embedded")
    assert ids(engine, "monday") == ["n1"]
    assert ids(engine, "only") == ["m1"]
    assert ids(engine, "family:map") == []
    assert dict(engine.vocabulary("map")) == {}
    assert dict(engine.vocabulary("on")) == {"only": 1}
    assert engine.upsert("b000001", []) == 0
    assert engine.state() == IndexState(7, 3, ANALYZER, "embedded")
    assert ids(engine, "f*") == ["f1", "n1", "n2"]  # its neighbour in the shard is untouched


def test_documents_are_read_as_a_stream(engine: EmbeddedEngine) -> None:
    def stream() -> Iterator[IndexDocument]:
        for n in range(1_203):
            yield document(f"d{n:04d}", text=f"word{n} common")

    assert engine.upsert("b000001", stream()) == 1_203
    assert engine.count(Word("common")) == Counts(1_203, 1_203, 1_203)
    assert ids(engine, "word1202") == ["d1202"]


def test_a_stream_that_fails_leaves_the_batch_as_it_was(engine: EmbeddedEngine) -> None:
    filled(engine)

    def failing() -> Iterator[IndexDocument]:
        yield from (document(f"d{n}", text="half") for n in range(1_000))
        raise CheckFailed("a text is damaged")

    with pytest.raises(CheckFailed, match="a text is damaged"):
        engine.upsert("b000001", failing())
    with pytest.raises(CheckFailed):
        engine.upsert("b000129", failing())
    assert engine.state().documents == 13
    assert ids(engine, "half") == []
    assert ids(engine, "map") == ["m1a"]


def test_a_child_may_come_before_its_parent(engine: EmbeddedEngine) -> None:
    engine.upsert(
        "b1",
        [
            document("c", family="p", parent="p", text="inner"),
            document("p", text="outer"),
            document("o", family="o", parent="elsewhere", text="inner"),
        ],
    )
    assert ids(engine, "attachment:inner") == ["p"]
    assert ids(engine, "family:inner and outer") == ["p"]


def test_an_item_twice_is_refused(engine: EmbeddedEngine) -> None:
    with pytest.raises(CheckFailed, match="item d1 is in its batch twice"):
        engine.upsert("b1", [document("d1"), document("d1")])
    engine.upsert("b1", [document("d1")])
    with pytest.raises(CheckFailed, match="another batch"):
        engine.upsert("b65", [document("d1")])
    assert engine.state().documents == 1


def test_vocabulary_counts_documents_over_all_shards(engine: EmbeddedEngine) -> None:
    filled(engine)
    assert list(engine.vocabulary("BUDG")) == [("budget", 3), ("budgets", 1)]
    assert dict(engine.vocabulary("ro")) == {"route": 7, "routes": 1}
    assert len(list(engine.vocabulary(""))) == len(
        {word for one in EVERYTHING for text in folded_texts(one) for word in text.split()}
    )


def test_a_prefix_beyond_the_limit_is_refused_with_its_count(engine: EmbeddedEngine) -> None:
    refuses_a_prefix_beyond_the_limit(engine)


def test_batches_spread_over_at_most_64_shards() -> None:
    assert [shard_of(f"b{n:06d}") for n in range(1, 65)] == [*range(1, 64), 0]
    assert {shard_of(f"batch-{n}-x") for n in range(2_000)} == set(range(SHARDS))
    assert shard_of("x") == shard_of("x") < SHARDS


def test_what_fts5_can_say_is_one_expression() -> None:
    assert fts_expression(read("subject:(a b* or not not c)"), None) is None
    assert fts_expression(read("subject:(a b*)"), None) == '{subject} : "a" + "b"*'
    assert fts_expression(read("from:a and not (to:b or cc:c)"), None) == (
        '(({c_from} : "a")) NOT ((({c_to} : "b") OR ({c_cc} : "c")))'
    )
    assert fts_expression(read("not a"), None) is None
    assert fts_expression(read("family:a"), None) is None
    assert fts_expression(read("a and sent:2026-01-01"), None) is None


def test_a_query_of_a_thousand_leaves_runs(engine: EmbeddedEngine) -> None:
    filled(engine)
    assert ids(engine, " or ".join([f"w{n}" for n in range(999)] + ["deep"])) == ["n2y"]
    assert ids(engine, " and ".join(["bus"] * 1000)) == ids(engine, "bus")
    assert ids(engine, " or ".join(f"subject:w{n}" for n in range(1000))) == []
    assert ids(engine, " or ".join(f"(w{n} and not has:text)" for n in range(500))) == []
    dated = " or ".join(f"not (not has:date or w{n})" for n in range(500))
    assert ids(engine, dated) == ids(engine, "has:date")
    assert ids(engine, " or ".join(f"family:w{n}" for n in range(300))) == []


def test_drop_deletes_and_the_index_can_be_made_again(engine: EmbeddedEngine) -> None:
    filled(engine)
    other = EmbeddedEngine(engine.folder)
    assert ids(other, "deep") == ["n2y"]
    engine.drop()
    assert not engine.folder.exists()
    assert ids(other, "deep") == []
    engine.upsert("b000002", [document("new", text="deep")])
    assert ids(other, "deep") == ["new"]  # it does not read from the deleted file
    other.close()


def test_drop_waits_for_nobody_who_writes(engine: EmbeddedEngine) -> None:
    filled(engine)
    with (engine.folder / "shard-01.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunning):
            engine.drop()
        assert ids(engine, "deep") == ["n2y"]
    engine.drop()


def test_a_lock_on_a_deleted_file_is_no_lock(tmp_path: Path) -> None:
    """Who waited while ``drop`` deleted the folder must not go on with the old file."""
    path = tmp_path / "index" / "shard-01.lock"
    first, second = Lock(path), Lock(path)
    assert first.take(wait=False)
    waiter = threading.Thread(target=second.take, kwargs={"wait": True})
    waiter.start()
    while second._file < 0:  # it has opened the file that is about to go
        waiter.join(0.01)
    waiter.join(0.1)
    path.unlink()
    first.release()
    waiter.join()
    third = Lock(path)
    assert not third.take(wait=False)
    second.release()
    assert third.take(wait=False)
    third.release()


def test_an_index_of_another_token_rule_is_refused(engine: EmbeddedEngine) -> None:
    filled(engine)
    engine.close()
    connection = apsw.Connection(str(engine.folder / "shard-01.sqlite"))
    connection.execute("UPDATE meta SET value = 'older' WHERE name = 'analyzer'")
    connection.close()
    for ask in (engine.create, engine.state, lambda: engine.upsert("b1", [])):
        with pytest.raises(UsageError, match="reindex"):
            ask()
    with pytest.raises(UsageError, match="reindex"):
        engine.upsert("b7", [])  # a shard of its own, beside them
    assert not (engine.folder / "shard-07.sqlite").exists()
    engine.drop()
    assert engine.upsert("b1", [document("d1")]) == 1


def test_an_index_of_an_older_layout_is_refused(engine: EmbeddedEngine) -> None:
    engine.folder.mkdir()
    apsw.Connection(str(engine.folder / "shard-01.sqlite")).execute(
        "PRAGMA user_version = 0; CREATE TABLE x(y)"
    )
    for ask in (
        engine.create,
        engine.state,
        lambda: engine.upsert("b1", []),
        lambda: engine.upsert("b2", []),
    ):
        with pytest.raises(UsageError, match="reindex"):
            ask()


def test_a_first_batch_that_fails_leaves_no_shard(engine: EmbeddedEngine) -> None:
    def failing() -> Iterator[IndexDocument]:
        yield document("d1", text="half")
        raise CheckFailed("a text is damaged")

    with pytest.raises(CheckFailed, match="a text is damaged"):
        engine.upsert("b1", failing())
    assert [path.name for path in engine.folder.iterdir()] == ["shard-01.lock"]
    assert engine.state().documents == 0


def test_what_a_kill_left_of_a_new_shard_is_made_anew(engine: EmbeddedEngine) -> None:
    engine.create()
    (engine.folder / "shard-01.new").write_bytes(b"half a page")
    assert engine.state().documents == 0
    assert engine.upsert("b1", [document("d1", text="whole")]) == 1
    assert ids(engine, "whole") == ["d1"]
    assert sorted(path.name for path in engine.folder.iterdir() if "-" not in path.suffix) == [
        "shard-01.lock",
        "shard-01.sqlite",
    ]


def test_a_shard_that_cannot_be_put_in_place_asks_for_room(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_folder: Path) -> None:
        raise OSError("no room")

    monkeypatch.setattr(embedded_writing, "sync_folder", full)
    with pytest.raises(Incomplete, match="make room"):
        engine.upsert("b1", [document("d1")])
    monkeypatch.undo()
    assert engine.upsert("b1", [document("d1")]) == 1
    assert engine.state().documents == 1


def test_a_damaged_shard_is_named_and_can_be_dropped(engine: EmbeddedEngine) -> None:
    filled(engine)
    engine.close()
    (engine.folder / "shard-02.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(CheckFailed, match="rebuild it with reindex"):
        engine.count(Word("bus"))
    engine.drop()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AccessError):
        EmbeddedEngine(tmp_path / "file" / "index").create()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (apsw.FullError, Incomplete),
        (apsw.IOError, Incomplete),
        (apsw.CorruptError, CheckFailed),
        (apsw.CantOpenError, AccessError),
        (apsw.ReadOnlyError, AccessError),
        (apsw.BusyError, Retryable),
    ],
)
def test_errors_of_the_library_say_what_to_do(raised: type[Exception], expected: type[Exception]) -> None:
    with pytest.raises(expected), translated():
        raise raised("secret words")


def test_writers_of_many_threads_lose_nothing(engine: EmbeddedEngine) -> None:
    """Batches 1, 65 and 129 want the same shard."""

    def write(number: int) -> int:
        return EmbeddedEngine(engine.folder).upsert(
            f"b{number}", [document(f"d{number}-{n}", text="shared") for n in range(50)]
        )

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, (1, 65, 129, 2, 66, 3))) == [50] * 6
    assert engine.count(Word("shared")) == Counts(300, 300, 300)


def test_a_reader_in_another_thread_has_its_own_connections(engine: EmbeddedEngine) -> None:
    filled(engine)
    found: list[list[str]] = []

    def look() -> None:
        found.append(ids(engine, "deep"))
        engine.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["n2y"]] * 4


def _endless(folder: Path, ready: int) -> None:
    def stream() -> Iterator[IndexDocument]:
        yield from (document(f"k{n}", text="killed " * 50) for n in range(3_000))
        os.write(ready, b"x")
        signal.pause()

    EmbeddedEngine(folder).upsert("b000001", stream())


def test_a_kill_while_writing_leaves_the_batch_absent_or_as_it_was(engine: EmbeddedEngine) -> None:
    spawn = multiprocessing.get_context("fork")
    engine.create()
    for before in ([], ["m1a"]):
        reading, ready = os.pipe()
        child = spawn.Process(target=_endless, args=(engine.folder, ready))
        child.start()
        assert os.read(reading, 1) == b"x"
        child.kill()
        child.join()
        os.close(reading)
        os.close(ready)
        assert ids(engine, "killed") == []
        assert ids(engine, "map") == before
        filled(engine)  # the lock died with its process
        assert ids(engine, "map") == ["m1a"]


def test_an_engine_survives_a_fork(engine: EmbeddedEngine) -> None:
    filled(engine)
    assert ids(engine, "deep") == ["n2y"]
    child = multiprocessing.get_context("fork").Process(target=_check_in_child, args=(engine,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert ids(engine, "deep") == ["n2y"]


def _check_in_child(engine: EmbeddedEngine) -> None:
    assert ids(engine, "deep") == ["n2y"]


# -- what keeps common questions cheap, and exact


def test_only_what_can_stand_in_a_role_is_kept_out_of_the_roles() -> None:
    """A match that lies in one column holds no word that this column does not have."""
    roles = " ann lee leeds "

    def said(query: str) -> str | None:
        return fts_expression(read(query), None, roles)

    scope = "{subject body filename participants} : "
    assert said("bus") == '"bus"'
    assert said("lee") == f'{scope}"lee"'
    assert said("lee bus") == '"lee" + "bus"'
    assert said("ann lee") == f'{scope}"ann" + "lee"'
    assert said("le*") == f'{scope}"le"*'
    assert said("ee*") == '"ee"*'
    assert said("an") == '"an"'
    assert said("lee w/5 bus") == '(NEAR("lee" "bus", 4))'
    assert said("lee w/5 ann") == f'({scope}NEAR("lee" "ann", 4))'
    assert said("bus w/1 lee") == '("bus" + "lee") OR ("lee" + "bus")'
    assert said("lee or bus") == f'({scope}"lee") OR ("bus")'
    assert said("from:bus") == '{c_from} : "bus"'
    assert fts_expression(read("bus"), None) == f'{scope}"bus"'


def role_words(engine: EmbeddedEngine, shard: int) -> str | None:
    connection = apsw.Connection(str(engine.folder / f"shard-{shard:02d}.sqlite"))
    try:
        found: str | None = connection.execute("SELECT value FROM meta WHERE name = 'role_words'").get
        return found
    finally:
        connection.close()


def addressed(item_id: str, sender: str, text: str = "") -> IndexDocument:
    """A document whose participants are nobody, so that its roles hold what no other column holds."""
    return replace(document(item_id, text=text), sender=sender, participants="")


def test_a_word_of_a_role_alone_is_no_hit_without_its_field(engine: EmbeddedEngine) -> None:
    engine.upsert("b1", [addressed("d1", "Ann Lee"), addressed("d2", "Bo", text="ann lee, lee ann")])
    assert role_words(engine, 1) == " ann bo lee "
    for query in ("ann", "lee", "ann lee", "ann w/1 lee", "ann w/3 lee", "le*", "ann pre/2 lee"):
        assert ids(engine, query) == ["d2"]
    assert ids(engine, "from:lee") == ["d1"]
    assert ids(engine, "not lee") == ["d1"]
    engine.upsert("b65", [addressed("d3", "Cy Zed"), addressed("d4", "Cy", text="zed")])  # the same shard
    assert role_words(engine, 1) == " ann bo cy lee zed "
    assert ids(engine, "zed") == ["d4"]
    engine.upsert("b1", [addressed("d1", "Dee"), addressed("d2", "Dee", text="ann dee")])
    assert role_words(engine, 1) == " ann bo cy dee lee zed "  # more than there are: right, and a little slow
    assert ids(engine, "dee") == ids(engine, "ann") == ["d2"]
    assert [[hit.item_id for hit in one.hits] for one in engine.terms([Word("dee"), Word("zed")])] == [
        ["d2"],
        ["d4"],
    ]


def test_of_a_shard_made_before_role_words_were_kept_nothing_is_supposed(engine: EmbeddedEngine) -> None:
    engine.upsert("b1", [addressed("d1", "Ann"), addressed("d2", "Bo", text="ann")])
    connection = apsw.Connection(str(engine.folder / "shard-01.sqlite"))
    connection.execute("DELETE FROM meta WHERE name = 'role_words'")
    connection.close()
    assert ids(engine, "ann") == ["d2"]
    engine.upsert("b65", [addressed("d3", "Cy"), addressed("d4", "Cy", text="cy")])
    assert role_words(engine, 1) is None  # the new ones alone would be too few
    assert ids(engine, "ann") == ["d2"]
    assert ids(engine, "cy") == ["d4"]
    engine.upsert("b65", [])
    engine.upsert("b1", [addressed("d1", "Ann")])
    assert role_words(engine, 1) is None
    engine.upsert("b1", [])
    engine.drop()
    engine.upsert("b1", [addressed("d1", "Ann")])
    assert role_words(engine, 1) == " ann "


def test_contents_that_begin_alike_are_told_apart(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the first eight of sixteen bytes are the same for all; copies have all sixteen."""
    monkeypatch.setattr(embedded_writing, "content_of", lambda key: b"\1" * 8 + key.encode().ljust(8, b"\0"))
    engine.upsert("b1", [replace(document(f"d{n}", text="x"), distinct_key=f"k{n % 3}") for n in range(7)])
    engine.upsert("b2", [replace(document("e", text="x y"), distinct_key="k1")])
    assert engine.count(Word("x")) == Counts(8, 8, 3)
    assert engine.count(Word("y")) == Counts(1, 1, 1)
    engine.upsert("b1", [replace(document(f"d{n}", text="x"), distinct_key="k1") for n in range(2)])
    assert engine.count(Word("x")) == Counts(3, 3, 1)


def test_a_folder_that_cannot_be_listed_is_not_an_empty_index(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: object) -> None:
        raise PermissionError(13, "Permission denied")

    filled(engine)
    monkeypatch.setattr(os, "scandir", refused)
    for ask in (engine.state, lambda: engine.count(ALL), lambda: list(engine.vocabulary("a"))):
        with pytest.raises(AccessError, match="check its rights"):
            ask()
