"""Real files: what SOURCES.md says a correct reader finds, and that both mail readers agree."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from examples.servers.tika import tika
from extract.mail import MailReader, Node, read_message, tree_of
from extract.tika_server import ServedWorker
from extract.workers import Job, Result, Worker
from records.models import Failure
from records.vocabulary import Kind, Reason
from tests.extract.samples import ZONE, context

pytestmark = pytest.mark.corpus

CORPUS = Path(os.environ.get("DAYLIGHT_CORPUS", "."))
FORMATS = CORPUS / "formats"

MAIL = re.compile(
    r"\| (\S+) \| \S+: .*?\| [^|]+ \| 1 mail, (\S+), (\d+) leaf parts, (\d+) named(?: \(([^)]*)\))?; "
    r'subject "(.*?)"; Date "(.*?)"'
)

OTHER_SUBJECTS = {
    # The list shows the raw bytes as unreadable; they are UTF-8.
    "tika_testRFC822-ARC": "Facture à regler pour le cabinet ABC Avocats - Stage RC des avocats",
    # The list writes "/" for the "|" of the subject, which would end the table's cell.
    "tika_testRFC822_oddfrom": "Air Permit Programs | Air & Radiation | US EPA",
}


def listed() -> list[tuple[str, ...]]:
    source = CORPUS / "SOURCES.md"
    if not source.exists():
        return []
    return [found.groups() for line in source.read_text().splitlines() if (found := MAIL.match(line))]


def leaves(node: Node) -> Iterator[Node]:
    if node.content is not None:
        yield node
    for child in node.children:
        yield from leaves(child)


def path_of(name: str) -> Path:
    first = FORMATS / "eml" / name
    return first if first.exists() else FORMATS / "emlx" / name


def one_space(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("row", listed(), ids=[row[0] for row in listed()])
def test_listed_mail(row: tuple[str, ...]) -> None:
    name, media_type, count, named, names, subject, date = row
    data = path_of(name).read_bytes()
    assert (MailReader().score(None, name, data[:4096]) or 0) >= 60
    got = read_message(data, context(name))
    root = tree_of(data, "auto", set())
    parts = list(leaves(root))
    assert len(parts) == int(count)
    assert root.media_type == media_type or name.endswith(".emlx")
    found = [part.name for part in parts if part.name]
    assert (len(found), ", ".join(found)) == (int(named), names or "")
    if name in OTHER_SUBJECTS:
        assert got.fields.subject == OTHER_SUBJECTS[name]
    else:
        assert got.fields.subject[:60].strip() == subject.strip()
    assert (got.fields.moment.text or "none") == one_space(date)


def all_mail() -> list[Path]:
    files = [*CORPUS.glob("enron-a/*.eml"), *FORMATS.glob("eml/*"), *FORMATS.glob("emlx/*")]
    return sorted(files)


def test_both_mail_readers_agree() -> None:
    files = all_mail()
    assert len(files) == 1103
    differ = []
    for path in files:
        data = path.read_bytes()
        if read_message(data, context(path.name), "fast") != read_message(data, context(path.name), "stdlib"):
            differ.append(path.name)
    assert differ == []


def read_all(paths: list[Path]) -> list[Result]:
    jobs = [Job(n, str(path), context(path.name), None) for n, path in enumerate(paths)]
    with Worker() as worker:
        return list(worker.submit(jobs))


def test_every_enron_file_is_read_or_has_a_reason() -> None:
    paths = sorted((CORPUS / "enron-a").iterdir())
    results = read_all(paths)
    assert len(results) == 1160
    readers = Counter(result.extractor_name for result in results)
    assert readers["mail"] == 1074
    failed = {
        paths[r.job_id].suffix: r.extraction.failure for r in results if r.extraction.failure is not None
    }
    assert failed == {}
    empty = [paths[r.job_id].name for r in results if r.extractor_name != "mail" and not r.extraction.text]
    waiting = [paths[r.job_id].name for r in results if r.extraction.needs_ocr_pages]
    assert set(empty) <= set(waiting)


def test_calendar() -> None:
    (result,) = read_all([FORMATS / "ics" / "tika_testICalendar.ics"])
    fields = result.extraction.fields
    assert fields is not None
    assert fields.subject == "Susi Hyldgaard - Festival International de Jazz de Montréal"
    assert fields.moment.at is not None
    assert fields.moment.at.isoformat() == "2001-07-01T21:30:00+00:00"
    assert result.extraction.metadata["method"] == "PUBLISH"


def test_smime() -> None:
    names = [
        "tika_testDetached.p7s",
        "tika_testPKCS7_enveloped_def.p7m",
        "tika_testPKCS7_signed_data_def.p7m",
        "tika_testPKCS7_signed_data_ind.p7m",
    ]
    detached, enveloped, definite, indefinite = (
        result.extraction for result in read_all([FORMATS / "smime" / name for name in names])
    )
    assert (detached.children, detached.failure) == ((), None)
    assert enveloped.failure is not None
    assert enveloped.failure.reason is Reason.ENCRYPTED
    assert [c.data for c in definite.children] == [c.data for c in indefinite.children]
    assert len(definite.children) == 1


def test_a_locked_zip_within_a_mail() -> None:
    data = (FORMATS / "eml" / "tika_testRFC822_encrypted_zip").read_bytes()
    (child,) = read_message(data, context()).children
    with Worker() as worker:
        (result,) = worker.submit(
            [Job(1, child.data or b"", context(child.name, child.media_type), child.media_type)]
        )
    assert (result.extractor_name, result.extraction.failure is not None) == ("zip", True)
    assert result.extraction.failure is not None
    assert result.extraction.failure.reason is Reason.ENCRYPTED


def test_texts_of_the_backup_samples() -> None:
    assert ZONE.key == "America/Los_Angeles"
    source = (FORMATS / "sms-backup-restore" / "msgvault_literal_2.xml").read_bytes()
    element = re.search(rb"<mms\b.*?</mms>", source, re.DOTALL)
    assert element is not None
    with Worker() as worker:
        (result,) = worker.submit(
            [Job(1, element.group(), context(), "application/x-sms-backup-restore+xml")]
        )
    got = result.extraction
    assert got.fields is not None
    assert (got.text, got.fields.subject, got.fields.moment.text) == (
        "photo caption",
        "Group subject",
        "1717214520000",
    )
    assert [(c.media_type, len(c.data or b"")) for c in got.children if c.failure is None] == [
        ("image/png", 5)
    ]


def test_a_transcript() -> None:
    (result,) = read_all([FORMATS / "zoom" / "meeting001_transcript.vtt"])
    lines = result.extraction.text.split("\n")
    assert result.extractor_name == "webvtt"
    assert (result.extraction.metadata["captions"], len(lines)) == ("300", 300)
    assert lines[0].startswith("[00:00:04] Andrew Knight: ")
    assert lines[-1].startswith("[00:55:2")


def test_entries_of_telegram_and_signal() -> None:
    whole = json.loads((FORMATS / "telegram" / "chatminer_test_single_export.json").read_bytes())
    lines = (FORMATS / "signal" / "chatminer_test_export.txt").read_bytes().splitlines(keepends=True)
    entries = [lines[0], lines[1] + lines[2]]
    jobs = [
        Job(n, json.dumps(one).encode(), context(), "application/x-telegram-message+json")
        for n, one in enumerate(whole["messages"])
    ]
    jobs += [
        Job(
            2 + n,
            one,
            context(metadata={"body_at": str(one.index(b": ") + 2)}),
            "application/x-signal-message",
        )
        for n, one in enumerate(entries)
    ]
    with Worker() as worker:
        results = list(worker.submit(jobs))
    assert [result.extraction.text for result in results] == [
        "Minimal Message",
        "Link: https://telegram.org/",
        "Hello John!",
        "Hello\nJane!",
    ]
    assert [result.extraction.fields.sender.name for result in results[:2]] == ["Author 1", "Author 2"]


def test_mailboxes_of_outlook_are_searched_and_named_as_not_opened() -> None:
    paths = [FORMATS / "pst" / name for name in ("testPST_variousBodyTypes.pst", "dist-list.pst")]
    mails, others = (result.extraction for result in read_all(paths))
    assert mails.failure == others.failure == Failure(Reason.UNSUPPORTED, "pst_not_opened")
    assert mails.text.count("This is the original email (html)") == 4
    assert ("Test appointment" in others.text, others.children) == (True, ())


def test_both_tikas_read_the_same_words_and_facts() -> None:
    """``docs/extract.md`` shows where the two differ."""
    paths = [path for path in sorted(CORPUS.rglob("*")) if path.is_file()]
    jobs = [Job(n, path.read_bytes(), context(path.name), None) for n, path in enumerate(paths)]
    with tika() as server:
        served = ServedWorker(server.url)
        results = list(served.submit(jobs))
        served.close()
    by_server = {r.job_id: r.extraction for r in results if r.extractor_name == "tika_server"}
    with Worker() as worker:
        alone = {r.job_id: r.extraction for r in worker.submit([jobs[n] for n in by_server])}
    assert len(by_server) == 84  # with three bare pictures, which neither sees
    differ = {paths[n].name for n in by_server if by_server[n] != alone[n]}
    assert differ == {
        "01823_11-Adopt a Kid.pps",
        "01953_189-ELU - Livelink Basic User Information.doc",
        "dist-list.pst",
        "testPST_variousBodyTypes.pst",
    }
    for n, made in by_server.items():
        assert replace(made, text="") == replace(alone[n], text="")
        assert Counter(made.text.split()) == Counter(alone[n].text.split())


def test_message_files_of_outlook() -> None:
    names = [
        "test-outlook2003",
        "testMSG_Appointment",
        "testMSG_att_doc",
        "testMSG_chinese",
        "testMSG_forwarded",
    ]
    results = read_all([FORMATS / "msg" / f"{name}.msg" for name in names])
    assert {result.extractor_name for result in results} == {"msg"}
    assert [result.extraction.failure for result in results] == [None] * 5
    welcome, meeting, letter, chinese, forwarded = (result.extraction for result in results)
    assert [child.name for child in welcome.children] == [f"{n}.jpg" for n in (*range(1, 11), 12)]
    assert {child.media_type for child in welcome.children} == {"image/jpeg"}
    assert welcome.fields is not None
    assert welcome.fields.moment.text == "2010-03-28T22:27:38Z"
    assert meeting.fields is not None
    assert (meeting.kind, meeting.fields.subject) == (Kind.EVENT, "Quick brown fox")
    assert meeting.metadata["message_class"] == "IPM.Appointment"
    assert meeting.fields.moment.text == "2017-02-28T18:30:00Z"
    assert letter.fields is not None
    assert letter.fields.subject == "test pièce jointe 1"
    assert [(child.name, len(child.data or b"")) for child in letter.children] == [
        ("test-unicode.doc", 24_064), ("pj1.txt", 89),
    ]  # fmt: skip
    assert chinese.fields is not None
    assert chinese.fields.subject.endswith("( MSG 格式測試 )")
    assert chinese.fields.sender is not None
    assert chinese.fields.sender.name == "Tests Chang@FT (張毓倫)"
    assert chinese.fields.moment.text == "2011-03-29T08:52:48Z"
    assert "恭喜 HQ 保全課 陳奎良 高票當選雲林縣總工會" in chinese.text
    assert forwarded.fields is not None
    assert forwarded.fields.subject == "FW: Testing"
    assert forwarded.fields.moment.at is not None
    assert forwarded.fields.moment.at.isoformat() == "2011-12-08T00:30:39+00:00"
    assert forwarded.fields.in_reply_to == forwarded.fields.references != ""


def test_tnef() -> None:
    names = [f"mimekit_{name}.tnef" for name in ("attachments", "body", "two-files", "winmail")]
    names.append("testWINMAIL.dat")
    results = read_all([FORMATS / "tnef" / name for name in names])
    assert {result.extractor_name for result in results} == {"tnef"}
    assert [result.extraction.failure for result in results] == [None] * 5
    attachments, page, two, chinese, quick = (result.extraction for result in results)
    assert [(child.name, len(child.data or b"")) for child in attachments.children] == [
        ("zappa_av1.jpg", 2_937), ("bookmark.htm", 85_805),
    ]  # fmt: skip
    assert page.children == ()
    assert page.text.startswith("THE BILL OF RIGHTS\nAmendments 1-10 of the Constitution")
    assert [(child.name, len(child.data or b"")) for child in two.children] == [
        ("AUTHORS", 244),
        ("README", 893),
    ]
    assert [(child.name, len(child.data or b"")) for child in chinese.children] == [
        ("Untitled Attachment", 29_184), ("Untitled Attachment", 68_608),
    ]  # fmt: skip
    assert [(child.name, len(child.data or b"")) for child in quick.children] == [
        ("quick.doc", 19_968), ("quick.html", 428), ("quick.pdf", 18_638), ("quick.txt", 235),
        ("quick.xml", 143),
    ]  # fmt: skip
    assert quick.text.startswith("These are five files.\n")
