"""Writing the adequacy report: everything beside its final name, renamed last, noted in the audit log."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from desk.adequacy import declaration, pages
from desk.adequacy.collect import collect
from desk.adequacy.masking import masked
from desk.adequacy.pdf import typeset
from desk.home import Home
from records import audit
from records.errors import UsageError

SUMS = "SHA256SUMS"


def write_report(home: Home, request_id: str, out: Path, *, by: str) -> dict[str, Any]:
    """Write the report of a request, its masked copy and the draft of a declaration.

    Args:
        home: Open.
        request_id: The request.
        out: A folder that does not exist, or is empty.
        by: Who asks.

    Returns:
        The folder, its files, and the hash of the JSON file, which the audit log has too.

    Raises:
        UsageError: There is no such request, or ``out`` holds something.
        SettingsError: The PDF cannot be typeset.
    """
    if not by.strip():
        raise UsageError("say who asks for the report: it names them")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already and not empty; name a new folder")
    files = _files(home, request_id, by)
    digest = hashlib.sha256(files["adequacy.json"]).hexdigest()
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(
        tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent)
    )  # for its owner alone: it holds names
    try:
        for name, data in files.items():
            (beside / name).parent.mkdir(exist_ok=True)
            (beside / name).write_bytes(data)
        with home.catalogue.write() as connection:
            audit.append(
                connection,
                action="adequacy_reported",
                actor=by,
                request_id=request_id,
                sha256=digest,
                masked_sha256=hashlib.sha256(files["masked/adequacy.json"]).hexdigest(),
            )
            beside.replace(out)  # last: a folder of this name is whole, and has its entry
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return {"request_id": request_id, "folder": str(out), "files": sorted(files), "sha256": digest}


def _files(home: Home, request_id: str, by: str) -> dict[str, bytes]:
    """Return the files by name."""
    found = collect(home, request_id, by=by)
    own = _plain({"copy": "office", **asdict(found)})
    hidden, masks = masked(home, request_id, found)
    public = _plain({"copy": "masked", "masks": masks, **hidden})
    data = _json(own)
    digest = hashlib.sha256(data).hexdigest()
    files = {
        "adequacy.json": data,
        "adequacy.pdf": typeset(pages.document(own, None)),
        "declaration.pdf": typeset(declaration.document(own, digest)),
        "declaration.txt": declaration.plain(own, digest).encode("utf-8"),
        "masked/adequacy.json": _json(public),
        "masked/adequacy.pdf": typeset(pages.document(public, masks)),
    }
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    return {**files, SUMS: "".join(lines).encode("ascii")}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader of the JSON file gets: lists for tuples."""
    read: dict[str, Any] = json.loads(json.dumps(value))
    return read


def _json(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # half of a surrogate pair, as an old export can hold
