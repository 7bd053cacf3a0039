"""Opens connections through a pool, and translates driver errors into those of domain/errors."""

import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import peewee
import psycopg2
import psycopg2.errors
import psycopg2.extensions

from publisher.domain.errors import (
    DatabaseBusy,
    DatabaseMisconfigured,
    DatabaseRefused,
    DatabaseUnavailable,
    PublisherError,
    SchemaOutdated,
    SettingsError,
)
from storage.connection import deadline, session
from storage.connection.deadline import CannotConnect
from storage.connection.errors import place
from storage.connection.hosts import Connector
from storage.connection.pool import Pool
from storage.models.all_models import MODELS

Row = tuple[Any, ...]
# A process opens at most so many connections.
POOL_SIZE = 16


class Database:
    """PostgreSQL, through a pool that opens connections on first use and replaces broken ones.

    Each unit of work borrows one connection. Whatever a session begins with, transactions speak UTC and are READ
    COMMITTED, and every statement has a deadline on both sides of the wire: see `storage.connection.session`. Safe to
    share between threads; a forked child starts with an empty pool.
    """

    def __init__(
        self,
        url: str,
        *,
        application_name: str,
        connect_timeout: timedelta = timedelta(seconds=3),
        statement_timeout: timedelta | None = timedelta(seconds=7),
        pool_size: int = POOL_SIZE,
        on_answer: Callable[[], None] | None = None,
    ) -> None:
        """Opens no connection.

        statement_timeout: None: statements may take as long as they need.
        on_answer: called after each unit of work without an error; None: nobody asks.
        Raises SettingsError if the URL is none that libpq understands.
        """
        deadline.install()
        self._on_answer = on_answer
        try:
            self._place = place(url)
        except psycopg2.ProgrammingError:
            # Without its reason: libpq's may quote the whole URL, and a traceback would show it.
            raise SettingsError("DATABASE_URL is no URL that PostgreSQL understands") from None
        self._pool = Pool(
            "postgresql://" + url.partition("://")[2],
            max_connections=pool_size,
            # Threads wait for a free connection, within the time a statement may take.
            timeout=(statement_timeout or timedelta(minutes=1)).total_seconds() + 1,
            # Renewed once an hour, not more often: the first intent of a new session takes 4 ms instead of 1.
            stale_timeout=3600,
            autoconnect=False,
            application_name=application_name,
            connection_factory=Connector(connect_timeout, statement_timeout),
            keepalives_idle=15,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=15_000,
            cursor_factory=session.cursor_class(statement_timeout),
            client_encoding="UTF8",
        )
        self._pool.bind(MODELS, bind_refs=False, bind_backrefs=False)
        # A child that used its parent's connection would garble the protocol for both.
        pool = weakref.ref(self._pool)
        os.register_at_fork(after_in_child=lambda: _dispose(pool))

    @contextmanager
    def unit(self) -> Iterator[peewee.PostgresqlDatabase]:
        """Borrows one connection for a unit of work. Each statement is its own transaction unless `atomic()` is used.

        Raises DatabaseUnavailable, DatabaseRefused or SchemaOutdated for every error of the driver. DatabaseRefused
        means that a value of the statement is at fault, and nothing else does (R19a).
        """
        try:
            with self._pool.connection_context():
                yield self._pool
            if self._on_answer is not None:
                self._on_answer()
        except (peewee.PeeweeException, psycopg2.Error) as error:
            translated = _translated(error, self._place)
            if isinstance(_original(error), psycopg2.errors.ReadOnlySqlTransaction | psycopg2.NotSupportedError):
                # After a failover these sessions may be with what is a standby now: the next ones ask anew.
                self._pool.close_idle()
            raise translated from error
        except ValueError as error:
            # The pool's MaxConnectionsExceeded is a ValueError; a psycopg2 adapter raises one for NUL in text.
            if "Max connections exceeded" in str(error):
                raise DatabaseBusy("no connection came free in the pool in time") from error
            raise DatabaseRefused(f"a value cannot be sent to PostgreSQL: {error}") from error

    def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[Row]:
        """Returns the rows of one statement, run in a unit of its own."""
        with self.unit() as connection:
            return fetch(connection, sql, parameters)

    def close_idle(self) -> None:
        """Closes the connections that are not borrowed at this moment."""
        self._pool.close_idle()

    def close(self) -> None:
        """Closes every connection of the pool."""
        self._pool.close_all()


def fetch(
    connection: peewee.PostgresqlDatabase, sql: str, parameters: Sequence[object] | dict[str, object] = ()
) -> list[Row]:
    """Returns the rows of one statement, run within the caller's unit."""
    rows: list[Row] = connection.execute_sql(sql, parameters).fetchall()
    return rows


def _dispose(pool: "weakref.ref[Pool]") -> None:
    database = pool()
    if database is not None:
        database.dispose()


# Answers that are no verdict on the statement: a failover, a limit, a shutdown. The same may succeed later.
_PASSING = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    psycopg2.errors.ReadOnlySqlTransaction,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.QueryCanceled,
)
# Of those, the answers of a server that serves everybody else.
_BUSY = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.QueryCanceled,
)
# The classes of SQLSTATE that blame a value (R19a): data exceptions, constraints, and PostgreSQL's limits on a value,
# which the driver takes for trouble of the server.
_OF_A_VALUE = frozenset({"22", "23", "54"})
# What the driver raises by itself, without a SQLSTATE, when it cannot send a value.
_UNSENDABLE = (psycopg2.DataError, psycopg2.ProgrammingError, psycopg2.NotSupportedError)
_OUTDATED = (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn)


def _translated(error: Exception, place: str) -> PublisherError:
    original = _original(error)
    message = _message(original)
    code = getattr(original, "pgcode", None)
    if isinstance(original, _OUTDATED):
        return SchemaOutdated(f"the database schema is not up to date ({message}): run 'publisher migrate'")
    if code is None and isinstance(original, _UNSENDABLE):
        return DatabaseRefused(f"a value cannot be sent to PostgreSQL: {message}")
    if code is not None and code[:2] in _OF_A_VALUE:
        return DatabaseRefused(f"PostgreSQL refused the statement: {message}")
    if code is None and not isinstance(original, CannotConnect):
        return DatabaseUnavailable(f"PostgreSQL is not available: {message} ({place})")
    if code is not None and isinstance(original, _BUSY):
        return DatabaseBusy(f"PostgreSQL is busy: {message}")
    if code is None or isinstance(original, _PASSING):
        return DatabaseUnavailable(f"PostgreSQL is not available: {message}")
    return DatabaseMisconfigured(f"PostgreSQL refuses, whatever the values (SQLSTATE {code}): {message}")


def _original(error: Exception) -> Exception:
    cause = error
    while not isinstance(cause, psycopg2.Error) and cause.__cause__ is not None:
        cause = cause.__cause__  # type: ignore[assignment]
    original: Exception = getattr(error, "orig", cause)
    return original


def _message(error: BaseException) -> str:
    # diag's primary message names the constraint; the detail, left out, would hold the row's values.
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return str(primary or " ".join(str(error).split()) or type(error).__name__)
