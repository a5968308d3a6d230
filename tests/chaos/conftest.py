from __future__ import annotations

import time

import pytest

from tests.chaos import harness
from tests.chaos.faults import TABLE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take the faults that ``--faults`` names, each as a test of its own."""
    if "fault" in metafunc.fixturenames:
        named = metafunc.config.getoption("--faults")
        chosen = [one for one in TABLE if named == "all" or one.name in named.split(",")]
        assert chosen, f"--faults: none of the table is named {named}"
        metafunc.parametrize("fault", chosen, ids=lambda one: one.name)


@pytest.fixture(scope="session")
def chaos_seed(request: pytest.FixtureRequest) -> int:
    """The seed of all moments of this process; ``--chaos-seed`` repeats one."""
    return request.config.getoption("--chaos-seed") or time.time_ns() % 1_000_000


@pytest.fixture(scope="session")
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> harness.Undisturbed:
    """The run that kills are compared with."""
    return harness.undisturbed(tmp_path_factory.mktemp("large"), request.config.getoption("--chaos-items"))


@pytest.fixture(scope="session")
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> harness.Undisturbed:
    """The run that faults are compared with, and kills of single processes."""
    return harness.undisturbed(tmp_path_factory.mktemp("small"), request.config.getoption("--fault-items"))
