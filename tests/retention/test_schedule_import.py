"""Documents in the State Archives' layout, made here, read back; and what happens to the odd and the "
"hostile."""

from __future__ import annotations

import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.platypus import Paragraph

from records import audit, canonical
from records import tables as t
from records.errors import AccessError, SettingsError, UsageError
from records.vocabulary import Kind
from retention import schedule_import as module
from retention import schedule_worker as worker
from retention.periods import Retention
from retention.rules import ItemFacts, builtin_rules
from retention.schedule import builtin, load
from retention.schedule_import import (
    Change,
    Difference,
    Unplaced,
    Unread,
    assemble,
    difference,
    import_schedule,
    read_designation,
    read_schedule,
)
from retention.schedule_worker import RawRow, RawSchedule, TooMuch
from retention.suggest import suggest
from tests.retention import documents as made
from tests.retention.documents import Row

ZERO = "0" * 64
GOLDEN = [
    # authority, title, category, cut-off, period, disposition, archival, essential, class
    (
        "GS50-01-12 Rev. 3",
        "Communications – Governing/Executive/Advisory",
        "Agency Management: Administration",
        "communication received or provided, whichever is later",
        Retention(years=2),
        "Transfer to State Archives (appraisal)",
        ("appraisal", "no", "OFM"),
    ),
    (
        "GS2010-001 Rev. 3",
        "Communications – Non-Executive",
        "Agency Management: Administration",
        "communication received or provided, whichever is later",
        Retention(years=2),
        "Destroy",
        ("non-archival", "no", "OFM"),
    ),
    (
        "GS2017-016 Rev. 0",
        "Emergency Drills",
        "Agency Management: Emergency Planning",
        "end of calendar year",
        Retention(years=3, while_needed=True),
        "Destroy",
        ("non-archival", "no", "OPR"),
    ),
    (
        "GS55-05A-13 Rev. 1",
        "Security Monitoring",
        "Agency Management: Emergency Planning",
        "not confirmed",
        Retention(not_confirmed=True),
        "Destroy",
        ("non-archival", "no", "OFM"),
    ),
    (
        "GS50-05A-13",
        "Meetings of the Board",
        "Meetings",
        "end of calendar year",
        Retention(years=6),
        "Transfer to State Archives",
        ("archival", "yes", "OPR"),
    ),
]


def rows_of(imported):
    return [
        (
            row.authority,
            row.title,
            row.category,
            row.cutoff_event,
            row.retention,
            row.disposition,
            (row.archival, row.essential, row.record_class),
        )
        for row in imported.series
    ]


def read_pdf(tmp_path: Path, sections, **options):
    return assemble(worker.read_pdf(made.pdf(tmp_path / "s.pdf", sections, **options)), ZERO)


def test_a_pdf_is_read_in_full(tmp_path):
    imported = read_pdf(tmp_path, made.SECTIONS)
    assert rows_of(imported) == GOLDEN
    assert (imported.name, imported.version, imported.effective) == ("CORE", "9.9", "March 2031")
    assert imported.unplaced == ()
    assert imported.unread == (Unread("GS55-05A-13", "retention"),)
    assert imported.other_rows == 2  # the revision history
    first = imported.series[0]
    assert first.summary == (
        "Messages to, from or on behalf of those who govern.\n"
        "Includes, but is not limited to:\n"
        "• Letters of the board;\n"
        "• Texts of the superintendent.\n"
        "Excludes records covered by a more specific series."
    )
    assert first.source == "imported file, SHA-256 0000000000000000…, page 2"
    assert {row.confidence for row in imported.series} == {"verified"}
    assert {row.schedule for row in imported.series} == {"CORE"}
    assert {row.version for row in imported.series} == {"9.9"}


def test_a_docx_gives_the_same_series(tmp_path):
    imported = assemble(worker.read_docx(made.word(tmp_path / "s.docx", made.SECTIONS)), ZERO)
    assert rows_of(imported) == GOLDEN
    assert difference(read_pdf(tmp_path, made.SECTIONS).series, imported.series) == Difference((), (), (), ())
    assert imported.unplaced == ()
    assert imported.other_rows == 1


def test_what_was_not_understood_keeps_its_words(tmp_path):
    cameras = read_pdf(tmp_path, made.SECTIONS).series[3]
    assert cameras.retention_text == (
        "Retain for 30 days after date of recording or until determined that no incident occurred, "
        "whichever is "
        "sooner then Destroy."
    )


LONG = Row(
    "GS50-77-01 Rev. 2",
    "A Series With Very Many Examples",
    tuple(f"• Example number {n};" for n in range(120)),
    "Retain for 6 years after end of fiscal year<br/>then<br/>Destroy.",
    "NON-ARCHIVAL<br/>NON-ESSENTIAL<br/>OPR",
)


def test_a_row_that_runs_over_pages_is_one_series(tmp_path):
    imported = read_pdf(tmp_path, [("1. LONG THINGS", [LONG, made.DRILLS])])
    assert [row.authority for row in imported.series] == ["GS50-77-01 Rev. 2", "GS2017-016 Rev. 0"]
    assert imported.series[0].summary == "\n".join(f"• Example number {n};" for n in range(120))
    assert imported.series[0].retention == Retention(years=6)
    assert imported.unplaced == ()


def test_a_retention_cell_that_runs_over_a_page_is_read_whole(tmp_path):
    fill = Row(
        "GS50-77-02", "Filler", tuple(f"Line {n}." for n in range(31)), "Retain permanently.", "ARCHIVAL"
    )
    imported = read_pdf(tmp_path, [("1. LONG THINGS", [fill, made.EXECUTIVE, made.DRILLS])])
    assert [row.dan for row in imported.series] == ["GS50-77-02", "GS50-01-12", "GS2017-016"]
    executive = imported.series[1]
    assert executive.retention == Retention(years=2)
    assert executive.disposition == "Transfer to State Archives (appraisal)"
    assert (executive.archival, executive.essential, executive.record_class) == ("appraisal", "no", "OFM")
    assert imported.unplaced == ()


def test_a_title_that_wraps_is_one_title(tmp_path):
    title = "A Title Of A Series So Much Longer Than Its Column That It Must Be Broken Over Two Lines Here"
    imported = read_pdf(tmp_path, [("1. X", [replace(made.DRILLS, title=title)])])
    assert imported.series[0].title == title
    assert imported.series[0].summary == "Holding drills."


def test_bad_rows_are_shown_with_page_row_and_reason(tmp_path):
    rows = [made.DRILLS, made.BAD_NUMBER, made.NO_RETENTION, made.DRILLS, made.MINUTES]
    imported = read_pdf(tmp_path, [("1. MIXED", rows)])
    assert [row.dan for row in imported.series] == ["GS2017-016", "GS50-05A-13"]
    assert [(u.page, u.table, u.row, u.cells[0], u.why) for u in imported.unplaced] == [
        (2, 2, 3, "see section 4", "the disposition authority number cannot be read"),
        (2, 2, 4, "GS50-99-01", "the row has no retention and disposition action"),
        (2, 2, 5, "GS2017-016 Rev.\n0", "the number occurs a second time; the first row stands"),
    ]


def test_a_number_outside_the_tables_is_shown_unless_its_series_is_there(tmp_path):
    loose = [Paragraph(text, made._PLAIN) for text in ("GS50-88-01 was forgotten", "GS2017-016 see above")]
    imported = read_pdf(tmp_path, [("1. X", [made.DRILLS])], extra=loose)
    assert imported.unplaced == (
        Unplaced(
            2,
            0,
            0,
            ("GS50-88-01 was forgotten",),
            "a number outside the tables, with no series of that number in them",
        ),
    )


def test_a_table_of_three_columns_with_numbers_is_no_schedule(tmp_path):
    index = made.pdf_table([["GS50-01-12", "Communications", "7"]], header=False, widths=(90, 300, 50))
    imported = read_pdf(tmp_path, [("1. X", [made.DRILLS])], extra=[index])
    assert [row.dan for row in imported.series] == ["GS2017-016"]
    assert imported.unplaced == ()
    assert imported.other_rows == 3


def test_a_school_schedule_is_told_by_its_title(tmp_path):
    title = "School Districts and Educational Service Districts Records Retention Schedule"
    note = "Version 9.1 (June 3, 2026), to be used with the Common Records Retention Schedule (CORE)"
    imported = read_pdf(tmp_path, [("1. X", [made.DRILLS])], title=title, version=note)
    assert (imported.name, imported.version, imported.effective) == ("K12", "9.1", "June 3, 2026")


def test_another_schedule_is_named_by_its_title(tmp_path):
    imported = read_pdf(
        tmp_path, [("1. X", [made.DRILLS])], title="Port Districts Retention Schedule", version="."
    )
    assert (imported.name, imported.version, imported.effective) == (
        "PORT-DISTRICTS-RETENTION-SCHEDULE",
        "not stated",
        "",
    )


# --- rows by hand ----------------------------------------------------------------------------------------

FRONT = ("CORE", "Version 1.0")
HEAD = RawRow(2, 1, 1, made.HEADER)


def raw(*cells, row=2, **more):
    return RawRow(**{"page": 2, "table": 1, "row": row, "cells": cells, **more})


def put(*rows):
    return assemble(RawSchedule(FRONT, (HEAD, *rows)), ZERO)


GOOD = ("GS50-01-12 Rev. 3", "Title\nWords.", "Retain for 2 years after x then Destroy.", "NON-ARCHIVAL")


def test_the_revision_may_stand_on_the_next_page():
    imported = put(
        raw("GS50-01-12", "Title\nWords", "Retain for 2 years", "NON-"),
        raw(
            "Rev. 3",
            "go on.",
            "after x then Destroy.",
            "ARCHIVAL OPR",
            page=3,
            table=2,
            row=2,
            tops_page=True,
        ),
    )
    (row,) = imported.series
    assert (row.authority, row.summary, row.cutoff_event) == ("GS50-01-12 Rev. 3", "Words go on.", "x")
    assert (row.archival, row.record_class) == ("non-archival", "OPR")


@pytest.mark.parametrize(
    "number", ["GS50-01-12 Rev. 3 (continued)", "GS50-01-12 Rev. 3 cont'd", "(continued)", ""]
)
def test_a_row_that_goes_on_may_say_so(number):
    imported = put(raw(*GOOD), raw(number, "More.", "", "", page=3, table=2, row=2, tops_page=True))
    assert [row.summary for row in imported.series] == ["Words.\nMore."]
    assert imported.unplaced == ()


def test_a_number_repeated_on_the_next_page_goes_on_while_its_action_is_open():
    imported = put(
        raw("GS50-01-12", "Title\nWords.", "Retain for 2 years after x then", ""),
        raw("GS50-01-12", "More.", "Destroy.", "NON-ARCHIVAL", page=3, table=2, row=2, tops_page=True),
    )
    assert [(row.summary, row.disposition) for row in imported.series] == [("Words.\nMore.", "Destroy")]


def test_a_merged_number_cell_of_a_docx_goes_on():
    imported = put(raw(*GOOD), raw("GS50-01-12 Rev. 3", "More.", "", "", row=3, goes_on=True))
    assert [row.summary for row in imported.series] == ["Words.\nMore."]


def test_nothing_goes_on_in_the_middle_of_a_page():
    imported = put(raw(*GOOD), raw("", "More.", "", "", row=3))
    assert [row.summary for row in imported.series] == ["Words."]
    assert [(u.row, u.why) for u in imported.unplaced] == [
        (3, "no disposition authority number, and no row that it could continue")
    ]


def test_nothing_goes_on_from_a_row_that_was_refused():
    imported = put(
        raw(*GOOD),
        raw("nonsense", "x", "y", "z", row=3),
        raw("", "More.", "", "", page=3, table=2, row=2, tops_page=True),
    )
    assert [row.summary for row in imported.series] == ["Words."]
    assert [u.page for u in imported.unplaced] == [2, 3]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (("GS50-01-13", "", "Retain permanently.", "OPR"), "the row has no title"),
        (("GS50-01-13", "Title", "", "OPR"), "the row has no retention and disposition action"),
        (("GS50-01-13", "", "", "OPR"), "the row has no title and no retention and disposition action"),
        (("GS50-01-13 GS50-01-14", "T", "R", "D"), "the disposition authority number cannot be read"),
        (("G5O-01-13", "T", "R", "D"), "the disposition authority number cannot be read"),
        (("GS50-01-13", "T", "R"), "the row has 3 cells instead of 4"),
        (("GS50-01-13", "T", "R", "D", "E"), "the row has 5 cells instead of 4"),
        (("A remark over the whole width",), "a row of one cell inside a schedule table"),
    ],
)
def test_rows_that_cannot_be_placed(cells, why):
    imported = put(raw(*GOOD), raw(*cells, row=3))
    assert [row.dan for row in imported.series] == ["GS50-01-12"]
    assert imported.unplaced == (Unplaced(2, 1, 3, cells, why),)


def test_an_unread_designation_is_said():
    imported = put(raw("GS50-01-13", "Title", "Retain permanently.", "see note"))
    assert imported.unread == (Unread("GS50-01-13", "designation"),)
    assert imported.series[0].archival == ""


def test_a_number_broken_at_its_hyphen():
    assert put(raw("GS50-\n01-12\nRev. 3", *GOOD[1:])).series[0].authority == "GS50-01-12 Rev. 3"


def test_a_header_of_other_words_does_not_hide_its_table():
    strange = RawRow(2, 1, 1, ("No.", "What", "How long", "Class"))
    imported = assemble(RawSchedule(FRONT, (strange, raw(*GOOD))), ZERO)
    assert [row.dan for row in imported.series] == ["GS50-01-12"]
    assert [u.row for u in imported.unplaced] == [1]


@pytest.mark.parametrize("rows", [(), (HEAD,), (RawRow(2, 1, 1, ("a", "b")),)])
def test_a_document_without_series_is_refused(rows):
    with pytest.raises(SettingsError, match=r"^the file holds no series in tables of 4 columns"):
        assemble(RawSchedule(FRONT, rows), ZERO)


def test_a_document_without_a_name_is_refused():
    with pytest.raises(SettingsError, match=r"^the file does not say which retention schedule it is"):
        assemble(RawSchedule(("Hello",), (HEAD, raw(*GOOD))), ZERO)


_CELL = st.sampled_from([*GOOD, "", "GS50-02-01", "Rev. 3", "x", "ARCHIVAL", "(continued)", *made.HEADER])


@settings(max_examples=80)
@given(st.lists(st.tuples(st.lists(_CELL, min_size=1, max_size=5), st.booleans(), st.booleans()), max_size=8))
def test_no_row_with_words_is_lost(rows):
    given_rows = [
        RawRow(1, 1, n, tuple(cells), tops_page=top, goes_on=on) for n, (cells, top, on) in enumerate(rows, 2)
    ]
    try:
        imported = assemble(RawSchedule(FRONT, (HEAD, raw("GS99-99-99", *GOOD[1:]), *given_rows)), ZERO)
    except SettingsError:
        pytest.fail("one good row is there")
    said = "\n".join(
        f"{s.authority} {s.title} {s.summary} {s.cutoff_event} {s.retention_text} {s.disposition}"
        for s in imported.series
    )
    shown = {(u.row, cell) for u in imported.unplaced for cell in u.cells}
    for row in given_rows:
        words = [cell for cell in row.cells if cell in {"GS50-02-01", "GS50-01-12 Rev. 3"}]
        if len(row.cells) == 4 and row.cells[0] in words:
            assert row.cells[0] in said or (row.row, row.cells[0]) in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARCHIVAL\n(Appraisal Required)\nNON-ESSENTIAL\nOFM", ("appraisal", "no", "OFM")),
        ("ARCHIVAL (Permanent Retention) ESSENTIAL (for Disaster Recovery) OPR", ("archival", "yes", "OPR")),
        ("NON-\nARCHIVAL\nNON-\nESSENTIAL", ("non-archival", "no", "")),
        ("Non-Archival Non-Essential OPR", ("non-archival", "no", "OPR")),
        ("OPR", ("", "", "OPR")),
        ("", ("", "", "")),
    ],
)
def test_designations(text, expected):
    assert read_designation(text) == expected


def test_headers():
    assert worker.is_header(made.HEADER)
    assert worker.is_header(tuple(cell.replace(" ", "\n") for cell in made.HEADER))
    assert not worker.is_header(GOOD)
    merged = tuple(f"{cell}\nrest" for cell in made.HEADER)
    assert not worker.is_header(merged)
    assert worker.split_header(merged) == ("rest", "rest", "rest", "rest")
    assert worker.split_header(made.HEADER[:3]) is None


# --- versions ---------------------------------------------------------------------------------------------


def test_the_difference_between_versions(tmp_path):
    old = read_pdf(tmp_path, [("1. X", [made.EXECUTIVE, made.DRILLS, made.MINUTES])]).series
    longer = replace(
        made.DRILLS,
        number="GS2017-016 Rev. 1",
        retention="Retain for 6 years after end of calendar year<br/>then<br/>Destroy.",
    )
    new = read_pdf(tmp_path, [("1. X", [made.EXECUTIVE, longer, made.NON_EXECUTIVE])]).series
    unnumbered = replace(old[0], series_id="CORE-X", dan="")
    law = replace(old[0], series_id="CORE-Y", dan="", is_rule=True)
    assert difference([*old, unnumbered, law], new) == Difference(
        added=("GS2010-001",),
        removed=("GS50-05A-13",),
        changed=(
            Change(
                "GS2017-016",
                {
                    "revision": ("0", "1"),
                    "retention_text": ("3 years (and until no longer needed for agency business)", "6 years"),
                },
            ),
        ),
        not_comparable=("CORE-X",),
    )


def test_white_space_is_no_difference():
    one = put(raw(*GOOD)).series
    assert difference(one, [replace(one[0], summary=" Words. ")]) == Difference((), (), (), ())


# --- storing -----------------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch):
    """Reads in this process: the process of its own has tests of its own."""
    monkeypatch.setattr(module, "_run_worker", lambda path, _time_s: worker.read(path))


@pytest.fixture
def document(tmp_path):
    return made.word(tmp_path / "core.docx", made.SECTIONS)


def schedules(catalogue):
    s = t.retention_schedules.c
    with catalogue.read() as connection:
        query = t.retention_schedules.select().order_by(s.imported_at)
        return [(row.name, row.version, row.by, row.in_force) for row in connection.execute(query)]


def test_an_import_is_not_in_force_until_asked(catalogue, document, here):
    result = import_schedule(catalogue, document, "PRO")
    assert not result.in_force
    assert schedules(catalogue) == [("CORE", "9.9", "PRO", False)]
    assert load(catalogue) == builtin()
    again = import_schedule(catalogue, document, "PRO", in_force=True)
    assert again.in_force
    assert again.schedule_id == result.schedule_id == again.imported.sha256
    assert schedules(catalogue) == [("CORE", "9.9", "PRO", True)]
    mine = [row for row in load(catalogue) if row.schedule == "CORE" and not row.is_rule]
    assert mine == sorted(again.imported.series, key=lambda row: row.series_id)
    third = import_schedule(catalogue, document, "PRO")  # asks for nothing: stays in force
    assert third.in_force
    assert schedules(catalogue) == [("CORE", "9.9", "PRO", True)]
    assert third.difference == Difference((), (), (), ())


def test_the_first_import_is_compared_with_the_built_in_rows(catalogue, document, here):
    found = import_schedule(catalogue, document, "PRO").difference
    assert found.added == ("GS50-05A-13", "GS55-05A-13")
    assert "GS2010-008" in found.removed
    assert "SD2011-153" not in found.removed  # of the school schedule
    assert [change.series_id for change in found.changed] == ["GS2010-001", "GS2017-016", "GS50-01-12"]
    assert len(found.not_comparable) == 37


def test_a_new_version_takes_the_old_one_out_of_force(catalogue, document, tmp_path, here):
    import_schedule(catalogue, document, "PRO", in_force=True)
    newer = made.word(tmp_path / "new.docx", [("1. X", [made.EXECUTIVE])])
    result = import_schedule(catalogue, newer, "PRO", in_force=True)
    assert result.difference.removed == ("GS2010-001", "GS2017-016", "GS50-05A-13", "GS55-05A-13")
    assert [row[3] for row in schedules(catalogue)] == [False, True]
    assert [row.dan for row in load(catalogue) if row.schedule == "CORE" and not row.is_rule] == [
        "GS50-01-12"
    ]


def test_the_audit_log_has_counts(catalogue, document, here):
    result = import_schedule(catalogue, document, "PRO", in_force=True)
    with catalogue.read() as connection:
        entry = canonical.loads(connection.execute(t.audit.select()).one().entry)
    entry.pop("at")
    assert entry == {
        "action": "schedule_imported",
        "actor": "PRO",
        "in_force": True,
        "name": "CORE",
        "schedule": result.schedule_id,
        "seq": 1,
        "series": 5,
        "unplaced": 0,
        "version": "9.9",
    }
    assert audit.verify(catalogue).seq == 1


def test_suggestions_use_the_imported_words(catalogue, document, here):
    import_schedule(catalogue, document, "PRO", in_force=True)
    said = suggest(ItemFacts("i", Kind.EMAIL, "Superintendent"), load(catalogue), builtin_rules())
    assert (said.authority, said.version, said.confidence) == ("GS50-01-12 Rev. 3", "9.9", "verified")


def test_an_import_needs_a_name(catalogue, document, here):
    with pytest.raises(UsageError):
        import_schedule(catalogue, document, " ")


# --- hostile and broken files ------------------------------------------------------------------------------


def refused(path: Path, code: str, **options):
    with pytest.raises(SettingsError) as error:
        read_schedule(path, **options)
    assert str(error.value).startswith(f"the schedule file cannot be read ({code}): ")
    assert path.name not in str(error.value)


def test_a_pdf_passes_through_the_process(tmp_path):
    imported = read_schedule(made.pdf(tmp_path / "a b.pdf", made.SECTIONS))
    assert rows_of(imported) == GOLDEN
    assert len(imported.sha256) == 64


def test_a_missing_file(tmp_path):
    with pytest.raises(AccessError, match=r"^the schedule file cannot be opened"):
        read_schedule(tmp_path / "nope.pdf")


def test_a_file_that_is_neither(tmp_path):
    path = tmp_path / "x.pdf"
    path.write_bytes(b"\xd0\xcf\x11\xe0 an old Word file")
    refused(path, "format")


def test_a_truncated_pdf(tmp_path):
    path = made.pdf(tmp_path / "x.pdf", made.SECTIONS)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SettingsError):
        read_schedule(path)


def test_a_protected_pdf(tmp_path):
    refused(made.pdf(tmp_path / "x.pdf", made.SECTIONS, encrypt=StandardEncryption("secret")), "password")


def test_a_zip_that_is_no_docx(tmp_path):
    path = tmp_path / "x.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    refused(path, "damaged")


def test_a_document_of_entities_is_refused(tmp_path, document):
    target = tmp_path / "bomb.docx"
    bomb = '<!DOCTYPE x [<!ENTITY a "' + "lol" * 1000 + '">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 50}">' for a, b in zip("abcdef", "bcdefg", strict=True)
    ) + "]>"  # fmt: skip
    with zipfile.ZipFile(document) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/document.xml":
                head, _, rest = data.decode().partition("?>")
                data = (
                    f"{head}?>{bomb}" + rest.replace("Words", "&g;", 1).replace("Holding", "&g;", 1)
                ).encode()
            out.writestr(name, data)
    refused(target, "damaged")


def test_too_large_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FILE_BYTES", 10)
    refused(made.word(tmp_path / "x.docx", made.SECTIONS), "size")


def test_a_reader_that_hangs_is_stopped(document):
    refused(document, "time", time_s=0.01)


def test_a_reader_that_dies_is_an_error(document, monkeypatch):
    def crash(*args, **kwargs):
        return subprocess.CompletedProcess(args, -11, b"", b"Segmentation fault")

    monkeypatch.setattr(module.subprocess, "run", crash)
    refused(document, "memory")


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [("PAGES", 1, "pages"), ("ROWS", 3, "rows"), ("CELL_CHARACTERS", 20, "cell"), ("CHARACTERS", 99, "rows")],
)
def test_limits_of_a_pdf(tmp_path, monkeypatch, limit, value, code):
    path = made.pdf(tmp_path / "x.pdf", made.SECTIONS)
    monkeypatch.setattr(worker, limit, value)
    with pytest.raises(TooMuch) as error:
        worker.read_pdf(path)
    assert str(error.value) == code


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [("ROWS", 3, "rows"), ("MEMBERS", 3, "unpacked"), ("UNPACKED_BYTES", 999, "unpacked")],
)
def test_limits_of_a_docx(document, monkeypatch, limit, value, code):
    monkeypatch.setattr(worker, limit, value)
    with pytest.raises(TooMuch) as error:
        worker.read_docx(document)
    assert str(error.value) == code


def test_every_code_has_advice():
    said = {"pages", "rows", "cell", "unpacked", "format", "password", "damaged", "memory", "time", "size"}
    assert set(module._ADVICE) == said


# --- odd DOCX --------------------------------------------------------------------------------------------


def test_merged_cells_of_a_docx(tmp_path):
    document = docx.Document()
    document.add_paragraph(made.TITLE)
    table = document.add_table(rows=5, cols=4)
    words = [
        made.HEADER,
        ("1.1 ADMINISTRATION", "", "", ""),
        ("GS50-01-12", "Title", "Retain permanently.", "ARCHIVAL"),
        ("", "More words.", "", ""),
        ("A remark", "", "", ""),
    ]
    for row, texts in zip(table.rows, words, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    for n in (1, 4):
        table.cell(n, 0).merge(table.cell(n, 3))
    table.cell(2, 0).merge(table.cell(3, 0))
    document.save(str(tmp_path / "x.docx"))
    imported = assemble(worker.read_docx(tmp_path / "x.docx"), ZERO)
    assert [(row.title, row.summary, row.category) for row in imported.series] == [
        ("Title", "More words.", "Administration")
    ]
    assert [(u.table, u.row, u.why) for u in imported.unplaced] == [
        (1, 5, "a row of one cell inside a schedule table")
    ]


def test_a_title_and_words_in_one_paragraph(tmp_path):
    document = docx.Document()
    document.add_paragraph(made.TITLE)
    table = document.add_table(rows=2, cols=4)
    for cell, text in zip(table.rows[0].cells, made.HEADER, strict=True):
        cell.text = text
    cells = table.rows[1].cells
    cells[0].text, cells[2].text, cells[3].text = "GS50-01-12", "Retain permanently.", "ARCHIVAL"
    paragraph = cells[1].paragraphs[0]
    paragraph.add_run("Title").bold = True
    paragraph.add_run("\nWords.")
    document.save(str(tmp_path / "x.docx"))
    (row,) = assemble(worker.read_docx(tmp_path / "x.docx"), ZERO).series
    assert (row.title, row.summary) == ("Title", "Words.")
