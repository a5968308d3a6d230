"""What every such server has in common: a free port, a private folder, and an end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged() -> pwd.struct_passwd | None:
    """Return whom to run a server as that refuses root, or None when this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("this machine has neither a user postgres nor nobody")


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """Give a short-named folder that the unprivileged user can enter; gone at the end.

    Not pytest's ``tmp_path``: its parents are closed to other users, and a socket's path must stay under
    108 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        user = unprivileged()
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
