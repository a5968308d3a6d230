"""What the leak gate looks for, and how it looks into bytes: word runs, hex tokens, containers.

Words are runs of letters and digits after NFKC and case folding, so that a name is found however it is
written: ``Evaluation_2026.pdf``, ``evaluation 2026 PDF``, in HTML entities, JSON escapes or base64.
"""

from __future__ import annotations

import base64
import binascii
import email
import email.header
import email.policy
import gzip
import hashlib
import io
import re
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from itertools import compress, count, pairwise
from urllib.parse import unquote

import compressed_rtf

from records.compound_files import SIGNATURE
from records.compound_reading import read
from records.entities import unescaped
from records.errors import ItemError

SHINGLE = 8
"""Words in a row that count as content taken over."""

TELLING = 4
"""Words of such a run that must be neither numbers nor participants' names."""

LONGEST_NAME = 12
"""Words of a name or subject that are compared; the rest of a longer one is ignored."""

WORDS_OF_A_TEXT = 20_000
"""Words of one withheld text that are compared."""

SCAN_BYTES = 64 << 20
"""Bytes of one file or part that are looked at as text."""

DEPTH, PARTS, UNPACKED_BYTES = 8, 20_000, 1 << 28
"""Limits of looking into one released native."""

_PROPERTIES = "__properties_version1.0"
_PROPERTY = "__substg1.0_"
_RTF = "__SUBSTG1.0_10090102"
"""Streams of a message of Outlook: what lists its properties, how those of a property begin, packed RTF."""

_WORD = re.compile(r"[^\W_]+")
_HEX = re.compile(rb"[0-9A-Fa-f]{32,}")
_HEX_LENGTHS = (32, 64)
_TAG = re.compile(r"<(?![^\s<>@]+@[^\s<>@]+>)[A-Za-z!/?][^<>]*>")
"""A tag or a comment, but not a mail address between angle brackets."""

_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BASE64_LINE = re.compile(rb"(?m)^[A-Za-z0-9+/]{40,76}={0,2}\r?$")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{64,}={0,2}")


_FORMAT = dict.fromkeys(
    code
    for block in (range(0x10000), range(0x11000, 0x14000), range(0x1B000, 0x1E000), range(0xE0000, 0xE0080))
    for code in block
    if unicodedata.category(chr(code)) == "Cf"
)
"""Characters that nobody sees, such as the soft hyphen: they would cut a word in two."""


def words(text: str) -> list[str]:
    """Return the words of a text, folded."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_FORMAT))
    return _WORD.findall(text.casefold())


HEADER_WORDS = frozenset(
    words("""
        on at am pm wrote from to cc bcc sent date subject mailto original message forwarded re fw fwd
        mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday
        jan feb mar apr may jun jul aug sep oct nov dec
        january february march april june july august september october november december
    """)
)
"""Words of quoted headers: with names and numbers they make up lines that say nothing of the content."""


class Watch:
    """Runs of words to be found, each with whom it belongs to; only their hashes are kept."""

    def __init__(self) -> None:
        self._owners: dict[int, tuple[str, str]] = {}
        self._single: set[str] = set()
        # the lengths of the runs that begin with two words: most places of a text begin none
        self._lengths: dict[int, set[int]] = {}
        self._shingles = False

    def __len__(self) -> int:
        return len(self._owners)

    def by_check(self) -> Counter[str]:
        """Return how many runs are watched for, by check."""
        return Counter(check for check, _ in self._owners.values())

    def add(self, run: list[str], check: str, owner: str) -> None:
        """Watch for a run of words."""
        self._owners.setdefault(hash(tuple(run)), (check, owner))
        if len(run) == 1:
            self._single.add(run[0])
        elif len(run) == SHINGLE:
            self._shingles = True
        else:
            self._lengths.setdefault(hash((run[0], run[1])), set()).add(len(run))

    def add_shingles(
        self, run: list[str], check: str, owner: str, common: Collection[str] = frozenset()
    ) -> None:
        """Watch for every ``SHINGLE`` words in a row; a shorter text is watched as a whole.

        Args:
            run: The words.
            check: For the findings.
            owner: For the findings.
            common: Words that tell nothing by themselves (participants' names and addresses). A run needs
                ``TELLING`` others that are no numbers: a line such as "On … wrote:" repeats what any index
                of released mail shows.
        """
        if len(run) < SHINGLE:
            self.add(run, check, owner)
        telling = [word not in common and not word.isdigit() for word in run]
        for start in range(len(run) - SHINGLE + 1):
            if not common or sum(telling[start : start + SHINGLE]) >= TELLING:
                self.add(run[start : start + SHINGLE], check, owner)

    def _hits(self, run: list[str]) -> Iterator[int]:
        """Yield the key of every watched run in these words; all but a few of them are passed over in C."""
        lengths, owners = self._lengths, self._owners
        if self._single:
            for word in self._single.intersection(run):
                if (key := hash((word,))) in owners:
                    yield key
        if self._shingles:
            rows = zip(*(run[start:] for start in range(SHINGLE)), strict=False)
            yield from filter(owners.__contains__, map(hash, rows))
        if lengths:
            for start in compress(count(), map(lengths.__contains__, map(hash, pairwise(run)))):
                for length in lengths[hash((run[start], run[start + 1]))]:
                    key = hash(tuple(run[start : start + length]))
                    if key in owners and start + length <= len(run):
                        yield key

    def clear(self, text: str) -> None:
        """Stop watching for what a text may say."""
        for key in list(self._hits(words(text))):
            self._owners.pop(key, None)

    def find(self, text: str) -> set[tuple[str, str]]:
        """Return check and owner of everything that the text holds."""
        return {self._owners[key] for key in self._hits(words(text))}


@dataclass(slots=True)
class Look:
    """What looking into one file gave.

    Attributes:
        digests: SHA-256 of the file and of every part in it.
        found: Check and owner of every watched run.
        tokens: Hex tokens of 32 or 64 digits in it, lower case.
        unopened: Codes of what could not be looked into.
    """

    digests: set[str] = field(default_factory=set)
    found: set[tuple[str, str]] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    unopened: set[str] = field(default_factory=set)


class Looker:
    """Looks into one file: as text in several spellings, and into what it contains."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.look = Look()
        self._left = UNPACKED_BYTES
        self._parts = 0

    def name(self, name: str) -> None:
        """Look at a file name or the name of a part."""
        for view in {name, unquote(name), unescaped(name)}:
            self.look.found |= self._watch.find(view)
        self.look.tokens |= _hex(name.encode("utf-8", "replace"))

    def data(self, data: bytes, depth: int = 0) -> None:
        """Look at bytes and at whatever they contain."""
        self._parts += 1
        self._left -= len(data)
        if self._parts > PARTS or self._left < 0 or depth > DEPTH:
            self.look.unopened.add("limit")
            return
        self.look.digests.add(hashlib.sha256(data).hexdigest())
        if len(data) > SCAN_BYTES:
            self.look.unopened.add("size")
        mail = _looks_like_mail(data)
        self._text(_BASE64_LINE.sub(b"", data[:SCAN_BYTES]) if mail else data[:SCAN_BYTES])
        if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            self._zip(data, depth)
        elif data.startswith(b"\x1f\x8b"):
            self._gzip(data, depth)
        elif data.startswith(SIGNATURE):
            self._compound(data, depth)
        elif data.startswith(b"%PDF-"):
            self.look.unopened.add("pdf_streams")
        elif mail:
            self._mail(data, depth)
        else:
            self._base64(data, depth)

    def _text(self, data: bytes) -> None:
        self.look.tokens |= _hex(data)
        for view in views(data):
            self.look.found |= self._watch.find(view)

    def _base64(self, data: bytes, depth: int) -> None:
        """Text can carry bytes in base64 (a data: address in HTML, a part in XML)."""
        for found in _BASE64.finditer(data[:SCAN_BYTES]):
            packed = re.sub(rb"\s", b"", found.group()).rstrip(b"=")
            try:
                self.data(base64.b64decode(packed + b"=" * (-len(packed) % 4)), depth + 1)
            except (binascii.Error, ValueError):
                continue

    def _zip(self, data: bytes, depth: int) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for entry in archive.infolist():
                    self.name(entry.filename)
                    self._zip_entry(archive, entry, depth)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
            self.look.unopened.add("zip")

    def _zip_entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int) -> None:
        if entry.is_dir():
            return
        if entry.flag_bits & 1:
            self.look.unopened.add("encrypted")
            return
        if entry.file_size > self._left:
            self.look.unopened.add("limit")
            return
        try:
            with archive.open(entry) as member:
                self.data(member.read(max(self._left, 0) + 1), depth + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError, RuntimeError):
            self.look.unopened.add("zip")

    def _compound(self, data: bytes, depth: int) -> None:
        """Look into each stream; of a message of Outlook that is all there is, of another document a part."""
        try:
            opened = read(data)
        except ItemError:
            self.look.unopened.add("compound_file")
            return
        if not opened.whole or _PROPERTIES not in opened.root.entries:
            self.look.unopened.add("compound_file")
        pending = [opened.root]
        while pending:
            for name, entry in pending.pop().entries.items():
                if isinstance(entry, bytes):
                    self._stream(name, entry, depth)
                else:
                    pending.append(entry)

    def _stream(self, name: str, data: bytes, depth: int) -> None:
        """Look at a stream; the name of a property's says what type its text has (MS-OXMSG section 2.2)."""
        kind = name[-4:].upper() if name.startswith(_PROPERTY) else ""
        if kind == "001F":
            self.look.found |= self._watch.find(data.decode("utf-16-le", "replace"))
        if name.upper() == _RTF:
            try:
                data = compressed_rtf.decompress(data)
            except Exception:  # noqa: BLE001 - the library raises nothing narrower for damage
                self.look.unopened.add("compressed_rtf")
        self.data(data, depth + 1)

    def _gzip(self, data: bytes, depth: int) -> None:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                inner = file.read(max(self._left, 0) + 1)
        except (OSError, EOFError, zlib.error):
            self.look.unopened.add("gzip")
            return
        self.data(inner, depth + 1)

    def _mail(self, data: bytes, depth: int) -> None:
        try:
            message = email.message_from_bytes(data, policy=email.policy.compat32)
            for part in _parts(message):
                self._mail_part(part, depth)
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            self.look.unopened.add("mail")

    def _mail_part(self, part: Message, depth: int) -> None:
        for key, value in part.items():
            self.name(f"{key}: {_decoded(str(value))}")
        name = part.get_filename()
        if name:
            self.name(_decoded(str(name)))
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            inner = part.get_payload(0)
            if isinstance(inner, Message):
                self.look.digests.add(hashlib.sha256(inner.as_bytes()).hexdigest())
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and payload:
                self.data(payload, depth + 1)


def _parts(message: Message) -> Iterator[Message]:
    """Walk without recursion: mail nested a thousand deep exists."""
    pending = [message]
    while pending:
        part = pending.pop()
        yield part
        inner = part.get_payload()
        if isinstance(inner, list):
            pending.extend(p for p in inner if isinstance(p, Message))


def _decoded(value: str) -> str:
    """Decode encoded words (RFC 2047) as far as they can be."""
    pieces = []
    for text, charset in email.header.decode_header(value.replace("\r", "").replace("\n", "")):
        if isinstance(text, bytes):
            try:
                pieces.append(text.decode(charset or "utf-8", "replace"))
            except LookupError:
                pieces.append(text.decode("utf-8", "replace"))
        else:
            pieces.append(text)
    return "".join(pieces)


_HEADER = re.compile(rb"[!-9;-~]{1,76}:[ \t]")


def _looks_like_mail(data: bytes) -> bool:
    head = data[:4096].split(b"\n\n")[0].split(b"\r\n\r\n")[0]
    if not _HEADER.match(head):
        return False
    lowered = b"\n" + head.lower()
    return any(
        b"\n" + key in lowered
        for key in (b"from:", b"mime-version:", b"received:", b"message-id:", b"content-type:")
    )


def _hex(data: bytes) -> set[str]:
    return {token.decode("ascii").lower() for token in _HEX.findall(data) if len(token) in _HEX_LENGTHS}


def views(data: bytes) -> Iterator[str]:
    """Yield the spellings in which bytes may hold text: as they are, without tags, unescaped."""
    for text in _decodings(data):
        yield text
        plain = unescaped(text) if "&" in text else text
        if plain is not text:
            yield plain
        if _TAG.search(plain):
            yield _TAG.sub(" ", plain)
            yield unescaped(_TAG.sub("", text))
        if "\\u" in text:
            yield _ESCAPE.sub(lambda m: chr(int(m.group(1), 16)), text)
        if _PERCENT.search(text):
            yield unquote(text)


_ASCII_RUN = re.compile(rb"[\x20-\x7e]{6,}")
_UTF16_RUN = re.compile(rb"(?:[\x20-\x7e]\x00){6,}")


def _decodings(data: bytes) -> Iterable[str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return [data.decode("utf-16", "replace")]
    if b"\x00" in data:
        # binary: what a person would see of it in a plain viewer, in one byte and in two bytes a character
        plain = b" ".join(_ASCII_RUN.findall(data)).decode("ascii")
        wide = b" \x00".join(_UTF16_RUN.findall(data)).decode("utf-16-le")
        return [plain, wide]
    try:
        return [data.decode("utf-8-sig")]
    except UnicodeDecodeError:
        return [data.decode("latin-1")]
