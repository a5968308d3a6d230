"""The extract step: what it writes is what both databases take."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from extract.reading import WAVE_BYTES, KnownReadings, read_batch
from extract.registry import choose
from extract.worker_main import HEAD
from extract.workers import Result
from records import tables as t
from records.attempts import claim
from records.catalogue import Catalogue
from records.evidence import EvidenceStore
from records.ids import content_hash, family_hash, sha256_hex
from records.models import Address, Child, Extraction, Fields, Moment
from records.rows import insert_missing
from records.vocabulary import Basis, Kind, Step
from tests.extract import outlook_files, samples
from tests.records.homes import REQUEST, add_batch, new_catalogue


@pytest.fixture
def catalogue(tmp_path):
    made = new_catalogue(tmp_path)
    add_batch(made, "b000001")
    yield made
    made.close()


def one_mail(
    tmp_path, catalogue, item_id="top", batch_id="b000001", data=b"mail", name=None
) -> EvidenceStore:
    store = EvidenceStore(tmp_path / "evidence", catalogue, REQUEST)
    writer = store.writer(f"native-{item_id}")
    ref = writer.add(data)
    writer.sync()
    writer.close()
    top = {
        "request_id": REQUEST, "item_id": item_id, "batch_id": batch_id, "source_id": "s", "scope_key": "k",
        "custodian_id": "c", "connector": "x", "native_key": item_id, "family_id": item_id, "part_path": "",
        "level": 0, "position": 0, "kind": "email", "name": name, "state": "stored",
        "blob_sha256": ref.sha256, "size_bytes": len(data), "facts": '{"metadata":{},"warnings":[]}',
    }  # fmt: skip
    with catalogue.write() as connection:
        insert_missing(connection, t.blobs, store.rows([ref]))
        connection.execute(t.items.insert(), top)
    return store


class InProcess:
    """The readers themselves, without a worker."""

    def submit(self, jobs):
        for job in jobs:
            reader = choose(job.media_type, job.context.name, job.data[:HEAD])
            made = reader.extract(io.BytesIO(job.data), job.context)
            yield Result(job.job_id, reader.name, reader.version, made)


def test_a_mail_has_one_content_hash_as_mime_and_as_a_message_file(tmp_path, catalogue):
    header = outlook_files.HEADER + 'Content-Type: multipart/mixed; boundary="B"\n'
    body = (
        "--B\nContent-Type: text/plain; charset=utf-8\n\nThe route changes on Monday.\n\n--B\n"
        'Content-Type: text/csv; name="plan.csv"\nContent-Disposition: attachment\n'
        "Content-Transfer-Encoding: base64\n\nYSxiCg==\n--B--\n"
    )
    built = outlook_files.Built(
        {0x007D: header, 0x1000: "The route changes on Monday.\r\n"},
        outlook_files.MAIL.recipients,
        [{0x3705: 1, 0x3707: "plan.csv", 0x370E: "text/csv", 0x3701: b"a,b\n"}],
    )
    one_mail(tmp_path, catalogue, "mime", data=samples.mail(header, body)).close()
    store = one_mail(tmp_path, catalogue, "file", data=outlook_files.msg_file(built))
    attempt = claim(catalogue, REQUEST, "b000001", Step.EXTRACT)
    assert read_batch(attempt, store, InProcess(), zone=ZoneInfo("UTC")) == 4
    store.close()
    r = t.readings.c
    with catalogue.read() as connection:
        rows = connection.execute(
            sa.select(r.item_id, r.extractor, r.content_hash, r.mih, r.family_hash, r.kind).where(
                r.item_id.in_(["mime", "file"])
            )
        ).all()
    by_file, by_mime = sorted(rows)
    assert (by_file.extractor, by_mime.extractor) == ("msg", "mail")
    assert by_file.content_hash == by_mime.content_hash is not None
    assert by_file.mih == by_mime.mih is not None
    assert by_file.family_hash == by_mime.family_hash
    assert by_file.kind == by_mime.kind == "email"


def header_of(name: str, bcc: str = "") -> str:
    return (
        f"Message-ID: <{name}@cedarfalls.example>\nDate: Tue, 3 Mar 2026 09:00:00 -0800\n"
        f"From: Ana <ana@cedarfalls.example>\nTo: Lee <lee@cedarfalls.example>\n{bcc}"
        f"Subject: {name} of the bus\nMIME-Version: 1.0\n"
    )


TO_LEE = outlook_files.to("Lee", "lee@cedarfalls.example")
CSV = {0x3705: 1, 0x3707: "plan.csv", 0x370E: "text/csv", 0x3701: b"a,b\n"}


def message(name: str, words: str, *attached: Any, bcc: str = "") -> outlook_files.Built:
    """Return a message as Outlook keeps it."""
    header = header_of(name, bcc) + "Content-Type: multipart/mixed\n"
    people = [TO_LEE, *([outlook_files.to("Kim", "kim@cedarfalls.example", 3)] if bcc else [])]
    hung = [
        {0x3705: 5, 0x3001: f"{name} {at}", 0x3701: one} if isinstance(one, outlook_files.Built) else one
        for at, one in enumerate(attached)
    ]
    return outlook_files.Built({0x001A: "IPM.Note", 0x007D: header, 0x1000: f"{words}\r\n"}, people, hung)


def mime(name: str, words: str, *parts: str, bcc: str = "") -> str:
    """Return the same message in MIME, with parts as they stand there."""
    rule = f"B{name}"
    body = "".join(
        f"--{rule}\n{part}\n" for part in (f"Content-Type: text/plain; charset=utf-8\n\n{words}\n", *parts)
    )
    return f'{header_of(name, bcc)}Content-Type: multipart/mixed; boundary="{rule}"\n\n{body}--{rule}--\n'


PART = (
    'Content-Type: text/csv; name="plan.csv"\nContent-Disposition: attachment\n'
    "Content-Transfer-Encoding: base64\n\nYSxiCg==\n"
)


def carried(text: str) -> str:
    return f"Content-Type: message/rfc822\n\n{text}"


def hashes(
    folder: Path, catalogue: Catalogue, mails: dict[str, bytes], footers: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read mails as top items; return the rows of their readings."""
    for name, data in mails.items():
        store = one_mail(
            folder, catalogue, name, data=data, name=f"{name}.{'eml' if data[:1] == b'M' else 'msg'}"
        )
        if name != [*mails][-1]:
            store.close()
    attempt = claim(catalogue, REQUEST, "b000001", Step.EXTRACT)
    read_batch(attempt, store, InProcess(), zone=ZoneInfo("UTC"), footers=footers)
    store.close()
    with catalogue.read() as connection:
        rows = connection.execute(sa.select(t.readings).where(t.readings.c.item_id.in_(mails))).all()
    assert len(rows) == len(mails)
    return {row.item_id: row for row in rows}


def test_an_attached_message_counts_by_its_content_on_every_route(tmp_path, catalogue):
    """As MIME it has other bytes and no name; the message that it carries itself counts in it."""
    notice = mime("notice", "The bus is late.", PART)
    notice_file = message("notice", "The bus is late.", CSV)
    other = mime("notice", "The bus is late.", PART.replace("YSxiCg==", "YSxjCg=="))
    found = hashes(
        tmp_path,
        catalogue,
        {
            "mime": mime("top", "See below.", carried(mime("inner", "See there.", carried(notice)))).encode(),
            "crlf": mime("top", "See below.", carried(mime("inner", "See there.", carried(notice))))
            .replace("\n", "\r\n")
            .encode(),
            "file": outlook_files.msg_file(
                message("top", "See below.", message("inner", "See there.", notice_file))
            ),
            "other": mime("top", "See below.", carried(mime("inner", "See there.", carried(other)))).encode(),
        },
    )
    assert {name: row.children for name, row in found.items()} == dict.fromkeys(found, 1)
    ways = {name: (row.content_hash, row.family_hash) for name, row in found.items()}
    assert ways["mime"] == ways["crlf"] == ways["file"]
    assert not set(ways["mime"]) & set(ways["other"])
    assert {row.family_hash_no_bcc for row in found.values()} == {None}


def test_the_hash_of_a_family_with_attached_messages_is_that_of_the_recipe(tmp_path, catalogue):
    row = hashes(
        tmp_path, catalogue, {"mime": mime("top", "See.", carried(mime("inner", "Late.", PART))).encode()}
    )["mime"]
    about = {
        "sent_at": datetime(2026, 3, 3, 17, tzinfo=UTC), "sender": "ana@cedarfalls.example",
        "recipients": ["lee@cedarfalls.example"],
    }  # fmt: skip
    csv = sha256_hex(b"a,b\n")
    inner = content_hash(**about, subject="inner of the bus", body="Late.", attachments=[("plan.csv", csv)])
    top = content_hash(**about, subject="top of the bus", body="See.", attachments=[("", inner)])
    assert row.content_hash == top
    assert row.family_hash == family_hash(top, [inner, csv])


def test_copies_that_differ_in_bcc_are_the_same_without_it(tmp_path, catalogue):
    """Of the message itself and of one that it carries; without any Bcc nothing more is kept."""
    bcc = "Bcc: Kim <kim@cedarfalls.example>\n"
    found = hashes(
        tmp_path,
        catalogue,
        {
            "sent": mime("top", "See.", PART, bcc=bcc).encode(),
            "got": mime("top", "See.", PART).encode(),
            "file": outlook_files.msg_file(message("top", "See.", CSV, bcc=bcc)),
            "outer": mime("out", "See.", carried(mime("top", "See.", PART, bcc=bcc))).encode(),
            "outer got": mime("out", "See.", carried(mime("top", "See.", PART))).encode(),
        },
    )
    assert found["sent"].family_hash == found["file"].family_hash != found["got"].family_hash
    assert found["sent"].family_hash_no_bcc == found["file"].family_hash_no_bcc == found["got"].family_hash
    assert found["outer"].family_hash != found["outer got"].family_hash
    assert found["outer"].family_hash_no_bcc == found["outer got"].family_hash
    assert found["got"].family_hash_no_bcc is found["outer got"].family_hash_no_bcc is None


def test_footers_are_left_out_of_the_hash_and_it_is_recorded(tmp_path, catalogue):
    """The text keeps them; in the middle, where a reply quotes one, they stay in the hash too."""
    footer = "CAUTION: this message came from outside of the district!"
    more = "Under RCW 42.56 this may be a public record."
    found = hashes(
        tmp_path,
        catalogue,
        {
            "plain": mime("top", "See you.").encode(),
            "ends": mime("top", f"See you.\n\n{footer}\n{more}").encode(),
            "both": mime("top", f"{footer}\n{footer}\nSee you.\n{more}").encode(),
            "other": mime("top", f"{footer.upper()}\nSee you.").encode(),
            "middle": mime("top", f"See\n{footer}\nyou.").encode(),
            "empty": mime("top", f"{footer}").encode(),
        },
        (footer, more),
    )
    assert found["ends"].content_hash == found["both"].content_hash == found["plain"].content_hash
    assert len({found[name].content_hash for name in ("plain", "other", "middle", "empty")}) == 4
    facts = {name: json.loads(row.facts)["metadata"] for name, row in found.items()}
    assert {name: fact.get("footers_left_out") for name, fact in facts.items()} == {
        "plain": None, "ends": "2", "both": "3", "other": None, "middle": None, "empty": "1",
    }  # fmt: skip
    assert len({row.text_sha256 for row in found.values()}) == 6


class NulEverywhere:
    """A reader that gives U+0000 in every name it may come in."""

    def submit(self, jobs):
        for job in jobs:
            child = Child("1\0", "a\0b.txt", "text/\0plain", Kind.FILE, b"x")
            made = Extraction("text", fields=Fields(subject="s\0", moment=Moment(None, "d\0", Basis.NONE)))
            if job.context.depth == 0:
                made = Extraction("text", fields=made.fields, children=(child,))
            yield Result(job.job_id, "fake", "1", made)


def test_no_nul_reaches_a_column(tmp_path, catalogue):
    store = one_mail(tmp_path, catalogue)
    attempt = claim(catalogue, REQUEST, "b000001", Step.EXTRACT)
    assert read_batch(attempt, store, NulEverywhere(), zone=ZoneInfo("UTC")) == 2
    store.close()
    with catalogue.read() as connection:
        for table in (t.items, t.readings):
            for row in connection.execute(sa.select(table)):
                assert not [name for name, value in row._mapping.items() if "\0" in str(value)]
        child = connection.execute(sa.select(t.items).where(t.items.c.level == 1)).one()
    assert (child.name, child.media_type, child.part_path) == ("a\ufffdb.txt", "text/\ufffdplain", "1\ufffd")


class Unpacking:
    """A reader whose one mail carries a hundred attachments of a megabyte each."""

    def __init__(self):
        self.handed = []

    def submit(self, jobs):
        self.handed.append(sum(len(job.data) for job in jobs))
        for job in jobs:
            children = ()
            if job.context.depth == 0:
                children = tuple(
                    Child(str(n), None, "text/plain", Kind.FILE, b"%07d" % n * 150_000) for n in range(100)
                )
            yield Result(job.job_id, "fake", "1", Extraction("text", children=children))


def test_what_a_worker_is_handed_at_once_is_bounded(tmp_path, catalogue):
    store = one_mail(tmp_path, catalogue)
    attempt = claim(catalogue, REQUEST, "b000001", Step.EXTRACT)
    reader = Unpacking()
    assert read_batch(attempt, store, reader, zone=ZoneInfo("UTC")) == 101
    store.close()
    assert sum(reader.handed) == 4 + 100 * 1_050_000
    assert max(reader.handed) <= WAVE_BYTES


class Repeating:
    """A reader that gives two parts the same place."""

    def submit(self, jobs):
        for job in jobs:
            parts = [Child("1", name, "text/plain", Kind.FILE, name.encode()) for name in ("a", "b", "c")]
            yield Result(
                job.job_id, "fake", "1", Extraction("x", children=() if job.context.depth else (*parts,))
            )


def test_two_parts_at_one_place_are_two_items(tmp_path, catalogue):
    store = one_mail(tmp_path, catalogue)
    attempt = claim(catalogue, REQUEST, "b000001", Step.EXTRACT)
    assert read_batch(attempt, store, Repeating(), zone=ZoneInfo("UTC")) == 4
    store.close()
    with catalogue.read() as connection:
        kept = sa.select(t.items.c.part_path, t.items.c.name).where(t.items.c.level == 1)
        found = connection.execute(kept.order_by(t.items.c.position)).all()
    assert [tuple(row) for row in found] == [("1", "a"), ("1#2", "b"), ("1#3", "c")]


class OneAttachment:
    """A reader whose mails all carry the same file; keeps what it was asked."""

    def __init__(self):
        self.depths = []

    def submit(self, jobs):
        for job in jobs:
            self.depths.append(job.context.depth)
            children = (Child("1", "menu.txt", "text/plain", Kind.FILE, b"soup", {"cid": "a"}),)
            made = Extraction("text", children=() if job.context.depth else children)
            yield Result(job.job_id, "fake", "1", made)


@pytest.mark.parametrize("handles", [(), ("+15095550101",)])
def test_a_file_sent_to_many_is_read_once_for_all_batches_of_one_owner(tmp_path, catalogue, handles):
    add_batch(catalogue, "b000002")
    reader, known = OneAttachment(), KnownReadings()
    for item_id, batch_id, owner in (("top", "b000001", ()), ("other", "b000002", handles)):
        store = one_mail(tmp_path, catalogue, item_id, batch_id)
        attempt = claim(catalogue, REQUEST, batch_id, Step.EXTRACT)
        zone = ZoneInfo("UTC")
        assert read_batch(attempt, store, reader, zone=zone, owner_handles=owner, known=known) == 2
        store.close()
    assert reader.depths == ([0, 1, 0, 1] if handles else [0, 1, 0])
    with catalogue.read() as connection:
        texts = connection.execute(
            sa.select(t.readings.c.text_sha256)
            .join(t.items, t.items.c.item_id == t.readings.c.item_id)
            .where(t.items.c.level == 1)
        ).all()
    assert len(texts) == 2
    assert texts[0] == texts[1]


class LinkBehindWords:
    """A reader of a mail with a file behind its words, or without."""

    def __init__(self, *links):
        self.links = links

    def submit(self, jobs):
        sender = Address("", "ann@falls.example")
        fields = Fields(subject="s", sender=sender, to=(sender,), moment=Moment(None, "", Basis.NONE))
        for job in jobs:
            made = Extraction("See the plan.", kind=Kind.EMAIL, fields=fields, links=self.links)
            yield Result(job.job_id, "fake", "1", made)


def test_a_link_behind_words_is_stored_and_changes_no_content_hash(tmp_path, catalogue):
    found = []
    for number, links in enumerate([(), ("https://docs.google.com/d/1",)], 1):
        batch = f"b{number:06d}"
        if number > 1:
            add_batch(catalogue, batch)
        store = one_mail(tmp_path, catalogue, f"top{number}", batch)
        read_batch(
            claim(catalogue, REQUEST, batch, Step.EXTRACT),
            store,
            LinkBehindWords(*links),
            zone=ZoneInfo("UTC"),
        )
        with catalogue.read() as connection:
            row = connection.execute(sa.select(t.readings).where(t.readings.c.batch_id == batch)).one()
        (ref,) = store.find([row.text_sha256]).values()
        found.append((row.content_hash, row.text_state, store.read(ref).decode()))
        store.close()
    assert found[0][0] == found[1][0] is not None
    assert [text for _, _, text in found] == [
        "See the plan.", "See the plan.\n\n<https://docs.google.com/d/1>",
    ]  # fmt: skip
    assert {state for _, state, _ in found} == {"searchable"}


class Carrying:
    """A reader whose mail carries one attachment."""

    def __init__(self, attached):
        self.attached = attached

    def submit(self, jobs):
        sender = Address("", "ann@falls.example")
        fields = Fields(subject="s", sender=sender, to=(sender,), moment=Moment(None, "", Basis.NONE))
        for job in jobs:
            children = (Child("1", "a.csv", "text/csv", Kind.FILE, self.attached),)
            made = Extraction("See the list.", kind=Kind.EMAIL, fields=fields, children=children)
            yield Result(job.job_id, "fake", "1", Extraction("x") if job.context.depth else made)


def test_line_ends_and_mbox_quoting_of_an_attachment_change_no_content_hash(tmp_path, catalogue):
    """It was not encoded, so it has those of the route; with a NUL it was, and each byte counts."""
    sent = b"a,1\r\nFrom here\r\n>From there\r\n"
    hashes = []
    for number, attached in enumerate(
        [sent, b"a,1\nFrom here\n>From there\n", b"a,1\n>From here\n>>From there\n", b"a,1\n From here\n",
         sent + b"\0", b"a,1\nFrom here\n>From there\n\0"], 1,
    ):  # fmt: skip
        batch = f"b{number:06d}"
        if number > 1:
            add_batch(catalogue, batch)
        store = one_mail(tmp_path, catalogue, f"top{number}", batch)
        attempt = claim(catalogue, REQUEST, batch, Step.EXTRACT)
        assert read_batch(attempt, store, Carrying(attached), zone=ZoneInfo("UTC")) == 2
        store.close()
        with catalogue.read() as connection:
            r = t.readings.c
            found = sa.select(r.content_hash).where(r.batch_id == batch, r.content_hash.is_not(None))
            hashes.append(connection.scalar(found))
    assert None not in hashes
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes)) == 4
