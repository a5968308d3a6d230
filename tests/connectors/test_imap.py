"""Mailboxes on a real Dovecot: every folder, exact bytes, and each thing that goes wrong with a server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from connectors import imap as module
from connectors.imap import Imap
from records.errors import AccessError, CursorExpired, ItemError, Retryable, SettingsError
from records.models import ExcludedItem, FoundItem, Unreached, Window
from records.vocabulary import Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, everything, mail
from tests.connectors.built_imap import context_of, crlf, keyed_by_guid, received
from tests.connectors.collecting import Killed, collected
from tests.servers.dovecot import MASTER, MASTER_PASSWORD, Dovecot, Wire, server, token
from tests.servers.web import Served


@pytest.fixture(scope="module")
def post() -> Iterator[Dovecot]:
    made, ending = server(connections=6)
    with ending:
        yield made


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    return f"{abs(hash(request.node.name))}@example.org"


@pytest.fixture
def own() -> Iterator[Dovecot]:
    """A server of the test's own, which it may stop."""
    made, ending = server()
    with ending:
        yield made


def source(where: Dovecot, user: str, **about: object) -> Imap:
    return Imap(context_of(where, user, **about))


def open_wire(wire: Wire, where: Dovecot, user: str):
    """Return what a connector is given to go through a wire."""
    host = f"127.0.0.1:{wire.port}"
    return context_of(where, user, host=host, security="none", ca_file=None, patience_s=30)


def inbox(reader: Imap):
    return next(scope for scope in reader.scopes() if scope.key == "INBOX")


def filled(where: Dovecot, user: str, count: int, folder: str = "INBOX") -> list[bytes]:
    messages = [crlf(mail(number)) for number in range(count)]
    for number, message in enumerate(messages):
        where.add(user, folder, [message], received=received(1 + number % 9))
    return messages


def bodies(reader: Imap) -> list[bytes]:
    return sorted(data for scope in reader.scopes() for data in everything(reader, scope)[1].values())


def test_folders_nobody_subscribed_to_are_read_and_refused_ones_are_told(post: Dovecot, user: str) -> None:
    filled(post, user, 2, "Old/2019")
    filled(post, user, 1, "Locked")
    post.refuse(user, "Locked")
    reader = source(post, user)
    with post.client(user) as client:
        assert client.list_sub_folders() == []
    assert [(scope.key, reader.count(scope).count) for scope in reader.scopes()] == [
        ("INBOX", 0),
        ("Old/2019", 2),
    ]
    assert list(reader.unreached()) == [
        Unreached("Locked", "Locked", "folder", Reach.REFUSED, "imap_noperm"),
    ]


def test_shared_folders_are_read_when_asked_for_and_told_when_not(own: Dovecot) -> None:
    user = "ana@example.org"
    own.add(user, "Public/Board", [crlf(mail(1))])
    shared = Unreached("Public/Board", "Public/Board", "folder", Reach.NOT_ASKED, "shared_folders")
    reader = source(own, user)
    assert [scope.key for scope in reader.scopes()] == ["INBOX"]
    assert list(reader.unreached()) == [shared]
    reader = source(own, user, places=("mailbox", "shared_folders"))
    assert [scope.key for scope in reader.scopes()] == ["INBOX", "Public/Board"]
    assert list(reader.unreached()) == []
    assert bodies(reader) == [crlf(mail(1))]


def test_only_examine_and_peek_are_ever_sent(post: Dovecot, user: str) -> None:
    filled(post, user, 3)
    with Wire(post.port) as wire:
        reader = Imap(open_wire(wire, post, user))
        assert len(bodies(reader)) == 3
        reader.close()
    asked = {command.split(b" ")[0].upper() for command in wire.commands}
    assert asked <= set(b"CAPABILITY LOGIN NAMESPACE LIST STATUS EXAMINE ID FETCH UID LOGOUT".split())
    fetched = [command for command in wire.commands if b"BODY" in command]
    assert len(fetched) >= 4
    assert all(b"BODY.PEEK[" in command for command in fetched)


def test_facts_flags_and_what_they_warn_of(post: Dovecot, user: str) -> None:
    post.add(user, "INBOX", [crlf(mail(1))], flags=("\\Draft", "\\Deleted", "$Label1"), received=received(3))
    reader = source(post, user)
    (item,), _ = everything(reader, inbox(reader))
    assert isinstance(item, FoundItem)
    assert item.warnings == (WarningCode.DRAFT, WarningCode.DELETED)
    about = dict(item.metadata)
    assert about.pop("uid_validity").isdigit()
    assert about == {
        "folder": "INBOX", "uid": "1", "flags": "$Label1 \\Deleted \\Draft",
        "received_at": "2025-03-03T18:20:34+00:00",
    }  # fmt: skip
    assert {item.native_key: crlf(mail(1))} == keyed_by_guid(post, user)


def test_a_large_message_comes_in_pieces_and_whole(
    post: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = crlf(mail(1, body="x" * 70 + "\n") * 3) + b"y" * 9_000 + b"\r\n"
    post.add(user, "INBOX", [large, b"Subject: none\r\n\r\n12345"])
    monkeypatch.setattr(module, "_PIECE", 1_000)
    assert bodies(source(post, user)) == sorted([large, b"Subject: none\r\n\r\n12345"])


def test_a_message_without_a_date_is_left_out_only_when_it_was_there_before(post: Dovecot, user: str) -> None:
    post.add(user, "INBOX", [crlf(mail(1, None))], received=received(4))  # before the window
    post.add(user, "INBOX", [crlf(mail(2, None))], received=received(28))  # after: perhaps of a migration
    post.add(user, "INBOX", [crlf(mail(3, "Fri, 14 Mar 2025 10:00:00 -0700"))], received=received(28))
    post.add(user, "INBOX", [crlf(mail(4, "Fri, 21 Mar 2025 10:00:00 -0700"))], received=received(14))
    reader = source(post, user)
    window = Window(date(2025, 3, 10), date(2025, 3, 20), ZONE)
    values, data = everything(reader, inbox(reader), window=window)
    kinds = [(type(v), getattr(v, "warnings", getattr(v, "reason", None))) for v in values]
    assert kinds == [
        (ExcludedItem, Reason.OUTSIDE_WINDOW),
        (ExcludedItem, Reason.OUTSIDE_WINDOW),
        (FoundItem, (WarningCode.NO_DATE,)),
        (FoundItem, ()),
    ]
    assert list(data.values()) == [crlf(mail(2, None)), crlf(mail(3, "Fri, 14 Mar 2025 10:00:00 -0700"))]


def test_a_long_folder_is_listed_in_steps(post: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = filled(post, user, 10)
    monkeypatch.setattr(module, "_LISTED_AT_ONCE", 3)
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 4)
    reader = source(post, user)
    assert bodies(reader) == sorted(messages)
    # one message on each of nine days, and a second on the first
    assert [part.items for part in reader.parts(inbox(reader), 3, 1 << 20)] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"secret": "wrong"}, "the server refuses login or password; check both in the connection"),
        ({"ca_file": None}, "the server's certificate is not trusted; check `host`, or name the authority"),
        ({"host": "imap.invalid"}, "no server of that name is known; check `host`"),
        ({"host": "PLAIN"}, "what answers there speaks no TLS; check the port"),
        ({"auth": "oauthbearer", "secret": "EXPIRED"}, "the server takes no token for this account"),
        ({"auth": "xoauth2", "secret": "nonsense"}, "the server takes no token for this account"),
    ],
)
def test_what_a_person_must_change_is_said(
    post: Dovecot, user: str, about: dict[str, str], says: str
) -> None:
    about = {key: _filled_in(value, post, user) for key, value in about.items()}
    with pytest.raises(AccessError) as caught:
        source(post, user, **about).check()
    assert str(caught.value).startswith(f"source s1: connection post: {says}")
    for kept in (user, about.get("secret", "correct-horse")):
        assert kept not in str(caught.value)


def _filled_in(value: str | None, post: Dovecot, user: str) -> str | None:
    if value == "EXPIRED":
        return token(user, expired=True)
    return f"127.0.0.1:{post.port}" if value == "PLAIN" else value


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"security": "ssl"}, "`security` in extra is none of tls, starttls, none"),
        ({"auth": "cram"}, "`auth` in extra is none of login, plain, oauthbearer, xoauth2"),
        ({"host": "https://imap.example.org"}, "`host` is no name of a server"),
        (
            {"host": "imap.example.org", "security": "none"},
            "a password without encryption is sent to this machine",
        ),
        ({"secret": ""}, "has no password"),
        ({"login": ""}, "has no login"),
        (
            {"login": "lee@example.org"},
            "signs in to one mailbox, and it is not known to be that of the source's",
        ),
        ({"patience_s": "long"}, "`patience_s` in extra is no number above zero"),
        ({"ca_file": "/nowhere.pem"}, "`ca_file` in extra cannot be read"),
        (
            {"auth": "xoauth2", "token_url": "http://tokens.example.org"},
            "`token_url` in extra: an address of the service is no https address",
        ),
    ],
)
def test_a_connection_that_cannot_be_right_is_refused(
    post: Dovecot, user: str, about: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        source(post, user, **about).check()
    assert str(caught.value).startswith(f"source s1: connection post: {says}")


def test_each_way_to_sign_in(post: Dovecot, user: str) -> None:
    messages = filled(post, user, 2)
    post.allow(user, MASTER)
    plain = f"127.0.0.1:{post.port}"
    ways: list[dict[str, object]] = [
        {"security": "starttls", "host": plain},
        {"security": "none", "host": plain, "ca_file": None},
        {"auth": "oauthbearer", "secret": token(user)},
        {"auth": "xoauth2", "secret": token(user)},
        {"login": f"{{account}}*{MASTER}", "secret": MASTER_PASSWORD},
        {"auth": "plain", "login": MASTER, "secret": MASTER_PASSWORD},
    ]
    for way in ways:
        reader = source(post, user, **way)
        assert bodies(reader) == sorted(messages), way
        reader.close()


def test_a_login_that_sees_nothing_of_a_mailbox_is_told_from_an_empty_one(post: Dovecot, user: str) -> None:
    filled(post, user, 1)
    reader = source(post, user, auth="plain", login=MASTER, secret=MASTER_PASSWORD)
    assert list(reader.scopes()) == []
    assert list(reader.unreached()) == [Unreached("INBOX", "INBOX", "folder", Reach.REFUSED, "imap_no")]


def test_a_mailbox_without_an_inbox_is_one_that_is_not_shown(
    post: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_listing", lambda client, shared: set())
    reader = source(post, user)
    assert list(reader.scopes()) == []
    assert list(reader.unreached()) == [Unreached("INBOX", "INBOX", "folder", Reach.REFUSED, "not_listed")]


def test_a_login_of_another_name_reads_the_mailbox_it_is_said_to_be(post: Dovecot, user: str) -> None:
    """Its own name without a domain, or the account that the connection names."""
    short = user.partition("@")[0]
    messages = filled(post, short, 2)
    for account, about in ((user, {"login": short}), (f"x{user}", {"login": short, "mailbox": f"x{user}"})):
        reader = source(post, account, **about)
        assert bodies(reader) == sorted(messages)
        reader.close()


def test_tokens_come_from_where_the_connection_says(post: Dovecot, user: str) -> None:
    """RFC 6749 sections 4.4 and 6."""
    filled(post, user, 1)
    asked = []

    async def app(scope, receive, send) -> None:
        body = (await receive())["body"]
        asked.append({key: value[0] for key, value in parse_qs(body.decode()).items()})
        good = asked[-1].get("client_secret") == "hush"
        answer = f'{{"access_token": "{token(user)}"}}' if good else '{"error": "invalid_client"}'
        await send({"type": "http.response.start", "status": 200 if good else 401, "headers": []})
        await send({"type": "http.response.body", "body": answer.encode()})

    with Served(app) as served:
        about = {"auth": "xoauth2", "login": "client", "secret": "hush", "token_url": f"{served.url}/token"}
        assert len(bodies(source(post, user, **about, scope="mail"))) == 1
        assert len(bodies(source(post, user, **about, refresh_token="r1"))) == 1
        with pytest.raises(AccessError, match=r"no token is given \(http_401\)"):
            source(post, user, **{**about, "secret": "loud"}).check()
    assert asked[0] == {
        "client_id": "client", "client_secret": "hush", "grant_type": "client_credentials", "scope": "mail"
    }  # fmt: skip
    assert asked[1] == {
        "client_id": "client", "client_secret": "hush", "grant_type": "refresh_token", "refresh_token": "r1"
    }  # fmt: skip


def test_a_server_that_restarts_between_items_costs_nothing(
    post: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = filled(post, user, 9)
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 3)
    reader = source(post, user)
    got = []
    (part,) = reader.parts(inbox(reader), 100, 1 << 20)
    for item in reader.items(part, ALWAYS):
        assert post.drop() >= 1
        assert isinstance(item, FoundItem)
        with reader.open(item) as stream:
            got.append(stream.read())
    assert sorted(got) == sorted(messages)


@pytest.mark.parametrize("pattern", [b"RFC822.SIZE", b"BODY[HEADER", b"zanzibar 2", b"BODY[] {"])
def test_a_connection_cut_in_the_middle_is_taken_up(
    post: Dovecot, user: str, pattern: bytes, tmp_path: Path
) -> None:
    filled(post, user, 5)
    with Wire(post.port, pattern, times=3) as wire:
        found = collected(tmp_path / "home", Imap, open_wire(wire, post, user))
    assert wire.times == 0
    assert found.states() == {"stored": 5}
    assert found.scopes["INBOX"] == (5, 5, None, None)


def test_a_message_at_which_the_server_breaks_costs_only_itself(
    post: Dovecot, user: str, tmp_path: Path
) -> None:
    filled(post, user, 4)
    post.add(user, "INBOX", [crlf(mail(7, body="poison"))])
    with Wire(post.port, b"poison", times=1_000) as wire:
        found = collected(tmp_path / "home", Imap, open_wire(wire, post, user))
    assert 1_000 - wire.times == 4
    assert found.states() == {"stored": 4, "failed": 1}
    (bad,) = [row for row in found.items.values() if row.state == "failed"]
    assert (bad.reason, bad.detail) == ("unreadable", "cut_off")
    assert found.scopes["INBOX"] == (5, 5, None, None)


def test_a_server_that_goes_away_ends_the_step_and_the_next_goes_on(
    own: Dovecot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user = "ana@example.org"
    filled(own, user, 8)
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 2)

    class Failing(Imap):
        def open(self, item: FoundItem):
            if item.metadata["uid"] == "5":
                own.stop()
            return super().open(item)

    with pytest.raises(
        Retryable, match=r"the service is busy or away for longer than 0\.5 s; run again later"
    ):
        collected(tmp_path / "home", Failing, context_of(own, user))
    own.start()
    found = collected(tmp_path / "home", Imap, context_of(own, user))
    assert found.states() == {"stored": 8}
    assert found.scopes["INBOX"] == (8, 8, None, None)


def test_too_many_connections_are_waited_for(post: Dovecot, user: str) -> None:
    filled(post, user, 1)
    readers = [source(post, user) for _ in range(7)]
    for reader in readers[:6]:
        reader.check()
    with pytest.raises(Retryable, match="busy or away"):
        readers[6].check()
    readers[0].close()
    readers[6].check()
    for reader in readers:
        reader.close()


def test_a_message_that_is_expunged_while_it_is_read(
    post: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filled(post, user, 6)
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 3)

    class Disturbed(Imap):
        def open(self, item: FoundItem):
            if item.metadata["uid"] == "1":  # 2 is known and not read; 5 is only listed
                with post.client(user) as client:
                    client.select_folder("INBOX")
                    client.delete_messages([2, 5])
                    client.expunge()
            return super().open(item)

    found = collected(tmp_path / "home", Disturbed, context_of(post, user))
    assert found.states() == {"stored": 4, "failed": 2}
    gone = [row for row in found.items.values() if row.state == "failed"]
    assert {(row.reason, row.detail) for row in gone} == {("refused_by_source", "gone")}
    assert found.scopes["INBOX"] == (6, 6, None, None)


def test_a_folder_that_was_numbered_anew_is_read_again_and_nothing_is_doubled(
    post: Dovecot, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = filled(post, user, 7)
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    with pytest.raises(Killed):
        collected(tmp_path / "home", Imap, context_of(post, user), kill_after=4)
    reader = source(post, user)
    (part,) = reader.parts(inbox(reader), 100, 1 << 20)
    cursor = next(reader.items(part, ALWAYS)).cursor
    reader.close()
    post.renumber(user)
    with pytest.raises(CursorExpired):
        next(source(post, user).items(part, ALWAYS, cursor))
    found = collected(tmp_path / "home", Imap, context_of(post, user))
    assert found.states() == {"stored": 7}
    assert found.scopes["INBOX"] == (7, 7, None, None)
    assert len({row.blob_sha256 for row in found.items.values()}) == len(messages)


def test_a_folder_that_is_numbered_anew_while_it_is_read_breaks_off(post: Dovecot, user: str) -> None:
    filled(post, user, 3)
    reader = source(post, user)
    (part,) = reader.parts(inbox(reader), 100, 1 << 20)
    drawing = reader.items(part, ALWAYS)
    first = next(drawing)
    assert isinstance(first, FoundItem)
    post.drop()
    post.renumber(user)
    with pytest.raises(ItemError) as caught:
        reader.open(first)
    assert (caught.value.reason, caught.value.detail) == (Reason.UNREADABLE, "uidvalidity_changed")
    assert caught.value.retryable


def test_a_folder_that_was_removed_is_a_scope_failure(post: Dovecot, user: str) -> None:
    filled(post, user, 1, "Gone")
    reader = source(post, user)
    (scope,) = [scope for scope in reader.scopes() if scope.key == "Gone"]
    with post.client(user) as client:
        client.delete_folder("Gone")
    for ask in (lambda: reader.count(scope), lambda: list(reader.parts(scope, 10, 1 << 20))):
        with pytest.raises(ItemError) as caught:
            ask()
        assert (caught.value.reason, caught.value.detail) == (Reason.UNREADABLE, "scope_gone")


def test_without_an_id_that_stays_the_key_is_uidvalidity_and_uid(
    post: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(post, user, 2)
    monkeypatch.setattr(module, "_id_field", lambda client: "")
    reader = source(post, user)
    values, _ = everything(reader, inbox(reader))
    with post.client(user) as client:
        validity = client.select_folder("INBOX", readonly=True)[b"UIDVALIDITY"]
    assert [value.native_key for value in values] == [f"{validity}.1", f"{validity}.2"]


@pytest.mark.parametrize("kill_after", range(1, 7))
def test_a_kill_at_each_item_loses_and_doubles_nothing(
    post: Dovecot, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    filled(post, user, 7)
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 2)
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    with pytest.raises(Killed):
        collected(tmp_path / "home", Imap, context_of(post, user), kill_after=kill_after)
    found = collected(tmp_path / "home", Imap, context_of(post, user))
    assert found.states() == {"stored": 7}
    assert found.scopes["INBOX"] == (7, 7, None, None)


def test_nothing_secret_is_in_a_representation(post: Dovecot) -> None:
    reader = source(post, "ana@example.org", secret=SECRET)
    assert SECRET not in repr(reader)
    assert SECRET not in repr(reader._context)
