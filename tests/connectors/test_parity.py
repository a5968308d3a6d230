"""One mailbox on seven routes gives the same messages; what a route changes is a rule, and each is tested."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.exchange_ews import ExchangeEws
from connectors.google_workspace import GoogleWorkspace
from connectors.imap import Imap
from connectors.mail_files import MailFiles
from connectors.microsoft_graph import MicrosoftGraph
from connectors.protocol import Connector
from connectors.purview_export import PurviewExport
from connectors.vault_export import VaultExport
from extract.reading import KnownReadings, read_batch
from extract.workers import Worker
from records import canonical
from records import tables as t
from records.attempts import claim
from records.models import SourceContext
from records.vocabulary import Step
from tests.connectors import built_ews, built_google, built_graph, built_imap
from tests.connectors.builders import ZONE
from tests.connectors.built_parity import (
    FOLDERS,
    NUMBER,
    ODD,
    Letter,
    crlf,
    letters,
    quoted,
    without_bcc,
)
from tests.connectors.collecting import collected
from tests.connectors.packages import ANA, Mail, PurviewItem, PurviewPackage, VaultPackage, write
from tests.records.homes import REQUEST, new_catalogue, new_store
from tests.servers.dovecot import server
from tests.servers.ews import Ews
from tests.servers.google import Workspace
from tests.servers.graph import Graph
from tests.servers.mailstore import Mailbox
from tests.servers.web import Served

pytestmark = [pytest.mark.slow, pytest.mark.services]

SIZE, OF_EACH, COPIES = 5_000, 15, 2
ACCOUNT = "ana@example.org"
LABEL_FOLDER = "Labels"
AS_SENT = frozenset({"gmail", "imap", "graph", "ews", "purview"})
NO_BCC = frozenset({"graph", "ews", "purview", "vault"})


@dataclass(frozen=True)
class Row:
    """A message as one route gave it, once it was read.

    Attributes:
        number: Of the letter.
        hash: Its ``content_hash``.
        sha256: Of its bytes.
        facts: What the connector says of it beside its bytes.
        read: Columns of its reading that say what a reader sees.
        files: Name and SHA-256 of each attachment.
    """

    number: int
    hash: str | None
    sha256: str
    facts: dict[str, str]
    read: dict[str, Any]
    files: tuple[tuple[str, str], ...]


# --- the routes ---------------------------------------------------------------------------------------------


def _fill(box: Mailbox, found: list[Letter], form: Callable[[bytes], bytes]) -> None:
    """Put letters into folders."""
    above = box.folder("Projects")
    made = {
        "Inbox": box.folder("Inbox", role="inbox"),
        "Sent Items": box.folder("Sent Items", role="sentitems"),
        "Projects/Bus": box.folder("Bus", parent=above.id),
    }
    for one in found:
        box.add(made[one.folder], form(one.raw), received=one.received, labels=one.labels)


@contextmanager
def graph(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """The service makes the MIME anew: it has no Bcc."""
    tenant = Graph()
    _fill(tenant.store.mailbox(ACCOUNT), found, lambda raw: crlf(without_bcc(raw)))
    with Served(tenant.app()) as served:
        yield MicrosoftGraph, built_graph.context_of(served.url, places=("mail",), extra={"patience_s": "60"})


@contextmanager
def ews(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """As ``graph``."""
    organisation = Ews()
    _fill(organisation.store.mailbox(ACCOUNT), found, lambda raw: crlf(without_bcc(raw)))
    with Served(organisation.app()) as served:
        context = built_ews.context_of(served.url, places=("primary",), extra={"patience_s": "60"})
        yield ExchangeEws, context


@contextmanager
def gmail(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """The message as it was sent; labels beside it."""
    fake = Workspace()
    account = fake.account(ACCOUNT)
    ids: dict[str, str] = {}
    for name in sorted({label for one in found for label in one.labels}):
        ids[name] = f"Label_{len(ids)}"
        account.labels[ids[name]] = name
    system = {"Inbox": "INBOX", "Sent Items": "SENT"}
    for one in found:
        labels = (*(ids[name] for name in one.labels), *filter(None, (system.get(one.folder),)))
        account.mail.add("all", crlf(one.raw), labels=labels, received=one.received)
    with fake.serve() as served:
        context = built_google.context_of(fake, served, places=("mail",), extra={"patience_s": "60"})
        yield GoogleWorkspace, context


@contextmanager
def imap(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """A real Dovecot; a label is a folder with a copy, as servers that have labels show them."""
    post, ending = server()
    with ending:
        labels = {f"{LABEL_FOLDER}/{label}" for one in found for label in one.labels}
        with post.client(ACCOUNT) as client:
            for folder in sorted({*FOLDERS, *labels} - {"Inbox"}):
                client.create_folder(folder)
            assert client.folder_status("INBOX")[b"MESSAGES"] == 0
        number = itertools.count()
        for one in found:
            for folder in (one.folder, *(f"{LABEL_FOLDER}/{label}" for label in one.labels)):
                encoded = folder.replace("Überblick", "&ANw-berblick")
                where = post.where(ACCOUNT, "" if folder == "Inbox" else encoded)
                path = where / "cur" / f"{int(one.received.timestamp())}.M{next(number)}P1.x:2,S"
                path.write_bytes(one.raw)
                shutil.chown(path, where.owner(), where.group())
                os.utime(path, (one.received.timestamp(),) * 2)
        yield Imap, built_imap.context_of(post, ACCOUNT, patience_s="60")


def _whole(raw: bytes) -> bytes:
    return raw if raw.endswith(b"\n") else raw + b"\n"


@contextmanager
def vault(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """An mbox in parts; labels and Bcc stand in the reports alone."""
    mails = [
        Mail(
            n,
            labels=",".join(f"^{label}" for label in one.labels),
            message_id=_field(one.raw, "Message-ID"),
            raw=quoted(_whole(without_bcc(one.raw))),
            bcc="kai@example.org; mo@example.org" if one.kind == "with_bcc" else "",
        )
        for n, one in enumerate(found)
    ]
    write(work / "vault", VaultPackage(mails=mails).build(per_zip=2_000))
    yield VaultExport, SourceContext("s1", "c1", str(work / "vault"), ZONE)


@contextmanager
def purview(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """Single EML files, made by the same service as those of ``graph``; categories in the item report."""
    items = [
        PurviewItem(
            f"Exchange/{ANA}/{one.folder}/{n}.eml",
            crlf(without_bcc(one.raw)),
            row={"Item class": "IPM.Note", "Location": ANA, "Categories": "; ".join(one.labels)},
        )
        for n, one in enumerate(found)
    ]
    write(work / "purview", PurviewPackage(items).build())
    yield PurviewExport, SourceContext("s1", "c1", str(work / "purview"), ZONE)


@contextmanager
def mbox(found: list[Letter], work: Path) -> Iterator[tuple[type[Connector], SourceContext]]:
    """One file, as a mail program saves a mailbox."""
    lines = [b"From - Tue Mar 04 18:20:34 2025\n" + quoted(_whole(one.raw)) + b"\n" for one in found]
    (work / "all.mbox").write_bytes(b"".join(lines))
    yield MailFiles, SourceContext("s1", "c1", str(work / "all.mbox"), ZONE)


ROUTES = {route.__name__: route for route in (gmail, graph, ews, imap, purview, vault, mbox)}
"""Those that take longest first."""


def _field(raw: bytes, name: str) -> str:
    head = raw.partition(b"\n\n")[0].decode("latin-1")
    lines = [line for line in head.split("\n") if line.lower().startswith(f"{name.lower()}:")]
    return lines[0].partition(":")[2].strip() if lines else ""


# --- collecting and reading ---------------------------------------------------------------------------------


@cache
def all_letters() -> list[Letter]:
    return letters(SIZE, OF_EACH, COPIES)


@cache
def worker() -> Worker:
    """One for all routes of a process, as a run has it; it ends with the process."""
    return Worker()


def taken(name: str, work: Path) -> list[Row]:
    """Collect and read the mailbox by one route, as a run does."""
    work = work / name
    work.mkdir()
    with ROUTES[name](all_letters(), work) as (kind, context):
        collected(work, kind, context)
    catalogue = new_catalogue(work)
    store = new_store(work, catalogue)
    try:
        b = t.batches.c
        with catalogue.read() as connection:
            batches = list(connection.scalars(sa.select(b.batch_id).order_by(b.batch_id)))
        known = KnownReadings()
        for batch in batches:
            attempt = claim(catalogue, REQUEST, batch, Step.EXTRACT)
            assert attempt is not None
            read_batch(attempt, store, worker(), zone=ZONE, known=known)
        return list(_rows(catalogue, store))
    finally:
        store.close()
        catalogue.close()


def _rows(catalogue: Any, store: Any) -> Iterator[Row]:
    i, r = t.items.c, t.readings.c
    joined = t.items.join(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
    seen = ("kind", "subject", "sender", "recipients", "sent_at", "sent_at_text", "text_sha256")
    with catalogue.read() as connection:
        assert set(connection.scalars(sa.select(i.state).where(i.level == 0))) <= {"stored", "excluded"}
        files: dict[str, list[tuple[str, str]]] = {}
        for row in connection.execute(sa.select(i.parent_id, i.name, i.blob_sha256).where(i.level == 1)):
            files.setdefault(row.parent_id, []).append((row.name or "", row.blob_sha256))
        columns = [t.items, r.content_hash, *(r[name].label(f"read_{name}") for name in seen)]
        rows = connection.execute(sa.select(*columns).select_from(joined).where(i.level == 0)).all()
    places = store.find(row.blob_sha256 for row in rows)
    for row in rows:
        number = NUMBER.search(store.read(places[row.blob_sha256]))
        if number is None:
            continue  # a report of a package
        yield Row(
            int(number[1]),
            row.content_hash,
            row.blob_sha256,
            canonical.loads(row.facts)["metadata"],
            {name: getattr(row, f"read_{name}") for name in seen},
            tuple(sorted(files.get(row.item_id, ()))),
        )


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    """Every route, two at a time; the mailbox is made once, before the processes part."""
    work = tmp_path_factory.mktemp("parity")
    all_letters()
    began = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        coming = {name: pool.submit(taken, name, work) for name in ROUTES}
        found = {name: future.result() for name, future in coming.items()}
    print(f"{time.monotonic() - began:.1f} s")
    return found


def by_number(rows: list[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.number, []).append(row)
    return found


def numbers(kind: str) -> set[int]:
    return {one.number for one in all_letters() if one.kind == kind}


# --- the mailbox -------------------------------------------------------------------------------------------


def test_the_mailbox_has_what_goes_wrong() -> None:
    found = all_letters()
    assert len(found) == SIZE
    kinds = Counter(one.kind for one in {one.number: one for one in found}.values())
    assert {kind: count for kind, count in kinds.items() if kind != "district"} == {
        kind.__name__: OF_EACH for kind in ODD
    }
    assert SIZE - len({one.raw for one in found}) == SIZE // 50 * COPIES
    raw = b"".join(one.raw for one in found if one.kind == "district")
    least = {
        b"Content-Type: multipart/alternative": 500, b"Content-Type: message/rfc822": 5,
        b"charset=iso-8859-1": 500, b"Content-Transfer-Encoding: 8bit": 500, b'filename="invite.ics"': 10,
        b"application/pdf": 20,
    }  # fmt: skip
    assert [what for what, count in least.items() if raw.count(what) < count] == []


# --- the same messages -------------------------------------------------------------------------------------


def test_every_route_gives_every_message_once_for_each_copy(routes: dict[str, list[Row]]) -> None:
    expected = Counter(one.number for one in all_letters())
    for name, rows in routes.items():
        if name != "imap":
            assert Counter(row.number for row in rows) == expected, name
    # rule "labels": a folder for each, with a copy in it
    for one in all_letters():
        expected[one.number] += len(one.labels)
    assert Counter(row.number for row in routes["imap"]) == expected


def test_but_for_bcc_every_route_gives_the_same_content_hashes(routes: dict[str, list[Row]]) -> None:
    """The one difference in them is the rule ``Bcc``, which the next test has."""
    hidden = numbers("with_bcc")
    reference = {
        n: {row.hash or row.sha256 for row in rows} for n, rows in by_number(routes["gmail"]).items()
    }
    assert {len(hashes) for hashes in reference.values()} == {1}
    for name, rows in routes.items():
        differ = {
            row.number: all_letters()[row.number].kind
            for row in rows
            if row.hash is not None and row.hash not in reference[row.number]
        }
        if name in NO_BCC:
            assert set(differ) == hidden, Counter(differ.values())
        else:
            assert differ == {}, name


def test_a_message_too_thin_to_be_told_by_its_content_is_so_on_every_route(
    routes: dict[str, list[Row]],
) -> None:
    """Its bytes stand in: the same where the bytes are."""
    thin = {name: {row.number for row in rows if row.hash is None} for name, rows in routes.items()}
    assert set(map(frozenset, thin.values())) == {frozenset()}


# --- the rules ---------------------------------------------------------------------------------------------


def test_rule_bcc(routes: dict[str, list[Row]]) -> None:
    """Gmail, IMAP and an mbox have the field; what Exchange makes and what Vault exports has not."""
    kept = by_number(routes["gmail"])
    hidden = numbers("with_bcc")
    assert len(hidden) == OF_EACH
    for name in NO_BCC:
        rows = by_number(routes[name])
        assert len({row.hash for number in hidden for row in rows[number]}) == OF_EACH
        for number in hidden:
            for row in rows[number]:
                full = dict(kept[number][0].read)
                people = json.loads(full["recipients"])
                assert [one[-1] for one in people["bcc"]] == ["kai@example.org", "mo@example.org"]
                bare = json.loads(row.read["recipients"])
                assert bare["bcc"] == []
                assert bare["to"] == people["to"]
                assert {**row.read, "recipients": ""} == {**full, "recipients": ""}
    told = {row.number for row in routes["vault"] if "bcc" in row.facts}
    assert told == hidden


def test_rule_line_ends(routes: dict[str, list[Row]]) -> None:
    """CRLF over a protocol, LF in an mbox: other bytes, so ``content_sha256`` never joins the two."""
    shas = {name: {row.sha256 for row in rows} for name, rows in routes.items()}
    assert shas["gmail"] == shas["imap"]
    assert shas["graph"] == shas["ews"] == shas["purview"]
    for name in AS_SENT:
        assert not shas[name] & (shas["mbox"] | shas["vault"])


def test_rule_line_ends_of_what_is_attached(routes: dict[str, list[Row]]) -> None:
    """Text and messages that are attached unencoded have other bytes too, and yet the same content hash."""
    sent, saved = by_number(routes["gmail"]), by_number(routes["mbox"])
    differ = {number for number, rows in sent.items() if rows[0].files != saved[number][0].files}
    unencoded = {
        "attached_text",
        "attached_text_with_from",
        "nested",
        "invitation",
        "attached_text_in_quoted_printable",
        "signed",
    }
    kinds = Counter(all_letters()[number].kind for number in differ)
    assert {kind for kind in kinds if kind != "district"} == unencoded
    assert all(kinds[kind] == OF_EACH for kind in unencoded)
    district = [number for number in differ if all_letters()[number].kind == "district"]
    assert all(b"Content-Type: message/rfc822" in all_letters()[number].raw for number in district)
    for number in differ:
        assert sent[number][0].hash == saved[number][0].hash


def test_rule_quoting(routes: dict[str, list[Row]]) -> None:
    """An mbox has ``>`` before a line that begins with ``From ``; nobody knows who put it there: kept."""
    changed = {one.number for one in all_letters() if quoted(one.raw) != one.raw}
    kinds = {all_letters()[number].kind for number in changed}
    assert {
        "lines_that_begin_with_from",
        "html_with_from",
        "attached_text_with_from",
        "nested",
        "signed",
    } <= kinds
    saved, sent = by_number(routes["mbox"]), by_number(routes["gmail"])
    texts = {
        number
        for number in changed
        if saved[number][0].read["text_sha256"] != sent[number][0].read["text_sha256"]
    }
    assert texts
    assert texts <= changed
    for number in changed:
        assert saved[number][0].hash == sent[number][0].hash
        assert saved[number][0].sha256 != sent[number][0].sha256


def test_rule_labels(routes: dict[str, list[Row]]) -> None:
    """Categories and labels are facts beside the message; IMAP has a folder with a copy for each."""
    label_of = {one.number: set(one.labels) for one in all_letters()}
    for name in ("graph", "ews", "purview"):
        for row in routes[name]:
            assert set(filter(None, row.facts.get("labels", "").split("; "))) == label_of[row.number]
    for row in routes["gmail"]:
        own = set(filter(None, row.facts.get("labels", "").split("; ")))
        assert own - {"INBOX", "SENT"} == label_of[row.number]
    without_id = numbers("without_message_id")
    for row in routes["vault"]:  # whose reports are joined by Message-ID
        own = set(filter(None, row.facts.get("labels", "").split(",")))
        assert own == (set() if row.number in without_id else label_of[row.number])
    for row in routes["mbox"]:
        assert "labels" not in row.facts
    for number, rows in by_number(routes["imap"]).items():
        folders = {row.facts["folder"] for row in rows}
        assert {name.partition("/")[2] for name in folders if name.startswith(LABEL_FOLDER)} == label_of[
            number
        ]
        assert len({row.sha256 for row in rows}) == 1
