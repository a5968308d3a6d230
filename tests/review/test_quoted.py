"""What a mail quotes, by the forms that mail programs give it."""

from __future__ import annotations

import pytest

from records.ids import letters_and_digits
from review.quoted import DEEPEST, NOTHING, parts, pieces

GMAIL = """The second draft is better.

On Tue, Mar 3, 2026 at 9:00 AM Alice Bauer <alice@cedarfalls.example>
wrote:

> Here is the draft.
>
> On Mon, Mar 2, 2026 at 8:00 AM Bob <bob@cedarfalls.example> wrote:
>
>> Where is the draft?
> Alice
"""
OUTLOOK = """The second draft is better.

________________________________
From: Alice Bauer <alice@cedarfalls.example>
Sent: Tuesday, March 3, 2026 9:00 AM
To: Bob <bob@cedarfalls.example>; Carol <carol@cedarfalls.example>;
 Dan <dan@cedarfalls.example>
Subject: RE: Draft

Here is the draft.

-----Original Message-----
From: Bob
Sent: Monday, March 2, 2026 8:00 AM
To: Alice
Subject: Draft

Where is the draft?
"""
FORWARD = """Please see below.

---------- Forwarded message ---------
From: Alice Bauer <alice@cedarfalls.example>
Date: Tue, Mar 3, 2026 at 9:00 AM
Subject: Draft
To: <bob@cedarfalls.example>

Here is the draft.
"""


def says(text: str) -> list[str]:
    """Return the letters of each depth, without the lines that introduce a quotation."""
    kept = []
    for part in parts(text):
        own = part.split("\nOn ")[0].split("\n___")[0].split("\n---")[0]
        kept.append(letters_and_digits(own))
    return kept


def test_marks_and_on_wrote():
    assert says(GMAIL) == ["Theseconddraftisbetter", "Hereisthedraft", "Whereisthedraft"]


def test_headers_without_marks():
    assert says(OUTLOOK) == ["Theseconddraftisbetter", "Hereisthedraft", "Whereisthedraft"]


def test_a_forward():
    assert says(FORWARD) == ["Pleaseseebelow", "Hereisthedraft"]


@pytest.mark.parametrize(
    "wrote",
    [
        "El mar, 3 mar 2026 a las 9:00, Alicia (<a@cedarfalls.example>) escribió:",
        "Le mar. 3 mars 2026 à 09:00, Alice <a@cedarfalls.example> a écrit :",
        "Am Di., 3. März 2026 um 09:00 Uhr schrieb Alice <a@cedarfalls.example>:",
    ],
)
def test_other_languages(wrote):
    assert len(parts(f"Gracias.\n\n{wrote}\n\n> uno\n> dos\n")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "From: the bus garage\nwe leave at 7.",
        "He wrote: we leave at 7.",
        "Original message follows later.",
        "To do:\nFrom here\nDate: unknown",
    ],
)
def test_words_that_only_look_like_it_are_the_senders_own(text):
    assert [letters_and_digits(part) for part in parts(text)] == [letters_and_digits(text)]


def test_a_message_is_found_again_where_it_is_quoted_with_marks():
    """The pieces of a message are those of its reply, one deeper: wrapped lines and marks do not tell."""
    first = "Here is the draft that we spoke about yesterday.\n\nAlice\n"
    second = "Thank you, it reads well.\n\nOn Tue, Mar 3, 2026 Alice <a@b.example> wrote:\n" + "".join(
        f"> {line}\n" for line in ("Here is the draft that we", "spoke about yesterday.", "", "Alice")
    )
    third = "One more thing.\n\nOn Wed, Mar 4, 2026 Bob <b@b.example> wrote:\n" + "".join(
        f"> {line}\n" for line in second.splitlines()
    )
    assert pieces(second)[1:] == pieces(first)
    assert pieces(third)[1:] == pieces(second)


def test_an_edited_quotation_is_another_piece():
    first = "The contract is for 12,000 dollars.\n"
    reply = "Fine.\n\nOn Tue, Mar 3, 2026 Alice <a@b.example> wrote:\n> The contract is for 21,000 dollars.\n"
    assert pieces(reply)[1] != pieces(first)[0]


def test_nothing_is_no_piece():
    assert pieces("") == pieces("  \n\n> \n") == ()
    assert pieces("> quoted only")[0] == NOTHING


def test_what_is_hostile_is_bounded():
    deep = ">" * 100_000 + " a\n" + "> " * 5_000 + "b\n"
    assert len(parts(deep)) == DEEPEST + 1
    heads = "-----Original Message-----\n\n" * 5_000
    assert len(parts(heads + "end")) == DEEPEST + 1
    assert parts("x" * 2_000_000 + ":") == ["x" * 2_000_000 + ":"]
