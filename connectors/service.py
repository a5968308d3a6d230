"""What the connectors of services have in common: their settings, and how an answer becomes an error.

Libraries of vendors are imported when a service is first asked, never at the top of a connector: every
command loads the registry, and few of them ask a service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from records.errors import SettingsError
from records.models import Connection, SourceContext

ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")


class ServiceConnector:
    """Base of connectors that ask a service; see ``connectors.protocol`` for the contract.

    Attributes:
        account_form: What an account is written as; None where the service takes any name.
        barred: Places that ``check`` found refused, and that may be, each with why.
    """

    places: ClassVar[tuple[str, ...]] = ()
    usual_places: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, str]] = {}
    named_files: ClassVar[tuple[str, ...]] = ()
    needs_account: ClassVar[bool] = True
    account_form: ClassVar[re.Pattern[str] | None] = None

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; ask nothing yet."""
        self._context = context
        self.barred: dict[str, str] = {}

    def check_settings(self) -> None:
        """Check places, options and account as the request file has them; asks no service.

        Raises:
            SettingsError: A key is missing or names something that this connector does not know.
        """
        source = f"source {self._context.source_id}"
        if self._context.path:
            raise SettingsError(f"{source}: this connector asks a service; write `connection`, not `path`")
        for what, given, known in (
            ("places", self._context.places, self.places),
            ("options", self._context.options, self.options),
        ):
            unknown = sorted(set(given) - set(known))
            if unknown:
                names = ", ".join(sorted(known)) or "none"
                raise SettingsError(f"{source}: {what}: {', '.join(unknown)} not known; known: {names}")
        if self.needs_account and not self._context.account:
            raise SettingsError(
                f"{source}: whose account? Write `account`, or give the custodian an address in `emails`"
            )
        if self.account_form is not None and not self.account_form.fullmatch(self._context.account):
            raise SettingsError(
                f"{source}: `account` is no mail address; write the account's address, not a person's name"
            )

    @property
    def _connection(self) -> Connection:
        if self._context.connection is None:
            raise SettingsError(f"source {self._context.source_id}: needs `connection` in the request file")
        return self._context.connection

    def _wants(self, place: str) -> bool:
        """Tell whether a place is to be read."""
        return place in (self._context.places or self.usual_places or self.places)

    def _setting(self, name: str, default: str | None = None) -> str:
        """Return something that the connection's ``extra`` holds.

        Raises:
            SettingsError: It is missing and has no default; the message names it.
        """
        value = self._connection.extra.get(name, default)
        if value is None:
            raise SettingsError(
                f"source {self._context.source_id}: connection {self._connection.id} lacks `{name}` in extra"
            )
        return value
