"""Discord's data package: channels, clocks, attachments, older tables, damage, strange content."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.discord import Discord, is_list, moment_of
from connectors.export_paths import tally_of
from connectors.registry import guess
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.built_discord import CHANNEL, LINK, OTHERS, dumped, message, older, package, zipped

LIST = "Messages/c11/messages.json"


def channel(root: Path, data: bytes | list[Any], **beside: bytes) -> Discord:
    folder = root / "Messages" / "c11"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "messages.json").write_bytes(data if isinstance(data, bytes) else dumped(data))
    for name, inner in beside.items():
        (folder / f"{name}.json").write_bytes(inner)
    return Discord(context(str(root)))


def values_of(source: Discord, key: str = LIST, window: Window = ALWAYS) -> list:
    scope = next(one for one in source.scopes() if one.key == key)
    values, _ = everything(source, scope, window=window)
    assert source.count(scope) in {
        Expected(len(values), "json parse"), Expected(len(values), "csv parse"), Expected(None, "unknown"),
    }  # fmt: skip
    return values


def found(values: list) -> list[FoundItem]:
    return [one for one in values if isinstance(one, FoundItem)]


def facts(item: FoundItem, *names: str) -> tuple[str, ...]:
    return tuple(item.metadata.get(name, "") for name in names)


def test_messages_say_their_channel_their_account_and_their_attachments(tmp_path: Path) -> None:
    source = Discord(package(tmp_path).context)
    values = values_of(source)
    items = found(values)
    assert [one.native_key for one in items] == ["1001", "1002", "1003", "1001:1"]
    assert {facts(one, "group", "group_name", "group_kind", "server", "sender") for one in items} == {
        ("discord:11", f"buses in Cedar Falls {SECRET}", "GUILD_TEXT", "Cedar Falls", "ana_r <77>")
    }
    assert [one.warnings for one in items] == [
        (), (WarningCode.MISSING_PART,), (), (WarningCode.DUPLICATE_ENTRY,),
    ]  # fmt: skip
    assert [(one.name, one.reason, one.detail) for one in values if isinstance(one, FailedItem)] == [
        ("plan.pdf", Reason.EXPIRED_LINK, "discord_link"),
        ("SPOILER_map.png", Reason.EXPIRED_LINK, "discord_link"),
    ]
    (direct,) = found(values_of(source, "Messages/c12/messages.json"))
    assert facts(direct, "group_name", "group_kind", "recipients") == (
        "Direct Message with lee_o#0", "DM", "lee_o <78>",
    )  # fmt: skip


def test_a_zip_says_the_same(tmp_path: Path) -> None:
    built = zipped(tmp_path)
    (direct,) = found(values_of(Discord(built.context), built.scopes[1]))
    assert facts(direct, "sender", "recipients") == ("ana_r <77>", "lee_o <78>")


def test_tables_of_older_packages(tmp_path: Path) -> None:
    first, second = found(values_of(Discord(older(tmp_path).context), "messages/21/messages.csv"))
    assert first.moment.at == datetime(2018, 10, 23, 20, 13, 40, 123000, UTC)
    assert second.moment.basis is Basis.STATED
    assert facts(first, "group", "group_name", "group_kind", "sender") == (
        "discord:21", "general in Cedar Falls", "GUILD_TEXT", "ana_r <77>",
    )  # fmt: skip
    assert second.warnings == (WarningCode.MISSING_PART,)


@pytest.mark.parametrize(
    ("beside", "name"),
    [
        ({}, "11"),
        ({"channel": b'{"id": "11", "type": "GUILD_TEXT"}'}, "11"),
        ({"channel": b'{"id": "11", "name": "buses"}'}, "buses"),
        ({"channel": b'{"id": "11", "name": "buses", "guild": {"name": "Cedar"}}'}, "buses in Cedar"),
        ({"channel": b'[{"id": "99"}]'}, "11"),
        ({"channel": b'{"id": 99, "type": [], "name": {}, "guild": 5, "recipients": "x"}'}, "11"),
    ],
)
def test_a_channel_of_which_little_is_known(tmp_path: Path, beside: dict[str, bytes], name: str) -> None:
    (item,) = found(values_of(channel(tmp_path, [message(1)], **beside)))
    assert facts(item, "group", "group_name", "sender", "recipients") == ("discord:11", name, "", "")


@pytest.mark.parametrize(
    ("stated", "number", "at", "basis"),
    [
        ("2021-10-13 15:35:46", "5", datetime(2021, 10, 13, 15, 35, 46, tzinfo=UTC), "stated"),
        ("2021-10-13T08:35:46-07:00", "5", datetime(2021, 10, 13, 15, 35, 46, tzinfo=UTC), "stated"),
        ("", "897870239797215243", datetime(2021, 10, 13, 15, 35, 46, 790000, UTC), "stated"),
        ("", "9" * 21, None, "none"),
        ("soon", "897870239797215243", None, "none"),
        ("", "", None, "none"),
    ],
)
def test_both_clocks(stated: str, number: str, at: datetime | None, basis: str) -> None:
    moment = moment_of(stated, number)
    assert (moment.at, moment.basis) == (at, Basis(basis))


def test_days_outside_the_window_are_excluded(tmp_path: Path) -> None:
    window = Window(date(2025, 3, 5), date(2025, 3, 6), ZONE)
    values = values_of(Discord(package(tmp_path).context), LIST, window)
    assert [type(one) for one in values] == [
        ExcludedItem, ExcludedItem, FailedItem, FailedItem, ExcludedItem, ExcludedItem,
    ]  # fmt: skip


def test_paths_of_a_package_are_known_and_a_strange_one_is_not(tmp_path: Path) -> None:
    built = package(tmp_path)
    (tmp_path / "letter.docx").write_bytes(b"PK")
    listed = tally_of(Discord(built.context))
    assert listed is not None
    assert (listed.paths, listed.read, listed.unknown, listed.names) == (11, 10, 1, ("letter.docx",))


@pytest.mark.parametrize(
    ("head", "yes"),
    [
        (dumped(CHANNEL), True),
        (b'\xef\xbb\xbf[\n {"ID": 1, "Timestamp": "", "Contents": ""}]', True),
        (b"[]", False),
        (b'[{"id": 1, "timestamp": "", "content": ""}]', False),
        (b'{"ID": 1, "Timestamp": "", "Contents": ""}', False),
        (b"", False),
    ],
)
def test_a_list_is_known_by_how_it_begins(head: bytes, yes: bool) -> None:
    assert is_list(head) is yes


def test_it_is_guessed(tmp_path: Path) -> None:
    for number, build in enumerate((package, zipped, older)):
        assert guess(build(tmp_path / str(number)).path) == "discord"
    assert guess(str(tmp_path / "1" / "package.zip")) == "discord"


BROKEN = {
    "cut in a message": (dumped(CHANNEL)[:-20], ["expired_link"] * 2 + ["truncated"], 3),
    "cut between messages": (dumped([message(1)])[:-1], ["truncated"], 1),
    "damaged within": (dumped([message(1), message(2)]).replace(b'"Contents": ', b'"Contents" ', 1), None, 0),
    "damaged later": (
        dumped([message(1), message(2)])[::-1].replace(b' :"stnetnoC"', b' "stnetnoC"', 1)[::-1],
        ["corrupt"],
        1,
    ),
    "not all are objects": (dumped([message(1)])[:-1] + b', 5, null, "x"]', [], 1),
    "nested without end": (
        dumped([message(1)])[:-1] + b', {"ID": 2, "x": ' + b"[" * 5000 + b"]" * 5000 + b"}]",
        ["corrupt"],
        1,
    ),
    "another charset": (dumped([message(1, "caf-")]).replace(b"caf-", b"caf\xe9"), [], 1),
    "members of other kinds": (
        dumped([message(1), {"ID": {"a": 1}, "Timestamp": 5, "Contents": ["x"], "Attachments": {"a": LINK}}]),
        [],
        2,
    ),
    "addresses that are paths": (
        dumped([message(1, "", "https://[::1/../../etc/passwd file:///etc/passwd")]),
        ["expired_link"],
        1,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_damage_costs_only_itself(tmp_path: Path, name: str) -> None:
    data, reasons, count = BROKEN[name]
    source = channel(tmp_path, data)
    if reasons is None:  # what does not begin as a list of messages is a file
        assert [one.key for one in source.scopes()] == ["."]
        return
    values = values_of(source)
    assert [one.reason.value for one in values if isinstance(one, FailedItem)] == reasons
    assert len(found(values)) == count


def test_a_large_list_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.discord.CHAT_BYTES", 10)
    source = Discord(package(tmp_path).context)
    assert source.count(next(iter(source.scopes()))) == Expected(None, "unknown")


def test_the_index_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Discord(package(tmp_path).context)
    read: list[str] = []
    plain = Discord._read
    monkeypatch.setattr(Discord, "_read", lambda self, key: (read.append(key), plain(self, key))[1])
    for scope in source.scopes():
        source.count(scope)
        everything(source, scope)
    assert read.count("Messages/index.json") == 1
    assert json.loads(OTHERS["Messages/index.json"])["12"] == "Direct Message with lee_o#0"
