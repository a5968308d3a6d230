"""Files that a person signs before they are used: column maps and layouts, in TOML."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Protocol, TypeVar
from zoneinfo import available_timezones

from pydantic import BaseModel, ValidationError

from records.errors import SettingsError
from records.toml_text import read_toml

T = TypeVar("T", bound=BaseModel)


class Signable(Protocol):
    """What a person signs.

    Attributes:
        confirmed_by: Who; empty for a proposal.
        confirmed_on: When.
    """

    @property
    def confirmed_by(self) -> str: ...  # noqa: D102 - above
    @property
    def confirmed_on(self) -> date | None: ...  # noqa: D102


def read_signable(kind: type[T], text: str, where: str, what: str) -> T:
    """Read such a file, signed or not.

    Args:
        kind: What it is.
        text: TOML.
        where: Names it or its source, for messages.
        what: The same as ``kind``, in words.

    Raises:
        SettingsError: It is none.
    """
    try:
        return kind.model_validate(read_toml(text, f"{where}: the {what} is"))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ").replace("Value error, ", "")
            for one in error.errors(include_url=False, include_input=False)
        )
        raise SettingsError(f"{where}: the {what} is wrong: {problems}") from None


def require_signature(found: Signable, where: str, what: str, of: str) -> None:
    """Refuse what nobody has signed.

    Args:
        found: As read.
        where: Names its source, for messages.
        what: What it is, in words.
        of: What it is compared with.

    Raises:
        SettingsError: Nobody has.
    """
    if not found.confirmed_by.strip() or found.confirmed_on is None:
        raise SettingsError(
            f"{where}: nobody has confirmed the {what}; compare it with the {of}, then write "
            "`confirmed_by` and `confirmed_on`"
        )


def require_zone(name: str) -> None:
    """Refuse a zone that nobody knows.

    Raises:
        ValueError: It is none.
    """
    if name not in available_timezones():
        raise ValueError("time_zone: not a known zone; write one such as America/Los_Angeles")


def quoted(text: str) -> str:
    """Return a TOML string (https://toml.io/en/v1.0.0#string); JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)


def listed(values: Iterable[str]) -> str:
    """Return a TOML array of strings."""
    return f"[{', '.join(map(quoted, values))}]"
