"""The printouts of message histories that the example district hands over."""

from __future__ import annotations

import hashlib
import json

import pypdfium2
import pytest

from examples.district.clock import pacific
from examples.district.transcripts import Said, parentsquare_page, remind_history, talkingpoints_history

TWICE = Said(pacific(2026, 3, 4, 9, 5), "Rosa Delgado", "Is the bus late?\nIt is cold.")


def _text(data: bytes) -> list[list[str]]:
    document = pypdfium2.PdfDocument(data)
    found = [page.get_textpage().get_text_range().split("\r\n") for page in document]
    document.close()
    return found


def test_a_history_says_what_a_reader_must_find_in_it() -> None:
    made = remind_history([TWICE, TWICE], owner="Lee Okafor")
    said = [
        "Rosa Delgado (Parent) to Lee Okafor",
        "Mar 4, 2026 at 9:05 AM",
        "Is the bus late?",
        "It is cold.",
    ]
    assert _text(made.data) == [
        [
            "Remind message history",
            "Lee Okafor: individual and group messages",
            "Total messages: 2",
            "All times are shown in Pacific Time",
            *said,
            *said,
            "Page 1 of 1",
        ]
    ]
    key = (
        "Mar 4, 2026 at 9:05 AM\nRosa Delgado (Parent) to Lee Okafor\nMar 4, 2026 at 9:05 AM\n"
        "Is the bus late?\nIt is cold."
    )
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert [one.native_key for one in made.messages] == [f"{digest}:0", f"{digest}:1"]
    first, second = (json.loads(one.native) for one in made.messages)
    assert first["fields"] == second["fields"] == {
        "body": "Is the bus late?\nIt is cold.", "recipients": "Lee Okafor", "role": "Parent",
        "sender": "Rosa Delgado", "sent_at": "Mar 4, 2026 at 9:05 AM",
    }  # fmt: skip
    assert [(one["page"], one["line"]) for one in second["lines"]] == [(1, 9), (1, 10), (1, 11), (1, 12)]


def test_long_histories_go_over_pages_and_are_the_same_each_time() -> None:
    many = [Said(pacific(2026, 3, 4, 9, n), "Rosa Delgado", "word " * 200) for n in range(9)]
    made = remind_history(many, owner="Lee Okafor", pictures=[3])
    assert made == remind_history(many, owner="Lee Okafor", pictures=[3])
    assert made.pages == len(_text(made.data)) == 4
    assert _text(made.data)[-1] == [""]
    assert [one.pages for one in made.messages if len(one.pages) > 1] == [(1, 2), (2, 3)]
    with pytest.raises(ValueError, match="can't encode"):
        remind_history([Said(pacific(2026, 3, 4), "Rosa", "\N{BUS}")], owner="Lee")


def test_both_texts_of_a_pair_and_a_saved_page() -> None:
    pair = [Said(pacific(2026, 3, 4), "Rosa", "El bus", translated="The bus", language="English")]
    (one,) = talkingpoints_history(pair, family="Delgado").messages
    assert one.text == "El bus\nThe bus"
    made = parentsquare_page([Said(pacific(2026, 3, 4), "Rosa & Co", "a < b")], title="Lee")
    assert b"<b>Rosa &amp; Co</b> 03/04/2026, 9:00 AM</p><p>a &lt; b</p>" in made.data
