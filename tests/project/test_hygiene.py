"""What must never be committed: machine paths, registry addresses, large files, unfinished code."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_BYTES = 1 << 20
# Written in pieces, so that this file does not find itself.
HOSTS = (
    "pypi" + ".org",
    "python" + "hosted",
    "npm" + "js.org",
    "npm" + "js.com",
    "maven" + ".org",
    "crates" + ".io",
    "deb.debian" + ".org",
    "proxy.golang" + ".org",
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}~/-])/(?:wo" + r"rk/\w|ho" + r"me/[a-z]+/|ro" + r"ot/\.|Us" + r"ers/\w)"
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|raise Not" + r"ImplementedError)\b")
AGPL_OR_GPL = re.compile(
    r"^\s*(?:import|from)\s+(?:fitz|pymupdf|ghostscript|extract_msg|mailparser)\b", re.MULTILINE
)


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found.append((str(path.relative_to(ROOT)), data.decode("utf-8", "replace")))
    return found


def test_no_file_is_larger_than_a_mebibyte():
    assert [str(p.relative_to(ROOT)) for p in tracked() if p.stat().st_size > LARGEST_BYTES] == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_registry_address(host):
    assert [name for name, text in texts() if host in text] == []


def test_no_path_of_one_machine():
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in texts()
        for match in MACHINE_PATHS.finditer(text)
    ]
    assert found == []


def test_nothing_says_it_is_unfinished():
    found = [
        f"{name}: {match.group()}"
        for name, text in texts()
        if name.endswith((".py", ".sh", ".md", "Makefile", ".toml"))
        for match in UNFINISHED.finditer(text)
    ]
    assert found == []


def test_no_library_whose_licence_forbids_shipping():
    assert [name for name, text in texts() if name.endswith(".py") and AGPL_OR_GPL.search(text)] == []


def test_pins_are_exact_and_carry_no_address():
    bad = [
        line
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if not re.fullmatch(r"[a-z0-9.-]+==[^ ;]+(?: ; .+)?", line)
    ]
    assert bad == []


def test_scripts_can_be_run():
    for path in [ROOT / ".ci/run", *(ROOT / "scripts").iterdir()]:
        if path.is_file() and path.suffix != ".py":
            assert path.stat().st_mode & 0o111, path.name


def test_licence_is_the_whole_apache_text():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text) > 11_000
