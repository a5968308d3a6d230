"""Conversations cut into days: hits, context, gaps, clocks that change, and what cannot be placed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import canonical
from records.conversations import AWAY, Gap, Said, around_hits, conversation_of, cut
from tests.review.build import REQUEST, Desk
from tests.review.test_pages import BASE, TOKEN, app_of, client_of, entries

ZONE = ZoneInfo("America/Los_Angeles")


def said(number: int, at: datetime | None, *, hit: bool = False, left_out: str = "") -> Said:
    return Said(f"i{number}", at, ("b1", number), hit, left_out)


def row(marks: str) -> list[Said]:
    """Return messages a minute apart: ``.`` context, ``H`` hit, ``x`` outside the window, ``c`` corrupt."""
    start = datetime(2025, 3, 4, 20, tzinfo=UTC)
    why = {"x": "outside_window", "c": "corrupt"}
    return [
        said(n, start + timedelta(minutes=n), hit=mark == "H", left_out=why.get(mark, ""))
        for n, mark in enumerate(marks)
    ]


def shown(marks: str, most: int | None) -> str:
    (day,) = cut(row(marks), ZONE)
    out = ""
    for entry in around_hits(day, most):
        if isinstance(entry, Gap):
            out += "[" + ",".join(f"{reason[0]}{count}" for reason, count in entry.reasons) + "]"
        else:
            out += "H" if entry.hit else "."
    return out


# --- cutting -------------------------------------------------------------------------------------------


def test_days_are_those_of_the_requests_zone() -> None:
    at = [datetime(2025, 3, 5, 7, 59, 59, tzinfo=UTC), datetime(2025, 3, 5, 8, tzinfo=UTC)]
    days = cut([said(2, at[1]), said(1, at[0]), said(3, None)], ZONE)
    assert [(one.day, [s.item_id for s in one.said]) for one in days] == [
        (date(2025, 3, 4), ["i1"]),
        (date(2025, 3, 5), ["i2"]),
        (None, ["i3"]),
    ]
    assert (days[0].begins_at, days[0].ends_at) == (datetime(2025, 3, 4, 8, tzinfo=UTC), at[1])
    assert (days[2].begins_at, days[2].ends_at) == (None, None)


@pytest.mark.parametrize(("day", "hours"), [((2025, 3, 9), 23), ((2025, 11, 2), 25), ((2025, 11, 3), 24)])
def test_a_day_on_which_clocks_change_is_whole(day: tuple[int, int, int], hours: int) -> None:
    noon = datetime(*day, 20, tzinfo=UTC)
    (one,) = cut([said(1, noon)], ZONE)
    assert one.begins_at is not None
    assert one.ends_at is not None
    assert one.ends_at - one.begins_at == timedelta(hours=hours)


def test_the_hour_that_comes_twice_stays_in_order() -> None:
    first, second = datetime(2025, 11, 2, 8, 30, tzinfo=UTC), datetime(2025, 11, 2, 9, 30, tzinfo=UTC)
    (one,) = cut([said(1, second), said(2, first)], ZONE)
    assert [s.item_id for s in one.said] == ["i2", "i1"]  # both are 1:30 on the clock


def test_equal_times_keep_the_order_of_the_source() -> None:
    at = datetime(2025, 3, 4, 20, tzinfo=UTC)
    (one,) = cut([said(3, at), said(1, at), said(2, at)], ZONE)
    assert [s.item_id for s in one.said] == ["i1", "i2", "i3"]


@given(st.lists(st.none() | st.datetimes(datetime(1995, 1, 1), datetime(2030, 1, 1)), max_size=40))  # noqa: DTZ001
def test_every_message_is_in_exactly_one_day(times: list[datetime | None]) -> None:
    given_messages = [said(n, at and at.replace(tzinfo=UTC)) for n, at in enumerate(times)]
    days = cut(given_messages, ZONE)
    assert sorted(s.item_id for one in days for s in one.said) == sorted(s.item_id for s in given_messages)
    for one in days:
        for message in one.said:
            assert message.at is None or (
                one.begins_at and one.ends_at and one.begins_at <= message.at < one.ends_at
            )


# --- hits and context ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marks", "most", "result"),
    [
        ("..H..", None, "..H.."),
        ("....H....", 2, "[a2]..H..[a2]"),
        ("....H....", 0, "[a4]H[a4]"),
        ("H......H", 1, "H.[a4].H"),
        ("H..H", 1, "H..H"),
        (".....", 5, "[a5]"),
        (".....", None, "....."),
        (".xxH.c", None, ".[o2]H.[c1]"),
        ("..xxH", 1, "[a1].[o2]H"),  # what is left out is no context, and takes none of it away
        ("..x.xc.H", 1, "[a3,o2,c1].H"),
        ("xxx", None, "[o3]"),
        ("", None, None),
    ],
)
def test_what_is_left_out_leaves_a_mark_with_its_number(
    marks: str, most: int | None, result: str | None
) -> None:
    if result is None:
        assert cut(row(marks), ZONE) == ()
        return
    assert shown(marks, most) == result


@given(st.text(alphabet=".Hxc", min_size=1, max_size=60), st.none() | st.integers(0, 8))
def test_shown_and_left_out_add_up_and_every_hit_is_shown(marks: str, most: int | None) -> None:
    (day,) = cut(row(marks), ZONE)
    listed = around_hits(day, most)
    gaps = [entry for entry in listed if isinstance(entry, Gap)]
    messages = [entry for entry in listed if isinstance(entry, Said)]
    assert len(messages) + sum(gap.count for gap in gaps) == len(marks)
    assert sum(one.hit for one in messages) == marks.count("H") == day.hits
    assert not any(one.left_out for one in messages)
    assert all(gap.count for gap in gaps)
    assert not any(isinstance(a, Gap) and isinstance(b, Gap) for a, b in pairwise(listed))


# --- from the catalogue --------------------------------------------------------------------------------


def chat(
    desk: Desk, key: str, at: str, *, group: str = "C1", name: str = "general", state: str = "stored", **about
) -> str:
    item_id = desk.add(key, kind="chat", sent_at=at, state=state, media_type=None, **about)
    written = desk.rows["items"][-1]
    written["moment_at"] = at
    if state == "stored":
        facts = {"group": group, "group_name": name} if group else {}
        written["facts"] = canonical.dumps({"metadata": facts, "warnings": []})
    return item_id


@pytest.fixture
def desk(tmp_path: Path):
    made = Desk(tmp_path / "home")
    yield made
    made.close()


def found_by(desk: Desk, item_id: str):
    with desk.catalogue.read() as connection:
        return conversation_of(connection, REQUEST, 1, item_id, ZONE)


def test_conversations_of_one_place_are_kept_apart(desk: Desk) -> None:
    a = chat(desk, "C1/1", "2026-03-04T20:00:00.000000Z", hits={1: 1})
    b = chat(desk, "C2/1", "2026-03-04T20:01:00.000000Z", group="C2", name="gym")
    c = chat(desk, "C1/2", "2026-03-05T20:00:00.000000Z")
    left = chat(desk, "C1/0", "2026-01-01T20:00:00.000000Z", state="excluded", reason="outside_window")
    lost = chat(desk, "nobody-knows", "2026-01-01T20:00:00.000000Z", state="failed", reason="corrupt")
    desk.save()
    one = found_by(desk, a)
    assert one is not None
    assert one.name == "general"
    assert [[s.item_id for s in day.said] for day in one.slices] == [[left], [a], [c]]
    assert [day.hits for day in one.slices] == [0, 1, 0]
    assert one.slices[0].said[0].left_out == "outside_window"
    assert one.unplaced == {"corrupt": 1}
    assert one.place_of(c) == 2
    assert (one.near(2, -1), one.near(2, 1), one.near(0, 1, with_hits=True)) == (1, None, 1)
    other = found_by(desk, b)
    assert other is not None
    assert [[s.item_id for s in day.said] for day in other.slices] == [[b]]
    again = found_by(desk, left)
    assert again is not None
    assert again.place_of(left) == 0
    assert found_by(desk, lost) is not None


def test_texts_without_a_key_are_kept_together_by_who_takes_part(desk: Desk) -> None:
    ana, lee, kim = ["Ana", "+13605550101"], ["", "+13605550102"], ["", "+13605550103"]
    at = "2026-03-04T20:0{}:00.000000Z"
    first = desk.add("1", kind="message", sent_at=at.format(1), sender=[ana], to=[lee])
    second = desk.add("2", kind="message", sent_at=at.format(2), sender=[lee], to=[["", "+13605550101"]])
    group = desk.add("3", kind="message", sent_at=at.format(3), sender=[ana], to=[lee, kim])
    desk.save()
    one = found_by(desk, first)
    assert one is not None
    assert [s.item_id for s in one.slices[0].said] == [first, second]
    other = found_by(desk, group)
    assert other is not None
    assert [s.item_id for s in other.slices[0].said] == [group]


def test_a_hit_in_what_a_message_carries_is_a_hit_of_the_message(desk: Desk) -> None:
    top = chat(desk, "C1/1", "2026-03-04T20:00:00.000000Z")
    desk.add("1", parent=top, kind="file", name="plan.docx", text="bus route", hits={1: 1})
    desk.save()
    one = found_by(desk, top)
    assert one is not None
    assert one.slices[0].said[0].hit


def test_two_custodians_copies_are_two_conversations(desk: Desk) -> None:
    a = chat(desk, "C1/1", "2026-03-04T20:00:00.000000Z")
    chat(desk, "C1/1", "2026-03-04T20:00:00.000000Z", custodian="c-ana")
    desk.save()
    one = found_by(desk, a)
    assert one is not None
    assert [s.item_id for day in one.slices for s in day.said] == [a]


def test_mail_is_no_conversation(desk: Desk) -> None:
    mail = desk.add("1", subject="Hello")
    desk.save()
    assert found_by(desk, mail) is None
    assert found_by(desk, "f" * 32) is None


# --- the page ------------------------------------------------------------------------------------------


@pytest.fixture
def page(desk: Desk):
    """A conversation of three days; the second has 30 messages, two hits, and 3 that were left out."""
    ids = {"before": chat(desk, "C1/a", "2026-03-03T20:00:00.000000Z", text="the day before")}
    for n in range(30):
        about = {"hits": {1: 1}} if n in {8, 20} else {}
        sender = [["Ana Ruiz", "ana@example.org"]] if n % 2 else [["Lee Okafor", "lee@example.org"]]
        warnings = ("edited",) if n == 8 else ()
        ids[f"m{n}"] = chat(desk, f"C1/b{n}", f"2026-03-04T20:{n:02}:00.000000Z",
                            text=f"<b>words</b> {n}", sender=sender, warnings=warnings, **about)  # fmt: skip
    for n in range(3):
        chat(desk, f"C1/c{n}", f"2026-03-04T20:25:0{n}.000000Z", state="failed", reason="corrupt")
    ids["after"] = chat(desk, "C1/d", "2026-03-05T20:00:00.000000Z", text="the day after", hits={2: 1})
    ids["mail"] = desk.add("m", subject="Hello", hits={1: 1})
    desk.save()
    client = client_of(app_of(desk))
    client.get("/", params={"token": TOKEN})
    return client, desk, ids


def lines(text: str) -> list[tuple[str, str]]:
    """Return class and words of each line."""
    found = re.findall(r'<li class="(hit|context|gap)"[^>]*>(.*?)</li>', text, re.DOTALL)
    return [(kind, " ".join(re.sub(r"<[^>]+>", " ", inner).split())) for kind, inner in found]


def test_a_day_is_read_with_hits_marked_and_gaps_counted(page) -> None:
    client, desk, ids = page
    answer = client.get(f"{BASE}/i/{ids['m8']}/conversation")
    assert answer.status_code == 200
    read = lines(answer.text)
    marks = {"context": ".", "hit": "H", "gap": "|"}
    assert "".join(marks[kind] for kind, _ in read) == "........H...........H.....|...."
    assert read[0][1] == "12:00:00 -08:00 Lee Okafor &lt;lee@example.org&gt; &lt;b&gt;words&lt;/b&gt; 0"
    assert read[8][1].endswith("hit: bus route edited &lt;b&gt;words&lt;/b&gt; 8")
    assert read[26] == ("gap", "3 messages not shown: 3 corrupt")
    assert "Wednesday, 2026-03-04" in answer.text
    assert "33 messages, 2 hits" in answer.text
    assert len(entries(desk, "read")) == 30


def test_context_is_as_much_as_is_asked_for(page) -> None:
    client, _, ids = page
    read = lines(client.get(f"{BASE}/i/{ids['m8']}/conversation?around=5").text)
    assert read[0] == ("gap", "3 messages not shown: 3 further from a hit than asked for")
    assert [kind for kind, _ in read[1:12]] == [*["context"] * 5, "hit", *["context"] * 5]
    alone = lines(client.get(f"{BASE}/i/{ids['m8']}/conversation?around=0").text)
    assert [kind for kind, _ in alone] == ["gap", "hit", "gap", "hit", "gap"]
    assert alone[4][1] == "12 messages not shown: 9 further from a hit than asked for, 3 corrupt"


def test_days_lead_to_each_other(page) -> None:
    client, _, ids = page
    here = f"{BASE}/i/{ids['m8']}/conversation"
    text = client.get(here).text
    assert f'rel="prev" href="{here}?day=1"' in text
    assert f'rel="next" href="{here}?day=3"' in text
    assert "the day before" in client.get(f"{here}?day=1").text
    later = client.get(f"{here}?day=3&around=0").text
    assert "the day after" in later
    assert f'href="{here}?day=2&amp;around=0"' in later
    assert client.get(f"{here}?day=4").status_code == 404


def test_a_long_day_comes_in_pages_and_opens_at_the_message(page, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _, ids = page
    monkeypatch.setattr("review.conversation_page.MESSAGES_A_PAGE", 10)
    text = client.get(f"{BASE}/i/{ids['m20']}/conversation").text
    assert "Page 3 of 4" in text
    assert f'id="i-{ids["m20"]}"' in text
    assert len(lines(client.get(f"{BASE}/i/{ids['m20']}/conversation?page=4").text)) == 1


def test_a_message_leads_to_its_conversation_and_a_mail_does_not(page) -> None:
    client, _, ids = page
    assert "Read it in its conversation" in client.get(f"{BASE}/i/{ids['m8']}").text
    assert "Read it in its conversation" not in client.get(f"{BASE}/i/{ids['mail']}").text
    assert client.get(f"{BASE}/i/{ids['mail']}/conversation").status_code == 404


def test_a_conversation_is_locked_as_everything_is(page) -> None:
    _, desk, ids = page
    answer = client_of(app_of(desk)).get(f"{BASE}/i/{ids['m8']}/conversation")
    assert answer.status_code == 403
    assert "words" not in answer.text


def test_reasons_of_gaps_are_words(page) -> None:
    client, _, ids = page
    text = client.get(f"{BASE}/i/{ids['m8']}/conversation?around=0").text
    assert AWAY not in text
