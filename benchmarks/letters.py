"""Generated text mail of about 5 KB: the word frequencies of natural language, seeded, message by message.

Words are drawn by the Zipf-Mandelbrot law over 120,000 different ones: the commonest are English function
words, the others are made of syllables, longer as they get rarer. Message ``n`` depends on the seed and ``n``
only, so a Maildir of 10,000 holds the first messages of one of 100,000.
"""

from __future__ import annotations

import base64
import os
import quopri
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path

MARKER = "quillfeather"
"""Stands in every hundredth message and nowhere else: the search for it has a known answer."""

MARKED_EVERY = 100
VOCABULARY = 120_000
EXPONENT, SHIFT = 1.08, 2.7
BODY_BYTES = 4_200
"""Mean; with its headers a message is about 5 KB."""

_FUNCTION = """
the of and to a in is that it for was on are as with be they at one have this from by not but what all were
when we there can an your which their if will each about how up out them then she many some so these would
other into has more her two like him see time could no make than first been its who now people my made over
did down only way find use may long little very after called just where most know get through back much
before go good new write our used me man too any day same right look think also around another came come
work three word must because does part even place well such here take why things help put years different
away again off went old number
"""
_ONSETS = 2 * "b c d f g h l m n p r s t v w " + "br ch cl cr dr fl gr pl pr sh sl sp st th tr wh"
_VOWELS = 3 * "a e i o u " + "ai ea ee ie oo ou"
_CODAS = (*[""] * 6, *"nrstlmdnrst", "nd", "st", "ck", "ng", "rt")
_ACCENTED = ("é", "ñ", "ü", "ö", "á", "ç")
_FOLDERS = ("", "", "", ".Sent", ".Sent", ".Archive", ".Archive.2025", ".Projects")
_GIVEN = (
    "Ana",
    "Boris",
    "Chandra",
    "Dina",
    "Emil",
    "Freya",
    "Goran",
    "Hana",
    "Ivo",
    "Jun",
    "Kofi",
    "Lena",
    "Mirek",
)
_FAMILY = (
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elder",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Ironwood",
    "Juniper",
    "Larch",
)
_FIRST = datetime(2025, 9, 1, 15, 0, tzinfo=UTC)


@lru_cache(maxsize=2)
def _words(seed: int) -> tuple[list[str], list[float]]:
    """Return the vocabulary by rank, and the cumulative weights."""
    rng = random.Random(f"vocabulary-{seed}")
    words = list(dict.fromkeys(_FUNCTION.split()))
    seen = {*words, MARKER}
    onsets, vowels = _ONSETS.split(), _VOWELS.split()
    while len(words) < VOCABULARY:
        # About two syllables for the common ones, three to four for the rare ones.
        count = 1 + (len(words) > 500) + (len(words) > 6_000) + (rng.random() < len(words) / VOCABULARY / 2)
        word = "".join(rng.choice(onsets) + rng.choice(vowels) + rng.choice(_CODAS) for _ in range(count))
        if rng.random() < 0.004:
            word = word[:-1] + rng.choice(_ACCENTED)
        if word not in seen:
            seen.add(word)
            words.append(word)
    weights = list(accumulate((rank + SHIFT) ** -EXPONENT for rank in range(1, VOCABULARY + 1)))
    return words, weights


def common_word(rank: int, seed: int) -> str:
    """Return the word at a rank, 0 for the commonest."""
    return _words(seed)[0][rank]


def marked(messages: int) -> int:
    """Return how many of so many letters hold ``MARKER``."""
    return -(-messages // MARKED_EVERY)


def _sentence(rng: random.Random, words: list[str], weights: list[float]) -> list[str]:
    drawn = rng.choices(words, cum_weights=weights, k=rng.randint(5, 26))
    if rng.random() < 0.12:
        drawn[rng.randrange(len(drawn))] = str(rng.randrange(10 ** rng.randint(1, 5)))
    if len(drawn) > 12:
        drawn[len(drawn) // 2] += ","
    drawn[0] = drawn[0].capitalize()
    drawn[-1] += "?" if rng.random() < 0.1 else "."
    return drawn


def _wrapped(words: list[str], prefix: str = "") -> str:
    lines: list[str] = []
    line: list[str] = []
    room = 72
    for word in words:
        if room < len(word) and line:
            lines.append(prefix + " ".join(line))
            line, room = [], 72
        line.append(word)
        room -= len(word) + 1
    lines.append(prefix + " ".join(line))
    return "\n".join(lines)


def _body(rng: random.Random, n: int, seed: int) -> str:
    words, weights = _words(seed)
    wanted = min(
        20_000, max(300, int(rng.lognormvariate(0, 0.55) * BODY_BYTES / 1.163))
    )  # mean of e^N(0, .55)
    paragraphs: list[str] = [f"{rng.choice(('Hi', 'Hello', 'Dear'))} {rng.choice(_GIVEN)},"]
    size = len(paragraphs[0])
    quoting = rng.random() < 0.35
    while size < wanted:
        sentences = [word for _ in range(rng.randint(2, 6)) for word in _sentence(rng, words, weights)]
        paragraphs.append(_wrapped(sentences, "> " if quoting and size > wanted * 0.6 else ""))
        size += len(paragraphs[-1]) + 2
    if n % MARKED_EVERY == 0:
        paragraphs.append(f"The file is under {MARKER}.")
    return "\n\n".join(paragraphs) + "\n"


@dataclass(frozen=True, slots=True)
class File:
    """What hangs on a letter.

    Attributes:
        name: Of ASCII, without quotation marks.
        media_type: As the mail states it.
        data: Its bytes.
    """

    name: str
    media_type: str
    data: bytes


COPIED = 5
"""Of so many messages the last two have nearly the text of the first, where copies are asked for."""


def _copied(n: int, seed: int) -> str:
    """Return the text of message ``n`` of mail with copies: one to six words of a copy are other ones."""
    first, copy = n - n % COPIED, n % COPIED >= COPIED - 2
    text = _body(random.Random(f"copied-{seed}-{first if copy else n}"), n, seed)
    if not copy:
        return text
    rng = random.Random(f"copy-{seed}-{n}")
    words = text.split(" ")
    for _ in range(rng.randint(1, 6)):
        words[rng.randrange(len(words))] = f"copy{rng.randrange(10**6)}"
    return " ".join(words)


def paragraph(rng: random.Random, seed: int, least: int, most: int) -> str:
    """Return some sentences of the words of the letters, as one line.

    Args:
        rng: Where chance comes from.
        seed: Of the words.
        least: Fewest sentences.
        most: Most of them.
    """
    words, weights = _words(seed)
    return " ".join(word for _ in range(rng.randint(least, most)) for word in _sentence(rng, words, weights))


def letter(n: int, seed: int, *, copies: bool = False, files: Sequence[File] = ()) -> bytes:
    """Return message ``n`` as it lies in a Maildir (LF line ends).

    Args:
        n: Its number, from 0.
        seed: Of all of them.
        copies: Give two of five messages nearly the text of another.
        files: What hangs on it.
    """
    rng = random.Random(f"letter-{seed}-{n}")
    words, weights = _words(seed)
    sender, reader, copied = (f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}" for _ in range(3))
    subject = (
        " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(2, 8)))
        .encode("ascii", "ignore")
        .decode()
    )
    at = _FIRST + timedelta(minutes=7 * (n % 60_000), seconds=rng.randrange(60))
    text = _copied(n, seed) if copies else _body(rng, n, seed)
    body, coding = _encoded(rng, text)
    reply = (
        f"In-Reply-To: {_message_id(max(0, n - rng.randint(1, 50)), seed)}\n" if rng.random() < 0.5 else ""
    )
    head = (
        f"Return-Path: <{_address(sender)}>\n"
        f"Received: from relay{n % 4}.example (relay{n % 4}.example [192.0.2.{n % 250}])\n"
        f"\tby mail.example with ESMTPS id {rng.randrange(16**12):012x}\n"
        f"\tfor <{_address(reader)}>; {format_datetime(at + timedelta(seconds=4))}\n"
        f"Message-ID: {_message_id(n, seed)}\n"
        f"Date: {format_datetime(at)}\n"
        f"From: {sender} <{_address(sender)}>\nTo: {reader} <{_address(reader)}>\n"
        f"Cc: {copied} <{_address(copied)}>\nSubject: {'Re: ' if reply else ''}{subject}\n{reply}"
        "MIME-Version: 1.0\n"
    )
    text_head = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {coding}\n"
    mailer = "X-Mailer: Example Mail 4.2\n\n"
    if not files:
        return f"{head}{text_head}{mailer}".encode("ascii") + body
    border = f"=_{n:08x}.{seed:08x}"
    parts = [f"{text_head}\n".encode("ascii") + body, *map(_file_part, files)]
    head += f'Content-Type: multipart/mixed; boundary="{border}"\n{mailer}'
    between = b"".join(f"--{border}\n".encode("ascii") + part + b"\n" for part in parts)
    return head.encode("ascii") + between + f"--{border}--\n".encode("ascii")


def _file_part(file: File) -> bytes:
    head = (
        f'Content-Type: {file.media_type}; name="{file.name}"\nContent-Transfer-Encoding: base64\n'
        f'Content-Disposition: attachment; filename="{file.name}"\n\n'
    )
    return head.encode("ascii") + base64.encodebytes(file.data)


def _encoded(rng: random.Random, text: str) -> tuple[bytes, str]:
    data = text.encode("utf-8")
    drawn = rng.random()
    if drawn < 0.15:
        return quopri.encodestring(data), "quoted-printable"
    if drawn < 0.20:
        return base64.encodebytes(data), "base64"
    return data, "7bit" if data.isascii() else "8bit"


def _message_id(n: int, seed: int) -> str:
    return f"<{n:08}.{seed}@mail.example>"


def _address(name: str) -> str:
    return name.lower().replace(" ", ".") + "@falls.example"


Write = Callable[[int, int], bytes]
"""Returns a message by its number and the seed."""


def _write(folder: str, seed: int, first: int, last: int, make: Write) -> int:
    written = 0
    for n in range(first, last):
        place = Path(folder, _FOLDERS[n % len(_FOLDERS)], "cur")
        data = make(n, seed)
        written += len(data)
        (place / f"{1_700_000_000 + n}.M{n % 1_000_000:06}P1.mail.example:2,S").write_bytes(data)
    return written


def write_maildir(folder: Path, messages: int, seed: int, make: Write = letter, step: int = 5_000) -> int:
    """Write a Maildir++ of generated mail; returns its bytes.

    Args:
        folder: Is made.
        messages: How many.
        seed: Of all of them.
        make: Makes each; a function of a module, since processes share the work.
        step: How many a process makes at a time.
    """
    for name in dict.fromkeys(_FOLDERS):
        for part in ("cur", "new", "tmp"):
            (folder / name / part).mkdir(parents=True, exist_ok=True)
    if messages <= step:
        return _write(str(folder), seed, 0, messages, make)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("forkserver")) as pool:
        parts = [
            pool.submit(_write, str(folder), seed, first, min(messages, first + step), make)
            for first in range(0, messages, step)
        ]
        return sum(part.result() for part in parts)
