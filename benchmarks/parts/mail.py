"""Mail end to end against ``mu``: Maildir → stored → extracted → indexed → searchable, ledger balanced."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import datasets, watch
from benchmarks.datasets import MailSet
from benchmarks.runs import remember, run_local
from benchmarks.settings import Bench, BenchmarkError, Figures
from benchmarks.sheets import Sheet, figure, held

FLOOR, AIM = 2.0, 4.0
"""Times as fast as ``mu index``: what must be reached, what is aimed at."""


def measure(bench: Bench) -> Figures:
    """Measure the data sets; real mail that cannot be had says why and stops nothing.

    Raises:
        BenchmarkError: ``mu`` is not installed (Debian: maildir-utils), or a run failed.
    """
    if shutil.which("mu") is None:
        raise BenchmarkError("mu is not installed; it is the peer here (Debian package maildir-utils)")
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
    return {"sets": sets, "floor": FLOOR, "aim": AIM}


def _compare(bench: Bench, mail: MailSet) -> Figures:
    ours, theirs = [], []
    for number in range(1, bench.sizes.repeats + 1):
        bench.say(f"mail, {mail.name}: {number} of {bench.sizes.repeats} …")
        datasets.warm(mail.maildir)
        run = run_local(bench, mail, bench.work / f"home-{mail.name}")
        ours.append((run.opening, run.running))
        datasets.warm(mail.maildir)
        theirs.append(_mu(bench, mail))
    ledger = run.ledger
    if mail.name == "letters":
        remember(bench, run, mail.messages)
    else:
        shutil.rmtree(run.home)
    # The run with the median wall time stands for its side, with its own CPU seconds.
    opening, running = sorted(ours, key=lambda pair: pair[1].wall_s)[(len(ours) - 1) // 2]
    made, indexed, known = sorted(theirs, key=lambda one: one[1].wall_s)[(len(theirs) - 1) // 2]
    wall, peer = (median(side) for side in ([r.wall_s for _, r in ours], [i.wall_s for _, i, _ in theirs]))
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
        "mu_messages": known,
        "mu_init_s": made.wall_s,
        "mu_index_s": peer,
        "mu_index_all_s": [i.wall_s for _, i, _ in theirs],
        "mu_index_cpu_s": indexed.cpu_s,
        "mu_messages_per_s": known / peer,
        "ratio": peer / wall,
        "ratio_with_set_up": (peer + made.wall_s) / (wall + opening.wall_s),
        "cpu_ratio": indexed.cpu_s / running.cpu_s,
    }


def _mu(bench: Bench, mail: MailSet) -> tuple[watch.Measured, watch.Measured, int]:
    """Index with mu from nothing; return the costs of both its commands and how many messages it has."""
    home = bench.work / "mu"
    shutil.rmtree(home, ignore_errors=True)
    place = f"--muhome={home}"
    made = watch.run(["mu", "init", place, f"--maildir={mail.maildir.resolve()}"], work=bench.work)
    indexed = watch.run(["mu", "index", place, "--quiet"], work=bench.work)
    said = watch.run(["mu", "info", place], work=bench.work).output
    shutil.rmtree(home)
    found = re.search(r"messages in store\s*\|\s*(\d+)", said)
    if found is None or int(found.group(1)) < 0.9 * mail.messages:
        raise BenchmarkError(f"mu does not have the messages of {mail.name}: {said[-300:]}")
    return made, indexed, int(found.group(1))


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows, notes = [], []
    for name, one in figures["sets"].items():
        if "left_out" in one:
            notes.append(f"`{name}` was left out: {one['left_out']}")
            continue
        for side in ("daylight", "mu"):
            ours = side == "daylight"
            rows.append((
                f"{name}, {side}",
                f"{one['messages' if ours else 'mu_messages']:,}",
                figure(one["open_s" if ours else "mu_init_s"]),
                figure(one["run_s" if ours else "mu_index_s"]),
                f"{one['messages_per_s' if ours else 'mu_messages_per_s']:,.0f}",
                figure(one["run_cpu_s" if ours else "mu_index_cpu_s"]),
                f"{one['ratio']:.2f} ×" if ours else "1",
                f"{one['ratio_with_set_up']:.2f} ×" if ours else "1",
            ))  # fmt: skip
        notes.append(
            f"{name}: mean message {one['size_bytes'] / one['messages'] / 1000:.1f} kB; {one['documents']:,} "
            f"documents, attachments included; {one['failed']} failed; ledger balanced. "
            f"Floor {figures['floor']:.0f} × {held(one['ratio'] >= figures['floor'])}, "
            f"aim {figures['aim']:.0f} × {held(one['ratio'] >= figures['aim'])}."
        )
    columns = (
        "data, program",
        "messages",
        "set-up s",
        "run s",
        "messages/s",
        "CPU s",
        "as fast",
        "with set-up",
    )
    return [Sheet("Mail end to end, `run --local` and `mu index`", columns, tuple(rows), tuple(notes))]
