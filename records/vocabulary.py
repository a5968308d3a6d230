"""Closed enums: every kind, state, reason and warning a record can carry.

A new value is added here and in ``docs/errors.md`` or ``docs/fields.md``; a test compares the two.
All values are lower-case ASCII and are stored as they stand in the catalogue and in JSON.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an item is, in the words of the field."""

    EMAIL = "email"
    MESSAGE = "message"  # a text (SMS or MMS)
    CHAT = "chat"  # a message of a chat service
    CALL = "call"
    EVENT = "event"
    POST = "post"
    FILE = "file"
    CONTACT = "contact"
    TASK = "task"
    NOTE = "note"


class CollectionState(StrEnum):
    """Where a found item ended at collection: found = stored + failed + excluded."""

    STORED = "stored"
    FAILED = "failed"
    EXCLUDED = "excluded"


class TextState(StrEnum):
    """Where a stored item's text ended: stored = searchable + not searchable + pending."""

    SEARCHABLE = "searchable"
    NOT_SEARCHABLE = "not_searchable"
    PENDING = "pending"  # waits for OCR


class ReviewState(StrEnum):
    """Where a stored item stands in review; each stored item is in exactly one."""

    NOT_IN_REVIEW = "not_in_review"  # no hit in its family
    RELEASED_IN_FULL = "released_in_full"
    RELEASED_IN_PART = "released_in_part"
    WITHHELD_IN_FULL = "withheld_in_full"
    NOT_RESPONSIVE = "not_responsive"
    PERSONAL_MATTER = "personal_matter"
    NOT_YET_PRODUCED = "not_yet_produced"  # see Awaits


class Awaits(StrEnum):
    """What an item that is not yet produced waits for; the first that applies, in this order."""

    DECISION = "decision"
    REDACTION = "redaction"
    NOTICE = "notice"  # third-party notice, RCW 42.56.540
    COUNSEL = "counsel"
    SECOND_READER = "second_reader"
    OCR = "ocr"
    RETRY = "retry"  # its text failed for a reason that may pass
    PRODUCTION = "production"  # decided and free: goes out with the next instalment


class Reason(StrEnum):
    """Why an item failed, was excluded, or has no searchable text."""

    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    UNREADABLE = "unreadable"
    NOT_IN_EXPORT = "not_in_export"
    OMITTED_BY_USER = "omitted_by_user"  # the export was made without it
    UNSAFE_NAME = "unsafe_name"
    OUTSIDE_WINDOW = "outside_window"
    REFUSED_BY_SOURCE = "refused_by_source"
    NO_TEXT = "no_text"  # read without error; holds no text and no page that OCR could read
    NEEDS_OCR = "needs_ocr"
    EXPIRED_LINK = "expired_link"  # the export names it by an address that gives it no more
    NOT_CONVERTIBLE = "not_convertible"  # the service cannot make bytes of it
    EXPORT_SCAFFOLDING = "export_scaffolding"  # a file that describes the export itself, not a record
    LAYOUT_PART = "layout_part"  # SMIL and the like: how a message is drawn, not what it says


RETRYABLE = frozenset({Reason.TIMED_OUT, Reason.CRASHED, Reason.OUT_OF_MEMORY, Reason.UNREADABLE})
"""Reasons that may end differently on another try; everything else is final for these bytes."""

NEEDS_LIBARCHIVE = "needs_libarchive"
"""Detail of an archive that is ``unsupported`` only because a library is not installed: read it later."""


class WarningCode(StrEnum):
    """Something a reader of the item must know, although the item was read."""

    NO_DATE = "no_date"
    BAD_DATE = "bad_date"
    ASSUMED_ZONE = "assumed_zone"
    AMBIGUOUS_HOUR = "ambiguous_hour"  # of the autumn clock change: the earlier of two is taken
    NEAR_WINDOW_EDGE = "near_window_edge"
    CHARSET_GUESSED = "charset_guessed"
    HEADER_DEFECT = "header_defect"
    MIME_DEFECT = "mime_defect"
    PARTIAL = "partial"  # a container gave only some of its children
    NEEDS_OCR = "needs_ocr"  # some pages are pictures; the rest is searchable
    NAME_CHANGED = "name_changed"  # an unsafe name was replaced for display; the original is kept
    DRAFT = "draft"
    NOT_SENT = "not_sent"
    NOT_DOWNLOADED = "not_downloaded"
    DUPLICATE_ENTRY = "duplicate_entry"
    MISSING_PART = "missing_part"
    OUT_OF_ORDER = "out_of_order"  # earlier than what stands before it: perhaps pasted, or the clock was set
    EDITED = (
        "edited"  # what is kept is the last form; earlier words are in its facts where the source has them
    )
    DELETED = "deleted"  # the source keeps it as deleted, with or without its words
    DISAPPEARING = "disappearing"  # it says that messages of its conversation delete themselves
    AS_OF_NOW = "as_of_now"  # a linked file as it was when it was fetched, perhaps newer than what was sent
    CONVERTED = "converted"  # has no bytes of its own; the service made this form
    PARTLY_INDEXED = "partly_indexed"  # the service's own search could not read all of it
    HIDDEN_CONTENT = "hidden_content"  # hidden sheets, rows, slides
    COMMENTS = "comments"  # a document with comments: who releases it as it is releases them too
    TRACKED_CHANGES = "tracked_changes"  # a document that keeps what was written and deleted, by whom
    SPEAKER_NOTES = "speaker_notes"  # notes below its slides
    WITHOUT_SERVER = "without_server"  # the Tika server gave no answer: read by the embedded Tika


class Reach(StrEnum):
    """Why a place of a source is not read; a place that is read is a scope."""

    REFUSED = "refused"  # the service said no: a right is missing, or a licence
    NOT_BY_THIS_ROUTE = "not_by_this_route"  # the protocol does not lead there; another connector may
    NOT_ASKED = "not_asked"  # the request file leaves it out


class Fate(StrEnum):
    """What becomes of a path of an export; each path has one."""

    READ = "read"
    IGNORED = "ignored"  # for a stated reason
    UNKNOWN = "unknown"  # its connector does not know what it is: kept, and read, as a file


class Sighting(StrEnum):
    """What became of an item when its place was listed again."""

    NEW = "new"
    SAME = "same"
    FACTS_CHANGED = "facts_changed"  # the bytes are those that are kept; labels, folder or flags are not
    CHANGED = "changed"  # other bytes under the same key: kept beside the earlier form
    NOW_INSIDE = "now_inside"  # left out before, and within the days asked for now
    NOW_OUTSIDE = "now_outside"  # kept before, and outside of the days asked for now; it stays
    NOW_HAD = "now_had"  # could not be had before
    VANISHED = "vanished"  # met before, and not listed any more; what is kept stays


class Basis(StrEnum):
    """How far a time can be trusted."""

    STATED = "stated"
    ASSUMED_ZONE = "assumed_zone"
    RELATIVE = "relative"
    NONE = "none"


class Step(StrEnum):
    """The three steps a batch passes, in order, and what reads its pictures later."""

    COLLECT = "collect"
    EXTRACT = "extract"
    INDEX = "index"
    OCR = "ocr"  # comes and goes: it has no state of its own
