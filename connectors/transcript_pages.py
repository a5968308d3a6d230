"""The lines of a printout, page by page: of a PDF by a process of its own, of a web page in this one.

Each is read in two ways that share no code: one for the reader, one for the count. A PDF is asked for several
times in a request (parts, resuming), so the last ones are kept by the SHA-256 of their bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

from lxml import etree
from lxml import html as lxml_html

from connectors.export_tables import clean
from records.errors import ItemError
from records.vocabulary import Reason

Way = Literal["lines", "count"]

MOST_BYTES = 256 << 20
"""A larger PDF is none that an app printed."""

_MOST_OF_HTML = 64 << 20
_SECONDS = 30
_BYTES_A_SECOND = 10_000
_WAITING = 6
"""Seconds that go by for each second of a processor on a machine that has much else to do, at most."""

_KEPT_LINES = 50_000
_TAIL = 2048

_SPACES = re.compile(r"[^\S\t]+")
_TABS = re.compile(r" ?\t[\t ]*")
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?\s*([A-Za-z0-9_-]{2,30})", re.IGNORECASE)
_HTML = re.compile(rb"(?i)<(?:!doctype html|html|head|body)[\s>]")
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    }
)
_SILENT = frozenset({"head", "noscript", "script", "style", "template"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is printed.

    Attributes:
        page: 1-based; 1 in a web page, which has none.
        number: 1-based place on its page, from the top.
        left: Points from the page's left edge; 0 in a web page.
        top: Points from the page's upper edge; 0 in a web page.
        text: What it says: one space between words, a tab where columns are apart.
    """

    page: int
    number: int
    left: float
    top: float
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        number: 1-based.
        state: ``text``, ``picture``, ``blank``, ``unmapped``, ``damaged`` or ``too_large``.
        lines: From the top down.
    """

    number: int
    state: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Pages:
    """What could be read of a printout.

    Attributes:
        pages: In order.
        fault: Why there may be more; None when all of it was read.
        paged: False for a web page.
        guessed: Its charset is none that it states.
    """

    pages: tuple[Page, ...]
    fault: ItemError | None = None
    paged: bool = True
    guessed: bool = False

    @property
    def lines(self) -> Iterator[Line]:
        """Every line, from the first page on."""
        return (line for page in self.pages for line in page.lines)


def is_printout(head: bytes) -> bool:
    """Say whether a file that begins so is a PDF or a web page."""
    return is_pdf(head) or _HTML.search(head[:2048]) is not None


def is_pdf(head: bytes) -> bool:
    """Say whether a file that begins so is a PDF (ISO 32000-1, annex H.3.4.1: in its first 1,024 bytes)."""
    return b"%PDF-" in head[:1024]


def read_pages(data: bytes, way: Way) -> Pages:
    """Read a PDF or a web page.

    Args:
        data: The file.
        way: ``lines`` for what a reader needs, ``count`` for a second reading that shares no code with it.
    """
    key = (way, hashlib.sha256(data).digest())
    if (found := _LAST.get(key)) is not None:
        _LAST.move_to_end(key)
        return found
    found = _pdf(data, way) if is_pdf(data) else _web_page(data, way)
    if found.fault is None or found.fault.reason not in {Reason.TIMED_OUT, Reason.CRASHED}:
        _LAST[key] = found
        while len(_LAST) > 1 and sum(map(_size, _LAST.values())) > _KEPT_LINES:
            _LAST.popitem(last=False)
    return found


_LAST: OrderedDict[tuple[str, bytes], Pages] = OrderedDict()


def _size(pages: Pages) -> int:
    return 100 + sum(len(page.lines) for page in pages.pages)


def _pdf(data: bytes, way: Way) -> Pages:
    if len(data) > MOST_BYTES:
        return Pages((), ItemError(Reason.TOO_LARGE, "pdf"))
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    seconds = _SECONDS + len(data) // _BYTES_A_SECOND
    begin = "from connectors.transcript_worker import main"
    code = f"import sys; sys.path.insert(0, {root!r}); {begin}; main({way!r}, {seconds})"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=_WAITING * seconds, check=False,
            env={"PATH": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC"},  # no secrets of this process
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Pages((), ItemError(Reason.TIMED_OUT, "pdf"))
    if done.returncode == -signal.SIGXCPU:
        return Pages((), ItemError(Reason.TIMED_OUT, "pdf"))
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return Pages((), ItemError(Reason.CRASHED, "pdf"))
    pages = tuple(_page(number, page) for number, page in enumerate(answer["pages"], 1))
    cut = b"%%EOF" not in data[-_TAIL:]  # ISO 32000-1, 7.5.5: the last line of a file
    faults = {
        "password": ItemError(Reason.ENCRYPTED, "pdf_password"),
        "memory": ItemError(Reason.OUT_OF_MEMORY, "pdf"),
        "too_large": ItemError(Reason.TOO_LARGE, "pdf_text"),
        "damaged": ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, "pdf"),
        None: ItemError(Reason.TRUNCATED, "pdf") if cut else None,
    }
    return Pages(pages, faults[answer["error"]])


def _page(number: int, page: dict[str, object]) -> Page:
    stated = page["lines"]
    assert isinstance(stated, list)
    lines = ((left, top, tidy(text)) for left, top, text in stated)
    said = [(left, top, text) for left, top, text in lines if text]
    return Page(
        number,
        str(page["state"]),
        tuple(Line(number, n, left, top, text) for n, (left, top, text) in enumerate(said, 1)),
    )


def tidy(text: str) -> str:
    """Return a line with one space between words, a tab between columns, and nothing that no store takes."""
    return _TABS.sub("\t", _SPACES.sub(" ", clean(text))).strip()


# --- web pages ---------------------------------------------------------------------------------------------


def _web_page(data: bytes, way: Way) -> Pages:
    if len(data) > _MOST_OF_HTML:
        return Pages((), ItemError(Reason.TOO_LARGE, "html"), paged=False)
    text, guessed = _decoded(data)
    cut = re.search(r"(?i)</html\s*>", text[-_TAIL:]) is None
    try:
        found = _by_lxml(text) if way == "lines" else _by_parser(text)
    except (ValueError, etree.LxmlError, RecursionError):
        return Pages((), ItemError(Reason.CORRUPT, "html"), paged=False)
    lines = tuple(Line(1, n, 0.0, 0.0, one) for n, one in enumerate(filter(None, map(tidy, found)), 1))
    fault = ItemError(Reason.TRUNCATED, "html") if cut else None
    return Pages((Page(1, "text" if lines else "blank", lines),), fault, paged=False, guessed=guessed)


def _decoded(data: bytes) -> tuple[str, bool]:
    """Return the text, and whether its charset is another than it states (UTF-8 where it states none)."""
    stated = found[1].decode("ascii") if (found := _CHARSET.search(data[:4096])) else "utf-8"
    for charset, guessed in ((stated, False), ("utf-8", True), ("cp1252", True)):
        try:
            return data.decode(charset).removeprefix("\ufeff"), guessed
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1"), True


def _by_lxml(text: str) -> list[str]:
    """Return the lines: a block begins one, so does ``br``, and a cell of a table is a column."""
    parser = lxml_html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    root = lxml_html.document_fromstring(text.replace("\x00", ""), parser=parser)
    lines = [""]
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = element.tag if isinstance(element.tag, str) else ""
        if event == "start" and name in _SILENT:
            element.clear(keep_tail=True)
        elif name in {"td", "th"}:
            lines[-1] += "\t" if event == "start" and lines[-1].strip() else ""
        elif name == "br" or name in _BLOCKS:
            lines.append("")
        said = element.text if event == "start" else element.tail
        if said:
            lines[-1] += said.replace("\n", " ").replace("\t", " ")
    return lines


class _Lines(HTMLParser):
    """Collects lines as they stand in the file; another parser than lxml's, for counting."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [""]
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self._silent += tag in _SILENT
        self._between(tag)

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _SILENT))
        self._between(tag)

    def _between(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.lines[-1] += " "
        elif tag == "br" or tag in _BLOCKS:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.lines[-1] += data.replace("\n", " ")


def _by_parser(text: str) -> list[str]:
    parser = _Lines()
    parser.feed(text.replace("\x00", ""))
    parser.close()
    return parser.lines
