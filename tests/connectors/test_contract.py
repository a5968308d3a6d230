"""The contract of a connector, run over every one of them: register a builder in ``FIXTURES``."""

from __future__ import annotations

import gc
import hashlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors.protocol import Connector
from connectors.registry import CONNECTORS, connector
from connectors.service import ServiceConnector
from records.errors import AccessError, CursorExpired, DaylightError, SettingsError
from records.models import NO_MOMENT, ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Reason
from tests.connectors.builders import ALWAYS, FIXTURES, SECRET, ZONE, Built, context, everything

pytestmark = pytest.mark.contract


OF_FILES = sorted(name for name, kind in CONNECTORS.items() if not issubclass(kind, ServiceConnector))
OF_SERVICES = sorted(set(CONNECTORS) - set(OF_FILES))


@pytest.fixture(params=sorted(FIXTURES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[type[Connector], Built]]:
    name, build = FIXTURES[request.param]
    built = build(tmp_path / "source")
    yield CONNECTORS[name], built
    if built.vanish is not None:
        built.vanish()


def fingerprint(root: Path) -> dict[str, tuple]:
    """Return everything about a tree that a reader could change."""
    seen = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        seen[str(path)] = (about.st_mode, about.st_size, about.st_mtime_ns, hashlib.sha256(data).hexdigest())
    return seen


def keys(values) -> list[str]:
    return [value.native_key for value in values]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_every_connector_has_a_fixture() -> None:
    assert {name for name, _ in FIXTURES.values()} == set(CONNECTORS)


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_says_who_it_is(name: str) -> None:
    kind = CONNECTORS[name]
    assert isinstance(kind(context(None)), Connector)
    assert kind.name == name
    assert kind.version
    assert kind.covers
    assert kind.does_not_cover
    assert kind.tested_on


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(SettingsError, match=", ".join(sorted(CONNECTORS))):
        connector("fax_machine")


@pytest.mark.parametrize("name", OF_SERVICES)
def test_a_service_checks_its_settings_without_asking(name: str) -> None:
    kind = CONNECTORS[name]
    bare = replace(context(None), account="a@example.org")
    kind(bare).check_settings()
    for wrong in ({"places": ("cellar",)}, {"options": {"colour": "blue"}}, {"path": "/x"}):
        with pytest.raises(SettingsError, match=r"^source s1: "):
            kind(replace(bare, **wrong)).check_settings()
    with pytest.raises(SettingsError, match=r"^source s1: needs `connection` in the request file$"):
        kind(bare).check()


@pytest.mark.parametrize("name", OF_FILES)
def test_files_have_no_places_and_take_no_option_that_does_nothing(name: str, tmp_path: Path) -> None:
    here = context(str(tmp_path))
    with pytest.raises(SettingsError, match=r"^source s1: places: .* none to choose from; remove `places`$"):
        CONNECTORS[name](replace(here, places=("mail",))).check_settings()
    with pytest.raises(SettingsError, match=r"^source s1: options: colour not known; known: "):
        CONNECTORS[name](replace(here, options={"colour": "red"})).check_settings()


@pytest.mark.parametrize("name", OF_FILES)
def test_missing_path_is_named_by_source_id(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        AccessError, match=r"^source s1: nothing at its path; check `path` in the request file$"
    ):
        CONNECTORS[name](context(str(tmp_path / SECRET))).check()
    with pytest.raises(SettingsError, match=r"^source s1: needs `path`"):
        CONNECTORS[name](context(None)).check()


def test_finds_exactly_what_is_there(case) -> None:
    kind, built = case
    source = kind(built.context)
    source.check()
    data, failed, excluded, scopes = {}, {}, {}, []
    for scope in source.scopes():
        scopes.append(scope.key)
        values, got = everything(source, scope)
        data |= got
        failed |= {v.native_key: v.reason for v in values if isinstance(v, FailedItem)}
        excluded |= {v.native_key: v.reason for v in values if isinstance(v, ExcludedItem)}
        sizes = {v.native_key: v.size_bytes for v in values if isinstance(v, FoundItem)}
        if built.service is not None:  # a service may not tell, or tell the size of something else
            sizes = {key: len(got[key]) if size is None else size for key, size in sizes.items()}
        assert sizes == {key: len(value) for key, value in got.items()}
    assert tuple(scopes) == built.scopes
    assert data == built.found
    assert failed == built.failed
    assert excluded == built.excluded


def test_expected_count_equals_found(case) -> None:
    kind, built = case
    source = kind(built.context)
    for scope in source.scopes():
        expected = source.count(scope)
        if scope.key in built.uncounted:
            assert expected == Expected(None, "unknown")
            continue
        assert expected.count == len(everything(source, scope)[0]), scope.key
        assert expected.by != "unknown"


def test_native_keys_are_unique_in_a_scope(case) -> None:
    kind, built = case
    source = kind(built.context)
    for scope in source.scopes():
        found = keys(everything(source, scope)[0])
        assert len(set(found)) == len(found)
        for key in found:
            key.encode()


def test_two_runs_give_the_same(case) -> None:
    kind, built = case
    first, second = kind(built.context), kind(built.context)
    assert list(first.scopes()) == list(second.scopes())
    for scope in first.scopes():
        assert everything(first, scope) == everything(second, scope)


@pytest.mark.parametrize(("most_items", "most_bytes"), [(1, 1 << 30), (3, 1 << 30), (10_000, 300), (2, 100)])
def test_parts_cover_exactly_the_whole(case, most_items: int, most_bytes: int) -> None:
    kind, built = case
    source = kind(built.context)
    for scope in source.scopes():
        whole = everything(source, scope)
        parts = list(source.parts(scope, most_items, most_bytes))
        assert [part.number for part in parts] == list(range(len(parts)))
        assert len({part.spec for part in parts}) == len(parts)
        values, data = everything(source, scope, most_items, most_bytes)
        assert keys(values) == keys(whole[0])
        assert data == whole[1]
        known = [part.items for part in parts]
        if None not in known:
            assert sum(known) == len(values)


@pytest.mark.parametrize("most_items", [10_000, 3])
def test_resumes_after_a_kill_at_every_item(case, most_items: int) -> None:
    kind, built = case
    source = kind(built.context)
    for scope in source.scopes():
        for part in source.parts(scope, most_items, 1 << 30):
            values = list(source.items(part, ALWAYS))
            for n, value in enumerate(values, 1):
                again = list(kind(built.context).items(part, ALWAYS, value.cursor))
                assert again == values[n:]


def test_cursors_are_small_ascii_and_a_strange_one_is_refused_before_anything_is_yielded(case) -> None:
    kind, built = case
    source = kind(built.context)
    for scope in source.scopes():
        for part in source.parts(scope, 10_000, 1 << 30):
            values = list(source.items(part, ALWAYS))
            assert all(value.cursor.isascii() and 0 < len(value.cursor) < 1_000 for value in values)
            if values:  # the caller passes over what is stored; unsaid, it would be stored twice
                with pytest.raises(CursorExpired):
                    next(source.items(part, ALWAYS, "z9:other version"))


def test_leaves_the_source_as_it_was_and_writes_nothing(case, tmp_path: Path, monkeypatch) -> None:
    kind, built = case
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = fingerprint(tmp_path), built.state and built.state()
    source = kind(built.context)
    source.check()
    for scope in source.scopes():
        source.count(scope)
        everything(source, scope)
    assert (fingerprint(tmp_path), built.state and built.state()) == before


@pytest.fixture
def _few_to_collect() -> Iterator[None]:
    """Let ``gc.collect`` look only at what a test makes: all that other tests left takes it a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_few_to_collect")
@pytest.mark.parametrize("fixture", sorted(FIXTURES))
def test_closes_its_files_and_connections_when_read_and_when_dropped(fixture: str, tmp_path: Path) -> None:
    name, build = FIXTURES[fixture]
    for again in (False, True):  # what is opened once in the life of a process is open the second time
        gc.collect()
        before = open_files()
        built = build(tmp_path / f"source-{again}")
        source = CONNECTORS[name](built.context)
        for scope in source.scopes():
            source.count(scope)
            everything(source, scope)
            for part in source.parts(scope, 10_000, 1 << 30):
                items = source.items(part, ALWAYS)
                next(items, None)
                items.close()
        if built.vanish is None:
            assert open_files() == before  # files are closed at once
            continue
        del source  # a service's connections live as long as its connector
        built.vanish()
        gc.collect()
        assert not again or open_files() == before


def test_nothing_of_the_content_in_logs(case, caplog: pytest.LogCaptureFixture) -> None:
    kind, built = case
    caplog.set_level(logging.DEBUG)
    source = kind(built.context)
    for scope in source.scopes():
        values, _ = everything(source, scope)
        for value in values:
            assert SECRET not in getattr(value, "detail", "")
    assert SECRET not in caplog.text


def test_what_is_surely_outside_the_window_is_excluded_and_counted(case) -> None:
    kind, built = case
    source = kind(built.context)
    window = Window(date(2031, 1, 1), date(2031, 1, 31), ZONE)
    for scope in source.scopes():
        everywhen, _ = everything(source, scope)
        values, _ = everything(source, scope, window=window)
        assert keys(values) == keys(everywhen)
        for before, after in zip(everywhen, values, strict=True):
            dated = isinstance(before, FoundItem) and before.moment.at is not None
            if built.service is not None:  # a service may look at a time without telling it
                dated = isinstance(before, FoundItem) and before.native_key not in built.undated
            assert isinstance(after, ExcludedItem) == (dated or isinstance(before, ExcludedItem))
            if dated:
                assert after.reason is Reason.OUTSIDE_WINDOW
                assert after.moment in (before.moment, NO_MOMENT)


def test_a_scope_that_went_away_is_a_scope_failure_without_content(case, tmp_path: Path) -> None:
    kind, built = case
    source = kind(built.context)
    scopes = list(source.scopes())
    if built.vanish is not None:
        built.vanish()
    else:
        (tmp_path / "source").rename(tmp_path / "elsewhere")
    for scope in scopes:
        with pytest.raises((DaylightError, OSError)) as caught:
            everything(source, scope)
        assert isinstance(caught.value, DaylightError)
        assert SECRET not in str(caught.value)
