"""Tables of known columns (iMazing, LinkedIn, Twilio): rows, what they name, tables that are strange."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from connectors.imazing import Imazing
from connectors.known_tables import KnownTables
from connectors.linkedin import LinkedIn
from connectors.registry import guess
from connectors.twilio_log import TwilioLog, moment_of
from records import canonical
from records.errors import ItemError
from records.models import ExcludedItem, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Kind, Reason
from tests.connectors import built_known_tables as built
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.collecting import Killed, collected

MESSAGES = built.MESSAGES.encode()
ROW = "Rosa,,{at},,,,,iMessage,{type},+14255550102,Rosa D,{status},,,hi,,{file},\r\n"


def source(
    kind: type[KnownTables], root: Path, data: str | bytes, *beside: str, name: str = "m.csv"
) -> KnownTables:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    for other in beside:
        (root / other).write_bytes(b"x")
    return kind(context(str(root)))


def values_of(made: KnownTables, window: Window | None = None) -> list:
    values = []
    for scope in made.scopes():
        if scope.kind == "conversation":
            got, _ = everything(made, scope, **({"window": window} if window else {}))
            assert made.count(scope).count == len(got)
            values += got
    return values


def found_in(made: KnownTables) -> list[FoundItem]:
    return [one for one in values_of(made) if isinstance(one, FoundItem)]


def codes(one: FoundItem) -> set[str]:
    return {code.value for code in one.warnings} - {"assumed_zone"}


def row(at: str = "2025-03-04 10:20:34", kind: str = "Incoming", status: str = "Read", file: str = "") -> str:
    return ROW.format(at=at, type=kind, status=status, file=file)


def test_rows_of_imazing(tmp_path: Path) -> None:
    found = found_in(Imazing(context(built.imazing(tmp_path).path)))
    assert Counter(one.kind for one in found) == {Kind.MESSAGE: 6, Kind.CHAT: 3}
    assert [codes(one) for one in found] == [
        set(), set(), set(), {"edited"}, {"deleted", "not_sent", "missing_part"}, set(), set(), set(), set(),
    ]  # fmt: skip
    assert [one.metadata.get("sender", "") for one in found[:7]] == [
        *["Rosa Delgado <+14255550102>"] * 3, "Me", "Me", "", "",
    ]  # fmt: skip
    assert found[5].metadata["system"] == "true"
    assert (found[0].moment.text, found[0].moment.basis) == ("2025-03-04 10:20:34", Basis.ASSUMED_ZONE)
    assert found[0].moment.at is not None
    assert found[0].moment.at.isoformat() == "2025-03-04T18:20:34+00:00"
    assert [one.metadata["group"] for one in found[4:7]] == [
        "messages:Rosa Delgado", "messages:Trip", "whatsapp:Sam Ito",
    ]  # fmt: skip


def test_media_of_one_time_and_name_goes_to_rows_in_their_order(tmp_path: Path) -> None:
    made = built.imazing(tmp_path / "s")
    done = collected(tmp_path / "home", Imazing, made.context)
    keys = list(made.found)
    joined = [canonical.loads(done.facts(key).get("attachments", "[]")) for key in keys[:3]]
    place = "media/2025-03-04 10 20 34 - Rosa Delgado - IMG_1"
    assert [[one["native_key"] for one in names] for names in joined] == [
        [], [f"{place}.jpg"], [f"{place} 2.jpg"],
    ]  # fmt: skip
    assert done.scopes["csv/Messages - Rosa Delgado.csv"] == (7, 7, None, None)


@pytest.mark.parametrize(
    ("named", "there", "held"),
    [
        ("a.png", "2025-03-04 10 20 34 - Rosa - a.png", True),
        ("a - b.png", "2025-03-04 10 20 34 - R - S - a - b.png", True),
        (f"{'n' * 50}.m4a", f"2025-03-04 10 20 34 - Rosa - {'n' * 40}.m4a", True),
        ("Año.HEIC", "2025-03-04 10 20 34 - Rosa - Ao.jpg", True),
        ("x.PNG", "2025-03-04 10 20 34 - Rosa - x 1.PNG", True),
        ("renamed.png", "2025-03-04 10 20 34 - Rosa - other.png", True),
        ("a.png", "2025-03-04 10 20 34 - Rosa - other.pdf", False),
        ("a.png", "2025-03-04 10 20 35 - Rosa - a.png", False),
        ("a.png", "a.png", False),
        ("../../etc/passwd", "passwd", False),
    ],
)
def test_names_of_media(named: str, there: str, held: bool, tmp_path: Path) -> None:
    values = values_of(source(Imazing, tmp_path, built.MESSAGES + row(file=named), there))
    lost = [(one.name, one.reason) for one in values if isinstance(one, FailedItem)]
    assert lost == ([] if held else [(named, Reason.NOT_IN_EXPORT)])


@pytest.mark.parametrize(
    "columns",
    [
        "Chat Session,Message Date,Delivered Date,Read Date,Service,Type,Sender ID,Sender Name,Status,"
        "Replying to,"
        "Subject,Text,Attachment,Attachment type",
        "Message Date,Delivered Date,Read Date,Edited Date,Chat Session,Service,Type,Sender ID,"
        "Sender Name,Status,"
        "Replying to,Subject,Text,Attachment,Attachment type",
        "Chat Session;Message Date;Service;Type;Sender ID;Sender Name;Text;New Column",
        "Chat Session\tMessage Date\tType\tSender ID\tSender Name\tText",
    ],
    ids=["14 columns", "another order", "semicolons", "tabs"],
)
def test_columns_are_found_by_name(columns: str, tmp_path: Path) -> None:
    mark = max(",;\t", key=columns.count)
    cells = {"Chat Session": "Rosa", "Message Date": "2025-03-04T18:20:34Z", "Type": "Outgoing", "Text": "hi"}
    line = mark.join(cells.get(name, "") for name in columns.split(mark))
    (one,) = found_in(source(Imazing, tmp_path, f"{columns}\n{line}\n"))
    assert (one.metadata["sender"], one.moment.basis) == ("Me", Basis.STATED)
    assert canonical.loads(one.metadata["columns"])["body"] == "Text"
    assert guess(str(tmp_path)) == "imazing"


def test_rows_of_linkedin(tmp_path: Path) -> None:
    values = values_of(LinkedIn(context(built.linkedin(tmp_path).path)))
    found = [one for one in values if isinstance(one, FoundItem)]
    assert [codes(one) for one in found] == [set(), {"missing_part"}, {"draft"}]
    assert [one.moment.at.isoformat() for one in found if one.moment.at] == [
        "2025-03-04T18:20:34+00:00", "2025-03-04T18:22:00+00:00", "2025-03-04T18:25:00+00:00",
    ]  # fmt: skip
    assert {one.moment.basis for one in found} == {Basis.STATED}
    assert [one.metadata["recipients"] for one in found] == [
        f"Lee Okafor, PhD <{built.IN}lee>", f"Ana Ruiz <{built.IN}ana>",
        f"Lee Okafor <{built.IN}lee>; Sam Ito <{built.IN}sam>",
    ]  # fmt: skip
    assert [one.metadata.get("html") for one in found] == [None, "true", None]
    assert [(one.metadata["group"], one.metadata["group_name"]) for one in found[1:]] == [
        ("linkedin:c1", "Ana Ruiz, Lee Okafor"), ("linkedin:c2", "Trip"),
    ]  # fmt: skip
    assert [(one.name, one.reason, one.detail) for one in values if isinstance(one, FailedItem)] == [
        ("plan.pdf", Reason.EXPIRED_LINK, "linkedin_link")
    ]


def test_the_older_columns_of_linkedin(tmp_path: Path) -> None:
    head = built.LINKED.replace(",IS MESSAGE DRAFT,IS CONVERSATION DRAFT", "")
    body = "c,,Ana,,Lee,,2025-03-04 18:20:34,,x,INBOX,\n"
    (one,) = found_in(source(LinkedIn, tmp_path, head + body, name="messages.csv"))
    assert (one.metadata["recipients"], one.moment.basis) == ("Lee", Basis.ASSUMED_ZONE)


def test_rows_of_twilio(tmp_path: Path) -> None:
    values = values_of(TwilioLog(context(built.twilio(tmp_path).path)))
    found = [one for one in values if isinstance(one, FoundItem)]
    assert [(one.native_key, codes(one)) for one in found] == [
        ("SM1", set()), ("MM2", {"missing_part"}), ("SM3", {"not_sent"}), ("SM1:1", {"duplicate_entry"}),
    ]  # fmt: skip
    assert {one.metadata["group"] for one in found[:2]} == {"twilio:+14255550100;+14255550102"}
    assert [one.metadata["direction"] for one in found] == ["sent", "received", "sent", "sent"]
    assert {one.moment.basis for one in found} == {Basis.STATED}


@pytest.mark.parametrize(
    ("stated", "at", "basis"),
    [
        ("2025-03-04T18:20:34Z", "2025-03-04T18:20:34+00:00", Basis.STATED),
        ("2025-03-04 18:20:34 UTC", "2025-03-04T18:20:34+00:00", Basis.STATED),
        ("2025-03-04T10:20:34-08:00", "2025-03-04T18:20:34+00:00", Basis.STATED),
        ("Tue, 04 Mar 2025 18:20:34 +0000", "2025-03-04T18:20:34+00:00", Basis.STATED),
        ("2025-03-04 18:20:34", "2025-03-04T18:20:34+00:00", Basis.ASSUMED_ZONE),
        ("yesterday", None, Basis.NONE),
        ("", None, Basis.NONE),
    ],
)
def test_times_of_twilio(stated: str, at: str | None, basis: Basis) -> None:
    moment = moment_of(stated)
    assert (moment.at and moment.at.isoformat(), moment.text, moment.basis) == (at, stated, basis)


# --- tables that are cut or strange


@pytest.mark.parametrize(
    ("rows", "states", "failure"),
    [
        (row() + 'Rosa,,2025-03-04 10:20:34,,,,,SMS,Incoming,,,,,,"cut in the mid', {"stored": 1}, "quote"),
        (
            row().encode() + b"Rosa,,2025-03-04 10:20:34,,,,,SMS,Incoming,,,,,,caf\xe9,,,\r\n",
            {"stored": 2},
            None,
        ),
        (row() * 3, {"stored": 3}, None),
        (row() + "Rosa,,2025-03-04 10:20:34\r\n\r\n,,,\r\n", {"stored": 2}, None),
        (row().replace("hi", "x" * 3_000_000), {"stored": 1}, None),
        (row(at="tomorrow") + row(at=""), {"stored": 2}, None),
        (row(file="../../etc/passwd") + row(file="C:\\x\\y.png"), {"stored": 2, "failed": 2}, None),
        ("", {}, None),
    ],
    ids=["cut", "charset", "equal rows", "short rows", "huge", "bad dates", "hostile names", "no rows"],
)
def test_tables_that_are_cut_or_strange(
    rows: str | bytes, states: dict[str, int], failure: str | None, tmp_path: Path
) -> None:
    source(Imazing, tmp_path / "s", MESSAGES + (rows if isinstance(rows, bytes) else rows.encode()))
    done = collected(tmp_path / "home", Imazing, context(str(tmp_path / "s")))
    assert done.states() == states
    assert done.scopes["m.csv"][2:] == (("truncated", failure) if failure else (None, None))
    if failure is None:
        assert done.scopes["m.csv"][0] == sum(states.values())


def test_marks_of_odd_rows(tmp_path: Path) -> None:
    rows = [row(at="2025-11-02 01:30:00"), row(at="4 March"), row(at=""), "Rosa,,2025-03-04 10:20:34\r\n"]
    found = found_in(source(Imazing, tmp_path, built.MESSAGES + "".join(rows)))
    assert [codes(one) for one in found] == [{"ambiguous_hour"}, {"bad_date"}, {"no_date"}, {"header_defect"}]


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (built.MESSAGES, "m.csv", "imazing"),
        (built.WHATSAPP, "m.csv", "imazing"),
        ("\ufeff" + built.LINKED, "messages.csv", "linkedin"),
        (built.LOG, "log.csv", "twilio_log"),
        (built.LOG, "log.dat", "loose_files"),
        ("From,To,Body,Status\n", "log.csv", "loose_files"),
        ("Chat Session,Message Date\n", "m.csv", "loose_files"),
        ("", "m.csv", "loose_files"),
    ],
)
def test_a_table_is_known_by_its_columns(head: str, name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(head.encode())
    assert guess(str(tmp_path / name)) == expected


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    made = Imazing(context(built.imazing(tmp_path).path))
    values = values_of(made, Window(date(2025, 4, 1), None, ZONE))
    assert Counter(type(one) for one in values) == {ExcludedItem: 9, FailedItem: 1}


def test_a_kill_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    made = built.imazing(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", Imazing, made.context, kill_after=6)
    done = collected(tmp_path / "home", Imazing, made.context)
    assert set(done.items) == {*made.found, *made.failed}


def test_nothing_said_is_in_a_failure(tmp_path: Path) -> None:
    for kind, build in ((Imazing, built.imazing), (LinkedIn, built.linkedin), (TwilioLog, built.twilio)):
        values = values_of(kind(context(build(tmp_path / kind.name).path)))
        assert all(SECRET not in str(one) for one in values if isinstance(one, FailedItem))


def linked(text: str = "x", at: str = "2025-03-04 18:20:34 UTC", file: str = "") -> str:
    return f"c1,,Ana,,Lee,,{at},,{text},INBOX,{file},No,No\n"


def logged(text: str = "x", at: str = "2025-03-04T18:20:34Z", media: str = "") -> str:
    return f"+14255550100,+14255550102,{text},delivered,{at},2010-04-01,1,,AC1,SM1,inbound,,,{media}\n"


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        (LinkedIn, linked("caf\xe9"), [set()]),
        (LinkedIn, linked() * 2, [set(), set()]),
        (LinkedIn, linked(at="4 March") + linked(at=""), [{"bad_date"}, {"no_date"}]),
        (LinkedIn, linked(at="2025-11-02 01:30:00"), [{"ambiguous_hour"}]),
        (LinkedIn, linked(file="https://[::1/../../etc/passwd"), [{"missing_part"}]),
        (LinkedIn, "c1,,Ana\n" + linked("y,z"), [{"header_defect", "no_date"}, {"header_defect"}]),
        (LinkedIn, linked("x" * 3_000_000), [set()]),
        (TwilioLog, logged("caf\xe9"), [set()]),
        (TwilioLog, logged() * 2, [set(), {"duplicate_entry"}]),
        (TwilioLog, logged(at="4 March") + logged(at=""), [{"bad_date"}, {"no_date", "duplicate_entry"}]),
        (TwilioLog, logged(media="99"), [{"missing_part"}]),
        (TwilioLog, logged(media="many"), [set()]),
        (TwilioLog, "+1,+2\n" + logged("y,z"), [{"header_defect", "no_date"}, {"header_defect", "bad_date"}]),
        (TwilioLog, logged("x" * 3_000_000), [set()]),
    ],
)
def test_rows_of_linkedin_and_twilio_that_are_strange(
    kind: type[KnownTables], rows: str, expected: list[set[str]], tmp_path: Path
) -> None:
    head = built.LINKED if kind is LinkedIn else built.LOG
    # a byte that is no UTF-8 is read as windows-1252, and said so by the reader
    found = found_in(source(kind, tmp_path, (head + rows).encode("cp1252")))
    assert [codes(one) for one in found] == expected


@pytest.mark.parametrize(
    ("kind", "data"), [(LinkedIn, built.LINKED + linked()), (TwilioLog, built.LOG + logged())]
)
def test_a_table_that_breaks_off_keeps_what_is_whole(
    kind: type[KnownTables], data: str, tmp_path: Path
) -> None:
    made = source(kind, tmp_path, data + 'c,"cut')
    (scope,) = made.scopes()
    (part,) = made.parts(scope, 1, 1)
    reading = made.items(part, ALWAYS)
    assert next(reading).size_bytes > 0  # type: ignore[union-attr]
    with pytest.raises(ItemError, match="truncated: quote"):
        next(reading)
