"""Changes of real samples as damage and malice make them: bytes, cuts, splices, lengths, members of zips.

They go beside those of libFuzzer, which knows what code a change reaches and nothing of formats.
"""

from __future__ import annotations

import io
import random
import zipfile
import zlib

_STEPS = (-2, -1, 1, 2, 16, 256)
_BOUNDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MOST_UNPACKED = 1 << 20


def mutated(data: bytes, dice: random.Random, most: int, fixed: int = 0) -> bytes:
    """Return a changed copy.

    Args:
        data: What to change.
        dice: Decides all; the same state gives the same change.
        most: Bytes that the copy may have.
        fixed: Bytes at the start that stay.
    """
    head, body = data[:fixed], bytearray(data[fixed:])
    if body.startswith(b"PK\3\4") and dice.random() < 0.7:
        body = bytearray(_in_a_zip(bytes(body), dice))
    else:
        for _ in range(dice.choice((1, 1, 1, 2, 4, 8))):
            dice.choice(_WAYS)(body, dice)
    return head + bytes(body[: max(most - fixed, 0)])


def _flip(body: bytearray, dice: random.Random) -> None:
    if body:
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)


def _set(body: bytearray, dice: random.Random) -> None:
    if body:
        body[dice.randrange(len(body))] = dice.choice((0, 0xFF, 10, 13, 34, 60, 92, 123, dice.randrange(256)))


def _cut(body: bytearray, dice: random.Random) -> None:
    del body[dice.randrange(len(body) + 1) :]


def _take_out(body: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(body) + 1)
    del body[at : at + dice.choice((1, 2, 4, 16, 64, 512))]


def _repeat(body: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(body) + 1)
    piece = body[at : at + dice.choice((1, 4, 16, 64, 512))]
    body[at:at] = piece * dice.choice((1, 2, 8, 64))


def _splice(body: bytearray, dice: random.Random) -> None:
    source, at = dice.randrange(len(body) + 1), dice.randrange(len(body) + 1)
    size = dice.choice((1, 4, 8, 32, 128, 512))
    body[at : at + size] = body[source : source + size]


def _length(body: bytearray, dice: random.Random) -> None:
    """Change what may be a length, a count or an offset: a number of two, four or eight bytes."""
    size = dice.choice((2, 4, 4, 8))
    if len(body) < size:
        return
    at, order = dice.randrange(len(body) - size + 1), dice.choice(("little", "big"))
    most = (1 << 8 * size) - 1
    stated = int.from_bytes(body[at : at + size], order)
    wanted = dice.choice((stated + dice.choice(_STEPS), dice.choice(_BOUNDS), len(body), len(body) - at))
    body[at : at + size] = (wanted & most).to_bytes(size, order)


def _digits(body: bytearray, dice: random.Random) -> None:
    """Change a number that is written out."""
    at = dice.randrange(len(body) + 1)
    while at < len(body) and not 48 <= body[at] <= 57:
        at += 1
    end = at
    while end < len(body) and 48 <= body[end] <= 57:
        end += 1
    if end > at:
        body[at:end] = dice.choice(
            (b"0", b"-1", b"00", b"999999999999", b"1e400", b"9" * 400, b"9" * 5000, b"4294967296")
        )


_WAYS = (_flip, _set, _cut, _take_out, _repeat, _splice, _length, _length, _digits)


def _in_a_zip(data: bytes, dice: random.Random) -> bytes:
    """Change a member of a zip, its name or its note, and pack all of them anew with sums that fit."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            infos = [info for info in old.infolist() if info.file_size <= _MOST_UNPACKED]
            chosen = dice.randrange(len(infos) or 1)
            for number, info in enumerate(infos):
                body = bytearray(old.read(info))
                name = info.filename
                if number == chosen and dice.random() < 0.1:
                    letters = bytearray(name.encode())
                    _splice(letters, dice)
                    name = letters.decode("utf-8", "replace") or "x"
                elif number == chosen:
                    for _ in range(dice.choice((1, 1, 2, 4))):
                        dice.choice(_WAYS)(body, dice)
                new.writestr(zipfile.ZipInfo(name, info.date_time), bytes(body), zipfile.ZIP_DEFLATED)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, RuntimeError, NotImplementedError, EOFError):
        changed = bytearray(data)
        _flip(changed, dice)
        return bytes(changed)
    return out.getvalue()
