"""Mail with Office and PDF attachments, end to end, against ``recollindex`` on the same Maildir.

Every file that hangs on a letter holds a word that stands in files of its kind only. A run of daylight counts
when it finds each of these words in every file that has it, and every letter and file is in its ledger. What
the peer finds of them is told.
"""

from __future__ import annotations

import shutil
from statistics import median

import sqlalchemy as sa

from benchmarks import attached, datasets, indexers
from benchmarks.datasets import MailSet
from benchmarks.parts.memory import MOST_BYTES, MOST_GROWTH
from benchmarks.runs import LocalRun, run_local
from benchmarks.settings import Bench, Figures
from benchmarks.sheets import Sheet, figure, held
from desk.home import Home
from records import tables as t
from records.settings import Settings

LEAST = 2.0
"""Times as fast as ``recollindex``."""


def measure(bench: Bench) -> Figures:
    """Race, then look at the memory of the same run, and of a larger one where one was asked for.

    Raises:
        BenchmarkError: A run failed, missed a word, or kept other files than there are.
    """
    mail = datasets.attached(bench, bench.sizes.attached)
    why = indexers.left_out("recollindex")
    if why is not None:
        bench.say(f"attachments: without a peer: {why}")
    race = _race(bench, mail, has_peer=why is None)
    memory = [_memory(bench, mail)]
    if bench.sizes.attached_large is not None:
        memory.append(_memory(bench, datasets.attached(bench, bench.sizes.attached_large)))
    return {
        **race,
        "left_out": why,
        "least": LEAST,
        "memory": memory,
        "most_bytes": MOST_BYTES,
        "most_growth": MOST_GROWTH,
    }


def _race(bench: Bench, mail: MailSet, *, has_peer: bool) -> Figures:
    ours, theirs = [], []
    kept = (0, 0)
    for number in range(1, bench.sizes.repeats + 1):
        bench.say(f"attachments: {number} of {bench.sizes.repeats} …")
        datasets.warm(mail.maildir)
        run = run_local(bench, mail, bench.work / "home-attached")
        ours.append(run)
        kept = _kept(run)
        shutil.rmtree(run.home)
        if has_peer:
            datasets.warm(mail.maildir)
            theirs.append(indexers.recoll(bench, mail.maildir, [word for word, _ in mail.known]))
    # The run with the median wall time stands for its side, with its own CPU seconds.
    middle = sorted(ours, key=lambda one: one.running.wall_s)[(len(ours) - 1) // 2]
    wall = median(one.running.wall_s for one in ours)
    files, size = kept
    return {
        "messages": mail.messages,
        "size_bytes": mail.size_bytes,
        "attachments": files,
        "attached_bytes": size,
        "documents": middle.ledger["text"]["stored"],
        "open_s": middle.opening.wall_s,
        "run_s": wall,
        "run_all_s": [one.running.wall_s for one in ours],
        "run_cpu_s": middle.running.cpu_s,
        "planted": _planted(mail),
        "peer": _peer(theirs, wall) if theirs else None,
    }


def _planted(mail: MailSet) -> list[Figures]:
    """Return where each known word stands, and in how many documents; daylight has found them all."""
    places = {word: place for place, word in attached.WORDS.items()}
    return [
        {"place": places.get(word, "letters"), "word": word, "documents": count} for word, count in mail.known
    ]


def _peer(runs: list[indexers.Recolled], wall: float) -> Figures:
    middle = sorted(runs, key=lambda one: one.indexing.wall_s)[(len(runs) - 1) // 2]
    peer = median(one.indexing.wall_s for one in runs)
    return {
        "messages": middle.messages,
        "found": middle.found,
        "missing": middle.missing,
        "index_s": peer,
        "index_all_s": [one.indexing.wall_s for one in runs],
        "index_cpu_s": middle.indexing.cpu_s,
        "ratio": peer / wall,
    }


def _kept(run: LocalRun) -> tuple[int, int]:
    """Return how many files a run kept that hung on letters, and their bytes."""
    i = t.items.c
    wanted = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(i.size_bytes), 0)).where(
        i.request_id == run.request_id, i.level == 1, i.state == "stored"
    )
    home = Home.open(settings=Settings(home=run.home))
    try:
        with home.catalogue.read() as connection:
            files, size = connection.execute(wanted).one()
    finally:
        home.close()
    return int(files), int(size)


def _memory(bench: Bench, mail: MailSet) -> Figures:
    bench.say(f"attachments: memory at {mail.messages:,} messages …")
    run = run_local(bench, mail, bench.work / "home-attached-memory", memory=True)
    shutil.rmtree(run.home)
    return {
        "messages": mail.messages,
        "attachments": mail.attachments,
        "peak_pss_bytes": run.running.peak_pss_bytes,
        "processes": run.running.processes,
        "samples": run.running.samples,
        "run_s": run.running.wall_s,
        "run_cpu_s": run.running.cpu_s,
    }


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    return [_speed(figures), _found(figures), _sizes(figures)]


def _speed(figures: Figures) -> Sheet:
    peer = figures["peer"]
    sides = [("daylight", figures["run_s"], figures["run_cpu_s"], figures["messages"])]
    if peer is not None:
        sides.append(("recollindex", peer["index_s"], peer["index_cpu_s"], peer["messages"]))
    rows = []
    for name, wall, cpu, messages in sides:
        fast = f"{peer['index_s'] / wall:.2f} ×" if peer is not None else "–"
        per_s = (figure(count / wall, 0) for count in (messages, figures["attachments"]))
        rows.append((name, f"{messages:,}", figure(wall), figure(cpu), *per_s, fast))
    mean = figures["attached_bytes"] / max(1, figures["attachments"]) / 1000
    notes = [
        f"{figures['messages']:,} messages, {figures['size_bytes'] / 1e6:,.0f} MB, with "
        f"{figures['attachments']:,} files (pdf, docx, xlsx, pptx) of {mean:.0f} kB on average; "
        f"{figures['documents']:,} documents; ledger balanced; `daylight open` took "
        f"{figures['open_s']:.1f} s."
    ]
    if peer is None:
        notes.append(f"Without a peer: {figures['left_out']}.")
    else:
        reached = held(peer["ratio"] >= figures["least"])
        notes.append(f"Bar: {figures['least']:.0f} × as fast as `recollindex`, {reached}.")
    columns = ("program", "messages", "run s", "CPU s", "messages/s", "attachments/s", "as fast")
    title = "Mail with Office and PDF attachments, `run --local` and `recollindex`"
    return Sheet(title, columns, tuple(rows), tuple(notes))


def _found(figures: Figures) -> Sheet:
    peer = figures["peer"]
    rows = []
    for one in figures["planted"]:
        theirs = "–" if peer is None else f"{peer['found'][one['word']]:,}"
        rows.append((one["place"], f"{one['documents']:,}", f"{one['documents']:,}", theirs))
    notes = []
    if peer is not None and peer["missing"]:
        notes.append(f"recollindex lacked helpers: {peer['missing']}.")
    columns = ("planted in", "documents", "daylight finds", "recollindex finds")
    return Sheet("What is found of the words that were planted", columns, tuple(rows), tuple(notes))


def _sizes(figures: Figures) -> Sheet:
    runs = figures["memory"]
    rows = tuple(
        (
            f"{run['messages']:,} messages, {run['attachments']:,} files",
            figure(run["peak_pss_bytes"] / (1 << 20), 0),
            str(run["processes"]),
            str(run["samples"]),
            figure(run["run_s"]),
            figure(run["run_cpu_s"]),
        )
        for run in runs
    )
    most, growth = figures["most_bytes"], figures["most_growth"]
    below = held(runs[-1]["peak_pss_bytes"] < most)
    notes = [f"Bar: below {most / (1 << 20):,.0f} MiB, {below}."]
    if len(runs) > 1:
        more = runs[-1]["messages"] / runs[0]["messages"]
        ratio = runs[-1]["peak_pss_bytes"] / runs[0]["peak_pss_bytes"]
        notes.append(
            f"{more:.0f} times the messages take {ratio:.2f} × the memory; at most {growth} × is "
            f"{held(ratio <= growth)}."
        )
    columns = ("run", "peak PSS MiB", "processes then", "samples", "run s", "CPU s")
    return Sheet("Memory of `run --local` over mail with attachments", columns, rows, tuple(notes))
