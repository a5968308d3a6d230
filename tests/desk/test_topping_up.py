"""Top-ups: a later run fetches only what is new, within the version in force, and tells what became of it."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import sqlalchemy as sa

from desk import topping_up
from desk.books import books
from desk.items import items
from desk.run import open_run, plan, waiting_batches
from records import audit
from records import tables as t
from records.errors import AccessError, AlreadyRunning, CursorExpired, ItemError, SettingsError, UsageError
from records.vocabulary import Reason
from tests.connectors import packages
from tests.connectors.packages import Mail, VaultPackage
from tests.desk import fake_mailbox as fake
from tests.servers.postgres import postgres

LEE = "lee@falls.example"


@pytest.fixture
def service(monkeypatch):
    return fake.register(monkeypatch)


@pytest.fixture
def home(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(6)}  # 5 to 10 January
    opened, request_id = fake.opened_home(tmp_path, "lee", to="2026-01-07")
    assert request_id == "2026-0001"
    fake.run(opened, request_id)
    assert service.opened == ["m000", "m001", "m002"]
    service.opened.clear()
    yield opened
    opened.close()


ID = "2026-0001"


def amend(home, tmp_path, *people, **given):
    path = fake.request_file(tmp_path / "later", *people, **given)
    return topping_up.amend(home, ID, path, by="pro", why="clarified")


def last(home):
    return topping_up.report(home, ID)[-1]


def counts(report):
    return {name: count for name, count in report["total"].items() if count and name != "new_by_state"}


def states(home):
    """Return the state of every top item, by native key."""
    i = t.items.c
    with home.catalogue.read() as connection:
        return dict(
            connection.execute(
                sa.select(i.native_key, i.state).where(i.level == 0).order_by(i.native_key)
            ).all()
        )


def test_a_wider_window_fetches_only_what_is_inside_now(home, service, tmp_path):
    made = amend(home, tmp_path, "lee", to="2026-01-09")
    assert made == {
        "request_id": ID, "version": 2, "changed": ["window"], "round": 1, "listed_again": ["lee-mail"],
        "new_sources": [], "terms_kept": False, "holds_proposed": ["h002"],
    }  # fmt: skip
    assert home.request(ID).state == "open"
    assert books(home, ID).balanced is False  # until it is listed again
    assert fake.run(home, ID)["outcome"] == "complete"
    assert service.opened == ["m003", "m004"]
    assert counts(last(home)) == {"same": 4, "now_inside": 2}
    assert last(home)["done"] is True
    ledger = books(home, ID)
    assert ledger.balanced
    (scope,) = ledger.scopes
    assert (scope.expected, scope.found, scope.stored, scope.excluded, scope.gone) == (6, 6, 5, 1, 0)
    found = {row["native_id"]: row for row in items(home, ID)}
    assert "bus route 4" in found["m004"]["text"]  # read, and searched
    assert found["m005"]["excluded"] == "outside_window"
    assert home.engine(ID).state().documents == 5


def test_what_is_never_beyond_the_version_in_force(home, service, tmp_path):
    amend(home, tmp_path, "lee", to="2026-01-06")  # narrower
    fake.run(home, ID)
    assert service.opened == []
    assert counts(last(home)) == {"same": 5, "now_outside": 1}
    assert states(home)["m002"] == "stored"  # nothing stored is ever deleted


def test_what_came_changed_and_vanished(home, service):
    inbox = service.folders[LEE]["inbox"]
    inbox[0].words, inbox[0].change = "another bus route", "2"
    inbox[1].change = "2"  # read meanwhile: the words are the same
    del inbox[2]
    inbox.append(fake.Message("late", fake.day(6)))
    assert topping_up.ask(home, ID, by="pro", why="a month later") == {
        "request_id": ID, "round": 1, "listed_again": ["lee-mail"],
    }  # fmt: skip
    assert fake.run(home, ID) == {"outcome": "complete", "balanced": True, "places_not_read": 0}
    assert service.opened == ["m000", "m001", "late"]
    report = last(home)
    assert counts(report) == {"new": 1, "same": 3, "facts_changed": 1, "changed": 1, "vanished": 1}
    assert report["total"]["new_by_state"] == {"stored": 1, "failed": 0, "excluded": 0}
    assert (report["round"], report["version"], report["by"], report["why"]) == (1, 1, "pro", "a month later")
    assert states(home) == {
        "late": "stored", "m000": "stored", "m000#r1": "stored", "m001": "stored", "m002": "stored",
        "m003": "excluded", "m004": "excluded", "m005": "excluded",
    }  # fmt: skip
    by_key = {row["native_id"]: row for row in items(home, ID)}
    assert by_key["m000#r1"]["metadata"]["earlier_item"] == by_key["m000"]["item_id"]
    assert "another bus route" in by_key["m000#r1"]["text"]
    assert "another" not in by_key["m000"]["text"]
    (scope,) = books(home, ID).scopes
    assert (scope.expected, scope.found, scope.gone) == (6, 8, 2)  # m002, and the earlier form of m000
    told = [(row["outcome"], row["native_id"], row["earlier_item"]) for row in topping_up.listed(home, ID, 1)]
    assert told == [
        ("new", "late", None),
        ("changed", "m000", by_key["m000"]["item_id"]),
        ("facts_changed", "m001", None),
        ("vanished", "m002", None),
    ]


@pytest.mark.services
def test_the_same_on_postgresql(service, tmp_path):
    with postgres() as server:
        service.folders[LEE] = {"inbox": fake.messages(4)}
        home, _ = fake.opened_home(tmp_path, "lee", catalogue=f"{server}/postgres", to="2026-01-06")
        try:
            fake.run(home, ID)
            inbox = service.folders[LEE]["inbox"]
            inbox[0].words, inbox[0].change = "another bus route", "2"
            del inbox[1]
            inbox.append(fake.Message("late", fake.day(6)))
            amend(home, tmp_path, "lee", to="2026-01-07")
            assert fake.run(home, ID) == {"outcome": "complete", "balanced": True, "places_not_read": 0}
            assert counts(last(home)) == {"new": 1, "same": 1, "changed": 1, "now_inside": 1, "vanished": 1}
            assert len(list(topping_up.listed(home, ID, 1))) == 4
        finally:
            home.close()


def test_a_second_top_up_tells_only_what_happened_since_the_first(home, service):
    inbox = service.folders[LEE]["inbox"]
    gone = inbox.pop(2)
    inbox[0].words, inbox[0].change = "second form", "2"
    inbox[1].change = "2"
    topping_up.ask(home, ID, by="pro", why="first")
    fake.run(home, ID)
    service.opened.clear()
    inbox[0].words, inbox[0].change = "third form", "3"
    topping_up.ask(home, ID, by="pro", why="second")
    fake.run(home, ID)
    assert service.opened == ["m000"]  # m001 has the change key that was noted last time
    assert counts(last(home)) == {"same": 4, "changed": 1}
    inbox.insert(2, gone)
    topping_up.ask(home, ID, by="pro", why="third")
    assert fake.run(home, ID)["balanced"] is True
    assert counts(last(home)) == {"same": 6}
    assert [counts(one) for one in topping_up.report(home, ID)] == [
        {"same": 3, "changed": 1, "facts_changed": 1, "vanished": 1},
        {"same": 4, "changed": 1},
        {"same": 6},
    ]
    (scope,) = books(home, ID).scopes
    assert (scope.expected, scope.found, scope.gone) == (6, 8, 2)
    forms = {row["native_id"]: row for row in items(home, ID) if row["native_id"].startswith("m000")}
    assert forms["m000#r2"]["metadata"]["earlier_item"] == forms["m000#r1"]["item_id"]


def test_a_new_custodian_is_collected_and_nobody_is_listed_again(home, service, tmp_path):
    service.folders["okafor@falls.example"] = {"inbox": fake.messages(4, prefix="k")}
    made = amend(home, tmp_path, "lee", "okafor", to="2026-01-07")
    assert (made["changed"], made["listed_again"], made["new_sources"]) == (
        ["custodians", "sources"], [], ["okafor-mail"],
    )  # fmt: skip
    fake.run(home, ID)
    assert service.opened == ["k000", "k001", "k002"]
    report = last(home)
    assert counts(report) == {"new": 4}
    assert report["total"]["new_by_state"] == {"stored": 3, "failed": 0, "excluded": 1}
    assert report["places_new"] == [["okafor-mail", "inbox"]]
    assert books(home, ID).balanced


def test_what_could_not_be_had_is_tried_again(home, service):
    service.folders[LEE]["inbox"].append(fake.Message("shy", fake.day(6), gone=True))
    topping_up.ask(home, ID, by="pro", why="x")
    fake.run(home, ID)
    assert last(home)["total"]["new_by_state"] == {"stored": 0, "failed": 1, "excluded": 0}
    service.folders[LEE]["inbox"][-1].gone = False
    service.opened.clear()
    topping_up.ask(home, ID, by="pro", why="y")
    assert fake.run(home, ID)["outcome"] == "complete"
    assert service.opened == ["shy"]
    assert counts(last(home)) == {"same": 6, "now_had": 1}


def test_places_that_came_and_went(home, service):
    folders = service.folders[LEE]
    folders["new"] = fake.messages(1, prefix="n")
    folders["old"] = folders.pop("inbox")
    topping_up.ask(home, ID, by="pro", why="x")
    assert fake.run(home, ID)["balanced"] is True
    report = last(home)
    assert report["places_gone"] == [["lee-mail", "inbox"]]
    assert report["places_new"] == [["lee-mail", "new"], ["lee-mail", "old"]]
    assert counts(report) == {"new": 7, "vanished": 6}
    with home.catalogue.read() as connection:
        kept = Counter(connection.scalars(sa.select(t.items.c.state).where(t.items.c.level == 0)))
    assert kept == {"stored": 7, "excluded": 6}


def test_a_source_that_is_named_no_more_is_not_asked(home, service, tmp_path):
    service.folders["okafor@falls.example"] = {"inbox": fake.messages(1, prefix="k")}
    amend(home, tmp_path, "okafor", "lee!", to="2026-01-07")
    fake.run(home, ID)
    assert service.opened == ["k000"]
    assert states(home)["m000"] == "stored"
    assert books(home, ID).balanced
    with home.catalogue.write() as connection:  # and its families can still be read anew
        connection.execute(t.batches.update().values(extract_state="waiting", index_state="waiting"))
        connection.execute(t.readings.delete())
    fake.run(home, ID)
    assert books(home, ID).text["searchable"] == 4


def test_what_a_round_left_is_taken_over_by_the_next(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(4)}
    service.broken = {"inbox": (2, ItemError(Reason.TRUNCATED, "broke_off"))}
    home, _ = fake.opened_home(tmp_path, "lee")
    fake.run(home, ID)
    assert service.opened == ["m000", "m001"]
    service.broken = {}
    topping_up.ask(home, ID, by="pro", why="it answers again")
    assert fake.run(home, ID) == {"outcome": "complete", "balanced": True, "places_not_read": 0}
    assert service.opened == ["m000", "m001", "m002", "m003"]
    assert counts(last(home)) == {"new": 2, "same": 2}
    home.close()


def test_batches_that_wait_when_it_is_amended_collect_nothing_twice(service, tmp_path):
    service.folders[LEE] = {"inbox": fake.messages(4)}
    home, _ = fake.opened_home(tmp_path, "lee", to="2026-01-06")
    open_run(home, ID, "local-cut")
    plan(home, ID, "local-cut")
    assert len(waiting_batches(home, ID)) == 1
    amend(home, tmp_path, "lee", to="2026-01-07")
    assert fake.run(home, ID)["balanced"] is True
    assert service.opened == ["m000", "m001", "m002"]
    assert states(home) == {"m000": "stored", "m001": "stored", "m002": "stored", "m003": "excluded"}
    home.close()


@pytest.mark.parametrize("stop", range(8))
def test_a_top_up_that_is_killed_goes_on_where_it_was(service, tmp_path, monkeypatch, stop):
    """Killed at each item; one of the items is used twice by the source, one changed, one vanished."""
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    inbox = fake.messages(5)
    inbox.insert(1, fake.Message("m000", fake.day(5), "the key is used twice"))
    service.folders[LEE] = {"inbox": inbox}
    home, _ = fake.opened_home(tmp_path, "lee")
    fake.run(home, ID)
    assert sorted(states(home)) == ["m000", "m000#2", "m001", "m002", "m003", "m004"]
    inbox[2].words, inbox[2].change = "changed", "2"
    del inbox[3]
    inbox += [fake.Message("n1", fake.day(8)), fake.Message("n2", fake.day(9))]
    topping_up.ask(home, ID, by="pro", why="x")

    whole = fake.FakeMailbox.items
    killed = []

    def items_until(self, part, window, cursor=None):
        for number, item in enumerate(whole(self, part, window, cursor)):
            if number == stop and not killed:
                killed.append(number)
                raise InterruptedError
            yield item

    monkeypatch.setattr(fake.FakeMailbox, "items", items_until)
    if stop < len(inbox):
        with pytest.raises(InterruptedError):
            fake.run(home, ID)
    assert fake.run(home, ID) == {"outcome": "complete", "balanced": True, "places_not_read": 0}
    assert counts(last(home)) == {"new": 2, "same": 4, "changed": 1, "vanished": 1}
    assert sorted(states(home)) == ["m000", "m000#2", "m001", "m001#r1", "m002", "m003", "m004", "n1", "n2"]
    home.close()


def test_a_cursor_that_expires_in_a_top_up_doubles_nothing(service, tmp_path, monkeypatch):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    inbox = fake.messages(5)
    service.folders[LEE] = {"inbox": inbox}
    home, _ = fake.opened_home(tmp_path, "lee")
    fake.run(home, ID)
    inbox[1].words, inbox[1].change = "changed", "2"
    topping_up.ask(home, ID, by="pro", why="x")
    whole = fake.FakeMailbox.items
    calls = []

    def expiring(self, part, window, cursor=None):
        calls.append(cursor)
        if cursor is not None:
            raise CursorExpired("gone")
        for number, item in enumerate(whole(self, part, window, None)):
            if number == 4 and len(calls) == 1:
                raise RuntimeError("killed")
            yield item

    monkeypatch.setattr(fake.FakeMailbox, "items", expiring)
    with pytest.raises(RuntimeError):
        fake.run(home, ID)
    assert fake.run(home, ID)["balanced"] is True
    assert calls == [None, "3", None]
    assert counts(last(home)) == {"same": 4, "changed": 1}
    home.close()


def test_files_are_compared_by_their_bytes(tmp_path):
    drop = tmp_path / "drop"
    drop.mkdir()
    for name in ("same.txt", "other.txt", "longer.txt", "gone.txt"):
        (drop / name).write_text(f"bus route {name}")
    more = f'[[sources]]\nid = "d"\nconnector = "loose_files"\ncustodian = "lee"\npath = "{drop}"\n'
    home, _ = fake.opened_home(tmp_path, "lee!", more=more)
    fake.run(home, ID)
    (drop / "other.txt").write_text("bus_route other.txt")
    (drop / "longer.txt").write_text("bus route longer.txt and more")
    (drop / "gone.txt").unlink()
    (drop / "new.txt").write_text("new")
    topping_up.ask(home, ID, by="pro", why="x")
    assert fake.run(home, ID)["balanced"] is True
    assert counts(last(home)) == {"new": 1, "same": 1, "changed": 2, "vanished": 1}
    stored = home.store(ID).verify()
    assert (stored.damaged, stored.orphans) == ((), 0)
    home.close()


def test_a_mailbox_file_that_grew(tmp_path):
    def mbox(keys):
        return b"".join(
            b"From x@falls.example Mon Jan  5 10:00:00 2026\n" + fake.Message(key, fake.day(5)).data() + b"\n"
            for key in keys
        )

    path = tmp_path / "lee.mbox"
    path.write_bytes(mbox(["a", "b", "b"]))
    more = f'[[sources]]\nid = "d"\nconnector = "mail_files"\ncustodian = "lee"\npath = "{path}"\n'
    home, _ = fake.opened_home(tmp_path, "lee!", more=more)
    fake.run(home, ID)
    path.write_bytes(mbox(["a", "c", "b"]))
    topping_up.ask(home, ID, by="pro", why="x")
    assert fake.run(home, ID)["balanced"] is True
    assert counts(last(home)) == {"new": 1, "same": 2, "vanished": 1}
    home.close()


def test_what_an_amendment_refuses(home, tmp_path):
    path = fake.request_file(tmp_path / "later", "lee", to="2026-01-07")
    with pytest.raises(UsageError, match="says the same already"):
        topping_up.amend(home, ID, path, by="pro", why="x")
    with pytest.raises(UsageError, match="say why"):
        topping_up.amend(home, ID, path, by="pro", why=" ")
    path.write_text(path.read_text().replace("2026-09-08", "2026-09-09"))
    with pytest.raises(UsageError, match="received_on stays as it is"):
        topping_up.amend(home, ID, path, by="pro", why="x")
    path = fake.request_file(tmp_path / "later", "lee", "okafor")
    path.write_text(path.read_text().replace('id = "okafor-mail"', 'id = "x"').replace("lee-mail", "y"))
    path.write_text(path.read_text().replace('id = "x"', 'id = "lee-mail"'))
    with pytest.raises(
        UsageError, match="source lee-mail: its connector and custodian are part of its items"
    ):
        topping_up.amend(home, ID, path, by="pro", why="x")
    assert home.request(ID).version == 1
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed"):
        amend(home, tmp_path, "lee")
    with pytest.raises(UsageError, match="is closed"):
        topping_up.ask(home, ID, by="pro", why="x")


def test_a_top_up_needs_a_first_run(service, tmp_path):
    home, _ = fake.opened_home(tmp_path, "lee")
    with pytest.raises(UsageError, match="has not been run"):
        topping_up.ask(home, ID, by="pro", why="x")
    with pytest.raises(UsageError, match="has no round 3"):
        list(topping_up.listed(home, ID, 3))
    home.close()


def test_words_of_the_request_change_without_another_listing(home, tmp_path):
    path = fake.request_file(tmp_path / "later", "lee", to="2026-01-07")
    path.write_text(path.read_text().replace("about the bus route", "about bus routes"))
    (path.parent / "terms.csv").write_text("term\nzebra\n")
    made = topping_up.amend(home, ID, path, by="pro", why="as they wrote later")
    assert (made["changed"], made["round"], made["terms_kept"]) == (["text"], None, True)
    found = home.request(ID)
    assert (found.version, found.body.text, found.terms) == (
        2, "All records about bus routes", "term\nbus route\n",
    )  # fmt: skip
    assert found.state == "complete"
    with home.catalogue.read() as connection:
        entries = [json.loads(row[0]) for row in connection.execute(sa.select(t.audit.c.entry))]
    assert [(e["actor"], e["what"]) for e in entries if e["action"] == "versioned"] == [("pro", "request")]
    audit.verify(home.catalogue)


@pytest.mark.parametrize(
    ("order", "most"),
    [("same", 5), ("half", 5), ("reversed", 42), ("new between", 45)],
)
def test_the_catalogue_is_asked_in_pieces(service, tmp_path, monkeypatch, order, most):
    monkeypatch.setattr("connectors.relist.AHEAD", 10)
    messages = fake.messages(40)
    service.folders[LEE] = {"inbox": messages}
    home, _ = fake.opened_home(tmp_path, "lee")
    fake.run(home, ID)
    new = fake.messages(40, prefix="n")
    service.folders[LEE]["inbox"] = {
        "same": messages,
        "half": messages[20:],
        "reversed": messages[::-1],
        "new between": [one for pair in zip(messages, new, strict=True) for one in pair],
    }[order]
    topping_up.ask(home, ID, by="pro", why="x")
    asked = []
    engine = home.catalogue.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    fake.run(home, ID)
    assert sum(" AS met" in statement for statement in asked) <= most
    assert (
        counts(last(home))
        == {
            "same": {"same": 40},
            "half": {"same": 20, "vanished": 20},
            "reversed": {"same": 40},
            "new between": {"same": 40, "new": 40},
        }[order]
    )
    home.close()


PACKAGE = """
[[sources]]
id = "vault"
connector = "vault_export"
custodian = "lee"
path = "vault"
"""


def test_a_package_that_was_downloaded_again_is_read(service, tmp_path):
    mails = [Mail(number, packages.ANA) for number in range(3)] + [Mail(7, packages.LEE)]
    files = VaultPackage(mails=mails).build(per_zip=3)
    zips = sorted(name for name in files if name.endswith(".zip"))
    damaged = files | {zips[0]: files[zips[0]].replace(b"zanzibar", b"zanzibaz", 1) + b"\0"}
    assert damaged[zips[0]] != files[zips[0]]
    packages.write(tmp_path / "vault", damaged)
    home, _ = fake.opened_home(tmp_path, "lee!", more=PACKAGE, to="2026-12-31")
    fake.run(home, ID)
    failed = [one for one in books(home, ID).scopes if one.failure == "corrupt"]
    before = states(home)
    assert failed
    fake.run(home, ID)  # nothing else lies there: it is not listed again
    assert topping_up.report(home, ID) == []
    (tmp_path / "vault" / zips[0]).write_bytes(files[zips[0]])
    fake.run(home, ID)
    (round_,) = topping_up.report(home, ID)
    assert (round_["by"], round_["why"]) == ("daylight", "other files lie where some could not be read")
    assert [one for one in books(home, ID).scopes if one.failure] == []
    came = {key for key, state in states(home).items() if state != before.get(key)}
    assert len(came) >= 1
    assert {states(home)[key] for key in before} == set(before.values())
    fake.run(home, ID)
    assert len(topping_up.report(home, ID)) == 1
    home.close()


FORM = {"id": "kim-mail", "connector": "fake_mailbox", "custodian": "lee", "connection": "district",
        "account": "kim@falls.example", "path": None, "places": [], "options": {}, "readers": None,
        "kept_back": None}  # fmt: skip


def test_a_form_names_a_further_source(home, service):
    service.folders["kim@falls.example"] = {"inbox": fake.messages(2, prefix="k")}
    assert open_run(home, ID, "local-form", source=FORM, by="pro")["sources"] == 2
    assert open_run(home, ID, "local-form", source=FORM, by="pro")["version"] == 2  # a task is repeated
    found = home.request(ID)
    assert [source.id for source in found.body.sources] == ["lee-mail", "kim-mail"]
    assert found.body.sources[1].account == "kim@falls.example"
    fake.run(home, ID, "local-form")
    assert [key for key in service.opened if key.startswith("k")] == ["k000", "k001"]
    assert counts(last(home)) == {"new": 2}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"connector": ""}, SettingsError, "trigger form: connector: missing"),
        ({"connection": ""}, SettingsError, "trigger form: write either `path`"),
        ({"custodian": "who"}, SettingsError, "trigger form: source kim-mail: no custodian has the id who"),
        ({"connector": "outlook"}, SettingsError, "source kim-mail: no connector is called 'outlook'"),
        ({"places": ["x"]}, SettingsError, "source kim-mail: places: x not known; known: none"),
        ({"options": {"x": "y"}}, SettingsError, "source kim-mail: options: x not known; known: none"),
        ({"color": "red"}, SettingsError, "trigger form: color: unknown key"),
        ({"connector": "mail_files", "connection": "", "path": "mail"}, SettingsError, "from the root"),
        ({"connector": "mail_files", "connection": "", "path": "/nowhere"}, AccessError, "kim-mail"),
        ({"id": "lee-mail"}, UsageError, "has another source lee-mail; give this one another id"),
    ],
)
def test_what_a_form_is_refused_for(home, change, error, message):
    with pytest.raises(error, match=message):
        open_run(home, ID, "local-form", source=FORM | change, by="pro")
    assert home.request(ID).version == 1


def test_a_form_is_refused_while_another_run_waits_unless_it_takes_over(home):
    open_run(home, ID, "manual__1")
    with pytest.raises(AlreadyRunning):
        open_run(home, ID, "manual__2", source=FORM, by="pro")
    assert home.request(ID).version == 1
    open_run(home, ID, "manual__2", source=FORM, by="pro", take_over=True)
    assert home.request(ID).version == 2
