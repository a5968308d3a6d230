"""What a chaos run says at its end: kills, faults, how many items were lost or doubled, and the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KEY = "chaos"
"""Name of what a test records of each kill and fault: its kind and seed, and what was lost or doubled."""


def line(told: Sequence[dict[str, Any]]) -> str:
    """Return the last line of a run.

    Args:
        told: What ``harness.compare`` recorded of each kill and fault.
    """
    kills, faults = (sum(one["kind"] == kind for one in told) for kind in ("kill", "fault"))
    lost, doubled = (sum(one[name] for one in told) for name in ("lost", "doubled"))
    seeds = ", ".join(str(seed) for seed in sorted({one["seed"] for one in told}))
    return f"chaos: {kills} kills, {faults} faults, lost {lost}, doubled {doubled}; seeds {seeds}"
