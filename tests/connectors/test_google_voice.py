"""Google Voice in a Takeout export: texts, calls, media without extension, deleted and broken files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connectors.google_takeout import GoogleTakeout
from examples.exports import voice
from examples.exports.voice import CALLS, page
from records import canonical
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.collecting import Killed, collected

VOICE = "Takeout/Voice"
ME = voice.me("+12065550199")
LEE = voice.person("+12065550101", "Lee Okafor")
SAM = voice.person("+12065550102")


def text(sender: str, words: str, at: str = "2025-03-04T09:15:00.123-08:00", media: str = "") -> str:
    return voice.text(sender, words, at, media)


def call(title: str, who: str, label: str, media: str = "") -> bytes:
    return voice.call(title, who, label, "2025-03-04T10:00:00.000-08:00", media)


IMAGE = voice.image("Lee Okafor - Text - 2025-03-04T17_15_00Z-1-1")
AUDIO = '<audio controls="controls" src="v.mp3"><a rel="enclosure" href="v.mp3">Audio</a></audio>'
FILES = {
    f"{CALLS}/Lee Okafor - Text - 2025-03-04T17_15_00Z.html": page(
        "Lee Okafor", text(LEE, SECRET, media=IMAGE), text(ME, "yes<br>at nine")
    ),
    f"{CALLS}/Lee Okafor - Text - 2025-03-05T17_15_00Z.html": page(
        "Lee Okafor", text(ME, "only mine", at="2025-03-05T09:15:00.000-08:00")
    ),
    f"{CALLS}/Group Conversation - 2025-03-04T18_00_00Z.html": page(
        "Group Conversation", text(SAM, "MMS Received"), people=f"<cite>{LEE}</cite>, <cite>{SAM}</cite>",
        deleted="True",
    ),
    f"{CALLS}/Lee Okafor - Text - 2025-03-04T17_15_00Z-1-1.jpg": b"\xff\xd8\xff\xe0 picture",
    f"{CALLS}/Lee Okafor - Voicemail - 2025-03-04T18_00_00Z.html": call(
        "Voicemail from\nLee Okafor", LEE, "Voicemail", AUDIO
    ),
    f"{VOICE}/Phones.vcf": b"BEGIN:VCARD\nVERSION:3.0\nTEL:+12065550199\nEND:VCARD\n",
}  # fmt: skip


def source_of(root: Path, files: dict[str, bytes] = FILES) -> GoogleTakeout:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return GoogleTakeout(context(str(root)))


def read(source: GoogleTakeout, window: Window | None = None) -> list:
    (scope,) = [one for one in source.scopes() if one.key == VOICE]
    values, _ = everything(source, scope, **({"window": window} if window else {}))
    assert source.count(scope) == Expected(len(values), "file list and clock scan")
    return values


def told(root: Path) -> list[FoundItem]:
    kinds = (Kind.MESSAGE, Kind.CALL)
    return [one for one in read(source_of(root)) if isinstance(one, FoundItem) and one.kind in kinds]


def test_each_text_and_call_is_an_item_by_its_own_bytes(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    (scope,) = [one for one in source.scopes() if one.key == VOICE]
    values, data = everything(source, scope)
    group, first, second, alone, voicemail = (
        one for one in values if isinstance(one, FoundItem) and one.kind is not Kind.FILE
    )
    assert data[second.native_key].decode() == text(ME, "yes<br>at nine") + "</div>\n\n"
    assert data[voicemail.native_key] == FILES[f"{CALLS}/Lee Okafor - Voicemail - 2025-03-04T18_00_00Z.html"]
    assert [one.kind for one in (group, first, second, alone, voicemail)] == [*[Kind.MESSAGE] * 4, Kind.CALL]
    assert {one.moment.at.isoformat() for one in (first, second) if one.moment.at} == {
        "2025-03-04T17:15:00.123000+00:00"
    }
    assert {one.moment.basis for one in (group, first, alone, voicemail)} == {Basis.STATED}


def test_files_of_one_contact_are_one_conversation_and_a_group_is_its_people(tmp_path: Path) -> None:
    group, first, second, alone, voicemail = told(tmp_path)
    assert {one.metadata["group"] for one in (first, second, alone, voicemail)} == {"voice:Lee Okafor"}
    assert first.metadata["group_name"] == "Lee Okafor"
    assert first.metadata["members"] == "Lee Okafor <+12065550101>"
    assert "members" not in alone.metadata
    assert group.metadata["group"] == "voice:+12065550101; +12065550102"
    assert group.metadata["group_name"] == "Lee Okafor, +12065550102"
    assert group.metadata["members"] == "Lee Okafor <+12065550101>; +12065550102"
    assert voicemail.metadata["labels"] == "Voicemail"


def test_media_is_joined_and_what_is_missing_is_counted(tmp_path: Path) -> None:
    values = read(source_of(tmp_path))
    first = next(one for one in values if isinstance(one, FoundItem) and "attachments" in one.metadata)
    name = "Lee Okafor - Text - 2025-03-04T17_15_00Z-1-1.jpg"
    assert canonical.loads(first.metadata["attachments"]) == [{"name": name, "native_key": f"{CALLS}/{name}"}]
    lost = [one for one in values if isinstance(one, FailedItem)]
    assert [(one.name, one.reason, one.detail) for one in lost] == [
        ("v.mp3", Reason.NOT_IN_EXPORT, "attachment")
    ]
    voicemail = next(one for one in values if one.kind is Kind.CALL)
    assert voicemail.warnings == (WarningCode.MISSING_PART,)


def test_what_its_owner_deleted_is_marked(tmp_path: Path) -> None:
    group, first, *_ = told(tmp_path)
    assert group.warnings == (WarningCode.DELETED,)
    assert first.warnings == ()


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    values = read(source_of(tmp_path), Window(date(2025, 3, 5), date(2025, 3, 5), ZONE))
    assert sum(isinstance(one, ExcludedItem) for one in values) == 4


@pytest.mark.parametrize(
    ("data", "found", "failed"),
    [
        (page("Lee", text(LEE, "a"), text(LEE, "b"))[:-250], 1, [(Reason.TRUNCATED, "html_cut")]),
        (page("Lee", text(LEE, "a"))[:-5], 1, [(Reason.TRUNCATED, "html_cut")]),
        (call("Placed call to\nLee", LEE, "Placed")[:-20], 0, [(Reason.TRUNCATED, "html_cut")]),
        (page("Lee"), 0, []),
        (page("Lee", *[text(LEE, "same")] * 3), 3, []),
        (page("Lee", text(LEE, "x" * 2_000_000)), 1, []),
        (page("Lee", text(LEE, "\u00e9")).decode().encode("cp1252"), 1, []),
        (page("Lee", text(LEE, "x", media='<img src="../../etc/passwd" />')), 1,
         [(Reason.NOT_IN_EXPORT, "attachment")]),
    ],
    ids=["cut", "end cut", "call cut", "empty", "equal", "huge", "charset", "hostile name"],
)  # fmt: skip
def test_files_that_are_cut_or_strange(
    data: bytes, found: int, failed: list[tuple[Reason, str]], tmp_path: Path
) -> None:
    source = source_of(tmp_path, {f"{CALLS}/Lee - Text - x.html": data})
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert sum(isinstance(one, FoundItem) for one in values) == found
    assert [(one.reason, one.detail) for one in values if isinstance(one, FailedItem)] == failed
    expected = source.count(scope).count
    assert expected is None if (Reason.TRUNCATED, "html_cut") in failed else expected == len(values)
    keys = [one.native_key for one in values]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("stated", ["2025-03-04T09:15:00", "yesterday", "2025-99-04T09:15:00-08:00"])
def test_a_time_without_offset_or_sense_is_none(stated: str, tmp_path: Path) -> None:
    source = source_of(tmp_path, {f"{CALLS}/a.html": page("Lee", text(LEE, "x", at=stated))})
    (one,) = read(source)
    assert (one.moment.at, one.moment.text) == (None, stated)
    assert one.warnings == (WarningCode.BAD_DATE,)


@pytest.mark.parametrize("kill_after", [1, 3, 6])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    source_of(tmp_path / "s")
    where = context(str(tmp_path / "s"))
    with pytest.raises(Killed):
        collected(tmp_path / "home", GoogleTakeout, where, kill_after=kill_after)
    assert collected(tmp_path / "home", GoogleTakeout, where).states() == {"stored": 7, "failed": 1}


def test_nothing_said_is_in_what_is_listed(tmp_path: Path) -> None:
    assert all(SECRET not in str(one.metadata) for one in told(tmp_path))
