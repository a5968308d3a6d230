"""What the patterns of the signals find in plain text, and what looks alike and is none."""

# ruff: noqa: E501 - each text stands on one line

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import signal_text as s
from search.unsearched import LINK_HOSTS

OWN = [
    ("text me at 206-555-0142", ["+12065550142"]),
    ("Text me at (206) 555-0142 after six.", ["+12065550142"]),
    ("after six text\nme at\n(206) 555-0142, not on the desk phone", ["+12065550142"]),
    ("my cell is +1 206 555 0142", ["+12065550142"]),
    ("My personal number: 206.555.0142", ["+12065550142"]),
    ("text me at 555-0142", ["+15550142"]),
    ("my gmail is ann.lee@gmail.com.", ["ann.lee@gmail.com"]),
    ("For this my personal e-mail address is\n<Ann77@freemail.example>", ["ann77@freemail.example"]),
    ("send it to me at ann@freemail.example", ["ann@freemail.example"]),
    ("please email me instead: ann@freemail.example", ["ann@freemail.example"]),
    ("write me at ann@freemail.example or text me at 206-555-0142",
     ["ann@freemail.example", "+12065550142"]),
]  # fmt: skip
NOT_OWN = [
    "call me at 206-555-0142",  # a call leaves no record that is searched
    "text me on my work cell 206-555-0142",
    "my office number is 206-555-0142",
    "the district cell is 206-555-0142",
    "text me. The vendor is at 206-555-0142",
    "contact me or the planner. His address is colm@transit.example",
    "Ann Lee\nTeacher\n206-555-0142\nann.lee@falls.example",
    "text me at room 214",
    "the context me and Ann saw, 206-555-0142",
    "my gmail was full yesterday",
    "",
]


@pytest.mark.parametrize(("text", "accounts"), OWN)
def test_an_account_that_its_writer_calls_their_own(text, accounts):
    assert [one.account for one in s.announced(text)] == accounts
    assert s.may_announce(text.lower())


@pytest.mark.parametrize("text", NOT_OWN)
def test_accounts_that_nobody_calls_their_own(text):
    assert list(s.announced(text)) == []


def test_the_place_holds_the_words_and_the_account():
    text = "Late. My gmail is a@b.example, use it."
    assert [text[slice(*one.place)] for one in s.announced(text)] == ["My gmail is a@b.example"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("just text me when it is done", ["phone"]),
        ("it is on my personal phone", ["phone"]),
        ("took it with my own\ni-phone", ["phone"]),
        ("send it to my gmail", ["e-mail account"]),
        ("Writing from my personal account", ["e-mail account"]),
        ("text me or use my private e-mail", ["phone", "e-mail account"]),
        ("text me at 206-555-0142", []),  # said which: an account
        ("my gmail is ann@gmail.com", []),
        ("call me on my cell", []),
        ("my account of the meeting", []),
        ("the phone in my office", []),
        ("read the text; me too", []),
    ],
)
def test_a_device_or_account_that_is_spoken_of(text, what):
    assert [one for one, _ in s.devices(text)] == what
    assert not what or s.may_announce(text.lower())


APPS = [
    ("I'll WhatsApp you the times", "WhatsApp"),
    ("it is in the whats app group", "WhatsApp"),
    ("we are on Signal now", "Signal"),
    ("Ask in the Signal\ngroup", "Signal"),
    ("let us move this to Signal.", "Signal"),
    ("DM me on Instagram", "Instagram messages"),
    ("message her, the coach, on insta", "Instagram messages"),
    ("an Instagram DM from a parent", "Instagram messages"),
    ("Please check Remind for it", "Remind"),
    ("sent by Remind message", "Remind"),
    ("see www.remind.com/join", "Remind"),
    ("on Snapchat", "Snapchat"),
    ("the boosters' Telegram group", "Telegram"),
    ("GroupMe has it", "GroupMe"),
    ("our Discord server", "Discord"),
    ("AirDrop me the photos", "AirDrop"),
    ("she airdropped the file", "AirDrop"),
    ("ping me on Teams", "Microsoft Teams chat"),
    ("in our Slack channel", "Slack"),
    ("message me on Facebook", "Facebook Messenger"),
    ("on Messenger", "Facebook Messenger"),
    ("I iMessaged him", "iMessage"),
    ("it came by iMessage", "iMessage"),
    ("in the gchat", "Google Chat"),
    ("ParentSquare went out", "ParentSquare"),
]
NO_APPS = [
    "the traffic signal at Third is out",
    "Signal Hill Elementary",
    "turn on Signal Hill Road",
    "signal the driver by hand",
    "on signal, leave the bus",
    "the cell signal in the gym",
    "please remind parents about it",
    "Remind parents on Monday.",
    "a note to see Remind the drivers",
    "posted on Facebook and Instagram",
    "follow us on Twitter",
    "no slack in the schedule",
    "teams of four; the teams chatted",
    "a telegram of 1912",
    "discord among the drivers",
    "group me with the fourth grade",
    "in line with the message of the board",
    "we chat on Fridays",
]


@pytest.mark.parametrize(("text", "app"), APPS)
def test_an_app_is_named(text, app):
    assert {name for name, _ in s.apps_in(text)} == {app}


@pytest.mark.parametrize("text", NO_APPS)
def test_ordinary_words_name_no_app(text):
    assert list(s.apps_in(text)) == []


def test_every_app_of_the_file_has_a_trigger_in_each_thing_it_finds():
    raw = tomllib.loads((Path(s.__file__).parent / "signals.toml").read_text("utf-8"))
    assert len({one["name"] for one in raw["app"]}) == len(raw["app"]) == len(s.words().apps)
    for one in raw["app"]:
        assert set(one) == {"name", "triggers", "patterns"}
        assert all(trigger == trigger.lower() for trigger in one["triggers"])
        assert not [p for p in one["patterns"] if re.search(r"(?<!\\)[*+](?!\})", p)], "unbounded"
    for text, app in APPS:
        triggers = next(one.triggers for one in s.words().apps if one.name == app)
        assert any(trigger in " ".join(text.lower().split()) for trigger in triggers)


LINKS = [
    ("https://docs.google.com/document/d/1AbC_-9/edit?usp=sharing", ["docs.google.com/1AbC_-9"]),
    ("(docs.google.com/document/d/1AbC_-9)", ["docs.google.com/1AbC_-9"]),
    ("http://drive.google.com/open?id=1AbC&x=1.", ["drive.google.com/1AbC"]),
    ("https://drive.google.com/drive/folders/0BxY?usp=x", ["drive.google.com/0BxY"]),
    ("https://falls.sharepoint.com/:w:/s/Bus/EaBc?e=9xY", ["falls.sharepoint.com/:w:/s/Bus/EaBc"]),
    ("https://onedrive.live.com/?id=A%21B&cid=7", ["onedrive.live.com?id=A!B"]),
    ("https://1drv.ms/w/s!Ab", ["1drv.ms/w/s!Ab"]),
    ("https://www.dropbox.com/s/q1/map.pdf?dl=0, thanks", ["dropbox.com/s/q1/map.pdf"]),
    ("https://app.box.com/s/q1", ["app.box.com/s/q1"]),
    ("https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fdocs.google.com%2Fdocument%2Fd%2F1AbC%2Fedit&data=1",
     ["docs.google.com/1AbC"]),
    ("https://urldefense.com/v3/__https://docs.google.com/document/d/1AbC/edit__;!!x", ["docs.google.com/1AbC"]),
    ("https://www.google.com/url?q=https://www.dropbox.com/s/q1/map.pdf&sa=D", ["dropbox.com/s/q1/map.pdf"]),
    ("https://docs.google.com/", []),
    ("docs.google.com", []),
    ("https://falls.example/d/1AbC", []),
    ("https://notdropbox.com/s/1", []),
    ("https://evil.example/docs.google.com", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "files"), LINKS)
def test_one_spelling_for_each_linked_file(text, files):
    assert sorted({link for link, _ in s.links_in(text)}) == files


def test_every_host_of_the_gap_report_is_a_place_of_links():
    for host in LINK_HOSTS:
        assert [link for link, _ in s.links_in(f"see https://{host}/d/1AbC?id=1AbC")] != []


ATTACHED = [
    "See attached.",
    "Please see the attached memo",
    "Attached please find the list",
    "Attached is the list",
    "please find\nattached the list",
    "The memo is attached.",
    "Both lists are enclosed",
    "I've attached two files",
    "I have attached the map",
    "I attached it again",
    "as an attachment",
    "Read the attached agenda",
    "It is attached to this email",
    "See the message attached.",
    "Mark, Attached as discussed are the following documents",
    "attached for your review is a draft",
    "per the attached template",
]
NOT_ATTACHED = [
    "I attached nothing yet; the file is with them",
    "The table will be attached tomorrow",
    "It is not attached",
    "isn't attached",
    "The sign is attached to the fence",
    "an attached garage",
    "We are very attached to this school",
    "Did you see the attached list?",
    "I cannot see the attached file",
    "if you find attached screws",
    "attachment theory",
    "please attach the list",
    "",
]


@pytest.mark.parametrize("text", ATTACHED)
def test_says_that_something_is_attached(text):
    assert len(list(s.attached_in(text))) >= 1


@pytest.mark.parametrize("text", NOT_ATTACHED)
def test_speaks_of_attaching_and_attaches_nothing(text):
    assert list(s.attached_in(text)) == []


# -- who wrote which part


def authors(text: str) -> list[tuple[str, str]]:
    """Return, line by line with words, who wrote it."""
    out = []
    for part in s.parts_of(text):
        for line in part.text.split("\n"):
            if line.strip():
                who = "me" if part.own else part.author[1] or part.author[0] or "?"
                out.append((who, " ".join(line.split())))
    return out


def test_a_reply_with_marks():
    text = (
        "Mine.\n\nOn Mon, 5 Jan 2026 08:00:00 -0800, Ann Lee <ann@falls.example> wrote:\n"
        "> Hers.\n> On Tue, Bo Ray\n> <bo@falls.example> wrote:\n>> His.\n> Hers again.\nMine again."
    )
    found = authors(text)
    assert ("me", "Mine.") in found
    assert ("ann@falls.example", "Hers.") in found
    assert ("bo@falls.example", "His.") in found
    assert ("ann@falls.example", "Hers again.") in found
    assert found[-1] == ("me", "Mine again.")


def test_a_reply_without_marks_and_a_forward():
    assert authors("Mine.\n\nOn Mon, Jan 5, 2026 at 8:00 AM Ann Lee wrote:\nHers.")[-1] == (
        "Ann Lee",
        "Hers.",
    )
    text = (
        "For you.\n---------- Forwarded message ---------\nFrom: Ann Lee <ann@falls.example>\nDate: x\n\nHers.\n"
        "From: Bo Ray\nSent: Monday\nTo: Ann\nSubject: x\n\nHis."
    )
    found = authors(text)
    assert found[0] == ("me", "For you.")
    assert ("ann@falls.example", "Hers.") in found
    assert found[-1] == ("Bo Ray", "His.")


def test_marks_without_a_heading_are_nobodys_we_know():
    assert authors("> old words\nmine") == [("?", "old words"), ("me", "mine")]


def test_ordinary_lines_are_no_headings():
    text = "On Monday we meet.\nFrom: the east door\nTo the west door.\nOn second thought she wrote: no."
    assert {who for who, _ in authors(text)} == {"me"}


@given(
    st.lists(
        st.sampled_from(["> ", ">> ", "a", "On Mon, A <a@b.example> wrote:", "From: X", "Sent: y", " ", "é"])
    )
)
def test_the_parts_are_the_text(lines):
    text = "\n".join(lines)
    parts = s.parts_of(text)
    assert sum(len(part.text) for part in parts) + max(0, len(parts) - 1) == len(text)
    for part in parts:
        whole = text[part.start : part.start + len(part.text)]
        assert [
            a for a, b in zip(part.text, whole, strict=True) if a != b and (a != " " or b not in "> ")
        ] == []


# -- nothing crashes, nothing takes long


def everything(text: str) -> None:
    lower = text.lower()
    s.may_announce(lower)
    for find in (s.apps_in, s.links_in):
        list(find(text, lower))
    for part in s.parts_of(text):
        for find in (s.announced, s.devices, s.attached_in, s.emails_in, s.numbers_in):
            list(find(part.text))


@given(st.text(max_size=300))
@settings(max_examples=150)
def test_no_text_breaks_it(text):
    everything(text)


@given(
    st.lists(
        st.sampled_from(
            ["text me at ", "my gmail is ", "@", "a@b.example", "206-555-0142", "(", ">", "\n", "https://docs.google.com/d/",
             "On ", " wrote:\n", "From: ", "attached", "see ", "the ", "I've ", "%2F", "url=", "1", ".", "é", "￿", "+"]
        ),
        max_size=40,
    ).map("".join)
)  # fmt: skip
@settings(max_examples=300)
def test_no_mixture_breaks_it_and_every_place_lies_inside(text):
    everything(text)
    found = [
        place for finder in (s.emails_in, s.numbers_in, s.apps_in, s.links_in) for _, place in finder(text)
    ]
    found += [one.place for one in s.announced(text)] + list(s.attached_in(text))
    assert all(0 <= start < end <= len(text) for start, end in found)


UNIT = {
    "letters": "a",
    "at": "a@",
    "digits": "5",
    "spaces": " ",
    "lines": "\n",
    "marks": ">",
    "marked lines": "> \n",
    "cues": "text me at ",
    "mail cues": "my gmail my home e-mail ",
    "attached": "see the attached see ",
    "links": "https://docs.google.com/",
    "long link": "docs.google.com/a",
    "wrapped": "https://urldefense.com/v3/__",
    "safe": "https://x.safelinks.protection.outlook.com/?",
    "on": "On ",
    "on lines": "On a\n",
    "from lines": "From: a\n",
    "dots": "a.",
    "brackets": "(206) ",
    "dm": "dm ",
    "plus": "+1 2 ",
    "wrote": "On x wrote:\n",
}


def seconds(text: str) -> float:
    began = time.process_time()
    everything(text)
    return time.process_time() - began


@pytest.mark.slow
@pytest.mark.parametrize("name", UNIT)
def test_a_long_hostile_text_takes_four_times_a_quarter_of_it(name):
    whole = (UNIT[name] * (400_000 // len(UNIT[name])))[:400_000]
    quarter = min(seconds(whole[:100_000]) for _ in range(2))
    assert seconds(whole) < 10 * quarter + 0.2  # a quadratic pattern takes sixteen times
