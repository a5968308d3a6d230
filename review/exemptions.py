"""The exemptions a person can claim, as data (``exemptions.csv``); the code only looks them up.

The list is a working aid, not the law: each row says where its citation was checked and how far it can be
trusted. A district adds rows by editing the file.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from records.errors import SettingsError

FILE = Path(__file__).with_name("exemptions.csv")
KINDS = frozenset({"exempt", "confidential", "prohibited", "privilege"})
CONFIDENCES = frozenset({"verified", "unverified"})
_COLUMNS = ("code", "citation", "title", "summary", "kind", "typical_redaction", "source", "confidence")
_CODE = re.compile(r"[a-z][a-z0-9-]*\Z")


@dataclass(frozen=True, slots=True)
class ExemptionRule:
    """One law that can be claimed for a record or a part of it.

    Attributes:
        code: Short name, lower case with hyphens: what a reviewer writes.
        citation: The law, as the exemption log cites it.
        title: A few words for lists.
        summary: What it covers, in one sentence.
        kind: ``exempt`` (may be withheld), ``confidential`` or ``prohibited`` (another law forbids release),
            or ``privilege``.
        typical_redaction: What is usually taken out.
        source: Where the citation was checked.
        confidence: ``verified``, or ``unverified``: counsel should check it before it is relied on.
    """

    code: str
    citation: str
    title: str
    summary: str
    kind: str
    typical_redaction: str
    source: str
    confidence: str


@cache
def load(path: Path = FILE) -> dict[str, ExemptionRule]:
    """Return every rule by its code, in the file's order.

    Raises:
        SettingsError: A column is missing, a code is written twice or badly, or a kind or confidence is not
            one of the known words; the message names the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise SettingsError(f"{path.name} lacks the columns {', '.join(missing)}")
        rules: dict[str, ExemptionRule] = {}
        for row in reader:
            rule = ExemptionRule(*((row[name] or "").strip() for name in _COLUMNS))
            wrong = _wrong(rule, rules)
            if wrong:
                raise SettingsError(f"{path.name}, line {reader.line_num}: {wrong}")
            rules[rule.code] = rule
    return rules


def _wrong(rule: ExemptionRule, known: dict[str, ExemptionRule]) -> str:
    if not _CODE.match(rule.code):
        return "a code is lower-case letters, digits and hyphens"
    if rule.code in known:
        return f"the code {rule.code} is written twice"
    if not rule.citation or not rule.title:
        return "citation and title must be filled in"
    if rule.kind not in KINDS:
        return f"kind must be one of {', '.join(sorted(KINDS))}"
    if rule.confidence not in CONFIDENCES:
        return f"confidence must be one of {', '.join(sorted(CONFIDENCES))}"
    return ""


def nearest(written: str, rules: Iterable[ExemptionRule], count: int = 3) -> list[str]:
    """Return the codes that a person may have meant, likeliest first; empty when nothing comes near.

    Compares with codes, and with citations and titles too, since people write ``RCW 42.56.290`` from memory.
    """
    wanted = written.casefold().strip()
    scored: list[tuple[float, str]] = []
    for rule in rules:
        citation, title = rule.citation.casefold(), rule.title.casefold()
        if len(wanted) > 3 and (wanted in citation or wanted in title):
            score = 1.0
        else:
            score = max(
                difflib.SequenceMatcher(None, wanted, name).ratio() for name in (rule.code, citation, title)
            )
        if score >= 0.55:
            scored.append((-score, rule.code))
    return [code for _, code in sorted(scored)[:count]]
