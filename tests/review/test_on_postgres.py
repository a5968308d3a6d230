"""The room on PostgreSQL: the same sheet, the same pages, and writers that do not share a number."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
import sqlalchemy as sa

from records import audit
from records import tables as t
from records.decisions import Decision, Treatment
from review import decide
from review.sheet import apply_sheet
from tests.review.build import REQUEST, small
from tests.review.pages_data import enrich
from tests.review.test_pages import BASE, TOKEN, app_of, client_of, titles
from tests.review.test_sheet import MEANT, answered_sheet, decided, problems, table, write
from tests.servers.postgres import postgres

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def server():
    with postgres() as address:
        yield address


@pytest.fixture
def both(server, tmp_path):
    """The small request twice: on SQLite and on PostgreSQL."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    light, item = small(tmp_path / "light")
    heavy, _ = small(tmp_path / "heavy", f"{server}/{name}")
    yield light, heavy, item
    light.close()
    heavy.close()


def test_the_same_sheet_and_the_same_answers(both, tmp_path):
    light, heavy, item = both
    sheets = []
    for desk, name in ((light, "light"), (heavy, "heavy")):
        folder = tmp_path / f"out-{name}"
        folder.mkdir()
        sheet = answered_sheet(desk, item, folder)
        sheets.append(table(sheet))
        result = apply_sheet(desk.catalogue, REQUEST, sheet, "Kim Lee")
        assert (result.applied, problems(result)) == (4, [])
        assert decided(desk) == {item[key]: decision for key, decision in MEANT.items()}
        sheets.append(table(write(desk, folder, ".csv", "again")))
    assert sheets[0] == sheets[2]
    assert sheets[1] == sheets[3]


def test_the_same_pages(both):
    light, heavy, item = both
    pages = []
    for desk in (light, heavy):
        enrich(desk, dict(item))
        client = client_of(app_of(desk))
        client.get("/", params={"token": TOKEN})
        page = client.get(f"{BASE}/families?term=1").text
        assert len(titles(page)) == 4
        pages.append((page, client.get(BASE).text, client.get(f"{BASE}/f/{item['mail']}").text))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("which", ["light", "heavy"])
def test_writers_at_once_number_their_rows_without_gaps(both, which):
    light, heavy, item = both
    desk = light if which == "light" else heavy
    yes = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)

    def one(number):
        answer = {item["text"]: replace(yes, note=f"writer {number}")}
        return decide.record(desk.catalogue, REQUEST, 1, answer, f"W{number}", source="page")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(12))) == 12
    with desk.catalogue.read() as connection:
        assert list(connection.scalars(sa.select(t.decisions.c.seq).order_by(t.decisions.c.seq))) == [
            *range(1, 13)
        ]
    assert audit.verify(desk.catalogue).seq == 12
