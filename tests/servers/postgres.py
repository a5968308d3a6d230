"""A temporary PostgreSQL: real, on loopback, without root, without durability, gone with its test session."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from desk.watchdog import Watchdog
from examples.servers.temporary import free_port, private_folder, unprivileged

START_LIMIT_S = 120


def binaries() -> Path:
    """Return the folder of PostgreSQL's own programs; the newest where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    assert program, "PostgreSQL is not installed; as root: scripts/system-packages test"
    return Path(program).resolve().parent


def _run(*command: str | Path, folder: Path) -> None:
    """Run a program as the unprivileged user; its words are shown when it fails."""
    user = unprivileged()
    # Not a pipe: the server pg_ctl leaves behind would hold it open for ever.
    log = folder / "commands.log"
    with log.open("ab") as out:
        done = subprocess.run(
            [str(part) for part in command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            timeout=START_LIMIT_S,
            check=False,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
    assert done.returncode == 0, log.read_text("utf-8", "replace")[-3000:]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        url: SQLAlchemy address, without a database name at the end.
        folder: Of its data, logs and socket.
        options: Of the server.
    """

    url: str
    folder: Path
    options: str

    def start(self) -> None:
        """Start it, and wait until it answers; after a kill it first recovers."""
        self._control("-l", self.folder / "server.log", "-o", self.options, "start")

    def stop(self) -> None:
        """Stop it at once."""
        self._control("-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill it and all its processes, as a machine that runs out of memory would."""
        first = psutil.Process(int((self.folder / "data/postmaster.pid").read_text().split()[0]))
        processes = [first, *first.children()]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, 20)

    def stopping(self) -> str:
        """Return the shell command that stops it."""
        return shlex.join(map(str, (*self._controlling(), "-m", "immediate", "stop")))

    def _control(self, *arguments: str | Path) -> None:
        _run(*self._controlling(), *arguments, folder=self.folder)

    def _controlling(self) -> tuple[str | Path, ...]:
        return (binaries() / "pg_ctl", "-D", self.folder / "data", "-w", "-t", str(START_LIMIT_S))


QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
"""Most tests are about locks and transactions, not about a power cut."""


@contextmanager
def server(durability: str = QUICK) -> Iterator[Server]:
    """Start a server.

    Args:
        durability: Its options of durability; empty for the server's own.
    """
    port = free_port()
    with private_folder("dl-pg-") as folder:
        _run(binaries() / "initdb", "-D", folder / "data", "-U", "daylight", "-A", "trust", "--no-sync",
             "-E", "UTF8", "--locale=C.UTF-8", folder=folder)  # fmt: skip
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} "
            f"-c max_connections=60 {durability}"
        )
        made = Server(f"postgresql+psycopg://daylight@127.0.0.1:{port}", folder, options)
        user = unprivileged()
        command = ("/bin/sh", "-c", f"{made.stopping()}; rm -rf {shlex.quote(str(folder))}")
        with Watchdog(command, user=user and user.pw_uid, group=user and user.pw_gid):
            made.start()
            try:
                yield made
            finally:
                made.stop()


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server; give its SQLAlchemy address, without a database name at the end."""
    with server() as made:
        yield made.url
