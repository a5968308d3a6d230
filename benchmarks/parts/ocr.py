"""Scanned pages through the OCR lane, and by Tesseract alone on the same drawn pages: what the lane adds."""

from __future__ import annotations

import io
import os
import random
import resource
import shutil
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import letter
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from benchmarks.runs import write_request
from benchmarks.settings import SEED, Bench, BenchmarkError, Figures
from benchmarks.sheets import Sheet, figure, held
from desk import ocr as lane
from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from examples.district.texts import make_words
from extract import page_images
from extract.ocr import tesseract
from extract.protocol import ExtractContext
from extract.workers import Job, Worker
from records.errors import SettingsError
from records.settings import Settings

MOST_OVERHEAD = 0.10
"""Of CPU seconds, beyond those of Tesseract alone."""

LINES = 30
LANGUAGES = "eng+spa"


def measure(bench: Bench) -> Figures:
    """Read the same pages both ways; the clock is CPU seconds, of all processes.

    Raises:
        BenchmarkError: Tesseract is not there, or a page gave no text.
    """
    folder = bench.work / "scans"
    pages = max(2, bench.sizes.documents // 4)
    bench.say(f"ocr: drawing {pages} pages …")
    files = _make(folder, pages)
    settings = Settings(home=bench.work / "ocr-home", ocr_languages=LANGUAGES)
    try:
        program = tesseract(LANGUAGES, settings.ocr_page_s)
    except SettingsError as error:
        raise BenchmarkError(f"ocr: {error}") from error
    bench.say("ocr: Tesseract alone …")
    drawn = _drawn(files)
    began = _cpu_s()
    for picture in drawn:
        _alone(program.path, picture)
    bare = _cpu_s() - began
    bench.say("ocr: the lane …")
    with_home = Home.open(settings=settings)
    try:
        source = {"id": "scans", "connector": "loose_files", "path": str(folder.resolve())}
        request = write_request(bench.work / "request-ocr", source, ["bus"])
        request_id, _ = open_request(with_home, request, by="benchmark")
        run_local(with_home, request_id)
        began = _cpu_s()
        done = lane.run_local(with_home, request_id)
        whole = _cpu_s() - began
    finally:
        with_home.close()
    if (done["pages_done"], done["pages_failed"], done["pages_pending"]) != (pages, 0, 0):
        raise BenchmarkError(f"ocr: of {pages} pages {done['pages_done']} were read")
    return {
        "pages": pages,
        "bare_cpu_s": bare,
        "lane_cpu_s": whole,
        "overhead": whole / bare - 1,
        "most_overhead": MOST_OVERHEAD,
        "low_confidence": done["low_confidence"],
        "tool": program.name,
    }


def _make(folder: Path, count: int) -> list[Path]:
    """Write scans of one page: a letter of ``LINES`` lines at 200 dots an inch, as a copier makes it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = random.Random(f"scans-{SEED}")
    words = make_words(SEED, 200)
    font = ImageFont.truetype(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf", 30)
    files = []
    for number in range(count):
        image = Image.new("L", (1700, 2200), 255)
        draw = ImageDraw.Draw(image)
        text = " ".join(rng.choice(words.paragraphs) for _ in range(40)).split()
        for line in range(LINES):
            draw.text((150, 150 + 60 * line), " ".join(text[9 * line : 9 * line + 9]), fill=20, font=font)
        out = io.BytesIO()
        page = canvas.Canvas(out, pagesize=letter, invariant=1)
        page.drawImage(ImageReader(image), 0, 0, *letter)
        page.save()
        files.append(folder / f"{number:05}.pdf")
        files[-1].write_bytes(out.getvalue())
    return files


def _drawn(files: list[Path]) -> list[bytes]:
    """Return the pages as the lane gives them to Tesseract."""
    context = ExtractContext(None, None, ZoneInfo("UTC"), metadata={"page": "1"})
    with Worker(page_images.REGISTRY) as worker:
        jobs = (Job(number, path.read_bytes(), context, None) for number, path in enumerate(files))
        made = [child.data for result in worker.submit(jobs) for child in result.extraction.children]
    return [data for data in made if data is not None]


def _alone(program: str, picture: bytes) -> None:
    subprocess.run(
        [program, "stdin", "stdout", "-l", LANGUAGES, "--dpi", "300", "--psm", "3", "tsv"],
        input=picture,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of all that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def sheets(figures: Figures) -> list[Sheet]:
    """Return the table."""

    def row(name: str, seconds: float) -> tuple[str, ...]:
        rate = figures["pages"] * 60 / seconds
        return name, figure(rate), figure(seconds / figures["pages"], 2)

    rows = (row("the lane", figures["lane_cpu_s"]), row("Tesseract alone", figures["bare_cpu_s"]))
    reached = held(figures["overhead"] < figures["most_overhead"])
    note = (
        f"{figures['pages']:,} pages of {LINES} lines, {figures['tool']}. The lane takes "
        f"{100 * figures['overhead']:.1f} % more CPU seconds. "
        f"Bar: less than {100 * figures['most_overhead']:.0f} % more, {reached}."
    )
    return [Sheet("Scanned pages", ("reader", "pages a core-minute", "CPU s a page"), rows, (note,))]
