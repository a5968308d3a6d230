"""The catalogue's tables (SQLAlchemy Core), alike on SQLite and PostgreSQL.

``request_id`` comes first in every key. Each room writes its own tables and reads any. Times are ISO 8601 UTC
text with microseconds and ``Z`` so that both databases order and compare them alike; days are ``YYYY-MM-DD``.
JSON columns hold canonical JSON text (see ``records.canonical``).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()


def _key(*names: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint(*names)


# --- the desk: requests, versions, sources -------------------------------------------------------------

requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("version", Integer, nullable=False),  # the scope version in force
    Column("received_on", Text, nullable=False),
    Column("due_on", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, running, complete, closed
    Column("opened_at", Text, nullable=False),
    Column("closed_at", Text),
    _key("request_id"),
)

request_versions = Table(
    "request_versions",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),  # the request file as canonical JSON: the request verbatim
    Column("terms", Text, nullable=False),  # the term list as canonical JSON: [{line, term, note}]
    Column("terms_csv", Text, nullable=False),  # the same as it came, bad lines included
    Column("at", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    _key("request_id", "version"),
)

scopes = Table(
    "scopes",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("custodian_id", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("expected", BigInteger),  # None: unknown
    Column("expected_by", Text, nullable=False),
    Column("kept_back", BigInteger),  # declared personal sources: what the employee kept back; None elsewhere
    Column("failure_reason", Text),  # the whole place could not be read
    Column("failure_detail", Text),
    Column("failure_stamp", Text),  # by which other files at the same place are told; None for a service
    Column("first_round", Integer, nullable=False, server_default="0"),  # in which it was first listed
    Column("round", Integer, nullable=False, server_default="0"),  # last listed in; -1: to be listed again
    Column("missing_since", Integer),  # the round whose listing no longer had it; None: it is there
    _key("request_id", "source_id", "scope_key"),
)

top_ups = Table(
    "top_ups",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("round", Integer, nullable=False),  # from 1; round 0 is the first collection
    Column("version", Integer, nullable=False),  # of the request, whose window and sources it keeps to
    Column("sources", Text, nullable=False),  # ids of sources to be listed again, canonical JSON
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "round"),
)

sightings = Table(
    "sightings",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("batch_id", Text, nullable=False),  # that met it; empty for an item that was not met
    Column("source_id", Text, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("native_key", Text, nullable=False),  # as the source has it, numbered where it uses a key twice
    Column("outcome", Text, nullable=False),  # vocabulary.Sighting
    Column("earlier_id", Text),  # of the item that this one is a later form of
    Column("facts", Text),  # the source's own metadata where they are not those kept before, canonical JSON
    _key("request_id", "round", "item_id"),
    Index("sightings_by_batch", "request_id", "batch_id"),
    Index("sightings_by_item", "request_id", "item_id", "round"),
    Index("sightings_by_scope", "request_id", "source_id", "scope_key"),
)

unreached = Table(
    "unreached",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("place_key", Text, nullable=False),
    Column("custodian_id", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reach", Text, nullable=False),  # vocabulary.Reach
    Column("detail", Text, nullable=False),
    _key("request_id", "source_id", "place_key"),
)

export_paths = Table(
    "export_paths",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("at", Text, nullable=False),  # when its places were last listed anew
    Column("paths", BigInteger),  # by a walk and the directories of its zips; None: unknown
    Column("body", Text, nullable=False),  # {read, ignored: {code: n}, unknown, names}, canonical JSON
    _key("request_id", "source_id"),
)

source_checks = Table(
    "source_checks",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("at", Text, nullable=False),  # when its places were last to be listed
    Column("answer", Text, nullable=False),  # answered, refused, not_answered
    Column("detail", Text, nullable=False),  # what its connector said: ids and codes
    _key("request_id", "source_id"),
)

batches = Table(
    "batches",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("batch_id", Text, nullable=False),  # b000001, in plan order
    Column("source_id", Text, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("part", Text, nullable=False),  # records.models.Part as canonical JSON
    Column("items_planned", BigInteger),
    Column("bytes_planned", BigInteger),
    Column("cursor", Text),  # the last collected item that is safe
    Column("collect_state", Text, nullable=False),  # waiting, running, done
    Column("extract_state", Text, nullable=False),
    Column("index_state", Text, nullable=False),
    Column("fence", Integer, nullable=False),  # rises with every attempt
    Column("round", Integer, nullable=False, server_default="0"),  # of listing; see top_ups
    _key("request_id", "batch_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("outcome", Text),  # done, failed, lost
    Column("items", BigInteger, nullable=False),
    _key("request_id", "batch_id", "fence"),
)

# --- evidence ------------------------------------------------------------------------------------------

blobs = Table(
    "blobs",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),  # unpacked
    Column("stored_bytes", BigInteger, nullable=False),  # packed, without the record header
    _key("request_id", "sha256"),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("authority", Text, nullable=False),
    _key("request_id", "sha256"),
)

# --- connectors: what was found ------------------------------------------------------------------------

items = Table(
    "items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("custodian_id", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("native_key", Text, nullable=False),  # of the top item
    Column("family_id", Text, nullable=False),
    Column("parent_id", Text),
    Column("part_path", Text, nullable=False),  # empty for a top item
    Column("level", Integer, nullable=False),  # 0 = top
    Column("position", BigInteger, nullable=False),  # top: order in its batch; child: order in its family
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("media_type", Text),
    Column("state", Text, nullable=False),  # vocabulary.CollectionState
    Column("reason", Text),
    Column("detail", Text),
    Column("blob_sha256", Text),  # None unless stored
    Column("size_bytes", BigInteger),
    Column("moment_at", Text),  # as the connector read it, for the window
    Column("facts", Text, nullable=False),  # the source's own metadata and warnings, canonical JSON
    _key("request_id", "item_id"),
    Index("items_by_batch", "request_id", "batch_id", "family_id", "position"),
    Index("items_by_family", "request_id", "family_id", "position"),
)

# --- extract: what was read ----------------------------------------------------------------------------

readings = Table(
    "readings",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("extractor", Text, nullable=False),
    Column("extractor_version", Text, nullable=False),
    Column("kind", Text, nullable=False),  # what it turned out to be
    Column("text_state", Text, nullable=False),  # vocabulary.TextState
    Column("reason", Text),
    Column("detail", Text),
    Column("text_sha256", Text),  # None: no text
    Column("text_bytes", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sent_at", Text),
    Column("sent_at_text", Text, nullable=False),
    Column("sent_at_basis", Text, nullable=False),
    Column("sender", Text, nullable=False),  # canonical JSON [[name, address]]; empty list for none
    Column("recipients", Text, nullable=False),  # canonical JSON {to, cc, bcc, participants}
    Column(
        "thread", Text, nullable=False
    ),  # canonical JSON {message_id, in_reply_to, references, thread_key, thread_index if there is one}
    Column("content_hash", Text),
    Column("mih", Text),
    Column("family_hash", Text),  # top items only
    Column("family_hash_no_bcc", Text),  # without blind recipients; None where it is the same
    Column("children", Integer, nullable=False),  # stored or failed children
    Column("expected_children", Integer),
    Column("pages", Integer),
    Column("ocr_pages", Text, nullable=False),  # canonical JSON [page, …]
    Column("read_ms", BigInteger),  # milliseconds of its reader; None: known from a copy, or of an older home
    Column("facts", Text, nullable=False),  # metadata and warnings, canonical JSON
    Column("languages", Text),  # code:share of the words in per cent, most first; None: not told
    _key("request_id", "item_id"),
    Index("readings_by_batch", "request_id", "batch_id"),
)

ocr_texts = Table(
    "ocr_texts",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of the file that the page is of: a logo is read once
    Column("page", Integer, nullable=False),
    Column("layout", Text, nullable=False),  # page, or screen: a screenshot of a conversation
    Column("state", Text, nullable=False),  # done, failed
    Column("reason", Text),  # of a failed page
    Column("detail", Text),
    Column("text_sha256", Text),  # None: a blank page
    Column("words", Integer, nullable=False),
    Column("confidence", Float),  # mean of its words, 0 to 100; None: no words
    Column("turned", Integer, nullable=False),  # degrees clockwise
    Column("place", BigInteger),  # offset in the document's earlier text; None: it had none
    Column("tool", Text, nullable=False),  # program, version and languages
    Column("at", Text, nullable=False),
    _key("request_id", "sha256", "page", "layout"),
)

ocr_items = Table(
    "ocr_items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("before", Text, nullable=False),  # the reading's columns as they were, canonical JSON
    Column("layout", Text, nullable=False),  # of its rows in ocr_texts
    Column("done", Integer, nullable=False),  # pages read
    Column("failed", Text, nullable=False),  # canonical JSON [[page, reason, detail], …]
    Column("at", Text, nullable=False),
    _key("request_id", "item_id"),
    Index("ocr_items_by_batch", "request_id", "batch_id"),
)

# --- search --------------------------------------------------------------------------------------------

hits = Table(
    "hits",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("version", Integer, nullable=False),  # of the request's terms
    Column("term_no", Integer, nullable=False),  # line of the term list, from 1
    Column("item_id", Text, nullable=False),
    Column("family_id", Text, nullable=False),
    Column("occurrences", Integer, nullable=False),
    # A list finds millions of rows: one tree, written in its order, and asked by family. An item's hits are
    # asked for with its family.
    _key("request_id", "version", "family_id", "item_id", "term_no"),
    sqlite_with_rowid=False,
)

term_reports = Table(
    "term_reports",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("report", Text, nullable=False),  # the hit report as canonical JSON
    _key("request_id", "version"),
)

searches = Table(
    "searches",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("query", Text, nullable=False),  # as typed
    Column("parsed", Text, nullable=False),
    Column("index_state", Text, nullable=False),  # canonical JSON of search.protocol.IndexState
    Column("documents", BigInteger),  # null: it was given up
    Column("families", BigInteger),
    Column("refused", Text),  # why it was given up, in the program's words; null: it was answered
    _key("request_id", "seq"),
)

# --- retention -----------------------------------------------------------------------------------------

retention_series = Table(
    "retention_series",
    metadata,
    Column("schedule_id", Text, nullable=False),  # hash of the imported file, or "built-in"
    Column("series_id", Text, nullable=False),
    Column("body", Text, nullable=False),  # retention.schedule.Series as canonical JSON
    _key("schedule_id", "series_id"),
)

retention_schedules = Table(
    "retention_schedules",
    metadata,
    Column("schedule_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("imported_at", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("in_force", Boolean, nullable=False),
    _key("schedule_id"),
)

retention_flags = Table(
    "retention_flags",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # 0 = the suggestion; a person's answers follow
    Column("series_id", Text),  # None: no series found
    Column("body", Text, nullable=False),  # reason, cut-off, retention, disposition, … canonical JSON
    Column("by", Text, nullable=False),  # "rules" or a person
    Column("at", Text, nullable=False),
    _key("request_id", "item_id", "seq"),
)

freezes = Table(
    "freezes",
    metadata,
    Column("request_id", Text, nullable=False),  # every item of this request is frozen, RCW 42.56.100
    Column("from_at", Text, nullable=False),
    Column("until_at", Text),  # None while the request is open
    Column("authority", Text, nullable=False),
    _key("request_id"),
)

# --- the desk: what a request will take, and what is kept for it ---------------------------------------

estimates = Table(
    "estimates",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("why", Text, nullable=False),  # of an adjustment by a person; empty for one that was counted
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("body", Text, nullable=False),  # desk.estimating.Estimate as canonical JSON
    _key("request_id", "seq"),
)

holds = Table(
    "holds",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("hold_id", Text, nullable=False),  # h001, in the order proposed
    Column("custodian_id", Text, nullable=False),
    Column("source_id", Text, nullable=False),  # empty: a memo about all that a person has
    Column("route", Text, nullable=False),  # vault, purview, memo
    Column("scope", Text, nullable=False),  # account, corpus, days; canonical JSON
    Column("version", Integer, nullable=False),  # of the request, when it was proposed
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),  # when it was proposed
    _key("request_id", "hold_id"),
)

hold_events = Table(
    "hold_events",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("hold_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is the state
    Column("event", Text, nullable=False),  # a state of desk.preserving.Hold
    Column("proof", Text, nullable=False),  # what shows it, canonical JSON
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "hold_id", "seq"),
)

litigation_holds = Table(
    "litigation_holds",
    metadata,
    Column("hold_no", Integer, nullable=False, autoincrement=False),  # of the whole office
    Column("matter", Text, nullable=False),
    Column("people", Text, nullable=False),  # addresses, numbers, names, canonical JSON; none: everybody
    Column("from_day", Text),
    Column("to_day", Text),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("ended_at", Text),  # None while it is in force
    Column("ended_why", Text, nullable=False),
    Column("ended_by", Text, nullable=False),
    _key("hold_no"),
)

declarations = Table(
    "declarations",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("custodian_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("version", Integer, nullable=False),  # of the request, whose words and days it is about
    Column("used", Boolean, nullable=False),  # a personal device or account, for district business, in them
    Column("answered_on", Text, nullable=False),
    Column("body", Text, nullable=False),  # statement and places, canonical JSON; see records.declarations
    Column("file_sha256", Text, nullable=False),  # of the file it was taken in from
    Column("by", Text, nullable=False),  # who took it in
    Column("at", Text, nullable=False),
    _key("request_id", "custodian_id", "seq"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("custodian_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # of the declaration
    Column("path", Text, nullable=False),  # from the root on, as keys of files are written
    Column("place_no", Integer, nullable=False),  # of the declaration's places, from 1
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),  # the file system's own time, since 1970
    Column("received_at", Text, nullable=False),
    _key("request_id", "custodian_id", "seq", "path"),
)

# --- review --------------------------------------------------------------------------------------------

decisions = Table(
    "decisions",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("version", Integer, nullable=False),  # of the request's scope and terms
    Column("blob_sha256", Text),  # the bytes that were decided on
    Column("body", Text, nullable=False),  # review.decisions.Decision as canonical JSON
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "item_id", "seq"),
)

# --- release -------------------------------------------------------------------------------------------

drafts = Table(
    "drafts",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # the highest is the present draft
    Column("draft_sha256", Text, nullable=False),  # of its tag manifest: what a person approves
    Column("installment", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("body", Text, nullable=False),  # release.plan as canonical JSON; frozen when it is approved
    _key("request_id", "seq"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("installment", Integer, nullable=False),
    Column("draft_sha256", Text, nullable=False),  # manifest of the draft that was approved
    Column("answer", Text, nullable=False),  # approved, rejected
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "installment", "at"),
)

numbers = Table(
    "numbers",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("number", Integer, nullable=False),  # permanent, unique, without gaps
    Column("installment", Integer, nullable=False),
    _key("request_id", "item_id"),
    Index("numbers_unique", "request_id", "number", unique=True),
)

installments = Table(
    "installments",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("installment", Integer, nullable=False),
    Column("frozen_at", Text, nullable=False),
    Column("audit_seq", BigInteger, nullable=False),
    Column("audit_head", Text, nullable=False),
    Column("body", Text, nullable=False),  # everything the package is made from that may change later
    _key("request_id", "installment"),
)

# --- audit ---------------------------------------------------------------------------------------------

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),  # canonical JSON
    Column("prev_hash", Text, nullable=False),
    Column("entry_hash", Text, nullable=False),
)


# --- runs ----------------------------------------------------------------------------------------------

runs = Table(
    "runs",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("run_key", Text, nullable=False),  # "local-<pid>-<time>" or Airflow's run id
    Column("version", Integer, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("lease_until", Text),  # None: waits for a person
    Column("ended_at", Text),
    Column("outcome", Text),  # complete (with exceptions), partial: …, interrupted
    _key("request_id", "run_key"),
)

waivers = Table(
    "waivers",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # the newest is in force
    Column("why", Text, nullable=False),  # why a release goes out although the ledger does not balance
    Column("imbalance", Text, nullable=False, server_default=""),  # what it covers, canonical JSON
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "seq"),
)


# --- search adequacy: rosters, variants, signals and leads, samples -------------------------------------

rosters = Table(
    "rosters",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("version", Integer, nullable=False),  # the newest that is not above the version in force counts
    Column("roster_csv", Text, nullable=False),  # as it came
    _key("request_id", "version"),
)

variants = Table(
    "variants",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("variant_id", Text, nullable=False),  # hash of what it stands for, the way and the form
    Column("version", Integer, nullable=False),  # of the terms it was last proposed for
    Column("base_kind", Text, nullable=False),  # term, person, place, programme
    Column("base", Text, nullable=False),  # the term as typed, or the name
    Column("way", Text, nullable=False),  # nickname, initials, misspelling, …
    Column("form", Text, nullable=False),  # the query that would be added
    Column("documents", BigInteger, nullable=False),  # it finds, alone
    Column("families", BigInteger, nullable=False),
    Column("added_documents", BigInteger, nullable=False),  # that no term of the version finds
    Column("added_families", BigInteger, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "variant_id"),
)

variant_answers = Table(
    "variant_answers",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("variant_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("answer", Text, nullable=False),  # taken, refused
    Column("version", Integer, nullable=False),  # taken: that whose list has it; refused: in force
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "variant_id", "seq"),
)

signals = Table(
    "signals",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("signal_id", Text, nullable=False),  # hash of kind and subject
    Column("version", Integer, nullable=False),  # of the terms whose hits it was last found in
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),  # what it is about: an address, an app, a gap; for the office
    Column("custodian_id", Text),  # None: nobody's in particular
    Column("rank", Integer, nullable=False),  # 1 is looked at first
    Column("body", Text, nullable=False),  # canonical JSON
    Column("at", Text, nullable=False),
    _key("request_id", "signal_id"),
)

signal_items = Table(
    "signal_items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("signal_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("family_id", Text, nullable=False),
    Column("first_at", Text, nullable=False),  # when it was first found to stand here: later than an answer?
    _key("request_id", "signal_id", "item_id"),
    Index("signal_items_by_item", "request_id", "item_id"),
)

signal_answers = Table(
    "signal_answers",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("signal_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("answer", Text, nullable=False),  # promoted, closed, reopened
    Column("how", Text, nullable=False),  # closed: by what it was closed; else empty
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "signal_id", "seq"),
)

samples = Table(
    "samples",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("sample_no", Integer, nullable=False),  # from 1, in the order drawn
    Column("version", Integer, nullable=False),  # of the terms whose discards it was drawn from
    Column("seed", BigInteger, nullable=False),
    Column("population", BigInteger, nullable=False),  # families of the frozen list
    Column("size", Integer, nullable=False),
    Column("frame_sha256", Text, nullable=False),  # of the frozen list
    Column("body", Text, nullable=False),  # what the figures stand on, canonical JSON
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "sample_no"),
)

sample_items = Table(
    "sample_items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("sample_no", Integer, nullable=False),
    Column("position", Integer, nullable=False),  # in the order drawn, from 1
    Column("family_id", Text, nullable=False),
    _key("request_id", "sample_no", "position"),
    Index("sample_items_unique", "request_id", "sample_no", "family_id", unique=True),
)

sample_answers = Table(
    "sample_answers",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("sample_no", Integer, nullable=False),
    Column("family_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("responsive", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "sample_no", "family_id", "seq"),
)


# --- possible exceptions to the district's own policy ----------------------------------------------------

policies = Table(
    "policies",
    metadata,
    Column("policy_no", Integer, nullable=False, autoincrement=False),  # of the whole office, append-only
    Column("on", Boolean, nullable=False),  # the newest row says whether it is
    Column("rules", Text, nullable=False),  # the file as it came; empty where it was turned off
    Column("rules_sha256", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("policy_no"),
)

policy_checks = Table(
    "policy_checks",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("check_no", Integer, nullable=False),  # from 1
    Column("version", Integer, nullable=False),  # of the request
    Column("rules_sha256", Text, nullable=False),  # whose text is in policies
    Column("body", Text, nullable=False),  # what was looked at, and what not, canonical JSON
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "check_no"),
)

policy_marks = Table(
    "policy_marks",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("exception_id", Text, nullable=False),  # hash of rule and what is marked
    Column("seq", Integer, nullable=False),  # append-only: the highest is how the newest check found it
    Column("check_no", Integer, nullable=False),
    Column("found", Boolean, nullable=False),  # false: found before, and not any more
    Column("rule_id", Text, nullable=False),
    Column("rules_sha256", Text, nullable=False),
    Column("unit", Text, nullable=False),  # message, conversation, source
    Column("item_id", Text, nullable=False),  # the message, or the first of what is marked
    Column("source_id", Text, nullable=False),
    Column("custodian_id", Text, nullable=False),
    Column("body", Text, nullable=False),  # {messages, places, signs}, canonical JSON: never content
    Column("at", Text, nullable=False),
    _key("request_id", "exception_id", "seq"),
)

policy_judgements = Table(
    "policy_judgements",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("exception_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # append-only: the highest is in force
    Column("judgement", Text, nullable=False),  # exception, named_exception, no_exception
    Column("excuse", Text, nullable=False),  # named_exception: its id; else empty
    Column("rules_sha256", Text, nullable=False),  # under which the mark that was judged was made
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "exception_id", "seq"),
)


# --- groups: duplicates, near duplicates, threads --------------------------------------------------------

groupings = Table(
    "groupings",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("grouping_no", Integer, nullable=False),  # the highest is in force; rows of others are removed
    Column("version", Integer, nullable=False),  # of the request
    Column("duplicates", Text, nullable=False),  # review.duplicates.Mode
    Column("rules_sha256", Text, nullable=False),  # of review/grouping.toml
    Column("body", Text, nullable=False),  # figures, canonical JSON
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    _key("request_id", "grouping_no"),
)

duplicate_items = Table(
    "duplicate_items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("grouping_no", Integer, nullable=False),
    Column("item_id", Text, nullable=False),  # a top item that others equal, with all that each carries
    Column("group_id", Text, nullable=False),
    Column("first_id", Text, nullable=False),  # the first copy, by the order of sources; itself for that one
    Column("copies", Integer, nullable=False),
    _key("request_id", "grouping_no", "item_id"),
    Index("duplicate_items_by_group", "request_id", "grouping_no", "group_id"),
)

near_items = Table(
    "near_items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("grouping_no", Integer, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("pivot_id", Text, nullable=False),  # an item with the longest text, which the group is about
    Column("percent", Integer, nullable=False),  # Jaccard similarity to that text, rounded down
    Column("same_words", Boolean, nullable=False),  # its words, in the same order
    _key("request_id", "grouping_no", "item_id"),
    Index("near_items_by_group", "request_id", "grouping_no", "group_id"),
)

thread_items = Table(
    "thread_items",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("grouping_no", Integer, nullable=False),
    Column("item_id", Text, nullable=False),  # a mail; copies of one message have a row each
    Column("thread_id", Text, nullable=False),
    Column("by", Text, nullable=False),  # review.threads.By
    Column("parent_id", Text),  # the mail it answers; None: the first, or what it answers was not collected
    Column("place", Integer, nullable=False),  # from 1, in the order of time
    Column("depth", Integer, nullable=False),  # answers above it that were collected
    Column("size", Integer, nullable=False),  # messages of the thread, each once
    Column("why", Text),  # inclusive: review.inclusive.Why; None where it is not
    Column("container_id", Text),  # the later mail that holds all of it: the proof that it is not inclusive
    _key("request_id", "grouping_no", "item_id"),
    Index("thread_items_by_thread", "request_id", "grouping_no", "thread_id", "place"),
)
