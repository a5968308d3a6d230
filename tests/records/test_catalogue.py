"""The catalogue: one suite over SQLite (embedded) and PostgreSQL (production), several writers at once."""

from __future__ import annotations

import multiprocessing
import threading
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from records import audit
from records import catalogue as catalogue_module
from records import tables as t
from records.catalogue import Catalogue, _refuse_old_sqlite, chunked
from records.errors import AccessError, CheckFailed, Retryable, SettingsError
from records.rows import insert, insert_missing
from tests.servers import postgres

WRITERS = 4
LIMIT_S = 120


@pytest.fixture(scope="session")
def server():
    with postgres.postgres() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def url(request, tmp_path):
    """The address of an empty database, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalogue/daylight.sqlite"
    address = request.getfixturevalue("server")
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(address.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{address}/{name}"


@pytest.fixture
def catalogue(url):
    opened = Catalogue(url)
    opened.migrate()
    yield opened
    opened.close()


def series(number: int, body: str = "{}") -> dict[str, str]:
    return {"schedule_id": "test", "series_id": f"{number:06d}", "body": body}


def count(catalogue: Catalogue, table: sa.Table = t.retention_series) -> int:
    with catalogue.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table))


@pytest.fixture(scope="session")
def writers():
    """Four processes, started once: a fresh interpreter costs more than what each test does with it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WRITERS, context, _share, (context.Barrier(WRITERS),)) as pool:
        yield pool


def together(pool, work, url: str, *arguments) -> None:
    """Run ``work(url, number, *arguments)`` in four processes that start at the same moment."""
    running = [pool.submit(_at_once, work, url, number, *arguments) for number in range(WRITERS)]
    for each in running:
        each.result(LIMIT_S)


_shared = []


def _share(barrier) -> None:
    _shared.append(barrier)


def _at_once(work, url, number, *arguments) -> None:
    _shared[0].wait(LIMIT_S)  # nobody passes before all are here, so each process takes one
    work(url, number, *arguments)


# --- tables --------------------------------------------------------------------------------------------


def test_migrating_twice_changes_nothing(catalogue):
    before = sa.inspect(catalogue.engine).get_table_names()
    with catalogue.write() as connection:
        connection.execute(t.retention_series.insert(), series(1))
    catalogue.migrate()
    assert sa.inspect(catalogue.engine).get_table_names() == before
    assert set(before) == {*t.metadata.tables, "alembic_version"}
    assert count(catalogue) == 1


def test_the_tables_are_those_the_code_names(catalogue):
    inspector = sa.inspect(catalogue.engine)
    for name, table in t.metadata.tables.items():
        assert [c["name"] for c in inspector.get_columns(name)] == [c.name for c in table.columns], name
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        assert keys == [c.name for c in table.primary_key.columns], name


def test_large_numbers_keep_their_value(catalogue):
    row = {
        "request_id": "r",
        "sha256": "a",
        "segment": "s",
        "offset": 2**40 + 1,
        "size_bytes": 2**62,
        "stored_bytes": 0,
    }
    with catalogue.write() as connection:
        connection.execute(t.blobs.insert(), row)
    with catalogue.read() as connection:
        assert dict(connection.execute(sa.select(t.blobs)).mappings().one()) == row


@pytest.mark.parametrize("text", ["", "a\nb\t'\"\\", "Åse Ødegård 한국어 🚌", "x" * 1_000_000])
def test_text_comes_back_as_it_went_in(catalogue, text):
    with catalogue.write() as connection:
        connection.execute(t.retention_series.insert(), series(1, text))
    with catalogue.read() as connection:
        assert connection.scalar(sa.select(t.retention_series.c.body)) == text


# --- transactions --------------------------------------------------------------------------------------


def test_a_failed_transaction_leaves_nothing(catalogue):
    def insert_and_fail():
        with catalogue.write() as connection:
            connection.execute(t.retention_series.insert(), series(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    assert count(catalogue) == 0


def test_a_repeated_key_is_refused_whole(catalogue):
    with catalogue.write() as connection:
        connection.execute(t.retention_series.insert(), series(2))
    with pytest.raises(sa.exc.IntegrityError), catalogue.write() as connection:
        connection.execute(t.retention_series.insert(), [series(1), series(2), series(3)])
    assert count(catalogue) == 1


@pytest.mark.parametrize("add", [insert, insert_missing])
def test_many_rows_go_in_as_they_are(catalogue, add):
    columns = (
        "stored_bytes",
        "sha256",
        "offset",
        "size_bytes",
        "segment",
        "request_id",
    )  # not the table's order
    rows = [
        dict(zip(columns, (1 << 40, "50% :x ?'\"", 0, -1, "é\U0001f4a3", "r"), strict=True)),
        dict(zip(columns, (2, "b", 3, 4, "", "r"), strict=True)),
    ]
    with catalogue.write() as connection:
        add(connection, t.blobs, rows)
        add(connection, t.blobs, [])
    with catalogue.read() as connection:
        found = connection.execute(sa.select(t.blobs).order_by(t.blobs.c.offset)).mappings().all()
    assert [dict(row) for row in found] == rows


def test_rows_without_a_value_hold_none(catalogue):
    row = {name: None if column.nullable else "" for name, column in t.scopes.c.items()}
    row |= {"expected": None, "kept_back": 3, "first_round": 0, "round": 0}
    with catalogue.write() as connection:
        insert(connection, t.scopes, [row])
    with catalogue.read() as connection:
        assert dict(connection.execute(sa.select(t.scopes)).mappings().one()) == row


def test_rows_that_are_there_already_are_refused_or_left(catalogue):
    with catalogue.write() as connection:
        insert(connection, t.retention_series, [series(1, "first")])
    with pytest.raises(sa.exc.IntegrityError) as caught, catalogue.write() as connection:
        insert(connection, t.retention_series, [series(2), series(1, "secret")])
    assert "secret" not in str(caught.value)
    with catalogue.write() as connection:
        insert_missing(connection, t.retention_series, [series(1, "second"), series(3, "third")])
    with catalogue.read() as connection:
        found = connection.execute(sa.select(t.retention_series).order_by(t.retention_series.c.series_id))
        assert [row.body for row in found] == ["first", "third"]


def test_a_reader_sees_one_unchanging_view(catalogue):
    with catalogue.write() as connection:
        connection.execute(t.retention_series.insert(), series(1))
    counting = sa.select(sa.func.count()).select_from(t.retention_series)
    with catalogue.read() as reader:
        assert reader.scalar(counting) == 1
        with catalogue.write() as writer:
            writer.execute(t.retention_series.insert(), [series(2), series(3)])
        assert reader.scalar(counting) == 1
    assert count(catalogue) == 3


def test_rows_are_cut_into_transactions_of_a_thousand():
    assert [len(piece) for piece in chunked(list(range(2_500)))] == [1_000, 1_000, 500]
    assert list(chunked([])) == []


# --- several writers -----------------------------------------------------------------------------------


def _insert_many(url: str, number: int, transactions: int) -> None:
    catalogue = Catalogue(url)
    for k in range(transactions):
        first = (number * transactions + k) * 10
        with catalogue.write() as connection:
            connection.execute(t.retention_series.insert(), [series(first + i) for i in range(10)])
    catalogue.close()


def test_four_processes_write_without_a_busy_error(url, catalogue, writers):
    together(writers, _insert_many, url, 50)
    assert count(catalogue) == WRITERS * 50 * 10


def _read_then_write(url: str, number: int, rounds: int) -> None:
    """Read a number, add one, write it: loses additions unless a writer holds its lock from the start."""
    catalogue = Catalogue(url)
    for _ in range(rounds):
        with catalogue.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("LOCK TABLE retention_series IN EXCLUSIVE MODE"))
            total = int(connection.scalar(sa.select(t.retention_series.c.body)))
            connection.execute(t.retention_series.update().values(body=str(total + 1)))
    catalogue.close()


def test_reading_then_writing_in_four_processes_loses_nothing(url, catalogue, writers):
    with catalogue.write() as connection:
        connection.execute(t.retention_series.insert(), series(0, "0"))
    together(writers, _read_then_write, url, 50)
    with catalogue.read() as connection:
        assert connection.scalar(sa.select(t.retention_series.c.body)) == str(WRITERS * 50)


def _read_while_others_write(url: str, number: int, transactions: int) -> None:
    if number:
        _insert_many(url, number, transactions)
        return
    catalogue, seen = Catalogue(url), [0]
    for _ in range(200):
        seen.append(count(catalogue))
        assert seen[-1] >= seen[-2]
        assert seen[-1] % 10 == 0, "half a transaction was seen"
    catalogue.close()


def test_readers_neither_wait_for_writers_nor_see_half_a_transaction(url, catalogue, writers):
    together(writers, _read_while_others_write, url, 30)
    assert count(catalogue) == (WRITERS - 1) * 30 * 10


def _migrate(url: str, number: int) -> None:
    catalogue = Catalogue(url)
    catalogue.migrate()
    catalogue.close()


def test_a_home_of_the_first_form_gets_the_tables_it_lacks(catalogue):
    rooms = (t.rosters, t.variants, t.variant_answers, t.signals, t.signal_items, t.signal_answers, t.samples)
    with catalogue.write() as connection:
        audit.append(connection, action="opened", actor="pro", request_id="2026-0001")
        t.metadata.drop_all(connection, tables=[*rooms, t.sample_items, t.sample_answers])
        connection.execute(sa.text("ALTER TABLE waivers DROP COLUMN imbalance"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    catalogue.migrate()
    assert count(catalogue, t.waivers) == 0
    assert [count(catalogue, table) for table in (*rooms, t.sample_items, t.sample_answers)] == [0] * 9
    with catalogue.read() as connection:
        assert connection.execute(sa.select(t.waivers.c.imbalance)).all() == []
    assert audit.verify(catalogue).seq == 1


def test_four_processes_may_migrate_an_empty_database_at_once(url, writers):
    together(writers, _migrate, url)
    catalogue = Catalogue(url)
    assert set(sa.inspect(catalogue.engine).get_table_names()) == {*t.metadata.tables, "alembic_version"}
    catalogue.close()


# --- the audit log -------------------------------------------------------------------------------------


def _append_many(url: str, number: int, entries: int) -> None:
    catalogue = Catalogue(url)
    for k in range(entries):
        with catalogue.write() as connection:
            audit.append(connection, action="searched", actor=f"writer{number}", request_id="r1", n=k)
    catalogue.close()


def test_the_audit_chain_holds_under_four_appenders(url, catalogue, writers):
    together(writers, _append_many, url, 40)
    head = audit.verify(catalogue)
    assert head.seq == WRITERS * 40
    with catalogue.read() as connection:
        assert audit.head(connection) == head


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE audit SET entry = replace(entry, 'writer0', 'writer1') WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET seq = 99 WHERE seq = 3",
    ],
)
def test_a_changed_audit_entry_is_named(catalogue, url, harm):
    _append_many(url, 0, 5)
    with catalogue.write() as connection:
        connection.execute(sa.text(harm))
    with pytest.raises(CheckFailed, match="entry 3 does not fit the chain"):
        audit.verify(catalogue)


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 7, 0), (3, 40, 1), (3, 51, 2)])
def test_a_sqlite_with_the_corruption_bug_is_refused(version):
    with pytest.raises(SettingsError, match=r"3\.51\.3 or newer is needed"):
        _refuse_old_sqlite(version)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 0), (4, 0, 0)])
def test_a_sqlite_without_it_is_accepted(version):
    _refuse_old_sqlite(version)


def test_opening_with_an_old_library_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("pysqlite3.sqlite_version_info", (3, 40, 1))
    with pytest.raises(SettingsError, match=r"SQLite 3\.40\.1 has the WAL-reset corruption bug"):
        Catalogue(f"sqlite:///{tmp_path}/c.sqlite")


def test_another_database_is_refused():
    with pytest.raises(SettingsError, match="must start with sqlite: or postgresql:"):
        Catalogue("mysql://localhost/daylight")


def test_sqlite_writes_through_to_the_disk(tmp_path):
    catalogue = Catalogue(f"sqlite:///{tmp_path}/c.sqlite")
    with catalogue.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    catalogue.close()


@pytest.mark.services
def test_a_server_that_does_not_answer_is_an_access_error(server):
    catalogue = Catalogue(server.rsplit(":", 1)[0] + ":1/nothing")
    with pytest.raises(AccessError, match="cannot be opened"):
        catalogue.migrate()
    catalogue.close()


def test_a_file_that_is_no_database_is_an_access_error(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"this is no database, and long enough to be looked at" * 40)
    catalogue = Catalogue(f"sqlite:///{path}")
    with pytest.raises(AccessError, match="cannot be opened"):
        catalogue.migrate()
    catalogue.close()


def test_the_newest_migration_is_the_one_that_is_looked_for():
    config = Config()
    config.set_main_option("script_location", str(Path(catalogue_module.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [catalogue_module.HEAD]


def test_an_older_catalogue_is_brought_to_the_present_form(url):
    """Every migration after the first is taken back and made again; a row of before keeps its place."""
    catalogue = Catalogue(url)
    catalogue.migrate()
    names = ("request_id", "version", "term_no", "item_id", "family_id", "occurrences")
    values = [("r", 1, 2, "b", "b", 3), ("r", 1, 2, "c", "a", 1), ("r", 1, 3, "b", "b", 1)]
    hits = [dict(zip(names, row, strict=True)) for row in values]
    config = Config()
    config.set_main_option("script_location", str(Path(catalogue_module.__file__).parent / "migrations"))
    with catalogue.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        connection.execute(
            sa.text(
                "INSERT INTO batches (request_id, batch_id, source_id, scope_key, part, collect_state, "
                "extract_state, index_state, fence) VALUES "
                "('r', 'b1', 's', 'k', '{}', 'done', 'done', 'done', 1)"
            )
        )
        connection.execute(t.hits.insert(), hits)
    catalogue.migrate()
    with catalogue.read() as connection:
        found = sa.inspect(connection)
        assert set(found.get_table_names()) == {*t.metadata.tables, "alembic_version"}
        for name, table in t.metadata.tables.items():
            assert {c["name"] for c in found.get_columns(name)} == set(table.c.keys()), name
            assert found.get_pk_constraint(name)["constrained_columns"] == table.primary_key.columns.keys()
            assert {i["name"] for i in found.get_indexes(name)} == {i.name for i in table.indexes}, name
        assert connection.execute(sa.select(t.batches.c.fence, t.batches.c.round)).all() == [(1, 0)]
        rows = connection.execute(sa.select(t.hits).order_by(*t.hits.primary_key)).all()
        assert [tuple(row) for row in rows] == [values[1], values[0], values[2]]
    catalogue.close()


def test_an_error_does_not_say_what_the_row_held(catalogue):
    row = {"request_id": "2026-0001", "from_at": "a pupil's name", "authority": ""}
    with catalogue.write() as connection:
        connection.execute(t.freezes.insert(), row)
        with pytest.raises(sa.exc.IntegrityError) as caught:
            connection.execute(t.freezes.insert(), row)
    assert "a pupil's name" not in str(caught.value)


def insert_while_it_is_killed(catalogue, running):
    with catalogue.write() as connection:
        insert(connection, t.retention_series, [series(2)])
        running.kill()
        insert(connection, t.retention_series, [series(3)])


@pytest.mark.services
def test_a_server_that_is_killed_keeps_nothing_by_halves_and_is_waited_for():
    with postgres.server("-c fsync=off") as running:  # of a process that dies, the system keeps what it wrote
        catalogue = Catalogue(f"{running.url}/postgres")
        catalogue.migrate()
        try:
            is_killed_and_comes_back(running, catalogue)
        finally:
            catalogue.close()


def is_killed_and_comes_back(running, catalogue):
    with catalogue.write() as connection:
        insert(connection, t.retention_series, [series(1)])
    with pytest.raises(Retryable, match="the catalogue's server went away"):
        insert_while_it_is_killed(catalogue, running)
    with pytest.raises(AccessError, match="cannot be opened"):
        Catalogue(catalogue.url).migrate()  # nobody waits for one that never answered
    back = threading.Timer(0.5, running.start)
    back.start()
    assert count(catalogue) == 1
    back.join()
