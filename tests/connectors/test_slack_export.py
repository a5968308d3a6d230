"""Slack exports: names, threads, files that are links, compliance, and files that are cut or strange."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from connectors.registry import guess
from connectors.slack_export import SlackExport, ts_moment
from records import canonical
from records.errors import SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.built_slack import (
    CHANNELS,
    GENERAL,
    USERS,
    day_file,
    enterprise,
    message,
    standard,
    unpacked,
    zipped,
)
from tests.connectors.collecting import Killed, collected


def written(root: Path, files: dict[str, object]) -> SlackExport:
    for name, value in ({"users.json": USERS, "channels.json": CHANNELS} | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return SlackExport(context(str(root)))


def scope(source: SlackExport, key: str):
    return next(one for one in source.scopes() if one.key == key)


@pytest.mark.parametrize("build", [standard, unpacked, enterprise])
def test_is_guessed_by_content(build, tmp_path: Path) -> None:
    built = build(tmp_path / "s")
    path = next(Path(built.path).glob("*.zip")) if build is enterprise else Path(built.path)
    assert guess(str(path)) == "slack_export"


def test_days_that_come_and_go_before_a_part_is_read_move_no_other(tmp_path: Path) -> None:
    def said(day: int) -> list[dict[str, object]]:
        return [message(f"{1_741_000_000 + day * 86_400}.000100")]

    files = {f"general/2025-03-{day:02}.json": said(day) for day in range(3, 9)}
    parts = list(written(tmp_path, files).parts(scope(written(tmp_path, {}), "general"), 1_000, 250))
    assert len(parts) > 2
    (tmp_path / "general/2025-03-03.json").unlink()
    read = written(tmp_path, {"general/2025-03-01.json": said(1), "general/2025-03-09.json": said(9)})
    keys = [value.native_key.partition("/")[2] for part in parts for value in read.items(part, ALWAYS)]
    assert keys == [said(day)[0]["ts"] for day in (1, 4, 5, 6, 7, 8, 9)]


def test_another_folder_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SettingsError, match=r"^source s1: no Slack export \(channels.json, .* at its path;"):
        SlackExport(context(str(tmp_path))).check()


def test_a_conversation_is_named_and_one_without_messages_is_listed(tmp_path: Path) -> None:
    source = SlackExport(context(standard(tmp_path / "s").path))
    assert {one.key: one.label for one in source.scopes()} == {
        "D01AL": "Ana Ruiz, Lee Okafor (direct message)",
        "general": "general (public channel)",
        "quiet": "quiet (public channel)",
        ".": ".",
    }
    assert source.count(scope(source, "quiet")) == Expected(0, "json parse")


def test_what_a_message_is_told_of(tmp_path: Path) -> None:
    source = SlackExport(context(standard(tmp_path / "s").path))
    values, _ = everything(source, scope(source, "general"))
    found = {value.native_key: value for value in values}
    one = found["C01GEN/1741112440.000200"]
    assert one.metadata == {
        "group": "C01GEN",
        "group_name": "general",
        "group_kind": "public channel",
        "members": "Ana Ruiz <ana@example.org>; Lee Okafor",
        "names": '{"U01ANA":"Ana Ruiz","U02LEE":"Lee Okafor"}',
        "people": '{"U01ANA":"Ana Ruiz <ana@example.org>","U02LEE":"Lee Okafor"}',
    }
    carrying = found["C01GEN/1741112450.000300"]
    assert canonical.loads(carrying.metadata["attachments"]) == [
        {"name": "plan.txt", "native_key": "__uploads/F0UPLOADED/plan.txt"}
    ]
    assert carrying.warnings == (WarningCode.MISSING_PART,)
    lost = [found[f"C01GEN/1741112450.000300#{n}"] for n in (0, 1)]
    assert [(one.reason, one.detail) for one in lost] == [
        (Reason.EXPIRED_LINK, "slack_file"),
        (Reason.NOT_IN_EXPORT, "file_deleted"),
    ]
    assert found["C01GEN/1741112460.000400"].warnings == (WarningCode.EDITED,)
    assert found["C01GEN/1741198850.000300:1"].warnings == (WarningCode.DUPLICATE_ENTRY,)
    timeless = next(v for v in values if isinstance(v, FoundItem) and "/" not in v.native_key)
    assert timeless.warnings == (WarningCode.NO_DATE,)


def test_a_large_conversation_counts_its_members_instead(tmp_path: Path) -> None:
    users = [{"id": f"U{n:04}", "name": f"u{n}"} for n in range(101)]
    channels = [{"id": "C1ALL", "name": "all", "members": [user["id"] for user in users]}]
    source = written(
        tmp_path,
        {"users.json": users, "channels.json": channels, "all/2025-03-04.json": GENERAL["2025-03-04"][:1]},
    )
    (one,), _ = everything(source, scope(source, "all"))
    assert one.metadata["members_count"] == "101"
    assert "members" not in one.metadata


def test_the_day_is_that_of_the_message_and_not_that_of_its_file(tmp_path: Path) -> None:
    source = written(
        tmp_path, {"general/2025-03-05.json": [message("1741159800.000100"), message("1741163400.000100")]}
    )
    window = Window(date(2025, 3, 5), date(2025, 3, 5), ZONE)
    values, _ = everything(source, scope(source, "general"), window=window)
    assert [type(value) for value in values] == [ExcludedItem, FoundItem]  # 23:30 of the 4th, 0:30 of the 5th


@pytest.mark.parametrize(
    ("stated", "at", "basis"),
    [
        ("1741112434.123456", "2025-03-04T18:20:34.123456+00:00", Basis.STATED),
        ("1741112434", "2025-03-04T18:20:34+00:00", Basis.STATED),
        ("yesterday", None, Basis.NONE),
        ("", None, Basis.NONE),
        ("99999999999.000000", None, Basis.NONE),
    ],
)
def test_times(stated: str, at: str | None, basis: Basis) -> None:
    moment = ts_moment(stated)
    assert (moment.at and moment.at.isoformat(), moment.text, moment.basis) == (at, stated, basis)


def test_a_day_file_that_is_cut_gives_what_came_before(tmp_path: Path) -> None:
    data, objects = day_file([message("1741112434.000100"), message("1741112435.000100")])
    source = written(tmp_path, {"general/2025-03-04.json": data[:-30], "general/2025-03-05.json": b"oops"})
    values, found = everything(source, scope(source, "general"))
    assert list(found.values()) == objects[:1]
    bad = [value for value in values if isinstance(value, FailedItem)]
    assert [(one.native_key, one.reason, one.detail) for one in bad] == [
        ("general/2025-03-04.json#rest", Reason.TRUNCATED, "list_cut"),
        ("general/2025-03-05.json#rest", Reason.TRUNCATED, "list_cut"),
    ]
    assert source.count(scope(source, "general")) == Expected(None, "unknown")


def test_lists_that_cannot_be_read_cost_the_names_and_no_message(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        {
            "users.json": b"{",
            "channels.json": b"[",
            "general/2025-03-04.json": [message("1741112434.000100")],
        },
    )
    source.check()
    (one,), _ = everything(source, scope(source, "general"))
    assert one.native_key == "general/1741112434.000100"
    assert one.metadata == {"group": "general", "group_name": "general"}
    _, found = everything(source, scope(source, "."))
    assert found == {"channels.json": b"[", "users.json": b"{"}


def test_a_zip_that_does_not_open_is_a_scope_failure_and_the_others_are_read(tmp_path: Path) -> None:
    lists = {"users.json": json.dumps(USERS).encode(), "channels.json": json.dumps(CHANNELS).encode()}
    for name, ts in (("march.zip", "1741112434.000100"), ("april.zip", "1743790834.000100")):
        data, _ = day_file([message(ts)])
        zipped(tmp_path / name, {**lists, "general/2025-03-04.json": data})
    (tmp_path / "may.zip").write_bytes((tmp_path / "march.zip").read_bytes()[:200])
    found = collected(tmp_path / "home", SlackExport, context(str(tmp_path)))
    assert found.scopes["may.zip"] == (None, 0, "truncated", "zip_directory")
    assert found.scopes["march.zip!/general"] == (1, 1, None, None)
    assert found.scopes["april.zip!/general"] == (1, 1, None, None)


def test_a_file_shared_in_an_old_message_is_counted(tmp_path: Path) -> None:
    """Before 2018 a message had one ``file``."""
    old = message("1500000000.000100", file={"id": "F0OLDFILE", "name": "old.doc", "mode": "hosted"})
    source = written(tmp_path, {"general/2017-07-14.json": [old]})
    values, _ = everything(source, scope(source, "general"))
    assert [value.native_key for value in values] == [
        "C01GEN/1500000000.000100",
        "C01GEN/1500000000.000100#0",
    ]
    assert source.count(scope(source, "general")).count == 2


@pytest.mark.parametrize("kill_after", [1, 4, 5, 9])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = standard(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", SlackExport, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", SlackExport, built.context)
    assert set(found.items) == {*built.found, *built.failed}
    assert found.states() == {"stored": len(built.found), "failed": len(built.failed)}
    assert found.scopes["general"] == (11, 11, None, None)


def test_nothing_of_a_message_is_in_a_failure(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        {"general/2025-03-04.json": f'[{{"ts": "1741112434.000100", "text": "{SECRET}" "}}]'.encode()},
    )
    values, _ = everything(source, scope(source, "general"))
    assert values
    assert all(SECRET not in str(getattr(value, "detail", "")) for value in values)
