"""Groups at the desk: found, shown on the sheet, made anew, and nothing else is changed by them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from desk import bundle, comparing, grouping, groups, pool, reviewing
from desk.batch import BatchRunner
from desk.home import Home
from desk.register import open_request
from records import audit
from records import tables as t
from records.decisions import Decision, Treatment
from records.errors import UsageError
from records.ledger import ledger
from records.settings import Settings
from review import decide, near
from tests.desk.fake_mailbox import run
from tests.servers.postgres import postgres

ID = "2026-0001"
REQUEST = """
text = "All mail about the bus"
received_on = 2026-09-08
terms = "terms.csv"
[[custodians]]
id = "ana"
name = "Ana Ruiz"
emails = ["ana@cedarfalls.example"]
[[custodians]]
id = "lee"
name = "Lee Okafor"
emails = ["lee@cedarfalls.example"]
[[sources]]
id = "mail-lee"
connector = "mail_files"
custodian = "lee"
path = "lee"
[[sources]]
id = "mail-ana"
connector = "mail_files"
custodian = "ana"
path = "ana"
"""
FIRST = "The bus of route fourteen stops at the corner of Pine and Main from Monday on, see the plan.\n"
SECOND = "Thank you. Does the bus also stop at the school, and who tells the parents about it?\n"
THIRD = "The school stop stays as it is. I tell the parents this week.\n"
NOTICE = " ".join(f"line{number} of the notice about the bus" for number in range(20))
PLAN = b"%PDF-1.4 the plan"


def quoted(text: str) -> str:
    lines = "".join(f"> {line}\n" for line in text.splitlines())
    return f"\nOn Tue, 3 Mar 2026 somebody <a@cedarfalls.example> wrote:\n{lines}"


REPLY = SECOND + quoted(FIRST)
LAST = THIRD + quoted(REPLY)


def letter(
    key: str, text: str, day: int, *, names: str = "", carries: bytes = b"", **more: str
) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"] = "Ana <ana@cedarfalls.example>", "Lee <lee@cedarfalls.example>"
    made["Date"] = f"Tue, {day:02d} Mar 2026 09:00:00 -0800"
    made["Subject"] = more.pop("subject", "Bus stop")
    if key:
        made["Message-ID"] = f"<{key}@cedarfalls.example>"
    if names:
        made["References"] = f"<{names}@cedarfalls.example>"
    for name, value in more.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    if carries:
        made.add_attachment(carries, maintype="application", subtype="octet-stream", filename="plan.bin")
    return made


def write(folder: Path) -> None:
    """Write two mailboxes: a thread with copies in both, a stripped copy, a notice and nearly the same."""
    mails = {
        "lee/1first": letter("a", FIRST, 3, carries=PLAN),
        "ana/1first": letter("a", FIRST, 3, carries=PLAN, Received="by mx.cedarfalls.example"),
        "ana/2stripped": letter("a", FIRST, 3),
        "ana/3reply": letter("b", REPLY, 4, names="a"),
        "lee/3reply": letter("b", REPLY, 4, names="a", Received="by mx.cedarfalls.example"),
        "lee/4last": letter("c", LAST, 5, names="b"),
        "lee/5blind": letter("d", FIRST, 6, Bcc="kim@cedarfalls.example", subject="Blind"),
        "ana/5blind": letter("d", FIRST, 6, subject="Blind"),
        "ana/6notice": letter("n1", NOTICE, 10, subject="Notice"),
        "lee/7notice": letter("n2", NOTICE.replace("line3 ", "line three "), 11, subject="Notice once more"),
        "lee/8twice": letter("a", FIRST, 3, carries=PLAN, Received="by mx2.cedarfalls.example"),
    }
    for name, mail in mails.items():
        path = folder / f"{name}.eml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(mail))
    (folder / "terms.csv").write_text("term\nbus\n", "utf-8")
    (folder / "request.toml").write_text(REQUEST, "utf-8")


def opened(folder: Path, catalogue: str = "") -> Home:
    from desk.run import terms

    write(folder)
    home = Home.open(settings=Settings(home=folder / "home", catalogue=catalogue, workers=1))
    open_request(home, folder / "request.toml", by="pro")
    run(home, ID)
    terms(home, ID, "local-terms")
    return home


class Inline:
    """Does in this process what a worker would, so that tests see it."""

    def submit(self, call: Any, *given: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*given))
        return done


@pytest.fixture
def inline(monkeypatch) -> None:
    @contextmanager
    def workers(settings: Settings, request_id: str, *, reading: bool) -> Iterator[Inline]:
        home = Home.open(settings=settings)
        monkeypatch.setattr(pool, "_mine", BatchRunner(home, home.request(request_id)))
        yield Inline()
        home.close()

    monkeypatch.setattr(pool, "workers", workers)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[Home]:
    home = opened(tmp_path_factory.mktemp("grouping"))
    yield home
    home.close()


def names(home: Home) -> dict[str, str]:
    """Return the name of each mail's file by its item."""
    i = t.items.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(i.item_id, i.source_id, i.native_key).where(i.request_id == ID, i.level == 0)
        ).all()
    return {row.item_id: f"{row.source_id[5:]}/{row.native_key.removesuffix('.eml')}" for row in rows}


def rows_of(home: Home, table: sa.Table) -> list[Any]:
    with home.catalogue.read() as connection:
        return list(connection.execute(sa.select(table).where(table.c.request_id == ID)))


def make(home: Home, mode: str | None = None, bcc: str | None = None) -> dict[str, Any]:
    return grouping.group(home, ID, mode=mode, bcc=bcc, by="pro")


def copies(home: Home) -> dict[str, list[str]]:
    """Return the copies of each first copy, by their names."""
    name, found = names(home), dict[str, list[str]]()
    for row in rows_of(home, t.duplicate_items):
        found.setdefault(name[row.first_id], []).append(name[row.item_id])
    return {first: sorted(some) for first, some in found.items()}


def test_copies_are_grouped_with_all_they_carry(whole, inline):
    made = make(whole)
    assert made["duplicates"] == {"mode": "global", "bcc": "counted", "groups": 2, "families": 5}
    assert copies(whole) == {
        "lee/1first": ["ana/1first", "lee/1first", "lee/8twice"],  # and not the copy without the plan
        "lee/3reply": ["ana/3reply", "lee/3reply"],
    }


def test_another_mode_makes_all_anew_and_is_kept(whole, inline):
    custodial = {"mode": "custodial", "bcc": "counted", "groups": 1, "families": 2}
    assert make(whole, "custodial")["duplicates"] == custodial
    assert copies(whole) == {"lee/1first": ["lee/1first", "lee/8twice"]}
    assert make(whole)["duplicates"] == custodial
    assert make(whole, "none")["duplicates"] == {"mode": "none", "bcc": "counted", "groups": 0, "families": 0}
    assert rows_of(whole, t.duplicate_items) == []
    with pytest.raises(UsageError, match="looked for global, custodial, none: all is none of them"):
        make(whole, "all")
    make(whole, "global")
    found = groups.in_force(whole, ID)
    assert found is not None
    assert (found.duplicates, found.bcc, found.version, found.records) == ("global", "counted", 1, 14)
    with whole.catalogue.read() as connection:
        said = [json.loads(entry) for entry in connection.scalars(sa.select(t.audit.c.entry))]
    modes = [entry["duplicates"] for entry in said if entry.get("action") == "grouped"]
    assert modes == ["global", "custodial", "custodial", "none", "global"]


def test_blind_recipients_can_be_left_out_and_it_is_kept(whole, inline):
    made = make(whole, "global", "left_out")
    assert made["duplicates"] == {"mode": "global", "bcc": "left_out", "groups": 3, "families": 7}
    assert copies(whole) == {
        "lee/1first": ["ana/1first", "lee/1first", "lee/8twice"],
        "lee/3reply": ["ana/3reply", "lee/3reply"],
        "lee/5blind": ["ana/5blind", "lee/5blind"],
    }
    assert make(whole)["duplicates"] == made["duplicates"]
    found = groups.in_force(whole, ID)
    assert found is not None
    assert found.bcc == "left_out"
    with pytest.raises(UsageError, match="blind recipients are counted, left_out: no is none of them"):
        make(whole, bcc="no")
    make(whole, bcc="counted")
    assert len(copies(whole)) == 2
    with whole.catalogue.read() as connection:
        said = [json.loads(entry) for entry in connection.scalars(sa.select(t.audit.c.entry))]
    ways = [entry["bcc"] for entry in said if entry.get("action") == "grouped"]
    assert ways[-3:] == ["left_out", "left_out", "counted"]


def test_threads_and_what_contains_what(whole, inline):
    made = make(whole, "global")
    name = names(whole)
    found = {
        name[row.item_id]: (
            row.place,
            row.size,
            row.by,
            row.parent_id and name[row.parent_id].split("/")[1],
            row.why or name[row.container_id].split("/")[1],
        )
        for row in rows_of(whole, t.thread_items)
    }
    first = (1, 4, "first", None, "attachment")
    reply = (3, 4, "references", "1first", "4last")
    # Both were sent at one time: their ids say which stands first.
    ids = {name[row.item_id]: row.item_id for row in rows_of(whole, t.thread_items)}
    first_blind, other_blind = sorted(("lee/5blind", "ana/5blind"), key=ids.__getitem__)
    why = {"lee/5blind": "bcc", "ana/5blind": "message"}
    blind = {
        first_blind: (1, 2, "first", None, why[first_blind]),
        other_blind: (2, 2, "same_id", None, why[other_blind]),
    }
    assert {key: found[key] for key in found if "notice" not in key} == {
        "lee/1first": first,
        "ana/1first": first,
        "lee/8twice": first,
        "ana/2stripped": (2, 4, "same_id", None, "4last"),
        "ana/3reply": reply,
        "lee/3reply": reply,
        "lee/4last": (4, 4, "references", "3reply", "message"),
        "lee/5blind": blind["lee/5blind"],
        "ana/5blind": blind["ana/5blind"],
    }
    assert made["threads"] == {
        "records": 11, "messages": 8, "threads": 4, "by": {"first": 4, "references": 2, "same_id": 2},
    }  # fmt: skip
    assert made["inclusive"]["contained"] == 2


def test_near_duplicates(whole, inline):
    made = make(whole, "global")["near"]
    name = names(whole)
    assert {
        name[row.item_id]: (name[row.pivot_id], row.percent, row.same_words)
        for row in rows_of(whole, t.near_items)
        if "notice" in name[row.item_id]
    } == {"ana/6notice": ("lee/7notice", 89, False), "lee/7notice": ("lee/7notice", 100, True)}
    assert {key: made[key] for key in ("threshold_percent", "too_long", "unread", "compared_in_part")} == {
        "threshold_percent": 80, "too_long": 0, "unread": 0, "compared_in_part": 0,
    }  # fmt: skip
    assert made["texts"] == made["compared"] + made["too_short"]


def test_the_sheet_says_what_belongs_together(whole, inline, tmp_path):
    make(whole, "global")
    reviewing.sheet(whole, ID, tmp_path / "sheet.csv", split_rows=None, by="pro")
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    name = names(whole)
    sheet = {name[row["item_id"][2:]]: row for row in rows if row["item_id"][2:] in name}
    last = sheet["lee/4last"]["family"]
    assert sheet["ana/3reply"]["inclusive"] == f"no, all of it is in family {last}"
    assert sheet["ana/3reply"]["duplicates"].endswith(": 2 copies, with lee; ana")
    assert sheet["ana/3reply"]["thread"].endswith(": 3 of 4")
    assert sheet["lee/4last"]["inclusive"] == "yes"
    assert sheet["lee/4last"]["duplicates"] == ""
    assert sheet["ana/6notice"]["near_duplicates"].endswith(": 89 %")
    assert sheet["lee/7notice"]["near_duplicates"].endswith(": pivot")
    # Families of one thread stand together, in the order of time.
    thread = [key for key, row in sheet.items() if row["thread"][:13] == sheet["lee/4last"]["thread"][:13]]
    assert thread == list(sheet)[: len(thread)]
    assert sorted(thread[:4]) == ["ana/1first", "ana/2stripped", "lee/1first", "lee/8twice"]
    assert (sorted(thread[4:6]), thread[6:]) == (["ana/3reply", "lee/3reply"], ["lee/4last"])


def test_records_that_came_after_the_groups_are_told(whole, inline):
    assert groups.later_records(whole, ID) == 0
    with whole.catalogue.write() as connection:
        body = json.loads(
            connection.scalar(sa.select(t.groupings.c.body).order_by(t.groupings.c.grouping_no.desc()))
        )
        connection.execute(t.groupings.update().values(body=json.dumps({**body, "records": 10})))
    assert groups.later_records(whole, ID) == 4
    place = ["--home", str(whole.settings.home)]
    ran = CliRunner().invoke(app, [*place, "sheet", ID, "--out", str(whole.settings.home / "s.csv")])
    assert "4 records came after the groups were made: `daylight group 2026-0001`." in ran.stderr


def test_a_run_that_breaks_off_leaves_what_was_there(whole, inline, monkeypatch):
    make(whole, "global")
    before = [rows_of(whole, table) for table in grouping._TABLES]
    monkeypatch.setattr(grouping._Grouping, "_finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(whole, "custodial")
    monkeypatch.undo()
    found = groups.in_force(whole, ID)
    assert found is not None
    assert found.duplicates == "global"
    torn = [rows_of(whole, table) for table in grouping._TABLES]
    assert [len(one) for one in torn] > [len(one) for one in before]
    for one, other in zip(before, torn, strict=True):
        assert [row for row in other if row.grouping_no == found.grouping_no] == one


def test_what_is_left_of_it_goes_with_the_next(whole, inline):
    made = make(whole)
    for table in grouping._TABLES:
        assert {row.grouping_no for row in rows_of(whole, table)} == {made["grouping"]}


def test_the_next_run_reads_only_texts_that_are_new(whole, inline, monkeypatch):
    make(whole)
    read: list[str] = []
    sketch = near.sketch
    monkeypatch.setattr(near, "sketch", lambda text: read.append(text) or sketch(text))
    first = make(whole)
    assert read == []
    folder = whole.settings.request_folder(ID) / grouping.FOLDER
    (present,) = folder.iterdir()
    files = sorted(present.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:-5])  # torn: read anew
    (folder / "0-old").mkdir()
    (folder / "0-old" / "b.msgpack").write_bytes(b"")
    again = make(whole)
    assert 0 < len(read) < first["near"]["texts"]
    assert list(folder.iterdir()) == [present]
    assert {**again, "grouping": 0} == {**first, "grouping": 0}


def test_it_says_how_far_it_is(whole, inline):
    told: list[Any] = []
    made = grouping.group(whole, ID, mode=None, by="pro", tell=told.append)
    steps = list(dict.fromkeys(one.step for one in told))
    assert steps == ["read the texts", "duplicates", "threads", "near duplicates"]
    last = {one.step: (one.done, one.expected) for one in told}
    assert last["read the texts"] == (11, 11)
    assert last["near duplicates"] == (4, 4)
    assert last["threads"][1] == made["threads"]["records"]


def test_two_texts_compared(whole, inline):
    name = {value: key for key, value in names(whole).items()}
    found = comparing.compare(whole, ID, name["ana/6notice"], name["lee/7notice"], whole=False, by="pro")
    changed = [run for run in found["runs"] if run["change"] != "same"]
    assert changed == [
        {"change": "only_second", "text": "line three"},
        {"change": "only_first", "text": "line3"},
    ]
    assert (found["figures"]["only_first"], found["figures"]["only_second"]) == (1, 2)
    with pytest.raises(UsageError, match="has no record x"):
        comparing.compare(whole, ID, "x", name["lee/7notice"], whole=False, by="pro")
    audit.verify(whole.catalogue)


def test_the_commands(whole, inline):
    place = ["--home", str(whole.settings.home)]
    ran = CliRunner().invoke(app, [*place, "group", ID, "--duplicates", "global", "--by", "pro"])
    assert ran.exit_code == 0, ran.output
    made = json.loads(ran.stdout)
    assert (made["duplicates"]["groups"], made["inclusive"]["contained"]) == (2, 2)
    assert "no record left the ledger, the review or a release by them" in ran.stderr
    name = {value: key for key, value in names(whole).items()}
    ran = CliRunner().invoke(app, [*place, "diff", ID, f"i:{name['lee/1first']}", name["ana/1first"]])
    assert [json.loads(line) for line in ran.stdout.splitlines()][-1]["only_first"] == 0


def test_release_and_ledger_are_the_same_with_groups_and_without(whole, inline):
    """A message that another contains goes out as it did: with its copies, its near duplicates, all."""
    home = whole
    decided = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
    i = t.items.c
    with home.catalogue.read() as connection:
        stored = connection.scalars(sa.select(i.item_id).where(i.state == "stored")).all()
    decide.record(home.catalogue, ID, 1, dict.fromkeys(stored, decided), "pro", source="test")
    before = bundle.draft(home, ID), ledger(home.catalogue, ID)
    made = make(home)
    assert made["inclusive"]["contained"] == 2
    assert (bundle.draft(home, ID), ledger(home.catalogue, ID)) == before
    assert before[0]["released"] == len(stored) == 14


def test_a_text_that_cannot_be_read_costs_only_itself(whole, inline):
    home = whole
    r = t.readings.c
    with home.catalogue.read() as connection:
        digest = connection.scalar(sa.select(r.text_sha256).where(r.subject == "Notice"))
    home.store(ID).remove(digest, by="pro", why="test", authority="test")
    made = make(home)
    assert made["near"]["unread"] == 1
    assert not [row for row in rows_of(home, t.near_items) if row.percent == 89]


def test_a_closed_request_keeps_its_groups(whole, inline):
    with whole.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed; its groups stay as they are"):
        make(whole)


@pytest.mark.services
def test_the_same_on_postgresql(tmp_path, inline):
    with postgres() as address:
        home = opened(tmp_path, f"{address}/postgres")
        made = make(home)
        assert made["duplicates"] == {"mode": "global", "bcc": "counted", "groups": 2, "families": 5}
        assert make(home, bcc="left_out")["duplicates"]["families"] == 7
        assert made["inclusive"]["contained"] == 2
        assert make(home, "custodial", "counted")["duplicates"]["groups"] == 1
        assert {row.grouping_no for row in rows_of(home, t.thread_items)} == {3}
        home.close()
