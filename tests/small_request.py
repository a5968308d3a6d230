"""A request file of a few lines, for tests that need a request and not what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_REQUEST = """
text = "{text}"
received_on = 2026-09-08
terms = "terms.csv"
{people}
[[sources]]
id = "{source}"
connector = "{connector}"
custodian = "{owner}"
path = "{path}"
"""
_PERSON = '[[custodians]]\nid = "{id}"\nname = "{name}"\nemails = ["{email}"]\n'

ANA = ("ana", "Ana Ruiz", "ana@cedarfalls.example")
LEE = ("lee", "Lee Okafor", "lee@cedarfalls.example")


def request_file(
    folder: Path,
    path: str | Path,
    connector: str = "mail_files",
    *,
    text: str = "All communications about the bus route change",
    term: str = "bus route",
    people: Sequence[tuple[str, str, str]] = (ANA,),
    source: str = "s1",
) -> Path:
    """Write a request with one source, which is the first person's, and its term list; return its file.

    Args:
        folder: Where both are written.
        path: Of the source, relative to ``folder`` or whole.
        connector: Of the source.
        text: What is asked for.
        term: The one line of the term list.
        people: Custodians: id, name, address.
        source: Id of the source.
    """
    listed = "".join(_PERSON.format(id=key, name=name, email=email) for key, name, email in people)
    (folder / "terms.csv").write_text(f"term,note\n{term},\n", "utf-8")
    file = folder / "request.toml"
    stated = _REQUEST.format(
        text=text, people=listed, source=source, connector=connector, owner=people[0][0], path=path
    )
    file.write_text(stated, "utf-8")
    return file
