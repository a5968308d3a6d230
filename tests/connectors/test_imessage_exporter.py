"""imessage-exporter: blocks of texts and pages, replies printed twice, files that are cut or strange."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from connectors.imessage_exporter import ImessageExporter, looks_exported
from connectors.registry import guess
from records import canonical
from records.models import ExcludedItem, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.built_imessage_exporter import FOOT, HEAD, PAGE, TEXT, conversations
from tests.connectors.collecting import Killed, collected

NAME = "Rosa Delgado.txt"
HEAD_OF = "Mar 04, 2025 10:20:34 AM\nRosa Delgado\n"


def source(root: Path, data: str | bytes, name: str = NAME) -> ImessageExporter:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return ImessageExporter(context(str(root)))


def values_of(made: ImessageExporter, window: Window | None = None) -> list:
    values = []
    for scope in made.scopes():
        if scope.kind == "conversation":
            got, _ = everything(made, scope, **({"window": window} if window else {}))
            assert made.count(scope).count == len(got)
            values += got
    return values


def found_in(made: ImessageExporter) -> list[FoundItem]:
    return [one for one in values_of(made) if isinstance(one, FoundItem)]


def codes(one: FoundItem) -> set[str]:
    return {code.value for code in one.warnings} - {"assumed_zone"}


def test_a_text_is_cut_into_its_messages(tmp_path: Path) -> None:
    found = found_in(source(tmp_path, "".join(TEXT)))
    assert [one.moment.at.isoformat() for one in found if one.moment.at] == [
        "2025-03-04T18:20:34+00:00", "2025-03-04T18:21:10+00:00", "2025-03-05T05:22:00+00:00",
        "2025-03-05T05:23:00+00:00", "2025-03-05T17:00:00+00:00", "2025-03-05T17:05:00+00:00",
        "2025-03-05T17:06:00+00:00", "2025-03-05T17:06:00+00:00",
    ]  # fmt: skip
    assert {one.moment.basis for one in found} == {Basis.ASSUMED_ZONE}
    assert {one.kind for one in found} == {Kind.MESSAGE}
    assert [codes(one) for one in found] == [
        set(), set(), {"edited"}, {"missing_part"}, set(), {"deleted"}, set(), set(),
    ]  # fmt: skip
    assert [one.metadata.get("sender", "") for one in found[:6]] == [
        "Rosa Delgado", "Me", "Me", "Rosa Delgado", "", "",
    ]  # fmt: skip
    assert [one.metadata.get("system") for one in found[3:6]] == [None, "true", "true"]
    assert found[0].metadata["read"] == "Read by you after 26 seconds"
    assert found[0].metadata["members"] == "Rosa Delgado; Me; Sam Ito"
    assert found[0].moment.text == "Mar 04, 2025 10:20:34 AM"


def test_a_page_is_cut_into_its_messages_and_a_reply_that_is_printed_once_is_one(tmp_path: Path) -> None:
    found = found_in(source(tmp_path, HEAD + "".join(PAGE) + FOOT, "Trip - 12.html"))
    assert [(one.moment.text, one.metadata.get("only_as_reply")) for one in found] == [
        ("Mar 04, 2025 10:20:34 AM", None), ("Mar 09, 2025 10:25:00 AM", "true"),
        ("Mar 04, 2025 10:25:00 AM", None), ("Mar 04, 2025 10:26:00 AM", None),
        ("Mar 04, 2025 10:27:00 AM", None), ("Mar 05, 2025 9:00:00 AM", None),
    ]  # fmt: skip
    assert [codes(one) for one in found] == [set(), set(), set(), {"edited"}, {"missing_part"}, set()]
    assert found[0].metadata["group_name"] == "Trip"


def test_a_reply_of_a_text_that_is_printed_once_is_a_message(tmp_path: Path) -> None:
    found = found_in(source(tmp_path, TEXT[0] + TEXT[2]))
    assert [one.metadata.get("only_as_reply") for one in found] == [None, "true", None]
    assert (found[1].metadata["sender"], found[1].moment.text) == ("Me", "Mar 04, 2025 10:21:10 AM")


def test_media_is_joined_or_counted_as_lost(tmp_path: Path) -> None:
    built = conversations(tmp_path / "s")
    done = collected(tmp_path / "home", ImessageExporter, built.context)
    assert done.scopes == {
        NAME: (10, 10, None, None), "Trip - 12.html": (8, 8, None, None), ".": (3, 3, None, None),
    }  # fmt: skip
    joined = [
        one["native_key"]
        for key in built.found
        for one in canonical.loads(done.facts(key).get("attachments", "[]"))
    ]
    assert joined == ["attachments/3/5.jpg", "attachments/9/a b.png"]
    lost = {key: done.items[key].name for key in built.failed}
    assert sorted(filter(None, lost.values())) == ["1.mov", "6.heic", "lost.pdf"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("attachments/3/7.jpg", "7.jpg"),
        ("/Volumes/Data/Library/Messages/Attachments/ab/11/IMG 1.HEIC", "IMG 1.HEIC"),
        ("~/Library/Messages/Attachments/ab/11/a.mov", "a.mov"),
        (r"C:\out\attachments\3\8.png", "8.png"),
        ("/backup/3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28", "3d0d7e5fb2ce288813306e4d4636395e047a3d28"),
        ("Sticker from Sam Ito: attachments/3/9.png", "9.png"),
        ("see attachments/3", None),
        ("attachments", None),
        ("/etc/passwd", None),
    ],
)
def test_paths_of_attachments(line: str, name: str | None, tmp_path: Path) -> None:
    lost = [one for one in values_of(source(tmp_path, f"{HEAD_OF}{line}\n\n")) if isinstance(one, FailedItem)]
    assert [(one.name, one.reason) for one in lost] == ([(name, Reason.NOT_IN_EXPORT)] if name else [])


@pytest.mark.parametrize(
    ("body", "mark"),
    [
        ("This message was deleted from the conversation!\nHello", "deleted"),
        ("They deleted a message.", "deleted"),
        ("Sam unsent this message part 2 seconds after sending!", "deleted"),
        ("she said: They deleted a message.\nreally", None),
        ("I unsent a message!", None),
        ("May 17, 2022  5:29:42 PM one\nEdited 9 seconds later: two", "edited"),
        ("Edited by me", None),
    ],
)
def test_marks_of_deleted_and_edited_messages(body: str, mark: str | None, tmp_path: Path) -> None:
    (one,) = found_in(source(tmp_path, f"{HEAD_OF}{body}\n\n"))
    assert codes(one) == ({mark} if mark else set())


@pytest.mark.parametrize(
    ("name", "data", "is_one"),
    [
        ("a.txt", HEAD_OF + "x\n", True),
        ("a.txt", "\ufeffMar 04, 2025  9:20:34 AM You named the conversation Trip\n\n", True),
        ("a.txt", "Mar 04, 2025 10:20:34 AM\n", False),
        ("a.txt", "March 4, 2025 10:20:34 AM\nRosa\nx\n", False),
        ("a.txt", "Unable to format announcement!\n\n", False),
        ("a.html", HEAD + PAGE[1], True),
        ("a.html", '<div class="message">x</div>', False),
        ("a.txt", "", False),
    ],
)
def test_a_file_is_known_by_how_it_begins(name: str, data: str, is_one: bool, tmp_path: Path) -> None:
    assert looks_exported(data.encode()) is is_one
    (tmp_path / name).write_bytes(data.encode())
    assert (guess(str(tmp_path / name)) == "imessage_exporter") is is_one


# --- broken files


def test_a_text_that_is_cut_within_a_letter_or_a_head_keeps_what_there_is(tmp_path: Path) -> None:
    whole = (HEAD_OF + "one\n\nMar 04, 2025 10:21:34 AM\nRos\u00e9").encode()
    found = found_in(source(tmp_path, whole[:-1]))
    assert [one.metadata["sender"] for one in found] == ["Rosa Delgado", "Ros\ufffd"]
    assert found[1].size_bytes == 24 + 1 + 4


def test_a_page_that_is_cut_keeps_what_there_is(tmp_path: Path) -> None:
    whole = HEAD + "".join(PAGE)
    found = found_in(source(tmp_path, whole[: whole.index("Gate 2")], "a.html"))
    assert len(found) == 4


def test_another_charset_is_read_with_its_letters_replaced(tmp_path: Path) -> None:
    (one,) = found_in(source(tmp_path, "Mar 04, 2025 10:20:34 AM\nJos\u00e9\ncaf\u00e9\n\n".encode("cp1252")))
    assert one.metadata["sender"] == "Jos\ufffd"


def test_the_autumn_hour_and_a_clock_that_runs_back_are_marked(tmp_path: Path) -> None:
    text = "".join(
        f"{time}\nRosa\nx\n\n"
        for time in ("Nov 02, 2025  1:30:00 AM", "Nov 02, 2025  1:10:00 AM", "Feb 31, 2025  1:10:00 AM")
    )
    found = found_in(source(tmp_path, text))
    assert [codes(one) for one in found] == [
        {"ambiguous_hour"}, {"ambiguous_hour", "out_of_order"}, {"bad_date"},
    ]  # fmt: skip


def test_a_name_that_points_outside_is_only_a_name(tmp_path: Path) -> None:
    values = values_of(source(tmp_path / "a", f"{HEAD_OF}../attachments/../../etc/passwd\n\n"))
    page = PAGE[1].replace("at nine", '<img src="../../etc/shadow"><img src="file:///etc/hosts">')
    values += values_of(source(tmp_path / "b", HEAD + page, "a.html"))
    assert [one.name for one in values if isinstance(one, FailedItem)] == ["passwd", "shadow", "hosts"]


def test_a_huge_message_and_a_file_without_an_end_are_one_message(tmp_path: Path) -> None:
    (one,) = found_in(source(tmp_path, HEAD_OF + "line of text\n" * 40_000))
    assert one.size_bytes == len(HEAD_OF) + 13 * 40_000


def test_an_announcement_without_a_form_is_one_without_a_time(tmp_path: Path) -> None:
    found = found_in(source(tmp_path, HEAD_OF + "x\n\nUnable to format announcement!\n\n" + TEXT[1]))
    assert [codes(one) for one in found] == [set(), {"no_date"}, set()]
    assert found[1].metadata["system"] == "true"


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    values = values_of(source(tmp_path, "".join(TEXT)), Window(date(2025, 4, 1), None, ZONE))
    assert Counter(type(one) for one in values) == {ExcludedItem: 8, FailedItem: 3}


def test_a_kill_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = conversations(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", ImessageExporter, built.context, kill_after=12)
    done = collected(tmp_path / "home", ImessageExporter, built.context)
    assert set(done.items) == {*built.found, *built.failed}


def test_nothing_said_is_in_a_failure(tmp_path: Path) -> None:
    made = ImessageExporter(context(conversations(tmp_path / "s").path))
    assert all(SECRET not in str(one) for one in values_of(made) if isinstance(one, FailedItem))
    assert all(WarningCode.OUT_OF_ORDER not in one.warnings for one in found_in(made))
