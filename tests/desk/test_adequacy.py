"""The adequacy report: every number counted again by plain SQL, and the files as they are written."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
import sqlalchemy as sa

from desk.adequacy import pages, report
from desk.adequacy.collect import collect
from desk.adequacy.pdf import typeset
from desk.home import Home
from records import audit
from records import tables as t
from records.errors import Incomplete, UsageError
from tests.desk.adequacy_home import LATER, ROSTER, TERMS, ids, make
from tests.servers.postgres import postgres

pytestmark = pytest.mark.slow

IDENTIFIERS = {"version", "last_version", "first_version", "answer_version", "line", "seq", "number", "seed"}
"""Numbers that name something and count nothing."""

CONCLUSIONS = re.compile(
    r"\b(adequa|inadequa|reasonabl|complete|thorough|diligent|sufficien|exhaustive|comprehensive|satisf|"
    r"all relevant|every relevant|compli)\w*",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Home, str]:
    home, request_id = make(tmp_path_factory.mktemp("adequacy"))
    yield home, request_id
    home.close()


@pytest.fixture(scope="module")
def written(made, tmp_path_factory) -> Path:
    home, request_id = made
    out = tmp_path_factory.mktemp("report") / "out"
    out.mkdir()  # an empty folder will do
    report.write_report(home, request_id, out, by="pat")
    return out


def text_of(data: bytes) -> str:
    """Return the words of a PDF, without the places where a long one may break."""
    document = pypdfium2.PdfDocument(data)
    found = "\n".join(page.get_textpage().get_text_range() for page in document)
    return found.replace("\u200b", "").replace("\ufffe", "")


# -- every number, counted again


def numbers(value: object, path: str = "") -> dict[str, float]:
    """Return the path and value of every number that counts something."""
    if isinstance(value, dict):
        return {
            key: number
            for name, one in value.items()
            if name not in IDENTIFIERS
            for key, number in numbers(one, f"{path}.{name}" if path else name).items()
        }
    if isinstance(value, (list, tuple)):
        return {
            key: number
            for place, one in enumerate(value)
            for key, number in numbers(one, f"{path}.{place}").items()
        }
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {path: value}
    return {}


class Recount:
    """Counts by SQL written here, sharing no code with the report."""

    def __init__(self, connection: sa.Connection, request_id: str) -> None:
        self._connection = connection
        self._id = request_id
        self.found: dict[str, float] = {}

    def rows(self, sql: str, **values: object) -> list[tuple]:
        return [tuple(row) for row in self._connection.execute(sa.text(sql), {"id": self._id, **values})]

    def one(self, sql: str, **values: object) -> int:
        return int(self.rows(sql, **values)[0][0] or 0)

    def all(self) -> dict[str, float]:
        self.found["request.roster_lines"] = len(ROSTER.splitlines()) - 1
        self._places()
        self._declarations()
        self._coverage()
        self._tools()
        for place, (version, csv) in enumerate(((1, TERMS), (2, LATER))):
            self._terms(f"terms.lists.{place}", version, csv)
        self._variants()
        self._found()
        self._unsearched()
        self._leads()
        self._samples()
        self._exceptions()
        self._searches()
        return self.found

    def _states(self, where: str, **values: object) -> Counter[str]:
        sql = f"SELECT state, count(*) FROM items WHERE request_id = :id AND {where} GROUP BY state"
        return Counter(dict(self.rows(sql, **values)))

    def _keep_states(self, path: str, states: Counter[str], before: str = "") -> None:
        self.found[f"{path}.{before}found"] = sum(states.values())
        for state in ("stored", "failed", "excluded"):
            self.found[f"{path}.{before}{state}"] = states[state]

    def _places(self) -> None:
        for place, source in enumerate(("s1", "s2")):
            path = f"places.places.{place}"
            self._keep_states(path, self._states("level = 0 AND source_id = :s", s=source))
            scopes = self.rows(
                "SELECT scope_key, expected, kept_back FROM scopes WHERE request_id = :id AND source_id = :s "
                "ORDER BY scope_key",
                s=source,
            )
            for number, (key, expected, kept) in enumerate(scopes):
                mine = self._states("level = 0 AND source_id = :s AND scope_key = :k", s=source, k=key)
                self._keep_states(f"{path}.scopes.{number}", mine)
                self.found[f"{path}.scopes.{number}.expected"] = expected
                if kept is not None:
                    self.found[f"{path}.kept_back"] = kept

        ((paths, body),) = self.rows("SELECT paths, body FROM export_paths WHERE request_id = :id")
        told = json.loads(body)
        self.found |= {
            "places.exports.0.paths": paths,
            "places.exports.0.read": told["read"],
            "places.exports.0.ignored.0.count": told["ignored"]["viewer"],
            "places.exports.0.unknown": told["unknown"],
        }

    def _declarations(self) -> None:
        rows = self.rows("SELECT seq, used, body FROM declarations WHERE request_id = :id ORDER BY seq")
        newest = rows[-1]
        kept = [place["kept_back"] for place in json.loads(newest[2])["places"]]
        sizes = [
            size
            for (size,) in self.rows(
                "SELECT size_bytes FROM receipts WHERE request_id = :id AND seq = :n", n=newest[0]
            )
        ]
        self.found |= {
            "declarations.answered": 1,
            "declarations.used": int(newest[1]),
            "declarations.not_used": int(not newest[1]),
            "declarations.files": len(sizes),
            "declarations.kept_back": sum(kept),
            "declarations.gaps.0.files": len(sizes),  # no source of the request is at their path
            "declarations.declarations.1.places.0.kept_back": kept[0],
            "declarations.declarations.1.places.0.receipts.0.size_bytes": sizes[0],
        }

    def _coverage(self) -> None:
        """Every place that was listed here was read to its end, with as many items as were expected."""
        listed = [
            (
                source, key, expected,
                sum(self._states("level = 0 AND source_id = :s AND scope_key = :k", s=source, k=key)
                    .values()),
            )
            for source, key, expected in self.rows(
                "SELECT source_id, scope_key, expected FROM scopes WHERE request_id = :id"
            )
        ]  # fmt: skip
        reaches = self.rows("SELECT source_id, place_key, reach FROM unreached WHERE request_id = :id")
        states = Counter(reach for _, _, reach in reaches)
        states["searched"] = len(listed)
        every = sorted([*listed, *((source, key, None, 0) for source, key, _ in reaches)])
        for place, (_, _, expected, found) in enumerate(every):
            self.found[f"coverage.places.{place}.found"] = found
            if expected is not None:
                self.found[f"coverage.places.{place}.expected"] = expected
        for place, (_, count) in enumerate(sorted(states.items())):
            self.found[f"coverage.states.{place}.count"] = count
        self.found["coverage.not_read"] = states["refused"] + states["not_by_this_route"]
        self.found["holds.in_force"] = self.one("SELECT count(*) FROM hold_events WHERE request_id = :id")

    def _tools(self) -> None:
        connectors = self.rows(
            "SELECT connector, count(DISTINCT source_id) FROM scopes WHERE request_id = :id "
            "GROUP BY 1 ORDER BY 1"
        )
        for place, (_, count) in enumerate(connectors):
            self.found[f"tools.connectors.{place}.sources"] = count
        readers = self.rows(
            "SELECT extractor, extractor_version, count(*) FROM readings WHERE request_id = :id "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        for place, (*_, count) in enumerate(readers):
            self.found[f"tools.readers.{place}.readings"] = count
        states = self.rows("SELECT DISTINCT index_state FROM searches WHERE request_id = :id")
        (state,) = (json.loads(one) for (one,) in states)
        path = "tools.indexes.0"
        self.found[f"{path}.documents"] = state["documents"]
        self.found[f"{path}.batches"] = state["batches"]
        self.found[f"{path}.searches"] = self.one("SELECT count(*) FROM searches WHERE request_id = :id")
        self.found[f"{path}.reports"] = self.one("SELECT count(*) FROM term_reports WHERE request_id = :id")

    def _terms(self, path: str, version: int, csv: str) -> None:
        lines = csv.splitlines()
        self.found[f"{path}.listed"] = len(lines) - 1
        hits = self.rows(
            "SELECT h.term_no, h.item_id, h.family_id, h.occurrences, "
            "coalesce(r.content_hash, i.blob_sha256) "
            "FROM hits h JOIN items i ON i.request_id = h.request_id AND i.item_id = h.item_id "
            "JOIN readings r ON r.request_id = h.request_id AND r.item_id = h.item_id "
            "WHERE h.request_id = :id AND h.version = :v",
            v=version,
        )
        sizes = dict(
            self.rows(
                "SELECT family_id, count(*) FROM items WHERE request_id = :id AND state = 'stored' GROUP BY 1"
            )
        )
        zero = 0
        run = [number for number, line in enumerate(lines, start=1) if number > 1 and " OR c" not in line]
        for place, line in enumerate(run):
            mine = [hit for hit in hits if hit[0] == line]
            items, families = {hit[1] for hit in mine}, {hit[2] for hit in mine}
            alone = items - {hit[1] for hit in hits if hit[0] != line}
            alone_families = families - {hit[2] for hit in hits if hit[0] != line}
            at = f"{path}.terms.{place}"
            self.found |= {
                f"{at}.documents": len(items),
                f"{at}.families": len(families),
                f"{at}.with_family": sum(sizes[one] for one in families),
                f"{at}.unique": len(alone),
                f"{at}.unique_families": len(alone_families),
                f"{at}.unique_with_family": sum(sizes[one] for one in alone_families),
                f"{at}.occurrences": sum(hit[3] for hit in mine),
                f"{at}.distinct": len({hit[4] for hit in mine}),
            }
            if not mine:
                self.found[f"{path}.zero_hits.{zero}"] = line
                zero += 1
        families = {hit[2] for hit in hits}
        self.found |= {
            f"{path}.documents": len({hit[1] for hit in hits}),
            f"{path}.families": len(families),
            f"{path}.with_family": sum(sizes[one] for one in families),
            f"{path}.distinct": len({hit[4] for hit in hits}),
            f"{path}.occurrences": sum(hit[3] for hit in hits),
        }

    def _variants(self) -> None:
        columns = ("documents", "families", "added_documents", "added_families")
        rows = self.rows(
            f"SELECT variant_id, {', '.join(columns)} FROM variants WHERE request_id = :id "
            "ORDER BY base_kind, base, way, form"
        )
        answers = [
            self.rows(
                "SELECT answer FROM variant_answers WHERE request_id = :id AND variant_id = :v "
                "ORDER BY seq DESC LIMIT 1",
                v=variant_id,
            )
            for variant_id, *_ in rows
        ]
        given = Counter(answer[0][0] if answer else "" for answer in answers)
        taken = {row[0] for row, answer in zip(rows, answers, strict=True) if answer == [("taken",)]}
        form_of = dict(self.rows("SELECT variant_id, form FROM variants WHERE request_id = :id"))
        lines = [line.split(",")[0] for line in LATER.splitlines()]
        self.found |= {
            "variants.proposed": len(rows),
            "variants.taken": given["taken"],
            "variants.left_out": sum(form_of[one] not in lines for one in taken),
            "variants.refused": given["refused"],
            "variants.unanswered": given[""],
        }
        for place, (_, *figures) in enumerate(rows):
            for name, figure in zip(columns, figures, strict=True):
                self.found[f"variants.variants.{place}.{name}"] = figure

    def _text(self) -> Counter[str]:
        return Counter(
            dict(
                self.rows(
                    "SELECT coalesce(r.text_state, 'unread'), count(*) FROM items i LEFT JOIN readings r "
                    "ON r.request_id = i.request_id AND r.item_id = i.item_id "
                    "WHERE i.request_id = :id AND i.state = 'stored' GROUP BY 1"
                )
            )
        )

    def _newest(self) -> dict[str, dict]:
        return {
            item: json.loads(body)
            for item, body in self.rows(
                "SELECT item_id, body FROM decisions WHERE request_id = :id ORDER BY seq"
            )
        }

    def _found(self) -> None:
        self._keep_states("found", self._states("level = 0"), "top_")
        self._keep_states("found", self._states("level > 0"), "children_")
        text = self._text()
        self.found["found.stored"] = sum(text.values())
        for state in ("searchable", "not_searchable", "pending", "unread"):
            self.found[f"found.{state}"] = text[state]
        waiting = self.rows("SELECT ocr_pages FROM readings WHERE request_id = :id")
        read = self.rows("SELECT done, failed FROM ocr_items WHERE request_id = :id")
        self.found["found.ocr_pages"] = sum(len(json.loads(pages)) for (pages,) in waiting)
        self.found["found.ocr_done"] = sum(done for done, _ in read)
        self.found["found.ocr_failed"] = sum(len(json.loads(failed)) for _, failed in read)
        reviewed = {
            item
            for (item,) in self.rows(
                "SELECT item_id FROM items WHERE request_id = :id AND state = 'stored' AND (family_id IN "
                "(SELECT family_id FROM hits WHERE request_id = :id AND version = 2) "
                "OR item_id IN (SELECT item_id FROM decisions WHERE request_id = :id) "
                "OR family_id IN (SELECT a.family_id FROM sample_answers a WHERE a.request_id = :id "
                "AND a.responsive AND a.seq = (SELECT max(b.seq) FROM sample_answers b "
                "WHERE b.request_id = a.request_id AND b.sample_no = a.sample_no "
                "AND b.family_id = a.family_id)))"
            )
        }
        decided = self._newest()
        self.found |= {
            "found.in_review": len(reviewed),
            "found.not_in_review": sum(text.values()) - len(reviewed),
            "found.review.0.count": len(reviewed),  # all of them not yet produced
            "found.awaits.0.count": len(reviewed - set(decided)),  # decision
            "found.awaits.1.count": len(decided),  # the next instalment
            "found.decided_items": len(decided),
            "found.decisions": self.one("SELECT count(*) FROM decisions WHERE request_id = :id"),
            "found.deciders": len(
                set(self.rows("SELECT by FROM decisions WHERE request_id = :id".replace("by", '"by"')))
            ),
            "found.numbered": self.one("SELECT count(*) FROM numbers WHERE request_id = :id"),
            "found.installments": self.one("SELECT count(*) FROM installments WHERE request_id = :id"),
        }

    def _unsearched(self) -> None:
        text = self._text()
        self.found |= {
            "unsearched.gaps.0.count": text["not_searchable"],
            "unsearched.gaps.1.count": 1,  # the mail that names a file at docs.google.com
            "unsearched.gaps.2.count": 1,  # the archive that the source refuses
            "unsearched.gaps.3.count": self.one("SELECT max(kept_back) FROM scopes WHERE request_id = :id"),
            "unsearched.whole": text["not_searchable"] + self._states("1 = 1")["failed"],
            "unsearched.part": 1,
            "unsearched.places": 1,
        }

    def _leads(self) -> None:
        family = dict(self.rows("SELECT item_id, family_id FROM items WHERE request_id = :id"))
        responsive = {family[item] for item, body in self._newest().items() if body["responsive"]}
        signals = []
        for signal_id, kind in self.rows(
            'SELECT signal_id, kind FROM signals WHERE request_id = :id ORDER BY "rank"'
        ):
            items = self.rows(
                "SELECT family_id FROM signal_items WHERE request_id = :id AND signal_id = :s", s=signal_id
            )
            answers = [
                answer
                for (answer,) in self.rows(
                    "SELECT answer FROM signal_answers WHERE request_id = :id AND signal_id = :s "
                    "ORDER BY seq",
                    s=signal_id,
                )
            ]
            hit = sum(one in responsive for (one,) in items)
            lead = hit > 0 or "promoted" in answers
            signals.append((kind, len(items), hit, lead, answers[-1:] != ["closed"]))
        for place, kind in enumerate(sorted({one[0] for one in signals})):
            mine = [one for one in signals if one[0] == kind]
            self.found |= {
                f"leads.kinds.{place}.signals": len(mine),
                f"leads.kinds.{place}.open": sum(one[4] for one in mine),
                f"leads.kinds.{place}.leads": sum(one[3] for one in mine),
                f"leads.kinds.{place}.open_leads": sum(one[3] and one[4] for one in mine),
            }
        for place, one in enumerate(one for one in signals if one[3]):
            self.found[f"leads.leads.{place}.items"] = one[1]
            self.found[f"leads.leads.{place}.responsive_items"] = one[2]

    def _samples(self) -> None:
        for place, (number, population, size) in enumerate(
            self.rows(
                "SELECT sample_no, population, size FROM samples WHERE request_id = :id ORDER BY sample_no"
            )
        ):
            newest = dict(
                self.rows(
                    "SELECT family_id, responsive FROM sample_answers WHERE request_id = :id "
                    "AND sample_no = :n ORDER BY seq",
                    n=number,
                )
            )
            self.found |= {
                f"samples.samples.{place}.population": population,
                f"samples.samples.{place}.size": size,
                f"samples.samples.{place}.answered": len(newest),
                f"samples.samples.{place}.responsive": sum(bool(one) for one in newest.values()),
            }
            self._estimates(f"samples.samples.{place}", number, newest, population)

    def _estimates(self, path: str, number: int, newest: dict[str, bool], population: int) -> None:
        """Both families of the list were drawn and answered: the shares are counts, with no interval."""
        drawn = {
            one
            for (one,) in self.rows(
                "SELECT family_id FROM sample_items WHERE request_id = :id AND sample_no = :n", n=number
            )
        }
        assert drawn == set(newest)
        assert len(drawn) == population
        found = sum(bool(one) for one in newest.values())
        family = dict(self.rows("SELECT item_id, family_id FROM items WHERE request_id = :id"))
        decided = {family[item]: body for item, body in self._newest().items()}
        responsive = sum(body["responsive"] for one, body in decided.items() if one not in drawn)
        hit = self.rows("SELECT DISTINCT family_id FROM hits WHERE request_id = :id AND version = 2")
        unread = self.one(
            "SELECT count(*) FROM readings WHERE request_id = :id AND text_state <> 'searchable' "
            "AND item_id IN (SELECT family_id FROM sample_items WHERE request_id = :id)"
        )
        self.found |= {
            f"{path}.counted": len(drawn),
            f"{path}.counted_responsive": found,
            f"{path}.responsive_in_review": responsive,
            f"{path}.undecided_in_review": len({one for (one,) in hit} - set(decided)),
            f"{path}.confidence": 0.95,
            f"{path}.not_searchable": unread,
            f"{path}.partly_searchable": 0,
        }
        for end in ("estimate", "low", "high", "bound"):
            self.found[f"{path}.elusion.{end}"] = found / population
            self.found[f"{path}.recall.{end}"] = responsive / (responsive + found)

    def _exceptions(self) -> None:
        reasons = self.rows(
            "SELECT reason, count(*) FROM readings WHERE request_id = :id AND text_state = 'not_searchable' "
            "GROUP BY 1 ORDER BY 1"
        )
        for place, (_, count) in enumerate(reasons):
            self.found[f"exceptions.not_searchable.{place}.count"] = count
        items, contents = self.rows(
            "SELECT count(*), count(DISTINCT blob_sha256) FROM items "
            "WHERE request_id = :id AND state = 'stored'"
        )[0]
        self.found |= {"freeze.items": items, "freeze.contents": contents}

    def _searches(self) -> None:
        for place, (documents, families, state) in enumerate(
            self.rows(
                "SELECT documents, families, index_state FROM searches WHERE request_id = :id ORDER BY seq"
            )
        ):
            self.found[f"searches.searches.{place}.index_documents"] = json.loads(state)["documents"]
            if documents is not None:  # it was not given up
                self.found[f"searches.searches.{place}.documents"] = documents
                self.found[f"searches.searches.{place}.families"] = families
        entries = [json.loads(entry) for (entry,) in self.rows("SELECT entry FROM audit ORDER BY seq")]
        counted = [one for one in entries if one["action"] == "counted" and one["request"] == self._id]
        for place, one in enumerate(counted):
            self.found[f"searches.list_runs.{place}.terms"] = one["terms"]
            self.found[f"searches.list_runs.{place}.documents"] = one["documents"]
        self.found["integrity.audit_seq"] = self.one("SELECT max(seq) FROM audit")
        self.found["integrity.entries"] = sum(one.get("request") == self._id for one in entries)


def recounted(home: Home, request_id: str) -> None:
    facts = asdict(collect(home, request_id, by="pat"))
    with home.catalogue.read() as connection:
        expected = Recount(connection, request_id).all()
    assert numbers(facts) == expected


def test_every_number_is_what_plain_sql_counts(made):
    recounted(*made)


@pytest.mark.services
def test_every_number_on_postgresql(tmp_path):
    with postgres() as address:
        home, request_id = make(tmp_path, f"{address}/postgres")
        try:
            recounted(home, request_id)
        finally:
            home.close()


def test_every_figure_of_a_section_has_its_rows_named(made):
    facts = asdict(collect(*made, by="pat"))
    names = set(t.metadata.tables) | {"search index"}
    sections = [one for one in facts.values() if isinstance(one, dict)]
    assert len(sections) == 19
    for section in sections:
        assert section["origin"]
        for origin in section["origin"]:
            assert set(origin["table"].split(", ")) <= names, origin
            assert origin["where"]


# -- what the facts say


def test_the_request_is_there_word_for_word_with_its_versions(made):
    facts = collect(*made, by="pat")
    assert [(one.version, one.why, one.changed, one.text) for one in facts.request.versions] == [
        (1, "opened", (), "All records about the bus route change"),
        (2, "another term list", ("terms",), "All records about the bus route change"),
    ]
    assert facts.ruled_out.places[0].why == "kept for 30 days"
    assert facts.people.custodians[0].sources == ("s1", "s2")
    assert [(place.id, place.kept_back) for place in facts.places.places] == [("s1", None), ("s2", 12)]
    assert all(place.collected_from <= place.collected_to for place in facts.places.places)


def test_what_was_declared_is_there_with_what_it_superseded(made):
    found = collect(*made, by="pat").declarations
    assert [(one.number, one.in_force, one.used, one.by) for one in found.declarations] == [
        (1, False, False, "pat"),
        (2, True, True, "kim"),
    ]
    (phone,) = found.declarations[1].places
    assert (phone.kind, phone.which, phone.kept_back) == ("phone", "+1 206 555 0111", 3)
    assert [(one.path, one.size_bytes) for one in phone.receipts] == [("/handed/ana.xml", 4321)]
    assert [(gap.code, gap.place, gap.files) for gap in found.gaps] == [("no_source", "place 1", 1)]
    assert found.unanswered == ()


def test_answers_in_force_and_all_that_came_before(made):
    facts = collect(*made, by="pat")
    assert (facts.variants.taken, facts.variants.left_out) == (1, 1)
    answers = {one.form: (one.answer, one.why, one.by) for one in facts.variants.variants}
    assert answers == {
        "busroute": ("taken", "they write it so", "kim"),
        "A.A.": ("refused", "means Avery only, call 206-555-0190", "pat"),
        "bus routing": ("", "", ""),
    }
    assert [(one.subject, one.promoted, one.open, len(one.answers)) for one in facts.leads.leads] == [
        ("ana.ruiz@homemail.example", False, False, 1),
        ("WhatsApp", True, True, 1),
        ("Bertrand Quillfeather", False, False, 1),
    ]
    (sample,) = facts.samples.samples
    assert [one.why for one in sample.found_responsive] == ["talks of Avi"]
    assert sample.words[0] == (
        "Sample 1: 2 of 2 families that no term of version 2 finds were drawn with seed 7; 2 are answered, 1 "
        "of them responsive."
    )
    assert [(one.by, one.query, one.documents) for one in facts.searches.searches] == [
        ("pat", "bus w/3 change", 2),
        ("kim", "AMBERSON pre/1 avery", 0),
        ("kim", "ilse.a@homemail.example", 0),
        ("pat", "Harriet Lowe", 0),
        ("kim", "*ple w/9 *nana", None),
    ]
    assert [one.line for one in facts.terms.lists[1].bad_lines] == [5]
    assert facts.terms.lists[1].zero_hits == (3,)


def test_facts_are_collected_anew_when_somebody_writes_meanwhile(made, monkeypatch):
    home, request_id = made
    from desk.adequacy import collect as module

    once = iter([True, False])
    real = module.books

    def meanwhile(home: Home, request_id: str):
        if next(once, False):
            with home.catalogue.write() as connection:
                audit.append(connection, action="read", actor="kim", request_id=request_id, item="x")
        return real(home, request_id)

    monkeypatch.setattr(module, "books", meanwhile)
    facts = collect(home, request_id, by="pat")
    with home.catalogue.read() as connection:
        assert facts.integrity.audit_seq == audit.head(connection).seq
    once = iter([True] * 9)
    with pytest.raises(Incomplete, match=f"request {request_id} is being worked on"):
        collect(home, request_id, by="pat")


# -- the files


FILES = {
    "adequacy.json", "adequacy.pdf", "declaration.pdf", "declaration.txt", "masked/adequacy.json",
    "masked/adequacy.pdf",
}  # fmt: skip


def test_the_files_their_sums_and_the_audit_entry(made, written):
    home, _ = made
    names = {str(one.relative_to(written)) for one in written.rglob("*") if one.is_file()}
    assert names == FILES | {"SHA256SUMS"}
    sums = dict(reversed(line.split("  ")) for line in (written / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256((written / name).read_bytes()).hexdigest() for name in FILES}
    with home.catalogue.read() as connection:
        entries = [json.loads(one) for one in connection.scalars(sa.select(t.audit.c.entry))]
    (entry,) = [one for one in entries if one["action"] == "adequacy_reported"]
    assert (entry["actor"], entry["sha256"], entry["masked_sha256"]) == (
        "pat",
        sums["adequacy.json"],
        sums["masked/adequacy.json"],
    )
    assert set(entry) == {"action", "actor", "at", "seq", "request", "sha256", "masked_sha256"}
    record = json.loads((written / "adequacy.json").read_text("utf-8"))
    refused = [one["detail"] for one in record["coverage"]["places"] if one["state"] == "refused"]
    assert refused == ["http_403"]  # without what an administrator is told to do
    head = record["integrity"]
    assert head["audit_seq"] == entry["seq"] - 1


def test_nothing_is_written_over_and_a_failure_leaves_nothing(made, written, tmp_path, monkeypatch):
    home, request_id = made
    with pytest.raises(UsageError, match="not empty"):
        report.write_report(home, request_id, written, by="pat")
    with pytest.raises(UsageError, match="who asks"):
        report.write_report(home, request_id, tmp_path / "a", by=" ")
    with pytest.raises(UsageError, match="no request 2020-0009"):
        report.write_report(home, "2020-0009", tmp_path / "a", by="pat")

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with home.catalogue.read() as connection:
        before = audit.head(connection)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        report.write_report(home, request_id, tmp_path / "a", by="pat")
    assert list(tmp_path.iterdir()) == []
    with home.catalogue.read() as connection:
        assert audit.head(connection) == before


@pytest.mark.parametrize("name", ["adequacy.pdf", "masked/adequacy.pdf", "declaration.pdf"])
def test_the_pdf_is_tagged_and_says_what_it_is(written, name):
    with pikepdf.open(written / name) as pdf:
        root = pdf.Root
        assert bool(root.MarkInfo.Marked)
        assert str(root.Lang) == "en-US"
        assert bool(root.ViewerPreferences.DisplayDocTitle)
        title = str(pdf.docinfo["/Title"])
        assert title.startswith(("Record of the search for request", "Declaration about the search"))
        with pdf.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
        kinds = Counter(_kinds(root.StructTreeRoot))
        assert kinds["/H1"] >= 1
        if name != "declaration.pdf":
            assert kinds["/TH"] > 40
            assert kinds["/Table"] >= 12
            assert root.Outlines.Count > 5
        assert "/CreationDate" not in pdf.docinfo


def _kinds(node: pikepdf.Object) -> list[str]:
    found, todo = [], [node]
    while todo:
        one = todo.pop()
        if isinstance(one, pikepdf.Array):
            todo += list(one)
        elif isinstance(one, pikepdf.Dictionary):
            if "/S" in one:
                found.append(str(one.S))
            if "/K" in one:
                todo.append(one.K)
    return found


def test_the_sections_stand_in_the_order_of_a_court(written):
    words = text_of((written / "adequacy.pdf").read_bytes())
    with pikepdf.open(written / "adequacy.pdf") as pdf, pdf.open_outline() as outline:
        headings = [one.title for one in outline.root]
    assert headings == [
        "1. The request",
        "2. Where it was searched, and whose records",
        "3. How it was searched",
        "4. What was found",
        "5. What could not be searched",
        "6. Leads",
        "7. Samples of what was not going to be reviewed",
        "8. Exceptions, holds and the destruction freeze",
        "9. Who searched when",
        "10. Integrity",
        "Appendix A. Places one by one",
        "Appendix B. Term lists",
        "Appendix C. Other forms of terms and names",
        "Appendix D. Search log",
    ]
    for said in (
        "All records about the bus route change", "Cameras of the buses", "Holds on records where they lie",
        "Bertrand Quillfeather", "busroute", "AMBERSON pre/1 avery", "zebra", "a AND b OR c",
        "Destruction freeze (RCW 42.56.100)", "given up: it took longer than the time limit",
    ):  # fmt: skip
        assert said in words, said


def test_nothing_says_that_the_search_was_good(written):
    for name in FILES:
        data = (written / name).read_bytes()
        words = text_of(data) if name.endswith(".pdf") else data.decode()
        words = re.sub(
            r"adequacy(_reported)?\.?(pdf|json)?", "", words
        )  # names of files and of the audit's entry
        if name.endswith(".json"):
            raw = json.loads(words.replace('".', '"'))
            for one in raw["searches"]["runs"]:
                one["outcome"] = ""  # a code of the table
            words = json.dumps(raw)
        assert CONCLUSIONS.findall(words) == [], name


def test_the_declaration_is_a_draft_with_the_form_and_blanks(made, written):
    digest = hashlib.sha256((written / "adequacy.json").read_bytes()).hexdigest()
    head = json.loads((written / "adequacy.json").read_text("utf-8"))["integrity"]["audit_head"]
    plain = (written / "declaration.txt").read_text("utf-8")
    for words in (plain, text_of((written / "declaration.pdf").read_bytes())):
        flat = " ".join(words.split())
        assert (
            "I declare under penalty of perjury under the law of Washington that the foregoing is true and "
            "correct. Signed on the ______ day of" in flat
        )
        assert "(city or other location, and state or country)" in flat
        assert "(printed name)" in flat
        assert "(signature)" in flat
        assert "Draft." in flat
        assert "From my own knowledge: how I chose" in flat
        assert "7 items were stored. The terms in force match 5 documents in 5 families." in flat
        assert digest in flat
        assert head in flat
    assert plain.count("_" * 80) == 8


def test_a_table_has_a_total_of_several_rows_and_no_column_without_content():
    one, both = [("a", 1)], [("a", 1), ("b", 1_200)]
    made = [pages.table("Places", "@Id|#Found", rows, ("All", 1_201)) for rows in (one, both)]
    assert [block["rows"] for block in made] == [
        [["a", "1"]],
        [["a", "1"], ["b", "1,200"], ["All", "1,201"]],
    ]
    noted, doubted = {"line": 2, "note": "x", "caution": ""}, {"line": 3, "note": "", "caution": "y"}
    for terms, title, names, rows in (
        ([noted], "Notes", ["Line", "Note"], [["2", "x"]]),
        ([doubted], "Cautions", ["Line", "Caution"], [["3", "y"]]),
        (
            [noted, doubted],
            "Notes and cautions",
            ["Line", "Note", "Caution"],
            [["2", "x", ""], ["3", "", "y"]],
        ),
    ):
        block = pages._remarks(terms)
        assert (block["title"], block["rows"]) == (title, rows)
        assert [column["name"] for column in block["columns"]] == names
    assert pages._remarks([{"line": 2, "note": "", "caution": ""}]) is None


def test_the_same_rows_give_the_same_bytes(made, monkeypatch):
    home, request_id = made
    monkeypatch.setattr("records.canonical.now_text", lambda: "2026-11-01T10:00:00.000000Z")
    first = report._files(home, request_id, "pat")
    assert report._files(home, request_id, "pat") == first


# -- a long report


def test_long_lists_go_to_the_appendix(made):
    facts = json.loads(json.dumps(asdict(collect(*made, by="pat"))))
    one = facts["terms"]["lists"][1]["terms"][0]
    facts["terms"]["lists"][1]["terms"] = [{**one, "line": n, "term": f"term{n}"} for n in range(2, 1_002)]
    log = facts["searches"]["searches"][0]
    facts["searches"]["searches"] = [{**log, "seq": n} for n in range(1, 1_001)]
    data = typeset(pages.document(facts, None))
    words = text_of(data)
    before, appendix = (
        words[: words.rindex("Appendix B. Term lists")],
        words[words.rindex("Appendix B. Term lists") :],
    )
    assert "1,000 terms: Appendix B lists them." in " ".join(before.split())
    assert "term777" not in before
    assert appendix.count("term777") == 1
    assert len(pypdfium2.PdfDocument(io.BytesIO(data))) < 120


def test_ids_name_what_the_fixture_planted(made):
    assert set(ids(*made)) >= {"Bus route 0", "Lunch", "notes.txt", "noise.pdf"}
