"""A Google Takeout, unpacked: a fifth of its bytes mail, the rest photos and videos, as sparse files.

Beside them lie Voice, Chat (one conversation holds half of all messages), Drive, Calendar and activity. The
texts of mails are those of ``benchmarks.letters``; a third of the mails carry a file that does not pack.
Photos and videos begin like one, each with bytes of its own, and are a hole behind that. How much there is of
everything goes with the size, so that a tenth of the size is a tenth of each.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from benchmarks.handed import Handed, size_of
from benchmarks.letters import letter
from examples.district.people import make_people
from examples.district.takeout import MBOX, Chat, browser_file, chat_file, members_file
from examples.exports import voice

PHOTO_BYTES, VIDEO_BYTES, PHOTOS_OF_A_VIDEO = 3_500_000, 120_000_000, 100
MAIL_SHARE = 5
"""One of so many bytes is mail."""

_GB = 1_000_000_000
_VOICE_OF_GB, _CHATS_OF_GB, _FILES_OF_GB, _ACTIVITIES_OF_GB = 300, 10_000, 150, 3_000
_TEXTS_OF_A_FILE = 6
_CONVERSATIONS = 40
_LETTERS = 300
_LINE = 77  # of base64, with its end
_LINES = 80_000
_ATTACHED_KB = (40, 90, 250, 600, 20)
_FIRST = datetime(2020, 1, 6, 16, 0, tzinfo=UTC)
_CALLS = (("Placed", "to"), ("Received", "from"), ("Missed", "from"))
_OWNER, _OTHERS = "+14255550100", 120


def write_export(folder: Path, size_bytes: int, seed: int) -> Handed:
    """Write an export of about so many bytes, holes included.

    Args:
        folder: Is made; ``Takeout`` lies in it.
        size_bytes: About how large it becomes.
        seed: The same gives the same bytes.
    """
    maker = _Maker(folder, size_bytes, seed)
    mails = maker.mail()
    texts, pictures, missing = maker.voice()
    chats, groups = maker.chat()
    others = maker.drive() + maker.photos(size_bytes - size_bytes // MAIL_SHARE) + maker.activity()
    maker.write("Takeout/archive_browser.html", browser_file(["Mail", "Voice", "Chat", "Drive", "Photos"]))
    paths, size = size_of(folder)
    messages = mails + texts + chats
    return Handed(folder, messages, messages + pictures + groups + others, missing, 1, paths, size)


class _Maker:
    """Writes the products one after the other."""

    def __init__(self, folder: Path, size_bytes: int, seed: int) -> None:
        self._folder = folder
        self._size = size_bytes
        self._seed = seed
        self._rng = random.Random(f"takeout-{seed}")
        self._people = make_people(seed).staff
        encoded = base64.b64encode(self._rng.randbytes(57 * _LINES))
        self._lines = b"".join(encoded[at : at + 76] + b"\n" for at in range(0, len(encoded), 76))

    def write(self, key: str, data: bytes) -> None:
        """Write one file."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def _share(self, of_gb: int) -> int:
        return max(2, of_gb * self._size // _GB)

    def mail(self) -> int:
        """Write the mbox; returns how many mails it holds."""
        path = self._folder / MBOX
        path.parent.mkdir(parents=True)
        heads, texts = zip(*(letter(n, self._seed).split(b"\n\n", 1) for n in range(_LETTERS)), strict=True)
        written = number = 0
        with path.open("wb", 1 << 20) as file:
            while written < self._size // MAIL_SHARE:
                head = heads[number % _LETTERS].replace(
                    b"<%08d." % (number % _LETTERS), b"<%08d.o" % number, 1
                )
                written += file.write(self._mail(number, head, texts[number % _LETTERS]))
                number += 1
        return number

    def _mail(self, number: int, head: bytes, text: bytes) -> bytes:
        """Return a mail with the separator that Takeout writes, its thread and labels."""
        label = b"Sent" if number % 4 == 0 else b"Inbox"
        began = b"From %d@xxx Mon Jan 06 16:00:00 +0000 2020\n" % (1_790_000_000_000_000_000 + number)
        own = b"X-GM-THRID: %d\nX-Gmail-Labels: %s\n" % (1_790_000_000_000_000_000 + number, label)
        if number % 3:
            return began + own + head + b"\n\n" + text.replace(b"\nFrom ", b"\n>From ") + b"\n"
        edge = b"=_part%d" % number
        before, kind, rest = head.partition(b"Content-Type: ")
        ended = rest.partition(b"X-Mailer: ")
        size = _ATTACHED_KB[number // 3 % len(_ATTACHED_KB)] * 1_000 // 57 * _LINE
        start = number * 7_919 % (_LINES - size // _LINE) * _LINE
        return b"".join((
            began, own, before, b'Content-Type: multipart/mixed; boundary="%s"\n\n--%s\n' % (edge, edge),
            kind, ended[0], b"\n", text.replace(b"\nFrom ", b"\n>From "), b"\n--", edge,
            b"\nContent-Type: application/octet-stream; name=scan%d.bin\n" % number,
            b"Content-Disposition: attachment; filename=scan%d.bin\n" % number,
            b"Content-Transfer-Encoding: base64\n\n", base64.b64encode(b"%057d" % number), b"\n",
            self._lines[start : start + size], b"--", edge, b"--\n\n",
        ))  # fmt: skip

    def voice(self) -> tuple[int, int, int]:
        """Write texts and calls; returns how many, and how many pictures are there and are missing."""
        files = self._share(_VOICE_OF_GB)
        messages = pictures = missing = 0
        for n in range(files):
            at = _FIRST + timedelta(hours=7 * n)
            stamp = f"{at:%Y-%m-%dT%H_%M_%SZ}"
            number = f"+1425555{1_000 + n % _OTHERS}"
            other = voice.person(number, f"Contact {n % _OTHERS}")
            if n % 5 == 4:
                label, towards = _CALLS[n // 5 % 3]
                title = f"{label} call {towards}\nContact {n % _OTHERS}"
                lasted = "" if label == "Missed" else '<abbr class="duration" title="PT22S">(00:00:22)</abbr>'
                data = voice.call(title, other, label, _iso(at), lasted)
                self.write(f"{voice.CALLS}/{number} - {label} - {stamp}.html", data)
                messages += 1
                continue
            name = f"{number} - Text - {stamp}"
            shown = n % 10 == 0 or n % 50 == 3
            texts = [
                voice.text(
                    other if place % 2 else voice.me(_OWNER),
                    f"text {place} of {n}: {self._rng.randrange(10**9)}",
                    _iso(at + timedelta(minutes=place)),
                    voice.image(f"{name}-1") if shown and place == 1 else "",
                )
                for place in range(_TEXTS_OF_A_FILE)
            ]
            self.write(f"{voice.CALLS}/{name}.html", voice.page(f"Contact {n % _OTHERS}", *texts))
            messages += _TEXTS_OF_A_FILE
            if n % 10 == 0:
                self.write(f"{voice.CALLS}/{name}-1.jpg", b"\xff\xd8\xff\xe0" + self._rng.randbytes(8_000))
                pictures += 1
            elif shown:
                missing += 1
        return messages, pictures, missing

    def chat(self) -> tuple[int, int]:
        """Write conversations; returns how many messages they hold, and how many files describe one."""
        total = self._share(_CHATS_OF_GB)
        sizes = [total // 2] + [max(1, total // 2 // (_CONVERSATIONS - 1))] * (_CONVERSATIONS - 1)
        for number, size in enumerate(sizes):
            among = self._people[number % 7 : number % 7 + 3]
            said = [
                Chat(
                    among[n % 3],
                    _FIRST + timedelta(minutes=11 * n),
                    f"line {n} of {number}: {self._rng.randrange(10**9)}",
                )
                for n in range(size)
            ]
            group = f"Takeout/Google Chat/Groups/Space {number:03}"
            self.write(f"{group}/messages.json", chat_file(f"s{number:03}", said)[0])
            self.write(f"{group}/group_info.json", members_file(among))
        return sum(sizes), len(sizes)

    def drive(self) -> int:
        """Write documents: half are texts, half do not pack; returns how many."""
        files = self._share(_FILES_OF_GB)
        for n in range(files):
            if n % 2:
                self.write(
                    f"Takeout/Drive/Notes/note {n}.txt", letter(n % _LETTERS, self._seed) + b"%d\n" % n
                )
            else:
                self.write(f"Takeout/Drive/Scans/scan {n}.bin", b"%08d" % n + self._rng.randbytes(60_000))
        return files

    def photos(self, size_bytes: int) -> int:
        """Write photos with what Takeout says of each, and videos; returns how many files."""
        files = 0
        for n in range(max(1, size_bytes // (PHOTO_BYTES + VIDEO_BYTES // PHOTOS_OF_A_VIDEO))):
            key = f"Takeout/Google Photos/Photos from {2020 + n % 6}/IMG_{n:06}.jpg"
            self._sparse(key, b"\xff\xd8\xff\xe0" + b"%016d" % n, PHOTO_BYTES)
            about = {
                "title": f"IMG_{n:06}.jpg",
                "photoTakenTime": {"timestamp": str(1_580_000_000 + 900 * n)},
            }
            self.write(f"{key}.supplemental-metadata.json", json.dumps(about).encode())
            files += 2
            if n % PHOTOS_OF_A_VIDEO == PHOTOS_OF_A_VIDEO // 2:
                head = b"\0\0\0\x18ftypmp42" + b"%016d" % n
                self._sparse(f"Takeout/Google Photos/Videos/VID_{n:06}.mp4", head, VIDEO_BYTES)
                files += 1
        return files

    def _sparse(self, key: str, head: bytes, size: int) -> None:
        self.write(key, head)
        with (self._folder / key).open("r+b") as file:
            file.truncate(size)

    def activity(self) -> int:
        """Write what Takeout says of searches, and a calendar; returns how many files."""
        rows = [
            {
                "header": "Search", "title": f"Searched for {n}", "titleUrl": f"https://www.google.com/search?q={n}",
                "time": _iso(_FIRST + timedelta(minutes=9 * n)), "products": ["Search"],
            }
            for n in range(self._share(_ACTIVITIES_OF_GB))
        ]  # fmt: skip
        self.write("Takeout/My Activity/Search/MyActivity.json", json.dumps(rows, indent=1).encode())
        lines = list(_calendar(self._share(_FILES_OF_GB)))
        self.write("Takeout/Calendar/Ana Alder.ics", "\r\n".join(lines).encode() + b"\r\n")
        return 2


def _calendar(events: int) -> Iterator[str]:
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Google Inc//Google Calendar 70.9054//EN")
    for n in range(events):
        at = _FIRST + timedelta(days=n)
        yield from ("BEGIN:VEVENT", f"UID:{n}@falls.example", f"DTSTART:{at:%Y%m%dT%H%M%SZ}")
        yield from (f"SUMMARY:Meeting {n}", f"DESCRIPTION:{format_datetime(at)}", "END:VEVENT")
    yield "END:VCALENDAR"


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
