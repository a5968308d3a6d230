"""Declared sources: what custodians answer is kept, receipts bind files, and only what has one is read."""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import declaring
from desk.books import books
from desk.closing import unfinished
from desk.coverage import coverage
from desk.declaration_file import COLUMNS, read_answers, template, write_template
from desk.declaring import Gap, Missing, listed, standing, take_in
from desk.estimating import estimate
from desk.home import Home
from desk.register import open_request
from desk.request import parse_source
from desk.status import status
from desk.topping_up import amend
from records import audit
from records import tables as t
from records.errors import AccessError, AlreadyRunning, SettingsError, UsageError
from records.settings import Settings
from search.unsearched import Unsearched, unsearched
from tests.desk.fake_mailbox import run
from tests.servers.postgres import postgres

ID = "2026-0001"
REQUEST = """
text = "All records about the bus route"
received_on = 2026-09-08
terms = "terms.csv"
window = { from = 2026-01-01, to = 2026-06-30 }
[[custodians]]
id = "lee"
name = "Ann Lee"
[[custodians]]
id = "kim"
name = "Kim Day"
[[sources]]
id = "lee-phone"
connector = "loose_files"
custodian = "lee"
path = "handed/lee"
declared = true
[[sources]]
id = "kim-mail"
connector = "loose_files"
custodian = "kim"
path = "mail"
"""
PHONE = """
[[declarations]]
custodian = "lee"
used = true
answered_on = 2026-09-10
statement = "Only this phone."
[[declarations.places]]
kind = "phone"
which = "+1 206 555 0101"
how_searched = "Messages, for 'bus', all of the days"
files = ["handed/lee"]
handed_over = "two threads"
kept_back = 12
kept_back_why = "talks with family about dinner"
"""
NO = '[[declarations]]\ncustodian = "{}"\nused = false\nanswered_on = 2026-09-11\n'


@pytest.fixture
def home(tmp_path):
    opened = opened_home(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    """A request for the tests that leave it as it is, with its folder."""
    folder = tmp_path_factory.mktemp("same")
    (folder / "empty").mkdir()
    opened = opened_home(folder)
    yield opened, folder
    opened.close()


def opened_home(folder: Path, catalogue: str = "") -> Home:
    hand_over(folder, "one.txt", "bus route one")
    hand_over(folder, "deep/two.txt", "bus route two")
    (folder / "mail").mkdir()
    (folder / "mail" / "a.txt").write_text("bus route a", "utf-8")
    (folder / "terms.csv").write_text("term\nbus route\n", "utf-8")
    (folder / "request.toml").write_text(REQUEST, "utf-8")
    home = Home.open(settings=Settings(home=folder / "home", catalogue=catalogue, workers=1))
    open_request(home, folder / "request.toml", by="pro")
    return home


def hand_over(folder: Path, name: str, words: str) -> Path:
    path = folder / "handed" / "lee" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words, "utf-8")
    return path


def declare(home: Home, folder: Path, text: str, name: str = "said.toml") -> dict:
    (folder / name).write_text(text, "utf-8")
    return take_in(home, ID, folder / name, by="pro")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def found(home: Home) -> list[str]:
    i = t.items.c
    with home.catalogue.read() as connection:
        return list(
            connection.scalars(
                sa.select(i.native_key).where(i.source_id == "lee-phone").order_by(i.native_key)
            )
        )


def place(home: Home) -> tuple[str, str]:
    """Return state and detail of the personal source as a whole."""
    places = coverage(home, ID, books(home, ID)).places
    (one,) = [one for one in places if one.source == "lee-phone" and not one.place]
    return str(one.state), one.detail


# -- taking in


def test_a_yes_gives_a_receipt_for_each_file_and_a_no_is_kept(home, tmp_path):
    made = declare(home, tmp_path, PHONE + NO.format("kim"))
    assert made["declarations"] == [
        {"custodian": "lee", "declaration": 1, "used": True, "answered_on": "2026-09-10", "places": 1,
         "files": 2, "supersedes": None},
        {"custodian": "kim", "declaration": 1, "used": False, "answered_on": "2026-09-11", "places": 0,
         "files": 0, "supersedes": None},
    ]  # fmt: skip
    root = tmp_path / "handed" / "lee"
    receipts = [(one["path"], one["sha256"], one["size_bytes"], one["place"]) for one in made["receipts"]]
    assert receipts == [
        (str(root / "deep" / "two.txt"), sha("bus route two"), 13, 1),
        (str(root / "one.txt"), sha("bus route one"), 13, 1),
    ]
    assert {(one["custodian"], one["declaration"]) for one in made["receipts"]} == {("lee", 1)}
    assert (made["gaps"], made["unanswered"], made["round"], made["listed_again"]) == ([], [], None, [])
    kim, lee = listed(home, ID)["declarations"]
    assert (kim["used"], kim["places"]) == (False, ())
    (phone,) = lee["places"]
    assert phone["kind"] == "phone"
    assert (phone["which"], phone["kept_back"], phone["why"]) == (
        "+1 206 555 0101", 12, "talks with family about dinner",
    )  # fmt: skip
    assert (lee["statement"], lee["version"], lee["by"], lee["in_force"]) == (
        "Only this phone.", 1, "pro", True,
    )  # fmt: skip
    assert lee["file_sha256"] == hashlib.sha256((tmp_path / "said.toml").read_bytes()).hexdigest()
    with home.catalogue.read() as connection:
        entries = [json.loads(one) for one in connection.scalars(sa.select(t.audit.c.entry))]
    told = [one for one in entries if one["action"] == "declared"]
    assert [(one["custodian"], one["declaration"], one["used"], one["files"]) for one in told] == [
        ("lee", 1, True, 2), ("kim", 1, False, 0),
    ]  # fmt: skip
    assert "family" not in json.dumps(told)
    audit.verify(home.catalogue)


def test_csv_says_the_same_as_toml(home, tmp_path):
    rows = [
        {"custodian": "lee", "used": "yes", "answered_on": "2026-09-10", "kind": "phone",
         "which": "'+1 206 555 0101", "how_searched": "by hand",
         "files": "handed/lee/one.txt; handed/lee/deep/two.txt", "kept_back": "0"},
        {"custodian": "lee", "kind": "email", "which": "lee@mail.example", "how_searched": "by words",
         "kept_back": "2", "kept_back_why": "her doctor"},
        {},
        {"custodian": "kim", "used": "No", "answered_on": "2026-09-11", "statement": "never"},
    ]  # fmt: skip
    with (tmp_path / "said.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows)
    made = take_in(home, ID, tmp_path / "said.csv", by="pro")
    assert [(one["custodian"], one["used"], one["places"], one["files"]) for one in made["declarations"]] == [
        ("lee", True, 2, 2), ("kim", False, 0, 0),
    ]  # fmt: skip
    kim, lee = listed(home, ID)["declarations"]
    assert [one["which"] for one in lee["places"]] == ["+1 206 555 0101", "lee@mail.example"]
    assert kim["statement"] == "never"
    assert made["gaps"] == [
        {"gap": "no_file", "custodian": "lee", "source": "", "place": 2, "files": 0},
    ]  # fmt: skip


def test_a_later_declaration_supersedes_and_the_earlier_stays(home, tmp_path):
    declare(home, tmp_path, PHONE)
    made = declare(home, tmp_path, NO.format("lee"), "later.toml")
    assert made["declarations"][0]["supersedes"] == 1
    first, second = listed(home, ID)["declarations"]
    assert [(one["declaration"], one["in_force"], one["used"]) for one in (first, second)] == [
        (1, False, True), (2, True, False),
    ]  # fmt: skip
    assert [one["sha256"] for one in first["places"][0]["receipts"]] == [
        sha("bus route two"), sha("bus route one"),
    ]  # fmt: skip


LINE = '[[declarations]]\ncustodian = "{}"\nused = {}\nanswered_on = {}\n'
PLACE = '[[declarations.places]]\nkind = "phone"\nwhich = "1"\nhow_searched = "x"\nkept_back = 0\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "declarations: missing"),
        ("x = [", "not valid TOML"),
        ("declarations = []", "there is no declaration in it"),
        (LINE.format("lee", '""', "2026-09-10"), r"declarations.0.used: write true or false \(yes or no\)"),
        (LINE.format("lee", "false", '"soon"'), "answered_on: write the day of the answer"),
        (LINE.format("lee", "true", "2026-09-10"), "the answer is yes: name each device or account"),
        (NO.format("lee") + PLACE, "the answer is no, and a device or account is named"),
        (LINE.format("lee", "false", "2026-09-07"), "lee: answered_on: before the request was received"),
        (NO.format("lee") * 2, "one declaration a custodian, and there are more of lee"),
        (NO.format("lee") + "whom = 1\n", "declarations.0.whom: unknown key"),
        (NO.format("nobody"), "declaration of nobody: the request has no such custodian"),
        (PHONE.replace('"phone"', '"fax"'), "places.0.kind: write one of phone, tablet"),
        (PHONE.replace('which = "+1 206 555 0101"', 'which = " "'), "which: String should have at least 1"),
        (PHONE.replace("kept_back = 12\n", ""), "places.0.kept_back: missing"),
        (PHONE.replace("kept_back_why", "# "), "places.0: records were kept back: say why"),
        (PHONE.replace("= 12", "= 0"), "there is a reason for keeping back and `kept_back` is 0"),
        (PHONE.replace('"handed/lee"', '"nowhere"'), "lee, place 1: files: number 1 is not there"),
        (PHONE.replace('"handed/lee"', '"empty"'), "files: number 1 holds no file"),
        (PHONE.replace('"handed/lee"', '"handed/lee", "handed/lee/one.txt"'), "number 2 has a file that was"),
        (PHONE.replace('"handed/lee"', '"mail/a.txt"'), r"files: of sources of somebody else \(kim-mail\)"),
        (PHONE + 'source = "kim-mail"\n', "source: this custodian has no declared source of this id"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_by_place_and_nothing_of_it_is_taken_in(same, text, why):
    home, folder = same
    with pytest.raises(SettingsError, match=why) as refused:
        declare(home, folder, NO.format("kim") + text if text.startswith("\n[[") else text)
    assert "dinner" not in str(refused.value)
    assert (listed(home, ID)["declarations"], listed(home, ID)["unanswered"]) == ([], ["lee", "kim"])


def test_all_that_is_wrong_in_a_table_is_said_at_once(same):
    home, tmp_path = same
    (tmp_path / "said.csv").write_text(
        "custodian,used,answered_on,kind,which,how_searched,kept_back\n"
        "lee,yes,2026-09-10,fax,1,x,0\nlee,no,2026-09-10,phone,,x,0\nkim,perhaps,2026-09-10,,,,\n"
        "kim,,,,,,,more\n",
        "utf-8",
    )
    with pytest.raises(SettingsError) as refused:
        take_in(home, ID, tmp_path / "said.csv", by="pro")
    text = str(refused.value)
    for part in (
        "line 5: more cells than columns", "line 3: used: not what line 2 says", "line 2: kind: write one of",
        "line 3: which: missing", "line 4: used: write true or false",
    ):  # fmt: skip
        assert part in text
    (tmp_path / "said.csv").write_text("custodian,used,phone\n", "utf-8")
    with pytest.raises(
        SettingsError, match="unknown column phone; the first line lacks the column answered_on"
    ):
        read_answers(tmp_path / "said.csv")
    (tmp_path / "said.csv").write_text("custodian,used,answered_on\n", "utf-8")
    with pytest.raises(SettingsError, match="there is no declaration in it"):
        read_answers(tmp_path / "said.csv")


def test_a_file_that_cannot_be_read_leaves_nothing_behind(same, monkeypatch):
    home, tmp_path = same

    def broken(file):
        raise PermissionError(13, "Permission denied", file)

    monkeypatch.setattr(declaring, "receipt", broken)
    with pytest.raises(
        SettingsError, match=r"number 1 cannot be read \(Permission denied\); nothing was taken"
    ):
        declare(home, tmp_path, NO.format("kim") + PHONE)
    assert listed(home, ID)["declarations"] == []


def test_a_closed_request_takes_none(home, tmp_path):
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed; no further declaration"):
        declare(home, tmp_path, NO.format("kim"))


# -- only what was handed over is read


def test_what_nobody_declared_is_not_read_and_stands_as_missing(home, tmp_path):
    assert run(home, ID)["outcome"] == "partial: 1 place not read"
    assert found(home) == []
    assert place(home) == ("not_answered", "no_declaration")
    assert books(home, ID).unplanned == ("lee-phone",)
    told = status(home, ID)["declarations"]
    assert told == {
        "answered": 0, "used": 0, "not_used": 0, "files": 0, "unanswered": ["lee", "kim"],
        "gaps": [
            {"gap": "no_declaration", "custodian": "lee", "source": "lee-phone", "place": None, "files": 0}
        ],
    }  # fmt: skip
    assert unfinished(home, ID) == ["custodian lee: no declaration speaks of source lee-phone"]
    (counted, mail) = estimate(home, ID, by="pro").sources
    assert (counted.answered, counted.problem, counted.items) == (
        False,
        "source lee-phone: no_declaration",
        0,
    )
    assert (mail.answered, mail.items) == (True, 1)
    declare(home, tmp_path, PHONE)
    assert run(home, ID)["outcome"] == "complete"
    assert found(home) == ["deep/two.txt", "one.txt"]
    ledger = books(home, ID)
    assert (ledger.balanced, ledger.unplanned) == (True, ())
    assert [scope.kept_back for scope in ledger.scopes] == [None, 12]
    assert unfinished(home, ID) == []


def test_a_no_leaves_nothing_to_read_and_the_ledger_balances(home, tmp_path):
    declare(home, tmp_path, NO.format("lee") + NO.format("kim"))
    assert run(home, ID)["outcome"] == "complete"
    assert found(home) == []
    assert place(home) == ("empty", "declared_not_used")
    assert (books(home, ID).unplanned, books(home, ID).balanced) == ((), True)
    assert unfinished(home, ID) == []
    assert estimate(home, ID, by="pro").sources[0].answered is True
    assert unsearched(home.catalogue, home.engine(ID), ID) == Unsearched((), 0, 0, 0)


def test_a_device_of_which_nothing_was_handed_over_is_missing(home, tmp_path):
    made = declare(home, tmp_path, PHONE.replace('files = ["handed/lee"]', 'source = "lee-phone"'))
    gap = {"gap": "no_file", "custodian": "lee", "source": "lee-phone", "place": 1, "files": 0}
    assert made["gaps"] == [gap]
    run(home, ID)
    assert (found(home), place(home)) == ([], ("not_answered", "no_file"))
    assert unfinished(home, ID) == ["custodian lee: place 1 was used, and no file of it was handed over"]


def test_files_other_than_those_received_are_not_read(home, tmp_path):
    declare(home, tmp_path, PHONE)
    stray = hand_over(tmp_path, "three.txt", "mine")
    assert run(home, ID)["outcome"] == "partial: 1 place not read"
    assert found(home) == []
    assert place(home) == ("not_answered", "not_as_received: files 1 without a receipt")
    stray.unlink()
    for change, detail in (
        (lambda: hand_over(tmp_path, "one.txt", "bus route two"), "1 changed"),  # of the same size
        (lambda: hand_over(tmp_path, "one.txt", "bus"), "1 changed"),
        (lambda: (tmp_path / "handed/lee/one.txt").unlink(), "1 not there"),
        (lambda: hand_over(tmp_path, "four.txt", "mine"), "1 without a receipt, 1 not there"),
    ):
        change()
        (bar,) = declaring.barred(home, home.request(ID)).values()
        assert (bar.answer, bar.detail) == ("not_answered", f"not_as_received: files {detail}")


def test_the_same_bytes_with_another_time_are_those_received_and_a_link_is_no_hand_over(home, tmp_path):
    (tmp_path / "handed" / "lee" / "link.txt").symlink_to(tmp_path / "mail" / "a.txt")
    assert len(declare(home, tmp_path, PHONE)["receipts"]) == 2
    hand_over(tmp_path, "one.txt", "bus route one")
    assert declaring.barred(home, home.request(ID)) == {}


def test_more_files_declared_later_are_listed_by_the_next_run(home, tmp_path):
    declare(home, tmp_path, PHONE)
    run(home, ID)
    again = declare(home, tmp_path, PHONE.replace("= 12", "= 9"), "again.toml")
    assert (again["round"], again["listed_again"]) == (None, [])
    assert [scope.kept_back for scope in books(home, ID).scopes] == [None, 9]
    hand_over(tmp_path, "three.txt", "bus route three")
    more = declare(home, tmp_path, PHONE, "more.toml")
    assert (more["round"], more["listed_again"]) == (1, ["lee-phone"])
    assert home.request(ID).state == "open"
    run(home, ID)
    assert found(home) == ["deep/two.txt", "one.txt", "three.txt"]
    assert books(home, ID).balanced


def test_what_was_listed_and_is_barred_before_it_was_collected_stops_the_run(home, tmp_path):
    declare(home, tmp_path, PHONE)
    run(home, ID)
    with home.catalogue.write() as connection:
        b = t.batches.c
        connection.execute(
            t.batches.update().where(b.source_id == "lee-phone").values(collect_state="waiting")
        )
    hand_over(tmp_path, "three.txt", "mine")
    with pytest.raises(
        AccessError, match=r"source lee-phone: not_as_received: .*; it was not read to its end"
    ):
        run(home, ID)


def test_a_run_that_is_alive_is_not_disturbed(home, tmp_path):
    declare(home, tmp_path, PHONE)
    run(home, ID)
    hand_over(tmp_path, "three.txt", "bus route three")
    with declaring.runlock.local_run(home, ID):
        declare(home, tmp_path, NO.format("kim"))  # nothing is to be listed again
        with pytest.raises(AlreadyRunning):
            declare(home, tmp_path, PHONE, "more.toml")
    assert [one["declaration"] for one in listed(home, ID)["declarations"]] == [1, 1]


# -- what is missing


def test_files_that_no_source_reads_and_days_that_changed_are_missing(home, tmp_path):
    (tmp_path / "more.txt").write_text("x", "utf-8")
    other = '\n[[declarations.places]]\nkind = "storage"\nwhich = "lee"\nhow_searched = "x"\nkept_back = 0\n'
    declare(home, tmp_path, PHONE + other + 'files = ["more.txt"]\n')
    assert standing(home, ID).gaps == (Gap(Missing.NO_SOURCE, "lee", "", 2, 1),)
    assert unfinished(home, ID) == [
        "custodian lee: 1 files of place 2 were handed over, and no source reads them"
    ]
    wider = REQUEST.replace("2026-06-30", "2026-07-31")
    (tmp_path / "request.toml").write_text(wider, "utf-8")
    amend(home, ID, tmp_path / "request.toml", by="pro", why="clarified")
    assert standing(home, ID).gaps[1:] == (Gap(Missing.OTHER_DAYS, "lee"),)


def test_a_place_is_read_by_one_source(home, tmp_path):
    second = (
        '[[sources]]\nid = "lee-cloud"\nconnector = "loose_files"\ncustodian = "lee"\n'
        'path = "cloud"\ndeclared = true\n'
    )
    (tmp_path / "request.toml").write_text(REQUEST + second, "utf-8")  # nothing lies there yet
    amend(home, ID, tmp_path / "request.toml", by="pro", why="she names another account")
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "c.txt").write_text("c", "utf-8")
    both = PHONE.replace('["handed/lee"]', '["handed/lee", "cloud"]')
    with pytest.raises(SettingsError, match=r"files: of several sources \(lee-cloud, lee-phone\)"):
        declare(home, tmp_path, both)
    with pytest.raises(SettingsError, match="files: some are those of source lee-cloud"):
        declare(home, tmp_path, both + 'source = "lee-phone"\n')
    declare(home, tmp_path, PHONE)
    assert standing(home, ID).gaps == (Gap(Missing.NO_DECLARATION, "lee", "lee-cloud"),)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"connection": "c"}, "read from files that were handed over: write `path`"),
        ({"path": "p", "kept_back": 1}, "stands in its declaration, not here"),
    ],
)
def test_a_declared_source_is_one_of_files_and_its_count_is_declared(keys, why):
    raw = {"id": "s", "connector": "loose_files", "custodian": "a", "declared": True, **keys}
    with pytest.raises(SettingsError, match=why):
        parse_source(raw, "test")


# -- the template


def test_the_template_names_everybody_and_is_refused_until_it_is_filled_in(home, tmp_path):
    body = home.request(ID).body
    text = template(ID, body).decode("utf-8")
    assert "# Days: 2026-01-01 to 2026-06-30" in text
    assert "#   All records about the bus route" in text
    assert '# source = "lee-phone"' in text
    raw = tomllib.loads(text)
    assert [one["custodian"] for one in raw["declarations"]] == ["lee", "kim"]
    with pytest.raises(SettingsError) as refused:
        declare(home, tmp_path, text)
    assert str(refused.value).count("declarations.") == 4  # whether, and when, of both
    first, then = (text.index(f'[[declarations]]\ncustodian = "{name}"') for name in ("lee", "kim"))
    filled = text[first:then].replace("\n# ", "\n")
    for blank, value in (
        ('answered_on = ""', "answered_on = 2026-09-10"), ('used = ""', "used = true"),
        ('kind = ""', 'kind = "phone"'), ('which = ""', 'which = "1"'),
        ("files = []", 'files = ["handed/lee"]'),
        ('how_searched = ""', 'how_searched = "all"'),
    ):  # fmt: skip
        assert blank in filled
        filled = filled.replace(blank, value)
    assert len(declare(home, tmp_path, filled)["receipts"]) == 2


def test_a_template_is_never_written_over_and_a_table_has_a_line_each(same, tmp_path):
    home, _ = same
    body = home.request(ID).body
    write_template(ID, body, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["custodian"] for row in rows] == ["lee", "kim"]
    assert tuple(rows[0]) == COLUMNS
    with pytest.raises(UsageError, match="is there already"):
        write_template(ID, body, tmp_path / "t.csv")


def test_words_of_the_request_cannot_break_out_of_a_comment(same):
    home, _ = same
    body = home.request(ID).body.model_copy(update={"text": "one\u2028[[x]]\r\n[[declarations]]\x00"})
    text = template(ID, body).decode("utf-8")
    assert [one["custodian"] for one in tomllib.loads(text)["declarations"]] == ["lee", "kim"]


@pytest.mark.services
def test_the_same_on_postgresql(tmp_path):
    with postgres() as address:
        home = opened_home(tmp_path, f"{address}/postgres")
        try:
            declare(home, tmp_path, PHONE)
            declare(home, tmp_path, NO.format("kim"))
            assert run(home, ID)["outcome"] == "complete"
            kim, lee = listed(home, ID)["declarations"]
            assert (kim["used"], lee["used"]) == (False, True)
            assert [one["sha256"] for one in lee["places"][0]["receipts"]] == [
                sha("bus route two"), sha("bus route one"),
            ]  # fmt: skip
            assert (standing(home, ID).gaps, books(home, ID).balanced) == ((), True)
        finally:
            home.close()
