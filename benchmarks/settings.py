"""Sizes, bars and the context that the parts share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SEED = 4256
"""Of every generated thing; the same seed gives the same bytes."""

MAIL_SETS = ("letters", "district", "real", "holders")
"""The data sets of ``mail``, in the order they are measured."""

EXPORT_SETS = ("sms", "messages", "takeout")
"""The exports of ``exports``, in the order they are measured."""

Figures = dict[str, Any]


class BenchmarkError(Exception):
    """Something that was measured went wrong, so its figures would mean nothing; says what to look at."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each thing.

    Attributes:
        name: ``tiny`` (tests), ``quick`` or ``full``; only figures of ``full`` go onto the page.
        letters: Messages of the generated text mail.
        district_items: Top items of the generated district, of which its Maildirs are a part.
        real_messages: Most messages taken of the real mail.
        repeats: Runs of each side of a comparison; their median counts.
        small: Messages of the smaller memory run, and of the text mail of ``share``.
        large: Messages of the larger memory run, of ``airflow``, and of the index that is queried.
        queries: Queries of each kind.
        warm_up: Queries of each kind that are asked before, and not counted.
        terms: Lines of the term list.
        documents: Office and PDF files.
        mailbox: Messages of the mailbox behind a service.
        mailbox_faster: How many times as fast the clock of that service runs.
        sms_bytes: Of an SMS backup.
        rows: Messages of a chat.db.
        takeout_bytes: Of a Takeout.
        headers: Messages whose header fields are threaded.
        outlook_bytes: Of Outlook data files with attachments.
        attached: Messages of the mail with attachments that is raced.
        attached_large: Messages of the larger memory run of that mail; None for no such run.
    """

    name: str
    letters: int
    district_items: int
    real_messages: int
    repeats: int
    small: int
    large: int
    queries: int
    warm_up: int
    terms: int
    documents: int
    mailbox: int
    mailbox_faster: int
    sms_bytes: int
    rows: int
    takeout_bytes: int
    headers: int
    outlook_bytes: int
    attached: int
    attached_large: int | None = None

    def with_large(self, messages: int) -> Sizes:
        """Return these sizes with another large size, a chat.db's too, and a tenth of it as the small one."""
        return replace(
            self,
            large=messages,
            small=max(1, messages // 10),
            rows=messages,
            attached_large=messages,
        )


SIZES = {
    "tiny": Sizes(
        name="tiny",
        letters=120,
        district_items=300,
        real_messages=60,
        repeats=1,
        small=60,
        large=120,
        queries=5,
        warm_up=1,
        terms=12,
        documents=8,
        mailbox=2_000,
        mailbox_faster=30,
        sms_bytes=1_000_000,
        rows=1_000,
        takeout_bytes=12_000_000,
        headers=2_000,
        outlook_bytes=12_000_000,
        attached=60,
    ),
    "quick": Sizes(
        name="quick",
        letters=2_000,
        district_items=2_000,
        real_messages=1_000,
        repeats=1,
        small=1_000,
        large=5_000,
        queries=40,
        warm_up=10,
        terms=200,
        documents=40,
        mailbox=5_000,
        mailbox_faster=12,
        sms_bytes=50_000_000,
        rows=50_000,
        takeout_bytes=500_000_000,
        headers=100_000,
        outlook_bytes=500_000_000,
        attached=500,
    ),
    "full": Sizes(
        name="full",
        letters=20_000,
        district_items=20_000,
        real_messages=1_000_000,
        repeats=3,
        small=10_000,
        large=100_000,
        queries=200,
        warm_up=10,
        terms=1_000,
        documents=400,
        mailbox=200_000,
        mailbox_faster=6,
        sms_bytes=2_000_000_000,
        rows=5_000_000,
        takeout_bytes=20_000_000_000,
        headers=1_000_000,
        outlook_bytes=10_000_000_000,
        attached=10_000,
    ),
}


@dataclass
class Bench:
    """What a part needs to measure.

    Attributes:
        sizes: How much.
        work: Empty folder for everything that is made; on a real disk, since fsync is on.
        cache: Folder that is kept between runs, for what was fetched.
        say: Takes words for a person.
        mail_sets: Which data sets ``mail`` and ``share`` measure, of ``MAIL_SETS``.
        export_sets: Which exports ``exports`` measures, of ``EXPORT_SETS``.
        letters: Maildirs made so far, by their number of messages.
        largest: Home and request id of the largest index made so far, and its number of messages.
    """

    sizes: Sizes
    work: Path
    cache: Path
    say: Callable[[str], None]
    mail_sets: tuple[str, ...] = MAIL_SETS
    export_sets: tuple[str, ...] = EXPORT_SETS
    letters: dict[int, Path] = field(default_factory=dict)
    largest: tuple[Path, str, int] | None = None


def daylight(home: Path, *arguments: str | Path) -> list[str]:
    """Return the command line of a ``daylight`` command; it is run in ``ROOT``."""
    return [sys.executable, "-m", "cli.main", "--home", str(home), *map(str, arguments)]


def clean_environment() -> dict[str, str]:
    """Return the environment without what changes the figures: settings of this project, of mu and of Python.

    Containers often tell Python to keep no bytecode: each process then compiles all it loads.
    """
    changing = ("DAYLIGHT_", "MU_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(changing)}


def default_cache() -> Path:
    """Return where what was fetched is kept: outside the checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "daylight-benchmarks"
