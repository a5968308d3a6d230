"""A hit report over a long term list."""

from __future__ import annotations

import json

from benchmarks import index, watch
from benchmarks.settings import Bench, BenchmarkError, Figures, daylight
from benchmarks.sheets import Sheet, figure, held
from benchmarks.vocabulary import Draw

MOST_S = 60.0
"""1,000 terms over 100,000 messages."""

MIX = ("word", "word", "phrase", "word", "AND", "phrase", "word", "prefix", "word", "phrase")


def measure(bench: Bench) -> Figures:
    """Run the list by ``daylight terms`` on the largest index of this run.

    Raises:
        BenchmarkError: A term was refused, or the command failed.
    """
    with index.largest(bench) as (home, request_id, messages):
        draw = Draw.of(home, request_id)
        folder = home.settings.home
    wanted: dict[str, None] = {}
    while len(wanted) < bench.sizes.terms:
        wanted[draw.listed(MIX[len(wanted) % len(MIX)])] = None
    path = bench.work / "long-terms.csv"
    quoted = ('"' + term.replace('"', '""') + '"' for term in wanted)
    path.write_text("term,note\n" + "".join(f"{term},\n" for term in quoted), "utf-8")
    bench.say(f"terms: {len(wanted):,} over {messages:,} messages …")
    run = watch.run(daylight(folder, "terms", request_id, path), work=bench.work, memory=True)
    report = json.loads(run.output)
    if report["bad_lines"]:
        raise BenchmarkError(f"terms: {len(report['bad_lines'])} of {len(wanted)} terms were not run")
    return {
        "messages": messages,
        "terms": len(report["terms"]),
        "documents": report["totals"]["documents"],
        "hits": sum(term["documents"] for term in report["terms"]),
        "wall_s": run.wall_s,
        "cpu_s": run.cpu_s,
        "peak_pss_bytes": run.peak_pss_bytes,
        "most_s": MOST_S,
    }


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    row = (
        f"{figures['terms']:,} terms, {figures['messages']:,} messages",
        figure(figures["wall_s"]),
        figure(figures["cpu_s"]),
        f"{figures['peak_pss_bytes'] / (1 << 20):,.0f}",
        f"{figures['hits']:,}",
        f"{figures['documents']:,}",
    )
    note = (
        f"Bar: below {figures['most_s']:.0f} s for 1,000 terms over 100,000 messages; here "
        f"{held(figures['wall_s'] < figures['most_s'])}. The report with occurrences, families and hits kept."
    )
    columns = ("report", "wall s", "CPU s", "peak PSS MiB", "hits", "documents")
    return [Sheet("Hit report of a long term list", columns, (row,), (note,))]
