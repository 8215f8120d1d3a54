"""The way to the database: its URL, its locks, its version and its errors."""

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ..errors import LucyError
from .models import VERSION, SchemaVersion, Table

T = TypeVar("T")

_BEGIN = "lucy_begin"  # option of an engine: the statement that begins a transaction on SQLite
_SECONDS_BETWEEN_ATTEMPTS = 0.02


class StoreError(LucyError):
    """The store cannot be used; the message names it and the way out."""


class StoreUrlError(StoreError):
    """What was given as a store never can be one."""


class Database:
    """A database with the store's tables, of their present version."""

    def __init__(self, url: str, create: bool, patience: float) -> None:
        """Connect, and make the tables where there are none.

        Args:
            url: of the database, or the path of an SQLite file.
            create: a database that is not there yet.
            patience: seconds to wait while another process holds the lock.

        Raises:
            StoreError: see `Store.open`.
        """
        self._url, self._patience = parse_url(url), patience
        self.name = self._url.render_as_string(hide_password=True)
        self._engine = self._connect(create)
        self._reading = self._engine
        if self._url.get_backend_name() != "sqlite":  # which has no other than serializable
            self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")
        try:
            if self._version() is None:
                if not create:
                    raise self._missing("the database is empty")
                self._create()
            self._check(self._version())
            if create:
                self._add_missing_tables()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do some work in one transaction; when this returns it is durable.

        Args:
            work: done again from its beginning while another process holds the lock.

        Raises:
            StoreError: it was not done, not even in part.
        """
        # A transaction that reads before it writes would lose its turn if it began as a reader
        writing = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        return self._patiently(lambda: _in_transaction(writing, work))

    def read(self, work: Callable[[Connection], T]) -> T:
        """Look at the database as it is at one moment.

        Raises:
            StoreError: it cannot be read.
        """
        return self._patiently(lambda: _in_transaction(self._reading, work))

    def _connect(self, create: bool) -> Engine:
        url = self._url
        if url.get_backend_name() != "sqlite":
            return _engine(url, pool_pre_ping=True)
        if not create and "uri" not in url.query and not Path(url.database or "").exists():
            raise self._missing("there is no such file")  # SQLite would make one
        engine = _engine(url, connect_args={"timeout": min(self._patience, 1.0)})
        _prepare_sqlite(engine)
        return engine

    def _version(self) -> int | None:
        """None for an empty database, 0 for one that holds other things."""

        def version(connection: Connection) -> int | None:
            tables = inspect(connection).get_table_names()
            if SchemaVersion.__tablename__ not in tables:
                return 0 if tables else None
            return connection.scalar(select(SchemaVersion.version)) or 0

        return self.read(version)

    def _check(self, version: int | None) -> None:
        if version == VERSION:
            return
        if not version:
            raise StoreError(
                f"{self.name}: expected a store of Lucy's, but this database holds something "
                "else. Name another with --store."
            )
        side = "a newer" if version > VERSION else "an older"
        way_out = (
            "Update Lucy (pip install --upgrade lucy-skg)"
            if version > VERSION
            else "Read it with the Lucy that wrote it"
        )
        raise StoreError(
            f"{self.name}: expected a store of version {VERSION}, but {side} Lucy wrote it in "
            f"version {version}. {way_out}, or name another with --store."
        )

    def _create(self) -> None:
        def use_wal() -> None:
            # Readers and a writer side by side; kept in the file, and not changed in a transaction
            outside = self._engine.execution_options(**{_BEGIN: ""})
            _in_transaction(outside, lambda c: c.exec_driver_sql("PRAGMA journal_mode=WAL"))

        def create(connection: Connection) -> None:
            # Another process may have been first
            if SchemaVersion.__tablename__ not in inspect(connection).get_table_names():
                Table.metadata.create_all(connection, checkfirst=False)
                connection.execute(insert(SchemaVersion).values(version=VERSION))

        if self._url.get_backend_name() == "sqlite":
            self._patiently(use_wal)
        self.write(create)

    def _add_missing_tables(self) -> None:
        def missing(connection: Connection) -> set[str]:
            return set(Table.metadata.tables) - set(inspect(connection).get_table_names())

        if self.read(missing):
            self.write(Table.metadata.create_all)

    def _patiently(self, work: Callable[[], T]) -> T:
        # SQLite itself waits, but where that could lead to a deadlock it refuses at once
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return work()
            except SQLAlchemyError as error:
                if not _is_locked(error) or time.monotonic() > deadline:
                    raise self._explained(error) from error
            except UnicodeEncodeError as error:
                raise StoreError(
                    f"{self.name}: expected names that are text, but {error.object[:200]!r} has "
                    "bytes that are none in UTF-8. Rename that file or folder."
                ) from error
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)

    def _explained(self, error: SQLAlchemyError) -> StoreError:
        expected, way_out = _EXPLANATIONS.get(
            _sqlite_code(error),
            ("a database that works", "Mend the cause that is named, or name another with --store"),
        )
        cause = str(getattr(error, "orig", error)).strip().partition("\n")[0] or "no reason"
        return StoreError(f"{self.name}: expected {expected}, but got: {cause}. {way_out}.")

    def _missing(self, found: str) -> StoreError:
        return StoreError(
            f"{self.name}: expected a store, but {found}. Name one that a training or a match "
            "has written with --store."
        )


_EXPLANATIONS = {
    sqlite3.SQLITE_BUSY: (
        "to get the database's lock",
        "Close the program that holds it, or name another with --store",
    ),
    sqlite3.SQLITE_READONLY: (
        "a database that can be written",
        "Make the file and its folder writable, or name another with --store",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "a whole database",
        "The file is damaged: move it away, and lucy train --resume --run-dir RUN fills a new one "
        "from that run's metrics.jsonl; its matches and ratings are lost",
    ),
    sqlite3.SQLITE_FULL: (
        "space for the database",
        "Free disk space, or name another with --store",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "a file that can be opened, in a folder that exists",
        "Check the path, or name another with --store",
    ),
    sqlite3.SQLITE_NOTADB: (
        "an SQLite database",
        "The file is something else or damaged: name another with --store",
    ),
}


def check_url(url: str) -> None:
    """See whether something can be a store at all, without connecting.

    Raises:
        StoreUrlError: it is no URL, or the driver for its kind of database is missing.
    """
    _engine(parse_url(url)).dispose()


def shown_url(url: str) -> str:
    """A store as `--store` names it, but for a password."""
    return parse_url(url).render_as_string(hide_password=True) if "://" in url else url


def parse_url(url: str) -> URL:
    """The URL of a database; the path of a file is taken as an SQLite database.

    Raises:
        StoreUrlError: it is neither.
    """
    shown = re.sub(r"//.*@", "//***@", url)  # no password
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:
        raise StoreUrlError(_expected_url(shown)) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreUrlError(_expected_url(shown))
    return parsed


def _expected_url(shown: str) -> str:
    return (
        f"{shown!r}: expected a store such as lucy.db, sqlite:///runs/lucy.db (three slashes) or "
        "postgresql://user@host/lucy"
    )


def _engine(url: URL, **options: Any) -> Engine:
    try:
        return create_engine(url, **options)
    except NoSuchModuleError as error:
        raise StoreUrlError(_expected_url(url.render_as_string(hide_password=True))) from error
    except ModuleNotFoundError as error:
        raise StoreUrlError(
            f"{url.render_as_string(hide_password=True)}: expected this database's Python driver "
            f"{error.name!r} to be installed. For PostgreSQL: pip install "
            '"lucy-skg[postgresql]"; SQLite needs none.'
        ) from error


def _prepare_sqlite(engine: Engine) -> None:
    """Transactions as SQLite means them, and durable ones."""

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None  # else Python begins transactions where it sees fit
        connection.execute("PRAGMA synchronous=FULL")  # holds through a power failure
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if statement := connection.get_execution_options().get(_BEGIN, "BEGIN"):
            connection.exec_driver_sql(statement)


def _in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _sqlite_code(error: SQLAlchemyError) -> int:
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF  # the higher bits tell the same in more detail


def _is_locked(error: SQLAlchemyError) -> bool:
    return _sqlite_code(error) == sqlite3.SQLITE_BUSY
