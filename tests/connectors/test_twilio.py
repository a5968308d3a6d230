"""Twilio's API: pages, media, cursors, what it refuses, and what goes wrong on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors.twilio import Twilio
from records.errors import AccessError, CursorExpired, ItemError, Retryable, SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Reason
from tests.connectors.builders import ALWAYS, ZONE, everything
from tests.connectors.built_twilio import PICTURE, context_of, filled, message
from tests.connectors.collecting import Killed, collected
from tests.servers.twilio import ACCOUNT, SECRET, TwilioService
from tests.servers.web import Fault, Served


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[TwilioService, Served]]:
    service = filled()
    with service.served() as served:
        yield service, served


@pytest.fixture
def fake(running: tuple[TwilioService, Served]) -> tuple[TwilioService, Served]:
    service, served = running
    fresh = filled()
    service.messages, service.media, service.most = fresh.messages, fresh.media, fresh.most
    service.seen.clear()
    served.faults.clear()
    served.requests.clear()
    return running


def source(fake: tuple[TwilioService, Served]) -> Twilio:
    return Twilio(context_of(fake[0], fake[1].url))


def values_of(made: Twilio, window: Window = ALWAYS) -> tuple[list, dict[str, bytes]]:
    (scope,) = made.scopes()
    values, data = everything(made, scope, window=window)
    assert made.count(scope) == Expected(len(values), "second listing")
    return values, data


def test_messages_come_newest_first_with_their_media(fake) -> None:
    service, served = fake
    values, data = values_of(source(fake))
    found = [one for one in values if isinstance(one, FoundItem)]
    messages = [one for one in found if one.kind.value == "message"]
    assert [one.native_key for one in messages] == [one["sid"] for one in service.messages]
    assert [one.native_key for one in values[7:11]] == [
        messages[6].native_key, f"{messages[6].native_key}/ME1", f"{messages[6].native_key}/ME2",
        messages[7].native_key,
    ]  # fmt: skip
    assert (data[values[8].native_key], values[8].name, values[8].media_type) == (
        PICTURE, "ME1.png", "image/png",
    )  # fmt: skip
    assert json.loads(data[messages[0].native_key]) == service.messages[0]
    assert service.seen == []  # the secret goes to Twilio alone
    lists = [line for line in served.requests if "/Messages.json" in line]
    assert Counter("PageToken" in line for line in lists) == {False: 2, True: 4}
    assert "PageSize=1000" in lists[0]


def test_what_messages_are_marked_with(fake) -> None:
    values, _ = values_of(source(fake))
    marked = {
        one.native_key[-1]: [code.value for code in one.warnings]
        for one in values
        if isinstance(one, FoundItem) and one.warnings
    }
    assert marked == {"7": ["missing_part"], "5": ["draft"], "4": ["not_sent"]}
    assert [
        (one.native_key[-8:], one.reason, one.detail) for one in values if isinstance(one, FailedItem)
    ] == [("7#media0", Reason.NOT_IN_EXPORT, "media")]
    scheduled = next(one for one in values if one.native_key.endswith("5"))
    assert scheduled.moment.text == "Tue, 04 Mar 2025 18:05:00 +0000"
    assert scheduled.metadata["group"] == "twilio:+14255550100;+14255550102"


def test_messages_that_arrive_while_it_is_read_move_nothing(fake) -> None:
    service, _ = fake
    (scope,) = source(fake).scopes()
    (part,) = source(fake).parts(scope, 1, 1)
    reading = source(fake).items(part, ALWAYS)
    first = [next(reading).native_key for _ in range(3)]
    service.messages.insert(0, message(20))
    rest = [one.native_key for one in reading]
    assert len({*first, *rest}) == len(first) + len(rest) == 12


def test_a_cursor_whose_message_is_gone_has_expired(fake) -> None:
    service, served = fake
    (scope,) = source(fake).scopes()
    (part,) = source(fake).parts(scope, 1, 1)
    values = list(source(fake).items(part, ALWAYS))
    del service.messages[4]
    with pytest.raises(CursorExpired, match="does not have its message"):
        next(source(fake).items(part, ALWAYS, values[5].cursor))
    served.faults.append(Fault("PageToken", status=404, times=None))
    with pytest.raises(CursorExpired, match="not there any more"):
        next(source(fake).items(part, ALWAYS, values[7].cursor))


def test_a_kill_loses_and_doubles_nothing(fake, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    where = context_of(fake[0], fake[1].url)
    with pytest.raises(Killed):
        collected(tmp_path / "home", Twilio, where, kill_after=8)
    done = collected(tmp_path / "home", Twilio, where)
    assert done.states() == {"stored": 11, "failed": 1}
    assert done.scopes == {"messages": (12, 12, None, None)}


def test_what_is_outside_the_days_asked_for_is_counted_with_its_media(fake) -> None:
    values, _ = values_of(source(fake), Window(date(2025, 4, 1), None, ZONE))
    assert Counter(type(one) for one in values) == {ExcludedItem: 11, FailedItem: 1}


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"secret": "wrong"}, AccessError, "Twilio refuses the account or its credentials (http_401)"),
        ({"account": "AC99"}, AccessError, "(http_404)"),
        ({"account": "ana@example.org"}, SettingsError, "`account` is no account id of Twilio"),
        ({"secret": ""}, SettingsError, "needs the account id or a key"),
    ],
)
def test_what_is_refused_says_what_to_do(fake, change, error, says: str) -> None:
    with pytest.raises(error) as caught:
        Twilio(context_of(fake[0], fake[1].url, **change)).check()
    assert says in str(caught.value)
    assert str(caught.value).startswith("source s1, connection twilio")
    assert SECRET not in str(caught.value)


def test_a_secret_is_sent_over_https_alone(fake) -> None:
    where = context_of(fake[0], "http://api.example.org")
    with pytest.raises(SettingsError, match="no https address"):
        Twilio(where).check()
    bare = replace(where, connection=replace(where.connection, host="api.example.org"))  # type: ignore[type-var]
    assert Twilio(bare)._api.messages_path(1).startswith(f"/2010-04-01/Accounts/{ACCOUNT}/")


# --- faults


@pytest.mark.parametrize(
    "fault",
    [
        Fault("Messages.json", status=429, headers={"Retry-After": "0"}),
        Fault("Messages.json", status=503, headers={"Retry-After": "0"}, times=2),
        Fault("PageToken", status=500),
        Fault("Messages.json", cut_after=40),
        Fault("Media.json", status=502),
    ],
    ids=["429", "503", "500", "cut", "502"],
)
def test_faults_that_pass(fake, fault: Fault) -> None:
    fake[1].faults.append(replace(fault))
    where = context_of(fake[0], fake[1].url)
    assert where.connection is not None
    patient = Twilio(replace(where, connection=replace(where.connection, extra={"patience_s": "60"})))
    values, _ = everything(patient, next(iter(patient.scopes())))
    assert len(values) == 12


def test_a_service_that_stays_away_is_retried_by_the_run(fake) -> None:
    fake[1].faults.append(Fault("Messages.json", status=503, times=None))
    with pytest.raises(Retryable, match=r"Twilio is busy or away for longer than 0\.5 s"):
        source(fake).count(next(iter(source(fake).scopes())))


@pytest.mark.parametrize(
    ("body", "detail"),
    [(b"<html>", "twilio_json"), (b"[]", "twilio_json"), (b'{"messages": 1}', "twilio_page")],
)
def test_answers_that_are_none(fake, body: bytes, detail: str) -> None:
    fake[1].faults.append(Fault("Messages.json", status=200, body=body, times=None))
    with pytest.raises(ItemError, match=f"corrupt: {detail}"):
        values_of(source(fake))


def test_media_that_is_refused_costs_only_itself(fake) -> None:
    fake[1].faults.append(Fault("Media.json", status=403, times=None))
    values, _ = everything(source(fake), next(iter(source(fake).scopes())))
    assert [(one.reason, one.detail) for one in values if isinstance(one, FailedItem)] == [
        (Reason.REFUSED_BY_SOURCE, "http_403")
    ] * 3
    fake[1].faults.clear()
    medium = next(
        one
        for one in everything(source(fake), next(iter(source(fake).scopes())))[0]
        if one.native_key.endswith("/ME1")
    )
    for fault, reason in (
        (Fault("/elsewhere/", status=404), Reason.NOT_IN_EXPORT),
        (
            Fault("/Media/ME1", status=302, headers={"Location": "http://example.org/x"}),
            Reason.REFUSED_BY_SOURCE,
        ),
    ):
        fake[1].faults.append(fault)
        with pytest.raises(ItemError) as caught:
            source(fake).open(medium)
        assert caught.value.reason is reason


def test_rows_without_an_id_and_strange_values(fake) -> None:
    service, _ = fake
    service.messages = [
        {"sid": 7}, message(1, num_media="many", date_sent="soon", to=None), message(2, body="x" * 1_000_000),
    ]  # fmt: skip
    values, data = values_of(source(fake))
    assert [[code.value for code in one.warnings] for one in values] == [["bad_date"], []]
    assert values[0].metadata["group"] == "twilio:+14255550100"
    assert len(data[values[1].native_key]) > 1_000_000
