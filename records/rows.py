"""Inserting many rows, and keeping other writers out, alike on both databases.

The statement of an insert is compiled once and the driver is given the values. SQLAlchemy's own way looks up
every value of every row by name several times, which takes longer than the database takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of texts and whole numbers, all with the same columns.

    Raises:
        sqlalchemy.exc.IntegrityError: The primary key of a row is there already.
    """
    if rows:
        _execute(connection, _compiled(connection.dialect, table, tuple(rows[0]), leaves=False), rows)


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """As ``insert``, but a row whose primary key is there already is left as it is."""
    if rows:
        _execute(connection, _compiled(connection.dialect, table, tuple(rows[0]), leaves=True), rows)


def _execute(connection: sa.Connection, statement: SQLCompiler, rows: Sequence[dict[str, Any]]) -> None:
    if statement.positiontup is None:  # the driver takes values by name
        connection.exec_driver_sql(str(statement), list(rows))
    else:
        values = itemgetter(*statement.positiontup)
        connection.exec_driver_sql(str(statement), [values(row) for row in rows])


@lru_cache(maxsize=64)
def _compiled(dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...], *, leaves: bool) -> SQLCompiler:
    """Compile an insert; ``leaves`` says that rows which are there already are left as they are."""
    made: sqlite.Insert | postgresql.Insert
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # slow to load, and not needed without such a server

        made = postgresql.insert(table)
    else:
        made = sqlite.insert(table)
    if leaves:
        made = made.on_conflict_do_nothing()
    compiled = made.compile(dialect=dialect, column_keys=list(columns))
    assert isinstance(compiled, SQLCompiler)
    return compiled


def lock_tables(connection: sa.Connection, *tables: sa.Table, mode: str = "EXCLUSIVE") -> None:
    """Let nobody else write these tables before the transaction ends: the next number is read, then taken.

    Needed on PostgreSQL alone; on SQLite a writing transaction is alone anyhow (BEGIN IMMEDIATE).
    """
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in tables)
        connection.execute(sa.text(f"LOCK TABLE {names} IN {mode} MODE"))
