"""The oracle: what a query means, written slowly and plainly over a list of documents.

It shares no code with the engines, the matcher or the folding table: its tokens come from ``unicodedata``
character by character, and every question is asked of every document.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

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
    return found


def term_fits(term: q.Term, word: str) -> bool:
    return word.startswith(term.text) if isinstance(term, q.Prefix) else word == term.text


def places(leaf: q.Leaf, found: list[str]) -> list[tuple[int, int]]:
    """Every place of a leaf in a list of tokens: (first, after the last)."""
    terms = leaf.terms if isinstance(leaf, q.Phrase) else (leaf,)
    return [
        (start, start + len(terms))
        for start in range(len(found) - len(terms) + 1)
        if all(term_fits(term, found[start + n]) for n, term in enumerate(terms))
    ]


def label_fits(leaf: q.Leaf, value: str) -> bool:
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
        for place in places(node, words(getattr(document, FIELD_OF[name])))
    }
