"""TalkingPoints: the table of a teacher's messages with families, each beside its translation."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from examples.district.asks import Source
from examples.district.clock import pacific
from examples.district.handed import Cast, Made, digest, ordinary
from examples.district.planter import STUDENT
from examples.district.truth import Answer, Top

TABLE = "messages 2025-26.csv"
HEADER = ("Message ID", "Sent At (PT)", "From", "To", "Student", "Original Message", "Translated Message")
MAP = "maps/talkingpoints-1.toml"
TEACHER, FAMILY = "teacher", "family"
COLUMNS = {
    "sent_at": HEADER[1], "sender": HEADER[2], "recipients": HEADER[3], "body": HEADER[5],
    "body_translated": HEADER[6], "message_id": HEADER[0],
}  # fmt: skip
"""What the office found each column to be; the student's is left as it is, a fact of the message."""


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    at: datetime
    sender: str
    words: str
    translated: str = ""
    tags: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


def talkingpoints(source: Source, cast: Cast, count: int) -> Made:
    """Make one table."""
    pupil = cast.pupils[1]
    parent, mine = pupil.guardians[0].name, source.custodian.name
    rows = sorted([*_story(pupil.name), *_ordinary(cast, count)], key=lambda one: one.at)
    natives, tops = [_record(HEADER)], []
    for one in rows:
        sender, to = (mine, parent) if one.sender == TEACHER else (parent, mine)
        stated = f"{one.at:%m/%d/%Y %I:%M %p}"
        native = _record((one.label, stated, sender, to, pupil.name, one.words, one.translated))
        natives.append(native)
        tops.append(Top(
            source, TABLE, one.label, "chat", None, f"t-{digest(native)[:16]}", one.at, digest(native), len(native),
            words=f"{one.words}\n{one.translated}".strip(), participants=f"{sender} {to}", answers=one.answers,
            tags=("talkingpoints", *one.tags),
        ))  # fmt: skip
    return Made({TABLE: b"\xef\xbb\xbf" + b"".join(natives)}, tops)


def write_map(out: Path) -> None:
    """Write the column map as the records office confirmed it."""
    listed = ", ".join(f'"{name}"' for name in HEADER)
    columns = "".join(f'{name} = "{column}"\n' for name, column in COLUMNS.items())
    (out / MAP).parent.mkdir()
    (out / MAP).write_text(
        f'app = "talkingpoints"\nmap_version = 1\nheader = [{listed}]\ntime_zone = "America/Los_Angeles"\n'
        'time_formats = ["%m/%d/%Y %I:%M %p"]\nconfirmed_by = "Records office"\nconfirmed_on = 2026-09-09\n\n'
        f"[columns]\n{columns}",
        encoding="utf-8", newline="",
    )  # fmt: skip


def _record(cells: tuple[str, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()


def _ordinary(cast: Cast, count: int) -> list[_Row]:
    rows = ordinary(cast.rng("talkingpoints"), cast.words, count)
    return [
        _Row(f"tp-9{n:03}", at.replace(second=0), (TEACHER, FAMILY)[n % 2], text)
        for n, (at, text) in enumerate(rows)
    ]


def _story(pupil: str) -> list[_Row]:
    return [
        _Row(
            "tp-0001", pacific(2026, 2, 23, 16, 2), FAMILY, f"¿Cambia la parada de {pupil}? Espera en Larkspur.",
            f"Does the stop of {pupil} change? She waits at the Larkspur Lane stop.",
            ("hit_text", "translated", "student_data"), {"bus": STUDENT},
        ),
        _Row(
            "tp-0002", pacific(2026, 2, 23, 16, 10), TEACHER, "The bus route change is for mornings only,\nfrom Monday.",
            "El cambio es solo por la mañana,\ndesde el lunes.", ("hit_text", "multi_line"),
        ),
        _Row("tp-0003", pacific(2026, 2, 23, 16, 12), FAMILY, "Gracias", "Thank you"),
        _Row(
            "tp-0004", pacific(2026, 2, 12, 8, 0), TEACHER, "The route of the walk has a change: bus shelter first.",
            "La caminata empieza en la marquesina.", ("near_miss",),
        ),
        _Row(
            "tp-0005", pacific(2025, 11, 2, 1, 30), FAMILY, "¿Hay cambio de ruta?", "Is there a bus route change?",
            ("outside_window", "autumn_hour"),
        ),
    ]  # fmt: skip
