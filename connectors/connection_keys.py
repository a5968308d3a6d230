"""What the ``extra`` of a connection may hold: a closed set, so that a misspelt key is refused by its name.

One connection may serve several sources and the holds of one vendor, so the set is that of the vendor.
"""

from __future__ import annotations

from collections.abc import Mapping

from records.errors import SettingsError
from records.models import Connection

_MICROSOFT = frozenset({
    "authority", "certificate", "download_scope", "file_requests_per_minute", "hold_case", "patience_s",
    "private_key", "requests_at_once", "requests_per_10_minutes", "requests_period_s",
    "teams_requests_per_second", "tenant",
})  # fmt: skip
_GOOGLE = frozenset({
    "hold_corpora", "hold_matter", "keyfile_dict", "messages_per_s", "patience_s", "storage_host", "subject",
})  # fmt: skip
_EXCHANGE = frozenset({
    "access", "auth", "authority", "certificate", "patience_s", "private_key", "requests_at_once", "scope",
    "tenant",
})  # fmt: skip
_IMAP = frozenset({
    "auth", "ca_file", "mailbox", "patience_s", "refresh_token", "scope", "security", "token_url",
})  # fmt: skip

KEYS: Mapping[str, frozenset[str]] = {
    "exchange_ews": _EXCHANGE,
    "google_workspace": _GOOGLE,
    "imap": _IMAP,
    "microsoft_graph": _MICROSOFT,
    "purview_export": _MICROSOFT,
    "twilio": frozenset({"patience_s"}),
    "vault_export": _GOOGLE,
}
"""By connector; what each key means stands on the connector's page."""


def check_keys(connector: str, connection: Connection) -> None:
    """Refuse what nothing reads.

    Args:
        connector: Of the source that names the connection.
        connection: The connection.

    Raises:
        SettingsError: ``extra`` holds a key that is not known; the message names it, and the known ones.
    """
    known = KEYS.get(connector)
    if known is not None and (unknown := sorted(set(connection.extra) - known)):
        raise SettingsError(
            f"connection {connection.id}: extra: {', '.join(unknown)} not known; known for {connector}: "
            f"{', '.join(sorted(known))}"
        )
