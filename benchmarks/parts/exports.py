"""Large exports of personal phones and accounts: how fast they go through, and in how much memory.

Each is generated at a tenth of its size and at its size, then planned and collected as a run does it
(``benchmarks.collecting``). What a common open reader makes of the same files stands beside; none of them
keeps originals, so that their rates are those of reading alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import readers, watch
from benchmarks.handed import Handed, phone, sms, takeout
from benchmarks.runs import write_request
from benchmarks.settings import SEED, Bench, BenchmarkError, Figures, daylight
from benchmarks.sheets import Sheet, figure, held

MOST_MIB = 500
MOST_GROWTH = 1.2
TENTH = 10


@dataclass(frozen=True, slots=True)
class Export:
    """A kind of export.

    Attributes:
        set: As ``--sets`` names it.
        connector: That reads it.
        written: Writes one of a size into a folder.
        size: Of the whole one: bytes, or rows.
        of: What the size counts.
        peers: Gives the common open readers of it.
        peers_at: Which of the two sizes they read, 0 for the tenth, 1 for the whole: the tenth where they
            would take longer than all else.
    """

    set: str
    connector: str
    written: Callable[[Path, int, int], Handed]
    size: int
    of: str
    peers: Callable[[Bench], list[readers.Reader]]
    peers_at: int = 1


def _exports(bench: Bench) -> dict[str, Export]:
    sizes = bench.sizes
    kinds = (
        Export("sms", "sms_backup_restore", sms.write_backup, sizes.sms_bytes, "bytes", readers.of_sms),
        Export("messages", "imessage", phone.write_messages, sizes.rows, "rows", readers.of_messages),
        Export(
            "takeout",
            "google_takeout",
            takeout.write_export,
            sizes.takeout_bytes,
            "bytes",
            readers.of_takeout,
            peers_at=0,
        ),
    )
    return dict(zip(("SMS backup", "chat.db", "Takeout"), kinds, strict=True))


def measure(bench: Bench) -> Figures:
    """Collect each export at a tenth of its size and at its size, then ask its readers.

    Raises:
        BenchmarkError: A run failed, an item is in no state or in two, or the paths do not add up.
    """
    figures: Figures = {}
    for name, export in _exports(bench).items():
        if export.set not in bench.export_sets:
            continue
        runs = []
        for number, size in enumerate((max(1, export.size // TENTH), export.size)):
            folder = bench.work / "handed"
            bench.say(f"exports: {name}, {size:,} {export.of} …")
            handed = export.written(folder, size, SEED)
            # how fast daylight reads is the same at any size, so that the smaller one will do
            runs.append(_collected(bench, name, export, handed, read=number == 0))
            if number == export.peers_at:
                peers, left_out = _asked(bench, export, handed)
            shutil.rmtree(folder)
        figures[name] = {
            "connector": export.connector,
            "runs": runs,
            "peers": peers,
            "peers_at": export.peers_at,
            "left_out": left_out,
        }
    return {"exports": figures, "most_mib": MOST_MIB, "most_growth": MOST_GROWTH}


def _collected(bench: Bench, name: str, export: Export, handed: Handed, *, read: bool) -> Figures:
    """Plan and collect from an empty home, and check that all adds up; then only read, where wanted."""
    home = bench.work / "home-exports"
    source = {"id": "handed", "connector": export.connector, "path": str(handed.path.resolve())}
    request = write_request(bench.work / "request-exports", source, ["bus"])
    opened = watch.run(daylight(home, "open", request), work=bench.work)
    request_id = str(json.loads(opened.output)["request_id"])
    load = os.getloadavg()[0]
    command = [sys.executable, "-m", "benchmarks.collecting", str(home), request_id]
    run = watch.run(command, work=bench.work, memory=True)
    said = json.loads(run.output)
    _check(name, said["ledger"], handed)
    alone = json.loads(watch.run([*command, "--read"], work=bench.work).output)["scopes"] if read else {}
    shutil.rmtree(home)
    seconds = said["plan"]["wall_s"] + said["collect_s"]
    return {
        "messages": handed.messages,
        "items": handed.stored + handed.failed + handed.excluded,
        "paths": handed.paths,
        "size_bytes": handed.size_bytes,
        "plan_s": said["plan"]["wall_s"],
        "collect_s": said["collect_s"],
        "plan_cpu_s": said["plan"]["cpu_s"],
        "run_cpu_s": run.cpu_s,
        "messages_per_s": handed.messages / seconds,
        "mb_per_s": handed.size_bytes / 1e6 / seconds,
        "peak_pss_bytes": run.peak_pss_bytes,
        "processes": run.processes,
        "peak_rss_bytes": run.peak_rss_bytes,
        "scopes": said["scopes"],
        "read_alone": alone,
        "load": load,
    }


def _check(name: str, ledger: Mapping[str, Any], handed: Handed) -> None:
    """Raise unless each item is in the one state that it should be in, and each path has its fate."""
    found, stored, failed, excluded = (
        sum(scope[key] for scope in ledger["scopes"]) for key in ("found", "stored", "failed", "excluded")
    )
    expected = (handed.stored, handed.failed, handed.excluded)
    if (stored, failed, excluded) != expected or found != sum(expected):
        raise BenchmarkError(
            f"exports, {name}: {stored} stored, {failed} failed, {excluded} excluded of {found}; "
            f"there are {expected}"
        )
    if unbalanced := [scope["scope"] for scope in ledger["scopes"] if not scope["balanced"]]:
        raise BenchmarkError(f"exports, {name}: {len(unbalanced)} places do not balance: {unbalanced[:3]}")
    (paths,) = ledger["exports"]
    if (paths["paths"], paths["unknown"], paths["balanced"]) != (handed.paths, 0, True):
        raise BenchmarkError(f"exports, {name}: of {handed.paths} paths it tells {paths}")


def _asked(bench: Bench, export: Export, handed: Handed) -> tuple[list[Figures], str]:
    """Let the readers read the same files; returns what each cost, or why there are none."""
    try:
        wanted = export.peers(bench)
    except readers.NotHadError as error:
        return [], str(error)
    found, failed = [], []
    for reader in wanted:
        bench.say(f"exports: {reader.name} …")
        out = bench.work / "read"
        out.mkdir()
        try:
            run = watch.run(reader.made(handed.path, out), work=bench.work, memory=True)
        except BenchmarkError as error:  # costs only itself: the others are long runs
            bench.say(str(error))
            failed.append(f"{reader.name} broke off")
            continue
        finally:
            shutil.rmtree(out)
        found.append({
            "name": reader.name,
            "what": reader.what,
            "scope": reader.scope,
            "does": reader.does,
            "wall_s": run.wall_s,
            "cpu_s": run.cpu_s,
            "peak_pss_bytes": run.peak_pss_bytes,
            "peak_rss_bytes": run.peak_rss_bytes,
        })  # fmt: skip
    return found, "; ".join(failed)


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    return [_through(figures), _beside(figures)]


def _through(figures: Figures) -> Sheet:
    rows, notes = [], []
    most, growth = figures["most_mib"], figures["most_growth"]
    for name, export in figures["exports"].items():
        rows += [
            (
                f"{name}, {_size(run)}",
                f"{run['items']:,}",
                figure(run["plan_s"]),
                figure(run["collect_s"]),
                figure(run["run_cpu_s"]),
                figure(run["messages_per_s"], 0),
                figure(run["mb_per_s"]),
                figure(_mib(run["peak_pss_bytes"]), 0),
                figure(_mib(run["peak_rss_bytes"]), 0),
            )
            for run in export["runs"]
        ]
        small, large = export["runs"]
        ratio = large["peak_pss_bytes"] / small["peak_pss_bytes"]
        peak = _mib(large["peak_pss_bytes"])
        notes.append(
            f"{name}: below {most} MiB is {held(peak < most)}; ten times the size takes {ratio:.2f} × the "
            f"memory, at most {growth} × is {held(ratio <= growth)}; load {small['load']:.1f} before the "
            f"first run, {large['load']:.1f} before the second."
        )
    notes.append(
        "Each item is in the one state that the generator says, each place balances, and each path of an "
        "export has its fate. Peak PSS is the highest sum over all processes, peak RSS that of the "
        "largest one."
    )
    columns = (
        "export", "items", "plan s", "collect s", "CPU s", "messages/s", "MB/s", "peak PSS MiB",
        "peak RSS MiB",
    )  # fmt: skip
    return Sheet("Large exports of phones and accounts", columns, tuple(rows), tuple(notes))


def _beside(figures: Figures) -> Sheet:
    rows: list[tuple[str, ...]] = []
    notes = []
    for name, export in figures["exports"].items():
        small, run = export["runs"]
        whole = run["plan_s"] + run["collect_s"]
        peak = figure(_mib(run["peak_pss_bytes"]), 0)
        cpu = run["run_cpu_s"]
        all_items = _rate(run["items"], cpu)
        rows.append((f"{name}, daylight, all it does", figure(whole), figure(cpu), all_items, peak))
        for peer in export["peers"] or [{"scope": ""}]:
            read = [one for key, one in small["read_alone"].items() if key.startswith(peer["scope"])]
            items, spent = (sum(one[what] for one in read) for what in ("items", "cpu_s"))
            rows.append((
                f"{name}, {peer.get('what', 'all messages')}, daylight, reading alone, a tenth", "–",
                figure(spent), _rate(items, spent), "–",
            ))  # fmt: skip
        for peer in export["peers"]:
            scopes = export["runs"][export["peers_at"]]["scopes"].items()
            there = sum(one["items"] for key, one in scopes if key.startswith(peer["scope"]))
            size = "" if export["peers_at"] else ", a tenth"
            rows.append((
                f"{name}, {peer['what']}, {peer['name']}{size}",
                figure(peer["wall_s"]), figure(peer["cpu_s"]),
                _rate(there, peer["cpu_s"]), figure(_mib(peer["peak_pss_bytes"]), 0),
            ))  # fmt: skip
            notes.append(f"{peer['name']}: {peer['does']}.")
        if export["left_out"]:
            notes.append(f"{name}: left out: {export['left_out']}.")
    notes.append(
        "daylight, all it does: plans, counts by a second route, keeps every original byte with its hash and "
        "its place in the catalogue. Reading alone: every item with its bytes, cut out and told of, and "
        "nothing kept; a tenth of the size."
    )
    columns = ("export, program", "wall s", "CPU s", "items per CPU s", "peak PSS MiB")
    return Sheet("Exports beside their common open readers", columns, tuple(rows), tuple(notes))


def _rate(items: int, seconds: float) -> str:
    return figure(items / seconds, 0) if seconds else "–"


def _size(run: Figures) -> str:
    size = run["size_bytes"]
    amount = f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
    return f"{amount}, {run['messages']:,} messages"


def _mib(size: float) -> float:
    return size / (1 << 20)
