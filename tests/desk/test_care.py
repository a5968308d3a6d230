"""Another try at what was not read for a reason that may pass."""

from __future__ import annotations

import pytest

from desk import searching
from desk.care import retry
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.run import run_local
from records import tables as t
from records.ledger import ledger
from records.settings import Settings
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

pytestmark = pytest.mark.slow


def test_a_family_that_timed_out_is_read_again_and_found(tmp_path):
    (tmp_path / "mail").mkdir()
    for n in range(4):
        (tmp_path / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    request_id, _ = open_request(home, request_file(tmp_path, "mail"), by="pro")
    run_local(home, request_id)
    before = list(items(home, request_id))
    hurt = before[2]["item_id"]
    with home.catalogue.write() as connection:
        connection.execute(
            t.readings.update()
            .where(t.readings.c.item_id == hurt)
            .values(text_state="not_searchable", reason="timed_out", text_sha256=None)
        )
    assert retry(home, request_id, by="pro") == {"request_id": request_id, "families": 1, "not_collected": 0}
    assert ledger(home.catalogue, request_id).balanced is False
    run_local(home, request_id)
    assert list(items(home, request_id)) == before
    assert ledger(home.catalogue, request_id).balanced is True
    assert searching.count(home, request_id, "bus route", by="pro")["documents"] == 4
    assert retry(home, request_id, by="pro")["families"] == 0
    home.close()
