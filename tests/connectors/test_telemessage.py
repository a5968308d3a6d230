"""TeleMessage: the manifest's checks, facts of the vendor's fields, and deliveries that are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.telemessage import TeleMessage
from records.errors import SettingsError
from records.models import Expected, FailedItem, FoundItem
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import SECRET, context, everything
from tests.connectors.built_telemessage import NAME, deliveries, delivery, text
from tests.connectors.collecting import Killed, collected


def values(root: Path) -> list:
    source = TeleMessage(context(str(root)))
    (scope,) = source.scopes()
    return everything(source, scope)[0]


def one(root: Path, *fields: str) -> FoundItem:
    delivery(root / NAME, {"1.eml": text(1, *fields)}, 1)
    (found, _) = values(root)
    assert isinstance(found, FoundItem)
    return found


def test_a_text_is_told_what_the_vendor_says_of_it(tmp_path: Path) -> None:
    found = one(tmp_path, "X-TELEMESSAGE-Network: Verizon", "X-TELEMESSAGE-Status: Delivered")
    assert found.kind is Kind.MESSAGE
    assert found.media_type == "message/rfc822"
    about = dict(found.metadata)
    assert about == {
        "group": "th-1", "group_name": "Lee Okafor", "message_type": "SMS", "archive_id": "1",
        "network": "Verizon", "status": "Delivered",
    }  # fmt: skip
    assert found.moment.at is not None
    assert found.moment.at.isoformat() == "2025-03-04T18:20:01+00:00"


def test_a_group_and_a_call(tmp_path: Path) -> None:
    delivery(
        tmp_path / NAME,
        {
            "1.eml": text(1, "X-TELEMESSAGE-GROUP_NAME: Trip").replace(b"THREAD_ID: th-1", b"GroupID: g-1"),
            "2.eml": text(2).replace(b"MessageType: SMS", b"MessageType: Call"),
        },
        2,
    )
    group, call, _ = values(tmp_path)
    assert (group.metadata["group"], group.metadata["group_name"]) == ("g-1", "Trip")
    assert call.kind is Kind.CALL


def test_the_count_is_the_manifests(tmp_path: Path) -> None:
    deliveries(tmp_path)
    source = TeleMessage(context(str(tmp_path)))
    assert [source.count(scope) for scope in source.scopes()] == [
        Expected(3, "manifest Count"),
        Expected(5, "manifest Count"),
        Expected(1, "folder walk"),
    ]


@pytest.mark.parametrize(
    ("count", "listed", "scope"),
    [
        (3, None, (4, 3, None, None)),
        (None, None, (None, 3, None, None)),
        (1, ["1.eml"], (2, 3, None, None)),
    ],
    ids=["count too high", "no count", "not listed"],
)
def test_a_manifest_that_does_not_fit_does_not_balance(
    count: int | None, listed: list[str] | None, scope: tuple, tmp_path: Path
) -> None:
    delivery(tmp_path / "s" / NAME, {"1.eml": text(1), "2.eml": text(2)}, count, listed)
    found = collected(tmp_path / "home", TeleMessage, context(str(tmp_path / "s")))
    assert found.scopes[NAME] == scope


def test_a_mail_that_no_manifest_lists_is_kept_and_marked(tmp_path: Path) -> None:
    delivery(tmp_path / NAME, {"1.eml": text(1), "2.eml": text(2)}, 1, ["1.eml"])
    first, second, _ = values(tmp_path)
    assert (first.warnings, second.warnings) == ((), (WarningCode.MISSING_PART,))


def test_names_are_compared_exactly(tmp_path: Path) -> None:
    delivery(tmp_path / NAME, {"A.eml": text(1)}, 1, ["a.eml"])
    lost = [value for value in values(tmp_path) if isinstance(value, FailedItem)]
    assert [(value.name, value.reason, value.detail) for value in lost] == [
        ("a.eml", Reason.NOT_IN_EXPORT, "manifest")
    ]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (text(1)[:60], Kind.EMAIL),
        (text(1).replace(SECRET.encode(), b"caf\xe9"), Kind.MESSAGE),
        (text(1) + b"x" * 3_000_000, Kind.MESSAGE),
        (b"no mail at all", Kind.FILE),
    ],
    ids=["cut", "charset", "huge", "no mail"],
)
def test_mails_that_are_cut_or_strange_are_kept(data: bytes, kind: Kind, tmp_path: Path) -> None:
    delivery(tmp_path / NAME, {"1.eml": data}, 1)
    found, _ = values(tmp_path)
    assert isinstance(found, FoundItem)
    assert found.kind is kind


def test_a_zip_that_does_not_open_and_a_folder_without_any(tmp_path: Path) -> None:
    deliveries(tmp_path / "s")
    whole = (tmp_path / "s" / NAME).read_bytes()
    (tmp_path / "s" / "202503060000-TeleMessage_1_1.zip").write_bytes(whole[:80])
    found = collected(tmp_path / "home", TeleMessage, context(str(tmp_path / "s")))
    assert found.scopes["202503060000-TeleMessage_1_1.zip"] == (None, 0, "truncated", "zip_directory")
    assert found.scopes[NAME] == (3, 3, None, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"^source s1: no delivery \(a zip\) at its path"):
        TeleMessage(context(str(tmp_path / "empty"))).check()


@pytest.mark.parametrize("kill_after", [1, 3, 6])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = deliveries(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", TeleMessage, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", TeleMessage, built.context)
    assert set(found.items) == {*built.found, *built.failed, *built.excluded}
    assert found.states() == {"stored": 4, "failed": 3, "excluded": 2}
