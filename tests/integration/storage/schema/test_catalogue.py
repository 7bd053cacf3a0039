"""What the catalogue says of the schema: indexes, constraints, migrations."""

import pytest

from publisher.doctor.checks import schema
from publisher.doctor.verdict import Verdict
from storage.database import Database
from storage.schema import catalogue
from storage.schema.schema import foreign_migrations, pending_migrations
from tests.integration.rows import due_routes, execute, rows


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
        execute(database, "CREATE UNIQUE INDEX CONCURRENTLY routes_identity ON routes (notification_key)")

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
