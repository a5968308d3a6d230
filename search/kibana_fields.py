"""The fields of an index document that Kibana shows and no query of ours reads.

They are read from the catalogue, never from the index, and change while the text does not: terms are run,
people decide, series are confirmed. So they are computed apart from ``search.indexing`` and written over a
document as often as needed. What ``IndexDocument`` has already (ids, kind, day, name) is not repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.decisions import Standing, in_review
from records.vocabulary import Awaits, CollectionState, ReviewState, TextState

PAGES_ADDRESS = "http://127.0.0.1:8421"
"""Where ``daylight view`` serves the pages when no other port is named."""

UNREAD = "unread"
"""The text state of an item that the extract step has not met yet."""

_SLICE_ITEMS = 400

ODD_ENTRIES = 200
ODD_NAME_CHARACTERS = 128
ODD_VALUE_CHARACTERS = 4_096
"""What is kept of a file's own metadata: the server takes no name and value above 32,766 bytes together, and
a file can be made with any number of them."""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What the catalogue knows of one stored item, before it is put into the index's words.

    Attributes:
        item_id: The item.
        connector: Registry name of what collected it.
        size_bytes: Size of the native, or None when it is not known.
        sent_at: UTC text as the catalogue keeps it, or None without a trustworthy time.
        sender: Authors as ``(name, address)``; either may be empty.
        recipients: Everybody else in the message, likewise, whatever their role.
        text_state: ``searchable``, ``not_searchable``, ``pending``, or None when it was not read yet.
        reason: Why there is no searchable text, or None.
        ocr_pages: Pages that are pictures of text and wait for OCR.
        children: Attachments that came with it.
        terms: Texts of the request's terms that match the item itself, in the order of the list.
        standing: Where it stands in review; None when no member of its family is in review.
        series: The series suggested or confirmed for it, or None.
        series_title: Title of that series; may be empty.
        metadata: What the file says of itself that no other field holds: author, application, labels.
    """

    item_id: str
    connector: str = ""
    size_bytes: int | None = None
    sent_at: str | None = None
    sender: tuple[tuple[str, str], ...] = ()
    recipients: tuple[tuple[str, str], ...] = ()
    text_state: str | None = None
    reason: str | None = None
    ocr_pages: int = 0
    children: int = 0
    terms: tuple[str, ...] = ()
    standing: Standing | None = None
    series: str | None = None
    series_title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KibanaFields:
    """The fields as the index holds them; None is written too, so that it takes an older value away.

    Attributes:
        connector: ``keyword``.
        sent: ``date``: the instant in UTC; the day in the request's zone is ``IndexDocument.sent_on``.
        correspondents: ``keyword``: everybody in the message, by address in small letters, else by name.
        terms: ``keyword``: the terms of the request's list that match the document itself.
        coding_state: ``keyword``: see ``coding_state``.
        series: ``keyword``: retention series, suggested or confirmed; None for none.
        series_title: ``keyword``.
        text_state: ``keyword``: ``searchable``, ``not_searchable``, ``pending`` or ``unread``.
        failure_reason: ``keyword``: why it has no searchable text; None when it has.
        ocr_pending: ``boolean``: the whole item or some of its pages wait for OCR.
        attachments: ``integer``.
        size_bytes: ``long``.
        item_url: ``keyword``: the item's page of ``daylight view``.
        odd: ``flattened``: the file's own metadata, by name; see ``odd``.
    """

    connector: str
    sent: str | None
    correspondents: tuple[str, ...]
    terms: tuple[str, ...]
    coding_state: str
    series: str | None
    series_title: str | None
    text_state: str
    failure_reason: str | None
    ocr_pending: bool
    attachments: int
    size_bytes: int | None
    item_url: str
    odd: dict[str, str]

    def as_fields(self) -> dict[str, Any]:
        """Return field names with values, ready for a document or a partial update of it."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }


def kibana_fields(facts: ItemFacts, request_id: str, pages: str = PAGES_ADDRESS) -> KibanaFields:
    """Put one item's facts into the words of the index; nothing is read.

    Args:
        facts: The item.
        request_id: Its request, for the address of its page.
        pages: Scheme, host and port of the pages, without a slash at its end.
    """
    return KibanaFields(
        connector=facts.connector,
        sent=facts.sent_at,
        correspondents=correspondents((*facts.sender, *facts.recipients)),
        terms=facts.terms,
        coding_state=coding_state(facts.standing),
        series=facts.series,
        series_title=facts.series_title or None,
        text_state=facts.text_state or UNREAD,
        failure_reason=facts.reason,
        ocr_pending=facts.text_state == TextState.PENDING or facts.ocr_pages > 0,
        attachments=facts.children,
        size_bytes=facts.size_bytes,
        item_url=f"{pages}/r/{request_id}/i/{facts.item_id}",
        odd=odd(facts.metadata),
    )


def odd(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return a file's own metadata as far as the index takes it: one field, whatever the names in it.

    The first ``ODD_ENTRIES`` by name; none with a name above ``ODD_NAME_CHARACTERS``; values cut at
    ``ODD_VALUE_CHARACTERS``. All of it is in ``daylight items``.
    """
    taken = [
        (name, value[:ODD_VALUE_CHARACTERS].replace("\0", " "))
        for name, value in sorted(metadata.items())
        if 0 < len(name) <= ODD_NAME_CHARACTERS and "\0" not in name and value
    ]
    return dict(taken[:ODD_ENTRIES])


def correspondents(people: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return people once each, in order: by address in small letters, or by name where there is no address.

    Args:
        people: ``(name, address)``.
    """
    return tuple(sorted({(address or name).strip().lower() for name, address in people} - {""}))


def coding_state(standing: Standing | None) -> str:
    """Return where an item stands in one word.

    ``not_in_review``, ``undecided``, ``personal``, ``not_responsive``; ``release``, ``redact`` or
    ``withhold`` once that is decided, whether it went out or waits for its instalment (or, to be redacted,
    for its redactions); or what keeps a decided item back: ``awaits_notice``, ``awaits_counsel``,
    ``awaits_second_reader``, ``awaits_ocr``, ``awaits_retry``.
    """
    if standing is None or standing.state is ReviewState.NOT_IN_REVIEW:
        return "not_in_review"
    if standing.state is ReviewState.PERSONAL_MATTER:
        return "personal"
    if standing.state is ReviewState.NOT_RESPONSIVE:
        return "not_responsive"
    if standing.awaits in _KEPT_BACK:
        return f"awaits_{standing.awaits}"
    decision = standing.decision
    return "undecided" if decision is None or decision.treatment is None else str(decision.treatment)


_KEPT_BACK = {Awaits.NOTICE, Awaits.COUNSEL, Awaits.SECOND_READER, Awaits.OCR, Awaits.RETRY}

CODING_STATES = (
    "not_in_review", "undecided", "release", "redact", "withhold", "personal", "not_responsive",
    *(f"awaits_{awaits}" for awaits in Awaits if awaits in _KEPT_BACK),
)  # fmt: skip
"""Every value of ``coding_state``, in the order of review."""


# -- reading them


@dataclass(frozen=True)
class FieldsReader:
    """Reads the fields of a request's items; what all items share was read once.

    Attributes:
        catalogue: Open.
        request_id: The request.
        pages: See ``kibana_fields``.
    """

    catalogue: Catalogue
    request_id: str
    pages: str
    _version: int
    _terms: Mapping[int, str] = field(repr=False)
    _standings: Mapping[str, Standing] = field(repr=False)

    @classmethod
    def open(cls, catalogue: Catalogue, request_id: str, pages: str = PAGES_ADDRESS) -> FieldsReader:
        """Read the term list in force and where every item in review stands.

        Args:
            catalogue: The catalogue of the home.
            request_id: A request of it.
            pages: See ``kibana_fields``.
        """
        r, v = t.requests.c, t.request_versions.c
        with catalogue.read() as connection:
            version, terms = connection.execute(
                sa.select(r.version, v.terms)
                .join(t.request_versions, (v.request_id == r.request_id) & (v.version == r.version))
                .where(r.request_id == request_id)
            ).one()
            standings = in_review(connection, request_id, version)
        listed = {row["line"]: row["term"] for row in canonical.loads(terms)}
        return cls(catalogue, request_id, pages, version, listed, standings)

    def reviewed(self) -> list[str]:
        """Return the items in review, in order."""
        return sorted(self._standings)

    def fields(self, item_ids: Iterable[str]) -> Iterator[tuple[str, KibanaFields]]:
        """Yield stored items with their fields, in the order given; others are left out."""
        for piece in chunked(list(item_ids), _SLICE_ITEMS):
            facts = self._facts(piece)
            for item_id in piece:
                if item_id in facts:
                    yield item_id, kibana_fields(facts[item_id], self.request_id, self.pages)

    def _facts(self, item_ids: Sequence[str]) -> dict[str, ItemFacts]:
        i, r = t.items.c, t.readings.c
        query = (
            sa.select(
                i.item_id, i.connector, i.size_bytes, r.sent_at, r.sender, r.recipients,
                r.text_state, r.reason, r.ocr_pages, r.children, r.facts,
            )
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(
                i.request_id == self.request_id,
                i.item_id.in_(item_ids),
                i.state == CollectionState.STORED,
            )
        )  # fmt: skip
        with self.catalogue.read() as connection:
            rows = connection.execute(query).all()
            hits = self._hits(connection, item_ids)
            series = self._series(connection, item_ids)
        out = {}
        for row in rows:
            flag = series.get(row.item_id, {})
            roles = canonical.loads(row.recipients) if row.recipients else {}
            out[row.item_id] = ItemFacts(
                item_id=row.item_id,
                connector=row.connector,
                size_bytes=row.size_bytes,
                sent_at=row.sent_at,
                sender=_people(canonical.loads(row.sender) if row.sender else ()),
                recipients=_people(person for people in roles.values() for person in people),
                text_state=row.text_state,
                reason=row.reason,
                ocr_pages=len(canonical.loads(row.ocr_pages)) if row.ocr_pages else 0,
                children=row.children or 0,
                terms=hits.get(row.item_id, ()),
                standing=self._standings.get(row.item_id),
                series=flag.get("series_id"),
                series_title=flag.get("title", ""),
                metadata=canonical.loads(row.facts).get("metadata", {}) if row.facts else {},
            )
        return out

    def _hits(self, connection: sa.Connection, item_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the texts of the terms that match items; two lines with one text are one term here."""
        h, i = t.hits.c, t.items.c
        rows = connection.execute(
            sa.select(h.item_id, h.term_no)
            .join_from(
                t.items,
                t.hits,
                (h.request_id == i.request_id) & (h.family_id == i.family_id) & (h.item_id == i.item_id),
            )
            .where(i.request_id == self.request_id, i.item_id.in_(item_ids), h.version == self._version)
            .order_by(h.item_id, h.term_no)
        )
        found: dict[str, dict[str, None]] = {}
        for item_id, term_no in rows:
            if term_no in self._terms:
                found.setdefault(item_id, {})[self._terms[term_no]] = None
        return {item_id: tuple(texts) for item_id, texts in found.items()}

    def _series(self, connection: sa.Connection, item_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the retention flag in force of items: a person's newest answer, else the suggestion."""
        f = t.retention_flags.c
        rows = connection.execute(
            sa.select(f.item_id, f.body)
            .where(f.request_id == self.request_id, f.item_id.in_(item_ids))
            .order_by(f.item_id, f.seq)
        )
        return {item_id: canonical.loads(body) for item_id, body in rows}


def _people(people: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name or "", address or "") for name, address in people)
