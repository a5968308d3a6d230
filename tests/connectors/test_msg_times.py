"""When message files of Outlook were sent, for the window of a request."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from connectors import msg_times
from connectors.loose_files import LooseFiles
from connectors.mail_files import MailFiles
from connectors.msg_times import sent_and_received
from connectors.purview_export import PurviewExport
from records.models import NO_MOMENT, ExcludedItem, FoundItem, Moment, Window
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.connectors.builders import ALWAYS, ZONE, context, everything, mail
from tests.connectors.packages import ANA, PurviewItem, PurviewPackage, write
from tests.extract.outlook_files import Built, msg_file

SENT = datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
AT = Moment(SENT, "2025-03-04T18:20:34.0000000Z", Basis.STATED)
INSIDE = Window(date(2025, 3, 1), date(2025, 3, 31), ZONE)
OUTSIDE = Window(date(2031, 1, 1), date(2031, 1, 31), ZONE)


def message(sent: datetime | None = SENT, received: datetime | None = None, kind: str = "IPM.Note") -> bytes:
    times = {0x0039: sent, 0x0E06: received}
    return msg_file(Built({0x001A: kind, 0x0037: "x", **{k: v for k, v in times.items() if v is not None}}))


def test_both_times_of_a_mail() -> None:
    later = SENT + timedelta(minutes=1)
    sent, received = sent_and_received(message(SENT, later)) or (None, None)
    assert (sent, received and received.at) == (AT, later)
    assert sent_and_received(message(None)) == (NO_MOMENT, NO_MOMENT)


@pytest.mark.parametrize(
    "data",
    [b"", b"plain", message()[:700], message(kind="IPM.Appointment"), message(kind="IPM.Contact")],
    ids=["empty", "plain", "cut", "appointment", "contact"],
)
def test_what_is_no_mail_that_can_be_read_has_no_times(data: bytes) -> None:
    assert sent_and_received(data) is None


@pytest.mark.parametrize("kind", [LooseFiles, MailFiles])
@pytest.mark.parametrize("large", [False, True])
def test_a_message_file_is_placed_by_its_own_time(
    kind: type, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:  # what is opened again by its place
        monkeypatch.setattr("connectors.loose_files.HELD", 10)
        monkeypatch.setattr("connectors.mail_files.HELD", 10)
    root = tmp_path / "s"
    root.mkdir()
    (root / "a.msg").write_bytes(message())
    (root / "bad.msg").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    (root / "b.eml").write_bytes(mail(1))
    source = kind(context(str(root)))
    (scope,) = source.scopes()
    found = {one.native_key: one for one in everything(source, scope, window=INSIDE)[0]}
    assert (found["a.msg"].kind, found["a.msg"].moment, found["a.msg"].warnings) == (Kind.EMAIL, AT, ())
    assert (found["bad.msg"].kind, found["bad.msg"].warnings) == (Kind.FILE, (WarningCode.NO_DATE,))
    later = {one.native_key: one for one in everything(source, scope, window=OUTSIDE)[0]}
    assert isinstance(later["a.msg"], ExcludedItem)
    assert (later["a.msg"].reason, later["a.msg"].moment) == (Reason.OUTSIDE_WINDOW, AT)
    assert isinstance(later["bad.msg"], FoundItem)


def test_a_larger_file_is_kept_without_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msg_times, "MOST_BYTES", 100)
    (tmp_path / "a.msg").write_bytes(message())
    source = LooseFiles(context(str(tmp_path)))
    (one,) = everything(source, next(source.scopes()), window=OUTSIDE)[0]
    assert (type(one), one.moment) == (FoundItem, NO_MOMENT)


def test_a_message_file_in_a_zip_among_mail(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.eml", mail(1))
        archive.writestr("2.msg", message())
    source = MailFiles(context(str(tmp_path)))
    scope = next(scope for scope in source.scopes() if scope.key == "old.zip")
    values = everything(source, scope, window=OUTSIDE)[0]
    assert [type(one) for one in values] == [ExcludedItem, ExcludedItem]
    assert everything(source, scope, window=ALWAYS)[0][1].moment == AT


def test_in_an_export_its_own_time_goes_before_that_of_the_report(tmp_path: Path) -> None:
    item = PurviewItem(f"Exchange/{ANA}/Inbox/1.msg", message(), row={"Sent": "1/1/2030 6:00:00 PM"})
    source = PurviewExport(context(str(write(tmp_path / "x", PurviewPackage([item]).build()))))
    (found,) = everything(source, next(source.scopes()))[0]
    assert (found.kind, found.moment) == (Kind.EMAIL, AT)
