"""Each fault of the table: nothing lost, nothing doubled, the same records, the same bundle."""

from __future__ import annotations

import random
import shutil

import pytest

from tests.chaos import harness
from tests.chaos.case import Case

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(0)]


def test_a_fault_leaves_nothing_behind(fault, small, chaos_seed, tmp_path, record_property):
    print(f"\nchaos seed {chaos_seed}: {fault.name}")
    case = Case(tmp_path, small, random.Random(f"{chaos_seed} {fault.name}"))
    with case.stack:
        fault.happen(case)
        made = case.outcome()
    harness.compare(record_property, "fault", chaos_seed, small.outcome, made, fault.but)
    shutil.rmtree(tmp_path)
