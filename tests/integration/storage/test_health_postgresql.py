"""What PostgreSQL says of its own state, each fault made real."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from publisher.doctor.checks import postgresql, schema
from publisher.doctor.verdict import Verdict
from publisher.domain.errors import SchemaOutdated
from storage import activity, backlogs, catalogue, health
from storage.backlogs import Backlog, read_backlogs
from storage.claims import claim_due
from storage.database import Database
from storage.schema import foreign_migrations, pending_migrations
from tests.conftest import connected, run_sql
from tests.integration.rows import change, due_routes, execute, rows
from tests.waiting import wait_until

HOUR = timedelta(hours=1)
TTL = timedelta(seconds=30)


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


def test_a_migrated_database_has_every_index_and_constraint(database: Database) -> None:
    """What the models want is what the migrations made: a fresh database has no complaint."""
    indexes = schema.indexes(catalogue.expected_indexes(), catalogue.found_indexes(database))
    constraints = schema.constraints(catalogue.expected_constraints(), catalogue.found_constraints(database))

    assert (indexes.verdict, constraints.verdict) == (Verdict.OK, Verdict.OK), (indexes, constraints)


def test_every_index_and_constraint_of_the_tables_is_expected(database: Database) -> None:
    """None that a migration made goes unwatched: primary keys are watched as constraints, NOT NULL as columns."""
    watched = {index.name for index in catalogue.expected_indexes()} | {
        constraint.name for constraint in catalogue.expected_constraints()
    }
    there = rows(
        database,
        "SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_migration'"
        " UNION SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        " AND conrelid <> 'schema_migration'::regclass",
    )

    assert {row["name"] for row in there} == watched


def test_a_dropped_index_is_made_again_by_its_remedy(database: Database) -> None:
    """The statement that the check names is complete: pasted, it mends what it complains of."""
    expected = catalogue.expected_indexes()
    before = rows(database, "SELECT indexdef FROM pg_indexes WHERE tablename = 'routes' ORDER BY indexname")
    for index in expected:
        execute(database, f"DROP INDEX {index.name}")

    said = [schema.indexes({index: sql}, catalogue.found_indexes(database)) for index, sql in expected.items()]
    assert {(d.verdict, d.finding.partition(" ")[2]) for d in said} == {(Verdict.FAILED, "is missing")}
    for diagnosis in said:
        execute(database, diagnosis.remedy)

    assert schema.indexes(expected, catalogue.found_indexes(database)).verdict is Verdict.OK
    assert rows(database, "SELECT indexdef FROM pg_indexes WHERE tablename = 'routes' ORDER BY indexname") == before


def test_an_index_that_could_not_be_built_is_not_valid(database: Database) -> None:
    """CREATE UNIQUE INDEX CONCURRENTLY over what is not unique leaves an index that serves nobody."""
    due_routes(database, 2)
    execute(database, "DROP INDEX routes_identity")
    with pytest.raises(Exception, match="could not create unique index"):
        execute(database, "CREATE UNIQUE INDEX CONCURRENTLY routes_identity ON routes (notification_id)")

    found = {index.name: valid for index, valid in catalogue.found_indexes(database).items()}

    assert found["routes_identity"] is False
    assert found["routes_due"] is True


def test_an_index_over_other_columns_is_seen(database: Database) -> None:
    """Its name is the same, its use is not."""
    execute(database, "DROP INDEX routes_due")
    execute(database, "CREATE INDEX routes_due ON routes (next_attempt_at DESC, channel) INCLUDE (id)")

    said = schema.indexes(catalogue.expected_indexes(), catalogue.found_indexes(database))

    assert said.finding == (
        "routes_due is on routes (next_attempt_at, channel), not partial on routes (channel, next_attempt_at, id)"
    )


def test_a_dropped_and_an_unproved_constraint_are_seen(database: Database) -> None:
    """One that is gone, and one that NOT VALID lets old rows break."""
    execute(database, "ALTER TABLE routes DROP CONSTRAINT routes_open_is_scheduled")
    execute(database, "ALTER TABLE route_failures DROP CONSTRAINT route_failures_route")
    execute(
        database,
        "ALTER TABLE route_failures ADD CONSTRAINT route_failures_route"
        " FOREIGN KEY (route_key) REFERENCES routes (id) NOT VALID",
    )

    said = schema.constraints(catalogue.expected_constraints(), catalogue.found_constraints(database))

    assert said.finding == "missing: routes_open_is_scheduled; not valid: route_failures_route"


def test_migrations_of_another_release_are_foreign(database: Database) -> None:
    """What is applied and not known here was applied by a newer release."""
    assert (pending_migrations(database), foreign_migrations(database)) == ([], [])

    execute(database, "INSERT INTO schema_migration (name, applied) VALUES ('0099_later', now())")

    assert (pending_migrations(database), foreign_migrations(database)) == ([], ["0099_later"])


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


def test_without_open_routes_there_is_no_backlog(database: Database) -> None:
    """Final routes are none, however many there are."""
    assert read_backlogs(database, over=HOUR) == []
    change(database, due_routes(database, 3), "status = 'skipped', next_attempt_at = NULL")

    assert read_backlogs(database, over=HOUR) == []


def test_a_backlog_says_how_long_the_first_free_route_has_been_due(database: Database) -> None:
    """By channel, those that no installed channel serves among them; a route under a lease is being worked on."""
    email, push = due_routes(database, 2), due_routes(database, 1, "push")
    change(database, push, "channel = 'sms'")
    claim_due(database, "email", limit=1, lease_ttl=TTL)
    change(database, email[1:], "next_attempt_at = date_trunc('milliseconds', now()) - interval '10 minutes'")

    first, second = read_backlogs(database, over=HOUR)

    assert (first.channel, second.channel) == ("email", "sms")
    assert first.oldest_due is not None
    assert timedelta(minutes=10) <= first.oldest_due < timedelta(minutes=11)
    assert second.oldest_due is not None
    assert timedelta(minutes=59) <= second.oldest_due <= timedelta(minutes=61)


def test_a_route_that_is_due_later_waits_for_nobody(database: Database) -> None:
    """Its channel is there all the same: somebody must serve it."""
    change(database, due_routes(database, 1), "next_attempt_at = now() + interval '1 hour'")

    assert read_backlogs(database, over=HOUR) == [Backlog("email", None, 0, None)]


def test_leases_that_were_over_long_ago_are_orphaned(database: Database) -> None:
    """Not those that are held, nor those that were over a moment ago (R5)."""
    due_routes(database, 4)
    held = [route.route.id for route in claim_due(database, "email", limit=4, lease_ttl=TTL).routes]
    change(database, held[:2], "lease_expires_at = now() - interval '2 hours'")
    change(database, held[2:3], "lease_expires_at = now() - interval '1 minute'")

    [found] = read_backlogs(database, over=HOUR)

    assert found.orphaned == 2
    assert found.longest_over is not None
    assert timedelta(hours=2) <= found.longest_over < timedelta(hours=2, minutes=1)


def test_final_routes_are_never_looked_at(database: Database) -> None:
    """The plan reads the index of open routes, and never the table (cheap with ten million final routes)."""
    [route] = due_routes(database, 1)
    execute(
        database,
        "INSERT INTO routes (notification_id, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at) SELECT notification_id, 'email:user:old' || n, channel, 'published', 1, 'user:7',"
        " now(), now(), now() FROM routes, generate_series(1, 20000) AS n WHERE id = %s",
        route,
    )
    execute(database, "ANALYZE routes")

    plan = rows(database, "EXPLAIN ANALYZE " + backlogs._BACKLOGS.replace("%(over)s", "%s"), HOUR, HOUR)

    scans = [row["QUERY PLAN"] for row in plan if "Scan" in row["QUERY PLAN"] and " routes" in row["QUERY PLAN"]]
    assert len(scans) == 3, scans
    assert all("routes_due" in scan or "Bitmap Heap Scan" in scan for scan in scans), scans


def test_on_a_schema_that_is_missing_the_backlog_says_so(database: Database) -> None:
    """The check is unknown then, and the remedy is a migration."""
    execute(database, "ALTER TABLE routes RENAME TO others")

    with pytest.raises(SchemaOutdated):
        read_backlogs(database, over=HOUR)
    assert "routes" not in {table.name for table in health.tables(database)}
    assert "routes_due" not in {index.name for index in catalogue.found_indexes(database)}
