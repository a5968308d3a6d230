"""What a process that reads hostile files cannot do: reach a network or the files of others, start a program.

Tika's native library writes copies of what it reads to ``/tmp``, whatever the settings say, and removes them
when it is done. A process that is killed leaves them behind. So a worker gets a ``/tmp`` of its own (a mount
that only it sees, over a folder that its parent removes; a checkout in `/tmp` shows through it) and a network
of its own (without any way out).
Where the system does not allow this, the worker runs without, and left-over copies are swept away later.

A worker starts no program either (``forbid_programs``): a parser that was taken over cannot, and Tika, which
looks for a program eight times a file, is told no at once instead of forking a large process eight times
(measured: 28 of 50 ms a file).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

_NEW_MOUNTS = 0x00020000
_NEW_USERS = 0x10000000
_NEW_NETWORK = 0x40000000
_BIND = 4096
_RECURSIVE = 16384
_PRIVATE = 1 << 18

_TMP = "/tmp"  # noqa: S108 - where the native library writes; nothing of ours goes there by this name
_SCRATCH = "daylight-worker-"
_LEFT_OVER = "apache-tika-*.tmp"
_OLD_S = 6 * 3600
"""No item may take this long, so a copy that is older belongs to no living worker."""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_FILTER_MODE = 2
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000  # with an errno in its low bits
_THREAD = 0x00010000  # CLONE_THREAD
_LOAD, _IS, _HAS, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF: load a word; jump if equal; jump if bits set; end
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


class _Calls(NamedTuple):
    """System call numbers of one processor architecture."""

    audit: int
    clone: int
    programs: tuple[int, ...]  # execve, execveat, and fork and vfork where they exist


_CLONE3 = 435
_CALLS = {
    "x86_64": _Calls(0xC000003E, 56, (59, 322, 57, 58)),
    "aarch64": _Calls(0xC00000B7, 220, (221, 281)),
}

_outside_tmp: int | None = None
"""The shared temporary folder, kept open: files to read may lie in it."""


def withdraw(scratch: str) -> bool:
    """Give this process a ``/tmp`` and a network of its own; call it before any thread starts.

    Args:
        scratch: An empty folder that becomes ``/tmp``.

    Returns:
        Whether the system allowed it.
    """
    global _outside_tmp
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    wanted = _NEW_MOUNTS | _NEW_NETWORK
    if user != 0 or libc.unshare(wanted) != 0:
        if libc.unshare(wanted | _NEW_USERS) != 0:
            return False
        _map_to_itself(user, group)
    outside = os.open(_TMP, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    private = libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None) == 0
    if not private or not _cover(libc, scratch):
        os.close(outside)
        return False
    _outside_tmp = outside
    for name in ("TMPDIR", "HOME"):
        os.environ[name] = _TMP
    os.chdir(_TMP)
    return True


def leave_network() -> bool:
    """Give this process a network of its own, without a way out; call it before any thread starts.

    Returns:
        Whether the system allowed it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if user == 0 and libc.unshare(_NEW_NETWORK) == 0:
        return True
    if libc.unshare(_NEW_NETWORK | _NEW_USERS) != 0:
        return False
    _map_to_itself(user, group)
    return True


def limit_itself(parent: int) -> None:
    """Give up core dumps, more rights and other programs, and die with the parent.

    Args:
        parent: Its process id; another parent means that it has died already, and ends this process.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        forbid_programs()
    if os.getppid() != parent:
        os._exit(1)


def forbid_dumps() -> None:
    """Keep the memory of this process out of core dumps, and from other processes of its user (prctl(2)).

    A limit of zero does not keep the kernel from handing a dump to a program (core(5)); this does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _cover(libc: ctypes.CDLL, scratch: str) -> bool:
    """Mount a folder over ``/tmp``; what this process imports from stays in its place, seen through it."""

    def bind(source: str, target: str) -> bool:
        done: int = libc.mount(os.fsencode(source), os.fsencode(target), None, _BIND | _RECURSIVE, None)
        return done == 0

    for folder in _imported_from():
        if folder == _TMP:
            return False
        place = scratch + folder.removeprefix(_TMP)
        Path(place).mkdir(parents=True, exist_ok=True)
        if not bind(folder, place):
            return False
    return bind(scratch, _TMP)


def _imported_from() -> list[str]:
    """Return the folders in ``/tmp`` that hold our code or the interpreter's, none within another."""
    named = {
        place for path in (*sys.path, sys.prefix, sys.base_prefix) for place in (path, os.path.realpath(path))
    }
    found: list[str] = []
    for folder in sorted(named):
        inside = any(folder.startswith(f"{outer}/") for outer in found)
        if not inside and f"{folder}/".startswith(f"{_TMP}/") and Path(folder).is_dir():
            found.append(folder)
    return found


def forbid_programs() -> bool:
    """Let this process start threads but no other process or program, from here on (seccomp(2)).

    Needs ``PR_SET_NO_NEW_PRIVS``. ``clone3`` is answered as unknown, so that the C library falls back on
    ``clone``, whose flags a filter can see.

    Returns:
        Whether the system allowed it; another processor architecture is left as it is.
    """
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return False
    steps = _filter(calls)
    code = ctypes.create_string_buffer(b"".join(steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    answer: int = libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, program, 0, 0)
    return answer == 0


def _filter(calls: _Calls) -> list[bytes]:
    """Return the filter, a step an element; jumps count the steps they leave out."""

    def step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("HBBI", code, then, otherwise, value)

    left = len(calls.programs) + 3  # from the first of them to the last step, which refuses
    programs = [step(_IS, number, left - place) for place, number in enumerate(calls.programs)]
    return [
        step(_LOAD, _ARCHITECTURE),
        step(_IS, calls.audit, 1),
        step(_RETURN, _ALLOW),
        step(_LOAD, _NUMBER),
        step(_IS, _CLONE3, 0, 1),
        step(_RETURN, _REFUSE | errno.ENOSYS),
        *programs,
        step(_IS, calls.clone, 0, 2),
        step(_LOAD, _FIRST_ARGUMENT),
        step(_HAS, _THREAD, 0, 1),
        step(_RETURN, _ALLOW),
        step(_RETURN, _REFUSE | errno.EPERM),
    ]


def _map_to_itself(user: int, group: int) -> None:
    """Keep user and group ids as they are (user_namespaces(7)): files stay readable."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with contextlib.suppress(OSError):
            Path(f"/proc/self/{name}").write_text(text)


def open_outside(path: str) -> BinaryIO:
    """Open a file by the name its sender knows, in the shared temporary folder too.

    Raises:
        OSError: It cannot be opened.
    """
    if _outside_tmp is None or not path.startswith(f"{_TMP}/"):
        return Path(path).open("rb")
    return os.fdopen(os.open(path[len(_TMP) + 1 :], os.O_RDONLY | os.O_CLOEXEC, dir_fd=_outside_tmp), "rb")


def new_scratch() -> str:
    """Make a folder for one worker of this process; first remove what dead processes left."""
    import tempfile  # a worker does not need it, and starts sooner without

    sweep()
    return tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-")


def sweep() -> None:
    """Remove folders of dead processes and this user's old copies; harmless while others run."""
    import shutil
    import tempfile

    for path in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        owner = path.name.removeprefix(_SCRATCH).partition("-")[0]
        with contextlib.suppress(OSError):
            dead = owner.isdigit() and not Path(f"/proc/{owner}").exists()
            if dead and path.lstat().st_uid == os.geteuid():
                shutil.rmtree(path, ignore_errors=True)
    oldest = time.time() - _OLD_S
    for path in Path(_TMP).glob(_LEFT_OVER):
        with contextlib.suppress(OSError):
            facts = path.lstat()
            if facts.st_uid == os.geteuid() and facts.st_mtime < oldest:
                path.unlink()
