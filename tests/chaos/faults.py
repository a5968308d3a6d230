"""The table of faults: each disturbs a run at a drawn moment and brings it to its end as an operator would.

What follows is the same for all: the home has to be as if nothing had happened (``test_faults.py``). The same
table stands for operators in ``docs/faults.md``; a test compares the two.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from cli.output import Exit
from tests.chaos import roles
from tests.chaos.case import Case, ended

RESUME = "run the same command again to resume"


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        name: Of it, as ``--faults`` and the page have it.
        happen: Runs the request of a case to its end, the fault included.
    """

    name: str
    happen: Callable[[Case], None]


def kill_extraction_worker(case: Case) -> None:
    """Its item is read by the next one; the run goes on."""
    with case.running() as process:
        case.kill(process, roles.extraction_workers)
        assert ended(process)[0] == Exit.OK


def kill_worker(case: Case) -> None:
    with case.running() as process:
        case.kill(process, roles.workers)
        code, words = ended(process)
        assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
    case.resume()


def kill_fork_server(case: Case) -> None:
    with case.running() as process:
        case.kill(process, roles.fork_server)
        code, words = ended(process)
        assert (code, RESUME in words) == (Exit.INCOMPLETE, True), words
    case.resume()


def kill_command(case: Case) -> None:
    """Its workers end with it, and the next run may begin at once."""
    with case.running() as process:
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
    case.resume()


def kill_group(case: Case) -> None:
    """As a machine that loses power: everything at once."""
    with case.running() as process:
        os.killpg(process.pid, signal.SIGKILL)
        assert ended(process)[0] == -signal.SIGKILL
    case.resume()


def terminate(case: Case) -> None:
    """As ``systemctl stop`` or ``docker stop`` does: batches under way are finished, the rest waits."""
    with case.running() as process:
        process.terminate()
        code, words = ended(process)
        assert (code, RESUME in words) == (Exit.INTERRUPTED, True), words
    case.resume()


def several(case: Case) -> None:
    """A handful of them, one after another, in one request."""
    with case.running(0.05, 0.15) as process:
        case.kill(process, roles.extraction_workers)
        case.moment(process, 0.2, 0.3)
        case.kill(process, roles.workers)
        assert ended(process)[0] == Exit.INCOMPLETE
    with case.running(0.4, 0.5) as process:
        os.killpg(process.pid, signal.SIGKILL)
        assert ended(process)[0] == -signal.SIGKILL
    with case.running(0.6, 0.7) as process:
        process.terminate()
        assert ended(process)[0] == Exit.INTERRUPTED
    case.resume()


TABLE = (
    Fault("several", several),
    Fault("extraction-worker-killed", kill_extraction_worker),
    Fault("worker-killed", kill_worker),
    Fault("fork-server-killed", kill_fork_server),
    Fault("command-killed", kill_command),
    Fault("everything-killed", kill_group),
    Fault("command-terminated", terminate),
)
