"""A large mailbox behind the fakes of Graph and EWS with their limits: how much of what is allowed is used.

The limits are published for real time, in which 200,000 messages take Graph three hours at least. So the
clock of both sides runs faster: the service's periods, balances and answers are so many times shorter, and
the connector is told the same period. What daylight does itself is not made faster, so that it has as many
times less time for each message than it would have.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks import watch
from benchmarks.runs import write_request
from benchmarks.settings import ROOT, Bench, BenchmarkError, Figures, clean_environment, daylight
from benchmarks.sheets import Sheet, figure, held

LEAST_SHARE = 0.9
MOST_GROWTH = 1.1
ACCOUNT = "large@example.org"
TERM, EVERY, FIRST = "driver 13 today", 97, 13
"""A phrase in every 97th message of the fakes, from the 14th on."""

GRAPH_PERIOD_S, GRAPH_LATENCY_S = 600, 0.1
EWS_PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True)
class Route:
    """A way to the mailbox.

    Attributes:
        connector: Its name.
        place: What is read.
        fake: Module that serves the mailbox.
        faster: How many times as fast the clock runs.
        options: Of the fake, beside size and clock.
        extra: What the connection holds beside the fake's own fields.
    """

    connector: str
    place: str
    fake: str
    faster: int
    options: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


def _routes(faster: int) -> dict[str, Route]:
    return {
        "graph": Route(
            "microsoft_graph", "mail", "tests.servers.graph", faster,
            ("--latency", str(GRAPH_LATENCY_S / faster)),
            {"requests_period_s": str(GRAPH_PERIOD_S // faster), "patience_s": "300"},
        ),
        "ews": Route(
            "exchange_ews", "primary", "tests.servers.ews", 2 * faster,
            extra={"patience_s": str(EWS_PATIENCE_S / (2 * faster))},
        ),
    }  # fmt: skip


@dataclass(slots=True)
class _Fake:
    """A fake that is up; ``said`` is what it counted, once it has ended."""

    connection: dict[str, Any]
    said: dict[str, Any] = field(default_factory=dict)


@contextmanager
def _served(route: Route, messages: int) -> Iterator[_Fake]:
    """Serve a mailbox from a process of its own, which does not count as the run's."""
    command = [sys.executable, "-m", route.fake, "--messages", str(messages), "--faster", str(route.faster)]
    with subprocess.Popen(
        [*command, *route.options],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise BenchmarkError(f"collect: {route.fake} did not start")
            fake = _Fake(json.loads(line))
            yield fake
            process.stdin.close()
            fake.said = json.loads(process.stdout.readline())
        finally:
            process.kill()


def measure(bench: Bench) -> Figures:
    """Run a request over the mailbox, by each route.

    Raises:
        BenchmarkError: A run failed, the ledger does not balance, or a message is missing.
    """
    messages = bench.sizes.mailbox
    routes = {
        name: _measured(bench, name, route, messages)
        for name, route in _routes(bench.sizes.mailbox_faster).items()
    }
    return {
        "messages": messages,
        "routes": routes,
        "least_share": LEAST_SHARE,
        "most_growth": MOST_GROWTH,
    }


def _measured(bench: Bench, name: str, route: Route, messages: int) -> Figures:
    bench.say(f"collect: {messages:,} messages by {name} …")
    home = bench.work / f"home-collect-{name}"
    source: dict[str, str | list[str]] = {
        "id": "mailbox", "connector": route.connector, "connection": "fake", "places": [route.place],
    }  # fmt: skip
    request = write_request(bench.work / f"request-collect-{name}", source, [f'"{TERM}"'], ACCOUNT)
    load = os.getloadavg()[0]
    with _served(route, messages) as fake:
        fake.connection["extra"] |= route.extra
        environment = {"AIRFLOW_CONN_FAKE": json.dumps(fake.connection)}

        def asked(*words: Any, memory: bool = False) -> watch.Measured:
            return watch.run(daylight(home, *words), work=bench.work, memory=memory, environment=environment)

        request_id = str(json.loads(asked("open", request).output)["request_id"])
        run = asked("run", request_id, "--local", memory=True)
        loads = [load, *os.getloadavg()[1:]]
        ledger = json.loads(asked("ledger", request_id).output)
        known = json.loads(asked("search", request_id, f'"{TERM}"', "--count").output)["documents"]
    _check(name, ledger, messages, known)
    shutil.rmtree(home)
    said = fake.said
    seconds = said["last_at"] - said["first_at"]
    return {
        "faster": route.faster,
        "seconds": seconds,
        "least_s": said["least_s"],
        "share": said["least_s"] / seconds,
        "messages_per_s": messages / seconds,
        "asked": said["asked"],
        "refused": said["refused"],
        "most_at_once": said["most_at_once"],
        "run_s": run.wall_s,
        "run_cpu_s": run.cpu_s,
        "peak_pss_bytes": run.peak_pss_bytes,
        "quarters": _quarters(run.memory, said["first_at"], said["last_at"]),
        "loads": loads,
    }


def _check(name: str, ledger: Mapping[str, Any], messages: int, known: int) -> None:
    """Raise unless every message is stored, and those that hold the phrase are found."""
    found, stored = (sum(scope[key] for scope in ledger["scopes"]) for key in ("found", "stored"))
    if not ledger["balanced"] or (found, stored) != (messages, messages):
        raise BenchmarkError(
            f"collect, {name}: {stored} of {messages} messages stored, balanced: {ledger['balanced']}"
        )
    expected = len(range(FIRST, messages, EVERY))
    if known != expected:
        raise BenchmarkError(f"collect, {name}: {known} messages hold the known phrase, not {expected}")


def _quarters(memory: list[tuple[float, int]], first: float, last: float) -> list[int]:
    """Return the highest sum in each quarter of the time in which the service was asked."""
    peaks = [0, 0, 0, 0]
    for at, size in memory:
        if first <= at < last:
            number = int(4 * (at - first) / (last - first))
            peaks[number] = max(peaks[number], size)
    return peaks


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows, notes = [], []
    least, most = figures["least_share"], figures["most_growth"]
    for name, one in figures["routes"].items():
        mib = [size / (1 << 20) for size in one["quarters"]]
        rows.append((
            name,
            figure(one["messages_per_s"]),
            figure(one["least_s"]),
            figure(one["seconds"]),
            f"{one['share']:.0%}",
            f"{one['refused']:,} of {one['asked']:,}",
            str(one["most_at_once"]),
            " · ".join(f"{size:,.0f}" for size in mib),
            figure(one["peak_pss_bytes"] / (1 << 20), 0),
            figure(one["run_s"]),
            figure(one["run_cpu_s"]),
        ))  # fmt: skip
        growth = mib[3] / mib[1] if mib[1] else 0.0
        notes.append(
            f"{name}, a clock {one['faster']} × as fast: at least {least:.0%} is "
            f"{held(one['share'] >= least)}; the last quarter takes {growth:.2f} × the memory of the second, "
            f"at most {most} × is {held(growth <= most)}; load {one['loads'][0]:.1f} before, "
            f"{one['loads'][2]:.1f} at the end."
        )
    notes.append(
        f"{figures['messages']:,} messages of one mailbox; ledger balanced, none failed, the known phrase "
        "found in exactly its messages."
    )
    columns = (
        "route", "messages/s", "the limits ask s", "it took s", "share", "refused", "at once",
        "peak PSS MiB by quarter", "of the run", "run s", "CPU s",
    )  # fmt: skip
    return [Sheet("A large mailbox within a service's limits", columns, tuple(rows), tuple(notes))]
