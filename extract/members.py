"""What every archive reader holds to: limits, names, how a member becomes a child, how an archive ends.

Nothing is written to disk, no link is followed, and what an archive says of itself is not trusted: sizes are
counted while unpacking, and an archive beyond the limits gives no children at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Self

from extract import charsets, sniff
from extract.protocol import ExtractContext, Limits
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import Kind, Reason, WarningCode

RATIO_FLOOR = 1 << 20
"""Unpacked bytes below which no ratio makes a bomb: small texts of one repeated line are common."""

CHUNK = 1 << 18
"""Bytes taken out at once, between two looks at the limits."""

SPLIT = "split_archive"
"""Detail of one volume of several: the rest lies in other files."""

_PIECE = re.compile(
    r"(\.(7z|zip|rar|tar|tgz|tbz2?|txz|tzst|gz|bz2|xz|zst)\.\d{3,4}|\.part\d+\.rar|\.[zr]\d\d)\Z",
    re.IGNORECASE,
)


class Budget:
    """Counts what comes out of one archive against its limits."""

    def __init__(self, packed_bytes: int, limits: Limits) -> None:
        self._left = limits.children_bytes
        self._by_ratio = max(RATIO_FLOOR, int(packed_bytes * limits.ratio))

    def copy(self) -> Self:
        """Return another that has as much left: what a try spends is given back when it fails."""
        return copy(self)

    def spend(self, size: int) -> None:
        """Take note of bytes that came out.

        Raises:
            ItemError: ``bomb`` beyond the limits: nothing of the archive is kept.
        """
        self._left -= size
        self._by_ratio -= size
        if self._left < 0:
            raise ItemError(Reason.BOMB, "archive_bytes")
        if self._by_ratio < 0:
            raise ItemError(Reason.BOMB, "archive_ratio")


class Names:
    """Looks at member names; a name that could not be used as it stands is kept, with a warning."""

    def __init__(self, warnings: set[WarningCode]) -> None:
        self._seen: set[str] = set()
        self._warnings = warnings

    def shown(self, stored: str) -> str:
        """Return the name as it is kept; two that differ in nothing but case both are."""
        name = charsets.without_surrogates(stored.replace("\0", "\ufffd"))
        folded = name.casefold()
        if is_unsafe(stored) or folded in self._seen:
            self._warnings.add(WarningCode.NAME_CHANGED)
        self._seen.add(folded)
        return name


def is_unsafe(name: str) -> bool:
    """Tell whether a member name could lead out of a folder, or could not be a file name everywhere."""
    parts = name.replace("\\", "/").split("/")
    return (
        not name
        or "\0" in name
        or "\\" in name
        or name.startswith("/")
        or ".." in parts
        or (len(name) > 1 and name[1] == ":" and name[0].isalpha())
        or any(ord(character) < 32 for character in name)
    )


def is_piece(name: str | None) -> bool:
    """Tell whether a name is one volume of several (``a.7z.001``, ``a.part1.rar``, ``a.z01``)."""
    return name is not None and _PIECE.search(name) is not None


def check_depth(context: ExtractContext) -> None:
    """Refuse an archive that lies too deep.

    Raises:
        ItemError: ``bomb``.
    """
    if context.depth >= context.limits.depth:
        raise ItemError(Reason.BOMB, "archive_depth")


def check_count(count: int, context: ExtractContext) -> None:
    """Refuse an archive of too many members.

    Raises:
        ItemError: ``bomb``.
    """
    if count > context.limits.children:
        raise ItemError(Reason.BOMB, "archive_children")


def taken(path: str, name: str | None, media_type: str, data: bytes, facts: Mapping[str, str]) -> Child:
    """Return a member that came out whole."""
    kind = Kind.EMAIL if media_type == "message/rfc822" else Kind.FILE
    return Child(path, name, media_type, kind, data, None, facts)


def lost(path: str, name: str, reason: Reason, detail: str, facts: Mapping[str, str]) -> Child:
    """Return a member that is named and could not be had."""
    return Child(path, name, sniff.by_name(name), Kind.FILE, None, Failure(reason, detail), facts)


def link(path: str, name: str, target: str, kind: str, facts: Mapping[str, str]) -> Child:
    """Return a link as the words of its target, which is what a zip stores of one; it is never followed.

    Args:
        path: Its place.
        name: Its own name.
        target: Where it points, as stored.
        kind: ``true`` for a symbolic link, ``hard`` for a further name of another member.
        facts: What is known of it already.
    """
    words = charsets.without_surrogates(target.replace("\0", "\ufffd"))
    more = {**facts, "link": kind, "link_target": words}
    return Child(path, name, "text/plain", Kind.FILE, words.encode(), None, more)


def dated(seconds: float) -> dict[str, str]:
    """Return when a member was changed, as a fact; nothing where no such time exists.

    Args:
        seconds: Since 1970 in UTC, as stored.
    """
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return {}
    return {"modified": moment.isoformat().replace("+00:00", "Z")}


def together(
    label: str,
    children: list[Child],
    expected: int | None,
    warnings: set[WarningCode],
    failure: Failure | None,
    facts: Mapping[str, str],
) -> Extraction:
    """Return an archive with its members, as far as they came out.

    Args:
        label: Name of the format, the detail of an archive that is locked throughout.
        children: In their order.
        expected: How many there should be, or None.
        warnings: Those of the names; ``partial`` is added where something is missing.
        failure: Why it ended early, or None.
        facts: Of the archive itself.
    """
    failed = [child.failure for child in children if child.failure is not None]
    if failed or failure is not None:
        warnings.add(WarningCode.PARTIAL)
    if failure is None and failed and len(failed) == len(children):
        reasons = {one.reason for one in failed}
        failure = Failure(Reason.ENCRYPTED, label) if reasons == {Reason.ENCRYPTED} else None
    return Extraction(
        metadata=facts,
        children=tuple(children),
        expected_children=expected,
        warnings=tuple(sorted(warnings)),
        failure=failure,
    )


def only_child(
    label: str, stored: str, content: bytes, reason: Reason | None, outer: str | None
) -> Extraction:
    """Return the one file that a compressed file is.

    Args:
        label: Name of the format, the detail of its failures.
        stored: The name of the file within.
        content: What came out.
        reason: Why it ended early, or None.
        outer: The compressed file's own name: one volume of several says so.

    Raises:
        ItemError: It ended early and nothing came out.
    """
    detail = SPLIT if reason is not None and is_piece(outer) else label
    if reason is not None and not content:
        raise ItemError(reason, detail)
    warnings: set[WarningCode] = set()
    name = Names(warnings).shown(stored)
    facts = {"stored_name": name}
    if reason is not None:
        warnings.add(WarningCode.PARTIAL)
        facts["partial"] = "true"
    return Extraction(
        children=(taken("1", name, sniff.by_name(name), content, facts),),
        expected_children=1,
        warnings=tuple(sorted(warnings)),
        failure=Failure(reason, detail) if reason else None,
    )


def without_suffix(outer: str | None, suffix: str, tars: tuple[str, ...]) -> str:
    """Return the name of what a compressed file holds: its own without the ending.

    Args:
        outer: Name of the compressed file, or None.
        suffix: The ending, such as ``.xz``.
        tars: Endings that stand for a compressed tar, such as ``.txz``.
    """
    if outer is None:
        return "content"
    lower = outer.lower()
    for ending in tars:
        if lower.endswith(ending):
            return f"{outer[: -len(ending)]}.tar"
    return outer[: -len(suffix)] if lower.endswith(suffix) and len(outer) > len(suffix) else outer
