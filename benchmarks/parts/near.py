"""Groups of a large request: near duplicates above all, and the same texts given to ``datasketch``.

The command is measured as a person runs it: every text is read from the evidence, sketched, and what may be
a near duplicate is compared exactly. The peer proposes pairs of a tenth of the texts in this process, with as
many permutations and the same bands; the same is done of ours beside it.
"""

from __future__ import annotations

import importlib.util
import json
import time
from itertools import islice

from benchmarks import datasets, watch
from benchmarks.letters import COPIED
from benchmarks.runs import run_local
from benchmarks.settings import Bench, BenchmarkError, Figures, daylight
from benchmarks.sheets import Sheet, figure, held
from desk.home import Home
from records.settings import Settings
from review import near
from review.grouping import rules
from search.indexing import documents

MOST_S = 60.0
"""100,000 texts of about 5 KB on two cores."""

LEAST_FOUND = 0.95
"""Of the texts that were copied: six other words in a short one make it another text."""


def measure(bench: Bench) -> Figures:
    """Run ``daylight group`` on text mail with copies, and the peer on a tenth of it.

    Raises:
        BenchmarkError: The command failed or found other groups than were made, or ``datasketch`` is missing.
    """
    if importlib.util.find_spec("datasketch") is None:
        raise BenchmarkError("datasketch is not installed; it is a peer here (dependency group dev)")
    mail = datasets.copied(bench, bench.sizes.large)
    bench.say(f"near: a request of {mail.messages:,} messages …")
    run = run_local(bench, mail, bench.work / "home-near")
    bench.say("near: daylight group …")
    first, again = (
        watch.run(daylight(run.home, "group", run.request_id), work=bench.work, memory=True) for _ in range(2)
    )
    made = json.loads(first.output)
    expected = 3 * (mail.messages // COPIED)
    if made["near"]["texts_in_groups"] < LEAST_FOUND * expected:
        raise BenchmarkError(f"near: {made['near']['texts_in_groups']} texts in groups, not {expected}")
    home = Home.open(settings=Settings(home=run.home))
    try:
        peer = _peer(home, run.request_id, max(10, mail.messages // 10))
    finally:
        home.close()
    return {
        "messages": mail.messages,
        "near": made["near"],
        "expected_in_groups": expected,
        "wall_s": first.wall_s,
        "cpu_s": first.cpu_s,
        "peak_pss_bytes": first.peak_pss_bytes,
        "again_s": again.wall_s,
        "peer": peer,
        "most_s": MOST_S,
    }


def _peer(home: Home, request_id: str, count: int) -> Figures:
    """Sketch texts and ask which share a band, by both libraries, in this process."""
    import datasketch
    import sqlalchemy as sa

    from records import tables as t

    with home.catalogue.read() as connection:
        ids = list(connection.scalars(sa.select(t.items.c.item_id).order_by(t.items.c.item_id).limit(count)))
    found = home.request(request_id)
    texts = [
        one.text
        for one in islice(
            documents(home.catalogue, home.store(request_id), request_id, ids, found.body.zone), count
        )
    ]
    figures = rules().near
    began = time.process_time()
    sketches = near.Sketches()
    for number, text in enumerate(texts):
        sketches.add(f"{number:064x}", near.sketch(text))
    ours = sum(map(len, sketches.clusters()))
    ours_s = time.process_time() - began
    began = time.process_time()
    rows = figures.permutations // figures.bands
    index = datasketch.MinHashLSH(num_perm=figures.permutations, params=(figures.bands, rows))
    hashes = []
    for number, text in enumerate(texts):
        made = datasketch.MinHash(num_perm=figures.permutations, seed=figures.seed)
        words = near.words_of(text)
        made.update_batch([one.encode() for one in near.shingles_of(words, figures.words_in_a_shingle)])
        hashes.append(made)
        index.insert(number, made)
    theirs = sum(len(index.query(made)) > 1 for made in hashes)
    return {
        "texts": len(texts),
        "characters": sum(map(len, texts)),
        "ours_s": ours_s,
        "theirs_s": time.process_time() - began,
        "ours_proposed": ours,
        "theirs_proposed": theirs,
    }


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    made, peer = figures["near"], figures["peer"]
    row = (
        f"{figures['messages']:,} messages",
        figure(figures["wall_s"]),
        figure(figures["cpu_s"]),
        f"{figures['peak_pss_bytes'] / (1 << 20):,.0f}",
        figure(figures["again_s"]),
        f"{made['compared']:,}",
        f"{made['pairs_verified']:,}",
        f"{made['texts_in_groups']:,} of {figures['expected_in_groups']:,}",
    )
    note = (
        f"Bar: below {figures['most_s']:.0f} s for 100,000 texts; here "
        f"{held(figures['wall_s'] < figures['most_s'])}. With duplicates, threads and inclusive "
        "messages; again is a second run, which reads no text that was read."
    )
    sides = tuple(
        (
            name,
            figure(peer[f"{side}_s"]),
            figure(peer["texts"] / peer[f"{side}_s"], 0),
            f"{peer[f'{side}_proposed']:,}",
        )
        for name, side in (("daylight (rensa)", "ours"), ("datasketch", "theirs"))
    )
    return [
        Sheet(
            "Groups of a large request",
            (
                "request",
                "wall s",
                "CPU s",
                "peak PSS MiB",
                "again s",
                "texts compared",
                "pairs counted",
                "in groups",
            ),
            (row,),
            (note,),
        ),
        Sheet(
            f"Sketches of {peer['texts']:,} texts and the pairs that they propose, in one process",
            ("library", "CPU s", "texts/s", "texts with a proposed pair"),
            sides,
            (f"Texts of {peer['characters'] / peer['texts']:,.0f} characters on average.",),
        ),
    ]
