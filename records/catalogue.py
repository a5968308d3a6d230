"""The catalogue: one database for a whole home, SQLite (embedded) or PostgreSQL (production).

On SQLite every writing transaction starts with BEGIN IMMEDIATE: with the default, a transaction that reads
first and writes later fails at once with "database is locked" when another writer came between, whatever the
busy time-out says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from records.errors import AccessError, Incomplete, Retryable, SettingsError

BUSY_MS = 60_000
"""How long a writer waits for another; a transaction holds at most 1,000 rows and lasts milliseconds."""

PATIENCE_S = 60.0
"""How long a server that went away is waited for where a transaction begins: nothing has been said yet."""

_LOOK_S = 0.5
_GONE = frozenset({"57P01", "57P02", "57P03"})
"""States with which PostgreSQL ends connections or takes none (admin_shutdown, crash_shutdown,
cannot_connect_now): https://www.postgresql.org/docs/current/errcodes-appendix.html"""

HEAD = "0016"
"""The newest migration; a test compares it with the files."""

T = TypeVar("T")

ROWS_PER_TRANSACTION = 1_000

_CACHE = f"cache_size=-{32 << 10}"
"""Pages kept in memory: 32 MiB, taken as they are used. SQLite's own 2 MiB are few for writing indexes."""

MIGRATION_LOCK = 0x6461796C69676874
"""The number of PostgreSQL's advisory lock (``daylight`` in ASCII)."""


def _refuse_old_sqlite(version: tuple[int, ...]) -> None:
    """Refuse a library with the WAL-reset corruption bug (3.7.0 to 3.51.2)."""
    if version < (3, 51, 3):
        text = ".".join(map(str, version))
        raise SettingsError(
            f"SQLite {text} has the WAL-reset corruption bug; 3.51.3 or newer is needed: "
            "install pysqlite3 (make setup does)"
        )


class Catalogue:
    """Connections to the catalogue; one object a process, safe in threads, not carried over a fork.

    Attributes:
        engine: The SQLAlchemy engine.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, url: str) -> None:
        """Open a catalogue.

        Args:
            url: ``sqlite:////abs/path`` or ``postgresql+psycopg://…``.

        Raises:
            SettingsError: The URL names another database, or the SQLite library is too old.
        """
        parsed = sa.make_url(url)
        self.url = url
        self._has_answered = False
        self.dialect = parsed.get_backend_name()
        if self.dialect == "sqlite":
            self.engine = self._open_sqlite(parsed)
        elif self.dialect == "postgresql":
            self.engine = sa.create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        else:
            raise SettingsError("the catalogue's address must start with sqlite: or postgresql:")

    @staticmethod
    def _open_sqlite(url: sa.URL) -> sa.Engine:
        import pysqlite3

        _refuse_old_sqlite(pysqlite3.sqlite_version_info)
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            url,
            module=pysqlite3.dbapi2,
            connect_args={"timeout": BUSY_MS / 1000},
            hide_parameters=True,  # an error's words would hold a row: names, subjects
        )

        @sa.event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves
            cursor = connection.cursor()
            pragmas = (f"busy_timeout={BUSY_MS}", "synchronous=FULL", "foreign_keys=ON", _CACHE)
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            _write_ahead(cursor, pysqlite3.OperationalError)
            cursor.close()

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            writing = connection.get_execution_options().get("writing", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return engine

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a writing transaction: committed at the end, rolled back on an exception.

        Hold at most 1,000 rows and do no parsing or network inside.

        Raises:
            Incomplete: The disk is full or fails; nothing of the transaction was kept.
            Retryable: The server went away. Whether the transaction was kept nobody knows: claim the work
                anew and look.
        """
        with self._transaction({"writing": True}) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a reading transaction: one unchanging view.

        Raises:
            Retryable: The server went away.
        """
        # PostgreSQL's default shows each statement what others committed meanwhile; SQLite's WAL does not.
        options = {"isolation_level": "REPEATABLE READ"} if self.dialect == "postgresql" else {}
        with self._transaction(options) as connection:
            yield connection

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[sa.Connection]:
        try:
            with self._connected() as bare, bare.execution_options(**options).begin():
                self._has_answered = True
                yield bare
        except sa.exc.DBAPIError as error:
            # The database's own words can hold a row's values: they are left out.
            if _is_full_disk(error):
                raise Incomplete(
                    "the catalogue cannot be written: its disk is full or fails; make room, then run the "
                    "same command again to resume"
                ) from None
            if _is_gone(error):
                raise Retryable(
                    "the catalogue's server went away; run the same command again to resume"
                ) from None
            raise

    def _connected(self) -> sa.Connection:
        """Return a connection; one that a server which has answered before refuses is asked for again."""
        until = time.monotonic() + (PATIENCE_S if self._has_answered else 0.0)
        while True:
            try:
                return self.engine.connect()
            except sa.exc.DBAPIError as error:
                if not _is_gone(error) or time.monotonic() > until:
                    raise
            time.sleep(_LOOK_S)

    def migrate(self) -> None:
        """Bring the tables to the present form (Alembic); harmless when they are.

        Raises:
            AccessError: The database cannot be reached, or the file is none.
        """
        if self._revision() == HEAD:
            return
        from alembic import command  # costs half a second, and is needed once a home
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self.write() as connection:
                if self.dialect == "postgresql":  # one process migrates, the others wait and find it done
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (sa.exc.DatabaseError, Retryable) as error:
            raise AccessError("the catalogue cannot be opened; check its address and rights") from error

    def _revision(self) -> str | None:
        """Return the form the tables have, or None for an empty database."""
        try:
            with self.read() as connection:
                if not sa.inspect(connection).has_table("alembic_version"):
                    return None
                found: str | None = connection.execute(
                    sa.text("SELECT version_num FROM alembic_version")
                ).scalar()
                return found
        except (sa.exc.DatabaseError, Retryable) as error:
            raise AccessError("the catalogue cannot be opened; check its address and rights") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _write_ahead(cursor: Any, locked: type[Exception]) -> None:
    """Switch a database to write-ahead logging.

    The first connections of a new file can meet here, and SQLite then says "locked" at once: it does not wait
    where waiting could be a deadlock. So we wait.
    """
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except locked as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _is_gone(error: sa.exc.DBAPIError) -> bool:
    """Tell whether an error is about the connection, not about what was asked: PostgreSQL's alone is one."""
    if error.connection_invalidated:
        return True
    # psycopg has no state where the server never answered; SQLite's errors have no such attribute.
    state = getattr(error.orig, "sqlstate", "")
    if not isinstance(error, sa.exc.OperationalError):
        return False
    return state is None or state.startswith("08") or state in _GONE


def _is_full_disk(error: sa.exc.DBAPIError) -> bool:
    if not isinstance(error, sa.exc.OperationalError):
        return False
    words = str(error.orig).lower()
    return "disk is full" in words or "disk i/o error" in words or "no space left" in words


def chunked(rows: list[Any], size: int = ROWS_PER_TRANSACTION) -> Iterator[list[Any]]:
    """Cut rows into pieces of at most ``size``, in order."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def chunked_by_bytes(
    values: Iterable[T], size: Callable[[T], int], most: int, count: int = 0
) -> Iterator[list[T]]:
    """Cut values into pieces, in order, each of so many bytes at most, but for a single larger value.

    Args:
        values: In their order.
        size: Returns the bytes of a value.
        most: Bytes of a piece.
        count: Most values of a piece; 0 for any number.
    """
    part: list[T] = []
    held = 0
    for value in values:
        own = size(value)
        if part and (held + own > most or len(part) == count):
            yield part
            part, held = [], 0
        part.append(value)
        held += own
    if part:
        yield part
