"""The dry run: counts and headers only, each figure by hand; unknowns are said; adjustments are kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from desk import estimating, rates, topping_up
from desk.clock import after, between
from desk.estimating import Part
from desk.home import Home
from desk.request import parse_request
from desk.status import status
from records import audit, canonical
from records import tables as t
from records.decisions import Decision, Exemption, Hold, Treatment
from records.errors import AccessError, ItemError, Retryable, UsageError
from records.models import Unreached
from records.settings import Settings
from records.vocabulary import Reach, Reason
from tests.desk import fake_mailbox as fake

LEE, OKAFOR = "lee@falls.example", "okafor@falls.example"
ID = "2026-0001"
MONDAY = date(2026, 9, 14)


@pytest.fixture
def service(monkeypatch):
    return fake.register(monkeypatch)


def plan(home, **given):
    return estimating.estimate(home, ID, by="pro", today=MONDAY, **given)


def parts(made):
    return {part.name: (part.low, part.high) for part in made.parts}


REFUSED = "http_403: grant the right to read it"


def test_counts_and_headers_only(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(5), "sent": fake.messages(4, prefix="s")}
    service.folders[LEE]["inbox"][0].gone = True
    service.totals = {"sent": 6}
    service.unreached[LEE] = [
        Unreached("archive", "x", "mailbox", Reach.NOT_BY_THIS_ROUTE, "archive_mailbox"),
        Unreached("public", "x", "folder", Reach.NOT_ASKED),
        Unreached("shared", "x", "mailbox", Reach.REFUSED, REFUSED),
    ]
    home, _ = fake.opened_home(tmp_path, "lee", "ruiz!", to="2026-01-08")  # of each place, four days
    tables = {name for name in t.metadata.tables if name not in {"estimates", "audit"}}
    before = rows(home, tables)
    told = []
    made = plan(home, tell=told.append)
    assert service.opened == []
    assert rows(home, tables) == before
    assert not (home.settings.request_folder(ID) / "evidence").exists()
    (lee,) = made.sources
    assert told == [lee]
    size = sum(len(one.data()) for one in [*fake.messages(4)[1:], *fake.messages(4, prefix="s")])
    assert asdict(lee) == {
        "source": "lee-mail", "custodian": "lee", "connector": "fake_mailbox", "answered": True,
        "problem": "",
        "places": 2,
        "not_read": ("archive: not_by_this_route", "public: not_asked", f"shared: refused ({REFUSED})"),
        "items": 9, "inside": 7, "outside": 1, "failed": 1, "expected": 11, "size_bytes": size, "sized": 7,
    }  # fmt: skip
    assert (made.items, made.size_bytes, made.without_source) == (7, size, ("ruiz",))
    assert made.unknown == (
        "lee-mail: archive: not_by_this_route",
        f"lee-mail: shared: refused ({REFUSED})",
    )
    assert estimating.in_force(home, ID) == made
    home.close()


def rows(home, tables):
    with home.catalogue.read() as connection:
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(t.metadata.tables[name])).scalar()
            for name in tables
        }


def test_the_parts_by_hand_from_stated_defaults(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(1000, first="2020-01-01T12:00:00+00:00")}
    home, _ = fake.opened_home(tmp_path, "lee")
    path = fake.request_file(tmp_path, "lee")
    path.write_text(path.read_text().replace("2026-01-01", "2010-01-01"))
    topping_up.amend(home, ID, path, by="pro", why="all of it")
    made = plan(home)
    assert made.items == 1000
    assert made.in_review == (150, 600)  # 0.3 an item, from half to twice
    assert parts(made) == {
        "collection": (0.0, 0.0),  # 1,000 items at 0.1 to 0.4 s are minutes
        "ocr": (0.0, 0.01),  # 25 to 100 pages at 1.5 to 6 s
        "review": (0.25, 4.0),  # 150 at 600 a day; 600 at 150 a day
        "redaction": (0.12, 8.0),  # a tenth of 150 at 120 a day; two fifths of 600 at 30 a day
        "legal_review": (1.0, 5.0),
        "notice": (0.0, 10.0),
    }
    assert not any(part.measured for part in made.parts)
    assert all("default: " in part.basis for part in made.parts if part.name != "notice")
    # least: 1.37 days are 2, from Monday the 14th; greatest: 17.01 are 18, to 8 October, and ten days
    assert made.finish_from == "2026-09-16"
    assert after(MONDAY, 18) == date(2026, 10, 8)
    assert made.finish_to == "2026-10-19"  # the 18th is a Sunday
    # 500 of 600: 5 + 5/6 of 12 days are 15
    assert made.first_items == 500
    assert made.first_instalment_on == after(MONDAY, 15).isoformat() == "2026-10-05"
    assert (made.start_on, made.due_on) == ("2026-09-14", "2026-09-15")
    home.close()


def test_a_source_that_does_not_answer_costs_only_itself(service, tmp_path, monkeypatch):
    service.folders[LEE] = {"inbox": fake.messages(3), "sent": fake.messages(4, prefix="s")}
    service.broken = {"sent": (2, ItemError(Reason.TRUNCATED, "broke_off"))}
    service.refuses = {
        OKAFOR: AccessError("source okafor-mail: no such mailbox; correct `account`"),
        "ruiz@falls.example": Retryable("source ruiz-mail: the service is busy"),
        "kim@falls.example": KeyError("a pupil's name"),
    }
    home, _ = fake.opened_home(tmp_path, "lee", "okafor", "ruiz", "kim", "ono")
    service.folders["ono@falls.example"] = {"inbox": fake.messages(2)}
    made = plan(home)
    assert [(one.source, one.answered, one.items) for one in made.sources] == [
        ("lee-mail", True, 5), ("okafor-mail", False, 0), ("ruiz-mail", False, 0), ("kim-mail", False, 0),
        ("ono-mail", True, 2),
    ]  # fmt: skip
    assert made.unknown == (
        "okafor-mail: no such mailbox; correct `account`",
        "ruiz-mail: the service is busy",
        "kim-mail: KeyError",
        "lee-mail: sent: truncated",
    )
    shown = "\n".join(estimating.table(made))
    assert "did not answer" in shown
    assert "Unknown: ruiz-mail: the service is busy" in shown
    home.close()


def test_sizes_that_a_listing_does_not_give_are_unknown(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(3)}
    service.sizes = False
    home, _ = fake.opened_home(tmp_path, "lee")
    made = plan(home)
    assert (made.sources[0].size_bytes, made.size_bytes) == (None, None)
    assert made.unknown == ("lee-mail: the listing gives no size of 3 of 3 items",)
    home.close()


def test_files_are_counted_too(tmp_path):
    drop = tmp_path / "drop"
    drop.mkdir()
    for number in range(3):
        (drop / f"{number}.txt").write_text("x" * 10)
    more = f'[[sources]]\nid = "d"\nconnector = "loose_files"\ncustodian = "lee"\npath = "{drop}"\n'
    home, _ = fake.opened_home(tmp_path, "lee!", more=more)
    made = plan(home)
    assert (made.items, made.size_bytes, made.sources[0].expected, made.unknown) == (3, 30, 3, ())
    home.close()


# -- measured


def decide(home, request_id, items, day, decision):
    at = canonical.utc_text(datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=18))
    with home.catalogue.write() as connection:
        connection.execute(
            t.decisions.insert(),
            [
                {
                    "request_id": request_id, "item_id": item, "seq": 1, "version": 1, "blob_sha256": None,
                    "body": decision.to_json(), "by": "pat", "at": at,
                }
                for item in items
            ],
        )  # fmt: skip


RELEASE = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
REDACT = Decision(
    public_record=True, responsive=True, treatment=Treatment.REDACT, holds=(Hold.NOTICE,),
    exemptions=(Exemption("student-pii", "A pupil is named."),),
)  # fmt: skip


def test_rates_are_measured_on_earlier_requests(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(100)}
    home, _ = fake.opened_home(tmp_path, "lee")
    fake.run(home, ID)
    with home.catalogue.write() as connection:
        # 100 items, 60 of them hit; the steps took 20, 8 and 2 seconds; the run ended on Thursday
        items = list(connection.scalars(sa.select(t.items.c.item_id).order_by(t.items.c.item_id)))
        connection.execute(
            t.hits.insert(),
            [
                {
                    "request_id": ID,
                    "version": 1,
                    "term_no": 2,
                    "item_id": one,
                    "family_id": one,
                    "occurrences": 1,
                }
                for one in items[:60]
            ],
        )
        for step, seconds in (("collect", 20), ("extract", 8), ("index", 2)):
            connection.execute(
                t.attempts.update()
                .where(t.attempts.c.step == step)
                .values(
                    started_at="2026-09-10T10:00:00.000000Z",
                    ended_at=f"2026-09-10T10:00:{seconds:02}.000000Z",
                )
            )
        connection.execute(t.runs.update().values(ended_at="2026-09-10T17:00:00.000000Z"))
    decide(home, ID, items[:40], date(2026, 9, 10), RELEASE)
    decide(home, ID, items[40:60], date(2026, 9, 14), REDACT)
    with home.catalogue.read() as connection:
        speed = rates.seconds_an_item(connection, "fake_mailbox", "service", 2)
        hit = rates.reviewed_an_item(connection)
        pace = rates.reviewed_a_day(connection, home.request(ID).body.zone)
        share = rates.redacted_share(connection)
        pages = rates.pages_an_item(connection)
        assert rates.notices(connection) == (1, 1)
    assert (speed.low, speed.high, speed.measured) == (0.15, 0.3, True)
    assert (hit.low, hit.high) == (pytest.approx(0.45), pytest.approx(0.75))  # 0.6, a quarter around it
    assert between(date(2026, 9, 10), date(2026, 9, 14)) == 3  # Thursday, Friday, Monday
    assert (pace.low, pace.high) == (15.0, 25.0)  # 60 in three days
    assert pace.basis == "60 items decided in 3 business days, in one earlier request"
    assert (share.low, share.measured) == (pytest.approx(1 / 3), True)
    assert (pages.low, pages.high, pages.measured) == (0.0, 0.0, True)
    made = plan(home)
    by_name = {part.name: part for part in made.parts}
    assert made.in_review == (45, 75)
    assert (by_name["review"].low, by_name["review"].high) == (1.8, 5.0)
    assert {name: part.measured for name, part in by_name.items()} == {
        "collection": True, "ocr": False, "review": True, "redaction": False, "legal_review": False,
        "notice": False,
    }  # fmt: skip
    assert "so it was in 1 of 1 earlier requests with decisions" in by_name["notice"].basis
    home.close()


def test_two_requests_give_the_range_of_the_pace(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(1)}
    home, _ = fake.opened_home(tmp_path, "lee")
    decide(home, "2025-0001", [f"a{n}" for n in range(60)], date(2026, 9, 10), RELEASE)
    decide(home, "2025-0002", [f"b{n}" for n in range(200)], date(2026, 9, 10), RELEASE)
    decide(home, "2025-0003", [f"c{n}" for n in range(rates.ENOUGH - 1)], date(2026, 9, 10), RELEASE)
    with home.catalogue.read() as connection:
        pace = rates.reviewed_a_day(connection, home.request(ID).body.zone)
    assert (pace.low, pace.high, pace.measured) == (60.0, 200.0, True)
    home.close()


# -- a person adjusts it


def test_a_person_adjusts_a_part_with_a_reason(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(3)}
    home, _ = fake.opened_home(tmp_path, "lee")
    with pytest.raises(UsageError, match="has no estimate yet"):
        estimating.adjust(home, ID, ["review=12d"], by="pro", why="x")
    before = plan(home)
    made = estimating.adjust(home, ID, ["review=12d", "notice=0"], by="pro", why="two reviewers are away")
    review = {part.name: part for part in made.parts}["review"]
    assert review == Part(
        "review", 12.0, 12.0, f"set by a person; before: 0 to 0.01, {parts_of(before)['review'].basis}",
        measured=False, why="two reviewers are away", by="pro",
    )  # fmt: skip
    assert made.sources == before.sources
    assert made.finish_from == after(MONDAY, 13).isoformat()  # 12, and 1 for counsel
    assert made.finish_to == after(MONDAY, 18).isoformat()  # 12, 5 for counsel, and a bit of redaction
    assert estimating.in_force(home, ID) == made
    assert status(home, ID)["estimate"] == {
        "version": 1, "made_at": before.made_at, "first_instalment_on": made.first_instalment_on,
        "finish_from": made.finish_from, "finish_to": made.finish_to, "unknown": (),
    }  # fmt: skip
    with home.catalogue.read() as connection:
        kept = connection.execute(sa.select(t.estimates.c.seq, t.estimates.c.why, t.estimates.c.by)).all()
        entries = [json.loads(row[0]) for row in connection.execute(sa.select(t.audit.c.entry))]
    assert kept == [(1, "", "pro"), (2, "two reviewers are away", "pro")]
    assert [(one["action"], one["estimate"]) for one in entries if "estimate" in one] == [
        ("estimated", 1), ("estimate_adjusted", 2),
    ]  # fmt: skip
    audit.verify(home.catalogue)
    home.close()


def parts_of(made):
    return {part.name: part for part in made.parts}


@pytest.mark.parametrize(
    "wrong", ["review", "review=", "review=-1", "lunch=2d", "review=12 days", "review=1e9"]
)
def test_what_cannot_be_adjusted(service, tmp_path, wrong):
    service.folders[LEE] = {"inbox": fake.messages(1)}
    home, _ = fake.opened_home(tmp_path, "lee")
    plan(home)
    with pytest.raises(UsageError, match="write PART=DAYS"):
        estimating.adjust(home, ID, [wrong], by="pro", why="x")
    with pytest.raises(UsageError, match="say who adjusts"):
        estimating.adjust(home, ID, ["review=1"], by="", why="x")
    home.close()


def test_every_default_is_on_the_page():
    page = (Path(__file__).parents[2] / "docs/planning.md").read_text("utf-8")
    table = page.split("\n## Defaults\n", 1)[1]
    for figure in (
        f"{rates.SECONDS_AN_ITEM['service']:g} s", f"{rates.SECONDS_AN_ITEM['files']:g} s",
        f"{rates.PAGES_AN_ITEM:g} pages", f"{rates.SECONDS_A_PAGE:g} s a page",
        f"{rates.REVIEWED_AN_ITEM:g} items",
        f"{rates.ITEMS_A_DAY:g} items", f"{rates.REDACTED_SHARE:.0%}", f"{rates.REDACTIONS_A_DAY:g} items",
        f"{estimating.LEGAL_DAYS[0]:g} to {estimating.LEGAL_DAYS[1]:g} business days",
        f"{estimating.NOTICE_DAYS} calendar days", f"{estimating.FIRST_INSTALMENT} items",
    ):  # fmt: skip
        assert figure in table, figure


def test_an_export_that_is_fetched_is_counted_as_files(tmp_path):
    sources = [
        {"id": key, "connector": name, "custodian": "lee", "connection": "c", "options": options}
        for key, name, options in (("v", "vault_export", {"matter": "m"}), ("g", "google_workspace", {}))
    ]
    body = {
        "text": "x", "received_on": date(2026, 9, 8), "terms": "", "sources": sources,
        "custodians": [{"id": "lee", "name": "Lee", "emails": ["lee@falls.example"]}],
    }  # fmt: skip
    found = SimpleNamespace(body=parse_request(body, "test"))
    counted = [
        estimating.Counted(one["id"], "lee", one["connector"], answered=True, inside=1_000) for one in sources
    ]
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    with home.catalogue.read() as connection:
        part = estimating._collection(connection, found, counted, 1)
    home.close()
    assert "0.005 s an item for vault_export" in part.basis
    assert "0.2 s an item for google_workspace" in part.basis
