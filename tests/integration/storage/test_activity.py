"""What PostgreSQL says of itself: its clock, transactions, slots, dead rows and connections."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from publisher.doctor.checks import postgresql
from storage import activity, health
from storage.database import Database
from tests.conftest import connected, run_sql
from tests.integration.rows import due_routes, execute, rows
from tests.waiting import wait_until


@contextmanager
def in_transaction(url: str, sql: str) -> Iterator["psycopg2.extensions.connection"]:
    """A session that has run this and not ended its transaction."""
    with closing(psycopg2.connect(url, application_name="forgotten")) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        yield connection


@contextmanager
def as_stranger(database_url: str) -> Iterator[Database]:
    """The database as a role sees it that may read nothing but its own."""
    role = f"stranger_{urlsplit(database_url).path[-12:]}"
    run_sql(database_url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 7")
    parts = urlsplit(database_url)
    url = urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
    try:
        with closing(Database(url, application_name="stranger")) as database:
            yield database
    finally:
        run_sql(database_url, f"DROP ROLE {role}")


def forgotten(database: Database) -> list[postgresql.Transaction]:
    """What is said of the session that was left open."""
    return [t for t in activity.oldest_transactions(database) if t.application == "forgotten"]


def test_the_clock_is_aware_and_read_anew_each_time(database: Database) -> None:
    """Two readings differ: it is no transaction's beginning."""
    first, second = health.read_clock(database), health.read_clock(database)

    assert timedelta(0) < second - first < timedelta(seconds=5)
    assert first.utcoffset() == timedelta(0)


def test_the_facts_are_those_of_the_services_transactions(database_url: str, database: Database) -> None:
    """What a commit is worth is the database's choice; a default of reading only is none: each transaction writes."""
    before = health.read_server(database)
    name = urlsplit(database_url).path[1:]
    run_sql(database_url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    run_sql(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    with closing(Database(database_url, application_name="test")) as again:
        after = health.read_server(again)

    assert (before.read_only, before.synchronous_commit, before.standby) == (False, "on", False)
    assert (after.read_only, after.synchronous_commit) == (False, "off")
    assert after.version.startswith(rows(database, "SHOW server_version")[0]["server_version"])


@pytest.mark.parametrize("sql", ["SELECT 1", "CREATE TABLE t ()", "SELECT pg_current_xact_id()"])
def test_a_session_left_in_its_transaction_is_found(database_url: str, database: Database, sql: str) -> None:
    """Whether it has a snapshot, an id, locks, or nothing yet."""
    assert forgotten(database) == []

    with in_transaction(database_url, sql):
        wait_until(lambda: [t.state for t in forgotten(database)] == ["idle in transaction"])
        [found] = forgotten(database)

    assert found.age is not None
    assert timedelta(0) < found.age < timedelta(minutes=1)
    wait_until(lambda: forgotten(database) == [])


@pytest.mark.parametrize(
    "sql", ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1", "SELECT pg_current_xact_id()"]
)
def test_another_role_s_transaction_is_seen_though_its_age_is_hidden(
    database_url: str, database: Database, sql: str
) -> None:
    """Without pg_read_all_stats the check still sees what holds back the removal of dead rows: snapshots and ids."""
    with as_stranger(database_url) as stranger, in_transaction(database_url, sql):
        # Two transactions begin meanwhile.
        due_routes(database, 1)
        due_routes(database, 1)
        [found] = forgotten(stranger)

    assert (found.age, found.state) == (None, None)
    assert found.xmin_age >= 2


def test_a_transaction_of_another_database_is_no_concern(database_url: str, database: Database) -> None:
    """It holds back nothing here."""
    with in_transaction(urlunsplit(urlsplit(database_url)._replace(path="/postgres")), "SELECT 1"):
        assert forgotten(database) == []


def test_there_are_no_prepared_transactions_or_slots_by_default(database: Database) -> None:
    """Both lists can be read by the role of the service."""
    assert activity.prepared_transactions(database) == []
    assert activity.replication_slots(database) == []


def test_a_replication_slot_is_found_with_the_wal_it_keeps(database_url: str, database: Database) -> None:
    """A physical slot that nobody reads keeps WAL from its creation on."""
    name = f"doctor_{urlsplit(database_url).path[-12:]}"
    run_sql(database_url, f"SELECT pg_create_physical_replication_slot('{name}', true)")
    try:
        due_routes(database, 10)
        [found] = [slot for slot in activity.replication_slots(database) if slot.name == name]
    finally:
        run_sql(database_url, f"SELECT pg_drop_replication_slot('{name}')")

    assert (found.active, found.xmin_age) == (False, None)
    assert found.retained is not None
    assert found.retained > 0


def test_dead_rows_and_their_removal_are_counted(database: Database) -> None:
    """The statistics of every table of ours, by name."""
    ids = due_routes(database, 50)
    with database.unit() as connection:
        for _ in range(3):
            connection.execute_sql("UPDATE routes SET updated_at = now() WHERE id = ANY(%s)", [ids])
        connection.execute_sql("SELECT pg_stat_force_next_flush()")

    def routes() -> postgresql.Table:
        return next(table for table in health.tables(database) if table.name == "routes")

    found = wait_until(lambda: routes() if routes().dead >= 100 else None)
    assert (found.vacuumed, found.autovacuum) == (None, True)
    execute(database, "VACUUM routes")
    wait_until(lambda: routes().vacuumed is not None and routes().dead == 0)


def test_autovacuum_that_is_off_for_a_table_is_seen(database: Database) -> None:
    """A storage option of the table outweighs the server's setting."""
    execute(database, "ALTER TABLE notifications SET (autovacuum_enabled = off)")

    found = {table.name: table.autovacuum for table in health.tables(database)}

    assert found.pop("notifications") is False
    assert set(found.values()) == {True}


def test_connections_are_counted_by_application_without_one_s_own(database_url: str, database: Database) -> None:
    """An operator sees who has them; the doctor's own is not among them."""
    with connected(f"{database_url}{'&' if '?' in database_url else '?'}application_name=the-neighbour"):
        found = activity.connections(database)

    assert found.connected["the-neighbour"] == 1
    assert "test" not in found.connected
    assert found.limit == int(rows(database, "SHOW max_connections")[0]["max_connections"])


def test_the_limit_is_the_role_s_own_where_that_is_less(database_url: str) -> None:
    """A role may have fewer connections than the server gives, and never those that are reserved."""
    with as_stranger(database_url) as stranger:
        assert activity.connections(stranger).limit == 7
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections')::int")
        (most,) = cursor.fetchone()
    run_sql(database_url, f'ALTER DATABASE "{urlsplit(database_url).path[1:]}" CONNECTION LIMIT {most - 5}')
    with closing(Database(database_url, application_name="test")) as database:
        assert activity.connections(database).limit == most - 5
