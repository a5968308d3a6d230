"""Every reader of ours as a function of bytes: what it may raise, and what must hold when it raises nothing.

To add one, write what makes it and put a line into ``TARGETS``. Connectors of files are there by themselves;
they and the readers of ``extract.registry`` have the samples of their contract suites.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from connectors.registry import CONNECTORS
from records.errors import DaylightError, ItemError

if TYPE_CHECKING:
    from connectors.protocol import Connector
    from extract.protocol import Extractor
    from records.models import FoundItem, Window

ZONE = ZoneInfo("America/Los_Angeles")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{0,80}")


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        seeds: Real samples; where there are several kinds, the first byte says which.
        read: Reads one input; whatever it raises is a find.
    """

    seeds: list[bytes]
    read: Callable[[bytes], None]


def _item_error(error: DaylightError) -> None:
    """Hold the rule of ``records.errors``: codes only."""
    if isinstance(error, ItemError):
        assert _CODE.fullmatch(error.detail), "an error carries more than a code"


# -- readers of extract.registry


def _extractor(name: str, folder: Path) -> Target:
    from extract import wire, worker_main
    from extract.protocol import ExtractContext
    from extract.registry import EXTRACTORS
    from tests.extract.test_contract import SAMPLES, holds_to_the_protocol

    samples = SAMPLES[name]
    reader: Extractor = next(one for one in EXTRACTORS if one.name == name)
    contexts = [ExtractContext(named, kind, ZONE, ("+14255550100",)) for named, kind, _ in samples]

    def read(data: bytes) -> None:
        context = contexts[data[0] % len(contexts)] if data else contexts[0]
        body = data[1:]
        reader.score(context.media_type, context.name, worker_main.head_of(io.BytesIO(body)))
        try:
            got = worker_main._within(reader.extract(io.BytesIO(body), context), context.limits, 0)
        except ItemError as error:
            _item_error(error)
            return
        except RecursionError:  # the worker's own failure for it: ``bomb``, ``recursion``
            return
        try:
            sent = wire.encode(wire.ResultFrame(1, reader.name, reader.version, got))
        except UnicodeEncodeError:
            sent = wire.encode(wire.ResultFrame(1, reader.name, reader.version, worker_main._storable(got)))
        holds_to_the_protocol(wire.decode_result(bytes(sent)[wire.LENGTH.size :]).extraction)

    return Target([bytes([n]) + data for n, (_, _, data) in enumerate(samples)], read)


# -- connectors of files


def _connector(name: str, folder: Path) -> Target:
    from tests.connectors.builders import ALWAYS, FIXTURES

    sources, files = [], []
    for kind, build in FIXTURES.values():
        if kind != name:
            continue
        root = folder / str(len(sources)) / "source"
        built = build(root)
        sources.append(built)
        inside = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
        inside = [path for path in inside if 0 < path.stat().st_size <= 1 << 18]
        files += [(built, path, path.read_bytes()) for path in inside][: 255 - len(files)]

    def read(data: bytes) -> None:
        if not data:
            return
        built, path, whole = files[data[0] % len(files)]
        path.write_bytes(data[1:])
        try:
            _collect(CONNECTORS[name](built.context), ALWAYS)
        finally:
            path.write_bytes(whole)

    return Target([bytes([n]) + whole for n, (_, _, whole) in enumerate(files)], read)


def _collect(connector: Connector, window: Window) -> None:
    from records.models import FoundItem

    try:
        connector.check()
        scopes = list(connector.scopes())
    except DaylightError as error:
        _item_error(error)
        return
    keys = [scope.key for scope in scopes]
    assert len(set(keys)) == len(keys), "two scopes have one key"
    for scope in scopes:
        try:
            connector.count(scope)
            parts = list(connector.parts(scope, 10_000, 256 << 20))
        except DaylightError as error:
            _item_error(error)
            continue
        seen: set[str] = set()
        for part in parts:
            try:
                for value in connector.items(part, window):
                    value.native_key.encode()
                    (value.name or "").encode()
                    assert value.native_key not in seen, "two items have one key"
                    assert value.cursor.isascii(), "a cursor has other letters"
                    seen.add(value.native_key)
                    if isinstance(value, FoundItem):
                        _open(connector, value)
            except DaylightError as error:
                _item_error(error)


def _open(connector: Connector, value: FoundItem) -> None:
    json.dumps(dict(value.metadata)).encode()
    try:
        with connector.open(value) as stream:
            size = sum(map(len, iter(partial(stream.read, 1 << 16), b"")))
    except ItemError as error:
        _item_error(error)
        return
    # a zip may state more than there is: what was read is what is stored, and counted
    assert value.size_bytes is None or size <= value.size_bytes, "an item is larger than it says"


# -- formats by themselves


def _mbox(folder: Path) -> Target:
    from connectors.bytesource import PlainSource
    from connectors.mbox import split
    from connectors.mbox_count import count_messages
    from tests.connectors.builders import mbox_bytes, some_mails

    path = folder / "one.mbox"
    long = b"From x@example.org Tue Mar 04 18:20:34 2025\r\nContent-Length: 6\r\nX: y\r\n\r\nhello\n\r\n" * 3
    quoted = mbox_bytes([b"Subject: a\n\n>From the start\n\nFrom here on\nit goes\n" for _ in range(3)])

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with PlainSource(str(path)) as source:
            spans = list(split(source))
        end = 0
        for span in spans:
            assert end <= span.start <= span.end <= span.following <= len(data), "a message lies elsewhere"
            assert span.data is None or span.data == data[span.start : span.end], "a message has other bytes"
            end = span.following
        with path.open("rb") as stream:
            counted = count_messages(stream, can_seek=True)
        assert counted in {None, len(spans)}, "the byte scan counts otherwise"

    return Target([mbox_bytes(some_mails()), long, quoted, b"text before\n\n" + quoted], read)


def _rtf(folder: Path) -> Target:
    from extract import rtf
    from tests.extract import outlook_files

    plain = [
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 A;}{\f1\fcharset128 M;}}\f0 caf\'e9\u8364?\par\f1\'82\'a0}",
        rb"{\rtf1\ansi\fromhtml1{\*\htmltag <p>}hello {\field{\*\fldinst HYPERLINK \"http://x.example/\"}"
        rb"{\fldrslt here}}{\*\htmltag </p>}\htmlrtf x\htmlrtf0}",
        rb"{\rtf1\ansi\fromtext\uc2\u-3913ab{\pict\bin4 abcd}{\*\generator x;}{\v hidden}}",
    ]
    packed = [b"\1" + outlook_files.rtf(one) for one in plain]

    def read(data: bytes) -> None:
        body = data[1:]
        try:
            if data[:1] == b"\1":
                body, _ = rtf.unpacked(body)
            got = rtf.read(body)
        except ItemError as error:
            _item_error(error)
            return
        (got.text + got.html).encode()

    return Target([b"\0" + one for one in plain] + packed, read)


def _compound(folder: Path) -> Target:
    from records import compound_files
    from records import compound_reading as compound
    from tests.extract import outlook_files

    def read(data: bytes) -> None:
        try:
            opened = compound.read(data)
        except ItemError as error:
            _item_error(error)
            return
        if not opened.whole:
            return
        try:
            again = compound.read(compound_files.write(opened.root))
        except ItemError as error:  # names that no storage may hold
            if not error.detail.startswith("compound_name"):
                raise
            return
        assert again.root == opened.root, "what was written is read otherwise"

    return Target([outlook_files.simple_msg(), outlook_files.object_with("CONTENTS", bytes(600))], read)


def _msg_writing(folder: Path) -> Target:
    from connectors import msg_writing
    from extract import msg

    names = [msg_writing.Name(msg_writing.PS_PUBLIC_STRINGS, "Keywords"), msg_writing.Name(bytes(16), 0x820D)]

    def properties(cursor: io.BytesIO) -> list[msg_writing.Property]:
        made = {}
        for _ in range(min((cursor.read(1) or b"\0")[0], 20)):
            number, kind, size = struct.unpack("<HHB", cursor.read(5).ljust(5, b"\0"))
            number = 0x8000 + number % 2 if number >= 0x8000 else number
            data = cursor.read(size)
            with contextlib.suppress(ValueError):  # such a property is left out by who reads the file
                msg_writing.values_of(data if kind & msg_writing.MANY else b"")
                made[number] = msg_writing.Property(number, kind, data)
        return list(made.values())

    def read(data: bytes) -> None:
        cursor = io.BytesIO(data)
        message = msg_writing.Message(
            properties(cursor), [properties(cursor)], [msg_writing.Attachment(properties(cursor))]
        )
        try:
            whole = msg_writing.msg_bytes(message, lambda number: names[number - 0x8000])
        except ItemError as error:
            _item_error(error)
            return
        got = msg.parse(whole)
        assert got.whole, "what was written is not whole"
        assert (len(got.message.recipients), len(got.message.attachments)) == (1, 1), (
            "what hangs on it is lost"
        )

    def packed(*one: tuple[int, int, bytes]) -> bytes:
        return bytes([len(one)]) + b"".join(struct.pack("<HHB", *p[:2], len(p[2])) + p[2] for p in one)

    texts = struct.pack("<III", 2, 12, 14) + b"a\0b\0"
    own = packed(
        (0x37, 0x1F, b"a\0b\0"), (0x8000, 0x101F, texts), (0x8001, 0x40, bytes(8)), (0xE08, 3, bytes(4))
    )
    return Target(
        [own + packed((0x3001, 0x1F, b"L\0")) + packed((0x3701, 0x102, b"bytes"), (0x3705, 3, b"\1\0\0\0"))],
        read,
    )


def _typedstream(folder: Path) -> Target:
    from examples.exports.imessage import archived
    from extract import typedstream
    from tests.extract.archiver import attributed

    samples = [
        archived("café " * 40),
        attributed("body …", (2, {"a": "x"}), (1, {"b": "https://x.example/"})),
    ]

    def read(data: bytes) -> None:
        typedstream.salvaged(data).encode()
        try:
            got = typedstream.attributed_text(data)
        except typedstream.NotTypedstreamError:
            return
        got.text.encode()
        json.dumps(got.attributes).encode()

    return Target(samples, read)


def _outlook_count(folder: Path) -> Target:
    from connectors.outlook_data_count import DataFile
    from tests.connectors.built_outlook import folder as built_folder

    built_folder(folder / "made")
    files = [
        path.read_bytes() for path in sorted((folder / "made").rglob("*")) if path.suffix in {".pst", ".ost"}
    ]

    def read(data: bytes) -> None:
        try:
            file = DataFile(io.BytesIO(data))
        except ItemError as error:
            _item_error(error)
            return
        counts = file.counts()
        for block in counts.folders.values():
            file.stated(block)

    return Target(files, read)


def _segments(folder: Path) -> Target:
    from records import tables as t
    from records.evidence import RECORD_BYTES
    from records.rows import insert_missing
    from tests.records.homes import new_catalogue, new_store
    from tests.records.test_evidence import put

    catalogue = new_catalogue(folder)
    store = new_store(folder, catalogue)
    values = [b"", b"abc", b"x" * 3000, bytes(range(256)) * 3]
    refs = put(store, catalogue, *values)
    (segment,) = store.folder.glob("*.seg")
    rows = store.rows(refs)

    def read(data: bytes) -> None:
        store.close()
        for path in store.folder.iterdir():
            path.unlink()
        segment.write_bytes(data)
        end = 0
        for ref in store.scan(segment.name):
            assert end <= ref.offset <= ref.offset + RECORD_BYTES + ref.stored_bytes <= len(data), "elsewhere"
            end = ref.offset + RECORD_BYTES + ref.stored_bytes
        good = set()
        for ref, value in zip(refs, values, strict=True):
            for how in (store.read, lambda one: store.stream(one).read()):
                try:
                    got = how(ref)
                except ItemError as error:
                    _item_error(error)
                else:
                    assert got == value, "other bytes than those of the digest"
                    good.add(ref.sha256)
        report = store.verify()
        assert set(report.damaged) == {ref.sha256 for ref in refs} - good, "damage is not told as it is"
        repaired = store.repair()
        try:
            assert set(repaired.damaged) == set(report.damaged), "repair lost a record"
            assert report.damaged or (repaired.orphans, repaired.torn) == (0, 0), "repair left something"
        finally:
            with catalogue.write() as connection:
                connection.execute(t.blobs.delete())
                insert_missing(connection, t.blobs, rows)

    return Target([segment.read_bytes(), segment.read_bytes()[:-100]], read)


def _audit_lines(folder: Path) -> Target:
    import sqlalchemy as sa

    from records import audit
    from records import tables as t
    from records.errors import CheckFailed
    from tests.records.homes import new_catalogue

    catalogue = new_catalogue(folder)
    with catalogue.write() as connection:
        for number in range(4):
            audit.append(connection, action="read", actor=f"é {number}", request_id="2026-0001", items=number)
        rows = [row._asdict() for row in connection.execute(sa.select(t.audit).order_by(t.audit.c.seq))]

    def read(data: bytes) -> None:
        try:
            stated = json.loads(data.decode("utf-8", "surrogateescape"))
            made = [dict(zip(rows[0], row, strict=True)) for row in stated]
            assert all(isinstance(row["seq"], int) and abs(row["seq"]) < 1 << 62 for row in made)
        except (ValueError, TypeError, AssertionError, RecursionError):
            return
        try:
            with catalogue.write() as connection:
                connection.execute(t.audit.delete())
                if made:
                    connection.execute(t.audit.insert(), made)
        except (sa.exc.SQLAlchemyError, UnicodeEncodeError):
            return  # no such row can be in a catalogue
        try:
            head = audit.verify(catalogue)
        except CheckFailed:
            return
        assert made == rows[: head.seq], "the log was altered and nobody says so"

    return Target([json.dumps([list(row.values()) for row in rows], ensure_ascii=False).encode()], read)


# -- what a person writes


def _query(folder: Path) -> Target:
    from search import tree
    from search.language import QuerySyntaxError, parse, suggest

    asked = (
        'bus AND (route* OR "cedar falls") w/5 change', "subject:(a OR b) NOT w/3 c", "“a b” (c",
        "sent:2026-01-01..2026-02-03",
        "from:ana@falls.example AND NOT kind:chat", "family:(attachment:x) ca?t pre/3 run~ %%spelling",
    )  # fmt: skip

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        try:
            node = parse(text, ZONE)
        except QuerySyntaxError as error:
            if not 1 <= error.column <= len(text) + 1:
                raise AssertionError("the column lies outside") from error
            offered = suggest(text, ZONE)
            if offered is not None:
                parse(offered, ZONE)
            return
        written = tree.to_text(node)
        assert parse(written, ZONE) == node, "a query that is written out means something else"

    return Target([one.encode() for one in asked], read)


def _texts(name: str, seeds: Sequence[bytes], read: Callable[[Path], object], folder: Path) -> Target:
    """Return the target of a file that a person writes; it may be refused by name."""
    path = folder / name

    def one(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(DaylightError):
            read(path)

    path.write_bytes(seeds[0])
    read(path)  # a sample that is refused shows nothing
    return Target(list(seeds), one)


def _terms(folder: Path) -> Target:
    from search.terms import read_terms, unusable_lines

    def read(path: Path) -> None:
        listed = read_terms(path.read_bytes())
        unusable_lines(listed, ZONE)

    return _texts(
        "terms.csv",
        [b'term,note\nbus,first\n"a, b",""\n"open\nx AND,\n', "term;note\nbüs;x\n".encode("cp1252")],
        read,
        folder,
    )


def _roster(folder: Path) -> Target:
    from records.roster import read_roster
    from search.terms import decoded

    seed = b"kind,name,aliases,emails,numbers,guardian_of\n"
    seed += b'student,Ana Ruiz,"A; B",a@x.example,,\nguardian,L O,,,1,Ana Ruiz\n'
    return _texts("roster.csv", [seed], lambda path: read_roster(decoded(path.read_bytes())), folder)


def _declarations(suffix: str, folder: Path) -> Target:
    from desk.declaration_file import read_answers

    columns = b"custodian,answered_on,used,statement,kind,which,how_searched,kept_back,kept_back_why,files\n"
    seed = columns + b"ruiz,2026-09-14,yes,Ana,phone,+1425,by hand,0,,a.zip; b\nlee,2026-09-14,no,Lee,,,,,,\n"
    if suffix == ".toml":
        seed = (
            b'[[declarations]]\ncustodian = "ruiz"\nanswered_on = 2026-09-14\nused = true\n'
            b'[[declarations.places]]\nkind = "phone"\nwhich = "+1"\nhow_searched = "x"\nkept_back = 0\n'
        )
    return _texts(f"answers{suffix}", [seed], read_answers, folder)


def _request(folder: Path) -> Target:
    from desk.request import load_request

    (folder / "terms.csv").write_text("term,note\nbus,\n")
    (folder / "roster.csv").write_text("kind,name\nstudent,Ana Ruiz\n")
    seed = (
        b'text = "All about the bus"\nreceived_on = 2026-09-08\ntime_zone = "America/Los_Angeles"\n'
        b'window = { from = 2026-01-01, to = 2026-06-30 }\nterms = "terms.csv"\nroster = "roster.csv"\n'
        b'[[custodians]]\nid = "ruiz"\nname = "Ana Ruiz"\nrole = "x"\nemails = ["a@falls.example"]\n'
        b'[[sources]]\nid = "mail"\nconnector = "mail_files"\ncustodian = "ruiz"\npath = "x"\n'
        b'[[sources]]\nid = "m365"\nconnector = "microsoft_graph"\ncustodian = "ruiz"\nconnection = "m"\n'
        b'options = { accounts = "a" }\n'
    )
    return _texts("request.toml", [seed], load_request, folder)


def _sheet(folder: Path) -> Target:
    from openpyxl import Workbook

    from review.sheet_read import read_sheet

    columns = [
        "item_id",
        "public_record",
        "responsive",
        "treatment",
        "exemption_code",
        "explanation",
        "hold",
        "note",
    ]
    book = Workbook()
    book.active.append(columns)
    book.active.append(["abc", "yes", True, "release", "", "x", None, 3.5])
    out = io.BytesIO()
    book.save(out)
    lines = ",".join(columns).encode() + b'\r\nabc,yes,no,withhold,a,"b, c",,\r\n'
    return _texts("sheet", [lines, lines.decode().encode("utf-16"), out.getvalue()],
                  lambda path: list(read_sheet(path).rows), folder)  # fmt: skip


def _tables(folder: Path) -> Target:
    from connectors.export_tables import read_checksums, read_table, read_xml

    seeds = [
        b'\0Target path,Error,Sent\r\na/b.msg,none,3/4/2025 10:20:34 AM\r\n"x\ny",,\r\n',
        b"\1<?xml version='1.0'?><R><Document DocID='a'><Tag TagName='#To' TagValue='b'/></Document></R>",
        b"\2d41d8cd98f00b204e9800998ecf8427e  export-1.zip\r\nd41d8cd98f00b204e9800998ecf8427e *b.zip\n",
    ]

    def read(data: bytes) -> None:
        stream = io.BytesIO(data[1:])
        try:
            if data[:1] == b"\0":
                table = read_table(stream)
                Counter(len(row) for row in table.rows)
            elif data[:1] == b"\1":
                list(read_xml(stream, "Document"))
            else:
                read_checksums(stream)
        except DaylightError as error:
            _item_error(error)

    return Target(seeds, read)


READERS = (
    "mail", "msg", "tnef", "ole_object", "sms", "google_chat", "google_voice", "rsmf", "slack",
    "message_table", "printout", "whatsapp", "telegram", "snapchat", "discord", "ufdr", "signal",
    "signal_text", "imessage", "imessage_database", "imessage_exporter", "zoom_chat", "webvtt", "social",
    "teams", "twilio", "calendar", "zip", "gzip", "bzip2", "xz", "zstd", "tar", "archive", "not_opened",
    "cms", "text",
)  # fmt: skip
"""All of ``extract.registry`` but ``tika``, which is a library of others in a process of its own."""

SERVICES = frozenset({"exchange_ews", "google_workspace", "imap", "microsoft_graph", "twilio"})
"""Connectors that read no files."""

TARGETS: dict[str, Callable[[Path], Target]] = {
    "mbox": _mbox,
    "rtf": _rtf,
    "compound_files": _compound,
    "msg_writing": _msg_writing,
    "typedstream": _typedstream,
    "outlook_count": _outlook_count,
    "segments": _segments,
    "audit_lines": _audit_lines,
    "query": _query,
    "terms": _terms,
    "roster": _roster,
    "declarations_csv": partial(_declarations, ".csv"),
    "declarations_toml": partial(_declarations, ".toml"),
    "request_file": _request,
    "sheet": _sheet,
    "export_tables": _tables,
    **{f"read_{name}": partial(_extractor, name) for name in READERS},
    **{f"from_{name}": partial(_connector, name) for name in sorted(CONNECTORS.data) if name not in SERVICES},
}
"""By name; each loads what it needs when it is made, since all of it takes long under atheris."""
