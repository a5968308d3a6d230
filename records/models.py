"""The dataclasses that rooms hand to one another. All are frozen; times are aware UTC unless said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from records.vocabulary import Basis, Fate, Kind, Reach, Reason, WarningCode

EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as far as it is known.

    Attributes:
        at: Aware UTC, or None when no trustworthy time could be read.
        text: The source's own words for it, unchanged; empty when there were none.
        basis: How far ``at`` can be trusted.
    """

    at: datetime | None
    text: str
    basis: Basis


NO_MOMENT = Moment(None, "", Basis.NONE)


@dataclass(frozen=True, slots=True)
class Window:
    """The days a request covers: whole days, both inclusive, in the request's zone.

    Attributes:
        first: First day, or None for no lower bound.
        last: Last day, or None for no upper bound.
        zone: The request's time zone.
    """

    first: date | None
    last: date | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Connection:
    """Address and credentials of a service, from an Airflow connection; never stored, logged or shown.

    Attributes:
        id: The connection's id, as the request file names it.
        host: Address of the service or its server; empty for the service's own public address.
        login: Client id, service account or user name.
        secret: Client secret, password or key; never in a representation.
        extra: What else the connection holds (tenant, addresses, key file), text to text; may hold secrets.
    """

    id: str
    host: str = ""
    login: str = ""
    secret: str = field(default="", repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    """A password of files, as somebody gave it; never that of an account.

    Attributes:
        ref: What it is called wherever it is told of, such as ``p001``: says nothing of it.
        secret: Itself; never in a representation.
    """

    ref: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SourceContext:
    """Everything a connector is given: it reads no environment, no globals, and writes no files.

    Attributes:
        source_id: The id the request file gives the source; required, unique in the request.
        custodian_id: Whose records these are; an input, never guessed.
        path: Folder or file of the export, for file connectors; None for a connection.
        time_zone: Zone applied to local times that state none (the result is marked ``assumed_zone``).
        owner_handles: The owner's own addresses and numbers, for telling in from out.
        connection: The service to ask, for connectors of services; None for a file connector, and wherever
            nothing is to be asked of it.
        account: Whose account there: a mailbox address, a user id; never shown in a message or a log.
        places: Which of the connector's ``places`` to read; empty for those it reads when not told.
        options: What else the request file sets for this source, by the names in the connector's ``options``.
        scratch: A private folder of the run where a connector may keep what it would else read many times
            (an index of a table): derived, and may vanish at any time. None for none.
    """

    source_id: str
    custodian_id: str
    path: str | None
    time_zone: ZoneInfo
    owner_handles: tuple[str, ...] = ()
    connection: Connection | None = None
    account: str = ""
    places: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    scratch: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """One place that can be searched: a mailbox folder, an mbox file, an export, a drop folder.

    Attributes:
        key: Stable and unique within the source (for files: path relative to the source, NFC).
        label: What a person reads; may hold a file name, so it never reaches a log.
        kind: Short code: ``folder``, ``mbox``, ``archive``, ``export``.
    """

    key: str
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """A place that belongs to a source and is not read, so that nobody takes its silence for emptiness.

    Attributes:
        key: Stable and unique within the source, apart from its scopes.
        label: What a person reads; may hold a name, so it never reaches a log.
        kind: As in ``Scope``.
        reach: Why it is not read.
        detail: Short code without content (``archive_mailbox``, ``http_403``).
    """

    key: str
    label: str
    kind: str
    reach: Reach
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ExportPath:
    """One path of an export, and what becomes of it.

    Attributes:
        path: Relative to the source; that of a zip's member stands behind the zip's, parted by ``!``.
        fate: What becomes of it.
        reason: Code of why it is ignored; empty else.
        archive: The zip on disk that it is a member of; empty for a file on disk.
    """

    path: str
    fate: Fate
    reason: str = ""
    archive: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """How many top items a scope should give, by a route that shares no code with the reader.

    Attributes:
        count: The figure, or None for unknown (then the scope is shown as such).
        by: The route in a few words: ``byte scan``, ``folder walk``, ``count attribute``; ``unknown``.
    """

    count: int | None
    by: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a scope that one batch collects: at most 10,000 items or 256 MB where it can be cut.

    Attributes:
        scope: The scope it belongs to; ids are those of the scope, however it is cut.
        number: 0-based position within the scope.
        spec: The connector's own description (versioned JSON text); empty for the whole scope.
        items: Number of top items in it, or None when not known beforehand.
        size_bytes: Bytes in it, or None.
    """

    scope: Scope
    number: int = 0
    spec: str = ""
    items: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FoundItem:
    """A top item a connector found, or a child the source itself lists apart; no bytes.

    Attributes:
        native_key: The platform's immutable id; for files the path relative to the scope's source, NFC; for
            an mbox the message's SHA-256 and its ordinal among equals (``<hex>:<n>``), never an offset.
        kind: What it is, as far as the source says.
        cursor: Opaque; reading again from here gives what follows this item.
        name: File name as the source has it (never used as a path), or None.
        media_type: As the source states it, or None.
        size_bytes: Native size, or None when not known before reading.
        moment: Its own time, for the window; ``NO_MOMENT`` keeps the item and flags it.
        metadata: The source's own facts (labels, folder, state), text to text.
        warnings: What a reader must know.
        handle: For the connector's ``open`` only.
    """

    native_key: str
    kind: Kind
    cursor: str
    name: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    moment: Moment = NO_MOMENT
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[WarningCode, ...] = ()
    handle: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A top item that was found but cannot be had; a value, never a raise.

    Attributes:
        native_key: As in ``FoundItem``.
        kind: What it would have been.
        cursor: As in ``FoundItem``.
        reason: Stable reason code.
        detail: Short code without content.
        name: File name as the source has it, or None.
    """

    native_key: str
    kind: Kind
    cursor: str
    reason: Reason
    detail: str = ""
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ExcludedItem:
    """A top item that was found and left out by rule, with its reason (``outside_window``, …)."""

    native_key: str
    kind: Kind
    cursor: str
    reason: Reason
    detail: str = ""
    name: str | None = None
    moment: Moment = NO_MOMENT


Yielded = FoundItem | FailedItem | ExcludedItem


@dataclass(frozen=True, slots=True)
class Address:
    """One participant: display name (may be empty) and address, number or handle."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Fields:
    """What a record says about itself, in one shape for all kinds.

    Attributes:
        subject: Decoded, on one line; empty when absent.
        sender: From, or None.
        to: Recipients in the order stated; so ``cc`` and ``bcc``.
        participants: Everybody named, where the source gives no roles (a group text); else empty.
        moment: When it was sent (or, for a call or an event, began).
        message_id: Header value with its brackets, or empty.
        in_reply_to: Header value, or empty.
        references: Header value, or empty.
        thread_key: Conversation key as the source gives it, or empty.
        thread_index: Exchange's Thread-Index (MS-OXOMSG 2.2.1.3) as hex, or empty.
    """

    subject: str = ""
    sender: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    participants: tuple[Address, ...] = ()
    moment: Moment = NO_MOMENT
    message_id: str = ""
    in_reply_to: str = ""
    references: str = ""
    thread_key: str = ""
    thread_index: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be read: reason code, and a short code without content."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """Something an item carries: an attachment, a message in a message, a member of an archive.

    Attributes:
        part_path: Stable place within the parent, such as ``1.2`` or ``3``; part of the child's id.
        name: As stated, unsafe as it may be (never used as a path), or None.
        media_type: As stated or sniffed; ``application/octet-stream`` when unknown.
        kind: ``email`` for a message in a message, ``event`` for a calendar part, else ``file``.
        data: Its bytes, decoded; None when ``failure`` says why they cannot be had.
        failure: None for a child that could be taken out.
        metadata: Facts of the container (stored name, inline or attachment, content id).
    """

    part_path: str
    name: str | None
    media_type: str
    kind: Kind
    data: bytes | None
    failure: Failure | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extractor made of one item: one object, no getters to call in order.

    Attributes:
        text: Plain text, lines end in a line feed, without NUL; empty when there is none.
        kind: What it turned out to be (an .eml among loose files is an email), or None for no opinion.
        fields: None where the format has no such facts.
        metadata: Everything else the format states, text to text.
        children: In their own order, parts before their own parts.
        expected_children: How many children the container says it has, or None when it does not say.
        warnings: Sorted, without repeats.
        failure: None when it was read; a failed container keeps the text and children it gave.
        needs_ocr_pages: 1-based pages that are pictures without text.
        pages: Number of pages, slides or sheets, or None.
        links: Addresses of files kept elsewhere of which a reader sees only words, in order, without repeats.
            They follow the text where it is stored, and are in no content hash.
    """

    text: str = ""
    kind: Kind | None = None
    fields: Fields | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Child, ...] = ()
    expected_children: int | None = None
    warnings: tuple[WarningCode, ...] = ()
    failure: Failure | None = None
    needs_ocr_pages: tuple[int, ...] = ()
    pages: int | None = None
    links: tuple[str, ...] = ()

    def whole_text(self) -> str:
        """Return the text as it is stored and searched: with the links behind its words, one a line."""
        if not self.links:
            return self.text
        return "\n".join((*((f"{self.text}\n",) if self.text else ()), *(f"<{link}>" for link in self.links)))
