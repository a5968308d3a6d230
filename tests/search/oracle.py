"""The oracle: what a query means, written slowly and plainly over a list of documents.

It shares no code with the engines, the matcher or the folding table: its tokens come from ``unicodedata``
character by character, and every question is asked of every document.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer

from search import tree as q
from search.protocol import IndexDocument

FIELD_OF = {
    "subject": "subject",
    "body": "text",
    "filename": "filename",
    "participants": "participants",
    "from": "sender",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
}


def words(text: str) -> list[str]:
    """Tokens, one character at a time."""
    return list(_words(text))


@lru_cache(maxsize=10_000)
def _words(text: str) -> tuple[str, ...]:
    """The same; those of a text are made once."""
    found: list[str] = []
    current = ""
    for character in text:
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
        if unicodedata.category(character) in {"Cn", "Cs", "Co", "Cc"}:
            folded = " "
        for piece in folded:
            category = unicodedata.category(piece)
            if category[0] in "LN":
                current += piece
                if len(current) == 256:
                    found.append(current)
                    current = ""
            elif category[0] == "M" or category == "Cf":
                continue
            elif current:
                found.append(current)
                current = ""
    if current:
        found.append(current)
    return tuple(found)


@lru_cache(maxsize=1_000_000)
def term_fits(term: q.Term, word: str) -> bool:
    match term:
        case q.Prefix():
            return word.startswith(term.text)
        case q.Wild():
            return wild_fits(term.pattern, word)
        case q.Fuzzy():
            return word[: term.same] == term.text[: term.same] and edits(term.text, word) <= term.edits
        case q.Stem():
            stem = snowballstemmer.stemmer("english").stemWord
            return bool(stem(word) == stem(term.text))
        case q.Word():
            return word == term.text


def wild_fits(pattern: str, word: str) -> bool:
    """Letter by letter; ``*`` tries every length."""
    if not pattern:
        return not word
    sign, rest = pattern[0], pattern[1:]
    if sign == "*":
        return any(wild_fits(rest, word[n:]) for n in range(len(word) + 1))
    if not word or (sign == "=" and word[0] not in "0123456789"):
        return False
    return (sign in "?=" or sign == word[0]) and wild_fits(rest, word[1:])


def edits(one: str, two: str) -> int:
    """Letters more, less, other, or neighbours swapped; no letter is edited twice."""
    rows = [list(range(len(two) + 1))]
    for i in range(1, len(one) + 1):
        rows.append([i])
        for j in range(1, len(two) + 1):
            best = min(
                rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (one[i - 1] != two[j - 1])
            )
            if i > 1 and j > 1 and one[i - 1] == two[j - 2] and one[i - 2] == two[j - 1]:
                best = min(best, rows[i - 2][j - 2] + 1)
            rows[i].append(best)
    return rows[-1][-1]


Span = tuple[int, int]


def places(node: q.Node, found: Sequence[str]) -> list[Span]:
    """Every span of an operand in a list of tokens: (first, after the last)."""
    match node:
        case q.Or():
            return sorted({span for child in node.children for span in places(child, found)})
        case q.Near():
            right = places(node.right, found)
            return sorted({
                (min(x[0], y[0]), max(x[1], y[1]))
                for x in places(node.left, found)
                for y in right
                if near(x, y, node.distance) and (x[0] < y[0] or not node.ordered)
            })  # fmt: skip
        case q.NotNear():
            others = places(node.right, found)
            return [x for x in places(node.left, found) if not any(near(x, y, node.distance) for y in others)]
    assert isinstance(node, q.Leaf)
    terms = node.terms if isinstance(node, q.Phrase) else (node,)
    kinds = set(found)
    fitting = [{word for word in kinds if term_fits(term, word)} for term in terms]
    if not all(fitting):
        return []
    return [
        (start, start + len(terms))
        for start in range(len(found) - len(terms) + 1)
        if all(found[start + n] in fits for n, fits in enumerate(fitting))
    ]


def near(x: Span, y: Span, distance: int) -> bool:
    """Whether two spans do not overlap and have fewer tokens than the distance between them."""
    first, second = sorted((x, y))
    return 0 <= second[0] - first[1] < distance


def counted(node: q.Node, found: Sequence[str]) -> list[Span]:
    """Spans that are occurrences: of words near one another only those with no other such span inside."""
    spans = places(node, found)
    if not isinstance(node, q.Near):
        return spans
    return [
        span
        for span in spans
        if not any(other != span and span[0] <= other[0] and other[1] <= span[1] for other in spans)
    ]


def marked(node: q.Node, found: Sequence[str], wanted: Sequence[Span] | None = None) -> set[Span]:
    """Places of words and phrases that are highlighted: those of each pair that is near."""
    spans = [span for span in places(node, found) if wanted is None or span in wanted]
    match node:
        case q.Or():
            return {place for child in node.children for place in marked(child, found, spans)}
        case q.NotNear():
            return marked(node.left, found, spans)
        case q.Near():
            shown: set[Span] = set()
            for x in places(node.left, found):
                for y in places(node.right, found):
                    fits = near(x, y, node.distance) and (x[0] < y[0] or not node.ordered)
                    if fits and (min(x[0], y[0]), max(x[1], y[1])) in spans:
                        shown |= marked(node.left, found, [x]) | marked(node.right, found, [y])
            return shown
    return set(spans)


def label_fits(leaf: q.Node, value: str) -> bool:
    assert isinstance(leaf, q.Leaf)
    terms = leaf.terms if isinstance(leaf, q.Phrase) else (leaf,)
    found = words(value)
    if isinstance(terms[-1], q.Prefix):
        head, last = terms[:-1], terms[-1]
        rest = " ".join(found[len(head) :])
        return (
            len(found) >= len(terms)
            and all(term_fits(t, w) for t, w in zip(head, found, strict=False))
            and rest.startswith(last.text)
        )
    return len(found) == len(terms) and all(term_fits(t, w) for t, w in zip(terms, found, strict=True))


def matches(
    node: q.Node, document: IndexDocument, everything: Sequence[IndexDocument], field: str = ""
) -> bool:
    match node:
        case q.And():
            return all(matches(child, document, everything, field) for child in node.children)
        case q.Or():
            return any(matches(child, document, everything, field) for child in node.children)
        case q.Not():
            return not matches(node.child, document, everything, field)
        case q.DateRange():
            day = document.sent_on
            return (
                day is not None
                and (node.first is None or day >= node.first)
                and (node.last is None or day <= node.last)
            )
        case q.Field(name="attachment"):
            return any(
                other.parent_id == document.item_id and matches(node.child, other, everything, "body")
                for other in everything
            )
        case q.Field(name="family"):
            return any(
                other.family_id == document.family_id and matches(node.child, other, everything)
                for other in everything
            )
        case q.Field():
            return matches(node.child, document, everything, node.name)
    if field == "custodian":
        return label_fits(node, document.custodian_id)
    if field == "source":
        return label_fits(node, document.source_id)
    if field == "kind":
        return label_fits(node, document.kind)
    if field == "type":
        return label_fits(node, document.doc_type)
    if field == "lang":
        return any(label_fits(node, value) for value in document.languages)
    if field == "has":
        return any(label_fits(node, value) for value in document.has)
    fields = [field] if field else ["subject", "body", "filename", "participants"]
    return any(places(node, words(getattr(document, FIELD_OF[name]))) for name in fields)


def search(node: q.Node, everything: Sequence[IndexDocument]) -> list[str]:
    return sorted(document.item_id for document in everything if matches(node, document, everything))


def spots(
    node: q.Node, document: IndexDocument, everything: Sequence[IndexDocument], field: str = ""
) -> set[object]:
    """Every place that counts: (item, field, first token, after the last); none below NOT."""
    match node:
        case q.And() | q.Or():
            return {spot for child in node.children for spot in spots(child, document, everything, field)}
        case q.Not() | q.DateRange():
            return set()
        case q.Field(name="attachment"):
            return {
                spot
                for other in everything
                if other.parent_id == document.item_id
                for spot in spots(node.child, other, everything, "body")
            }
        case q.Field(name="family"):
            return spots(node.child, document, everything)
        case q.Field():
            return (
                set() if node.name in q.LABEL_FIELDS else spots(node.child, document, everything, node.name)
            )
    fields = [field] if field else ["subject", "body", "filename", "participants"]
    return {
        (document.item_id, name, *place)
        for name in fields
        for place in counted(node, words(getattr(document, FIELD_OF[name])))
    }
