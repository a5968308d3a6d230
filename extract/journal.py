"""Journal reports of Exchange: the envelope of a mail, which alone tells everybody who received it.

The report is a mail whose first part is text, one ``Field: address`` a line, and whose second part is the
mail itself (Microsoft Learn, "Journal reports in Exchange Server"). Blind copies and the members of a group,
as they were on that day, stand nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from extract import headers
from records.models import Address

HEADER = "x-ms-journal-report"
"""The header field that tells a report; its value says nothing."""

_LINE = re.compile(r"^(Sender|On-Behalf-Of|To|Cc|Bcc|Recipient):[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_THROUGH = re.compile(r",\s*(Expanded|Forwarded):\s*(.+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent a mail, and everybody who received it.

    Attributes:
        people: Everybody, senders first, in order and without repeats.
        facts: The lines by their field, addresses parted by semicolons; through which groups or forwards.
    """

    people: tuple[Address, ...]
    facts: dict[str, str]


def envelope(text: str) -> Envelope:
    """Read the text of a report."""
    people: dict[Address, None] = {}
    by_field: dict[str, dict[str, None]] = {}
    for field, stated in _LINE.findall(text):
        through = _THROUGH.search(stated)
        if through is not None:
            stated = stated[: through.start()]
            by_field.setdefault(through[1].lower(), {})[through[2].strip()] = None
        for person in headers.addresses([stated]):
            people[person] = None
            by_field.setdefault(field.lower(), {})[person.address or person.name] = None
    facts = {f"envelope_{field}": "; ".join(values) for field, values in sorted(by_field.items())}
    return Envelope(tuple(people), facts)
