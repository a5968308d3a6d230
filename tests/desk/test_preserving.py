"""Preservation: proposed by the program, placed and released by people, each step with its proof."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pypdfium2
import pytest
import sqlalchemy as sa

from connectors.holds import OtherHold, Placed
from desk import preserving, topping_up
from desk.preserving import holds, listed
from desk.register import open_request
from records import audit
from records import tables as t
from records.errors import AccessError, Retryable, UsageError
from tests.desk import fake_mailbox as fake

ID = "2026-0001"
PERSON = "Lee"


class Services:
    """What is held at the service, and what it does next."""

    def __init__(self):
        self.held: dict[str, tuple] = {}
        self.calls: list[tuple] = []
        self.states: list[str] = []
        self.elsewhere: tuple[OtherHold, ...] = ()
        self.error: Exception | None = None
        self.others_error: Exception | None = None
        self.closed = 0

    def made(self, context, connection):
        assert connection.secret == "swordfish"
        return self

    def find(self, name):
        if name not in self.held:
            return None
        return Placed(f"id-{name}", self.states.pop(0) if self.states else "in_force", "then")

    def place(self, name, account, window, corpus):
        if self.error is not None:
            raise self.error
        self.calls.append((name, account, str(window.first), str(window.last), corpus))
        self.held[name] = (account, corpus)
        return Placed(f"id-{name}", self.states.pop(0) if self.states else "in_force", "then")

    def release(self, hold_id):
        if self.error is not None:
            raise self.error
        self.held.pop(hold_id.removeprefix("id-"), None)

    def others(self, account, hold_id):
        if self.others_error is not None:
            raise self.others_error
        return self.elsewhere

    def close(self):
        self.closed += 1


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
    assert preserving.propose(home, ID, by="pro") == []  # harmless twice
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
    assert services.calls == [
        ("daylight-2026-0001-h001", "lee@falls.example", "2026-01-01", "2026-06-30", "MAIL")
    ]
    assert done[0] == {
        "hold_id": "h001", "route": "vault", "state": "placed", "service_id": "id-daylight-2026-0001-h001",
        "service_name": "daylight-2026-0001-h001", "service_state": "in_force", "service_at": "then",
        "other_holds_there": ["m2/h9"], "others_known": True,
    }  # fmt: skip
    assert services.closed == 1
    one, _, memo, _ = holds(home, ID)
    assert (one.state, memo.state) == ("placed", "placed")
    assert [(event["event"], event["by"]) for event in one.events] == [
        ("proposed", "pro"), ("placed", "P. Officer"),
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
    assert [event["proof"].get("service_state") for event in one.events] == [None, "pending", "in_force"]


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


def test_a_service_that_refuses_leaves_it_proposed(home, services):
    services.error = AccessError("source lee-mail: refused")
    with pytest.raises(AccessError):
        preserving.place(home, ID, ["h003", "h001"], by="pro", proof="on paper")
    assert (states(home)["h001"][-1], states(home)["h003"][-1]) == ("proposed", "placed")
    assert services.closed == 1


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
    assert services.held == {"daylight-2026-0001-h001": ("lee@falls.example", "MAIL")}
    with pytest.raises(UsageError, match="say why"):
        preserving.release(home, ID, ["h001"], by="pro", why="")
    with pytest.raises(UsageError, match="h002 is proposed; there is nothing to release"):
        preserving.release(home, ID, ["h001", "h002"], by="pro", why="x")
    assert states(home)["h001"][-1] == "placed"
    one, memo = preserving.release(home, ID, ["h001", "h003"], by="pro", why="the year is over")
    assert services.held == {}
    assert (one["service_id"], one["suggested_release_on"]) == ("id-daylight-2026-0001-h001", "2027-11-30")
    assert memo["state"] == "released"
    assert holds(home, ID)[0].events[-1]["why"] == "the year is over"
    with pytest.raises(UsageError, match="is released; it is not placed again"):
        preserving.place(home, ID, ["h001"], by="pro")


def test_a_service_that_does_not_release_leaves_it_in_force(home, services):
    preserving.place(home, ID, ["h001"], by="pro")
    close(home)
    services.error = AccessError("refused")
    with pytest.raises(AccessError):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert holds(home, ID)[0].in_force


@pytest.mark.parametrize(
    ("closed_at", "day"),
    [
        ("2026-12-01T05:00:00.000000Z", "2027-11-30"),  # still the 30th in Washington
        ("2028-02-29T20:00:00.000000Z", "2029-03-01"),
    ],
)
def test_the_suggested_day_is_a_year_after_closing(home, closed_at, day):
    assert preserving.suggested_release(home, ID) is None
    close(home, at=closed_at)
    assert preserving.suggested_release(home, ID) == day


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


def test_a_litigation_hold_refuses_a_release_until_it_ends(home):
    preserving.place(home, ID, ["h001", "h003", "h004"], by="pro", proof="on paper")
    made = preserving.add_litigation(
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
    everybody = preserving.add_litigation(
        home, "All of it", [], first=None, last=date(2026, 1, 1), by="counsel", why="order"
    )
    assert everybody == {"litigation": "l002", "people": "everybody"}
    preserving.end_litigation(home, "l001", by="counsel", why="settled")
    with pytest.raises(UsageError, match="litigation l002"):
        preserving.release(home, ID, ["h001"], by="pro", why="x")
    preserving.end_litigation(home, "2", by="counsel", why="settled")
    preserving.release(home, ID, ["h001"], by="pro", why="x")
    assert [(one["litigation"], one["ended_why"]) for one in preserving.litigation(home)] == [
        ("l001", "settled"), ("l002", "settled"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no litigation hold l002 in force"):
        preserving.end_litigation(home, "l002", by="counsel", why="again")
    with pytest.raises(UsageError, match="first day is later"):
        preserving.add_litigation(
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
        preserving.holds(home, "2020-0001")
