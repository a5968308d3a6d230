"""Mail end to end against ``mu`` and ``notmuch``: Maildir → stored → extracted → indexed → searchable."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import datasets, indexers
from benchmarks.datasets import MailSet
from benchmarks.indexers import Indexed
from benchmarks.runs import remember, run_local
from benchmarks.settings import Bench, BenchmarkError, Figures
from benchmarks.sheets import Sheet, figure, held

FLOOR, AIM = 2.0, 4.0
"""Times as fast as ``mu index``: what must be reached, what is aimed at."""

OF_NOTMUCH = 6.0
"""Times as fast as ``notmuch new``, on text mail."""


def measure(bench: Bench) -> Figures:
    """Measure the data sets; real mail that cannot be had says why and stops nothing.

    Raises:
        BenchmarkError: ``mu`` is not installed (Debian: maildir-utils), or a run failed.
    """
    if why := indexers.left_out("mu"):
        raise BenchmarkError(why)
    made: dict[str, Callable[[], MailSet]] = {
        "letters": lambda: datasets.letters(bench, bench.sizes.letters),
        "district": lambda: datasets.district(bench),
        "real": lambda: datasets.real(bench),
        "holders": lambda: datasets.holders(bench),
    }
    sets: dict[str, Any] = {}
    for name in bench.mail_sets:
        try:
            mail = made[name]()
        except datasets.NotHadError as error:
            bench.say(f"{name} is left out: {error}")
            sets[name] = {"left_out": str(error)}
        else:
            sets[name] = _compare(bench, mail)
    return {"sets": sets, "floor": FLOOR, "aim": AIM, "of_notmuch": OF_NOTMUCH}


def _compare(bench: Bench, mail: MailSet) -> Figures:
    ours, theirs, others = [], [], []
    without = indexers.left_out("notmuch")
    if without is not None:
        bench.say(f"mail, {mail.name}: without notmuch: {without}")
    for number in range(1, bench.sizes.repeats + 1):
        bench.say(f"mail, {mail.name}: {number} of {bench.sizes.repeats} …")
        datasets.warm(mail.maildir)
        run = run_local(bench, mail, bench.work / f"home-{mail.name}")
        ours.append((run.opening, run.running))
        datasets.warm(mail.maildir)
        theirs.append(_checked(mail, "mu", indexers.mu(bench, mail.maildir)))
        if without is None:
            datasets.warm(mail.maildir)
            others.append(_checked(mail, "notmuch", indexers.notmuch(bench, mail.maildir)))
    ledger = run.ledger
    if mail.name == "letters":
        remember(bench, run, mail.messages)
    else:
        shutil.rmtree(run.home)
    # The run with the median wall time stands for its side, with its own CPU seconds.
    opening, running = sorted(ours, key=lambda pair: pair[1].wall_s)[(len(ours) - 1) // 2]
    wall = median(run.wall_s for _, run in ours)
    peer, indexed = _typical(theirs)
    made = indexed.setting_up.wall_s if indexed.setting_up is not None else 0.0
    return {
        "messages": mail.messages,
        "size_bytes": mail.size_bytes,
        "documents": ledger["text"]["stored"],
        "failed": sum(scope["failed"] for scope in ledger["scopes"]),
        "balanced": ledger["balanced"],
        "open_s": opening.wall_s,
        "run_s": wall,
        "run_all_s": [r.wall_s for _, r in ours],
        "run_cpu_s": running.cpu_s,
        "messages_per_s": mail.messages / wall,
        "mu_messages": indexed.messages,
        "mu_init_s": made,
        "mu_index_s": peer,
        "mu_index_all_s": [one.indexing.wall_s for one in theirs],
        "mu_index_cpu_s": indexed.indexing.cpu_s,
        "mu_messages_per_s": indexed.messages / peer,
        "ratio": peer / wall,
        "ratio_with_set_up": (peer + made) / (wall + opening.wall_s),
        "cpu_ratio": indexed.indexing.cpu_s / running.cpu_s,
        "notmuch": _notmuch(others, wall, wall + opening.wall_s) if others else None,
        "without_notmuch": without,
    }


def _typical(runs: list[Indexed]) -> tuple[float, Indexed]:
    """Return the median wall time of a peer, and the run that has it."""
    wall = median(one.indexing.wall_s for one in runs)
    return wall, sorted(runs, key=lambda one: one.indexing.wall_s)[(len(runs) - 1) // 2]


def _notmuch(runs: list[Indexed], wall: float, with_set_up: float) -> Figures:
    peer, indexed = _typical(runs)
    return {
        "messages": indexed.messages,
        "index_s": peer,
        "index_all_s": [one.indexing.wall_s for one in runs],
        "index_cpu_s": indexed.indexing.cpu_s,
        "messages_per_s": indexed.messages / peer,
        "ratio": peer / wall,
        "ratio_with_set_up": peer / with_set_up,
    }


def _checked(mail: MailSet, program: str, indexed: Indexed) -> Indexed:
    """Return what a peer made, once it was seen to have nearly all: it passes over what it cannot read."""
    if indexed.messages < 0.9 * mail.messages:
        raise BenchmarkError(
            f"{program} has {indexed.messages} of the {mail.messages} messages of {mail.name}"
        )
    return indexed


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows, notes = [], []
    for name, one in figures["sets"].items():
        if "left_out" in one:
            notes.append(f"`{name}` was left out: {one['left_out']}")
            continue
        rows += _rows(name, one)
        notes.append(_note(name, one, figures))
    columns = (
        "data, program",
        "messages",
        "set-up s",
        "run s",
        "messages/s",
        "CPU s",
        "daylight is as fast",
        "with set-up",
    )
    title = "Mail end to end, `run --local`, `mu index` and `notmuch new`"
    return [Sheet(title, columns, tuple(rows), tuple(notes))]


def _rows(name: str, one: Figures) -> list[tuple[str, ...]]:
    """Return a row a program; that of a peer says how many times as fast daylight is."""
    rows = []
    for program, messages, set_up, wall, rate, cpu, ratio, whole in (
        ("daylight", one["messages"], one["open_s"], one["run_s"], one["messages_per_s"], one["run_cpu_s"],
         None, None),
        ("mu", one["mu_messages"], one["mu_init_s"], one["mu_index_s"], one["mu_messages_per_s"],
         one["mu_index_cpu_s"], one["ratio"], one["ratio_with_set_up"]),
        *(
            ("notmuch", other["messages"], None, other["index_s"], other["messages_per_s"],
             other["index_cpu_s"], other["ratio"], other["ratio_with_set_up"])
            for other in (one.get("notmuch"),)
            if other is not None
        ),
    ):  # fmt: skip
        rows.append((
            f"{name}, {program}",
            f"{messages:,}",
            figure(set_up),
            figure(wall),
            figure(rate, 0),
            figure(cpu),
            *("–" if value is None else f"{value:.2f} ×" for value in (ratio, whole)),
        ))  # fmt: skip
    return rows


def _note(name: str, one: Figures, figures: Figures) -> str:
    """Return the sentences below the table about one data set: what was read, and which bars are reached."""
    note = (
        f"{name}: mean message {one['size_bytes'] / one['messages'] / 1000:.1f} kB; {one['documents']:,} "
        f"documents, attachments included; {one['failed']} failed; ledger balanced. "
        f"Of `mu index`: floor {figures['floor']:.0f} × {held(one['ratio'] >= figures['floor'])}, "
        f"aim {figures['aim']:.0f} × {held(one['ratio'] >= figures['aim'])}."
    )
    other = one.get("notmuch")
    if other is None:
        return f"{note} Without notmuch: {one['without_notmuch']}." if one.get("without_notmuch") else note
    if name != "letters":
        return note
    least = figures["of_notmuch"]
    return f"{note} Of `notmuch new`: {least:.0f} × {held(other['ratio'] >= least)}."
