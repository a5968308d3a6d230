"""Threads of a million messages, from their header fields alone, in a process of its own."""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Iterator

from benchmarks import watch
from benchmarks.settings import SEED, Bench, Figures
from benchmarks.sheets import Sheet, figure, held

MOST_S = 60.0
"""1,000,000 messages."""


def measure(bench: Bench) -> Figures:
    """Thread generated headers.

    Raises:
        BenchmarkError: The process failed.
    """
    bench.say(f"threads: {bench.sizes.headers:,} messages …")
    script = f"from benchmarks.parts import threads; threads.main({bench.sizes.headers})"
    run = watch.run([sys.executable, "-c", script], work=bench.work)
    return {**json.loads(run.output), "most_s": MOST_S}


def headers(count: int, seed: int) -> Iterator[tuple[str, str, str, str, str, tuple[str, ...]]]:
    """Yield messages in threads of up to twelve: id, time, Message-ID, References, subject, people."""
    rng = random.Random(seed)
    chain: list[str] = []
    for number in range(count):
        message_id = f"<{number:08x}.{rng.getrandbits(60):x}@mail.falls.example>"
        answers = bool(chain) and len(chain) < 12 and rng.random() < 0.7
        if not answers:
            chain = []
        people = (f"a{rng.randrange(500)}@falls.example", f"b{rng.randrange(90)}@falls.example")
        subject = f"{'Re: ' if answers else ''}subject {number // 9}"
        yield f"{number:032x}", f"{number:027d}", message_id, " ".join(chain), subject, people
        chain.append(message_id)


def main(count: int) -> None:
    """Thread so many messages, and print what it took as JSON."""
    from review.threads import Header, Threads

    seconds, own = 0.0, _peak_bytes()
    made = Threads()
    for item_id, at, message_id, references, subject, people in headers(count, SEED):
        header = Header(item_id, item_id, at, message_id, references, "", b"", "", subject, people)
        began = time.process_time()
        made.add(header)
        seconds += time.process_time() - began
    began = time.process_time()
    placed = threads = 0
    for one in made.placed():
        placed += 1
        threads += one.place == 1
    seconds += time.process_time() - began
    figures = {"messages": placed, "threads": threads, "cpu_s": seconds, "own_rss_bytes": own}
    sys.stdout.write(json.dumps({**figures, "peak_rss_bytes": _peak_bytes()}))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sheets(figures: Figures) -> list[Sheet]:
    """Return the table."""
    row = (
        f"{figures['messages']:,} messages",
        figure(figures["cpu_s"]),
        f"{figures['threads']:,}",
        f"{figures['peak_rss_bytes'] / (1 << 20):,.0f}",
    )
    note = (
        f"Bar: below {figures['most_s']:.0f} s for 1,000,000 messages; here "
        f"{held(figures['cpu_s'] < figures['most_s'])}. One process; making the headers is not counted, and "
        f"{figures['own_rss_bytes'] / (1 << 20):,.0f} MiB of the memory are the benchmarks' own."
    )
    return [
        Sheet("Threads from header fields", ("messages", "CPU s", "threads", "peak RSS MiB"), (row,), (note,))
    ]
