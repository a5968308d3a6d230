"""Texts on the district's own phones that may be exceptions to its policy on texting, and near-misses.

What stands here is written down as truth beside it: ``truth-policy.jsonl`` is made from these lines and from
``truth.jsonl``, by no reader of the project. No sentence holds a term of a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from examples.district import phones
from examples.district.clock import pacific
from examples.district.planter import Planter
from examples.district.roster import PUPIL, PUPILS_PARENT

TAG = "policy"


@dataclass(frozen=True, slots=True)
class Mark:
    """A possible exception that must be marked, or a near-miss that must not.

    Attributes:
        rule: Id of the rule.
        phone: The source.
        texts: What is said, in order.
        signs: Exceptions of the rule to which its words point.
        near_miss: Why it is none; empty for a possible exception.
        numbers: With whom: names by number; none: an ordinary member of staff.
    """

    rule: str
    phone: str
    texts: tuple[str, ...]
    signs: tuple[str, ...] = ()
    near_miss: str = ""
    numbers: tuple[tuple[str, str], ...] = ()


_PUPIL = (PUPIL.number, PUPIL.name)
_PARENT = (PUPILS_PARENT.number, PUPILS_PARENT.name)

MARKS = (
    Mark("substantive-business", "phone-03", ("I signed the paving contract this morning",)),
    Mark(
        "substantive-business", "phone-01", ("Lockdown is over; I approved the overtime budget for tonight",),
        signs=("emergency",),
    ),
    Mark("substantive-business", "phone-03", ("Please sign the permission slip",), near_miss="a slip"),
    Mark("password", "phone-02", ("The password for the scoreboard is Falcon#22",)),
    Mark("password", "phone-02", ("my password is wrong again",), near_miss="says none"),
    Mark("political-use", "phone-02", ("Vote yes on the levy on Tuesday!",)),
    Mark("political-use", "phone-02", ("The levy passed last night",), near_miss="news"),
    Mark("commercial-use", "phone-03", ("I'm selling my canoe, ask me after work",)),
    Mark("commercial-use", "phone-03", ("The band is selling cookies on Friday",), near_miss="of the school"),
    Mark("student-without-guardian", "phone-02", ("Pick-up at five", "ok coach"), numbers=(_PUPIL,)),
    Mark(
        "student-without-guardian", "phone-02", ("Pick-up is at six on Thursday",),
        near_miss="a guardian is there", numbers=(_PUPIL, _PARENT),
    ),
)  # fmt: skip


def plant_policy(p: Planter) -> None:
    """Plant them on the phones that are the district's."""
    other = p.person("dispatch")
    for n, mark in enumerate(MARKS):
        at = pacific(2026, 3, 24, 7 + n, 10)
        tags = (TAG, f"{TAG}:{n}", *(("near_miss",) if mark.near_miss else ()))
        people = mark.numbers or ((other.number, other.name),)
        for place, said in enumerate(mark.texts):
            when = at + timedelta(minutes=3 * place)
            sent = phones.SENT if place % 2 == 0 else phones.RECEIVED
            if len(people) == 1:
                element = phones.sms(*people[0], when, sent, said)
            else:
                numbers = [
                    ("insert-address-token", str(phones.FROM)),
                    *((one, str(phones.TO)) for one, _ in people),
                ]
                element = phones.mms(numbers, ", ".join(name for _, name in people), when, 2, said)
            p.text(mark.phone, element, tags=tags)


def write_policy_truth(out: Path) -> None:
    """Write ``truth-policy.jsonl`` from what was planted and from ``truth.jsonl``."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in _rows(out / "truth.jsonl"):
        for tag in row["tags"]:
            if tag.startswith(f"{TAG}:"):
                found.setdefault(tag, []).append(
                    {"source_id": row["source_id"], "native_key": row["native_key"]}
                )
    lines = [
        {
            "rule": mark.rule,
            "signs": list(mark.signs),
            "near_miss": mark.near_miss,
            "items": found[f"{TAG}:{n}"],
        }
        for n, mark in enumerate(MARKS)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (out / "truth-policy.jsonl").write_text(text, "utf-8")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            if f'"{TAG}:' in text:
                yield json.loads(text)
