"""The connectors by name. A new one is a file and a line here."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module

from connectors.protocol import Connector
from records.errors import SettingsError


class _Connectors(UserDict[str, type[Connector]]):
    """Loads the file of a connector when it is asked for: those of services are slow to load together."""

    def __getitem__(self, name: str) -> type[Connector]:
        found = self.data[name]
        if isinstance(found, str):
            found = self.data[name] = getattr(import_module(f"connectors.{name}"), found)
        return found


CONNECTORS = _Connectors()
"""Every connector there is: its name, which is also that of its file, and its class."""

CONNECTORS.data.update(  # type: ignore[call-overload]  # the names of classes, until they are loaded
    discord="Discord",
    exchange_ews="ExchangeEws",
    google_takeout="GoogleTakeout",
    google_workspace="GoogleWorkspace",
    imap="Imap",
    imazing="Imazing",
    imessage="Imessage",
    imessage_exporter="ImessageExporter",
    linkedin="LinkedIn",
    loose_files="LooseFiles",
    mail_files="MailFiles",
    message_table="MessageTable",
    microsoft_graph="MicrosoftGraph",
    outlook_data_file="OutlookDataFile",
    purview_export="PurviewExport",
    rsmf="Rsmf",
    samsung="Samsung",
    screenshots="Screenshots",
    signal="Signal",
    slack_export="SlackExport",
    sms_backup_restore="SmsBackupRestore",
    snapchat="Snapchat",
    social_media="SocialMedia",
    telegram="Telegram",
    telemessage="TeleMessage",
    transcripts="Transcripts",
    twilio="Twilio",
    twilio_log="TwilioLog",
    ufdr="Ufdr",
    vault_export="VaultExport",
    whatsapp="WhatsApp",
    zoom_files="ZoomFiles",
)


def connector(name: str) -> type[Connector]:
    """Return a connector by the name the request file gives.

    Raises:
        SettingsError: There is none of that name; the message lists those there are.
    """
    if name not in CONNECTORS:
        msg = f"no connector is called {name!r}; known: {', '.join(sorted(CONNECTORS))}"
        raise SettingsError(msg)
    return CONNECTORS[name]


def guess(path: str) -> str:
    """Return the name of the connector that fits a file or folder best; see ``connectors.guessing``."""
    from connectors import guessing  # loads the connectors of files

    return guessing.guess(path)
