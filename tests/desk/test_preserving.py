"""Preservation: proposed by the program, placed and released by people, each step with its proof."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date

import pypdfium2
import pytest
import sqlalchemy as sa

from connectors.holds import OtherHold, Placed
from desk import preserving, topping_up
from desk.hold_covering import listed, suggested_release
from desk.hold_proposals import propose
from desk.holds import holds, read_holds
from desk.litigation import add_litigation, end_litigation, litigation
from desk.preserving import hold_name
from desk.register import open_request
from records import audit
from records import tables as t
from records.errors import AccessError, AlreadyRunning, Retryable, UsageError
from tests.desk import fake_mailbox as fake
from tests.servers.postgres import postgres

ID = "2026-0001"
PERSON = "Lee"


class Services:
    """What is held at the service, by matter and name, and what it does next."""

    def __init__(self):
        self.held: dict[tuple[str, str], tuple] = {}  # id, account, corpus
        self.made_so_far = 0
        self.refuses: dict[str, Exception] = {}  # account: what placing raises
        self.dies = False  # after it placed, before it answers
        self.calls: list[tuple] = []
        self.states: list[str] = []
        self.elsewhere: tuple[OtherHold, ...] = ()
        self.error: Exception | None = None
        self.others_error: Exception | None = None
        self.closed = 0

    def made(self, context, connection, container=""):
        assert connection.secret == "swordfish"
        return Matter(self, container or connection.extra["hold_matter"])

    def ids(self):
        return sorted(held[0] for held in self.held.values())


class Matter:
    """One matter of the service."""

    def __init__(self, service, container):
        self.service = service
        self.container = container

    def _state(self):
        return self.service.states.pop(0) if self.service.states else "in_force"

    def find(self, name):
        held = self.service.held.get((self.container, name))
        return None if held is None else Placed(held[0], self._state(), "then")

    def place(self, name, account, window, corpus):
        if (error := self.service.refuses.get(account, self.service.error)) is not None:
            raise error
        self.service.calls.append((name, account, str(window.first), str(window.last), corpus))
        self.service.made_so_far += 1
        hold_id = f"v{self.service.made_so_far}"
        self.service.held[self.container, name] = (hold_id, account, corpus)
        if self.service.dies:
            raise KeyboardInterrupt
        return Placed(hold_id, self._state(), "then")

    def release(self, hold_id):
        if self.service.error is not None:
            raise self.service.error
        mine = [key for key, held in self.service.held.items()
                if key[0] == self.container and held[0] == hold_id]  # fmt: skip
        for key in mine:
            del self.service.held[key]
        return bool(mine)

    def others(self, account, hold_id):
        if self.service.others_error is not None:
            raise self.service.others_error
        return self.service.elsewhere

    def close(self):
        self.service.closed += 1


@pytest.fixture
def services(monkeypatch):
    fake.register(monkeypatch)
    made = Services()
    monkeypatch.setattr("desk.preserving.hold_service", made.made)
    stated = {
        "login": "app",
        "password": "swordfish",
        "extra": {"hold_matter": "m", "hold_corpora": "MAIL,DRIVE"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps(stated))
    return made


@pytest.fixture
def home(services, tmp_path):
    opened, request_id = fake.opened_home(tmp_path, "lee", "okafor!")
    assert request_id == ID
    yield opened
    opened.close()


def name(home, hold_id, request_id=ID):
    return next(hold_name(one) for one in holds(home, request_id) if one.hold_id == hold_id)


def steps(home, hold_id, request_id=ID):
    one = next(one for one in holds(home, request_id) if one.hold_id == hold_id)
    return [event["event"] for event in one.events]


def states(home, request_id=ID):
    return {
        one.hold_id: (one.custodian, one.source, one.route, one.scope.get("corpus"), one.state)
        for one in holds(home, request_id)
    }


def close(home, request_id=ID, at="2026-11-30T20:00:00.000000Z"):
    with home.catalogue.write() as connection:
        connection.execute(
            t.requests.update()
            .where(t.requests.c.request_id == request_id)
            .values(state="closed", closed_at=at)
        )


def entries(home, action):
    with home.catalogue.read() as connection:
        rows = [json.loads(row[0]) for row in connection.execute(sa.select(t.audit.c.entry))]
    return [one for one in rows if one["action"] == action]


def test_opening_proposes_and_places_nothing(home, services):
    assert states(home) == {
        "h001": ("lee", "lee-mail", "vault", "MAIL", "proposed"),
        "h002": ("lee", "lee-mail", "vault", "DRIVE", "proposed"),
        "h003": ("lee", "", "memo", None, "proposed"),
        "h004": ("okafor", "", "memo", None, "proposed"),
    }
    assert services.calls == []
    assert holds(home, ID)[0].scope == {
        "account": "lee@falls.example", "corpus": "MAIL", "from": "2026-01-01", "to": "2026-06-30",
    }  # fmt: skip
    assert propose(home, ID, by="pro") == []  # harmless twice
    assert [one["holds"] for one in entries(home, "holds_proposed")] == [4]


@pytest.mark.parametrize(
    "stated", ['{"login": "x"}', "{broken", '{"extra": {"hold_matter": "m", "hold_corpora": "X"}}']
)
def test_a_connection_that_places_no_holds_leaves_the_memo(services, tmp_path, monkeypatch, stated):
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", stated)
    home, _ = fake.opened_home(tmp_path, "lee")
    assert states(home) == {"h001": ("lee", "", "memo", None, "proposed")}
    home.close()


def test_a_person_places_them_with_proof(home, services):
    services.elsewhere = (OtherHold("m2", "h9"),)
    done = preserving.place(home, ID, ["h001", "h003"], by="P. Officer", proof="by e-mail, 30 November")
    known_as = name(home, "h001")
    assert re.fullmatch("daylight-2026-0001-h001-[0-9a-f]{8}", known_as)
    assert services.calls == [(known_as, "lee@falls.example", "2026-01-01", "2026-06-30", "MAIL")]
    assert done[0] == {
        "hold_id": "h001", "route": "vault", "state": "placed", "service_id": "v1",
        "service_name": known_as, "service_container": "m", "service_state": "in_force",
        "service_at": "then", "other_holds_there": ["m2/h9"], "others_known": True, "also_covered_by": [],
    }  # fmt: skip
    assert services.closed == 1
    one, _, memo, _ = holds(home, ID)
    assert (one.state, memo.state) == ("placed", "placed")
    assert [(event["event"], event["by"]) for event in one.events] == [
        ("proposed", "pro"), ("asked", "P. Officer"), ("placed", "P. Officer"),
    ]  # fmt: skip
    assert memo.events[-1]["proof"]["handed_over"] == "by e-mail, 30 November"
    placed = entries(home, "hold_placed")
    assert [(one["actor"], one["hold"], one["route"]) for one in placed] == [
        ("P. Officer", "h001", "vault"), ("P. Officer", "h003", "memo"),
    ]  # fmt: skip
    assert "lee@" not in json.dumps(placed)
    audit.verify(home.catalogue)


def test_placing_again_looks_again_and_never_gives_two(home, services):
    services.states = ["pending", "pending", "in_force"]
    for expected in ("pending", "pending", "in_force"):
        (done,) = preserving.place(home, ID, ["h001"], by="pro")
        assert done["service_state"] == expected
    assert len(services.calls) == 1
    one = holds(home, ID)[0]
    assert [event["proof"].get("service_state") for event in one.events] == [
        None, None, "pending", "in_force",
    ]  # fmt: skip


def test_a_hold_that_the_service_could_not_apply_is_not_in_force(home, services):
    services.states = ["error"]
    (done,) = preserving.place(home, ID, ["h001"], by="pro")
    assert done["state"] == "failed"
    assert holds(home, ID)[0].in_force is False
    (again,) = preserving.place(home, ID, ["h001"], by="pro")
    assert (again["state"], holds(home, ID)[0].in_force) == ("placed", True)


@pytest.mark.parametrize("error", [AccessError("no"), Retryable("away")])
def test_a_placed_hold_is_kept_though_the_others_are_not_to_be_seen(home, services, error):
    services.others_error = error
    (done,) = preserving.place(home, ID, ["h001"], by="pro")
    assert (done["others_known"], done["other_holds_there"]) == (False, [])
    assert holds(home, ID)[0].in_force


def test_a_service_that_refuses_one_costs_only_that_one(home, services, tmp_path):
    wider = fake.request_file(tmp_path / "wider", "lee", "okafor!", "kim")
    topping_up.amend(home, ID, wider, by="pro", why="kim too")
    mails = [key for key, value in states(home).items() if value[3] == "MAIL"]
    assert mails == ["h001", "h005"]
    services.refuses["lee@falls.example"] = AccessError("source lee-mail: Vault knows no such account")
    refused, placed = preserving.place(home, ID, mails, by="pro")
    assert refused["error"] == "source lee-mail: Vault knows no such account"
    assert (placed["hold_id"], placed["state"]) == ("h005", "placed")
    assert steps(home, "h001") == ["proposed", "asked", "refused"]
    assert holds(home, ID)[0].events[-1]["why"] == "source lee-mail: Vault knows no such account"
    assert services.closed == 2
    services.refuses.clear()
    assert preserving.place(home, ID, ["h001"], by="pro")[0]["state"] == "placed"
    assert steps(home, "h001") == ["proposed", "asked", "refused", "asked", "placed"]


def test_a_service_that_is_away_leaves_open_whether_it_is_held(home, services):
    services.error = Retryable("cut off")
    (away,) = preserving.place(home, ID, ["h001"], by="pro")
    assert (away["error"], steps(home, "h001")) == ("cut off", ["proposed", "asked"])


def test_a_crash_between_the_service_and_the_proof_loses_no_hold(home, services, tmp_path):
    services.dies = True
    with pytest.raises(KeyboardInterrupt):
        preserving.place(home, ID, ["h001"], by="pro")
    assert (services.ids(), steps(home, "h001")) == (["v1"], ["proposed", "asked"])
    # not withdrawn as a proposal that nobody confirmed: it is held
    narrower = fake.request_file(tmp_path / "a", "lee", "okafor!", to="2026-03-31")
    topping_up.amend(home, ID, narrower, by="pro", why="narrowed")
    assert states(home)["h001"][-1] == "asked"
    services.dies = False
    (found,) = preserving.place(home, ID, ["h001"], by="pro")
    assert (found["state"], found["service_id"], len(services.calls)) == ("placed", "v1", 1)


def test_what_was_held_at_a_crash_is_released(home, services):
    services.dies = True
    with pytest.raises(KeyboardInterrupt):
        preserving.place(home, ID, ["h001"], by="pro")
    close(home)
    (one,) = preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert (one["service_id"], one["was_there"], services.held) == ("v1", True, {})


def test_a_hold_that_the_service_lost_is_told_and_placed_again(home, services):
    preserving.place(home, ID, ["h001"], by="pro")
    services.held.clear()
    (seen,) = preserving.check(home, ID, by="pro")
    assert (seen["state"], seen["service_id"]) == ("lost", "v1")
    assert (holds(home, ID)[0].in_force, services.made_so_far) == (False, 1)
    preserving.check(home, ID, by="pro")
    assert steps(home, "h001") == ["proposed", "asked", "placed", "lost"]  # no news, no row
    (again,) = preserving.place(home, ID, ["h001"], by="pro")
    assert (again["state"], again["service_id"]) == ("placed", "v2")
    services.held.clear()
    (third,) = preserving.place(home, ID, ["h001"], by="pro")  # without looking before
    assert third["service_id"] == "v3"
    assert steps(home, "h001")[3:] == ["lost", "asked", "placed", "lost", "asked", "placed"]
    close(home)
    (released,) = preserving.release(home, ID, ["h001"], by="pro", why="x")  # the one that is there
    assert (released["service_id"], released["was_there"], services.held) == ("v3", True, {})


def test_a_hold_that_is_gone_when_it_is_released_is_said_to_be(home, services):
    preserving.place(home, ID, ["h001"], by="pro")
    services.held.clear()
    close(home)
    (one,) = preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert (one["state"], one["was_there"]) == ("released", False)


def test_a_hold_that_was_switched_off_there_holds_nothing(home, services):
    preserving.place(home, ID, ["h001"], by="pro")
    services.states = ["off"]
    (seen,) = preserving.check(home, ID, ["h001"], by="pro")
    assert (seen["state"], holds(home, ID)[0].in_force) == ("failed", False)
    close(home)  # and yet there is something to release
    assert preserving.release(home, ID, ["h001"], by="pro", why="x")[0]["was_there"] is True
    assert services.held == {}


def test_what_is_not_at_a_service_is_not_looked_at(home):
    assert preserving.check(home, ID, by="pro") == []
    with pytest.raises(UsageError, match="nothing to look at: h001, h003"):
        preserving.check(home, ID, ["h001", "h003"], by="pro")


def test_a_connection_that_names_another_matter_now(home, services, monkeypatch):
    preserving.place(home, ID, ["h001"], by="pro")
    extra = {"hold_matter": "another", "hold_corpora": "MAIL,DRIVE"}
    stated = {"login": "app", "password": "swordfish", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps(stated))
    (again,) = preserving.place(home, ID, ["h001"], by="pro")
    assert (again["service_id"], again["service_container"], len(services.calls)) == ("v1", "m", 1)
    close(home)
    (one,) = preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert (one["was_there"], services.held) == (True, {})


def test_a_source_that_an_amendment_took_out_is_released_all_the_same(home, services, tmp_path):
    preserving.place(home, ID, ["h001"], by="pro")
    without = fake.request_file(tmp_path / "a", "kim", "okafor!")
    topping_up.amend(home, ID, without, by="pro", why="the wrong person")
    close(home)
    assert preserving.release(home, ID, ["h001"], by="pro", why="x")[0]["was_there"] is True
    assert services.held == {}


def test_two_persons_at_once(home, services, monkeypatch):
    def meanwhile(act):
        """Do something in the moment in which another process places."""
        usual = Matter.place

        def place(self, *given):
            monkeypatch.setattr(Matter, "place", usual)
            with pytest.raises(AlreadyRunning, match="are being placed or released by another process"):
                act()
            return usual(self, *given)

        monkeypatch.setattr(Matter, "place", place)

    meanwhile(lambda: preserving.place(home, ID, ["h001"], by="B"))
    preserving.place(home, ID, ["h001"], by="A")
    assert (len(services.calls), steps(home, "h001")) == (1, ["proposed", "asked", "placed"])
    meanwhile(lambda: preserving.acknowledge(home, ID, "h003", by="B", proof="x"))
    preserving.place(home, ID, ["h002"], by="A")
    close(home)
    preserving.release(home, ID, ["h001"], by="A", why="x")
    with pytest.raises(UsageError, match="h001 is released; there is nothing to release"):
        preserving.release(home, ID, ["h001"], by="B", why="x")


def test_what_was_withdrawn_meanwhile_is_not_placed(home, services, tmp_path, monkeypatch):
    usual = Matter.find

    def find(self, name):
        narrower = fake.request_file(tmp_path / "a", "lee", "okafor!", to="2026-03-31")
        topping_up.amend(home, ID, narrower, by="pro", why="narrowed")
        return usual(self, name)

    monkeypatch.setattr(Matter, "find", find)
    (one,) = preserving.place(home, ID, ["h001"], by="A")
    assert "was withdrawn meanwhile" in one["error"]
    assert services.calls == []


def test_proposing_twice_at_once_proposes_once(home, tmp_path, monkeypatch):
    wider = fake.request_file(tmp_path / "a", "lee", "okafor!", "kim")
    usual, calls = read_holds, []

    def read(connection, request_id):
        found = usual(connection, request_id)
        calls.append(len(found))
        if len(calls) == 1:  # another process proposes after this one has read, before it writes
            propose(home, ID, by="run")
        return found

    monkeypatch.setattr("desk.topping_up.propose", lambda *a, **k: [])
    topping_up.amend(home, ID, wider, by="pro", why="kim too")
    monkeypatch.undo()
    fake.register(monkeypatch)
    monkeypatch.setattr("desk.hold_proposals.read_holds", read)
    propose(home, ID, by="pro")
    kims = [key for key, value in states(home).items() if value[0] == "kim"]
    assert kims == ["h005"]


def test_a_connection_that_cannot_be_read_withdraws_nothing(home, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_DISTRICT")
    monkeypatch.setattr("desk.connections.importlib.util.find_spec", lambda name: None)
    assert propose(home, ID, by="pro") == []
    assert states(home)["h001"][-1] == "proposed"


def test_a_connection_that_places_none_now_is_the_reason_of_the_withdrawal(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", '{"login": "app"}')
    propose(home, ID, by="pro")
    assert {key: value[-1] for key, value in states(home).items()} == {
        "h001": "withdrawn", "h002": "withdrawn", "h003": "proposed", "h004": "proposed",
    }  # fmt: skip
    assert holds(home, ID)[0].events[-1]["why"] == "its connection places another hold now, or none"


def test_two_installations_that_share_a_matter(home, services, tmp_path):
    other, request_id = fake.opened_home(tmp_path / "other", "lee", "okafor!")
    assert request_id == ID
    preserving.place(home, ID, ["h001"], by="pro")
    (mine,) = preserving.place(other, ID, ["h001"], by="pro")
    assert (mine["service_id"], services.ids()) == ("v2", ["v1", "v2"])
    other.close()


def test_a_person_with_a_blank_name_gets_a_memo_all_the_same(home, tmp_path, services):
    path = fake.request_file(tmp_path / "a", "lee", "okafor!")
    path.write_text(path.read_text().replace('name = "Lee"', 'name = " "'))
    topping_up.amend(home, ID, path, by="pro", why="x")
    preserving.write_memos(home, ID, tmp_path / "memos")
    text = (tmp_path / "memos" / "hold-2026-0001-h003-lee.txt").read_text("utf-8")
    assert "To: lee\n" in text
    close(home)
    blank = another(home, tmp_path, "kim")
    with pytest.raises(UsageError, match="a blank name names nobody"):
        add_litigation(home, "x", ["kim", " "], first=None, last=None, by="c", why="order")
    assert blank == "2026-0002"
    assert [one["also_covered_by"] for one in listed(home, ID)] == [[], [], [], []]


def test_the_memo_names_what_deletes_by_itself(home, tmp_path):
    done = preserving.write_memos(home, ID, tmp_path / "memos")
    assert done["files"] == [
        "hold-2026-0001-h003-lee.pdf", "hold-2026-0001-h003-lee.txt", "hold-2026-0001-h004-okafor.pdf",
        "hold-2026-0001-h004-okafor.txt",
    ]  # fmt: skip
    text = (tmp_path / "memos" / "hold-2026-0001-h003-lee.txt").read_text("utf-8")
    document = pypdfium2.PdfDocument(tmp_path / "memos" / "hold-2026-0001-h003-lee.pdf")
    shown = " ".join(page.get_textpage().get_text_range() for page in document)
    shown = " ".join(shown.replace("\ufffe", "").replace("\u200b", "").split())
    for words in ("auto-delete", "Do not replace, reset", "disappearing messages", "RCW 42.56.100", PERSON):
        assert words in " ".join(text.split())
        assert words in shown
    assert "2026-01-01 to 2026-06-30" in text
    with pytest.raises(UsageError, match="there already"):
        preserving.write_memos(home, ID, tmp_path / "memos")
    (handed,) = preserving.place(home, ID, ["h003"], by="pro", proof="on paper")
    assert handed["memo_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert preserving.write_memos(home, ID, tmp_path / "rest")["files"] == [
        "hold-2026-0001-h004-okafor.pdf", "hold-2026-0001-h004-okafor.txt",
    ]  # fmt: skip


def test_a_custodian_confirms_a_memo(home):
    with pytest.raises(UsageError, match="is no memo that was handed over"):
        preserving.acknowledge(home, ID, "h003", by="pro", proof="signed")
    with pytest.raises(UsageError, match="say how and when it was handed over"):
        preserving.place(home, ID, ["h003"], by="pro")
    preserving.place(home, ID, ["h003"], by="pro", proof="on paper")
    with pytest.raises(UsageError, match="handed over already"):
        preserving.place(home, ID, ["h003"], by="pro", proof="on paper")
    preserving.acknowledge(home, ID, "h003", by="pro", proof="signed on 1 December")
    memo = holds(home, ID)[2]
    assert (memo.state, memo.in_force) == ("acknowledged", True)
    assert memo.events[-1]["proof"] == {"confirmed": "signed on 1 December"}


def test_closing_releases_nothing_and_the_officer_does(home, services):
    preserving.place(home, ID, ["h001", "h003"], by="pro", proof="on paper")
    with pytest.raises(UsageError, match=r"is not closed: what it asks for is kept until it is resolved"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    close(home)
    assert states(home)["h001"][-1] == "placed"
    assert services.held == {("m", name(home, "h001")): ("v1", "lee@falls.example", "MAIL")}
    with pytest.raises(UsageError, match="say why"):
        preserving.release(home, ID, ["h001"], by="pro", why="")
    with pytest.raises(UsageError, match="h002 is proposed; there is nothing to release"):
        preserving.release(home, ID, ["h001", "h002"], by="pro", why="x")
    assert states(home)["h001"][-1] == "placed"
    one, memo = preserving.release(home, ID, ["h001", "h003"], by="pro", why="the year is over")
    assert services.held == {}
    assert (one["service_id"], one["suggested_release_on"]) == ("v1", "2027-11-30")
    assert memo["state"] == "released"
    assert holds(home, ID)[0].events[-1]["why"] == "the year is over"
    with pytest.raises(UsageError, match="is released; it is not placed again"):
        preserving.place(home, ID, ["h001"], by="pro")


def test_a_service_that_does_not_release_leaves_it_in_force(home, services):
    preserving.place(home, ID, ["h001", "h003"], by="pro", proof="on paper")
    close(home)
    services.error = AccessError("refused")
    one, memo = preserving.release(home, ID, ["h001", "h003"], by="pro", why="x")
    assert (one["error"], holds(home, ID)[0].in_force) == ("refused", True)
    assert memo["state"] == "released"


@pytest.mark.parametrize(
    ("closed_at", "day"),
    [
        ("2026-12-01T05:00:00.000000Z", "2027-11-30"),  # still the 30th in Washington
        ("2028-02-29T20:00:00.000000Z", "2029-03-01"),
    ],
)
def test_the_suggested_day_is_a_year_after_closing(home, closed_at, day):
    assert suggested_release(home, ID) is None
    close(home, at=closed_at)
    assert suggested_release(home, ID) == day


def another(home, tmp_path, *people, to="2026-06-30", first="2026-01-01"):
    path = fake.request_file(tmp_path / f"other-{to}-{first}", *people, to=to)
    path.write_text(path.read_text().replace("from = 2026-01-01", f"from = {first}"))
    return open_request(home, path, by="pro")[0]


def test_another_request_for_the_same_person_and_days_refuses_a_release(home, tmp_path):
    preserving.place(home, ID, ["h001"], by="pro")
    other = another(home, tmp_path, "lee", first="2026-06-30", to="2026-08-31")
    apart = another(home, tmp_path, "lee", first="2026-07-01", to="2026-08-30")  # other days
    elsewhere = another(home, tmp_path, "kim")  # another person
    assert (other, apart, elsewhere) == ("2026-0002", "2026-0003", "2026-0004")
    first = next(iter(listed(home, ID)))
    assert first["also_covered_by"] == [{"by": "request", "id": other}]
    close(home)
    with pytest.raises(UsageError, match="h001 is not released: its scope is covered by request 2026-0002"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    # the other one is closed, and its own hold still stands
    held = next(one.hold_id for one in holds(home, other) if one.route == "vault")
    preserving.place(home, other, [held], by="pro")
    close(home, other)
    with pytest.raises(UsageError, match=f"covered by hold 2026-0002 {held}"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert next(iter(listed(home, other)))["also_covered_by"] == [
        {"by": "hold", "id": "2026-0001 h001"},
        {"by": "request", "id": apart},
    ]


def test_a_hold_of_an_open_request_covers_though_its_newest_version_does_not(home, tmp_path):
    preserving.place(home, ID, ["h001"], by="pro")
    other = another(home, tmp_path, "lee")
    preserving.place(home, other, ["h001"], by="pro")
    without = fake.request_file(tmp_path / "without", "kim")
    topping_up.amend(home, other, without, by="pro", why="the wrong person")
    close(home)
    with pytest.raises(UsageError, match="covered by hold 2026-0002 h001"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")


def test_a_hold_of_a_closed_request_covers_though_its_newest_version_does_not(home, tmp_path):
    other = another(home, tmp_path, "lee")
    preserving.place(home, other, ["h001"], by="pro")
    topping_up.amend(home, other, fake.request_file(tmp_path / "b", "kim"), by="pro", why="wrong person")
    close(home, other)
    assert next(iter(listed(home, ID)))["also_covered_by"] == [{"by": "hold", "id": "2026-0002 h001"}]


def test_an_account_is_the_same_whoever_is_its_custodian(home, tmp_path):
    path = fake.request_file(tmp_path / "shared", "kim")
    path.write_text(path.read_text() + 'account = "LEE@falls.example"\n')
    other = open_request(home, path, by="pro")[0]
    assert [one["also_covered_by"] for one in listed(home, ID)] == [
        *[[{"by": "request", "id": other}]] * 3,  # the account twice, and its owner's memo
        [],
    ]


@pytest.mark.parametrize(
    ("person", "covers"),
    [
        ("(206) 555-0111", True), ("+1 206.555.0111", True), ("206-555-0112", False), ("Leo", True),
        ("Lee\u00a0", True), ("555-0111", False), ("lee@elsewhere.example", False),
    ],
)  # fmt: skip
def test_whom_a_litigation_hold_names(home, tmp_path, person, covers):
    path = fake.request_file(tmp_path / "a", "lee", "okafor!")
    more = 'emails = ["lee@falls.example"]\nnumbers = ["+12065550111"]\naliases = ["Leo"]'
    path.write_text(path.read_text().replace('emails = ["lee@falls.example"]', more))
    topping_up.amend(home, ID, path, by="pro", why="x")
    add_litigation(home, "Doe", [person], first=None, last=None, by="c", why="order")
    found = [{"by": "litigation", "id": "l001"}] if covers else []
    assert next(iter(listed(home, ID)))["also_covered_by"] == found


@pytest.mark.parametrize("number", ["l99999999999", "l" + "9" * 5000, "l\u0663", "", "x"])
def test_a_litigation_hold_of_no_such_number(home, number):
    with pytest.raises(UsageError, match="there is no litigation hold"):
        end_litigation(home, number, by="c", why="x")


@pytest.mark.services
def test_the_same_on_postgresql(services, tmp_path):
    with postgres() as server:
        home, _ = fake.opened_home(tmp_path, "lee", "okafor!", catalogue=f"{server}/postgres")
        try:
            preserving.place(home, ID, ["h001", "h003"], by="pro", proof="on paper")
            services.held.clear()
            assert preserving.check(home, ID, by="pro")[0]["state"] == "lost"
            preserving.place(home, ID, ["h001"], by="pro")
            wider = fake.request_file(tmp_path / "b", "lee", "okafor!", "kim")
            made = topping_up.amend(home, ID, wider, by="pro", why="kim too")
            assert made["holds_proposed"] == ["h005", "h006", "h007"]
            add_litigation(home, "x", ["Lee"], first=None, last=None, by="c", why="order")
            with pytest.raises(UsageError, match="no litigation hold"):
                end_litigation(home, "l99999999999", by="c", why="x")
            close(home)
            with pytest.raises(UsageError, match="covered by litigation l001"):
                preserving.release(home, ID, ["h001"], by="pro", why="x")
            end_litigation(home, "l001", by="c", why="x")
            preserving.release(home, ID, ["h001", "h003"], by="pro", why="x")
            assert steps(home, "h001") == [
                "proposed", "asked", "placed", "lost", "asked", "placed", "released",
            ]  # fmt: skip
            assert (services.held, states(home)["h003"][-1]) == ({}, "released")
            audit.verify(home.catalogue)
        finally:
            home.close()


def test_a_litigation_hold_refuses_a_release_until_it_ends(home):
    preserving.place(home, ID, ["h001", "h003", "h004"], by="pro", proof="on paper")
    made = add_litigation(
        home,
        "Doe v. District",
        ["LEE@falls.example"],
        first=date(2026, 3, 1),
        last=None,
        by="counsel",
        why="order",
    )
    assert made == {"litigation": "l001", "people": 1}
    close(home)
    with pytest.raises(UsageError, match="h001 is not released: its scope is covered by litigation l001"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    preserving.release(home, ID, ["h004"], by="pro", why="x")  # another person's
    everybody = add_litigation(
        home, "All of it", [], first=None, last=date(2026, 1, 1), by="counsel", why="order"
    )
    assert everybody == {"litigation": "l002", "people": "everybody"}
    end_litigation(home, "l001", by="counsel", why="settled")
    with pytest.raises(UsageError, match="litigation l002"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    end_litigation(home, "2", by="counsel", why="settled")
    preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert [(one["litigation"], one["ended_why"]) for one in litigation(home)] == [
        ("l001", "settled"), ("l002", "settled"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no litigation hold l002 in force"):
        end_litigation(home, "l002", by="counsel", why="again")
    with pytest.raises(UsageError, match="first day is later"):
        add_litigation(
            home, "x", [], first=date(2026, 2, 1), last=date(2026, 1, 1), by="counsel", why="order"
        )


def test_an_amendment_proposes_what_is_not_covered_yet(home, tmp_path):
    preserving.place(home, ID, ["h001"], by="pro")
    narrower = fake.request_file(tmp_path / "a", "lee", "okafor!", to="2026-03-31")
    made = topping_up.amend(home, ID, narrower, by="pro", why="narrowed")
    # h001 has all of these days; what was only proposed is proposed anew, for other days
    assert made["holds_proposed"] == ["h005", "h006", "h007"]
    assert {key: value[-1] for key, value in states(home).items()} == {
        "h001": "placed", "h002": "withdrawn", "h003": "withdrawn", "h004": "withdrawn", "h005": "proposed",
        "h006": "proposed", "h007": "proposed",
    }  # fmt: skip
    wider = fake.request_file(tmp_path / "b", "lee", "okafor!", "kim", to="2026-08-31")
    made = topping_up.amend(home, ID, wider, by="pro", why="widened")
    new = {key: value[:4] for key, value in states(home).items() if key in made["holds_proposed"]}
    assert sorted(new.values(), key=str) == sorted(
        [
            ("lee", "lee-mail", "vault", "MAIL"), ("lee", "lee-mail", "vault", "DRIVE"),
            ("lee", "", "memo", None),
            ("okafor", "", "memo", None), ("kim", "kim-mail", "vault", "MAIL"),
            ("kim", "kim-mail", "vault", "DRIVE"), ("kim", "", "memo", None),
        ],
        key=str,
    )  # fmt: skip
    assert states(home)["h001"][-1] == "placed"  # nothing that is held is let go


def test_what_is_not_there(home):
    with pytest.raises(UsageError, match="has no hold h999"):
        preserving.place(home, ID, ["h999"], by="pro")
    with pytest.raises(UsageError, match="say who does this"):
        preserving.place(home, ID, ["h001"], by=" ")
    with pytest.raises(UsageError, match="there is no request"):
        holds(home, "2020-0001")
