"""Documents with comments, tracked changes, links, notes and embedded files, made of readable parts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from functools import cache

from tests.extract import outlook_files, samples

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_HEAD = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def with_parts(
    data: bytes, changed: Mapping[str, Callable[[bytes], bytes]], added: Mapping[str, bytes] | None = None
) -> bytes:
    """Return a zip-based document with some parts changed and others added."""
    source = zipfile.ZipFile(io.BytesIO(data))
    members = [(n, changed.get(n, lambda was: was)(source.read(n))) for n in source.namelist()]
    return samples.zip_of([*members, *(added or {}).items()])


def _related(relations: str) -> Callable[[bytes], bytes]:
    return lambda was: was.replace(b"</Relationships>", relations.encode() + b"</Relationships>")


def _typed(types: str) -> Callable[[bytes], bytes]:
    return lambda was: was.replace(b"</Types>", types.encode() + b"</Types>")


def _saved(document) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _letter(document, body: str) -> bytes:
    """Return a letter whose body is this XML."""
    from docx.oxml import parse_xml

    root = document.element.body
    made = parse_xml(f'<w:body xmlns:w="{W}" xmlns:r="{R}">{body}</w:body>')
    for number, one in enumerate(list(made)):
        root.insert(number, one)
    return _saved(document)


def _run(text: str, properties: str = "", tag: str = "t") -> str:
    return f'<w:r>{properties}<w:{tag} xml:space="preserve">{text}</w:{tag}></w:r>'


@cache
def reviewed_docx() -> bytes:
    import docx

    document = docx.Document()
    link = document.part.relate_to("https://example.org/plan", f"{_RELATIONS}/hyperlink", is_external=True)
    bo = 'w:author="Bo Li" w:date="2026-03-02T09:16:00Z"'
    utc = 'xmlns:w16du="http://schemas.microsoft.com/office/word/2023/wordml/word16du"'
    field = ("begin", 'HYPERLINK "mailto:bo.li@example.org"', "separate", "Bo", "end")
    written = "".join(
        _run(one, tag="instrText") if one.startswith("HYPER") else _run(one) if one == "Bo"
        else f'<w:r><w:fldChar w:fldCharType="{one}"/></w:r>'
        for one in field
    )  # fmt: skip
    data = _letter(
        document,
        f'<w:p>{_run("The bus stops ")}<w:commentRangeStart w:id="0"/>{_run("at nine")}'
        f'<w:commentRangeEnd w:id="0"/><w:r><w:commentReference w:id="0"/></w:r>'
        f'<w:del w:id="1" {bo}>{_run("at eight, ", tag="delText")}{_run("and", "", "delText")}</w:del></w:p>'
        f'<w:p><w:pPr><w:rPr><w:del w:id="2" {bo}/></w:rPr></w:pPr>'
        f'<w:del w:id="3" {bo}>{_run("later at ten", "<w:rPr><w:b/></w:rPr>", "delText")}</w:del>'
        f"{_run(' at the ')}{_run('corner', '<w:rPr><w:vanish/></w:rPr>')}{_run('.')}"
        f'<w:moveFrom w:id="4" w:author="Bo Li" w:date="2026-03-02T09:17:00Z" {utc} '
        f'w16du:dateUtc="2026-03-02T17:17:00Z">{_run("Room 5.")}</w:moveFrom></w:p>'
        f'<w:p>{_run("See ")}<w:hyperlink r:id="{link}">{_run("our plan")}</w:hyperlink>'
        f"{_run(' or write to ')}{written}{_run('. ')}"
        f'<w:ins w:id="5" w:author="Ana Ruiz" w:date="2026-03-02T09:18:00Z">{_run("new words")}</w:ins>'
        "</w:p>",
    )
    comments = (
        f'<w:comments xmlns:w="{W}"><w:comment w:id="0" w:author="Ana Ruiz" w:date="2026-03-02T09:15:00Z">'
        f"<w:p>{_run('Who says so?')}</w:p><w:p>{_run('Ask the depot.')}</w:p></w:comment>"
        '<w:comment w:id="7" w:author="Bo Li" w:date="2026-03-03T10:00:00Z">'
        f"<w:p>{_run('nobody marked a place')}</w:p></w:comment></w:comments>"
    )
    return with_parts(
        data,
        {
            "word/_rels/document.xml.rels": _related(
                f'<Relationship Id="rIdC" Type="{_RELATIONS}/comments" Target="comments.xml"/>'
            ),
            "[Content_Types].xml": _typed(
                '<Override PartName="/word/comments.xml" ContentType="application/'
                'vnd.openxmlformats-officedocument.wordprocessingml.comments+xml"/>'
            ),
        },
        {"word/comments.xml": _HEAD + comments.encode()},
    )


@cache
def linked_docx(address: str, shown: str) -> bytes:
    import docx

    document = docx.Document()
    link = document.part.relate_to(address, f"{_RELATIONS}/hyperlink", is_external=True)
    return _letter(
        document, f'<w:p>{_run("See ")}<w:hyperlink r:id="{link}">{_run(shown)}</w:hyperlink></w:p>'
    )


@cache
def reviewed_xlsx() -> bytes:
    """Return a workbook; its conversation is stored as Excel does, with an old comment that stands for it."""
    import openpyxl
    from openpyxl.comments import Comment

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Routes & stops"
    sheet["A1"], sheet["B1"], sheet["A2"] = "cell", "two", "our site"
    sheet["A2"].hyperlink = "https://example.org/site"
    sheet["B1"].comment = Comment("line one\nline two", "Bo Li")
    sheet["A1"].comment = Comment(
        "[Threaded comment]\n\nYour version of Excel allows you to read it.\n\nComment:\n    is it nine?",
        "tc={11111111-0000-0000-0000-000000000001}",
    )
    for row in (4, 5, 9):
        sheet.row_dimensions[row].hidden = True
    sheet.column_dimensions.group("D", "E", hidden=True)
    secret = book.create_sheet("Secret")
    secret["A1"] = "kept quiet"
    secret.sheet_state = "hidden"
    space = 'xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"'
    threads = (
        f'<ThreadedComments {space}><threadedComment ref="A1" dT="2026-03-02T09:15:00.00" personId="{{A}}" '
        'id="{1}"><text>is it nine?</text></threadedComment><threadedComment ref="A1" '
        'dT="2026-03-02T09:20:00.00" personId="{B}" id="{2}" parentId="{1}"><text>yes</text>'
        "</threadedComment></ThreadedComments>"
    )
    people = (
        f'<personList {space}><person displayName="Ana Ruiz" id="{{A}}" userId="a" providerId="None"/>'
        '<person displayName="Bo Li" id="{B}" userId="b" providerId="None"/></personList>'
    )
    newer = "http://schemas.microsoft.com/office/2017/10/relationships"
    return with_parts(
        _saved(book),
        {
            "xl/worksheets/_rels/sheet1.xml.rels": _related(
                f'<Relationship Id="rIdT" Type="{newer}/threadedComment" '
                'Target="../threadedComments/threadedComment1.xml"/>'
            ),
            "xl/_rels/workbook.xml.rels": _related(
                f'<Relationship Id="rIdP" Type="{newer}/person" Target="persons/person.xml"/>'
            ),
        },
        {
            "xl/threadedComments/threadedComment1.xml": _HEAD + threads.encode(),
            "xl/persons/person.xml": _HEAD + people.encode(),
        },
    )


@cache
def reviewed_pptx() -> bytes:
    """Return a show of twelve slides, so that names of relations sort otherwise than slides."""
    import pptx

    show = pptx.Presentation()
    for number in range(1, 13):
        slide = show.slides.add_slide(show.slide_layouts[5])
        slide.shapes.title.text = f"title {number}"
        if number == 1:
            slide.notes_slide.notes_text_frame.text = "say hello"
        if number == 11:
            slide._element.set("show", "0")
    main = "application/vnd.openxmlformats-officedocument.presentationml"
    newer = "http://schemas.microsoft.com/office/2018/10/relationships"
    p188 = "http://schemas.microsoft.com/office/powerpoint/2018/8/main"
    a = "http://schemas.openxmlformats.org/drawingml/2006/main"

    def body(text: str) -> str:
        return f"<p188:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p188:txBody>"

    modern = (
        f'<p188:cmLst xmlns:p188="{p188}" xmlns:a="{a}"><p188:cm id="{{1}}" authorId="{{A}}" '
        'created="2026-03-02T09:16:00.000"><p188:replyLst><p188:reply id="{2}" authorId="{B}" '
        f'created="2026-03-02T09:17:00.000">{body("an answer")}</p188:reply></p188:replyLst>'
        f"{body('new form')}</p188:cm></p188:cmLst>"
    )
    old = (
        f'<p:cmLst xmlns:p="{P}"><p:cm authorId="0" dt="2026-03-02T09:15:00.000" idx="1">'
        '<p:pos x="10" y="10"/>'
        "<p:text>old form</p:text></p:cm></p:cmLst>"
    )
    authors = f'<p:cmAuthorLst xmlns:p="{P}"><p:cmAuthor id="0" name="Bo Li" initials="B"/></p:cmAuthorLst>'
    return with_parts(
        _saved(show),
        {
            "ppt/slides/_rels/slide1.xml.rels": _related(
                f'<Relationship Id="rIdC" Type="{_RELATIONS}/comments" Target="../comments/comment1.xml"/>'
            ),
            "ppt/slides/_rels/slide12.xml.rels": _related(
                f'<Relationship Id="rIdC" Type="{newer}/comments" Target="../comments/modernComment_1.xml"/>'
            ),
            "ppt/_rels/presentation.xml.rels": _related(
                f'<Relationship Id="rIdX" Type="{_RELATIONS}/commentAuthors" Target="commentAuthors.xml"/>'
                f'<Relationship Id="rIdY" Type="{newer}/authors" Target="authors.xml"/>'
            ),
            "[Content_Types].xml": _typed(
                f'<Override PartName="/ppt/comments/comment1.xml" ContentType="{main}.comments+xml"/>'
                f'<Override PartName="/ppt/commentAuthors.xml" ContentType="{main}.commentAuthors+xml"/>'
            ),
        },
        {
            "ppt/comments/comment1.xml": _HEAD + old.encode(),
            "ppt/comments/modernComment_1.xml": _HEAD + modern.encode(),
            "ppt/commentAuthors.xml": _HEAD + authors.encode(),
            "ppt/authors.xml": _HEAD
            + (
                f'<p188:authorLst xmlns:p188="{p188}"><p188:author id="{{A}}" name="Ana Ruiz"/>'
                '<p188:author id="{B}" name="Bo Li"/></p188:authorLst>'
            ).encode(),
        },
    )


_SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for name, space in (
        ("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"), ("style", "style"),
    )
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'  # fmt: skip


def _opendocument(kind: str, content: str) -> bytes:
    media_type = f"application/vnd.oasis.opendocument.{kind}"
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    return samples.zip_of(
        [
            ("mimetype", media_type.encode()),
            (
                "content.xml",
                f'{_HEAD.decode()}<office:document-content {_SPACES} office:version="1.3">{content}'
                "</office:document-content>".encode(),
            ),
            (
                "META-INF/manifest.xml",
                f'{_HEAD.decode()}<manifest:manifest xmlns:manifest="{manifest}"><manifest:file-entry '
                f'manifest:full-path="/" manifest:media-type="{media_type}"/></manifest:manifest>'.encode(),
            ),
        ]
    )


def _who(name: str, minute: int) -> str:
    return f"<dc:creator>{name}</dc:creator><dc:date>2026-03-02T09:{minute}:00</dc:date>"


@cache
def odt() -> bytes:
    return _opendocument(
        "text",
        "<office:body><office:text><text:tracked-changes>"
        '<text:changed-region text:id="c1"><text:deletion><office:change-info>'
        f"{_who('Ana Ruiz', 16)}</office:change-info><text:p>gone words</text:p></text:deletion>"
        '</text:changed-region><text:changed-region text:id="c2"><text:insertion><office:change-info>'
        f"{_who('Bo Li', 17)}</office:change-info></text:insertion></text:changed-region>"
        "</text:tracked-changes><text:p>The bus <office:annotation>"
        f"{_who('Bo Li', 15)}<text:p>who says so?</text:p></office:annotation>stops "
        '<text:change text:change-id="c1"/><text:change-start text:change-id="c2"/>at '
        '<text:span>nine</text:span><text:change-end text:change-id="c2"/>. See '
        '<text:a xlink:href="https://example.org/plan">our plan</text:a></text:p>'
        "</office:text></office:body>",
    )


@cache
def ods() -> bytes:
    def cell(text: str, note: str = "") -> str:
        return (
            f'<table:table-cell office:value-type="string">{note}<text:p>{text}</text:p></table:table-cell>'
        )

    note = f"<office:annotation>{_who('Bo Li', 15)}<text:p>who?</text:p></office:annotation>"
    return _opendocument(
        "spreadsheet",
        '<office:automatic-styles><style:style style:name="ta2" style:family="table">'
        '<style:table-properties table:display="false"/></style:style></office:automatic-styles>'
        '<office:body><office:spreadsheet><table:table table:name="Routes"><table:table-row>'
        f'{cell("cell", note)}</table:table-row><table:table-row table:number-rows-repeated="2" '
        'table:visibility="filter"><table:table-cell/></table:table-row></table:table>'
        f'<table:table table:name="Secret" table:style-name="ta2"><table:table-row>{cell("quiet")}'
        "</table:table-row></table:table></office:spreadsheet></office:body>",
    )


@cache
def annotated_pdf() -> bytes:
    from reportlab.pdfgen import canvas

    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, invariant=1)
    sheet.drawString(100, 700, "our plan")
    sheet.linkURL("https://example.org/plan", (100, 690, 160, 712))
    sheet.textAnnotation("who says so?", (10, 10, 50, 50))
    sheet.showPage()
    sheet.drawString(100, 700, "second page")
    sheet.showPage()
    sheet.save()
    return buffer.getvalue()


@cache
def docx_with_object() -> bytes:
    """Return a letter in which a text file was inserted, as the packager of Windows does."""
    held = outlook_files.object_with("\1Ole10Native", outlook_files.package("note.txt", b"inserted words"))
    return with_parts(
        samples.plain_docx(),
        {
            "word/_rels/document.xml.rels": _related(
                f'<Relationship Id="rIdO" Type="{_RELATIONS}/oleObject" Target="embeddings/oleObject1.bin"/>'
            ),
            "[Content_Types].xml": _typed(
                '<Default Extension="bin" '
                'ContentType="application/vnd.openxmlformats-officedocument.oleObject"/>'
            ),
        },
        {"word/embeddings/oleObject1.bin": held},
    )
