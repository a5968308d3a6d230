"""One suite over every reader: what the protocol promises, whatever the format.

A new reader joins by a line in ``extract.registry`` and an entry of samples here.
"""

from __future__ import annotations

import bz2
import io
import lzma
import random
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from extract.protocol import ExtractContext, Extractor
from extract.registry import EXTRACTORS, choose
from extract.worker_main import HEAD
from extract.workers import Job, Worker
from records.errors import ItemError
from records.models import Extraction
from records.vocabulary import Reason
from tests.extract import archive_files, outlook_files, samples
from tests.extract.samples import ZONE

pytestmark = pytest.mark.contract

MARKER = b"Zyzzyva"
"""A word that must never reach an error message."""

Sample = tuple[str | None, str | None, bytes]

SAMPLES: dict[str, list[Sample]] = {
    "mail": [
        (None, "message/rfc822", samples.SIMPLE.replace(b"Monday", MARKER)),
        ("a.eml", None, samples.NESTED),
        ("note", "application/octet-stream", samples.SIMPLE),
    ],
    "msg": [
        ("a.msg", None, outlook_files.simple_msg()),
        (None, "application/vnd.ms-outlook", outlook_files.simple_msg()),
    ],
    "tnef": [
        ("winmail.dat", "application/octet-stream", outlook_files.simple_tnef()),
        (None, "application/ms-tnef", outlook_files.simple_tnef()),
    ],
    "ole_object": [
        (
            "Untitled Attachment",
            "application/x-ole-object",
            outlook_files.object_with("\1Ole10Native", outlook_files.package("Zyzzyva.txt", MARKER * 9)),
        ),
        (None, "application/x-ole-object", outlook_files.object_with("CONTENTS", b"BM" + bytes(200))),
    ],
    "sms": [(None, "application/x-sms-backup-restore+xml", one) for one in (samples.SMS, samples.MMS,
    samples.CALL)],
    "calendar": [("invite.ics", "text/calendar", samples.CALENDAR), (None, "text/plain", samples.CALENDAR)],
    "google_chat": [
        (
            None,
            "application/x-google-chat-message+json",
            b'{"creator": {"name": "Ana", "email": "ana@example.org"}, "created_date": '
            b'"Monday, March 2, 2026 at 5:15:00 PM UTC", "text": "Zyzzyva"}',
        )
    ],
    "google_voice": [
        (None, "application/x-google-voice+html", samples.VOICE_TEXT),
        (None, "application/x-google-voice+html", samples.VOICE_CALL),
    ],
    "rsmf": [
        (
            None,
            "application/x-rsmf-event+json",
            b'{"type": "message", "id": 1, "participant": "l", "timestamp": "2025-03-04T18:20:34Z", '
            b'"body": "Zyzzyva", "edits": [{"participant": "l", "previous": "Zyzz"}]}',
        )
    ],
    "slack": [
        (
            None,
            "application/x-slack-message+json",
            b'{"type": "message", "user": "U1", "text": "Zyzzyva <@U2>", "ts": "1741112434.000100", '
            b'"files": [{"id": "F1", "name": "a.pdf"}], "reactions": [{"name": "ok", "users": ["U2"]}]}',
        )
    ],
    "message_table": [(None, "application/x-message-table-row", b'3/4/25,Lee,"Zyzzyva\n at nine"\r\n')],
    "printout": [
        (
            None,
            "application/x-transcript-message+json",
            b'{"fields":{"body":"Zyzzyva","sender":"Ana","sent_at":"9:05 AM"},"lines":[{"line":1,"page":1,'
            b'"text":"9:05 AM Ana"}],"schema":"transcript-message/1"}',
        )
    ],
    "whatsapp": [(None, "application/x-whatsapp-message", b"3/4/25, 9:05 AM - Ana: Zyzzyva\n")],
    "telegram": [
        (
            None,
            "application/x-telegram-message+json",
            b'{"id": 7, "type": "message", "date": "2025-03-04T10:20:34", "date_unixtime": "1741112434", '
            b'"from": "Lee", "from_id": "user2", "text": ["Zyzzyva ", {"type": "text_link", "text": "a", '
            b'"href": "https://example.org/"}], "poll": {"question": "when?", "answers": [{"text": "now"}]}}',
        )
    ],
    "discord": [
        (
            None,
            "application/x-discord-message+json",
            b'{"ID": 897870239797215243, "Timestamp": "2021-10-13 15:35:46", "Contents": "Zyzzyva", '
            b'"Attachments": ""}',
        )
    ],
    "ufdr": [
        (
            None,
            "application/x-cellebrite-model+xml",
            b'<model type="InstantMessage" id="1" deleted_state="Intact"><field name="Body" type="String">'
            b'<value type="String"><![CDATA[Zyzzyva & <b>]]></value></field><modelField name="From">'
            b'<model type="Party"><field name="Identifier"><value>+14255550101</value></field></model>'
            b"</modelField></model>",
        )
    ],
    "snapchat": [
        (
            None,
            "application/x-snapchat-message+json",
            b'{"From": "rosa.d", "Media Type": "TEXT", "Created": "2025-03-04 18:20:34 UTC", "Content": '
            b'"Zyzzyva", "Conversation Title": null, "IsSender": false, "IsSaved": true, "Media IDs": ""}',
        )
    ],
    "signal": [
        (
            None,
            "application/x-signal-frame+json",
            b'{"chatItem":{"chatId":"1","authorId":"3","dateSent":"1741112434000","standardMessage":{"text":'
            b'{"body":"Zyzzyva \\ufffc","bodyRanges":[{"start":8,"length":1,"mentionAci":"AA=="}]}},'
            b'"revisions":[{"dateSent":"1741112430000","standardMessage":{"text":{"body":"Zy"}}}]}}',
        )
    ],
    "signal_text": [
        (None, "application/x-signal-message", b"[2025-03-04, 10:20] Lee: Zyzzyva\n(- Me: x -)\n"),
    ],
    "imessage": [
        (
            None,
            "application/x-imessage-row+json",
            b'{"schema": "imessage-row/1", "row": 1, "message": {"guid": "M", "date": 762805234, "text": '
            b'"Zyzzyva"}, "handles": {"handle_id": {"id": "+14255550101"}}, "chats": [{"guid": "c"}]}',
        )
    ],
    "imessage_exporter": [
        (None, "application/x-imessage-exporter-message", b"Mar 04, 2025 10:20:34 AM\nAna\nZyzzyva\n\n"),
    ],
    "imessage_database": [("chat.db", "application/x-imessage-database", b"SQLite format 3\0" + MARKER * 50)],
    "zoom_chat": [
        (None, "application/x-zoom-message", b"10:20:34\t From Ana to Everyone : Zyzzyva\n"),
        (None, "application/x-zoom-message", b"00:21:14\tAna:\tZyzzyva\r\n"),
    ],
    "webvtt": [
        ("a.vtt", "text/vtt", b"WEBVTT\n\n1\n00:00.000 --> 00:01.000\n<v Ana>Zyzzyva</v>\n"),
        (None, None, b"\xef\xbb\xbfWEBVTT\r\n\r\n00:00.000 --> 00:01.000\r\nAna: Zyzzyva\r\n"),
    ],
    "social": [
        (
            None,
            "application/x-social-record+json",
            b'{"timestamp_ms": 1741112434000, "sender_name": "Ana", "content": "Zyzzyva caf\\u00c3\\u00a9"}',
        ),
        (
            None,
            "application/x-social-record+html",
            b"<div><div>Ana</div><div><p>Zyzzyva</p></div><div>Sep 13, 2020, 12:26 PM</div></div>",
        ),
    ],
    "teams": [
        (
            None,
            "application/x-teams-message+json",
            b'{"id": "1741112434864", "chatId": "19:a@thread.v2", "createdDateTime": '
            b'"2025-03-04T18:20:34.864Z", "from": {"user": {"id": "u1", "displayName": "Ana"}}, '
            b'"body": {"contentType": "html", "content": "<p>Zyzzyva</p>"}, '
            b'"attachments": [{"id": "q", "contentType": "messageReference", "content": '
            b'"{\\"messagePreview\\": \\"before\\"}"}], "hostedContents": [{"id": "x", "contentBytes": '
            b'"iVBORw0KGgo=", "contentType": "image/png"}]}',
        )
    ],
    "twilio": [
        (None, "application/x-twilio-message+json", b'{"sid": "SM1", "from": "+1425", "body": "Zyzzyva"}')
    ],
    "zip": [
        ("a.zip", "application/zip", samples.zip_of([("Zyzzyva.txt", MARKER * 50), ("b.pdf", b"%PDF")])),
        (None, None, samples.locked_zip([("a.txt", MARKER)])),
    ],
    "gzip": [
        ("a.txt.gz", None, samples.gz(MARKER * 50)),
        (None, "application/gzip", samples.gz(b"x", "inner")),
    ],
    "bzip2": [("Zyzzyva.txt.bz2", None, bz2.compress(MARKER * 50)), (None, None, bz2.compress(b"x"))],
    "xz": [("a.txt.xz", "application/x-xz", lzma.compress(MARKER * 50))],
    "zstd": [("a.txt.zst", None, zstandard.compress(MARKER * 50))],
    "tar": [
        ("a.tar", None, archive_files.tar_of([("Zyzzyva.txt", MARKER * 50), ("b.pdf", b"%PDF")])),
        (None, None, archive_files.tar_of([("a.txt", MARKER)], tarfile.USTAR_FORMAT)),
    ],
    "archive": archive_files.samples(MARKER),
    "not_opened": [
        ("a.7z.002", None, bytes(range(256))),
        ("disk.vhdx", None, b"vhdxfile" + bytes(600)),
    ],
    "cms": [
        ("smime.p7m", None, samples.cms_signed(samples.SIMPLE)),
        (None, "application/pkcs7-mime", samples.cms_enveloped()),
        ("a.asc", "text/plain", b"-----BEGIN PGP MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----\n"),
    ],
    "text": [
        ("a.txt", "text/plain", MARKER * 20),
        ("a.html", "text/html", b"<p>" + MARKER),
        ("a.json", None, b'{"a": "Zyzzyva\\u00e9"}'),
        ("a.xml", "application/xml", b"<?xml version='1.0'?><a>Zyzzyva</a>"),
        ("a.csv", None, b"a,b\n1,2\n"),
        (None, None, "Zyzzyva in two bytes".encode("utf-16")),
    ],
    "tika": [
        ("a.pdf", "application/pdf", samples.text_pdf()),
        ("scan.pdf", None, samples.pdf()),
        ("a.docx", None, samples.plain_docx()),
        ("a.xlsx", "application/octet-stream", samples.xlsx()),
        ("a.png", "image/png", samples.picture("PNG")),
        ("a.rtf", "text/rtf", rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 Zyzzyva\par}"),
    ],
}  # fmt: skip

if not archive_files.HAS_LIBRARY:
    del SAMPLES["archive"]  # an optional library of the system

ALL = [(reader, sample) for reader, group in SAMPLES.items() for sample in group]
EACH = pytest.mark.parametrize(("reader", "sample"), ALL, ids=[f"{r}{n}" for n, (r, _) in enumerate(ALL)])


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as one:
        yield one


def job(number: int, sample: Sample, data: bytes | None = None) -> Job:
    name, media_type, whole = sample
    context = ExtractContext(name, media_type, ZONE, ("+14255550100",))
    return Job(number, whole if data is None else data, context, media_type)


def holds_to_the_protocol(got: Extraction) -> None:
    got.text.encode("utf-8")
    assert "\0" not in got.text
    assert "\r" not in got.text
    assert list(got.warnings) == sorted(set(got.warnings))
    paths = [child.part_path for child in got.children]
    assert len(paths) == len(set(paths))
    assert all(re.fullmatch(r"[0-9]+(\.u?[0-9]+)*", path) for path in paths)
    for child in got.children:
        assert (child.data is None) is (child.failure is not None)
        assert child.media_type == child.media_type.lower()
        assert child.name is None or "\0" not in child.name
    assert list(got.needs_ocr_pages) == sorted(set(got.needs_ocr_pages))
    assert all(page >= 1 for page in got.needs_ocr_pages)
    assert got.pages is None or not got.needs_ocr_pages or max(got.needs_ocr_pages) <= got.pages
    if got.failure is not None:
        assert re.fullmatch(r"[A-Za-z0-9_]{0,60}", got.failure.detail)
        assert MARKER.decode() not in got.failure.detail
    for key, value in got.metadata.items():
        assert "\0" not in key + value


def test_every_reader_has_samples_and_a_name_of_its_own() -> None:
    names = [reader.name for reader in EXTRACTORS]
    assert sorted(names) == sorted({*SAMPLES, "archive"})
    assert len(names) == len(set(names))
    assert all(isinstance(reader, Extractor) and reader.version for reader in EXTRACTORS)


@EACH
def test_the_right_reader_is_chosen(reader: str, sample: Sample) -> None:
    name, media_type, data = sample
    chosen = choose(media_type, name, data[:HEAD])
    assert chosen is not None
    assert chosen.name == reader


@EACH
def test_a_sample_is_read_and_gives_the_same_again(worker: Worker, reader: str, sample: Sample) -> None:
    first, second = worker.submit([job(1, sample), job(2, sample)])
    assert (first.extractor_name, second.extractor_name) == (reader, reader)
    assert first.extraction == second.extraction
    failure = first.extraction.failure
    if reader == "not_opened":
        assert failure is not None
        assert failure.reason is Reason.UNSUPPORTED
    else:
        assert failure is None or failure.reason is Reason.ENCRYPTED
    holds_to_the_protocol(first.extraction)
    name, media_type, _ = sample
    if reader != "tika":  # what passed through the pipes is what the reader gave
        direct = choose(media_type, name, sample[2][:HEAD])
        assert direct is not None
        got = direct.extract(io.BytesIO(sample[2]), job(1, sample).context)
        assert got == first.extraction


QUICK = [pytest.param(name, marks=[pytest.mark.slow] if name == "tika" else []) for name in SAMPLES]


@pytest.mark.parametrize("reader", QUICK)
def test_damage_is_a_result_and_never_a_crash(worker: Worker, reader: str) -> None:
    dice = random.Random(reader)
    jobs = []
    for sample in SAMPLES[reader]:
        data = sample[2]
        cuts = sorted({0, 1, 4, *(dice.randrange(len(data)) for _ in range(14)), len(data) - 1})
        damaged = [data[:cut] for cut in cuts]
        for _ in range(10):
            changed = bytearray(data)
            for _ in range(1 + len(data) // 500):
                changed[dice.randrange(len(data))] = dice.randrange(256)
            damaged.append(bytes(changed))
        jobs.extend(job(len(jobs) + n, sample, one) for n, one in enumerate(damaged))
    results = list(worker.submit(jobs))
    assert [result.job_id for result in results] == [one.job_id for one in jobs]
    for result in results:
        holds_to_the_protocol(result.extraction)
        if result.extraction.failure is not None:
            assert result.extraction.failure.reason in (
                Reason.CORRUPT, Reason.TRUNCATED, Reason.ENCRYPTED, Reason.UNSUPPORTED, Reason.BOMB,
            )  # fmt: skip


@pytest.mark.parametrize("reader", [name for name in SAMPLES if name != "tika"])
def test_errors_are_item_errors_without_content(reader: str) -> None:
    chosen = next(one for one in EXTRACTORS if one.name == reader)
    dice = random.Random(reader)
    for sample in SAMPLES[reader]:
        for _ in range(60):
            data = bytearray(sample[2][: dice.randrange(len(sample[2]) + 1)])
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
            try:
                chosen.extract(io.BytesIO(bytes(data)), job(1, sample).context)
            except ItemError as error:
                message = f"{error} {error.detail}"
                assert MARKER.decode() not in message


@pytest.mark.parametrize("reader", SAMPLES)
def test_nothing_is_written(
    reader: str, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(Path(tempfile.gettempdir()).glob("apache-tika*"))
    monkeypatch.chdir(tmp_path)
    for number, sample in enumerate(SAMPLES[reader]):
        path = tmp_path / f"sample{number}"
        path.write_bytes(sample[2])
        path.chmod(0o444)
        _, media_type, data = sample
        (by_path,) = worker.submit([Job(1, str(path), job(1, sample).context, media_type)])
        (by_bytes,) = worker.submit([job(2, sample)])
        assert by_path.extraction == by_bytes.extraction
        assert path.read_bytes() == data
    assert len(list(tmp_path.iterdir())) == len(SAMPLES[reader])
    assert set(Path(tempfile.gettempdir()).glob("apache-tika*")) <= before


def test_a_stream_is_left_to_its_opener() -> None:
    for reader, group in SAMPLES.items():
        chosen = next(one for one in EXTRACTORS if one.name == reader)
        if reader == "tika":
            continue  # only in a worker process
        stream = io.BytesIO(group[0][2])
        chosen.extract(stream, job(1, group[0]).context)
        assert not stream.closed
