"""Office and PDF files through Tika: disposable workers, one and two, and Tika alone as their peer."""

from __future__ import annotations

import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from zoneinfo import ZoneInfo

from benchmarks import watch
from benchmarks.settings import SEED, Bench, BenchmarkError, Figures
from benchmarks.sheets import Sheet, figure, held
from examples.district import documents
from examples.district.texts import make_words
from examples.district.truth import Piece
from extract.protocol import ExtractContext
from extract.workers import Job, Worker

LEAST_PER_S = 20.0
"""On two cores."""

KINDS = ("docx", "xlsx", "pptx", "pdf")
PROCESSES = (1, 2)
START_LIMIT_S = 120.0


def measure(bench: Bench) -> Figures:
    """Read the same files three ways.

    Raises:
        BenchmarkError: A file could not be read.
    """
    folder = bench.work / "documents"
    bench.say(f"tika: making {bench.sizes.documents} files …")
    files = _make(folder, bench.sizes.documents)
    sides = []
    for processes in PROCESSES:
        bench.say(f"tika: {processes} disposable {'worker' if processes == 1 else 'workers'} …")
        sides.append(_workers(files, processes))
    bench.say("tika: Tika alone …")
    bare = json.loads(
        watch.run([sys.executable, "-m", "benchmarks.bare_tika", str(folder)], work=bench.work).output
    )
    if bare["failed"]:
        raise BenchmarkError(f"tika: Tika alone gives no text of {bare['failed']} files")
    return {
        "files": len(files),
        "size_bytes": sum(len(piece.data) for piece in files),
        "workers": sides,
        "bare_per_s": bare["files"] / bare["seconds"],
        "least_per_s": LEAST_PER_S,
    }


def _make(folder: Path, count: int) -> list[Piece]:
    """Make ``count`` different files, the four kinds in turn."""
    folder.mkdir(exist_ok=True)
    rng = random.Random(f"documents-{SEED}")
    words = make_words(SEED, 600)

    def some(least: int, most: int) -> list[str]:
        return [rng.choice(words.paragraphs).replace("\n", " ") for _ in range(rng.randint(least, most))]

    files = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        name = f"{number:05}.{kind}"
        if kind == "docx":
            piece = documents.word_file(name, some(8, 30))
        elif kind == "xlsx":
            rows = [
                [rng.choice(words.subjects), rng.randrange(400), rng.random()]
                for _ in range(rng.randint(30, 200))
            ]
            piece = documents.sheet_file(name, rows, rows[:5])
        elif kind == "pptx":
            piece = documents.slide_file(name, [tuple(some(3, 3)) for _ in range(rng.randint(3, 8))])  # type: ignore[misc]
        else:
            piece = documents.pdf_file(name, some(4, 12))
        (folder / name).write_bytes(piece.data)
        files.append(piece)
    return files


def _workers(files: list[Piece], processes: int) -> Figures:
    """Read the files with that many workers; Tika is warm when the clock starts."""
    began = time.monotonic()
    with ThreadPoolExecutor(processes) as threads:
        # A worker lives and dies with the thread that started it: each thread keeps its own throughout.
        cuts = [len(files) * number // processes for number in range(processes + 1)]
        together = Barrier(processes, timeout=START_LIMIT_S)
        shares = [files[start:end] for start, end in pairwise(cuts)]
        spans = list(threads.map(lambda share: _one_worker(share, files[: len(KINDS)], together), shares))
    first = min(start for start, _ in spans)
    seconds = max(end for _, end in spans) - first
    return {"processes": processes, "per_s": len(files) / seconds, "start_s": first - began}


def _one_worker(files: list[Piece], of_each_kind: list[Piece], together: Barrier) -> tuple[float, float]:
    """Read files in one worker, once all workers are warm; return when it began and when it was done."""
    with Worker() as worker:
        _read(worker, of_each_kind)
        together.wait()
        began = time.monotonic()
        _read(worker, files)
        return began, time.monotonic()


def _context(piece: Piece) -> ExtractContext:
    return ExtractContext(piece.name, piece.media_type, ZoneInfo("America/Los_Angeles"))


def _read(worker: Worker, files: list[Piece]) -> None:
    jobs = (Job(number, piece.data, _context(piece), piece.media_type) for number, piece in enumerate(files))
    for result in worker.submit(jobs):
        if result.extraction.failure is not None or not result.extraction.text:
            raise BenchmarkError(f"tika: file {result.job_id} gives no text")
        if result.extractor_name != "tika":
            raise BenchmarkError(f"tika: file {result.job_id} was read by {result.extractor_name}")


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows = [
        (
            f"disposable workers, {side['processes']}",
            figure(side["per_s"]),
            f"{side['per_s'] / figures['bare_per_s']:.2f} ×",
            figure(side["start_s"]),
        )
        for side in figures["workers"]
    ]
    rows.append(("Tika alone, in one process, no limits", figure(figures["bare_per_s"]), "1", "–"))
    best = figures["workers"][-1]["per_s"]
    note = (
        f"{figures['files']:,} files (docx, xlsx, pptx, pdf), mean "
        f"{figures['size_bytes'] / figures['files'] / 1000:.0f} kB. Bar: at least "
        f"{figures['least_per_s']:.0f} files/s on two cores, {held(best >= figures['least_per_s'])}."
    )
    columns = ("reader", "files/s", "of Tika alone", "start s")
    return [Sheet("Office and PDF files", columns, tuple(rows), (note,))]
