"""How a run with several workers is shared out: whole files, the longest first, one Elasticsearch for all.

By itself pytest-xdist hands out the files with the most tests first, and those that take longest have few: it
would begin them last, and one worker would wait for the other.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadFileScheduling

ON_ELASTICSEARCH = tuple(
    f"tests/search/test_{name}.py"
    for name in (
        "elasticsearch", "elasticsearch_faults", "kibana_desk", "elasticsearch_desk", "kibana_elastic",
        "enron", "variants",
    )
)  # fmt: skip
"""Files whose tests ask one server: they go to one worker, since each worker would start its own."""

LONGEST = (
    *ON_ELASTICSEARCH,
    *(
        f"tests/{name}.py"
        for name in (
            "chaos/test_kills", "chaos/test_faults", "dags/test_scheduler", "benchmarks/test_benchmarks",
            "connectors/test_parity", "project/test_checks", "end_to_end/test_district",
            "connectors/test_contract", "dags/test_in_process", "end_to_end/test_leads", "desk/test_leads",
            "dags/test_exports", "end_to_end/test_faults", "end_to_end/test_sampling",
            "examples/test_district", "connectors/test_google_workspace",
            "connectors/test_exchange_ews", "connectors/test_microsoft_graph", "desk/test_topping_up",
            "search/test_folding", "project/test_left_out", "desk/test_exports",
            "review/test_sheet_libreoffice", "review/test_pages_browser", "release/test_verifier",
            "desk/test_adequacy", "desk/test_adequacy_masking", "search/test_signal_text",
        )
    ),
)  # fmt: skip
"""Files of a whole run by the time they take, longest first (``--durations``); all others are short."""


def longest_first(items: list[pytest.Item]) -> None:
    """Put the tests of long files before the others, each file whole and in its own order."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(file_of(item.nodeid), len(LONGEST)))


def file_of(nodeid: str) -> str:
    """Return the file of a test."""
    return str(PurePosixPath(nodeid.partition("::")[0]))


class WholeFiles(LoadFileScheduling):
    """Hands out whole files in the order of the collection; those on one server are as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return ON_ELASTICSEARCH[0] if file in ON_ELASTICSEARCH else file
