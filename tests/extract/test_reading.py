"""The extract step: what it writes is what both databases take."""

from __future__ import annotations

import io
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from extract.reading import WAVE_BYTES, KnownReadings, read_batch
from extract.registry import choose
from extract.worker_main import HEAD
from extract.workers import Result
from records import tables as t
from records.attempts import claim
from records.evidence import EvidenceStore
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


def one_mail(tmp_path, catalogue, item_id="top", batch_id="b000001", data=b"mail") -> EvidenceStore:
    store = EvidenceStore(tmp_path / "evidence", catalogue, REQUEST)
    writer = store.writer(f"native-{item_id}")
    ref = writer.add(data)
    writer.sync()
    writer.close()
    top = {
        "request_id": REQUEST, "item_id": item_id, "batch_id": batch_id, "source_id": "s", "scope_key": "k",
        "custodian_id": "c", "connector": "x", "native_key": item_id, "family_id": item_id, "part_path": "",
        "level": 0, "position": 0, "kind": "email", "state": "stored", "blob_sha256": ref.sha256,
        "size_bytes": len(data), "facts": '{"metadata":{},"warnings":[]}',
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
