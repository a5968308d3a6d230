"""Overlap, samples and differences: every number worked out by hand, and against plain set arithmetic."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.language import parse
from search.reports import to_html
from search.term_details import (
    Appendix,
    ListedTerm,
    Moved,
    Pair,
    Snippet,
    TermChange,
    compare_lists,
    difference,
    overlaps,
    samples,
)
from search.terms import HitReport, Term
from tests.search.home import PACIFIC, REQUEST, Home
from tests.search.term_lists import run

# -- overlap


def test_pairs_that_share_documents(filled: Home) -> None:
    run(filled)
    # bus: m1 m2 m3; budget: m2 m4a; attachment:budget: m4; map: m1a m4a; late: m1 m3
    assert overlaps(filled.catalogue, REQUEST, 1) == (Pair(2, 9, 2), Pair(2, 3, 1), Pair(3, 7, 1))
    assert overlaps(filled.catalogue, REQUEST, 2) == ()


QUERIES = (
    "bus", "route", "b*", "bus route", "not bus", "subject:bus or budget", "attachment:budget", "family:map",
    "map and budget", "custodian:okafor", "12", "zebra", "sent:2026-01-31", "not has:date",
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(QUERIES), min_size=1, max_size=6))
def test_unique_overlap_and_dropping_are_set_arithmetic(filled: Home, queries: list[str]) -> None:
    terms = tuple(Term(n, query, "") for n, query in enumerate(queries, start=2))
    report = run(filled, terms)
    found = {
        term.line: {hit.item_id: hit for hit in filled.engine.search(parse(term.term, PACIFIC))}
        for term in terms
    }
    assert set(overlaps(filled.catalogue, REQUEST, 1)) == {
        Pair(one, two, len(found[one].keys() & found[two].keys()))
        for one, two in combinations(found, 2)
        if found[one].keys() & found[two].keys()
    }
    for row in report.terms:
        others = set().union(*(hits.keys() for line, hits in found.items() if line != row.line))
        assert row.unique == len(found[row.line].keys() - others)
        assert sum(row.custodians.values()) == sum(row.sources.values()) == row.documents
        assert sum(row.months.values()) + row.undated == row.documents
        # Dropping is what a second run without the term shows.
        without = run(filled, tuple(term for term in terms if term.line != row.line), version=2)
        assert report.totals.documents - without.totals.documents == row.unique
        assert report.totals.families - without.totals.families == row.unique_families
        assert report.totals.with_family - without.totals.with_family == row.unique_with_family


def test_a_month_is_what_its_days_find(filled: Home) -> None:
    row = run(filled, (Term(2, "bus", ""),)).terms[0]
    for month, last in (("2026-01", 31), ("2026-02", 28)):
        query = parse(f"bus and sent:{month}-01..{month}-{last}", PACIFIC)
        assert filled.engine.count(query).documents == row.months[month]
    assert filled.engine.count(parse("map and not has:date", PACIFIC)).documents == 2
    assert run(filled, (Term(2, "map", ""),)).terms[0].undated == 2


# -- samples


def drawn(home: Home, report: HitReport, most: int = 2, seed: int = 1) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for one in samples(home.catalogue, home.store, REQUEST, report, PACIFIC, most=most, seed=seed):
        found.setdefault(one.line, []).append(one)
    return found


def test_samples_show_the_places_of_the_term(filled: Home) -> None:
    found = drawn(filled, run(filled), most=10)
    assert {line: sorted(one.item_id for one in hits) for line, hits in found.items()} == {
        2: ["m1", "m2", "m3"],
        3: ["m2", "m4a"],
        6: ["m4"],
        7: ["m1a", "m4a"],
        9: ["m1", "m3"],
    }
    first = next(one for one in found[2] if one.item_id == "m1")
    assert (first.family_id, first.custodian, first.kind, first.sent_on) == (
        "m1",
        "lee",
        "email",
        "2026-01-05",
    )
    assert first.snippets == (
        Snippet("subject", ("", "Bus", " route")),
        Snippet("body", ("The ", "bus", " is late. ", "Bus", " route 12.")),
    )
    assert found[6][0].snippets == (Snippet("attachment", ("", "budget", " ", "budget", " map")),)
    name = next(one for one in found[7] if one.item_id == "m1a")
    assert name.snippets == (
        Snippet("body", ("route ", "map", "")),
        Snippet("filename", ("", "map", ".pdf")),
    )


def test_the_seed_decides_the_sample(home: Home) -> None:
    home.fill("b000001", [{"id": f"i{n:02d}", "text": "bus"} for n in range(30)])
    home.index("b000001")
    report = run(home, (Term(2, "bus", ""), Term(3, "b*", "")))
    one = drawn(home, report, most=3, seed=1)
    assert one == drawn(home, run(home, (Term(2, "bus", ""), Term(3, "b*", ""))), most=3, seed=1)
    ids = {
        (seed, line): [hit.item_id for hit in hits]
        for seed in (1, 2)
        for line, hits in drawn(home, report, most=3, seed=seed).items()
    }
    # The three smallest SHA-256 of "1:2:i00" to "1:2:i29", and so on.
    assert ids[1, 2] == ["i02", "i14", "i17"]
    assert len({tuple(some) for some in ids.values()}) == 4
    assert all(len(set(some)) == 3 for some in ids.values())


def test_a_hit_without_a_word_has_no_snippet(filled: Home) -> None:
    (only,) = drawn(filled, run(filled, (Term(2, "sent:2026-01-31", ""),)))[2]
    assert (only.item_id, only.snippets) == ("m2", ())


def test_no_words_are_shown_of_a_source_with_readers_of_its_own(filled: Home) -> None:
    report = run(filled, (Term(2, "bus", ""),))
    found = samples(
        filled.catalogue, filled.store, REQUEST, report, PACIFIC, most=9, seed=1, closed=["mail-2"]
    )
    assert {one.item_id: (one.closed, len(one.snippets)) for one in found} == {
        "m1": (False, 2),
        "m2": (False, 1),
        "m3": (True, 0),
    }
    assert "readers of its own" in to_html(report, Appendix(samples=found))


def test_marks_in_a_text_are_no_marks(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": "the \x02bus\x03 is \x02late\x03"}])
    home.index("b000001")
    (only,) = drawn(home, run(home, (Term(2, "bus", ""),)))[2]
    assert only.snippets == (Snippet("body", ("the ", "bus", " is late")),)


# -- the difference between two lists


def test_what_another_list_gains_and_loses(filled: Home) -> None:
    before = run(filled)  # m1 m2 m3 m4 m4a m1a
    terms = (
        Term(2, "BUS", "another note"),
        Term(3, "budget", ""),
        Term(4, "zebra", ""),
        Term(5, "a and b or c", ""),
        Term(6, "nothing", ""),
        Term(7, '"open', ""),
        Term(8, "late and not monday", ""),
    )
    after = run(filled, terms, version=2)  # m1 m2 m3 m4a, and m4 by "nothing"
    made, moved = difference(filled.catalogue, before, after)
    assert moved == Moved(gained=(), lost=("m1a",))
    assert (made.documents_gained, made.documents_lost) == (0, 1)
    assert (made.families_gained, made.families_lost) == (0, 0)
    assert (made.added, made.kept, made.same_index, made.before) == ((), 5, True, 1)
    assert made.changed == (
        TermChange(ListedTerm(3, "budget OR budg*", 2), ListedTerm(3, "budget", 2)),
        TermChange(ListedTerm(6, "attachment:budget", 1), ListedTerm(6, "nothing", 1)),
    )
    assert made.dropped == (ListedTerm(7, "map", 2),)
    back, again = difference(filled.catalogue, after, before)
    assert again == Moved(gained=("m1a",), lost=())
    assert (back.added, back.dropped) == ((ListedTerm(7, "map", 2),), ())


def test_a_difference_names_another_state_of_the_index(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": "bus"}])
    home.index("b000001")
    before = run(home, (Term(2, "bus", ""),))
    home.fill("b000002", [{"id": "b", "text": "bus"}])
    home.index("b000002")
    made, moved = difference(home.catalogue, before, run(home, (Term(2, "bus", ""),), version=2))
    assert not made.same_index
    assert (made.before_index.documents, moved.gained, made.families_gained, made.kept) == (1, ("b",), 1, 1)


def listed(*terms: str) -> list[ListedTerm]:
    return [ListedTerm(line, term, 0) for line, term in enumerate(terms, start=2)]


def test_a_term_that_moved_was_kept() -> None:
    added, dropped, changed, kept = compare_lists(listed("a", "b", "c", "d"), listed("d", "c", " B ", "A"))
    assert (added, dropped, changed, kept) == ((), (), (), 4)


def test_terms_between_the_same_neighbours_took_each_others_place() -> None:
    added, dropped, changed, kept = compare_lists(
        listed("a", "bus route", "b", "old"), listed("a", "bus route*", "new", "b")
    )
    assert [(one.before.term, one.after.term) for one in changed] == [("bus route", "bus route*")]
    assert [one.term for one in added] == ["new"]
    assert [one.term for one in dropped] == ["old"]
    assert kept == 2


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=8, unique=True),
    st.lists(st.sampled_from("abcdefgh"), max_size=8, unique=True),
)
def test_every_line_is_kept_added_dropped_or_changed(before: list[str], after: list[str]) -> None:
    added, dropped, changed, kept = compare_lists(listed(*before), listed(*after))
    come = [one.term for one in added] + [one.after.term for one in changed]
    gone = [one.term for one in dropped] + [one.before.term for one in changed]
    assert set(come) == set(after) - set(before)
    assert set(gone) == set(before) - set(after)
    assert (len(come), len(gone)) == (len(set(come)), len(set(gone)))
    assert kept == len(set(before) & set(after))
