"""Pages to text by Tesseract: a program of its own for each page, with limits, words with their confidence.

Tesseract is Apache-2.0 and is started as a program; nothing of it is linked. A page is read as it lies. One
that gives few sure words is asked how it lies (``--psm 0``, orientation and script detection), turned and
read again. Sources: tesseract(1); the TSV columns are those of its ``tsv`` configuration.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from records.errors import ItemError, SettingsError
from records.vocabulary import Reason

PROGRAM = "tesseract"

DEBIAN = "apt-get install tesseract-ocr tesseract-ocr-eng tesseract-ocr-spa tesseract-ocr-osd"

MEMORY_BYTES = 2 << 30
"""Address space of one Tesseract; a page of 40 megapixels takes a third of it."""

TURN_BELOW = 70.0
"""Mean confidence below which a page is asked how it lies: upright print is above it."""

_LONG = 3
"""Letters of a word that is wider than it is high where it stands upright."""

_UPRIGHT = 0.8
"""How much of what was read lying a page must give when it is turned, to be taken as it is then."""

_NICE = 10
_START_S = 30.0
_LANGUAGES = re.compile(r"[A-Za-z0-9_]{2,32}(?:\+[A-Za-z0-9_]{2,32}){0,7}", re.ASCII)
_ROTATE = re.compile(rb"^Rotate: (\d+)", re.MULTILINE)
_COLUMNS = 12
_WORD_LEVEL = "5"

LEFT, RIGHT = "\u2039 ", "\u203a "
"""Marks of the side of a bubble: no letters, so that a search sees the words as if they were not there."""

_BEGINS, _ENDS = 0.18, 0.8
"""Of the width: a bubble of the left begins before the first, one of the right behind it and ends behind the
second. A line in the middle, as a day is written, does neither."""

_WIDE = 0.85
"""A line that begins at the left and reaches further is as wide as the screen, and no bubble."""


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program as it is on this machine.

    Attributes:
        path: Of the program.
        version: Such as ``5.3.0``.
        languages: As given to it, such as ``eng+spa``.
        page_s: Wall seconds one page may take.
    """

    path: str
    version: str
    languages: str
    page_s: float

    @property
    def name(self) -> str:
        """What stands beside each text: the program with its version and languages."""
        return f"{PROGRAM} {self.version} {self.languages}"


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it was seen.

    Attributes:
        line: Its line: numbers of block, paragraph and line.
        left: Pixels from the left edge; so ``top``, ``width`` and ``height``.
        confidence: 0 to 100, as the program has it.
    """

    line: tuple[int, int, int]
    left: int
    top: int
    width: int
    height: int
    confidence: float
    text: str


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page says.

    Attributes:
        text: In reading order; empty for a blank page.
        words: How many.
        confidence: Mean of the words, 0 to 100; None where there is no word.
        turned: Degrees by which it was turned clockwise to be read.
    """

    text: str
    words: int
    confidence: float | None
    turned: int = 0


BLANK = PageText("", 0, None)


def tesseract(languages: str, page_s: float) -> Tesseract:
    """Look for the program and the languages.

    Raises:
        SettingsError: The program or a language is not there; the message says what to install.
    """
    if not _LANGUAGES.fullmatch(languages):
        raise SettingsError("languages of OCR are Tesseract's codes joined by +, such as eng+spa")
    path = shutil.which(PROGRAM)
    if path is None:
        raise SettingsError(
            f"there is no {PROGRAM} on this machine, so everything that waits for OCR goes on waiting; "
            f"install it (Debian: {DEBIAN})"
        )
    version, there = _probe(path)
    missing = [code for code in languages.split("+") if code not in there]
    if missing:
        packages = " ".join(f"tesseract-ocr-{code.replace('_', '-').lower()}" for code in missing)
        raise SettingsError(
            f"{PROGRAM} {version} has no language {', '.join(missing)}; it has {', '.join(sorted(there))}. "
            f"Install it (Debian: apt-get install {packages}) or name others"
        )
    return Tesseract(path, version, languages, page_s)


@lru_cache(maxsize=4)
def _probe(path: str) -> tuple[str, frozenset[str]]:
    """Ask the program for its version and languages, once."""
    try:
        said = [
            subprocess.run(
                [path, option], capture_output=True, timeout=_START_S, check=False, env=_environment()
            )
            for option in ("--version", "--list-langs")
        ]
    except (OSError, subprocess.TimeoutExpired):
        raise SettingsError(f"{path} does not start; install it anew (Debian: {DEBIAN})") from None
    first = (said[0].stdout or said[0].stderr).decode("utf-8", "replace").split("\n", 1)[0].split()
    listed = (said[1].stdout or said[1].stderr).decode("utf-8", "replace").splitlines()[1:]
    return (first[1] if len(first) > 1 else "unknown"), frozenset(filter(None, map(str.strip, listed)))


def read_page(program: Tesseract, picture: bytes, *, screen: bool = False) -> PageText:
    """Read one page.

    Args:
        program: From ``tesseract``.
        picture: As PGM (P5).
        screen: A screenshot of a conversation: lines from top to bottom, with marks of the bubble's side.

    Raises:
        ItemError: ``timed_out``, ``out_of_memory``, ``crashed`` or ``corrupt`` (it refuses the picture, or
            what it prints is no TSV).
    """
    seen = _seen(_run(program, picture, "3"))
    read = _understood(seen, _size(picture)[0], screen=screen)
    lies = _lies(seen)
    if read.confidence is not None and read.confidence >= TURN_BELOW and not lies:
        return read
    turn = _turn(program, picture)
    if not turn:
        return read
    turned = _rotated(picture, turn)
    again = _understood(_seen(_run(program, turned, "3")), _size(turned)[0], screen=screen)
    if _sure(again) <= _sure(read) * (_UPRIGHT if lies else 1):
        return read
    return PageText(again.text, again.words, again.confidence, turn)


def _lies(seen: Sequence[Word]) -> bool:
    """Tell whether lines run up or down: the program reads them, and loses parts of words at their ends."""
    long = [word for word in seen if len(word.text) >= _LONG]
    return 2 * sum(word.height > word.width for word in long) > len(long)


def _sure(page: PageText) -> float:
    """Return how much was read how surely."""
    return page.words * (page.confidence or 0.0)


def _seen(tsv: bytes) -> list[Word]:
    try:
        return words_of(tsv.decode("utf-8", "replace"))
    except ValueError:
        raise ItemError(Reason.CORRUPT, "tesseract_output") from None


def _understood(seen: Sequence[Word], width: int, *, screen: bool) -> PageText:
    if not seen:
        return BLANK
    text = conversation(seen, width) if screen else in_lines(seen)
    mean = sum(word.confidence for word in seen) / len(seen)
    return PageText(text.replace("\0", "\ufffd"), len(seen), round(mean, 1))


def words_of(tsv: str) -> list[Word]:
    """Return the words of Tesseract's TSV, in its order; those without a letter or sign are left out."""
    out = []
    for line in tsv.splitlines()[1:]:
        cells = line.split("\t", _COLUMNS - 1)
        if len(cells) < _COLUMNS or cells[0] != _WORD_LEVEL or not cells[11].strip():
            continue
        _, _, block, paragraph, number, _, left, top, width, height = map(int, cells[:10])
        where = (block, paragraph, number)
        out.append(Word(where, left, top, width, height, max(0.0, float(cells[10])), cells[11].strip()))
    return out


def in_lines(seen: Sequence[Word]) -> str:
    """Join words to lines, and paragraphs by an empty line."""
    out: list[str] = []
    last: tuple[int, int, int] | None = None
    for word in seen:
        if word.line == last:
            out[-1] += f" {word.text}"
            continue
        if last is not None and word.line[:2] != last[:2]:
            out.append("")
        out.append(word.text)
        last = word.line
    return "\n".join(out)


def conversation(seen: Sequence[Word], width: int) -> str:
    """Join words to lines from top to bottom, each with the mark of its side where that is sure.

    Sure is: it begins or ends near one side and not near the other, and both sides occur; else none is.
    """
    lines: dict[tuple[int, int, int], list[Word]] = {}
    for word in seen:
        lines.setdefault(word.line, []).append(word)
    ordered = sorted(lines.values(), key=lambda line: (min(word.top for word in line), line[0].left))
    ends: dict[tuple[int, int], int] = {}
    for word in seen:  # the last line of a bubble is short, and its longest reaches the edge
        bubble = word.line[:2]
        ends[bubble] = max(ends.get(bubble, 0), word.left + word.width)
    sides = [_side(line, ends[line[0].line[:2]], width) for line in ordered]
    if not {LEFT, RIGHT} <= set(sides):
        sides = [""] * len(ordered)
    return "\n".join(
        side + " ".join(word.text for word in line) for side, line in zip(sides, ordered, strict=True)
    )


def _side(line: Sequence[Word], end: int, width: int) -> str:
    begins, ends = min(word.left for word in line) / width, end / width
    if begins < _BEGINS:
        return LEFT if ends < _WIDE else ""
    return RIGHT if ends > _ENDS else ""


def _turn(program: Tesseract, picture: bytes) -> int:
    """Return by how many degrees clockwise a page must be turned; 0 where that cannot be told."""
    try:
        said = _run(program, picture, "0", "-c", "min_characters_to_try=10", languages="osd", output=())
    except ItemError as error:
        if error.reason is Reason.CORRUPT:  # too few letters to tell
            return 0
        raise
    found = _ROTATE.search(said)
    return int(found.group(1)) if found else 0


def _size(picture: bytes) -> tuple[int, int]:
    _, width, height, _ = picture[:64].split(None, 3)
    return int(width), int(height)


def _rotated(picture: bytes, degrees: int) -> bytes:
    from PIL import Image

    width, height = _size(picture)
    head = picture.index(b"\n") + 1
    image: Any = Image.frombytes("L", (width, height), picture[head:]).rotate(-degrees, expand=True)
    pixels: bytes = image.tobytes()
    return b"P5 %d %d 255\n" % image.size + pixels


def _run(
    program: Tesseract,
    picture: bytes,
    layout: str,
    *options: str,
    languages: str | None = None,
    output: tuple[str, ...] = ("tsv",),
) -> bytes:
    """Run the program on one picture; return what it prints."""
    command = [program.path, "stdin", "stdout", "-l", languages or program.languages, "--dpi", "300",
               "--psm", layout, *options, *output]  # fmt: skip
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
    except OSError:
        raise ItemError(Reason.CRASHED, "tesseract_start") from None
    _confine(process.pid)
    try:
        out, errors = process.communicate(picture, timeout=program.page_s)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ItemError(Reason.TIMED_OUT, "tesseract") from None
        raise
    if process.returncode == 0:
        return out
    if b"bad_alloc" in errors or process.returncode == -signal.SIGKILL:
        raise ItemError(Reason.OUT_OF_MEMORY, "tesseract")
    if process.returncode < 0:
        raise ItemError(Reason.CRASHED, signal.Signals(-process.returncode).name.lower())
    raise ItemError(Reason.CORRUPT, "tesseract")


def _confine(pid: int) -> None:
    """Give a program its limits before it has anything to work on: it waits for its picture."""
    with contextlib.suppress(OSError):  # it has ended already, which is seen below
        resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)


def _environment() -> dict[str, str]:
    """Return what the program gets of our environment: nothing secret.

    ``OMP_THREAD_LIMIT``: with threads of its own, four pages took six times as long.
    """
    kept = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX") if name in os.environ}
    return {**kept, "OMP_THREAD_LIMIT": "1", "LANG": "C.UTF-8"}
