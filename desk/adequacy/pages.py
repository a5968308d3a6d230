"""The words of the report: facts become a document of headings, tables and lists, as data for the template.

It is made from the JSON object of the facts, so that the masked copy has the same pages. The order is the one
in which a court asks: what was asked, where and how it was searched, what came of it, what could not be
searched, what was done about it. It says what was counted and draws no conclusion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from desk.adequacy.pdf import cut
from desk.closing import AWAITS
from records.canonical import utc_time
from records.vocabulary import ReviewState
from search.reports import some
from search.signals import KIND_LABELS

SHORT = 40
"""Rows of a table that still stand in the section itself; longer ones go to an appendix."""

ROWS = 2_000
"""Most rows of a table, and its title says so where there are more: 10,000 took 2 GB to typeset."""

Block = dict[str, Any]
Time = Callable[[str | None], str]

_CHANGED = {
    "text": "wording", "window": "days asked for", "custodians": "people", "sources": "places",
    "terms": "term list", "ruled_out": "places ruled out", "roster": "roster", "domains": "domains",
    "requester": "requester", "received_on": "day of receipt", "time_zone": "time zone",
}  # fmt: skip
_STATES = {
    ReviewState.RELEASED_IN_FULL: "Released in full",
    ReviewState.RELEASED_IN_PART: "Released in part",
    ReviewState.WITHHELD_IN_FULL: "Withheld in full",
    ReviewState.NOT_RESPONSIVE: "Not responsive",
    ReviewState.PERSONAL_MATTER: "Personal matter, no public record",
    ReviewState.NOT_YET_PRODUCED: "Not yet produced",
}
_HOW = {
    "searched": "The place was searched",
    "asked_custodian": "The custodian was asked",
    "already_covered": "Already covered by the search",
    "not_district_business": "Not district business",
    "no_such_place": "There is no such place",
    "out_of_scope": "Outside of the request",
    "other": "Otherwise",
}
_LEADS = {str(kind): label for kind, label in KIND_LABELS.items()}


def document(facts: dict[str, Any], masks: dict[str, int] | None) -> dict[str, Any]:
    """Return the report of the facts.

    Args:
        facts: The JSON object of ``Facts``, masked or not.
        masks: Of a masked copy: how many masks of each kind; None for the office's own.
    """
    at = _times(facts["request"]["time_zone"])
    title = f"Record of the search for request {facts['request_id']}"
    return {
        "title": title,
        "author": f"daylight {_version_of(facts, 'daylight')}",
        "description": "What was asked, where and how it was searched, and what came of it",
        "running": title,
        "mark": "Office copy" if masks is None else "Masked copy",
        "contents": True,
        "opening": _opening(facts, at, masks),
        "sections": [
            *_request(facts, at),
            *_where(facts, at),
            *_how(facts, at),
            *_found(facts),
            *_unsearched(facts),
            *_leads(facts, at),
            *_samples(facts, at),
            *_exceptions(facts, at),
            *_searches(facts, at),
            *_integrity(facts, at),
            *_appendix_places(facts),
            *_appendix_terms(facts, at),
            *_appendix_variants(facts, at),
            *_appendix_searches(facts, at),
        ],
    }


# -- pieces


def section(
    heading: str, *blocks: Block | None, level: int = 1, new_page: bool = False, together: bool = False
) -> dict[str, Any]:
    """Return a section; blocks that are None are left out.

    Args:
        heading: Its heading.
        blocks: What stands in it.
        level: Of the heading.
        new_page: Begin it on a page of its own.
        together: Keep it on one page.
    """
    return {
        "heading": heading,
        "level": level,
        "new-page": new_page,
        "together": together,
        "blocks": [one for one in blocks if one is not None],
    }


def text(words: str) -> Block:
    """Return a paragraph."""
    return {"kind": "text", "text": words}


def rows_of(pairs: Iterable[tuple[str, str]]) -> Block:
    """Return a list of named values; empty values are left out."""
    return {"kind": "facts", "rows": [[name, value] for name, value in pairs if value]}


def table(
    title: str, columns: str, rows: Iterable[Sequence[Any]], total: Sequence[Any] | None = None
) -> Block | None:
    """Return a table, or None without rows.

    Args:
        title: Stands above it.
        columns: Names, parted by ``|``. Before one stands ``#`` for numbers, ``@`` for one as wide as what
            stands in it, ``*`` for a wide one and ``**`` for a wider one.
        rows: Values; numbers get thousands separators.
        total: A last row, where there are several others.
    """
    listed = list(rows)
    if not listed:
        return None
    if len(listed) > ROWS:
        title = f"{title} (the first {ROWS:,} of {len(listed):,}; the JSON file has all)"
    made = [[cell(value) for value in row] for row in listed[:ROWS]]
    if total is not None and len(listed) > 1:
        made.append([cell(value) for value in total])
    return {
        "kind": "table",
        "title": title,
        "columns": [_column(name) for name in columns.split("|")],
        "rows": made,
    }


def _column(name: str) -> dict[str, Any]:
    bare = name.lstrip("#@*")
    signs = name[: len(name) - len(bare)]
    width = 0 if {"#", "@"} & set(signs) else 2 * signs.count("*") or 1  # 0: as wide as what stands in it
    return {"name": bare, "number": "#" in signs, "width": width}


def cell(value: Any) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return cut(str(value))


def _sources(section_facts: dict[str, Any]) -> Block:
    return {
        "kind": "sources",
        "rows": [f"{one['figures']}: {one['table']} ({one['where']})" for one in section_facts["origin"]],
    }


def _times(zone: str) -> Time:
    """Return what writes a time of the catalogue in the request's zone, with its offset."""
    place = ZoneInfo(zone)

    def at(stated: str | None) -> str:
        if not stated:
            return "—"
        local = utc_time(stated).astimezone(place)
        offset = local.strftime("%z")
        return f"{local:%Y-%m-%d\u00a0%H:%M}\u00a0{offset[:3].replace('-', '−')}:{offset[3:]}"

    return at


def _version_of(facts: dict[str, Any], name: str) -> str:
    return next((one["version"] for one in facts["tools"]["installed"] if one["name"] == name), "")


# -- the sections


def _opening(facts: dict[str, Any], at: Time, masks: dict[str, int] | None) -> list[Block]:
    blocks = [
        rows_of(
            [
                ("Request", facts["request_id"]),
                ("Made", f"{at(facts['made_at'])} by {facts['made_by']}"),
                ("Version of the request in force", str(facts["version"])),
                ("Copy", "for the office" if masks is None else "masked"),
            ]
        ),
        text(
            "This record lists what was asked, where and how it was searched, what was found, and what could "
            "not be searched. Every figure in it is a count of rows that the program keeps; under each "
            "section stands which. The same facts are in the JSON file beside it. It draws no conclusion "
            f"from them. Times are those of {facts['request']['time_zone']}, with their offset from UTC."
        ),
    ]
    if masks is not None:
        blocks.append(
            text(
                "In this copy, names of students and guardians are replaced by [name], personal addresses "
                "and telephone numbers by [e-mail] and [number], and text about privileged records by "
                f"[privileged]: {sum(masks.values()):,} times. Figures are the same as in the office's copy."
            )
        )
    return blocks


def _request(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    asked = facts["request"]
    last = asked["versions"][-1]
    earlier = [one for one in asked["versions"] if one["text"] != last["text"]]
    yield section(
        "1. The request",
        rows_of(
            [
                ("Received", asked["received_on"]),
                ("Last of the five business days (RCW 42.56.520)", asked["due_on"]),
                ("Requester", asked["requester"] or "not stated"),
                ("Days asked for", f"{last['window_from'] or 'from the beginning'} to "
                                   f"{last['window_to'] or asked['received_on'] + ' (day of receipt)'}"),
                ("Entered", at(asked["opened_at"])),
                ("Closed", at(asked["closed_at"]) if asked["closed_at"] else "not closed"),
                ("Mail domains of the district", ", ".join(asked["domains"])),
            ]
        ),
        text("Word for word:"),
        {"kind": "quote", "text": last["text"]},
        *(
            block
            for one in earlier
            for block in (text(f"Version {one['version']} read:"), {"kind": "quote", "text": one["text"]})
        ),
        table(
            "Versions of the request",
            "#Version|@From|By|*Why|What changed",
            (
                (
                    one["version"], at(one["at"]), one["by"], one["why"],
                    ", ".join(_CHANGED.get(key, key) for key in one["changed"]) or "—",
                )
                for one in asked["versions"]
            ),
        ),
        _sources(asked),
    )  # fmt: skip


def _where(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    people, places = facts["people"]["custodians"], facts["places"]["places"]
    yield section(
        "2. Where it was searched, and whose records",
        text(
            f"{some(len(people), 'person', 'people')} and {some(len(places), 'place', 'places')} were "
            "searched. Appendix A lists each folder, mailbox file and thread of a place by itself."
        ),
    )
    yield section(
        "People",
        table(
            "People whose records were searched",
            "@Id|*Name|*Role|**Addresses and numbers|Places",
            (
                (
                    one["id"], _joined([one["name"], *_named("also ", one["aliases"])]), one["role"],
                    _joined([*one["emails"], *one["numbers"]]), ", ".join(one["sources"]),
                )
                for one in people
            ),
        ),
        _sources(facts["people"]),
        level=2,
    )  # fmt: skip
    yield section(
        "Places",
        table(
            "Places that were searched, top items only",
            "@Id|@Whose|Read by|@Collected|#Found|#Stored|#Failed|#Left out",
            (
                (
                    one["id"], one["custodian"], one["connector"],
                    f"{at(one['collected_from'])}\n{at(one['collected_to'])}",
                    one["found"], one["stored"], one["failed"], one["excluded"],
                )
                for one in places
            ),
            total=("All", "", "", "", *(sum(one[name] for one in places)
                                        for name in ("found", "stored", "failed", "excluded"))),
        ),
        table(
            "Where they lie",
            "@Id|***Where|Seen by",
            ((one["id"], one["path"], ", ".join(one["readers"]) or "the office") for one in places),
        ),
        table(
            "Personal places, as their owners handed them over",
            "Id|Whose|#Records kept back by the owner",
            (
                (one["id"], one["custodian"], one["kept_back"])
                for one in places
                if one["kept_back"] is not None
            ),
        ),
        table(
            "Paths of exports: files, and members of their zips",
            "*Source|#Paths|#Read|#Ignored|**Ignored as|#Not known",
            (
                (
                    one["source"], one["paths"], one["read"], sum(each["count"] for each in one["ignored"]),
                    _joined(f"{_plain(each['code'])}: {each['count']:,}" for each in one["ignored"]) or "—",
                    one["unknown"],
                )
                for one in facts["places"]["exports"]
            ),
        ),
        text(
            "Found is what a reader met; left out are items outside of the days asked for, and files that "
            "describe an export and are no records."
        ),
        _sources(facts["places"]),
        level=2,
    )  # fmt: skip
    yield section("Personal devices and accounts", *_declarations(facts["declarations"], at), level=2)
    yield section("Coverage", *_coverage(facts["coverage"]), level=2)
    if facts["top_ups"]["rounds"]:
        yield section("Top-ups", *_top_ups(facts["top_ups"], at), level=2)
    ruled = facts["ruled_out"]["places"]
    yield section(
        "Places ruled out",
        table(
            "Places that were considered and not searched",
            "*Place|**Why|#Since version",
            ((one["place"], one["why"], one["first_version"]) for one in ruled),
        )
        or text("The request names none."),
        _sources(facts["ruled_out"]),
        level=2,
    )


_MISSING = {
    "no_declaration": "No declaration speaks of this source",
    "no_file": "It was used, and no file of it was handed over",
    "no_source": "Files were handed over, and no source reads them",
    "other_days": "The request asks for other days since",
}


def _declarations(it: dict[str, Any], at: Time) -> Iterable[Block | None]:
    """Say what each custodian answered, what was handed over and kept back, and what is missing."""
    yield text(
        "Custodians were asked whether they used a personal device or account for district business on the "
        f"subject in the days asked for. {some(it['answered'], 'answer is', 'answers are')} in force: "
        f"{it['used']:,} yes, {it['not_used']:,} no. Without an answer: "
        f"{', '.join(it['unanswered']) or 'nobody'}. {some(it['files'], 'file was', 'files were')} handed "
        f"over, {some(it['kept_back'], 'record was', 'records were')} kept back by the custodians."
    )
    yield table(
        "Answers",
        "@Whose|#No.|@Used|@Answered on|@Taken in|*By|**Statement",
        (
            (
                one["custodian"], one["number"],
                ("yes" if one["used"] else "no") + ("" if one["in_force"] else "\nsuperseded"),
                one["answered_on"], at(one["at"]), one["by"], one["statement"] or "—",
            )
            for one in it["declarations"]
        ),
    )  # fmt: skip
    yield table(
        "Devices and accounts, as declared",
        "@Whose|#No.|*Which|**How it was searched|*Handed over|#Files|#Kept back|**Why",
        (
            (
                one["custodian"], one["number"], f"{_plain(place['kind'])}\n{place['which']}",
                place["how_searched"], _joined([place["handed_over"], place["source"]]) or "—",
                len(place["receipts"]), place["kept_back"], place["why"] or "—",
            )
            for one in it["declarations"]
            for place in one["places"]
        ),
    )  # fmt: skip
    yield table(
        "Receipts of files that were handed over",
        "@Whose|#No.|***File|**SHA-256|#Bytes|@Received",
        (
            (one["custodian"], one["number"], file["path"], file["sha256"], file["size_bytes"],
             at(file["received_at"]))
            for one in it["declarations"]
            for place in one["places"]
            for file in place["receipts"]
        ),
    )  # fmt: skip
    yield table(
        "What is missing",
        "@Whose|@Source|Place|***What|#Files",
        (
            (one["custodian"], one["source"] or "—", one["place"] or "—", _MISSING[one["code"]], one["files"])
            for one in it["gaps"]
        ),
    )
    yield _sources(it)


_COVER = {
    "searched": "Read to its end", "empty": "Read to its end, nothing there", "in_part": "Read in part",
    "not_yet": "Not read yet", "refused": "Refused", "not_by_this_route": "Not reached by this route",
    "not_asked": "Left out by the request", "not_answered": "Did not answer, or could not be read",
}  # fmt: skip
_READ = frozenset({"searched", "empty"})


def _coverage(it: dict[str, Any]) -> Iterable[Block | None]:
    """Say how many places of each custodian and source are in which state; name each that is not read."""
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in it["places"]:
        rows.setdefault((one["custodian"], one["source"], one["connector"]), []).append(one)
    yield text(
        "A place is a mailbox folder, a mailbox file, a drop folder, or what belongs to a source and is not "
        f"reached. {some(it['not_read'], 'place was', 'places were')} not read, or not to the end."
    )
    yield table(
        "Places by custodian and source, with what was met and the source's own count",
        "@Whose|@Source|@Route|**Places|#Found|#Expected",
        (
            (
                custodian, source or "none", connector or "—",
                _joined(f"{_COVER[code]}: {count:,}" for code, count in _states(mine)),
                sum(one["found"] for one in mine), _expected(mine),
            )
            for (custodian, source, connector), mine in rows.items()
        ),
    )  # fmt: skip
    yield table(
        "Places not read, or not to the end",
        "@Whose|@Source|**Place|*State|*Detail|#Found|#Expected|Counted by",
        (
            (
                one["custodian"], one["source"] or "none", one["label"] or one["place"] or "the whole source",
                _COVER[one["state"]], _plain(one["detail"]) or "—", one["found"], one["expected"],
                one["expected_by"],
            )
            for one in it["places"]
            if one["state"] not in _READ
        ),
    )  # fmt: skip
    yield _sources(it)


def _states(places: Sequence[dict[str, Any]]) -> Iterable[tuple[str, int]]:
    for code in _COVER:
        count = sum(one["state"] == code for one in places)
        if count:
            yield code, count


def _expected(places: Sequence[dict[str, Any]]) -> int | None:
    """Add the sources' own counts up; None where a place that was listed has none."""
    counts = [one["expected"] for one in places if one["found"] or one["expected"] is not None]
    return None if not counts or None in counts else sum(counts)


_SIGHTINGS = {
    "new": "New", "same": "As before", "facts_changed": "Labels or folder changed", "changed": "Changed",
    "now_inside": "Within the days now", "now_outside": "Outside of the days now",
    "now_had": "Could not be had before", "vanished": "Listed no more",
}  # fmt: skip


def _top_ups(it: dict[str, Any], at: Time) -> Iterable[Block | None]:
    yield text(
        "After the first collection, places were listed again; only what was new, newly within the days "
        "asked for, or changed was fetched. What is stored stays, whatever the place holds now."
    )
    yield table(
        "Rounds of listing after the first",
        "#Round|#Version|@Asked for|By|*Why|**What became of the items",
        (
            (
                one["number"], one["version"], at(one["at"]), one["by"], one["why"],
                _joined([*(f"{_SIGHTINGS[count['code']]}: {count['count']:,}" for count in one["outcomes"]),
                         "" if one["ended"] else "Not ended"]),
            )
            for one in it["rounds"]
        ),
    )  # fmt: skip
    yield _sources(it)


_ROUTES = {"vault": "Google Vault", "purview": "Microsoft Purview", "memo": "Memo to the custodian"}


_STEPS = {
    "proposed": "Proposed by", "asked": "Asked for at the service by", "refused": "Refused to",
    "placed": "Placed by", "acknowledged": "Confirmation recorded by", "failed": "Found not applied by",
    "lost": "Found missing by", "released": "Released by", "withdrawn": "Withdrawn by",
}  # fmt: skip


def _holds(it: dict[str, Any], at: Time) -> Iterable[Block | None]:
    """Say which holds were proposed, placed and released, each step with what shows it."""
    yield table(
        "Holds on records where they lie",
        "@Id|@Whose|*Route|*What|*Days|***What was done",
        (
            (
                one["id"], one["custodian"], _ROUTES[one["route"]],
                _joined([one["source"], one["account"], one["corpus"]]) or "all that the custodian has",
                f"{one['window_from'] or 'from the beginning'} to {one['window_to'] or 'now'}",
                _joined(
                    f"{_STEPS[event['event']]} {event['by']}, {at(event['at'])}"
                    + (f" ({event['proof']})" if event["proof"] else "")
                    + (f": {event['why']}" if event["why"] else "")
                    for event in one["events"]
                ),
            )
            for one in it["holds"]
        ),
    ) or text("No holds were proposed.")  # fmt: skip
    if it["holds"]:
        yield text(f"{some(it['in_force'], 'hold is', 'holds are')} in force. Closing releases none.")


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _named(label: str, parts: Sequence[str]) -> list[str]:
    return [f"{label}{', '.join(parts)}"] if any(parts) else []


_TERM_COLUMNS = (
    "#Line|**Term|#Documents|#Families|#With family|#Unique|#Unique families|#Occurrences|#Distinct"
)


def _term_row(one: dict[str, Any]) -> tuple[Any, ...]:
    words = one["term"] if one["term"] == one["parsed"] else f"{one['term']}\nread as: {one['parsed']}"
    return (
        one["line"], words, one["documents"], one["families"], one["with_family"], one["unique"],
        one["unique_families"], one["occurrences"], one["distinct"],
    )  # fmt: skip


def _how(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    lists = facts["terms"]["lists"]
    now = lists[-1]
    by_line = {one["line"]: one["term"] for one in now["terms"]}
    yield section("3. How it was searched")
    yield section(
        "Terms in force",
        text(_about_list(now, at)),
        table("Terms in force", _TERM_COLUMNS, map(_term_row, now["terms"]))
        if len(now["terms"]) <= SHORT
        else text(f"{len(now['terms']):,} terms: Appendix B lists them."),
        table(
            "Terms that found nothing",
            "#Line|***Term",
            ((line, by_line.get(line, "")) for line in now["zero_hits"]),
        )
        or (text("Each term found something.") if now["counted_at"] and now["terms"] else None),
        _bad_lines(now),
        text(
            "A document is an item of its own; an attachment is one too. A family is a message with all that "
            "it carries. With family counts all members. Unique is what no other term of the list finds. "
            "Distinct counts equal contents once. Copies in several mailboxes are counted each."
        ),
        table(
            "Term lists, version by version",
            "#Version|@Counted|#Lines|#Run|#Not run|#Found nothing|#Documents|#Families|#With family",
            (
                (
                    one["version"], at(one["counted_at"]), one["listed"], len(one["terms"]),
                    len(one["bad_lines"]), len(one["zero_hits"]), one["documents"], one["families"],
                    one["with_family"],
                )
                for one in lists
            ),
        ),
        _sources(facts["terms"]),
        level=2,
    )  # fmt: skip
    variants = facts["variants"]
    taken = [one for one in variants["variants"] if one["answer"] == "taken"]
    yield section(
        "Other forms of terms and names",
        text(
            f"{some(variants['proposed'], 'other form was', 'other forms were')} proposed, each of which "
            f"finds documents that the list did not: {variants['taken']:,} taken into the list"
            f"{left_out(variants['left_out'])}, "
            f"{variants['refused']:,} refused, {variants['unanswered']:,} without an answer. Appendix C "
            "lists them all, with the reasons."
            if variants["proposed"]
            else "No other forms of terms or names were proposed."
        ),
        table(
            "Forms that were taken into the list",
            "*For|*Form|@Way|#Adds documents|#Adds families|*By|**Why",
            (
                (
                    one["base"], one["form"], _plain(one["way"]), one["added_documents"],
                    one["added_families"], one["by"],
                    one["why"] + ("" if one["in_list"] else NOT_IN_LIST),
                )
                for one in taken[:SHORT]
            ),
        ),
        _sources(variants),
        level=2,
    )  # fmt: skip
    tools = facts["tools"]
    yield section(
        "Tools",
        table("Programs, as installed when this record was made", "**Program|**Version",
              ((one["name"], one["version"]) for one in tools["installed"])),
        table(
            "What collected the places",
            "@Name|@Version|#Places|****Does not cover",
            (
                (one["name"], one["version"], one["sources"], _joined(one["does_not_cover"]))
                for one in tools["connectors"]
            ),
        ),
        table("What read the files", "**Reader|**Version|#Items read",
              ((one["name"], one["version"], one["readings"]) for one in tools["readers"])),
        table(
            "Indexes that were searched",
            "@Engine|**Folding table (SHA-256)|#Documents|#Batches|#Queries|#Term lists",
            (
                (one["engine"], one["analyzer"], one["documents"], one["batches"], one["searches"],
                 one["reports"])
                for one in tools["indexes"]
            ),
        ),
        text("The reader tika is Apache Tika, from the program iscc-tika."),
        _sources(tools),
        level=2,
    )  # fmt: skip


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _about_list(one: dict[str, Any], at: Time) -> str:
    if one["counted_at"] is None:
        listed = some(one["listed"], "term", "terms")
        return f"The list of version {one['version']} has {listed} and was not counted yet."
    return (
        f"The list of version {one['version']} has {some(one['listed'], 'term', 'terms')}. "
        f"{len(one['terms']):,} were run; {some(len(one['bad_lines']), 'line', 'lines')} could not be. "
        f"Counted {at(one['counted_at'])}: {some(one['documents'], 'document', 'documents')} in "
        f"{some(one['families'], 'family', 'families')}, {one['with_family']:,} with all members of these "
        f"families; {one['distinct']:,} distinct contents; {one['occurrences']:,} places in them."
        + (" What OCR read later is not in this count." if one["before_ocr"] else "")
    )


def _bad_lines(one: dict[str, Any]) -> Block | None:
    return table(
        "Lines that could not be run",
        "#Line|*As written|**Why|*Form offered",
        ((bad["line"], bad["term"], bad["problem"], bad["repaired"] or "—") for bad in one["bad_lines"]),
    )


def _found(facts: dict[str, Any]) -> Iterable[dict[str, Any]]:
    it = facts["found"]
    yield section(
        "4. What was found",
        table(
            "Collection",
            "**What|#Found|#Stored|#Failed|#Left out",
            [
                ("Top items", it["top_found"], it["top_stored"], it["top_failed"], it["top_excluded"]),
                ("What they carry", it["children_found"], it["children_stored"], it["children_failed"],
                 it["children_excluded"]),
            ],
        ),
        table(
            "Text of the stored items",
            "#Stored|#Searchable|#Not searchable|#Waits for OCR|#Not read yet",
            [(it["stored"], it["searchable"], it["not_searchable"], it["pending"], it["unread"])],
        ),
        table(
            "Pages of these that are pictures, as OCR met them",
            "#Wait for OCR|#Read by OCR|#Could not be read",
            [(it["ocr_pages"], it["ocr_done"], it["ocr_failed"])],
        )
        if it["ocr_pages"] or it["ocr_done"] or it["ocr_failed"]
        else None,
        table(
            "Review of the stored items",
            "**Where they stand|#Items",
            [
                ("Not in review: no hit in the family", it["not_in_review"]),
                ("In review", it["in_review"]),
                *(
                    (f"In review: {_STATES.get(one['code'], one['code'])}", one["count"])
                    for one in it["review"]
                ),
                *((f"Of these, waits for {AWAITS.get(one['code'], _plain(one['code']))}", one["count"])
                  for one in it["awaits"]),
            ],
        ),
        rows_of(
            [
                ("Items decided", f"{it['decided_items']:,}"),
                ("Decisions, changed ones included", f"{it['decisions']:,}"),
                ("People who decided", f"{it['deciders']:,}"),
                ("Records with a permanent number", f"{it['numbered']:,}"),
                ("Approved instalments", f"{it['installments']:,}"),
            ]
        ),
        _sources(it),
    )  # fmt: skip


def _unsearched(facts: dict[str, Any]) -> Iterable[dict[str, Any]]:
    it = facts["unsearched"]
    extents = {"whole": "Not searched", "part": "Searched in part", "place": "Place"}
    yield section(
        "5. What could not be searched",
        text(
            f"{some(it['whole'], 'item was', 'items were')} not searched, {it['part']:,} further in part; "
            f"{some(it['places'], 'place was', 'places were')} not searched, or not to the end."
        ),
        table(
            "By kind, custodian and place",
            "@Extent|**What|@Whose|@Place|#Count|@Unit",
            (
                (
                    extents[one["extent"]],
                    one["label"],
                    one["custodian"],
                    one["source"],
                    one["count"],
                    one["unit"].removesuffix("s") if one["count"] == 1 else one["unit"],
                )
                for one in it["gaps"]
            ),
        ),
        _sources(it),
    )


def _leads(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    it = facts["leads"]
    open_leads = sum(one["open_leads"] for one in it["kinds"])
    yield section(
        "6. Leads",
        text(
            "A signal is something in the hits that could lead to another place or person. It is a lead when "
            "it stands in a responsive record, or when the public records officer says so."
        ),
        table(
            "Signals and leads by kind",
            "***Kind|#Signals|#Open|#Leads|#Open leads",
            (
                (_LEADS.get(one["kind"], _plain(one["kind"])), one["signals"], one["open"], one["leads"],
                 one["open_leads"])
                for one in it["kinds"]
            ),
        )
        or text("No signals were recorded."),
        text(
            f"{some(len(it['leads']), 'lead', 'leads')}, of which {open_leads:,} open."
            if it["leads"]
            else "There are no leads."
        ),
        table(
            "Leads, and how each was closed",
            "**Kind|**About|@Whose|#Items|#Responsive|***What became of it",
            (
                (
                    _LEADS.get(one["kind"], _plain(one["kind"])), one["subject"], one["custodian"] or "—",
                    one["items"], one["responsive_items"],
                    _joined([*(_lead_answer(answer, at) for answer in one["answers"]),
                             "Open." if one["open"] else ""]),
                )
                for one in it["leads"]
            ),
        ),
        _sources(it),
    )  # fmt: skip


def _lead_answer(answer: dict[str, Any], at: Time) -> str:
    what = {"promoted": "Made a lead", "closed": "Closed", "reopened": "Opened again"}.get(
        answer["answer"], _plain(answer["answer"])
    )
    how = f" ({_HOW.get(answer['how'], _plain(answer['how']))})" if answer["how"] else ""
    return f"{what}{how} by {answer['by']}, {at(answer['at'])}: {answer['why']}"


def _samples(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    it = facts["samples"]
    found = [(one, answer) for one in it["samples"] for answer in one["found_responsive"]]
    yield section(
        "7. Samples of what was not going to be reviewed",
        table(
            "Every sample drawn, in order",
            "#No.|@Drawn|By|#Version|#Seed|#Families drawn from|#Drawn|#Looked at|#Responsive",
            (
                (one["number"], at(one["at"]), one["by"], one["version"], str(one["seed"]), one["population"],
                 one["size"], one["answered"], one["responsive"])
                for one in it["samples"]
            ),
        )
        or text("No sample was drawn."),
        table(
            "Estimates, with their intervals",
            "#No.|#Confidence|#Counted|#Responsive|**Elusion|#Responsive in review|**Recall",
            (
                (one["number"], f"{one['confidence'] * 100:g} %", one["counted"], one["counted_responsive"],
                 _share(one["elusion"], 3, "at most"), one["responsive_in_review"],
                 _share(one["recall"], 1, "at least"))
                for one in it["samples"]
            ),
        ),
        *({"kind": "list", "rows": one["words"]} for one in it["samples"]),
        table(
            "Families of a sample that were found responsive",
            "#No.|*Family|***Why|By|@When",
            (
                (one["number"], answer["family_id"], answer["why"] or "—", answer["by"], at(answer["at"]))
                for one, answer in found
            ),
        ),
        table(
            "Frozen lists that the samples were drawn from",
            "#No.|****SHA-256",
            ((one["number"], one["frame_sha256"]) for one in it["samples"]),
        ),
        _sources(it),
    )  # fmt: skip


def _share(one: dict[str, float] | None, digits: int, side: str) -> str:
    if one is None:
        return "none yet"
    made = {name: f"{share * 100:.{digits}f} %" for name, share in one.items()}
    return f"{made['estimate']} ({made['low']} to {made['high']}; {side} {made['bound']} with one end)"


def _exceptions(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    it, freeze = facts["exceptions"], facts["freeze"]
    yield section(
        "8. Exceptions, holds and the destruction freeze",
        text(
            "The ledger balances: in each place, what was found is what was stored, failed or left out, and "
            "where a second count was to be had, it agrees."
            if it["balanced"]
            else "The ledger does not balance; the places are below."
        ),
        {"kind": "list", "rows": list(it["unbalanced"])} if it["unbalanced"] else None,
        text(f"No place was listed in: {', '.join(it['unplanned'])}.") if it["unplanned"] else None,
        table(
            "Why a release was let go although the ledger did not balance",
            "By|@When|***Why|Covers the ledger now",
            ((one["by"], at(one["at"]), one["why"], one["in_force"]) for one in it["waivers"]),
        )
        or text("Nobody let a release go on an unbalanced ledger."),
        table("Items that were met and not had, by reason", "***Reason|#Items",
              ((_plain(one["code"]), one["count"]) for one in it["failed"])),
        table("Stored items without searchable text, by reason", "***Reason|#Items",
              ((_plain(one["code"]), one["count"]) for one in it["not_searchable"])),
        *_holds(facts["holds"], at),
        text(
            f"Destruction freeze ({freeze['authority']}): from {at(freeze['from_at'])} "
            f"{'until ' + at(freeze['until_at']) if freeze['until_at'] else 'and in force'}; "
            f"{some(freeze['items'], 'stored item', 'stored items')}, {freeze['contents']:,} different "
            "contents."
            if freeze["from_at"]
            else "The request freezes nothing."
        ),
        text(
            "What the program keeps no rows of, so that this record cannot tell: "
            f"{'; '.join(facts['not_recorded'])}."
        ),
        {"kind": "sources", "rows": [
            *_sources(it)["rows"], *_sources(facts["holds"])["rows"], *_sources(freeze)["rows"],
        ]},
    )  # fmt: skip


def _searches(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    it = facts["searches"]
    people: dict[str, list[dict[str, Any]]] = {}
    for one in it["searches"]:
        people.setdefault(one["by"], []).append(one)
    yield section(
        "9. Who searched when",
        table(
            "Queries by person; Appendix D lists each",
            "**By|#Queries|#Of these given up|@First|@Last",
            (
                (
                    by,
                    len(mine),
                    sum(bool(one["refused"]) for one in mine),
                    at(mine[0]["at"]),
                    at(mine[-1]["at"]),
                )
                for by, mine in sorted(people.items())
            ),
        )
        or text("No single queries were run."),
        table(
            "Term lists that people counted (version 0: tried, not taken over)",
            "@When|**By|#Version|#Terms|#Documents",
            (
                (at(one["at"]), one["by"], one["version"], one["terms"], one["documents"])
                for one in it["list_runs"]
            ),
        ),
        table(
            "Runs of the whole request; each counts the list in force",
            "@Began|@Ended|#Version|**Outcome",
            (
                (at(one["started_at"]), at(one["ended_at"]), one["version"], _outcome(one["outcome"]))
                for one in it["runs"]
            ),
        )
        or text("The request was not run."),
        _sources(it),
    )


def _outcome(outcome: str | None) -> str:
    """Return a run's outcome in words that do not speak of the search."""
    return (outcome or "under way").replace("complete", "ran to its end")


def _integrity(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    it = facts["integrity"]
    yield section(
        "10. Integrity",
        text(
            "Who opened, searched, decided and approved is in an append-only log in which every entry "
            "carries the hash of the one before. The head below fixes all entries up to it: daylight audit "
            "verify walks the chain and prints the head. That this report was made is an entry after it, "
            "with the hash of its JSON file."
        ),
        rows_of(
            [
                ("Entries of the log", f"{it['audit_seq']:,}"),
                ("About this request", f"{it['entries']:,}"),
                ("Head of the log", it["audit_head"]),
            ]
        ),
        table(
            "Approved instalments, and the head of the log then",
            "#No.|@When|#Entry|****Head",
            (
                (one["installment"], at(one["frozen_at"]), one["audit_seq"], one["audit_head"])
                for one in it["installments"]
            ),
        ),
        _sources(it),
    )


# -- appendices


def _appendix_places(facts: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield section(
        "Appendix A. Places one by one",
        table(
            "Top items by place; expected is a second count that shares no code with the reader",
            "@Source|**Place|@Kind|#Expected|*Counted by|#Found|#Stored|#Failed|#Left out|@Balances",
            (
                (
                    place["id"], _joined([one["label"], *_named("failed: ", [one["failure"]])]),
                    one["kind"], one["expected"], one["expected_by"], one["found"], one["stored"],
                    one["failed"], one["excluded"], one["balanced"] if one["ended"] else "not ended",
                )
                for place in facts["places"]["places"]
                for one in place["scopes"]
            ),
        )
        or text("No place was listed yet."),
        new_page=True,
    )  # fmt: skip


def _appendix_terms(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    lists = facts["terms"]["lists"]
    yield section("Appendix B. Term lists", new_page=True)
    for one in reversed(lists):
        yield section(
            f"Version {one['version']}",
            text(_about_list(one, at)),
            table(f"Terms of version {one['version']}", _TERM_COLUMNS, map(_term_row, one["terms"])),
            _remarks(one["terms"]),
            _bad_lines(one),
            level=2,
        )


def _remarks(terms: Sequence[dict[str, Any]]) -> Block | None:
    """List what stands beside the terms; a list without cautions has no column for them."""
    names = [name for name in ("note", "caution") if any(row[name] for row in terms)]
    return table(
        " and ".join(f"{name}s" for name in names).capitalize(),
        "|".join(["#Line", *(f"**{name.capitalize()}" for name in names)]),
        ((row["line"], *(row[name] for name in names)) for row in terms if any(row[name] for name in names)),
    )


NOT_IN_LIST = " (no line of the list in force)"


def left_out(count: int) -> str:
    """Say how many of the forms that were taken the list in force has no line for; nothing for none."""
    return f" ({count:,} of them no line of the list in force)" if count else ""


def _appendix_variants(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    for_answer = {"taken": "Taken", "refused": "Refused", "": "Not answered"}
    rows = [
        (
            _joined([one["base"], one["base_kind"]]), one["form"], _plain(one["way"]), one["documents"],
            one["added_documents"], one["added_families"],
            f"{for_answer[one['answer']]}"
            + (NOT_IN_LIST if one["answer"] == "taken" and not one["in_list"] else "")
            + (f" by {one['by']}, {at(one['at'])}: {one['why']}" if one["answer"] else ""),
        )
        for one in facts["variants"]["variants"]
    ]  # fmt: skip
    if rows:
        yield section(
            "Appendix C. Other forms of terms and names",
            table(
                "Each form with its own hits, what it adds to the list, and the answer",
                "*For|*Form|@Way|#Documents|#Adds documents|#Adds families|***Answer",
                rows,
            ),
            new_page=True,
        )


def _or_none(count: int | None) -> int | str:
    return "none" if count is None else count


def _appendix_searches(facts: dict[str, Any], at: Time) -> Iterable[dict[str, Any]]:
    log = facts["searches"]["searches"]
    if log:
        yield section(
            "Appendix D. Search log",
            table(
                "Every query that was run",
                "#No.|@When|By|***Query|#Documents|#Families|Index, documents",
                (
                    (
                        one["seq"], at(one["at"]), one["by"],
                        _joined([one["query"],
                                 f"read as: {one['parsed']}" if one["parsed"] != one["query"] else "",
                                 *_named("given up: ", [one["refused"]])]),
                        _or_none(one["documents"]), _or_none(one["families"]),
                        f"{one['engine']}, {one['index_documents']:,}",
                    )
                    for one in log
                ),
            ),
            new_page=True,
        )  # fmt: skip
