"""Documents by Tika, read in a worker process as in production."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import pytest

from extract import pictures
from extract.protocol import ExtractContext, Limits
from extract.reading import text_state
from extract.tika import TikaReader
from extract.tika_server import ServedWorker
from extract.workers import Job, Worker
from extract.zip_document import Package
from records.models import Extraction, Failure
from records.vocabulary import Kind, Reason, TextState, WarningCode
from tests.extract import samples
from tests.extract.samples import ZONE

BIN = bytes(range(256)) * 20


@pytest.fixture(scope="module")
def worker(both_tikas: Worker | ServedWorker) -> Worker | ServedWorker:
    return both_tikas


def read(
    worker: Worker | ServedWorker, data: bytes, name: str, media_type: str | None = None, **more
) -> Extraction:
    (result,) = worker.submit([Job(1, data, ExtractContext(name, media_type, ZONE, **more), media_type)])
    assert result.extractor_name == ("tika" if isinstance(worker, Worker) else "tika_server")
    return result.extraction


def words(got: Extraction) -> set[str]:
    return set(re.findall(r"\w+", got.text))


class TestOffice:
    def test_a_document_and_what_it_hides(self, worker: Worker) -> None:
        got = read(worker, samples.docx(), "plan.docx")
        shown = {"headerword", "footerword", "bodyword", "cellone", "celltwo", "commentword"}
        assert shown <= words(got)
        assert "vanishword" in got.text
        assert "deletedword" in got.text
        assert "insertedword" in got.text
        assert (got.kind, got.failure, got.needs_ocr_pages) == (Kind.FILE, None, ())
        assert got.warnings == (
            WarningCode.COMMENTS,
            WarningCode.HIDDEN_CONTENT,
            WarningCode.TRACKED_CHANGES,
        )
        assert (got.metadata["title"], got.metadata["author"]) == ("Plan", "Ana Ruiz")
        assert got.metadata["content_type"].endswith("wordprocessingml.document")

    def test_a_document_that_hides_nothing(self, worker: Worker) -> None:
        got = read(worker, samples.plain_docx(), "plan.docx")
        assert (got.text, got.warnings) == ("nothing hidden here", ())

    def test_a_workbook_with_hidden_sheets(self, worker: Worker) -> None:
        got = read(worker, samples.xlsx(), "routes.xlsx")
        assert {"cellword", "notedword", "hiddensheetword", "veryhiddenword"} <= words(got)
        assert (got.warnings, got.pages) == ((WarningCode.COMMENTS, WarningCode.HIDDEN_CONTENT), 3)
        assert got.metadata["sheets"] == "Routes & stops; Secret; Very"
        assert read(worker, samples.xlsx(hidden=False), "routes.xlsx").warnings == (WarningCode.COMMENTS,)

    def test_a_workbook_with_a_hidden_row(self, worker: Worker) -> None:
        got = read(worker, samples.xlsx_hidden_row(), "rows.xlsx")
        assert "rowword" in got.text
        assert got.warnings == (WarningCode.HIDDEN_CONTENT,)

    def test_slides_notes_and_hidden_slides(self, worker: Worker) -> None:
        got = read(worker, samples.pptx(), "show.pptx")
        assert {"titleword", "notesword", "hiddenslideword"} <= words(got)
        assert got.warnings == (WarningCode.HIDDEN_CONTENT, WarningCode.SPEAKER_NOTES)
        shown = read(worker, samples.pptx(hidden=False), "show.pptx")
        assert shown.warnings == (WarningCode.SPEAKER_NOTES,)

    def test_an_embedded_workbook_is_a_child(self, worker: Worker) -> None:
        got = read(worker, samples.docx_with_sheet(), "plan.docx")
        assert (got.text, got.expected_children) == ("nothing hidden here", 1)
        (child,) = got.children
        assert (child.name, child.data, child.metadata) == (
            "sheet.xlsx", samples.xlsx(), {"embedded": "true"},
        )  # fmt: skip
        assert child.media_type == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def test_a_document_of_pictures_waits_for_ocr(self, worker: Worker) -> None:
        got = read(worker, samples.picture_docx(), "scan.docx")
        assert (got.text, got.needs_ocr_pages, got.failure) == ("", (1,), None)

    def test_rich_text(self, worker: Worker) -> None:
        data = (
            rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 rtfword \b bold\b0  caf\'e9\par {\v hidden}}"
        )
        assert words(read(worker, data, "a.rtf")) == {"rtfword", "bold", "café", "hidden"}


class TestPdf:
    def test_pages_that_are_pictures_wait_for_ocr(self, worker: Worker) -> None:
        got = read(worker, samples.pdf(), "scan.pdf")
        assert words(got) == {"pageoneword", "CFSD", "000123"}
        assert (got.pages, got.needs_ocr_pages, got.warnings) == (4, (2, 3), (WarningCode.NEEDS_OCR,))
        assert (got.metadata["title"], got.metadata["author"]) == ("Scanned plan", "Ana Ruiz")

    def test_a_text_pdf_waits_for_nothing(self, worker: Worker) -> None:
        got = read(worker, samples.text_pdf(), "report.pdf")
        assert (got.pages, got.needs_ocr_pages, got.warnings) == (3, (), ())
        assert "page 2 line 4 of the quick brown report" in got.text

    def test_a_password_to_open(self, worker: Worker) -> None:
        got = read(worker, samples.locked_pdf(), "locked.pdf")
        assert got.failure == Failure(Reason.ENCRYPTED, "pdf_password")
        assert got.text == ""

    def test_a_password_against_changes_only_does_not_matter(self, worker: Worker) -> None:
        got = read(worker, samples.locked_pdf(user=""), "owner.pdf")
        assert (got.failure, got.needs_ocr_pages) == (None, (2, 3))
        assert "pageoneword" in got.text

    def test_attached_files_are_children(self, worker: Worker) -> None:
        got = read(worker, samples.pdf_with_attachments(), "portfolio.pdf")
        assert words(got) == {"pageoneword", "CFSD", "000123"}
        assert [(child.name, child.data) for child in got.children] == [
            ("note.txt", b"attachedword"),
            ("plan.docx", samples.plain_docx()),
        ]
        assert [child.media_type for child in got.children] == [
            "text/plain", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ]  # fmt: skip


class TestPictures:
    @pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
    def test_an_image_waits_for_ocr(self, worker: Worker, form: str) -> None:
        got = read(worker, samples.picture(form), f"scan.{form.lower()}")
        assert (got.text, got.needs_ocr_pages, got.pages, got.failure) == ("", (1,), 1, None)

    def test_a_fax_has_pages(self, worker: Worker) -> None:
        got = read(worker, samples.picture("TIFF", pages=3), "fax.tif")
        assert (got.needs_ocr_pages, got.pages) == ((1, 2, 3), 3)

    def test_a_tracking_pixel_holds_no_letters(self, worker: Worker) -> None:
        assert read(worker, samples.picture("GIF", (1, 1)), "pixel.gif").needs_ocr_pages == ()

    def test_a_cut_image(self, worker: Worker) -> None:
        got = read(worker, samples.picture("JPEG")[:-200], "cut.jpg")
        assert (got.failure, got.needs_ocr_pages) == (Failure(Reason.TRUNCATED, "end_missing"), (1,))


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "data", "failure"),
        [
            ("locked.xlsx", samples.locked_office(), Failure(Reason.ENCRYPTED, "office_password")),
            ("cut.pdf", samples.text_pdf()[:900], Failure(Reason.TRUNCATED, "end_missing")),
            ("no.pdf", b"%PDF-1.4\nrubbish" * 20, Failure(Reason.CORRUPT, "tika")),
            ("no.docx", BIN, Failure(Reason.CORRUPT, "not_what_it_claims")),
            ("data.bin", BIN, Failure(Reason.UNSUPPORTED, "binary")),
            ("tool.exe", b"MZ\x90\0" + BIN, Failure(Reason.UNSUPPORTED, "binary")),
            (
                "call.mp3",
                b"ID3\x03\0\0\0\0\0\0" + b"\xff\xfb\x90\0" * 500,
                Failure(Reason.UNSUPPORTED, "audio"),
            ),
            ("bus.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + BIN, Failure(Reason.UNSUPPORTED, "video")),
        ],
    )
    def test_each_has_its_reason(self, worker: Worker, name: str, data: bytes, failure: Failure) -> None:
        got = read(worker, data, name)
        if name == "no.pdf" and isinstance(worker, ServedWorker):  # which says what it met
            failure = replace(failure, detail="IOException")
        assert (got.failure, got.text) == (failure, "")

    def test_a_cut_document_keeps_what_came_out(self, worker: Worker) -> None:
        data = samples.plain_docx()
        got = read(worker, data[: len(data) // 2], "cut.docx")
        assert got.failure == Failure(Reason.TRUNCATED, "zip_directory")

    def test_more_text_than_allowed_is_a_bomb(self, worker: Worker) -> None:
        got = read(worker, samples.text_pdf(), "report.pdf", limits=Limits(text_bytes=100))
        assert (got.failure, got.text) == (Failure(Reason.BOMB, "text_bytes"), "")

    def test_documents_that_unpack_without_end(self, worker: Worker) -> None:
        source = zipfile.ZipFile(io.BytesIO(samples.plain_docx()))
        body = source.read("word/document.xml")
        laughs = b"".join(
            b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"ha") for n in range(10)
        )
        head = b"<?xml version='1.0'?><!DOCTYPE w [" + laughs + b"]>"
        entities = head + body.partition(b"?>")[2].replace(b"nothing hidden here", b"&l9;")
        deep = body.replace(b"<w:body>", b"<w:body>" + b"<w:tbl><w:tr><w:tc>" * 3000)
        deep = deep.replace(b"</w:body>", b"</w:tc></w:tr></w:tbl>" * 3000 + b"</w:body>")
        large = body.replace(b"nothing hidden here", b" " * (40 << 20))
        for document, detail in ((entities, "tika"), (deep, "tika"), (large, "document_ratio")):
            members = [
                (n, document if n == "word/document.xml" else source.read(n)) for n in source.namelist()
            ]
            got = read(worker, samples.zip_of(members), "a.docx")
            assert got.failure == Failure(Reason.BOMB, detail)
            assert got.text == ""

    def test_trouble_in_a_part_keeps_the_rest(self, worker: Worker) -> None:
        source = zipfile.ZipFile(io.BytesIO(samples.docx_with_sheet()))
        members = [
            (n, b"PK\x03\x04 rubbish" if n.endswith(".xlsx") else source.read(n)) for n in source.namelist()
        ]
        got = read(worker, samples.zip_of(members), "a.docx")
        assert (got.failure, "nothing hidden here" in got.text) == (None, True)

    def test_empty_files_have_no_failure(self, worker: Worker) -> None:
        (result,) = worker.submit([Job(1, b"", ExtractContext("empty.pdf", None, ZONE), "application/pdf")])
        assert (result.extraction.failure, result.extraction.text) == (None, "")


def test_a_mailbox_of_outlook_is_searched_and_named_as_not_opened(worker: Worker) -> None:
    """What Tika gives of a PST is the words of all its messages in a row (real ones: test_corpus.py)."""
    kind = {"content_type": "application/vnd.ms-outlook-pst"}
    told = ExtractContext("mailbox.pst", None, ZONE)
    got = TikaReader._sorted(b"!BDN", "Inbox\nbus route", kind["content_type"], kind, {}, told)
    assert got.failure == Failure(Reason.UNSUPPORTED, "pst_not_opened")
    assert (got.text, got.kind) == ("Inbox\nbus route", Kind.FILE)
    assert text_state(got, Kind.FILE) == (TextState.SEARCHABLE, got.failure)
    empty = TikaReader._sorted(b"!BDN", "", kind["content_type"], kind, {}, told)
    assert text_state(empty, Kind.FILE) == (TextState.NOT_SEARCHABLE, got.failure)
    begun = b"!BDN" + bytes(4) + b"SM\x17\0\x13\0\x01\x01"  # MS-PST section 2.2.2.6
    cut = read(worker, begun + bytes(2000), "mailbox.pst")
    detail = "PSTException" if isinstance(worker, ServedWorker) else "tika"
    assert (cut.failure, cut.text) == (Failure(Reason.CORRUPT, detail), "")


def test_looking_into_rubbish_finds_nothing() -> None:
    with pytest.raises(ValueError, match="BadZipFile"):
        Package(b"PK\x03\x04rubbish")
    assert pictures.scanned_pages(b"%PDF-rubbish", (), ()) == ()
    assert pictures.image_pages(b"II*\0\xff\xff\xff\xff") == 1
    assert pictures.image_pages(b"II*\0\x08\0\0\0\0\0\x08\0\0\0") == 1  # a directory that leads to itself
    assert pictures.can_hold_letters(b"unknown")
