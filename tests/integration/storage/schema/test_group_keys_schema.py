"""Migration 0008 over a database in use: the routes that are there have no group until a claim needs it (R15, R31)."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from storage.claiming.claims import claim_due
from storage.claiming.due_groups import due_groups, fill_blank
from storage.database import Database
from storage.schema.schema import migrate
from tests.integration.rows import execute, rows
from tests.integration.storage.schema.earlier_schemas import migrated_to, take_back
from tests.integration.storage.schema.test_notification_keys import catalogue

NAME = "0008_group_keys"
TTL = timedelta(seconds=30)
# As the release before inserts them.
ROUTES = """
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                           request_fingerprint, payload, occurred_at, accepted_at)
SELECT md5(n::text)::uuid, 'game.turn.ready', 'game-service', 'user', n::text, '', '{}', now(), now()
FROM generate_series(1, 3) AS n;
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, producer,
                    notification_type, lane, next_attempt_at, created_at, updated_at)
SELECT id, 'email:user:7', 'email', 'pending', 6, 'user:7', producer, notification_type,
       CASE WHEN id %% 3 = 1 THEN 'urgent' ELSE 'normal' END, now() - interval '1 hour', now(), now()
FROM notifications
"""


@pytest.fixture
def outdated(create_database: Callable[[str], str]) -> Iterator[Database]:
    """A database of the release before, with three routes."""
    with migrated_to(create_database("template0"), "0007_control") as database:
        execute(database, ROUTES)
        yield database


def test_routes_without_a_group_are_claimed(outdated: Database) -> None:
    """They count as of the normal lane: none waits for anything (R15)."""
    migrate(outdated)

    assert len(claim_due(outdated, "email", limit=9, lease_ttl=TTL).routes) == 3


def test_they_get_their_group_once_a_claim_needs_it(outdated: Database) -> None:
    """By lane, producer and type, as routes that are accepted today (R31)."""
    migrate(outdated)

    assert fill_blank(outdated, 9) == 3

    found = due_groups(outdated, "email", tokens=9, starts={}, places={})
    assert {(g.group.lane, g.group.producer, g.group.notification_type, g.due) for g in found.groups} == {
        ("urgent", "game-service", "game.turn.ready", 1),
        ("normal", "game-service", "game.turn.ready", 2),
    }


def test_the_release_before_inserts_routes_after_the_migration(outdated: Database) -> None:
    """A process of the release before knows nothing of the column, and works on (R15)."""
    migrate(outdated)

    execute(outdated, ROUTES.replace("md5(n::text)", "md5('again' || n)").replace("email", "push"))

    assert rows(outdated, "SELECT count(*) FROM routes WHERE group_key IS NULL") == [{"count": 9}]


def test_it_can_be_taken_back(outdated: Database) -> None:
    """`down` gives the release before its schema back."""
    before = catalogue(outdated)
    migrate(outdated)

    take_back(outdated, NAME)

    assert catalogue(outdated) == before
