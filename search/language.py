"""The search language: text in, tree out, and refusals in plain words that point at the column.

The style is dtSearch's, which custodians and counsel write. Words side by side are an exact phrase; AND, OR
and NOT count in any case; quoted operator words are plain words; a trailing ``*`` stands for any run of
letters and digits. What the language does not have yet is refused by name, never read as something else: a
query that is understood differently from how it was meant finds too little, and nobody notices.
"""

from __future__ import annotations

import difflib
import re
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from records.errors import UsageError
from records.vocabulary import Kind
from search import tree as q
from search.folding import fold

MAX_DEPTH = 20
"""Deepest tree; a leaf alone is 1."""

MAX_LEAVES = 1_000
"""Most words (each word of a phrase counts) and dates in one query."""

_QUOTES = '"“”„'


class QuerySyntaxError(UsageError):
    """A query cannot be read; the message says where, why, and what to write instead.

    It may repeat words of the query, so it is for the person who wrote it and never for a log.

    Attributes:
        column: Where, counted in characters from 1.
        problem: What is wrong, in plain words.
        readings: What it could mean, where it could mean two things; else empty.
    """

    def __init__(self, problem: str, column: int, readings: tuple[str, ...] = ()) -> None:
        self.problem = problem
        self.column = column
        self.readings = readings
        choice = "; write " + ", or ".join(readings) if readings else ""
        super().__init__(f"column {column}: {problem}{choice}")


def parse(text: str, zone: ZoneInfo) -> q.Node:
    """Read a query.

    Args:
        text: As typed.
        zone: The request's time zone: the days of ``sent:`` are days of it.

    Raises:
        QuerySyntaxError: It cannot be read, or it uses something the language does not have.
    """
    try:
        found = _parser().parse(text)
    except UnexpectedToken as error:
        raise _unexpected(text, error.token) from None
    except UnexpectedCharacters as error:
        raise QuerySyntaxError("a quotation mark is not closed", (error.pos_in_stream or 0) + 1) from None
    except UnexpectedEOF:
        raise _unexpected(text, Token("$END", "")) from None
    node = _Builder(zone).chain(_tree(found.children[0]), level=1)
    _check_size(node)
    return node


def suggest(text: str, zone: ZoneInfo) -> str | None:
    """Return the obvious repair of a query that cannot be read, or None; it is offered, never applied.

    Repaired are: a quotation mark or parenthesis that is not closed, an operator at an end with nothing to
    join, ``&`` and ``|`` for AND and OR, ``word!`` for ``word*``, a leading ``-`` for NOT, a field name with
    a slip.
    """
    repaired = re.sub(r"(?<!\S)&&?(?!\S)", "AND", text)
    repaired = re.sub(r"(?<!\S)\|\|?(?!\S)", "OR", repaired)
    repaired = re.sub(r"([^\W_])!(?=[\s)]|$)", r"\1*", repaired)
    repaired = re.sub(r"(?<=\S)\s+-(?=[^\W\d_])", " AND NOT ", repaired)
    repaired = re.sub(r"\b(AND|OR)\s+AND NOT\b", r"\1 NOT", repaired, flags=re.IGNORECASE)
    repaired = re.sub(r"(?<![^\s(])([^\W\d]+):(?!//)", _nearest_field, repaired)
    if sum(repaired.count(mark) for mark in _QUOTES) % 2:
        repaired += '"'
    bare = re.sub(f"[{_QUOTES}][^{_QUOTES}]*[{_QUOTES}]", "", repaired)
    repaired += ")" * (bare.count("(") - bare.count(")"))
    repaired = re.sub(r"^\s*(?:(?:and|or)\s+)+|(?:\s+(?:and|or|not))+\s*$", "", repaired, flags=re.IGNORECASE)
    repaired = repaired.strip()
    if repaired == text.strip():
        return None
    try:
        parse(repaired, zone)
    except QuerySyntaxError:
        return None
    return repaired


def _nearest_field(found: re.Match[str]) -> str:
    name = found.group(1).lower()
    near = [name] if name in q.FIELDS else difflib.get_close_matches(name, q.FIELDS, n=1, cutoff=0.75)
    return f"{near[0]}:" if near else found.group()


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    # The basic lexer: an operator word is an operator wherever it stands. A contextual one would take the
    # "and" of "and budget" for a plain word, because no operator can stand there.
    return Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False, propagate_positions=True)


# -- what the parser did not expect, in plain words


def _unexpected(text: str, token: Token) -> QuerySyntaxError:
    kind = token.type
    if not text.strip():
        return QuerySyntaxError("the query is empty", 1)
    if kind == "$END":
        return _ends_early(text)
    column = (token.start_pos or 0) + 1
    before = text[: column - 1].rstrip()
    if kind in {"AND", "OR"}:
        return QuerySyntaxError(
            f"{kind} needs something on both sides; to search the word itself, put it in quotes", column
        )
    if kind == "NOT":
        return QuerySyntaxError('write AND NOT or OR NOT; to search the word itself, write "not"', column)
    if kind == "RPAR":
        if before.endswith("("):
            return QuerySyntaxError("there is nothing between the parentheses", column)
        opens = before.count("(") - before.count(")")
        if opens > 0:
            return QuerySyntaxError("something is missing before the closing parenthesis", column)
        return QuerySyntaxError("this parenthesis was not opened", column)
    return QuerySyntaxError("a field needs a word, a phrase or parentheses after its colon", column)


def _ends_early(text: str) -> QuerySyntaxError:
    stripped = text.rstrip()
    bare = re.sub(f"[{_QUOTES}][^{_QUOTES}]*[{_QUOTES}]", lambda found: " " * len(found.group()), stripped)
    last = re.search(r"(?<!\S)\(*(and|or|not)$", bare, flags=re.IGNORECASE)
    if last:
        word = last.group(1).upper()
        return QuerySyntaxError(f"{word} needs something after it", last.start(1) + 1)
    if bare.endswith(":") or bare.lower().endswith("contains"):
        return QuerySyntaxError(
            "a field needs a word, a phrase or parentheses after its name", len(stripped) + 1
        )
    opens: list[int] = []
    for place, character in enumerate(bare):
        if character == "(":
            opens.append(place)
        elif character == ")" and opens:
            opens.pop()
    return QuerySyntaxError("this parenthesis is not closed", (opens[-1] if opens else len(stripped)) + 1)


# -- what a word may not hold yet


_NOT_YET: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\?"),
        "? (one unknown character) is not searched yet: write the spellings with OR, or end with *",
    ),
    (re.compile(r"="), "= (one digit) is not searched yet: write the numbers with OR, or end with *"),
    (re.compile(r"~~"), "~~ (a range of numbers) is not searched yet: write the numbers with OR"),
    (
        re.compile(r"~"),
        "~ (other forms of a word) is not searched yet: write the forms with OR, or end with *",
    ),
    (
        re.compile(r"(?<!\d)%|%(?=\w)"),
        "% (words spelled alike) is not searched yet: write the spellings with OR",
    ),
    (
        re.compile(r"^\W*#(?=[^\W\d_])"),
        "# (words that sound alike) is not searched yet: write the spellings with OR",
    ),
    (
        re.compile(r"(?<=\w)&+\W*$"),
        "& (words of the same meaning) is not searched yet: write the words with OR",
    ),
)
_NOT_YET_BARE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^w/(\d+|in|[sp])$|^/(\d+|[sp])$|^near/\d*$", re.IGNORECASE),
     "w/N (words near one another) is not searched yet: write AND, which finds more"),
    (re.compile(r"^pre/\d*$", re.IGNORECASE),
     "pre/N (one word before another) is not searched yet: write AND, which finds more"),
    (re.compile(r"^x(first|last)word$", re.IGNORECASE),
     "xfirstword and xlastword are not searched yet: leave them out, which finds more; as words, quote them"),
    (re.compile(r"^&&?$"), "& is no operator: write AND"),
    (re.compile(r"^\|\|?$"), "| is no operator: write OR"),
    (re.compile(r"^[-+!](?=[^\W_\d])"), "-, + and ! before a word are no operators: write AND NOT or AND"),
    (re.compile(r"(?<=[^\W_])!$"), "! is no wildcard: write * for any ending, or leave it out"),
)  # fmt: skip


def _refuse_not_yet(chunk: str, column: int, *, quoted: bool) -> None:
    for pattern, problem in _NOT_YET if quoted else _NOT_YET_BARE + _NOT_YET:
        found = pattern.search(chunk)
        if found:
            raise QuerySyntaxError(problem, column + found.start())


def _terms(chunk: str, column: int, *, quoted: bool = False) -> list[q.Term]:
    """Return the terms of one piece without white space; none when it is punctuation only."""
    _refuse_not_yet(chunk, column, quoted=quoted)
    terms: list[q.Term] = []
    pieces = chunk.split("*")
    at = column
    for place, piece in enumerate(pieces):
        folded = fold(piece)
        if place and folded and not folded.startswith(" "):
            problem = "* may only end a word for now: write the spellings with OR"
            raise QuerySyntaxError(problem, at - 1)
        words: list[q.Term] = [q.Word(token) for token in folded.split()]
        at += len(piece) + 1
        if place < len(pieces) - 1:
            if not folded or folded.endswith(" "):
                raise QuerySyntaxError("* needs the beginning of a word before it", at - 1)
            words[-1] = q.Prefix(folded.split()[-1])
        terms += words
    return terms


# -- from lark's tree to ours


def _tree(child: object) -> Tree[Token]:
    assert isinstance(child, Tree)
    return child


def _token(child: object) -> Token:
    assert isinstance(child, Token)
    return child


class _Builder:
    """Turns lark's tree into ours, one method a rule; ``level`` is the nesting so far."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def chain(self, found: Tree[Token], level: int) -> q.Node:
        units = [self.unit(_tree(child), level) for child in found.children[::2]]
        joints = [_token(_tree(child).children[0]) for child in found.children[1::2]]
        if not joints:
            return units[0]
        kinds = {joint.type for joint in joints}
        if len(kinds) > 1:
            raise _mixed(units, joints)
        return q.And(tuple(units)) if kinds == {"AND"} else q.Or(tuple(units))

    def unit(self, found: Tree[Token], level: int) -> q.Node:
        if found.data == "negation":
            token = _token(found.children[0])
            _check_level(level, token)
            return q.Not(self.unit(_tree(found.children[1]), level + 1))
        return self.run(_tree(found.children[0]), level)

    def run(self, found: Tree[Token], level: int) -> q.Node:
        atoms = [_tree(child) for child in found.children]
        if len(atoms) == 1 and atoms[0].data not in {"word", "quoted"}:
            return self.atom(atoms[0], level)
        _refuse_contains(atoms)
        terms: list[q.Term] = []
        for atom in atoms:
            if atom.data not in {"word", "quoted"}:
                raise QuerySyntaxError(
                    "write AND or OR between a group or field and what stands beside it "
                    "(a field holds more than one word only in quotes or parentheses)",
                    _start(atom),
                )
            terms += _words(atom)
        return _leaf(terms, _start(atoms[0]))

    def atom(self, found: Tree[Token], level: int) -> q.Node:
        if found.data in {"word", "quoted"}:
            return _leaf(_words(found), _start(found))
        if found.data == "sent":
            return self.sent(_token(found.children[0]))
        if found.data == "field":
            return self.field(_token(found.children[0]), _tree(found.children[1]), level)
        return self.group(found, level)

    def group(self, found: Tree[Token], level: int) -> q.Node:
        inner = _tree(found.children[0])
        if inner.data == "group":  # the rule and its place in atom
            return self.group(inner, level)
        if level >= MAX_DEPTH:
            raise QuerySyntaxError(f"parentheses are nested deeper than {MAX_DEPTH}", _start(found))
        return self.chain(inner, level + 1)

    def field(self, token: Token, target: Tree[Token], level: int) -> q.Node:
        name = re.split(r"[:\s]", token, maxsplit=1)[0].lower()
        column = (token.start_pos or 0) + 1
        if name not in q.FIELDS:
            near = difflib.get_close_matches(name, q.FIELDS, n=1)
            hint = f" (did you mean {near[0]}:?)" if near else ""
            raise QuerySyntaxError(
                f"there is no such field{hint}; fields are {', '.join(q.FIELDS)}; "
                "to search it as words, put it in quotes",
                column,
            )
        if name == "sent":
            raise QuerySyntaxError(_DATE_HELP, column)
        _check_level(level, token)
        child = self.atom(target, level + 1)
        _check_inside(name, child, column)
        return q.Field(name, child)

    def sent(self, token: Token) -> q.DateRange:
        column = (token.start_pos or 0) + 1
        spec = token[len("sent:") :].strip()
        if found := _RANGE.fullmatch(spec):
            first, last = found.group(1), found.group(2)
            if first or last:
                bounds = _day(first, column), _day(last, column)
                if bounds[0] and bounds[1] and bounds[0] > bounds[1]:
                    raise QuerySyntaxError("the range of days ends before it begins", column)
                return q.DateRange(*bounds, self._zone.key)
        if found := _COMPARED.fullmatch(spec):
            return self._compared(found.group(1), found.group(2), column)
        raise QuerySyntaxError(_DATE_HELP, column)

    def _compared(self, sign: str, text: str, column: int) -> q.DateRange:
        day = _day(text, column)
        assert day is not None
        if not sign:
            return q.DateRange(day, day, self._zone.key)
        try:
            step = {">": timedelta(days=1), "<": timedelta(days=-1)}.get(sign, timedelta(0))
            day += step
        except OverflowError:
            raise QuerySyntaxError("there is no day beyond this one", column) from None
        if sign[0] == ">":
            return q.DateRange(day, None, self._zone.key)
        return q.DateRange(None, day, self._zone.key)


_DAY = r"\d{4}-\d{2}-\d{2}"
_RANGE = re.compile(rf"({_DAY})?\.\.({_DAY})?")
_COMPARED = re.compile(rf"(>=|<=|>|<|)[ \t]*({_DAY})")
_DATE_HELP = (
    "write a day as sent:2026-01-31, days as sent:2026-01-01..2026-06-30, "
    "or sent:>=2026-01-01 (also <=, >, <)"
)


def _day(text: str | None, column: int) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QuerySyntaxError("there is no such day in the calendar", column) from None


def _start(found: Tree[Token]) -> int:
    """Return the column a piece begins at, its opening parenthesis included."""
    return found.meta.start_pos + 1


def _words(atom: Tree[Token]) -> list[q.Term]:
    token = _token(atom.children[0])
    column = (token.start_pos or 0) + 1
    if atom.data == "word":
        return _terms(str(token), column)
    terms: list[q.Term] = []
    for piece in re.finditer(r"\S+", token[1:-1]):
        terms += _terms(piece.group(), column + 1 + piece.start(), quoted=True)
    return terms


def _leaf(terms: list[q.Term], column: int) -> q.Node:
    if not terms:
        raise QuerySyntaxError("there is no letter or digit to search for", column)
    return terms[0] if len(terms) == 1 else q.Phrase(tuple(terms))


def _refuse_contains(atoms: list[Tree[Token]]) -> None:
    """Refuse ``subject contains budget``: it is a field in dtSearch's mind and a phrase by the letter."""
    words = [str(atom.children[0]).lower() if atom.data == "word" else "" for atom in atoms]
    for place, (name, verb) in enumerate(pairwise(words)):
        if name in q.FIELDS and verb == "contains":
            raise QuerySyntaxError(
                "a field or a phrase",
                _start(atoms[place]),
                (f"{name} contains (…)", f'"{name} contains …" in quotes'),
            )


def _check_inside(name: str, child: q.Node, column: int) -> None:
    for node in q.walk(child):
        if name == "family":
            if isinstance(node, q.Field) and node.name == "family":
                raise QuerySyntaxError("family:(…) cannot stand inside another one", column)
        elif isinstance(node, q.Field | q.DateRange):
            raise QuerySyntaxError(
                f"inside {name}:(…) only words, phrases, AND, OR and NOT can stand", column
            )
        elif name in {"kind", "has"} and isinstance(node, q.Word | q.Prefix | q.Phrase):
            values = q.HAS_VALUES if name == "has" else tuple(Kind)
            if not any(q.label_matches(node, value) for value in values):
                raise QuerySyntaxError(f"{name}: is one of {', '.join(values)}", column)


def _mixed(units: list[q.Node], joints: list[Token]) -> QuerySyntaxError:
    """AND and OR side by side: both readings, AND first and OR first."""
    first_change = next(j for j in joints if j.type != joints[0].type)
    readings = tuple(_reading(units, [j.type for j in joints], tight) for tight in ("AND", "OR"))
    return QuerySyntaxError(
        "AND and OR are mixed without parentheses", (first_change.start_pos or 0) + 1, readings
    )


def _reading(units: list[q.Node], joints: list[str], tight: str) -> str:
    groups: list[list[q.Node]] = [[units[0]]]
    for joint, unit in zip(joints, units[1:], strict=True):
        if joint == tight:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    inner, outer = (q.And, q.Or) if tight == "AND" else (q.Or, q.And)
    return q.to_text(outer(tuple(inner(tuple(g)) if len(g) > 1 else g[0] for g in groups)))


def _check_level(level: int, token: Token) -> None:
    if level >= MAX_DEPTH:
        raise QuerySyntaxError(f"the query is nested deeper than {MAX_DEPTH}", (token.start_pos or 0) + 1)


def _check_size(node: q.Node) -> None:
    if depth(node) > MAX_DEPTH:
        raise QuerySyntaxError(f"the query is nested deeper than {MAX_DEPTH}; split it into several", 1)
    if leaves(node) > MAX_LEAVES:
        raise QuerySyntaxError(f"the query holds more than {MAX_LEAVES:,} words; split it into several", 1)


def depth(node: q.Node) -> int:
    """Return how deep a tree is; a leaf alone is 1."""
    return 1 + max(map(depth, q.children(node)), default=0)


def leaves(node: q.Node) -> int:
    """Return how many words and dates a tree holds; each word of a phrase counts."""
    if isinstance(node, q.Phrase):
        return len(node.terms)
    return sum(map(leaves, q.children(node))) if q.children(node) else 1
