"""Printouts of message histories in invented layouts, and the layouts that a person confirmed for them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from examples.district.clock import pacific
from examples.district.transcripts import (
    PARENTSQUARE_LAYOUT,
    REMIND_LAYOUT,
    Printout,
    Said,
    parentsquare_page,
    remind_history,
)
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

OWNER = "Lee Okafor"
TWICE = Said(pacific(2026, 3, 5, 9), OWNER, "ok", "Rosa Delgado", "Teacher")
SOME = [
    Said(pacific(2026, 3, 4, 9, 5), "Rosa Delgado", f"{SECRET}, is the bus late?\nIt is cold."),
    Said(
        pacific(2026, 3, 4, 9, 6), OWNER, "See the paper.", "Rosa Delgado", "Teacher",
        attachments=("map.png", "lost.png"),
    ),
    TWICE,
    TWICE,
]  # fmt: skip


def histories(root: Path) -> Built:
    """Three histories, one of them in a zip and one without a message, with what lies beside them."""
    (root / "more").mkdir(parents=True)
    first = remind_history(SOME, owner=OWNER, pictures=[1])
    void = remind_history([], owner="Ana Ruiz")
    packed = remind_history([Said(pacific(2026, 3, 6), "Sam Ito", SECRET)], owner=OWNER, total=-1)
    files = {
        f"{SECRET}.pdf": first.data, "more/none.pdf": void.data, "map.png": b"\x89PNG map",
        "note.txt": SECRET.encode(),
    }  # fmt: skip
    for key, data in files.items():
        (root / key).write_bytes(data)
    with zipfile.ZipFile(root / "sent.zip", "w") as archive:
        archive.writestr("history.pdf", packed.data)
    found = files | {"sent.zip!history.pdf": packed.data} | natives(first) | natives(packed)
    failed = {
        f"{SECRET}.pdf#page2": Reason.NEEDS_OCR,
        f"{first.messages[1].native_key}#attachment0": Reason.NOT_IN_EXPORT,
    }
    scopes = ("more/none.pdf", "sent.zip!history.pdf", f"{SECRET}.pdf", ".")
    return Built(str(root), found, failed, {}, scopes, {"layout": REMIND_LAYOUT})


def saved_pages(root: Path) -> Built:
    """A conversation of another app, saved as a web page."""
    root.mkdir(parents=True)
    made = parentsquare_page(SOME[:1] + SOME[2:], title="Rosa Delgado")
    (root / f"{SECRET}.html").write_bytes(made.data)
    found = {f"{SECRET}.html": made.data} | natives(made)
    return Built(str(root), found, {}, {}, (f"{SECRET}.html",), {"layout": PARENTSQUARE_LAYOUT})


def natives(printout: Printout) -> dict[str, bytes]:
    """Return the messages of a printout by key."""
    return {one.native_key: one.native for one in printout.messages}
