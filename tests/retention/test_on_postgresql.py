"""The same on PostgreSQL: flags page by page, answers, freezes, an imported schedule."""

from __future__ import annotations

import pytest

from records import audit
from records.evidence import EvidenceStore
from retention import schedule_import
from retention import schedule_worker as worker
from retention import suggest as module
from retention.freeze import FreezeRow, freeze, frozen_by, register, thaw
from retention.schedule import load
from retention.suggest import confirm, flag_request, flags_in_force
from tests.retention import documents
from tests.retention.conftest import REQUEST, Bench

pytestmark = pytest.mark.services
START, END = "2026-09-08T15:00:00.000000Z", "2026-12-01T15:00:00.000000Z"


@pytest.fixture
def bench(on_postgres, tmp_path):
    store = EvidenceStore(tmp_path / "evidence", on_postgres, REQUEST)
    made = Bench(on_postgres, store)
    made.open_request()
    yield made
    store.close()


def test_flags_and_answers(bench, monkeypatch):
    monkeypatch.setattr(module, "ROWS_PER_TRANSACTION", 2)
    tops = [bench.add(f"m{n}", custodian="c-sup", hit=True, text="words") for n in range(3)]
    for n, top in enumerate(tops):
        first = bench.add(f"m{n}", kind="file", name="a", parent=top, part="1", position=5)
        bench.add(f"m{n}", kind="file", name="b", parent=first, part="1.1", position=2)
    bench.add("alone")
    report = flag_request(bench.catalogue, bench.store, REQUEST)
    assert report.by_rule == {"communications-executive": 3, "follows-parent": 6}
    assert flag_request(bench.catalogue, bench.store, REQUEST).written == 0
    assert flag_request(bench.catalogue, bench.store, REQUEST, everything=True).written == 1
    confirm(bench.catalogue, REQUEST, tops[0], "GS2010-001", "PRO", "not for the board")
    with bench.catalogue.read() as connection:
        flags = flags_in_force(connection, REQUEST)
    assert sorted((f.said.series_id, f.seq) for f in flags.values()) == [
        *[("GS2010-001", 0)],
        *[("GS2010-001", 1)] * 3,
        *[("GS50-01-12", 0)] * 6,
    ]
    assert audit.verify(bench.catalogue).seq == 1


def test_freezes(bench):
    one = bench.add("m1", text="words")
    with bench.catalogue.write() as connection:
        freeze(connection, REQUEST, START)
        freeze(connection, "R-2", START)
    assert frozen_by(bench.catalogue, one) == [REQUEST]
    with bench.catalogue.write() as connection:
        thaw(connection, REQUEST, END)
    assert frozen_by(bench.catalogue, one) == []
    assert register(bench.catalogue) == [
        FreezeRow("R-2", START, None, "RCW 42.56.100", 0, 0),
        FreezeRow(REQUEST, START, END, "RCW 42.56.100", 1, 1),
    ]


def test_an_imported_schedule(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule_import, "_run_worker", lambda path, _time_s: worker.read(path))
    document = documents.word(tmp_path / "s.docx", documents.SECTIONS)
    for _ in range(2):
        result = schedule_import.import_schedule(bench.catalogue, document, "PRO", in_force=True)
    mine = [row for row in load(bench.catalogue) if row.schedule == "CORE" and not row.is_rule]
    assert {row.dan for row in mine} == {row.dan for row in result.imported.series}
    assert len(mine) == 5
