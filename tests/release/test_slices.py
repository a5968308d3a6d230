"""Pages of conversations: released messages in their words, each other one counted, nothing that is kept."""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from records import canonical
from records import tables as t
from records.conversations import Conversation, Said, cut
from records.vocabulary import ReviewState
from release.context import frozen_form
from release.conversation_page import conversation_pages
from release.gate import gate
from release.keys import home_key
from release.package import approve, build_draft, package
from release.render import Rows
from release.selection import NotProduced, Role, Selection
from release.slices import LEFT_OUT, cut_for_release, in_words
from release.verifier import ConversationPage, verify
from tests.release.talk import KEPT, told
from tests.release.test_verifier import edit, failed, resign
from tests.release.world import OPEN, RELEASE, REQUEST, WITHHOLD, new_world

GOLDEN = Path(__file__).parent / "golden" / "conversation.html"


@pytest.fixture
def bag(made, tmp_path):
    shutil.copytree(made.out / "release", tmp_path / "bag")
    return tmp_path / "bag"


def index(made) -> list[dict[str, str]]:
    text = (made.data / "index.csv").read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def number_of(made, name: str) -> str:
    row = made.world.row(t.numbers, item_id=made.ids[name])
    return f"CFS{row.number:07d}"


def page_with(made, name: str) -> Path:
    number = number_of(made, name)
    return made.data / next(row["conversation"] for row in index(made) if row["number"] == number)


def words_of(path: Path) -> str:
    body = html.document_fromstring(path.read_text("utf-8")).find("body")
    return re.sub(r" ([.,:;])", r"\1", " ".join(" ".join(body.itertext()).split()))


# --- what a page says ----------------------------------------------------------------------------------


def test_a_day_is_a_page_named_by_its_first_number(made):
    names = ["first", "next", "summer", "undated", "other"]
    pages = {name: page_with(made, name).name for name in names}
    assert pages == {name: f"{number_of(made, name)}.html" for name in names}
    assert sorted(p.name for p in (made.data / "conversations").iterdir()) == sorted(pages.values())
    same = {"edited": "first", "gone": "first", "late": "first", "winter": "summer"}
    assert {name: page_with(made, name) for name in same} == {k: page_with(made, v) for k, v in same.items()}


def test_the_page_of_a_day_is_as_it_was_agreed(made):
    """The whole page, byte for byte; ``draft`` and ``approved`` differ in numbers and one word."""
    found = page_with(made, "first").read_bytes()
    if not GOLDEN.exists():
        GOLDEN.write_bytes(found)
        pytest.fail(f"{GOLDEN.name} was made: review and commit it")
    assert found.decode() == GOLDEN.read_text("utf-8")


def test_each_message_of_the_day_is_shown_or_counted_in_its_place(made):
    tree = html.document_fromstring(page_with(made, "first").read_text("utf-8"))
    lines = []
    for line in tree.xpath("//ol[@class='lines']/li"):
        if line.get("class") == "message":
            lines.append(line.xpath(".//p[@class='text']/@id")[0])
        else:
            lines.append((line.xpath("p/text()")[0], [p.text_content() for p in line.xpath("ul/li")]))
    grade = number_of(made, "withheld")
    assert lines == [
        number_of(made, "first"),
        (
            "3 messages are not here",
            [
                f"1 withheld in full: {grade} (RCW 42.56.230(2)(a)(iii))",
                "1 not responsive to the request",
                "1 not looked at, since no search term found it",
            ],
        ),
        number_of(made, "edited"),
        (
            "4 messages are not here",
            [
                "1 not yet produced",
                "1 personal, not a public record",
                "1 outside the days of the request",
                "1 that could not be collected",
            ],
        ),
        number_of(made, "gone"),
        number_of(made, "late"),
    ]
    text = words_of(page_with(made, "first"))
    assert "11 messages on this day: 4 here, 7 not here." in text
    assert "Of those here: 1 edited, 1 deleted, 2 reactions, 1 attachment." in text
    assert "Wednesday, 2026-03-04" in text
    assert (
        "Kept in the same place, of a conversation that nothing names: 2 messages "
        "(1 that could not be collected, 1 outside the days of the request)." in text
    )


def test_a_message_has_its_sender_both_times_and_its_words(made):
    tree = html.document_fromstring(page_with(made, "first").read_text("utf-8"))
    edited = tree.xpath(f"//p[@id='{number_of(made, 'edited')}']")[0]
    assert edited.text == "Is that <b>sure</b>?"
    line = edited.getparent()
    assert line.xpath("div/span[@class='from']/text()") == ["Lee Okafor <+13605550102>"]
    assert line.xpath("div/time/text()") == ["12:04:00 -0800"]
    assert line.xpath("div/time/@datetime") == ["2026-03-04T12:04:00-08:00"]
    assert line.xpath("div/span[@class='utc']/text()") == ["2026-03-04 20:04:00 UTC"]
    assert line.xpath("p[@class='said']/text()") == ["edited; 2 reactions"]
    photo = number_of(made, "photo")
    assert [(a.text, a.get("href"), a.tail) for a in line.xpath("ul/li/a")] == [
        (photo, f"../natives/{photo}.jpg", " stop.jpg")
    ]
    gone = tree.xpath(f"//p[@id='{number_of(made, 'gone')}']")[0].getparent()
    assert gone.xpath("div/span[@class='from']/text()") == ["sender not stated"]
    assert gone.xpath("p[@class='said']/text()") == [
        "no words were read from it",
        "marked as deleted where it was kept",
    ]


def test_the_hour_that_comes_twice_is_told_apart_by_its_offset(made):
    text = page_with(made, "summer").read_text("utf-8")
    assert re.findall(r"<time[^>]*>([^<]+)", text) == ["01:30:00 -0700", "01:30:00 -0800"]
    assert re.findall(r'class="utc">([^<]+)', text) == ["2026-11-01 08:30:00 UTC", "2026-11-01 09:30:00 UTC"]
    assert "clocks changed, and it had 25 hours" in text


def test_what_has_no_clock_is_a_group_of_its_own(made):
    text = words_of(page_with(made, "undated"))
    assert "1 message without a trustworthy time: 1 here, 0 not here." in text
    assert "last Tuesday, 9ish no trustworthy time" in text
    assert "UTC" not in text


def test_midnight_of_the_requests_zone_parts_two_pages_that_lead_to_each_other(made):
    before, after = page_with(made, "late"), page_with(made, "next")
    assert before != after
    leads = {
        path: re.findall(r'rel="(\w+)" href="([^"]+)"', path.read_text("utf-8")) for path in (before, after)
    }
    assert leads[before] == [("next", after.name)]
    assert leads[after] == [("prev", before.name), ("next", page_with(made, "summer").name)]
    assert "rel=" not in page_with(made, "other").read_text("utf-8")


def test_words_that_turn_a_line_around_are_not_shown(made):
    tree = html.document_fromstring(page_with(made, "next").read_text("utf-8"))
    assert tree.xpath("//p[@class='text']/text()") == ["Good morning."]


def test_nothing_of_what_is_kept_is_on_any_page(made):
    for path in (made.data / "conversations").iterdir():
        text = path.read_text("utf-8")
        for name, words in KEPT.items():
            assert words not in text, (path.name, name)
            assert made.ids[name] not in text
        assert "12:01:00" not in text  # when the withheld one was sent
        assert not re.search(r"https?:|url\(|@import|<script|<img|style=", text)
        assert "default-src 'none'" in text


def test_the_same_plan_gives_the_same_bytes(made, tmp_path):
    again = package(
        made.world.catalogue, made.world.store, REQUEST, tmp_path / "again", context=told(), key=made.key
    )
    for path in (made.data / "conversations").iterdir():
        other = tmp_path / "again" / "release" / "data" / "conversations" / path.name
        assert other.read_bytes() == path.read_bytes()
    assert again.counts["conversation_pages"] == 5


def test_the_index_lists_and_links_them(made):
    tree = html.document_fromstring((made.data / "index.html").read_text("utf-8"))
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    rows = tree.xpath("//h2[@id='conversations']/following-sibling::div[1]/table/tbody/tr")
    assert [" ".join(" ".join(row.itertext()).split()) for row in rows] == [
        "Wednesday, 2026-03-04 Conversation of Ana Ruiz, Lee Okafor 4 7",
        "Thursday, 2026-03-05 Conversation of Lee Okafor, Ana Ruiz 1 0",
        "Sunday, 2026-11-01 Conversation of Ana Ruiz, Lee Okafor 2 0",
        "Without a trustworthy time Conversation of Ana Ruiz, Lee Okafor 1 0",
        "Wednesday, 2026-03-04 Conversation of Ana Ruiz, Lee Okafor 1 0",
    ]
    for link in tree.xpath("//a[starts-with(@href, 'conversations/')]/@href"):
        path, _, anchor = link.partition("#")
        text = (made.data / path).read_text("utf-8")
        assert not anchor or f'class="text" id="{anchor}"' in text
    shown = [row["number"] for row in index(made) if row["conversation"]]
    assert len(tree.xpath("//a[text()='conversation']")) == len(shown) == 9


def test_what_went_out_before_is_named_by_its_number(made, tmp_path):
    """A second instalment: the day's page shows what is new, and names what the first one showed."""
    shutil.copytree(made.home, tmp_path / "home")
    known = {n: getattr(made.world, n) for n in ("count", "segments", "decided", "top", "levels")}
    world = replace(new_world(tmp_path / "home"), **known)
    world.decide(made.ids["open"], RELEASE)
    world.decide(made.ids["outside"], WITHHOLD)
    draft = build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=told())
    approve(world.catalogue, REQUEST, draft.manifest_sha256, "R. Officer", "approved")
    package(world.catalogue, world.store, REQUEST, tmp_path / "out", context=told(), key=made.key)
    (page,) = (tmp_path / "out" / "release" / "data" / "conversations").iterdir()
    text = words_of(page)
    first, grade, edited, gone, late = (
        number_of(made, n) for n in ("first", "withheld", "edited", "gone", "late")
    )
    assert "11 messages on this day: 1 here, 10 not here." in text
    assert f"1 withheld in full in an earlier instalment: {grade}" in text
    assert f"2 released in an earlier instalment: {first}, {edited}" in text
    assert f"2 released in an earlier instalment: {gone}, {late}" in text
    assert "Not decided yet" in text
    report = verify(tmp_path / "out", made.key.fingerprint)
    assert report.ok
    assert report.facts["conversations"] == {"pages": 1, "messages": 1, "left_out": 10}
    world.store.close()
    world.catalogue.close()


# --- any decisions -------------------------------------------------------------------------------------

_OUTCOMES = ("released", "withheld", "before", "withheld_before", "waiting", "aside", "private", "unseen")
_STATE = {"aside": ReviewState.NOT_RESPONSIVE, "private": ReviewState.PERSONAL_MATTER}


def record(n: int, at: datetime | None, outcome: str) -> dict:
    withheld = outcome == "withheld"
    return {
        "item_id": f"i{n}", "role": "withheld" if withheld else "released", "family_id": f"i{n}", "level": 0,
        "kind": "chat", "at": at and canonical.utc_text(at), "at_basis": "stated", "at_text": "",
        "sender": [["Ana", f"+1360555{n:04d}"]], "to": [], "cc": [], "bcc": [], "participants": [],
        "custodian": "c1", "pages": None, "blob_sha256": "0" * 64, "size_bytes": 1, "decided_by": "R",
        "exemptions": [{"code": "student-any-record", "explanation": "why"}] if withheld else [],
        "decided_at": "2026-10-01T00:00:00.000000Z", "log_no": n, "subject": "", "name": "", "holders": [],
        "extension": "json", "text_sha256": f"t{n}", "retention": None, "states": [], "reactions": 0,
    }  # fmt: skip


def pages_of(outcomes: list[tuple[str, int | None, str]]) -> tuple[list, Rows, dict[str, bytes]]:
    """Make the pages of one conversation: outcome, minutes after its beginning, why it is not there."""
    begin = datetime(2026, 10, 31, 12, tzinfo=UTC)
    said = []
    for n, (_, minutes, gone) in enumerate(outcomes):
        at = None if minutes is None else begin + timedelta(minutes=minutes)
        said.append(Said(f"i{n}", at, ("b1", n), left_out=gone))
    fate = {f"i{n}": outcome for n, (outcome, _, gone) in enumerate(outcomes) if not gone}
    roles = {"released": Role.RELEASED, "withheld": Role.WITHHELD}
    going = {i: roles[outcome] for i, outcome in fate.items() if outcome in roles}
    before = {"before": Role.RELEASED, "withheld_before": Role.WITHHELD}
    produced = {i: before[outcome] for i, outcome in fate.items() if outcome in before}
    selection = Selection(
        going,
        {i: NotProduced.REDACTION for i, outcome in fate.items() if outcome == "waiting"},
        {},
        {i: _STATE[outcome] for i, outcome in fate.items() if outcome in _STATE},
    )
    whole = Conversation("", "s", "k", "c1", cut(said, ZoneInfo("America/Los_Angeles")), {})
    found = cut_for_release([whole], selection, produced, {i: int(i[1:]) + 5000 for i in produced})
    context = {**frozen_form(told()), "citations": {"student-any-record": "RCW 1"}, "log_people": {}}
    basis = {
        "request_id": REQUEST, "installment": 2, "slices": found, "review": {},
        "records": [record(int(i[1:]), said[int(i[1:])].at, fate[i]) for i in going],
        "families": {i: {"earlier": [], "waiting": 0} for i in going},
    }  # fmt: skip
    rows = Rows({"basis": basis, "context": context}, None)
    return said, rows, conversation_pages(rows, lambda sha256: f"secret{sha256}word")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(_OUTCOMES),
            st.none() | st.integers(0, 4000),
            st.sampled_from(["", "", "", "outside_window", "corrupt"]),
        ),
        max_size=25,
    )
)
def test_whatever_is_decided_each_message_is_shown_or_counted_once(outcomes):
    said, rows, pages = pages_of(outcomes)
    released = {
        f"i{n}" for n, (outcome, _, gone) in enumerate(outcomes) if outcome == "released" and not gone
    }
    shown = []
    for day in cut(said, ZoneInfo("America/Los_Angeles")):
        mine = [one.item_id for one in day.said if one.item_id in released]
        if not mine:
            continue
        text = pages[f"conversations/{rows.numbers[mine[0]]}.html"].decode()
        page = ConversationPage(text)
        assert [number for number, _ in page.all("text")] == [rows.numbers[one] for one in mine]
        assert [words for _, words in page.all("text")] == [f"secrett{one[1:]}word" for one in mine]
        assert len(mine) + sum(int(words.split()[0]) for _, words in page.all("count")) == len(day.said)
        assert sum(int(words.split()[0]) for _, words in page.all("part")) == len(day.said) - len(mine)
        for one in day.said:
            assert (f"secrett{one.item_id[1:]}word" in text) == (one.item_id in released)
        shown += mine
    assert sorted(shown) == sorted(released)
    assert len(pages) == len(rows.slices)


def test_every_reason_has_words_for_one_and_for_many():
    assert [in_words(reason, 2) for reason in LEFT_OUT] == [
        "2 withheld in full",
        "2 withheld in full in an earlier instalment",
        "2 released in an earlier instalment",
        "2 not yet produced",
        "2 not responsive to the request",
        "2 personal, not a public record",
        "2 not looked at, since no search term found them",
        "2 outside the days of the request",
        "2 that could not be collected",
    ]


# --- what checks them ----------------------------------------------------------------------------------


def test_the_verifier_counts_them(made):
    report = verify(made.out, made.key.fingerprint)
    assert report.ok
    assert report.facts["conversations"] == {"pages": 5, "messages": 9, "left_out": 7}
    assert report.facts["counts"]["conversation_pages"] == 5


FIRST = "The bus route changes on Monday."
FORGED = {
    "other words": (FIRST, "The bus route changes on Friday."),
    "words more": (FIRST, f"{FIRST} {KEPT['withheld']}"),
    "another sender": ("Ana Ruiz &lt;+13605550101&gt;</span>", "Lee Okafor &lt;+13605550102&gt;</span>"),
    "a sender of its own": ("sender not stated", "Sam"),
    "another time": ("12:04:00 -0800<", "12:05:00 -0800<"),
    "a mark made smaller": ("3 messages are not here", "2 messages are not here"),
    "a reason made smaller": ("<li class=\"part\">1 not responsive to the request</li>", ""),
    "a head that says less": ("4 here, 7 not here", "4 here, 6 not here"),
    "a number that is withheld": ('class="carried"', 'class="withheld"'),
    "a number that is not": ('class="withheld"', 'class="carried"'),
    "a number of before": ('class="withheld"', 'class="before"'),
    "a comment": ("<main>", f"<main><!-- {KEPT['withheld']} -->"),
    "a hidden element": ("<main>", f"<main><p hidden>{KEPT['withheld']}</p>"),
    "a message gone": ('class="text" id="CFS0000001"', 'class="words" id="CFS0000001"'),
    "a message twice": ('<ol class="lines">', '<ol class="lines"><li class="text" id="CFS0000001">x</li>'),
    "a mark without a number": ("3 messages are not here", "some messages are not here"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_page_that_says_something_else_fails_even_when_signed(made, bag, tmp_path, name):
    edit(bag / "data" / "conversations" / page_with(made, "first").name, *FORGED[name])
    resign(bag, home_key(tmp_path / "other"))
    assert failed(verify(bag)) == {"pages of conversations"}


def test_a_page_gone_or_added_fails_even_when_signed(made, bag, tmp_path):
    path = bag / "data" / "conversations" / page_with(made, "other").name
    path.rename(path.with_name("CFS0000001x.html"))
    resign(bag, home_key(tmp_path / "other"))
    assert failed(verify(bag)) == {"pages of conversations"}
    path.with_name("CFS0000001x.html").unlink()
    resign(bag, home_key(tmp_path / "other"))
    assert failed(verify(bag)) == {"pages of conversations", "counts add up"}


def found_in(made, bag):
    report = gate(bag, made.world.catalogue, made.world.store, REQUEST)
    return {(f.check, f.what) for f in report.findings}


def test_the_gate_compares_a_message_word_for_word(made, bag):
    """Four words of a withheld message are no run that the gate could know: the whole text is compared."""
    assert found_in(made, bag) == set()
    page = bag / "data" / "conversations" / page_with(made, "first").name
    edit(page, FIRST, f"{FIRST} {KEPT['withheld']}")
    assert found_in(made, bag) == {("conversation", made.ids["first"])}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("<main>", "<main><!-- x -->", "not_as_it_is_written"),
        ('<p class="text" id="CFS0000001"', '<p class="text" id="CFS0000002"', "not_a_released_message"),
        ('<ol class="lines">', '<ol class="lines"><li class="text" id="CFS0000001">x</li>', "first"),
    ],
)
def test_the_gate_finds_a_page_that_is_not_ours(made, bag, old, new, what):
    page = bag / "data" / "conversations" / page_with(made, "first").name
    edit(page, old, new)
    assert ("conversation", made.ids.get(what, what)) in found_in(made, bag)


def test_a_page_under_another_name_is_found(made, bag):
    page = bag / "data" / "conversations" / page_with(made, "first").name
    page.rename(page.with_suffix(".txt"))
    assert found_in(made, bag) == {("conversation", "not_as_it_is_written")}
    (bag / "data" / "conversations" / "CFS0000002.html").write_bytes(b"")  # the number of a withheld one
    assert ("layout", "not_a_file_of_this_bundle") in found_in(made, bag)


def test_a_request_without_messages_has_no_pages(world, tmp_path):
    world.add(RELEASE, subject="Bus route change", text="A mail is no conversation.")
    world.add(OPEN, kind="chat", text="Nobody decided this.", group="C1")
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=told())
    data = tmp_path / "draft" / "release" / "data"
    assert not (data / "conversations").exists()
    assert "conversations" not in (data / "index.html").read_text("utf-8").lower()
