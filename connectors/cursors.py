"""Cursors: opaque to all but the connector, versioned, small, plain ASCII."""

from __future__ import annotations

_NUMBER = "n1:"
_PLAIN = "p1:"
_ESCAPED = "e1:"


def number_cursor(number: int) -> str:
    """Return the cursor of a place counted in items or bytes."""
    return f"{_NUMBER}{number}"


def read_number(cursor: str | None) -> int:
    """Return the number in a cursor; 0, a full re-read, for None and for another version's cursor."""
    if cursor is None or not cursor.startswith(_NUMBER) or not cursor[len(_NUMBER) :].isdigit():
        return 0
    return int(cursor[len(_NUMBER) :])


def name_cursor(name: str) -> str:
    """Return the cursor of a place named by a path, whatever bytes the path has."""
    if name.isascii():
        return _PLAIN + name
    return _ESCAPED + name.encode("unicode_escape").decode("ascii")


def read_name(cursor: str | None) -> str | None:
    """Return the name in a cursor; None, a full re-read, for None and for another version's cursor."""
    if cursor is None:
        return None
    if cursor.startswith(_PLAIN):
        return cursor[len(_PLAIN) :]
    if cursor.startswith(_ESCAPED):
        try:
            return cursor[len(_ESCAPED) :].encode("ascii").decode("unicode_escape")
        except UnicodeError:
            return None
    return None
