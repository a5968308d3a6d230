"""Text files, charsets and HTML to text."""

from __future__ import annotations

import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract import charsets
from extract.markup import html_to_text
from extract.plain import TextReader
from records.models import Extraction
from records.vocabulary import WarningCode
from tests.extract.samples import context


def read(data: bytes, name: str | None = None, media_type: str | None = None, **more) -> Extraction:
    return TextReader().extract(io.BytesIO(data), context(name, media_type, **more))


@pytest.mark.parametrize(
    ("data", "text", "guessed"),
    [
        (b"plain\r\ntext\r", "plain\ntext\n", False),
        ("café".encode(), "café", True),
        (codecs.BOM_UTF8 + "café".encode(), "café", False),
        ("café".encode("utf-16"), "café", False),
        (codecs.BOM_UTF16_BE + "café".encode("utf-16-be"), "café", False),
        ("plain words in two bytes".encode("utf-16-le"), "plain words in two bytes", True),
        ("plain words in two bytes".encode("utf-16-be"), "plain words in two bytes", True),
        (codecs.BOM_UTF32_LE + "café".encode("utf-32-le"), "café", False),
        (b"caf\xe9 \x93quoted\x94", "café “quoted”", True),
        (b"caf\xe9\x81", "café\x81", True),
        (b"", "", False),
    ],
)
def test_charsets_of_text_files(data: bytes, text: str, guessed: bool) -> None:
    got = read(data, "a.txt")
    assert got.text == text
    assert got.warnings == ((WarningCode.CHARSET_GUESSED,) if guessed else ())
    assert got.failure is None


def test_a_charset_stated_by_the_mail_is_tried_first() -> None:
    assert read("Привет".encode("koi8-r"), "a.txt", metadata={"charset": "koi8-r"}).text == "Привет"


def test_json_escapes_are_undone() -> None:
    data = (
        rb'{"name": "Jos\u00e9 \ud83d\ude01", "text": "one\ntwo \/ \"three\"", "half": "\ud800", "bad": "\q"}'
    )
    got = read(data, "a.json").text
    assert '"José 😁"' in got
    assert '"one\ntwo / "three""' in got
    assert '"\ufffd"' in got
    assert r'"\q"' in got


class TestXml:
    def test_text_and_attributes(self) -> None:
        got = read(
            b'<?xml version="1.0" encoding="iso-8859-1"?><r a="attr">caf\xe9<b>two</b>tail<!-- hidden '
            b"--></r>",
            "a.xml",
        )
        assert got.text.split("\n") == ["attr", "café", "two", "tail", "hidden"]

    def test_entities_are_not_expanded(self) -> None:
        bomb = (
            b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM '
            b'"file:///etc/hostname">]><r>x&b;&f;y</r>'
        )
        got = read(bomb, "a.xml").text
        assert "haha" not in got
        assert got.startswith("x")
        assert got.endswith("y")

    def test_broken_xml_is_text(self) -> None:
        assert read(b"<?xml version='1.0'?><r>word", "a.xml").text == "<?xml version='1.0'?><r>word"


class TestHtml:
    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("<p>a</p><p>b</p>", "a\n\nb"),
            ("<div>a<div>b</div></div>", "a\nb"),
            ("a<br>b", "a\nb"),
            ("a<br/><BR>b", "a\n\nb"),
            ("<p>a<br></p><p>b", "a\n\nb"),
            ("<b>bo</b>ld", "bold"),
            ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\n\nc"),
            ("<ul><li>a<li>b</ul>", "a\n\nb"),
            ("a&nbsp;b &amp; &eacute;&#233;&#x1F601;", "a b & éé😁"),
            ("<pre>one\n  two</pre>", "one\ntwo"),
            ("a\n  b", "a b"),
            ("<style>x</style><script>y</script><!-- z -->a", "a"),
            ("<title>T</title><body>b", "T\n\nb"),
            ("<span hidden style='display:none'>hidden</span>", "hidden"),
            ("<img alt='the bus' src=x>", "the bus"),
            ("<a href='mailto:kim@example.org?subject=x'>Kim</a>", "Kim <kim@example.org>"),
            ("<a href='MAILTO:kim@example.org'>kim@example.org</a>", "kim@example.org"),
            ("<a href='https://example.org'>page</a>", "page"),
            ("<a href='https://dropbox.com/s/1'>page</a>", "page"),
            ("no markup &amp; such", "no markup & such"),
            ("<input value='typed'>", "typed"),
            ("<p>unclosed <b>bold", "unclosed bold"),
            ("", ""),
            ("<", "<"),
            ("<html></html>", ""),
            ("<noscript>turned off</noscript>", "turned off"),
            ("<o:p>office</o:p>", "office"),
            ("<?xml version='1.0'?><p>x", "x"),
            ("a<![endif]-->b", "ab"),
        ],
    )
    def test_to_text(self, source: str, text: str) -> None:
        assert html_to_text(source) == text

    @pytest.mark.parametrize("tag", ["div", "b", "table><tr><td"])
    def test_deep_pages_keep_their_words(self, tag: str) -> None:
        assert html_to_text(f"<{tag}>" * 20_000 + "deepword").strip() == "deepword"

    def test_a_file_with_a_declared_charset(self) -> None:
        got = read(b"<html><meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2</p></html>", "a.html")
        assert (got.text, got.warnings) == ("Привет", ())

    def test_html_without_a_label(self) -> None:
        assert read(b"<!DOCTYPE html><html><body><p>one<p>two").text == "one\n\ntwo"

    @given(st.text(max_size=200))
    def test_any_text_is_read(self, source: str) -> None:
        html_to_text(source.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


class TestChoice:
    @pytest.mark.parametrize(
        ("media_type", "name", "head", "score"),
        [
            ("text/plain", None, b"words", 60),
            (None, "a.csv", b"a,b", 55),
            ("application/octet-stream", "notes", b"just words", 30),
            ("text/plain", "a.txt", b"%PDF-1.4", None),
            ("text/plain", "a.txt", b"\0\1\2\3", None),
            ("text/plain", "a.txt", "wide".encode("utf-16"), 60),
            (None, "a.rtf", b"{\\rtf1", None),
            ("message/delivery-status", None, b"Action: failed", 60),
            (None, None, b"MZ is how this text begins", 30),
            (None, "a.bin", bytes(range(1, 32)) * 5, None),
        ],
    )
    def test_scores(self, media_type: str | None, name: str | None, head: bytes, score: int | None) -> None:
        assert TextReader().score(media_type, name, head) == score


@given(
    st.binary(max_size=300),
    st.sampled_from([None, "utf-8", "utf-16", "utf-7", "gb2312", "x", "base64", "idna"]),
)
def test_any_bytes_become_storable_text(data: bytes, declared: str | None) -> None:
    text, _ = charsets.decode(data, declared)
    text.encode()
    read(data).text.encode()
