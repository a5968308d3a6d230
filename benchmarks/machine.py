"""What it was measured on: figures without it mean nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import apsw
import psutil
import pysqlite3

from benchmarks.settings import ROOT, Figures

_LIBRARIES = (
    "apache-airflow", "sqlalchemy", "iscc-tika", "fast-mail-parser", "zstandard", "msgspec", "lxml",
)  # fmt: skip
BUSY_LOAD = 0.5
"""Load per core from which on a run says that its figures mean little."""


def describe(work: Path) -> Figures:
    """Return processor, cores, memory, disk and file system of the work folder, load, system."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "disk": _disk(work),
        "file_system": _file_system(work),
        "system": _system(),
        "load_before": os.getloadavg()[0],
    }


def in_words(machine: Figures) -> str:
    """Return the description in one line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / (1 << 30):.0f} GiB memory, "
        f"disk {machine['disk']}, {machine['file_system']}, {machine['system']}"
    )


def is_busy(machine: Figures) -> bool:
    """Tell whether others were at work when the run began."""
    return bool(machine["load_before"] > BUSY_LOAD * machine["cores"])


def versions() -> dict[str, str]:
    """Return the versions of this project and of what the figures depend on; peers only where they are."""
    found = {"daylight": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD") or "unknown"}
    found["python"] = platform.python_version()
    found["SQLite, index"] = apsw.sqlite_lib_version()
    found["SQLite, catalogue"] = str(pysqlite3.sqlite_version)
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    mu = _said("mu", "--version").partition("\n")[0]
    if mu:
        found["mu"] = mu.rpartition(" ")[2]
    notmuch = _said("notmuch", "--version")
    if notmuch:
        found["notmuch"] = notmuch.rpartition(" ")[2]
    recoll = re.search(r"Recoll (\d[\d.]*)", _said("recollindex", "-h"))
    if recoll is not None:
        found["recoll"] = recoll[1]
    return found


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    facts = platform.freedesktop_os_release()
    return f"{facts.get('PRETTY_NAME', platform.system())}, Linux {platform.release().partition('-')[0]}"


def _mount(work: Path) -> Any:
    """Return the mount a folder lies on, or None."""
    resolved = str(work.resolve())
    mounts = [
        part
        for part in psutil.disk_partitions(all=True)
        if resolved == part.mountpoint or resolved.startswith(part.mountpoint.rstrip("/") + "/")
    ]
    return max(mounts, key=lambda part: len(part.mountpoint), default=None)


def _file_system(work: Path) -> str:
    mount = _mount(work)
    return mount.fstype if mount is not None else "unknown"


def _disk(work: Path) -> str:
    """Return the kind of disk as the kernel states it; virtual disks often call themselves rotating."""
    mount = _mount(work)
    name = Path(mount.device).name if mount is not None else ""
    block = Path("/sys/class/block") / name
    if not name or not block.exists():
        return "unknown"
    whole = block.resolve().parent if (block / "partition").exists() else block.resolve()
    rotating = whole / "queue/rotational"
    kind = "unknown"
    if rotating.exists():
        kind = "rotating" if rotating.read_text("ascii").strip() == "1" else "solid state"
    return f"{whole.name}, says it is {kind}" + (" (virtual)" if whole.name.startswith(("vd", "xvd")) else "")
