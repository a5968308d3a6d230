"""Short messages in Relativity's form: names, attachments, counts, and files that break its rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connectors.rsmf import Rsmf
from records import canonical
from records.errors import SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Reason, WarningCode
from tests.connectors.builders import SECRET, ZONE, context, everything
from tests.connectors.built_rsmf import EVENTS, event, files, mail, manifest, zipped
from tests.connectors.collecting import Killed, collected

MANIFEST = "rsmf_manifest.json"


def source(root: Path, data: bytes, name: str = "x.rsmf") -> Rsmf:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    return Rsmf(context(str(root)))


def carried(root: Path, events: list, count: int | None = None, **held: bytes) -> Rsmf:
    return source(root, mail(zipped({MANIFEST: manifest(events), **held}), count))


def values(one: Rsmf, window: Window | None = None) -> list:
    (scope,) = one.scopes()
    return everything(one, scope, **({"window": window} if window else {}))[0]


def test_an_event_is_told_what_it_names_by_id(tmp_path: Path) -> None:
    one = Rsmf(context(files(tmp_path / "s").path))
    scope = next(scope for scope in one.scopes() if scope.key == "gate.rsmf")
    found = {value.native_key: value for value in everything(one, scope)[0]}
    first = found["gate.rsmf#e1"]
    assert first.metadata == {
        "custodian": "Ana Ruiz", "group": "rsmf:c1", "group_name": "Gate", "platform": "sms",
        "group_kind": "direct",
        "members": "Ana Ruiz <ana@example.org>; Lee Okafor <+12065550101>; Sam Ito",
        "people": '{"l":"Lee Okafor <+12065550101>"}',
        "attachments": canonical.dumps([{"name": "photo.jpg", "native_key": "gate.rsmf!photo.jpg"}]),
    }  # fmt: skip
    assert first.warnings == (WarningCode.MISSING_PART,)
    assert found["gate.rsmf#e2"].warnings == (WarningCode.EDITED,)
    assert found["gate.rsmf#e3"].warnings == (WarningCode.DELETED,)
    assert found["gate.rsmf#e4"].metadata["people"] == '{"7":"Sam Ito"}'
    assert found["gate.rsmf#e4:1"].warnings == (WarningCode.DUPLICATE_ENTRY,)
    assert found["gate.rsmf!photo.jpg"].metadata == {"attached_to": "gate.rsmf#e1"}
    assert found["gate.rsmf!avatar.png"].metadata == {}
    assert found["gate.rsmf#e1#0"].name == "lost.jpg"


def test_the_mails_own_count_is_used_and_a_wrong_one_does_not_balance(tmp_path: Path) -> None:
    one = carried(tmp_path / "a", EVENTS[1:], count=5)
    assert one.count(next(one.scopes())) == Expected(5, "X-RSMF-EventCount and file list")
    one = carried(tmp_path / "b", EVENTS[1:])
    assert one.count(next(one.scopes())) == Expected(5, "json parse and file list")
    carried(tmp_path / "c", EVENTS[1:], count=7)
    found = collected(tmp_path / "home", Rsmf, context(str(tmp_path / "c")))
    assert found.scopes["x.rsmf"] == (7, 5, None, None)


def test_some_programs_break_the_rules(tmp_path: Path) -> None:
    odd = event(1, id=12, conversation=3, attachment=[{"id": "a.txt"}], custom=None, reactions=None)
    first, file = values(carried(tmp_path, [odd], **{"a.txt": b"x"}))
    assert first.native_key == "x.rsmf#12"
    assert first.metadata["group"] == "rsmf:3"
    assert canonical.loads(first.metadata["attachments"]) == [{"name": "a.txt", "native_key": "x.rsmf!a.txt"}]
    assert file.native_key == "x.rsmf!a.txt"


def test_a_zip_alone_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    one = source(tmp_path, zipped({MANIFEST: manifest([event(1)]), "a.txt": b"x"}), "rsmf.zip")
    first, file = values(one)
    assert first.native_key == f"rsmf.zip!{MANIFEST}#e1"
    assert file.native_key == "rsmf.zip!a.txt"


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    found = values(carried(tmp_path, EVENTS), Window(date(2025, 3, 5), None, ZONE))
    assert sum(isinstance(one, ExcludedItem) for one in found) == 6


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (mail(b"no zip", None), Reason.CORRUPT, "zip_directory"),
        (mail(zipped({"a.txt": b"x"}), None), Reason.CORRUPT, "no_manifest"),
        (mail(zipped({MANIFEST: b"{}"}), None, name="other.zip"), Reason.CORRUPT, "no_zip"),
        (mail(zipped({MANIFEST: b"{}"}), None, encoding="8bit"), Reason.UNSUPPORTED, "transfer_encoding"),
        (mail(zipped({MANIFEST: b"{}"}), None).replace(b"UEsD", b"U*sD"), Reason.CORRUPT, "base64"),
        (mail(zipped({MANIFEST: b"{}"}), None)[:-40], Reason.TRUNCATED, "mail"),
        (b"X-RSMF-Version: 2.0.0\r\n\r\nno parts", Reason.CORRUPT, "no_parts"),
    ],
    ids=["no zip", "no manifest", "no part", "encoding", "base64", "cut", "no parts"],
)
def test_a_mail_that_cannot_be_opened_is_a_failed_place(
    data: bytes, reason: Reason, detail: str, tmp_path: Path
) -> None:
    source(tmp_path / "s", data)
    found = collected(tmp_path / "home", Rsmf, context(str(tmp_path / "s")))
    assert found.scopes == {"x.rsmf": (None, 0, reason.value, detail)}


@pytest.mark.parametrize(
    ("written", "found", "failed"),
    [
        (manifest([event(1), event(2)])[:-30], 1, [(Reason.TRUNCATED, "events_cut")]),
        (b"{}", 0, [(Reason.TRUNCATED, "events_cut")]),
        (b"[1, 2", 0, [(Reason.TRUNCATED, "events_cut")]),
        (manifest([event(1, timestamp="soon")]), 1, []),
        (manifest([event(1, body="\u00e9")]).decode().encode("cp1252"), 1, []),
        (manifest([event(1, body="x" * 3_000_000)]), 1, []),
        (manifest([event(1, attachments=[{"id": "../../etc/passwd"}])]), 1,
         [(Reason.NOT_IN_EXPORT, "attachment")]),
    ],
    ids=["cut", "empty", "no object", "bad time", "charset", "huge", "hostile name"],
)  # fmt: skip
def test_manifests_that_are_cut_or_strange(
    written: bytes, found: int, failed: list[tuple[Reason, str]], tmp_path: Path
) -> None:
    got = values(source(tmp_path, mail(zipped({MANIFEST: written}), None)))
    assert sum(isinstance(one, FoundItem) for one in got) == found
    assert [(one.reason, one.detail) for one in got if isinstance(one, FailedItem)] == failed


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^source s1: no RSMF file at its path; check"):
        source(tmp_path, b"x", "a.txt").check()


@pytest.mark.parametrize("kill_after", [1, 4, 8])
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = files(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", Rsmf, built.context, kill_after=kill_after)
    found = collected(tmp_path / "home", Rsmf, built.context)
    assert set(found.items) == {*built.found, *built.failed}
    assert found.states() == {"stored": len(built.found), "failed": 1}


def test_nothing_said_is_in_what_is_listed(tmp_path: Path) -> None:
    one = Rsmf(context(files(tmp_path / "s").path))
    for scope in one.scopes():
        assert all(
            SECRET not in str(v.metadata) for v in everything(one, scope)[0] if isinstance(v, FoundItem)
        )
