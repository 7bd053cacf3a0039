"""Brings the schema up to date: playhouse.migrations, one process at a time, without stopping the service's work."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from publisher.domain.errors import DatabaseMisconfigured, DatabaseUnavailable, SchemaOutdated
from storage.database import Database
from storage.schema.lock_holders import LockHolder, LockWatch
from storage.schema.migration_rights import missing_right

# The only encoding of a database that holds whatever a producer writes.
ENCODING = "UTF8"


MIGRATIONS = Path(__file__).parent.parent / "migrations"
# Any number that no other application takes; it only has to be the same in every release.
_LOCK = 7_021_946_315
# One try waits so long for a lock. Every statement that comes for the same table meanwhile queues behind the try, and
# those have timeouts of their own.
_LOCK_TIMEOUT = timedelta(seconds=2)
# What has queued behind one try gets through before the next.
_PAUSE = timedelta(seconds=1)
_PATIENCE = timedelta(minutes=10)
# SQLSTATEs of a lock that was not to be had: lock not available, deadlock detected.
_WAITED_IN_VAIN = frozenset({"55P03", "40P01"})
# SQLSTATEs: insufficient privilege, no schema to make a table in, no such table (in a schema that the role may use),
# a read-only server.
_FOR_WANT_OF_A_RIGHT = frozenset({"42501", "3F000", "42P01", "25006"})
# SQLSTATEs of PostgreSQL where somebody else's object, a view say, depends on what a migration changes: feature not
# supported, dependent objects still exist.
_IN_THE_WAY = frozenset({"0A000", "2BP01"})

OnWait = Callable[[Sequence[LockHolder]], object]


def migrate(
    database: Database,
    on_wait: OnWait = lambda _holders: None,
    *,
    lock_timeout: timedelta = _LOCK_TIMEOUT,
    patience: timedelta = _PATIENCE,
) -> list[str]:
    """Applies every pending migration and returns their names, in order.

    With nothing to apply a role needs the right to read `schema_migration` and no other, and the server may be a
    standby. All of them or none are applied: one transaction, under an advisory lock that ends with it, which also
    holds behind a transaction pooler. A second caller waits, then finds nothing to do. The database needs no statement
    timeout. A migration that cannot run in a transaction (CREATE INDEX CONCURRENTLY) has no place here yet.

    lock_timeout: how long one try waits for a lock that someone else holds. While a request for an exclusive lock
        waits, nobody else gets the table, so the try is given up and repeated.
    patience: how long it is tried in all.
    on_wait: called after each try that failed, with the sessions that held the lock.
    Raises DatabaseMisconfigured for a database that is not UTF8, which could not hold what producers write, and for a
    role without the rights, naming them; and DatabaseUnavailable, naming the sessions, once `patience` is over.
    """
    if (found := server_encoding(database)) != ENCODING:
        raise DatabaseMisconfigured(
            f"the database has the encoding {found}, and {ENCODING} is needed: make another one with"
            f" CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0, and name it in DATABASE_URL"
        )
    with _refusals_named(database):
        # Without a lock: a role with rights to rows may wait for nobody's migration but one that is pending.
        if not pending_migrations(database):
            return []
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        with _refusals_named(database), LockWatch(database) as watch:
            applied = _apply(database, watch, lock_timeout)
        if applied is not None:
            return applied
        on_wait(watch.holders)
        if time.monotonic() > deadline:
            held = ", ".join(map(str, watch.holders)) or "a session that ended meanwhile"
            raise DatabaseUnavailable(f"the schema was not migrated: a lock that it needs is held by {held}")
        time.sleep(_PAUSE.total_seconds())


def server_encoding(database: Database) -> str:
    """Returns the encoding in which the database stores texts, by PostgreSQL's name for it."""
    encoding: str = database.rows("SELECT current_setting('server_encoding')")[0][0]
    return encoding


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Which migrations there are.

    pending: the names of those that `migrate` would apply.
    newest: the name of the last applied one, of this release or of a later one; blank: none is.
    foreign: the names of the applied ones that this release does not know.
    """

    pending: Sequence[str]
    newest: str
    foreign: Sequence[str]


def schema_state(database: Database) -> SchemaState:
    """Reads which migrations are applied. Reads only."""
    with database.unit() as connection:
        found = Runner(connection, str(MIGRATIONS)).status()
    return SchemaState(
        [m.name for m in found if m.applied is None],
        max((m.name for m in found if m.applied is not None), default=""),
        [m.name for m in found if m.path is None],
    )


def pending_migrations(database: Database) -> Sequence[str]:
    """Returns the names of the migrations that `migrate` would apply. Reads only."""
    return schema_state(database).pending


def newest_migration(database: Database) -> str:
    """Returns the name of the last applied migration, of this release or of a later one. Reads only."""
    return schema_state(database).newest


def foreign_migrations(database: Database) -> Sequence[str]:
    """Returns the names of the applied migrations that this release does not know. Reads only."""
    return schema_state(database).foreign


@contextmanager
def _refusals_named(database: Database) -> Iterator[None]:
    """Turns refusals into errors that name what is in the way: a missing right, or an object. Nothing was changed then.

    A right is named with the role and schema that want it.
    """
    try:
        yield
    except (DatabaseUnavailable, SchemaOutdated) as error:
        original = getattr(error.__cause__, "orig", None)
        code = getattr(original, "pgcode", None)
        if original is not None and code in _IN_THE_WAY:
            # Of a definition, and never of a row: nothing in it is secret.
            detail = " ".join(str(original.diag.message_detail or original.diag.message_primary).split())
            raise DatabaseMisconfigured(
                f"the schema was not migrated, and nothing was changed: {detail.rstrip('.')}. Drop that object,"
                " migrate, and make it again for the new columns ('publisher guide deploying')"
            ) from error
        if code not in _FOR_WANT_OF_A_RIGHT:
            raise
        missing = missing_right(database)
        if missing is None:
            raise
        raise DatabaseMisconfigured(f"the schema was not migrated: {missing}") from error


def _apply(database: Database, watch: LockWatch, lock_timeout: timedelta) -> list[str] | None:
    """Tries once. Returns None, with nothing changed, if a lock was not free in time."""
    with database.unit() as connection:
        try:
            with connection.atomic():
                milliseconds = round(lock_timeout.total_seconds() * 1000)
                # SET takes no parameters. LOCAL: the session may be a pooler's.
                connection.execute_sql(f"SET LOCAL lock_timeout = {milliseconds}")
                watch.start(connection)
                connection.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                runner = Runner(connection, str(MIGRATIONS))
                # `up` makes the table of migrations even where it stands, which a role with rights to rows may not.
                if all(migration.applied for migration in runner.status()):
                    return []
                applied: list[str] = runner.up()
                return applied
        except peewee.OperationalError as error:
            if getattr(getattr(error, "orig", None), "pgcode", None) not in _WAITED_IN_VAIN:
                raise
            return None
