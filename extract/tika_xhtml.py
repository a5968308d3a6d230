"""Tika's XHTML to text: where pages end, what is a comment, where links lead, what was embedded.

Tika writes the same white space into its XHTML as into its plain text, so the words stay as Tika lays them
out. Sources: the classes that Tika's parsers write (``XHTMLContentHandler`` and the extractors of Office and
PDF, Tika 3.x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.parsers import expat

from extract.remarks import Remark, quoted
from extract.zip_document import plain

PAGE = "\f"
"""Stands between pages, slides and sheets: white space to a search, so that a phrase may cross it."""

_COMMENTS = frozenset({"comment", "threaded-comment", "annotation", "slide-comment", "annotationContents"})
_NOTES = frozenset({"notes", "slide-notes"})
_SHEETS = frozenset({"page", "sheet"})
_PICTURES = (".emf", ".wmf", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".svg", ".wdp")
_WITH_WORDS = frozenset({"link", "comment", "sheet_name", "package_name", "deleted"})
"""What is looked at when it ends; others hold much, and only their place counts."""
_SPEAKER = "[Speaker notes]\n"


@dataclass(frozen=True, slots=True)
class Known:
    """What was found in the file itself, so that it is not told twice.

    Attributes:
        comments: Comments were read there: Tika's own are left out.
        cell_comments: Words of comments as Tika puts them behind a cell, white space made even.
        hidden_sheets: Names of sheets that are hidden.
        deleted: Deleted paragraphs that Tika puts first (OpenDocument), white space made even.
        slides: Place of each slide in the show, in the order in which Tika gives them.
        notes: The show has speaker's notes.
        links: Links of cells were read there: Tika's list of them behind each sheet is left out.
        taken_out: Embedded files are children: their text is not the document's.
        attachments: So are the files attached to a PDF, of which Tika gives the words behind its pages.
    """

    comments: bool = False
    cell_comments: frozenset[str] = frozenset()
    hidden_sheets: frozenset[str] = frozenset()
    deleted: tuple[str, ...] = ()
    slides: tuple[int, ...] = ()
    notes: bool = False
    links: bool = False
    taken_out: bool = False
    attachments: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What Tika says.

    Attributes:
        text: Of the document.
        links: Addresses behind words that do not show them.
        comments: A comment stands in the text, labelled.
        notes: Speaker's notes stand in the text, labelled.
        cut: It ends before its end: Tika broke off, and says why beside it.
    """

    text: str
    links: tuple[Remark, ...] = ()
    comments: bool = False
    notes: bool = False
    cut: bool = False


def is_picture(name: str) -> bool:
    """Tell whether an embedded file is a picture, whose words (a drawing has some) a reader sees."""
    return name.lower().endswith(_PICTURES)


def words(xhtml: str, known: Known) -> Words:
    """Return the text of Tika's XHTML.

    Args:
        xhtml: Of one document, with what is embedded in it where Tika was asked so.
        known: What is known of the document.
    """
    page = _Page(known)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = page.start
    parser.EndElementHandler = page.end
    parser.CharacterDataHandler = page.characters
    try:
        parser.Parse(xhtml, True)  # noqa: FBT003 - expat takes it by position
    except (expat.ExpatError, ValueError):  # what came before stays
        parser.buffer_text = False  # gives the words that waited
        return page.result(cut=bool(xhtml.strip()))
    return page.result(cut=False)


BARE = "Link"
"""Label of an address of which nothing tells where it stands."""


def link(address: str, shown: str) -> Remark:
    """Return the remark on an address behind words."""
    return Remark(f"Link behind {quoted(shown)}" if shown.strip() else BARE, address)


def _address(target: str) -> str:
    """Return a target as people write it: without its scheme and its last slash."""
    small = target.lower().removeprefix("mailto:")
    return (small.partition("://")[2] or small).rstrip("/")


@dataclass(slots=True)
class _Open:
    """An element that something waits for at its end."""

    depth: int
    kind: str
    at: int
    href: str = ""


@dataclass(slots=True)
class _Page:
    known: Known
    out: list[str] = field(default_factory=list)
    links: list[Remark] = field(default_factory=list)
    depth: int = 0
    body: int = 0
    skipped: int = 0
    packages: int = 0
    pages: int = 0
    breaks: int = -1
    comments: bool = False
    notes: bool = False
    noted: bool = False
    gone: int = 0
    open: list[_Open] = field(default_factory=list)
    slides: list[int] = field(default_factory=list)
    slides_end: int = -1

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if not self.body:
            self.body = self.depth if name == "body" else 0
            return
        if self.skipped:
            return
        kind = attributes.get("class", "")
        if name == "div":
            self._division(kind, attributes)
        elif name == "a":
            href = attributes.get("href", "")
            if href:
                self.open.append(_Open(self.depth, "link", len(self.out), href))
        elif name == "p":
            self._paragraph(kind)
        elif name == "h1" and self.open and self.open[-1].kind in {"sheet", "package"}:
            self.open.append(_Open(self.depth, f"{self.open[-1].kind}_name", len(self.out)))
        elif name == "br":
            self.breaks = len(self.out)
        elif name == "td":
            self.breaks = -1
            self.open.append(_Open(self.depth, "cell", len(self.out)))

    def end(self, _name: str) -> None:
        if self.skipped == self.depth:
            self.skipped = 0
        while self.open and self.open[-1].depth == self.depth:
            self._close(self.open.pop())
        if self.body == self.depth:
            self.body = 0
        self.depth -= 1

    def characters(self, data: str) -> None:
        if self.body and not self.skipped:
            self.out.append(data)

    def result(self, *, cut: bool) -> Words:
        text = "".join(self._in_order())
        bare = [one for one in self.links if one.label == BARE]
        seen = text.lower() if bare else ""
        stands = {one.text for one in bare if _address(one.text) in seen}
        links = tuple(one for one in self.links if one.label != BARE or one.text not in stands)
        return Words(text, links, self.comments, self.notes, cut)

    def _division(self, kind: str, attributes: Mapping[str, str]) -> None:
        if kind in _SHEETS and not self.packages:
            self._page()
            self.open.append(_Open(self.depth, "sheet", len(self.out)))
        elif kind == "slide-content" and not self.packages:
            self.slides.append(len(self.out))
            self.noted = False
            self._page()
            self.open.append(_Open(self.depth, "slide", len(self.out)))
        elif kind == "package-entry":
            self._slides_are_over()
            self.packages += 1
            self.open.append(_Open(self.depth, "package", len(self.out)))
        elif kind == "embedded":
            self._slides_are_over()
            if attributes.get("source") == "attachment" and self.known.attachments:
                self.open.append(_Open(self.body, "attachments", len(self.out)))
                self.open.sort(key=lambda one: one.depth)
        elif kind == "acroform":
            self._attachments_are_over()
        else:
            self._remark(kind)

    def _paragraph(self, kind: str) -> None:
        if kind:
            self._remark(kind)
        elif self.depth == self.body + 1:
            if self.gone < len(self.known.deleted):
                self.open.append(_Open(self.depth, "deleted", len(self.out)))
            elif self.known.notes and self.slides and not self.noted and self.slides_end < 0:
                self._speaker()

    def _remark(self, kind: str) -> None:
        if kind in _NOTES:
            self._speaker()
        elif kind in _COMMENTS:
            if self.known.comments:
                self.skipped = self.depth
            else:
                self.open.append(_Open(self.depth, "comment", len(self.out)))

    def _speaker(self) -> None:
        self.notes = self.noted = True
        self.out.append(_SPEAKER)

    def _page(self) -> None:
        self.pages += 1
        if self.pages > 1:
            self.out.append(PAGE)

    def _slides_are_over(self) -> None:
        if self.slides and self.slides_end < 0 and not any(one.kind == "slide" for one in self.open):
            self.slides_end = len(self.out)

    def _attachments_are_over(self) -> None:
        for one in [one for one in self.open if one.kind == "attachments"]:
            self.open.remove(one)
            self._close(one)

    def _close(self, one: _Open) -> None:
        said = "".join(self.out[one.at :]) if one.kind in _WITH_WORDS else ""
        match one.kind:
            case "link":
                self._link(one, said)
            case "comment":
                self._comment(one, said)
            case "sheet_name":
                if said in self.known.hidden_sheets:
                    self.out.append(" [hidden sheet]")
            case "package_name":
                self.open[-1].href = said
            case "package":
                self.packages -= 1
                if self.known.taken_out and not is_picture(one.href):
                    del self.out[one.at :]
            case "attachments":
                del self.out[one.at :]
            case "cell":
                self._cell()
            case "deleted":
                if plain(said) == self.known.deleted[self.gone]:
                    del self.out[one.at :]
                    self.gone += 1
                else:
                    self.gone = len(self.known.deleted)

    def _link(self, one: _Open, said: str) -> None:
        shown = plain(said)
        if self.open and self.open[-1].kind == "comment":
            self.open[-1].href = one.href
        elif self.open and self.open[-1].kind == "sheet" and self.known.links:
            del self.out[one.at :]
        elif _address(one.href) not in shown.lower():
            self.links.append(link(one.href, shown))

    def _comment(self, one: _Open, said: str) -> None:
        if any(other.kind == "comment" for other in self.open):
            return  # the outer one is labelled
        words = said.strip()
        del self.out[one.at :]
        if one.href and words == one.href:  # the rectangle of a link on a page of a PDF
            self.links.append(link(one.href, ""))
        elif words:
            self.comments = True
            self.out.append(Remark("Comment", words).line() + "\n")

    def _cell(self) -> None:
        """Leave out a comment that Tika puts behind the words of its cell."""
        behind = plain("".join(self.out[self.breaks :])) if self.breaks >= 0 else ""
        if behind and behind in self.known.cell_comments:
            del self.out[self.breaks :]
        self.breaks = -1

    def _in_order(self) -> Sequence[str]:
        """Put slides into the order of the show: Tika gives them in that of their relations' names."""
        places = self.known.slides
        if len(places) != len(self.slides) or list(places) == sorted(places):
            return self.out
        end = self.slides_end if self.slides_end >= 0 else len(self.out)
        bounds = [*self.slides, end]
        cut = ["".join(self.out[a:b]).lstrip(PAGE) for a, b in pairwise(bounds)]
        shown = [text for _, text in sorted(zip(places, cut, strict=True))]
        return [*self.out[: self.slides[0]], PAGE.join(shown), *self.out[end:]]
