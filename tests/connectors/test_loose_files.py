"""Drop folders."""

from __future__ import annotations

import os
import socket
import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.loose_files import LooseFiles, walk
from connectors.registry import CONNECTORS
from records.errors import ItemError, SettingsError
from records.models import FailedItem, FoundItem, Part, Window
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import ALWAYS, ZONE, context, everything


def open_source(path: Path):
    source = LooseFiles(context(str(path)))
    (scope,) = source.scopes()
    return source, scope


def test_order_is_that_of_paths_with_folders_first_at_their_border(tmp_path: Path) -> None:
    for rel in ("a/b", "a-b", "a.b", "a/b.c/d", "b", "A"):
        (tmp_path / rel).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / rel).is_dir():
            (tmp_path / rel).write_bytes(b"x")
    got = [rel for rel, _ in walk(str(tmp_path), "", "")]
    assert got == ["A", "a/b", "a/b.c/d", "a-b", "a.b", "b"]


NAMES = st.sampled_from(["a", "a-", "a.", "b", "B", "a b", "\u00e9", "zz"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=12), st.integers(1, 5))
def test_any_tree_is_covered_by_any_cut(tmp_path_factory, paths: list[str], most: int) -> None:
    root = tmp_path_factory.mktemp("tree")
    for rel in paths:
        target = root / rel
        if any(parent.is_file() for parent in target.parents) or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(rel.encode())
    there = sorted(
        str(path.relative_to(root)).replace("/", "\0") for path in root.rglob("*") if path.is_file()
    )
    source, scope = open_source(root)
    parts = list(source.parts(scope, most, 1 << 30))
    got = [v.native_key for part in parts for v in source.items(part, ALWAYS)]
    assert [key.replace("/", "\0") for key in got] == there
    assert source.count(scope).count == len(there)
    for part in parts:
        values = list(source.items(part, ALWAYS))
        for n, value in enumerate(values, 1):
            assert list(source.items(part, ALWAYS, value.cursor)) == values[n:]


def test_a_socket_an_unreadable_file_and_an_unreadable_folder(tmp_path: Path, monkeypatch) -> None:
    for rel in ("a.txt", "b.txt", "locked/x.txt"):
        (tmp_path / rel).parent.mkdir(exist_ok=True)
        (tmp_path / rel).write_bytes(b"x")
    here = Path.cwd()
    os.chdir(tmp_path)  # the path of a socket may be 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("sock")
    finally:
        os.chdir(here)
    real_open, real_scan = os.open, os.scandir

    def refusing_open(path, *args, **more):
        if str(path).endswith("b.txt"):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *args, **more)

    def refusing_scan(path="."):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_scan(path)

    monkeypatch.setattr(os, "open", refusing_open)
    monkeypatch.setattr(os, "scandir", refusing_scan)
    source, scope = open_source(tmp_path)
    values, _ = everything(source, scope)
    assert [(v.native_key, getattr(v, "reason", None)) for v in values] == [
        ("a.txt", None),
        ("b.txt", Reason.UNREADABLE),
        ("locked", Reason.UNREADABLE),
        ("sock", Reason.UNSUPPORTED),
    ]
    assert source.count(scope).count == 4


def test_the_folder_itself_unreadable_is_a_scope_failure(tmp_path: Path, monkeypatch) -> None:
    source, scope = open_source(tmp_path)

    def refusing(path="."):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ItemError, match="unreadable: errno_13"):
        list(source.items(Part(scope), ALWAYS))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not handed over")
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "drop" / "dangling").symlink_to("nowhere")
    source, scope = open_source(tmp_path / "drop")
    values, _ = everything(source, scope)
    assert {(type(v), v.reason) for v in values} == {(FailedItem, Reason.UNSAFE_NAME)}
    assert source.count(scope).count == 2


def test_files_have_no_moment_and_are_flagged_in_a_window(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    source, scope = open_source(tmp_path)
    ((value,), _) = everything(source, scope, window=Window(date(2025, 1, 1), date(2025, 1, 2), ZONE))
    assert isinstance(value, FoundItem)
    assert (value.kind, value.media_type, value.warnings) == (Kind.FILE, None, (WarningCode.NO_DATE,))


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 3_000_000)
    source, scope = open_source(tmp_path)
    ((value,), data) = everything(source, scope)
    assert not isinstance(value.handle, bytes)
    assert len(data["large"]) == 3_000_000


def test_an_empty_folder_is_one_empty_scope(tmp_path: Path) -> None:
    source, scope = open_source(tmp_path)
    assert everything(source, scope)[0] == []
    assert source.count(scope).count == 0


def test_a_part_of_another_version_is_refused(tmp_path: Path) -> None:
    source, scope = open_source(tmp_path)
    with pytest.raises(SettingsError, match="plan the run again"):
        list(source.items(Part(scope, 0, '{"v":0}'), ALWAYS))


def test_the_operator_may_name_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real.txt")
    source, scope = open_source(tmp_path / "link")
    assert everything(source, scope)[1] == {"real.txt": b"x"}


@pytest.mark.parametrize("name", ["loose_files", "mail_files"])
def test_a_tree_deeper_than_calls_may_be(tmp_path: Path, name: str) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1_100):
            Path("a").mkdir()
            os.chdir("a")
        Path("deep.eml").write_bytes(b"From: a\nTo: b\n\nx")
    finally:
        os.chdir(here)
    try:
        source = CONNECTORS[name](context(str(tmp_path)))
        scopes = list(source.scopes())
        found = everything(source, scopes[-1])[0]
        assert [v.native_key for v in found] == ["a/" * 1_100 + "deep.eml"]
        assert source.count(scopes[-1]).count in (None, 1)
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "a")], check=True)  # shutil.rmtree calls itself
