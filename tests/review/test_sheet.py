import csv
import zipfile
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from records import tables as t
from records.decisions import Decision, Exemption, Hold, Treatment, in_force
from records.errors import AccessError, UsageError
from review import decide
from review.sheet import ANSWERS, COLUMNS, REQUIRED, apply_sheet, read_sheet, write_sheet
from review.sheet_form import key_of, quoted, unquoted
from tests.review.build import REQUEST, Desk

ZONE = ZoneInfo("America/Los_Angeles")
RELEASE = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
KINDS = pytest.mark.parametrize("suffix", [".xlsx", ".csv"])


def write(made, tmp_path, suffix=".csv", name="sheet", **options):
    (path,) = write_sheet(
        made.catalogue, made.store, REQUEST, tmp_path / f"{name}{suffix}", 1, zone=ZONE, **options
    )
    return path


def table(path):
    """The sheet's cells, as text, by row."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    sheet = load_workbook(path)["Coding sheet"]
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, ["" if cell is None else str(cell) for cell in row], strict=True)) for row in rows]


def answer_file(path, rows, columns=(*REQUIRED,)):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def fill(path, answers):
    """Write answers into an XLSX sheet as a person would: by row key."""
    book = load_workbook(path)
    sheet = book["Coding sheet"]
    head = [cell.value for cell in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        for name, value in answers.get(row[0].value.removeprefix("i:"), {}).items():
            cell = row[head.index(name)]
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"  # what a spreadsheet makes of typing into a text cell
    book.save(path)
    return path


def decided(made):
    with made.catalogue.read() as connection:
        return in_force(connection, REQUEST)


def problems(result):
    return [(refused.row, refused.item_id, refused.problem) for refused in result.refused]


# --- out -----------------------------------------------------------------------------------------------


@KINDS
def test_a_sheet_says_why_a_record_is_in_review_that_no_term_hits(desk, tmp_path, suffix):
    made, item = desk
    with made.catalogue.write() as connection:
        row = {"request_id": REQUEST, "seq": 1, "responsive": True, "why": "", "by": "K. Lee", "at": "x"}
        found = [("lunch", 1), ("lunch", 3), ("mail", 3)]
        rows = [{**row, "sample_no": no, "family_id": item[key]} for key, no in found]
        connection.execute(t.sample_answers.insert(), rows)
    why = {row["item_id"]: row["why_it_hit"] for row in table(write(made, tmp_path, suffix))}
    assert why == {
        key_of(item["mail"]): "bus route (2×); stop sign* (1×)",
        key_of(item["letter"]): "in the family of a record that hit",
        key_of(item["reply"]): "bus route (1×)",
        key_of(item["text"]): "bus route (1×)",
        key_of(item["lunch"]): "found responsive by a person in sample 1, 3; no term finds it",
    }


@KINDS
def test_one_row_a_member_in_thread_and_time_order_parent_first(desk, tmp_path, suffix):
    made, item = desk
    rows = table(write(made, tmp_path, suffix))
    assert [row["item_id"] for row in rows] == [key_of(item[n]) for n in ("mail", "letter", "reply", "text")]
    assert [row["family"] for row in rows] == ["1", "1", "2", "3"]
    assert [row["member"] for row in rows] == ["parent", "part 1 of 1", "parent", "parent"]
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] | {"first_300_characters": ""} == dict.fromkeys(ANSWERS, "") | {
        "item_id": key_of(item["mail"]),
        "family": "1",
        "member": "parent",
        "date_time": "2026-03-04 07:05:06 -08:00",
        "from": "Kim Lee <klee@cedarfalls.example>",
        "to": "Ana Cruz <acruz@cedarfalls.example>; office@cedarfalls.example",
        "subject_or_file": "Bus route 12",
        "first_300_characters": "",
        "why_it_hit": "bus route (2×); stop sign* (1×)",
        "attachments": "2, of which 1 could not be taken out (encrypted)",
        "kind": "email",
        "type": "mail",
        "language": "English, Spanish",
        "custodian": "c-lee",
        "where_it_stands": "not yet produced: awaits decision",
        "link": "open" if suffix == ".xlsx" else f"http://127.0.0.1:8421/r/{REQUEST}/i/{item['mail']}",
        "suggestion": "",
        **dict.fromkeys(("duplicates", "near_duplicates", "thread", "inclusive"), ""),  # nobody grouped yet
    }
    excerpt = rows[0]["first_300_characters"]
    assert excerpt.startswith("The bus route changes on Monday. Please tell")
    assert (len(excerpt), excerpt[-1]) == (300, "…")
    assert rows[1]["why_it_hit"] == "in the family of a record that hit"
    assert rows[2]["suggestion"].startswith("look: attorney-client, work-product")
    assert rows[3]["date_time"] == "2026-07-01 11:00:00 -07:00 (assumed zone)"


@KINDS
def test_a_suggestion_is_never_an_answer(desk, tmp_path, suffix):
    made, _ = desk
    for row in table(write(made, tmp_path, suffix)):
        assert {row[name] for name in ANSWERS} == {""}


def test_nothing_in_a_csv_starts_a_formula(desk, tmp_path):
    made, _ = desk
    rows = table(write(made, tmp_path))
    assert rows[1]["subject_or_file"] == "'=letter.docx"
    assert rows[3]["from"] == "'+13605550101"
    assert not [v for row in rows for v in row.values() if v.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_nothing_in_a_workbook_is_a_formula(desk, tmp_path):
    made, _ = desk
    path = write(made, tmp_path, ".xlsx")
    book = load_workbook(path)
    assert book.sheetnames == ["Coding sheet", "How to use", "Codes"]
    kinds = {
        cell.data_type
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    }
    assert kinds == {"s", "n"}
    assert table(path)[1]["subject_or_file"] == "=letter.docx"


def test_a_workbook_has_what_a_reviewer_works_with(desk, tmp_path):
    made, item = desk
    sheet = load_workbook(write(made, tmp_path, ".xlsx"))["Coding sheet"]
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:AE5"
    choices = {str(dv.sqref): dv.formula1 for dv in sheet.data_validations.dataValidation}
    assert choices == {
        "V2:V5": '"yes,personal"',
        "W2:W5": '"yes,no"',
        "X2:X5": '"release,redact,withhold"',
        "Y2:Y5": "Codes!$A$2:$A$66",
        "AB2:AB5": '"notice,counsel,second_reader"',
        "A2:A5": "FALSE()",
    }
    assert sheet["P2"].hyperlink.target == f"http://127.0.0.1:8421/r/{REQUEST}/i/{item['mail']}"
    assert [sheet.row_dimensions[number].height for number in (2, 3)] == [90, 30]
    assert {sheet.column_dimensions[letter].number_format for letter in [*"VWXYZ", "AA", "AB"]} == {"@"}
    assert [rule.formula for r in sheet.conditional_formatting for rule in r.rules] == [["ISODD($B2)"]]


def test_a_family_is_never_split(tmp_path):
    desk = Desk(tmp_path)
    for no in range(4):
        top = desk.add(str(no), hits={1: 1}, text="bus route", sent_at=f"2026-03-0{no + 1}T00:00:00.000000Z")
        for part in range(2 if no != 2 else 6):
            desk.add(str(part), parent=top, kind="file", name=f"{part}.txt")
    desk.save()
    out = tmp_path / "s.csv"
    paths = write_sheet(desk.catalogue, desk.store, REQUEST, out, 1, zone=ZONE, split_rows=6)
    assert [path.name for path in paths] == ["s-1.csv", "s-2.csv", "s-3.csv"]
    assert [[row["family"] for row in table(path)] for path in paths] == [
        ["1"] * 3 + ["2"] * 3,
        ["3"] * 7,
        ["4"] * 3,
    ]
    whole = write_sheet(desk.catalogue, desk.store, REQUEST, out, 1, zone=ZONE, split_rows=100)
    assert whole == [out]
    with pytest.raises(UsageError, match="at least one row"):
        write_sheet(desk.catalogue, desk.store, REQUEST, out, 1, zone=ZONE, split_rows=0)
    desk.close()


def test_a_sheet_that_may_hold_answers_is_not_overwritten(desk, tmp_path):
    made, _ = desk
    path = write(made, tmp_path)
    path.write_text("answers")
    with pytest.raises(UsageError, match=r"sheet\.csv is there already"):
        write(made, tmp_path)
    assert path.read_text() == "answers"
    assert len(table(write(made, tmp_path, overwrite=True))) == 4
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["sheet.csv"]


def test_another_form_is_refused(desk, tmp_path):
    made, _ = desk
    with pytest.raises(UsageError, match=r"an \.xlsx or a \.csv file"):
        write(made, tmp_path, ".ods")


def test_an_empty_review_gives_an_empty_sheet_that_can_be_read(tmp_path):
    desk = Desk(tmp_path)
    desk.add("1", text="lunch")
    desk.save()
    for suffix in (".xlsx", ".csv"):
        path = write(desk, tmp_path, suffix)
        assert read_sheet(path).rows == ()
        assert apply_sheet(desk.catalogue, REQUEST, path, "K").empty == 0
    desk.close()


def test_a_removed_text_and_odd_characters_do_not_stop_a_sheet(tmp_path):
    desk = Desk(tmp_path)
    desk.add(
        "1",
        text="gone",
        hits={1: 1},
        subject="a\x01b\x0bc ￾d",
        sent_at=None,
        sent_at_text="32 Foo\n1999",
    )
    desk.add("2", text="x\x01y", hits={1: 1}, sent_at="2026-01-01T00:00:00.000000Z")
    desk.save()
    with desk.catalogue.write() as connection:
        gone = connection.scalar(sa.select(t.readings.c.text_sha256).where(t.readings.c.subject.like("a%")))
        connection.execute(t.blobs.delete().where(t.blobs.c.sha256 == gone))
    for suffix in (".xlsx", ".csv"):
        rows = table(write(desk, tmp_path, suffix))
        assert [(r["subject_or_file"], r["first_300_characters"], r["date_time"]) for r in rows] == [
            ("(no subject)", "x y", "2025-12-31 16:00:00 -08:00"),
            ("a b c d", "(the text was removed)", "no trustworthy time (32 Foo 1999)"),
        ]
    desk.close()


# --- and back ------------------------------------------------------------------------------------------

ANSWERED = {
    "mail": {"public_record": "yes", "responsive": "yes", "treatment": "release", "hold": "notice; counsel"},
    "letter": {
        "public_record": "Yes",
        "responsive": True,
        "treatment": "redact",
        "exemption_code": "student-any-record; ssn",
        "explanation": "Name of a student in the second line | Number of the student's mother",
        "pages_to_redact": "p 1-3",
        "installment": 2.0,
        "reviewer": "Ana Cruz",
        "note": "=SUM(1) is what it says",
    },
    "reply": {
        "public_record": "yes",
        "responsive": "yes",
        "treatment": "withhold",
        "exemption_code": "attorney-client",
        "explanation": "Advice of counsel on the change of route 12",
    },
    "text": {"public_record": "personal", "explanation": "Asks a friend for a ride; no school business"},
}
MEANT = {
    "mail": replace(RELEASE, holds=(Hold.COUNSEL, Hold.NOTICE)),
    "letter": Decision(
        public_record=True,
        responsive=True,
        treatment=Treatment.REDACT,
        exemptions=(
            Exemption("student-any-record", "Name of a student in the second line"),
            Exemption("ssn", "Number of the student's mother"),
        ),
        pages_to_redact="1-3",
        installment=2,
        note="=SUM(1) is what it says",
    ),
    "reply": Decision(
        public_record=True,
        responsive=True,
        treatment=Treatment.WITHHOLD,
        exemptions=(Exemption("attorney-client", "Advice of counsel on the change of route 12"),),
    ),
    "text": Decision(public_record=False, facts="Asks a friend for a ride; no school business"),
}


def answered_sheet(made, item, tmp_path):
    path = write(made, tmp_path, ".xlsx")
    return fill(path, {item[name]: cells for name, cells in ANSWERED.items()})


def test_answers_come_back_as_they_were_meant(desk, tmp_path):
    made, item = desk
    result = apply_sheet(made.catalogue, REQUEST, answered_sheet(made, item, tmp_path), "Kim Lee")
    assert (result.applied, result.unchanged, result.carried, result.empty, problems(result)) == (
        4,
        0,
        0,
        0,
        [],
    )
    assert decided(made) == {item[name]: decision for name, decision in MEANT.items()}
    with made.catalogue.read() as connection:
        by = dict(connection.execute(sa.select(t.decisions.c.item_id, t.decisions.c.by)).all())
    assert by == dict.fromkeys(by, "Kim Lee") | {item["letter"]: "Ana Cruz"}


@KINDS
def test_a_new_sheet_shows_the_answers_and_gives_no_new_rows(desk, tmp_path, suffix):
    made, item = desk
    apply_sheet(made.catalogue, REQUEST, answered_sheet(made, item, tmp_path), "Kim Lee")
    path = write(made, tmp_path, suffix, name="second")
    shown = {row["item_id"]: row for row in table(path)}
    letter = shown[key_of(item["letter"])]
    assert {name: letter[name] for name in ANSWERS} == {
        "public_record": "yes",
        "responsive": "yes",
        "treatment": "redact",
        "exemption_code": "student-any-record; ssn",
        "explanation": "Name of a student in the second line | Number of the student's mother",
        "pages_to_redact": "p 1-3",
        "hold": "",
        "installment": "2",
        "reviewer": "Ana Cruz",
        "note": ("'" if suffix == ".csv" else "") + "=SUM(1) is what it says",
    }
    assert shown[key_of(item["text"])]["public_record"] == "personal"
    result = apply_sheet(made.catalogue, REQUEST, path, "Kim Lee")
    assert (result.applied, result.unchanged, result.carried, problems(result)) == (0, 4, 0, [])


def test_an_empty_row_takes_its_familys_answer(desk, tmp_path):
    made, item = desk
    path = fill(write(made, tmp_path, ".xlsx"), {item["mail"]: {"public_record": "yes", "responsive": "no",
                                                                "reviewer": "Ana"}})  # fmt: skip
    result = apply_sheet(made.catalogue, REQUEST, path, "K")
    assert (result.applied, result.carried, result.empty) == (1, 1, 3)
    no = Decision(public_record=True, responsive=False)
    assert decided(made) == {item["mail"]: no, item["letter"]: no}
    with made.catalogue.read() as connection:
        assert set(connection.scalars(sa.select(t.decisions.c.by))) == {"Ana"}


def test_an_empty_sheet_changes_nothing_even_after_decisions(desk, tmp_path):
    made, item = desk
    blank = write(made, tmp_path, name="blank")
    decide.record(made.catalogue, REQUEST, 1, {item["text"]: RELEASE}, "K", source="page")
    result = apply_sheet(made.catalogue, REQUEST, blank, "K")
    assert (result.applied, result.unchanged, result.empty) == (0, 0, 4)
    assert decided(made) == {item["text"]: RELEASE}


def test_a_column_that_is_not_required_leaves_its_answer_in_force(desk, tmp_path):
    made, item = desk
    kept = replace(MEANT["letter"], note="")
    decide.record(made.catalogue, REQUEST, 1, {item["letter"]: kept}, "K", source="page")
    row = {
        "item_id": item["letter"],
        "public_record": "yes",
        "responsive": "yes",
        "treatment": "redact",
        "exemption_code": "ssn",
        "explanation": "Number of the student's mother",
    }
    apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "a.csv", [row]), "K")
    assert decided(made)[item["letter"]] == replace(kept, exemptions=kept.exemptions[1:])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"responsive": "yes"}, "public_record comes first"),
        ({"note": "look again"}, "public_record comes first"),
        ({"public_record": "maybe"}, "public_record is yes, personal or empty, not “maybe”"),
        ({"public_record": "yes", "responsive": "perhaps"}, "responsive is yes, no or empty, not “perhaps”"),
        (
            {"public_record": "yes", "responsive": "yes", "treatment": "keep"},
            "treatment is release, redact, withhold",
        ),
        (
            {"public_record": "yes", "hold": "notice; lawyer"},
            "hold is notice, counsel, second_reader or empty",
        ),
        (
            {"public_record": "yes", "installment": "first"},
            "installment is a number from 1 or empty, not “first”",
        ),
        ({"public_record": "yes", "installment": "0"}, "installment is a number from 1"),
        ({"public_record": "yes", "installment": "²"}, "installment is a number from 1"),
        ({"public_record": "personal"}, "needs the facts"),
        ({"public_record": "yes", "explanation": "because"}, "explanation needs an exemption_code beside it"),
        (
            {
                "public_record": "yes",
                "responsive": "yes",
                "treatment": "withhold",
                "exemption_code": "atorney-client",
                "explanation": "advice on the bus contract",
            },
            "atorney-client is no exemption code: did you mean attorney-client",
        ),
        (
            {
                "public_record": "yes",
                "responsive": "yes",
                "treatment": "redact",
                "exemption_code": "ssn; religion; library-user",
                "explanation": "number of the mother | church of the mother",
            },
            "3 codes but 2 explanations",
        ),
        (
            {
                "public_record": "yes",
                "responsive": "yes",
                "treatment": "redact",
                "exemption_code": "ssn",
                "explanation": "number of the mother",
                "pages_to_redact": "2026-01-03",
            },
            "turned pages_to_redact into a date (2026-01-03): write p 1-3",
        ),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_the_others_are_taken(desk, tmp_path, answer, said):
    made, item = desk
    good = {"item_id": key_of(item["text"]), "public_record": "yes", "responsive": "no"}
    rows = [{"item_id": key_of(item["reply"]), **answer}, good]
    path = answer_file(tmp_path / "a.csv", rows, ("item_id", *ANSWERS))
    result = apply_sheet(made.catalogue, REQUEST, path, "K")
    assert (result.applied, result.unchanged, len(result.refused)) == (1, 0, 1)
    refused = result.refused[0]
    assert (refused.row, refused.item_id) == (2, key_of(item["reply"]))
    assert said in refused.problem
    assert decided(made) == {item["text"]: Decision(public_record=True, responsive=False)}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "item_id is empty"),
        ("1.23457E+31", "item_id is no row key"),
        ("i:" + "f" * 32, f"request {REQUEST} has no such record"),
        ("f" * 31, "item_id is no row key"),
        ("photo", "could not be collected"),
    ],
)
def test_a_row_key_that_leads_nowhere(desk, tmp_path, key, said):
    made, item = desk
    rows = [{"item_id": item.get(key, key), "public_record": "yes"}]
    (refused,) = apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "a.csv", rows), "K").refused
    assert said in refused.problem
    assert decided(made) == {}


@pytest.mark.parametrize("form", ["{low}", "{up}", "i:{low}", "'{low}", " I: {up} "])
def test_a_row_key_is_taken_in_any_of_its_forms(desk, tmp_path, form):
    made, item = desk
    key = form.format(low=item["text"], up=item["text"].upper())
    rows = [{"item_id": key, "public_record": "yes", "responsive": "no"}]
    result = apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "a.csv", rows), "K")
    assert (result.applied, problems(result)) == (1, [])


def test_a_family_that_disagrees_is_refused_by_all_its_rows(desk, tmp_path):
    made, item = desk
    rows = [
        {
            "item_id": key_of(item["mail"]),
            "public_record": "yes",
            "responsive": "yes",
            "treatment": "release",
        },
        {"item_id": key_of(item["text"]), "public_record": "yes", "responsive": "no"},
        {"item_id": key_of(item["letter"]), "public_record": "yes", "responsive": "no"},
    ]
    result = apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "a.csv", rows), "K")
    assert result.applied == 1
    assert [(r.row, r.item_id) for r in result.refused] == [
        (2, key_of(item["mail"])),
        (4, key_of(item["letter"])),
    ]
    assert "(rows 2, 4): give all of them the same answer" in result.refused[0].problem
    assert set(decided(made)) == {item["text"]}


def test_a_family_that_disagrees_with_an_earlier_answer_is_refused(desk, tmp_path):
    made, item = desk
    decide.record(made.catalogue, REQUEST, 1, {item["mail"]: RELEASE}, "K", source="page")
    rows = [{"item_id": key_of(item["letter"]), "public_record": "yes", "responsive": "no"}]
    (refused,) = apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "a.csv", rows), "K").refused
    assert f"(rows 2, and 1 answered earlier, {key_of(item['mail'])} first)" in refused.problem


def test_a_refused_row_does_not_take_its_familys_answer(desk, tmp_path):
    made, item = desk
    rows = [
        {
            "item_id": key_of(item["mail"]),
            "public_record": "yes",
            "responsive": "yes",
            "treatment": "release",
        },
        {"item_id": key_of(item["letter"]), "public_record": "personal"},
    ]
    result = apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "a.csv", rows), "K")
    assert (result.applied, result.carried, len(result.refused)) == (1, 0, 1)
    assert decided(made) == {item["mail"]: RELEASE}


def test_two_rows_for_one_record_must_say_the_same(desk, tmp_path):
    made, item = desk
    yes = {"item_id": key_of(item["text"]), "public_record": "yes", "responsive": "yes"}
    path = answer_file(tmp_path / "a.csv", [yes, yes | {"responsive": "no"}, yes])
    result = apply_sheet(made.catalogue, REQUEST, path, "K")
    assert [(r.row, r.problem[:16]) for r in result.refused] == [(n, "rows 2, 3, 4 ans") for n in (2, 3, 4)]
    result = apply_sheet(made.catalogue, REQUEST, answer_file(tmp_path / "b.csv", [yes, yes]), "K")
    assert (result.applied, result.unchanged, problems(result)) == (1, 1, [])


@pytest.mark.parametrize("column", REQUIRED)
@KINDS
def test_a_missing_column_refuses_the_file_by_name(desk, tmp_path, column, suffix):
    made, item = desk
    path = tmp_path / f"answers{suffix}"
    kept = [name for name in REQUIRED if name != column]
    row = {"item_id": item["text"], "public_record": "yes", "responsive": "no"}
    if suffix == ".csv":
        answer_file(path, [{k: v for k, v in row.items() if k != column}], kept)
    else:
        book = Workbook()
        book.active.append(kept)
        book.active.append([row.get(name) for name in kept])
        book.save(path)
    with pytest.raises(UsageError) as caught:
        apply_sheet(made.catalogue, REQUEST, path, "K")
    assert str(caught.value) == (
        f"answers{suffix} lacks the column {column}; a coding sheet has the columns item_id, public_record, "
        "responsive, treatment, exemption_code, explanation, pages_to_redact, hold, installment, reviewer, "
        "note. Nothing was taken from it"
    )
    assert decided(made) == {}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ((*REQUIRED, "hold"), "has the column hold twice"),
        ((*REQUIRED, "pages_to_redct"), "has a column pages_to_redct; did you mean pages_to_redact?"),
        ((*REQUIRED, "Instalment"), "has a column instalment; did you mean installment?"),
    ],
)
def test_a_doubled_or_misspelt_column_refuses_the_file(tmp_path, columns, said):
    path = tmp_path / "a.csv"
    path.write_text(",".join(columns) + "\n")
    with pytest.raises(UsageError) as caught:
        read_sheet(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("before", ["", "sep=%s\r\n", "Coded by the office\r\n\r\n"])
def test_csv_as_programs_write_it(tmp_path, encoding, delimiter, before):
    path = tmp_path / "a.csv"
    columns = ["Note", "my own", "Item ID", "public record", "RESPONSIVE", "treatment", "exemption code"]
    columns += ["explanation", "hold"]
    lines = [
        columns,
        ["naïve; “so”, he said", "x", "i:" + "a" * 32, "yes", "TRUE"],
        ["", "", "", "", "", "", ""],
    ]
    text = before.replace("%s", delimiter)
    for cells in lines:
        text += delimiter.join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n"
    path.write_bytes(text.encode(encoding))
    sheet = read_sheet(path)
    (row,) = sheet.rows
    assert row.item_id == "a" * 32
    assert row.answers == {"note": "naïve; “so”, he said", "public_record": "yes", "responsive": "TRUE"}
    assert row.number == {"": 2, "s": 2, "C": 4}[before[:1]]


def test_cells_that_a_spreadsheet_changed(desk, tmp_path):
    made, item = desk
    book = Workbook()
    sheet = book.active
    sheet.append(["Answers of the office"])
    sheet.append(["item_id", *ANSWERS])
    sheet.append([item["text"], True, False, None, None, None, None, None, 3.0, None, datetime(2026, 1, 3)])  # noqa: DTZ001
    sheet.append([item["reply"], "yes", True, "redact", "ssn", "number of the mother", datetime(2026, 1, 3)])  # noqa: DTZ001
    sheet["Z2000"] = " "
    path = tmp_path / "a.xlsx"
    book.save(path)
    result = apply_sheet(made.catalogue, REQUEST, path, "K")
    assert result.applied == 1
    assert decided(made) == {
        item["text"]: Decision(
            public_record=True, responsive=False, installment=3, note="2026-01-03T00:00:00"
        )
    }
    assert problems(result) == [
        (
            4,
            item["reply"],
            "a spreadsheet turned pages_to_redact into a date (2026-01-03T00:00:00): write p 1-3",
        )
    ]


def test_a_sheet_opened_in_the_wrong_character_set_is_refused(desk, tmp_path):
    made, _ = desk
    path = tmp_path / "a.csv"
    path.write_text(write(made, tmp_path).read_bytes().decode("cp1252", "replace"), encoding="utf-8")
    with pytest.raises(UsageError, match="was opened in the wrong character set"):
        read_sheet(path)


def test_a_formula_is_never_evaluated(desk, tmp_path):
    made, item = desk
    path = fill(write(made, tmp_path, ".xlsx"), {item["text"]: {"public_record": "yes", "responsive": "no"}})
    book = load_workbook(path)
    book["Coding sheet"]["X5"] = '="rel"&"ease"'
    book.save(path)
    result = apply_sheet(made.catalogue, REQUEST, path, "K")
    assert problems(result) == [
        (5, key_of(item["text"]), "treatment holds a formula: copy the cell and paste it as a value")
    ]
    assert decided(made) == {}


def test_files_that_are_no_sheet(tmp_path):
    def reading(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UsageError) as caught:
            read_sheet(path)
        return str(caught.value)

    assert reading("a.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 600) == (
        "a.xls is in the old .xls form: save it as .xlsx or .csv"
    )
    assert "is damaged or no .xlsx file" in reading("b.xlsx", b"PK\x03\x04 and no more")
    assert "lacks the column item_id" in reading("c.csv", b"")
    assert "lacks the column item_id" in reading("d.csv", bytes(range(256)) * 40)
    assert "is no CSV file" in reading("e.csv", ",".join(REQUIRED).encode() + b'\n"' + b"x" * 200_000)
    with zipfile.ZipFile(tmp_path / "f.ods", "w") as parts:
        parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(UsageError, match="is an OpenDocument file"):
        read_sheet(tmp_path / "f.ods")
    with pytest.raises(AccessError, match=r"gone\.csv cannot be opened"):
        read_sheet(tmp_path / "gone.csv")


def test_a_workbook_cut_or_changed_anywhere_is_refused_or_read_but_never_crashes(desk, tmp_path):
    made, _ = desk
    data = write(made, tmp_path, ".xlsx").read_bytes()
    path = tmp_path / "cut.xlsx"
    for cut in range(4, len(data), len(data) // 40):
        path.write_bytes(data[:cut])
        with pytest.raises(UsageError):
            read_sheet(path)
        path.write_bytes(data[:cut] + bytes([data[cut] ^ 0x55]) + data[cut + 1 :])
        try:
            rows = read_sheet(path).rows
        except UsageError:
            continue
        assert len(rows) == 4


def test_a_request_and_a_name_are_needed(desk, tmp_path):
    made, _ = desk
    path = write(made, tmp_path)
    with pytest.raises(UsageError, match="there is no request r-9"):
        apply_sheet(made.catalogue, "r-9", path, "K")
    with pytest.raises(UsageError, match="need the name"):
        apply_sheet(made.catalogue, REQUEST, path, "")


@given(st.text())
def test_quoting_can_be_undone(text):
    for formulas in (True, False):
        written = quoted(text, formulas=formulas)
        assert unquoted(written) == text or not formulas
        if formulas:
            assert not written.startswith(tuple("=+-@\t\r\n"))


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=30).map(str.strip)
SAID = WORDS.map(lambda text: f"{text.replace('|', '')} route twelve change".strip())


@given(explanation=SAID, facts=WORDS.filter(bool), note=WORDS, pages=WORDS.map(lambda w: w.replace("p", "q")))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_survives_both_forms(desk, tmp_path, explanation, facts, note, pages):
    made, item = desk
    redact = Decision(
        public_record=True,
        responsive=True,
        treatment=Treatment.REDACT,
        exemptions=(Exemption("ssn", explanation), Exemption("religion", "other " + explanation)),
        pages_to_redact=pages,
        note=note,
    )
    answers = {item["reply"]: redact, item["text"]: Decision(public_record=False, facts=facts, note=note)}
    decide.record(made.catalogue, REQUEST, 1, answers, "K", source="page")
    for suffix in (".xlsx", ".csv"):
        result = apply_sheet(made.catalogue, REQUEST, write(made, tmp_path, suffix, overwrite=True), "K")
        assert (result.applied, result.unchanged, problems(result)) == (0, 2, [])
