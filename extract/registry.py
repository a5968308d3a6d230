"""Every reader there is: one line each. To add one, write its file and put its line here."""

from __future__ import annotations

from extract.archives import GzipReader, ZipReader
from extract.calendar import CalendarReader
from extract.compressed import Bzip2Reader, XzReader, ZstdReader
from extract.discord import DiscordReader
from extract.google_chat import GoogleChatReader
from extract.google_voice import GoogleVoiceReader
from extract.imessage import ImessageDatabaseReader, ImessageReader
from extract.imessage_exporter import ImessageExporterReader
from extract.libarchive_reader import LibarchiveReader
from extract.mail import MailReader
from extract.message_table import MessageTableReader
from extract.not_opened import NotOpenedReader
from extract.ole_objects import OleObjectReader
from extract.outlook import MsgReader, TnefReader
from extract.plain import TextReader
from extract.protocol import Extractor
from extract.rsmf import RsmfReader
from extract.signal import SignalReader, SignalTextReader
from extract.slack import SlackReader
from extract.smime import CmsReader
from extract.sms import SmsReader
from extract.snapchat import SnapchatReader
from extract.social import SocialReader
from extract.tars import TarReader
from extract.teams import TeamsReader
from extract.telegram import TelegramReader
from extract.tika import TikaReader
from extract.transcripts import PrintoutReader
from extract.twilio import TwilioReader
from extract.ufdr import UfdrReader
from extract.whatsapp import WhatsAppReader
from extract.worker_main import choose as _choose
from extract.zoom import TranscriptReader, ZoomChatReader

EXTRACTORS: tuple[Extractor, ...] = (
    MailReader(),
    MsgReader(),
    TnefReader(),
    OleObjectReader(),
    SmsReader(),
    GoogleChatReader(),
    GoogleVoiceReader(),
    RsmfReader(),
    SlackReader(),
    MessageTableReader(),
    PrintoutReader(),
    WhatsAppReader(),
    TelegramReader(),
    SnapchatReader(),
    DiscordReader(),
    UfdrReader(),
    SignalReader(),
    SignalTextReader(),
    ImessageReader(),
    ImessageDatabaseReader(),
    ImessageExporterReader(),
    ZoomChatReader(),
    TranscriptReader(),
    SocialReader(),
    TeamsReader(),
    TwilioReader(),
    CalendarReader(),
    ZipReader(),
    GzipReader(),
    Bzip2Reader(),
    XzReader(),
    ZstdReader(),
    TarReader(),
    LibarchiveReader(),
    NotOpenedReader(),
    CmsReader(),
    TextReader(),
    TikaReader(),
)


def choose(media_type: str | None, name: str | None, head: bytes) -> Extractor | None:
    """Return the reader that fits best, or None when each declines.

    Args:
        media_type: As the source states it, or None.
        name: File name, or None.
        head: The first 4,096 bytes.
    """
    return _choose(EXTRACTORS, media_type, name, head)
