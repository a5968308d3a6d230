"""Which connector fits a path, and the small parts they share."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.bytesource import StreamSource, gunzipped, whole
from connectors.cursors import name_cursor, number_cursor, read_name, read_number
from connectors.registry import CONNECTORS, guess
from connectors.service import ServiceConnector
from records.errors import CursorExpired, ItemError
from records.moments import iso_moment, long_date_moment
from records.vocabulary import Basis
from tests.connectors.builders import FIXTURES, ZONE, backup_bytes, mail, mbox_bytes, sms

OF_FILES = sorted(
    name for name, (kind, _) in FIXTURES.items() if not issubclass(CONNECTORS[kind], ServiceConnector)
)


@pytest.mark.parametrize("name", OF_FILES)
def test_guesses_every_fixture(name: str, tmp_path: Path) -> None:
    expected, build = FIXTURES[name]
    built = build(tmp_path / "source")
    # what a person has to say of a source cannot be guessed; Samsung's names tell what it is all the same
    told = expected == "samsung" or not built.options
    assert guess(built.path) == (expected if told else "loose_files")


def _zip(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("x.eml", mail(1), "mail_files"),
        ("x", mail(1), "mail_files"),
        ("x", mbox_bytes([mail(1)]), "mail_files"),
        ("x.mbox", b"", "mail_files"),
        ("x.gz", gzip.compress(mbox_bytes([mail(1)]), mtime=0), "mail_files"),
        ("x.gz", gzip.compress(b"words", mtime=0), "loose_files"),
        ("x.gz", b"\x1f\x8b broken", "loose_files"),
        ("x.xml", backup_bytes([sms(1)]), "sms_backup_restore"),
        ("x.xml", b"\xef\xbb\xbf<calls count='0'/>", "sms_backup_restore"),
        ("x.xml", b"<feed><smses/></feed>", "loose_files"),
        ("x.zip", _zip(**{"calls.xml": backup_bytes([sms(1, "call")], "calls")}), "sms_backup_restore"),
        ("x.zip", _zip(**{"a__1.eml": mail(1)}), "mail_files"),
        ("x.zip", _zip(**{"Takeout__Drive__a.txt": b"x"}), "google_takeout"),
        ("x.docx", _zip(**{"[Content_Types].xml": b"", "word__a.eml": mail(1)}), "loose_files"),
        ("x.zip", _zip(a=b"x"), "loose_files"),
        ("x.zip", b"PK\x03\x04 cut", "loose_files"),
        ("x.pdf", b"%PDF-1.4", "loose_files"),
        ("x.txt", b"", "loose_files"),
    ],
)
def test_guesses_a_file_by_its_content(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert guess(str(tmp_path / name)) == expected


def test_guesses_nothing_there_as_loose_files(tmp_path: Path) -> None:
    assert guess(str(tmp_path / "nothing")) == "loose_files"
    assert guess(str(tmp_path)) == "loose_files"


def test_cursors() -> None:
    assert read_number(number_cursor(12)) == 12
    for name in ("/plain", "cur/\u00e9\udcff\\x", "", "\U0001f600"):
        assert name_cursor(name).isascii()
        assert read_name(name_cursor(name)) == name
    assert read_number(None) == 0
    assert read_name(None) is None
    for strange in ("", "n1:", "n1:x", "n2:5", "p2:x", "e1:\\x"):
        for read in (read_number, read_name):
            with pytest.raises(CursorExpired, match="another version"):
                read(strange)


def test_a_stream_goes_back_to_what_was_not_released() -> None:
    data = bytes(range(256)) * 100_000
    with StreamSource(io.BytesIO(data)) as source:
        assert source.read_at(20_000_000, 10) == data[20_000_000:20_000_010]
        assert source.read_at(5, 3) == data[5:8]
        source.release(20_000_000)
        assert source.read_at(20_000_001, 3) == data[20_000_001:20_000_004]
        source.release(len(data) - 100)
        assert source.read_at(len(data) - 50, 100) == data[-50:]
        with pytest.raises(ValueError, match="does not go back"):
            source.read_at(0, 1)


def test_a_cut_stream_gives_what_it_had_and_then_says_so(tmp_path: Path) -> None:
    import random

    data = random.Random(1).randbytes(300_000)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(data)[:150_000])
    with gunzipped(whole(str(path))) as stream:
        got = stream.read(1_000_000)
        assert 100_000 < len(got) < 150_000
        assert data.startswith(got)
        with pytest.raises(ItemError, match="truncated: stream_cut"):
            stream.read(1)


@pytest.mark.parametrize(
    ("text", "at", "basis"),
    [
        ("Tuesday, March 4, 2025 at 6:20:34\u202fPM UTC", "2025-03-04T18:20:34+00:00", Basis.STATED),
        ("Tuesday, March 5, 2019 at 9:34:00 AM UTC", "2019-03-05T09:34:00+00:00", Basis.STATED),
        ("March 5, 2019 at 12:00:00 AM UTC", "2019-03-05T00:00:00+00:00", Basis.STATED),
        ("March 5, 2019, 12:01 PM", "2019-03-05T20:01:00+00:00", Basis.ASSUMED_ZONE),
        ("Mar 05, 2019  9:01:07 AM", "2019-03-05T17:01:07+00:00", Basis.ASSUMED_ZONE),
        ("Oct 19, 2019 at 2:37 PM", "2019-10-19T21:37:00+00:00", Basis.ASSUMED_ZONE),
        ("19 Oct 2019, 14:37", "2019-10-19T21:37:00+00:00", Basis.ASSUMED_ZONE),
        ("Tuesday, March 5, 2019 at 18:00:00 UTC", "2019-03-05T18:00:00+00:00", Basis.STATED),
        ("Tuesday, March 5, 2019 at 13:00:00 PM UTC", None, Basis.NONE),
        ("Tuesday, March 32, 2019 at 1:00:00 PM UTC", None, Basis.NONE),
        ("mardi 5 mars 2019", None, Basis.NONE),
        ("Mars 5, 2019 at 1:00:00 PM UTC", None, Basis.NONE),
        ("March 5, 0019 at 1:00:00 PM UTC", None, Basis.NONE),
        ("", None, Basis.NONE),
        (None, None, Basis.NONE),
    ],
)
def test_long_dates(text: str | None, at: str | None, basis: Basis) -> None:
    moment = long_date_moment(text, ZoneInfo("America/Los_Angeles"))
    assert (moment.at.isoformat() if moment.at else None, moment.basis) == (at, basis)
    assert moment.text == (text or "")


@pytest.mark.parametrize(
    ("text", "zone", "at", "basis"),
    [
        ("2025-03-04T09:15:00-08:00", None, "2025-03-04T17:15:00+00:00", Basis.STATED),
        ("2025-03-04T17:15:00Z", ZONE, "2025-03-04T17:15:00+00:00", Basis.STATED),
        ("2025-03-04T09:15:00", ZONE, "2025-03-04T17:15:00+00:00", Basis.ASSUMED_ZONE),
        ("2025-03-04T09:15:00", None, None, Basis.NONE),
        ("0002-03-04T09:15:00Z", None, None, Basis.NONE),
        ("0001-01-01T00:00:00+14:00", ZONE, None, Basis.NONE),
        ("9999-12-31T23:00:00-14:00", ZONE, None, Basis.NONE),
        ("soon", ZONE, None, Basis.NONE),
        ("", ZONE, None, Basis.NONE),
    ],
)
def test_times_of_iso_8601(text: str, zone: ZoneInfo | None, at: str | None, basis: Basis) -> None:
    moment = iso_moment(text, zone)
    assert (moment.at and moment.at.isoformat(), moment.text, moment.basis) == (at, text, basis)
