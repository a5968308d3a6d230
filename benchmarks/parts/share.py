"""Where the time goes: CPU seconds of each step, and within them of the evidence store and the catalogue.

The steps run one after the other in this process, each over all batches. The store's part is measured around
its writer (hash, compress, write, fsync), the catalogue's around its writing transactions; what is left of a
step is the step's own work. Wall seconds beside CPU seconds show what waited for the disk. Beside them stands
the whole command on the same mail: what it takes beyond the steps is the start of its processes, and that two
of them at once are slower than one.
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

from benchmarks import datasets
from benchmarks.datasets import MailSet
from benchmarks.runs import request_file, run_local
from benchmarks.settings import Bench, BenchmarkError, Figures
from benchmarks.sheets import Sheet, figure
from desk import run
from desk.batch import BatchRunner
from desk.home import Home
from desk.register import open_request
from records.catalogue import Catalogue
from records.evidence import SegmentWriter
from records.settings import Settings

RUN_KEY = "local-benchmark"


@dataclass(slots=True)
class _Spent:
    """Seconds spent in one place."""

    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Add what passes inside."""
        cpu, wall = time.process_time(), time.monotonic()
        try:
            yield
        finally:
            self.cpu_s += time.process_time() - cpu
            self.wall_s += time.monotonic() - wall


def measure(bench: Bench) -> Figures:
    """Run the steps of one request for each data set, one after the other.

    Raises:
        BenchmarkError: The ledger does not balance.
    """
    made: dict[str, Callable[[], MailSet]] = {
        "letters": lambda: datasets.letters(bench, bench.sizes.small),
        "district": lambda: datasets.district(bench),
        "real": lambda: datasets.real(bench),
    }
    sets: dict[str, Any] = {}
    for name in bench.mail_sets:
        if name not in made:
            continue  # several mailboxes of the same mail have the same steps
        try:
            sets[name] = _of_set(bench, made[name]())
        except datasets.NotHadError as error:
            bench.say(f"{name} is left out: {error}")
            sets[name] = {"left_out": str(error)}
    return {"sets": sets}


def _of_set(bench: Bench, mail: MailSet) -> Figures:
    folder = bench.work / "home-share"
    shutil.rmtree(folder, ignore_errors=True)
    bench.say(f"share, {mail.name}: {mail.messages:,} messages, step by step …")
    datasets.warm(mail.maildir)
    home = Home.open(settings=Settings(home=folder, workers=1))
    try:
        request_id, _ = open_request(home, request_file(bench, mail), by="benchmark")
        steps = _steps(home, request_id)
    finally:
        home.close()
        shutil.rmtree(folder)
    datasets.warm(mail.maildir)
    whole = run_local(bench, mail, folder)
    shutil.rmtree(folder)
    return {
        "messages": mail.messages,
        "steps": steps,
        "run_s": whole.running.wall_s,
        "run_cpu_s": whole.running.cpu_s,
    }


def _steps(home: Home, request_id: str) -> list[Figures]:
    run.open_run(home, request_id, RUN_KEY)
    steps = [_step("plan", lambda: run.plan(home, request_id, RUN_KEY))]
    batch_ids = [batch_id for batch_id, _ in run.waiting_batches(home, request_id)]
    for name in ("collect", "extract", "index"):
        runner = BatchRunner(home, home.request(request_id))
        steps.append(_step(name, partial(_each, getattr(runner, name), batch_ids), runner.close))
    counted: dict[str, Any] = {}
    steps.append(_step("reconcile", lambda: counted.update(run.reconcile(home, request_id, RUN_KEY))))
    if not counted["balanced"]:
        raise BenchmarkError("share: the ledger does not balance")
    steps += [
        _step(name, partial(getattr(run, name), home, request_id, RUN_KEY))
        for name in ("terms", "flag", "finish")
    ]
    return steps


def _each(step: Callable[[str], int], batch_ids: list[str]) -> None:
    for batch_id in batch_ids:
        step(batch_id)


def _step(name: str, work: Callable[[], object], close: Callable[[], None] | None = None) -> Figures:
    whole, store, catalogue = _Spent(), _Spent(), _Spent()
    children = _children_s()
    with _clocked(store, catalogue), whole.counted():
        work()
    if close is not None:
        close()  # the extraction worker's seconds are known once it has ended
    return {
        "step": name,
        "wall_s": whole.wall_s,
        "own_cpu_s": whole.cpu_s,
        "worker_cpu_s": _children_s() - children,
        "store_cpu_s": store.cpu_s,
        "store_wall_s": store.wall_s,
        "catalogue_cpu_s": catalogue.cpu_s,
        "catalogue_wall_s": catalogue.wall_s,
    }


def _children_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@contextmanager
def _clocked(store: _Spent, catalogue: _Spent) -> Iterator[None]:
    """Put clocks around the store's writer and the catalogue's writing transactions."""
    add, sync, write = SegmentWriter.add, SegmentWriter.sync, Catalogue.write

    def timed_add(writer: SegmentWriter, *given: Any) -> Any:
        with store.counted():
            return add(writer, *given)

    def timed_sync(writer: SegmentWriter) -> None:
        with store.counted():
            sync(writer)

    @contextmanager
    def timed_write(of: Catalogue) -> Iterator[Any]:
        with catalogue.counted(), write(of) as connection:
            yield connection

    with (
        mock.patch.object(SegmentWriter, "add", timed_add),
        mock.patch.object(SegmentWriter, "sync", timed_sync),
        mock.patch.object(Catalogue, "write", timed_write),
    ):
        yield


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables, one a data set."""
    found = []
    for name, one in figures["sets"].items():
        title = f"Where the time goes: {name}"
        if "left_out" in one:
            found.append(Sheet(title, _COLUMNS, (), (f"Left out: {one['left_out']}",)))
        else:
            found.append(_sheet(title, one))
    return found


_COLUMNS = ("step", "wall s", "CPU s", "worker", "store", "catalogue", "rest", "share")


def _sheet(title: str, figures: Figures) -> Sheet:
    steps = figures["steps"]
    total = sum(step["own_cpu_s"] + step["worker_cpu_s"] for step in steps)
    rows = []
    for step in steps:
        cpu = step["own_cpu_s"] + step["worker_cpu_s"]
        rest = step["own_cpu_s"] - step["store_cpu_s"] - step["catalogue_cpu_s"]
        cells = (cpu, step["worker_cpu_s"], step["store_cpu_s"], step["catalogue_cpu_s"], rest)
        rows.append((
            step["step"],
            figure(step["wall_s"]),
            *(figure(cell, 2) for cell in cells),
            f"{cpu / total:.0%}",
        ))  # fmt: skip
    sums = {name: sum(step[name] for step in steps) for name in steps[0] if name != "step"}
    beyond = figures["run_cpu_s"] - total
    note = (
        f"{figures['messages']:,} messages, one step after the other in one process; shares are of all. "
        f"Evidence store {sums['store_cpu_s'] / total:.0%} of {total:.1f} CPU s, catalogue and ledger "
        f"{sums['catalogue_cpu_s'] / total:.0%}; in wall seconds {sums['store_wall_s']:.1f} and "
        f"{sums['catalogue_wall_s']:.1f} of {sums['wall_s']:.1f}, fsync included. The command `run --local` "
        f"takes {figures['run_cpu_s']:.1f} CPU s in {figures['run_s']:.1f} s: {beyond:.1f} CPU s beyond the "
        "steps, for the start of its processes and for two at once."
    )
    return Sheet(title, _COLUMNS, tuple(rows), (note,))
