"""The same queries asked of ``mu`` and ``notmuch``, for those that they can express.

Each is asked as a person would: how many, and the first ten. ``daylight`` counts exactly, logs the query and
shows snippets; it is asked in a process that is up, as its pages are. The peers are programs that start for
each question (a few milliseconds, shown as the time of a question that finds nothing).
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import datasets, index, indexers
from benchmarks.parts.query import PAGE, summed, timed
from benchmarks.settings import Bench, BenchmarkError, Figures, clean_environment
from benchmarks.sheets import Sheet, figure
from benchmarks.vocabulary import NEAR, Draw

KINDS = ("phrase", "near", "word", "common word", "prefix", "AND")
NOTHING = "qqqqxxqqqq"

Ask = Callable[[str], int | None]
"""Answers a query of ours and returns how many documents match; None where the peer cannot say it."""


def measure(bench: Bench) -> Figures:
    """Ask each kind of query of the three, over the largest text mail of this run.

    Raises:
        BenchmarkError: A peer is not installed (Debian: maildir-utils, notmuch), or failed.
    """
    for program in ("mu", "notmuch"):
        if why := indexers.left_out(program):
            raise BenchmarkError(why)
    with index.largest(bench) as (home, request_id, messages):
        maildir = datasets.letters(bench, messages).maildir.resolve()
        bench.say(f"peers: mu and notmuch index {messages:,} messages …")
        peers = {"mu": _mu(bench, maildir), "notmuch": _notmuch(bench, maildir)}
        draw, engine = Draw.of(home, request_id), home.engine(request_id)
        kinds: Figures = {}
        for kind in KINDS:
            bench.say(f"peers: {kind} …")
            warm_up = bench.sizes.warm_up
            drawn = [draw.query(kind) for _ in range(warm_up + bench.sizes.queries)]
            kinds[kind] = {
                "daylight": summed([timed(home, engine, request_id, one) for one in drawn][warm_up:]),
                **{name: _asked(ask, drawn[warm_up:]) for name, ask in peers.items()},
            }
        starts = {name: _asked(ask, [NOTHING] * 20) for name, ask in peers.items()}
        engine.close()
    return {"messages": messages, "kinds": kinds, "starts": starts}


def _asked(ask: Ask, queries: list[str]) -> Figures | None:
    taken: list[tuple[float, int]] = []
    for query in queries:
        began = time.perf_counter()
        documents = ask(query)
        if documents is None:
            return None
        taken.append(((time.perf_counter() - began) * 1000, documents))
    return summed(taken)


def _said(command: list[str], *, fine: tuple[int, ...] = (0,), config: Path | None = None) -> str:
    environment = clean_environment()
    if config is not None:
        environment["NOTMUCH_CONFIG"] = str(config)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in fine:
        raise BenchmarkError(f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


def _mu(bench: Bench, maildir: Path) -> Ask:
    home = f"--muhome={bench.work / 'mu-asked'}"
    _said(["mu", "init", home, f"--maildir={maildir}"])
    _said(["mu", "index", home, "--quiet"])

    def ask(query: str) -> int | None:
        if " w/" in query:
            return None  # mu knows no distance
        wanted = query.replace(" AND ", " and ")
        # It counts by listing; 4 is its way to say that nothing matches.
        listed = _said(["mu", "find", home, "--fields", "i", wanted], fine=(0, 2, 4))
        _said(["mu", "find", home, f"--maxnum={PAGE}", "--fields", "d f s", wanted], fine=(0, 2, 4))
        return listed.count("\n")

    return ask


def _notmuch(bench: Bench, maildir: Path) -> Ask:
    config = indexers.notmuch_config(bench.work / "notmuch", maildir)
    _said(["notmuch", "new", "--quiet"], config=config)

    def ask(query: str) -> int | None:
        # notmuch-search-terms(7): NEAR counts from one word to the other, as w/N does.
        wanted = re.sub(r"^(\w+) w/(\d+) (\w+)$", r"\1 NEAR/\2 \3", query).replace(" AND ", " and ")
        found = int(_said(["notmuch", "count", wanted], config=config))
        _said(["notmuch", "search", f"--limit={PAGE}", "--output=summary", wanted], config=config)
        return found

    return ask


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows = []
    for kind, sides in figures["kinds"].items():
        for name, one in sides.items():
            if one is None:
                rows.append((f"{kind}, {name}", "–", "–", "–", "cannot say it"))
                continue
            times = (figure(one["p50_ms"]), figure(one["p95_ms"]), figure(one["longest_ms"]))
            rows.append((f"{kind}, {name}", *times, f"{one['median_documents']:,}"))
    starts = ", ".join(f"{name} {figure(one['p50_ms'])} ms" for name, one in figures["starts"].items())
    note = (
        f"{figures['messages']:,} messages of text mail, the same queries on each side (near: w/{NEAR}): how "
        f"many, and the first {PAGE}. daylight in a process that is up, counted, logged, with snippets; the "
        f"peers by two calls of their program. A question that finds nothing: {starts}. The numbers of "
        "documents show where meanings differ: notmuch also looks for other forms of a word outside phrases."
    )
    columns = ("query, program", "p50 ms", "p95 ms", "longest ms", "documents, median")
    return [Sheet("Queries beside mu and notmuch", columns, tuple(rows), (note,))]
