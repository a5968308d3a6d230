"""Typesetting: hostile texts are shown, never run; every script; what cannot be seen is named."""

from __future__ import annotations

import pypdfium2
import pytest

from desk.adequacy import declaration, pages
from desk.adequacy.pdf import CELL_CHARACTERS, cut, typeset
from records.errors import SettingsError
from tests.desk.test_adequacy import text_of


def document(*texts: str) -> dict:
    return {
        "title": "A title",
        "author": "daylight",
        "description": "A test",
        "running": "A title",
        "mark": "Office copy",
        "contents": True,
        "opening": [pages.text("Before")],
        "sections": [
            pages.section(
                "A heading", pages.table("A table", "**Text|#Number", [(one, 1_234) for one in texts])
            )
        ],
    }


@pytest.mark.parametrize(
    "text",
    [
        '#panic("ran")',
        '#read("/etc/passwd")',
        '#import "@preview/x:1.0.0": *',
        "#while true {}",
        "$ x^2 $ *bold* _it_ `raw` <label> @ref // comment",
        '"); panic("ran',
        "\\u{41} \\n",
        "= A heading",
        "#include sys.inputs.document",
    ],
)
def test_markup_and_code_are_only_words(text):
    assert text in text_of(typeset(document(text)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x07c\x1b[31md", "a[U+0000]b[U+0007]c[U+001B][31md"),
        ("pay\u202egnp.exe", "pay[U+202E]gnp.exe"),
        ("\u2066x\u2069 \u200fy", "[U+2066]x[U+2069] [U+200F]y"),
        ("a\u00adb\u200bc\ufeffd", "a[U+00AD]b[U+200B]c[U+FEFF]d"),
        ("\ue000 \ufffe \ufdd0", "[U+E000] [U+FFFE] [U+FDD0]"),
        ("half \ud83d of a pair", "half [U+D83D] of a pair"),
        ("one\r\ntwo\rthree\u2028four", "one two three[U+2028]four"),
        ("a\tb", "a b"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_number(text, shown):
    assert shown in " ".join(text_of(typeset(document(text))).split())


@pytest.mark.parametrize(
    "text", ["Straße Ólafsdóttir", "Школа", "Σχολείο", "trường học", "naïve", "½ € § – “q”"]
)
def test_scripts_that_the_bundled_fonts_have(text):
    assert "".join(text.split()) in "".join(text_of(typeset(document(text))).split())


@pytest.mark.parametrize("text", ["学校", "مدرسة", "בית ספר", "ไทย", "हिन्दी", "😀"])
def test_a_script_without_a_font_is_shown_by_number(text):
    """Which fonts a machine has is its own; each character is there, drawn or by its number."""
    words = text_of(typeset(document(text)))
    for character in text.replace(" ", ""):
        assert character in words or f"[U+{ord(character):04X}]" in words


def test_ten_thousand_characters_without_a_blank_stay_on_the_page():
    data = typeset(document("x" * 10_000))
    words = text_of(data)
    assert "".join(words.split()).count("x") >= CELL_CHARACTERS - 1
    assert "(and 8,000 more characters; the JSON file has them)" in " ".join(words.split())
    found = pypdfium2.PdfDocument(data)
    for page in found:
        width = page.get_width()
        textpage = page.get_textpage()
        for n in range(textpage.count_rects()):
            left, _, right, _ = textpage.get_rect(n)
            assert 0 <= left <= right <= width - 40


def test_a_long_word_of_the_request_stays_on_the_page():
    made = document("a")
    made["opening"] = [{"kind": "quote", "text": "y" * 10_000}]
    page = pypdfium2.PdfDocument(typeset(made))[0]
    textpage = page.get_textpage()
    rights = [textpage.get_rect(n)[2] for n in range(textpage.count_rects())]
    assert max(rights) <= page.get_width() - 40


def test_a_hash_in_a_line_is_copied_whole():
    made = document("a")
    made["opening"] = [pages.rows_of([("Head", "0123456789abcdef" * 4)])]
    found = pypdfium2.PdfDocument(typeset(made))[0].get_textpage().get_text_range()
    assert "0123456789abcdef" * 4 in found


def test_the_same_document_gives_the_same_bytes():
    assert typeset(document("a", "ß", "学")) == typeset(document("a", "ß", "学"))


def test_an_error_of_the_template_names_no_text():
    made = document("a")
    made["sections"][0]["blocks"].append({"kind": "Avery"})
    with pytest.raises(SettingsError) as caught:
        typeset(made)
    assert str(caught.value) == "the report cannot be typeset: panicked with"


def test_cells():
    assert cut("x" * CELL_CHARACTERS) == "x" * CELL_CHARACTERS
    assert [pages.cell(one) for one in (None, True, False, 1234567, "a", 0.25)] == [
        "unknown", "yes", "no", "1,234,567", "a", "0.2500",
    ]  # fmt: skip
    assert pages.table("t", "a", []) is None
    long = pages.table("t", "a", [("x",)] * 2_500)
    assert (long["title"], len(long["rows"])) == (
        "t (the first 2,000 of 2,500; the JSON file has all)",
        2_000,
    )
    assert pages.table("t", "@a|#b|**c", [("x", 1, "y")])["columns"] == [
        {"name": "a", "number": False, "width": 0},
        {"name": "b", "number": True, "width": 0},
        {"name": "c", "number": False, "width": 4},
    ]


def test_the_words_of_the_oath():
    assert declaration.OATH == (
        "I declare under penalty of perjury under the law of Washington that the foregoing is true and "
        "correct."
    )
