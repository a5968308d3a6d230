"""Measure speed and memory against the bars; prints tables and writes JSON.

A full run wants two cores for itself. ``--size quick`` takes minutes and shows that everything works; its
figures are not for the page.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import machine, page
from benchmarks.parts import PARTS
from benchmarks.settings import (
    EXPORT_SETS,
    MAIL_SETS,
    SIZES,
    Bench,
    BenchmarkError,
    Figures,
    Sizes,
    default_cache,
)
from benchmarks.sheets import Sheet

words = Console(stderr=True, highlight=False, soft_wrap=True)
tables = Console(highlight=False, width=None if sys.stdout.isatty() else 130)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns 0, or 1 when a part failed, or 2 for wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    args = _parser().parse_args(given)
    try:
        if args.write_docs:
            page.write(args.figures or [page.newest()])
            words.print(f"{page.PAGE.name} is written; review it, then commit it")
            return 0
        sizes = SIZES[args.size] if args.messages is None else SIZES[args.size].with_large(args.messages)
        command = shlex.join(["python", "-m", "benchmarks", *given])
        sets = tuple(args.sets or (*MAIL_SETS, *EXPORT_SETS))
        return _run(args.parts or list(PARTS), sizes, sets, args.work, args.out, command)
    except BenchmarkError as error:
        words.print(f"benchmarks: {error}", markup=False)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--size", choices=SIZES, default="full", help="how much is measured (default: full)")
    parser.add_argument(
        "--messages",
        type=int,
        metavar="N",
        help="messages of the large runs, of the index that is queried and of a chat.db; mail with "
        "attachments has a large run only with this",
    )
    parser.add_argument(
        "--sets",
        action="append",
        choices=(*MAIL_SETS, *EXPORT_SETS),
        help="of mail, of share and of exports, measure this data set alone; may be given again",
    )
    parser.add_argument(
        "--work", type=Path, help="folder on a real disk for what is made (default: a temporary one)"
    )
    parser.add_argument("--out", type=Path, default=page.RESULTS, help="folder for the figures, JSON")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="measure nothing: rewrite docs/benchmarks.md from the newest figures",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        action="append",
        metavar="FILE",
        help="with --write-docs: from these, oldest first",
    )
    return parser


def _run(
    parts: list[str], sizes: Sizes, sets: tuple[str, ...], work: Path | None, out: Path, command: str
) -> int:
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise BenchmarkError(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if sizes.small < 1 or sizes.large < 10:
        raise BenchmarkError("--messages: at least 10")
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="daylight-bench-", dir=work))
    try:
        mails, exports = (tuple(one for one in known if one in sets) for known in (MAIL_SETS, EXPORT_SETS))
        bench = Bench(sizes, folder, default_cache(), say, mails, exports)
        result: Figures = {
            "began_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "sizes": asdict(sizes),
            "machine": machine.describe(folder),
            "versions": machine.versions(),
            "parts": {},
            "seconds": {},
            "failed": {},
        }
        _tell(result)
        _measure(bench, [name for name in PARTS if name in parts], result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _write(result, out)
    return 1 if result["failed"] else 0


def _measure(bench: Bench, parts: list[str], result: Figures) -> None:
    """Measure the parts; one that fails is said and kept, and the others go on."""
    for name in parts:
        began = time.monotonic()
        try:
            result["parts"][name] = PARTS[name].measure(bench)
        except BenchmarkError as error:
            result["failed"][name] = str(error)
            words.print(f"{name} failed: {error}", markup=False)
            continue
        result["seconds"][name] = time.monotonic() - began
        for sheet in PARTS[name].sheets(result["parts"][name]):
            _show(sheet)


def _tell(result: Figures) -> None:
    about, used = result["machine"], result["versions"]
    say(machine.in_words(about))
    say(", ".join(f"{name} {version}" for name, version in used.items()))
    if machine.is_busy(about):
        say(f"the machine is busy (load {about['load_before']:.1f}): the figures will mean little")
    if about["file_system"] in {"tmpfs", "ramfs"}:
        say("the work folder lies in memory, where fsync costs nothing: name one on a disk with --work")


def _show(sheet: Sheet) -> None:
    tables.print()
    tables.print(sheet.as_table())


def say(text: str) -> None:
    """Print a line of words."""
    words.print(text, markup=False)


def _write(result: Figures, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    stamp = result["began_at"][:19].replace(":", "").replace("T", "-")
    path = out / f"{stamp}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"figures: {path}")


if __name__ == "__main__":
    sys.exit(main())
