"""The schema: migrations, models, and what the tables themselves refuse."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from publisher.domain.errors import DatabaseMisconfigured, SchemaOutdated
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.models.all_models import MODELS
from storage.schema.schema import migrate, pending_migrations
from tests.integration.rows import rows

# What there is, by name, without what differs between any two databases (oids, the runner's own table).
CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
             LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
              AND c.relname <> 'schema_migration'
        ORDER BY c.relname, a.attname""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'schema_migration'
        ORDER BY 1, 2""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'schema_migration'
        ORDER BY 1, 2""",
    "tables": """
        SELECT relname, relkind::text, reloptions, relpersistence::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'schema_migration%%'
        ORDER BY 1""",
}


@pytest.fixture
def open_empty(create_database: Callable[[str], str]) -> Iterator[Callable[[], Database]]:
    """Opens a database with nothing in it, as `publisher migrate` would."""
    with ExitStack() as stack:

        def opened() -> Database:
            database = Database(create_database("template0"), application_name="test", statement_timeout=None)
            return stack.enter_context(closing(database))

        yield opened


@pytest.mark.parametrize("part", CATALOGUE)
def test_migrations_and_models_make_the_same_tables(open_empty: Callable[[], Database], part: str) -> None:
    """The migrated tables are those of the models: columns, constraints, indexes and storage options alike."""
    migrated, modelled = open_empty(), open_empty()
    migrate(migrated)
    with modelled.unit() as connection, connection.bind_ctx(MODELS, bind_refs=False, bind_backrefs=False):
        connection.create_tables(MODELS)

    of_migrations, of_models = rows(migrated, CATALOGUE[part]), rows(modelled, CATALOGUE[part])

    assert of_migrations
    assert of_models == of_migrations


def test_routes_leave_room_on_their_pages(database: Database) -> None:
    """A route's next version stays on its page: the table is filled to 60 percent."""
    [routes] = rows(database, "SELECT reloptions FROM pg_class WHERE relname = 'routes'")

    assert routes["reloptions"][0] == "fillfactor=60"


@pytest.mark.parametrize(
    ("table", "size", "dead"),
    [("routes", 10_000_000, 105_000), ("routes", 1_000, 5_010), ("notifications", 10_000_000, 201_000)],
)
def test_a_large_queue_is_vacuumed_in_time(table: str, size: int, dead: int, database: Database) -> None:
    """A vacuum begins after a small share of the rows is dead, not after PostgreSQL's fifth (retention)."""
    [options] = rows(
        database,
        "SELECT jsonb_object_agg(option_name, option_value) AS set FROM pg_class, pg_options_to_table(reloptions)"
        " WHERE relname = %s",
        table,
    )
    threshold = float(options["set"]["autovacuum_vacuum_threshold"])
    share = float(options["set"]["autovacuum_vacuum_scale_factor"])

    assert threshold + share * size == dead


def test_migrate_names_what_it_applied(open_empty: Callable[[], Database]) -> None:
    """`migrate` on an empty database says which migrations ran, in order."""
    database = open_empty()
    pending = pending_migrations(database)

    applied = migrate(database)

    assert applied == pending
    assert applied[0] == "0001_initial"
    assert applied == sorted(applied)


def test_migrating_twice_changes_nothing(open_empty: Callable[[], Database]) -> None:
    """A second `migrate` finds nothing to do and leaves every table as it was."""
    database = open_empty()
    migrate(database)
    before = {part: rows(database, sql) for part, sql in CATALOGUE.items()}

    again = migrate(database)

    assert again == []
    assert pending_migrations(database) == []
    assert {part: rows(database, sql) for part, sql in CATALOGUE.items()} == before


def test_looking_for_pending_migrations_changes_nothing(open_empty: Callable[[], Database]) -> None:
    """`pending_migrations` reads only: an empty database stays empty."""
    database = open_empty()

    assert pending_migrations(database)

    assert rows(database, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_two_migrations_at_once_both_succeed(open_empty: Callable[[], Database]) -> None:
    """Of two processes that migrate the same database at once, one does it and the other finds it done."""
    database = open_empty()

    with ThreadPoolExecutor(2) as threads:
        applied = sorted(threads.map(lambda _: migrate(database), range(2)))

    assert applied[0] == []
    assert applied[1]
    assert pending_migrations(database) == []


def test_a_migration_that_fails_leaves_nothing_behind(open_empty: Callable[[], Database]) -> None:
    """Migrations are applied all or none: after a failure the database is as it was, and can be migrated."""
    database = open_empty()
    # The last statement of the first migration meets a table that is already there.
    with database.unit() as connection:
        connection.execute_sql("CREATE TABLE stream_audits (channel text)")

    with pytest.raises(DatabaseMisconfigured, match="already exists"):
        migrate(database)

    assert rows(database, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = 'routes'") == []
    with database.unit() as connection:
        connection.execute_sql("DROP TABLE stream_audits")
    assert migrate(database)


def test_a_database_that_is_not_migrated_says_what_to_do(open_empty: Callable[[], Database]) -> None:
    """On a schema that is missing, the error is SchemaOutdated and names the remedy."""
    with pytest.raises(SchemaOutdated, match=r"'publisher migrate'"):
        claim_due(open_empty(), "email", limit=1, lease_ttl=timedelta(seconds=30))


def test_a_column_that_is_missing_says_what_to_do(database: Database) -> None:
    """On a schema that is older than the code, the error is SchemaOutdated and names the remedy."""
    with database.unit() as connection:
        connection.execute_sql("ALTER TABLE routes DROP COLUMN lease_loss_count")

    with pytest.raises(SchemaOutdated, match=r"lease_loss_count.*'publisher migrate'"):
        claim_due(database, "email", limit=1, lease_ttl=timedelta(seconds=30))
