#!/usr/bin/env python3
"""Verify a release bundle, offline, with nothing but Python 3.8 or newer.

    python3 verify.py [BUNDLE] [--fingerprint HEX]

It checks that the bundle is whole (RFC 8493: every file by its SHA-256, none added, missing or renamed), that
it was signed (Ed25519, RFC 8032) and by whom when the office's fingerprint is given, and that its counts add
up. The report is JSON on standard output and words on standard error. Exit code 0: all checks passed; 6: one
failed; 2: wrong use.

This file is copied into every bundle as ``verify.py``. A bundle's own copy proves nothing against somebody
who changed it together with the bundle: to be sure, take the verifier from the office and give the
fingerprint that the office publishes.
"""

# Runs on the requester's machine: one file, standard library only, and syntax of Python 3.8.
from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import re
import stat
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Sequence, Tuple  # noqa: UP035 - Python 3.8

STATEMENT = "WORKING COPY, NOT FOR DELIVERY"
OK, WRONG_USE, FAILED = 0, 2, 6
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST, SIGNATURE = "manifest-sha256.txt", "tagmanifest-sha256.txt", "signature.json"
TAG_FILES = ("bag-info.txt", "bagit.txt", MANIFEST, "verify.py")
"""What the tag manifest lists. The tag manifest itself is what is signed; the signature signs itself."""

_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    RecursionError,
    csv.Error,
)
"""What a hostile or damaged file can make a reader raise: always a failed check, never a crash."""


# --- Ed25519, RFC 8032 section 5.1: verification only, from public values: nothing to keep secret


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, P - 2, P) % P
_SQRT_M1 = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]  # noqa: UP006 - evaluated: Python 3.8 knows no tuple[int]
"""Extended homogeneous coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z."""

_NEUTRAL: Point = (0, 1, 1, 0)


def _add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * _D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    result = _NEUTRAL
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decode(data: bytes) -> Point | None:
    """Read a point (section 5.1.3); None for one that is not canonical or not on the curve."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(_D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * _SQRT_M1 % P
    if x * x % P != x2 or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _encode(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _base() -> Point:
    point = _decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    assert point is not None  # a constant of the curve
    return point


_BASE = _base()


def ed25519_valid(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature is valid (RFC 8032 section 5.1.7).

    Strict: S must be below the group order (a larger one is the same signature written otherwise), R and the
    public key must be canonical, and the public key must not be one of the eight points of small order, under
    which one signature fits many messages. The equation is the one without the cofactor.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    key, r = _decode(public), _decode(signature[:32])
    if s >= L or key is None or r is None or _encode(_times(8, key)) == _encode(_NEUTRAL):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    minus = (P - key[0], key[1], key[2], P - key[3])
    return _encode(_add(_times(s, _BASE), _times(k, minus))) == signature[:32]


# --- the bundle


class Report:
    """What was checked, in order.

    Attributes:
        checks: One ``{"check", "ok", "detail"}`` each.
        notes: What a reader must know although no check failed.
        facts: Plain figures and names of the bundle.
    """

    def __init__(self) -> None:
        self.checks: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}

    def add(self, check: str, problems: Sequence[str]) -> bool:
        """Record a check; it passed when there are no problems."""
        more = [f"and {len(problems) - 20} more"] if len(problems) > 20 else []
        self.checks.append({"check": check, "ok": not problems, "problems": [*problems[:20], *more]})
        return not problems

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks) and all(check["ok"] for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return the report as one object."""
        return {"ok": self.ok, **self.facts, "checks": self.checks, "notes": self.notes}

    def words(self) -> str:
        """Return the report for people."""
        lines = []
        for check in self.checks:
            lines.append(f"{'ok    ' if check['ok'] else 'FAILED'}  {check['check']}")
            lines.extend(f"          {problem}" for problem in check["problems"])
        if self.facts.get("conversations", {}).get("pages"):
            lines.append(
                "counted {pages} pages of conversations: {messages} messages on them, {left_out} counted as "
                "not there".format(**self.facts["conversations"])
            )
        lines.extend(f"note    {note}" for note in self.notes)
        lines.append("RESULT  " + ("every check passed" if self.ok else "NOT VERIFIED: a check failed"))
        if self.facts.get("working_copy", True):
            lines.append(STATEMENT)
        return "\n".join(lines) + "\n"


def verify(bundle: Path, fingerprint: str | None = None) -> Report:
    """Check a bundle.

    Args:
        bundle: The folder that holds ``bagit.txt``, or the one above it that holds ``release``.
        fingerprint: As the office publishes it (64 hex digits; blanks, colons, case do not count), or None.

    Returns:
        The report; it never raises for what it finds.
    """
    report = Report()
    root = (
        bundle if (bundle / "bagit.txt").exists() or not (bundle / "release").is_dir() else bundle / "release"
    )
    files, problems = _walk(root)
    report.add("only plain files with safe names", problems)
    report.add("bag declaration", _guarded(_declaration, root))
    listed: dict[str, str] = {}
    report.add("every payload file, none added, missing or renamed", _guarded(_payload, root, files, listed))
    report.add("every tag file, none added, missing or renamed", _guarded(_tags, root, files))
    report.add("size and number of payload files", _guarded(_oxum, root))
    report.add("signature", _guarded(_signature, root, fingerprint, report))
    report.add("statement of the bundle", _guarded(_status, root, report))
    report.add("counts add up", _guarded(_counts, root, listed, report))
    report.add("pages of conversations", _guarded(_conversations, root, listed, report))
    return report


def _guarded(check: Any, *args: Any) -> list[str]:
    try:
        problems: list[str] = check(*args)
    except _UNREADABLE as error:
        return [f"cannot be read as it should ({type(error).__name__})"]
    return problems


def _walk(root: Path) -> tuple[dict[str, Path], list[str]]:
    """List every file below the root by its ``/`` path, without following anything."""
    files: dict[str, Path] = {}
    problems: list[str] = []
    seen: set[str] = set()
    pending = [root]
    if not root.is_dir() or root.is_symlink():
        return files, ["the bundle is not a folder"]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError:
            problems.append("a folder cannot be read")
            continue
        if not entries and folder != root:
            problems.append("an empty folder was added")
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            mode = entry.stat(follow_symlinks=False).st_mode
            key = unicodedata.normalize("NFC", name).casefold()
            if stat.S_ISDIR(mode):
                pending.append(path)
            elif not stat.S_ISREG(mode):
                problems.append(f"not a plain file: {_shown(name)}")
            elif not _safe(name) or key in seen:
                problems.append(f"unsafe name: {_shown(name)}")
            files[name] = path
            seen.add(key)
    return {n: p for n, p in files.items() if not p.is_dir() or p.is_symlink()}, problems


def _shown(name: str) -> str:
    return ascii(name[:120])


def _safe(name: str) -> bool:
    parts = name.split("/")
    return not (
        name.startswith("/")
        or "\\" in name
        or ":" in parts[0]
        or any(part in {"", ".", ".."} for part in parts)
        or any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in name)
    )


def _declaration(root: Path) -> list[str]:
    return (
        []
        if (root / "bagit.txt").read_bytes() == BAGIT
        else ["bagit.txt is not the declaration of BagIt 1.0"]
    )


_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def _manifest(path: Path) -> dict[str, str]:
    out: dict[str, str] = {}
    lines = path.read_bytes().decode("utf-8").split("\n")
    if lines.pop() != "":
        raise ValueError("no line feed at the end")
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError("not a manifest line")
        # RFC 8493 section 2.1.3: CR, LF and % are percent-encoded, nothing else
        name = found.group(2).replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        if name in out or not _safe(name):
            raise ValueError("an unsafe or repeated path")
        out[name] = found.group(1)
    return out


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _compare(listed: dict[str, str], files: dict[str, Path]) -> list[str]:
    problems = [f"missing: {_shown(name)}" for name in sorted(set(listed) - set(files))]
    problems += [f"added: {_shown(name)}" for name in sorted(set(files) - set(listed))]
    for name in sorted(set(listed) & set(files)):
        try:
            same = stat.S_ISREG(files[name].lstat().st_mode) and _digest(files[name]) == listed[name]
        except OSError:
            same = False
        if not same:
            problems.append(f"changed: {_shown(name)}")
    return problems


def _payload(root: Path, files: dict[str, Path], out: dict[str, str]) -> list[str]:
    listed = _manifest(root / MANIFEST)
    out.update(listed)
    strange = [f"not below data: {_shown(name)}" for name in sorted(listed) if not name.startswith("data/")]
    return strange + _compare(listed, {n: p for n, p in files.items() if n.startswith("data/")})


def _tags(root: Path, files: dict[str, Path]) -> list[str]:
    listed = _manifest(root / TAG_MANIFEST)
    present = {
        n: p for n, p in files.items() if not n.startswith("data/") and n not in {TAG_MANIFEST, SIGNATURE}
    }
    wrong = [] if tuple(sorted(listed)) == TAG_FILES else ["the tag manifest does not list the tag files"]
    return wrong + _compare(listed, present)


def _info(root: Path) -> dict[str, str]:
    text = (root / "bag-info.txt").read_bytes().decode("utf-8")
    return dict(line.split(": ", 1) for line in text.rstrip("\n").split("\n"))


def _oxum(root: Path) -> list[str]:
    stated = _info(root)["Payload-Oxum"]
    sizes = [path.stat().st_size for path in (root / "data").rglob("*") if path.is_file()]
    return [] if stated == f"{sum(sizes)}.{len(sizes)}" else ["Payload-Oxum differs from the files"]


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def _signature(root: Path, fingerprint: str | None, report: Report) -> list[str]:
    path = root / SIGNATURE
    if not path.exists():
        return ["there is no signature: a draft, or the signature was taken away"]
    data = path.read_bytes()
    told = json.loads(data.decode("utf-8"))
    # one spelling only: otherwise bytes of this file could change unnoticed
    if (
        set(told) != {"algorithm", "fingerprint", "public_key", "signature", "signed"}
        or _canonical(told) != data
    ):
        return ["signature.json is not written as it must be"]
    if told["algorithm"] != "Ed25519" or told["signed"] != TAG_MANIFEST:
        return ["signature.json names another algorithm or another file"]
    hexes = [(told["public_key"], 64), (told["signature"], 128), (told["fingerprint"], 64)]
    if not all(re.fullmatch(r"[0-9a-f]+", text) and len(text) == size for text, size in hexes):
        return ["signature.json does not hold hex of the right length"]
    public = bytes.fromhex(told["public_key"])
    own = hashlib.sha256(public).hexdigest()
    if own != told["fingerprint"]:
        return ["the fingerprint in signature.json is not that of its key"]
    if not ed25519_valid(public, (root / TAG_MANIFEST).read_bytes(), bytes.fromhex(told["signature"])):
        return ["the signature does not fit the tag manifest"]
    report.facts["fingerprint"] = own
    report.facts["fingerprint_compared"] = fingerprint is not None
    if fingerprint is None:
        report.notes.append(
            "No fingerprint was given: this shows that the bundle is whole and was signed by the key "
            f"{own}, not whose key that is. A bundle that somebody changed and signed anew with "
            "a key of their own passes too. Ask the records office for its fingerprint and run again "
            "with --fingerprint."
        )
    elif re.sub(r"[\s:]", "", fingerprint).lower() != own:
        return ["the bundle was signed by another key than the fingerprint given"]
    return []


def _status(root: Path, report: Report) -> list[str]:
    status = json.loads((root / "data/status.json").read_bytes().decode("utf-8"))
    working, draft = status["working_copy"], status["draft"]
    problems = []
    if not isinstance(working, bool) or not isinstance(draft, bool):
        problems.append("status.json does not say what the bundle is")
    page = (root / "data/index.html").read_bytes().decode("utf-8")
    said = _info(root).get("Internal-Sender-Description") == STATEMENT
    if working and not (status["statement"] == STATEMENT and STATEMENT in page and said):
        problems.append("a working copy that does not say so everywhere")
    report.facts.update(working_copy=working is not False, draft=draft)
    report.facts.update(request_id=status["request_id"], installment=status["installment"])
    if working:
        report.facts["statement"] = STATEMENT
        report.notes.append(f"{STATEMENT}: redaction and its checks are not part of this version.")
    return problems


def _table(root: Path, name: str) -> list[dict[str, str]]:
    text = (root / "data" / name).read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("a row is too long or too short")
    return rows


def _counts(root: Path, listed: dict[str, str], report: Report) -> list[str]:
    counts = json.loads((root / "data/counts.json").read_bytes().decode("utf-8"))
    rows, log = _table(root, "index.csv"), _table(root, "exemption-log.csv")
    problems = _index_problems(root, rows, log, listed)
    released = [r for r in rows if r["treatment"] == "released"]
    own = counts["installment"]
    figures = {
        "records": len(rows),
        "released": len(released),
        "withheld_in_full": len(rows) - len(released),
        "natives": sum(1 for name in listed if name.startswith("data/natives/")),
        "texts": sum(1 for name in listed if name.startswith("data/text/")),
        "families": len({r["family"] for r in rows}),
        "log_entries": len({r["log_no"] for r in log}),
        "conversation_pages": sum(1 for name in listed if name.startswith(_PAGES)),
    }
    # a bundle of an earlier format has no pages, and says nothing of them
    problems += [f"counts.json says another number of {k}" for k, n in figures.items() if own.get(k, 0) != n]
    problems += _ledger_problems(counts, report)
    report.facts["counts"] = figures
    return problems


def _index_problems(
    root: Path,
    rows: list[dict[str, str]],
    log: list[dict[str, str]],
    listed: dict[str, str],
) -> list[str]:
    """Index, natives, texts and log must tell the same: no number twice or skipped, no file without a row."""
    problems = []
    numbers = [int(found.group()) for r in rows if (found := re.search(r"[0-9]+\Z", r["number"]))]
    if len(numbers) != len(rows) or numbers != list(
        range(numbers[0] if numbers else 1, (numbers or [0])[0] + len(rows))
    ):
        problems.append("the record numbers have a gap or are out of order")
    logged = {r["begin_no"] for r in log}
    expected = set()
    for row in rows:
        shown = _shown(row["number"])
        withheld = row["treatment"] != "released"
        if withheld != (row["treatment"] == "withheld in full") or withheld != (row["number"] in logged):
            problems.append(f"{shown}: index and exemption log differ")
        if withheld and (row["native"] or row["text"] or row["sha256"]):
            problems.append(f"{shown}: withheld, and yet there are files or hashes")
        if not withheld and not (row["native"] and listed.get(f"data/{row['native']}") == row["sha256"]):
            problems.append(f"{shown}: the native is not the one of the index")
        elif not withheld and str((root / "data" / row["native"]).stat().st_size) != row["bytes"]:
            problems.append(f"{shown}: the native has another size")
        expected |= {f"data/{row[key]}" for key in ("native", "text") if row[key]}
    if logged - {r["number"] for r in rows}:
        problems.append("the exemption log has a number that the index does not have")
    present = {name for name in listed if name.startswith(("data/natives/", "data/text/"))}
    if expected != present:
        problems.append("natives and texts are not those of the index")
    return problems


# --- the pages of conversations: each released message in its words, each other one counted

_PAGES = "data/conversations/"

NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Characters that the page of a message leaves out: they steer a terminal, turn a line, or are none."""

NO_SENDER = "sender not stated"

_SUM = re.compile(r"([0-9]+) messages? .*: ([0-9]+) here, ([0-9]+) not here\.")
_AWAY = re.compile(r"([0-9]+) messages? (?:is|are) not here")
_COLLECTED = ("sum", "from", "clock", "text", "carried", "count", "part", "withheld", "before")


class ConversationPage(HTMLParser):
    """What a page of a conversation says, in the order it says it.

    Attributes:
        found: Class, id and words of every element that counts.
        hidden: Comments and elements that a reader would not see; there must be none.
    """

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str, list[str]]] = []
        self.hidden: list[str] = []
        self._open: list[tuple[str, int]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        given = {name: value or "" for name, value in attrs}
        wanted = [name for name in given.get("class", "").split() if name in _COLLECTED]
        if tag not in _PLAIN_TAGS or "hidden" in given or "style" in given:
            self.hidden.append(tag)
        if wanted:
            self.found.append((wanted[0], given.get("id", ""), []))
        if tag not in {"meta", "br"}:
            self._open.append((tag, len(self.found) - 1 if wanted else -1))

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Add words to every element that is open."""
        for _, number in self._open:
            if number >= 0:
                self.found[number][2].append(data)

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.hidden.append(f"a comment of {len(data)} characters")

    def all(self, name: str) -> list[tuple[str, str]]:
        """Return id and words of the elements of a class."""
        return [(key, "".join(text)) for kind, key, text in self.found if kind == name]


_PLAIN_TAGS = frozenset(
    "a body div footer h1 h2 head html li main meta nav ol p span strong style time title ul".split()  # noqa: SIM905
)


def same_words(shown: str, text: str) -> bool:
    """Say whether a page shows a text: white space apart, and less what ``NOT_SHOWN`` leaves out."""
    return re.sub(r"\s", "", NOT_SHOWN.sub("", shown)) == re.sub(r"\s", "", NOT_SHOWN.sub("", text))


def _conversations(root: Path, listed: dict[str, str], report: Report) -> list[str]:
    rows = _table(root, "index.csv")
    pages: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row.get("conversation"):
            pages.setdefault("data/" + row["conversation"], []).append(row)
    problems = []
    if set(pages) != {name for name in listed if name.startswith(_PAGES)}:
        problems.append("pages of conversations are not those of the index")
    here = away = 0
    for name in sorted(set(pages) & set(listed)):
        page = ConversationPage((root / name).read_bytes().decode("utf-8"))
        found = _page_problems(root, page, pages[name], {row["number"]: row for row in rows})
        problems += [f"{_shown(name)}: {problem}" for problem in found]
        here += len(pages[name])
        away += sum(_leading(words) for _, words in page.all("count"))
    report.facts["conversations"] = {"pages": len(pages), "messages": here, "left_out": away}
    return problems


def _leading(words: str) -> int:
    return int(words.strip().split(" ", 1)[0])


def _page_problems(
    root: Path, page: ConversationPage, mine: list[dict[str, str]], rows: dict[str, dict[str, str]]
) -> list[str]:
    problems = ["holds what a reader does not see"] if page.hidden else []
    texts = page.all("text")
    if sorted(number for number, _ in texts) != sorted(row["number"] for row in mine):
        problems.append("does not show the messages that the index says are on it, each once")
        return problems
    if len(page.all("from")) != len(texts) or len(page.all("clock")) != len(texts):
        problems.append("messages, senders and times are not as many")
    shown = zip(texts, page.all("from"), page.all("clock"))  # noqa: B905 - Python 3.8 knows no strict
    for (number, words), (_, sender), (_, clock) in shown:
        row = rows[number]
        text = (root / "data" / row["text"]).read_bytes().decode("utf-8", "replace") if row["text"] else ""
        if row["treatment"] != "released" or not same_words(words, text):
            problems.append(f"{_shown(number)}: other words than the record's text")
        # a cell that a spreadsheet would run begins with an apostrophe
        stated = row["from"] or NO_SENDER
        if sender.strip() not in {stated, stated.lstrip("'")}:
            problems.append(f"{_shown(number)}: another sender than in the index")
        if row["date_time"] and clock.strip() != row["date_time"][11:]:
            problems.append(f"{_shown(number)}: another time than in the index")
    families = {row["family"] for row in mine}
    for number in _named(page, "carried"):
        row = rows.get(number, {})
        if row.get("treatment") != "released" or row.get("family") not in families:
            problems.append(f"{_shown(number)}: named as carried, and is not of these messages")
    problems += [
        f"{_shown(number)}: named as withheld, and is not in the index as withheld"
        for number in _named(page, "withheld")
        if rows.get(number, {}).get("treatment") != "withheld in full"
    ]
    problems += [
        f"{_shown(number)}: named as of an earlier instalment, and is in this one"
        for number in _named(page, "before")
        if number in rows
    ]
    return problems + _mark_problems(page, len(texts))


def _named(page: ConversationPage, kind: str) -> list[str]:
    return [words.strip() for _, words in page.all(kind)]


def _mark_problems(page: ConversationPage, here: int) -> list[str]:
    """Each mark's reasons must add up to its number, and all marks to what the head of the page says."""
    problems = []
    marks: list[list[int]] = []
    for kind, _, pieces in page.found:
        words = "".join(pieces).strip()
        if kind == "count":
            found = _AWAY.fullmatch(words)
            marks.append([int(found.group(1)) if found else -1])
        elif kind == "part":
            marks[-1].append(_leading(words))
    if any(mark[0] < 1 or mark[0] != sum(mark[1:]) for mark in marks):
        problems.append("the reasons of a mark do not add up to its number")
    said = [_SUM.fullmatch(words.strip()) for _, words in page.all("sum")]
    figures = [tuple(int(n) for n in one.groups()) for one in said if one]
    away = sum(mark[0] for mark in marks)
    if len(said) != 1 or figures != [(here + away, here, away)]:
        problems.append("the head of the page counts other messages than the page has")
    return problems


_STATES = (
    "released_in_full",
    "released_in_part",
    "withheld_in_full",
    "not_responsive",
    "personal_matter",
    "not_yet_produced",
)


def _ledger_problems(counts: dict[str, Any], report: Report) -> list[str]:
    problems = []
    review, ledger = counts["review"], counts["ledger"]
    if review["stored"] != review["not_in_review"] + review["in_review"]:
        problems.append("review: stored is not what was and was not in review")
    if review["in_review"] != sum(review[state] for state in _STATES):
        problems.append("review: the six states do not add up")
    if review["not_yet_produced"] != sum(review["awaits"].values()):
        problems.append("review: the reasons of what is not yet produced do not add up")
    adds_up = all(s["found"] == s["stored"] + s["failed"] + s["excluded"] for s in ledger["sources"])
    if not adds_up:
        problems.append("collection: found is not stored, failed and excluded together")
    if not ledger["balanced"]:
        if not counts["unbalanced_because"]:
            problems.append("collection does not balance and no reason is given")
        report.notes.append("The collection does not balance; the office's reason is in data/counts.json.")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; see the head of this file."""
    parser = argparse.ArgumentParser(description="Verify a release bundle offline.")
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--fingerprint", help="the records office's key fingerprint, from outside the bundle")
    given = parser.parse_args(arguments)
    if not given.bundle.is_dir():
        sys.stderr.write("there is no such folder\n")
        return WRONG_USE
    report = verify(given.bundle, given.fingerprint)
    sys.stdout.write(json.dumps(report.as_json(), indent=1) + "\n")
    sys.stderr.write(report.words())
    return OK if report.ok else FAILED


if __name__ == "__main__":
    sys.exit(main())
