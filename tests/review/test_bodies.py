import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review import bodies


def mail(*parts, head=""):
    body = "".join(f"--b\r\n{part}\r\n" for part in parts)
    return (
        f"MIME-Version: 1.0\r\n{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}--b--\r\n".encode(
            "latin-1"
        )
    )


HTML = "Content-Type: text/html; charset=%s\r\n%s\r\n<p>%s</p>"


def test_the_first_html_body_is_taken():
    native = mail(
        "Content-Type: text/plain\r\n\r\nx", HTML % ("utf-8", "", "one"), HTML % ("utf-8", "", "two")
    )
    assert bodies.html_of(native, kind="email", media_type="message/rfc822").strip() == "<p>one</p>"


def test_attachments_and_messages_within_are_not_the_body():
    attached = HTML % ("utf-8", "Content-Disposition: Attachment; filename=a.html\r\n", "attached")
    within = "Content-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r\n<p>within</p>"
    assert bodies.html_of(mail(attached, within), kind="email", media_type="") is None


@pytest.mark.parametrize(
    ("charset", "byte", "letter"), [("iso-8859-1", "\xfc", "ü"), ("nonsense", "\xfc", "�"), ("hex", "z", "z")]
)
def test_charsets(charset, byte, letter):
    native = mail(HTML % (charset, "", byte))
    assert bodies.html_of(native, kind="email", media_type="").strip() == f"<p>{letter}</p>"


def test_html_files_and_others():
    assert bodies.html_of(b"<p>x", kind="file", media_type="text/html; charset=x") == "<p>x"
    assert bodies.html_of(b"<p>x", kind="file", media_type="text/plain") is None
    assert bodies.html_of(b"", kind="email", media_type="") is None
    assert bodies.html_of(b"x" * (bodies.LARGEST_NATIVE + 1), kind="file", media_type="text/html") is None
    assert bodies.html_of(b"x" * (bodies.LARGEST_HTML + 1), kind="file", media_type="text/html") is None


def test_nesting_has_an_end():
    native = b"<p>deep</p>"
    for depth in range(60):
        native = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) + native
    assert bodies.html_of(native, kind="email", media_type="") is None


ALLOWED = re.compile(
    r"</?(abbr|b|blockquote|br|caption|center|cite|code|dd|del|dl|dt|em|hr|i|ins|li|ol|p|pre|q|s|small|strike|"
    r"strong|sub|sup|table|tbody|tfoot|thead|tr|tt|u|ul|t[dh]( (col|row)span=\"[^\"<>]*\")*|"
    r"div( class=\"heading\")?|span( class=\"(link|picture)\")?)>"
)


PIECES = [
    "<",
    ">",
    '"',
    "'",
    "&",
    "&lt;",
    "&quot;",
    "&#60;",
    "/",
    "=",
    "x",
    "<a",
    "href=",
    "<img",
    "alt=",
    "</a>",
    "<h1>",
    "</h1>",
    "<script>",
    "</script>",
    "<svg>",
    "<math>",
    "<style>",
    "<!--",
    "-->",
    "<p/onclick=x>",
    "<div/class=a>",
    "javascript:",
    "http://x/",
    "<td/colspan=2>",
    "<textarea>",
    "<title>",
    "</title>",
    "<noscript>",
]


@given(st.lists(st.sampled_from([*PIECES, " ", "\0"]), max_size=30))
def test_only_known_tags_without_attributes_are_left(parts):
    out = bodies.safe("".join(parts))
    assert "<" not in ALLOWED.sub("", out)
