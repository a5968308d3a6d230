"""Tables of school apps: what is proposed for a likely header, what a person signs, how broken ones end."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors import message_table
from connectors.column_maps import read_map
from connectors.message_table import MESSAGE_TYPE, MessageTable
from extract.message_table import MessageTableReader
from extract.protocol import ExtractContext
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, Extraction, FailedItem, FoundItem, SourceContext, Window
from records.vocabulary import Basis, Reason, WarningCode
from tests.connectors.builders import ALWAYS, ZONE, context, everything, keyed
from tests.connectors.built_school_apps import APPS, AT, App

pytestmark = pytest.mark.parametrize("app", APPS, ids=[one.name for one in APPS])

HOSTILE = ("../../etc/passwd", "=cmd|' /C calc'!A0", "\u202egpj.exe", "C:\\Windows\\win.ini")


def source(root: Path, app: App, data: bytes, name: str = "t.csv") -> SourceContext:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    return replace(context(str(root)), options={"map": app.signed(app.row(AT, "Ms. Lee", "x"))})


def read(root: Path, app: App, *rows: bytes, window: Window | None = None) -> list:
    table = MessageTable(source(root, app, app.table(*rows)))
    (scope, *_) = table.scopes()
    values, _ = everything(table, scope, **({"window": window} if window else {}))
    assert table.count(scope).count == len(values)
    return values


def drawn(root: Path, app: App, data: bytes, name: str = "t.csv") -> tuple[list, tuple[str, str] | None]:
    """Return what a table gives, and how it broke off; ``collect`` writes that beside the place."""
    table, values = MessageTable(source(root, app, data, name)), []
    (scope,) = table.scopes()
    try:
        for part in table.parts(scope, 10_000, 1 << 28):
            values += [part.scope.key]
            for value in table.items(part, ALWAYS):
                values.append(value.native_key)
    except ItemError as error:
        return values[1:], (str(error.reason), error.detail)
    return values[1:], None


def extracted(item: FoundItem) -> Extraction:
    told = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("America/Los_Angeles"), metadata=item.metadata)
    return MessageTableReader().extract(io.BytesIO(item.handle), told)


def test_a_likely_header_is_proposed_and_a_person_signs_what_is_right(app: App) -> None:
    rows = [app.row(AT, "Ms. Lee", "one"), app.row(AT, "Rosa Delgado", "two")]
    proposal = app.proposal(*rows)
    lines = proposal.splitlines()
    assert tuple(line.split(" = ")[0] for line in lines if line.endswith("# name its column")) == app.missing
    with pytest.raises(SettingsError, match=r"nobody has confirmed|columns: "):
        read_map(proposal, "x")
    made = read_map(app.signed(*rows), "x")
    assert (made.app, made.header, dict(made.columns)) == (app.name, app.header, dict(app.columns))
    if not app.corrected:  # the proposal was right as it stood
        unsigned = proposal.replace('confirmed_by = ""', 'confirmed_by = "A"\nconfirmed_on = 2026-01-31')
        assert read_map(unsigned, "x").columns == made.columns


def test_what_a_signed_map_reads(app: App, tmp_path: Path) -> None:
    first = app.row(AT, "Ms. Lee", 'Room 4,\r\nat nine; say "hi"', key="m1")
    second = app.row(AT + timedelta(minutes=1), "Rosa Delgado", "Sí", to="Ms. Lee; Sam Ito", key="m2")
    one, two = read(tmp_path, app, first, second)
    own_ids = "message_id" in app.columns
    assert [one.native_key, two.native_key] == (["m1", "m2"] if own_ids else list(keyed([first, second])))
    at = "2025-03-04T09:05:00+00:00" if app.stated else "2025-03-04T17:05:00+00:00"
    assert one.moment.at.isoformat() == at
    assert one.moment.basis is (Basis.STATED if app.stated else Basis.ASSUMED_ZONE)
    assert one.warnings == (() if app.stated else (WarningCode.ASSUMED_ZONE,))
    assert one.metadata["app"] == app.name
    told, again = extracted(one), extracted(two)
    assert told.text == 'Room 4,\nat nine; say "hi"'
    assert told.fields.sender.name == "Ms. Lee"
    assert [person.name for person in told.fields.to] == ["Rosa Delgado"]
    assert ([person.name for person in again.fields.to], again.text) == (["Ms. Lee", "Sam Ito"], "Sí")


def test_cut_in_the_middle(app: App, tmp_path: Path) -> None:
    """What came before the cut stays; the place says that it broke off."""
    rows = [app.row(AT, "Ms. Lee", f"room {n}", key=f"m{n}") for n in range(3)]
    whole = app.row(AT, "Ms. Lee", 'cut in the "middle"', key="m9")
    kept, failure = drawn(tmp_path, app, app.table(*rows) + whole[: whole.index(b"middle")])
    assert (len(kept), failure) == (3, ("truncated", "quote"))
    bare = app.row(AT, "Ms. Lee", "x")
    (short,) = read(tmp_path / "two", app, bare[: bare.index(b"Ms.") + 3])  # cut between two cells
    assert WarningCode.HEADER_DEFECT in short.warnings


def test_wrong_charset(app: App, tmp_path: Path) -> None:
    (one,) = read(tmp_path, app, app.row(AT, "Ms. Lee", "café – 4").decode().encode("cp1252"))
    made = extracted(one)
    assert (made.text, made.warnings) == ("café – 4", (WarningCode.CHARSET_GUESSED,))
    wide = app.table(app.row(AT, "Ms. Lee", "x")).decode().encode("utf-16")
    assert drawn(tmp_path / "two", app, wide) == ([], ("unsupported", "utf16"))


def test_wrong_zone(app: App, tmp_path: Path) -> None:
    """A zone that the map does not know of is no time; near an edge of the window a local time stays."""
    stated = app.row(AT, "Ms. Lee", "x").replace(AT.strftime(app.time_format)[-8:].encode(), b"9:05 EST")
    (odd,) = read(tmp_path, app, stated)
    assert odd.warnings == (WarningCode.BAD_DATE,)
    assert odd.moment.at is None
    window = Window(date(2025, 3, 5), None, ZONE)
    (edge,) = read(tmp_path / "two", app, app.row(AT.replace(hour=20), "Ms. Lee", "x"), window=window)
    if app.stated:
        assert isinstance(edge, ExcludedItem)
    else:
        assert edge.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.NEAR_WINDOW_EDGE)
    text = app.signed(app.row(AT, "Ms. Lee", "x")).replace("America/Los_Angeles", "Pacific")
    with pytest.raises(SettingsError, match="the column map is wrong: time_zone: "):
        read_map(text, "x")


def test_the_hour_that_comes_twice_in_autumn(app: App, tmp_path: Path) -> None:
    (one,) = read(tmp_path, app, app.row(datetime(2025, 11, 2, 1, 30), "Ms. Lee", "x"))  # noqa: DTZ001
    if app.stated:
        assert (one.moment.at.isoformat(), one.warnings) == ("2025-11-02T01:30:00+00:00", ())
    else:  # the first of the two is taken
        assert one.moment.at.isoformat() == "2025-11-02T08:30:00+00:00"
        assert one.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)


def test_the_same_id_or_row_twice(app: App, tmp_path: Path) -> None:
    row = app.row(AT, "Ms. Lee", "x", key="m1")
    one, again = read(tmp_path, app, row, row)
    own_ids = "message_id" in app.columns
    assert [one.native_key, again.native_key] == (["m1", "m1:1"] if own_ids else list(keyed([row, row])))
    assert (WarningCode.DUPLICATE_ENTRY in again.warnings) is own_ids


def test_a_huge_message(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = read(tmp_path, app, app.row(AT, "Ms. Lee", "x" * 300_000))
    assert len(extracted(one).text) == 300_000
    monkeypatch.setattr(message_table, "_RECORD_BYTES", 1 << 12)
    rows = app.row(AT, "Ms. Lee", "first"), app.row(AT, "Ms. Lee", "line\n" * 2000)
    kept, failure = drawn(tmp_path / "two", app, app.table(*rows))
    assert (len(kept), failure) == (1, ("too_large", "record"))


def test_hostile_names(app: App, tmp_path: Path) -> None:
    """A name is only a name: no file is opened by it, and what starts a formula stays as it was written."""
    row = app.row(AT, '=HYPERLINK("http://x","Lee")', "x", files=";".join(HOSTILE), key="../m1")
    one, *missing = read(tmp_path, app, row)
    assert extracted(one).fields.sender.name == '=HYPERLINK("http://x","Lee")'
    if "attachments" in app.columns:
        assert [(lost.name, lost.reason, lost.detail) for lost in missing] == [
            (name, Reason.NOT_IN_EXPORT, "attachment") for name in HOSTILE
        ]
        assert all(isinstance(lost, FailedItem) for lost in missing)
    else:
        assert missing == []
    kept, failure = drawn(tmp_path / "two", app, app.table(row), name="=cmd\u202evsc.csv")
    assert (len(kept), failure) == (1 + len(missing), None)


def test_a_table_in_a_zip_with_a_hostile_path(app: App, tmp_path: Path) -> None:
    """A zip is no table: it must be unpacked. Nothing is written by the path inside."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../out.csv", app.table(app.row(AT, "Ms. Lee", "x")))
    beside = "attachments" in app.columns  # then it is a file, which the extract room opens as an archive
    expected = (["t.zip"], None) if beside else ([], ("unsupported", "no_csv"))
    assert drawn(tmp_path, app, packed.getvalue(), name="t.zip") == expected
    assert [path.name for path in tmp_path.rglob("out.csv")] == []


def test_another_header_is_refused_until_somebody_signs_a_map_for_it(app: App, tmp_path: Path) -> None:
    data = app.table(app.row(AT, "Ms. Lee", "x")).replace(app.header[-1].encode(), b"New")
    assert drawn(tmp_path, app, data) == ([], ("unsupported", "columns"))
