"""Which messages of a thread say something that no later one repeats.

A message is inclusive unless one later message of its thread holds all of it: every piece of its text, in
its order, as a quotation (so not as the later sender's own words), and every attachment by its SHA-256.
That later message is named for each that is not inclusive, so anybody can look. What cannot be shown is not
said: a message with blind recipients, with an attachment that could not be taken out, or of a few letters,
is inclusive.

This orders the reading. It never decides that a record is left out: a message that another contains is a
record of its own, with its own time and recipients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from review.grouping import rules

_MOST_TRIED = 1_000
"""Later messages that are tried for one; beyond that it counts as inclusive."""


class Why(StrEnum):
    """Why a message is inclusive."""

    MESSAGE = "message"  # no later one holds its text
    ATTACHMENT = "attachment"  # a later one holds its text, but not with all it carries
    BOTH = "both"  # neither its text nor all it carries is in a later one
    BCC = "bcc"  # its blind recipients are named nowhere else
    SHORT = "short"  # too few letters to know it again
    UNREAD = "unread"  # it has no text, or something it carries could not be taken out


class Mail(NamedTuple):
    """A message of a thread, as far as it can be contained.

    Attributes:
        same: The message.
        pieces: Digests of its text by depth of quotation; empty bytes for a depth without words.
        letters: Letters and digits of all of them.
        attachments: SHA-256 of each thing that it carries.
        whole: It has a text, and all it carries could be taken out.
        bcc: It names blind recipients.
    """

    same: str
    pieces: tuple[bytes, ...]
    letters: int
    attachments: frozenset[str]
    whole: bool = True
    bcc: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a message is inclusive.

    Attributes:
        same: The message.
        container: The later message that holds all of it; None for an inclusive one.
        why: Why it is inclusive; None for one that is not.
    """

    same: str
    container: str | None
    why: Why | None


def standings(thread: Sequence[Mail]) -> Iterator[Standing]:
    """Yield for each message of a thread whether it is inclusive.

    Args:
        thread: Its messages in the order of time, each once.
    """
    least = rules().quoted.least_contained
    found: dict[bytes, list[tuple[int, int]]] = defaultdict(list)  # where each piece is quoted, by time
    for at, mail in enumerate(thread):
        for depth, piece in enumerate(mail.pieces):
            if depth and piece:
                found[piece].append((at, depth))
    carried: dict[str, int] = {}  # the last message with each attachment
    for at, mail in enumerate(thread):
        carried.update(dict.fromkeys(mail.attachments, at))
    for at, mail in enumerate(thread):
        if mail.bcc or not mail.whole:
            yield Standing(mail.same, None, Why.BCC if mail.bcc else Why.UNREAD)
        elif mail.letters < least:
            yield Standing(mail.same, None, Why.SHORT)
        else:
            yield _standing(thread, at, found, carried)


def _standing(
    thread: Sequence[Mail], at: int, found: dict[bytes, list[tuple[int, int]]], carried: dict[str, int]
) -> Standing:
    mail = thread[at]
    holds_text = False
    for later in _holding_text(thread, at, found):
        if mail.attachments <= thread[later].attachments:
            return Standing(mail.same, thread[later].same, None)
        holds_text = True
    if holds_text:
        return Standing(mail.same, None, Why.ATTACHMENT)
    elsewhere = all(carried[one] > at for one in mail.attachments)
    return Standing(mail.same, None, Why.MESSAGE if elsewhere else Why.BOTH)


def _holding_text(
    thread: Sequence[Mail], at: int, found: dict[bytes, list[tuple[int, int]]]
) -> Iterator[int]:
    """Yield the later messages that quote all pieces of one in their order, the latest first."""
    pieces = thread[at].pieces
    lead = next(depth for depth, piece in enumerate(pieces) if piece)
    places = found.get(pieces[lead], ())
    for later, depth in islice(reversed(places), _MOST_TRIED):
        if later <= at:
            return
        begin = depth - lead
        if begin > 0 and thread[later].pieces[begin : begin + len(pieces)] == pieces:
            yield later
