"""Brings the schema up to date: playhouse.migrations, one process at a time."""

from pathlib import Path

from playhouse.migrations import Runner

from storage.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that no other application takes; it only has to be the same in every release.
_LOCK = 7_021_946_315


def migrate(database: Database) -> list[str]:
    """Applies every pending migration and returns their names, in order.

    All of them or none: one transaction, under an advisory lock that ends with it (which also holds behind a
    transaction pooler). A second caller waits, then finds nothing to do. The database needs no statement
    timeout. A migration that cannot run in a transaction (CREATE INDEX CONCURRENTLY) has no place here yet.
    """
    with database.unit() as connection, connection.atomic():
        connection.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        applied: list[str] = Runner(connection, str(MIGRATIONS)).up()
        return applied


def pending_migrations(database: Database) -> list[str]:
    """The names of the migrations that `migrate` would apply. Reads only."""
    with database.unit() as connection:
        return [m.name for m in Runner(connection, str(MIGRATIONS)).status() if m.applied is None]


def foreign_migrations(database: Database) -> list[str]:
    """The names of the migrations that are applied and that this release does not know. Reads only."""
    with database.unit() as connection:
        return [m.name for m in Runner(connection, str(MIGRATIONS)).status() if m.path is None]
