"""SMS Backup & Restore: a phone's texts, multimedia messages and calls, nine tenths of the bytes media.

Of sixteen messages one is multimedia; a tenth of those is a group text without media, and every two hundredth
carries a video. There is a call for eight messages, in a file of its own, as the app writes it. The elements
are those of the example district.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.handed import Handed, size_of
from examples.district import phones
from examples.district.texts import make_words
from examples.district.truth import Piece

OF_A_MEDIUM, OF_A_CALL = 16, 8
"""Messages for one that is multimedia, and for a call."""

_TEXT_BYTES = 6_500  # of the fifteen texts beside a multimedia message
_MEDIA_KB = (30, 60, 90, 120, 180, 240, 350, 60, 0, 110)
_VIDEO_KB, _VIDEO_EVERY = 3_000, 200
_FIRST = datetime(2019, 9, 1, 15, 0, tzinfo=UTC)
_EVERY = timedelta(minutes=23)
_CONTACTS = 150
_POOL = 8 << 20


def write_backup(folder: Path, size_bytes: int, seed: int) -> Handed:
    """Write ``sms-….xml`` and ``calls-….xml`` of about so many bytes together.

    Args:
        folder: Is made.
        size_bytes: About how large they become.
        seed: The same gives the same bytes.
    """
    folder.mkdir(parents=True)
    groups, planned = 0, 0
    while planned < size_bytes or not groups:
        planned += _media_bytes(groups) * 4 // 3 + _TEXT_BYTES
        groups += 1
    rng = random.Random(f"sms-{seed}")
    maker = _Maker(make_words(seed, 60).lines, rng.randbytes(_POOL))
    messages = groups * OF_A_MEDIUM
    calls = messages // OF_A_CALL
    _write(folder / "sms-20260905180000.xml", "smses", messages, maker.message)
    _write(folder / "calls-20260905180000.xml", "calls", calls, maker.call)
    paths, size = size_of(folder)
    return Handed(folder, messages + calls, messages + calls, 0, 0, paths, size)


def _write(path: Path, tag: str, count: int, made: Callable[[int], phones.Element]) -> None:
    with path.open("wb", 1 << 20) as file:
        file.write(b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n")
        file.write(b"<!--File Created By SMS Backup & Restore v10.20.002 on 05/09/2026 11:00:00-->\n")
        about = 'backup_set="0f3c" backup_date="1788000000000" type="full"'
        file.write(f'<{tag} count="{count}" {about}>\n'.encode())
        for n in range(count):
            file.write(b"  " + made(n).xml + b"\n")
        file.write(f"</{tag}>\n".encode())


def _media_bytes(group: int) -> int:
    """Return how large the medium of a multimedia message is; 0 for one without."""
    return 1_000 * (_VIDEO_KB if group % _VIDEO_EVERY == 7 else _MEDIA_KB[group % len(_MEDIA_KB)])


class _Maker:
    """Makes elements by their number."""

    def __init__(self, lines: tuple[str, ...], pool: bytes) -> None:
        self._lines = lines
        self._pool = pool

    def message(self, n: int) -> phones.Element:
        """Return a text, or a multimedia message with its picture."""
        at, number, name = _FIRST + _EVERY * n, _number(n), _name(n)
        words = f"{self._lines[n * 7 % len(self._lines)]} {n % 997}"
        sent = n % 3 == 0
        if n % OF_A_MEDIUM:
            return phones.sms(number, name, at, phones.SENT if sent else phones.RECEIVED, words)
        group = n // OF_A_MEDIUM
        size = _media_bytes(group)
        sender, other = (phones.FROM, phones.TO) if not sent else (phones.TO, phones.FROM)
        among = [(number, str(sender)), ("+14255550100", str(other))]
        if size == 0:
            among.append((_number(n + 1), str(phones.TO)))
        suffix, media = ("mp4", "video/mp4") if size == 1_000 * _VIDEO_KB else ("jpg", "image/jpeg")
        pieces = [Piece(f"m{group}.{suffix}", media, self._medium(group, size))] if size else []
        return phones.mms(among, name, at, phones.SENT if sent else phones.RECEIVED, words, pieces)

    def call(self, n: int) -> phones.Element:
        """Return a call: made, taken or missed."""
        at = _FIRST + _EVERY * OF_A_CALL * n
        return phones.call(_number(n * 5), _name(n * 5), at, 1 + n % 3, n * 13 % 900)

    def _medium(self, group: int, size: int) -> bytes:
        """Return bytes that do not pack, different for each."""
        start = group * 104_729 % (len(self._pool) - size)
        return b"\xff\xd8\xff\xe0" + group.to_bytes(8, "big") + self._pool[start : start + size - 12]


def _number(n: int) -> str:
    return f"+1425555{1_000 + n * 31 % _CONTACTS:04}"


def _name(n: int) -> str:
    return f"Contact {n * 31 % _CONTACTS}"
