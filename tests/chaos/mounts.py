"""Mounts that only some processes see: a full or read-only disk, without root.

https://man7.org/linux/man-pages/man7/mount_namespaces.7.html
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mounts:
    """A mount namespace, alive as long as the process that holds it.

    Attributes:
        holder: Its process id.
    """

    holder: int

    @property
    def within(self) -> tuple[str, ...]:
        """The command that starts another command in it."""
        return ("nsenter", f"--target={self.holder}", "--user", "--preserve-credentials", "--mount", "--wd")

    def seen(self, place: Path) -> Path:
        """Return where a place of it is seen from outside."""
        return Path(f"/proc/{self.holder}/root{place}")

    def do(self, *command: str | Path) -> None:
        """Run a command in it, which has to end well."""
        done = subprocess.run([*self.within, *map(str, command)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def own_mounts() -> Iterator[Mounts]:
    """Make a mount namespace; its mounts are gone with it."""
    holder = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", "echo; exec sleep infinity"],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        yield Mounts(holder.pid)
    finally:
        holder.kill()
        holder.communicate()
