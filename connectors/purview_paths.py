"""Paths in exports of Purview: parts, places, and how item reports name a file."""

from __future__ import annotations

import os
import re

from connectors.export_files import PackageFile
from connectors.export_tables import normal
from connectors.folders import storable

PARTIAL = "partially_indexed/"
"""Begins the key of a place of partially indexed items."""

PART = re.compile(
    r"(?P<stem>(?:Items|PSTs)\.(?:\d+\.)?)(?P<number>\d{3})(?P<rest>\..+)", re.IGNORECASE | re.DOTALL
)
_PARTIAL_FOLDERS = frozenset({"partiallyindexed", "partiallyindexeditems", "unindexed", "unindexeditems"})
_PST_NUMBER = re.compile(r"(?:\.\d+)?\.pst$", re.IGNORECASE)


def is_part(name: str) -> bool:
    """Say whether a zip is named as a part of an export or as its reports are."""
    return PART.fullmatch(name) is not None or name.startswith("Reports-")


def is_export(folder: str) -> bool:
    """Say whether the names in a folder are those of a Purview export; for guessing only."""
    return any(PART.fullmatch(name) or name.startswith("Reports-") for name in os.listdir(folder))


def name_of(location: str) -> str:
    """Return what people call a place by: an address, or the name of a site."""
    return location.removeprefix(PARTIAL).rpartition("/")[2].casefold()


def inner_path(file: PackageFile) -> str:
    """Return the path of a file within its part, unpacked or not."""
    first, slash, rest = file.inner.partition("/")
    return rest if file.member is None and slash and PART.fullmatch(first) else file.inner


def key_of(file: PackageFile) -> str:
    """Return the key of a file as item reports name it: zip, then path."""
    if file.member is None:
        first, _, rest = file.inner.partition("/")
        return normal_path(f"{first}.zip/{rest}") if PART.fullmatch(first) else normal_path(file.inner)
    return normal_path(f"{file.key[: -len(file.inner) - 1].rpartition('/')[2]}/{file.inner}")


def bare_key(file: PackageFile) -> str:
    """Return the path of a file within its part as it is compared."""
    return normal_path(inner_path(file))


def normal_path(path: str) -> str:
    """Return a path as it is compared: report and zip may write it in other letters."""
    return storable(path).casefold()


def place_in(inner: str) -> tuple[str, bool]:
    """Return mailbox or site of a path within a part, and whether it lies among the partially indexed.

    In lower case: report and zip may write an address differently.
    """
    folders = inner.split("/")
    kept = [part for part in folders[:-1] if normal(part) not in _PARTIAL_FOLDERS]
    partial = len(kept) < len(folders) - 1
    if len(kept) == 1 and folders[-1].lower().endswith(".pst"):
        kept.append(_PST_NUMBER.sub("", folders[-1]))
    return normal_path("/".join(kept[:2])) or ".", partial
