"""The facts of an adequacy report: one tree of rows and counts, collected anew each time.

What has to be shown of a search: its terms, its kind and the places searched (Neighborhood Alliance of
Spokane County v. County of Spokane, 172 Wn.2d 702 (2011)), the places ruled out, the leads followed, what
could not be searched, and who searched when. Each section says in ``origin`` from which rows its figures are
counted. The tree holds facts only: no field of it says whether a search was good.
"""

from __future__ import annotations

from dataclasses import dataclass

from search.terms import BadLine


@dataclass(frozen=True, slots=True)
class Origin:
    """Where figures come from.

    Attributes:
        figures: The figures or fields meant, by name.
        table: A table of the catalogue, or ``search index``.
        where: Which of its rows, by columns; always those of this request.
    """

    figures: str
    table: str
    where: str


@dataclass(frozen=True, slots=True)
class Count:
    """A code and how many."""

    code: str
    count: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the request.

    Attributes:
        version: From 1.
        at: When it came into force, UTC.
        by: Who made it.
        why: Why.
        changed: What differs from the version before: keys of the request file; empty for the first.
        text: The request word for word.
        window_from: First day asked for, or None.
        window_to: Last day asked for, or None where the file names none (then the day of receipt).
    """

    version: int
    at: str
    by: str
    why: str
    changed: tuple[str, ...]
    text: str
    window_from: str | None
    window_to: str | None


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What was asked.

    Attributes:
        received_on: Day of receipt.
        due_on: Last of the five business days.
        opened_at: When it was entered, UTC.
        closed_at: When it was closed, UTC; None while it is not.
        time_zone: The zone that its days mean.
        requester: As given, or empty.
        domains: The district's own mail domains.
        roster_lines: Lines of the roster that came with it; 0 for none.
        versions: In order; the last one is in force.
    """

    origin: tuple[Origin, ...]
    received_on: str
    due_on: str
    opened_at: str
    closed_at: str | None
    time_zone: str
    requester: str
    domains: tuple[str, ...]
    roster_lines: int
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class Custodian:
    """A person whose records were searched, as the newest version that names them does.

    Attributes:
        sources: Ids of the places that are theirs.
        last_version: The newest version of the request that names them.
    """

    id: str
    name: str
    role: str
    emails: tuple[str, ...]
    numbers: tuple[str, ...]
    aliases: tuple[str, ...]
    sources: tuple[str, ...]
    last_version: int


@dataclass(frozen=True, slots=True)
class PeopleFacts:
    """Whose records were searched."""

    origin: tuple[Origin, ...]
    custodians: tuple[Custodian, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """One place of a source: a folder, a mailbox file, a thread; top items only.

    Attributes:
        expected: The figure of another route than the reader's; None for unknown.
        expected_by: That route in words.
        found: Items met there, of which ``stored``, ``failed`` and ``excluded``.
        failure: Why the whole place could not be read, or None.
        ended: All of it was collected.
        balanced: All adds up and nothing is missing.
    """

    key: str
    label: str
    kind: str
    expected: int | None
    expected_by: str
    found: int
    stored: int
    failed: int
    excluded: int
    failure: str | None
    ended: bool
    balanced: bool


@dataclass(frozen=True, slots=True)
class Place:
    """One source of the request.

    Attributes:
        id: Source id.
        custodian: Custodian id.
        connector: What collected it.
        path: Where it lies, as the request file said.
        readers: Who may see its content; empty for everybody in the office.
        kept_back: Records that the owner of a personal source says they kept back; None where nobody said.
        collected_from: When the first of its parts was begun, UTC; None while nothing was collected.
        collected_to: When the last of its parts was ended, UTC; None likewise.
        found: Top items met, of which ``stored``, ``failed`` and ``excluded``.
        scopes: What was searched in it.
        last_version: The newest version of the request that names it.
    """

    id: str
    custodian: str
    connector: str
    path: str
    readers: tuple[str, ...]
    kept_back: int | None
    collected_from: str | None
    collected_to: str | None
    found: int
    stored: int
    failed: int
    excluded: int
    scopes: tuple[Scope, ...]
    last_version: int


@dataclass(frozen=True, slots=True)
class Export:
    """The paths of one export: files, and members of its zips.

    Attributes:
        source: Source id.
        paths: How many there are, by a count of its own; None for unknown.
        read: Those that hold records or say something of them.
        ignored: Those that were ignored, by reason.
        unknown: Those of which nobody knows what they are; they were kept and read as files.
    """

    source: str
    paths: int | None
    read: int
    ignored: tuple[Count, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """Where it was searched."""

    origin: tuple[Origin, ...]
    places: tuple[Place, ...]
    exports: tuple[Export, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A file that a custodian handed over, as it was when it was received.

    Attributes:
        path: Where it lies.
        sha256: Of its bytes.
    """

    path: str
    sha256: str
    size_bytes: int
    received_at: str


@dataclass(frozen=True, slots=True)
class DeclaredPlace:
    """A personal device or account that a custodian used for district business; as in docs/declarations.md.

    Attributes:
        kind: ``phone``, ``email`` and so on.
        which: Its number or handle.
        how_searched: As the custodian said.
        source: Source that reads it, where the declaration names one.
        handed_over: What, in the custodian's words.
        kept_back: Records kept back, and ``why``.
        receipts: Of each file.
    """

    kind: str
    which: str
    how_searched: str
    source: str
    handed_over: str
    kept_back: int
    why: str
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a custodian declared; the newest of each custodian is in force.

    Attributes:
        number: Of the custodian's declarations, from 1.
        version: Of the request that it is about.
        used: Whether a personal device or account was used for district business on the subject in the days.
        statement: What else was said.
        by: Who took it in.
    """

    custodian: str
    number: int
    in_force: bool
    version: int
    used: bool
    answered_on: str
    statement: str
    by: str
    at: str
    places: tuple[DeclaredPlace, ...]


@dataclass(frozen=True, slots=True)
class DeclarationGap:
    """Something missing of what is declared and handed over, by the codes of ``desk.declaring.Missing``.

    Attributes:
        place: In words, or empty.
        files: Files it is about.
    """

    code: str
    custodian: str
    source: str
    place: str
    files: int


@dataclass(frozen=True, slots=True)
class DeclarationFacts:
    """What custodians declared of personal devices and accounts, and what is missing.

    Attributes:
        answered: Custodians with a declaration, of which ``used`` said yes and ``not_used`` no.
        unanswered: Custodians without one.
        files: Files of the declarations in force.
        kept_back: Records kept back by them.
    """

    origin: tuple[Origin, ...]
    answered: int
    used: int
    not_used: int
    unanswered: tuple[str, ...]
    files: int
    kept_back: int
    declarations: tuple[Declared, ...]
    gaps: tuple[DeclarationGap, ...]


@dataclass(frozen=True, slots=True)
class CoveredPlace:
    """One place of one custodian, read or not; fields as in ``desk.coverage``."""

    custodian: str
    source: str
    connector: str
    place: str
    label: str
    kind: str
    state: str
    found: int
    expected: int | None
    expected_by: str
    detail: str


@dataclass(frozen=True, slots=True)
class CoverageFacts:
    """What was read of each custodian and source, and what was not.

    Attributes:
        states: Places by state.
        not_read: Places that were refused, not reached, or read in part.
        places: All, in the order of custodian, source and place.
    """

    origin: tuple[Origin, ...]
    states: tuple[Count, ...]
    not_read: int
    places: tuple[CoveredPlace, ...]


@dataclass(frozen=True, slots=True)
class TopUp:
    """A round in which places were listed again; counts of top items, as docs/top-up.md says.

    Attributes:
        version: Of the request, whose days and places it kept to.
        ended: A run has carried it out.
        outcomes: What became of the items that were met, and of those that were not met again.
    """

    number: int
    version: int
    at: str
    by: str
    why: str
    ended: bool
    outcomes: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class TopUpFacts:
    """Every round after the first collection, in order."""

    origin: tuple[Origin, ...]
    rounds: tuple[TopUp, ...]


@dataclass(frozen=True, slots=True)
class HoldEvent:
    """One step of a hold.

    Attributes:
        event: One of the states of ``desk.preserving.Hold``.
        proof: What shows it, as ``name: value`` in words; empty for none.
    """

    event: str
    at: str
    by: str
    why: str
    proof: str


@dataclass(frozen=True, slots=True)
class HoldFact:
    """A hold on a person's records where they lie.

    Attributes:
        route: ``vault``, ``purview`` or ``memo``.
        account: Whose account at the service; empty for a memo.
        corpus: What of it; empty for all, and for a memo.
        window_from: First day held, or None for no bound.
        window_to: Last day held, or None likewise.
        state: As the newest of its events.
    """

    id: str
    custodian: str
    source: str
    route: str
    account: str
    corpus: str
    window_from: str | None
    window_to: str | None
    state: str
    events: tuple[HoldEvent, ...]


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """What was held for the request, and what of it is in force.

    Attributes:
        in_force: Holds that are placed or acknowledged, and not released.
    """

    origin: tuple[Origin, ...]
    in_force: int
    holds: tuple[HoldFact, ...]


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A place that was considered and not searched, and since when the request says so."""

    place: str
    why: str
    first_version: int


@dataclass(frozen=True, slots=True)
class RuledOutFacts:
    """Places that were considered and not searched."""

    origin: tuple[Origin, ...]
    places: tuple[RuledOut, ...]


@dataclass(frozen=True, slots=True)
class Connector:
    """What collected sources, as it is when this report was made.

    Attributes:
        does_not_cover: What it leaves, in its own words.
        sources: Sources of the request that it collected.
    """

    name: str
    version: str
    does_not_cover: tuple[str, ...]
    sources: int


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of files and what it read."""

    name: str
    version: str
    readings: int


@dataclass(frozen=True, slots=True)
class Index:
    """An index that terms or queries were counted on.

    Attributes:
        engine: ``embedded`` or ``elasticsearch``.
        analyzer: SHA-256 of the folding table.
        documents: Documents in it then.
        batches: Batches in it then.
        searches: Entries of the search log that were counted on it.
        reports: Hit reports that were.
    """

    engine: str
    analyzer: str
    documents: int
    batches: int
    searches: int
    reports: int


@dataclass(frozen=True, slots=True)
class Installed:
    """A program as installed when this report was made."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """What it was searched with."""

    origin: tuple[Origin, ...]
    installed: tuple[Installed, ...]
    connectors: tuple[Connector, ...]
    readers: tuple[Reader, ...]
    indexes: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a list that was run; figures as docs/terms.md says."""

    line: int
    term: str
    note: str
    caution: str
    parsed: str
    documents: int
    families: int
    with_family: int
    unique: int
    unique_families: int
    unique_with_family: int
    occurrences: int
    distinct: int


@dataclass(frozen=True, slots=True)
class TermListFacts:
    """The term list of one version.

    Attributes:
        version: Of the request.
        counted_at: When it was counted, UTC; None while it was not.
        listed: Lines with a term, those that could not be read among them.
        terms: Those that were run, in the order of the list.
        zero_hits: Lines that found nothing.
        bad_lines: Lines that were not run; before it was counted, those that the list alone tells.
        documents: Documents that any term matches, each once; so ``families``, ``with_family``, ``distinct``.
        occurrences: The sum over the terms.
        before_ocr: It was counted before the last text that OCR made: what that says is not in it.
    """

    version: int
    counted_at: str | None
    listed: int
    terms: tuple[Term, ...]
    zero_hits: tuple[int, ...]
    bad_lines: tuple[BadLine, ...]
    documents: int
    families: int
    with_family: int
    distinct: int
    occurrences: int
    before_ocr: bool = False


@dataclass(frozen=True, slots=True)
class TermFacts:
    """What was searched for, version by version; the last one is in force."""

    origin: tuple[Origin, ...]
    lists: tuple[TermListFacts, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another form of a term or a name.

    Attributes:
        version: Of the terms it was last proposed for.
        documents: It finds alone.
        families: Of these documents.
        added_documents: That no term of the version finds.
        added_families: That no term of the version touches.
        answer: ``taken``, ``refused`` or empty while nobody answered.
        answer_version: Taken: the version whose list got it; refused: that in force; None without an answer.
        in_list: Whether it is a line of the list in force; another list may have been adopted since.
    """

    id: str
    version: int
    base_kind: str
    base: str
    way: str
    form: str
    documents: int
    families: int
    added_documents: int
    added_families: int
    proposed_at: str
    answer: str
    answer_version: int | None
    in_list: bool
    why: str
    by: str
    at: str | None


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """Other forms of the terms and names, each with the answer in force.

    Attributes:
        left_out: Of those taken, forms that are no line of the list in force any more.
    """

    origin: tuple[Origin, ...]
    proposed: int
    taken: int
    left_out: int
    refused: int
    unanswered: int
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class FoundFacts:
    """What was found, read and decided.

    Attributes:
        top_found: Top items met, of which ``top_stored``, ``top_failed`` and ``top_excluded``.
        children_found: What they carried, likewise.
        stored: All items kept, of which ``searchable``, ``not_searchable``, ``pending`` (wait for OCR) and
            ``unread``.
        ocr_pages: Pages that are pictures and wait for OCR; ``ocr_done`` were read by it, ``ocr_failed``
            could not be.
        in_review: Stored items with a hit in their family, or decided; the rest is ``not_in_review``.
        review: Where the items in review stand, by state.
        awaits: What those wait for that are not yet produced.
        decided_items: Items with a decision.
        decisions: All decisions, changed ones included.
        deciders: People who decided.
        numbered: Records that have a permanent number.
        installments: Approved instalments.
    """

    origin: tuple[Origin, ...]
    top_found: int
    top_stored: int
    top_failed: int
    top_excluded: int
    children_found: int
    children_stored: int
    children_failed: int
    children_excluded: int
    stored: int
    searchable: int
    not_searchable: int
    pending: int
    unread: int
    ocr_pages: int
    ocr_done: int
    ocr_failed: int
    not_in_review: int
    in_review: int
    review: tuple[Count, ...]
    awaits: tuple[Count, ...]
    decided_items: int
    decisions: int
    deciders: int
    numbered: int
    installments: int


@dataclass(frozen=True, slots=True)
class Gap:
    """One kind of what could not be searched, by custodian and source; docs/terms.md has the kinds."""

    kind: str
    label: str
    extent: str
    unit: str
    custodian: str
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class GapFacts:
    """What could not be searched when this report was made; fields as in ``search.unsearched``."""

    origin: tuple[Origin, ...]
    gaps: tuple[Gap, ...]
    whole: int
    part: int
    places: int


@dataclass(frozen=True, slots=True)
class LeadAnswer:
    """One answer on a signal: ``promoted``, ``closed`` or ``reopened``."""

    answer: str
    how: str
    why: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Lead:
    """A signal that became a lead.

    Attributes:
        items: Items that it stands in.
        responsive_items: Those of them in families that were decided responsive.
        promoted: A person promoted it.
        open: Nobody closed it, or it was opened again, by a person or by what was found since.
        answers: All answers, oldest first.
    """

    id: str
    kind: str
    subject: str
    custodian: str | None
    items: int
    responsive_items: int
    promoted: bool
    open: bool
    answers: tuple[LeadAnswer, ...]


@dataclass(frozen=True, slots=True)
class SignalCount:
    """Signals of one kind.

    Attributes:
        signals: All.
        open: Without an answer that closed them, leads among them.
        leads: Those that became leads.
        open_leads: Those of them that are open.
    """

    kind: str
    signals: int
    open: int
    leads: int
    open_leads: int


@dataclass(frozen=True, slots=True)
class LeadFacts:
    """What in the hits could lead to another place or person, and what became of it."""

    origin: tuple[Origin, ...]
    kinds: tuple[SignalCount, ...]
    leads: tuple[Lead, ...]


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """A family of a sample that was found responsive."""

    family_id: str
    why: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Share:
    """An estimated share, from 0 to 1: as ``review.sampling.Interval``."""

    estimate: float
    low: float
    high: float
    bound: float


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """One draw of families that were not going to be reviewed.

    Attributes:
        number: In the order drawn.
        version: Of the terms whose rest it was drawn from.
        population: Families it was drawn from.
        size: Families drawn.
        answered: Of these, families that a person looked at.
        responsive: Of these, families found responsive.
        counted: Families that the estimates stand on: answered in the order drawn, up to the first that is
            not.
        counted_responsive: Of these, families found responsive.
        responsive_in_review: Families outside of the frozen list that were decided responsive.
        undecided_in_review: Families outside of it whose answer in review is open.
        confidence: Of the intervals.
        elusion: Share of the frozen list that is responsive; None while nothing is counted.
        recall: Share of the responsive families that the search found; None likewise, or without any.
        not_searchable: Families drawn of which nothing could be searched.
        partly_searchable: Families drawn of which some members could not.
        fresh: The first later sample under other terms; None when there is none.
        words: The same in sentences.
    """

    number: int
    version: int
    at: str
    by: str
    seed: int
    population: int
    size: int
    frame_sha256: str
    answered: int
    responsive: int
    counted: int
    counted_responsive: int
    responsive_in_review: int
    undecided_in_review: int
    confidence: float
    elusion: Share | None
    recall: Share | None
    not_searchable: int
    partly_searchable: int
    fresh: int | None
    words: tuple[str, ...]
    found_responsive: tuple[SampleAnswer, ...]


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """Every sample that was drawn, in order; none is left out."""

    origin: tuple[Origin, ...]
    samples: tuple[SampleFacts, ...]


@dataclass(frozen=True, slots=True)
class Waiver:
    """Why a release was let go although the ledger does not balance.

    Attributes:
        in_force: It is the newest, and covers the figures of the ledger as they are.
    """

    seq: int
    why: str
    by: str
    at: str
    in_force: bool


@dataclass(frozen=True, slots=True)
class ExceptionFacts:
    """What went otherwise than planned.

    Attributes:
        waivers: All, the newest last.
        failed: Items that were met and not had, by reason, children included.
        not_searchable: Stored items without searchable text, by reason.
        unbalanced: Places that do not balance, as ``source: place``.
        unplanned: Sources in which no place was listed (yet).
        balanced: The whole ledger balances.
    """

    origin: tuple[Origin, ...]
    waivers: tuple[Waiver, ...]
    failed: tuple[Count, ...]
    not_searchable: tuple[Count, ...]
    unbalanced: tuple[str, ...]
    unplanned: tuple[str, ...]
    balanced: bool


@dataclass(frozen=True, slots=True)
class FreezeFacts:
    """The destruction freeze (RCW 42.56.100).

    Attributes:
        from_at: Since when, UTC; None when the request freezes nothing.
        until_at: Until when, UTC; None while it is in force.
        authority: The rule it rests on.
        items: Stored items under it, children included.
        contents: Different contents among them.
    """

    origin: tuple[Origin, ...]
    from_at: str | None
    until_at: str | None
    authority: str
    items: int
    contents: int


@dataclass(frozen=True, slots=True)
class Search:
    """One entry of the search log.

    Attributes:
        documents: That matched; None for a query that was given up.
        families: Likewise.
        refused: Why it was given up, in the program's words; empty for one that was answered.
    """

    seq: int
    at: str
    by: str
    query: str
    parsed: str
    documents: int | None
    families: int | None
    refused: str
    engine: str
    index_documents: int


@dataclass(frozen=True, slots=True)
class ListRun:
    """A term list that a person counted.

    Attributes:
        version: Of the request; 0 for a list that was only tried.
        terms: That were run.
        documents: That any of them matches.
    """

    at: str
    by: str
    version: int
    terms: int
    documents: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the request's steps.

    Attributes:
        outcome: As recorded, or None while it is under way.
    """

    started_at: str
    ended_at: str | None
    version: int
    outcome: str | None


@dataclass(frozen=True, slots=True)
class SearchFacts:
    """Who searched when."""

    origin: tuple[Origin, ...]
    searches: tuple[Search, ...]
    list_runs: tuple[ListRun, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Installment:
    """An approved instalment and the head of the audit log then."""

    installment: int
    frozen_at: str
    audit_seq: int
    audit_head: str


@dataclass(frozen=True, slots=True)
class IntegrityFacts:
    """What shows that the records behind this report were not changed afterwards.

    Attributes:
        audit_seq: Number of the newest entry of the audit log of the whole office.
        audit_head: Its hash.
        entries: Entries about this request.
        installments: Approved instalments.
    """

    origin: tuple[Origin, ...]
    audit_seq: int
    audit_head: str
    entries: int
    installments: tuple[Installment, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a report says.

    Attributes:
        request_id: The request.
        version: The version in force.
        made_at: When the facts were collected, UTC.
        made_by: Who asked for the report.
        not_recorded: What the program keeps no rows of, so that the report cannot tell.
    """

    request_id: str
    version: int
    made_at: str
    made_by: str
    request: RequestFacts
    people: PeopleFacts
    places: PlaceFacts
    declarations: DeclarationFacts
    coverage: CoverageFacts
    top_ups: TopUpFacts
    holds: HoldFacts
    ruled_out: RuledOutFacts
    tools: ToolFacts
    terms: TermFacts
    variants: VariantFacts
    found: FoundFacts
    unsearched: GapFacts
    leads: LeadFacts
    samples: SampleSeries
    exceptions: ExceptionFacts
    freeze: FreezeFacts
    searches: SearchFacts
    integrity: IntegrityFacts
    not_recorded: tuple[str, ...]
