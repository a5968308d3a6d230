"""What fuzzes: each target takes its samples, changes are repeatable, and what escapes is kept."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from connectors.registry import CONNECTORS
from connectors.service import ServiceConnector
from extract.registry import EXTRACTORS
from records.errors import ItemError
from records.vocabulary import Reason
from tests.fuzz.driver import Finds, TooSlow, limited, where
from tests.fuzz.mutating import mutated
from tests.fuzz.targets import READERS, SERVICES, TARGETS

QUICK = [name for name in TARGETS if not name.startswith(("from_", "read_"))]
"""Readers of ``extract.registry`` are given damage by their contract suite."""


def test_every_reader_and_every_connector_of_files_is_a_target() -> None:
    assert {*READERS, "tika"} == {reader.name for reader in EXTRACTORS}
    assert {name for name, kind in CONNECTORS.items() if issubclass(kind, ServiceConnector)} == SERVICES
    assert {name for name in TARGETS if name.startswith("from_")} == {
        f"from_{name}" for name in CONNECTORS if name not in SERVICES
    }


@pytest.mark.parametrize("name", [*QUICK, "read_msg", "from_mail_files"])
def test_a_target_takes_its_samples_and_damage(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    assert target.seeds
    dice = random.Random(name)
    for sample in target.seeds:
        target.read(sample)
        for _ in range(4):
            target.read(mutated(sample, dice, 1 << 16, fixed=1))


def test_changes_are_repeatable_and_within_bounds() -> None:
    sample = bytes(range(256)) * 3
    made = [mutated(sample, random.Random(number), 900, fixed=1) for number in range(200)]
    assert made == [mutated(sample, random.Random(number), 900, fixed=1) for number in range(200)]
    assert len(set(made)) > 150
    assert all(len(one) <= 900 and one[:1] == sample[:1] for one in made)


def test_a_member_of_a_zip_is_changed_and_its_sum_fits() -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", b"hello " * 50)
    sums: set[int] = set()
    for number in range(60):
        changed = mutated(out.getvalue(), random.Random(number), 1 << 16)
        with (
            contextlib.suppress(zipfile.BadZipFile, ValueError, zlib.error),
            zipfile.ZipFile(BytesIO(changed)) as archive,
        ):
            if archive.testzip() is None:
                sums.update(info.CRC for info in archive.infolist())
    assert len(sums) > 20


def test_a_find_is_kept_once_with_the_place_that_raised_it(tmp_path: Path, capsys) -> None:
    finds = Finds("mine", tmp_path / "out")
    for data in (b"one", b"two"):
        try:
            int("x")
        except ValueError as error:
            finds.keep(data, error)
    (kept,) = (tmp_path / "out").iterdir()
    assert kept.read_bytes() == b"one"
    assert kept.name.startswith("mine-ValueError-test_targets_test_a_find_is_kept")
    assert f"again: python -m tests.fuzz mine {kept}" in capsys.readouterr().err


def test_what_runs_for_too_long_is_stopped_and_named() -> None:
    def endless() -> None:
        with limited(0.05):
            while True:
                pass

    with pytest.raises(TooSlow) as caught:
        endless()
    assert where(caught.value).startswith("TooSlow-test_targets_")


def test_a_file_is_tried_again_by_one_command(tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(b"\0{\\rtf1 x}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "rtf", sound], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_with_more_than_a_code_is_a_find() -> None:
    from tests.fuzz.targets import _item_error

    _item_error(ItemError(Reason.CORRUPT, "mime_depth"))
    with pytest.raises(AssertionError, match="more than a code"):
        _item_error(ItemError(Reason.CORRUPT, "no such file: Ana Ruiz.doc"))
