"""Inclusive messages: what is contained is shown, and what is not shown is not said."""

from __future__ import annotations

import pytest

from review.inclusive import Mail, Standing, Why, standings
from review.quoted import pieces

FIRST = "Here is the draft that we spoke about yesterday, with the routes of all buses.\n"
SECOND = "Thank you, it reads well. I have two questions about route fourteen.\n"
THIRD = "The stop moves to the other side of the road from Monday on.\n"


def quoted(text: str, who: str = "Alice") -> str:
    return f"On Tue, Mar 3, 2026 {who} <a@b.example> wrote:\n" + "".join(
        f"> {line}\n" for line in text.splitlines()
    )


def mail(name: str, text: str, *attachments: str, whole: bool = True, bcc: bool = False) -> Mail:
    found = pieces(text)
    return Mail(
        name,
        tuple(one.digest for one in found),
        sum(one.letters for one in found),
        frozenset(attachments),
        whole,
        bcc,
    )


REPLY = f"{SECOND}\n{quoted(FIRST)}"
LAST = f"{THIRD}\n{quoted(REPLY)}"


def of(*thread: Mail) -> dict[str, str]:
    """Return by message what contains it, or why it is inclusive."""
    return {one.same: one.container or str(one.why) for one in standings(thread)}


def test_a_chain_is_contained_in_its_last_message():
    assert of(mail("a", FIRST), mail("b", REPLY), mail("c", LAST)) == {"a": "c", "b": "c", "c": "message"}


def test_a_message_alone_is_inclusive():
    assert list(standings([mail("a", FIRST)])) == [Standing("a", None, Why.MESSAGE)]
    assert of(mail("a", FIRST, "11")) == {"a": "both"}
    assert list(standings([])) == []


def test_a_branch_keeps_both_ends():
    other = f"{THIRD}\n{quoted(FIRST)}"
    assert of(mail("a", FIRST), mail("b", REPLY), mail("c", other)) == {
        "a": "c",
        "b": "message",
        "c": "message",
    }


def test_an_attachment_that_is_not_carried_on_keeps_its_message():
    assert of(mail("a", FIRST, "11"), mail("b", REPLY)) == {"a": "attachment", "b": "message"}


def test_an_attachment_that_differs_by_one_byte_keeps_its_message():
    assert of(mail("a", FIRST, "11"), mail("b", REPLY, "12")) == {"a": "attachment", "b": "both"}


def test_all_attachments_must_be_in_the_one_message_that_holds_the_text():
    assert of(mail("a", FIRST, "11", "22"), mail("b", REPLY, "11"), mail("c", THIRD, "22")) == {
        "a": "attachment",
        "b": "both",
        "c": "both",
    }
    assert of(mail("a", FIRST, "11", "22"), mail("b", REPLY, "11", "22", "33"))["a"] == "b"


def test_an_earlier_message_that_fits_is_found_when_the_last_one_does_not():
    assert of(mail("a", FIRST, "11"), mail("b", REPLY, "11"), mail("c", LAST))["a"] == "b"


def test_an_edited_quotation_contains_nothing():
    edited = REPLY.replace("yesterday", "today")
    assert of(mail("a", FIRST), mail("b", edited)) == {"a": "message", "b": "message"}


def test_a_quotation_that_was_cut_contains_nothing():
    cut = f"{THIRD}\n{quoted(SECOND)}"
    assert of(mail("a", FIRST), mail("b", REPLY), mail("c", cut)) == {
        "a": "b",
        "b": "message",
        "c": "message",
    }


def test_blind_recipients_are_named_nowhere_else():
    assert of(mail("a", FIRST, bcc=True), mail("b", REPLY)) == {"a": "bcc", "b": "message"}


def test_what_was_not_read_whole_is_inclusive():
    assert of(mail("a", FIRST, whole=False), mail("b", REPLY))["a"] == "unread"


@pytest.mark.parametrize(
    ("words", "standing"), [("Yes, that will do.", "short"), ("Yes, that will do for me now.", "b")]
)
def test_a_few_letters_are_not_known_again(words, standing):
    assert of(mail("a", words), mail("b", f"{THIRD}\n{quoted(words)}"))["a"] == standing


def test_the_same_words_sent_again_are_no_quotation():
    assert of(mail("a", FIRST), mail("b", FIRST)) == {"a": "message", "b": "message"}


def test_an_earlier_message_contains_no_later_one():
    assert of(mail("b", REPLY), mail("a", FIRST)) == {"b": "message", "a": "message"}


def test_a_forward_without_words_of_its_own():
    head = "---------- Forwarded message ---------\nFrom: A <a@b.example>\nDate: Tue\nTo: c@b.example"
    forward = f"{head}\n\n{FIRST}"
    found = of(mail("a", FIRST), mail("b", forward))
    assert found["a"] == "b"


def test_thousands_of_messages_that_quote_the_same():
    thread = [mail("a", FIRST, "11"), *(mail(f"r{n}", REPLY) for n in range(3_000))]
    found = of(*thread)
    assert found["a"] == "attachment"
    assert set(found.values()) == {"attachment", "message"}
