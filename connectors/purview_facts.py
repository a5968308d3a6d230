"""What the item reports of a Purview export say of each file of a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from connectors.export_files import PackageFile
from connectors.export_tables import KeyedRows, normal
from connectors.purview_package import Export
from connectors.purview_paths import bare_key, key_of
from connectors.purview_reports import FACTS, TARGET, first_of, moment_of
from records import canonical
from records.models import NO_MOMENT, Moment
from records.vocabulary import WarningCode

OF_TEAMS = "ipm.skypeteams"
_DATES = ("Sent", "Date sent", "Sent date", "Email sent", "Date", "Received", "Created")
_FILE_CLASS = ("FileClass", "File class")
_EDITED = ("ContainsEditedMessage", "Contains edited message")
_DELETED = ("ContainsDeletedMessage", "Contains deleted message")
_YES = frozenset({"true", "yes", "1"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says of a file: facts, warnings, its time, and whether it is a chat."""

    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[WarningCode, ...] = ()
    moment: Moment = NO_MOMENT
    chat: bool = False


def of_conversation(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts of a chat, its conversation under the names that all connectors have for one."""
    found = {_OF_CONVERSATION.get(name, name): value for name, value in facts.items()}
    if "participants" in found:
        found.setdefault("group_name", found["participants"])
    return found


_OF_CONVERSATION = {
    "conversation_id": "group", "conversation": "group_name", "conversation_type": "group_kind"
}  # fmt: skip


class Rows:
    """The rows of one place by file, while one part is read."""

    def __init__(self, export: Export, place: str) -> None:
        self._rows = KeyedRows()
        self._known = bool(export.of("items"))
        for row in export.item_rows():
            if row.target and not row.within and row.place == place:
                self._rows.add(row.target, row.values | ({"": row.error} if row.error else {}))

    def of(self, file: PackageFile) -> Facts:
        """Return what the report says of a file; several rows of one file add up."""
        rows = self._rows.get(key_of(file)) or self._rows.get(bare_key(file))
        if not rows:
            return Facts(warnings=(WarningCode.MISSING_PART,) if self._known else ())
        found: dict[str, tuple[str, str]] = {}
        for row in reversed(rows):
            found |= {normal(name): (name, value) for name, value in row.items() if name and value}
        facts: dict[str, str] = {}
        used: set[str] = set()
        for ours, names in FACTS.items():
            for name in map(normal, names):
                if name in found:
                    facts.setdefault(ours, found[name][1])
                    used.add(name)
                    break
        codes = [
            code
            for code, names in ((WarningCode.EDITED, _EDITED), (WarningCode.DELETED, _DELETED))
            if normal(first_of(found, names)) in _YES
        ]
        errors = [row[""] for row in rows if row.get("")]
        if errors:
            facts["error"] = errors[0]
            codes.append(WarningCode.PARTIAL)
        used |= set(map(normal, TARGET))
        rest = {name: value for key, (name, value) in sorted(found.items()) if key not in used}
        if rest:
            facts["report"] = canonical.dumps(rest)
        if len(rows) > 1:
            facts["report_rows"] = str(len(rows))
        times = (moment_of(first_of(found, (name,))) for name in _DATES)
        moment = next((time for time in times if time.at is not None), NO_MOMENT)
        chat = facts.get("item_class", "").casefold().startswith(OF_TEAMS)
        chat = chat or normal(first_of(found, _FILE_CLASS)) == "conversation"
        return Facts(facts, tuple(codes), moment, chat)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()
