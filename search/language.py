"""The search language: text in, tree out, and refusals in plain words that point at the column.

The style is dtSearch's, which custodians and counsel write. Words side by side are an exact phrase; AND,
OR, NOT, w/N and pre/N count in any case; quoted operator words are plain words. What the language does not
have, and what other programs write otherwise (Lucene, Purview's KQL, Google Vault), is refused by name, never
read as something else: a query that is understood differently from how it was meant finds too little, and
nobody notices. So is what can be read in two ways, with both. ``suggest`` has the repair; nobody applies it
but the person who wrote the query.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from records.document_types import DocumentType
from records.errors import UsageError
from records.languages import LANGUAGES, UNKNOWN
from records.vocabulary import Kind
from search import tree as q
from search.folding import TOKEN_CHARACTERS, fold
from search.foreign import DASHES, DAY, QUOTES, first_foreign, masked, our_field
from search.foreign import repaired as foreign_repaired

MAX_DEPTH = 20
"""Deepest tree; a leaf alone is 1."""

MAX_LEAVES = 1_000
"""Most words (each word of a phrase counts) and dates in one query."""

_CLOSED: dict[str, tuple[str, ...]] = {
    "kind": tuple(Kind),
    "type": tuple(DocumentType),
    "lang": (*LANGUAGES, UNKNOWN),
    "has": q.HAS_VALUES,
}
"""Fields whose values are all known beforehand: one that matches none of them is refused."""


MAX_CHARACTERS = 20_000
"""Longest query, as typed."""


_MOST_REPAIRED = 5_000
"""Characters of the longest query that is repaired: the work grows with their square."""


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
    if len(text) > MAX_CHARACTERS:
        raise QuerySyntaxError(
            f"the query is longer than {MAX_CHARACTERS:,} characters; split it into several",
            MAX_CHARACTERS + 1,
        )
    foreign = first_foreign(text)
    if foreign:
        raise QuerySyntaxError(foreign.problem, foreign.column)
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

    Repaired are: a quotation mark or parenthesis that is not closed, or not opened; an operator at an end
    with nothing to join; ``word!`` for ``word*``, a leading ``-`` or dash for NOT; a field name with a slip;
    and what ``search.foreign`` has a repair for: other programs' ``w/N``, groups, lists, fields and days.
    """
    if len(text) > _MOST_REPAIRED:
        return None
    repaired = foreign_repaired(text)
    if sum(repaired.count(mark) for mark in QUOTES) % 2:
        repaired += '"'
    bare = masked(repaired)
    repaired = "(" * -_deepest(bare) + repaired
    repaired += ")" * (bare.count("(") - bare.count(")") - _deepest(bare))
    operators = r"(?:and|or|w/\d+|pre/\d+|not\s+w/\d+)"
    repaired = re.sub(
        rf"^\s*(?:{operators}\s+)+|(?:\s+(?:{operators}|not))+\s*$", "", repaired, flags=re.IGNORECASE
    )
    repaired = repaired.strip()
    if repaired == text.strip():
        return None
    try:
        parse(repaired, zone)
    except QuerySyntaxError:
        return None
    return repaired


def _deepest(bare: str) -> int:
    """Return how far below zero the parentheses of a text without quoted parts go: 0 or less."""
    level = lowest = 0
    for character in bare:
        level += (character == "(") - (character == ")")
        lowest = min(lowest, level)
    return lowest


def prepare() -> None:
    """Build the parser, which the first query otherwise waits for: a tenth of a second."""
    _parser()


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    # The basic lexer: an operator word is an operator wherever it stands. A contextual one would take the
    # "and" of "and budget" for a plain word, because no operator can stand there.
    return Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False, propagate_positions=True)


# -- what the parser did not expect, in plain words


_NEAR = {"NEAR": "w/N", "BEFORE": "pre/N", "NOT_NEAR": "NOT w/N"}
"""Operators that join words near one another, as the grammar and as people call them."""


def _unexpected(text: str, token: Token) -> QuerySyntaxError:
    kind = token.type
    if not text.strip():
        return QuerySyntaxError("the query is empty", 1)
    if kind == "$END":
        return _ends_early(text)
    column = (token.start_pos or 0) + 1
    before = text[: column - 1].rstrip()
    if kind in {"AND", "OR", *_NEAR}:
        return QuerySyntaxError(
            f"{_NEAR.get(kind, kind)} needs something on both sides; to search the word itself, put it in "
            "quotes",
            column,
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
    bare = re.sub(f"[{QUOTES}][^{QUOTES}]*[{QUOTES}]", lambda found: " " * len(found.group()), stripped)
    last = re.search(r"(?<!\S)\(*(and|or|(?:not\s+)?w/\d+|pre/\d+|not)$", bare, flags=re.IGNORECASE)
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


# -- what is not in the language


_REFUSED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"~~"),
     "~~ (a range of numbers) is not in the language: write the numbers with OR, or = for each digit"),
    (re.compile(r"^\W*#(?=[^\W\d_])"),
     "# (words that sound alike) is not in the language: write the spellings with OR, or % for letters "
     "that may differ"),
    (re.compile(r"(?<=\w)&+\W*$"),
     "& (words of the same meaning) is not in the language: write the words with OR"),
)  # fmt: skip
_REFUSED_BARE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^x(first|last)word$", re.IGNORECASE),
     "xfirstword and xlastword are not in the language: leave them out, which finds more; as words, quote "
     "them"),
    (re.compile(r"^&&?$"), "& is no operator: write AND"),
    (re.compile(r"^\|\|?$"), "| is no operator: write OR"),
    (re.compile(rf"^[{DASHES}+!]+(?=[^\W_\d])"),
     "-, + and ! before a word are no operators: write AND NOT or AND"),
    (re.compile(r"(?<=[^\W_])!$"), "! is no wildcard: write * for any ending, or leave it out"),
)  # fmt: skip


def _refuse_by_name(chunk: str, column: int, *, quoted: bool) -> None:
    for pattern, problem in _REFUSED if quoted else _REFUSED_BARE + _REFUSED:
        found = pattern.search(chunk)
        if found:
            raise QuerySyntaxError(problem, column + found.start())


# -- words and what may stand in them


_SIGN = re.compile(r"[*?=%~]")
_MOST_EDITS = 2


def _terms(chunk: str, column: int, *, quoted: bool = False) -> list[q.Term]:
    """Return the terms of one piece without white space; none when it is punctuation only."""
    _refuse_by_name(chunk, column, quoted=quoted)
    terms: list[q.Term] = []
    word, at = "", column

    def end() -> None:
        if word:
            term = _term(word, at)
            if term is not None:
                terms.append(term)

    for piece in re.finditer(r"[*?=%~]|[^*?=%~]+", chunk):
        if _SIGN.match(piece.group()):
            at = at if _SIGN.search(word) else column + piece.start()
            word += piece.group()
            continue
        first, *further = fold(piece.group()).split(" ")
        word += first
        for part in further:
            end()
            word = part
    end()
    return terms


def _term(word: str, column: int) -> q.Term | None:
    """Return what one token with its signs is; None for a percent sign without a word."""
    letters = _SIGN.sub("", word)
    signs = set(word) & set("*?=%~")
    if len(letters) > TOKEN_CHARACTERS:
        raise QuerySyntaxError(f"a word with signs in it has at most {TOKEN_CHARACTERS} letters", column)
    if not signs:
        return q.Word(word)
    if signs == {"%"} and (not letters or (word[:-1] == letters and letters[-1].isdigit())):
        return q.Word(letters) if letters else None  # 50%
    if signs == {"~"}:
        if word[:-1] != letters or not letters:
            raise QuerySyntaxError("~ (other forms of a word) stands at the end of its word", column)
        return q.Stem(letters)
    if signs == {"%"}:
        return _fuzzy(word, letters, column)
    if signs & {"%", "~"}:
        raise QuerySyntaxError("% and ~ cannot stand in one word with another sign", column)
    pattern = re.sub(r"\*+", "*", word)
    if not letters and "==" not in word:  # any word, or any one digit; a number of two digits says something
        raise QuerySyntaxError(f"{word[0]} needs at least one letter or digit in its word", column)
    if pattern == f"{letters}*":
        return q.Prefix(letters)
    return q.Wild(pattern)


def _fuzzy(word: str, letters: str, column: int) -> q.Fuzzy:
    edits = len(word) - len(letters)
    if edits > _MOST_EDITS:
        raise QuerySyntaxError(f"% can stand in a word {_MOST_EDITS} times at most", column)
    if len(letters) <= edits:
        raise QuerySyntaxError("% needs a longer word: nearly every short one is spelled like this", column)
    return q.Fuzzy(letters, edits, word.index("%"))


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
        if len(kinds) > 1 or (len(joints) > 1 and kinds & _NEAR.keys()):
            raise self._mixed(units, joints)
        if kinds & _NEAR.keys():
            return self._near(units[0], joints[0], units[1])
        return q.And(tuple(units)) if kinds == {"AND"} else q.Or(tuple(units))

    def _near(self, left: q.Node, joint: Token, right: q.Node) -> q.Node:
        """Join two operands; both must be something that has places in one field."""
        column = (joint.start_pos or 0) + 1
        name = _NEAR[joint.type]
        distance = joint.rsplit("/", 1)[1]
        if len(distance) > 4 or not 1 <= int(distance) <= q.MAX_DISTANCE:
            raise QuerySyntaxError(f"N in {name} is a number from 1 to {q.MAX_DISTANCE}", column)
        node = _near_node(left, joint, right)
        if _legal(node):
            return node
        short = leaves(node) <= _MOST_READ
        below = [one for side in (left, right) for one in q.walk(side)]
        if any(isinstance(one, q.Field | q.DateRange) for one in below):
            same = left.name if isinstance(left, q.Field) else None
            inner: tuple[str, ...] = ()
            if same in q.TEXT_FIELDS and isinstance(left, q.Field):
                other = right.child if isinstance(right, q.Field) and right.name == same else right
                inner = _texts(q.Field(same, _near_node(left.child, joint, other)))
            raise QuerySyntaxError(
                f"no field or day is near something: put a field around both, as subject:(a {name} b)",
                column,
                inner,
            )
        if any(isinstance(one, q.Not) for one in below):
            inner = ()
            if short and isinstance(left, q.Not):
                inner = _texts(q.Not(_near_node(left.child, joint, right)))
            raise QuerySyntaxError(
                f"NOT and {name} are mixed: what is not there is near nothing; to find words without others "
                "near them, write a NOT w/N b",
                column,
                inner,
            )
        if any(isinstance(one, q.NotNear) for one in below):
            raise QuerySyntaxError(f"NOT w/N cannot stand inside of {name}: join them with AND", column)
        readings: tuple[str, ...] = ()
        if short and joint.type != "NOT_NEAR":
            readings = _texts(
                _spread(left, joint, right), _near_node(_clump(left, joint), joint, _clump(right, joint))
            )
        raise QuerySyntaxError(
            f"a group with AND beside {name} can mean two things: each side is a word, a phrase, words with "
            "OR between them, or words near one another",
            column,
            readings,
        )

    def _mixed(self, units: list[q.Node], joints: list[Token]) -> QuerySyntaxError:
        """Operators of more than one kind side by side, or w/N more than once: the readings."""
        change = next((joint for joint in joints if joint.type != joints[0].type), joints[1])
        column = (change.start_pos or 0) + 1
        kinds = {joint.type for joint in joints}
        if not kinds & _NEAR.keys():
            return QuerySyntaxError(
                "AND and OR are mixed without parentheses",
                column,
                _mixed_booleans(units, [joint.type for joint in joints]),
            )
        for joint in joints:
            if joint.type in _NEAR:
                self._near(q.Word("a"), joint, q.Word("b"))  # refuses its N
        names = sorted({_NEAR.get(kind, kind) for kind in kinds})
        if len(names) == 1:
            problem = f"{names[0]} stands more than once without parentheses"
        else:
            problem = f"{', '.join(names[:-1])} and {names[-1]} are mixed without parentheses"
        if sum(map(leaves, units)) > _MOST_READ:
            return QuerySyntaxError(f"{problem}: say with parentheses what belongs together", column)
        return QuerySyntaxError(problem, column, self._mixed_near(units, joints))

    def _mixed_near(self, units: list[q.Node], joints: list[Token]) -> tuple[str, ...]:
        kinds = {joint.type for joint in joints}
        if kinds <= _NEAR.keys():
            left, right = units[0], units[-1]
            for joint, unit in zip(joints, units[1:], strict=True):
                left = _near_node(left, joint, unit)
            for joint, unit in zip(reversed(joints), reversed(units[:-1]), strict=True):
                right = _near_node(unit, joint, right)
            return _texts(left, right)
        closed, further = _near_first(units, joints)
        if len(set(further)) > 1:
            return tuple(text for text in _mixed_booleans(closed, further) if all(map(_legal, closed)))
        boolean = q.And if further[0] == "AND" else q.Or
        return _texts(boolean(tuple(closed)), _boolean_first(units, joints, boolean))

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
        for atom in atoms:
            if atom.data == "field":
                _field_name(_token(atom.children[0]))
        for before, atom in pairwise(atoms):
            if before.meta.end_line != atom.meta.line:
                raise QuerySyntaxError(
                    "a line ends between two words: write AND or OR there, or put the whole phrase on one "
                    "line",
                    _start(atom),
                )
        terms: list[q.Term] = []
        for atom in atoms:
            if atom.data not in {"word", "quoted"}:
                raise QuerySyntaxError(
                    "write AND or OR between a group or field and what stands beside it "
                    "(a field holds more than one word only in quotes or parentheses)",
                    _start(atom),
                    self._beside(atoms, level) if len(atoms) <= _MOST_READ else (),
                )
            terms += _words(atom)
        return _leaf(terms, _start(atoms[0]))

    def _beside(self, atoms: list[Tree[Token]], level: int) -> tuple[str, ...]:
        """Groups and fields side by side: one field that holds all the words, AND between all, or OR."""
        units: list[q.Node] = []
        for kind, run in groupby(atoms, key=lambda atom: atom.data in {"word", "quoted"}):
            if kind:
                listed = list(run)
                units.append(_leaf([term for atom in listed for term in _words(atom)], _start(listed[0])))
            else:
                units += [self.atom(atom, level) for atom in run]
        if any(isinstance(one, q.DateRange) for one in units) and re.search(
            r"\d", " ".join(q.to_text(one) for one in units if not isinstance(one, q.DateRange))
        ):
            return ()  # days, in another form
        readings: list[q.Node] = []
        first = units[0]
        if (
            len(units) == 2
            and isinstance(first, q.Field)
            and isinstance(first.child, q.Leaf)
            and isinstance(units[1], q.Leaf)
            and first.name not in _CLOSED
        ):
            terms = (*q.terms_of(first.child), *q.terms_of(units[1]))
            readings.append(q.Field(first.name, q.Phrase(terms)))
        return _texts(*readings, q.And(tuple(units)), q.Or(tuple(units)))

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
        name = _field_name(token)
        column = (token.start_pos or 0) + 1
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


_RANGE = re.compile(rf"({DAY})?\.\.({DAY})?")
_COMPARED = re.compile(rf"(>=|<=|>|<|)[ \t]*({DAY})")
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


def _field_name(token: Token) -> str:
    name = re.split(r"[:\s]", token, maxsplit=1)[0].lower()
    if name not in q.FIELDS:
        near = our_field(name)
        hint = f" (did you mean {near}:?)" if near else ""
        raise QuerySyntaxError(
            f"there is no such field{hint}; fields are {', '.join(q.FIELDS)}; "
            "to search it as words, put it in quotes",
            (token.start_pos or 0) + 1,
        )
    return name


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
                f"inside {name}:(…) only words, phrases, AND, OR, NOT and w/N can stand", column
            )
        elif name in q.LABEL_FIELDS and (
            isinstance(node, q.Near | q.NotNear)
            or (isinstance(node, q.Leaf) and any(isinstance(t, q.Fuzzy | q.Stem) for t in q.terms_of(node)))
        ):
            raise QuerySyntaxError(
                f"{name}: holds one whole value: ask for it with words, *, ?, =, AND, OR and NOT", column
            )
        elif name in _CLOSED and isinstance(node, q.Leaf):
            values = _CLOSED[name]
            if not any(q.label_matches(node, value) for value in values):
                raise QuerySyntaxError(f"{name}: is one of {', '.join(values)}", column)


def _near_first(units: list[q.Node], joints: list[Token]) -> tuple[list[q.Node], list[str]]:
    """Join what w/N and its like stand between; return what is left, and AND and OR between it."""
    closed = [units[0]]
    further: list[str] = []
    for joint, unit in zip(joints, units[1:], strict=True):
        if joint.type not in _NEAR:
            closed.append(unit)
            further.append(joint.type)
        elif isinstance(closed[-1], q.Not):
            closed[-1] = q.Not(_near_node(closed[-1].child, joint, unit))
        else:
            closed[-1] = _near_node(closed[-1], joint, unit)
    return closed, further


def _boolean_first(units: list[q.Node], joints: list[Token], boolean: type[q.And] | type[q.Or]) -> q.Node:
    """Join what AND or OR stands between, and then those groups by w/N."""
    groups: list[list[q.Node]] = [[units[0]]]
    between: list[Token] = []
    for joint, unit in zip(joints, units[1:], strict=True):
        if joint.type in _NEAR:
            groups.append([unit])
            between.append(joint)
        else:
            groups[-1].append(unit)
    found = [boolean(tuple(group)) if len(group) > 1 else group[0] for group in groups]
    node = found[0]
    for joint, unit in zip(between, found[1:], strict=True):
        node = _spread(node, joint, unit)
    return node


def _mixed_booleans(units: list[q.Node], kinds: list[str]) -> tuple[str, ...]:
    """AND and OR side by side: both readings, AND first and OR first."""
    return tuple(q.to_text(_reading(units, kinds, tight)) for tight in ("AND", "OR"))


def _reading(units: list[q.Node], joints: list[str], tight: str) -> q.Node:
    groups: list[list[q.Node]] = [[units[0]]]
    for joint, unit in zip(joints, units[1:], strict=True):
        if joint == tight:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    inner, outer = (q.And, q.Or) if tight == "AND" else (q.Or, q.And)
    found = [inner(tuple(g)) if len(g) > 1 else g[0] for g in groups]
    return found[0] if len(found) == 1 else outer(tuple(found))


_MOST_READ = 12
"""Words of a refused query whose readings are still written out."""


def _near_node(left: q.Node, joint: Token, right: q.Node) -> q.Node:
    distance = int(joint.rsplit("/", 1)[1])
    if joint.type == "NOT_NEAR":
        return q.NotNear(left, right, distance)
    return q.Near(left, right, distance, joint.type == "BEFORE")


def _spread(left: q.Node, joint: Token, right: q.Node) -> q.Node:
    """Write words near a group of ANDs as an AND of words near one another."""
    if isinstance(left, q.And):
        return q.And(tuple(part for c in left.children for part in _ands(_spread(c, joint, right))))
    if isinstance(right, q.And):
        return q.And(tuple(part for c in right.children for part in _ands(_spread(left, joint, c))))
    return _near_node(left, joint, right)


def _ands(node: q.Node) -> tuple[q.Node, ...]:
    return node.children if isinstance(node, q.And) else (node,)


def _clump(node: q.Node, joint: Token) -> q.Node:
    """Write a group of ANDs as words that are near one another themselves."""
    if not isinstance(node, q.And):
        return node
    found = node.children[0]
    for child in node.children[1:]:
        found = q.Near(found, child, int(joint.rsplit("/", 1)[1]), ordered=False)
    return found


def _can_be_near(node: q.Node) -> bool:
    """Say whether something has places in one field: a leaf, an OR of such, or words near one another."""
    match node:
        case q.Or():
            return all(map(_can_be_near, node.children))
        case q.Near():
            return True
        case _:
            return isinstance(node, q.Leaf)


def _legal(node: q.Node) -> bool:
    return all(
        _can_be_near(below.left) and _can_be_near(below.right)
        for below in q.walk(node)
        if isinstance(below, q.Near | q.NotNear)
    )


def _texts(*nodes: q.Node) -> tuple[str, ...]:
    """Write readings out, those that can be read back, each once."""
    return tuple(dict.fromkeys(q.to_text(n) for n in nodes if _legal(n) and leaves(n) <= _MOST_READ**2))


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
