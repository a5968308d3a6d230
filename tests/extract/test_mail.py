"""Mail: fields, bodies, children, and what is wrong with real messages."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.mail import MailReader, looks_like_mail, read_message
from extract.protocol import Limits
from records.errors import ItemError
from records.models import Address, Failure
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.extract.samples import INNER, NESTED, SIMPLE, cms_enveloped, cms_signed, context, mail

BOTH = pytest.mark.parametrize("reader", ["auto", "stdlib"])
DATE = "Date: Mon, 2 Mar 2026 09:15:00 -0800\n"


def read(data: bytes, reader: str = "auto", **more):
    return read_message(data, context(**more), reader)


def part(headers: str, body: bytes) -> bytes:
    return b"--B\r\n" + headers.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body + b"\r\n"


def mixed(*parts: bytes, kind: str = "mixed", closed: bool = True) -> bytes:
    end = b"--B--\r\n" if closed else b""
    return mail(
        f"From: a@example.org\n{DATE}Content-Type: multipart/{kind}; boundary=B", b"".join(parts) + end
    )


@BOTH
def test_a_simple_message(reader: str) -> None:
    got = read(SIMPLE, reader)
    assert got.kind is Kind.EMAIL
    assert got.text == "The route changes on Monday.\nAna\n"
    fields = got.fields
    assert fields.subject == "Bus route change"
    assert fields.sender == Address("Ana Ruiz", "ana.ruiz@example.org")
    assert fields.to == (Address("Tran, Kim", "kim.tran@example.org"), Address("", "lee@example.org"))
    assert fields.cc == (Address("Board Clerk", "clerk@example.org"),)
    assert fields.bcc == ()
    assert fields.participants == ()
    assert fields.moment.at == datetime(2026, 3, 2, 17, 15, tzinfo=UTC)
    assert fields.moment.text == "Mon, 2 Mar 2026 09:15:00 -0800"
    assert fields.message_id == "<m1@example.org>"
    assert (got.children, got.warnings, got.failure) == ((), (), None)


@BOTH
def test_parts_of_a_nested_message(reader: str) -> None:
    got = read(NESTED, reader)
    assert got.text == "plain words"
    shown = [(c.part_path, c.name, c.media_type, c.kind, dict(c.metadata)) for c in got.children]
    assert shown == [
        ("1.3", None, "text/calendar", Kind.EVENT, {}),
        ("2", None, "message/rfc822", Kind.EMAIL, {}),
        ("3", "plan.pdf", "application/pdf", Kind.FILE, {"disposition": "attachment"}),
        ("4", None, "image/png", Kind.FILE, {"disposition": "inline", "content_id": "img1@x"}),
    ]
    assert got.children[1].data == INNER
    assert got.children[2].data == b"%PDF-1.4 bytes\r\n"
    assert read(got.children[1].data, reader).text == "Inside the message.\n"


@BOTH
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_embedded_message_keeps_its_exact_bytes(reader: str, newline: str) -> None:
    inner = mail(
        "From: x@example.org\nX-Odd:   spaces  kept \nSubject: =?utf-8?Q?caf=C3=A9?=",
        "a=20b\n\n\nc\t \n",
        newline,
    )
    data = mail(
        "From: a@example.org\nContent-Type: multipart/mixed; boundary=B",
        b"--B\n\nbody\n--B\nContent-Type: message/rfc822\n\n".replace(b"\n", newline.encode()) + inner
        + b"\n--B--\n".replace(b"\n", newline.encode()),
        newline,
    )  # fmt: skip
    assert read(data, reader).children[0].data == inner


@BOTH
def test_an_embedded_message_in_base64_is_decoded(reader: str) -> None:
    data = mixed(
        part("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", base64.encodebytes(INNER))
    )
    assert read(data, reader).children[0].data == INNER


@BOTH
def test_a_digest_holds_messages(reader: str) -> None:
    data = mixed(
        b"--B\r\n\r\nSubject: one\r\n\r\nfirst\r\n",
        b"--B\r\n\r\nSubject: two\r\n\r\nsecond\r\n",
        kind="digest",
    )
    got = read(data, reader)
    assert [(c.part_path, c.kind, c.data) for c in got.children] == [
        ("1", Kind.EMAIL, b"Subject: one\r\n\r\nfirst"),
        ("2", Kind.EMAIL, b"Subject: two\r\n\r\nsecond"),
    ]
    assert got.text == ""


@BOTH
def test_named_text_is_an_attachment_and_unnamed_text_is_body(reader: str) -> None:
    data = mixed(
        part("Content-Type: text/plain", b"one"),
        part('Content-Type: text/plain; name="notes.txt"', b"notes"),
        part("Content-Type: text/plain\nContent-Disposition: attachment", b"unnamed attachment"),
        part("Content-Type: text/plain\nContent-Disposition: inline", b"two"),
    )
    got = read(data, reader)
    assert got.text == "one\n\ntwo"
    assert [(c.part_path, c.name, c.data) for c in got.children] == [
        ("2", "notes.txt", b"notes"),
        ("3", None, b"unnamed attachment"),
    ]


@BOTH
def test_a_message_that_is_one_file(reader: str) -> None:
    data = mail(
        f'From: a@example.org\n{DATE}Content-Type: application/pdf; name="s.pdf"\n'
        f"Content-Transfer-Encoding: base64",
        base64.encodebytes(b"%PDF-").decode(),
    )
    got = read(data, reader)
    assert (got.text, [(c.part_path, c.name, c.data) for c in got.children]) == (
        "",
        [("1", "s.pdf", b"%PDF-")],
    )


class TestBody:
    @BOTH
    def test_html_alone_becomes_text(self, reader: str) -> None:
        data = mail(
            f"From: a@example.org\n{DATE}Content-Type: text/html; charset=utf-8",
            "<style>p{x}</style><p>One<b>word</b></p><p>next <a href='mailto:kim@example.org'>Kim</a></p>"
            "<span style='display:none'>hidden</span><script>no</script>",
        )
        assert read(data, reader).text == "Oneword\n\nnext Kim <kim@example.org>\nhidden"

    @BOTH
    def test_a_file_behind_words_is_kept_beside_the_body(self, reader: str) -> None:
        link = "https://docs.google.com/document/d/1/edit?a=1&b=2"
        data = mixed(
            part("Content-Type: text/plain", b"The plan, the map https://1drv.ms/m"),
            part(
                "Content-Type: text/html",
                b"The <A HREF='https://docs.google.com/document/d/1/edit?a=1&amp;b=2'>plan</a>, the"
                b' <a href="https://1drv.ms/m">map</a> <a href=https://docs.google.com/document/d/1/edit?a=1&b=2>'
                b'<a href="https://example.org/shop">x</a><!-- <a href="https://dropbox.com/no">x</a> -->',
            ),
            kind="alternative",
        )
        got = read(data, reader)
        assert got.text == "The plan, the map https://1drv.ms/m\n\nThe plan, the map x"
        assert got.links == (link,)
        assert got.whole_text() == f"{got.text}\n\n<{link}>"

    @BOTH
    def test_html_with_the_same_words_adds_nothing(self, reader: str) -> None:
        data = mixed(
            part("Content-Type: text/plain", b"See you, Kim!"),
            part("Content-Type: text/html", b"<p>See you<br>Kim"),
        )
        assert read(data, reader).text == "See you, Kim!"

    @BOTH
    def test_html_with_more_words_is_appended(self, reader: str) -> None:
        data = mixed(
            part("Content-Type: text/plain", b"Open in a browser."),
            part("Content-Type: text/html", b"<p>Open the agenda</p>"),
            kind="alternative",
        )
        assert read(data, reader).text == "Open in a browser.\n\nOpen the agenda"

    @BOTH
    @pytest.mark.parametrize(
        ("declared", "raw", "text", "guessed"),
        [
            ("utf-8", "café".encode(), "café", False),
            ("utf-8", b"caf\xe9", "café", True),
            ("us-ascii", b"caf\xe9", "café", True),
            ("us-ascii", "café".encode(), "café", True),
            ("iso-8859-1", b"\x93caf\xe9\x94", "“café”", False),
            ("x-unknown", "café".encode(), "café", True),
            ("cp-850", b"caf\x82", "café", False),
            ("no-such-charset", b"caf\xe9", "café", True),
            ("gb2312", "中文".encode("gb18030"), "中文", False),
            ("utf-16", "café".encode("utf-16"), "café", False),
        ],
    )
    def test_charsets(self, reader: str, declared: str, raw: bytes, text: str, guessed: bool) -> None:
        body = base64.encodebytes(raw).decode()
        data = mail(
            f"From: a@example.org\n{DATE}Content-Type: text/plain; charset={declared}\n"
            f"Content-Transfer-Encoding: base64",
            body,
        )
        got = read(data, reader)
        assert got.text == text
        assert (WarningCode.CHARSET_GUESSED in got.warnings) is guessed

    @BOTH
    def test_charset_of_html_may_stand_in_the_page(self, reader: str) -> None:
        data = mail(
            f"From: a@example.org\n{DATE}Content-Type: text/html",
            b"<meta http-equiv=Content-Type content='text/html; "
            b"charset=windows-1251'><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>",
        )
        assert read(data, reader).text == "Привет"

    @BOTH
    def test_nul_and_carriage_returns_go(self, reader: str) -> None:
        data = mail(f"From: a@example.org\n{DATE}", b"a\0b\rc\r\nd")
        assert read(data, reader).text == "ab\nc\nd"

    @BOTH
    def test_flowed_text_with_delsp_joins_words(self, reader: str) -> None:
        data = mail(
            f"From: a@example.org\n{DATE}Content-Type: text/plain; format=flowed; delsp=yes",
            "super \nvisor\n",
        )
        assert read(data, reader).text == "supervisor\n"

    @BOTH
    def test_uuencoded_files_become_children(self, reader: str) -> None:
        data = mail(
            f"From: a@example.org\n{DATE}", "See below.\nbegin 644 note.txt\n%:&5L;&\\\n`\nend\nBye\n"
        )
        got = read(data, reader)
        assert [(c.part_path, c.name, c.data) for c in got.children] == [("1.u1", "note.txt", b"hello")]
        assert got.text.split() == ["See", "below.", "Bye"]


class TestFields:
    @pytest.mark.parametrize(
        ("stated", "subject"),
        [
            ("plain", "plain"),
            ("=?utf-8?Q?R=C3=A9union?=", "Réunion"),
            ("=?utf-8?B?UsOp?=\n =?utf-8?B?dW5pb24=?=", "Réunion"),
            ("=?iso-8859-1?q?caf=E9?= now", "café now"),
            ("a\n folded  line", "a folded  line"),
            ("tab\there", "tab here"),
            ("=?utf-8?Q?two=0Alines?=", "two lines"),
            ("=?nope?Q?caf=C3=A9?=", "café"),
            ('"=?utf-8?Q?quoted?="', '"quoted"'),
            ("=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished"),
            ("", ""),
        ],
    )
    def test_subjects(self, stated: str, subject: str) -> None:
        got = read(mail(f"From: a@example.org\nSubject: {stated}\n{DATE}"))
        assert got.fields.subject == subject

    def test_words_cut_in_the_middle_of_a_character(self) -> None:
        first, second = (
            base64.b64encode("é".encode()[:1]).decode(),
            base64.b64encode("é".encode()[1:]).decode(),
        )
        got = read(mail(f"Subject: =?utf-8?B?{first}?= =?utf-8?B?{second}?=\nFrom: a@b.org\n{DATE}"))
        assert got.fields.subject == "é"

    def test_raw_bytes_in_each_field_are_read_apart(self) -> None:
        data = b"From: Jos\xe9 <j@example.org>\r\nSubject: caf\xc3\xa9\r\n\r\nx"
        got = read(data)
        assert (got.fields.sender, got.fields.subject) == (Address("José", "j@example.org"), "café")

    @pytest.mark.parametrize(
        ("stated", "people"),
        [
            ("a@example.org", [("", "a@example.org")]),
            ("<a@example.org>", [("", "a@example.org")]),
            ("Ana Ruiz <a@example.org>", [("Ana Ruiz", "a@example.org")]),
            (
                '"Ruiz, Ana" <a@example.org>, b@example.org',
                [("Ruiz, Ana", "a@example.org"), ("", "b@example.org")],
            ),
            ("=?utf-8?Q?Ruiz=2C_Ana?= <a@example.org>", [("Ruiz, Ana", "a@example.org")]),
            ('"=?utf-8?Q?Jos=C3=A9?=" <a@example.org>', [("José", "a@example.org")]),
            ("a@example.org (Ana Ruiz)", [("Ana Ruiz", "a@example.org")]),
            (
                "Team: a@example.org, Bo <b@example.org>;",
                [("Team", ""), ("", "a@example.org"), ("Bo", "b@example.org")],
            ),
            ("undisclosed-recipients:;", [("undisclosed-recipients", "")]),
            (
                "Ana Ruiz <a@example.org> (work, mostly), Bo",
                [("Ana Ruiz (work, mostly)", "a@example.org"), ("Bo", "")],
            ),
            ("ana.ruiz@example.org Kim Tran", [("Kim Tran", "ana.ruiz@example.org")]),
            ("[SMTP:a@example.org]", [("[SMTP", ""), ("", "a@example.org")]),
            ("Principal Office", [("Principal Office", "")]),
            ('"O\\"Neil" <o@example.org>', [('O"Neil', "o@example.org")]),
            ("a@example.org,\n\tb@example.org", [("", "a@example.org"), ("", "b@example.org")]),
            ("Ana <a@example.org>, ", [("Ana", "a@example.org")]),
        ],
    )
    def test_addresses(self, stated: str, people: list[tuple[str, str]]) -> None:
        got = read(mail(f"From: x@example.org\nTo: {stated}\n{DATE}"))
        assert [(p.name, p.address) for p in got.fields.to] == people

    def test_repeated_fields_of_recipients_are_all_kept(self) -> None:
        got = read(
            mail(f"From: x@example.org\nTo: a@example.org\nTo: b@example.org\nBcc: c@example.org\n{DATE}")
        )
        assert [p.address for p in got.fields.to] == ["a@example.org", "b@example.org"]
        assert [p.address for p in got.fields.bcc] == ["c@example.org"]

    def test_people_in_other_fields_can_be_found(self) -> None:
        got = read(
            mail(
                f"From: a@example.org\nTo: b@example.org\nReply-To: Desk <d@example.org>\nSender: "
                f"a@example.org\n{DATE}"
            )
        )
        assert [p.address for p in got.fields.participants] == [
            "a@example.org",
            "b@example.org",
            "d@example.org",
        ]
        assert got.metadata["reply-to"] == "Desk <d@example.org>"

    def test_thread_of_exchange_and_of_gmail(self) -> None:
        index = "Adprz/yHEjRWeBI0VngSNFZ4EjRWeAAALLQQAAQw4hA="
        got = read(
            mail(
                f"From: a@b.org\nThread-Index: {index}\nX-GM-THRID: 123\nReferences: <a@b>\n\t<c@d>\n"
                f"In-Reply-To: <c@d>\n{DATE}"
            )
        )
        assert got.fields.thread_key == "12345678123456781234567812345678"
        guid = "12345678" * 4
        assert got.fields.thread_index == f"01da6bcffc87{guid}00002cb410000430e210"
        assert (got.fields.references, got.fields.in_reply_to) == ("<a@b> <c@d>", "<c@d>")
        assert (
            read(mail(f"From: a@b.org\nX-GM-THRID: 1789\nThread-Index: short\n{DATE}")).fields.thread_key
            == "1789"
        )

    @pytest.mark.parametrize(
        ("stated", "warning", "basis"),
        [
            (None, WarningCode.NO_DATE, Basis.NONE),
            ("yesterday", WarningCode.BAD_DATE, Basis.NONE),
            ("Mon, 2 Mar 0002 09:15:00 -0800", WarningCode.BAD_DATE, Basis.NONE),
            ("Mon, 2 Mar 2026 09:15:00", WarningCode.ASSUMED_ZONE, Basis.ASSUMED_ZONE),
        ],
    )
    def test_dates_in_doubt(self, stated: str | None, warning: WarningCode, basis: Basis) -> None:
        got = read(mail("From: a@example.org" + (f"\nDate: {stated}" if stated else "")))
        assert (got.warnings, got.fields.moment.basis) == ((warning,), basis)

    @BOTH
    @pytest.mark.parametrize(
        ("header", "name"),
        [
            ('Content-Disposition: attachment; filename="plan v1.pdf"', "plan v1.pdf"),
            ("Content-Disposition: attachment; filename=plan.pdf", "plan.pdf"),
            ("Content-Disposition: attachment; filename*=utf-8''caf%C3%A9.pdf", "café.pdf"),
            ('Content-Disposition: attachment; filename*0="long "; filename*1="name.pdf"', "long name.pdf"),
            ('Content-Disposition: attachment; filename="=?utf-8?Q?caf=C3=A9.pdf?="', "café.pdf"),
        ],
    )
    def test_file_names(self, reader: str, header: str, name: str) -> None:
        data = mixed(part(f"Content-Type: application/pdf\n{header}", b"x"))
        assert read(data, reader).children[0].name == name


class TestDefects:
    def test_lines_that_are_no_field_keep_the_structure(self) -> None:
        data = (
            b"From: a@example.org\r\nDate: Mon, 2 Mar 2026 09:15:00 -0800\r\nthis line is no field\r\n"
            b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nbody\r\n"
            b"--B\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--B--\r\n"
        )
        for reader in ("auto", "stdlib"):
            got = read(data, reader)
            assert got.text == "this line is no field\nbody"
            assert [c.name for c in got.children] == ["a.pdf"]
            assert got.warnings == (WarningCode.HEADER_DEFECT,)

    def test_bad_base64_costs_a_warning_only(self) -> None:
        data = mixed(
            part("Content-Type: text/plain", b"body"),
            part('Content-Type: image/png; name="a.png"\nContent-Transfer-Encoding: base64', b"iVBORw0K*Gg"),
        )
        got = read(data)
        assert got.text == "body"
        assert got.children[0].data.startswith(b"\x89PNG")
        assert got.warnings == (WarningCode.MIME_DEFECT,)

    @BOTH
    def test_a_missing_end_is_warned_of(self, reader: str) -> None:
        got = read(mixed(part("Content-Type: text/plain", b"body"), closed=False), reader)
        assert (got.text.strip(), got.warnings) == ("body", (WarningCode.MIME_DEFECT,))

    @BOTH
    def test_a_multipart_without_boundary_is_text(self, reader: str) -> None:
        got = read(mail(f"From: a@example.org\n{DATE}Content-Type: multipart/mixed", "just words\n"), reader)
        assert (got.text.strip(), got.warnings) == ("just words", (WarningCode.MIME_DEFECT,))

    def test_quoted_printable_files_keep_their_line_ends(self) -> None:
        top = "From: a@b.org\nContent-Type: multipart/mixed; boundary=B\n\n--B\n"
        data = f"{top}Content-Type: text/csv; name=a.csv\nContent-Transfer-Encoding: quoted-printable\n\n"
        data = (data + "a,b=20\nc,d\n--B--\n").encode()
        assert read(data).children[0].data == b"a,b \nc,d"
        assert read(data.replace(b"\n", b"\r\n")).children[0].data == b"a,b \r\nc,d"

    def test_raw_bytes_in_quoted_printable_are_not_lost(self) -> None:
        head = f"From: a@b.org\n{DATE}Content-Type: text/plain; charset=iso-8859-1\n"
        data = mail(f"{head}Content-Transfer-Encoding: quoted-printable", b"Fa\xe7a =E9 wor=\r\nds\r\n")
        assert read(data).text == "Faça é words\n"

    @BOTH
    def test_spaces_added_to_quoted_lines_go(self, reader: str) -> None:
        head = f"From: a@b.org\n{DATE}Content-Transfer-Encoding: quoted-printable"
        assert read(mail(head, "one  \ntwo=20\nthree \t\n"), reader).text == "one\ntwo\nthree\n"

    def test_a_uuencoded_part(self) -> None:
        data = mixed(
            part('Content-Type: image/gif; name="a.gif"\nContent-Transfer-Encoding: x-uuencode',
                 b"begin 644 a.gif\r\n%:&5L;&\\\r\n`\r\nend")
        )  # fmt: skip
        assert read(data).children[0].data == b"hello"

    def test_no_message_at_all(self) -> None:
        with pytest.raises(ItemError) as raised:
            read(b"\0\1\2\3" * 50)
        assert raised.value.reason is Reason.CORRUPT

    def test_text_without_headers_is_all_body(self) -> None:
        got = read(b"\r\nonly a body\r\n")
        assert got.text == "only a body\n"
        assert WarningCode.HEADER_DEFECT in got.warnings

    def test_wrappings_of_mail_stores_are_taken_off(self) -> None:
        assert (
            read(b"From a@example.org Mon Mar  2 09:15:00 2026\n" + SIMPLE).fields.subject
            == "Bus route change"
        )
        emlx = b"%d\n" % len(SIMPLE) + SIMPLE
        assert read(emlx, name="7.emlx") == read(SIMPLE)

    def test_a_line_that_is_no_field_is_a_text_like_any_other(self) -> None:
        got = read(b"From: a@example.org\r\nno\rfield \0here\r\nSubject: s\r\n\r\nwords\r\n")
        assert got.text == "no\nfield here\nwords\n"

    @pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=us-ascii"])
    def test_a_multipart_without_a_boundary_keeps_its_bytes(self, charset: str) -> None:
        body = "Grüße an Zyzzyva\n"
        got = read(mail(f"From: a@example.org\n{DATE}Content-Type: multipart/mixed{charset}", body))
        assert got.text == body

    def test_too_many_parts_are_a_bomb(self) -> None:
        data = mixed(*[part("Content-Type: a/b", b"x")] * 5)
        got = read(data, limits=Limits(children=4))
        assert (got.children, got.failure) == ((), Failure(Reason.BOMB, "mail_parts"))

    def test_parts_nested_without_end(self) -> None:
        body = b"".join(
            b"--B%d\r\nContent-Type: multipart/mixed; boundary=B%d\r\n\r\n" % (n, n + 1) for n in range(300)
        )
        data = mail("From: a@example.org\nContent-Type: multipart/mixed; boundary=B0", body)
        with pytest.raises(ItemError) as raised:
            read(data)
        assert raised.value.reason is Reason.BOMB


class TestEncryption:
    @BOTH
    def test_enveloped_mail_is_encrypted(self, reader: str) -> None:
        data = mail(
            f"From: a@example.org\nSubject: Secret\n{DATE}Content-Type: application/pkcs7-mime; "
            "smime-type=signed-data\nContent-Transfer-Encoding: base64",
            base64.encodebytes(cms_enveloped()).decode(),
        )
        got = read(data, reader)
        assert got.failure == Failure(Reason.ENCRYPTED, "smime")
        assert (got.fields.subject, got.children, got.text) == ("Secret", (), "")

    @BOTH
    def test_signed_mail_is_read(self, reader: str) -> None:
        inner = b"Content-Type: text/plain; charset=utf-8\r\n\r\nsigned words\r\n"
        data = mail(
            f"From: a@example.org\n{DATE}Content-Type: application/x-pkcs7-mime; name=smime.p7m\n"
            "Content-Transfer-Encoding: base64",
            base64.encodebytes(cms_signed(inner)).decode(),
        )
        got = read(data, reader)
        assert (got.text, got.failure, got.children) == ("signed words\n", None, ())

    @BOTH
    def test_a_detached_signature_is_a_child(self, reader: str) -> None:
        data = mixed(
            part("Content-Type: text/plain", b"body"),
            part("Content-Type: application/pkcs7-signature; name=smime.p7s", cms_signed(None)),
            kind="signed",
        )
        got = read(data, reader)
        assert (got.text, [c.name for c in got.children], got.failure) == ("body", ["smime.p7s"], None)

    @BOTH
    def test_pgp_mime_is_encrypted(self, reader: str) -> None:
        data = mixed(
            part("Content-Type: application/pgp-encrypted", b"Version: 1"),
            part("Content-Type: application/octet-stream", b"-----BEGIN PGP MESSAGE-----\r\n..."),
            kind="encrypted",
        )
        assert read(data, reader).failure == Failure(Reason.ENCRYPTED, "pgp")

    def test_inline_pgp_is_encrypted_and_keeps_what_is_around_it(self) -> None:
        armor = "Hello\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"
        got = read(mail(f"From: a@example.org\n{DATE}", armor))
        assert got.failure == Failure(Reason.ENCRYPTED, "pgp_inline")
        assert got.text.startswith("Hello\n")
        assert read(mail(f"From: a@example.org\n{DATE}", "> " + armor.replace("\n", "\n> "))).failure is None


class TestChoice:
    @pytest.mark.parametrize(
        ("head", "is_mail"),
        [
            (SIMPLE, True),
            (b"Received: by x\nDate: y\nSubject: z\n\n", True),
            (b"From: me\nhello", False),
            (b"Dear all,\nFrom: x\nTo: y\nDate: z\n", False),
            (b"Subject: notes\nTo: do\nCc: none\n\n", False),
            (b"", False),
            (b"%PDF-1.4", False),
        ],
    )
    def test_mail_is_recognised_by_its_start(self, head: bytes, is_mail: bool) -> None:
        assert looks_like_mail(head) is is_mail

    def test_a_label_is_believed_unless_the_bytes_say_otherwise(self) -> None:
        reader = MailReader()
        assert reader.score("message/rfc822", None, b"anything") == 100
        assert reader.score("message/rfc822", None, b"%PDF-1.7") is None
        assert reader.score(None, "a.EML", b"anything") == 95
        assert reader.score("text/plain", "a.txt", b"Dear all") is None


@given(st.binary(max_size=400))
def test_any_bytes_after_a_header_give_the_same_from_both_readers_or_a_refusal(body: bytes) -> None:
    data = mail(f"From: a@example.org\n{DATE}", body)
    assert read(data).text == read(data, "stdlib").text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=60), st.sampled_from("bq"))
def test_encoded_words_come_back(text: str, encoding: str) -> None:
    from email.charset import BASE64, QP, Charset
    from email.header import Header

    charset = Charset("utf-8")
    charset.header_encoding = BASE64 if encoding == "b" else QP
    encoded = Header(text, charset).encode()
    got = read(mail(f"From: a@example.org\nSubject: {encoded}\n{DATE}")).fields.subject
    assert got == text.replace("\x85", " ").replace("\u2028", " ").replace("\u2029", " ").strip()


def emlx(message: bytes, plist: str = "", count: int | None = None) -> bytes:
    whole = f"<?xml version='1.0'?><plist version='1.0'><dict>{plist}</dict></plist>" if plist else ""
    return b"%d\n" % (len(message) if count is None else count) + message + whole.encode()


class TestAppleMail:
    def test_its_list_of_properties_is_no_text_and_its_flags_are_facts(self) -> None:
        plist = (
            "<key>flags</key><integer>8590195731</integer><key>remote-id</key><string>42</string>"
            "<key>date-received</key><integer>1772471700</integer><key>subject</key><string>Zyzzyva</string>"
        )
        got = read(emlx(SIMPLE, plist), name="7.emlx")
        assert got.text == read(SIMPLE).text
        assert got.fields == read(SIMPLE).fields
        assert got.metadata == {
            "apple_flags": "read deleted flagged",
            "apple_remote-id": "42",
            "apple_date-received": "1772471700",
        }
        assert got.warnings == (WarningCode.DELETED,)
        draft = read(emlx(SIMPLE, "<key>flags</key><integer>64</integer>"), name="7.EMLX")
        assert draft.warnings == (WarningCode.DRAFT,)

    @pytest.mark.parametrize(
        "plist",
        [
            b"<?xml version='1.0'?><plist><dict><key>flags</key>",
            b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><plist><string>&x;</string></plist>",
            b"<?xml version='1.0'?><plist><array/></plist>",
            b"junk",
        ],
    )
    def test_a_list_that_cannot_be_read_costs_nothing_else(self, plist: bytes) -> None:
        got = read(emlx(SIMPLE) + plist, name="7.emlx")
        assert (got.text, got.warnings) == (read(SIMPLE).text, (WarningCode.MIME_DEFECT,))

    def test_a_message_that_was_cut_says_so(self) -> None:
        got = read(emlx(SIMPLE, count=len(SIMPLE) + 5), name="7.emlx")
        assert (got.failure, got.text) == (Failure(Reason.TRUNCATED, "emlx"), read(SIMPLE).text)

    def test_attachments_that_are_kept_elsewhere_are_told_one_by_one(self) -> None:
        data = mixed(
            part("Content-Type: text/plain", b"See the plan."),
            part("Content-Type: application/pdf; name=plan.pdf\r\nX-Apple-Content-Length: 900", b""),
            part("Content-Type: text/csv; name=a.csv", b"1,2"),
        )
        got = read(emlx(data), name="7.partial.emlx")
        plan, table = got.children
        assert (plan.name, plan.data, plan.failure) == (
            "plan.pdf",
            None,
            Failure(Reason.NOT_IN_EXPORT, "partial_emlx"),
        )
        assert (table.data, got.text) == (b"1,2", "See the plan.")
        assert WarningCode.MISSING_PART in got.warnings
        whole = read(emlx(data), name="7.emlx")
        assert (whole.children[0].data, whole.children[0].failure) == (b"", None)


REPORT = """Sender: ana.ruiz@example.org
Subject: Budget memo
Message-Id: <m9@example.org>
To: Kim Tran <kim.tran@example.org>
Bcc: board.clerk@example.org
Recipient: lee@example.org, Expanded: principals@example.org
Recipient: max@example.org, Forwarded: old@example.org
"""


class TestJournalReports:
    def report(self) -> bytes:
        inner = mail(
            "From: ana.ruiz@example.org\nTo: Kim Tran <kim.tran@example.org>\nSubject: Budget memo\n"
            "Date: Mon, 2 Mar 2026 09:15:00 -0800\nMessage-ID: <m9@example.org>",
            "The memo.\n",
        )
        parts = f"--B\nContent-Type: text/plain\n\n{REPORT}\n--B\nContent-Type: message/rfc822\n\n"
        body = parts.replace("\n", "\r\n").encode() + inner + b"\r\n--B--\r\n"
        return mail(
            "From: journal@example.org\nTo: archive@example.org\nSubject: Budget memo\n"
            "Date: Mon, 2 Mar 2026 09:15:02 -0800\nX-MS-Journal-Report:\n"
            'Content-Type: multipart/mixed; boundary="B"',
            body,
        )  # fmt: skip

    def test_everybody_in_the_envelope_is_kept(self) -> None:
        got = read(self.report())
        assert {name: value for name, value in got.metadata.items() if name.startswith("envelope_")} == {
            "envelope_sender": "ana.ruiz@example.org",
            "envelope_to": "kim.tran@example.org",
            "envelope_bcc": "board.clerk@example.org",
            "envelope_recipient": "lee@example.org; max@example.org",
            "envelope_expanded": "principals@example.org",
            "envelope_forwarded": "old@example.org",
        }
        assert [one.address for one in got.fields.participants] == [
            "journal@example.org", "archive@example.org", "ana.ruiz@example.org", "kim.tran@example.org",
            "board.clerk@example.org", "lee@example.org", "max@example.org",
        ]  # fmt: skip

    def test_the_mail_within_knows_it_and_stays_the_same_mail(self) -> None:
        (inner,) = read(self.report()).children
        alone = read(inner.data)
        got = read(inner.data, metadata=inner.metadata)
        assert inner.metadata["envelope_bcc"] == "board.clerk@example.org"
        assert [one.address for one in got.fields.participants] == [
            "ana.ruiz@example.org", "kim.tran@example.org", "board.clerk@example.org", "lee@example.org",
            "max@example.org",
        ]  # fmt: skip
        assert (got.fields.to, got.fields.bcc, got.text) == (alone.fields.to, (), alone.text)
        assert alone.fields.participants == ()

    def test_an_ordinary_mail_with_such_lines_is_none(self) -> None:
        got = read(mail("From: a@example.org\nDate: Mon, 2 Mar 2026 09:15:00 -0800", REPORT))
        assert (got.metadata, got.fields.participants) == ({}, ())


def test_a_page_that_a_browser_saved_is_a_file() -> None:
    head = (
        "From: <Saved by Blink>\nSnapshot-Content-Location: https://example.org/board\nSubject: Board\n"
        "Date: Mon, 2 Mar 2026 09:15:00 -0800\nMIME-Version: 1.0\n"
        'Content-Type: multipart/related; boundary="B"'
    )
    parts = (
        "--B\nContent-Type: text/html\nContent-Location: https://example.org/board\n\n<p>Minutes</p>\n"
        "--B\nContent-Type: image/gif\nContent-Location: https://example.org/a.gif\n\nGIF89a\n--B--\n"
    )
    got = read(mail(head, parts), name="board.mhtml")
    assert (got.kind, got.text, got.metadata["url"]) == (Kind.FILE, "Minutes", "https://example.org/board")
    assert (got.fields.sender, got.fields.subject) == (None, "Board")
    assert [one.media_type for one in got.children] == ["image/gif"]
    older = head.replace("Snapshot-Content-Location", "X-Other").replace(
        "Blink", "Windows Internet Explorer 8"
    )
    assert read(mail(older, parts)).kind is Kind.FILE
