"""A migration waits for its locks in short tries: the service's work goes on meanwhile."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest

from publisher.domain.errors import DatabaseUnavailable
from storage.database import Database
from storage.schema import schema
from storage.schema.schema import migrate
from tests.integration.rows import rows
from tests.integration.storage.schema.earlier_schemas import take_back
from tests.waiting import wait_until

SHORT = timedelta(milliseconds=400)
MISSING = "9001_exclusive"


@pytest.fixture
def outdated(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database that lacks a migration, one which keeps everybody off routes, as `publisher migrate` opens it."""
    (tmp_path / f"{MISSING}.py").write_text(
        "def up(migrator, db):\n    db.execute_sql('LOCK TABLE routes IN ACCESS EXCLUSIVE MODE')\n"
    )
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)
    monkeypatch.setattr(schema, "_PAUSE", timedelta(milliseconds=50))
    with closing(Database(database_url, application_name="migrate", statement_timeout=None)) as database:
        yield database


@pytest.fixture
def reader(database_url: str) -> Iterator["psycopg2.extensions.connection"]:
    """A session that has read routes and does not end its transaction."""
    with closing(psycopg2.connect(database_url, application_name="someone's psql")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM routes")
        yield connection


def test_a_migration_says_whom_it_waits_for_and_goes_on_once_they_are_done(
    outdated: Database, reader: "psycopg2.extensions.connection"
) -> None:
    """Each try that got no lock names the session that holds it, by pid and application; then the schema is current."""
    waits = []

    with ThreadPoolExecutor(1) as threads:
        migrating = threads.submit(migrate, outdated, lambda holders: waits.append(list(holders)), lock_timeout=SHORT)
        wait_until(lambda: len(waits) >= 2)
        reader.rollback()
        applied = migrating.result(timeout=20)

    assert applied == [MISSING]
    for holders in waits[:2]:
        assert [(holder.pid, holder.application) for holder in holders] == [
            (reader.info.backend_pid, "someone's psql"),
        ]
    assert f"pid {reader.info.backend_pid} (someone's psql, idle in transaction, in a transaction for" in str(
        waits[0][0]
    )


def test_statements_pass_between_two_tries(
    outdated: Database, database_url: str, reader: "psycopg2.extensions.connection"
) -> None:
    """While a migration waits, a statement that would queue behind its request for a lock is let through."""
    waits = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as threads:
        migrating = threads.submit(migrate, outdated, lambda _: waits.release(), lock_timeout=SHORT)
        assert waits.acquire(timeout=20)
        with closing(Database(database_url, application_name="other")) as other:
            for _ in range(3):
                assert rows(other, "SELECT count(*) FROM routes") == [{"count": 0}]
                assert waits.acquire(timeout=20)
        reader.rollback()
        migrating.result(timeout=20)


def test_a_migration_that_gets_no_lock_ends_with_an_error_that_names_the_holder(
    outdated: Database, reader: "psycopg2.extensions.connection"
) -> None:
    """After its patience a migration gives up, has changed nothing, and says who held the lock."""
    with pytest.raises(DatabaseUnavailable, match=rf"held by pid {reader.info.backend_pid} \(someone's psql"):
        migrate(outdated, lock_timeout=SHORT, patience=timedelta(0))

    assert schema.pending_migrations(outdated) == [MISSING]


def test_a_second_migration_waits_for_the_first(outdated: Database, database_url: str) -> None:
    """Of two at once the second waits, however long the first takes, and finds nothing to do."""
    waits = threading.Semaphore(0)
    with closing(psycopg2.connect(database_url, application_name="first")) as first, ThreadPoolExecutor(1) as threads:
        with first.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (schema._LOCK,))
        second = threads.submit(migrate, outdated, lambda _: waits.release(), lock_timeout=SHORT)
        assert waits.acquire(timeout=20)
        assert waits.acquire(timeout=20)
        with first.cursor() as cursor:
            cursor.execute("INSERT INTO schema_migration (name, applied) VALUES (%s, now())", [MISSING])
        first.commit()

        assert second.result(timeout=20) == []


def test_a_migration_that_meets_others_in_a_deadlock_tries_again(database_url: str) -> None:
    """A transaction that takes the tables the other way round is let through, and then the schema is current."""
    with closing(Database(database_url, application_name="migrate", statement_timeout=None)) as database:
        take_back(database, "0008_group_keys")
        pending = schema.pending_migrations(database)
        waits = threading.Semaphore(0)
        with (
            closing(psycopg2.connect(database_url)) as other,
            other.cursor() as cursor,
            ThreadPoolExecutor(1) as threads,
        ):
            cursor.execute("SET deadlock_timeout = '1h'; LOCK TABLE routes IN ROW EXCLUSIVE MODE")
            migrating = threads.submit(migrate, database, lambda _: waits.release(), lock_timeout=timedelta(minutes=1))
            blocked = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'routes'::regclass"
            with closing(Database(database_url, application_name="eyes")) as eyes:
                wait_until(lambda: rows(eyes, blocked))
            cursor.execute("LOCK TABLE cancellations IN ROW EXCLUSIVE MODE")
            other.commit()

            assert migrating.result(timeout=60) == pending
            assert waits.acquire(blocking=False)
