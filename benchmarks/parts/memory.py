"""Memory: the sum of PSS of all processes of a run, at two sizes."""

from __future__ import annotations

from benchmarks import datasets
from benchmarks.runs import remember, run_local
from benchmarks.settings import Bench, Figures
from benchmarks.sheets import Sheet, held

MOST_BYTES = int(1.5 * (1 << 30))
MOST_GROWTH = 1.2
"""Ten times the messages may take this much more: memory does not grow with the request."""


def measure(bench: Bench) -> Figures:
    """Run both sizes with memory sampled; the larger home is kept for the parts that query.

    Raises:
        BenchmarkError: A run failed.
    """
    runs, peaks = [], []
    for messages in (bench.sizes.small, bench.sizes.large):
        mail = datasets.letters(bench, messages)
        bench.say(f"memory: {messages:,} messages …")
        run = run_local(bench, mail, bench.work / f"home-memory-{messages}", memory=True)
        peaks.append(run.running.peak_pss_bytes or 0)
        runs.append({
            "messages": messages,
            "peak_pss_bytes": peaks[-1],
            "processes": run.running.processes,
            "samples": run.running.samples,
            "run_s": run.running.wall_s,
        })  # fmt: skip
        remember(bench, run, messages)
    small, large = peaks
    return {"runs": runs, "ratio": large / small, "most_bytes": MOST_BYTES, "most_growth": MOST_GROWTH}


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows = tuple(
        (
            f"{run['messages']:,} messages",
            f"{run['peak_pss_bytes'] / (1 << 20):,.0f}",
            str(run["processes"]),
            str(run["samples"]),
        )
        for run in figures["runs"]
    )
    below = figures["runs"][-1]["peak_pss_bytes"] < figures["most_bytes"]
    note = (
        f"Bar: below {figures['most_bytes'] / (1 << 20):,.0f} MiB, {held(below)}. The larger run takes "
        f"{figures['ratio']:.2f} × the smaller; at most {figures['most_growth']} × is "
        f"{held(figures['ratio'] <= figures['most_growth'])}."
    )
    columns = ("run", "peak PSS MiB", "processes then", "samples")
    return [Sheet("Memory of `run --local`", columns, rows, (note,))]
