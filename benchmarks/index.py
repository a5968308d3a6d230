"""The index that is queried: the largest one made in this run, or one made for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import datasets
from benchmarks.runs import remember, run_local
from benchmarks.settings import Bench
from desk.home import Home
from records.settings import Settings


@contextmanager
def largest(bench: Bench) -> Iterator[tuple[Home, str, int]]:
    """Open the home of the largest index; yields home, request id and number of messages.

    Raises:
        BenchmarkError: It had to be made, and that failed.
    """
    if bench.largest is None or bench.largest[2] < bench.sizes.large:
        mail = datasets.letters(bench, bench.sizes.large)
        bench.say(f"making an index of {mail.messages:,} messages …")
        remember(bench, run_local(bench, mail, bench.work / "home-index"), mail.messages)
    assert bench.largest is not None
    folder, request_id, messages = bench.largest
    home = Home.open(settings=Settings(home=folder))
    try:
        yield home, request_id, messages
    finally:
        home.engine(request_id).close()
        home.close()
