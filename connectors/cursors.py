"""Cursors: opaque to all but the connector, versioned, small, plain ASCII."""

from __future__ import annotations

from records.errors import CursorExpired

_NUMBER = "n1:"
_PLAIN = "p1:"
_ESCAPED = "e1:"
_STRANGE = "the cursor is of another version"


def number_cursor(number: int) -> str:
    """Return the cursor of a place counted in items or bytes."""
    return f"{_NUMBER}{number}"


def counts(cursor: str | None) -> bool:
    """Tell whether a cursor is a number: of a place that was changed meanwhile it would be another one."""
    return cursor is not None and cursor.startswith(_NUMBER)


def read_number(cursor: str | None) -> int:
    """Return the number in a cursor; 0 for None.

    Raises:
        CursorExpired: The cursor is of another version: a full re-read that nobody knew of would double what
            is stored.
    """
    if cursor is None:
        return 0
    if not cursor.startswith(_NUMBER) or not cursor[len(_NUMBER) :].isdigit():
        raise CursorExpired(_STRANGE)
    return int(cursor[len(_NUMBER) :])


def name_cursor(name: str) -> str:
    """Return the cursor of a place named by a path, whatever bytes the path has."""
    if name.isascii():
        return _PLAIN + name
    return _ESCAPED + name.encode("unicode_escape").decode("ascii")


def read_name(cursor: str | None) -> str | None:
    """Return the name in a cursor; None for None.

    Raises:
        CursorExpired: As ``read_number``.
    """
    if cursor is None:
        return None
    if cursor.startswith(_PLAIN):
        return cursor[len(_PLAIN) :]
    if cursor.startswith(_ESCAPED):
        try:
            return cursor[len(_ESCAPED) :].encode("ascii").decode("unicode_escape")
        except UnicodeError:
            pass
    raise CursorExpired(_STRANGE)
