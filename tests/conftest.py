"""What every test run shares: which tests may be left out, said aloud, and options of chaos and fuzzing.

Only tests marked ``corpus`` (real sample files, where ``DAYLIGHT_CORPUS`` points), ``live`` (real outside
services) and ``fuzz`` (an hour of changed samples) may be left out. ``--require-all`` turns any other test
that was left out into a failure, so that a green run cannot hide one; ``--require-all=corpus`` demands the
same of the tests with that mark.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # a test judges what is done, never how fast: the machine may be busy

OPTIONAL = ("corpus", "live", "fuzz")
_left_out = pytest.StashKey[Counter]()


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """A task that ran in this process has set up the logs; the next test begins without."""
    yield
    if (logs := sys.modules.get("records.logs")) is not None:
        logs._settings = logs._current = None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("daylight")
    group.addoption(
        "--require-all",
        nargs="?",
        const="all",
        default=None,
        metavar="MARK",
        help="fail when a test was left out, not marked corpus, live or fuzz (or: one with this mark)",
    )
    group.addoption("--kills", type=int, default=5, help="kills of a local run in the chaos suite")
    group.addoption("--airflow-kills", type=int, default=0, help="kills under Airflow in the chaos suite")
    group.addoption("--chaos-items", type=int, default=2_000, help="items of the run that is killed")
    group.addoption("--chaos-seed", type=int, default=None, help="repeat a chaos run (its seed is printed)")
    group.addoption("--process-kills", type=int, default=0, help="kills of single processes, in small runs")
    group.addoption("--faults", default="several", help="rows of tests/chaos/faults.py, or all")
    group.addoption("--fault-items", type=int, default=300, help="items of these small runs")
    group.addoption(
        "--fuzz-minutes", type=float, default=0.75, help="processor time of each reader in fuzzing"
    )
    group.addoption(
        "--fuzz-seed", type=int, default=None, help="repeat a run of fuzzing (its seed is printed)"
    )
    group.addoption(
        "--fuzz-out", default=None, help="folder for what is found (default: one for all in /tmp)"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left_out] = Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the corpus tests out where no samples lie; a worker's long files come first."""
    if getattr(config, "workerinput", {}).get("whole_files"):
        from tests.spreading import longest_first

        longest_first(items)
    if os.environ.get("DAYLIGHT_CORPUS"):
        return
    without = [item for item in items if item.get_closest_marker("corpus")]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if not item.get_closest_marker("corpus")]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker how its tests are handed out: by its own options it is alone."""
    node.workerinput["whole_files"] = node.config.getoption("dist") == "loadfile"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole files, the longest first; any other way to spread is pytest-xdist's own."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.spreading import WholeFiles

    config.option.loadscopereorder = False
    return WholeFiles(config, log)


def pytest_collection_finish() -> None:
    """Spare the collector what stays anyway, modules and tests: it would look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        _note(item.config, item, "deselected")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep skips and expected failures beside the deselected ones (reported to the controlling process)."""
    if report.skipped:
        marks = [name for name in OPTIONAL if name in report.keywords]
        _SKIPS["skipped", marks[0] if marks else ""] += 1


_SKIPS: Counter = Counter()
_FROM_WORKERS: list[Counter] = []


def _note(config: pytest.Config, item: pytest.Item, how: str) -> None:
    marks = [name for name in OPTIONAL if item.get_closest_marker(name)]
    config.stash[_left_out][how, marks[0] if marks else ""] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's counts over, or judge them in the controlling process."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = [[*key, n] for key, n in config.stash[_left_out].items()]
        return
    required = config.getoption("--require-all")
    if required and _forbidden(_all_left_out(config), required) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    left = getattr(node, "workeroutput", {}).get("left_out")
    if left is not None:
        _FROM_WORKERS.append(Counter({(how, mark): n for how, mark, n in left}))


def _all_left_out(config: pytest.Config) -> Counter:
    """Every worker collects the whole suite, so their counts agree: one of them is the answer."""
    deselected = _FROM_WORKERS[0] if _FROM_WORKERS else config.stash[_left_out]
    return deselected + _SKIPS


def _forbidden(left: Counter, required: str) -> int:
    if required == "all":
        return sum(n for (_, mark), n in left.items() if not mark)
    return sum(n for (_, mark), n in left.items() if mark == required)


def _tell_of_chaos(terminalreporter: Any) -> None:
    stats = terminalreporter.stats
    reports = [*stats.get("passed", ()), *stats.get("failed", ())]
    told = [value for one in reports for name, value in one.user_properties if name == "chaos"]
    if told:
        from tests.chaos import tally

        terminalreporter.write_line(tally.line(told))


def pytest_terminal_summary(terminalreporter, exitstatus, config: pytest.Config) -> None:
    _tell_of_chaos(terminalreporter)
    left = _all_left_out(config)
    if not left:
        return
    lines = [f"{n} {how}" + (f" (marked {mark})" if mark else "") for (how, mark), n in sorted(left.items())]
    terminalreporter.write_line(f"left out: {sum(left.values())} tests: {', '.join(lines)}")
    required = config.getoption("--require-all")
    if required and _forbidden(left, required):
        terminalreporter.write_line("--require-all: none of these may be left out here", red=True)
