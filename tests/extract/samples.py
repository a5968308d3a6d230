"""Sample files, built at test time from readable parts."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
import zlib
from functools import cache
from zoneinfo import ZoneInfo

from extract.protocol import ExtractContext

ZONE = ZoneInfo("America/Los_Angeles")


def context(name: str | None = None, media_type: str | None = None, **more) -> ExtractContext:
    return ExtractContext(name, media_type, ZONE, **more)


def mail(headers: str, body: str | bytes = "", newline: str = "\r\n") -> bytes:
    """Return a message; ``headers`` and ``body`` are written with bare newlines."""
    text = (
        headers.strip("\n").replace("\n", newline).encode("utf-8", "surrogateescape") + newline.encode() * 2
    )
    return text + (body.replace("\n", newline).encode() if isinstance(body, str) else body)


SIMPLE = mail(
    """
From: Ana Ruiz <ana.ruiz@example.org>
To: "Tran, Kim" <kim.tran@example.org>, lee@example.org
Cc: Board Clerk <clerk@example.org>
Subject: Bus route change
Date: Mon, 2 Mar 2026 09:15:00 -0800
Message-ID: <m1@example.org>
""",
    "The route changes on Monday.\nAna\n",
)

INNER = mail(
    "From: x@example.org\nSubject: inner\nDate: Mon, 2 Mar 2026 09:15:00 -0800", "Inside the message.\n"
)

NESTED = mail(
    'From: a@example.org\nDate: Mon, 2 Mar 2026 09:15:00 -0800\nContent-Type: multipart/mixed; boundary="B"',
    b"--B\r\nContent-Type: multipart/alternative; boundary=A\r\n\r\n"
    b"--A\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain words\r\n"
    b"--A\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>plain <b>words</b></p>\r\n"
    b"--A\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
    b"--A--\r\n"
    b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n"
    b'--B\r\nContent-Type: application/pdf; name="plan.pdf"\r\nContent-Disposition: attachment;\r\n'
    b' filename="plan.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
    b'\r\n' + base64.encodebytes(b"%PDF-1.4 bytes\r\n")
    + b"\r\n--B\r\nContent-Type: image/png\r\nContent-ID: <img1@x>\r\nContent-Disposition: inline\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"\x89PNG\r\n"
    b"\x1a\n" + b"\0" * 20) + b"\r\n--B--\r\n",
)  # fmt: skip


@cache
def zipped(**members: bytes) -> bytes:
    return zip_of([(name.replace("__", "."), data) for name, data in members.items()])


def zip_of(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def locked_zip(members: list[tuple[str, bytes]]) -> bytes:
    import pyzipper

    buffer = io.BytesIO()
    with pyzipper.AESZipFile(
        buffer, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(b"secret")
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def flagged_zip(data: bytes) -> bytes:
    """Set the encryption bit of every member, as old ZipCrypto archives have it."""
    out = bytearray(data)
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = out.find(sign)
        while at >= 0:
            out[at + offset] |= 1
            at = out.find(sign, at + 4)
    return bytes(out)


@cache
def docx() -> bytes:
    import docx as library
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    document = library.Document()
    document.core_properties.title = "Plan"
    document.core_properties.author = "Ana Ruiz"
    document.sections[0].header.paragraphs[0].text = "headerword"
    document.sections[0].footer.paragraphs[0].text = "footerword"
    paragraph = document.add_paragraph("bodyword ")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "cellone", "celltwo"
    hidden = paragraph.add_run("vanishword")
    hidden.font.hidden = True
    document.add_comment(runs=paragraph.runs, text="commentword", author="Bo", initials="B")
    for tag, inner, word in (("w:del", "w:delText", "deletedword"), ("w:ins", "w:t", "insertedword")):
        mark, run, text = OxmlElement(tag), OxmlElement("w:r"), OxmlElement(inner)
        mark.set(qn("w:id"), "9")
        mark.set(qn("w:author"), "Bo")
        text.text = word
        run.append(text)
        mark.append(run)
        paragraph._p.append(mark)
    return _saved(document)


@cache
def plain_docx() -> bytes:
    import docx as library

    document = library.Document()
    document.add_paragraph("nothing hidden here")
    return _saved(document)


@cache
def picture_docx() -> bytes:
    import docx as library

    document = library.Document()
    document.add_picture(io.BytesIO(picture("PNG")))
    return _saved(document)


def _saved(document) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@cache
def docx_with_sheet() -> bytes:
    """Return a document with a workbook embedded in it."""
    source, buffer = zipfile.ZipFile(io.BytesIO(plain_docx())), io.BytesIO()
    relation = (
        b'<Relationship Id="rIdE1" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/package" '
        b'Target="embeddings/sheet.xlsx"/></Relationships>'
    )
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/_rels/document.xml.rels":
                data = data.replace(b"</Relationships>", relation)
            elif name == "[Content_Types].xml":
                sheet = (
                    b'<Default Extension="xlsx" ContentType='
                    b'"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"/>'
                )
                data = data.replace(b"</Types>", sheet + b"</Types>")
            elif name == "word/document.xml":
                thing = (
                    b"<w:p><w:r><w:object "
                    b'xmlns:o="urn:schemas-microsoft-com:office:office"><o:OLEObject Type="Embed" '
                    b'ProgID="Excel.Sheet.12" ShapeID="s1" DrawAspect="Content" ObjectID="_1" r:id="rIdE1" '
                    b'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"/></w:object></w:r></w:p>'
                )
                data = data.replace(b"<w:sectPr", thing + b"<w:sectPr", 1)
            target.writestr(name, data)
        target.writestr("word/embeddings/sheet.xlsx", xlsx())
    return buffer.getvalue()


@cache
def xlsx(*, hidden: bool = True) -> bytes:
    import openpyxl
    from openpyxl.comments import Comment

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Routes & stops"
    sheet["A1"] = "cellword"
    sheet["A1"].comment = Comment("notedword", "Bo")
    if hidden:
        secret = book.create_sheet("Secret")
        secret["A1"] = "hiddensheetword"
        secret.sheet_state = "hidden"
        very = book.create_sheet("Very")
        very["A1"] = "veryhiddenword"
        very.sheet_state = "veryHidden"
    return _saved(book)


@cache
def xlsx_hidden_row() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active["A5"] = "rowword"
    book.active.row_dimensions[5].hidden = True
    return _saved(book)


@cache
def pptx(*, hidden: bool = True) -> bytes:
    import pptx as library

    show = library.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "titleword"
    slide.notes_slide.notes_text_frame.text = "notesword"
    if hidden:
        second = show.slides.add_slide(show.slide_layouts[5])
        second.shapes.title.text = "hiddenslideword"
        second._element.set("show", "0")
    return _saved(show)


@cache
def picture(form: str, size: tuple[int, int] = (300, 400), pages: int = 1) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.new("RGB", size, "white")
    more = {"save_all": True, "append_images": [image] * (pages - 1)} if pages > 1 else {}
    image.save(buffer, form, **more)
    return buffer.getvalue()


@cache
def pdf() -> bytes:
    """Return four pages: text, a scan, a scan with a stamped number, an empty page."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, invariant=1)
    sheet.setTitle("Scanned plan")
    sheet.setAuthor("Ana Ruiz")
    sheet.drawString(100, 700, "pageoneword")
    sheet.showPage()
    image = ImageReader(Image.new("RGB", (400, 500), "gray"))
    sheet.drawImage(image, 0, 0, 600, 840)
    sheet.showPage()
    sheet.drawImage(image, 0, 0, 600, 840)
    sheet.drawString(400, 20, "CFSD 000123")
    sheet.showPage()
    sheet.showPage()
    sheet.save()
    return buffer.getvalue()


@cache
def text_pdf() -> bytes:
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, invariant=1)
    for page in range(3):
        for line in range(5):
            sheet.drawString(72, 700 - 20 * line, f"page {page} line {line} of the quick brown report")
        sheet.showPage()
    sheet.save()
    return buffer.getvalue()


def locked_pdf(user: str = "u") -> bytes:
    import pikepdf

    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        document.save(buffer, encryption=pikepdf.Encryption(owner="o", user=user))
    return buffer.getvalue()


def pdf_with_attachments() -> bytes:
    import pikepdf

    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        for name, data in (("note.txt", b"attachedword"), ("plan.docx", plain_docx())):
            document.attachments[name] = pikepdf.AttachedFileSpec(document, data, filename=name)
        document.save(buffer)
    return buffer.getvalue()


def locked_office() -> bytes:
    """Return the start of an encrypted Office file: its directory names the locked package."""
    directory = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0") + len(name).to_bytes(2, "little") + b"\2" + b"\0" * 61
        for name in ("Root Entry", "EncryptionInfo", "EncryptedPackage")
    )
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + directory


CALENDAR = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u1@example.org\r\n"
    b"DTSTART;TZID=America/Los_Angeles:20260302T091500\r\nDTEND;TZID=America/Los_Angeles:20260302T101500\r\n"
    b"SUMMARY:Bus route\\, north\r\nLOCATION:Room 5\r\nDESCRIPTION:First line\\nsecond li\r\n ne\r\n"
    b'ORGANIZER;CN="Ana Ruiz":mailto:ana.ruiz@example.org\r\n'
    b"ATTENDEE;CN=Kim Tran:mailto:kim.tran@example.org\r\nATTENDEE:mailto:lee@example.org\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)

SMS = (
    b'<sms protocol="0" address="+14255550102" date="1772471700000" type="1" subject="null" body="Bus '
    b"is late "
    b'&#55357;&#56833;&#10;second line" read="1" status="-1" contact_name="Lee Okafor" />'
)

MMS = (
    b'<mms date="1772471700000" msg_box="1" m_type="132" address="+14255550102~+14255550103" '
    b'sub="Group" m_id="id1" '
    b'contact_name="Lee, Kim"><parts>'
    b'<part seq="-1" ct="application/smil" name="null" text="&lt;smil/&gt;"/>'
    b'<part seq="0" ct="text/plain" chset="106" text="photo caption"/>'
    b'<part seq="0" ct="image/png" name="bus.png" cid="&lt;c1&gt;" data="iVBORw0="/></parts>'
    b'<addrs><addr address="+14255550102" type="137" charset="106"/>'
    b'<addr address="insert-address-token" type="151" charset="106"/>'
    b'<addr address="(425) 555-0103" type="130" charset="106"/></addrs></mms>'
)

CALL = (
    b'<call number="4255550102" duration="42" date="1772471700000" type="2" presentation="1" '
    b'contact_name="(Unknown)"/>'
)


def gz(data: bytes, name: str | None = None) -> bytes:
    if name is None:
        return gzip.compress(data, mtime=0)
    head = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + name.encode() + b"\0"
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = engine.compress(data) + engine.flush()
    return (
        head + body + zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    )


def der(tag: int, content: bytes) -> bytes:
    if len(content) < 128:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


SIGNED_OID = bytes.fromhex("2a864886f70d010702")
ENVELOPED_OID = bytes.fromhex("2a864886f70d010703")
DATA_OID = bytes.fromhex("2a864886f70d010701")


def cms_signed(content: bytes | None) -> bytes:
    inner = der(0x06, DATA_OID) + (der(0xA0, der(0x04, content)) if content is not None else b"")
    signed = der(0x02, b"\1") + der(0x31, b"") + der(0x30, inner)
    return der(0x30, der(0x06, SIGNED_OID) + der(0xA0, der(0x30, signed)))


def cms_enveloped() -> bytes:
    return der(0x30, der(0x06, ENVELOPED_OID) + der(0xA0, der(0x30, der(0x02, b"\0") + b"\x31\x00")))


VOICE_TEXT = (
    b'<div class="message"><abbr class="dt" title="2026-03-02T09:15:00.000-08:00">Mar 2</abbr>:\n'
    b'<cite class="sender vcard"><a class="tel" href="tel:+12065550101"><span class="fn">Lee Okafor</span>'
    b"</a></cite>:\n<q>Zyzzyva<br>at &amp; nine</q>\n</div> "
)
VOICE_CALL = (
    b'<?xml version="1.0" ?>\n<html><head><title>Voicemail from\nLee Okafor</title></head><body>'
    b'<div class="haudio"><div class="contributor vcard">Voicemail from\n<a class="tel" '
    b'href="tel:+12065550101"><span class="fn">Lee Okafor</span></a></div><abbr class="published" '
    b'title="2026-03-02T09:15:00.000-08:00">Mar 2</abbr><span class="full-text">Zyzzyva calling</span>'
    b'<abbr class="duration" title="PT1M30S">(00:01:30)</abbr></div></body></html>'
)
