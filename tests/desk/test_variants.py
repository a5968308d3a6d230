"""Variants at the desk: proposed, shown, taken into the term list or refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook
from typer.testing import CliRunner

from cli.main import app
from desk.adequacy import care
from desk.adequacy.facts import VariantFacts
from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from desk.searching import hit_report
from desk.variants import Answer, answer, propose_variants, standings_of
from desk.variants_sheet import answer_sheet, listed
from records import audit
from records import tables as t
from records.errors import UsageError
from records.settings import Settings
from search.terms import load_report, read_terms

pytestmark = pytest.mark.slow

MAIL = (
    "From: Ana Ruiz <ana@falls.example>\nTo: Pat <pat@falls.example>\nSubject: {n}\n"
    "Date: Mon, 02 Mar 2026 10:00:00 -0800\n\n{text}\n"
)
TEXTS = (
    "The bus route change is near.",
    "The bus rotue change is near.",
    "The busroute change is near.",
    "CFMS opens early.",
    "Bill Okonjo called.",
    "Nothing of all this.",
)
ROSTER = "kind,name,aliases\nschool,Cedar Falls Middle School,CFMS\nstaff,William Okonjo,\n"
REQUEST = """
text = "Mail about buses at Cedar Falls Middle School, and of William Okonjo"
received_on = 2026-09-08
terms = "terms.csv"
roster = "roster.csv"
[[custodians]]
id = "ana"
name = "Ana Ruiz"
emails = ["ana@falls.example"]
[[sources]]
id = "s1"
connector = "mail_files"
custodian = "ana"
path = "mail"
"""
MISSPELT, RUN_TOGETHER, SCHOOL, NICKNAME = '"bus rotue change"', '"busroute change"', "cfms", '"bill okonjo"'
SURNAME = "okonjo"
MISSPELT_LINE = '"""bus rotue change"""'
NOTE = "variant (alias) of place Cedar Falls Middle School"
SLIP = "variant (misspelling) of bus route change"
FORMS = [RUN_TOGETHER, MISSPELT, SCHOOL, NICKNAME, SURNAME]
REQUEST_ID = "2026-0001"


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Path:
    """A home whose request has been run, to be copied."""
    folder = tmp_path_factory.mktemp("variants")
    (folder / "mail").mkdir()
    for n, text in enumerate(TEXTS):
        (folder / "mail" / f"{n}.eml").write_text(MAIL.format(n=n, text=text), "utf-8")
    (folder / "terms.csv").write_text("term,note\nbus route change,\n(bus AND,\n", "utf-8")
    (folder / "roster.csv").write_text(ROSTER, "utf-8")
    (folder / "request.toml").write_text(REQUEST, "utf-8")
    home = Home.open(settings=Settings(home=folder / "home", workers=1))
    assert open_request(home, folder / "request.toml", by="pro")[0] == REQUEST_ID
    run_local(home, REQUEST_ID)
    home.close()
    return folder / "home"


@pytest.fixture
def home(ready, tmp_path) -> Iterator[Home]:
    shutil.copytree(ready, tmp_path / "home")
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    yield home
    home.close()


@pytest.fixture
def proposed(home: Home) -> Home:
    propose_variants(home, REQUEST_ID, by="pro")
    return home


def ids(home: Home) -> dict[str, str]:
    return {one.variant.form: one.variant_id for one in standings_of(home, REQUEST_ID)}


def states(home: Home) -> dict[str, str]:
    return {one.variant.form: one.state for one in standings_of(home, REQUEST_ID)}


def in_record(home: Home) -> VariantFacts:
    """Return what the record of the search says of variants."""
    with home.catalogue.read() as connection:
        return care.variants(connection, REQUEST_ID)


def audited(home: Home, count: int = 1) -> list[dict[str, Any]]:
    with home.catalogue.read() as connection:
        newest = connection.scalars(sa.select(t.audit.c.entry).order_by(t.audit.c.seq.desc()).limit(count))
        return [json.loads(text) for text in newest][::-1]


def rows(home: Home, table: sa.Table) -> list[dict[str, Any]]:
    with home.catalogue.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


# -- proposing


def test_what_is_proposed_is_kept_with_its_counts(home: Home) -> None:
    made = propose_variants(home, REQUEST_ID, by="pat")
    assert made == {
        "version": 1,
        "forms": made["forms"],
        "not_run": 0,
        "proposed": 5,
        "open": 5,
        "open_by_way": {"alias": 1, "nickname": 1, "surname": 1, "spacing": 1, "misspelling": 1},
    }
    assert made["forms"] > 50
    (entry,) = audited(home)
    assert {name: entry[name] for name in ("action", "actor", "request", "proposed", "forms", "open")} == {
        "action": "proposed", "actor": "pat", "request": REQUEST_ID, "proposed": 5, "forms": made["forms"],
        "open": 5,
    }  # fmt: skip
    assert not {"okonjo", "cfms"} & set(json.dumps(entry).casefold().split('"'))
    standings = standings_of(home, REQUEST_ID)
    assert [(one.variant.form, one.state, one.version) for one in standings] == [
        (form, "open", 1) for form in FORMS
    ]
    for row in rows(home, t.variants):
        assert (row["documents"], row["families"], row["added_documents"], row["added_families"]) == (
            1,
            1,
            1,
            1,
        )
    assert rows(home, t.variant_answers) == []


def test_proposing_again_changes_nothing(proposed: Home) -> None:
    before = [{**row, "at": ""} for row in rows(proposed, t.variants)]
    propose_variants(proposed, REQUEST_ID, by="pat")
    assert [{**row, "at": ""} for row in rows(proposed, t.variants)] == before


def test_a_list_that_was_not_counted_on_this_index_is_counted_first(home: Home) -> None:
    with home.catalogue.write() as connection:
        connection.execute(t.term_reports.delete())
    with pytest.raises(UsageError, match="were not counted on the present index: `daylight terms 2026-0001`"):
        propose_variants(home, REQUEST_ID, by="pat")
    hit_report(home, REQUEST_ID, None, None, by="pat")
    assert propose_variants(home, REQUEST_ID, by="pat")["proposed"] == 5


# -- taking and refusing


def test_what_is_taken_is_in_a_new_version_of_the_list_and_counted(proposed: Home) -> None:
    known = ids(proposed)
    result = answer(
        proposed,
        REQUEST_ID,
        Answer.TAKEN,
        [known[MISSPELT], known[NICKNAME]],
        why="people write so",
        by="pat",
    )
    assert result == {
        "taken": 2, "refused": 0, "unchanged": 0, "version": 2, "documents": 3, "families": 3,
    }  # fmt: skip
    request = proposed.request(REQUEST_ID)
    assert request.version == 2
    assert request.terms == (
        "term,note\nbus route change,\n(bus AND,\n"
        '"""bus rotue change""",variant (misspelling) of bus route change\n'
        '"""bill okonjo""",variant (nickname) of person William Okonjo\n'
    )
    report = load_report(proposed.catalogue, REQUEST_ID, 2)
    assert report is not None
    assert [(one.term, one.documents) for one in report.terms] == [
        ("bus route change", 1), (MISSPELT, 1), (NICKNAME, 1),
    ]  # fmt: skip
    entries = audited(proposed, 3)
    assert [entry["action"] for entry in entries] == ["versioned", "answered", "counted"]
    assert {name: entries[1][name] for name in ("actor", "what", "taken", "refused", "version")} == {
        "actor": "pat", "what": "variants", "taken": 2, "refused": 0, "version": 2,
    }  # fmt: skip
    assert [
        (row["seq"], row["answer"], row["version"], row["why"]) for row in rows(proposed, t.variant_answers)
    ] == [(1, "taken", 2, "people write so")] * 2
    audit.verify(proposed.catalogue)


def test_after_taking_the_others_are_counted_against_the_new_list(proposed: Home) -> None:
    answer(proposed, REQUEST_ID, Answer.TAKEN, [ids(proposed)[NICKNAME]], why="yes", by="pat")
    made = propose_variants(proposed, REQUEST_ID, by="pat")
    assert (made["proposed"], made["open"]) == (3, 3)  # the surname finds nothing else
    assert states(proposed) == {RUN_TOGETHER: "open", MISSPELT: "open", SCHOOL: "open", NICKNAME: "taken"}
    kept = {one.variant.form: one for one in standings_of(proposed, REQUEST_ID)}
    assert (kept[NICKNAME].version, kept[NICKNAME].answer_version) == (1, 2)
    assert kept[MISSPELT].version == 2


def test_all_taken_at_once_are_one_version(proposed: Home) -> None:
    result = answer(proposed, REQUEST_ID, Answer.TAKEN, [], why="all of them", by="pat", everything=True)
    assert (result["taken"], result["version"], result["documents"]) == (5, 2, 5)
    assert [term.term for term in read_terms(proposed.request(REQUEST_ID).terms.encode()).terms] == [
        "bus route change", "(bus AND", *FORMS,
    ]  # fmt: skip
    assert propose_variants(proposed, REQUEST_ID, by="pat")["proposed"] == 0
    with pytest.raises(UsageError, match="no variant of request 2026-0001 is open"):
        answer(proposed, REQUEST_ID, Answer.TAKEN, [], why="again", by="pat", everything=True)


def test_what_is_refused_is_kept_with_the_reason_and_never_open_again(proposed: Home) -> None:
    result = answer(
        proposed,
        REQUEST_ID,
        Answer.REFUSED,
        [],
        why="another Okonjo",
        by="pat",
        everything=True,
        way="surname",
    )
    assert result == {"taken": 0, "refused": 1, "unchanged": 0, "version": 1}
    assert proposed.request(REQUEST_ID).version == 1
    made = propose_variants(proposed, REQUEST_ID, by="pat")
    assert (made["proposed"], made["open"]) == (5, 4)
    (refused,) = (one for one in standings_of(proposed, REQUEST_ID) if one.state == "refused")
    assert (refused.variant.form, refused.why, refused.by) == (SURNAME, "another Okonjo", "pat")
    assert refused.answer_version == 1
    assert [one.state for one in standings_of(proposed, REQUEST_ID)] == [*["open"] * 4, "refused"]


def test_a_person_can_change_their_mind_where_the_list_allows_it(proposed: Home) -> None:
    one = ids(proposed)[SCHOOL]
    answer(proposed, REQUEST_ID, Answer.REFUSED, [one], why="no", by="pat")
    again = answer(proposed, REQUEST_ID, Answer.REFUSED, [one], why="no", by="pat")
    assert (again["refused"], again["unchanged"]) == (0, 1)
    assert answer(proposed, REQUEST_ID, Answer.REFUSED, [one], why="no, really", by="pat")["refused"] == 1
    assert answer(proposed, REQUEST_ID, Answer.TAKEN, [one], why="yes after all", by="sam")["taken"] == 1
    assert [(row["seq"], row["answer"], row["by"]) for row in rows(proposed, t.variant_answers)] == [
        (1, "refused", "pat"), (2, "refused", "pat"), (3, "taken", "sam"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match=f"{one}: it is in the term list since version 2"):
        answer(proposed, REQUEST_ID, Answer.REFUSED, [one], why="no", by="pat")
    assert answer(proposed, REQUEST_ID, Answer.TAKEN, [one], why="yes", by="pat")["unchanged"] == 1


def test_what_another_list_dropped_is_open_again(proposed: Home, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(proposed.request(REQUEST_ID).terms, "utf-8")
    answer(proposed, REQUEST_ID, Answer.TAKEN, [ids(proposed)[SCHOOL]], why="yes", by="pat")
    hit_report(proposed, REQUEST_ID, own, None, by="pat", adopt=True)
    assert states(proposed)[SCHOOL] == "taken"
    assert (in_record(proposed).taken, in_record(proposed).left_out) == (1, 1)
    propose_variants(proposed, REQUEST_ID, by="pat")
    assert states(proposed)[SCHOOL] == "open"
    own.write_text(f"{own.read_text('utf-8')}{SCHOOL},back again\n", "utf-8")
    hit_report(proposed, REQUEST_ID, own, None, by="pat", adopt=True)
    assert states(proposed)[SCHOOL] == "taken"  # once more would be the same line twice
    own.write_text(own.read_text("utf-8").replace(f"{SCHOOL},back again\n", ""), "utf-8")
    hit_report(proposed, REQUEST_ID, own, None, by="pat", adopt=True)
    assert (
        answer(proposed, REQUEST_ID, Answer.TAKEN, [ids(proposed)[SCHOOL]], why="yes", by="pat")["version"]
        == 6
    )
    assert (in_record(proposed).taken, in_record(proposed).left_out) == (1, 0)
    (taken,) = [one for one in in_record(proposed).variants if one.answer]
    assert (taken.form, taken.answer, taken.in_list, taken.version) == (SCHOOL, "taken", True, 3)


@pytest.mark.parametrize("by", ["", "  "])
def test_an_answer_has_a_name(proposed: Home, tmp_path: Path, by: str) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"variant,answer,why\nv:{ids(proposed)[SCHOOL]},refuse,no\n", "utf-8")
    for said in (Answer.TAKEN, Answer.REFUSED):
        with pytest.raises(UsageError, match="needs the name of the person"):
            answer(proposed, REQUEST_ID, said, [], why="yes", by=by, everything=True)
    with pytest.raises(UsageError, match="needs the name of the person"):
        answer_sheet(proposed, REQUEST_ID, sheet, by=by)
    assert set(states(proposed).values()) == {"open"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"variant_ids": ["123456789abc"]}, "has no variant 123456789abc; nothing was kept"),
        ({"variant_ids": []}, "name the variants, or --all"),
        ({"variant_ids": ["123456789abc"], "everything": True}, "name the variants, or --all"),
        ({"variant_ids": ["123456789abc"], "way": "stem"}, "name the variants, or --all"),
        ({"variant_ids": [], "everything": True, "way": "guess"}, "guess is no way: name, alias, "),
        ({"variant_ids": [], "everything": True, "way": "phone"}, "no variant of .* is open of way phone"),
        ({"variant_ids": [], "everything": True, "why": " "}, "an answer needs its reason"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_keeps_nothing(proposed: Home, given: dict[str, Any], problem: str) -> None:
    wanted = [*given.pop("variant_ids")]
    if wanted:
        wanted.append(ids(proposed)[SCHOOL])
    with pytest.raises(UsageError, match=problem):
        answer(proposed, REQUEST_ID, Answer.TAKEN, wanted, **{"why": "so", "by": "pat", **given})
    assert rows(proposed, t.variant_answers) == []
    assert proposed.request(REQUEST_ID).version == 1


def test_nothing_is_proposed_or_answered_on_a_closed_request(proposed: Home) -> None:
    with proposed.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    for refused in (
        lambda: propose_variants(proposed, REQUEST_ID, by="pat"),
        lambda: answer(proposed, REQUEST_ID, Answer.TAKEN, [], why="so", by="pat", everything=True),
        lambda: answer_sheet(proposed, REQUEST_ID, Path("nowhere.csv"), by="pat"),
    ):
        with pytest.raises(UsageError, match="is closed"):
            refused()
    assert rows(proposed, t.variant_answers) == []
    assert len(list(listed(proposed, REQUEST_ID, by="pat"))) == 5


def test_two_people_do_not_answer_over_one_another(proposed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one read the variants before the first one's answer was kept."""
    before = standings_of(proposed, REQUEST_ID)
    answer(proposed, REQUEST_ID, Answer.REFUSED, [ids(proposed)[SCHOOL]], why="no", by="pat")
    monkeypatch.setattr("desk.variants.standings_of", lambda home, request_id: before)
    with pytest.raises(UsageError, match="somebody else answered meanwhile"):
        answer(proposed, REQUEST_ID, Answer.TAKEN, [], why="yes", by="sam", everything=True)
    assert [row["by"] for row in rows(proposed, t.variant_answers)] == ["pat"]
    assert proposed.request(REQUEST_ID).version == 1


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("term\nbus route change", f"term,note\nbus route change\ncfms,{NOTE}\n{MISSPELT_LINE},{SLIP}\n"),
        (
            "\nNote,owner,Term\r\nx,,bus route change\r\n",
            f"\nNote,owner,Term\nx,,bus route change\n{NOTE},,cfms\n{SLIP},,{MISSPELT_LINE}\n",
        ),
        (
            'term,note\nbus route change,"a note\nof two lines"\n',
            f'term,note\nbus route change,"a note\nof two lines"\ncfms,{NOTE}\n{MISSPELT_LINE},{SLIP}\n',
        ),
        (
            'term,note\nbus route change,\nbus,"it\n',  # never closed: a bad line, and it swallows nothing
            f'term,note\nbus route change,\nbus,"it\ncfms,{NOTE}\n{MISSPELT_LINE},{SLIP}\n',
        ),
    ],
)
def test_lines_are_added_in_the_columns_of_the_list(
    home: Home, tmp_path: Path, terms: str, expected: str
) -> None:
    file = tmp_path / "other.csv"
    file.write_text(terms, "utf-8", newline="")
    hit_report(home, REQUEST_ID, file, None, by="pat", adopt=True)
    propose_variants(home, REQUEST_ID, by="pat")
    known = ids(home)
    answer(home, REQUEST_ID, Answer.TAKEN, [known[SCHOOL], known[MISSPELT]], why="so", by="pat")
    assert home.request(REQUEST_ID).terms == expected
    read = read_terms(home.request(REQUEST_ID).terms.encode()).terms
    assert [(term.term, term.note) for term in read][1:] == [(SCHOOL, NOTE), (MISSPELT, SLIP)]


# -- the sheet


def filled(home: Home, path: Path, said: dict[str, tuple[str, str]]) -> Path:
    """Write the sheet and answer some of its rows."""
    list(listed(home, REQUEST_ID, path, by="pat"))
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.DictReader(file))
        for row in table:
            row["answer"], row["why"] = said.get(row["form"], ("", ""))
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, list(table[0]))
            out.writeheader()
            out.writerows(reversed(table))
        return path
    book = load_workbook(path)
    sheet = book["Variants"]
    heads = [cell.value for cell in sheet[1]]
    for cells in sheet.iter_rows(min_row=2):
        form = cells[heads.index("form")].value
        if form in said:
            cells[heads.index("answer")].value, cells[heads.index("why")].value = said[form]
    book.save(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_sheet_goes_out_and_comes_back(proposed: Home, tmp_path: Path, suffix: str) -> None:
    path = filled(
        proposed,
        tmp_path / f"v{suffix}",
        {MISSPELT: ("take", "a slip"), SCHOOL: ("Take", ""), SURNAME: ("refuse", ""), RUN_TOGETHER: ("", "")},
    )
    result = answer_sheet(proposed, REQUEST_ID, path, by="pat", why="as discussed")
    assert result == {
        "taken": 2, "refused": 1, "unchanged": 0, "version": 2, "documents": 3, "families": 3,
        "rows_without_answer": 2, "rows_not_accepted": [],
    }  # fmt: skip
    standings = {one.variant.form: (one.state, one.why) for one in standings_of(proposed, REQUEST_ID)}
    assert standings == {
        MISSPELT: ("taken", "a slip"), SCHOOL: ("taken", "as discussed"),
        SURNAME: ("refused", "as discussed"), RUN_TOGETHER: ("open", ""), NICKNAME: ("open", ""),
    }  # fmt: skip
    again = answer_sheet(proposed, REQUEST_ID, path, by="pat", why="as discussed")
    assert (again["unchanged"], again["taken"], again["refused"], again["version"]) == (3, 0, 0, 2)


def test_rows_that_cannot_be_placed_are_refused_and_the_others_kept(proposed: Home, tmp_path: Path) -> None:
    known = ids(proposed)
    path = tmp_path / "v.csv"
    lines = [
        ["variant", "answer", "why"],
        [f"v:{known[MISSPELT]}", "take", "a slip"],
        [f"v:{known[SCHOOL]}", "maybe", "x"],
        ["v:123456789abc", "take", "x"],
        [f"v:{known[SURNAME]}", "refuse", ""],
        [f"v:{known[MISSPELT]}", "take", "x"],
        [f"v:{known[NICKNAME]}", "", "a reason"],
        [f"v:{known[RUN_TOGETHER]}", "", ""],
        ["", "take", "x"],
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    result = answer_sheet(proposed, REQUEST_ID, path, by="pat")
    assert (result["taken"], result["refused"], result["rows_without_answer"]) == (1, 0, 1)
    assert [(row["row"], row["problem"]) for row in result["rows_not_accepted"]] == [
        (3, "answer is take, refuse or empty, not “maybe”"),
        (4, "this request has no such variant: leave the first column as it was written"),
        (5, "the reason is missing: write it into why"),
        (6, "this variant was answered in a row above"),
        (7, "there is a reason and no answer: write take or refuse"),
        (9, "this request has no such variant: leave the first column as it was written"),
    ]
    assert states(proposed)[MISSPELT] == "taken"


def test_a_form_that_is_taken_and_refused_is_neither(proposed: Home, tmp_path: Path) -> None:
    known = ids(proposed)
    path = tmp_path / "v.csv"
    lines = [
        ["variant", "answer", "why"],
        [f"v:{known[MISSPELT]}", "take", "a slip"],
        [f"v:{known[SCHOOL]}", "take", "so written"],
        [f"v:{known[MISSPELT]}", "refuse", "no slip"],
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    result = answer_sheet(proposed, REQUEST_ID, path, by="pat")
    assert (result["taken"], result["refused"]) == (1, 0)
    assert [(row["row"], row["problem"]) for row in result["rows_not_accepted"]] == [
        (2, "rows 2, 4 take and refuse the same form: answer it one way"),
        (4, "rows 2, 4 take and refuse the same form: answer it one way"),
    ]
    assert states(proposed)[MISSPELT] == "open"


def test_a_formula_in_a_cell_is_asked_about(proposed: Home, tmp_path: Path) -> None:
    path = filled(proposed, tmp_path / "v.xlsx", {SCHOOL: ("take", '=HYPERLINK("x")')})
    result = answer_sheet(proposed, REQUEST_ID, path, by="pat")
    (refused,) = result["rows_not_accepted"]
    assert refused["problem"] == "why holds a formula: write the words themselves"
    assert result["taken"] == 0


def test_the_sheet_is_written_once_neutralised_and_logged(home: Home, tmp_path: Path) -> None:
    with home.catalogue.write() as connection:
        connection.execute(
            t.variants.insert(),
            {
                "request_id": REQUEST_ID, "variant_id": "abcdefabcdef", "version": 1, "base_kind": "person",
                "base": "=cmd|' /C calc'!A0", "way": "alias", "form": "cmd", "documents": 1, "families": 1,
                "added_documents": 1, "added_families": 1, "at": "2026-09-09T00:00:00Z",
            },
        )  # fmt: skip
    out = tmp_path / "v.csv"
    (one,) = listed(home, REQUEST_ID, out, by="pat")
    assert (one["variant_id"], one["state"], one["base"]) == ("abcdefabcdef", "open", "=cmd|' /C calc'!A0")
    text = out.read_text("utf-8-sig")
    assert "\"'=cmd|' /C calc'!A0\"" in text
    (entry,) = audited(home)
    assert (entry["action"], entry["what"], entry["rows"], entry["actor"]) == (
        "exported",
        "variants",
        1,
        "pat",
    )
    list(listed(home, REQUEST_ID, tmp_path / "v.xlsx", by="pat"))
    sheet = load_workbook(tmp_path / "v.xlsx")["Variants"]
    assert {cell.data_type for cell in sheet[2] if cell.value} == {"s", "n"}
    for name, problem in (("v.csv", "is there already"), ("v.ods", r"an \.xlsx or a \.csv file")):
        with pytest.raises(UsageError, match=problem):
            listed(home, REQUEST_ID, tmp_path / name, by="pat")


# -- the command


def daylight(home: Home, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    done = CliRunner().invoke(app, ["--home", str(home.settings.home), "variants", *arguments])
    code = getattr(done.exception, "code", 0) if isinstance(done.exception, SystemExit) else done.exception
    return code, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr


def test_the_commands(home: Home, tmp_path: Path) -> None:
    code, (made,), said = daylight(home, "propose", REQUEST_ID, "--by", "pat")
    assert (code, made["open"]) == (None, 5)
    assert f"daylight variants list {REQUEST_ID} --out variants.xlsx" in said
    code, shown, _ = daylight(home, "list", REQUEST_ID, "--out", str(tmp_path / "v.csv"))
    assert [one["form"] for one in shown] == FORMS
    first = shown[0]["variant_id"]
    code, (taken,), said = daylight(home, "take", REQUEST_ID, f"v:{first}", "--why", "so", "--by", "pat")
    assert (taken["taken"], taken["version"]) == (1, 2)
    assert "The term list is now version 2" in said
    code, (refused,), said = daylight(
        home, "refuse", REQUEST_ID, "--all", "--way", "surname", "--why", "no", "--by", "pat"
    )
    assert (refused["refused"], refused["version"]) == (1, 2)
    assert said == ""
    path = tmp_path / "v.csv"
    path.write_text(f"variant,answer,why\nv:{shown[2]['variant_id']},take,so\nv:none,take,so\n", "utf-8")
    code, (answered,), _ = daylight(home, "answer", REQUEST_ID, str(path), "--by", "pat")
    assert str(code) == "1 rows were not accepted; correct them and run this again"
    assert (answered["taken"], answered["version"]) == (1, 3)
    _, shown, _ = daylight(home, "list", REQUEST_ID)
    assert [one["state"] for one in shown] == ["open", "open", "taken", "taken", "refused"]
