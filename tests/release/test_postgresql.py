"""The same on PostgreSQL: its own locks, its own types."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from records import tables as t
from records.errors import DaylightError
from release.keys import home_key
from release.package import approve, build_draft, package
from release.verifier import verify
from tests.release.scenario import full_scenario
from tests.release.world import REQUEST, context, new_world
from tests.servers.postgres import postgres

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with postgres() as address:
        admin = sa.create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE released"))
        admin.dispose()
        made = new_world(tmp_path_factory.mktemp("pg") / "home", f"{address}/released")
        yield made
        made.store.close()
        made.catalogue.close()


def test_the_whole_way_with_four_people_approving_at_once(world, tmp_path):
    full_scenario(world)
    draft = build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    assert (draft.counts["released"], draft.counts["withheld_in_full"]) == (7, 4)
    given, failed = [], []

    def work(by):
        try:
            given.append(approve(world.catalogue, REQUEST, draft.manifest_sha256, by, "approved"))
        except DaylightError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"P{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 1
    assert len(given) + len(failed) == 4
    with world.catalogue.read() as connection:
        numbers = [row.number for row in connection.execute(t.numbers.select().order_by(t.numbers.c.number))]
    assert numbers == list(range(1, 12))
    key = home_key(world.home)
    told = {"context": context(), "key": key}
    package(world.catalogue, world.store, REQUEST, tmp_path / "a", **told)
    package(world.catalogue, world.store, REQUEST, tmp_path / "b", **told)
    assert verify(tmp_path / "a", key.fingerprint).ok
    one, two = ((tmp_path / n / "release" / "signature.json").read_bytes() for n in "ab")
    assert one == two
