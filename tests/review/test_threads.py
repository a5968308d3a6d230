"""Threads: golden ones, whatever the order; hostile fields; the worked example of Thread-Index."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.threads import By, Header, Placed, base_subject, thread_index_of, threads

HEAD = bytes.fromhex("01DA6BCFFC87" + "12345678" * 4)
ONE, TWO = bytes.fromhex("00002CB410"), bytes.fromhex("000430E210")


def mail(name: str, at: int = 0, *named: str, **more: Any) -> Header:
    """Return a message ``<name@x>`` that names others."""
    return Header(
        item_id=more.pop("item_id", f"i-{name}"),
        same=more.pop("same", f"s-{name}"),
        sent_at=f"2026-03-{at + 1:02d}",
        message_id=more.pop("message_id", f"<{name}@x>"),
        references=" ".join(f"<{one}@x>" for one in named),
        **more,
    )


def tree(*headers: Header) -> dict[str, tuple[str | None, int, str]]:
    """Return parent, depth and way of each message, in threads."""
    return {
        one.same.removeprefix("s-"): (one.parent and one.parent.removeprefix("s-"), one.depth, one.by.value)
        for one in threads(headers)
    }


def sets(*headers: Header) -> set[frozenset[str]]:
    """Return which messages are in one thread."""
    found: dict[str, set[str]] = {}
    for one in threads(headers):
        found.setdefault(one.thread, set()).add(one.same.removeprefix("s-"))
    return {frozenset(one) for one in found.values()}


def test_a_chain_and_a_branch():
    found = tree(mail("a"), mail("b", 1, "a"), mail("c", 2, "a", "b"), mail("d", 3, "a"))
    assert found == {
        "a": (None, 0, "first"),
        "b": ("a", 1, "references"),
        "c": ("b", 2, "references"),
        "d": ("a", 1, "references"),
    }


def test_in_reply_to_alone_and_after_references():
    alone = mail("b", 1, in_reply_to='Your mail of Monday <a@x> "from <z@x>"')
    assert tree(mail("a"), alone)["b"] == ("a", 1, "references")
    both = mail("c", 2, "a", in_reply_to="<b@x>")
    assert tree(mail("a"), mail("b", 1, "a"), both)["c"] == ("b", 2, "references")


def test_a_parent_that_is_missing_holds_its_answers_together():
    found = tree(mail("b", 1, "gone"), mail("c", 2, "gone"))
    assert found == {"b": (None, 0, "first"), "c": (None, 0, "references")}
    assert sets(mail("b", 1, "gone"), mail("c", 2, "gone"), mail("d", 3)) == {frozenset("bc"), frozenset("d")}


def test_a_missing_link_in_the_middle_is_passed_over():
    assert tree(mail("a"), mail("c", 2, "a", "gone"))["c"] == ("a", 1, "references")


def test_what_a_message_says_of_itself_goes_before_what_others_say_of_it():
    """``c`` says that ``b`` answers ``a``; ``b`` says that it answers ``z``."""
    found = tree(mail("a"), mail("z", 1), mail("b", 2, "z"), mail("c", 3, "a", "b"))
    assert (found["b"][0], found["c"][0]) == ("z", "b")


def test_loops_and_answers_to_oneself_are_broken_at_the_earliest():
    assert tree(mail("a", 0, "b"), mail("b", 1, "a")) == {
        "a": (None, 0, "first"),
        "b": ("a", 1, "references"),
    }
    assert tree(mail("a", 0, "a"))["a"] == (None, 0, "first")
    ring = [mail("a", 0, "c"), mail("b", 1, "a"), mail("c", 2, "b")]
    assert {name: parent for name, (parent, _, _) in tree(*ring).items()} == {"a": None, "b": "a", "c": "b"}


def test_a_second_message_with_an_id_is_kept_as_one_of_its_own():
    twin = mail("b", 2, "a", same="s-twin", item_id="i-twin")
    found = tree(mail("a"), mail("b", 1, "a"), twin, mail("c", 3, "a", "b"))
    assert found["twin"] == ("a", 1, "references")
    assert found["c"] == ("b", 2, "references")
    assert len(found) == 4


def test_messages_of_one_id_are_in_one_thread():
    """A copy that lost its attachment on its way is another message, and belongs to its thread."""
    twins = [
        mail("a"),
        mail("", 1, same="s-twin", message_id="<a@x>"),
        mail("", 2, same="s-third", message_id="<a@x>"),
    ]
    assert sets(*twins, mail("b", 3, "a")) == {frozenset({"a", "twin", "third", "b"})}
    found = tree(*twins)
    assert (found["a"], found["twin"]) == ((None, 0, "first"), (None, 0, "same_id"))


def test_copies_are_one_message_with_all_its_places():
    copy = mail("b", 1, "a", item_id="i-copy")
    placed = {one.same: one for one in threads([mail("a"), mail("b", 1, "a"), copy])}
    assert placed["s-b"].items == ("i-b", "i-copy")
    assert (placed["s-b"].place, placed["s-b"].size) == (2, 2)


def test_a_copy_without_fields_takes_those_of_another():
    """An archive left the fields out, and gave an id of its own; an answer names that one."""
    bare = mail("b", 1, same="s-b", message_id="<archive@x>", item_id="i-0")
    found = tree(mail("a"), mail("b", 1, "a"), bare, mail("c", 2, "archive"))
    assert found["b"] == ("a", 1, "references")
    assert found["c"] == ("b", 2, "references")


def test_the_worked_example_of_thread_index():
    raw = base64.b64decode("Adprz/yHEjRWeBI0VngSNFZ4EjRWeAAALLQQAAQw4hA=")
    assert thread_index_of(raw) == HEAD + ONE + TWO
    none = {"message_id": ""}
    found = tree(
        mail("a", 0, thread_index=HEAD, **none),
        mail("b", 1, thread_index=HEAD + ONE, **none),
        mail("c", 2, thread_index=raw, **none),
    )
    assert found == {
        "a": (None, 0, "first"),
        "b": ("a", 1, "thread_index"),
        "c": ("b", 2, "thread_index"),
    }


def test_thread_index_without_its_parents_is_still_one_thread():
    other = bytes.fromhex("01DA6BCFFC87" + "87654321" * 4)
    mails = [
        mail("b", 1, thread_index=HEAD + ONE + TWO),
        mail("c", 2, thread_index=HEAD + TWO),
        mail("d", 3, thread_index=other + TWO),
    ]
    assert sets(*mails) == {frozenset("bc"), frozenset("d")}
    assert tree(*mails)["c"] == (None, 0, "thread_index")


def test_thread_index_goes_before_references():
    found = tree(
        mail("a", 0, thread_index=HEAD),
        mail("z", 1),
        mail("b", 2, "z", thread_index=HEAD + ONE),
    )
    assert found["b"] == ("a", 1, "thread_index")


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (21, 0), (22, 22), (26, 22), (27, 27), (33, 32)])
def test_a_thread_index_that_is_cut(length, kept):
    assert len(thread_index_of((HEAD + ONE + TWO + b"x")[:length])) == kept


def test_a_conversation_of_the_source():
    mails = [mail("a", 0, conversation="s1\x1f17"), mail("b", 1, conversation="s1\x1f17"), mail("c", 2)]
    assert sets(*mails) == {frozenset("ab"), frozenset("c")}
    assert tree(*mails)["b"] == (None, 0, "source")


PEOPLE = ("ana@x", "lee@x")


def test_the_same_subject_with_fields_is_two_threads():
    mails = [
        mail("a", 0, subject="Lunch", people=PEOPLE),
        mail("b", 1, "a", subject="Re: Lunch", people=PEOPLE),
        mail("c", 2, subject="Lunch", people=PEOPLE),
        mail("d", 3, "c", subject="Re: Lunch", people=PEOPLE),
        mail("e", 4, "gone", subject="Re: Lunch", people=PEOPLE),
    ]
    assert sets(*mails) == {frozenset("ab"), frozenset("cd"), frozenset("e")}


def test_a_reply_without_fields_is_put_to_its_subject_and_marked():
    first = mail("a", 0, subject="Lunch", people=PEOPLE)
    reply = mail("b", 1, subject="RE: lunch", people=("lee@x",))
    stranger = mail("c", 2, subject="Re: Lunch", people=("kim@x",))
    again = mail("d", 3, subject="Lunch", people=PEOPLE)
    found = tree(first, reply, stranger, again)
    assert found["b"] == ("a", 1, "subject")
    assert found["c"] == found["d"] == (None, 0, "first")


def test_a_reply_whose_answers_have_fields_joins_no_thread_that_has_some():
    mails = [
        mail("a", 0, subject="Lunch", people=PEOPLE),
        mail("b", 1, "a", subject="Re: Lunch", people=PEOPLE),
        mail("c", 2, subject="Re: Lunch", people=PEOPLE),
        mail("d", 3, "c", subject="Re: Lunch", people=PEOPLE),
    ]
    assert sets(*mails) == {frozenset("ab"), frozenset("cd")}


def test_a_mail_that_names_none_is_put_to_what_it_quotes():
    found = tree(
        mail("a", 0, own=b"1", subject="Draft"),
        mail("b", 1, own=b"1", subject="Draft, sent again"),
        mail("c", 2, quotes=b"1", own=b"2", subject="Your draft"),
        mail("d", 3, "gone", quotes=b"2"),
    )
    assert found["c"] == ("b", 1, "quoted")
    assert found["d"][2] == "first"  # it names another, so what it quotes does not place it


@pytest.mark.parametrize(
    ("subject", "base", "reply"),
    [
        ("Lunch", "lunch", False),
        ("Re: Re[2]: FW: Lunch", "lunch", True),
        ("AW: WG: Antw: SV: TR: RV: Lunch", "lunch", True),
        ("[staff] Re: [staff] Lunch", "lunch", True),
        ("Lunch (fwd)", "lunch", True),
        ("[Fwd: Lunch]", "lunch", True),
        ("Re:", "", True),
        ("[staff]", "[staff]", False),
        ("Research: Lunch", "research: lunch", False),
    ],
)
def test_base_subjects(subject, base, reply):
    assert base_subject(subject) == (base, reply)


names = st.sampled_from("abcdefgh")


@st.composite
def mailbox(draw: st.DrawFn) -> list[Header]:
    return [
        Header(
            item_id=f"i{number}",
            same=f"s{draw(st.integers(0, 7))}",
            sent_at=f"2026-03-0{draw(st.integers(1, 5))}",
            message_id=f"<{draw(names)}@x>",
            references=" ".join(f"<{one}@x>" for one in draw(st.lists(names, max_size=4))),
            in_reply_to=draw(st.sampled_from(["", "<a@x>", "<h@x>"])),
            thread_index=draw(st.sampled_from([b"", HEAD, HEAD + ONE, HEAD + ONE + TWO, HEAD + TWO])),
            subject=draw(st.sampled_from(["", "Lunch", "Re: Lunch"])),
            people=("a@x",),
            own=draw(st.sampled_from([b"", b"1", b"2"])),
            quotes=draw(st.sampled_from([b"", b"1", b"2"])),
        )
        for number in range(draw(st.integers(1, 9)))
    ]


@settings(max_examples=100, deadline=None)
@given(mailbox(), st.randoms(use_true_random=False))
def test_no_order_changes_a_thread_and_none_has_a_loop(headers, draw):
    placed = list(threads(headers))
    shuffled = list(headers)
    draw.shuffle(shuffled)
    assert list(threads(shuffled)) == placed
    assert sorted(item for one in placed for item in one.items) == sorted(one.item_id for one in headers)
    by = {one.same: one for one in placed}
    for one in placed:
        seen: set[str] = set()
        above: Placed = one
        while above.parent is not None:
            assert above.same not in seen
            seen.add(above.same)
            above = by[above.parent]
        assert len(seen) == one.depth
        assert above.thread == one.thread
        assert one.by in set(By)


def test_hostile_fields_cost_little():
    """10,000 ids in one field, ids of 1 MB, a chain of 20,000 answers, all naming each other."""
    began = time.process_time()
    many = " ".join(f"<{number}@x>" for number in range(10_000))
    long = f"<{'a' * 1_000_000}@x>"
    mails = [mail(f"m{number}", 1)._replace(references=many) for number in range(20)]
    mails += [mail("long", 2, message_id=long), mail("after", 3)._replace(in_reply_to=long)]
    chain = [
        Header(f"i-c{n:06d}", f"s-c{n:06d}", f"2026-04-01T{n:06d}", f"<c{n}@x>", f"<c{n - 1}@x> <c{n + 1}@x>")
        for n in range(20_000)
    ]
    found = {one.same: one for one in threads([*mails, *chain])}
    assert found["s-after"].parent == "s-long"
    assert len(found) == len(mails) + len(chain)
    assert max(one.size for one in found.values()) == 20_000
    assert time.process_time() - began < 8
