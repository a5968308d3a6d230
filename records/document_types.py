"""What sort of document an item is, as people ask for it: by its kind, and for files by one closed table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from records import canonical
from records.vocabulary import Kind


class DocumentType(StrEnum):
    """Sorts of documents; each item is one."""

    MAIL = "mail"
    TEXT_MESSAGE = "text_message"
    CHAT = "chat"
    CALL = "call"
    VOICEMAIL = "voicemail"
    POST = "post"
    CALENDAR = "calendar"
    CONTACT = "contact"
    TASK = "task"
    NOTE = "note"
    DOCUMENT = "document"  # of a word processor
    SPREADSHEET = "spreadsheet"
    PRESENTATION = "presentation"
    PDF = "pdf"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    WEB_PAGE = "web_page"
    PLAIN_TEXT = "plain_text"
    ARCHIVE = "archive"
    OTHER = "other"


_T = DocumentType
_BY_KIND = {
    Kind.EMAIL: _T.MAIL, Kind.MESSAGE: _T.TEXT_MESSAGE, Kind.CHAT: _T.CHAT, Kind.CALL: _T.CALL,
    Kind.POST: _T.POST, Kind.EVENT: _T.CALENDAR, Kind.CONTACT: _T.CONTACT, Kind.TASK: _T.TASK,
    Kind.NOTE: _T.NOTE,
}  # fmt: skip

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_MACRO = ".macroenabled.12"
_MEDIA_TYPES: dict[DocumentType, tuple[str, ...]] = {
    _T.PDF: (
        "application/pdf",
    ),
    _T.DOCUMENT: (
        "application/msword", f"{_OFFICE}wordprocessingml.document",
        f"{_OFFICE}wordprocessingml.template", f"application/vnd.ms-word.document{_MACRO}",
        f"application/vnd.ms-word.template{_MACRO}", f"{_OPEN}text", f"{_OPEN}text-template",
        "application/rtf", "text/rtf", "application/vnd.wordperfect", "application/vnd.apple.pages",
        "application/vnd.ms-works", "application/epub+zip",
    ),
    _T.SPREADSHEET: (
        "application/vnd.ms-excel", f"{_OFFICE}spreadsheetml.sheet", f"{_OFFICE}spreadsheetml.template",
        f"application/vnd.ms-excel.sheet{_MACRO}",
        "application/vnd.ms-excel.sheet.binary.macroenabled.12", f"{_OPEN}spreadsheet",
        f"{_OPEN}spreadsheet-template", "application/vnd.apple.numbers", "text/csv",
        "text/tab-separated-values",
    ),
    _T.PRESENTATION: (
        "application/vnd.ms-powerpoint", f"{_OFFICE}presentationml.presentation",
        f"{_OFFICE}presentationml.slideshow", f"{_OFFICE}presentationml.template",
        f"application/vnd.ms-powerpoint.presentation{_MACRO}",
        f"application/vnd.ms-powerpoint.slideshow{_MACRO}", f"{_OPEN}presentation",
        f"{_OPEN}presentation-template", "application/vnd.apple.keynote",
    ),
    _T.WEB_PAGE: (
        "text/html", "application/xhtml+xml", "multipart/related",
    ),
    _T.MAIL: (
        "message/rfc822", "application/vnd.ms-outlook", "application/ms-tnef",
    ),
    _T.CALENDAR: (
        "text/calendar",
    ),
    _T.CONTACT: (
        "text/vcard", "text/x-vcard",
    ),
    _T.PLAIN_TEXT: (
        "text/plain", "text/vtt", "text/xml", "application/xml", "application/json", "text/markdown",
    ),
    _T.ARCHIVE: (
        "application/zip", "application/gzip", "application/x-gzip", "application/x-tar",
        "application/x-7z-compressed", "application/x-rar-compressed", "application/vnd.rar",
        "application/x-bzip2", "application/x-xz", "application/zstd",
        "application/vnd.ms-cab-compressed", "application/x-iso9660-image", "application/x-cpio",
        "application/vnd.ms-outlook-pst", "application/mbox",
    ),
}  # fmt: skip
_OF_MEDIA_TYPE = {name: sort for sort, names in _MEDIA_TYPES.items() for name in names}
_BY_FAMILY = {"image": _T.IMAGE, "audio": _T.AUDIO, "video": _T.VIDEO}
_BY_SUFFIX = {
    _T.DOCUMENT: "doc docx docm dot dotx odt rtf wpd pages wps epub",
    _T.SPREADSHEET: "xls xlsx xlsm xlsb xlt xltx ods csv tsv numbers",
    _T.PRESENTATION: "ppt pptx pptm pps ppsx pot potx odp key",
    _T.PDF: "pdf",
    _T.IMAGE: "png jpg jpeg gif bmp tif tiff webp heic heif svg ico emf wmf",
    _T.AUDIO: "mp3 m4a wav wma aac ogg oga opus flac amr aif aiff mid",
    _T.VIDEO: "mp4 m4v mov avi wmv mpg mpeg 3gp webm mkv",
    _T.WEB_PAGE: "htm html xhtml mht mhtml",
    _T.MAIL: "eml emlx msg",
    _T.CALENDAR: "ics vcs",
    _T.CONTACT: "vcf",
    _T.PLAIN_TEXT: "txt log md json xml yaml yml vtt srt",
    _T.ARCHIVE: "zip gz tgz tar 7z rar bz2 xz zst cab iso cpio pst ost mbox",
}
_OF_SUFFIX = {suffix: sort for sort, suffixes in _BY_SUFFIX.items() for suffix in suffixes.split()}
_VOICEMAIL = "voicemail"
_SMS_CALLS, _SMS_VOICEMAIL = "application/x-sms-backup-restore+xml", "4"
"""Android's ``CallLog.Calls.VOICEMAIL_TYPE``, as SMS Backup & Restore keeps it."""
_CALL_FACTS = ("call", "call_type")
"""Facts in which readers of calls say what sort of call it was."""


def document_type(
    kind: str, media_type: str | None, name: str | None, facts: Mapping[str, str]
) -> DocumentType:
    """Say what sort of document an item is.

    Of a file, the type that its reader found in the bytes counts first, then the one stated by its source,
    then the end of its name: labels lie, and ``application/octet-stream`` says nothing.

    Args:
        kind: As its reading has it.
        media_type: As its source states it, or None.
        name: Of the file, or None.
        facts: What its reader found: ``content_type``, and of a call what sort it was.
    """
    if kind == Kind.CALL and media_type == _SMS_CALLS and facts.get("type") == _SMS_VOICEMAIL:
        return DocumentType.VOICEMAIL
    if kind == Kind.CALL and any(_VOICEMAIL in facts.get(name, "").lower() for name in _CALL_FACTS):
        return DocumentType.VOICEMAIL
    if kind != Kind.FILE:
        return _BY_KIND.get(Kind(kind), DocumentType.OTHER)
    for stated in (facts.get("content_type"), media_type):
        small = (stated or "").partition(";")[0].strip().lower()
        found = _OF_MEDIA_TYPE.get(small) or _BY_FAMILY.get(small.partition("/")[0])
        if found is not None and (found is not DocumentType.PLAIN_TEXT or not _named(name)):
            return found
    return _named(name) or (
        DocumentType.PLAIN_TEXT if (media_type or "").lower().startswith("text/") else DocumentType.OTHER
    )


def read_type(kind: str, media_type: str | None, name: str | None, facts: str | None) -> DocumentType:
    """Say what sort of document an item is, by rows of the catalogue.

    Args:
        kind: Of its reading, else of the item.
        media_type: Of the item.
        name: Of the item.
        facts: Of its reading, canonical JSON, or None. Looked at only where they count.
    """
    known: Mapping[str, str] = {}
    if facts and kind in {Kind.FILE, Kind.CALL}:
        known = canonical.loads(facts).get("metadata", {})
    return document_type(kind, media_type, name, known)


def _named(name: str | None) -> DocumentType | None:
    """Return the sort that the end of a name tells; a text is often a table or a page by its name alone."""
    return _OF_SUFFIX.get((name or "").rpartition(".")[2].lower()) if "." in (name or "") else None
