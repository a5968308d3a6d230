"""TOML that people write: whatever is wrong with it is one error in words."""

from __future__ import annotations

import tomllib
from typing import Any

from records.errors import SettingsError


def read_toml(text: str | bytes, what: str) -> dict[str, Any]:
    """Read TOML.

    Args:
        text: The text, or its bytes: UTF-8 (https://toml.io/en/v1.0.0, Spec), with the mark in front that
            Windows editors write, or without.
        what: Its file, and what it is, as the error begins: ``request.toml:``.

    Raises:
        SettingsError: It is none.
    """
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except ValueError as error:  # the library leaves that of a too long number as it is
        raise SettingsError(f"{what} not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{what} not valid TOML: brackets stand in brackets too deeply") from None
