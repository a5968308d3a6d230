"""Message files and TNEF: the same mail as by MIME, each class as what it is, damage that costs itself."""

from __future__ import annotations

import hashlib
import io
import random
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract import mapi, tnef
from extract.mail import read_message as read_mail
from extract.ole_objects import OleObjectReader
from extract.outlook import MsgReader, TnefReader
from extract.registry import choose
from extract.worker_main import HEAD, head_of
from records import compound_reading as compound
from records.compound_files import Storage, write
from records.errors import ItemError
from records.ids import content_hash, message_identification_hash
from records.models import Address, Extraction, Failure
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.extract import samples
from tests.extract.outlook_files import (
    HEADER,
    MAIL,
    SENT,
    Ansi,
    Built,
    OleData,
    attribute,
    msg_file,
    object_with,
    package,
    rtf,
    simple_msg,
    simple_tnef,
    storage_of,
    tnef_file,
    to,
)
from tests.extract.samples import context, mail

APPOINTMENT, COMMON, MEETING = mapi.APPOINTMENT, mapi.COMMON, mapi.MEETING
PDF: dict[mapi.Key, Any] = {0x3705: 1, 0x3707: "plan.pdf", 0x370E: "application/pdf", 0x3701: b"%PDF-1.4 x\0"}


def read(data: bytes, **more: Any) -> Extraction:
    return MsgReader().extract(io.BytesIO(data), context(**more))


def read_built(properties: dict[mapi.Key, Any], *rest: Any) -> Extraction:
    return read(msg_file(Built(properties, *rest)))


def read_tnef(data: bytes) -> Extraction:
    return TnefReader().extract(io.BytesIO(data), context())


def ec1(got: Extraction) -> str | None:
    """Return the content hash that the extract step gives such an item."""
    fields = got.fields
    assert fields is not None
    return content_hash(
        sent_at=fields.moment.at,
        sender=fields.sender.address if fields.sender else "",
        recipients=[one.address for one in (*fields.to, *fields.cc, *fields.bcc)],
        subject=fields.subject,
        body=got.text,
        attachments=[(one.name or "", hashlib.sha256(one.data or b"").hexdigest()) for one in got.children],
    )


# --- the same mail -------------------------------------------------------------------------------------

HTML = "<html><body><p>The route changes on <b>Monday</b>. <a href='https://example.org/r'>Map</a></p></body></html>"
PLAIN = "The route changes on Monday. Map\n"
OF_PLAIN = "Content-Type: text/plain; charset=utf-8"
OF_HTML = "Content-Type: text/html; charset=utf-8"
OF_BOTH = 'Content-Type: multipart/alternative; boundary="B"'
BOTH = f"--B\n{OF_PLAIN}\n\n{PLAIN}\n--B\n{OF_HTML}\n\n{HTML}\n--B--\n"


@pytest.mark.parametrize(
    ("form", "body", "properties"),
    [
        (OF_PLAIN, PLAIN, {0x1000: PLAIN.replace("\n", "\r\n")}),
        (OF_BOTH, BOTH, {0x1000: PLAIN, 0x1013: HTML.encode(), 0x3FDE: 65001}),
        # Outlook writes the target of a link into the plain text that it makes of a page.
        (OF_HTML, HTML, {0x1000: "The route changes on Monday. Map <https://example.org/r>", 0x1013: HTML}),
        (OF_HTML, HTML, {0x1000: PLAIN, 0x1009: rtf(rb"{\rtf1\ansi\fromhtml1{\*\htmltag64 <p>}The route "
         rb"changes on {\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 Monday\htmlrtf }\htmlrtf0"
         rb"{\*\htmltag92 </b>}. Map}")}),
    ],
    ids=["plain", "both", "page", "page in rtf"],
)  # fmt: skip
def test_a_mail_is_the_same_as_mime_and_as_a_message_file(
    form: str, body: str, properties: dict[mapi.Key, Any]
) -> None:
    header = f"{HEADER}{form}\n"
    by_mime = read_mail(mail(header, body), context())
    by_file = read_built(
        {
            0x001A: "IPM.Note",
            0x0037: "Bus route change — Cedar",
            0x007D: header.replace("\n", "\r\n"),
            **properties,
        },
        MAIL.recipients,
    )
    assert by_file.fields == by_mime.fields
    assert by_mime.fields is not None
    assert by_mime.fields.message_id == "<m1@example.org>"
    assert ec1(by_file) == ec1(by_mime) is not None
    assert (by_file.kind, by_file.warnings, by_file.failure) == (Kind.EMAIL, (), None)


def test_attachments_are_the_same_too() -> None:
    parts = (
        f'--B\n{OF_PLAIN}\n\n{PLAIN}\n--B\nContent-Type: application/pdf; name="plan.pdf"\n'
        "Content-Disposition: attachment\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQgeAA=\n--B--\n"
    )
    header = f'{HEADER}Content-Type: multipart/mixed; boundary="B"\n'
    by_mime = read_mail(mail(header, parts), context())
    by_file = read_built({0x007D: header, 0x1000: PLAIN}, MAIL.recipients, [PDF])
    assert [(one.name, one.media_type, one.data) for one in by_file.children] == [
        ("plan.pdf", "application/pdf", b"%PDF-1.4 x\0")
    ]
    assert ec1(by_file) == ec1(by_mime) is not None


def test_a_sent_mail_without_a_header_is_told_from_its_properties() -> None:
    sent = mail(
        HEADER.partition("\n")[2]
        + "Bcc: Lee <lee@example.org>\nThread-Index: AQIDBAUGBwgJCgsMDQ4PEBESExQVFg==",
        "The route changes on Monday. Zyzzyva\n\nAna\n",
    )
    built = Built(
        {**MAIL.properties, 0x0071: bytes(range(1, 23))},
        [*MAIL.recipients, to("Lee", "lee@example.org", 3)],
    )
    by_mime, by_file = read_mail(sent, context()), read(msg_file(built))
    assert by_file.fields is not None
    assert by_mime.fields is not None
    assert by_file.fields.bcc == (Address("Lee", "lee@example.org"),)
    assert by_file.fields.thread_key == by_mime.fields.thread_key == "0708090a0b0c0d0e0f10111213141516"
    assert replace(by_file.fields, moment=by_mime.fields.moment) == by_mime.fields
    assert (by_file.fields.moment.text, by_file.fields.moment.basis) == ("2026-03-02T17:15:00Z", Basis.STATED)
    assert ec1(by_file) == ec1(by_mime) is not None
    assert message_identification_hash(by_file.fields.message_id) == message_identification_hash(
        "<m1@example.org>"
    )


def test_blind_copies_stand_in_the_table_of_recipients_only() -> None:
    rows = [*MAIL.recipients, to("", "lee@example.org", 3), to("Extra", "extra@example.org")]
    got = read_built({0x007D: HEADER, 0x1000: "x"}, rows)
    assert got.fields is not None
    assert [one.address for one in got.fields.to] == ["kim.tran@example.org"]
    assert got.fields.bcc == (Address("", "lee@example.org"),)
    assert [one.address for one in got.fields.participants] == [
        "ana.ruiz@example.org", "kim.tran@example.org", "clerk@example.org", "lee@example.org",
        "extra@example.org",
    ]  # fmt: skip


def test_a_header_with_outlooks_own_first_line_and_a_changed_subject() -> None:
    part = "------=_Part\r\nContent-Type: text/plain\r\n"
    kept = f"Microsoft Mail Internet Headers Version 2.0\r\n{HEADER}\r\n\r\n{part}"
    got = read_built({0x007D: kept, 0x0037: "Renamed Quokka", 0x1000: "x"}, MAIL.recipients)
    assert got.fields is not None
    assert got.fields.subject == "Bus route change — Cedar"
    assert got.text == "x\n\nSubject: Renamed Quokka"
    assert got.warnings == ()


def test_a_header_without_a_date_and_a_draft() -> None:
    got = read_built({0x007D: "From: a@example.org\n", 0x0E06: SENT, 0x1000: "x"})
    assert got.fields is not None
    assert (got.fields.moment.at, got.warnings) == (SENT, ())
    draft = read_built({0x0E07: 8, 0x3007: SENT, 0x0037: "later", 0x0E04: "Kim Tran; lee@example.org"})
    assert draft.fields is not None
    assert draft.fields.to == (Address("Kim Tran", ""), Address("", "lee@example.org"))
    assert (draft.fields.moment.at, draft.warnings) == (SENT, (WarningCode.DRAFT,))
    assert read_built({0x0037: "never"}).warnings == (WarningCode.NO_DATE,)


def test_people_of_exchange_get_the_address_that_is_known_elsewhere() -> None:
    name = "/o=Falls/cn=Recipients/cn=ANA"
    properties: dict[mapi.Key, Any] = {
        0x0042: "Ana", 0x0064: "EX", 0x0065: name, 0x0C1A: "Desk", 0x0C1F: "x",
        0x0C1D: b"SMTP:DESK@EXAMPLE.ORG\0", 0x0050: "Board; reply@example.org",
    }  # fmt: skip
    row = {0x3001: "Ana", 0x3002: "EX", 0x3003: name.upper(), 0x39FE: "ana@example.org", 0x0C15: 1}
    got = read_built(properties, [row, {0x3001: "'kim@example.org'", 0x0C15: 2}])
    assert got.fields is not None
    assert got.fields.sender == Address("Ana", "ana@example.org")
    assert got.fields.cc == (Address("", "kim@example.org"),)
    assert got.fields.participants[-3:] == (
        Address("Desk", "desk@example.org"), Address("Board", ""), Address("", "reply@example.org"),
    )  # fmt: skip
    alone = read_built(properties)
    assert alone.fields is not None
    assert alone.fields.sender == Address("Ana", name)


# --- code pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "subject", "stated", "guessed"),
    [
        ("cp1252", "pièce jointe – été", {0x3FFD: 1252}, False),
        ("cp1252", "Größe ±5 µm, §12", {}, False),
        ("cp1252", "Subject öäü", {0x3FDE: 65001, 0x3FF1: 1031}, False),
        ("cp1251", "Маршрут автобуса изменится в понедельник", {0x3FFD: 1252}, True),
        ("cp932", "会議の議事録を送ります", {0x3FFD: 1252}, True),
        ("cp950", "( MSG 格式測試 )", {0x3FFD: 950}, False),
        ("cp950", "( MSG 格式測試 )", {0x3FF1: 0x0404}, False),
        ("cp932", "会議の議事録を送ります", {0x3FF1: 0x0411}, False),
        ("cp1251", "Маршрут автобуса", {0x3FDE: 1251}, False),
        ("utf-8", "pièce jointe 格式", {0x3FFD: 65001}, False),
        ("cp950", "( MSG 格式測試 )", {0x3FFD: 1252}, True),
        ("cp950", "( MSG 格式測試 )", {}, True),
        ("utf-8", "pièce jointe 格式", {0x3FFD: 1252}, True),
        ("utf-8", "pièce jointe 格式", {0x3FFD: 932}, True),
    ],
)
def test_texts_of_eight_bits(codec: str, subject: str, stated: dict[mapi.Key, int], *, guessed: bool) -> None:
    body = f"{subject}\r\n{subject}"
    page = f'<meta charset="{codec.replace("cp950", "big5")}"><p>{subject}'
    got = read_built({
        0x0037: Ansi(subject.encode(codec)), 0x1000: Ansi(body.encode(codec)), 0x0039: SENT,
        0x1013: Ansi(page.encode(codec)), **stated,
    })  # fmt: skip
    assert got.fields is not None
    assert got.fields.subject == subject
    assert got.text == f"{subject}\n{subject}"
    assert got.warnings == ((WarningCode.CHARSET_GUESSED,) if guessed else ())
    assert ("code_page" in got.metadata) is guessed


def test_the_page_of_a_body_is_its_own() -> None:
    words = "<p>Größe 格式</p>"
    for raw, page, expected in (
        (words.encode(), 65001, "Größe 格式"),
        (b"<meta charset=us-ascii>" + words.encode(), 65001, "Größe 格式"),
        (b"<meta charset=big5>" + "<p>格式測試</p>".encode("cp950"), 1252, "格式測試"),
        ("<p>Größe</p>".encode("cp1252"), 0, "Größe"),
        (words.encode("utf-16"), 1252, "Größe 格式"),
    ):
        assert read_built({0x1013: raw, 0x3FDE: page, 0x0039: SENT}).text == expected


# --- bodies in RTF -------------------------------------------------------------------------------------


def body(raw: bytes) -> Extraction:
    return read_built({0x1009: rtf(raw), 0x0039: SENT})


def test_html_within_rtf() -> None:
    raw = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset136 X;}}"
        rb"{\*\htmltag19 <html>}{\*\htmltag2 \par }{\*\htmltag64 <p class=\'22a\'22>}\htmlrtf {\htmlrtf0 "
        rb"caf\'e9 a\{b\} {\*\htmltag84 &amp;}\htmlrtf & \htmlrtf0  1 < 2"
        rb"{\*\htmltag116 <br>}\htmlrtf \line \htmlrtf0 "
        rb"{\f1 \'ae\'e6\'a6\'a1\'b4\'fa\'b8\'d5}\u-10179 ?\u-8704 ?\lquote{\*\mhtmltag64 <no>}"
        rb"{\*\unknown no}"
        rb"\htmlrtf\par}\htmlrtf0{\*\htmltag84 <a href=\'22https://example.org/\'22>}link{\*\htmltag92 </a>}"
        rb"{\*\htmltag72 </p>}{\*\htmltag27 </html>}}"
    )
    assert body(raw).text == "café a{b} & 1 < 2\n格式測試\U0001f600‘link"
    # Outlook keeps it beside the page itself: the page counts.
    both = read_built({0x1009: rtf(raw), 0x1013: b"<p>only the page</p>", 0x0039: SENT})
    assert both.text == "only the page"


def test_rtf_that_is_a_letter_of_its_own() -> None:
    raw = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}{\info{\author Nobody}}"
        rb"{\*\generator no}"
        rb'\pard Dear Kim,\par see {\field{\*\fldinst HYPERLINK "https://docs.google.com/d/1"}'
        rb"{\fldrslt the plan}}"
        rb"\tab now\emdash ok {\pict\bin4 }{\}x}{\v hidden}\cell a\row}"
    )
    got = body(raw)
    assert got.text == "Dear Kim,\nsee the plan\tnow—ok hidden\ta"
    assert got.links == ("https://docs.google.com/d/1",)
    text = rb"{\rtf1\ansi\fromtext{\fonttbl{\f0 A;}}\f0 plain\par words}"
    assert body(text).text == "plain\nwords"
    assert read_built({0x1000: "plain\r\nwords", 0x1009: rtf(text), 0x0039: SENT}).text == "plain\nwords"
    more = read_built({0x1000: "plain", 0x1009: rtf(raw), 0x0039: SENT})
    assert more.text.startswith("plain\n\nDear Kim,")


def test_damaged_rtf_costs_itself() -> None:
    packed = rtf(rb"{\rtf1\ansi one two three two three two three}")
    for damage, text, warning in (
        (
            packed[:12] + b"\0\0\0\0" + packed[16:],
            "one two three two three two three",
            WarningCode.MIME_DEFECT,
        ),
        (packed[:-3], "one two three two three", WarningCode.MIME_DEFECT),
        (packed[:10], "", WarningCode.PARTIAL),
        (b"\1" * 40, "", WarningCode.PARTIAL),
        (struct.pack("<II4sI", 21, 9, b"MELA", 0) + rb"{\rtf1 a}", "a", None),
    ):
        got = read_built({0x1009: damage, 0x0039: SENT})
        assert got.text.startswith(text)
        assert got.warnings == ((warning,) if warning else ())
    deep = struct.pack("<II4sI", 30_018, 30_006, b"MELA", 0) + rb"{\rtf1" + b"{" * 30_000
    assert read_built({0x1009: deep, 0x1000: "kept", 0x0039: SENT}).text == "kept"


# --- what hangs on it ----------------------------------------------------------------------------------


def test_messages_within_messages_come_out_as_files_of_their_own() -> None:
    labels = (mapi.STRINGS, "Keywords")
    inmost = Built(
        {0x001A: "IPM.Note", 0x0037: "inmost", 0x1000: "Deep.", labels: ["blue", "red"]},
        [to("Kim", "k@example.org")],
    )
    middle = Built(
        {0x001A: "IPM.Appointment", 0x0037: "middle", (APPOINTMENT, 0x8208): "Room 5"},
        [],
        [{0x3705: 5, 0x3701: inmost}],
    )
    outer = read_built(
        {0x0037: "outer", (COMMON, 0x8539): "x"}, [], [PDF, {0x3705: 5, 0x3001: "Middle", 0x3701: middle}]
    )
    _, child = outer.children
    assert (child.name, child.media_type, child.kind) == ("Middle", "application/vnd.ms-outlook", Kind.EVENT)
    assert child.data is not None
    within = read(child.data)
    assert (within.kind, within.metadata["location"]) == (Kind.EVENT, "Room 5")
    (last,) = within.children
    assert last.data is not None
    got = read(last.data)
    assert got.fields is not None
    assert (got.fields.subject, got.text, got.metadata["categories"]) == ("inmost", "Deep.", "blue; red")
    assert got.fields.to == (Address("Kim", "k@example.org"),)


def test_objects_references_and_what_has_no_bytes() -> None:
    ole = Storage({"\1Ole": b"native", "Sheet": Storage({"Workbook": b"w" * 5000})}, bytes(range(16)))
    got = read_built({0x0037: "x", 0x0039: SENT}, [], [
        {0x3705: 6, 0x3701: ole},
        {0x3705: 7, 0x3707: "plan.docx", 0x370D: "https://falls.sharepoint.com/plan.docx"},
        {0x3705: 4, 0x3707: "share.xls", 0x3708: r"\\server\share.xls"},
        {0x3705: 1, 0x3707: "lost.pdf", 0x370E: "no type"},
        {0x3705: 1, 0x3707: "note.eml", 0x3701: samples.SIMPLE},
        {0x3705: 1, 0x3707: "../../etc/pass\0wd", 0x3712: "<img1@x>", 0x3701: b"png"},
    ])  # fmt: skip
    object_, web, share, lost, letter, odd = got.children
    assert (letter.media_type, letter.kind, lost.media_type) == (
        "message/rfc822",
        Kind.EMAIL,
        "application/pdf",
    )
    assert object_.data is not None
    assert compound.read(object_.data).root == ole
    assert (object_.media_type, object_.name) == ("application/x-ole-storage", None)
    assert (web.data, web.failure) == (None, Failure(Reason.NOT_IN_EXPORT, "web_reference"))
    assert (share.failure, share.metadata["reference"]) == (
        Failure(Reason.NOT_IN_EXPORT, "by_reference"), r"\\server\share.xls",
    )  # fmt: skip
    assert lost.failure == Failure(Reason.CORRUPT, "no_data")
    assert (odd.name, odd.metadata) == ("../../etc/passwd", {"content_id": "img1@x", "disposition": "inline"})
    assert got.links == ("https://falls.sharepoint.com/plan.docx",)
    assert got.warnings == (WarningCode.MISSING_PART,)


def test_an_object_gives_the_file_that_was_inserted() -> None:
    def opened(stream: str, data: bytes) -> Extraction:
        native = object_with(stream, data)
        held = read_built({0x0039: SENT}, [], [{0x3705: 6, 0x3701: compound.read(native).root}]).children[0]
        assert (held.media_type, held.data) == ("application/x-ole-object", native)
        by_bytes = read_built({0x0039: SENT}, [], [{0x3705: 6, 0x3701: native}])  # as a data file has it
        assert by_bytes.children == (held,)
        by_stream = read_tnef(tnef_file(Built({0x0039: SENT}, [], [{0x3701: OleData(native), 0x3705: 6}])))
        assert (by_stream.children[0].media_type, by_stream.children[0].data) == (held.media_type, native)
        return OleObjectReader().extract(io.BytesIO(native), context(media_type=held.media_type))

    prices = opened("\1Ole10Native", package("prices é.xls", b"cells"))
    (child,) = prices.children
    assert (child.name, child.media_type, child.data) == (
        "prices é.xls",
        "application/vnd.ms-excel",
        b"cells",
    )
    assert prices.metadata == {"path": "C:\\Users\\ana\\prices é.xls"}
    wide = opened("\1Ole10Native", package("prices ?.xls", b"cells", wide="цены.xls"))
    assert (wide.children[0].name, wide.metadata["path"]) == ("цены.xls", "C:\\Users\\ana\\цены.xls")
    linked = opened("\1Ole10Native", package("far.xls", b"", link=True))
    assert linked.children[0].failure == Failure(Reason.NOT_IN_EXPORT, "by_reference")
    other = opened("\1Ole10Native", b"\4\0\0\0BM\0\0")
    assert (other.children[0].media_type, other.children[0].data) == ("image/bmp", b"BM\0\0")
    for stream, data, kind in (
        ("CONTENTS", b"%PDF-1.4", "application/pdf"), ("Package", b"PK\x03\x04", "application/zip"),
        ("CONTENTS", b"what", "application/octet-stream"),
    ):  # fmt: skip
        (child,) = opened(stream, data).children
        assert (child.media_type, child.data) == (kind, data)
    with pytest.raises(ItemError, match="ole_object"):
        opened("CONTENTS", b"")
    cut = package("a.xls", b"cells")[:-2]
    assert opened("\1Ole10Native", cut).children[0].data == cut[4:]


def test_signed_and_encrypted_mail() -> None:
    inner = samples.SIMPLE
    signed = {
        0x3705: 1,
        0x3707: "smime.p7m",
        0x370E: "application/pkcs7-mime",
        0x3701: samples.cms_signed(inner),
    }
    got = read_built({0x001A: "IPM.Note.SMIME", 0x007D: HEADER}, [], [signed])
    assert got.text == "The route changes on Monday.\nAna\n"
    assert (got.failure, got.children) == (None, ())
    locked = {**signed, 0x3701: samples.cms_enveloped()}
    got = read_built({0x001A: "IPM.Note.SMIME", 0x007D: HEADER}, [], [locked])
    assert (got.failure, got.text) == (Failure(Reason.ENCRYPTED, "smime"), "")
    assert got.fields is not None
    assert got.fields.subject == "Bus route change — Cedar"
    clear = mail(
        'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="S"',
        f"--S\n{OF_PLAIN}\n\nSigned words.\n--S\nContent-Type: application/pkcs7-signature; name=smime.p7s\n"
        "Content-Transfer-Encoding: base64\n\nMIIB\n--S--\n",
    )
    held = {0x3705: 1, 0x3707: "smime.p7m", 0x370E: "multipart/signed", 0x3701: clear}
    got = read_built({0x001A: "IPM.Note.SMIME.MultipartSigned", 0x007D: HEADER}, [], [held])
    assert got.text.strip() == "Signed words."
    assert [one.name for one in got.children] == ["smime.p7s"]
    opened = read_built({0x001A: "IPM.Note.SMIME", 0x1000: "opened", 0x0039: SENT}, [], [PDF])
    assert (opened.text, [one.name for one in opened.children]) == ("opened", ["plan.pdf"])


# --- what is no mail -----------------------------------------------------------------------------------

UID = (
    bytes.fromhex("040000008200e00074c5b7101a82e008" + "07e60302" + "0" * 16 + "0" * 16)
    + b"\x10\0\0\0"
    + bytes(range(16))
)


def test_an_appointment() -> None:
    got = read_built(
        {
            0x001A: "IPM.Appointment", 0x0037: "Route meeting", 0x0042: "Ana Ruiz", 0x0065: "ana@example.org",
            (APPOINTMENT, 0x820D): SENT, (APPOINTMENT, 0x820E): SENT + timedelta(hours=1),
            (APPOINTMENT, 0x8208): "Room 5", (APPOINTMENT, 0x8215): False, (APPOINTMENT, 0x8205): 2,
            (APPOINTMENT, 0x8232): "every Monday", (MEETING, 0x0023): UID, 0x1000: "Bring maps.",
            (APPOINTMENT, 0x8217): 5, 0x0039: datetime(2020, 1, 1, tzinfo=UTC), 0x0036: 2, 0x0017: 2,
        },
        [to("Kim", "kim@example.org"), to("Lee", "lee@example.org", 2)],
    )  # fmt: skip
    assert got.kind is Kind.EVENT
    assert got.fields is not None
    assert got.fields.subject == "Route meeting"
    assert got.fields.sender == Address("Ana Ruiz", "ana@example.org")
    assert (got.fields.to, got.fields.cc) == (
        (Address("Kim", "kim@example.org"),), (Address("Lee", "lee@example.org"),),
    )  # fmt: skip
    assert got.fields.moment.at == SENT
    assert got.fields.message_id == (UID[:16] + bytes(4) + UID[20:]).hex().upper()
    assert got.text == (
        "Start: 2026-03-02 17:15 UTC\nEnd: 2026-03-02 18:15 UTC\nLocation: Room 5\nRecurrence: every Monday\n"
        "Organizer: Ana Ruiz <ana@example.org>\nAttendee: Kim <kim@example.org>\n"
        "Attendee: Lee <lee@example.org>\n\nBring maps."
    )
    assert got.metadata == {
        "message_class": "IPM.Appointment", "importance": "high", "sensitivity": "private",
        "dtend": "2026-03-02T18:15:00Z", "uid": got.fields.message_id, "location": "Room 5",
        "rrule": "every Monday", "transp": "busy", "cancelled": "yes",
    }  # fmt: skip


def test_an_invitation_is_a_mail_that_says_when_and_where() -> None:
    other = UID[:36] + b"\x2c\0\0\0vCal-Uid\x01\0\0\0abc@google.com\0"
    got = read_built(
        {
            0x001A: "IPM.Schedule.Meeting.Request", 0x007D: HEADER, 0x1000: "Please come.",
            (APPOINTMENT, 0x820D): SENT, (APPOINTMENT, 0x8208): "Room 5", (APPOINTMENT, 0x8215): True,
            (MEETING, 0x0003): other,
        },
        MAIL.recipients,
    )  # fmt: skip
    assert got.kind is Kind.EMAIL
    assert got.text == "Please come.\n\nStart: 2026-03-02 17:15 UTC\nLocation: Room 5\nAll day"
    assert (got.metadata["uid"], got.metadata["all_day"]) == ("abc@google.com", "yes")
    about = {
        0x001A: "IPM.Schedule.Meeting.Request",
        (APPOINTMENT, 0x8208): "Room 5",
        0x1000: "At 5, in a room.",
    }
    packed = tnef_file(Built({**about, (APPOINTMENT, 0x820D): SENT}))
    in_mail = read_mail(with_part(packed, "Room five. Start: 2026-03-02 17:15 UTC"), context())
    assert in_mail.text == "Room five. Start: 2026-03-02 17:15 UTC\n\nAt 5, in a room.\n\nLocation: Room 5"


def test_a_contact_and_a_list() -> None:
    address = mapi.ADDRESS
    got = read_built({
        0x001A: "IPM.Contact", 0x0037: "Kim Tran", 0x3001: "Kim Tran", 0x3A16: "Falls Bus",
        0x3A1C: "+14255550101", 0x3A58: ["Zoe", "Max"], 0x3A42: datetime(1990, 5, 6, tzinfo=UTC),
        (address, 0x8083): "kim@example.org", (address, 0x8093): "kim2@example.org",
        (address, 0x801B): "1 Main St\r\nFalls", 0x1000: "met in May", 0x3007: SENT,
    })  # fmt: skip
    assert got.kind is Kind.CONTACT
    assert got.fields is not None
    assert got.fields.participants == (
        Address("Kim Tran", "kim@example.org"), Address("Kim Tran", "kim2@example.org"),
    )  # fmt: skip
    assert got.text == (
        "Name: Kim Tran\nCompany: Falls Bus\nMobile phone: +14255550101\nE-mail: kim@example.org\n"
        "E-mail 2: kim2@example.org\nBusiness address: 1 Main St Falls\nChildren: Zoe, Max\n"
        "Birthday: 1990-05-06 00:00 UTC\n\nmet in May"
    )
    head = bytes(4) + bytes.fromhex("812b1fa4bea310199d6e00dd010f5402") + b"\0\0"
    wide = head + b"\x01\x90" + "Lee\0SMTP\0lee@example.org\0".encode("utf-16-le")
    narrow = head + b"\0\0" + b"Jos\xe9\0SMTP\0jose@example.org\0"
    listed = read_built(
        {0x001A: "IPM.DistList", 0x0037: "Drivers", (address, 0x8054): [wide, narrow, b"junk"]}
    )
    assert (listed.kind, listed.text) == (
        Kind.CONTACT, "Member: Lee <lee@example.org>\nMember: José <jose@example.org>",
    )  # fmt: skip
    assert listed.fields is not None
    assert listed.fields.participants == (
        Address("Lee", "lee@example.org"),
        Address("José", "jose@example.org"),
    )


def test_tasks_notes_and_entries_of_the_journal() -> None:
    task = read_built({
        0x001A: "IPM.Task", 0x0037: "Print maps", (mapi.TASK, 0x8101): 1, (mapi.TASK, 0x8102): 0.25,
        (mapi.TASK, 0x8105): SENT, (mapi.TASK, 0x811F): "Ana Ruiz", 0x1000: "Colour.",
    })  # fmt: skip
    assert (task.kind, task.text) == (
        Kind.TASK,
        "Status: in progress\nComplete: 25 %\nDue: 2026-03-02 17:15 UTC\nOwner: Ana Ruiz\n\nColour.",
    )
    assert task.fields is not None
    assert task.fields.moment.at == SENT
    note = read_built({0x001A: "IPM.StickyNote", 0x0037: "call", 0x1000: "call Kim", 0x3007: SENT})
    assert (note.kind, note.text, note.warnings) == (Kind.NOTE, "call Kim", ())
    entry = read_built({0x001A: "IPM.Activity", (mapi.LOG, 0x8700): "Phone call", (mapi.LOG, 0x8706): SENT})
    assert (entry.kind, entry.text) == (Kind.NOTE, "Entry type: Phone call\nStart: 2026-03-02 17:15 UTC")
    never = read_built({0x001A: "IPM.Task", (mapi.TASK, 0x8105): datetime(4501, 1, 1, tzinfo=UTC)})
    assert never.text == ""
    odd = read_built({0x0037: "a\1b\r\nc", 0x0039: SENT})
    assert odd.fields is not None
    assert odd.fields.subject == "a b c"


def test_a_report_of_what_was_not_delivered() -> None:
    row = {**to("Kim", "kim@example.org"), 0x1001: "mailbox full", 0x0C04: 1, 0x0C20: 552}
    properties = {0x0037: "Undeliverable: route", 0x0049: "route", 0x0032: SENT, 0x1046: "<m1@example.org>"}
    got = read_built({0x001A: "REPORT.IPM.Note.NDR", **properties}, [row])
    assert (got.kind, got.text) == (
        Kind.EMAIL,
        "Original subject: route\nKim <kim@example.org>: mailbox full; reason 1; status 552",
    )
    assert got.fields is not None
    assert got.fields.moment.at == SENT
    assert got.metadata["original_message_id"] == "<m1@example.org>"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("IPM.Note", Kind.EMAIL), ("", Kind.EMAIL), ("IPM.Post", Kind.EMAIL),
        ("IPM.Schedule.Meeting.Canceled", Kind.EMAIL), ("IPM.TaskRequest.Accept", Kind.EMAIL),
        ("IPM.Appointment.Room", Kind.EVENT), ("IPM.AppointmentX", Kind.EMAIL),
        ("ipm.contact", Kind.CONTACT),
        ("IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}", Kind.EVENT),
        ("IPM.SkypeTeams.Message", Kind.CHAT),
    ],
)  # fmt: skip
def test_the_class_says_what_it_is(given: str, kind: Kind) -> None:
    assert mapi.kind_of(mapi.class_of(given)) is kind


# --- which reader --------------------------------------------------------------------------------------


def test_the_bytes_say_what_is_a_message() -> None:
    letter = write(Storage({"WordDocument": b"w" * 9_000, "1Table": b"t" * 9_000}))
    late = write(Storage({"\1big": b"x" * 9_000, **storage_of(MAIL).entries}))
    for data, name, media_type, reader in (
        (simple_msg(), None, None, "msg"),
        (late, None, "application/octet-stream", "msg"),
        (simple_msg(), "plan.doc", "application/msword", "msg"),
        (letter, "a.msg", "application/vnd.ms-outlook", "tika"),
        (samples.SIMPLE, "a.msg", "application/vnd.ms-outlook", "mail"),
        (simple_tnef(), None, None, "tnef"),
        (simple_tnef(), "a.doc", "text/plain", "tnef"),
        (b"winmail", "winmail.dat", "application/ms-tnef", "text"),
        (simple_msg()[:600], "a.msg", None, "msg"),
    ):
        chosen = choose(media_type, name, head_of(io.BytesIO(data)))
        assert chosen is not None
        assert chosen.name == reader
    assert len(head_of(io.BytesIO(late))) == HEAD + 512


# --- TNEF ----------------------------------------------------------------------------------------------


def test_a_stream_alone_gives_what_the_message_file_gives() -> None:
    by_stream, by_file = read_tnef(simple_tnef()), read(simple_msg())
    assert by_stream.fields == by_file.fields
    assert (by_stream.text, by_stream.kind, by_stream.metadata) == (
        by_file.text,
        by_file.kind,
        by_file.metadata,
    )
    plan, inner = by_stream.children
    assert plan == by_file.children[0]
    assert (inner.media_type, inner.kind) == ("application/ms-tnef", Kind.EMAIL)
    assert inner.data is not None
    within = read_tnef(inner.data)
    assert (within.text, within.fields and within.fields.subject) == ("Inside.", "inner")
    named = read_tnef(tnef_file(Built({(mapi.STRINGS, "Keywords"): ["a", "b c"], 0x0037: "x"})))
    assert named.metadata["categories"] == "a; b c"


def with_part(data: bytes, text: str = "", form: str = "application/ms-tnef; name=winmail.dat") -> bytes:
    import base64

    first = f"--B\n{OF_PLAIN}\n\n{text}\n" if text else ""
    return mail(
        f'{HEADER}Content-Type: multipart/mixed; boundary="B"',
        f"{first}--B\nContent-Type: {form}\nContent-Transfer-Encoding: base64\n\n"
        f"{base64.encodebytes(data).decode()}\n--B--\n",
    )


def test_in_a_mail_its_content_stands_in_its_place() -> None:
    alone = read_mail(with_part(simple_tnef()), context())
    assert alone.text == "The route changes on Monday. Zyzzyva\n\nAna\n"
    assert [(one.part_path, one.name) for one in alone.children] == [
        ("1.1", "plan é.pdf"),
        ("1.2", "Inner note"),
    ]
    beside = read_mail(with_part(simple_tnef(), "The route changes on Monday. Zyzzyva Ana"), context())
    assert beside.text == "The route changes on Monday. Zyzzyva Ana"
    assert [one.part_path for one in beside.children] == ["2.1", "2.2"]
    assert read_mail(with_part(simple_tnef(), form="application/octet-stream"), context()) == alone
    whole = mail(f"{HEADER}Content-Type: application/ms-tnef\nContent-Transfer-Encoding: 8bit", simple_tnef())
    assert read_mail(whole, context()).text == alone.text


def test_a_stream_that_cannot_be_opened_stays_a_file() -> None:
    for damage in (tnef.SIGNATURE, tnef.SIGNATURE + b"\1\0", b"no tnef"):
        got = read_mail(with_part(damage, "kept"), context())
        assert (got.text, [(one.name, one.data) for one in got.children]) == (
            "kept",
            [("winmail.dat", damage)],
        )
    cut = read_mail(with_part(simple_tnef()[:-40]), context())
    assert cut.failure == Failure(Reason.TRUNCATED, "tnef")
    assert cut.children[0].name == "plan é.pdf"


def test_what_broken_senders_write() -> None:
    head = struct.pack("<IH", 0x223E9F78, 1)
    data_first = (
        head + attribute(2, 0x6800F, b"bytes") + attribute(2, 0x18010, b"late name.txt\0")
        + attribute(2, 0x69002, bytes(14)) + attribute(2, 0x18010, b"\xae\xe6\xa6\xa1.txt\0")
        + attribute(2, 0x6800F, b"more") + attribute(1, 0x69007, struct.pack("<II", 950, 0))
    )  # fmt: skip
    got = read_tnef(data_first)
    assert [(one.name, one.data) for one in got.children] == [
        ("late name.txt", b"bytes"),
        ("格式.txt", b"more"),
    ]
    old = head + b"".join((
        attribute(1, 0x78008, b"IPM.Microsoft Mail.Note\0"), attribute(1, 0x18004, b"old\0"),
        attribute(1, 0x2800C, b"words\0"), attribute(1, 0x38005, struct.pack("<7H", 2026, 3, 2, 9, 15, 0, 1)),
        attribute(1, 0x8000, struct.pack("<4H", 4, 40, 4, 21) + b"Ana\0SMTP:ana@example.org\0"),
    ))  # fmt: skip
    got = read_tnef(old)
    assert got.fields is not None
    assert (got.fields.subject, got.text) == ("old", "words")
    assert got.fields.sender == Address("Ana", "ana@example.org")
    assert (got.fields.moment.at, got.fields.moment.basis) == (SENT, Basis.ASSUMED_ZONE)
    assert WarningCode.ASSUMED_ZONE in got.warnings


def test_names_and_pages_of_a_stream() -> None:
    subject = "( MSG 格式測試 )".encode("cp950")
    hung = [
        {0x3705: 1, 0x3707: "../../etc/pass\0wd", 0x3701: b"x"},
        {0x3705: 1, 0x3704: Ansi("格式.txt".encode("cp950")), 0x3701: b"y"},
        {0x3705: 7, 0x3707: "far", 0x370D: "https://1drv.ms/x"},
    ]
    built = Built({0x0037: Ansi(subject), 0x1000: "é", 0x0039: SENT}, [], hung)
    for page, guessed in ((950, False), (1252, True)):
        got = read_tnef(tnef_file(built, page=page))
        assert got.fields is not None
        assert got.fields.subject == "( MSG 格式測試 )"
        assert [one.name for one in got.children] == ["../../etc/passwd", "格式.txt", "far"]
        assert (WarningCode.CHARSET_GUESSED in got.warnings) is guessed
        assert got.links == ("https://1drv.ms/x",)


def test_no_nul_comes_out_of_what_is_no_text() -> None:
    inner = Built({0x0037: "inner", 0x001A: Ansi(b"IPM.\0Note")})
    odd = UID[:36] + b"\x2c\0\0\0vCal-Uid\x01\0\0\0a\0b@x\0"
    got = read_tnef(tnef_file(
        Built({0x001A: "IPM.Appointment", 0x0042: "Ana", 0x003B: b"SMTP:A\0B@X.ORG\0", (MEETING, 0x0003): odd,
               0x0060: SENT}, [], [{0x3705: 5, 0x3701: inner}]),
    ))  # fmt: skip
    assert got.fields is not None
    assert (got.fields.sender, got.metadata["uid"]) == (Address("Ana", "a b@x.org"), "a b@x")
    assert got.children[0].metadata == {"message_class": "IPM.Note"}
    assert "\0" not in got.text


def test_streams_within_streams() -> None:
    deep = Built({0x0037: "bottom", 0x1000: "words"})
    for _ in range(40):
        deep = Built({0x0037: "x"}, [], [{0x3705: 5, 0x3701: deep}])
    got = read_tnef(tnef_file(deep))
    for _ in range(40):
        (child,) = got.children
        assert child.data is not None
        got = read_tnef(child.data)
    assert got.text == "words"


def test_sums_and_lengths_are_compared() -> None:
    good = simple_tnef()
    summed = good[:-1] + bytes([good[-1] ^ 1])
    got = read_tnef(summed)
    assert (got.metadata["bad_checksums"], got.warnings) == ("1", (WarningCode.MIME_DEFECT,))
    junk = read_tnef(good + b"junk behind")
    assert (junk.metadata["bytes_behind_the_end"], junk.warnings) == ("11", (WarningCode.MIME_DEFECT,))
    blank = read_tnef(good + b"\r\n\0")
    assert (blank.metadata["bytes_behind_the_end"], blank.warnings) == ("3", ())
    cut = read_tnef(good[: len(good) // 2])
    assert (cut.failure, cut.fields and cut.fields.subject) == (
        Failure(Reason.TRUNCATED, "tnef"), "Bus route change — Cedar",
    )  # fmt: skip
    huge = struct.pack("<IH", 0x223E9F78, 1) + struct.pack("<BII", 1, 0x69003, 0xFFFFFFFF) + b"\xff" * 64
    assert read_tnef(huge).failure == Failure(Reason.TRUNCATED, "tnef")


# --- damage --------------------------------------------------------------------------------------------


def refused(data: bytes) -> tuple[Reason, str]:
    with pytest.raises(ItemError) as raised:
        read(data)
    return raised.value.reason, raised.value.detail


def patched(data: bytes, at: int, value: int, size: int = 4) -> bytes:
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def test_a_file_that_was_cut() -> None:
    large = msg_file(
        Built({0x0037: "Zyzzyva", 0x0039: SENT, 0x1000: "kept words"}, [], [{**PDF, 0x3701: b"x" * 90_000}])
    )
    assert refused(large[:20])[0] is Reason.TRUNCATED
    assert refused(large[: len(large) // 2])[0] is Reason.TRUNCATED
    assert refused(large[:-600])[0] is Reason.TRUNCATED  # the table of sectors stands at the end


def test_tables_that_go_round_or_lead_out() -> None:
    data = simple_msg()
    directory = struct.unpack_from("<I", data, 48)[0]
    fat = struct.unpack_from("<I", data, 76)[0]
    at = 512 * (fat + 1) + 4 * directory
    assert read(data).failure is None
    # Its directory begins again and again, and never comes to the properties.
    assert refused(patched(data, at, directory)) == (Reason.CORRUPT, "no_message_properties")
    for value in (0x7FFFFFF0, 0xFFFFFFFA):
        with pytest.raises(ItemError):
            read(patched(data, 48, value))
    for place in (44, 64, 72):  # more tables than the file has sectors
        assert refused(patched(data, place, 0x7FFFFFFF))[0] in (Reason.CORRUPT, Reason.TRUNCATED)
    entry = 512 * (directory + 1)
    for link in (68, 72, 76):  # an entry beside, below and within itself
        for number in range(4):
            changed = patched(data, entry + 128 * number + link, number)
            try:
                read(changed)
            except ItemError as error:
                assert error.reason in (Reason.CORRUPT, Reason.TRUNCATED, Reason.BOMB)  # noqa: PT017


def test_sizes_beyond_the_file_cost_no_memory() -> None:
    data = msg_file(Built({0x0037: "x", 0x0039: SENT}, [], [{**PDF, 0x3701: b"y" * 9_000}]))
    name = "__substg1.0_37010102".encode("utf-16-le")
    entry = data.index(name)
    fat = 512 * (struct.unpack_from("<I", data, 76)[0] + 1)
    start = struct.unpack_from("<I", data, entry + 116)[0]
    round_and_round = patched(patched(data, entry + 120, 0x7FFFFFFF), fat + 4 * start, start)
    got = read(round_and_round)
    assert got.failure == Failure(Reason.TRUNCATED, "msg_streams")
    assert got.children[0].data is not None
    assert len(got.children[0].data) <= len(data)


def test_streams_that_share_their_bytes_are_a_bomb() -> None:
    shared = {f"__substg1.0_{n:04X}0102": b"z" * 5_000 for n in range(0x6000, 0x6100)}
    shared["__substg1.0_60000102"] = b"z" * 400_000
    data = bytearray(write(Storage({**storage_of(MAIL).entries, **shared})))
    first = data.index("__substg1.0_60000102".encode("utf-16-le"))
    start = data[first + 116 : first + 120]
    for n in range(0x6000, 0x6100):
        entry = data.index(f"__substg1.0_{n:04X}0102".encode("utf-16-le"))
        data[entry + 116 : entry + 124] = start + (400_000).to_bytes(4, "little")
    assert refused(bytes(data)) == (Reason.BOMB, "compound_overlap")


def test_storages_without_end() -> None:
    deep: dict[str, bytes | Storage] = dict(storage_of(MAIL).entries)
    for _ in range(200):
        deep = {"__attach_version1.0_#00000000": Storage({"__substg1.0_3701000D": Storage(deep)})}
    assert refused(write(Storage({**storage_of(MAIL).entries, **deep})))[0] is Reason.BOMB


def test_a_name_that_none_can_be_costs_what_it_names() -> None:
    inner = Built({0x001A: "IPM.Note", 0x0037: "inner", 0x1000: "Inside."}, [to("Kim", "k@example.org")])
    data = msg_file(Built({0x0037: "x", 0x0039: SENT, 0x1000: "y"}, [], [{0x3705: 5, 0x3701: inner}, PDF]))
    old = "__recip_version1.0_#00000000".encode("utf-16-le")
    assert data.count(old) == 1  # that of the message within
    got = read(data.replace(old, "__recip_version1.0_/00000000".encode("utf-16-le")))
    assert (got.text, got.failure) == ("y", Failure(Reason.TRUNCATED, "msg_streams"))
    within, plan = got.children
    assert (plan.data, within.data is not None) == (PDF[0x3701], True)
    assert read(within.data or b"").text == "Inside."


def test_names_that_lead_nowhere() -> None:
    entries = dict(
        storage_of(Built({0x0037: "x", 0x0039: SENT, (COMMON, 0x8539): "kept", 0x1000: "y"})).entries
    )
    for guids, table, strings in (
        (b"", b"\xff" * 80, b""),
        (b"\0" * 7, b"\1\0\0\0\7\0\0\0" * 3, b"\xff" * 9),
        (b"g" * 16, b"\0\0\0\0\7\0\0\0", struct.pack("<I", 0xFFFFFFF0) + b"a\0"),
    ):
        names = Storage({
            "__substg1.0_00020102": guids, "__substg1.0_00030102": table, "__substg1.0_00040102": strings,
        })  # fmt: skip
        got = read(write(Storage({**entries, "__nameid_version1.0": names})))
        assert (got.text, got.failure) == ("y", None)
    assert read(write(Storage({**entries, "__nameid_version1.0": b"no storage"}))).text == "y"
    assert refused(write(Storage({"__properties_version1.0": Storage()})))[0] is Reason.CORRUPT


def test_a_message_that_names_more_than_it_holds_is_cut() -> None:
    entries = dict(storage_of(MAIL).entries)
    del entries["__attach_version1.0_#00000001"]
    got = read(write(Storage(entries)))
    assert (got.failure, len(got.children)) == (Failure(Reason.TRUNCATED, "msg_streams"), 1)
    assert got.text == "The route changes on Monday. Zyzzyva\n\nAna\n"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_bytes_make_anything_but_an_answer_or_a_named_error(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([simple_msg(), simple_tnef(), b""]))
    dice = random.Random(data.draw(st.integers(0, 1 << 32)))
    changed = bytearray(whole or data.draw(st.binary(max_size=600)))
    for _ in range(data.draw(st.integers(0, 40)) if changed else 0):
        at = dice.randrange(len(changed))
        changed[at : at + dice.choice((1, 4))] = dice.randbytes(dice.choice((1, 4)))
    for start in (b"", compound.SIGNATURE, tnef.SIGNATURE):
        for reader in (MsgReader(), TnefReader()):
            try:
                got = reader.extract(io.BytesIO(start + changed), context())
            except ItemError as error:
                assert error.reason in (Reason.CORRUPT, Reason.TRUNCATED, Reason.BOMB)  # noqa: PT017
            else:
                assert sum(len(one.data or b"") for one in got.children) <= 4 * len(changed) + 65_536
