"""Databases that stand at an earlier migration, for the tests of the one that follows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from playhouse.migrations import Runner

from storage.database import Database
from storage.schema.schema import MIGRATIONS


@contextmanager
def migrated_to(url: str, migration: str) -> Iterator[Database]:
    """An empty database with the schema of this migration, as `publisher migrate` opens it."""
    with closing(Database(url, application_name="test", statement_timeout=None)) as database:
        with database.unit() as connection:
            Runner(connection, str(MIGRATIONS)).up(migration)
        yield database


def take_back(database: Database, migration: str) -> None:
    """Takes this migration back, and those that came after it: all or none."""
    with database.unit() as connection, connection.atomic():
        Runner(connection, str(MIGRATIONS)).down(migration)
