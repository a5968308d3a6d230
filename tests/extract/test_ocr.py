"""Pages drawn by a worker and read by a program of its own: words, sides, turns, limits, failures."""

from __future__ import annotations

import io
import shutil
import struct
import time
import zipfile
import zlib
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from reportlab.pdfgen import canvas

from extract import ocr, page_images
from extract.protocol import ExtractContext
from extract.workers import Job, Worker
from records.errors import ItemError, SettingsError
from records.models import Failure
from records.vocabulary import Reason
from tests.extract import pages_seen as p

real = pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract on this machine")
BOARD = ["The bus route change was approved", "by the board on Tuesday evening."]


@pytest.fixture(scope="module")
def worker():
    with Worker(page_images.REGISTRY) as made:
        yield made


def drawn(worker, data, page=1, **asked):
    context = ExtractContext(None, None, ZoneInfo("UTC"), metadata={"page": str(page), **asked})
    return next(iter(worker.submit([Job(0, data, context, None)]))).extraction


def sizes(extraction):
    return [tuple(map(int, child.data[:40].split(None, 3)[1:3])) for child in extraction.children]


def pdf(*pages):
    """Make a PDF: a text, a picture, or None for an empty page."""
    from reportlab.lib.utils import ImageReader

    out = io.BytesIO()
    made = canvas.Canvas(out, pagesize=(300, 200), invariant=1)
    for page in pages:
        if isinstance(page, str):
            made.drawString(20, 100, page)
        elif page is not None:
            made.drawImage(ImageReader(page), 0, 0, width=300, height=200)
        made.showPage()
    made.save()
    return out.getvalue()


class TestDrawing:
    def test_a_page_of_a_pdf_has_300_dots_an_inch(self, worker):
        assert sizes(drawn(worker, pdf("one", "two"), 2)) == [(1250, 834)]

    def test_nothing_is_read_on_a_blank_page(self, worker):
        got = drawn(worker, pdf(None))
        assert (got.children, got.failure) == ((), None)

    def test_it_says_after_which_words_a_page_comes(self, worker):
        got = drawn(worker, pdf("first page of three", p.picture(["x"]), "last"), 3, place="a")
        assert dict(got.metadata) == {"words_before": "4", "tail": '["first", "page", "of", "three"]'}

    def test_each_page_of_a_fax_is_drawn(self, worker):
        fax = p.tiff([1100, 1200, 1300])
        assert [sizes(drawn(worker, fax, page)) for page in (1, 2, 3)] == [
            [(1100, 1001)], [(1200, 1001)], [(1300, 1001)]
        ]  # fmt: skip

    def test_a_photo_stands_as_its_camera_was_held(self, worker):
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees
        assert sizes(drawn(worker, p.saved(p.picture(["x"], width=1100), "JPEG", exif=exif))) == [(104, 1100)]

    @pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG"])
    def test_a_small_image_is_doubled(self, worker, form):
        assert sizes(drawn(worker, p.saved(p.picture(["x"], width=400), form))) == [(800, 208)]

    def test_what_is_clear_is_paper(self, worker):
        image = Image.new("RGBA", (1200, 50), (0, 0, 0, 0))
        image.paste((0, 0, 0, 255), (10, 10, 40, 40))
        (child,) = drawn(worker, p.saved(image, "PNG")).children
        assert (child.data[-1], min(child.data[20:])) == (255, 0)

    def test_pictures_of_a_document_are_drawn_one_after_another(self, worker):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for number, width in enumerate((1100, 1200)):
                image = p.saved(p.picture(["x"], width=width), "PNG")
                archive.writestr(f"word/media/image{number}.png", image)
            archive.writestr("word/media/image3.emf", b"\1\0\0\0 not a picture")
        got = drawn(worker, out.getvalue())
        assert (sizes(got), dict(got.metadata)) == ([(1100, 104), (1200, 104)], {"lost": "1"})

    def test_an_image_of_too_many_pixels_is_a_bomb(self, worker):
        head = struct.pack(">LLBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
        pixels = zlib.compress(bytes(50_000))
        chunks = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
        data = p.PNG + b"".join(p.chunk(*one) for one in chunks)
        assert drawn(worker, data).failure == Failure(Reason.BOMB, "image_pixels")

    @pytest.mark.parametrize(
        ("data", "page", "failure"),
        [
            (b"\x89PNG\r\n\x1a\nnoise", 1, Failure(Reason.UNSUPPORTED, "picture_format")),
            (p.saved(p.picture(["x"]), "PNG")[:300], 1, Failure(Reason.TRUNCATED, "image")),
            (p.saved(p.picture(["x"]), "JPEG")[:-900], 1, Failure(Reason.TRUNCATED, "image")),
            (b"%PDF-1.4\nnoise", 1, Failure(Reason.CORRUPT, "pdf")),
            (pdf("one"), 2, Failure(Reason.CORRUPT, "no_such_page")),
            (p.tiff([100]), 2, Failure(Reason.CORRUPT, "no_such_page")),
            (b"PK\x03\x04noise", 1, Failure(Reason.CORRUPT, "zip_directory")),
        ],
        ids=["noise", "cut png", "cut jpeg", "no pdf", "page", "frame", "zip"],
    )
    def test_what_cannot_be_drawn_has_a_reason(self, worker, data, page, failure):
        assert drawn(worker, data, page).failure == failure


class TestPlace:
    TEXT = "first page\n\nof three\nthe middle\n\nthe end of it, the end"

    @pytest.mark.parametrize(
        ("before", "tail", "rest"),
        [
            (0, [], TEXT),
            (4, ["page", "of", "three"], "\nthe middle\n\nthe end of it, the end"),
            (8, ["the", "end"], ""),  # its line goes on, and is not cut
            (4, ["nowhere"], ""),
        ],
    )
    def test_a_page_follows_the_words_before_it(self, before, tail, rest):
        assert self.TEXT[page_images.place(self.TEXT, before, tail) :] == rest

    def test_a_page_begins_behind_the_mark_of_the_one_before(self):
        text = "one\n\f\n\fthree"
        assert [page_images.marked_place(text, page) for page in (1, 2, 3, 4)] == [0, 5, 7, None]
        assert page_images.marked_place("no marks", 2) is None

    def test_words_that_come_twice_are_told_by_their_number(self):
        text = "\n".join(["same words"] * 9)
        assert [text[: page_images.place(text, n, ["same", "words"])].count("\n") for n in (2, 10, 18)] == [
            0, 4, 8
        ]  # fmt: skip


class TestWords:
    TSV = "level\tx\n" + "\n".join(
        "\t".join(map(str, cells))
        for cells in [
            (1, 1, 0, 0, 0, 0, 0, 0, 900, 300, -1, ""),
            (5, 1, 1, 1, 1, 1, 10, 10, 50, 20, 96.5, "Order"),
            (5, 1, 1, 1, 1, 2, 70, 10, 50, 20, 90, "now"),
            (5, 1, 1, 1, 2, 1, 10, 40, 50, 20, 80, "please"),
            (5, 1, 1, 1, 2, 2, 70, 40, 50, 20, 95, " "),
            (5, 1, 2, 1, 1, 1, 10, 90, 50, 20, -1, "Bye"),
        ]
    )

    def test_lines_and_paragraphs(self):
        seen = ocr.words_of(self.TSV)
        assert ocr.in_lines(seen) == "Order now\nplease\n\nBye"
        assert [word.confidence for word in seen] == [96.5, 90, 80, 0]

    @staticmethod
    def line(number, left, right, text, block=1):
        return ocr.Word((block, number, 1), left, 50 * number, right - left, 20, 95, text)

    def test_sides_of_a_conversation(self):
        seen = [
            self.line(2, 300, 960, "b"), self.line(1, 50, 500, "a"), self.line(3, 430, 570, "Today"),
            self.line(4, 50, 300, "c"),
        ]  # fmt: skip
        assert ocr.conversation(seen, 1000) == "‹ a\n› b\nToday\n‹ c"

    def test_without_two_sides_there_is_none(self):
        seen = [self.line(1, 50, 500, "a"), self.line(2, 50, 960, "as wide as the screen")]
        assert ocr.conversation(seen, 1000) == "a\nas wide as the screen"


class TestProgram:
    def program(self, tmp_path, monkeypatch, body, page_s=20.0):
        monkeypatch.setenv("PATH", p.fake(tmp_path / "bin", body))
        return ocr.tesseract("eng", page_s)

    def test_it_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SettingsError, match=r"no tesseract on this machine.*apt-get install tess"):
            ocr.tesseract("eng+spa", 60)

    def test_it_says_which_language_is_missing(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", p.fake(tmp_path, "exit 1"))
        with pytest.raises(SettingsError, match=r"no language spa; it has eng, osd.*tesseract-ocr-spa\)"):
            ocr.tesseract("eng+spa", 60)

    @pytest.mark.parametrize("languages", ["", "eng spa", "eng+", "../eng", "-l"])
    def test_languages_are_codes(self, languages):
        with pytest.raises(SettingsError, match=r"codes joined by \+"):
            ocr.tesseract(languages, 60)

    def test_a_page_that_hangs_costs_its_own_time_only(self, tmp_path, monkeypatch):
        program = self.program(tmp_path, monkeypatch, "sleep 300", page_s=0.3)
        began = time.monotonic()
        with pytest.raises(ItemError) as caught:
            ocr.read_page(program, p.pgm(p.picture(["x"])))
        assert (caught.value.reason, caught.value.detail) == (Reason.TIMED_OUT, "tesseract")
        assert time.monotonic() - began < 60

    @pytest.mark.parametrize(
        ("body", "reason", "detail"),
        [
            ("cat >/dev/null; kill -SEGV $$", Reason.CRASHED, "sigsegv"),
            ("cat >/dev/null; echo std::bad_alloc >&2; exit 1", Reason.OUT_OF_MEMORY, "tesseract"),
            ("exit 1", Reason.CORRUPT, "tesseract"),
        ],
    )
    def test_a_page_that_fails_has_a_reason(self, tmp_path, monkeypatch, body, reason, detail):
        program = self.program(tmp_path, monkeypatch, body)
        with pytest.raises(ItemError) as caught:
            ocr.read_page(program, p.pgm(p.picture(["x"])))
        assert (caught.value.reason, caught.value.detail) == (reason, detail)

    def test_it_has_its_limits_before_it_reads(self, tmp_path, monkeypatch):
        said = tmp_path / "limits"
        body = f'read -r line; {{ ulimit -v; nice; echo "$OMP_THREAD_LIMIT$DAYLIGHT_SECRET"; }} > {said}; cat'
        monkeypatch.setenv("DAYLIGHT_SECRET", "secret")
        program = self.program(tmp_path, monkeypatch, body + " >/dev/null")
        assert ocr.read_page(program, p.pgm(p.picture(["x"]))) == ocr.BLANK
        memory, _nice, environment = said.read_text().split()
        assert (int(memory), environment) == (2 << 20, "1")


@pytest.fixture
def program():
    return ocr.tesseract("eng+spa", 120)


@real
@pytest.mark.services
class TestReal:
    @pytest.mark.parametrize("turn", [0, 90, 180])
    def test_a_turned_page_is_turned_back(self, program, turn):
        lies = p.picture([*BOARD, "Families are told by letter this week."]).rotate(-turn, expand=True)
        read = ocr.read_page(program, p.pgm(lies))
        assert (read.text, read.words) == ("\n".join([*BOARD, "Families are told by letter this week."]), 19)
        assert read.turned == (360 - turn) % 360
        assert read.confidence is not None
        assert read.confidence > 90

    def test_two_languages(self, program):
        lines = ["Mañana no habrá autobús", "No bus tomorrow"]
        assert ocr.read_page(program, p.pgm(p.picture(lines))).text == "\n".join(lines)

    def test_a_conversation(self, program):
        said = [
            ("left", "Did you see the bus plan?"), ("right", "Yes. It is not final"),
            ("left", "Who decides?"), ("right", "The board on Tuesday"),
        ]  # fmt: skip
        read = ocr.read_page(program, p.pgm(p.chat(said, "Monday")), screen=True)
        marks = {"left": ocr.LEFT, "right": ocr.RIGHT}
        assert read.text == "\n".join(["Monday", *(marks[side] + words for side, words in said)])
