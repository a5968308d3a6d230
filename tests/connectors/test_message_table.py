"""Tables of messages: the map, cells, people, times, and tables that are cut or strange."""

from __future__ import annotations

import csv
import io
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import message_table
from connectors.column_maps import proposed, read_map
from connectors.message_table import MessageTable, table_head
from records import canonical
from records.errors import SettingsError
from records.models import ExcludedItem, FoundItem, Window
from records.vocabulary import Basis, Reason, WarningCode
from tests.connectors.builders import ZONE, context, everything
from tests.connectors.built_tables import FIRST, HEADER, MAP, ROWS, tables
from tests.connectors.collecting import Killed, collected


def table(root: Path, data: bytes, text: str = MAP, name: str = "t.csv") -> MessageTable:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    return MessageTable(replace(context(str(root)), options={"map": text}))


def rows(source: MessageTable, window: Window | None = None) -> list:
    (scope,) = source.scopes()
    values, _ = everything(source, scope, **({"window": window} if window else {}))
    assert source.count(scope).count == len(values)
    return values


def test_a_row_is_told_what_its_columns_mean(tmp_path: Path) -> None:
    first, *_, last = rows(table(tmp_path, FIRST + b"".join(ROWS)))
    assert first.metadata == {
        "app": "talkingpoints", "map": "talkingpoints 1", "delimiter": ",",
        "header": canonical.dumps(HEADER),
        "columns": '{"body":"Original","body_translated":"Translated","message_id":"Id","recipients":"To",'
        '"sender":"From","sent_at":"Date (PT)"}',
        "at": "2025-03-04T17:05:00.000000Z", "at_text": "03/04/2025 9:05 AM", "at_basis": "assumed_zone",
        "group": "talkingpoints:ms. lee; rosa delgado",
    }  # fmt: skip
    assert last.metadata["group"] == "talkingpoints:ms. lee; rosa delgado; sam ito"
    assert first.moment.basis is Basis.ASSUMED_ZONE


def test_both_sides_of_a_conversation_are_one(tmp_path: Path) -> None:
    first, second, *_ = rows(table(tmp_path, FIRST + b"".join(ROWS)))
    assert first.metadata["group"] == second.metadata["group"]


def test_an_id_that_is_there_twice_is_marked(tmp_path: Path) -> None:
    _, first, again, _ = rows(table(tmp_path, FIRST + b"".join(ROWS)))
    assert (first.native_key, again.native_key) == ("m2", "m2:1")
    assert WarningCode.DUPLICATE_ENTRY in again.warnings
    assert WarningCode.DUPLICATE_ENTRY not in first.warnings


def test_what_is_known_of_ids_takes_few_bytes_a_row(tmp_path: Path) -> None:
    """A table of millions of rows must not cost as many objects: a text and its place in a map take 150."""
    made = b"".join(ROWS[0].replace(b"m1", b"m%09d" % n) for n in range(600))
    source = table(tmp_path, FIRST + made)
    (scope,) = source.scopes()
    (part,) = source.parts(scope, 10_000, 1 << 30)
    values = source.items(part, Window(None, None, ZONE))
    next(values)
    tracemalloc.start()
    try:
        assert sum(1 for _, value in zip(range(598), values, strict=False)) == 598
        assert tracemalloc.get_traced_memory()[0] < 60 * 598
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "source s1: needs `map` in options; `daylight columns FILE --app NAME` proposes one"),
        ("app = ", "source s1: the column map is not valid TOML: "),
        (MAP.replace("confirmed_by", "#"), "source s1: nobody has confirmed the column map; "),
        (MAP.replace('sender = "From"', ""), "source s1: the column map is wrong: columns: sender missing"),
        (
            MAP.replace('"Original"\n', '"Body"\n'),
            "source s1: the column map is wrong: columns: Body not ",
        ),
        (MAP + 'colour = "Id"\n', "source s1: the column map is wrong: columns: colour not known; known: "),
        (
            MAP.replace("America/Los_Angeles", "Pacific"),
            "source s1: the column map is wrong: time_zone: ",
        ),
        (
            MAP.replace("map_version = 1", "map_version = 0"),
            "source s1: the column map is wrong: map_v",
        ),
        ("version = 1\n" + MAP, "source s1: the column map is wrong: version: "),
    ],
)
def test_a_map_that_is_wrong_or_nobodys_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as found:
        table(tmp_path, FIRST, text).check_settings()
    assert str(found.value).startswith(says)


@pytest.mark.parametrize(
    ("data", "name", "detail"),
    [
        (FIRST.replace(b"Original", b"Message"), "t.csv", "columns"),
        (FIRST.replace(b",Id", b""), "t.csv", "columns"),
        (b"", "t.csv", "columns"),
        (FIRST.decode().encode("utf-16"), "t.csv", "utf16"),
        (b"PK\x03\x04", "t.xlsx", "no_csv"),
    ],
)
def test_a_table_of_another_layout_is_a_failed_place(
    data: bytes, name: str, detail: str, tmp_path: Path
) -> None:
    source = table(tmp_path / "s", data, name=name)
    found = collected(
        tmp_path / "home", MessageTable, replace(context(str(tmp_path / "s")), options={"map": MAP})
    )
    assert found.scopes == {name: (None, 0, Reason.UNSUPPORTED.value, detail)}
    assert [one.key for one in source.scopes()] == [name]


@pytest.mark.parametrize(
    ("row", "warnings"),
    [
        (b"03/04/2025 9:05 AM,Lee,Rosa,x,,", (WarningCode.ASSUMED_ZONE,)),
        (b"03/04/2025 9:05 AM,Lee,Rosa,x", (WarningCode.HEADER_DEFECT, WarningCode.ASSUMED_ZONE)),
        (b"03/04/2025 9:05 AM,Lee,Rosa,x,,,more", (WarningCode.HEADER_DEFECT, WarningCode.ASSUMED_ZONE)),
        (b"11/02/2025 1:30 AM,Lee,Rosa,x,,", (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)),
        (b"4 March,Lee,Rosa,x,,", (WarningCode.BAD_DATE,)),
        (b",Lee,Rosa,x,,", (WarningCode.NO_DATE,)),
    ],
    ids=["whole", "short", "long", "autumn hour", "bad date", "no date"],
)
def test_rows_that_are_odd_are_kept_and_marked(
    row: bytes, warnings: tuple[WarningCode, ...], tmp_path: Path
) -> None:
    (one,) = rows(table(tmp_path, FIRST + row + b"\r\n"))
    assert one.warnings == warnings


def test_an_offset_in_the_time_is_used_and_a_day_may_have_a_column_of_its_own(tmp_path: Path) -> None:
    text = MAP.replace("%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M%z").replace('message_id = "Id"', 'sent_on = "Id"')
    (one,) = rows(table(tmp_path, FIRST + b"09:05-0500,Lee,Rosa,x,,2025-03-04\r\n", text))
    assert one.moment.at is not None
    assert (one.moment.at.isoformat(), one.moment.basis) == ("2025-03-04T14:05:00+00:00", Basis.STATED)


def test_what_is_deleted_is_marked(tmp_path: Path) -> None:
    text = MAP.replace('message_id = "Id"', 'deleted = "Id"')
    data = FIRST + b"".join(
        b"03/04/2025 9:05 AM,L,R,x,,%s\r\n" % said for said in (b"", b"no", b"Yes", b"3/5")
    )
    assert [WarningCode.DELETED in one.warnings for one in rows(table(tmp_path, data, text))] == [
        False, False, True, True,
    ]  # fmt: skip


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    values = rows(table(tmp_path, FIRST + b"".join(ROWS)), Window(date(2025, 3, 6), None, ZONE))
    assert [type(one) for one in values] == [ExcludedItem] * 3 + [FoundItem]


@pytest.mark.parametrize(
    ("tail", "found", "failure"),
    [
        (b'03/05/2025 9:06 AM,Lee,"cut in the mid', 4, ("truncated", "quote")),
        (b"03/05/2025 9:06 AM,Lee,R,caf\xe9,,", 5, (None, None)),
        (b"\r\n\r\n,,,,,\r\n", 4, (None, None)),
        (b"03/05/2025 9:06 AM,Lee,R," + b"x" * 3_000_000 + b",,", 5, (None, None)),
    ],
    ids=["cut", "charset", "blank rows", "huge"],
)
def test_tables_that_are_cut_or_strange(
    tail: bytes, found: int, failure: tuple[str | None, str | None], tmp_path: Path
) -> None:
    table(tmp_path / "s", FIRST + b"".join(ROWS) + tail)
    where = replace(context(str(tmp_path / "s")), options={"map": MAP})
    done = collected(tmp_path / "home", MessageTable, where)
    assert done.states() == {"stored": found}
    assert done.scopes["t.csv"][2:] == failure


def test_a_large_cell_is_read_though_nothing_was_counted_before(tmp_path: Path) -> None:
    source = table(tmp_path, FIRST + b"03/05/2025 9:06 AM,Lee,R," + b"x" * 200_000 + b",,\r\n")
    csv.field_size_limit(128 << 10)
    (scope,) = source.scopes()
    ((one),), _ = everything(source, scope)
    assert isinstance(one, FoundItem)


@pytest.mark.parametrize("kill_after", [1, 2, 3])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = tables(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", MessageTable, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", MessageTable, built.context)
    assert set(found.items) == set(built.found)
    assert found.states() == {"stored": 4}


# --- proposals


def test_a_proposal_names_columns_and_forms_and_is_no_map_until_somebody_signs(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(FIRST + b"".join(ROWS))
    header, some = table_head(str(tmp_path / "t.csv"), 50)
    text = proposed("talkingpoints", header, some, "America/Los_Angeles")
    with pytest.raises(SettingsError, match="nobody has confirmed the column map"):
        read_map(text, "x")
    signed = text.replace('confirmed_by = ""', 'confirmed_by = "A"\nconfirmed_on = 2026-01-31')
    made, stated = read_map(signed, "x"), read_map(MAP, "x")
    assert made.header == stated.header
    assert made.columns == stated.columns
    assert made.time_formats == stated.time_formats


def test_a_proposal_says_what_it_did_not_find() -> None:
    text = proposed("app", ("When?", "Said"), [], "UTC")
    missing = [line.split(" = ")[0] for line in text.splitlines() if line.endswith("# name its column")]
    assert missing == ["sent_at", "sender", "body"]


@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=4), max_size=6))
def test_records_are_cut_as_the_csv_reader_cuts_them(cells: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(cells)
    data = out.getvalue().encode("utf-8", "surrogatepass")
    found = list(message_table.records_of(io.BytesIO(data)))
    assert b"".join(found) == data
    if not any("\r" in cell or "\n" in cell for row in cells for cell in row):
        assert len(found) == len(cells)
