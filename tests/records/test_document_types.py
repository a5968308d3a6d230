"""Sorts of documents: one closed table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from records import canonical, document_types
from records.document_types import DocumentType, document_type, read_type
from records.vocabulary import Kind

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FIELDS = (Path(__file__).parents[2] / "docs/fields.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("kind", "media_type", "name", "facts", "sort"),
    [
        ("email", None, "a.eml", {}, "mail"),
        ("message", None, None, {}, "text_message"),
        ("event", "text/calendar", "a.ics", {}, "calendar"),
        ("call", None, None, {"call": "Missed"}, "call"),
        ("call", None, None, {"call": "Voicemail"}, "voicemail"),
        ("call", "application/x-sms-backup-restore+xml", None, {"type": "4"}, "voicemail"),
        ("call", "application/x-sms-backup-restore+xml", None, {"type": "3"}, "call"),
        ("file", DOCX, "plan.docx", {}, "document"),
        ("file", "application/octet-stream", "plan.docx", {"content_type": "application/pdf"}, "pdf"),
        ("file", "application/octet-stream", "plan.XLSX", {}, "spreadsheet"),
        ("file", "application/octet-stream", None, {}, "other"),
        ("file", "IMAGE/JPEG; name=a", None, {}, "image"),
        ("file", "video/mp4", "a.mp4", {}, "video"),
        ("file", "text/plain", "rows.csv", {}, "spreadsheet"),
        ("file", "text/plain", "read me", {}, "plain_text"),
        ("file", "text/x-odd", None, {}, "plain_text"),
        ("file", "application/zip", "a.pptx.zip", {}, "archive"),
        ("file", None, "a.unknown", {}, "other"),
        ("file", None, None, {}, "other"),
    ],
)
def test_each_has_its_sort(
    kind: str, media_type: str | None, name: str | None, facts: dict[str, str], sort: str
) -> None:
    assert document_type(kind, media_type, name, facts) is DocumentType(sort)
    stored = canonical.dumps({"metadata": facts, "warnings": []})
    assert read_type(kind, media_type, name, stored) is DocumentType(sort)


def test_every_kind_but_files_has_a_sort_of_its_own() -> None:
    sorts = {kind: document_type(kind, None, None, {}) for kind in Kind if kind is not Kind.FILE}
    assert len(set(sorts.values())) == len(sorts)
    assert DocumentType.OTHER not in sorts.values()


def test_the_table_names_each_type_once_and_the_page_each_sort() -> None:
    names = [name for group in document_types._MEDIA_TYPES.values() for name in group]
    suffixes = [one for group in document_types._BY_SUFFIX.values() for one in group.split()]
    assert len(names) == len(set(names))
    assert len(suffixes) == len(set(suffixes))
    assert all(name == name.lower() for name in (*names, *suffixes))
    section = FIELDS.split("\n## Sorts of documents\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(DocumentType)
