"""The verifier: flipped bytes, added, missing and renamed files, counts that do not add up: all caught."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release import verifier
from release.bag import BagWriter
from release.keys import home_key
from release.verifier import FAILED, OK, STATEMENT, verify


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, full_home):
    """One good package; tests copy it or put back what they change."""
    from dataclasses import replace

    from tests.release.world import new_world

    place = tmp_path_factory.mktemp("bundle")
    shutil.copytree(full_home.world.home, place / "home")
    world = new_world(place / "home")
    scenario = replace(full_home, world=world, key=home_key(place / "home"))
    draft = scenario.draft(place / "draft")
    scenario.approve(draft.manifest_sha256)
    scenario.package(place / "out")
    world.store.close()
    world.catalogue.close()
    return place / "out" / "release", scenario.key


@pytest.fixture
def copy(bundle, tmp_path):
    shutil.copytree(bundle[0], tmp_path / "bag")
    return tmp_path / "bag"


def failed(report) -> set[str]:
    return {check["check"] for check in report.checks if not check["ok"]}


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_good_bundle(bundle):
    report = verify(bundle[0], bundle[1].fingerprint)
    assert report.ok
    assert report.facts["fingerprint_compared"] is True
    assert report.facts["working_copy"] is True
    assert report.facts["counts"]["records"] == 11
    assert report.words().endswith(f"{STATEMENT}\n")
    assert verify(bundle[0].parent).ok


def test_it_says_plainly_that_without_a_fingerprint_a_re_signed_bundle_cannot_be_told(bundle):
    report = verify(bundle[0])
    assert report.ok
    assert report.facts["fingerprint_compared"] is False
    assert any("signed anew with a key of their own passes too" in note for note in report.notes)


@pytest.mark.parametrize(
    "spelling",
    [
        str.upper,
        lambda f: " ".join(f[i : i + 4] for i in range(0, 64, 4)),
        lambda f: ":".join([f[:32], f[32:]]),
    ],
    ids=["upper", "blanks", "colons"],
)
def test_a_fingerprint_may_be_written_as_people_write_it(bundle, spelling):
    assert verify(bundle[0], spelling(bundle[1].fingerprint)).ok


@pytest.mark.parametrize("given", ["", "0" * 64, "x"])
def test_another_fingerprint_fails(bundle, given):
    assert failed(verify(bundle[0], given)) == {"signature"}


def test_a_flipped_byte_in_any_file_is_caught(copy):
    for path in files(copy):
        data = path.read_bytes()
        for place in {0, len(data) // 2, len(data) - 1}:
            for bit in (1, 0x80):
                path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
                assert not verify(copy).ok, (path.name, place, bit)
        path.write_bytes(data)
    assert verify(copy).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["signature.json", "tagmanifest-sha256.txt", "bag-info.txt", "bagit.txt", "data/status.json"]
)
def test_every_single_byte_of_the_small_files_counts(copy, name):
    path = copy / name
    data = path.read_bytes()
    for place in range(len(data)):
        bit = (1, 0x20)[place % 2]
        path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
        assert not verify(copy).ok, (place, bit)


def test_a_byte_more_or_less_in_any_file_is_caught(copy):
    for path in files(copy):
        data = path.read_bytes()
        for changed in (data + b"\n", data + b" ", data[:-1], b""):
            path.write_bytes(changed)
            assert not verify(copy).ok, path.name
        path.write_bytes(data)


def test_every_missing_file_is_caught(copy):
    for path in files(copy):
        data = path.read_bytes()
        path.unlink()
        assert not verify(copy).ok, path.name
        path.write_bytes(data)
    assert verify(copy).ok


def test_every_renamed_file_is_caught(copy):
    for path in files(copy):
        for name in (
            path.with_name(f"x{path.name}"),
            path.with_name(path.name.swapcase()),
            copy / f"moved{path.suffix}",
        ):
            path.rename(name)
            assert not verify(copy).ok, path.name
            name.rename(path)
    assert verify(copy).ok


@pytest.mark.parametrize(
    "name",
    [
        "added.txt",
        "fetch.txt",
        "manifest-sha512.txt",
        "data/added.txt",
        "data/natives/CFS0000099.eml",
        "data/text/CFS0000004.txt.bak",
        "data/.hidden",
        "__pycache__/verify.pyc",
        "data/deep/er/file",
    ],
)
def test_every_added_file_is_caught(copy, name):
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_bytes(b"")
    assert failed(verify(copy)) & {
        "every payload file, none added, missing or renamed",
        "every tag file, none added, missing or renamed",
    }


def test_an_empty_folder_is_caught(copy):
    (copy / "data" / "empty").mkdir()
    assert failed(verify(copy)) == {"only plain files with safe names"}


def test_two_files_swapped_are_caught(copy):
    one, two = sorted((copy / "data" / "natives").iterdir())[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert not verify(copy).ok


def test_links_and_other_things_are_caught(copy, tmp_path):
    target = copy / "data" / "index.html"
    shutil.copy(target, tmp_path / "same.html")
    target.unlink()
    target.symlink_to(tmp_path / "same.html")
    assert "only plain files with safe names" in failed(verify(copy))
    target.unlink()
    shutil.copy(tmp_path / "same.html", target)
    assert verify(copy).ok
    (copy / "data" / "more").symlink_to(tmp_path, target_is_directory=True)
    assert "only plain files with safe names" in failed(verify(copy))


def test_a_link_in_place_of_the_bundle_is_no_bundle(copy, tmp_path):
    (tmp_path / "link").symlink_to(copy, target_is_directory=True)
    assert not verify(tmp_path / "link").ok
    assert not verify(tmp_path / "nothing").ok


def resign(root: Path, key) -> None:
    """Make the manifests and the signature fit again, as somebody with a key of their own would."""
    data = sorted(p.relative_to(root).as_posix() for p in (root / "data").rglob("*") if p.is_file())
    lines = [f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in data]
    (root / "manifest-sha256.txt").write_text("".join(lines))
    size = sum((root / name).stat().st_size for name in data)
    info = (root / "bag-info.txt").read_text().split("\n")
    info = [f"Payload-Oxum: {size}.{len(data)}" if line.startswith("Payload-Oxum") else line for line in info]
    (root / "bag-info.txt").write_text("\n".join(info))
    tags = ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", "verify.py"]
    lines = [f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in tags]
    tag_manifest = "".join(lines).encode()
    (root / "tagmanifest-sha256.txt").write_bytes(tag_manifest)
    told = {
        "algorithm": "Ed25519",
        "fingerprint": key.fingerprint,
        "public_key": key.public.hex(),
        "signature": key.sign(tag_manifest).hex(),
        "signed": "tagmanifest-sha256.txt",
    }
    (root / "signature.json").write_text(json.dumps(told, sort_keys=True, separators=(",", ":")) + "\n")


def test_a_re_signed_bundle_passes_only_without_the_fingerprint(copy, bundle, tmp_path):
    (copy / "data" / "natives" / "CFS0000003.pdf").write_bytes(b"%PDF forged")
    other = home_key(tmp_path / "other")
    index = (copy / "data" / "index.csv").read_bytes()
    old = hashlib.sha256((bundle[0] / "data" / "natives" / "CFS0000003.pdf").read_bytes()).hexdigest()
    new = hashlib.sha256(b"%PDF forged").hexdigest()
    size = len((bundle[0] / "data" / "natives" / "CFS0000003.pdf").read_bytes())
    index = index.replace(old.encode(), new.encode()).replace(
        f",{size},{new}".encode(), f",11,{new}".encode()
    )
    (copy / "data" / "index.csv").write_bytes(index)
    resign(copy, other)
    assert verify(copy).ok
    assert failed(verify(copy, bundle[1].fingerprint)) == {"signature"}
    assert verify(copy, other.fingerprint).ok


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text, old
    path.write_bytes(text.replace(old, new, 1).encode())


COUNTS = {
    "a count of records": ("counts.json", '"records": 11', '"records": 12'),
    "a count of natives": ("counts.json", '"natives": 7', '"natives": 6'),
    "a count of families": ("counts.json", '"families": 7', '"families": 8'),
    "review": ("counts.json", '"not_responsive": 2', '"not_responsive": 3'),
    "review, both parts": ("counts.json", '"not_in_review": 1', '"not_in_review": 5'),
    "awaits": ("counts.json", '"redaction": 1', '"redaction": 2'),
    "collection": ("counts.json", '"found": 4', '"found": 5'),
    "balanced": ("counts.json", '"balanced": true,\n  "children"', '"balanced": false,\n  "children"'),
    "a number twice": ("index.csv", "CFS0000002,F", "CFS0000001,F"),
    "a number skipped": ("index.csv", "CFS0000011,F", "CFS0000012,F"),
    "released for withheld": ("index.csv", "withheld in full", "released"),
    "withheld for released": ("index.csv", "released", "withheld in full"),
    "a made-up treatment": ("index.csv", "released", "kept"),
    "size": ("index.csv", ",33,", ",34,"),
    "native of another": ("index.csv", "natives/CFS0000001.eml", "natives/CFS0000002.eml"),
    "a text that is not there": ("index.csv", "text/CFS0000001.txt", "text/CFS0000009.txt"),
    "a row too long": ("index.csv", "CFS0000001,", "CFS0000001,,"),
    "a log entry taken away": ("exemption-log.csv", "CFS0000007", "CFS0000001"),
    "no statement": ("status.json", STATEMENT, "FOR DELIVERY"),
    "no statement on the page": ("index.html", STATEMENT, "FOR DELIVERY"),
    "not JSON": ("counts.json", "{", "["),
    "JSON of another shape": ("status.json", '"draft"', '"draught"'),
}


@pytest.mark.parametrize("name", COUNTS)
def test_what_does_not_add_up_fails_even_when_signed(copy, tmp_path, name):
    file, old, new = COUNTS[name]
    path = copy / "data" / file
    if name == "no statement on the page":
        path.write_text(path.read_text().replace(old, new))
    else:
        edit(path, old, new)
    resign(copy, home_key(tmp_path / "other"))
    assert failed(verify(copy)) & {"counts add up", "statement of the bundle"}
    assert "signature" not in failed(verify(copy))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("manifest-sha256.txt", "0" * 64 + "  data/../../etc/passwd\n"),
        ("manifest-sha256.txt", "0" * 64 + "  /etc/passwd\n"),
        ("manifest-sha256.txt", "0" * 64 + " *data/x\n"),
        ("manifest-sha256.txt", "0" * 64 + "  data/a%0D%0Ab\n"),
        ("manifest-sha256.txt", "zz\n"),
        ("manifest-sha256.txt", "\n"),
        ("manifest-sha256.txt", "0" * 64 + "  other/x\n"),
        ("tagmanifest-sha256.txt", "0" * 64 + "  tagmanifest-sha256.txt\n"),
    ],
)
def test_odd_manifest_lines_fail(copy, name, line):
    with (copy / name).open("a") as file:
        file.write(line)
    assert not verify(copy).ok


SIGNATURES = {
    "other algorithm": lambda t: {**t, "algorithm": "RSA"},
    "other file": lambda t: {**t, "signed": "manifest-sha256.txt"},
    "one member more": lambda t: {**t, "more": 1},
    "one member less": lambda t: {k: v for k, v in t.items() if k != "fingerprint"},
    "capitals": lambda t: {**t, "signature": t["signature"].upper()},
    "short": lambda t: {**t, "signature": t["signature"][:-2]},
    "no hex": lambda t: {**t, "signature": "z" * 128},
    "no text": lambda t: {**t, "signature": 5},
    "a larger s": lambda t: {
        **t,
        "signature": t["signature"][:64]
        + (int.from_bytes(bytes.fromhex(t["signature"][64:]), "little") + verifier.L)
        .to_bytes(32, "little")
        .hex(),
    },
    "other fingerprint": lambda t: {**t, "fingerprint": "0" * 64},
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_odd_signature_files_fail(copy, name):
    told = SIGNATURES[name](json.loads((copy / "signature.json").read_text()))
    (copy / "signature.json").write_text(json.dumps(told, sort_keys=True, separators=(",", ":")) + "\n")
    assert "signature" in failed(verify(copy))


def test_another_spelling_of_a_good_signature_fails(copy):
    told = json.loads((copy / "signature.json").read_text())
    (copy / "signature.json").write_text(json.dumps(told, sort_keys=True) + "\n")
    assert failed(verify(copy)) == {"signature"}


@settings(max_examples=30, deadline=None)
@given(noise=st.binary(max_size=300), which=st.integers(0, 6))
def test_no_noise_makes_it_crash(bundle, noise, which):
    root = bundle[0]
    names = [
        "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "signature.json",
        "data/status.json", "data/counts.json",
    ]  # fmt: skip
    path = root / names[which]
    data = path.read_bytes()
    try:
        path.write_bytes(noise)
        assert not verify(root).ok
    finally:
        path.write_bytes(data)


def run(script: Path, *arguments: str):
    return subprocess.run(
        [sys.executable, "-I", str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_bundles_own_verifier_runs_alone(copy, bundle):
    done = run(copy / "verify.py", "--fingerprint", bundle[1].fingerprint)
    assert done.returncode == OK
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert told["statement"] == STATEMENT
    assert done.stderr.endswith(f"RESULT  every check passed\n{STATEMENT}\n")
    assert verify(copy).ok  # running it left nothing behind
    (copy / "data" / "index.csv").write_bytes(b"")
    done = run(copy / "verify.py")
    assert done.returncode == FAILED
    assert json.loads(done.stdout)["ok"] is False
    assert "NOT VERIFIED" in done.stderr
    assert STATEMENT in done.stderr
    assert run(copy / "verify.py", "/no/such/folder").returncode == 2


def test_it_is_one_file_of_the_standard_library():
    import ast

    tree = ast.parse(Path(verifier.__file__).read_text(), feature_version=(3, 8))
    names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names


def test_a_hostile_tree_is_only_reported(tmp_path):
    (tmp_path / "bag" / "data").mkdir(parents=True)
    (tmp_path / "bag" / "bagit.txt").write_bytes(b"\xff" * 10)
    (tmp_path / "bag" / "data" / "a\nb").write_bytes(b"x")
    report = verify(tmp_path / "bag")
    assert not report.ok
    assert len(report.checks) == 9
    assert "'a\\nb'" not in report.words().split("unsafe name: ")[0]


def test_the_bag_writer_encodes_names_as_the_standard_says(tmp_path):
    writer = BagWriter(tmp_path / "bag", 0)
    writer.add("a.txt", b"abc")
    writer.add("b.txt", b"hello\n")
    writer.close({})
    assert (tmp_path / "bag" / "manifest-sha256.txt").read_text() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  data/a.txt\n"
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  data/b.txt\n"
    )
    assert (tmp_path / "bag" / "bagit.txt").read_bytes() == (
        b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    )
    assert "Payload-Oxum: 9.2\n" in (tmp_path / "bag" / "bag-info.txt").read_text()
    from release.bag import _encoded

    assert _encoded("a%b\rc\nd") == "a%25b%0Dc%0Ad"


@pytest.mark.parametrize("second", ["A.TXT", "a.txt", "../a", "x//y", "", "./z"])
def test_the_bag_writer_refuses_equal_and_unsafe_names(tmp_path, second):
    from records.errors import CheckFailed

    writer = BagWriter(tmp_path / "bag", 0)
    writer.add("a.txt", b"abc")
    with pytest.raises(CheckFailed):
        writer.add(second, b"")
