from __future__ import annotations

import time
from contextlib import suppress
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.errors import UsageError
from search import tree as q
from search.language import MAX_DEPTH, QuerySyntaxError, depth, leaves, parse, suggest
from search.tree import (
    And,
    DateRange,
    Field,
    Fuzzy,
    Near,
    Not,
    NotNear,
    Or,
    Phrase,
    Prefix,
    Stem,
    Wild,
    Word,
    to_text,
)
from tests.search.random_trees import ZONE, nodes

PACIFIC = ZoneInfo(ZONE)


def w(*words: str) -> Phrase:
    return Phrase(tuple(Prefix(x[:-1]) if x.endswith("*") else Word(x) for x in words))


READ = [
    ("budget", Word("budget")),
    ("  BUDGET  ", Word("budget")),
    ("Café", Word("cafe")),
    ("budg*", Prefix("budg")),
    ("bus route", w("bus", "route")),
    ('"bus route"', w("bus", "route")),
    ("“bus route”", w("bus", "route")),
    ('"bus" route', w("bus", "route")),
    ("bus rout* change", w("bus", "rout*", "change")),
    ('"bus rout*"', w("bus", "rout*")),
    ("ann.lee@example.org", w("ann", "lee", "example", "org")),
    ("a*@example.org", w("a*", "example", "org")),
    ("re-entry", w("re", "entry")),
    ("Smith - Jones", w("smith", "jones")),
    ("http://x.org/a", w("http", "x", "org", "a")),
    ("12:30", w("12", "30")),
    ("AT&T", w("at", "t")),
    ("#12", Word("12")),
    ("50%", Word("50")),
    ("w/o", w("w", "o")),
    ('"w/5"', w("w", "5")),
    ('"and"', Word("and")),
    ('"profit and loss"', w("profit", "and", "loss")),
    ('"a" "or" b', w("a", "or", "b")),
    ("android", Word("android")),
    ("notes", Word("notes")),
    ("subject", Word("subject")),
    ("a and b", And((Word("a"), Word("b")))),
    ("a AND b And c", And((Word("a"), Word("b"), Word("c")))),
    ("a or b", Or((Word("a"), Word("b")))),
    ("not a", Not(Word("a"))),
    ("not not a", Not(Not(Word("a")))),
    ("not a b", Not(w("a", "b"))),
    ("a and not b", And((Word("a"), Not(Word("b"))))),
    ("not a or b", Or((Not(Word("a")), Word("b")))),
    ("(a or b) and c", And((Or((Word("a"), Word("b"))), Word("c")))),
    ("(a and b) and c", And((And((Word("a"), Word("b"))), Word("c")))),
    ("((a))", Word("a")),
    ("bus route and budget", And((w("bus", "route"), Word("budget")))),
    ("subject:budget", Field("subject", Word("budget"))),
    ("Subject:Budget", Field("subject", Word("budget"))),
    ("subject: budget", Field("subject", Word("budget"))),
    ('subject:"a b"', Field("subject", w("a", "b"))),
    ("subject:(a or b)", Field("subject", Or((Word("a"), Word("b"))))),
    ("subject:(not a)", Field("subject", Not(Word("a")))),
    ("subject contains (a b)", Field("subject", w("a", "b"))),
    ('SUBJECT CONTAINS "a b"', Field("subject", w("a", "b"))),
    ("from:ann@x.org", Field("from", w("ann", "x", "org"))),
    ("attachment:(a and b)", Field("attachment", And((Word("a"), Word("b"))))),
    ("family:(from:ann and b)", Field("family", And((Field("from", Word("ann")), Word("b"))))),
    ("family:(attachment:a)", Field("family", Field("attachment", Word("a")))),
    ("custodian:ann-lee", Field("custodian", w("ann", "lee"))),
    ("kind:(email or message)", Field("kind", Or((Word("email"), Word("message"))))),
    ("has:ocr_pending", Field("has", w("ocr", "pending"))),
    ("sent:2026-01-31", DateRange(date(2026, 1, 31), date(2026, 1, 31), ZONE)),
    ("SENT:2026-01-01..2026-06-30", DateRange(date(2026, 1, 1), date(2026, 6, 30), ZONE)),
    ("sent:2026-01-01..", DateRange(date(2026, 1, 1), None, ZONE)),
    ("sent:..2026-06-30", DateRange(None, date(2026, 6, 30), ZONE)),
    ("sent:>=2026-01-01", DateRange(date(2026, 1, 1), None, ZONE)),
    ("sent:>2026-01-01", DateRange(date(2026, 1, 2), None, ZONE)),
    ("sent:<=2026-01-01", DateRange(None, date(2026, 1, 1), ZONE)),
    ("sent:<2026-01-01", DateRange(None, date(2025, 12, 31), ZONE)),
    ("appl?", Wild("appl?")),
    ("*ple", Wild("*ple")),
    ("ap*le", Wild("ap*le")),
    ("A**", Prefix("a")),
    ("a?*", Wild("a?*")),
    ("p12==", Wild("p12==")),
    ("24-1-=====-9", Phrase((Word("24"), Word("1"), Wild("====="), Word("9")))),
    ('"red appl? pie"', Phrase((Word("red"), Wild("appl?"), Word("pie")))),
    ("É?é", Wild("e?e")),
    ("apply~", Stem("apply")),
    ("bus-routes~", Phrase((Word("bus"), Stem("routes")))),
    ("ba%nana", Fuzzy("banana", 1, 2)),
    ("b%anan%a", Fuzzy("banana", 2, 1)),
    ("%nana", Fuzzy("nana", 1, 0)),
    ("nana%", Fuzzy("nana", 1, 4)),
    ("50%-60%", w("50", "60")),
    ("a % b", w("a", "b")),
    ("a w/5 b", Near(Word("a"), Word("b"), 5, ordered=False)),
    ("a W/255 b", Near(Word("a"), Word("b"), 255, ordered=False)),
    ("a pre/1 b c", Near(Word("a"), w("b", "c"), 1, ordered=True)),
    ("a Not  W/5 b", NotNear(Word("a"), Word("b"), 5)),
    ("(a or b) w/5 (c or d)", Near(Or((Word("a"), Word("b"))), Or((Word("c"), Word("d"))), 5, ordered=False)),
    ("(a w/5 b) pre/3 c", Near(Near(Word("a"), Word("b"), 5, ordered=False), Word("c"), 3, ordered=True)),
    ("not (a w/5 b)", Not(Near(Word("a"), Word("b"), 5, ordered=False))),
    ("(a w/5 b) and c", And((Near(Word("a"), Word("b"), 5, ordered=False), Word("c")))),
    ("subject:(a w/5 b)", Field("subject", Near(Word("a"), Word("b"), 5, ordered=False))),
    ("subject contains (a w/5 b)", Field("subject", Near(Word("a"), Word("b"), 5, ordered=False))),
    ("attachment:(a not w/5 b)", Field("attachment", NotNear(Word("a"), Word("b"), 5))),
    ('"w/5" w/5 a', Near(w("w", "5"), Word("a"), 5, ordered=False)),
    ("within 30 days", w("within", "30", "days")),
    ("around 5 pm", w("around", "5", "pm")),
    ("school near park", w("school", "near", "park")),
    ("custodian:l?e", Field("custodian", Wild("l?e"))),
    ("x" * 300, Phrase((Word("x" * 256), Word("x" * 44)))),
    ("x" * 300 + "*", Phrase((Word("x" * 256), Prefix("x" * 44)))),
]


@pytest.mark.parametrize(("text", "node"), READ, ids=range(len(READ)))
def test_reads(text: str, node: q.Node) -> None:
    assert parse(text, PACIFIC) == node
    assert parse(to_text(node), PACIFIC) == node


REFUSED = [
    ("", 1, "empty"),
    (" \t ", 1, "empty"),
    ("---", 1, "no letter or digit"),
    ('""', 1, "no letter or digit"),
    ('a and "!!"', 7, "no letter or digit"),
    ("and a", 1, "both sides"),
    ("a and", 3, "AND needs something after it"),
    ("a or ", 3, "OR needs something after it"),
    ("(a) and not", 9, "NOT needs something after it"),
    ("a and or b", 7, "both sides"),
    ("a not b", 3, "AND NOT or OR NOT"),
    ("(a", 1, "not closed"),
    ("a and (b or (c)", 7, "not closed"),
    ("a)", 2, "not opened"),
    ("()", 2, "nothing between"),
    ("x and (y or )", 13, "missing before the closing"),
    ('"a b', 1, "quotation mark is not closed"),
    ('a and b "', 9, "quotation mark is not closed"),
    ("a (b)", 3, "write AND or OR between"),
    ("subject:a b", 1, "write AND or OR between"),
    ("subject:", 9, "needs a word"),
    ("subject:and", 9, "both sides"),
    ("subject contains ()", 19, "nothing between"),
    ("the subject contains budget", 5, "a field or a phrase"),
    ("sbject:a", 1, "did you mean subject:?"),
    ("qqq:a", 1, "no such field"),
    ("subject:(from:a)", 1, "only words"),
    ("attachment:(sent:2026-01-01)", 1, "only words"),
    ("family:(family:a)", 1, "inside another"),
    ("kind:emial", 1, "kind: is one of email, message"),
    ("has:(attachment or wings)", 1, "has: is one of attachment, date, text, ocr_pending"),
    ("sent:january", 1, "write a day as"),
    ("sent:2026", 1, "write a day as"),
    ("sent:", 1, "write a day as"),
    ("sent:..", 1, "write a day as"),
    ("sent contains (a)", 1, "write a day as"),
    ("sent:2026-02-30", 1, "no such day"),
    ("sent:2026-02-01..2026-01-01", 1, "ends before it begins"),
    ("sent:<0001-01-01", 1, "no day beyond"),
    ("*", 1, "* needs at least one letter or digit"),
    ("a ?", 3, "? needs at least one letter or digit"),
    ("a = b", 3, "= needs at least one letter or digit"),
    ("a~b", 2, "stands at the end of its word"),
    ("~a", 1, "stands at the end of its word"),
    ("b%a%n%a", 2, "2 times at most"),
    ("b%%", 2, "a longer word"),
    ("ba%na*", 3, "in one word with another sign"),
    ("ba?n~", 3, "in one word with another sign"),
    ("x" * 200 + "?" + "y" * 100, 201, "at most 256 letters"),
    ("12~~24", 3, "~~ (a range of numbers) is not in the language: write the numbers with OR, or ="),
    ("#smith", 1, "# (words that sound alike) is not in the language: write the spellings with OR"),
    ("fast&", 5, "& (words of the same meaning) is not in the language: write the words with OR"),
    ("xlastword w/5 a", 1, "xlastword are not in the language: leave them out"),
    ("a w/0 b", 3, "from 1 to 255"),
    ("a pre/256 b", 3, "N in pre/N is a number from 1 to 255"),
    ("a not w/99999999999999999999 b", 3, "N in NOT w/N is a number from 1 to 255"),
    ("w/5 a", 1, "w/N needs something on both sides"),
    ("(a) not w/5", 5, "NOT W/5 needs something after it"),
    ("a w/5 and b", 7, "both sides"),
    ("a /5 b", 3, "w/N, in one piece"),
    ("a w/ 5 b", 3, "w/N, in one piece"),
    ("a /s b", 3, "no sentences or paragraphs"),
    ("a w/p b", 3, "no sentences or paragraphs"),
    ("a not pre/5 b", 3, "there is no NOT pre/N"),
    ("a NEAR b", 3, "within 8 words"),
    ("a near/5 b", 3, "NEAR is another program's"),
    ("a ONEAR(n=3) b", 3, "ONEAR is another program's"),
    ("a AROUND 5 b", 3, "AROUND is another program's"),
    ("a within 5 words of b", 3, "put them in quotes"),
    ('"a b"~5', 6, "Lucene's"),
    ("{a b}", 1, "braces"),
    ("before:2026/01/31", 1, "sent:<2026-01-31"),
    ("sent>=2026-01-05", 1, "sent:<2026-01-31"),
    ('a and subject="b c"', 7, "with a colon"),
    ("a –draft", 3, "write AND NOT"),
    ("a w/5 not b", 3, "what is not there is near nothing"),
    ("(a or not b) w/5 c", 14, "what is not there is near nothing"),
    ("(a not w/5 b) w/5 c", 15, "NOT w/N cannot stand inside of w/N"),
    ("a w/5 (b or sent:2026-01-01)", 3, "no field or day is near something"),
    ("custodian:(a w/5 b)", 1, "custodian: holds one whole value"),
    ("kind:email~", 1, "kind: holds one whole value"),
    ("xfirstword and a", 1, "xfirstword"),
    ("a & b", 3, "write AND"),
    ("a || b", 3, "write OR"),
    ("a -draft", 3, "write AND NOT"),
    ("negligen!", 9, "no wildcard"),
    ("(" * 50 + "a" + ")" * 50, 20, "nested deeper than 20"),
    ("not " * 30 + "a", 77, "nested deeper than 20"),
]


@pytest.mark.parametrize(("text", "column", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refuses_in_plain_words_at_the_column(text: str, column: int, words: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, PACIFIC)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"column {caught.value.column}: ")
    assert caught.value.column == column
    assert isinstance(caught.value, UsageError)


def test_mixed_operators_are_refused_with_both_readings() -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse("a or b and not c or d e", PACIFIC)
    assert caught.value.readings == ('a OR (b AND NOT c) OR "d e"', '(a OR b) AND (NOT c OR "d e")')
    assert all(reading in str(caught.value) for reading in caught.value.readings)
    for reading in caught.value.readings:
        assert to_text(parse(reading, PACIFIC)) == reading


@pytest.mark.parametrize(
    ("text", "column", "readings"),
    [
        ("a w/5 b and c", 9, ("(a w/5 b) AND c", "(a w/5 b) AND (a w/5 c)")),
        ("a w/5 b or c", 9, ("(a w/5 b) OR c", "a w/5 (b OR c)")),
        ("a and b pre/5 c", 9, ("a AND (b pre/5 c)", "(a pre/5 c) AND (b pre/5 c)")),
        ("a w/5 b w/3 c", 9, ("(a w/5 b) w/3 c", "a w/5 (b w/3 c)")),
        ("a w/5 b not w/3 c", 9, ("(a w/5 b) NOT w/3 c",)),
        ("a w/5 b and c or d", 9, ("((a w/5 b) AND c) OR d", "(a w/5 b) AND (c OR d)")),
        ("not a w/5 b", 7, ("NOT (a w/5 b)",)),
        ("a and not b w/5 c", 13, ("a AND NOT (b w/5 c)",)),
        ("a w/5 b or c w/5 d", 9, ("(a w/5 b) OR (c w/5 d)", "(a w/5 (b OR c)) w/5 d")),
        ("(a and b) w/5 c", 11, ("(a w/5 c) AND (b w/5 c)", "(a w/5 b) w/5 c")),
        (
            "(a and b) w/5 (c and d)",
            11,
            ("(a w/5 c) AND (a w/5 d) AND (b w/5 c) AND (b w/5 d)", "(a w/5 b) w/5 (c w/5 d)"),
        ),
        ("subject:a w/5 b", 11, ("subject:(a w/5 b)",)),
        ("subject:a w/5 subject:b", 11, ("subject:(a w/5 b)",)),
        ("subject:a w/5 body:b", 11, ()),
        (" or ".join("abcdefghijklm") + " w/5 x", 63, ()),  # too long to be read in two ways
    ],
)
def test_what_can_mean_two_things_is_refused_with_both(
    text: str, column: int, readings: tuple[str, ...]
) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, PACIFIC)
    assert (caught.value.column, caught.value.readings) == (column, readings)
    assert all(reading in str(caught.value) for reading in readings)
    for reading in readings:
        assert to_text(parse(reading, PACIFIC)) == reading


def test_limits_are_exact() -> None:
    assert leaves(parse(" or ".join(["a"] * 1000), PACIFIC)) == 1000
    assert leaves(parse(" ".join(["a"] * 1000), PACIFIC)) == 1000
    assert leaves(parse("a" * 20_000, PACIFIC)) == 79
    with pytest.raises(QuerySyntaxError, match="column 20001: the query is longer than 20,000 characters"):
        parse("a" * 20_001, PACIFIC)
    for text in (" or ".join(["a"] * 1001), " ".join(["a"] * 1001)):
        with pytest.raises(QuerySyntaxError, match="more than 1,000 words"):
            parse(text, PACIFIC)
    deep: q.Node = Word("a")
    for n in range(MAX_DEPTH - 1):
        deep = And((deep, Word("b"))) if n % 2 else Or((deep, Word("b")))
    assert depth(deep) == MAX_DEPTH
    assert parse(to_text(deep), PACIFIC) == deep
    with pytest.raises(QuerySyntaxError, match="nested deeper than 20"):
        parse(to_text(Not(deep)), PACIFIC)


FOREIGN = [
    ("a w/-5 b", 3, "in one piece, N from 1 to 255", None),
    ("a w/5.5 b", 3, "in one piece", None),
    ("a w/five b", 3, "in one piece", None),
    ("lunch w/2nd grade", 7, "put it in quotes", None),
    ("a w\\5 b", 3, "write w/5 in plain letters", "a w/5 b"),
    ("a w / 5 b", 3, "in one piece", "a w/5 b"),
    ("a p/5 b", 3, "P is another program's", "a pre/5 b"),
    ("a ADJ5 b", 3, "ADJ is another program's", "a w/5 b"),
    ("a +5 b", 3, "write pre/N", "a pre/5 b"),
    ("a +s b", 3, "no sentences or paragraphs", None),
    ("a <near/5> b", 3, "NEAR is another program's", None),
    ("a onear b", 3, "ONEAR is another program's", "a pre/8 b"),
    ("a BEFORE/5 b", 3, "BEFORE is another program's", "a pre/5 b"),
    ('"a b" ~5', 7, "Lucene's", "a w/5 b"),
    ("a <AND> b", 3, "write AND in plain letters", "a AND b"),
    ("a OR, b", 3, "write OR in plain letters", "a OR b"),
    ("a ＡＮＤ b", 3, "write AND in plain letters", "a AND b"),
    ("a \u200bAND b", 3, "write AND in plain letters", "a AND b"),
    ("a and/or b", 3, "AND/OR can mean two things", "a OR b"),
    ("a BUT NOT b", 3, "BUT NOT is another", "a AND NOT b"),
    ("a ANDNOT b", 3, "ANDNOT is another", "a AND NOT b"),
    ("a XOR b", 3, "XOR is another", None),
    ("a NOT b", 3, "AND NOT or OR NOT", "a AND NOT b"),
    ('a -"b c"', 3, "are no operators", 'a AND NOT "b c"'),
    ("a -(b OR c)", 3, "are no operators", "a AND NOT (b OR c)"),
    ("a --b", 3, "are no operators", "a AND NOT b"),
    ("a ! b", 3, "! is no operator", None),
    ("bus|route", 4, "| is no operator", "bus OR route"),
    ("bus&&route", 4, "& is no operator", "bus AND route"),
    ("NOT [a OR b]", 5, "square brackets", "NOT (a OR b)"),
    ("[1 TO 5]", 1, "ranges are for days only", None),
    ("{a, b}", 1, "braces", "(a OR b)"),
    ("{a OR b}", 1, "braces", "(a OR b)"),
    ("'profit and loss'", 1, "only double quotation marks", '"profit and loss"'),
    ("from:'ann lee'", 6, "stands in double quotation marks", 'from:"ann lee"'),
    ("«bus route»", 1, "stands in double quotation marks", '"bus route"'),
    ('"""bus route"" AND budget"', 1, "a spreadsheet's", None),
    ("&quot;bus route&quot;", 1, "a web page's", '"bus route"'),
    ("(360) 555-0100", 1, "a telephone number", '"(360) 555-0100"'),
    ("bus; route", 4, "; is no operator", None),
    ("to:ann;bob", 1, "; is no operator", "to:(ann OR bob)"),
    ("from:ann@x.org, bob@x.org", 1, "several addresses", "from:(ann@x.org OR bob@x.org)"),
    ("bus\nroute", 5, "a line ends between two words", None),
    ("subject = budget", 1, "written with a colon", "subject: budget"),
    ("subject:=budget", 1, "a colon alone", "subject:budget"),
    ("subject :budget", 1, "side by side", "subject:budget"),
    ("foo.bar:budget", 1, "no such field", None),
    ("size>1000", 1, "only days are compared", None),
    ("sender:ann", 1, "did you mean from:?", "from:ann"),
    ("hasattachment:true", 1, "did you mean has:?", "has:attachment"),
    ("in:inbox", 1, "there is no such field; fields are", None),
    ("RE: budget", 1, "no such field", "RE budget"),
    ("note: call me", 1, "no such field", None),
    ("received:1/5/2026..2/16/2026", 1, "days are asked for with sent:", "sent:2026-01-05..2026-02-16"),
    ("sent:[2026-01-01 TO 2026-02-01]", 1, "days are asked for with sent:", "sent:2026-01-01..2026-02-01"),
    ("sent:2026-01-01 to 2026-02-01", 1, "AND or OR between", "sent:2026-01-01..2026-02-01"),
    ("sent:2026-01-01-2026-02-01", 1, "write a day as", "sent:2026-01-01..2026-02-01"),
    ("sent:2028-02", 1, "write a day as", "sent:2028-02-01..2028-02-29"),
    ('sent:"2026-01-05"', 1, "write a day as", "sent:2026-01-05"),
    ("sent: >= 2026-01-05", 1, "write a day as", "sent:>=2026-01-05"),
    ("http://x.org/a?b=c", 1, "in an address", "http://x.org/a b c"),
    ("bus%20route", 4, "an address's space", "bus route"),
    ("50%off", 1, "a per cent sign", "50% off"),
    ("from:*@x.org", 6, "leave them out here", "from:x.org"),
    ("budget~1", 1, "~ with a number", "%budget"),
    ("budget~0.8", 7, "~ with a number", None),
    ("budget^2 levy", 7, "a weight", "budget levy"),
    ("bud.*get", 4, "expressions are another", None),
    ("/bud[gs]et/", 1, "expressions are another", None),
    ("wom#n", 4, "no wildcards", None),
    ("bus＊", 4, "a wide one", "bus*"),
]


@pytest.mark.parametrize(("text", "column", "words", "repaired"), FOREIGN, ids=range(len(FOREIGN)))
def test_what_would_silently_mean_something_else_is_refused(
    text: str, column: int, words: str, repaired: str | None
) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, PACIFIC)
    assert words in str(caught.value)
    assert caught.value.column == column
    assert suggest(text, PACIFIC) == repaired
    assert repaired is None or parse(repaired, PACIFIC)


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("subject:a b", ('subject:"a b"', "subject:a AND b", "subject:a OR b")),
        ("from:ann to:bob", ("from:ann AND to:bob", "from:ann OR to:bob")),
        ("(from:ann)(to:bob)", ("from:ann AND to:bob", "from:ann OR to:bob")),
        ('a b (c OR "d e")', ('"a b" AND (c OR "d e")', '"a b" OR (c OR "d e")')),
        ("kind:email budget", ("kind:email AND budget", "kind:email OR budget")),
        ("sent:2026-01-01 to 2026-02-01", ()),
    ],
)
def test_what_stands_side_by_side_is_refused_with_its_readings(text: str, readings: tuple[str, ...]) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, PACIFIC)
    assert caught.value.readings == readings


UGLY = ["and ", "not ", "(", ")", "[", "{", '"', "w/5 ", "a@", "sent:2026", "within 5 ", "'a or ", "\x00",
        "\ud800", "\u0301", "😀", "&amp;", "/", "~", "= ", "《", "a\n"]  # fmt: skip


@pytest.mark.parametrize("piece", UGLY)
def test_very_long_nonsense_is_refused_or_read_at_once(piece: str) -> None:
    begun = time.monotonic()
    for length in (4_990, 19_990, 100_000):
        text = "a " + piece * (length // len(piece))
        with suppress(QuerySyntaxError):
            assert length < 20_000 or not parse(text, PACIFIC)
        assert suggest(text, PACIFIC) is None or length < 5_000
    assert time.monotonic() - begun < 10


@given(nodes)
def test_the_normal_form_reads_back_as_the_same_tree(node: q.Node) -> None:
    assert parse(to_text(node), PACIFIC) == node


PIECES = (
    "a",
    "bus",
    "and",
    "OR",
    "not",
    "(",
    ")",
    '"',
    "“",
    "*",
    "subject:",
    "sent:",
    "2026-01-01",
    "..",
    ">=",
    "contains",
    "kind:",
    "email",
    "family:",
    "w/5",
    "pre/3",
    "not w/2",
    "%",
    "~",
    "=",
    "NEAR",
    "{",
    "}",
    "near(n=5)",
    "within 5",
    "before:",
    "1/2/2026",
    "–",
    "&",
    "-",
    "?",
    "é",
    "\u0301",
    "\x00",
    "\ud800",
    ":",
    "//",
)


@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join),
        st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    )
)
def test_anything_is_read_or_refused_at_a_column_of_it(text: str) -> None:
    try:
        node = parse(text, PACIFIC)
    except QuerySyntaxError as error:
        refused = error.column
    else:
        refused = 1
        assert parse(to_text(node), PACIFIC) == node
    assert 1 <= refused <= len(text) + 1
    repaired = suggest(text, PACIFIC)
    assert repaired is None or parse(repaired, PACIFIC)


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ('"bus route', '"bus route"'),
        ("(a or b", "(a or b)"),
        ("a and", "a"),
        ("or a", "a"),
        ("a & b", "a AND b"),
        ("a | b", "a OR b"),
        ("negligen!", "negligen*"),
        ("bus -draft", "bus AND NOT draft"),
        ("sbject:bus", "subject:bus"),
        ("(a or b))", "((a or b))"),
        ("a and b)", "(a and b)"),
        ("a w/5", "a"),
        ("a –draft", "a AND NOT draft"),
        ("-draft", "NOT draft"),
        ("a and -b", "a and NOT b"),
        ("+a and b", "a and b"),
        ("a /5 b", "a w/5 b"),
        ("a w/ 5 b", "a w/5 b"),
        ("a near/5 b", "a w/5 b"),
        ("a NEAR b", "a w/8 b"),
        ("a NEAR(n=5) b", "a w/5 b"),
        ("a ONEAR(n=5) b", "a pre/5 b"),
        ("a AROUND 5 b", "a w/5 b"),
        ("a AROUND(5) b", "a w/5 b"),
        ("a within 5 b", "a w/5 b"),
        ("a within 5 words of b", "a w/5 b"),
        ('"a b"~5', "a w/5 b"),
        ('"a b c"~5', None),
        ("{a b} and c", "(a OR b) and c"),
        ('subject="bus route"', 'subject:"bus route"'),
        ("before:2026/1/5", "sent:<2026-01-05"),
        ("after:1/5/2026 and a", "sent:>=2026-01-05 and a"),
        ("received=2026-01-05", "sent:2026-01-05"),
        ("sent>=2026-01-05", "sent:>=2026-01-05"),
        ("sent:1/5/2026..2/16/2026", "sent:2026-01-05..2026-02-16"),
        ("sent:2026-01-01–2026-06-30", "sent:2026-01-01..2026-06-30"),
        ('"near(n=5)" and a &', '"near(n=5)" and a'),
        ("a and b or c", None),
        ("a w/5 b and c", None),
        ("12~~24", None),
        ("#smith", None),
        ("*ple", None),
        ("a w/5 b", None),
        ("fine", None),
        ("", None),
    ],
)
def test_offers_the_obvious_repair_only(text: str, repaired: str | None) -> None:
    assert suggest(text, PACIFIC) == repaired
