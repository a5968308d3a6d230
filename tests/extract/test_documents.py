"""What stands beside the text of a document: comments, tracked changes, links, hidden parts, embedded files.

One suite over the embedded Tika and a server: what is asked here is the whole text, so that nothing of it can
stand in the body unnamed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from extract import tika_xhtml
from extract.protocol import ExtractContext, Limits
from extract.tika_server import ServedWorker
from extract.tika_xhtml import Known
from extract.workers import Job, Worker
from extract.zip_document import ranges
from records.models import Extraction, Failure
from records.vocabulary import Reason, WarningCode
from tests.extract import document_files, samples
from tests.extract.samples import ZONE

COMMENTS, HIDDEN = WarningCode.COMMENTS, WarningCode.HIDDEN_CONTENT
CHANGED, NOTES = WarningCode.TRACKED_CHANGES, WarningCode.SPEAKER_NOTES


@pytest.fixture(scope="module")
def worker(both_tikas: Worker | ServedWorker) -> Worker | ServedWorker:
    return both_tikas


def read(worker: Worker | ServedWorker, data: bytes, name: str, limits: Limits | None = None) -> Extraction:
    context = ExtractContext(name, None, ZONE, limits=limits or Limits())
    (result,) = worker.submit([Job(1, data, context, None)])
    assert WarningCode.WITHOUT_SERVER not in result.extraction.warnings
    return result.extraction


def lines(got: Extraction) -> list[str]:
    return [" ".join(line.split()) for line in got.text.replace("\f", "<page>").split("\n") if line.strip()]


def test_a_letter_with_comments_and_tracked_changes(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.reviewed_docx(), "plan.docx")
    assert lines(got) == [
        "The bus stops at nine",
        "at the corner.",
        "See our plan or write to Bo. new words",
        "[Comment by Ana Ruiz, 2026-03-02T09:15:00Z, on \"at nine\": Who says so?",
        "Ask the depot.]",
        "[Comment by Bo Li, 2026-03-03T10:00:00Z: nobody marked a place]",
        "[Deleted by Bo Li, 2026-03-02T09:16:00Z: at eight, and",
        "later at ten]",
        "[Hidden text: corner]",
        "[Moved from here by Bo Li, 2026-03-02T17:17:00Z: Room 5.]",
        "[Inserted by Ana Ruiz, 2026-03-02T09:18:00Z: new words]",
        '[Link behind "our plan": https://example.org/plan]',
        '[Link behind "Bo": mailto:bo.li@example.org]',
    ]  # fmt: skip
    assert got.warnings == (COMMENTS, HIDDEN, CHANGED)
    assert (got.children, got.failure) == ((), None)


def test_a_link_that_shows_its_address_is_not_said_twice(worker: Worker | ServedWorker) -> None:
    data = document_files.linked_docx("https://example.org/plan/", "example.org/plan")
    assert lines(read(worker, data, "a.docx")) == ["See example.org/plan"]


def test_a_workbook_with_comments_hidden_rows_and_links(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.reviewed_xlsx(), "routes.xlsx")
    assert lines(got) == [
        "Routes & stops",
        "cell two",
        "our site",
        "<page>Secret [hidden sheet]",
        "kept quiet",
        '[Comment by Bo Li, on B1 of "Routes & stops": line one',
        "line two]",
        '[Comment by Ana Ruiz, 2026-03-02T09:15:00.00, on A1 of "Routes & stops": is it nine?]',
        '[Comment by Bo Li, 2026-03-02T09:20:00.00, on A1 of "Routes & stops": yes]',
        "[Hidden sheet: Secret]",
        '[Hidden rows of "Routes & stops": 4-5, 9]',
        '[Hidden columns of "Routes & stops": D-E]',
        '[Link on A2 of "Routes & stops": https://example.org/site]',
    ]
    assert (got.warnings, got.metadata["sheets"]) == ((COMMENTS, HIDDEN), "Routes & stops; Secret")


def test_slides_stand_in_the_order_of_the_show(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.reviewed_pptx(), "show.pptx")
    assert lines(got) == [
        "title 1",
        "[Speaker notes]",
        "say hello",
        *(f"<page>title {number}" for number in range(2, 13)),
        "[Comment by Bo Li, 2026-03-02T09:15:00.000, on slide 1: old form]",
        "[Comment by Ana Ruiz, 2026-03-02T09:16:00.000, on slide 12: new form]",
        "[Comment by Bo Li, 2026-03-02T09:17:00.000, on slide 12: an answer]",
        "[Hidden slide 11: title 11]",
    ]
    assert got.warnings == (COMMENTS, HIDDEN, NOTES)


def test_an_opendocument_letter(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.odt(), "a.odt")
    assert lines(got) == [
        "The bus stops at nine. See our plan",
        "[Comment by Bo Li, 2026-03-02T09:15:00: who says so?]",
        "[Deleted by Ana Ruiz, 2026-03-02T09:16:00: gone words]",
        "[Inserted by Bo Li, 2026-03-02T09:17:00: at nine]",
        '[Link behind "our plan": https://example.org/plan]',
    ]
    assert got.warnings == (COMMENTS, HIDDEN, CHANGED)


def test_an_opendocument_sheet(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.ods(), "a.ods")
    assert lines(got) == [
        "cell",
        "quiet",
        "[Comment by Bo Li, 2026-03-02T09:15:00: who?]",
        "[Sheet: Routes]",
        "[Hidden sheet: Secret]",
        '[Hidden rows of "Routes": 2-3]',
    ]
    assert (got.warnings, got.metadata["sheets"]) == ((COMMENTS, HIDDEN), "Routes; Secret")


def test_pages_comments_and_links_of_a_pdf(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.annotated_pdf(), "a.pdf")
    assert lines(got) == [
        "our plan",
        "[Comment: who says so?]",
        "<page>",
        "second page",
        "[Link: https://example.org/plan]",
    ]
    assert (got.text.count("\f"), got.warnings, got.pages) == (1, (COMMENTS,), 2)


def test_a_file_within_an_object_is_reached(worker: Worker | ServedWorker) -> None:
    got = read(worker, document_files.docx_with_object(), "a.docx")
    (child,) = got.children
    assert (child.name, child.media_type) == ("oleObject1.bin", "application/x-ole-object")
    context = ExtractContext(child.name, child.media_type, ZONE, depth=1)
    (inner,) = worker.submit([Job(2, child.data or b"", context, child.media_type)])
    assert (inner.extractor_name, [one.name for one in inner.extraction.children]) == (
        "ole_object", ["note.txt"],
    )  # fmt: skip


def test_a_damaged_part_is_said_and_costs_only_itself(worker: Worker | ServedWorker) -> None:
    data = document_files.with_parts(
        document_files.reviewed_docx(), {"word/comments.xml": lambda was: was[: len(was) // 2]}
    )
    got = read(worker, data, "plan.docx")
    assert "[Deleted by Bo Li, 2026-03-02T09:16:00Z: at eight, and\nlater at ten]" in got.text
    assert WarningCode.PARTIAL in got.warnings
    assert got.failure is None


def test_an_embedded_file_that_is_damaged_is_a_failed_child(worker: Worker | ServedWorker) -> None:
    data = bytearray(samples.docx_with_sheet())
    at = data.rindex(b"word/embeddings/sheet.xlsx", 0, data.rindex(b"PK\1\2"))  # its bytes, not its entry
    data[at + 200 : at + 260] = bytes(60)
    got = read(worker, bytes(data), "plan.docx")
    assert [(child.name, child.data, child.failure) for child in got.children] == [
        ("sheet.xlsx", None, Failure(Reason.CORRUPT, "embedded"))
    ]
    assert "nothing hidden here" in got.text


def test_more_embedded_than_allowed_is_a_bomb(worker: Worker | ServedWorker) -> None:
    got = read(worker, samples.docx_with_sheet(), "plan.docx", Limits(children_bytes=100))
    assert (got.failure, got.children) == (Failure(Reason.BOMB, "children_bytes"), ())


def test_entities_of_a_part_are_not_resolved(worker: Worker | ServedWorker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept out", "utf-8")
    head = f"<!DOCTYPE w [<!ENTITY x SYSTEM 'file://{secret}'><!ENTITY y 'within'>]>".encode()
    data = document_files.with_parts(
        document_files.reviewed_docx(),
        {"word/comments.xml": lambda was: was.replace(b"?>", b"?>" + head, 1).replace(b"so?", b"&x;&y;")},
    )
    got = read(worker, data, "plan.docx")
    assert '[Comment by Ana Ruiz, 2026-03-02T09:15:00Z, on "at nine": Who says \nAsk the depot.]' in got.text
    assert "kept out" not in got.text


def page(body: str) -> str:
    return (
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title></head><body>{body}</body></html>'
    )


class TestXhtml:
    """Forms that Tika writes for old Office and that no program here can make."""

    def test_comments_of_old_office_are_named(self) -> None:
        said = page(
            '<p>a</p>\n<p class="slide-comment"><b>Bo (B)</b>who?</p><div class="annotation">'
            '<div class="annotationContents">so</div></div>'
        )
        got = tika_xhtml.words(said, Known())
        assert (got.text, got.comments) == ("a\n[Comment: Bo (B)who?]\n[Comment: so]\n", True)

    def test_notes_of_old_office_are_named(self) -> None:
        got = tika_xhtml.words(page('<div class="slide-notes"><p>say</p></div>'), Known())
        assert (got.text, got.notes) == ("[Speaker notes]\nsay", True)

    def test_a_drawing_stays_where_embedded_files_are_taken_out(self) -> None:
        said = page(
            '<p>a</p><div class="package-entry"><h1>b.xlsx</h1><div class="sheet"><h1>S</h1></div></div>'
            '<div class="package-entry"><h1>image1.emf</h1>drawn</div>'
        )
        assert tika_xhtml.words(said, Known(taken_out=True)).text == "aimage1.emfdrawn"
        assert tika_xhtml.words(said, Known()).text == "ab.xlsxSimage1.emfdrawn"

    def test_a_form_behind_the_attachments_of_a_pdf_stays(self) -> None:
        said = page(
            '<div class="page"><p>a</p></div><div source="attachment" class="embedded" id="n.txt"/><p>n</p>'
            '<div class="acroform"><ol><li>Name: Ana</li></ol></div>'
        )
        assert tika_xhtml.words(said, Known(attachments=True)).text == "aName: Ana"
        assert tika_xhtml.words(said, Known()).text == "anName: Ana"

    def test_what_came_before_a_cut_stays(self) -> None:
        got = tika_xhtml.words("<html><body><p>a", Known())
        assert (got.text, got.cut) == ("a", True)
        assert tika_xhtml.words("", Known()) == tika_xhtml.Words("")


def test_ranges_of_rows_and_columns() -> None:
    assert ranges([(4, 4), (1, 2), (3, 3), (9, 9)]) == "1-4, 9"
    assert ranges([(1, 1), (26, 28)], columns=True) == "A, Z-AB"
