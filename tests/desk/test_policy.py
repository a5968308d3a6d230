"""The policy on texting at the desk: off by default, never on what is personal, no ground, in no bundle."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from desk import bundle, declaring, policy, reviewing
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.status import status
from records import audit, canonical
from records import tables as t
from records.decisions import Decision, Treatment
from records.errors import AccessError, SettingsError, UsageError
from records.evidence import EvidenceStore
from records.settings import Settings
from review import decide, suggest
from review.policy import FILE
from tests.connectors.builders import backup_bytes
from tests.connectors.built_known_tables import LOG
from tests.desk.fake_mailbox import run
from tests.servers.postgres import postgres

ID = "2026-0001"
SECRET = "Otter22!x"
REQUEST = """
text = "All texts about the bus"
received_on = 2026-09-08
terms = "terms.csv"
roster = "roster.csv"
[[custodians]]
id = "lee"
name = "Ann Lee"
numbers = ["+12065550101"]
[[sources]]
id = "texts"
connector = "twilio_log"
custodian = "lee"
path = "texts"
[[sources]]
id = "chats"
connector = "whatsapp"
custodian = "lee"
path = "chats"
[[sources]]
id = "own-phone"
connector = "sms_backup_restore"
custodian = "lee"
path = "own"
declared = true
[[sources]]
id = "old-phone"
connector = "sms_backup_restore"
custodian = "lee"
path = "old"
kept_back = 3
"""
ROSTER = """kind,name,aliases,emails,numbers,guardian_of
student,Mia Cole,,,+12065550111,
student,Jon Park,,,+12065550112,
guardian,Eve Cole,,,+12065550121,Mia Cole
guardian,Al Park,,,+12065550122,Jon Park
"""
TEXTS = [
    ("+12065550101", "+12065550111", "bus at four, see you"),
    ("+12065550111", "+12065550101", "ok, the bus"),
    ("+12065550101", "+12065550199", f"the bus office password is {SECRET}"),
    ("+12065550101", "+12065550199", "I approved the bus contract"),
    ("+12065550101", "+12065550122", "Jon is on the bus"),
    ("+12065550101", "+12065550199", "bus 4 is late"),
]
SMS = '<sms address="+12065550111" date="{at}" type="2" body="{body}" />'
OWN = ("I approved the bus contract, vote yes on the levy", f"bus password is {SECRET}")
DECLARED = """
[[declarations]]
custodian = "lee"
used = true
answered_on = 2026-09-10
statement = ""
[[declarations.places]]
kind = "phone"
which = "+1 206 555 0101"
how_searched = "Messages, for 'bus'"
files = ["own"]
handed_over = "one thread"
kept_back = 0
"""
TABLES = (t.policies, t.policy_checks, t.policy_marks, t.policy_judgements)


def write(folder: Path) -> None:
    """Write a request with two sources of the district and two of somebody's own."""
    for name in ("texts", "chats", "own", "old"):
        (folder / name).mkdir()
    rows = [
        f'{who},{to},"{said}",delivered,2026-03-02T18:0{n}:00Z,2010-04-01,1,,AC1,SM{n},outbound-api,,,0\n'
        for n, (who, to, said) in enumerate(TEXTS)
    ]
    (folder / "texts" / "log.csv").write_text(LOG + "".join(rows), "utf-8")
    chat = "3/2/26, 09:12 - Ann Lee: the bus is here\n3/2/26, 09:13 - Bo Ode: thanks\n"
    (folder / "chats" / "WhatsApp Chat with Bo Ode.txt").write_text(chat, "utf-8")
    for place in ("own", "old"):
        said = [
            SMS.format(at=1772470800000 + n, body=f"{place}: {words}").encode() for n, words in enumerate(OWN)
        ]
        (folder / place / "sms.xml").write_bytes(backup_bytes(said))
    (folder / "terms.csv").write_text("term\nbus\n", "utf-8")
    (folder / "roster.csv").write_text(ROSTER, "utf-8")
    (folder / "request.toml").write_text(REQUEST, "utf-8")
    (folder / "said.toml").write_text(DECLARED, "utf-8")
    shipped = FILE.read_text("utf-8")
    (folder / "rules.toml").write_text(shipped.replace("connectors = []", 'connectors = ["twilio_log"]', 1))


def opened(folder: Path, catalogue: str = "") -> Home:
    home = Home.open(settings=Settings(home=folder / "home", catalogue=catalogue, workers=1))
    open_request(home, folder / "request.toml", by="pro")
    declaring.take_in(home, ID, folder / "said.toml", by="pro")
    run(home, ID)
    i = t.items.c
    with home.catalogue.read() as connection:
        texts = connection.scalars(
            sa.select(i.item_id).where(i.state == "stored", i.source_id == "texts")
        ).all()
    release = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
    decide.record(home.catalogue, ID, 1, dict.fromkeys(texts, release), "pro", source="test")
    return home


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[tuple[Home, Path]]:
    """A request that was run, with the check on; tests that come later see what earlier ones kept."""
    folder = tmp_path_factory.mktemp("policy")
    write(folder)
    home = opened(folder)
    yield home, folder
    home.close()


def turn_on(home: Home, folder: Path) -> None:
    policy.turn_on(home, folder / "rules.toml", why="the board asked for it", by="S. Cio")


MARKED = [
    ("app-not-approved", "source", "chats", 2),
    ("encrypted-app", "source", "chats", 2),
    ("password", "message", "texts", 1),
    ("student-without-guardian", "conversation", "texts", 2),
    ("substantive-business", "message", "texts", 1),
]


def found(home: Home) -> list[tuple[str, str, str, int]]:
    made = [
        (one.rule, one.unit, one.source, one.messages)
        for one in policy.standings(home, ID)
        if one.still_found
    ]
    return sorted(made)


def dumped(home: Home) -> str:
    """Return every row of the record and of the audit log, as text."""
    with home.catalogue.read() as connection:
        return "\n".join(
            str(tuple(row)) for table in (*TABLES, t.audit) for row in connection.execute(sa.select(table))
        )


# The order counts: the home is made once, and the check is off in it until somebody turns it on.


def test_it_is_off_and_says_how_the_district_turns_it_on(whole):
    home, _ = whole
    with pytest.raises(
        UsageError, match=r"is off; `daylight policy rules --out policy\.toml` writes rules to start "
    ):
        policy.check(home, ID, by="pro")
    assert status(home, ID)["policy"] == {
        "on": False, "checked_at": None, "possible_exceptions": 0, "open": 0, "judged": 0,
    }  # fmt: skip
    assert list(policy.listed(home, ID, still_open=False, out=None, by="pro")) == []
    with pytest.raises(UsageError, match="is off already"):
        policy.turn_off(home, why="x", by="y")
    with home.catalogue.read() as connection:
        assert [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in TABLES] == [
            0
        ] * 4


def test_what_turns_it_on_is_looked_at_first(whole, tmp_path):
    home, folder = whole
    made = policy.write_rules(tmp_path / "mine.toml")
    assert made == {"written": str(tmp_path / "mine.toml")}
    assert (tmp_path / "mine.toml").read_bytes() == FILE.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        policy.write_rules(tmp_path / "mine.toml")
    (tmp_path / "bad.toml").write_text('policy = "x"\n')
    with pytest.raises(SettingsError, match="rules: Field required"):
        policy.turn_on(home, tmp_path / "bad.toml", why="x", by="y")
    with pytest.raises(AccessError, match="cannot be read as text in UTF-8"):
        policy.turn_on(home, tmp_path / "none.toml", why="x", by="y")
    for why, by in ((" ", "y"), ("x", "")):
        with pytest.raises(UsageError, match=r"--why is the reason|--by is the name"):
            policy.turn_on(home, folder / "rules.toml", why=why, by=by)
    assert policy.in_force(home) is None


def test_messages_of_the_district_are_marked_and_what_is_personal_is_never_read(
    whole, monkeypatch, caplog, capsys
):
    home, folder = whole
    turn_on(home, folder)
    digests = {one["item_id"]: one["source"] for one in items(home, ID)}
    read: list[str] = []
    real = EvidenceStore.read
    monkeypatch.setattr(EvidenceStore, "read", lambda store, ref: read.append(ref.sha256) or real(store, ref))
    with caplog.at_level(logging.DEBUG):
        made = policy.check(home, ID, by="pro")
    assert made["messages"] == 8
    assert made["not_looked_at"] == {"personal": 4, "no_text": 0}
    assert (made["check"], made["new"], made["not_applied"]) == (1, 5, {})
    assert made["marked"] == {rule: 1 for rule, *_ in MARKED}
    assert found(home) == MARKED
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        personal = connection.scalars(
            sa.select(r.text_sha256)
            .join(t.items, (i.request_id == r.request_id) & (i.item_id == r.item_id))
            .where(i.source_id.in_(["own-phone", "old-phone"]), r.text_sha256.is_not(None))
        ).all()
    assert len(personal) == 4
    assert set(read) & set(personal) == set()
    assert {digests[one.item_id] for one in policy.standings(home, ID)} == {"texts", "chats"}
    out = capsys.readouterr()
    assert SECRET not in caplog.text + out.out + out.err + json.dumps(made)


def test_the_record_says_rule_item_and_place_and_never_what_stands_there(whole, tmp_path):
    home, _ = whole
    (one,) = [one for one in policy.standings(home, ID) if one.rule == "password"]
    said = TEXTS[2][2]
    assert [said[first:end] for first, end in one.places] == [f"password is {SECRET}"]
    assert (one.words, one.says) == (
        "possible exception to 5225P, person to judge", "passwords are not sent in messages",
    )  # fmt: skip
    (pupil,) = [one for one in policy.standings(home, ID) if one.rule == "student-without-guardian"]
    assert pupil.exceptions == (
        "a guardian is copied unless doing so would jeopardize the safety … (the procedure says of whom)",
        "an emergency",
    )
    assert (pupil.checked, pupil.signs, pupil.places) == ("unverified", (), ())
    out = tmp_path / "record.csv"
    listed = list(policy.listed(home, ID, still_open=True, out=out, by="pro"))
    assert len(listed) == 5
    kept = dumped(home) + out.read_text("utf-8-sig") + json.dumps(listed)
    for content in (SECRET, "Otter22", "approved the bus", "+12065550111", "Mia", "12065550101", "Bo Ode"):
        assert content not in kept.replace(FILE.read_text("utf-8"), ""), content
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(policy.COLUMNS)
    assert [row["rule"] for row in rows] == [rule for rule, *_ in MARKED]
    assert {row["still_found"] for row in rows} == {"yes"}
    assert rows[2]["places"] == "-".join(map(str, one.places[0]))
    with pytest.raises(UsageError, match="is there already"):
        policy.listed(home, ID, still_open=False, out=out, by="pro")
    with pytest.raises(UsageError, match=r"written as \.csv"):
        policy.listed(home, ID, still_open=False, out=tmp_path / "a.xlsx", by="pro")


def test_a_second_check_adds_nothing_and_every_row_hangs_in_the_chain(whole):
    home, _ = whole
    before = policy.standings(home, ID)
    assert policy.check(home, ID, by="pro")["new"] == 0
    assert policy.standings(home, ID) == before
    with home.catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.policy_marks)) == 5
        entries = [canonical.loads(one) for one in connection.scalars(sa.select(t.audit.c.entry))]
    checked = [one for one in entries if one["action"] == "policy_checked"]
    assert [(one["check"], one["marked"], len(one["rows_sha256"])) for one in checked] == [
        (1, 5, 64),
        (2, 5, 64),
    ]
    assert [one["action"] for one in entries if one["action"] == "policy_on"] == ["policy_on"]
    audit.verify(home.catalogue)


def test_a_person_judges_and_every_judgement_is_kept(whole):
    home, _ = whole
    by_rule = {one.rule: one.exception_id for one in policy.standings(home, ID)}
    said = {"why": "the student asked for help", "by": "P. Officer"}
    pupil = [by_rule["student-without-guardian"]]
    for chosen, judgement, excuse, words in (
        (["nope"], "exception", "", "has no possible exception nope; `daylight policy list 2026-0001`"),
        (pupil, "guilty", "", "--as is one of exception, named_exception, no_exception"),
        (pupil, "named_exception", "", "--exception names the exception that it falls under"),
        (pupil, "exception", "emergency", "--exception names the exception that it falls under"),
        (pupil, "named_exception", "safety", "names the exceptions guardian-jeopardizes-safety, emergency"),
        ([by_rule["password"]], "named_exception", "safety", "rule password names no exception"),
    ):
        with pytest.raises(UsageError, match=words):
            policy.judge(home, ID, chosen, judgement=judgement, excuse=excuse, **said)
    with pytest.raises(UsageError, match="--why is the reason"):
        policy.judge(home, ID, pupil, judgement="exception", excuse="", why=" ", by="P. Officer")
    first = policy.judge(home, ID, [*pupil, *pupil], judgement="exception", excuse="", **said)
    assert first == {"request_id": ID, "judged": 1, "open": 4}
    policy.judge(home, ID, pupil, judgement="named_exception", excuse="guardian-jeopardizes-safety", **said)
    (now,) = [one for one in policy.standings(home, ID) if one.exception_id == pupil[0]]
    assert (now.judgement, now.judged_as, now.why, now.by) == (
        "named_exception",
        "a guardian is copied unless doing so would jeopardize the safety … (the procedure says of whom)",
        "the student asked for help", "P. Officer",
    )  # fmt: skip
    with home.catalogue.read() as connection:
        j = t.policy_judgements.c
        kept = connection.execute(sa.select(j.seq, j.judgement).order_by(j.seq)).all()
    assert [tuple(row) for row in kept] == [(1, "exception"), (2, "named_exception")]
    still = [one["rule"] for one in policy.listed(home, ID, still_open=True, out=None, by="pro")]
    assert still == ["app-not-approved", "encrypted-app", "password", "substantive-business"]
    stands = status(home, ID)["policy"]
    assert (stands["on"], stands["possible_exceptions"], stands["open"], stands["judged"]) == (True, 5, 4, 1)


def test_it_is_no_ground_and_no_suggestion(whole, tmp_path):
    """The coding sheet is the same with and without the record; no rule can name an exemption."""
    home, _ = whole
    reviewing.sheet(home, ID, tmp_path / "with.csv", split_rows=None, by="pro")
    with home.catalogue.write() as connection:
        kept = {table: connection.execute(sa.select(table)).all() for table in TABLES}
        for table in TABLES:
            connection.execute(table.delete())
    reviewing.sheet(home, ID, tmp_path / "without.csv", split_rows=None, by="pro")
    with home.catalogue.write() as connection:
        for table, rows in kept.items():
            connection.execute(table.insert(), [dict(row._mapping) for row in rows])
    sheet = (tmp_path / "with.csv").read_bytes()
    assert sheet == (tmp_path / "without.csv").read_bytes()
    assert b"texts" in sheet or b"bus" in sheet
    assert b"5225P" not in sheet
    assert b"person to judge" not in sheet
    policies = {one.id for one in policy.read_policy(FILE.read_text("utf-8"), "x").rules}
    assert {one.name for one in suggest.load()} & policies == set()


def test_a_bundle_has_no_trace_of_it(whole, tmp_path):
    home, _ = whole
    bundle.draft(home, ID)
    bundle.gate(home, ID)
    bundle.approve(home, ID, by="P. Officer", approved=True)
    made = bundle.package(home, ID, tmp_path / "bundle")
    assert made["released"] == 6
    standings = policy.standings(home, ID)
    traces = [
        b"5225P", b"person to judge", b"possible exception", b"the student asked for help",
        b"the board asked", b"policy_checked", b"policy_judged",
        *(one.exception_id.encode() for one in standings),
        *(one.rule.encode() for one in standings if "-" in one.rule),
        standings[0].rules_sha256.encode(),
    ]  # fmt: skip
    files = [path for path in (tmp_path / "bundle").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [(path.name, trace) for path in files for trace in traces if trace in path.read_bytes()] == []


def test_what_is_not_found_any_more_stays_and_says_so(whole):
    """Other rules mark other things: the record keeps both, and which rules said so."""
    home, folder = whole
    earlier = {one.exception_id: one for one in policy.standings(home, ID)}
    text = (folder / "rules.toml").read_text("utf-8")
    other = text.replace('connectors = ["twilio_log"]', 'connectors = ["twilio_log", "whatsapp"]')
    other = other.replace('connectors = ["signal", "whatsapp"]', 'connectors = ["signal"]')
    (folder / "other.toml").write_text(other.replace('policy = "5225P"', 'policy = "5225P (2026)"'), "utf-8")
    policy.turn_on(home, folder / "other.toml", why="WhatsApp was approved", by="S. Cio")
    made = policy.check(home, ID, by="pro")
    assert (made["new"], made["marked"]) == (
        0, {"password": 1, "student-without-guardian": 1, "substantive-business": 1},
    )  # fmt: skip
    now = {one.exception_id: one for one in policy.standings(home, ID)}
    assert now.keys() == earlier.keys()
    assert sorted(one.rule for one in now.values() if not one.still_found) == [
        "app-not-approved",
        "encrypted-app",
    ]
    for key, one in now.items():
        new = one.still_found
        assert one.words == f"possible exception to 5225P{' (2026)' if new else ''}, person to judge"
        assert (one.rules_sha256 == earlier[key].rules_sha256) is not new
    assert [one.judgement for one in now.values() if one.judgement] == ["named_exception"]
    policy.turn_on(home, folder / "rules.toml", why="it was not", by="S. Cio")
    assert policy.check(home, ID, by="pro")["new"] == 0
    assert found(home) == MARKED


def test_a_damaged_text_costs_only_itself(whole, monkeypatch):
    home, _ = whole
    real = policy._texts
    monkeypatch.setattr(policy, "_texts", lambda *given: dict(list(real(*given).items())[:-1]))
    assert policy.check(home, ID, by="pro")["not_looked_at"]["no_text"] == 1


def test_the_command_and_off_again(whole, tmp_path):
    home, folder = whole
    place = ["--home", str(folder / "home"), "policy"]

    def daylight(*words: str) -> tuple[int, list[dict], str]:
        ran = CliRunner().invoke(app, [*place, *words])
        return ran.exit_code, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr

    assert daylight("rules", "--out", str(tmp_path / "r.toml"))[1] == [{"written": str(tmp_path / "r.toml")}]
    code, (turned,), _ = daylight("on", str(folder / "rules.toml"), "--why", "as before", "--by", "S. Cio")
    assert (code, turned["on"], turned["policy"], turned["rules"]) == (0, True, "5225P", 7)
    code, (made,), words = daylight("check", ID, "--by", "pro")
    assert (code, made["marked"]["password"]) == (0, 1)
    assert f"daylight policy list {ID} --open" in words
    code, listed, words = daylight("list", ID, "--open", "--out", str(tmp_path / "record.csv"))
    assert (code, len(listed), words) == (0, 4, "4 possible exceptions, for a person to judge\n")
    assert (tmp_path / "record.csv").is_file()
    (secret,) = [one["exception_id"] for one in listed if one["rule"] == "password"]
    code, (judged,), _ = daylight(
        "judge", ID, secret, "--as", "exception", "--why", "changed since", "--by", "S. Cio"
    )
    assert (code, judged) == (0, {"request_id": ID, "judged": 1, "open": 3})
    assert daylight("off", "--why", "pilot ended", "--by", "S. Cio")[:2] == (0, [{"on": False}])
    ran = CliRunner().invoke(app, [*place, "check", ID])
    assert isinstance(ran.exception, UsageError)
    assert len(daylight("list", ID)[1]) == 5  # the record stays
    assert status(home, ID)["policy"]["on"] is False


def test_a_closed_request_gets_no_new_marks(whole):
    home, folder = whole
    turn_on(home, folder)
    policy.check(home, ID, by="pro")
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed; what was recorded stays"):
        policy.check(home, ID, by="pro")
    assert len(policy.standings(home, ID)) == 5


@pytest.mark.services
def test_the_same_on_postgresql(tmp_path):
    write(tmp_path)
    with postgres() as address:
        home = opened(tmp_path, f"{address}/postgres")
        turn_on(home, tmp_path)
        assert policy.check(home, ID, by="pro")["new"] == 5
        assert policy.check(home, ID, by="pro")["new"] == 0
        assert found(home) == MARKED
        ids = [one.exception_id for one in policy.standings(home, ID)]
        policy.judge(home, ID, ids, judgement="no_exception", excuse="", why="read, each", by="P. Officer")
        assert policy.counts(home, ID)["open"] == 0
        assert policy.turn_off(home, why="x", by="y") == {"on": False}
        audit.verify(home.catalogue)
        home.close()
