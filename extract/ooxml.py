"""What an Office Open XML file holds that Tika does not tell apart: hidden parts, comments, tracked changes.

Tika gives hidden sheets, rows, columns, slides and text as if they were shown, and comments without their
authors; here they are read from the parts of the file itself (ECMA-376-1; MS-DOCX, MS-XLSX and MS-PPTX for
what newer programs add).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from extract import odf
from extract.remarks import Remark, quoted, shortened
from extract.zip_document import Found, Package, plain, ranges
from records.entities import unescaped

_SHEET = re.compile(rb"<(?:\w+:)?sheet\b[^<>]*>")
_HIDDEN_SHEET = re.compile(rb"\bstate=\"(?:hidden|veryHidden)\"")
_HIDDEN_CELLS = re.compile(rb"<(?:\w+:)?(row|col)\b([^<>]*\bhidden=\"(?:1|true)\"[^<>]*)>")
_HIDDEN_SLIDE = re.compile(rb"<(?:\w+:)?sld\b[^<>]*\bshow=\"(?:0|false)\"")
_LINK = re.compile(rb"<(?:\w+:)?hyperlink\b[^<>]*>")
_CHANGED = re.compile(rb"<(?:\w+:)?(?:ins|del|moveFrom|moveTo|commentRangeStart|vanish)\b")
_STORY = re.compile(r"word/(?:document|footnotes|endnotes|header\d*|footer\d*)\.xml\Z")
_SLIDE = re.compile(r"ppt/slides/slide(\d+)\.xml\Z")
_THREADED = "tc="
"""How the old comment begins its author that stands for a conversation (MS-XLSX section 2.6.205)."""

_ATTRIBUTE = re.compile(rb"\b(?:\w+:)?(\w+)=\"([^\"]*)\"")


def look(package: Package) -> Found:
    """Look into a zip-based document; anything unreadable counts as not found."""
    for name, reader in (
        ("xl/workbook.xml", _workbook),
        ("ppt/presentation.xml", _show),
        ("word/document.xml", _letter),
        ("content.xml", odf.look),
    ):
        if name in package.names:
            return reader(package)
    return Found(pictures=package.pictures)


# -- letters


@dataclass(slots=True)
class _Change:
    label: str
    by: str
    at: str
    words: list[str] = field(default_factory=list)
    end: int = -1
    line: int = -1


_CHANGES = {"ins": "Inserted", "moveTo": "Moved here", "del": "Deleted", "moveFrom": "Moved from here"}
_STANDS = frozenset({"Inserted", "Moved here", "Hidden text"})
"""What also stands in the text: its beginning is quoted."""


class _Story:
    """Reads one part of a letter: what was changed, what is hidden, what comments are about."""

    def __init__(self) -> None:
        self.changes: list[_Change] = []
        self.about: dict[str, list[str]] = {}
        self._open: list[_Change] = []
        self._ranges: dict[str, list[str]] = {}
        self._hidden = False
        self._texts = self._line = 0

    def see(self, event: str, one: etree._Element) -> None:
        """Take the start or the end of an element."""
        name = etree.QName(one).localname
        if name in _CHANGES:
            self._change(event, name, one)
        elif event == "start":
            if name == "vanish":
                self._hidden = _local(one, "val") not in {"0", "false", "off"} and _in_run(one)
            elif name == "commentRangeStart":
                self._ranges[_local(one, "id")] = []
            elif name == "commentRangeEnd":
                self.about[_local(one, "id")] = self._ranges.pop(_local(one, "id"), [])
        elif name in {"t", "delText"}:
            self._text(one.text or "")
        elif name in {"tab", "br"}:
            if _is_of_run(one):  # not the definition of a tabulator
                self._text(" ")
        elif name == "r":
            self._hidden = False
        elif name == "p":
            self._line += 1
            for words in self._ranges.values():
                words.append(" ")
            one.clear()

    def _change(self, event: str, name: str, one: etree._Element) -> None:
        if event == "start":
            at = next((v for k, v in one.attrib.items() if str(k).endswith("}dateUtc")), _local(one, "date"))
            self._open.append(_Change(_CHANGES[name], _local(one, "author"), str(at)))
        elif self._open:
            self._open.pop()

    def _text(self, said: str) -> None:
        self._texts += 1
        for words in self._ranges.values():
            words.append(said)
        gone = [one for one in self._open if one.label not in _STANDS]
        if gone or self._open:
            self._add((gone or self._open)[-1], said)
        elif self._hidden:
            self._add(_Change("Hidden text", "", ""), said)

    def _add(self, to: _Change, said: str) -> None:
        """Add words to a change; one that goes on where another of the same person ended is the same."""
        last = self.changes[-1] if self.changes else None
        if last is None or last.end != self._texts - 1 or (last.label, last.by, last.at) != (
            to.label, to.by, to.at,
        ):  # fmt: skip
            last = _Change(to.label, to.by, to.at, line=self._line)
            self.changes.append(last)
        elif last.line != self._line:
            last.words.append("\n")
        last.words.append(said)
        last.end, last.line = self._texts, self._line

    def remarks(self) -> Iterator[Remark]:
        """Yield what was changed and what is hidden."""
        for one in self.changes:
            text = "".join(one.words)
            if text.strip():
                text = shortened(text) if one.label in _STANDS else text
                yield Remark(one.label, text, one.by, one.at)


def _letter(package: Package) -> Found:
    about: dict[str, list[str]] = {}
    remarks: list[Remark] = []
    for name in sorted(
        filter(_STORY.match, package.names), key=lambda one: (one != "word/document.xml", one)
    ):
        data = package.read(name)
        if _CHANGED.search(data) is None:
            continue
        story = _Story()
        tags = (
            *_CHANGES,
            "vanish",
            "commentRangeStart",
            "commentRangeEnd",
            "t",
            "delText",
            "tab",
            "br",
            "r",
            "p",
        )
        for event, one in package.events(data, *tags):
            story.see(event, one)
        remarks.extend(story.remarks())
        about |= story.about
    comments = [
        Remark(
            "Comment",
            _paragraphs(one),
            _local(one, "author"),
            _local(one, "date"),
            f"on {on}" if (on := quoted("".join(about.get(_local(one, "id"), ())))) else "",
        )
        for one in package.elements("word/comments.xml", "comment")
    ]
    labels = {one.label for one in remarks}
    return Found(
        hidden=not labels.isdisjoint({"Hidden text", "Deleted", "Moved from here"}),
        pictures=package.pictures,
        partial=package.partial,
        remarks=(*comments, *remarks),
        comments=bool(comments),
        changed=bool(labels - {"Hidden text"}),
    )


def _in_run(one: etree._Element) -> bool:
    """Tell whether a property is that of a run of text, not of a paragraph's end."""
    properties = one.getparent()
    return properties is not None and _is_of_run(properties)


def _is_of_run(one: etree._Element) -> bool:
    run = one.getparent()
    return run is not None and etree.QName(run).localname == "r"


def _local(one: etree._Element, name: str) -> str:
    """Return an attribute that has the namespace of its element (both forms of the standard have one)."""
    space = etree.QName(one).namespace
    return one.get(f"{{{space}}}{name}") or one.get(name) or ""


def _paragraphs(one: etree._Element) -> str:
    """Return the words below an element, a line a paragraph."""
    lines = ["".join(_texts(paragraph)) for paragraph in one.iter("{*}p")]
    return "\n".join(lines).strip() if lines else "".join(_texts(one)).strip()


def _texts(one: etree._Element) -> Iterator[str]:
    for leaf in one.iter("{*}t", "{*}text", "{*}br"):
        yield "\n" if etree.QName(leaf).localname == "br" else leaf.text or ""


# -- workbooks


def _workbook(package: Package) -> Found:
    related = package.relations("xl/workbook.xml")
    people = {
        one.get("id", ""): one.get("displayName", "")
        for kind, part in related.values()
        if kind == "person"
        for one in package.elements(part, "person")
    }
    names: list[str] = []
    hidden: list[str] = []
    hidden_cells: list[Remark] = []
    links: list[Remark] = []
    comments: list[Remark] = []
    in_cells: set[str] = set()
    for sheet in _SHEET.findall(package.read("xl/workbook.xml")):
        stated = _attributes(sheet)
        name = stated.get("name", "")
        names.append(name)
        if _HIDDEN_SHEET.search(sheet):
            hidden.append(name)
        _, part = related.get(stated.get("id", ""), ("", ""))
        data = package.read(part) if part else b""
        hidden_cells.extend(_hidden_cells(data, name))
        targets = package.relations(part) if part else {}
        links.extend(_links(data, targets, name))
        below = targets.values()
        threads = [t for kind, t in below if kind == "threadedComment"]
        spoken = [one for t in threads for one in _threads(package, t, name, people)]
        answered = {one.about for one in spoken}
        for kind, target in below:
            if kind == "comments":
                for author, one in _cell_comments(package, target, name):
                    in_cells.add(plain(f"{author}: {one.text}" if author else one.text))
                    if not (author.startswith(_THREADED) and one.about in answered):
                        comments.append(one)
        comments.extend(spoken)
    return Found(
        hidden=bool(hidden or hidden_cells),
        pictures=package.pictures,
        sheets=tuple(names),
        hidden_sheets=frozenset(hidden),
        partial=package.partial,
        remarks=(*comments, *(Remark("Hidden sheet", name) for name in hidden), *hidden_cells, *links),
        comments=bool(comments),
        links=True,
        cell_comments=frozenset(in_cells),
    )


def _attributes(tag: bytes) -> dict[str, str]:
    return {
        name.decode(): unescaped(value.decode("utf-8", "replace")) for name, value in _ATTRIBUTE.findall(tag)
    }


def _hidden_cells(data: bytes, sheet: str) -> Iterator[Remark]:
    rows: list[tuple[int, int]] = []
    columns: list[tuple[int, int]] = []
    for kind, inside in _HIDDEN_CELLS.findall(data):
        stated = _attributes(inside)
        first = _number(stated.get("r" if kind == b"row" else "min", ""), 1)
        if kind == b"row":
            rows.append((first, first))
        else:
            columns.append((first, _number(stated.get("max", ""), first)))
    if rows:
        yield Remark(f"Hidden rows of {quoted(sheet)}", ranges(rows))
    if columns:
        yield Remark(f"Hidden columns of {quoted(sheet)}", ranges(columns, columns=True))


def _links(data: bytes, targets: dict[str, tuple[str, str]], sheet: str) -> Iterator[Remark]:
    for found in _LINK.findall(data):
        stated = _attributes(found)
        _, address = targets.get(stated.get("id", ""), ("", ""))
        if address:
            yield Remark(f"Link {_cell(stated.get('ref', ''), sheet)}", address)


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else otherwise


def _cell_comments(package: Package, part: str, sheet: str) -> Iterator[tuple[str, Remark]]:
    authors: list[str] = []
    for one in package.elements(part, "author", "comment"):
        if etree.QName(one).localname == "author":
            authors.append(one.text or "")
            continue
        number = _number(one.get("authorId", ""), len(authors))
        author = authors[number] if number < len(authors) else ""
        text = "".join(_texts(one)).strip()
        yield author, Remark("Comment", text, author, about=_cell(one.get("ref", ""), sheet))


def _threads(package: Package, part: str, sheet: str, people: dict[str, str]) -> Iterator[Remark]:
    for one in package.elements(part, "threadedComment"):
        by = people.get(one.get("personId", ""), "")
        text = "".join(_texts(one)).strip()
        yield Remark("Comment", text, by, one.get("dT", ""), _cell(one.get("ref", ""), sheet))


def _cell(reference: str, sheet: str) -> str:
    return f"on {reference} of {quoted(sheet)}"


# -- shows


def _show(package: Package) -> Found:
    related = package.relations("ppt/presentation.xml")
    authors: dict[str, str] = {}
    for kind, part in related.values():
        if kind == "commentAuthors":
            authors |= {e.get("id", ""): e.get("name", "") for e in package.elements(part, "cmAuthor")}
        elif kind == "authors":
            authors |= {e.get("id", ""): e.get("name", "") for e in package.elements(part, "author")}
    ids = [
        next((str(v) for k, v in one.attrib.items() if str(k).endswith("}id")), "")
        for one in package.elements("ppt/presentation.xml", "sldId")
    ]
    shown = [one for one in ids if one in related]
    remarks: list[Remark] = []
    comments: list[Remark] = []
    notes = False
    for number, one in enumerate(shown, 1):
        part = related[one][1]
        if _HIDDEN_SLIDE.search(package.read(part)[:8192]):
            remarks.append(Remark(f"Hidden slide {number}", _title(package, part)))
        for kind, target in package.relations(part).values():
            if kind == "comments":
                comments.extend(_slide_comments(package, target, number, authors))
            notes |= kind == "notesSlide"
    return Found(
        hidden=bool(remarks),
        pictures=package.pictures,
        partial=package.partial,
        remarks=(*comments, *remarks),
        comments=bool(comments),
        notes=notes,
        slides=tuple(shown.index(one) for one in sorted(shown)),
    )


def _title(package: Package, part: str) -> str:
    """Return the first words of a slide, which are its title where it has one."""
    return next((words for e in package.elements(part, "t") if (words := shortened(e.text or ""))), "")


def _slide_comments(package: Package, part: str, number: int, authors: dict[str, str]) -> Iterator[Remark]:
    """Yield comments of both forms; the newer one has answers below (MS-PPTX section 2.6)."""
    for first in package.elements(part, "cm"):
        for one in (first, *first.iter("{*}reply")):
            body = next(one.iterchildren("{*}text", "{*}txBody"), None)
            text = "" if body is None else (body.text or "").strip() or _paragraphs(body)
            at = one.get("dt") or one.get("created") or ""
            by = authors.get(one.get("authorId", ""), "")
            yield Remark("Comment", text, by, at, f"on slide {number}")
