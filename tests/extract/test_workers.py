"""A fault costs the item it happens in, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from extract import workers
from extract.protocol import ExtractContext, Limits
from extract.workers import Job, Worker
from records import isolation
from records.errors import Retryable
from records.models import Failure
from records.vocabulary import Reason

ZONE = ZoneInfo("America/Los_Angeles")
REGISTRY = "tests.extract.faults:EXTRACTORS"
TIGHT = Limits(
    time_s=1.0,
    time_s_per_mb=0.0,
    memory_bytes=96 << 20,
    text_bytes=2 << 20,
    children_bytes=2 << 20,
    children=10,
)


def job(
    number: int, name: str | None = None, data: bytes | str = b"", limits: Limits = TIGHT, depth: int = 0
) -> Job:
    return Job(number, data, ExtractContext(name, None, ZONE, limits=limits, depth=depth), None)


def among_good_ones(fault: str) -> list[Job]:
    good = [job(n, data=b"good %d" % n) for n in range(9)]
    return [*good[:4], job(100, fault), *good[4:]]


EXPECTED = {
    "hang_in_python": Failure(Reason.TIMED_OUT, "time"),
    "hang_in_native_code": Failure(Reason.TIMED_OUT, "time"),
    "segfault": Failure(Reason.CRASHED, "sigsegv"),
    "abort": Failure(Reason.CRASHED, "sigabrt"),
    "leave": Failure(Reason.CRASHED, "exit_7"),
    "bomb_in_python": Failure(Reason.OUT_OF_MEMORY, "memory"),
    "bomb_in_native_code": Failure(Reason.OUT_OF_MEMORY, "memory"),
    "bomb_of_text": Failure(Reason.BOMB, "text_bytes"),
    "bomb_of_children": Failure(Reason.BOMB, "children"),
    "bomb_of_child_bytes": Failure(Reason.BOMB, "children_bytes"),
    "recursion": Failure(Reason.BOMB, "recursion"),
    "panic": Failure(Reason.CRASHED, "PanicException"),
    "item_error": Failure(Reason.ENCRYPTED, "locked"),
    "plain_error": Failure(Reason.CORRUPT, "KeyError"),
    "foreign_answer": Failure(Reason.CRASHED, "protocol"),
    "close_the_pipe": Failure(Reason.CRASHED, "sigsys"),
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Worker]:
    with Worker(REGISTRY) as worker:
        yield worker


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_costs_its_item_alone(fault: str, shared: Worker) -> None:
    results = list(shared.submit(among_good_ones(fault)))
    assert [r.job_id for r in results] == [0, 1, 2, 3, 100, 4, 5, 6, 7, 8]
    by_id = {r.job_id: r.extraction for r in results}
    failure = by_id.pop(100).failure
    assert failure == EXPECTED[fault]
    assert {n: e.text for n, e in by_id.items()} == {n: f"good {n}" for n in range(9)}
    assert not any(e.failure for e in by_id.values())


def test_several_faults_in_one_stream_each_cost_their_item() -> None:
    names = ["segfault", None, "leave", "segfault", None, "bomb_of_text", "hang_in_python", None]
    with Worker(REGISTRY) as worker:
        results = list(worker.submit([job(n, name, b"ok") for n, name in enumerate(names)]))
    assert [r.extraction.failure.reason if r.extraction.failure else r.extraction.text for r in results] == [
        "crashed", "ok", "crashed", "crashed", "ok", "bomb", "timed_out", "ok",
    ]  # fmt: skip


def test_a_worker_serves_several_submissions() -> None:
    with Worker(REGISTRY) as worker:
        assert [r.extraction.text for r in worker.submit([job(1, data=b"a")])] == ["a"]
        first = worker.process_id
        assert [r.extraction.text for r in worker.submit([job(2, data=b"b")])] == ["b"]
        assert worker.process_id == first
        assert list(worker.submit([])) == []


def test_a_stream_that_is_left_half_way_leaves_no_answers_behind() -> None:
    with Worker(REGISTRY) as worker:
        stream = worker.submit([job(n, data=b"old") for n in range(50)])
        assert next(stream).extraction.text == "old"
        stream.close()  # type: ignore[attr-defined]
        assert [r.extraction.text for r in worker.submit([job(7, data=b"new")])] == ["new"]


def test_jobs_are_drawn_lazily() -> None:
    drawn = 0

    def source():
        nonlocal drawn
        for n in range(10_000):
            drawn += 1
            yield job(n, data=b"x")

    with Worker(REGISTRY) as worker:
        next(worker.submit(source()))
    assert drawn <= 200


def test_much_data_in_both_directions_does_not_block() -> None:
    size = 1_500_000
    jobs = [job(n, data=b"%d" % (n % 10) * size, limits=Limits()) for n in range(12)]
    with Worker(REGISTRY) as worker:
        results = [(r.job_id, len(r.extraction.text), r.extraction.text[:1]) for r in worker.submit(jobs)]
    assert results == [(n, size, str(n % 10)) for n in range(12)]


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"from disk")
    with Worker(REGISTRY) as worker:
        results = list(worker.submit([job(1, data=str(tmp_path / "f")), job(2, data=str(tmp_path / "gone"))]))
    assert results[0].extraction.text == "from disk"
    assert results[1].extraction.failure == Failure(Reason.UNREADABLE, "open")


def test_surrogates_become_replacement_characters() -> None:
    with Worker(REGISTRY) as worker:
        (result,) = worker.submit([job(1, "surrogate")])
    assert result.extraction.text == "a\ufffdb"
    assert result.extraction.metadata == {"k\ufffd": "v"}


def test_containers_below_the_deepest_level_give_no_children() -> None:
    roomy = Limits(depth=2)
    with Worker(REGISTRY) as worker:
        jobs = [job(n, "bomb_of_children", limits=roomy, depth=n) for n in (1, 2)]
        shallow, deep = worker.submit(jobs)
    assert (len(shallow.extraction.children), shallow.extraction.failure) == (50, None)
    assert (deep.extraction.children, deep.extraction.failure) == ((), Failure(Reason.BOMB, "depth"))


def test_the_worker_inherits_neither_secrets_nor_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAYLIGHT_SECRET", "hunter2")
    handle = os.open(tmp_path / "open", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(handle, True)
    try:
        with Worker(REGISTRY) as worker:
            (result,) = worker.submit([job(1, "environment")])
    finally:
        os.close(handle)
    names = {line.partition("=")[0] for line in result.extraction.text.splitlines()}
    assert names <= {"PATH", "LANG", "TZ", "TMPDIR", "HOME", "PYTHONHASHSEED", "LC_CTYPE"}
    assert "PATH=/nonexistent" in result.extraction.text
    # Three silent streams, two pipes, the listing itself, and the shared /tmp where it was taken away.
    assert result.extraction.pages == (7 if can_withdraw() else 6)


def test_a_large_parent_does_not_make_a_crash_a_memory_fault(shared: Worker) -> None:
    held = bytearray(b"x") * (200 << 20)  # more than the limit of the item
    results = list(shared.submit([job(1, "segfault"), job(2, "leave")]))
    assert [r.extraction.failure.reason for r in results if r.extraction.failure] == ["crashed", "crashed"]
    assert len(held) == 200 << 20


def test_an_item_is_not_the_cause_of_the_first_kill_from_outside() -> None:
    """The machine's memory guard takes any process, also one that has only just begun its first item."""
    killed: list[int] = []

    def kill_two(worker: Worker) -> None:
        while len(killed) < 2:
            if (process := worker.process_id) is not None and process not in killed:
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            time.sleep(0.005)

    with Worker(REGISTRY) as worker:
        killer = threading.Thread(target=kill_two, args=[worker])
        killer.start()
        hanging = job(1, "hang_in_python", limits=replace(TIGHT, time_s=60.0))
        results = list(worker.submit([hanging, job(2, data=b"ok")]))
        killer.join()
        assert worker.process_id not in killed  # the second item was read by a third process
    assert [r.extraction.failure for r in results] == [Failure(Reason.OUT_OF_MEMORY, "memory"), None]


def test_time_the_caller_takes_is_not_the_items() -> None:
    with Worker(REGISTRY) as worker:
        stream = worker.submit([job(1, data=b"a"), job(2, data=b"b")])
        assert next(stream).extraction.text == "a"
        time.sleep(1.2)  # longer than the limit of one item
        assert next(stream).extraction.text == "b"


def test_a_hang_costs_its_own_limit_only() -> None:
    started = time.monotonic()
    with Worker(REGISTRY) as worker:
        results = list(worker.submit(among_good_ones("hang_in_native_code")))
    assert time.monotonic() - started < 8.0  # 1 s of limit and two starts of a process
    took = {result.job_id: result.seconds for result in results}
    assert 1.0 <= took.pop(100) < 8.0  # until it was ended
    assert all(0.0 < seconds < 1.0 for seconds in took.values())


def test_the_worker_ends_with_its_parent(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import sys, os
        sys.path.insert(0, {str(Path(workers.__file__).parent.parent)!r})
        from tests.extract.test_workers import job, REGISTRY
        from extract.workers import Worker
        from extract.protocol import Limits
        worker = Worker(REGISTRY)
        list(worker.submit([job(1)]))
        print(worker.process_id, flush=True)
        list(worker.submit([job(2, "hang_in_native_code", limits=Limits())]))
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.3)
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until = time.monotonic() + 5
        while _alive(child) and time.monotonic() < until:
            time.sleep(0.02)
        assert not _alive(child)
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout:
            parent.stdout.close()


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def can_withdraw() -> bool:
    """Tell whether this system lets a process have mounts and a network of its own."""
    code = "import sys; from records.isolation import withdraw; sys.exit(not withdraw(sys.argv[1]))"
    root = Path(workers.__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([sys.executable, "-c", code, folder], cwd=root, check=False).returncode == 0


def test_the_worker_has_its_own_temporary_folder_and_network(shared: Worker) -> None:
    (result,) = shared.submit([job(1, "surroundings")])
    left = Path("/tmp/apache-tika-left-over.tmp")
    if can_withdraw():
        # A checkout or an interpreter below /tmp shows through, and nothing else does.
        code = (Path(workers.__file__), Path(sys.prefix), Path(sys.base_prefix))
        shown = {path.parts[2] for path in code if path.parts[1] == "tmp"}
        assert set(result.extraction.text.split("\n")) == {"apache-tika-left-over.tmp", *shown}
        assert result.extraction.metadata["network"] == "ENETUNREACH"
        assert not left.exists()
    else:
        assert left.exists()
        left.unlink()


def test_what_dead_processes_left_is_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = tmp_path / f"daylight-worker-{gone.stdout.decode().strip()}-abc"
    alive = tmp_path / f"daylight-worker-{os.getpid()}-abc"
    other = tmp_path / "daylight-worker-notes"
    for folder in (dead, alive, other):
        folder.mkdir()
        (folder / "copy").write_bytes(b"x")
    isolation.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, other.name])


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Worker(REGISTRY) as worker:
        list(worker.submit(among_good_ones("segfault")))
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_cannot_start_is_said_aloud() -> None:
    missing = "tests.extract.no_such_module:EXTRACTORS"
    with Worker(missing) as worker, pytest.raises(Retryable, match="ended with 1"):
        list(worker.submit([job(1)]))
