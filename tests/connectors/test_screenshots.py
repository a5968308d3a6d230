"""Screenshots: order, contacts, days and gaps as the sheet says, and sheets that make no sense."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors.screenshots import COLUMNS, Screenshots, pictures
from desk import screenshot_sheet
from records.errors import AccessError, SettingsError, UsageError
from records.models import ExcludedItem, FailedItem, FoundItem, Window
from records.vocabulary import Reason, WarningCode
from tests.connectors.builders import ZONE, context, everything
from tests.connectors.built_screenshots import OPTIONS, SHEET, folder
from tests.connectors.collecting import Killed, collected

HEAD = ",".join(COLUMNS) + "\n"


def source(root: Path, sheet: str | bytes, *names: str, **options: str) -> Screenshots:
    root.mkdir(parents=True, exist_ok=True)
    (root / "screenshots.csv").write_bytes(sheet if isinstance(sheet, bytes) else sheet.encode())
    for name in names:
        (root / name).write_bytes(b"\x89PNG")
    return Screenshots(replace(context(str(root)), options=options or OPTIONS))


def values(one: Screenshots, key: str, window: Window | None = None) -> list:
    scope = next(scope for scope in one.scopes() if scope.key == key)
    return everything(one, scope, **({"window": window} if window else {}))[0]


def test_pictures_come_in_the_order_of_the_sheet_with_what_it_says(tmp_path: Path) -> None:
    one = Screenshots(folder(tmp_path / "s").context)
    first, second = values(one, "iMessage/Rosa Delgado")
    assert (first.native_key, second.native_key) == ("IMG_2.png", "IMG_10.png")
    assert first.metadata == {
        "group": "iMessage/Rosa Delgado", "group_name": "Rosa Delgado", "picture": "1 of 2",
        "app": "iMessage", "contact": "Rosa Delgado", "number": "+12065550101", "first_day": "2025-03-04",
        "last_day": "2025-03-05", "why_no_export": "the phone was returned",
    }  # fmt: skip
    assert second.metadata["overlaps_previous"] == "no"
    assert second.metadata["note"] == "cut off above"
    assert (first.warnings, second.warnings) == (
        (WarningCode.ASSUMED_ZONE,),
        (WarningCode.PARTIAL, WarningCode.NO_DATE),
    )
    assert [scope.label for scope in one.scopes()] == ["Rosa Delgado (iMessage)", "Sam Ito (Signal)", "."]


def test_a_picture_that_is_not_there_is_failed_and_one_that_nobody_named_is_a_file(tmp_path: Path) -> None:
    one = Screenshots(folder(tmp_path / "s").context)
    found, lost = values(one, "Signal/Sam Ito")
    assert isinstance(found, FoundItem)
    assert isinstance(lost, FailedItem)
    assert (lost.name, lost.reason, lost.detail) == ("lost.png", Reason.NOT_IN_EXPORT, "sheet_row")
    assert [value.native_key for value in values(one, ".")] == ["note.txt", "other.png", "screenshots.csv"]


@pytest.mark.parametrize(
    ("first", "last", "kept"),
    [
        (date(2025, 3, 5), date(2025, 3, 5), True),
        (date(2025, 3, 6), None, False),
        (None, date(2025, 3, 3), False),
        (None, date(2025, 3, 4), True),
    ],
)
def test_days_decide_and_a_picture_without_days_is_kept(
    first: date | None, last: date | None, kept: bool, tmp_path: Path
) -> None:
    one = Screenshots(folder(tmp_path / "s").context)
    picture, undated = values(one, "iMessage/Rosa Delgado", Window(first, last, ZONE))
    assert isinstance(picture, FoundItem if kept else ExcludedItem)
    assert isinstance(undated, FoundItem)


@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        ("file,app\nA.png,x\n", "screenshots.csv: no column contact"),
        (HEAD + "A.png,,Rosa,,,,,\n", "screenshots.csv: row 2: app is empty"),
        (
            HEAD + "../A.png,x,Rosa,,,,,\n",
            "screenshots.csv: row 2: file is no picture in the folder",
        ),
        (
            HEAD + "/etc/A.png,x,Rosa,,,,,\n",
            "screenshots.csv: row 2: file is no picture in the fo",
        ),
        (
            HEAD + "A.png,x,R,,3/4/25,,,\n",
            "screenshots.csv: row 2: first_day is no day such as 2026-0",
        ),
        (
            HEAD + "A.png,x,R,,2025-03-05,2025-03-04,,\n",
            "screenshots.csv: row 2: first_day is later",
        ),
        (
            HEAD + "A.png,x,R,,,,maybe,\n",
            "screenshots.csv: row 2: overlaps_previous is neither yes",
        ),
        (
            HEAD + "A.png,x,R,,,,,\nA.png,x,S,,,,,\n",
            "screenshots.csv: 1 of the pictures have more",
        ),
        (b"", "screenshots.csv cannot be read (corrupt, csv_header)"),
    ],
)
def test_a_sheet_that_makes_no_sense_is_refused_by_its_row(
    sheet: str | bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as found:
        source(tmp_path, sheet, "A.png").check_settings()
    assert str(found.value).startswith(f"source s1: {says}")


def test_what_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is not beside the pictures; `daylight screenshots FOLDER`"):
        Screenshots(replace(context(str(tmp_path)), options=OPTIONS)).check_settings()
    with pytest.raises(SettingsError, match=r"^source s1: needs `why_no_export` in options: ask for an exp"):
        source(tmp_path, SHEET, why_no_export=" ").check_settings()
    with pytest.raises(AccessError, match=r"^source s1: its path is no folder"):
        Screenshots(replace(context(str(tmp_path / "screenshots.csv")), options=OPTIONS)).check()


def test_one_name_in_two_forms_of_unicode_is_one_picture(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "José.png")
    one = source(tmp_path, HEAD + f"{composed},x,Rosa,,,,,\n", unicodedata.normalize("NFD", composed))
    (found,) = values(one, "x/Rosa")
    assert isinstance(found, FoundItem)
    assert found.native_key == composed


@pytest.mark.parametrize("kill_after", [1, 3, 5])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    built = folder(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", Screenshots, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", Screenshots, built.context)
    assert set(found.items) == {*built.found, *built.failed}
    assert found.states() == {"stored": 6, "failed": 1}


def test_a_sheet_is_begun_with_each_picture_in_the_order_of_its_number(tmp_path: Path) -> None:
    for name in ("IMG_10.PNG", "IMG_9.png", "note.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert pictures(str(tmp_path)) == ["IMG_9.png", "IMG_10.PNG"]
    sheet = tmp_path / "screenshots.csv"
    assert screenshot_sheet.begin(tmp_path) == {"sheet": str(sheet), "pictures": 2}
    assert sheet.read_bytes().decode("utf-8-sig").split("\r\n") == [
        ",".join(COLUMNS), "IMG_9.png,,,,,,,", "IMG_10.PNG,,,,,,,", "",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="is there already; nothing is overwritten"):
        screenshot_sheet.begin(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no picture is in"):
        screenshot_sheet.begin(tmp_path / "empty")
    with pytest.raises(AccessError, match="is no folder"):
        screenshot_sheet.begin(tmp_path / "nowhere")
