"""Printouts of message histories: lines to messages, times, pages, and what is wrong with them."""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import sync_playwright
from reportlab.pdfgen import canvas

from connectors import transcript_pages
from connectors.transcript_count import counted as count_of
from connectors.transcript_cutting import cut
from connectors.transcript_layouts import Layout, proposed, read_layout, read_time, read_unsigned
from connectors.transcript_pages import Line, Page, Pages, read_pages, tidy
from connectors.transcripts import Transcripts
from examples.district.clock import pacific
from examples.district.transcripts import (
    PARENTSQUARE_LAYOUT,
    REMIND_LAYOUT,
    TALKINGPOINTS_LAYOUT,
    Said,
    parentsquare_conversation,
    parentsquare_page,
    remind_history,
    talkingpoints_history,
)
from records.errors import AccessError, SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Scope, Window
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ZONE, context, everything
from tests.connectors.built_transcripts import natives

OWNER = "Lee Okafor"
ONE = Said(pacific(2026, 3, 4, 9, 5), "Rosa Delgado", "Is the bus late?\nIt is cold.")


def reader(path: Path, layout: str = REMIND_LAYOUT) -> Transcripts:
    return Transcripts(replace(context(str(path)), options={"layout": layout}))


def read(folder: Path, files: dict[str, bytes], layout: str = REMIND_LAYOUT, window: Window | None = None):
    """Write files, and return the values of the first of them."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    scope = Scope(next(iter(files)), "", "")
    return everything(reader(folder, layout), scope, window=window or Window(None, None, ZONE))[0]


def counted(folder: Path, name: str = "a.pdf", layout: str = REMIND_LAYOUT) -> Expected:
    return reader(folder, layout).count(Scope(name, "", ""))


def saved(*lines: str) -> bytes:
    """Return a web page of these lines: it is read without another process."""
    return f"<html>{''.join(f'<p>{line}</p>' for line in lines)}</html>".encode()


def found(values) -> list[FoundItem]:
    return [value for value in values if isinstance(value, FoundItem) and value.kind is Kind.CHAT]


def failures(values) -> list[tuple[str, str, str]]:
    return [(v.native_key, v.reason.value, v.detail) for v in values if isinstance(v, FailedItem)]


def bodies(values) -> list[str]:
    return [json.loads(one.handle)["fields"].get("body", "") for one in found(values)]


def printed(*pages: str | None, layout: str = REMIND_LAYOUT):
    """Cut pages that are given line by line; None is one that cannot be read."""
    made = []
    for n, text in enumerate(pages, 1):
        said = enumerate(filter(None, (text or "").split("\n")), 1)
        lines = tuple(Line(n, k, 54.0, 20.0 * k, tidy(line)) for k, line in said)
        made.append(Page(n, "text" if lines else "picture", lines))
    return cut(Pages(tuple(made)), read_layout(layout, "source s1"))


FRONT = "Remind message history\nLee Okafor: individual and group messages\n"
HEAD = "Rosa Delgado (Parent) to Lee Okafor\nMar 4, 2026 at 9:05 AM\n"


# --- what is there -----------------------------------------------------------------------------------------


def test_a_history_over_pages_gives_each_message_where_it_stands(tmp_path: Path) -> None:
    said = [
        Said(pacific(2026, 3, 4, 9, n), ("Rosa Delgado", OWNER)[n % 2], "word " * 150, "Sam Ito")
        for n in range(12)
    ]
    made = remind_history(said, owner=OWNER)
    values = read(tmp_path, {"a.pdf": made.data})
    expected = counted(tmp_path)
    assert {one.native_key: one.handle for one in found(values)} == natives(made)
    assert [int(one.metadata["page"]) for one in found(values)] == [one.pages[0] for one in made.messages]
    assert made.pages == 3
    assert expected == Expected(13, "printed total")
    first, second = values[:2]
    assert (first.native_key, first.kind, first.handle) == ("a.pdf", Kind.FILE, made.data)
    assert dict(first.metadata) == {
        "app": "remind", "messages": "12", "lines": "143", "lines_of_messages": "132", "lines_of_pages": "11",
        "lines_of_no_message": "0", "pages": "3", "zone_stated": "Pacific Time",
        "messages_stated": "12",
    }  # fmt: skip
    assert first.moment == second.moment
    assert first.warnings == second.warnings == ()
    assert dict(second.metadata) == {
        "printout": "a.pdf", "app": "remind", "layout": "remind 1", "between": ";", "page": "1",
        "zone": "America/Los_Angeles by the printout", "owner": "Lee Okafor",
        "group": "remind:rosa delgado; sam ito",
        "place": "page 1, line 5 to line 15; begins 54 pt from the left, 113 pt from the top",
        "at": "2026-03-04T17:00:00.000000Z", "at_text": "Mar 4, 2026 at 9:00 AM", "at_basis": "stated",
    }  # fmt: skip


def test_a_conversation_with_sender_and_time_on_one_line(tmp_path: Path) -> None:
    made = parentsquare_conversation(
        [ONE, replace(ONE, sender="Ana (he: no) Ruiz", text="")], title="Rosa Delgado", address="https://ps.example/1"
    )  # fmt: skip
    values = read(tmp_path, {"a.pdf": made.data}, PARENTSQUARE_LAYOUT)
    expected = counted(tmp_path, "a.pdf", PARENTSQUARE_LAYOUT)
    assert {one.native_key: one.handle for one in found(values)} == natives(made)
    assert expected == Expected(3, "time stamps")
    assert [one.metadata["group"] for one in found(values)] == ["parentsquare:Rosa Delgado"] * 2
    assert [(one.moment.basis, one.warnings) for one in found(values)] == [
        (Basis.ASSUMED_ZONE, (WarningCode.ASSUMED_ZONE,))
    ] * 2
    assert values[0].warnings == (WarningCode.ASSUMED_ZONE,)


def test_a_saved_page_has_lines_and_no_pages(tmp_path: Path) -> None:
    made = parentsquare_page([ONE, replace(ONE, text="1 < 2 & 3")], title="Rosa")
    values = read(tmp_path, {"a.html": made.data}, PARENTSQUARE_LAYOUT)
    expected = counted(tmp_path, "a.html", PARENTSQUARE_LAYOUT)
    assert {one.native_key: one.handle for one in found(values)} == natives(made)
    assert expected == Expected(3, "time stamps")
    assert found(values)[1].metadata["place"] == "lines 6 to 7"
    assert "page" not in found(values)[1].metadata
    assert "pages" not in values[0].metadata


def test_both_texts_of_a_pair_are_kept(tmp_path: Path) -> None:
    pair = [
        Said(pacific(2026, 3, 4, 9), "Rosa", "El bus no vino", "", "", "The bus did not come", "English"),
        Said(pacific(2026, 3, 5, 8), "Lee", "Sorry"),
    ]
    made = talkingpoints_history(pair, family="Delgado")
    values = read(tmp_path, {"a.pdf": made.data}, TALKINGPOINTS_LAYOUT)
    expected = counted(tmp_path, "a.pdf", TALKINGPOINTS_LAYOUT)
    assert {one.native_key: one.handle for one in found(values)} == natives(made)
    assert expected == Expected(3, "time stamps")
    first, second = (json.loads(one.handle)["fields"] for one in found(values))
    assert (first["body"], first["body_translated"]) == ("El bus no vino", "The bus did not come")
    assert (second["sent_on"], second["sent_at"]) == ("Thursday, March 5, 2026", "8:00 AM")
    assert [one.moment.text for one in found(values)] == [
        "Wednesday, March 4, 2026 9:00 AM", "Thursday, March 5, 2026 8:00 AM",
    ]  # fmt: skip


def test_files_that_a_message_names(tmp_path: Path) -> None:
    made = parentsquare_page([replace(ONE, attachments=("map.png", "../../etc/passwd"))], title="Rosa")
    values = read(tmp_path, {"a.html": made.data, "map.png": b"x"}, PARENTSQUARE_LAYOUT)
    (one,) = found(values)
    assert one.handle == made.messages[0].native
    assert one.metadata["attachments"] == '[{"name":"map.png","native_key":"map.png"}]'
    assert one.warnings == (WarningCode.MISSING_PART, WarningCode.ASSUMED_ZONE)
    assert failures(values) == [(f"{one.native_key}#attachment0", "not_in_export", "attachment")]
    assert values[-1].name == "../../etc/passwd"
    assert counted(tmp_path, "a.html", PARENTSQUARE_LAYOUT).count == len(values) == 3


def test_a_printout_is_outside_the_window_when_all_of_its_messages_are(tmp_path: Path) -> None:
    page = parentsquare_page([ONE, replace(ONE, at=pacific(2026, 5, 4))], title="Rosa").data
    may = Window(date(2026, 5, 1), date(2026, 5, 31), ZONE)
    values = read(tmp_path, {"a.html": page}, PARENTSQUARE_LAYOUT, may)
    assert [type(value) for value in values] == [FoundItem, ExcludedItem, FoundItem]
    june = Window(date(2026, 6, 1), None, ZONE)
    values = read(tmp_path, {"a.html": page}, PARENTSQUARE_LAYOUT, june)
    assert [value.reason for value in values] == [Reason.OUTSIDE_WINDOW] * 3
    # what was not read may be inside
    values = read(tmp_path, {"a.html": page.replace(b"</html>", b"")}, PARENTSQUARE_LAYOUT, june)
    assert [type(value) for value in values] == [FoundItem, ExcludedItem, ExcludedItem, FailedItem]


# --- lines -------------------------------------------------------------------------------------------------


def test_every_line_is_counted_in_one_place() -> None:
    made = printed(
        f"{FRONT}Total messages: 1,204\nSomething about the export\n{HEAD}first\nPage 1 of 2",
        f"{FRONT}second\nPage 2 of 2",
    )
    (one,) = made.messages
    assert one.fields["body"] == "first\nsecond"
    assert [(line.page, line.number) for line in one.lines] == [(1, 5), (1, 6), (1, 7), (2, 3)]
    assert [line.text for line in made.unplaced] == ["Something about the export"]
    assert (made.furniture, made.totals, made.fits) == (7, (1204,), True)


@pytest.mark.parametrize("layout", [REMIND_LAYOUT, PARENTSQUARE_LAYOUT, TALKINGPOINTS_LAYOUT])
def test_whatever_is_printed_no_line_is_lost_or_counted_twice(layout: str) -> None:
    rng = random.Random(7)
    layout = layout.replace(
        "time_zone =", 'conversation = ["About {thread}"]\ncontinued = ["(more)"]\ntime_zone ='
    )
    pieces = [
        *FRONT.splitlines(), *HEAD.splitlines(), "ParentSquare - Messages", "Rosa\t03/04/2026, 9:05 AM", "hi",
        "TalkingPoints conversation history", "Wednesday, March 4, 2026", "9:05 AM Rosa", "9:05 AM", "(more)",
        "About us", "Translated to English:", "Attachment: a.pdf", "Page 1 of 2", "Page 1", "",
        "Total messages: 3",
    ]  # fmt: skip
    for _ in range(15):
        pages = [
            "\n".join(rng.choices(pieces, k=rng.randrange(30))) or None for _ in range(rng.randrange(1, 5))
        ]
        made = printed(*pages, layout=layout)
        lines = sum(len(list(filter(None, page.split("\n")))) for page in pages if page)
        held = [line for one in made.messages for line in one.lines]
        assert len(held) + len(made.unplaced) + made.furniture == lines
        assert len(set(held) | set(made.unplaced)) == len(held) + len(made.unplaced)
        assert held == sorted(held, key=lambda line: (line.page, line.number))


def test_a_page_that_cannot_be_read_ends_the_message_before_it() -> None:
    made = printed(f"{FRONT}{HEAD}first", None, f"{FRONT}whose is this?\n{HEAD}second")
    assert [(one.fields["body"], one.broken_off) for one in made.messages] == [
        ("first", True),
        ("second", False),
    ]
    assert [line.text for line in made.unplaced] == ["whose is this?"]


def test_what_comes_back_on_each_page_is_nobodys_words_though_the_layout_does_not_name_it() -> None:
    words = ("one", "two", "three")
    made = printed(*(f"{FRONT}Made on 3/{n}/2026\n{HEAD}{word}\nSecret {n}" for n, word in enumerate(words)))
    assert [one.fields["body"] for one in made.messages] == list(words)
    assert [line.text for line in made.unplaced][:2] == ["Made on 3/0/2026", "Secret 0"]
    assert (len(made.unplaced), made.furniture) == (6, 6)


def test_heads_and_days_in_somebodys_words_are_words() -> None:
    body = "Page 3 of 4\nWednesday, March 4, 2026\nTotal messages: 5\nRemind message history"
    long = "\n".join(f"line {n}" for n in range(12))
    made = printed(f"{FRONT}{HEAD}{long}\n{body}\n{long}")
    assert made.messages[0].fields["body"] == f"{long}\n{body}\n{long}"
    body = "see you\nFriday, March 6, 2026\nbye"
    page = f"TalkingPoints conversation history\nWednesday, March 4, 2026\n9:05 AM Rosa\n{body}"
    assert [one.fields["body"] for one in printed(page, layout=TALKINGPOINTS_LAYOUT).messages] == [body]


def test_a_conversation_that_begins_in_the_middle_of_a_page() -> None:
    layout = TALKINGPOINTS_LAYOUT.replace(
        "translated =", 'conversation = ["With {recipients}", "***"]\ntranslated ='
    )
    day = "Wednesday, March 4, 2026"
    long = "\n".join(f"line {n}" for n in range(12))
    made = printed(
        f"TalkingPoints conversation history\n{day}\n9:05 AM Rosa\nWith love\n{long}\nWith Sam Ito\n***\n"
        f"{day}\n9:06 AM Lee\nhi\n{long}", layout=layout,
    )  # fmt: skip
    assert [one.about for one in made.messages] == [{}, {"recipients": "Sam Ito"}]
    assert [one.fields["body"] for one in made.messages] == [f"With love\n{long}", f"hi\n{long}"]
    assert (made.furniture, made.unplaced) == (5, ())


def test_a_head_parted_by_a_page_break_and_a_message_that_goes_on() -> None:
    layout = REMIND_LAYOUT.replace("total =", 'continued = ["{sender} (continued)"]\ntotal =')
    first, second = HEAD.splitlines()
    made = printed(
        f"{FRONT}{first}\nPage 1 of 3", f"{FRONT}{second}\none\nPage 2 of 3",
        f"{FRONT}Rosa Delgado (continued)\ntwo\nThis message was deleted", layout=layout,
    )  # fmt: skip
    (one,) = made.messages
    assert one.fields["body"] == "one\ntwo\nThis message was deleted"
    assert not one.deleted
    layout = layout.replace("total =", 'deleted = ["This message was deleted"]\ntotal =')
    assert printed(f"{FRONT}{HEAD}This message was deleted", layout=layout).messages[0].deleted


def test_lines_of_no_message_are_told_where_coverage_is(tmp_path: Path) -> None:
    page = (
        "<html><h1>ParentSquare - Messages</h1><p>Old news</p><p>Rosa 03/04/2026, 9:05 AM</p><p>hi</p></html>"
    )
    values = read(tmp_path, {"a.html": page.encode()}, PARENTSQUARE_LAYOUT)
    assert values[0].metadata["lines_of_no_message"] == "1"
    assert values[0].metadata["lines_of_no_message_at"] == "1:2"
    assert values[0].warnings == (WarningCode.PARTIAL,)
    (told,) = reader(tmp_path, PARENTSQUARE_LAYOUT).unreached()
    assert (told.key, told.label, told.reach, told.detail) == (
        "a.html#lines", "lines of no message in a.html: 1", Reach.NOT_BY_THIS_ROUTE, "no_message",
    )  # fmt: skip


# --- times -------------------------------------------------------------------------------------------------


def at(folder: Path, stated: str, zone: str = "", layout: str = REMIND_LAYOUT) -> FoundItem:
    front = [*FRONT.splitlines(), *([f"All times are shown in {zone}"] if zone else [])]
    page = saved(*front, "Rosa Delgado (Parent) to Lee Okafor", stated, "hi")
    (one,) = found(read(folder, {"a.html": page}, layout))
    return one


def test_the_hour_that_comes_twice_in_autumn_is_marked(tmp_path: Path) -> None:
    twice = "Nov 2, 2025 at 1:30 AM"
    one = at(tmp_path, twice)
    assert one.moment.at == datetime(2025, 11, 2, 8, 30, tzinfo=UTC)  # the earlier one
    assert one.moment.text == twice
    assert one.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)
    assert at(tmp_path, twice, "Pacific Time").warnings == (WarningCode.AMBIGUOUS_HOUR,)
    other = REMIND_LAYOUT.replace("Los_Angeles", "Phoenix")  # no clock is set back there
    assert at(tmp_path, twice, layout=other).warnings == (WarningCode.ASSUMED_ZONE,)


def test_the_zone_that_a_printout_names_goes_before_that_of_the_layout(tmp_path: Path) -> None:
    stated = "Mar 4, 2026 at 9:05 AM"
    for named, hour in (("Eastern Time (US &amp; Canada)", 14), ("America/Chicago", 15), ("GMT", 9)):
        one = at(tmp_path, stated, named)
        assert (one.moment.at, one.moment.basis) == (datetime(2026, 3, 4, hour, 5, tzinfo=UTC), Basis.STATED)
        assert one.warnings == ()
    one = at(tmp_path, stated, "the local time of the sender")
    assert one.moment.at == datetime(2026, 3, 4, 17, 5, tzinfo=UTC)
    assert one.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.HEADER_DEFECT)


def test_a_zone_beside_each_time_settles_it(tmp_path: Path) -> None:
    layout = PARENTSQUARE_LAYOUT.replace("{sender} {sent_at}", "{sender} {sent_at} {zone}")
    times = (
        "11/02/2025, 1:30 AM PDT",
        "11/02/2025, 1:30 AM PST",
        "11/02/2025, 1:30 AM LMT",
        "13/45/2025, 1:30 AM PST",
    )
    page = saved("ParentSquare - Messages", *(line for one in times for line in (f"Rosa {one}", "hi")))
    assert [(one.moment.at, one.warnings) for one in found(read(tmp_path, {"a.html": page}, layout))] == [
        (datetime(2025, 11, 2, 8, 30, tzinfo=UTC), ()),
        (datetime(2025, 11, 2, 9, 30, tzinfo=UTC), ()),
        (
            datetime(2025, 11, 2, 8, 30, tzinfo=UTC),
            (WarningCode.OUT_OF_ORDER, WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR),
        ),
        (None, (WarningCode.BAD_DATE,)),
    ]


def test_a_day_that_says_nothing_once_it_is_printed_is_no_time(tmp_path: Path) -> None:
    heads = (
        "Rosa Yesterday, 9:05 AM",
        "Rosa Wednesday at 9:06 AM",
        "Rosa 03/04/2026, 9:07 AM",
        "Rosa Someday, 9 AM",
    )
    page = saved("ParentSquare - Messages", *(line for one in heads for line in (one, "hi")))
    values = read(tmp_path, {"a.html": page}, PARENTSQUARE_LAYOUT)
    assert [(one.moment.text, one.moment.at is None) for one in found(values)] == [
        ("Yesterday, 9:05 AM", True), ("Wednesday at 9:06 AM", True), ("03/04/2026, 9:07 AM", False),
    ]  # fmt: skip
    assert found(values)[0].warnings == (WarningCode.BAD_DATE,)
    assert bodies(values)[2] == "hi\nRosa Someday, 9 AM\nhi"
    assert counted(tmp_path, "a.html", PARENTSQUARE_LAYOUT) == Expected(4, "time stamps")
    (one,) = printed(
        "TalkingPoints conversation history\nToday\n9:05 AM Rosa\nhi", layout=TALKINGPOINTS_LAYOUT
    ).messages
    assert one.stated == "Today 9:05 AM"


@pytest.mark.parametrize(
    ("stated", "form"),
    [
        ("Mar 4, 2026 at 9:05 a.m.", "%b %d, %Y at %I:%M %p"),
        ("Sept. 4, 2026 at 9:05 AM", "%b %d, %Y at %I:%M %p"),
        ("2026-09-04 09:05", "%Y-%m-%d %H:%M"),
    ],
)
def test_forms_of_time(stated: str, form: str) -> None:
    read_as = read_time(stated, ["%d.%m.%Y", form])
    assert read_as is not None
    assert (read_as.day, read_as.hour, read_as.minute) == (4, 9, 5)


# --- what is wrong -----------------------------------------------------------------------------------------


def test_cut_in_the_middle(tmp_path: Path) -> None:
    made = remind_history([ONE], owner=OWNER)
    values = read(tmp_path, {"a.pdf": made.data[:1500]})
    expected = counted(tmp_path)
    assert failures(values) == [("a.pdf#messages", "truncated", "pdf")]
    assert values[0].handle == made.data[:1500]
    assert values[0].warnings == (WarningCode.PARTIAL,)
    assert expected == Expected(None, "unknown")
    page = parentsquare_page([ONE, ONE], title="Rosa")
    half = page.data[: page.data.rindex(b"It is")]
    values = read(tmp_path, {"b.html": half}, PARENTSQUARE_LAYOUT)
    expected = counted(tmp_path, "b.html", PARENTSQUARE_LAYOUT)
    assert bodies(values) == ["Is the bus late?\nIt is cold.", "Is the bus late?"]
    assert failures(values) == [("b.html#messages", "truncated", "html")]
    assert expected == Expected(None, "unknown")


def test_locked_and_damaged(tmp_path: Path) -> None:
    made = remind_history([ONE], owner=OWNER)
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(made.data)) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner="a", user="b"))
    values = read(tmp_path, {"a.pdf": out.getvalue()})
    expected = counted(tmp_path)
    assert failures(values) == [("a.pdf#messages", "encrypted", "pdf_password")]
    assert expected == Expected(None, "unknown")
    values = read(tmp_path, {"b.pdf": b"%PDF-1.4\n" + bytes(range(256)) * 20 + b"%%EOF"})
    assert failures(values) == [("b.pdf#messages", "corrupt", "pdf")]


def test_a_wrong_charset(tmp_path: Path) -> None:
    page = parentsquare_page([replace(ONE, sender="Zoé", text="déjà vu")], title="Zoé").data
    values = read(tmp_path, {"a.html": page.decode().encode("cp1252")}, PARENTSQUARE_LAYOUT)
    expected = counted(tmp_path, "a.html", PARENTSQUARE_LAYOUT)
    assert bodies(values) == ["déjà vu"]
    assert found(values)[0].warnings == (WarningCode.CHARSET_GUESSED, WarningCode.ASSUMED_ZONE)
    assert expected == Expected(2, "time stamps")


def test_letters_without_meaning_need_ocr(tmp_path: Path) -> None:
    made = remind_history([ONE], owner=OWNER)
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(made.data)) as pdf:
        for font in pdf.pages[0].Resources.Font.values():
            for key in ("/Encoding", "/BaseFont"):
                del font[key]
            font.Subtype = pikepdf.Name.Type3
            font.Encoding = pikepdf.Dictionary(
                Type=pikepdf.Name.Encoding,
                Differences=[32, *(pikepdf.Name(f"/g{n}") for n in range(96))],
            )
            font.FontBBox, font.FontMatrix = [0, 0, 1000, 1000], [0.001, 0, 0, 0.001, 0, 0]
            font.FirstChar, font.LastChar, font.Widths = 32, 127, [500] * 96
            square = pdf.make_stream(b"500 0 0 0 500 500 d1 0 0 400 400 re f")
            font.CharProcs = pikepdf.Dictionary({f"/g{n}": square for n in range(96)})
        pdf.save(out)
    values = read(tmp_path, {"a.pdf": out.getvalue()})
    assert failures(values) == [("a.pdf#page1", "needs_ocr", "letters_without_meaning")]


def test_pages_without_text_need_ocr_and_white_ones_do_not(tmp_path: Path) -> None:
    made = remind_history([ONE], owner=OWNER, pictures=[1, 2])
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(made.data)) as pdf:
        pdf.add_blank_page()
        pdf.save(out)
    values = read(tmp_path, {"a.pdf": out.getvalue()})
    expected = counted(tmp_path)
    assert failures(values) == [("a.pdf#page2", "needs_ocr", "page"), ("a.pdf#page3", "needs_ocr", "page")]
    assert expected == Expected(4, "printed total")
    assert values[0].metadata["pages"] == "4"
    # a stamp on a scan is no text of it
    stamped = io.BytesIO()
    sheet = canvas.Canvas(stamped, pagesize=(300, 300))
    from reportlab.lib.utils import ImageReader

    from examples.district.documents import _picture

    sheet.drawImage(ImageReader(_picture(["scan"])), 0, 0, 300, 300)
    sheet.drawString(20, 20, "Page 1 of 1")
    sheet.save()
    values = read(tmp_path, {"b.pdf": stamped.getvalue()})
    assert failures(values)[0] == ("b.pdf#page1", "needs_ocr", "page")


def test_duplicate_messages_are_kept_and_marked(tmp_path: Path) -> None:
    made = parentsquare_page([ONE, ONE, ONE], title="Rosa")
    values = read(tmp_path, {"a.html": made.data}, PARENTSQUARE_LAYOUT)
    marks = [WarningCode.DUPLICATE_ENTRY in one.warnings for one in found(values)]
    assert marks == [False, True, True]
    assert [one.native_key for one in found(values)] == [one.native_key for one in made.messages]
    assert counted(tmp_path, "a.html", PARENTSQUARE_LAYOUT).count == len(values) == 4


def test_a_printed_total_that_is_another_is_not_made_to_fit(tmp_path: Path) -> None:
    page = saved(*FRONT.splitlines(), "Total messages: 7", *HEAD.splitlines(), "hi")
    assert bodies(read(tmp_path, {"a.html": page})) == ["hi"]
    assert counted(tmp_path, "a.html") == Expected(8, "printed total")


def test_a_printout_that_the_layout_does_not_fit_is_kept_as_a_file(tmp_path: Path) -> None:
    made = parentsquare_page([ONE], title="Rosa")
    values = read(tmp_path, {"a.html": made.data})
    assert failures(values) == [("a.html#messages", "unsupported", "layout")]
    assert (values[0].handle, values[0].metadata["lines_of_no_message"]) == (made.data, "5")
    assert counted(tmp_path, "a.html") == Expected(None, "unknown")


def test_a_huge_page_is_read_in_seconds(tmp_path: Path) -> None:
    many = parentsquare_page([replace(ONE, text=f"{n} {'x ' * 20}") for n in range(1_000)], title="Rosa")
    began = time.process_time()
    values = read(tmp_path, {"a.html": many.data}, PARENTSQUARE_LAYOUT)
    expected = counted(tmp_path, "a.html", PARENTSQUARE_LAYOUT)
    assert expected == Expected(1_001, "time stamps")
    assert len(values) == 1_001
    assert time.process_time() - began < 5
    long = parentsquare_page([replace(ONE, text="a (" * 50_000)], title="Rosa")
    values = read(tmp_path, {"b.html": long.data}, PARENTSQUARE_LAYOUT)
    assert len(bodies(values)[0]) == 150_000


def test_a_file_too_large_and_a_process_that_dies_cost_only_the_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = remind_history([ONE], owner=OWNER)
    files = {"a.pdf": made.data}
    monkeypatch.setattr(transcript_pages, "_LAST", type(transcript_pages._LAST)())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        values = read(tmp_path, files)
        expected = counted(tmp_path)
        assert failures(values) == [("a.pdf#messages", "crashed", "pdf")]
        assert expected == Expected(None, "unknown")
    with monkeypatch.context() as patched:
        patched.setattr(transcript_pages, "_WAITING", 0)
        assert failures(read(tmp_path, files)) == [("a.pdf#messages", "timed_out", "pdf")]
    with monkeypatch.context() as patched:
        # seconds of a processor, not of a clock
        patched.setattr(transcript_pages, "_SECONDS", 1)
        patched.setattr(transcript_pages, "_BYTES_A_SECOND", 1 << 30)
        fault = read_pages(slow(), "count").fault
        assert fault is not None
        assert (fault.reason, fault.detail) == (Reason.TIMED_OUT, "pdf")
    with monkeypatch.context() as patched:
        patched.setattr("connectors.transcripts.MOST_BYTES", 100)
        values = read(tmp_path, files)
        expected = counted(tmp_path)
        assert failures(values) == [("a.pdf#messages", "too_large", "pdf")]
        assert expected == Expected(None, "unknown")
    assert bodies(read(tmp_path, files)) == [ONE.text]  # nothing of that is remembered


def slow() -> bytes:
    """Return 6 KB of PDF that say the same 200,000 times."""
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
        pdf.pages[0].Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=pdf.make_indirect(font)))
        pdf.pages[0].Contents = pdf.make_stream(b"BT /F 9 Tf 9 9 Td " + b"(aaaaaaaa) Tj " * 200_000 + b"ET")
        pdf.save(out)
    return out.getvalue()


def test_hostile_names(tmp_path: Path) -> None:
    rosa = "<b>{Rosa}</b> \\1 (?P<x>.*) % \u202e"
    page = parentsquare_page([replace(ONE, sender=rosa)], title="{thread}\x00")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../up.html", page.data)
        archive.writestr("/root.pdf", remind_history([ONE], owner=OWNER).data)
    source = reader(tmp_path, PARENTSQUARE_LAYOUT)
    keys = [scope.key for scope in source.scopes()]
    assert keys == ["a.zip!../../up.html", "a.zip!/root.pdf"]
    values, _ = everything(source, Scope(keys[0], "", ""))
    assert json.loads(found(values)[0].handle)["fields"]["sender"] == rosa
    assert not (tmp_path.parent.parent / "up.html").exists()


def test_a_file_that_is_no_printout_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"plain words")
    (tmp_path / "b.txt").write_bytes(remind_history([ONE], owner=OWNER).data)  # by content, not by name
    source = reader(tmp_path)
    assert [scope.key for scope in source.scopes()] == ["b.txt", "."]
    assert bodies(everything(source, Scope("b.txt", "", ""))[0]) == [ONE.text]


def test_the_process_tells_no_secret_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def run(command: list[str], **given: object) -> subprocess.CompletedProcess[bytes]:
        seen.update(given)
        return subprocess.CompletedProcess(command, 0, b'{"pages": [], "error": "memory"}')

    monkeypatch.setattr(subprocess, "run", run)
    made = read_pages(b"%PDF-1.7 nothing %%EOF", "lines")
    assert made.fault is not None
    assert made.fault.reason is Reason.OUT_OF_MEMORY
    assert seen["env"] == {"PATH": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC"}


# --- layouts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("{sender} ({role})", "({role})"), r"head: needs \{sent_at\} and \{sender\}, each once"),
        (('"{sent_at}"]', '"{sent_at}", "{sender}"]'), "head: needs"),
        (("America/Los_Angeles", "America/Nowhere"), "time_zone: not a known zone"),
        (("%b %d", "%Q %d"), "time_formats: %Q not known"),
        (("Page {number} of {number}", "{skip}"), "furniture: a line without words of its own"),
        (
            ("Page {number} of {number}", "Page {page}"),
            r"furniture: \{page\} cannot stand there; known: \{number\}",
        ),
        (("Total messages: {total}", "Total messages"), r"total: needs \{total\}"),
        (
            ("{sender} (", "{sender} {thread} ("),
            r"head: nothing tells where \{sender\} ends and \{thread\} begins",
        ),
        (
            ("{sender} (", "{sender}: {thread}, {message_id}, {skip} ("),
            r"head: more than 4 names in braces on one line, without \{body\}",
        ),
        (("app =", "colour = 1\napp ="), "colour: Extra inputs are not permitted"),
        (('confirmed_by = "Ana Ruiz, records office"', ""), "nobody has confirmed the layout; compare it"),
        (("app =", "app"), "the layout is not valid TOML"),
        (("total =", 'day = "{sent_on}"\ntotal ='), "is no day, a space and a clock"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused_by_name(change: tuple[str, str], says: str) -> None:
    text = REMIND_LAYOUT.replace(*change)
    if "day" in change[1]:
        text = text.replace("%Y at %I", "%Yat%I")
    with pytest.raises(SettingsError, match=rf"^source s1: .*{says}"):
        read_layout(text, "source s1")


def test_a_source_needs_a_layout(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>x</p>", "utf-8")
    bare = Transcripts(context(str(tmp_path)))
    with pytest.raises(SettingsError, match=r"^source s1: needs `layout` in options; `daylight layout FILE"):
        bare.check_settings()
    with pytest.raises(AccessError):
        reader(tmp_path / "none").check_settings()


EXPECTED = {
    "remind": (["{sender} ({role}) to {recipients}", "{sent_at}"], ["%b %d, %Y at %I:%M %p"]),
    "parentsquare": (["{sender}\t{sent_at}"], ["%m/%d/%Y, %I:%M %p"]),
    "talkingpoints": (["{sent_at} {sender}"], ["%A, %B %d, %Y %I:%M %p"]),
}


@pytest.mark.parametrize("app", sorted(EXPECTED))
def test_a_proposal_reads_what_it_was_made_from_once_it_is_signed(app: str) -> None:
    said = [
        Said(pacific(2026, 3, 4 + n // 5, 9, n % 5), ("Rosa", OWNER)[n % 2], f"number {n}") for n in range(30)
    ]
    made = {
        "remind": lambda: remind_history(said, owner=OWNER),
        "parentsquare": lambda: parentsquare_conversation(said, title="Rosa", address="https://ps.example/1"),
        "talkingpoints": lambda: talkingpoints_history(said, family="Delgado"),
    }[app]()
    pages = read_pages(made.data, "lines")
    text, lacks = proposed(app, pages, "America/Los_Angeles")
    assert lacks == []
    with pytest.raises(SettingsError, match="nobody has confirmed"):
        read_layout(text, "source s1")
    signed = text.replace('confirmed_by = ""', 'confirmed_by = "Ana"').replace(
        "# confirmed_on", "confirmed_on"
    )
    layout: Layout = read_layout(signed, "source s1")
    head, forms = EXPECTED[app]
    assert (list(layout.head), list(layout.time_formats)) == (head, forms)
    found_as = cut(pages, layout)
    assert [one.fields["body"] for one in found_as.messages] == [f"number {n}" for n in range(30)]
    assert found_as.unplaced == ()


def test_a_printout_without_times_is_proposed_without_a_head() -> None:
    page = read_pages(b"<html><p>Remind</p><p>hello {x}</p></html>", "lines")
    text, lacks = proposed("remind", page, "America/Los_Angeles")
    assert lacks == ["head"]
    assert 'furniture = ["hello (x)"]' in text


def test_each_conversation_of_a_printout_has_its_own_order(tmp_path: Path) -> None:
    layout = PARENTSQUARE_LAYOUT
    day = "Rosa 03/0{}/2026, 9:05 AM"
    rosa = ["Conversation with Rosa", *(line for n in (4, 5, 6) for line in (day.format(n), "hi"))]
    sam = ["Conversation with Sam", *(line for n in (2, 3, 1) for line in (day.format(n), "hi"))]
    page = saved("ParentSquare - Messages", *rosa, *sam)
    values = read(tmp_path, {"a.html": page}, layout)
    assert [one.metadata["group"] for one in found(values)] == ["parentsquare:Rosa"] * 3 + [
        "parentsquare:Sam"
    ] * 3
    late = [WarningCode.OUT_OF_ORDER in one.warnings for one in found(values)]
    assert late == [False] * 5 + [True]


@pytest.mark.services
def test_a_conversation_that_a_browser_printed(tmp_path: Path) -> None:
    said = [
        Said(pacific(2026, 3, 4, 9, n), ("Rosa", OWNER)[n % 2], f"déjà vu {n}, office\n" + "word " * 40)
        for n in range(30)
    ]
    (tmp_path / "a.html").write_bytes(parentsquare_page(said, title="Rosa").data)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox"],
        )
        page = browser.new_page()
        page.goto((tmp_path / "a.html").as_uri())
        margin = {"top": "0.6in", "bottom": "0.6in", "left": "0.4in", "right": "0.4in"}
        data = page.pdf(format="Letter", display_header_footer=True, margin=margin)
        browser.close()
    pages = read_pages(data, "lines")
    text, lacks = proposed("parentsquare", pages, "America/Los_Angeles")
    assert lacks == []
    layout = read_unsigned(text, "a proposal")
    made = cut(pages, layout)
    assert [" ".join(one.fields["body"].split()) for one in made.messages] == [
        " ".join(one.text.split()) for one in said
    ]
    assert [one.fields["sender"] for one in made.messages] == [one.sender for one in said]
    assert len(pages.pages) == 4
    assert (made.unplaced, made.furniture) == ((), 10)
    assert count_of(read_pages(data, "count"), layout, lambda _: True) == Expected(31, "time stamps")


def test_a_printed_table_and_messages_that_begin_on_the_line_of_their_head() -> None:
    layout = PARENTSQUARE_LAYOUT.replace("{sender} {sent_at}", "{sent_at}\\t{sender}\\t{body}")
    made = printed(
        "ParentSquare - Messages\n03/04/2026, 9:05 AM\tRosa Delgado\tIs the bus late: yes?\nor no?\n"
        f"03/04/2026, 9:06 AM\tLee\t{'x' * 500}\n03/04/2026, 9:07 AM Lee\tno row", layout=layout,
    )  # fmt: skip
    first, second = made.messages
    assert (first.fields["sender"], first.fields["body"]) == ("Rosa Delgado", "Is the bus late: yes?\nor no?")
    assert second.fields["body"] == f"{'x' * 500}\n03/04/2026, 9:07 AM Lee\tno row"
    chat = PARENTSQUARE_LAYOUT.replace("{sender} {sent_at}", "[{sent_at}] {sender}: {body}")
    made = printed("ParentSquare - Messages\n[03/04/2026, 9:05 AM] Rosa: at 9: see you", layout=chat)
    assert [one.fields["body"] for one in made.messages] == ["at 9: see you"]
