"""A sample's rows and its sheet: out in the order drawn, back in parts, nothing overwritten."""

import csv
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

import psycopg
import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from records import audit
from records import tables as t
from records.decisions import families_found_in_samples
from records.errors import UsageError
from review import sample_rows, sampling
from review.sample_rows import Answer, Basis
from review.sample_sheet import SAMPLE_FORM, apply_sample_sheet, write_sample_sheet
from review.sheet import read_sheet
from review.sheet_form import key_of
from tests.review.build import REQUEST, Desk
from tests.servers.postgres import postgres

ZONE = ZoneInfo("America/Los_Angeles")
BASIS = Basis(
    0.95, 0.02, seed_chosen=True, reviewed=1, not_stored=0, responsive=0, undecided=1, index_documents=9
)
KINDS = pytest.mark.parametrize("suffix", [".xlsx", ".csv"])


@pytest.fixture(scope="module")
def server():
    with postgres() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def drawn(request, tmp_path):
    """A sample of three of four families that no term hits; the fifth family is in review."""
    address = None
    if request.param == "postgresql":
        name = f"d{uuid.uuid4().hex}"
        server = request.getfixturevalue("server")
        with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        address = f"{server}/{name}"
    made = Desk(tmp_path / "home", address=address)
    item = {"hit": made.add("0", subject="Bus route", hits={1: 1})}
    for n in range(1, 4):
        item[f"m{n}"] = made.add(str(n), subject=f"=Lunch {n}", text=f"Sandwiches {n}")
    item["zip"] = made.add(
        "1", parent=item["m1"], kind="file", name="a.txt", text="Soup", media_type="text/plain"
    )
    made.add("2", parent=item["m1"], kind="file", name="b.zip", state="failed", reason="encrypted")
    item["scan"] = made.add(
        "9", kind="file", name="scan.tif", text=None, text_state="pending", reason="needs_ocr"
    )
    made.save()
    left = [item[key] for key in ("m1", "m2", "m3", "scan")]
    order = sampling.draw(left, 5, 3)
    digest = sampling.frame_sha256(sampling.frame_text(left))
    sample_rows.keep(made.catalogue, REQUEST, 1, 5, 4, digest, order, BASIS, "P. Officer")
    yield made, item, order
    made.close()


def write(made, folder, suffix=".csv", name="sample"):
    path = folder / f"{name}{suffix}"
    write_sample_sheet(made.catalogue, made.store, REQUEST, 1, path, zone=ZONE)
    return path


def table(path):
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    head, *rows = load_workbook(path)["Sample"].iter_rows(values_only=True)
    return [dict(zip(head, ["" if cell is None else str(cell) for cell in row], strict=True)) for row in rows]


def answer(folder, *rows, columns=("item_id", "responsive", "why", "reviewer", "answers_so_far")):
    path = folder / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def code(made, folder, *rows, by="K. Lee"):
    return apply_sample_sheet(made.catalogue, REQUEST, 1, answer(folder, *rows), by)


def answers(made):
    with made.catalogue.read() as connection:
        return sample_rows.answers_of(connection, REQUEST, 1)


def stored(made):
    a = t.sample_answers.c
    with made.catalogue.read() as connection:
        return connection.execute(
            sa.select(a.family_id, a.seq, a.responsive, a.why, a.by).order_by(a.family_id, a.seq)
        ).all()


def logged(made):
    with made.catalogue.read() as connection:
        return [
            json.loads(text)
            for text in connection.scalars(sa.select(t.audit.c.entry).order_by(t.audit.c.seq))
        ]


def test_a_draw_is_kept_whole_and_in_the_audit_log(drawn):
    made, _, order = drawn
    with made.catalogue.read() as connection:
        (kept,) = sample_rows.samples(connection, REQUEST)
        assert sample_rows.drawn_of(connection, REQUEST, 1) == order
        assert sample_rows.sample(connection, REQUEST) == kept
        with pytest.raises(UsageError, match="no sample 2; the newest is 1"):
            sample_rows.sample(connection, REQUEST, 2)
        with pytest.raises(UsageError, match="has no sample"):
            sample_rows.sample(connection, "another")
    assert (kept.number, kept.version, kept.seed, kept.population, kept.size) == (1, 1, 5, 4, 3)
    assert (kept.basis, kept.by) == (BASIS, "P. Officer")
    (entry,) = logged(made)
    assert {
        k: entry[k] for k in ("action", "actor", "request", "sample", "families", "population", "seed")
    } == {
        "action": "sampled",
        "actor": "P. Officer",
        "request": REQUEST,
        "sample": 1,
        "families": 3,
        "population": 4,
        "seed": 5,
    }


def test_a_find_leaves_the_list_and_joins_the_review(drawn, tmp_path):
    made, item, order = drawn
    left = {item[key] for key in ("m1", "m2", "m3", "scan")}
    with made.catalogue.read() as connection:
        assert sampling.families(connection, REQUEST, 1).left == left
        assert sampling.unsearchable(connection, REQUEST, left) == (1, 1)  # the scan; the mail with a zip
    code(made, tmp_path, (key_of(order[0]), "no", "", ""), (key_of(order[1]), "yes", "", ""))
    with made.catalogue.read() as connection:
        now = sampling.families(connection, REQUEST, 1)
    assert now.left == left - {order[1]}
    assert now.reviewed == now.undecided == {item["hit"], order[1]}


def test_draws_at_once_have_numbers_of_their_own(drawn):
    made, _, order = drawn

    def one(_):
        return sample_rows.keep(made.catalogue, REQUEST, 1, 5, 4, "x", order, BASIS, "P").number

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(8))) == [*range(2, 10)]
    assert audit.verify(made.catalogue).seq == 9


def test_a_draw_under_terms_that_changed_meanwhile_is_refused(drawn):
    made, _, order = drawn
    with pytest.raises(UsageError, match="changed meanwhile"):
        sample_rows.keep(made.catalogue, REQUEST, 2, 5, 4, "x", order, BASIS, "P")


@KINDS
def test_the_sheet_is_in_the_order_drawn_and_shows_no_call_of_a_machine(drawn, tmp_path, suffix):
    made, item, order = drawn
    rows = table(write(made, tmp_path, suffix))
    assert tuple(rows[0]) == SAMPLE_FORM.columns
    assert not {"why_it_hit", "suggestion", "where_it_stands"} & set(rows[0])
    expected = []
    for place, family_id in enumerate(order, start=1):
        expected.append((str(place), key_of(family_id)))
        if family_id == item["m1"]:
            expected.append((str(place), key_of(item["zip"])))
    assert [(row["drawn"], row["item_id"]) for row in rows] == expected
    assert {row["responsive"] + row["why"] + row["reviewer"] for row in rows} == {""}
    with pytest.raises(UsageError, match="is there already"):
        write(made, tmp_path, suffix)
    with pytest.raises(UsageError, match=r"an \.xlsx or a \.csv file"):
        write(made, tmp_path, ".ods")


def test_the_cells_of_a_row(drawn, tmp_path):
    made, item, _ = drawn
    with made.catalogue.write() as connection:
        connection.execute(t.sample_items.delete())
        rows = [(1, item["scan"]), (2, item["m1"])]
        connection.execute(
            t.sample_items.insert(),
            [{"request_id": REQUEST, "sample_no": 1, "position": n, "family_id": f} for n, f in rows],
        )
    scan, mail, inside = table(write(made, tmp_path))
    assert scan["could_be_searched"] == "no: needs ocr"
    assert (mail["could_be_searched"], mail["subject_or_file"]) == ("yes", "'=Lunch 1")  # never a formula
    assert mail["attachments"] == "2, of which 1 could not be taken out (encrypted)"
    assert mail["first_300_characters"] == "Sandwiches 1"
    assert (mail["member"], inside["member"], inside["drawn"]) == ("parent", "part 1 of 1", "2")
    assert mail["link"] == f"http://127.0.0.1:8421/r/{REQUEST}/i/{item['m1']}"


def test_answers_are_taken_in_parts_and_never_overwritten(drawn, tmp_path):
    made, _, order = drawn
    one, two, three = (key_of(family_id) for family_id in order)
    first = code(made, tmp_path, (one, "no", "", ""), (two, "", "", "Pat"), (three, "", "", ""))
    assert (first.applied, first.unchanged, first.empty, first.refused, first.found) == (1, 0, 2, (), ())
    second = code(made, tmp_path, (one, "No", "", ""), (two, "YES", "about the levy", "Pat"))
    assert (second.applied, second.unchanged, second.found) == (1, 1, (order[1],))
    assert answers(made) == {
        order[0]: Answer(False, "", "K. Lee"),
        order[1]: Answer(True, "about the levy", "Pat"),
    }
    third = code(made, tmp_path, (two, "no", "", "", "1"))
    assert [(r.row, r.problem) for r in third.refused] == [
        (2, "the family was answered yes before: write under why what changed")
    ]
    assert (third.applied, third.unchanged) == (0, 0)
    fourth = code(made, tmp_path, (two, "no", "another levy", "", "1"))
    assert (fourth.applied, fourth.found) == (1, ())
    assert stored(made) == sorted(
        [
            (order[0], 1, False, "", "K. Lee"),
            (order[1], 1, True, "about the levy", "Pat"),
            (order[1], 2, False, "another levy", "K. Lee"),
        ]
    )
    coded = [
        (e["actor"], e["sample"], e["families"], e["responsive"])
        for e in logged(made)
        if e["action"] == "coded"
    ]
    assert coded == [("K. Lee", 1, 1, 0), ("K. Lee", 1, 1, 1), ("K. Lee", 1, 1, 0)]
    with made.catalogue.read() as connection:
        assert families_found_in_samples(connection, REQUEST) == {}


@KINDS
def test_an_old_sheet_never_undoes_a_newer_answer(drawn, tmp_path, suffix):
    made, _, order = drawn
    one, two, three = map(key_of, order)
    code(made, tmp_path, (one, "no", "lunch", "Pat"))
    old = write(made, tmp_path, suffix, "old")
    assert [row["answers_so_far"] for row in table(old) if row["item_id"] == one] == ["1"]
    assert {row["answers_so_far"] for row in table(old) if row["item_id"] in {two, three}} == {"0"}
    code(made, tmp_path, (one, "yes", "the levy after all", "Kim", "1"), (two, "yes", "", "Kim", "0"))
    rows = table(old)
    for row in rows:
        if row["item_id"] == two:
            row |= {"responsive": "no", "why": "seen twice"}
        if row["item_id"] == three:
            row["responsive"] = "no"
    again = answer(
        tmp_path,
        *([row[c] for c in ("item_id", "responsive", "why", "reviewer", "answers_so_far")] for row in rows),
    )
    result = apply_sample_sheet(made.catalogue, REQUEST, 1, again, "K. Lee")
    assert (result.applied, result.unchanged) == (1, 0)
    problem = "the family was answered yes by Kim since this sheet was written: write the sheet anew"
    assert [r.problem for r in result.refused] == [f"{problem}, and answer there"] * 2
    assert answers(made) == {
        order[0]: Answer(True, "the levy after all", "Kim"),
        order[1]: Answer(True, "", "Kim"),
        order[2]: Answer(False, "", "K. Lee"),
    }
    # a sheet that does not say when it was written changes nothing that was answered
    (unsaid,) = code(made, tmp_path, (one, "no", "why not", "")).refused
    assert "since this sheet was written" in unsaid.problem


@KINDS
def test_a_sheet_written_again_has_the_answers_and_comes_back_unchanged(drawn, tmp_path, suffix):
    made, _, order = drawn
    code(made, tmp_path, (key_of(order[0]), "no", "=1+1", "@Pat"), (key_of(order[2]), "yes", "-5\nlines", ""))
    again = write(made, tmp_path, suffix)
    said = {
        row.item_id: (row.answers.get("responsive"), row.answers.get("why"), row.answers.get("reviewer"))
        for row in read_sheet(again, SAMPLE_FORM).rows
        if row.answers
    }
    assert said == {order[0]: ("no", "=1+1", "@Pat"), order[2]: ("yes", "-5\nlines", "K. Lee")}
    result = apply_sample_sheet(made.catalogue, REQUEST, 1, again, "K. Lee")
    assert (result.applied, result.unchanged, result.refused) == (0, 2, ())


def test_a_no_waits_while_another_row_of_its_family_is_refused(drawn, tmp_path):
    made, item, _ = drawn
    mail, inside = key_of(item["m1"]), key_of(item["zip"])
    with made.catalogue.write() as connection:
        s = t.sample_items.c
        connection.execute(t.sample_items.delete().where(s.request_id == REQUEST, s.sample_no == 1))
        row = {"request_id": REQUEST, "sample_no": 1, "position": 1, "family_id": item["m1"]}
        connection.execute(t.sample_items.insert(), [row])
    first = code(made, tmp_path, (mail, "ja", "", ""), (inside, "no", "", ""))
    assert [(refusal.row, refusal.problem) for refusal in first.refused] == [
        (2, "responsive is yes or no, not “ja”"),
        (3, "another row of the same family was refused (row 2): correct that one first"),
    ]
    assert (first.applied, answers(made)) == (0, {})
    second = code(
        made, tmp_path, (mail, "yes", "x" * 2_001, ""), (mail, "no", "", ""), (inside, "no", "", "")
    )
    assert ([refusal.row for refusal in second.refused], second.applied) == ([2, 3, 4], 0)
    third = code(made, tmp_path, (mail, "yes", "", ""), (inside, "perhaps", "", ""))  # a yes is a yes
    assert ([refusal.row for refusal in third.refused], third.found) == ([3], (item["m1"],))


def test_one_yes_in_a_family_is_a_yes(drawn, tmp_path):
    made, item, order = drawn
    if item["m1"] not in order:
        pytest.fail("the seed of this test draws the family with an attachment")
    rows = [(key_of(item["m1"]), "no", "", ""), (key_of(item["zip"]), "yes", "the soup", "Pat")]
    result = code(made, tmp_path, *rows)
    assert (result.applied, result.found) == (1, (item["m1"],))
    assert answers(made) == {item["m1"]: Answer(True, "the soup", "Pat")}
    alone = code(made, tmp_path, (key_of(item["zip"]), "no", "not that soup", "", "1"))
    assert (alone.applied, answers(made)) == (1, {item["m1"]: Answer(False, "not that soup", "K. Lee")})


def test_rows_that_cannot_be_placed_are_refused_by_row_and_the_rest_is_taken(drawn, tmp_path):
    made, item, order = drawn
    one, two, three = (key_of(family_id) for family_id in order)
    outside = next(item[k] for k in ("m1", "m2", "m3", "scan") if item[k] not in order)
    result = code(
        made,
        tmp_path,
        (one, "no", "", ""),
        (key_of("0" * 32), "no", "", ""),
        (key_of(outside), "no", "", ""),
        (key_of(item["hit"]), "yes", "", ""),
        ("nonsense", "no", "", ""),
        ("", "yes", "", ""),
        (two, "maybe", "", ""),
        (two, "", "only words", ""),
        (three, "yes", "", ""),
        (three, "no", "", ""),
    )
    assert (result.applied, result.unchanged, list(answers(made))) == (1, 0, [order[0]])
    assert [(r.row, r.problem) for r in result.refused] == [
        (3, f"request {REQUEST} has no such record: is the sheet another request's?"),
        (4, "this record is not in sample 1: is the sheet another sample's?"),
        (5, "this record is not in sample 1: is the sheet another sample's?"),
        (6, "item_id is no row key (was it changed?): copy it again from the sheet that was written"),
        (7, "item_id is empty: copy the row again from the sheet that was written"),
        (8, "rows 8, 9 answer differently for the same record: keep one"),
        (9, "rows 8, 9 answer differently for the same record: keep one"),
        (10, "rows 10, 11 answer differently for the same record: keep one"),
        (11, "rows 10, 11 answer differently for the same record: keep one"),
    ]
    again = code(
        made, tmp_path, (two, "maybe", "", ""), (three, "", "only words", ""), (one, "no", "x" * 2_001, "")
    )
    assert [r.problem for r in again.refused] == [
        "responsive is yes or no, not “maybe”",
        "responsive comes first: answer yes or no",
        "why is longer than 2000 characters",
    ]


def test_a_file_that_is_no_sample_sheet_is_refused_whole(drawn, tmp_path):
    made, _, order = drawn
    path = answer(tmp_path, (key_of(order[0]), "no"), columns=("item_id", "responsive"))
    with pytest.raises(
        UsageError, match="lacks the column why; a sample sheet has the columns item_id, responsive"
    ):
        apply_sample_sheet(made.catalogue, REQUEST, 1, path, "K. Lee")
    path = answer(
        tmp_path, (key_of(order[0]), "no", "", ""), columns=("item_id", "responsive", "why", "reviewr")
    )
    with pytest.raises(UsageError, match="did you mean reviewer"):
        apply_sample_sheet(made.catalogue, REQUEST, 1, path, "K. Lee")
    assert answers(made) == {}


def test_a_closed_request_takes_no_answers_and_no_draw(drawn, tmp_path):
    made, _, order = drawn
    with made.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed; its samples no longer change"):
        code(made, tmp_path, (key_of(order[0]), "no", "", ""))
    with pytest.raises(UsageError, match="is closed"):
        sample_rows.keep(made.catalogue, REQUEST, 1, 5, 4, "x", order, BASIS, "P")
    assert stored(made) == []


def test_writers_at_once_number_their_answers_without_gaps(drawn):
    made, _, order = drawn

    def one(number):
        given = {order[0]: Answer(True, f"writer {number}", "P")}
        return sample_rows.record(made.catalogue, REQUEST, 1, given, "P")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(12))) == 12
    assert [row.seq for row in stored(made)] == [*range(1, 13)]
