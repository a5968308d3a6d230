"""Snapchat's My Data: entries, both clocks, media in other zips, older files, damage, strange content."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.export_paths import tally_of
from connectors.registry import guess
from connectors.snapchat import Snapchat, is_history, media_ids, moment_of
from records import canonical
from records.errors import SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Reason, WarningCode
from tests.connectors.builders import ALWAYS, ZONE, context, everything
from tests.connectors.built_snapchat import AT_MS, CHATS, dumped, entries, entry, older, unpacked, zipped


def history(root: Path, data: bytes | dict[str, Any], name: str = "chat_history.json") -> Snapchat:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data if isinstance(data, bytes) else dumped(data))
    return Snapchat(context(str(root)))


def values_of(source: Snapchat, key: str = "chat_history.json", window: Window = ALWAYS) -> list:
    scope = next(one for one in source.scopes() if one.key == key)
    values, _ = everything(source, scope, window=window)
    assert source.count(scope) in {Expected(len(values), "json parse"), Expected(None, "unknown")}
    return values


def found(values: list) -> list[FoundItem]:
    return [one for one in values if isinstance(one, FoundItem)]


def test_entries_keep_their_conversation_and_their_media(tmp_path: Path) -> None:
    values = values_of(Snapchat(unpacked(tmp_path).context), "json/chat_history.json")
    items = found(values)
    assert [one.metadata["group"] for one in items] == ["snapchat:rosa.d"] * 4 + [
        "snapchat:6f1e2d3c-0000-4000-8000-000000000001"
    ] * 2
    assert [one.metadata["direction"] for one in items] == [
        "received", "received", "sent", "received", "received", "sent",
    ]  # fmt: skip
    assert items[4].metadata["group_name"].startswith("Trip ")
    assert "with" not in items[4].metadata
    assert items[1].warnings == (WarningCode.MISSING_PART,)
    assert canonical.loads(items[1].metadata["attachments"]) == [
        {"name": "2025-03-04_b~AAA.jpg", "native_key": "chat_media/2025-03-04_b~AAA.jpg"}
    ]
    assert items[3].warnings == (WarningCode.DELETED,)
    assert items[5].native_key == f"{items[2].native_key}:1"  # the same bytes in another conversation
    assert items[0].moment.at == datetime(2025, 3, 4, 18, 20, 34, 567000, UTC)
    assert [(one.reason, one.detail) for one in values if isinstance(one, FailedItem)] == [
        (Reason.NOT_IN_EXPORT, "media")
    ]


def test_media_lie_in_another_zip(tmp_path: Path) -> None:
    built = zipped(tmp_path)
    values = values_of(Snapchat(built.context), built.scopes[0])
    assert canonical.loads(found(values)[1].metadata["attachments"]) == [
        {
            "name": "2025-03-04_b~AAA.jpg",
            "native_key": "mydata~1741200000000-2.zip!chat_media/2025-03-04_b~AAA.jpg",
        }
    ]


def test_of_two_exports_each_has_its_own_media(tmp_path: Path) -> None:
    for name in ("b", "a"):
        unpacked(tmp_path / name)
    source = Snapchat(context(str(tmp_path)))
    for name in ("a", "b"):
        items = found(values_of(source, f"{name}/json/chat_history.json"))
        held = canonical.loads(items[1].metadata["attachments"])
        assert held[0]["native_key"] == f"{name}/chat_media/2025-03-04_b~AAA.jpg"


def test_two_lists_of_old(tmp_path: Path) -> None:
    received, sent = found(values_of(Snapchat(older(tmp_path).context)))
    assert received.metadata["group"] == sent.metadata["group"] == "snapchat:rosa.d"
    assert (received.metadata["direction"], sent.metadata["direction"]) == ("received", "sent")
    assert received.moment.at == datetime(2022, 7, 22, 19, 28, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "at", "basis"),
    [
        ({"Created(microseconds)": AT_MS}, datetime(2025, 3, 4, 18, 20, 34, 567000, UTC), "stated"),
        # a version that means what the name says
        (
            {"Created(microseconds)": 1741112434567000},
            datetime(2025, 3, 4, 18, 20, 34, 567000, UTC),
            "stated",
        ),
        ({"Created": "2025-03-04 18:20:34 UTC"}, datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC), "stated"),
        (
            {"Created(microseconds)": 5, "Created": "2025-03-04 18:20:34 UTC"},
            datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC),
            "stated",
        ),
        ({"Created": "2025-03-04 18:20:34"}, None, "none"),
        ({"Created": "yesterday UTC"}, None, "none"),
        ({"Created(microseconds)": True, "Created": 7}, None, "none"),
    ],
)
def test_both_clocks(value: dict[str, Any], at: datetime | None, basis: str) -> None:
    moment = moment_of(value)
    assert (moment.at, moment.basis) == (at, Basis(basis))


def test_days_outside_the_window_are_excluded_with_what_they_lack(tmp_path: Path) -> None:
    window = Window(date(2025, 3, 5), date(2025, 3, 6), ZONE)
    values = values_of(Snapchat(unpacked(tmp_path).context), "json/chat_history.json", window)
    assert sum(isinstance(one, ExcludedItem) for one in values) == 6
    assert sum(isinstance(one, FailedItem) for one in values) == 1


def test_paths_of_the_data_are_known_and_a_strange_one_is_not(tmp_path: Path) -> None:
    built = unpacked(tmp_path)
    (tmp_path / "letter.docx").write_bytes(b"PK")
    listed = tally_of(Snapchat(built.context))
    assert listed is not None
    assert (listed.paths, listed.read, listed.unknown, listed.names) == (8, 7, 1, ("letter.docx",))


@pytest.mark.parametrize(
    ("head", "yes"),
    [
        (dumped(CHATS), True),
        (b"\xef\xbb\xbf" + dumped(CHATS), True),
        (b'{"Saved Media": [{"Date": "2025-03-04 18:20:34 UTC", "Media Type": "Image"}]}', False),
        (b'{"a": [], "b": []}', False),
        (b"{}", False),
        (b'{"a": [1, {"Media Type": "TEXT", "Created": ""}]}', False),
        (b"", False),
    ],
)
def test_a_history_is_known_by_how_it_begins(head: bytes, yes: bool) -> None:
    assert is_history(head) is yes


def test_it_is_guessed_and_what_is_none_is_refused(tmp_path: Path) -> None:
    assert guess(unpacked(tmp_path / "a").path) == "snapchat"
    assert guess(zipped(tmp_path / "b").path) == "snapchat"
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "chat_history.html").write_bytes(b"<html>")
    with pytest.raises(SettingsError, match=r"chat_history\.json of Snapchat's My Data"):
        Snapchat(context(str(tmp_path / "c"))).check()


BROKEN = {
    "cut in an entry": (dumped(CHATS)[:-200], [*["not_in_export"] * 2, *["truncated"] * 2], 5),
    "cut between entries": (dumped({"a": [entry()]})[:-6], ["truncated"], 1),
    "damaged within": (dumped({"a": [entry()] * 2}).replace(b'"Content":', b'"Content"', 1), ["corrupt"], 1),
    "not all are objects": (b'{"a": [{"Media Type": "T", "Created": ""}, 5, null, [1]]}', ["corrupt"], 1),
    "nested without end": (
        b'{"a": [{"Media Type": "T", "Created": "", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}]}",
        ["corrupt"],
        0,
    ),
    "another charset": (dumped({"a": [entry("caf\\u00e9")]}).replace(b"caf\\\\u00e9", b"caf\xe9"), [], 1),
    "members of other kinds": (
        dumped({"a": [entry(["x"], **{"From": 5, "Media IDs": {"a": 1}, "Conversation Title": 7})]}),
        [],
        1,
    ),
    "ids that are paths": (dumped({"a": [entry("", **{"Media IDs": "../../etc/passwd | a\\u0000b"})]}),
                           ["not_in_export"] * 2, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_damage_costs_only_itself(tmp_path: Path, name: str) -> None:
    data, reasons, count = BROKEN[name]
    values = values_of(history(tmp_path, data))
    assert [one.reason.value for one in values if isinstance(one, FailedItem)] == reasons
    assert len(found(values)) == count


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.lists(
            st.dictionaries(st.text(max_size=6), st.text() | st.integers() | st.none(), max_size=4),
            max_size=5,
        ),
        max_size=4,
    )
)
def test_every_entry_comes_out_once_by_its_bytes(made: dict[str, Any]) -> None:
    chats = {"first": [entry()]} | {f"c{name}": listed for name, listed in made.items()}
    with tempfile.TemporaryDirectory() as folder:
        source = history(Path(folder), chats)
        scope = next(iter(source.scopes()))
        values, natives = everything(source, scope)
        assert source.count(scope) == Expected(len(values), "json parse")
        assert list(natives.values()) == entries(chats)


def test_ids_of_media() -> None:
    assert media_ids({"Media IDs": " b~1 |b~2| "}) == ["b~1", "b~2"]
    assert media_ids({"Media IDs": ["b~1"]}) == media_ids({}) == []


def test_a_large_history_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.snapchat.CHAT_BYTES", 10)
    source = Snapchat(unpacked(tmp_path).context)
    scope = next(iter(source.scopes()))
    assert source.count(scope) == Expected(None, "unknown")
