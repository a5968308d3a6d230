"""The example records officer answers as planned, and places every answer."""

import csv
import json

import pytest

from examples.decide import ANSWERS, Filled, fill, fill_sample, main

COLUMNS = ["item_id", "from", *ANSWERS, "reviewer"]


def answer(**given):
    plain = {
        "public_record": True,
        "facts": "",
        "responsive": True,
        "treatment": "release",
        "exemption_code": "",
    }
    return {**plain, "explanation": "", "hold": "", "note": "", **given}


def child(name, review=None, children=()):
    return {"name": name, "review": {"bus": review} if review else {}, "children": list(children)}


TRUTH = [
    {
        "source_id": "mail-01",
        "native_key": "cur/1",
        "review": {"bus": answer()},
        "children": [
            child(
                "a.pdf",
                answer(treatment="redact", exemption_code="student-any-record", explanation="names a pupil"),
            ),
            child("a.pdf", answer(hold="counsel", note="locked")),
            child(
                "b.zip",
                answer(),
                [child("in.txt", answer(treatment="withhold", exemption_code="attorney-client"))],
            ),
        ],
    },
    {
        "source_id": "mail-02",
        "native_key": "cur/1",
        "review": {"bus": answer(public_record=False, responsive=False, facts="supper", treatment="")},
        "children": [],
    },
    {"source_id": "mail-03", "native_key": "cur/9", "review": {"other": answer()}, "children": []},
]


def item(item_id, source, native, name, parent=None, family=None):
    return {
        "item_id": item_id,
        "parent_id": parent,
        "family_id": family or item_id,
        "source": source,
        "native_id": native,
        "name": name,
    }


ITEMS = [
    item("t1", "mail-01", "cur/1", None),
    item("c1", "mail-01", "cur/1", "a.pdf", "t1", "t1"),
    item("c2", "mail-01", "cur/1", "a.pdf", "t1", "t1"),
    item("c3", "mail-01", "cur/1", "b.zip", "t1", "t1"),
    item("c4", "mail-01", "cur/1", "in.txt", "c3", "t1"),
    item("t2", "mail-02", "cur/1", None),
    item("t3", "mail-03", "cur/9", None),
    item("t4", "mail-09", "unknown", None),
    item("c5", "mail-09", "unknown", "x.txt", "t4", "t4"),
]


@pytest.fixture
def paths(tmp_path):
    def lines(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
        return path

    def sheet(keys, columns=tuple(COLUMNS)):
        path = tmp_path / "sheet.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([key, "Ü", *[""] * (len(columns) - 2)] for key in keys)
        return path

    return sheet, lines("items.jsonl", ITEMS), lines("truth.jsonl", TRUTH), tmp_path / "out.csv"


def filled(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["item_id"]: row for row in csv.DictReader(file)}


def test_answers_are_placed_by_source_key_place_and_name(paths):
    sheet, items, truth, out = paths
    keys = ["i:t1", "i:c1", "i:c2", "i:c3", "i:c4", "i:t2", "i:t3", "i:t4", "i:c5"]
    assert fill(sheet(keys), items, truth, "bus", out) == Filled(planned=6, unplanned=3)
    rows = filled(out)
    assert list(rows) == keys
    assert list(rows["i:t1"]) == COLUMNS
    assert rows["i:t1"]["from"] == "Ü"
    got = {k: [r[c] for c in ANSWERS] for k, r in rows.items()}
    assert got == {
        "i:t1": ["yes", "yes", "release", "", "", "", ""],
        "i:c1": ["yes", "yes", "redact", "student-any-record", "names a pupil", "", ""],
        "i:c2": ["yes", "yes", "release", "", "", "counsel", "locked"],
        "i:c3": ["yes", "yes", "release", "", "", "", ""],
        "i:c4": ["yes", "yes", "withhold", "attorney-client", "", "", ""],
        "i:t2": ["personal", "", "", "", "supper", "", ""],
        "i:t3": ["yes", "no", "", "", "", "", ""],
        "i:t4": ["yes", "no", "", "", "", "", ""],
        "i:c5": ["yes", "no", "", "", "", "", ""],
    }


def test_a_child_out_of_place_is_known_by_its_name(paths, tmp_path):
    sheet, _, truth, out = paths
    moved = [ITEMS[0], ITEMS[3], ITEMS[4]]  # b.zip comes first
    items = tmp_path / "moved.jsonl"
    items.write_text("".join(json.dumps(r) + "\n" for r in moved), "utf-8")
    assert fill(sheet(["c4"]), items, truth, "bus", out) == Filled(planned=1, unplanned=0)
    assert filled(out)["c4"]["treatment"] == "withhold"


def test_a_row_of_another_run_is_refused(paths):
    sheet, items, truth, out = paths
    with pytest.raises(ValueError, match="row zz is not among the items"):
        fill(sheet(["i:zz"]), items, truth, "bus", out)
    assert not out.exists()


def test_a_sheet_without_an_answer_column_is_refused(paths, capsys):
    sheet, items, truth, out = paths
    path = sheet(["i:t1"], [c for c in COLUMNS if c not in ("hold", "note")])
    assert main([*map(str, (path, items, truth)), "bus", str(out)]) == 2
    assert capsys.readouterr().err == "the sheet lacks the columns hold, note\n"


def test_the_command_says_how_many(paths, capsys):
    sheet, items, truth, out = paths
    assert main([*map(str, (sheet(["i:t1", "i:t4"]), items, truth)), "bus", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == {"planned": 1, "unplanned": 1}


def test_mail_that_a_variant_finds_is_released_for_its_request_alone(paths):
    sheet, items, truth, out = paths
    found = {"request": "bus", "families": [["mail-03", "cur/9"]]}
    other = {"request": "other", "families": [["mail-09", "unknown"]]}
    rows = "".join(json.dumps(row) + "\n" for row in (found, other))
    truth.with_name("truth-variants.jsonl").write_text(rows, "utf-8")
    assert fill(sheet(["i:t3", "i:t4"]), items, truth, "bus", out) == Filled(planned=1, unplanned=1)
    assert [filled(out)["i:t3"][c] for c in ANSWERS] == ["yes", "yes", "release", "", "", "", ""]
    assert filled(out)["i:t4"]["responsive"] == "no"


def test_the_sheet_of_a_sample(paths, capsys):
    sheet, items, truth, out = paths
    path = sheet(["i:t1", "i:c1", "i:t2", "i:t3"], ["item_id", "from", "responsive", "why", "reviewer"])
    assert fill_sample(path, items, truth, "bus", out) == Filled(planned=2, unplanned=2)
    answers = {key: row["responsive"] for key, row in filled(out).items()}
    assert answers == {"i:t1": "yes", "i:c1": "yes", "i:t2": "no", "i:t3": "no"}
    out.unlink()
    assert main(["--sample", *map(str, (path, items, truth)), "bus", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == {"planned": 2, "unplanned": 2}
