"""The results section of docs/benchmarks.md: written from the figures of runs, never by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.parts import PARTS
from benchmarks.settings import ROOT, BenchmarkError, Figures

PAGE = ROOT / "docs/benchmarks.md"
RESULTS = ROOT / "benchmarks/results"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def newest() -> Path:
    """Return the newest file of figures.

    Raises:
        BenchmarkError: There is none.
    """
    found = sorted(RESULTS.glob("*.json"))
    if not found:
        raise BenchmarkError("there are no figures yet; run `python -m benchmarks` first")
    return found[-1]


def write(paths: Sequence[Path], page: Path = PAGE) -> None:
    """Rewrite the section between the two markers.

    Args:
        paths: Files of figures, oldest first; a part in several of them is taken from the last.
        page: The page.

    Raises:
        BenchmarkError: A file is not of a full run, or the page has lost its markers.
    """
    runs = [json.loads(path.read_text("utf-8")) for path in paths]
    for path, run in zip(paths, runs, strict=True):
        if run["sizes"]["name"] != "full":
            raise BenchmarkError(
                f"{path.name}: figures of a {run['sizes']['name']} run do not go onto the page"
            )
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{page.name} has lost its markers {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{section(runs)}\n{END}{after}", "utf-8")


def section(runs: Sequence[Figures]) -> str:
    """Return the section: for each run what it was measured on, then its parts in their order."""
    last = {name: number for number, run in enumerate(runs) for name in run["parts"]}
    pieces = []
    for number, run in enumerate(runs):
        names = [name for name in PARTS if last.get(name) == number]
        if not names:
            continue
        pieces.append(_about(run))
        pieces += [sheet.as_markdown() for name in names for sheet in PARTS[name].sheets(run["parts"][name])]
    return "\n".join(pieces)


def _about(run: Figures) -> str:
    about = run["machine"]
    busy = " Others were at work on the machine: the figures mean little." if machine.is_busy(about) else ""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return (
        f"Measured on {run['began_at'][:10]} with `{run['command']}`: {machine.in_words(about)}; "
        f"load {about['load_before']:.2f} at the beginning.{busy}\n\nVersions: {versions}.\n"
    )
