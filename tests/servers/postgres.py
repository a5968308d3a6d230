"""A temporary PostgreSQL: real, on loopback, without root, without durability, gone with its test session."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server; give its SQLAlchemy address, without a database name at the end.

    ``fsync`` is off: these tests are about locks and transactions, not about a power cut.
    """
    bin_folder, port = binaries(), free_port()
    with private_folder("dl-pg-") as folder:
        data = folder / "data"
        _run(bin_folder / "initdb", "-D", data, "-U", "daylight", "-A", "trust", "--no-sync", "-E", "UTF8",
             "--locale=C.UTF-8", folder=folder)  # fmt: skip
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"
        )
        control = (bin_folder / "pg_ctl", "-D", data, "-w", "-t", START_LIMIT_S)
        user = unprivileged()
        stop = shlex.join(map(str, (*control, "-m", "immediate", "stop")))
        command = ("/bin/sh", "-c", f"{stop}; rm -rf {shlex.quote(str(folder))}")
        with Watchdog(command, user=user and user.pw_uid, group=user and user.pw_gid):
            _run(*control, "-l", folder / "server.log", "-o", options, "start", folder=folder)
            try:
                yield f"postgresql+psycopg://daylight@127.0.0.1:{port}"
            finally:
                _run(*control, "-m", "immediate", "stop", folder=folder)
