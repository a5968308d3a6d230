"""WhatsApp chats: date forms, who wrote, what the app itself wrote, media, chats that are cut or strange."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import whatsapp
from connectors.chat_files import charset_of
from connectors.registry import guess
from connectors.whatsapp import WhatsApp, looks_like_chat
from records import canonical
from records.errors import SettingsError
from records.models import FailedItem, FoundItem, Unreached, Window
from records.vocabulary import Basis, Reach, Reason, WarningCode
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.built_whatsapp import PHOTO, chats
from tests.connectors.collecting import Killed, collected

NAME = "WhatsApp Chat with Lee.txt"
ZIPPED = "WhatsApp Chat - Field Trip.zip!_chat.txt"


def chat(root: Path, text: str | bytes, **options: str) -> WhatsApp:
    root.mkdir(parents=True, exist_ok=True)
    (root / NAME).write_bytes(text if isinstance(text, bytes) else text.encode())
    return WhatsApp(replace(context(str(root)), options=options))


def scope(source: WhatsApp, key: str = NAME):
    return next(one for one in source.scopes() if one.key == key)


def values_of(source: WhatsApp, key: str = NAME, window: Window | None = None) -> list:
    values, _ = everything(source, scope(source, key), **({"window": window} if window else {}))
    assert source.count(scope(source, key)).count == len(values)
    return values


def entries(source: WhatsApp, key: str = NAME) -> list[FoundItem]:
    return [value for value in values_of(source, key) if isinstance(value, FoundItem)]


def at(source: WhatsApp) -> list[str | None]:
    return [one.moment.at.isoformat() if one.moment.at else None for one in entries(source)]


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("[3/14/25, 9:05:09 AM] Rosa: x", "2025-03-14T16:05:09+00:00"),
        ("[3/14/25, 9:05:09\u202fPM] Rosa: x", "2025-03-15T04:05:09+00:00"),
        ("\u200e[14.03.25, 09:05:09] Rosa: x", "2025-03-14T16:05:09+00:00"),
        ("3/14/25, 9:05 AM - Rosa: x", "2025-03-14T16:05:00+00:00"),
        ("3/14/25, 12:05 AM - Rosa: x", "2025-03-14T07:05:00+00:00"),
        ("3/14/25, 12:05 PM - Rosa: x", "2025-03-14T19:05:00+00:00"),
        ("14/03/2025, 09:05 - Rosa: x", "2025-03-14T16:05:00+00:00"),
        ("2025-03-14, 9:05 a.m. - Rosa: x", "2025-03-14T16:05:00+00:00"),
        ("14/3/25 9:05 p. m. - Rosa: x", "2025-03-15T04:05:00+00:00"),
        ("14. 3. 2025 18:04 - Rosa: x", "2025-03-15T01:04:00+00:00"),
        ("2025/03/14 上午9:04 - Rosa: x", "2025-03-14T16:04:00+00:00"),
        ("2025/03/14 下午9:04 - Rosa: x", "2025-03-15T04:04:00+00:00"),
        ("14.03.25, 18.04 - Rosa: x", "2025-03-15T01:04:00+00:00"),
        ("14.03.25, 09:05 Uhr - Rosa: x", "2025-03-14T16:05:00+00:00"),
    ],
)
def test_date_forms(line: str, when: str, tmp_path: Path) -> None:
    (one,) = entries(chat(tmp_path, f"{line}\n"))
    assert one.moment.at is not None
    assert one.moment.at.isoformat() == when
    assert one.moment.basis is Basis.ASSUMED_ZONE
    assert one.metadata["author"] == "Rosa"
    assert WarningCode.ASSUMED_ZONE in one.warnings


@pytest.mark.parametrize(
    ("dates", "order", "why"),
    [
        (["3/4/25", "13/4/25"], "dmy", "a number above 12"),
        (["3/4/25", "4/13/25"], "mdy", "a number above 12"),
        (["1/2/25", "2/1/25"], "mdy", "time runs forward"),
        (["2/1/25", "1/2/25"], "dmy", "time runs forward"),
        (["1/3/25", "2/3/25", "3/3/25"], "dmy", "what changes more often"),
        (["3/1/25", "3/2/25", "3/3/25"], "mdy", "what changes more often"),
        (["3.4.25"], "dmy", "dots"),
        (["4/4/25"], "dmy", "day and month are equal"),
        (["2025-04-03"], "ymd", "year first"),
        (["3/4/25"], "unknown", "nothing tells"),
        (["13/4/25", "4/13/25"], "unknown", "dates that fit no order"),
    ],
)
def test_what_decides_which_number_is_the_day(dates: list[str], order: str, why: str, tmp_path: Path) -> None:
    source = chat(tmp_path, "".join(f"{day}, 9:05 AM - Rosa: x{n}\n" for n, day in enumerate(dates)))
    assert {(one.metadata["date_order"], one.metadata["date_order_by"]) for one in entries(source)} == {
        (order, why)
    }


def test_a_chat_whose_dates_do_not_tell_is_kept_without_times_until_a_person_says(tmp_path: Path) -> None:
    text = "3/4/25, 9:05 AM - Rosa: x\n"
    (one,) = entries(chat(tmp_path / "a", text))
    assert (one.moment.at, one.moment.text) == (None, "3/4/25, 9:05 AM")
    assert one.warnings == (WarningCode.BAD_DATE,)
    assert at(chat(tmp_path / "b", text, date_order="dmy")) == ["2025-04-03T16:05:00+00:00"]
    assert at(chat(tmp_path / "c", text, date_order="mdy")) == ["2025-03-04T17:05:00+00:00"]


def test_options_that_are_wrong_are_refused(tmp_path: Path) -> None:
    text = "3/4/25, 9:05 AM - Rosa: x\n"
    with pytest.raises(SettingsError, match=r"^source s1: options: date_order is none of dmy, mdy, ymd$"):
        chat(tmp_path, text, date_order="us").check_settings()
    with pytest.raises(SettingsError, match=r"^source s1: options: order not known; known: date_order$"):
        chat(tmp_path, text, order="dmy").check_settings()
    chat(tmp_path, text, date_order="ymd").check_settings()


def test_the_autumn_hour_is_marked(tmp_path: Path) -> None:
    (one,) = entries(chat(tmp_path, "11/2/25, 1:30 AM - Rosa: x\n", date_order="mdy"))
    assert one.moment.at is not None
    assert one.moment.at.isoformat() == "2025-11-02T08:30:00+00:00"
    assert one.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)


@pytest.mark.parametrize(
    ("line", "author", "body", "system"),
    [
        ("Rosa Delgado: note: meet at 10:30 - room 4", "Rosa Delgado", "note: meet at 10:30 - room 4", False),
        ("~\u202fDana W: ok", "~ Dana W", "ok", False),
        ("Rosa:.", "Rosa", ".", False),
        ("Rosa:", "Rosa", "", False),
        ("+1 206 555 0100: hi", "+1 206 555 0100", "hi", False),
        ("Rosa added +1 206 555 0100", "", "Rosa added +1 206 555 0100", True),
        ("You were added", "", "You were added", True),
        ("Rosa changed the subject to: Trip: spring", "", "Rosa changed the subject to: Trip: spring", True),
        ("Trip: \u200eRosa created this group", "Trip", "\u200eRosa created this group", True),
        ("Rosa: I left", "Rosa", "I left", False),
    ],
)
def test_who_wrote_a_line(line: str, author: str, body: str, system: bool, tmp_path: Path) -> None:
    source = chat(tmp_path, f"3/14/25, 9:05 AM - {line}\n")
    (one,) = entries(source)
    _, data = everything(source, scope(source))
    assert one.metadata.get("author", "") == author
    assert (one.metadata.get("system") == "true") is system
    assert data[one.native_key][int(one.metadata["body_at"]) :].decode() == f"{body}\n"


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        (
            "Rosa turned on disappearing messages. New messages will disappear after 24 hours.",
            True,
        ),
        ("Rosa: \u200eYou updated the message timer. New messages will disappear from this chat.", True),
        ("Rosa turned off disappearing messages.", True),
        ("Rosa hat selbstlöschende Nachrichten aktiviert.", True),
        ("Rosa ha activado los mensajes temporales.", True),
        ("Rosa ativou as mensagens temporárias.", True),
        ("Rosa a activé les messages éphémères.", True),
        ("Rosa: are disappearing messages allowed?", False),
        ("Rosa added Sam", False),
    ],
)
def test_a_line_that_says_that_messages_delete_themselves_is_marked(
    line: str, marked: bool, tmp_path: Path
) -> None:
    (one,) = entries(chat(tmp_path, f"3/14/25, 9:05 AM - {line}\n"))
    assert (WarningCode.DISAPPEARING in one.warnings) is marked


def test_facts_media_and_marks_of_an_iphone_chat(tmp_path: Path) -> None:
    source = WhatsApp(context(chats(tmp_path / "s").path))
    found = values_of(source, ZIPPED)
    assert scope(source, ZIPPED).label == "Field Trip"
    items = [value for value in found if isinstance(value, FoundItem)]
    assert [one.metadata.get("system") for one in items] == ["true", "true", *[None] * 7]
    assert canonical.loads(items[3].metadata["attachments"]) == [
        {"name": PHOTO, "native_key": f"WhatsApp Chat - Field Trip.zip!{PHOTO}"}
    ]
    assert items[5].warnings[0] is WarningCode.EDITED
    assert items[7].warnings[0] is WarningCode.DELETED
    assert [(one.name, one.reason) for one in found if isinstance(one, FailedItem)] == [
        ("00000006-VIDEO-lost.mp4", Reason.NOT_IN_EXPORT),
        (None, Reason.OMITTED_BY_USER),
    ]
    assert items[0].metadata["group_name"] == "Field Trip"
    assert items[0].metadata["date_order"] == "mdy"


def test_time_that_jumps_back_is_marked(tmp_path: Path) -> None:
    source = chat(
        tmp_path,
        "3/14/25, 9:05 AM - Rosa: look:\n3/13/24, 8:00 AM - Sam: pasted\n3/14/25, 9:06 AM - Rosa: end\n",
    )
    assert [WarningCode.OUT_OF_ORDER in one.warnings for one in entries(source)] == [False, True, False]


def test_a_chat_as_long_as_an_export_can_be_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatsapp, "MOST", 3)
    monkeypatch.setattr(whatsapp, "MOST_WITH_MEDIA", 2)
    lines = "".join(f"3/14/25, 9:05 AM - Rosa: {n}\n" for n in range(2))
    assert list(chat(tmp_path / "a", lines).unreached()) == []
    told = Unreached(f"{NAME}#before", "Lee", "conversation", Reach.NOT_BY_THIS_ROUTE, "longest_export")
    assert list(chat(tmp_path / "b", lines + "3/14/25, 9:05 AM - Rosa: end\n").unreached()) == [told]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "IMG-1.jpg").write_bytes(b"x")
    assert list(chat(tmp_path / "c", lines).unreached()) == [told]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("3/14/25, 9:05 AM - x", True),
        ("\n\u200e[14.03.25, 09:05:09] Rosa: x", True),
        ("2025-03-14 09:05 - INFO: a log", False),
        ("2025-03-14, 9:05 a.m. - x", True),
        ("14 March 2025, 9:05 - x", False),
        ("3/14/25, 9:05 AM", False),
        ("", False),
    ],
)
def test_a_chat_is_known_by_its_first_line(text: str, is_one: bool, tmp_path: Path) -> None:
    assert looks_like_chat(text.encode()) is is_one
    (tmp_path / "notes.txt").write_text(text)
    assert (guess(str(tmp_path / "notes.txt")) == "whatsapp") is is_one


# --- broken chats


def test_a_chat_that_is_cut_within_a_letter_keeps_what_there_is(tmp_path: Path) -> None:
    whole = "3/14/25, 9:05 AM - Rosa: eins\n3/14/25, 9:06 AM - Rosa: zw\u00f6lf".encode()
    source = chat(tmp_path, whole[: whole.rindex(b"\xc3") + 1])
    assert [one.metadata["charset"] for one in entries(source)] == ["utf-8", "utf-8"]


def test_a_chat_in_another_charset_is_read_and_marked(tmp_path: Path) -> None:
    (one,) = entries(chat(tmp_path, "3/14/25, 9:05 AM - Jos\u00e9: x\n".encode("cp1252")))
    assert one.metadata["author"] == "José"
    assert WarningCode.CHARSET_GUESSED in one.warnings


def test_equal_entries_are_told_apart_by_their_place(tmp_path: Path) -> None:
    found = entries(chat(tmp_path, "3/14/25, 9:05 AM - Rosa: x\n" * 3))
    assert [one.native_key.rpartition(":")[2] for one in found] == ["0", "1", "2"]
    assert len({one.native_key for one in found}) == 3


def test_a_name_that_points_outside_is_only_a_name(tmp_path: Path) -> None:
    source = chat(
        tmp_path,
        "3/14/25, 9:05 AM - Rosa: \u200e<attached: ../../etc/passwd>\n3/14/25, 9:06 AM - Rosa: "
        "../../etc/shadow.txt (file attached)\n",
    )
    values = values_of(source)
    assert [(one.name, one.reason) for one in values if isinstance(one, FailedItem)] == [
        ("../../etc/passwd", Reason.NOT_IN_EXPORT)
    ]


def test_a_huge_entry_is_one_entry(tmp_path: Path) -> None:
    source = chat(tmp_path, "3/14/25, 9:05 AM - Rosa: " + "line of text\n" * 200_000)
    (one,) = entries(source)
    assert one.size_bytes == 25 + 13 * 200_000


def test_dates_that_cannot_be_are_kept_without_a_time(tmp_path: Path) -> None:
    source = chat(tmp_path, "31/02/25, 9:05 AM - Rosa: x\n31/12/25, 29:99 - Rosa: y\n")
    assert at(source) == [None, None]
    assert [one.warnings for one in entries(source)] == [(WarningCode.BAD_DATE,)] * 2


def test_a_zip_that_does_not_open_is_a_scope_failure_and_the_others_are_read(tmp_path: Path) -> None:
    built = chats(tmp_path / "s")
    whole = (Path(built.path) / "WhatsApp Chat - Field Trip.zip").read_bytes()
    (Path(built.path) / "WhatsApp Chat - Cut.zip").write_bytes(whole[:100])
    found = collected(tmp_path / "home", WhatsApp, context(built.path))
    assert found.scopes["WhatsApp Chat - Cut.zip"] == (None, 0, "truncated", "zip_directory")
    assert found.scopes[ZIPPED] == (11, 11, None, None)


@pytest.mark.parametrize("kill_after", [1, 4, 9, 15])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = chats(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", WhatsApp, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", WhatsApp, built.context)
    assert set(found.items) == {*built.found, *built.failed}
    assert found.states() == {"stored": len(built.found), "failed": len(built.failed)}


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    source = chat(tmp_path, "3/14/25, 9:05 AM - Rosa: x\n3/14/25, 9:06 AM - Rosa: <Media omitted>\n")
    window = Window(date(2025, 4, 1), None, ZONE)
    assert [type(one).__name__ for one in values_of(source, window=window)] == [
        "ExcludedItem",
        "ExcludedItem",
        "FailedItem",
    ]


@given(st.lists(st.text(max_size=60), max_size=6))
def test_every_byte_is_in_exactly_one_entry(lines: list[str]) -> None:
    data = ("3/14/25, 9:05 AM - Rosa: x\n" + "\n".join(lines)).encode("utf-8", "surrogatepass")
    charset = charset_of(data)
    found = list(whatsapp._entries(data, charset))
    assert b"".join(one.native for one in found) == data
    assert all(one.native[one.body_at :] == one.body.encode(charset, "surrogateescape") for one in found)


def test_nothing_said_is_in_a_failure(tmp_path: Path) -> None:
    source = WhatsApp(context(chats(tmp_path / "s").path))
    for one in source.scopes():
        values, _ = everything(source, one)
        assert all(SECRET not in str(v) for v in values if isinstance(v, FailedItem))
