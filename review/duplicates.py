"""Exact duplicates: whole families that are the same.

Two families are the same when their family hashes are: the message as a reader sees it, or its bytes where
too little is known of it, and all that either carries (``records.ids``). So a copy without its attachment
is no copy of one with it. Families are compared on their top items only: an attachment that equals another
is not grouped.

A group is a relation between records. Each keeps its place, its holder and its decision, and none is left
out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple


class Mode(StrEnum):
    """Among whose records duplicates are looked for."""

    GLOBAL = "global"  # among all custodians
    CUSTODIAL = "custodial"  # among those of each custodian
    NONE = "none"  # not at all


class Bcc(StrEnum):
    """Whether copies that differ in blind recipients, which only the sender's has, are the same."""

    COUNTED = "counted"  # they are other messages
    LEFT_OUT = "left_out"  # they are the same


class Top(NamedTuple):
    """A top item, as far as it can be a duplicate.

    Attributes:
        family_hash: Of its family, with Bcc or without; where it is missing, the SHA-256 of its bytes.
        custodian_id: Whose.
        order: What comes first in it is the copy that is read: source as configured, then as collected.
        item_id: The item.
    """

    family_hash: str
    custodian_id: str
    order: tuple[int, str, int]
    item_id: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A family that others equal.

    Attributes:
        item_id: Its top item.
        group: Id of the group, 24 hex digits; equal for the same message whatever was collected before.
        first: The top item of its first copy; itself for that one.
        copies: Families of the group.
    """

    item_id: str
    group: str
    first: str
    copies: int


def duplicates(tops: Iterable[Top], mode: Mode) -> Iterator[Duplicate]:
    """Yield every family that another equals.

    Args:
        tops: Sorted by family hash, and by custodian within it.
        mode: Among whose.
    """
    if mode is Mode.NONE:
        return
    for key, found in groupby(tops, lambda one: _key(one, mode)):
        group = sorted(found, key=lambda one: (one.order, one.item_id))
        if len(group) > 1:
            name = hashlib.sha256("\x1f".join(("du1", *key)).encode()).hexdigest()[:24]
            for one in group:
                yield Duplicate(one.item_id, name, group[0].item_id, len(group))


def _key(top: Top, mode: Mode) -> tuple[str, ...]:
    return (top.family_hash,) if mode is Mode.GLOBAL else (top.family_hash, top.custodian_id)
