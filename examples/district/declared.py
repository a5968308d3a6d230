"""What the custodians of each request declared of their own devices and accounts, and handed over."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from examples.district.asks import Ask, Source, quoted

SILENT = "finance"
"""The office whose holder has not answered."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A personal device or account.

    Attributes:
        kind: As declarations name it.
        which: What is said of it beside the owner's name.
        how: How its owner searched it.
        what: What was handed over.
        kept: Records that the owner kept back.
        why: Why.
    """

    kind: str
    which: str
    how: str
    what: str
    kept: int = 0
    why: str = ""


DECLARED: Mapping[str, Declared] = {
    "takeout-01": Declared(
        "email", "own Google account", "mail, chat and Drive: everything with a colleague, a parent or the route in it",
        "an export, cut down to what concerns the district", 2_114, "letters to family, shops and a bank",
    ),
    "takeout-02": Declared(
        "email", "own Google account", "mail, chat and Drive: everything with the board's office or the district's name",
        "an export in two parts", 806, "letters about a farm",
    ),
    "voice-01": Declared(
        "messaging", "own Google Voice number", "texts and calls with families and with the school",
        "an export of Voice alone", 31, "calls with a doctor and with relatives",
    ),
    "iphone-01": Declared(
        "phone", "own iPhone", "nothing was searched: the messages of a backup were handed over as they are",
        "the part of a backup that holds messages",
    ),
    "whatsapp-01": Declared(
        "messaging", "own WhatsApp account", "chats by their names, and all chats for the name of the coach",
        "two chats as the app exports them", 12, "chats with friends in which no school matter occurs",
    ),
    "screenshots-01": Declared(
        "messaging", "own Signal account", "both conversations were read to their beginning before the phone was given away",
        "pictures, with a sheet about them",
    ),
}  # fmt: skip
"""By source id; every other source is the district's own."""


def write_declared(out: Path, asks: Sequence[Ask], sources: Sequence[Source], silent: str) -> None:
    """Write ``declared-NAME.toml`` for each request: an answer of every custodian but one.

    Args:
        out: The district's folder; files of declarations are relative to it.
        asks: The requests.
        sources: All sources.
        silent: Id of the custodian who has not answered.
    """
    for ask in asks:
        of: dict[str, list[Source]] = {}
        for source in sources:
            if ask.searches(source.id) and source.custodian_id != silent:
                of.setdefault(source.custodian_id, []).append(source)
        lines: list[str] = []
        for custodian, held in sorted(of.items()):
            own = [source for source in held if source.id in DECLARED]
            lines += [
                "[[declarations]]",
                f"custodian = {quoted(custodian)}",
                f"used = {str(bool(own)).lower()}",
                f"answered_on = {ask.received_on + timedelta(days=3)}",
                "",
            ]
            for source in own:
                lines += [*_place(source, DECLARED[source.id]), ""]
        (out / f"declared-{ask.name}.toml").write_text("\n".join(lines), encoding="utf-8", newline="")


def _place(source: Source, declared: Declared) -> list[str]:
    why = [f"kept_back_why = {quoted(declared.why)}"] if declared.kept else []
    return [
        "[[declarations.places]]",
        f"kind = {quoted(declared.kind)}",
        f"which = {quoted(declared.which)}",
        f"how_searched = {quoted(declared.how)}",
        f"source = {quoted(source.id)}",
        f"files = [{quoted(source.path)}]",
        f"handed_over = {quoted(declared.what)}",
        f"kept_back = {declared.kept}",
        *why,
    ]
