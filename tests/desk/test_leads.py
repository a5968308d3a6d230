"""Leads at the desk: found, promoted, closed, opened again; what holds closing back. On both databases."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from desk import leads
from desk.closing import close_request
from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from desk.searching import hit_report
from records import canonical
from records import tables as t
from records.decisions import Decision, Treatment
from records.errors import UsageError
from records.settings import Settings
from search.signals import SignalKind
from tests import command
from tests.command import Done
from tests.servers.postgres import postgres
from tests.small_request import ANA, LEE, request_file

pytestmark = pytest.mark.slow

MAILS = {
    "a": ("Ana Ruiz <ana@cedarfalls.example>", "File", "Bus route change: my gmail is ana.r@mail.example."),
    "b": ("Ana Ruiz <ana@cedarfalls.example>", "=cmd|x", "The bus route change is attached."),
    "c": ("Lee Okafor <lee@cedarfalls.example>", "Times", "I'll WhatsApp you the bus route change."),
    "d": ("Lee Okafor <lee@cedarfalls.example>", "More", "On WhatsApp too, says the bus route."),
}  # fmt: skip


def write_mail(folder: Path, name: str, sender: str, subject: str, text: str) -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = "Ana Ruiz <ana@cedarfalls.example>"
    message["Subject"] = subject
    message["Date"] = f"Mon, 02 Mar 2026 10:00:{ord(name[0]) % 60:02d} -0800"
    message["Message-ID"] = f"<{name}@cedarfalls.example>"
    message.set_content(text)
    (folder / f"{name}.eml").write_bytes(message.as_bytes())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as address:
        yield address


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)],
)
def made(request, tmp_path) -> Iterator[tuple[Home, str]]:
    """A request of four mails, run to its end."""
    catalogue = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("server")
        name = f"d{uuid.uuid4().hex}"
        with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        catalogue = f"{server}/{name}"
    (tmp_path / "mail").mkdir()
    for name, (sender, subject, text) in MAILS.items():
        write_mail(tmp_path / "mail", name, sender, subject, text)
    file = request_file(tmp_path, "mail", term="bus route change", people=(ANA, LEE))
    home = Home.open(settings=Settings(home=tmp_path / "home", catalogue=catalogue, workers=1))
    request_id, _ = open_request(home, file, by="pro")
    run_local(home, request_id)
    yield home, request_id
    home.close()


def audited(home: Home) -> list[dict[str, Any]]:
    with home.catalogue.read() as connection:
        found = connection.execute(sa.select(t.audit.c.entry).order_by(t.audit.c.seq)).scalars()
        return [json.loads(entry) for entry in found]


def decide_all(home: Home, request_id: str, *, responsive: dict[str, bool]) -> None:
    """Decide the items by their file name; what is not named stays as it is."""
    i, d = t.items.c, t.decisions.c
    with home.catalogue.write() as connection:
        rows = connection.execute(sa.select(i.item_id, i.native_key).where(i.request_id == request_id)).all()
        for item, name in rows:
            if name[0] not in responsive:
                continue
            yes = responsive[name[0]]
            answer = Decision(
                public_record=True, responsive=yes, treatment=Treatment.RELEASE if yes else None
            )
            seq = connection.scalar(sa.select(sa.func.count()).where(d.item_id == item))
            row = {
                "request_id": request_id,
                "item_id": item,
                "seq": seq + 1,
                "version": 1,
                "blob_sha256": None,
            }
            connection.execute(
                t.decisions.insert(),
                {**row, "body": answer.to_json(), "by": "pro", "at": canonical.now_text()},
            )


def standing(home: Home, request_id: str) -> dict[str, leads.Standing]:
    return {str(one.kind): one for one in leads.signals(home, request_id)}


def test_a_request_that_is_closed_meanwhile_takes_no_answer(made, monkeypatch):
    """Closed by somebody else after the command read it, and before it writes."""
    home, request_id = made
    leads.find_signals(home, request_id, by="pat")
    signal = leads.signals(home, request_id)[0].signal_id
    seen = home.request(request_id)
    r = t.requests.c
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().where(r.request_id == request_id).values(state="closed"))
    monkeypatch.setattr(leads, "_changeable", lambda *_: seen)
    for act in (
        lambda: leads.promote(home, request_id, [signal], why="w", by="pat"),
        lambda: leads.find_signals(home, request_id, by="pat"),
    ):
        with pytest.raises(UsageError, match="is closed; its leads no longer change"):
            act()
    with home.catalogue.read() as connection:
        assert connection.execute(sa.select(t.signal_answers)).all() == []


def test_from_the_hits_to_a_closed_request(made):
    home, request_id = made
    counts = leads.find_signals(home, request_id, by="pat")
    assert counts == {
        "signals": 3, "new": 3, "dropped": 0, "own_account": 1, "other_app": 1, "missing_attachment": 1,
        "unreadable": 0,
    }  # fmt: skip
    found = standing(home, request_id)
    own = found["own_account"]
    assert (own.subject, own.custodian, own.items, own.messages) == ("ana.r@mail.example", "ana", 1, 1)
    assert (own.because, own.lead, own.open, own.how, own.by, own.at) == (
        ("written",),
        False,
        True,
        "",
        "",
        "",
    )
    app = found["other_app"]
    assert (app.subject, app.custodian, app.items) == ("WhatsApp", "lee", 1)
    assert found["missing_attachment"].subject == "2026-03-02: =cmd|x"
    assert [one.rank for one in leads.signals(home, request_id)] == [1, 2, 3]

    decide_all(home, request_id, responsive={"a": True, "b": False, "c": False})
    found = standing(home, request_id)
    assert {kind: one.lead for kind, one in found.items()} == {
        "own_account": True, "other_app": False, "missing_attachment": False,
    }  # fmt: skip
    promoted = leads.promote(home, request_id, [app.signal_id], why="staff use it daily", by="pat")
    assert promoted == {"request_id": request_id, "promoted": 1, "open_leads": 2}
    listed = leads.listed(home, request_id, leads=True, still_open=True, out=None, by="pat")
    assert [one["kind"] for one in listed] == ["own_account", "other_app"]

    closed = leads.close(
        home, request_id, [own.signal_id], kind=None, how="asked_custodian", why="nothing there", by="pat"
    )
    assert closed == {"request_id": request_id, "closed": 1, "open_leads": 1}
    closed = leads.close(
        home, request_id, [], kind="other_app", how="out_of_scope", why="lunch orders only", by="pat"
    )
    assert closed["open_leads"] == 0
    app = standing(home, request_id)["other_app"]
    assert (app.lead, app.open, app.how, app.why, app.by) == (
        True,
        False,
        "out_of_scope",
        "lunch orders only",
        "pat",
    )
    reopened = leads.reopen(home, request_id, [app.signal_id], why="one more was named", by="sam")
    assert reopened == {"request_id": request_id, "reopened": 1, "open_leads": 1}
    assert standing(home, request_id)["other_app"].how == ""

    entries = [entry for entry in audited(home) if "lead" in entry["action"]]
    assert [(entry["action"], entry["actor"]) for entry in entries] == [
        ("looked_for_leads", "pat"), ("lead_promoted", "pat"), ("lead_closed", "pat"), ("lead_closed", "pat"),
        ("lead_reopened", "sam"),
    ]  # fmt: skip
    assert entries[1]["signals"] == [app.signal_id]
    assert "mail.example" not in json.dumps(entries)
    with home.catalogue.read() as connection:
        answers = connection.execute(
            sa.select(t.signal_answers.c.seq, t.signal_answers.c.answer)
            .where(t.signal_answers.c.signal_id == app.signal_id)
            .order_by(t.signal_answers.c.seq)
        ).all()
    assert [tuple(row) for row in answers] == [(1, "promoted"), (2, "closed"), (3, "reopened")]


def test_closing_is_refused_while_a_lead_is_open(made):
    home, request_id = made
    decide_all(home, request_id, responsive={"a": False, "b": False, "c": False, "d": False})
    leads.find_signals(home, request_id)
    one = standing(home, request_id)["other_app"].signal_id
    leads.promote(home, request_id, [one], why="used daily", by="pat")
    with pytest.raises(UsageError, match="1 lead is open; `daylight leads list 2026-0001 --leads --open`"):
        close_request(home, request_id, by="pat")
    leads.close(home, request_id, [one], kind=None, how="searched", why="Lee's phone was", by="pat")
    close_request(home, request_id, by="pat")
    assert home.request(request_id).state == "closed"
    looked = [entry["actor"] for entry in audited(home) if entry["action"] == "looked_for_leads"]
    assert looked == ["daylight", "pat", "pat"]
    with pytest.raises(UsageError, match="is closed; its leads no longer change"):
        leads.promote(home, request_id, [one], why="x", by="pat")
    with pytest.raises(UsageError, match="is closed; its leads are no longer looked for"):
        leads.find_signals(home, request_id)
    assert standing(home, request_id)["other_app"].open is False


def test_closing_looks_once_more(made):
    home, request_id = made
    decide_all(home, request_id, responsive={"a": True, "b": False, "c": False, "d": False})
    assert leads.signals(home, request_id) == []
    assert leads.leads_to_follow(home, request_id, by="pat") == 1
    assert [one.kind for one in leads.signals(home, request_id) if one.lead] == [SignalKind.OWN_ACCOUNT]


def test_a_second_look_keeps_the_answers_and_the_rows(made):
    home, request_id = made
    leads.find_signals(home, request_id)
    one = standing(home, request_id)["own_account"].signal_id
    leads.close(home, request_id, [one], kind=None, how="searched", why="x", by="pat")

    def rows() -> tuple[Any, ...]:
        with home.catalogue.read() as connection:
            items = connection.execute(sa.select(t.signal_items).order_by(*t.signal_items.c)).all()
            columns = [c for c in t.signals.c if c.name != "at"]
            return items, connection.execute(sa.select(*columns).order_by(t.signals.c.rank)).all()

    before = rows()
    counts = leads.find_signals(home, request_id)
    assert (counts["signals"], counts["new"], counts["dropped"]) == (3, 0, 0)
    assert rows() == before
    assert standing(home, request_id)["own_account"].open is False
    assert standing(home, request_id)["own_account"].grown is False


def adopt(home: Home, request_id: str, folder: Path, term: str) -> None:
    listed = folder / f"other-{uuid.uuid4().hex}.csv"
    listed.write_text(f"term,note\n{term},\n", "utf-8")
    hit_report(home, request_id, listed, None, by="pro", adopt=True)


def test_a_closed_lead_grows_and_opens_again_when_the_new_message_is_responsive(made, tmp_path):
    home, request_id = made
    leads.find_signals(home, request_id)
    one = standing(home, request_id)["other_app"].signal_id
    decide_all(home, request_id, responsive={"c": True})
    leads.close(home, request_id, [one], kind=None, how="not_district_business", why="lunch", by="pat")
    adopt(home, request_id, tmp_path, "bus route")  # finds d, too
    leads.find_signals(home, request_id)
    app = standing(home, request_id)["other_app"]
    assert (app.items, app.messages, app.lead, app.open, app.grown) == (2, 2, True, False, True)
    assert app.signal_id == one
    decide_all(home, request_id, responsive={"d": False})
    assert standing(home, request_id)["other_app"].open is False
    decide_all(home, request_id, responsive={"d": True})
    app = standing(home, request_id)["other_app"]
    assert (app.open, app.grown, app.how) == (True, True, "not_district_business")
    with home.catalogue.read() as connection:
        assert leads.open_leads(connection, request_id) == 1
    leads.close(home, request_id, [one], kind=None, how="searched", why="both phones", by="pat")
    app = standing(home, request_id)["other_app"]
    assert (app.open, app.grown) == (False, False)


def test_what_is_decided_stays_a_lead_when_the_terms_change(made, tmp_path):
    home, request_id = made
    leads.find_signals(home, request_id)
    answered = standing(home, request_id)["missing_attachment"].signal_id
    leads.close(home, request_id, [answered], kind=None, how="other", why="sent again later", by="pat")
    decide_all(home, request_id, responsive={"a": True})
    adopt(home, request_id, tmp_path, "nothing of the kind")
    counts = leads.find_signals(home, request_id)
    assert (counts["signals"], counts["dropped"]) == (1, 1)
    left = leads.signals(home, request_id)
    assert [(str(one.kind), one.rank, one.lead, one.open) for one in left] == [
        ("own_account", 1, True, True),
        ("missing_attachment", leads.NOT_FOUND, False, False),
    ]


def test_what_a_sample_found_is_a_lead_until_it_is_decided_otherwise(made):
    home, request_id = made
    with home.catalogue.write() as connection:
        family = connection.scalar(sa.select(t.items.c.item_id).where(t.items.c.native_key.like("d.%")))
        row = {"request_id": request_id, "sample_no": 1, "family_id": family, "seq": 1, "responsive": True}
        connection.execute(t.sample_answers.insert(), {**row, "why": "", "by": "pat", "at": "2026"})
    leads.find_signals(home, request_id)
    app = standing(home, request_id)["other_app"]
    assert (app.items, app.responsive, app.lead) == (2, 1, True)
    decide_all(home, request_id, responsive={"d": False})
    app = standing(home, request_id)["other_app"]
    assert (app.items, app.responsive, app.lead) == (2, 0, False)


def test_show_gives_each_item_in_its_words_and_is_audited(made):
    home, request_id = made
    leads.find_signals(home, request_id)
    one = standing(home, request_id)["other_app"].signal_id
    (item,) = leads.shown(home, request_id, one, by="pat")
    assert item["snippets"] == ["I'll «WhatsApp» you the bus route change."]
    assert (item["subject"], item["from"], item["responsive"], item["kind"]) == (
        "Times", "Lee Okafor lee@cedarfalls.example", False, "email",
    )  # fmt: skip
    entry = audited(home)[-1]
    assert (entry["action"], entry["actor"], entry["signal"], entry["items"]) == ("read", "pat", one, 1)


def test_the_written_list_runs_nothing(made, tmp_path):
    home, request_id = made
    leads.find_signals(home, request_id)
    for name in ("leads.csv", "leads.xlsx"):
        out = tmp_path / name
        assert (
            len(list(leads.listed(home, request_id, leads=False, still_open=False, out=out, by="pat"))) == 3
        )
    lines = (tmp_path / "leads.csv").read_text("utf-8-sig").splitlines()
    assert lines[0].startswith(
        "rank,signal_id,kind,what,subject,custodian,messages,items,responsive,lead,state"
    )
    assert len(lines) == 4
    book = load_workbook(tmp_path / "leads.xlsx")
    rows = list(book["Leads"].iter_rows(values_only=True))
    assert [row[2] for row in rows] == ["kind", "own_account", "other_app", "missing_attachment"]
    assert all(cell.data_type != "f" for row in book["Leads"].iter_rows() for cell in row)
    assert audited(home)[-1]["what"] == "leads"
    with pytest.raises(UsageError, match="is there already"):
        leads.listed(home, request_id, leads=False, still_open=False, out=tmp_path / "leads.csv", by="pat")
    with pytest.raises(UsageError, match=r"\.csv or \.xlsx"):
        leads.listed(home, request_id, leads=False, still_open=False, out=tmp_path / "leads.pdf", by="pat")


def test_a_cell_that_starts_a_formula_is_neutralised(made, tmp_path):
    home, request_id = made
    leads.find_signals(home, request_id)
    one = standing(home, request_id)["own_account"].signal_id
    leads.close(home, request_id, [one], kind=None, how="other", why="=HYPERLINK(1)", by="@pat")
    out = tmp_path / "leads.csv"
    leads.listed(home, request_id, leads=False, still_open=False, out=out, by="pat")
    assert "'=HYPERLINK(1),'@pat," in out.read_text("utf-8-sig")


def test_answers_that_are_refused(made):
    home, request_id = made
    leads.find_signals(home, request_id)
    one = standing(home, request_id)["own_account"].signal_id

    def refused(words: str, **changed: Any) -> None:
        given = {"signal_ids": [one], "kind": None, "how": "searched", "why": "x", "by": "pat"} | changed
        with pytest.raises(UsageError, match=words):
            leads.close(home, request_id, given.pop("signal_ids"), **given)

    refused("has no signal feedfeedfeedfeed", signal_ids=[one, "feedfeedfeedfeed"])
    refused("--how is one of searched, asked_custodian", how="forgotten")
    refused("--why is the reason", why="  ")
    refused("--by is the name", by="")
    refused("name the signals to close, or one kind", kind="own_account")
    refused("name the signals to close, or one kind", signal_ids=[])
    refused("--kind is one of own_account", signal_ids=[], kind="rumour")
    refused("no open signal of the kind person", signal_ids=[], kind="person")
    with pytest.raises(UsageError, match="not closed"):
        leads.reopen(home, request_id, [one], why="x", by="pat")
    leads.close(home, request_id, [one], kind=None, how="searched", why="x", by="pat")
    refused("closed already")
    with pytest.raises(UsageError, match="has no signal 0000"):
        leads.shown(home, request_id, "0000", by="pat")
    assert [entry["action"] for entry in audited(home)].count("lead_closed") == 1


def test_nothing_is_looked_for_before_the_terms_were_counted(tmp_path):
    (tmp_path / "mail").mkdir()
    file = request_file(tmp_path, "mail", term="bus", people=(ANA, LEE))
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    request_id, _ = open_request(home, file, by="pro")
    with pytest.raises(UsageError, match="were not counted yet; `daylight terms 2026-0001` does it"):
        leads.find_signals(home, request_id)
    home.close()


def test_the_commands(made):
    home, request_id = made
    environment = {
        **os.environ,
        "DAYLIGHT_HOME": str(home.settings.home),
        "DAYLIGHT_CATALOGUE": home.settings.catalogue,
    }

    def daylight(*arguments: str) -> Done:
        return command.daylight(None, "leads", *arguments, env=environment)

    assert json.loads(daylight("find", request_id).stdout)["signals"] == 3
    rows = [json.loads(line) for line in daylight("list", request_id).stdout.splitlines()]
    assert [row["kind"] for row in rows] == ["own_account", "other_app", "missing_attachment"]
    one = rows[1]["signal_id"]
    done = daylight("promote", request_id, one, "--why", "daily", "--by", "pat")
    assert json.loads(done.stdout) == {"request_id": request_id, "promoted": 1, "open_leads": 1}
    shown = [json.loads(line) for line in daylight("show", request_id, one).stdout.splitlines()]
    assert [item["subject"] for item in shown] == ["Times"]
    done = daylight("close", request_id, one, "--how", "searched", "--why", "was", "--by", "pat")
    assert json.loads(done.stdout)["open_leads"] == 0
    assert daylight("list", request_id, "--leads", "--open").stderr == "0 leads\n"
    done = daylight("reopen", request_id, one, "--why", "again", "--by", "pat")
    assert json.loads(done.stdout)["open_leads"] == 1
    bad = daylight("close", request_id, one, "--how", "x", "--why", "was", "--by", "pat")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "--how is one of" in bad.stderr
