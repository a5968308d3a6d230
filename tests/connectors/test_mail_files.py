"""Mail in folders and zips: names, flags, dates, and what is hostile or broken."""

from __future__ import annotations

import io
import os
import random
import stat
import unicodedata
import warnings
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors import folders, mail_files
from connectors.folders import ranges, without_flags
from connectors.mail_files import MailFiles
from connectors.mailhead import looks_like_mail
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, FailedItem, FoundItem, Part, SourceContext, Window
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.connectors.builders import (
    ALWAYS,
    ZONE,
    context,
    encrypted_zip,
    everything,
    keyed,
    mail,
    mbox_bytes,
)


def read(path: Path) -> dict[str, list]:
    """Return the values of every scope."""
    source = MailFiles(context(str(path)))
    return {scope.key: everything(source, scope)[0] for scope in source.scopes()}


def counts(path: Path) -> dict[str, int | None]:
    source = MailFiles(context(str(path)))
    return {scope.key: source.count(scope).count for scope in source.scopes()}


def box(path: Path) -> Path:
    for place in ("cur", "new", "tmp"):
        (path / place).mkdir(parents=True)
    return path


# --- Maildir


def test_flags_are_facts_and_no_part_of_the_key(tmp_path: Path) -> None:
    root = box(tmp_path / "m")
    (root / "cur" / "1.a:2,DFS").write_bytes(mail(1))
    (root / "cur" / "2.b").write_bytes(mail(2))
    (root / "cur" / "3.c;2,S").write_bytes(mail(3))
    (root / "tmp" / "4.d").write_bytes(mail(4))
    (values,) = read(root).values()
    assert [(v.native_key, v.name, dict(v.metadata), v.warnings) for v in values] == [
        ("cur/1.a", "1.a", {"flags": "DFS"}, (WarningCode.DRAFT,)),
        ("cur/2.b", "2.b", {}, ()),
        ("cur/3.c", "3.c", {"flags": "S"}, ()),
        ("tmp/4.d", "4.d", {"delivery": "unfinished"}, (WarningCode.PARTIAL,)),
    ]


def test_one_message_under_two_flags_is_two_items(tmp_path: Path) -> None:
    root = box(tmp_path / "m")
    for name in ("1.a:2,", "1.a:2,S", "1.aa:2,S"):
        (root / "cur" / name).write_bytes(mail(1))
    source = MailFiles(context(str(root)))
    (scope,) = source.scopes()
    for most in (1, 2, 100):
        values, _ = everything(source, scope, most)
        assert [v.native_key for v in values] == ["cur/1.a", "cur/1.a:2,S", "cur/1.aa"]


def test_what_is_no_mail_in_a_maildir_is_stored(tmp_path: Path) -> None:
    root = box(tmp_path / "m")
    (root / "cur" / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 JFIF")
    (root / "cur" / ".DS_Store").write_bytes(b"x")
    (root / "maildirfolder").write_bytes(b"")
    (root / "sieve.txt").write_bytes(b"keep;")
    (root / "cur" / "inner").mkdir()
    (root / "cur" / "inner" / "1.eml").write_bytes(mail(1))
    got = read(root)
    assert list(got) == [".", "cur/inner"]
    assert [(type(v), v.native_key, v.kind) for v in got["."]] == [
        (ExcludedItem, "maildirfolder", Kind.FILE),
        (FoundItem, "sieve.txt", Kind.FILE),
        (ExcludedItem, "cur/.DS_Store", Kind.FILE),
        (FoundItem, "cur/photo.jpg", Kind.FILE),
    ]
    assert counts(root) == {".": 4, "cur/inner": 1}


def test_folders_of_a_maildir_in_either_layout(tmp_path: Path) -> None:
    root = box(tmp_path / "m")
    box(root / ".Sent")
    box(root / "Projects" / "2025")
    (root / "Projects" / "2025" / "new" / "1.x").write_bytes(mail(1))
    got = read(root)
    assert {key: [v.native_key for v in values] for key, values in got.items()} == {
        ".": [],
        ".Sent": [],
        "Projects": [],
        "Projects/2025": ["Projects/2025/new/1.x"],
    }


@pytest.mark.parametrize("sample", [(10, 60), (10, 1_000_000), (50_000, 20_000)])
def test_a_large_maildir_is_cut_by_sampled_names(
    tmp_path: Path, monkeypatch, sample: tuple[int, int]
) -> None:
    monkeypatch.setattr(folders, "_SORTED_WHOLE", sample[0])
    monkeypatch.setattr(folders, "_SAMPLE", sample[1])
    root = box(tmp_path / "m")
    rng = random.Random(3)
    names = sorted(
        {f"17{rng.randrange(10**8):08}.M1.host:2,{rng.choice(['', 'S', 'RS'])}" for _ in range(300)}
    )
    for n, name in enumerate(names):
        (root / "cur" / name).write_bytes(mail(n))
    source = MailFiles(context(str(root)))
    (scope,) = source.scopes()
    parts = list(source.parts(scope, 40, 1 << 30))
    values = [v.native_key for part in parts for v in source.items(part, ALWAYS)]
    assert values == sorted({"cur/" + without_flags(name) for name in names})
    assert sum(part.items for part in parts) == 300
    assert all(len(part.spec) < 250 for part in parts)
    if sample[0] == 50_000:
        assert [part.items for part in parts] == [40] * 7 + [20]
    assert 7 < len(parts) <= 40


def test_files_that_come_later_lie_in_some_part(tmp_path: Path) -> None:
    root = box(tmp_path / "m")
    for n in range(10, 20):
        (root / "cur" / f"{n}.x").write_bytes(mail(n))
    source = MailFiles(context(str(root)))
    (scope,) = source.scopes()
    parts = list(source.parts(scope, 4, 1 << 30))
    for name in ("00.early", "155.between", "99.late"):
        (root / "cur" / name).write_bytes(mail(1))
    values = [v.native_key for part in parts for v in source.items(part, ALWAYS)]
    assert len(values) == 13 == len(set(values))


# --- names


def test_names_are_keys_in_one_normal_form(tmp_path: Path) -> None:
    composed, parted = "caf\u00e9.eml", unicodedata.normalize("NFD", "th\u00e9.eml")
    (tmp_path / composed).write_bytes(mail(1))
    (tmp_path / parted).write_bytes(mail(2))
    (values,) = read(tmp_path).values()
    assert [v.native_key for v in values] == ["caf\u00e9.eml", "th\u00e9.eml"]


def test_two_names_of_one_normal_form_stay_two_items(tmp_path: Path) -> None:
    for n, form in enumerate(("NFC", "NFD")):
        (tmp_path / unicodedata.normalize(form, "caf\u00e9.eml")).write_bytes(mail(n))
    source = MailFiles(context(str(tmp_path)))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert len(data) == 2
    again, _ = everything(source, scope, 1)
    assert [v.native_key for v in again] == [v.native_key for v in values]
    assert list(source.items(Part(scope), ALWAYS, values[0].cursor)) == values[1:]


def test_a_name_of_any_bytes(tmp_path: Path) -> None:
    name = b"caf\xe9 \xff.eml"
    (tmp_path / os.fsdecode(name)).write_bytes(mail(1))
    folder = tmp_path / os.fsdecode(b"\xe9t\xe9")
    folder.mkdir()
    (folder / "2.eml").write_bytes(mail(2))
    source = MailFiles(context(str(tmp_path)))
    root, summer = source.scopes()
    ((value,), data) = everything(source, root)
    assert value.native_key == "caf\\xe9 \\xff.eml"
    assert data[value.native_key] == mail(1)
    assert summer.key == "\\xe9t\\xe9"
    ((other,), _) = everything(source, summer)
    assert other.native_key == "\\xe9t\\xe9/2.eml"
    assert list(source.items(Part(root), ALWAYS, value.cursor)) == []


# --- what is mail and what is not


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"From: a\nTo: b\n\nx", True),
        (b"Received: from x\n\tby y; date\nDate: z\n\n", True),
        (b"\xef\xbb\xbfSubject: x\r\nMIME-Version: 1.0\r\n\r\n", True),
        (b"From a@b Mon Jun 01 10:00:00 2009\nFrom: a\nDate: b\n\n", True),
        (b"Note: to self\nTo: do\n\n", False),
        (b"Subject: only\n\n", False),
        (b"%PDF-1.4\nFrom: x\nTo: y\n", False),
        (b'{"From": 1}\nTo: x\n', False),
        (b"From: a\x00\nTo: b\n\n", False),
        (b"http://x\nFrom: a\n", False),
        (b"", False),
    ],
)
def test_looks_like_mail(head: bytes, answer: bool) -> None:
    assert looks_like_mail(head) is answer


def test_an_eml_with_its_from_line_is_one_mail_and_with_two_is_an_mbox(tmp_path: Path) -> None:
    one = mbox_bytes([mail(1)])
    (tmp_path / "one.eml").write_bytes(one)
    (tmp_path / "two.eml").write_bytes(mbox_bytes([mail(1), mail(2)]))
    got = read(tmp_path)
    assert {key: len(values) for key, values in got.items()} == {".": 1, "two.eml": 2}
    assert got["."][0].size_bytes == len(one)
    assert counts(tmp_path) == {".": 1, "two.eml": 2}


def test_an_office_document_is_a_file_and_a_broken_zip_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("word/embeddings/mail.eml", mail(1))
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("1.jpg", b"\xff\xd8")
    (tmp_path / "x.gz").write_bytes(b"\x1f\x8b\x08 not really")
    (tmp_path / "Inbox.msf").write_bytes(b'// <!-- <mdb:mork:z v="1.4"/> -->')
    (values,) = read(tmp_path).values()
    assert [(type(v), v.native_key, v.kind) for v in values] == [
        (ExcludedItem, "Inbox.msf", Kind.FILE),
        (FoundItem, "a.docx", Kind.FILE),
        (FoundItem, "b.zip", Kind.FILE),
        (FoundItem, "photos.zip", Kind.FILE),
        (FoundItem, "x.gz", Kind.FILE),
    ]
    assert all(v.media_type is None for v in values if isinstance(v, FoundItem))


def test_one_mail_as_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(1))
    (tmp_path / "b.eml").write_bytes(mail(2))
    source = MailFiles(context(str(tmp_path / "a.eml")))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert data == {"a.eml": mail(1)}
    assert (values[0].kind, values[0].media_type, source.count(scope).count) == (
        Kind.EMAIL,
        "message/rfc822",
        1,
    )
    assert list(source.items(Part(scope), ALWAYS, values[0].cursor)) == []


# --- dates and the window

MAY = Window(date(2025, 5, 1), date(2025, 5, 31), ZONE)


@pytest.mark.parametrize(
    ("head", "found", "codes"),
    [
        ("Date: Thu, 1 May 2025 00:00:00 -0700", True, ()),
        ("Date: Wed, 30 Apr 2025 23:59:59 -0700", False, ()),
        ("Date: Sun, 1 Jun 2025 06:59:59 +0000", True, ()),
        ("Date: Sun, 1 Jun 2025 07:00:00 +0000", False, ()),
        ("date : Thu,\n 15 May 2025\n\t10:00:00 -0700", True, ()),
        ("DATE: Fri, 15 Aug 2025 10:00:00 -0700", False, ()),
        ("X: y", True, (WarningCode.NO_DATE,)),
        ("Date:", True, (WarningCode.NO_DATE,)),
        ("Date: yesterday", True, (WarningCode.BAD_DATE,)),
        ("Date: Mon, 1 Jan 0002 00:00:00 +0000", True, (WarningCode.BAD_DATE,)),
        ("Date: Thu, 15 May 2025 10:00:00", True, (WarningCode.ASSUMED_ZONE,)),
        ("Date: Sat, 31 May 2025 20:00:00", True, (WarningCode.ASSUMED_ZONE, WarningCode.NEAR_WINDOW_EDGE)),
        ("Date: Tue, 3 Jun 2025 10:00:00", False, ()),
        (
            "X-Date: Tue, 3 Jun 2025 10:00:00\nDate: Thu, 15 May 2025 10:00:00 Z\nDate: 3 Jun 2025 10:00 Z",
            True,
            (),
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_window(tmp_path: Path, head: str, found: bool, codes: tuple, end: str) -> None:
    text = f"From: a@example.org\n{head}\n\nDate: Tue, 3 Jun 2025 10:00:00 -0700\n".replace("\n", end)
    (tmp_path / "1.eml").write_bytes(text.encode())
    source = MailFiles(context(str(tmp_path)))
    (scope,) = source.scopes()
    ((value,), _) = everything(source, scope, window=MAY)
    assert isinstance(value, FoundItem if found else ExcludedItem)
    if found:
        assert value.warnings == codes
    else:
        assert value.reason is Reason.OUTSIDE_WINDOW


def test_a_date_without_zone_is_read_in_the_sources_zone(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(mail(1, "Thu, 15 May 2025 10:00:00"))
    source = MailFiles(SourceContext("s", "c", str(tmp_path), ZoneInfo("America/New_York")))
    (scope,) = source.scopes()
    ((value,), _) = everything(source, scope)
    assert value.moment.at == datetime(2025, 5, 15, 14, 0, tzinfo=UTC)
    assert value.moment.basis is Basis.ASSUMED_ZONE


def test_a_file_without_date_is_kept_and_flagged_when_there_is_a_window(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    source = MailFiles(context(str(tmp_path)))
    (scope,) = source.scopes()
    assert everything(source, scope)[0][0].warnings == ()
    assert everything(source, scope, window=MAY)[0][0].warnings == (WarningCode.NO_DATE,)


# --- what cannot be read


def test_an_unreadable_file_costs_only_itself(tmp_path: Path, monkeypatch) -> None:
    for name in ("a.eml", "b.eml", "c.eml"):
        (tmp_path / name).write_bytes(mail(1))
    real = os.open

    def refusing(path, *args, **more):
        if str(path).endswith("b.eml"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", refusing)
    (values,) = read(tmp_path).values()
    assert [type(v) for v in values] == [FoundItem, FailedItem, FoundItem]
    assert (values[1].reason, values[1].detail) == (Reason.UNREADABLE, "errno_13")


def test_an_unreadable_folder_is_a_scope_that_fails(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.eml").write_bytes(mail(1))
    real = os.scandir

    def refusing(path="."):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    source = MailFiles(context(str(tmp_path)))
    root, locked = source.scopes()
    assert len(everything(source, root)[0]) == 1
    for call in (lambda: everything(source, locked), lambda: source.count(locked)):
        with pytest.raises(ItemError, match="unreadable: errno_13"):
            call()


def test_a_part_of_another_version_is_refused(tmp_path: Path) -> None:
    source = MailFiles(context(str(tmp_path)))
    (scope,) = source.scopes()
    with pytest.raises(SettingsError, match="plan the run again"):
        list(source.items(Part(scope, 0, '{"v":7}'), ALWAYS))


# --- zips


def test_names_in_zips_are_text(tmp_path: Path) -> None:
    names = ["../../etc/passwd.eml", "/root/x.eml", "C:\\mail\\y.eml", "a/b.eml", "a/b.eml", "A/B.eml"]
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile says of its own that a name comes twice
        for n, name in enumerate(names):
            archive.writestr(zipfile.ZipInfo(name), mail(n))
    source = MailFiles(context(str(tmp_path / "m.zip")))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert [v.native_key for v in values] == [
        "m.zip!../../etc/passwd.eml",
        "m.zip!/root/x.eml",
        "m.zip!C:/mail/y.eml",
        "m.zip!a/b.eml",
        "m.zip!a/b.eml#2",
        "m.zip!A/B.eml",
    ]
    assert [v.name for v in values] == ["passwd.eml", "x.eml", "y.eml", "b.eml", "b.eml", "B.eml"]
    assert [WarningCode.NAME_CHANGED in v.warnings for v in values] == [True, True, True, False, False, False]
    assert list(data.values()) == [mail(n) for n in range(6)]
    assert source.count(scope).count == 6


def test_names_in_utf8_without_the_flag_and_in_cp437(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("AAAA.eml", mail(1))
        archive.writestr("BBB.eml", mail(2))
    data = out.getvalue().replace(b"AAAA", "ét".encode() + b"x").replace(b"BBB", b"\x82t\x82")
    (tmp_path / "m.zip").write_bytes(data)
    (values,) = read(tmp_path / "m.zip").values()
    assert [v.native_key for v in values] == ["m.zip!étx.eml", "m.zip!été.eml"]


def test_dangerous_and_broken_members_fail_by_name_and_cost_only_themselves(tmp_path: Path) -> None:
    out = io.BytesIO(encrypted_zip({"1.eml": mail(1)}, {"2.eml": mail(2)}))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("3.eml", b"\0" * (11 << 20))
        link = zipfile.ZipInfo("4.eml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(zipfile.ZipInfo("5.eml"), b"Subject: TO BE DAMAGED\n\nx")
        archive.writestr("6.eml", mail(6))
        archive.writestr("7.txt", b"\0" * (1 << 20))
    (tmp_path / "m.zip").write_bytes(out.getvalue().replace(b"TO BE DAMAGED", b"TO BE damaged"))
    source = MailFiles(context(str(tmp_path / "m.zip")))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert [(v.native_key[6:], getattr(v, "reason", None)) for v in values] == [
        ("1.eml", None),
        ("2.eml", Reason.ENCRYPTED),
        ("3.eml", Reason.BOMB),
        ("4.eml", Reason.UNSAFE_NAME),
        ("5.eml", Reason.CORRUPT),
        ("6.eml", None),
        ("7.txt", None),
    ]
    assert len(data) == 3
    assert source.count(scope).count == 7


@pytest.mark.parametrize(("keep", "reason"), [(0.6, "truncated"), (None, "corrupt")])
def test_a_zip_that_does_not_open_is_a_scope_failure(tmp_path: Path, keep: float | None, reason: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(20):
            archive.writestr(f"{n}.eml", mail(n))
    path = tmp_path / "m.zip"
    path.write_bytes(out.getvalue())
    source = MailFiles(context(str(path)))
    (scope,) = source.scopes()
    path.write_bytes(out.getvalue()[: int(len(out.getvalue()) * keep)] if keep else b"no zip at all")
    for call in (lambda: list(source.items(Part(scope), ALWAYS)), lambda: source.count(scope)):
        with pytest.raises(ItemError, match=reason):
            call()


def test_a_broken_zip_as_the_source_is_a_scope_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(b"PK\x03\x04 cut")
    source = MailFiles(context(str(path)))
    source.check()
    (scope,) = source.scopes()
    assert (scope.key, scope.kind) == ("m.zip", "archive")
    with pytest.raises(ItemError, match="truncated: zip_directory"):
        list(source.items(Part(scope), ALWAYS))


def test_a_large_member_is_opened_again_when_asked_for(tmp_path: Path) -> None:
    rng = random.Random(5)
    big = b"Subject: big\nDate: Thu, 15 May 2025 10:00:00 -0700\n\n" + rng.randbytes(3_000_000)
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("big.eml", big)
        archive.writestr("cur/1.x:2,S", mail(1))
    source = MailFiles(context(str(tmp_path / "m.zip")))
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert data == {"m.zip!big.eml": big, "m.zip!cur/1.x": mail(1)}
    assert dict(values[1].metadata) == {"flags": "S"}


def test_scopes_of_a_folder_of_all(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "Inbox").write_bytes(mbox_bytes([mail(1), mail(1)]))
    (tmp_path / "a" / "note.txt").write_bytes(b"x")
    got = read(tmp_path)
    assert {key: [v.native_key for v in values] for key, values in got.items()} == {
        ".": [],
        "a": ["a/note.txt"],
        "a/Inbox": list(keyed([mail(1), mail(1)])),
        "a/b": [],
    }
    assert counts(tmp_path) == {".": 0, "a": 1, "a/Inbox": 2, "a/b": 0}


def test_ranges_of_an_empty_folder(tmp_path: Path) -> None:
    assert ranges(str(tmp_path), 10, 10, str) == []
    assert mail_files.ROOT == "."
