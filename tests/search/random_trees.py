"""Random small collections and random trees over the same few words."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from search import tree as q
from search.protocol import IndexDocument
from tests.search.oracle import words

WORDS = ("bus", "route", "budget", "budgets", "bud", "and", "not", "a", "ann", "x", "é", "7", "ü7", "x" * 300,
         "routes", "routed", "bugdet", "p12", "p7")  # fmt: skip
PREFIXES = ("b", "bu", "bud", "budget", "a", "x", "zz")
ZONE = "America/Los_Angeles"
START = date(2026, 1, 1)
CUSTODIANS = ("ann-lee", "bob", "ann")
KINDS = ("email", "file", "message")

texts = st.lists(st.sampled_from(WORDS), max_size=7).flatmap(
    lambda chosen: st.lists(
        st.sampled_from((" ", "-", "@", ".\n", "_", "’", "\x00", " ⟨")),
        min_size=len(chosen),
        max_size=len(chosen),
    ).map(lambda gaps: "".join(word + gap for word, gap in zip(chosen, gaps, strict=True)))
)
short_texts = st.lists(st.sampled_from(WORDS[:10]), max_size=2).map(" ".join)
dated = st.integers(0, 5).map(lambda n: START + timedelta(days=n))
days = st.one_of(st.none(), dated)


@st.composite
def collections(draw: st.DrawFn) -> list[list[IndexDocument]]:
    """Up to three batches of families, children with their parents in one batch."""
    batches: list[list[IndexDocument]] = []
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        batch: list[IndexDocument] = []
        for _ in range(draw(st.integers(0, 4))):
            number += 1
            order = draw(st.integers(0, 15))
            top = f"{order:x}{number:03d}"
            members = [top] + [
                f"{draw(st.integers(0, 15)):x}{number:03d}c{n}" for n in range(draw(st.integers(0, 2)))
            ]
            batch += [
                _document(draw, item, top, None if item == top else draw(st.sampled_from(members[:place])))
                for place, item in enumerate(members)
            ]
        batches.append(draw(st.permutations(batch)))
    return batches


def _document(draw: st.DrawFn, item: str, family: str, parent: str | None) -> IndexDocument:
    sender, to = draw(short_texts), draw(short_texts)
    return IndexDocument(
        item_id=item,
        family_id=family,
        parent_id=parent,
        source_id=draw(st.sampled_from(("mail", "mail-2"))),
        custodian_id=draw(st.sampled_from(CUSTODIANS)),
        kind=draw(st.sampled_from(KINDS)),
        subject=draw(texts),
        text=draw(texts),
        filename=draw(short_texts),
        sender=sender,
        to=to,
        cc=draw(short_texts),
        bcc="",
        participants=f"{sender} {to}",
        sent_on=draw(days),
        has=tuple(draw(st.lists(st.sampled_from(q.HAS_VALUES), unique=True, max_size=3))),
        distinct_key=draw(st.sampled_from(("k1", "k2", "k3"))),
        doc_type=draw(st.sampled_from(("mail", "pdf", "text_message"))),
        languages=draw(st.sampled_from((("en",), ("es", "en"), ("und",)))),
    )


single_words = st.sampled_from([word for word in WORDS if len(word) < 300]).map(
    lambda word: q.Word(words(word)[0])
)
prefixes = st.sampled_from(PREFIXES).map(q.Prefix)
_letters = st.sampled_from("budgerostp12x")
_around = st.text("budgerostp?=12x", max_size=2)
# Built, not filtered out of any text: one pattern that no filter lets through costs the whole example.
wilds = st.one_of(
    st.sampled_from(("*s", "*u*", "b?s", "p==", "p=", "r*e", "*d", "bu?get*", "zz*9")),
    st.builds(
        lambda head, sign, letter, tail, end: head + sign + letter + tail + end,
        _around, st.sampled_from(("?", "=", "*", "*?", "?*")), _letters, _around, st.sampled_from(("", "*")),
    ),
    st.builds(
        lambda head, letter, sign, tail: head + letter + sign + tail,
        _around, _letters, st.sampled_from(("?", "=", "*?", "?*")), _around,
    ),
).map(q.Wild)  # fmt: skip
fuzzies = st.builds(
    lambda text, edits, same: q.Fuzzy(text, edits, min(same, len(text) - 1)),
    st.sampled_from(("budget", "route", "bus", "bud", "ann")),
    st.integers(1, 2),
    st.integers(0, 3),
)
stems = st.sampled_from(("route", "routing", "budgeting", "bus", "buses")).map(q.Stem)
terms = st.one_of(single_words, single_words, single_words, prefixes, wilds, fuzzies, stems)
phrases = st.lists(terms, min_size=2, max_size=3).map(lambda found: q.Phrase(tuple(found)))
long_word = st.just(q.Phrase((q.Word("x" * 256), q.Word("x" * 44))))
words_alone = st.one_of(single_words, prefixes, wilds, fuzzies, stems, phrases, phrases, long_word)
operands = st.recursive(
    words_alone,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda found: q.Or(tuple(found))),
        st.builds(q.Near, inner, inner, st.integers(1, 4), st.booleans()),
    ),
    max_leaves=3,
)
near = st.builds(q.Near, operands, operands, st.integers(1, 5), st.booleans())
not_near = st.builds(q.NotNear, operands, operands, st.integers(1, 5))


@st.composite
def leaves_and_near(draw: st.DrawFn) -> q.Node:
    """What is asked of text and stands in one field; a strategy whose name is short, as they are repeated."""
    return draw(st.one_of(words_alone, words_alone, near, not_near))


leaves = leaves_and_near()


def _booleans(inner: st.SearchStrategy[q.Node]) -> st.SearchStrategy[q.Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(several.map(q.And), several.map(q.Or), inner.map(q.Not))


def _trees(base: st.SearchStrategy[q.Node], size: int = 6) -> st.SearchStrategy[q.Node]:
    return st.recursive(base, _booleans, max_leaves=size)


text_fields = st.builds(q.Field, st.sampled_from((*q.TEXT_FIELDS, "attachment")), _trees(leaves, 3))
labels = st.one_of(
    st.builds(
        q.Field,
        st.just("custodian"),
        _trees(
            st.sampled_from(
                (q.Word("ann"), q.Prefix("ann"), q.Phrase((q.Word("ann"), q.Word("lee"))), q.Word("bob"),
                 q.Phrase((q.Word("ann"), q.Prefix("l"))))
            ),
            3,
        ),
    ),
    st.builds(
        q.Field, st.just("source"), st.sampled_from((q.Word("mail"), q.Prefix("mail"), q.Word("none")))
    ),
    st.builds(q.Field, st.just("kind"), _trees(st.sampled_from((q.Word("email"), q.Prefix("f"))), 2)),
    st.builds(q.Field, st.just("type"), _trees(st.sampled_from((q.Word("mail"), q.Prefix("p"))), 2)),
    st.builds(
        q.Field, st.just("lang"), _trees(st.sampled_from((q.Word("es"), q.Word("und"), q.Prefix("e"))), 3)
    ),
    st.builds(
        q.Field,
        st.just("has"),
        _trees(
            st.sampled_from(
                (q.Word("attachment"), q.Word("date"), q.Phrase((q.Word("ocr"), q.Word("pending"))))
            ),
            2,
        ),
    ),
)  # fmt: skip
ranges = st.one_of(
    dated.map(lambda day: q.DateRange(day, None, ZONE)),
    dated.map(lambda day: q.DateRange(None, day, ZONE)),
    st.tuples(dated, dated).map(lambda pair: q.DateRange(*sorted(pair), ZONE)),
)
no_family = _trees(st.one_of(leaves, leaves, text_fields, labels, ranges), 4)
nodes = _trees(
    st.one_of(leaves, leaves, text_fields, labels, ranges, st.builds(q.Field, st.just("family"), no_family))
)
"""Any tree that the language can say."""
