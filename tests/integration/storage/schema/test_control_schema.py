"""Migration 0007 over a database in use: routes of earlier releases keep what they are, and can be taken back."""

from collections.abc import Callable, Iterator

import pytest

from publisher.domain.errors import DatabaseRefused
from storage.database import Database
from storage.schema.schema import migrate
from tests.integration.rows import execute, rows
from tests.integration.storage.schema.earlier_schemas import migrated_to, take_back
from tests.integration.storage.schema.test_notification_keys import catalogue

NAME = "0007_control"
# As the release before inserts them, and as the first releases did, which kept no producer.
ROUTES = """
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, producer, next_attempt_at,
                    expires_at, created_at, updated_at)
VALUES (1, 'email:user:7', 'email', 'pending', 16, 'user:7', 'game-service', now(), now(), now(), now()),
       (1, 'push:user:7', 'push', 'failed', 6, 'user:7', NULL, now(), NULL, now(), now())
"""


@pytest.fixture
def outdated(create_database: Callable[[str], str]) -> Iterator[Database]:
    """A database of the release before, with two routes."""
    with migrated_to(create_database("template0"), "0006_notification_keys") as database:
        execute(database, ROUTES)
        yield database


def test_a_route_of_an_earlier_release_has_a_blank_type_and_no_cancellation(outdated: Database) -> None:
    """What an earlier release did not keep is blank after the migration; everything else is as it was (R3)."""
    before = rows(outdated, "SELECT route_id, status, next_attempt_at, expires_at FROM routes ORDER BY id")

    migrate(outdated)

    assert rows(outdated, "SELECT route_id, status, next_attempt_at, expires_at FROM routes ORDER BY id") == before
    assert rows(outdated, "SELECT producer, notification_type, lane, cancel_requested_at FROM routes ORDER BY id") == [
        {"producer": producer, "notification_type": "", "lane": "normal", "cancel_requested_at": None}
        for producer in ("game-service", "")
    ]


def test_the_release_before_inserts_routes_after_the_migration(outdated: Database) -> None:
    """A process of the release before knows none of the new columns, and works on (R15)."""
    migrate(outdated)

    execute(outdated, ROUTES.replace("NULL, now(), NULL", "'shop', now(), NULL").replace("(1, ", "(2, "))

    assert rows(outdated, "SELECT count(*) FROM routes WHERE notification_type = ''") == [{"count": 4}]


def test_it_can_be_taken_back(outdated: Database) -> None:
    """`down` gives the release before its schema back."""
    before = catalogue(outdated)
    migrate(outdated)

    take_back(outdated, NAME)

    assert catalogue(outdated) == before


def test_it_is_not_taken_back_while_a_route_is_cancelled(outdated: Database) -> None:
    """The schema of the release before has no such status: `down` is refused, and changes nothing (R3)."""
    migrate(outdated)
    after = catalogue(outdated)
    execute(
        outdated,
        "UPDATE routes SET status = 'cancelled', next_attempt_at = NULL, cancel_requested_at = now(),"
        " cancelled_by = 'ann' WHERE channel = 'push'",
    )

    with pytest.raises(DatabaseRefused, match="routes_status_is_known"):
        take_back(outdated, NAME)

    assert catalogue(outdated) == after


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("INSERT INTO holds (reason, held_by, held_at) VALUES ('r', 'ann', now())", "holds_name_something"),
        (
            "INSERT INTO channel_limits VALUES ('email', 0, 1, 'ann', now())",
            "channel_limits_let_something_through",
        ),
        (
            "INSERT INTO channel_limits VALUES ('email', 14, 0, 'ann', now())",
            "channel_limits_let_something_through",
        ),
        ("INSERT INTO channel_limits VALUES ('email', 14, NULL, 'ann', now())", "channel_limits_are_whole"),
    ],
)
def test_a_control_that_means_nothing_is_refused(database: Database, statement: str, constraint: str) -> None:
    """A hold names what it holds (R29), and a limit lets something through or is none at all (R30)."""
    with pytest.raises(DatabaseRefused, match=constraint):
        execute(database, statement)


def test_a_producer_cancels_an_intent_once(database: Database) -> None:
    """There is one cancellation a key, and so one answer (R28)."""
    cancellation = (
        "INSERT INTO cancellations (notification_id, producer, idempotency_key, intent_entry_id, requested_at)"
        " VALUES ('b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11', 'game-service', 'turn-17', '1-0', now())"
    )
    execute(database, cancellation)

    with pytest.raises(DatabaseRefused, match="cancellations_pkey"):
        execute(database, cancellation)
