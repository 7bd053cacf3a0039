"""What doctor says of the schema: migrations, indexes, constraints."""

import pytest

from publisher.doctor.checks import schema
from publisher.doctor.verdict import Verdict, failed, ok
from storage.schema.catalogue import Constraint, Index

DUE = Index("routes", "routes_due", ("channel", "next_attempt_at", "id"), unique=False, partial=True)
IDENTITY = Index("routes", "routes_identity", ("notification_key", "route_id"), unique=True, partial=False)
EXPECTED = {DUE: "CREATE INDEX … routes_due", IDENTITY: "CREATE UNIQUE INDEX … routes_identity"}
CONSTRAINTS = [Constraint("routes", "routes_pkey"), Constraint("routes", "routes_status_is_known")]


def test_pending_migrations_fail_the_check() -> None:
    """A release on an old schema must not begin; the remedy is one command."""
    said = schema.migrations(["0002_operations"], [])

    assert said == failed("not applied: 0002_operations", "run 'publisher migrate'")
    assert schema.migrations([], []).verdict is Verdict.OK


def test_migrations_of_a_newer_release_are_a_warning() -> None:
    """Going back to an older release is allowed, and worth a word."""
    said = schema.migrations([], ["0099_later"])

    assert said.verdict is Verdict.WARNING
    assert "0099_later" in said.finding


def test_indexes_that_are_there_are_well_whatever_else_is_there() -> None:
    """An index of an operator's own does no harm."""
    others = Index("routes", "routes_by_somebody", ("id",), unique=False, partial=False)

    assert schema.indexes(EXPECTED, {DUE: True, IDENTITY: True, others: False}) == ok("all 2 are there and valid")


def test_a_missing_index_is_named_with_the_statement_that_makes_it() -> None:
    """Without its index a claim reads the whole table: the check fails, and the remedy can be pasted."""
    said = schema.indexes(EXPECTED, {IDENTITY: True})

    assert said == failed("routes_due is missing", "CREATE INDEX … routes_due")


def test_an_invalid_index_is_named_with_how_to_build_it() -> None:
    """What a broken CREATE INDEX CONCURRENTLY leaves behind serves nobody."""
    said = schema.indexes(EXPECTED, {DUE: False, IDENTITY: True})

    assert said.finding == "routes_due is not valid and serves nobody"
    assert said.remedy == "REINDEX INDEX CONCURRENTLY routes_due"


@pytest.mark.parametrize(
    ("instead", "shape"),
    [
        (
            Index("routes", "routes_identity", ("notification_key", "route_id"), unique=False, partial=False),
            "on routes (notification_key, route_id)",
        ),
        (
            Index("routes", "routes_identity", ("route_id", "notification_key"), unique=True, partial=True),
            "unique partial on routes (route_id, notification_key)",
        ),
    ],
)
def test_an_index_of_the_same_name_and_another_shape_fails_the_check(instead: Index, shape: str) -> None:
    """A name alone keeps no promise: columns, uniqueness and what part of the table it is over must agree."""
    said = schema.indexes(EXPECTED, {DUE: True, instead: True})

    assert said.verdict is Verdict.FAILED
    assert said.finding == f"routes_identity is {shape}, not unique on routes (notification_key, route_id)"


def test_a_missing_constraint_is_named() -> None:
    """Without its constraint a table takes states that cannot be (R3)."""
    said = schema.constraints(CONSTRAINTS, {CONSTRAINTS[0]: True, Constraint("notifications", "routes_pkey"): True})

    assert (said.verdict, said.finding) == (Verdict.FAILED, "missing: routes_status_is_known")


def test_a_constraint_that_old_rows_may_break_is_named() -> None:
    """NOT VALID says nothing of the rows that are there."""
    said = schema.constraints(CONSTRAINTS, {CONSTRAINTS[0]: True, CONSTRAINTS[1]: False})

    assert (said.verdict, said.finding) == (Verdict.FAILED, "not valid: routes_status_is_known")
    assert schema.constraints(CONSTRAINTS, dict.fromkeys(CONSTRAINTS, True)).verdict is Verdict.OK
