"""Servers written in Java: the JDK that runs them, and their packages from Maven Central.

Packages are fetched by their coordinates, through Maven itself, so that a mirror or proxy that is set for
Maven on this machine is used. What was fetched is checked by SHA-256 and kept in the user's cache folder,
outside the checkout; it is never committed or passed on.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

TRIES = 4
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_BARE_POM = (
    "<project><modelVersion>4.0.0</modelVersion><groupId>{group}</groupId>"
    "<artifactId>{name}</artifactId><version>{version}</version></project>"
)


@cache
def java_home(oldest: int) -> Path | None:
    """Return a JDK that is new enough, the oldest such; None when this machine has none."""
    named = os.environ.get("JAVA_HOME")
    program = shutil.which("java")
    places = [Path(named)] if named else []
    places += [Path(program).resolve().parents[1]] if program else []
    places += sorted(Path("/usr/lib/jvm").glob("*"))
    found: list[tuple[int, Path]] = []
    for place in places:
        with suppress(OSError):
            said = (place / "release").read_text("utf-8")
            version = re.search(r'^JAVA_VERSION="(\d+)', said, re.MULTILINE)
            if version and int(version[1]) >= oldest and "jdk.jlink" in said:
                found.append((int(version[1]), place))
    return min(found)[1] if found else None


def cache_folder() -> Path:
    """Return where servers are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "daylight" / "servers"


def kept(home: Path, artifact: str, sha256: str, unpack: Callable[[Path, Path], None]) -> Path:
    """Return a server's place in the cache, fetching it first when it is not there; one process at a time.

    Args:
        home: The place: a folder or a file below ``cache_folder()``.
        artifact: ``group:name:version:type``.
        sha256: Of the package.
        unpack: Makes the place (second argument) of the package (first).

    Raises:
        AssertionError: Maven could not fetch it, or it is not the pinned one.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            with tempfile.TemporaryDirectory(prefix=".fetching-", dir=home.parent) as folder:
                package = _download(artifact, Path(folder))
                with package.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                assert found == sha256, f"{artifact} is not the pinned one"
                unpack(package, Path(folder) / "home")
                (Path(folder) / "home").rename(home)  # last: what has the name is whole
    return home


def _download(artifact: str, folder: Path) -> Path:
    """Let Maven fetch the package into a repository of its own, gone with the folder.

    A bare description stands there for the package's own: nothing that it depends on is wanted, and a mirror
    need not have the descriptions of all its parents.
    """
    group, name, version, kind = artifact.split(":")
    described = folder / "maven" / group.replace(".", "/") / name / version / f"{name}-{version}.pom"
    described.parent.mkdir(parents=True)
    described.write_text(_BARE_POM.format(group=group, name=name, version=version), "utf-8")
    command = ("mvn", "-B", "-q", f"-Dmaven.repo.local={folder}/maven", _COPY, f"-Dartifact={artifact}",
               f"-DoutputDirectory={folder}/package")  # fmt: skip
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            return next(folder.glob(f"package/*.{kind}"))
        if attempt < TRIES:
            time.sleep(10 * attempt)  # a registry can be busy
    raise AssertionError(f"Maven could not fetch {artifact}: {done.stdout[-2000:]}{done.stderr[-1000:]}")
