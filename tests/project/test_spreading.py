"""What ``tests.spreading`` says of the files of this suite is true."""

import re
from pathlib import Path

from tests.spreading import LONGEST, ON_ELASTICSEARCH, WholeFiles, longest_first

ROOT = Path(__file__).parents[2]
ASKS_FOR_IT = re.compile(r"\b(elastic_server|elastic_engine|cluster): (Server|ElasticsearchEngine|Cluster)\b")


def test_every_long_file_is_there_once():
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_files_on_one_server_are_those_that_ask_for_it():
    asking = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if ASKS_FOR_IT.search(path.read_text("utf-8"))
    ]
    assert sorted(asking) == sorted(ON_ELASTICSEARCH)


class Named:
    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_long_files_come_first_whole_and_in_their_own_order():
    first, second, short = LONGEST[0], LONGEST[1], "tests/a/test_a.py"
    given = (f"{short}::b", f"{second}::y", f"{short}::a", f"{first}::b[x::y]", f"{second}::x", f"{first}::a")
    items = [Named(one) for one in given]
    longest_first(items)
    assert [one.nodeid for one in items] == [
        f"{first}::b[x::y]", f"{first}::a", f"{second}::y", f"{second}::x", f"{short}::b", f"{short}::a",
    ]  # fmt: skip


def test_a_file_goes_to_one_worker_and_files_on_one_server_to_the_same():
    handed = WholeFiles.__new__(WholeFiles)
    assert handed._split_scope("tests/a/test_a.py::Class::b[x::y]") == "tests/a/test_a.py"
    assert {handed._split_scope(f"{name}::a") for name in ON_ELASTICSEARCH} == {ON_ELASTICSEARCH[0]}
