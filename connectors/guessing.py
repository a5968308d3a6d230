"""Which connector fits a file or folder, by its content."""

from __future__ import annotations

import os
from itertools import islice

from connectors import (
    discord,
    imessage_database,
    imessage_files,
    purview_paths,
    rsmf,
    samsung,
    signal,
    slack_export,
    snapchat,
    telegram,
    telemessage,
    ufdr_report,
    vault_reports,
    zips,
)
from connectors.bytesource import gunzipped, whole
from connectors.discord import Discord
from connectors.folders import open_head
from connectors.google_takeout import TOP, GoogleTakeout
from connectors.imazing import Imazing
from connectors.imessage import Imessage
from connectors.imessage_exporter import ImessageExporter, looks_exported
from connectors.known_tables import KnownTables
from connectors.linkedin import LinkedIn
from connectors.loose_files import LooseFiles, walk
from connectors.mail_files import MailFiles
from connectors.mailhead import looks_like_mail
from connectors.mbox import starts_like_mbox
from connectors.outlook_data_count import HEADER, can_be_read, is_named_so
from connectors.outlook_data_count import MAGIC as DATA_FILE
from connectors.outlook_data_file import OutlookDataFile
from connectors.purview_export import PurviewExport
from connectors.rsmf import Rsmf
from connectors.samsung import Samsung
from connectors.signal import Signal
from connectors.slack_export import SlackExport
from connectors.sms_backup_restore import SmsBackupRestore, is_backup
from connectors.snapchat import Snapchat
from connectors.social_media import SocialMedia, is_download
from connectors.telegram import Telegram
from connectors.telemessage import TeleMessage
from connectors.twilio_log import TwilioLog
from connectors.ufdr import REPORT, Ufdr
from connectors.vault_export import VaultExport
from connectors.whatsapp import WhatsApp, looks_like_chat
from connectors.zoom_files import ZoomFiles, layout_of
from records.errors import ItemError

_HEAD = 64 << 10
_LOOKED_AT = 2_000
_TABLES: tuple[type[KnownTables], ...] = (Discord, Imazing, LinkedIn, TwilioLog)
_TELLING = (
    Ufdr.name,  # before all others, whose files lie among those of a phone
    Discord.name,
    GoogleTakeout.name,
    Imazing.name,
    Imessage.name,
    ImessageExporter.name,
    LinkedIn.name,
    Rsmf.name,
    Samsung.name,
    Signal.name,
    SlackExport.name,
    SmsBackupRestore.name,
    Snapchat.name,
    SocialMedia.name,
    Telegram.name,
    TeleMessage.name,
    TwilioLog.name,
    WhatsApp.name,
    ZoomFiles.name,
)
"""One file of theirs says what a folder is."""


def guess(path: str) -> str:
    """Return the name of the connector that fits a file or folder best, by its content.

    A folder is a mail folder when it is a Maildir, or when more than half of its files (the first 2,000) are
    mail; a single mail is one too. What fits nothing else is ``loose_files``.
    """
    try:
        if os.path.isdir(path):
            return _guess_folder(path)
        return _guess_file(path)
    except ItemError:
        return LooseFiles.name


def _guess_file(path: str, key: str = "") -> str:
    head = open_head(path, _HEAD).head
    if zips.is_zip(head):
        return _guess_zip(path)
    if head.startswith(DATA_FILE):
        return OutlookDataFile.name
    if head.startswith(b"\x1f\x8b"):
        with gunzipped(whole(path)) as stream:
            return MailFiles.name if starts_like_mbox(stream.read(_HEAD)) else LooseFiles.name
    if head.startswith(imessage_database.MAGIC) and imessage_database.is_messages(path):
        return Imessage.name
    if ufdr_report.is_report(head):
        return Ufdr.name
    if is_backup(head):
        return SmsBackupRestore.name
    if rsmf.is_rsmf(head) or os.path.basename(path) == rsmf.MANIFEST:
        return Rsmf.name
    if layout_of(head) is not None:
        return ZoomFiles.name
    if (found := _app_of(head, key or os.path.basename(path))) is not None:
        return found
    named = path.lower().endswith((".mbox", ".mbx"))
    return MailFiles.name if named or starts_like_mbox(head) or looks_like_mail(head) else LooseFiles.name


def _table(head: bytes, key: str) -> str | None:
    """Return the connector of a table of known columns; None for any other file."""
    if not key.lower().endswith(KnownTables.suffixes):
        return None
    return next((kind.name for kind in _TABLES if kind.is_table(head)), None)


def _app_of(head: bytes, key: str) -> str | None:
    """Return which app's export a file is of, by how it begins; None for none."""
    name = key.rpartition("/")[2].lower()
    if samsung.tells(name):
        return Samsung.name
    if telegram.is_export(head) or (name.endswith((".html", ".htm")) and telegram.is_page(head)):
        return Telegram.name
    if signal.is_native(head) or signal.is_text(head, name):
        return Signal.name
    if name.endswith(".json") and discord.is_list(head):
        return Discord.name
    if snapchat.is_history(head):
        return Snapchat.name
    if looks_like_chat(head):
        return WhatsApp.name
    if looks_exported(head):
        return ImessageExporter.name
    if (table := _table(head, key)) is not None:
        return table
    return SocialMedia.name if is_download(head, key) else None


def _guess_zip(path: str) -> str:
    with zips.opened(path) as archive:
        members = zips.members(archive)
        if any(
            one.key == REPORT and ufdr_report.is_report(zips.read_head(archive, one, _HEAD))
            for one in members
        ):
            return Ufdr.name
        if any(
            member.key.startswith(f"{TOP}/") or member.key == "archive_browser.html" for member in members
        ):
            return GoogleTakeout.name
        names = {member.key for member in members}
        if slack_export.is_export(names):
            return SlackExport.name
        if rsmf.MANIFEST in names:
            return Rsmf.name
        if telemessage.is_delivery(names):
            return TeleMessage.name
        if imessage_files.names_messages(names):
            return Imessage.name
        if names & {"[Content_Types].xml", "mimetype"}:
            return LooseFiles.name
        if any(
            is_named_so(one.name) and can_be_read(zips.read_head(archive, one, HEADER)) for one in members
        ):
            return OutlookDataFile.name  # what else is in the zip is an item by itself there too
        # An archive of X has thousands of files of its viewer before its own.
        for member in sorted(members, key=lambda member: member.name != "manifest.js")[:_LOOKED_AT]:
            head = zips.read_head(archive, member, _HEAD) if member.problem is None else b""
            if is_backup(head):
                return SmsBackupRestore.name
            if layout_of(head) is not None:
                return ZoomFiles.name
            if (found := _app_of(head, member.key)) is not None:
                return found
            if starts_like_mbox(head) or looks_like_mail(head) or member.name.lower().endswith(".eml"):
                return MailFiles.name
    return LooseFiles.name


def _guess_folder(path: str) -> str:
    here = set(os.listdir(path))
    if REPORT in here and _guess_file(os.path.join(path, REPORT)) == Ufdr.name:
        return Ufdr.name  # the other files are those of a phone
    if TOP in here or "archive_browser.html" in here or (os.path.basename(path.rstrip("/")) == TOP):
        return GoogleTakeout.name
    if "cur" in here and here & {"new", "tmp"}:
        return MailFiles.name
    if vault_reports.is_export(path):
        return VaultExport.name
    if purview_paths.is_export(path):
        return PurviewExport.name
    if imessage_files.holds_messages(path):
        return Imessage.name
    if slack_export.is_export({rel for rel, _ in islice(walk(path, "", ""), _LOOKED_AT)}):
        return SlackExport.name
    manifest = os.path.join(path, "data", "manifest.js")
    if os.path.isfile(manifest) and is_download(open_head(manifest, _HEAD).head, manifest):
        return SocialMedia.name
    guesses: dict[str, int] = {}
    for looked, (rel, entry) in enumerate(walk(path, "", "")):
        if looked == _LOOKED_AT:
            break
        folder, _, _ = rel.rpartition("/")
        if folder.rpartition("/")[2] in {"cur", "new"}:
            return MailFiles.name
        try:
            name = _guess_file(entry.path, rel) if entry is not None else LooseFiles.name
        except ItemError:
            name = LooseFiles.name
        guesses[name] = guesses.get(name, 0) + 1
    for name in _TELLING:
        if name in guesses:
            return name
    mail = guesses.get(MailFiles.name, 0)
    if not mail and OutlookDataFile.name in guesses:
        return OutlookDataFile.name  # what lies beside it is an item by itself there too
    return MailFiles.name if mail * 2 > sum(guesses.values()) else LooseFiles.name
