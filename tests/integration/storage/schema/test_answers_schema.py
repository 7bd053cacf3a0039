"""Migration 0009 over a database in use: routes of the release before have no answer, and its role may record some."""

from collections.abc import Callable, Iterator

import pytest

from publisher.domain.errors import DatabaseRefused
from storage.database import Database
from storage.schema.schema import migrate
from tests.integration.roles import plain_name, plain_role
from tests.integration.rows import execute, rows
from tests.integration.storage.schema.earlier_schemas import migrated_to, take_back
from tests.integration.storage.schema.test_notification_keys import catalogue

NAME = "0009_answers"
TABLES = ("delivery_events", "mail_deliveries", "mail_suppressions")
# As the release before inserts them.
ROUTES = """
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, next_attempt_at,
                    published_at, created_at, updated_at)
VALUES (1, 'email:user:7', 'email', 'pending', 16, 'user:7', now(), NULL, now(), now()),
       (1, 'push:user:7', 'push', 'published', 6, 'user:7', NULL, now(), now(), now())
"""


@pytest.fixture
def outdated(create_database: Callable[[str], str]) -> Iterator[Database]:
    """A database of the release before, with two routes."""
    with migrated_to(create_database("template0"), "0008_group_keys") as database:
        execute(database, ROUTES)
        yield database


def test_a_route_of_the_release_before_has_no_answer(outdated: Database) -> None:
    """Everything else is as it was (R3), and the release before inserts routes as ever (R15)."""
    before = rows(outdated, "SELECT * FROM routes ORDER BY id")

    migrate(outdated)

    unanswered = {"answer": None, "answered_at": None, "complained": False}
    assert rows(outdated, "SELECT * FROM routes ORDER BY id") == [row | unanswered for row in before]
    execute(outdated, ROUTES.replace("(1, ", "(2, "))
    assert rows(outdated, "SELECT count(*) FROM routes WHERE answer IS NULL") == [{"count": 4}]


def test_who_may_insert_routes_gets_the_rights_to_the_new_tables(outdated: Database, database_url: str) -> None:
    """Nobody has to grant anything by hand before the processes of this release start."""
    with plain_role(database_url):
        role = plain_name(database_url)
        execute(outdated, f"GRANT SELECT, INSERT, UPDATE, DELETE ON routes TO {role}")
        try:
            migrate(outdated)

            privileges = (
                "SELECT bool_and(has_table_privilege(%s, name, verb)) AS given FROM unnest(%s) AS name,"
                " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS verb"
            )
            assert rows(outdated, privileges, role, list(TABLES)) == [{"given": True}]
        finally:
            execute(outdated, f"DROP OWNED BY {role}")


def test_it_can_be_taken_back(outdated: Database) -> None:
    """`down` gives the release before its schema back."""
    before = catalogue(outdated)
    migrate(outdated)

    take_back(outdated, NAME)

    assert catalogue(outdated) == before


@pytest.mark.parametrize(
    ("assignments", "constraint"),
    [
        ("answer = 'opened', answered_at = now()", "routes_answer_is_known"),
        ("answer = 'complained', answered_at = now()", "routes_answer_is_known"),
        ("answer = 'accepted'", "routes_answer_says_when"),
        ("answered_at = now()", "routes_answer_says_when"),
    ],
)
def test_an_answer_that_means_nothing_is_refused(outdated: Database, assignments: str, constraint: str) -> None:
    """It is one that has a rank, and says when it was given (R32)."""
    migrate(outdated)

    with pytest.raises(DatabaseRefused, match=constraint):
        execute(outdated, f"UPDATE routes SET {assignments}")
