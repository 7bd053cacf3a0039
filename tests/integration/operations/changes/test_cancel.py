"""What a cancellation says at its end, and what its action counts: the same (R28, R34)."""

import pytest

from publisher.operations.changes.bulk import Hooks, carry_out
from publisher.operations.changes.cancel import CancelFilter, Cancellations, plan_cancel
from publisher.settings.settings import Settings
from storage.actions import find_action
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.rows import change, due_routes

PUBLISHED = "status = 'published', next_attempt_at = NULL, published_at = now()"
LEASE = "lease_token = 'x', lease_expires_at = now() + interval '1 hour'"


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """With email and push."""
    return Settings.from_environ(environ, CHANNELS)


def test_what_came_too_late_is_not_counted_as_done(database: Database, settings: Settings) -> None:
    """Published before it was marked, published since, under way, and in nobody's hands: each is told, none is done."""
    missed, late, leased, free, *untouched = due_routes(database, 7)
    change(database, [late, leased, free], "stream = 'commands'")
    change(database, [leased], LEASE)
    cancelling = plan_cancel(database, settings, CancelFilter(), "ann")
    change(database, [missed], PUBLISHED)

    ended = carry_out(database, cancelling.change, None, Hooks(lambda _: None, lambda _: False, lambda _: True))
    change(database, [late], PUBLISHED)
    done = cancelling.come_to(database)

    assert done == Cancellations(cancelled=len(untouched), published=1, under_way=1, waiting=1, otherwise=0, missed=1)
    action = find_action(database, ended.action)
    assert (action.matched, action.done) == (7, len(untouched))
