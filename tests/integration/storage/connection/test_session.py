"""Whatever a database, a role, the environment or a pooler gives its sessions, the service's are the same (R19a)."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from storage.database import Database
from storage.schema import schema
from tests.conftest import connected, run_sql
from tests.factories import INTENTS, accept, incoming
from tests.poolers import PGBOUNCER, pooler
from tests.waiting import wait_until

HOSTILE = {
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "timezone": "Asia/Kolkata",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-15",
    "client_encoding": "LATIN1",
    "statement_timeout": "1h",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "array_nulls": "off",
    "jit": "on",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
}
OURS = {
    "transaction_isolation": "read committed",
    "transaction_read_only": "off",
    "timezone": "UTC",
    "client_encoding": "UTF8",
    "jit": "off",
    "statement_timeout": "6300ms",
    "lock_timeout": "6300ms",
    "idle_in_transaction_session_timeout": "3s",
}
PATIENT = OURS | {"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"}
SHOW = f"SELECT {', '.join(f'current_setting({name!r})' for name in OURS)}"
INSTANT = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)


def by_database(url: str, _patch: pytest.MonkeyPatch) -> None:
    name = urlsplit(url).path[1:]
    run_sql(url, *(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'" for setting, value in HOSTILE.items()))


def by_environment(_url: str, patch: pytest.MonkeyPatch) -> None:
    quoted = (f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in HOSTILE.items())
    patch.setenv("PGOPTIONS", " ".join(quoted))
    patch.setenv("PGTZ", "Asia/Kolkata")
    patch.setenv("PGDATESTYLE", "SQL, DMY")
    patch.setenv("PGCLIENTENCODING", "LATIN1")


@pytest.fixture(params=[by_database, by_environment])
def hostile_url(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database whose sessions begin with settings that nobody expects."""
    request.param(database_url, monkeypatch)
    return database_url


def settings(database: Database) -> list[dict[str, str]]:
    """The settings that a statement runs under: by itself, and within a transaction."""
    with database.unit() as connection, connection.atomic():
        within = connection.execute_sql(SHOW).fetchone()
    return [dict(zip(OURS, row, strict=True)) for row in (*database.rows(SHOW), within)]


def check_values(database: Database) -> None:
    """Values come back as they were sent."""
    sent = [INSTANT, -timedelta(days=1, seconds=2.5), "Jörg 🎲 \\ '", 0.1 + 0.2, [None, "NULL", ""]]
    [row] = database.rows("SELECT %s::timestamptz, %s::interval, %s, %s::float8, %s::text[]", sent)
    assert list(row) == sent
    assert row[0].utcoffset() == timedelta(0)
    assert database.rows("SELECT '2026-03-14'::date::text, '1 day 2 hours'::interval::text") == [
        ("2026-03-14", "1 day 02:00:00")
    ]


def test_what_a_session_begins_with_is_no_matter(hostile_url: str) -> None:
    """Isolation, access, time zone, formats and timeouts are the service's own, and it works as ever (R2, R5)."""
    with closing(Database(hostile_url, application_name="test")) as database:
        assert settings(database) == [OURS, OURS]
        check_values(database)
        assert len(accept(database, INTENTS, [incoming()], []).accepted) == 1


def test_a_patient_session_waits_without_end(hostile_url: str) -> None:
    """For migrations and for people no timeout holds, whatever the role has."""
    with closing(Database(hostile_url, application_name="test", statement_timeout=None)) as database:
        assert settings(database) == [PATIENT, PATIENT]


@pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer")
@pytest.mark.parametrize("connections", [1, 4])
def test_the_same_holds_behind_a_pooler(
    connections: int, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind PgBouncer in transaction mode, told to ignore nothing, every transaction has the settings of its own
    process, whoever used the connection before; nothing stays behind for a stranger (R15)."""
    by_database(database_url, monkeypatch)
    theirs = "SELECT current_setting('statement_timeout'), current_setting('default_transaction_isolation')"
    with (
        pooler(tmp_path, database_url, connections) as url,
        closing(Database(url, application_name="quick")) as quick,
        closing(Database(url, application_name="patient", statement_timeout=None)) as patient,
        closing(psycopg2.connect(url)) as stranger,
        stranger.cursor() as cursor,
    ):
        stranger.autocommit = True
        for _ in range(5):
            assert settings(quick) == [OURS, OURS]
            assert settings(patient) == [PATIENT, PATIENT]
            check_values(quick)
            cursor.execute(theirs)
            assert cursor.fetchall() == [("1h", "serializable")]
        assert len(accept(quick, INTENTS, [incoming()], []).accepted) == 1


def test_a_migration_outwaits_the_timeouts_of_its_role(database_url: str) -> None:
    """A role's own statement_timeout and lock_timeout do not end a migration that waits for another one."""
    role = f"hasty_{urlsplit(database_url).path[-12:]}"
    run_sql(
        database_url,
        f"CREATE ROLE {role} LOGIN SUPERUSER",
        f"ALTER ROLE {role} SET statement_timeout = '100ms'",
        f"ALTER ROLE {role} SET lock_timeout = '50ms'",
    )
    parts = urlsplit(database_url)
    url = urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
    waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'hasty' AND wait_event_type = 'Lock'"
    long = f"{waits} AND clock_timestamp() - query_start > interval '400 ms'"
    with (
        closing(Database(url, application_name="hasty", statement_timeout=None)) as database,
        ThreadPoolExecutor(1) as thread,
        connected(database_url) as other,
        other.cursor() as cursor,
    ):
        cursor.execute("BEGIN; SELECT pg_advisory_xact_lock(%s)", [schema._LOCK])
        migrating = thread.submit(schema.migrate, database)
        wait_until(lambda: _found(database_url, long) or migrating.done())
        cursor.execute("COMMIT")

        assert migrating.result() == []
    run_sql(database_url, f"DROP ROLE {role}")


def _found(url: str, sql: str) -> bool:
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() is not None


def test_a_transaction_may_last_whatever_its_role_has(database_url: str, database: Database) -> None:
    """transaction_timeout, which PostgreSQL 17 brought, ends none of the service's transactions."""
    [(known,)] = database.rows("SELECT current_setting('transaction_timeout', true) IS NOT NULL")
    if not known:
        pytest.skip("needs PostgreSQL 17")
    run_sql(database_url, f"ALTER DATABASE \"{urlsplit(database_url).path[1:]}\" SET transaction_timeout = '1ms'")
    with (
        closing(Database(database_url, application_name="test")) as hurried,
        hurried.unit() as connection,
        connection.atomic(),
    ):
        connection.execute_sql("SELECT pg_sleep(0.01)")
        assert connection.execute_sql("SHOW transaction_timeout").fetchone() == ("0",)


def test_a_session_that_was_ended_for_idling_is_replaced(database_url: str, database: Database) -> None:
    """A role's idle_session_timeout costs no unit of work: the pool opens another connection."""
    run_sql(database_url, f"ALTER DATABASE \"{urlsplit(database_url).path[1:]}\" SET idle_session_timeout = '50ms'")
    with closing(Database(database_url, application_name="idle")) as idle:
        for _ in range(3):
            [(pid,)] = idle.rows("SELECT pg_backend_pid()")
            wait_until(lambda pid=pid: not database.rows("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]))
