"""The table of faults: each disturbs a run at a drawn moment and brings it to its end as an operator would.

What follows is the same for all: the home has to be as if nothing had happened (``test_faults.py``). The same
table stands for operators in ``docs/faults.md``; a test compares the two.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from cli.output import Exit
from desk.items import items
from examples.servers import elasticsearch, tika
from records import tables as t
from records.evidence import MAGIC, RECORD_BYTES
from records.vocabulary import WarningCode
from tests.chaos import roles
from tests.chaos.case import Case, ended
from tests.chaos.duplicate import Pair
from tests.chaos.mounts import own_mounts
from tests.command import daylight, lines
from tests.servers import postgres

RESUME = "run the same command again"


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        name: Of it, as ``--faults`` and the page have it.
        happen: Runs the request of a case to its end, the fault included.
        but: What of the end may be another, by its name in ``Outcome``.
    """

    name: str
    happen: Callable[[Case], None]
    but: frozenset[str] = frozenset()


def kill_extraction_worker(case: Case) -> None:
    """Its item is read by the next one; the run goes on."""
    with case.running() as process:
        case.kill(process, roles.extraction_workers)
        assert ended(process)[0] == Exit.OK


def kill_worker(case: Case) -> None:
    with case.running() as process:
        case.kill(process, roles.workers)
        code, words = ended(process)
        assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
    case.resume()


def kill_fork_server(case: Case) -> None:
    with case.running() as process:
        case.kill(process, roles.fork_server)
        code, words = ended(process)
        assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
    case.resume()


def kill_command(case: Case) -> None:
    """Its workers end with it, and the next run may begin at once."""
    with case.running() as process:
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
    case.resume()


def kill_group(case: Case) -> None:
    """As a machine that loses power: everything at once."""
    with case.running() as process:
        os.killpg(process.pid, signal.SIGKILL)
        assert ended(process)[0] == -signal.SIGKILL
    case.resume()


def terminate(case: Case) -> None:
    """As ``systemctl stop`` or ``docker stop`` does: batches under way are finished, the rest waits."""
    with case.running() as process:
        process.terminate()
        code, words = ended(process)
        assert (code, RESUME in words) == (Exit.INTERRUPTED, True), words
    case.resume()


def stop_extraction_worker(case: Case) -> None:
    """A process that is alive and does nothing: its item's time runs out, and ``daylight retry`` reads it."""
    with case.running(0.2, 0.5) as process:
        (stopped, *_) = roles.find(process, roles.extraction_workers)
        os.kill(stopped, signal.SIGSTOP)
        assert ended(process)[0] == Exit.OK
    failed = lines(daylight(case.home, "failures", case.request_id))
    assert [one["reason"] for one in failed if one["retryable"]] == ["timed_out"]
    assert daylight(case.home, "retry", case.request_id, "--local").returncode == Exit.OK


def half_written_segment(case: Case) -> None:
    """What a power cut leaves: the newest segment ends in the middle of a record."""
    with case.running() as process:
        os.killpg(process.pid, signal.SIGKILL)
        ended(process)
    newest = max(case.evidence.glob("*.seg"), key=lambda path: path.stat().st_mtime_ns)
    with newest.open("r+b") as file:
        safe, end = _committed(case, newest.name), newest.stat().st_size
        if end > safe + 1:
            file.truncate(case.rng.randrange(safe + 1, end))
        else:  # all of it counts already: the next record was begun
            file.seek(0, os.SEEK_END)
            file.write(b"RC01" + case.rng.randbytes(case.rng.randrange(1, 400)))
    case.resume()
    assert daylight(case.home, "store", "verify").returncode == Exit.OK


def _committed(case: Case, segment: str) -> int:
    """Return where the last record of a segment ends that counts."""
    b = t.blobs.c
    with case.opened() as home, home.catalogue.read() as connection:
        ends = connection.scalars(
            sa.select(b.offset + RECORD_BYTES + b.stored_bytes).where(
                b.request_id == case.request_id, b.segment == segment
            )
        )
        return max(ends, default=len(MAGIC))


def fill_disk(case: Case) -> None:
    """The home lies on a disk of its own, which something else fills up in the middle of the run."""
    case.enter()
    home = case.home.rename(case.folder / "entered")
    case.home.mkdir()
    with own_mounts() as mounts:
        mounts.do("mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", case.home)
        mounts.do("cp", "-a", f"{home}/.", case.home)
        case.within, case.seen = mounts.within, mounts.seen(case.home)
        with case.running(0.05, 0.6) as process:
            mounts.do("sh", "-c", f"head -c 256M /dev/zero > {case.home}/ballast || true")
            code, words = ended(process)
            assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
        mounts.do("rm", case.home / "ballast")
        case.resume()
        mounts.do("cp", "-a", case.home, case.folder / "kept")
    case.home.rmdir()
    (case.folder / "kept").rename(case.home)


def read_only_evidence(case: Case) -> None:
    """The evidence can be read and not written, as after an error of its disk or on a wrong mount."""
    with own_mounts() as mounts:
        case.within = mounts.within
        with case.running(0.05, 0.6) as process:
            mounts.do("mount", "--bind", case.evidence, case.evidence)
            mounts.do("mount", "-o", "remount,ro,bind", case.evidence)
            code, words = ended(process)
            assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
            assert "the evidence folder cannot be written (Read-only file system)" in words
        mounts.do("umount", case.evidence)
        case.resume()


def slow_disk(case: Case) -> None:
    """Each write takes its time to reach the disk: strace holds the calls that wait for it."""
    calls = "fsync,fdatasync"
    delay = case.rng.randrange(20_000, 60_000)
    case.within = (
        "strace", "--follow-forks", "--seccomp-bpf", "--quiet=all", f"--output={case.folder}/calls",
        f"--trace={calls}", f"--inject={calls}:delay_exit={delay}",
    )  # fmt: skip
    case.resume()
    assert (case.folder / "calls").read_text().count("(DELAYED)") > case.undisturbed.segments


_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""libfaketime 0.9.10 takes no absolute end of a sleep, which Python gives to ``clock_nanosleep``."""


def clock_jump(case: Case) -> None:
    """The machine's clock jumps ahead by a year and more and back by months, also between two runs."""
    clock = case.folder / "clock"
    clock.write_text("+0")
    (case.folder / "sitecustomize.py").write_text(_SLEEP)
    case.env |= {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "PYTHONPATH": str(case.folder),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a clock that is set leaves it alone
        "NO_FAKE_STAT": "1",  # so do the times that files have
    }
    with case.running(0.05, 0.3) as process:
        clock.write_text(f"+{case.rng.randrange(300, 500)}d")
        case.moment(process, 0.4, 0.6)
        clock.write_text(f"-{case.rng.randrange(30, 100)}d")
        case.moment(process, 0.65, 0.8)
        os.killpg(process.pid, signal.SIGKILL)
        ended(process)
    for left in ("faketime_shm_", "sem.faketime_sem_"):  # libfaketime's own, of a process that was killed
        Path(f"/dev/shm/{left}{process.pid}").unlink(missing_ok=True)
    clock.write_text(f"-{case.rng.randrange(100, 200)}d")
    case.resume()


def duplicate_task(case: Case) -> None:
    """A scheduler starts mapped tasks twice, and both are at work on the same batches under the same key."""
    case.enter()
    refused = 0
    with Pair(case.home, case.request_id, case.env) as pair:
        pair.first("open_run")
        groups = pair.first("plan")["groups"]
        for batch_ids in groups:
            for function in ("collect", "extract", "index"):
                errors = pair.both(function, case.rng.uniform(0.0, 0.2), batch_ids=batch_ids)
                assert errors in ([], ["AttemptLost"]), errors
                refused += len(errors)
        for function in ("reconcile", "terms", "flag", "finish"):
            pair.first(function)
    print(f"  {len(groups)} groups of batches, twice each; {refused} attempts were refused")


def faketime() -> Path:
    """Return the library that shifts a program's clock (Debian's package ``libfaketime``)."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is not installed; as root: scripts/system-packages test"
    return found[0]


def terminate_backends(case: Case) -> None:
    """The database ends every connection, as an administrator or a failover does."""
    _on_postgres(case, lambda server: _end_connections(server.url))


def kill_database(case: Case) -> None:
    """The database's server dies and is started again."""

    def kill(server: postgres.Server) -> None:
        server.kill()
        server.start()

    _on_postgres(case, kill)


def _on_postgres(case: Case, happen: Callable[[postgres.Server], None]) -> None:
    server = case.using(postgres.server(durability=""))
    case.set(catalogue=f"{server.url}/postgres")
    with case.running() as process:
        happen(server)
        code, words = ended(process)
    if code != Exit.OK:
        assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
        case.resume()


def _end_connections(url: str) -> None:
    engine = sa.create_engine(f"{url}/postgres")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
    engine.dispose()


def kill_elasticsearch(case: Case) -> None:
    """The search cluster dies while it is loaded and is started again."""
    server = case.using(elasticsearch.elasticsearch())
    case.set(elasticsearch=server.url)
    with case.running() as process:
        os.killpg(server.group, signal.SIGKILL)
        case.using(elasticsearch.started_again(server))
        code, words = ended(process)
    if code != Exit.OK:
        assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
        case.resume()


def kill_tika_server(case: Case) -> None:
    """The Tika server dies for good: the embedded Tika reads on, and each such item says so."""
    server = case.using(tika.tika())
    case.set(tika_server=server.url)
    with case.running(0.05, 0.4) as process:
        os.killpg(server.group, signal.SIGKILL)
        assert ended(process)[0] == Exit.OK
    with case.opened() as home:
        told = [one["warnings"] for one in items(home, case.request_id, with_text=False)]
    alone = sum(WarningCode.WITHOUT_SERVER in warnings for warnings in told)
    print(f"  {alone} items were read without the server")
    assert alone > 0


def several(case: Case) -> None:
    """A handful of them, one after another, in one request."""
    with case.running(0.05, 0.15) as process:
        case.kill(process, roles.extraction_workers)
        case.moment(process, 0.2, 0.3)
        case.kill(process, roles.workers)
        assert ended(process)[0] == Exit.INCOMPLETE
    with case.running(0.4, 0.5) as process:
        os.killpg(process.pid, signal.SIGKILL)
        assert ended(process)[0] == -signal.SIGKILL
    with case.running(0.6, 0.7) as process:
        process.terminate()
        assert ended(process)[0] == Exit.INTERRUPTED
    case.resume()


_DATED_BY_CLOCK = frozenset({"items"})
"""A time of a phone later than the clock's tomorrow is not trusted (``records.moments.epoch_moment``): such a
message has the warning ``bad_date`` while the clock is behind. What it is, and its state, is the same."""

TABLE = (
    Fault("several", several),
    Fault("extraction-worker-killed", kill_extraction_worker),
    Fault("worker-killed", kill_worker),
    Fault("fork-server-killed", kill_fork_server),
    Fault("command-killed", kill_command),
    Fault("everything-killed", kill_group),
    Fault("command-terminated", terminate),
    Fault("extraction-worker-stopped", stop_extraction_worker),
    Fault("segment-half-written", half_written_segment),
    Fault("disk-full", fill_disk),
    Fault("disk-slow", slow_disk),
    Fault("evidence-read-only", read_only_evidence),
    Fault("clock-jump", clock_jump, _DATED_BY_CLOCK),
    Fault("task-doubled", duplicate_task),
    Fault("database-connections-ended", terminate_backends),
    Fault("database-killed", kill_database),
    Fault("elasticsearch-killed", kill_elasticsearch),
    # An item that was read without the server says so, and names its damage in the other reader's words.
    Fault("tika-server-killed", kill_tika_server, frozenset({"items"})),
)
