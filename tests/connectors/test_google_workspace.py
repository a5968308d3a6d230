"""Google Workspace: what each fault does to a run, and what the ledger has of it then."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.google_auth import Google
from connectors.google_gmail import MESSAGES_PER_S, governor_of
from connectors.google_gmail import READ as GMAIL_READ
from connectors.google_workspace import GoogleWorkspace
from records.errors import AccessError, CursorExpired, ItemError, Retryable, SettingsError
from records.models import ExcludedItem, FailedItem, FoundItem, Part, Scope, Window
from records.vocabulary import Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, everything, mail
from tests.connectors.built_google import (
    ACCOUNT,
    DOCX,
    SPACE,
    blob,
    context_of,
    document,
    filled,
    said,
)
from tests.connectors.collecting import Collected, Killed, collected, until_done
from tests.servers.google import READ, DriveFile, Space, Workspace
from tests.servers.vault import new_key
from tests.servers.web import Fault, Served

JANUARY = Window(date(2025, 1, 1), date(2025, 1, 31), ZONE)
MAIL = Scope("mail", "Gmail", "mailbox")
RATE = b'{"error": {"code": 403, "message": "zanzibar", "errors": [{"reason": "%s"}]}}'


@pytest.fixture
def fake() -> Workspace:
    made = Workspace(page=2)
    filled(made)
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with Workspace().serve() as made:
        yield made


@pytest.fixture
def served(fake: Workspace, server: Served) -> Served:
    """Return a server with the fake of one test; it is started once, which takes longer than most tests."""
    server.app = fake.app()
    server.faults.clear()
    server.requests.clear()
    return server


def put(fake: Workspace, moments: list[str], labels: tuple[str, ...] = ("INBOX",), **about: Any) -> list[str]:
    """Put messages taken in at some times into a new mailbox; return their ids."""
    account = fake.account(ACCOUNT)
    account.mail.messages.clear()
    made = []
    for number, moment in enumerate(moments):
        raw = mail(number, about.get("date", "Wed, 15 Jan 2025 10:00:00 -0800"))
        received = datetime.fromisoformat(moment)
        made.append(account.mail.add("all", raw, labels=labels, received=received).id)
    return made


def source(fake: Workspace, served: Served, *places: str, **about: Any) -> GoogleWorkspace:
    return GoogleWorkspace(context_of(fake, served, places=places, **about))


def run(home: Path, fake: Workspace, served: Served, *places: str, **about: Any) -> Collected:
    how = {name: about.pop(name) for name in ("window", "max_items", "kill_after") if name in about}
    return collected(home, GoogleWorkspace, context_of(fake, served, places=places, **about), **how)


def failure(row: Any) -> tuple[str, str | None, str | None]:
    return row.state, row.reason, row.detail


# What is read


def test_every_place_is_read_and_adds_up(tmp_path: Path, fake: Workspace, served: Served) -> None:
    made = run(tmp_path / "home", fake, served)
    assert made.scopes == {
        "mail": (7, 7, None, None),
        "drive": (None, 7, None, None),
        "shared_drives/team1": (None, 1, None, None),
        "chat/spaces/AAAA": (None, 7, None, None),
        "chat/spaces/DM": (None, 0, None, None),
    }
    assert made.states() == {"stored": 19, "failed": 3}
    assert failure(made.items["f3"]) == ("failed", "refused_by_source", "no_download")
    assert failure(made.items["d2"]) == ("failed", "not_convertible", "google_form")
    assert failure(made.items["s2"]) == ("failed", "refused_by_source", "shortcut_gone")


def test_labels_are_values_and_a_draft_is_marked(tmp_path: Path, fake: Workspace, served: Served) -> None:
    box = list(fake.accounts[ACCOUNT].mail.messages)
    made = run(tmp_path / "home", fake, served, "mail")
    assert made.facts(box[0]) == {"labels": "INBOX; UNREAD", "thread": "t0"}
    assert made.facts(box[1]) == {"labels": f"Bus {SECRET}; SENT", "thread": "t0"}
    assert made.facts(box[2]) == {"labels": "SPAM", "thread": "t0"}
    assert made.facts(box[3]) == {"labels": "INBOX; TRASH", "thread": "t1"}
    assert made.warnings(box[4]) == ["draft"]
    assert made.warnings(box[0]) == []


def test_facts_of_files(tmp_path: Path, fake: Workspace, served: Served) -> None:
    made = run(tmp_path / "home", fake, served, "drive")
    assert made.facts("d1") == {
        "file_id": "d1",
        "created": "2025-03-04T18:00:00.000Z",
        "modified": "2025-03-05T18:00:00.000Z",
        "owner": f"Ana Ruiz <{ACCOUNT}>",
        "modified_by": "Lee Okafor <lee@example.org>",
        "folder": "folder-1",
        "converted_from": "application/vnd.google-apps.document",
        "change": "2025-03-05T18:00:00.000Z",
    }
    assert made.warnings("d1") == ["converted"]
    assert made.items["d1"].media_type == DOCX
    assert made.facts("f2")["flags"] == "trashed"
    assert made.facts("f2")["change"] == "r-f2"
    assert made.warnings("s1") == ["as_of_now"]
    assert made.facts("s1")["shortcut_to"] == "f1"


def test_facts_of_chat(tmp_path: Path, fake: Workspace, served: Served) -> None:
    made = run(tmp_path / "home", fake, served, "chat", "drive")
    first = f"{SPACE}/messages/m0"
    about = {
        "group": SPACE,
        "group_name": f"Gym {SECRET}",
        "members": f"Ana Ruiz <{ACCOUNT}>; users/2",
        "members_count": "2",
    }
    assert made.facts(first) == {**about, "thread": f"{SPACE}/threads/t1"}
    assert made.warnings(f"{SPACE}/messages/m2") == ["edited"]
    assert made.facts(f"{SPACE}/messages/m2")["change"] == "2025-03-06T01:00:00Z"
    assert made.warnings(f"{SPACE}/messages/m3") == ["deleted"]
    assert made.facts(f"{first}/attachments/a") == {"message": first}
    assert made.warnings(f"{first}/attachments/b") == ["as_of_now"]
    assert made.facts(f"{first}/attachments/b")["drive_file"] == "f1"
    assert made.items[f"{first}/attachments/b"].moment_at == "2025-03-04T18:20:34.123456Z"


def test_a_linked_file_without_the_place_drive_is_said_to_be_missing(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    made = run(tmp_path / "home", fake, served, "chat")
    row = made.items[f"{SPACE}/messages/m0/attachments/b"]
    assert failure(row) == ("failed", "not_in_export", "drive_not_asked")
    assert not any("/drive/" in line for line in served.requests)


def test_a_file_of_a_drive_that_is_a_scope_of_its_own_is_met_there_alone(
    fake: Workspace, served: Served
) -> None:
    fake.accounts[ACCOUNT].files["x"] = blob("x", b"given", driveId="team-of-others")
    found = everything(source(fake, served, "drive"), Scope("drive", "", "drive"))[1]
    assert "in-1" not in found
    assert found["x"] == b"given"


def test_what_is_not_reached_is_named(fake: Workspace, served: Served) -> None:
    places = {one.key: (one.reach, one.detail) for one in source(fake, served, "mail", "chat").unreached()}
    assert places == {
        "mail/retained": (Reach.NOT_BY_THIS_ROUTE, "vault_only"),
        "drive": (Reach.NOT_ASKED, ""),
        "shared_drives": (Reach.NOT_ASKED, ""),
        "chat/left": (Reach.NOT_BY_THIS_ROUTE, "vault_only"),
    }


# The window


@pytest.mark.parametrize("edges", [(True, False), (False, False), (True, True), (False, True)])
@pytest.mark.parametrize("max_items", [10_000, 2])
def test_a_window_of_mail_keeps_what_either_time_puts_inside(
    fake: Workspace, served: Served, edges: tuple[bool, bool], max_items: int
) -> None:
    """Whether Gmail takes the seconds of ``after:`` and ``before:`` themselves makes no difference."""
    fake.edges = edges
    keys = put(
        fake,
        [
            "2024-12-30T00:00:00Z",  # two days before: outside
            "2025-01-01T07:59:50Z",  # ten seconds before the window (Pacific), its own date is inside
            "2025-01-01T08:00:00Z",
            "2025-01-15T00:00:00Z",
            "2025-02-01T07:59:59Z",
            "2025-02-01T08:00:05Z",  # five seconds after it
            "2025-02-03T00:00:00Z",
        ],
    )
    values, _ = everything(source(fake, served, "mail"), MAIL, max_items, window=JANUARY)
    assert [value.native_key for value in values] == keys[::-1]
    kinds = {value.native_key: type(value) for value in values}
    assert [kinds[key] for key in keys] == [
        ExcludedItem, FoundItem, FoundItem, FoundItem, FoundItem, FoundItem, ExcludedItem,
    ]  # fmt: skip
    near = [
        value.native_key for value in values if WarningCode.NEAR_WINDOW_EDGE in getattr(value, "warnings", ())
    ]
    assert keys[1] in near
    assert set(near) <= {keys[1], keys[2], keys[5]}


def test_near_an_edge_its_own_date_decides(fake: Workspace, served: Served) -> None:
    outside = put(fake, ["2025-01-01T07:00:00Z"], date="Tue, 31 Dec 2024 22:59:00 -0800")
    (value,) = everything(source(fake, served, "mail"), MAIL, window=JANUARY)[0]
    assert isinstance(value, ExcludedItem)
    assert value.native_key == outside[0]
    assert value.moment.at == datetime(2025, 1, 1, 6, 59, tzinfo=UTC)
    undated = put(fake, ["2025-01-01T07:00:00Z"], date=None)
    (value,) = everything(source(fake, served, "mail"), MAIL, window=JANUARY)[0]
    assert isinstance(value, FoundItem)
    assert value.native_key == undated[0]
    assert value.warnings == (WarningCode.NO_DATE, WarningCode.NEAR_WINDOW_EDGE)


def test_mail_outside_the_window_is_not_read(fake: Workspace, served: Served) -> None:
    put(fake, ["2024-06-01T00:00:00Z", "2025-06-01T00:00:00Z"])
    values, _ = everything(source(fake, served, "mail"), MAIL, window=JANUARY)
    assert [type(value) for value in values] == [ExcludedItem, ExcludedItem]
    assert not any("format=raw" in line or "format=metadata" in line for line in served.requests)


def test_a_listing_reads_no_mail(fake: Workspace, served: Served) -> None:
    made = source(fake, served, "mail")
    assert made.count(MAIL).count == 7
    for part in made.parts(MAIL, 3, 1 << 30):
        assert all(isinstance(value, FoundItem) for value in made.items(part, ALWAYS))
    assert not any("format=raw" in line for line in served.requests)


@pytest.mark.parametrize(
    ("created", "modified", "shared", "inside"),
    [
        ("2024-01-01", "2024-06-01", None, False),
        ("2024-01-01", "2024-06-01", "2025-01-15", True),  # given to the custodian in the window
        ("2024-01-01", "2025-01-15", None, True),
        ("2024-01-01", "2025-06-01", None, True),  # changed since: what it was in January cannot be told
        ("2025-01-15", "2024-06-01", None, True),  # an upload that kept the file's own time
        ("2025-02-02", "2025-06-01", None, False),
    ],
)
def test_a_file_is_outside_when_all_its_times_are(
    fake: Workspace, served: Served, created: str, modified: str, shared: str | None, inside: bool
) -> None:
    at = "T12:00:00.000Z"
    about = {"createdTime": created + at, "modifiedTime": modified + at}
    if shared:
        about["sharedWithMeTime"] = shared + at
    fake.accounts[ACCOUNT].files = {"f": blob("f", b"1", **about)}
    (value,) = everything(source(fake, served, "drive"), Scope("drive", "", "drive"), window=JANUARY)[0]
    assert isinstance(value, FoundItem if inside else ExcludedItem)


def test_outside_the_window_no_words_of_chat_are_asked_for(fake: Workspace, served: Served) -> None:
    values, data = everything(
        source(fake, served, "chat"), Scope(f"chat/{SPACE}", "", "chat"), window=JANUARY
    )
    assert [type(value) for value in values] == [ExcludedItem] * 7
    assert data == {}
    whole = [line for line in served.requests if "fields=nextPageToken%2Cmessages&" in line]
    # of the window itself, which is empty
    assert len(whole) == 1
    assert "2025-01-01" in whole[0]


# Parts and resuming


@pytest.mark.parametrize("edges", [(True, False), (False, False), (True, True), (False, True)])
@pytest.mark.parametrize("max_items", [1, 3, 7])
def test_parts_of_a_mailbox_cover_it_whatever_the_edges_are(
    fake: Workspace, served: Served, edges: tuple[bool, bool], max_items: int
) -> None:
    fake.edges = edges
    base = datetime(2025, 1, 10, tzinfo=UTC)
    moments = [(base + timedelta(seconds=n // 3 + (n > 9))).isoformat() for n in range(20)]
    keys = set(put(fake, moments))
    made = source(fake, served, "mail")
    parts = list(made.parts(MAIL, max_items, 1 << 30))
    assert len(parts) > 1
    values = [value.native_key for part in parts for value in made.items(part, ALWAYS)]
    assert len(values) == 20
    assert set(values) == keys
    assert sum(part.items or 0 for part in parts) == 20


def test_a_list_that_is_in_no_order_of_time_loses_nothing(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    fake.in_order = False
    box = fake.accounts[ACCOUNT].mail
    for number, key in enumerate(sorted(box.messages)):  # the first of the list is the oldest
        box.change(box.messages[key], received=datetime(2025, 3, 4 + number, tzinfo=UTC))
    made = run(tmp_path / "home", fake, served, "mail", max_items=3)
    assert made.scopes == {"mail": (7, 7, None, None)}


def test_mail_that_comes_while_it_is_read_is_left_for_the_next_run(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    made = source(fake, served, "mail")
    before = set(fake.accounts[ACCOUNT].mail.messages)
    parts = list(made.parts(MAIL, 3, 1 << 30))
    later = datetime.now(UTC) + timedelta(minutes=1)
    fake.accounts[ACCOUNT].mail.add("all", mail(99), labels=("INBOX",), received=later)
    assert {value.native_key for part in parts for value in made.items(part, ALWAYS)} == before
    assert len(everything(made, MAIL)[0]) == len(before) + 1


def test_killed_again_and_again_nothing_is_lost_or_doubled(
    tmp_path: Path, fake: Workspace, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    whole = run(tmp_path / "whole", fake, served)
    again = until_done(lambda: run(tmp_path / "home", fake, served, max_items=3, kill_after=1))
    assert again.scopes == whole.scopes
    assert {key: (row.state, row.blob_sha256, row.reason) for key, row in again.items.items()} == {
        key: (row.state, row.blob_sha256, row.reason) for key, row in whole.items.items()
    }


@pytest.mark.parametrize("skip", range(7))
def test_cut_off_at_each_page_of_the_list_and_taken_up_again(
    tmp_path: Path, fake: Workspace, served: Served, skip: int
) -> None:
    served.faults.append(Fault(r"/messages\?", cut_after=20, skip=skip))
    first = run(tmp_path / "home", fake, served, "mail", max_items=3, extra={"patience_s": "0.1"})
    assert first.scopes["mail"][2:] in {("unreadable", "cut_off"), (None, None)}
    second = run(tmp_path / "home", fake, served, "mail", max_items=3)
    assert second.scopes["mail"] == (7, 7, None, None)
    assert second.states() == {"stored": 7}


def test_a_cursor_whose_message_is_gone_is_announced_and_the_part_read_again(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    made = source(fake, served, "mail")
    (part,) = made.parts(MAIL, 100, 1 << 30)
    values = list(made.items(part, ALWAYS))
    fake.accounts[ACCOUNT].mail.remove(fake.accounts[ACCOUNT].mail.messages[values[2].native_key])
    with pytest.raises(CursorExpired):
        next(iter(made.items(part, ALWAYS, values[2].cursor)))
    rest = list(made.items(part, ALWAYS, values[1].cursor))
    assert [value.native_key for value in rest] == [value.native_key for value in values[3:]]


def test_after_an_expired_cursor_nothing_is_doubled(
    tmp_path: Path, fake: Workspace, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    with pytest.raises(Killed):
        run(tmp_path / "home", fake, served, "mail", kill_after=4)
    box = fake.accounts[ACCOUNT].mail
    newest = sorted(box.messages.values(), key=lambda one: (-one.received.timestamp(), one.id))
    box.remove(newest[3])  # the one that the saved cursor names; it is stored already
    made = run(tmp_path / "home", fake, served, "mail")
    assert made.scopes["mail"] == (7, 7, None, None)
    assert made.states() == {"stored": 7}


def test_a_page_twice_gives_each_message_once(tmp_path: Path, fake: Workspace, served: Served) -> None:
    """Each kind of list gives its pages so that they overlap."""
    paged, listed = fake._paged, fake._messages

    def twice(name: str, found: list, request: Any, usual: int, most: int) -> dict:
        page = paged(name, found, request, usual, most)
        start = int(request.query_params.get("pageToken", "0"))
        page[name] = [*found[max(0, start - 1) : start], *page.get(name, [])]
        return page

    seen: list[dict] = []

    def mails(account: Any, request: Any) -> Any:
        page = listed(account, request)
        page["messages"] = [*(seen[-1]["messages"] if seen and "pageToken" in request.query_params else []),
                            *page.get("messages", [])]  # fmt: skip
        seen.append(dict(page))
        return page

    fake._paged = twice  # type: ignore[method-assign]
    fake._messages = mails  # type: ignore[method-assign]
    served.app = fake.app()
    made = run(tmp_path / "home", fake, served)
    assert {key: found[1] for key, found in made.scopes.items()} == {
        "mail": 7, "drive": 7, "shared_drives/team1": 1, "chat/spaces/AAAA": 7, "chat/spaces/DM": 0,
    }  # fmt: skip
    assert not any("#" in key for key in made.items)


def test_pages_that_lead_back_to_each_other_end_the_scope(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    paged = fake._paged
    fake._paged = lambda *given: {**paged(*given), "nextPageToken": "0"}  # type: ignore[method-assign]
    served.app = fake.app()
    made = run(tmp_path / "home", fake, served, "drive")
    assert made.scopes["drive"][2:] == ("corrupt", "page_loop")


def test_a_chat_that_does_not_come_in_order_is_not_taken_for_whole(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    space = fake.accounts[ACCOUNT].spaces[SPACE]
    paged = fake._paged
    late = [*space.messages[1:], space.messages[0]]

    def unsorted(name: str, found: list, *given: Any) -> dict:
        return paged(name, late if name == "messages" and len(found) == 5 else found, *given)

    fake._paged = unsorted  # type: ignore[method-assign]
    served.app = fake.app()
    made = run(tmp_path / "home", fake, served, "chat")
    assert made.scopes[f"chat/{SPACE}"][2:] == ("unreadable", "out_of_order")


# Faults on the way


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b""),
        (403, RATE % b"userRateLimitExceeded"),
        (403, RATE % b"rateLimitExceeded"),
        (503, b""),
        (500, b"<html>zanzibar"),
        (502, b""),
    ],
)
def test_a_busy_service_is_waited_for(
    tmp_path: Path, fake: Workspace, served: Served, status: int, body: bytes
) -> None:
    served.faults.append(Fault(r"format=raw", status=status, body=body, skip=2))
    made = run(tmp_path / "home", fake, served, "mail", extra={"patience_s": "5"})
    assert made.scopes["mail"] == (7, 7, None, None)
    assert made.states() == {"stored": 7}
    assert sum("format=raw" in line for line in served.requests) == 8


def test_retry_after_is_kept(fake: Workspace, served: Served) -> None:
    served.faults.append(Fault(r"/profile", status=503, headers={"Retry-After": "1"}))
    started = time.monotonic()
    assert source(fake, served, "mail", extra={"patience_s": "5"}).count(MAIL).count == 7
    assert time.monotonic() - started >= 1.0


def test_a_service_that_stays_busy_ends_the_step_and_says_when_to_come_back(
    fake: Workspace, served: Served
) -> None:
    served.faults.append(Fault(r"/profile", status=503, headers={"Retry-After": "120"}, times=None))
    with pytest.raises(Retryable, match=r"busy or away for longer than 0.5 s") as caught:
        source(fake, served, "mail").count(MAIL)
    assert caught.value.retry_after_s == 120


def test_a_token_that_ended_is_renewed(tmp_path: Path, fake: Workspace, served: Served) -> None:
    made = source(fake, served, "mail")
    (part,) = made.parts(MAIL, 100, 1 << 30)
    found = []
    for value in made.items(part, ALWAYS):
        fake.forget()
        with made.open(value) as stream:
            found.append(stream.read())
    assert len(found) == 7
    assert len(fake.asked) == 8  # one at first, one for each that was forgotten


def test_a_message_cut_off_is_asked_for_again(tmp_path: Path, fake: Workspace, served: Served) -> None:
    served.faults.append(Fault(r"format=raw", cut_after=30, skip=3, times=2))
    made = run(tmp_path / "home", fake, served, "mail", extra={"patience_s": "20"})
    assert made.states() == {"stored": 7}
    bodies = {
        one.id: hashlib.sha256(one.raw).hexdigest() for one in fake.accounts[ACCOUNT].mail.messages.values()
    }
    assert {key: row.blob_sha256 for key, row in made.items.items()} == bodies


def test_a_message_that_is_cut_off_each_time_fails_alone(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    bad = next(iter(fake.accounts[ACCOUNT].mail.messages))
    served.faults.append(Fault(rf"{bad}\?format=raw", cut_after=10, times=None))
    made = run(tmp_path / "home", fake, served, "mail", extra={"patience_s": "20"})
    assert failure(made.items[bad]) == ("failed", "unreadable", "cut_off")
    assert made.states() == {"stored": 6, "failed": 1}


def test_half_a_page_is_asked_for_again(tmp_path: Path, fake: Workspace, served: Served) -> None:
    half = b'{"messages": [{"id": "18c'
    served.faults.append(Fault(r"/messages\?", status=200, body=half, skip=1, times=2))
    made = run(tmp_path / "home", fake, served, "mail", extra={"patience_s": "20"})
    assert made.scopes["mail"] == (7, 7, None, None)
    served.faults.append(Fault(r"/messages\?", status=200, body=half, times=None))
    with pytest.raises(ItemError, match="half_answer"):
        everything(source(fake, served, "mail", extra={"patience_s": "20"}), MAIL)


def test_a_message_that_went_away_fails_as_gone(tmp_path: Path, fake: Workspace, served: Served) -> None:
    gone = next(iter(fake.accounts[ACCOUNT].mail.messages))
    served.faults.append(
        Fault(rf"{gone}\?format=raw", status=404, body=b'{"error": {"errors": [{"reason": "notFound"}]}}')
    )
    made = run(tmp_path / "home", fake, served, "mail")
    assert failure(made.items[gone]) == ("failed", "refused_by_source", "gone")
    assert made.scopes["mail"] == (7, 7, None, None)


def test_a_message_whose_bytes_are_no_base64_fails_alone(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    box = fake.accounts[ACCOUNT].mail
    bad = box.change(next(iter(box.messages.values())), faults=frozenset({"corrupt"}))
    made = run(tmp_path / "home", fake, served, "mail")
    assert failure(made.items[bad.id]) == ("failed", "corrupt", "base64")
    assert made.states() == {"stored": 6, "failed": 1}


def test_a_mailbox_that_changes_while_it_is_read(tmp_path: Path, fake: Workspace, served: Served) -> None:
    """A message comes, one goes and one gets a label between two calls: each is met at most once."""
    box = fake.accounts[ACCOUNT].mail
    before = set(box.messages)
    made = source(fake, served, "mail")
    (part,) = made.parts(MAIL, 100, 1 << 30)
    values = made.items(part, ALWAYS)
    seen: dict[str, bytes] = {}
    gone: list[str] = []
    for number, value in enumerate(values):
        if number == 1:
            box.add("all", mail(50, "Sat, 8 Mar 2025 10:00:00 -0800"), labels=("INBOX",))
            last = min(box.messages.values(), key=lambda one: (one.received, one.id))
            box.remove(last)
        if value.native_key not in box.messages:
            with pytest.raises(ItemError, match="gone"):
                made.open(value)
            gone.append(value.native_key)
            continue
        with made.open(value) as stream:
            seen[value.native_key] = stream.read()
    assert len(gone) == 1
    assert {*seen, *gone} == before


def test_a_licence_removed_on_the_way_stops_the_source_and_nothing_is_lost(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "home", fake, served, "mail", max_items=3, kill_after=3)
    fake.accounts[ACCOUNT].off.add("gmail")
    with pytest.raises(AccessError, match=r"its licence was removed; .* \(failedPrecondition\)$"):
        run(tmp_path / "home", fake, served, "mail", max_items=3)
    fake.accounts[ACCOUNT].off.clear()
    made = run(tmp_path / "home", fake, served, "mail", max_items=3)
    assert made.scopes["mail"] == (7, 7, None, None)
    assert made.states() == {"stored": 7}


# Refusals that a person must settle


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("key", r"make a new key .* \(invalid_key\)$"),
        ("robot", r"make a new key .* \(invalid_key\)$"),
        (
            "delegation",
            r"Domain-wide delegation, add its client id with \S+gmail.readonly .*\(unauthorized_client\)$",
        ),
        ("account", r"Google knows no such account .* check `account` .* \(account_unknown\)$"),
        ("suspended", r"suspended or deleted.* \(vault_export\).* \(account_suspended\)$"),
        ("clock", r"this machine's clock is wrong.* \(invalid_grant_time\)$"),
        ("api", r"the Gmail API is not switched on .* \(SERVICE_DISABLED\)$"),
        ("licence", r"licence was removed.* \(failedPrecondition\)$"),
    ],
)
def test_a_refusal_says_what_to_do(fake: Workspace, served: Served, wrong: str, says: str) -> None:
    about: dict[str, Any] = {}
    if wrong == "key":
        about["key"] = new_key()
    elif wrong == "robot":
        fake.robot_exists = False
    elif wrong == "delegation":
        fake.delegated.discard(GMAIL_READ)
    elif wrong == "account":
        about["account"] = "stranger@example.org"
    elif wrong == "suspended":
        fake.accounts[ACCOUNT].suspended = True
    elif wrong == "clock":
        fake.clock_s = 7_200
    elif wrong == "api":
        fake.enabled.discard("gmail")
    else:
        fake.accounts[ACCOUNT].off.add("gmail")
    with pytest.raises(AccessError, match=says) as caught:
        source(fake, served, "mail", **about).check()
    message = str(caught.value)
    assert message.startswith("source s1: connection google: ")
    for kept_back in (ACCOUNT, "stranger", SECRET, "PRIVATE KEY"):
        assert kept_back not in message


def test_only_the_scopes_of_places_that_are_read_are_asked_for(fake: Workspace, served: Served) -> None:
    fake.delegated = set(READ["gmail"])
    source(fake, served, "mail").check()
    assert [claims["scope"] for claims in fake.asked] == [GMAIL_READ]
    assert fake.asked[0]["sub"] == ACCOUNT


def test_a_place_that_is_not_named_may_be_refused_and_is_shown_so(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    fake.delegated -= READ["chat"]
    fake.accounts[ACCOUNT].off.add("drive")
    made = source(fake, served)
    made.check()
    assert [scope.key for scope in made.scopes()] == ["mail"]
    refused = {one.key: one.detail for one in made.unreached() if one.reach is Reach.REFUSED}
    assert {key: detail.partition(": ")[0] for key, detail in refused.items()} == {
        "drive": "domainPolicy",
        "shared_drives": "domainPolicy",
        "chat": "unauthorized_client",
    }
    assert (
        "Domain-wide delegation, add its client id with https://www.googleapis.com/auth/chat.spaces"
        in (refused["chat"])
    )
    with pytest.raises(AccessError, match=r"chat\.messages\.readonly"):
        source(fake, served, "mail", "chat").check()


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"options": {"revisions": "perhaps"}}, "options: revisions: write yes or no"),
        ({"options": {"colour": "blue"}}, "options: colour not known"),
        ({"places": ("cellar",)}, "places: cellar not known; known: chat, drive, mail, shared_drives"),
    ],
)
def test_settings_are_checked(fake: Workspace, served: Served, about: dict, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        GoogleWorkspace(context_of(fake, served, **about)).check_settings()


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"patience_s": "long"}, "`patience_s` in extra is no number above zero"),
        ({"messages_per_s": "0"}, "`messages_per_s` in extra is no number above zero"),
    ],
)
def test_numbers_of_the_connection_are_checked(
    fake: Workspace, served: Served, extra: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        source(fake, served, "mail", extra=extra).check()


def test_a_token_is_sent_to_no_other_host(fake: Workspace, served: Served) -> None:
    with Workspace().serve() as other:
        google = Google("s1", fake.connection(served), ACCOUNT, "drive", tuple(READ["drive"]))
        with pytest.raises(ItemError, match="link_to_another_host"):
            google.download(f"{other.url}/link/x/head/y")
        assert other.requests == []
        served.faults.append(Fault(r"/link/", status=302, headers={"Location": f"{other.url}/elsewhere"}))
        with pytest.raises(ItemError):
            google.download(f"{served.url}/link/x/head/y")
        assert other.requests == ["GET /elsewhere"]
        google.close()


def test_an_address_without_https_is_refused(fake: Workspace, served: Served) -> None:
    from dataclasses import replace

    context = context_of(fake, served, places=("mail",))
    assert context.connection is not None
    plain = replace(context, connection=replace(context.connection, host="http://google.example"))
    with pytest.raises(SettingsError, match="no https address"):
        GoogleWorkspace(plain).check()


# Drive


def test_a_search_that_is_not_complete_is_an_error(tmp_path: Path, fake: Workspace, served: Served) -> None:
    fake.incomplete = True
    made = run(tmp_path / "home", fake, served, "drive")
    assert made.scopes["drive"] == (None, 0, "unreadable", "incomplete_search")
    fake.incomplete = False
    made = run(tmp_path / "home", fake, served, "drive")
    assert made.scopes["drive"] == (None, 7, None, None)


def large(fake: Workspace, **about: Any) -> DriveFile:
    fake.export_limit = 10
    fake.accounts[ACCOUNT].files = {"d": document("d", b"PK more than ten bytes", **about)}
    return fake.accounts[ACCOUNT].files["d"]


def test_a_document_over_the_limit_comes_by_its_link(tmp_path: Path, fake: Workspace, served: Served) -> None:
    file = large(fake)
    made = run(tmp_path / "home", fake, served, "drive")
    assert made.items["d"].blob_sha256 == hashlib.sha256(file.exports[DOCX]).hexdigest()
    assert made.warnings("d") == ["converted"]


def test_a_document_over_the_limit_without_a_link_is_too_large(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    large(fake, description="no_link")
    made = run(tmp_path / "home", fake, served, "drive")
    assert failure(made.items["d"]) == ("failed", "too_large", "export_10_mb")


def test_a_file_marked_as_abusive_fails_by_name(tmp_path: Path, fake: Workspace, served: Served) -> None:
    fake.accounts[ACCOUNT].files = {"f": blob("f", b"1", description="abusive")}
    made = run(tmp_path / "home", fake, served, "drive")
    assert failure(made.items["f"]) == ("failed", "refused_by_source", "marked_abusive")


def test_a_file_that_changed_since_it_was_listed_is_not_taken_for_the_listed_one(
    tmp_path: Path, fake: Workspace, served: Served
) -> None:
    file = fake.accounts[ACCOUNT].files["f1"]
    file.data = b"%PDF two"  # as long, but not what its sum says
    made = run(tmp_path / "home", fake, served, "drive")
    assert failure(made.items["f1"]) == ("failed", "unreadable", "sum_differs")


def test_a_file_cut_off_is_gone_on_with(fake: Workspace, served: Served) -> None:
    data = bytes(range(256)) * 4_000
    fake.accounts[ACCOUNT].files = {"f": blob("f", data)}
    served.faults.append(Fault(r"/files/f\?.*alt=media", cut_after=400_000))
    found = everything(source(fake, served, "drive"), Scope("drive", "", "drive"))[1]
    assert found == {"f": data}
    assert sum("alt=media" in line for line in served.requests) == 2


def revised(fake: Workspace) -> None:
    first = {
        "id": "r1",
        "modifiedTime": "2025-01-10T18:00:00.000Z",
        "mimeType": "application/pdf",
        "size": "3",
    }
    second = {**first, "id": "r2", "modifiedTime": "2025-02-10T18:00:00.000Z"}
    file = blob("f", b"head", createdTime="2025-01-10T18:00:00.000Z")
    file.revisions = [(first, b"one"), (second, b"two"), ({**second, "id": "r-f"}, b"head")]
    doc = document("g", b"PK now", createdTime="2025-01-11T18:00:00.000Z")
    doc.revisions = [({**first, "id": "1"}, b"PK was"), ({**second, "id": "2"}, b"PK now")]
    shut = blob("h", b"shut", createdTime="2025-01-12T18:00:00.000Z", description="no_revisions")
    fake.accounts[ACCOUNT].files = {"f": file, "g": doc, "h": shut}


def test_revisions_on_request(tmp_path: Path, fake: Workspace, served: Served) -> None:
    revised(fake)
    without = run(tmp_path / "without", fake, served, "drive")
    assert sorted(without.items) == ["f", "g", "h"]
    made = run(tmp_path / "home", fake, served, "drive", options={"revisions": "yes"}, window=JANUARY)
    bodies = {"f": b"head", "g": b"PK now", "h": b"shut", "f@r1": b"one", "g@1": b"PK was"}
    stored = {key: row.blob_sha256 for key, row in made.items.items() if row.state == "stored"}
    assert stored == {key: hashlib.sha256(data).hexdigest() for key, data in bodies.items()}
    assert failure(made.items["f@r2"]) == ("excluded", "outside_window", "")
    assert failure(made.items["h@revisions"]) == ("failed", "refused_by_source", "revisions_http_403")
    assert made.facts("f@r1")["revision"] == "r1"
    assert made.warnings("g@1") == ["converted"]
    assert len(made.items) == 7


def test_revisions_are_resumed_after_each_item(tmp_path: Path, fake: Workspace, served: Served) -> None:
    revised(fake)
    made = source(fake, served, "drive", options={"revisions": "yes"})
    (part,) = made.parts(Scope("drive", "", "drive"), 100, 1 << 30)
    values = list(made.items(part, ALWAYS))
    assert [value.native_key for value in values] == ["f", "f@r1", "f@r2", "g", "g@1", "h", "h@revisions"]
    for number, value in enumerate(values, 1):
        assert list(made.items(part, ALWAYS, value.cursor)) == values[number:]


def test_a_query_of_drive_narrows_down(fake: Workspace, served: Served) -> None:
    options = {"drive_query": f"name contains '{SECRET} f1'"}
    found = everything(source(fake, served, "drive", options=options), Scope("drive", "", "drive"))[1]
    assert sorted(found) == ["f1"]


def test_a_query_that_drive_does_not_take_is_told(fake: Workspace, served: Served) -> None:
    body = b'{"error": {"code": 400, "errors": [{"reason": "invalid", "location": "q"}]}}'
    served.faults.append(Fault(r"/files\?", status=400, body=body))
    made = source(fake, served, "drive", options={"drive_query": f"{SECRET} contains"})
    with pytest.raises(
        SettingsError,
        match=r"^source s1: options: drive_query: Drive does not take this query \(invalid\); try",
    ) as caught:
        list(made.parts(Scope("drive", "", "drive"), 10, 1 << 20))
    assert SECRET not in str(caught.value)


# Chat


def test_a_space_that_was_left_is_a_failed_scope(tmp_path: Path, fake: Workspace, served: Served) -> None:
    made = source(fake, served, "chat")
    scopes = list(made.scopes())
    del fake.accounts[ACCOUNT].spaces[SPACE]
    with pytest.raises(ItemError, match="scope_gone"):
        everything(made, scopes[0])


def test_messages_of_one_instant_are_all_taken(tmp_path: Path, fake: Workspace, served: Served) -> None:
    space = Space({"name": SPACE, "displayName": "x", "spaceType": "SPACE"})
    space.messages = [said(n, f"2025-03-04T18:20:34{('Z', '.000Z')[n % 2]}") for n in (4, 1, 3, 0, 2)]
    fake.accounts[ACCOUNT].spaces = {SPACE: space}
    made = run(tmp_path / "home", fake, served, "chat")
    assert sorted(made.items) == [f"{SPACE}/messages/m{n}" for n in range(5)]


# Logs and limits


def test_nothing_of_an_answer_is_logged(
    fake: Workspace, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    served.faults += [
        Fault(r"format=raw", status=403, body=SECRET.encode(), times=2),  # the library's own way logs this
        Fault(r"/drive/v3/files\?", status=500, body=SECRET.encode(), times=1),
        Fault(r"/token", status=500, body=SECRET.encode(), times=1),
    ]
    made = source(fake, served)
    said_of: list[str] = []
    for scope in made.scopes():
        for part in made.parts(scope, 100, 1 << 30):
            for value in made.items(part, ALWAYS):
                if isinstance(value, FoundItem):
                    said_of.append(_opened(made, value))
                if isinstance(value, FailedItem):
                    said_of.append(value.detail)
    assert "http_403" in " ".join(said_of)
    assert SECRET not in " ".join(said_of)
    assert SECRET not in caplog.text
    assert ACCOUNT not in caplog.text
    assert "PRIVATE KEY" not in caplog.text


def _opened(made: GoogleWorkspace, value: FoundItem) -> str:
    """Open an item; return what was said when it could not be."""
    try:
        made.open(value).close()
    except ItemError as error:
        return str(error)
    return ""


def _ask(url_and_key: tuple[str, str, str], calls: int) -> None:
    from records.models import Connection

    url, secret, rate = url_and_key
    connection = Connection("google", url, "", secret, {"messages_per_s": rate})
    from records.models import SourceContext

    made = GoogleWorkspace(
        SourceContext("s1", "c1", None, ZONE, connection=connection, account=ACCOUNT, places=("mail",))
    )
    for _ in range(calls):
        made.count(MAIL)


def test_processes_of_one_machine_keep_to_the_limit_together(fake: Workspace, served: Served) -> None:
    """Three processes ask as fast as they may; Google allows the user 20 calls a second (100 units of 5)."""
    connection = fake.connection(served)
    fork = multiprocessing.get_context("spawn")
    workers = [fork.Process(target=_ask, args=((served.url, connection.secret, "20"), 14)) for _ in range(3)]
    started = time.time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    took = time.time() - started
    asked = sum("/profile" in line for line in served.requests)
    assert asked == 42
    assert took >= 41 / 20  # never faster than 20 a second
    assert max(fake.given.values()) <= 21  # of one unit each, within any second of the clock


@pytest.mark.parametrize("rate", [MESSAGES_PER_S, 5.0, 0.5])
def test_the_quota_of_one_user_is_kept_and_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rate: float
) -> None:
    """50 messages a second, at 5 units each, are the 15,000 units a minute of Google's page."""
    assert MESSAGES_PER_S * 5 * 60 == 15_000
    clock = SimpleNamespace(now=1_000_000.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr("connectors.governor.time.time", lambda: clock.now)
    monkeypatch.setattr("connectors.governor.time.sleep", sleep)
    monkeypatch.setattr("connectors.governor._folder", lambda: str(tmp_path))
    governor = governor_of(ACCOUNT, rate)
    begun = []
    for _ in range(400):
        with governor.turn():
            begun.append(clock.now)
    period = 1.0 if rate >= 20 else 10.0
    for first, at in enumerate(begun):
        assert sum(at <= other < at + period for other in begun[first : first + 100]) <= rate * period
    if rate > 1:
        assert len(begun) / (begun[-1] - begun[0]) >= 0.9 * rate


def test_reasons_are_those_of_the_vocabulary() -> None:
    from connectors.google_auth import _ITEM_CODES

    assert {reason for reason, _ in _ITEM_CODES.values()} <= set(Reason)


def test_a_part_of_another_version_is_refused(fake: Workspace, served: Served) -> None:
    for key in ("mail", "drive", f"chat/{SPACE}"):
        made = source(fake, served)
        with pytest.raises(SettingsError, match="by another version; plan the run again"):
            next(iter(made.items(Part(Scope(key, "", ""), 0, '{"v": 2}'), ALWAYS)))
