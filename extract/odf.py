"""What an OpenDocument file holds that Tika does not tell apart: comments, changes, hidden sheets and rows.

Tika gives deleted paragraphs before the text and names no sheet; here they are read from ``content.xml``
(OpenDocument 1.3 part 3: section 5.5 tracked changes, 9.1 tables, 14.1 annotations).
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from extract.remarks import Remark, quoted, shortened
from extract.zip_document import Found, Package, plain, ranges

_LINES = ("{*}p", "{*}h")


def look(package: Package) -> Found:
    """Look into an OpenDocument file."""
    root = package.tree("content.xml")
    if root is None:
        return Found(pictures=package.pictures, partial=package.partial)
    unseen = {
        _get(style, "name")
        for style in root.iter("{*}style")
        if any(_get(one, "display") == "false" for one in style.iter("{*}table-properties"))
    }
    comments = [Remark("Comment", _words(one), *_who(one)) for one in root.iter("{*}annotation")]
    deleted = list(root.iter("{*}deletion"))
    changes = [*(Remark("Deleted", _words(one), *_who_changed(one)) for one in deleted), *_inserted(root)]
    tables = [table for sheet in root.iter("{*}spreadsheet") for table in sheet.iterchildren("{*}table")]
    names = tuple(_get(one, "name") for one in tables)
    hidden_sheets = tuple(_get(one, "name") for one in tables if _get(one, "style-name") in unseen)
    hidden = [
        *(Remark("Hidden sheet", name) for name in hidden_sheets),
        *(remark for table in tables for remark in _hidden_cells(table)),
    ]
    return Found(
        hidden=bool(hidden or deleted),
        pictures=package.pictures,
        sheets=names,
        partial=package.partial,
        remarks=(
            *comments,
            *(one for one in changes if one.text),
            *(Remark("Sheet", name) for name in names if name not in hidden_sheets),
            *hidden,
        ),
        comments=bool(comments),
        changed=bool(changes),
        deleted=tuple(plain(_said(line)) for one in deleted for line in one.iterchildren(*_LINES)),
    )


def _get(one: etree._Element, name: str) -> str:
    """Return an attribute by its local name."""
    return next((str(v) for k, v in one.attrib.items() if str(k).rpartition("}")[2] == name), "")


def _said(one: etree._Element) -> str:
    return "".join(str(piece) for piece in one.itertext())


def _words(one: etree._Element) -> str:
    """Return the words of the paragraphs directly below an element, a line each."""
    return "\n".join(_said(line) for line in one.iterchildren(*_LINES)).strip()


def _who(one: etree._Element) -> tuple[str, str]:
    return one.findtext("{*}creator") or "", one.findtext("{*}date") or ""


def _who_changed(one: etree._Element) -> tuple[str, str]:
    info = one.find("{*}change-info")
    return _who(info) if info is not None else ("", "")


def _inserted(root: etree._Element) -> Iterator[Remark]:
    """Yield what stands between the marks of each insertion: its beginning, since it stands in the text."""
    who = {
        _get(region, "id"): _who_changed(kind)
        for region in root.iter("{*}changed-region")
        for kind in region.iterchildren("{*}insertion")
    }
    if not who:
        return
    body = root.find("{*}body")
    within: dict[str, list[str]] = {}
    for event, one in etree.iterwalk(root if body is None else body, events=("start", "end")):
        name = etree.QName(one).localname
        if event == "end" and name == "change-start" and _get(one, "change-id") in who:
            within[_get(one, "change-id")] = []
        elif event == "end" and name == "change-end":
            number = _get(one, "change-id")
            if text := shortened("".join(within.pop(number, ()))):
                yield Remark("Inserted", text, *who.get(number, ("", "")))
        said = one.text if event == "start" else one.tail
        for words in within.values():
            words.append((said or "") + (" " if event == "end" and name in {"p", "h"} else ""))


def _hidden_cells(table: etree._Element) -> Iterator[Remark]:
    """Yield hidden rows of a sheet (also those that a filter hides) and hidden columns."""
    for kind, label in (("table-row", "Hidden rows"), ("table-column", "Hidden columns")):
        hidden: list[tuple[int, int]] = []
        last = 0
        for one in table.iter(f"{{*}}{kind}"):
            count = _count(one, kind)
            if _get(one, "visibility") in {"collapse", "filter"}:
                hidden.append((last + 1, last + count))
            last += count
        if hidden:
            yield Remark(
                f"{label} of {quoted(_get(table, 'name'))}", ranges(hidden, columns=kind == "table-column")
            )


def _count(one: etree._Element, kind: str) -> int:
    text = _get(one, f"number-{kind.removeprefix('table-')}s-repeated")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 1
