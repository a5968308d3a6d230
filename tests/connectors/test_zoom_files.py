"""Files of Zoom meetings: three layouts of chats, clocks without days, and files beside them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connectors.registry import guess
from connectors.zoom_files import Layout, ZoomFiles, layout_of
from records.errors import SettingsError
from records.models import ExcludedItem, Expected, FoundItem, Window
from records.vocabulary import Basis, Reason, WarningCode
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.built_zoom import CLOUD, CLOUD_NAME, DATED, LOCAL, SAVED, TRANSCRIPT, meetings
from tests.connectors.collecting import Killed, collected


def source_of(root: Path, files: dict[str, bytes]) -> ZoomFiles:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return ZoomFiles(context(str(root)))


def scope(source: ZoomFiles, key: str):
    return next(one for one in source.scopes() if one.key == key)


def moments(source: ZoomFiles, key: str) -> list[tuple[str | None, str, Basis]]:
    values, _ = everything(source, scope(source, key))
    return [(v.moment.at and v.moment.at.isoformat(), v.moment.text, v.moment.basis) for v in values]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(
        SettingsError, match=r"^source s1: its folder is empty; put the files there, or correct"
    ):
        source_of(tmp_path, {}).check()


@pytest.mark.parametrize(
    ("head", "layout"),
    [
        (SAVED[0], Layout.SAVED),
        (b"\xef\xbb\xbf" + DATED[0], Layout.DATED),
        (b"\r\n" + CLOUD[0], Layout.CLOUD),
        (b"10:20:34 From the office, to all:", Layout.SAVED),
        (b"10:20 From Ana to Everyone : x", None),
        (b"Notes\n" + SAVED[0], None),
        (b"", None),
    ],
)
def test_a_chat_is_known_by_its_first_line(head: bytes, layout: Layout | None) -> None:
    assert layout_of(head) is layout


@pytest.mark.parametrize("name", ["chat.txt", "meeting_saved_chat.txt"])
def test_a_file_alone_is_guessed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"".join(SAVED))
    assert guess(str(tmp_path / name)) == "zoom_files"


def test_messages_of_a_saved_chat_have_the_day_of_their_folder(tmp_path: Path) -> None:
    source = ZoomFiles(context(meetings(tmp_path / "s").path))
    assert moments(source, f"{LOCAL}/meeting_saved_chat.txt") == [
        ("2025-03-04T18:20:34+00:00", "10:20:34", Basis.ASSUMED_ZONE),
        ("2025-03-04T18:20:40+00:00", "10:20:40", Basis.ASSUMED_ZONE),
        ("2025-03-04T18:20:34+00:00", "10:20:34", Basis.ASSUMED_ZONE),
    ]


def test_a_meeting_is_known_by_its_folder_or_by_the_file(tmp_path: Path) -> None:
    source = ZoomFiles(context(meetings(tmp_path / "s").path))
    assert {one.label for one in source.scopes()} == {
        LOCAL,
        "2025-03-04 22.00.00 Late",
        f"{CLOUD_NAME}newChat.txt",
        ".",
    }


def test_a_newer_chat_says_its_day_and_a_cloud_chat_counts_from_the_start(tmp_path: Path) -> None:
    source = ZoomFiles(context(meetings(tmp_path / "s").path))
    dated = moments(source, "2025-03-04 22.00.00 Late/meeting_saved_new_chat.txt")
    assert dated[1] == ("2025-03-05T07:59:59+00:00", "2025-03-04 23:59:59", Basis.ASSUMED_ZONE)
    assert moments(source, f"cloud.zip!{CLOUD_NAME}newChat.txt") == [
        ("2025-03-04T18:41:48+00:00", "00:21:14", Basis.RELATIVE),
        ("2025-03-04T19:22:37+00:00", "01:02:03", Basis.RELATIVE),
    ]


def test_a_meeting_may_go_past_midnight(tmp_path: Path) -> None:
    late = [b"23:59:58\t From Ana to Everyone : one\n", b"00:00:02\t From Ana to Everyone : two\n"]
    source = source_of(tmp_path, {"2025-03-04 22.00.00 Late 1/chat.txt": b"".join(late)})
    assert [at for at, _, _ in moments(source, "2025-03-04 22.00.00 Late 1/chat.txt")] == [
        "2025-03-05T07:59:58+00:00",
        "2025-03-05T08:00:02+00:00",
    ]


@pytest.mark.parametrize(
    ("name", "data", "basis", "warning"),
    [
        ("chat.txt", SAVED[0], Basis.NONE, WarningCode.NO_DATE),
        ("2025-13-04 10.00.00 x/chat.txt", SAVED[0], Basis.NONE, WarningCode.NO_DATE),
        ("chat.txt", CLOUD[0], Basis.RELATIVE, WarningCode.NO_DATE),
        (
            "2025-03-04 10.00.00 x/chat.txt",
            SAVED[0].replace(b"10:20:34", b"99:99:99"),
            Basis.NONE,
            WarningCode.BAD_DATE,
        ),
    ],
)
def test_what_says_no_day_has_no_time_and_is_kept(
    name: str, data: bytes, basis: Basis, warning: WarningCode, tmp_path: Path
) -> None:
    source = source_of(tmp_path, {name: data})
    window = Window(date(2020, 1, 1), date(2020, 1, 1), ZONE)
    ((value),), _ = everything(source, scope(source, name), window=window)
    assert isinstance(value, FoundItem)
    assert (value.moment.at, value.moment.basis) == (None, basis)
    assert value.warnings == (warning,)
    assert "at" not in value.metadata


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    source = ZoomFiles(context(meetings(tmp_path / "s").path))
    window = Window(date(2025, 4, 1), None, ZONE)
    values, _ = everything(source, scope(source, f"{LOCAL}/meeting_saved_chat.txt"), window=window)
    assert [(type(v), v.reason) for v in values] == [(ExcludedItem, Reason.OUTSIDE_WINDOW)] * 3


def test_files_beside_a_chat_are_files_and_a_transcript_knows_its_start(tmp_path: Path) -> None:
    source = ZoomFiles(context(meetings(tmp_path / "s").path))
    values, data = everything(source, scope(source, "."))
    found = {v.native_key: v for v in values}
    transcript = found[f"{CLOUD_NAME}.transcript.vtt"]
    assert transcript.media_type == "text/vtt"
    assert transcript.metadata["started_at"] == "2025-03-04T18:20:34.000000Z"
    assert data[f"{CLOUD_NAME}.transcript.vtt"] == TRANSCRIPT
    assert sorted(found) == [
        f"{LOCAL}/audio.m4a",
        f"{LOCAL}/notes.txt",
        f"{CLOUD_NAME}.transcript.vtt",
        "participants_123.csv",
    ]
    assert source.count(scope(source, ".")) == Expected(4, "file list")


def test_a_zip_that_does_not_open_is_a_scope_failure_and_the_others_are_read(tmp_path: Path) -> None:
    built = meetings(tmp_path / "s")
    (Path(built.path) / "broken.zip").write_bytes((Path(built.path) / "cloud.zip").read_bytes()[:60])
    found = collected(tmp_path / "home", ZoomFiles, context(built.path))
    assert found.scopes["broken.zip"] == (None, 0, "truncated", "zip_directory")
    assert found.scopes[f"cloud.zip!{CLOUD_NAME}newChat.txt"] == (2, 2, None, None)


@pytest.mark.parametrize("kill_after", [1, 3, 6])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = meetings(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", ZoomFiles, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", ZoomFiles, built.context)
    assert set(found.items) == set(built.found)
    assert found.states() == {"stored": len(built.found)}


def test_nothing_said_is_in_what_is_listed(tmp_path: Path) -> None:
    source = ZoomFiles(context(meetings(tmp_path / "s").path))
    for one in source.scopes():
        values, _ = everything(source, one)
        assert values
        assert all(SECRET not in str(v.metadata) for v in values if isinstance(v, FoundItem))
