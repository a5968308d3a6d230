"""Makes schedule documents in the State Archives' layout, with invented wording, at test time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import docx
from reportlab.lib import colors
from reportlab.lib.pagesizes import landscape, letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

HEADER = (
    "DISPOSITION AUTHORITY NUMBER (DAN)",
    "DESCRIPTION OF RECORDS",
    "RETENTION AND DISPOSITION ACTION",
    "DESIGNATION",
)
TITLE = "Local Government Common Records Retention Schedule (CORE)"
_PLAIN = ParagraphStyle("plain", fontName="Helvetica", fontSize=9, leading=11)
_BOLD = ParagraphStyle("bold", parent=_PLAIN, fontName="Helvetica-Bold")


@dataclass(frozen=True)
class Row:
    number: str
    title: str
    body: tuple[str, ...]
    retention: str
    designation: str


EXECUTIVE = Row(
    "GS50-01-12 Rev. 3",
    "Communications – Governing/Executive/Advisory",
    (
        "Messages to, from or on behalf of those who govern.",
        "Includes, but is not limited to:",
        "• Letters of the board;",
        "• Texts of the superintendent.",
        "Excludes records covered by a more specific series.",
    ),
    "Retain for 2 years after communication received or provided, whichever is later<br/>then<br/>"
    "Transfer to Washington State Archives for appraisal and selective retention.",
    "ARCHIVAL<br/>(Appraisal Required)<br/>NON-ESSENTIAL<br/>OFM",
)
NON_EXECUTIVE = Row(
    "GS2010-001<br/>Rev. 3",
    "Communications – Non-Executive",
    ("Messages of everybody else, whose title is a good deal longer than its column would like it to be.",),
    "Retain for 2 years after communication received or provided, whichever is later<br/>then<br/>Destroy.",
    "NON-ARCHIVAL<br/>NON-ESSENTIAL<br/>OFM",
)
DRILLS = Row(
    "GS2017-016 Rev. 0",
    "Emergency Drills",
    ("Holding drills.",),
    "Retain for 3 years after end of calendar year and until no longer needed for agency business<br/>then"
    "<br/>Destroy.",
    "NON-ARCHIVAL<br/>NON-ESSENTIAL<br/>OPR",
)
CAMERAS = Row(
    "GS55-05A-13 Rev. 1",
    "Security Monitoring",
    ("Video of doors.",),
    "Retain for 30 days after date of recording or until determined that no incident occurred, whichever is"
    " sooner<br/>then<br/>Destroy.",
    "NON-ARCHIVAL<br/>NON-ESSENTIAL<br/>OFM",
)
MINUTES = Row(
    "GS50-05A-13",
    "Meetings of the Board",
    ("Minutes as approved.",),
    "Retain for 6 years after end of calendar year<br/>then<br/>Transfer to Washington State Archives for"
    " permanent retention.",
    "ARCHIVAL<br/>(Permanent Retention)<br/>ESSENTIAL<br/>(for Disaster Recovery)<br/>OPR",
)
BAD_NUMBER = Row("see section 4", "A Row With No Number To Speak Of", ("Words.",), "Retain.", "OFM")
NO_RETENTION = Row("GS50-99-01", "A Row Without Its Action", ("Words.",), "", "NON-ARCHIVAL")


def lines(text: str) -> str:
    return text.replace("<br/>", "\n")


def _pdf_cells(row: Row) -> list[object]:
    body = [Paragraph(line, _PLAIN) for line in row.body]
    return [
        Paragraph(row.number, _PLAIN),
        [Paragraph(row.title, _BOLD), *body],
        Paragraph(row.retention, _PLAIN) if row.retention else "",
        Paragraph(row.designation, _PLAIN),
    ]


def pdf_table(
    rows: list[list[object]], *, header: bool = True, widths: tuple[int, ...] = (90, 330, 170, 110)
) -> Table:
    head = [[Paragraph(cell, _BOLD) for cell in HEADER]] if header else []
    table = Table(head + rows, colWidths=widths, repeatRows=1 if header else 0, splitInRow=1)
    table.setStyle(
        TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("VALIGN", (0, 0), (-1, -1), "TOP")])
    )
    return table


def pdf(
    path: Path,
    sections: list[tuple[str, list[Row]]],
    *,
    title: str = TITLE,
    version: str = "Version 9.9 (March 2031)",
    extra: list[object] | None = None,
    encrypt: object = None,
) -> Path:
    """Write a PDF: title page, revision history (another kind of table), a table for each section."""
    page_no = ParagraphStyle("foot", parent=_PLAIN, fontSize=7)
    story: list[object] = [Paragraph(title, _BOLD), Paragraph(version, _PLAIN), Spacer(1, 20)]
    history = Table([["Version", "Date", "Extent"], ["1.0", "May 2001", "Initial"]], colWidths=(80, 100, 200))
    history.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
    story += [history, PageBreak()]
    for heading, rows in sections:
        story += [Paragraph(part, _BOLD) for part in heading.split("|")]
        story += [
            Paragraph("What the activity is, in a sentence.", page_no),
            pdf_table([_pdf_cells(r) for r in rows]),
        ]
        story += [Spacer(1, 12)]
    story += extra or []
    options = {"encrypt": encrypt} if encrypt else {}
    SimpleDocTemplate(str(path), pagesize=landscape(letter), invariant=1, **options).build(story)
    return path


def word(path: Path, sections: list[tuple[str, list[Row]]], *, title: str = TITLE) -> Path:
    """Write the same as a DOCX."""
    document = docx.Document()
    document.add_paragraph(title)
    document.add_paragraph("Version 9.9 (March 2031)")
    history = document.add_table(rows=1, cols=3)
    for cell, text in zip(history.rows[0].cells, ("Version", "Date", "Extent"), strict=True):
        cell.text = text
    for heading, rows in sections:
        for part in heading.split("|"):
            document.add_paragraph(part, style="Heading 1")
        table = document.add_table(rows=1, cols=4)
        for cell, text in zip(table.rows[0].cells, HEADER, strict=True):
            cell.text = text
        for row in rows:
            cells = table.add_row().cells
            cells[0].text = lines(row.number)
            cells[1].paragraphs[0].add_run(row.title).bold = True
            for line in row.body:
                cells[1].add_paragraph(line)
            cells[2].text = lines(row.retention)
            cells[3].text = lines(row.designation)
    document.save(str(path))
    return path


SECTIONS = [
    ("1. AGENCY MANAGEMENT|1.1 ADMINISTRATION", [EXECUTIVE, NON_EXECUTIVE]),
    ("1.2 EMERGENCY PLANNING", [DRILLS, CAMERAS]),
    ("2. MEETINGS", [MINUTES]),
]
