"""Intake with a PostgreSQL that is away, and intake whose marks stand in both servers."""

from collections.abc import Callable

import pytest
import redis

from actors.context import Context
from publisher.domain.errors import DatabaseUnavailable
from publisher.intake import acceptor
from tests.integration.failing_calls import Failing
from tests.integration.intake.reverted_postgresql import is_marked
from tests.integration.stream_entries import wait_until_read
from tests.waiting import wait_until


@pytest.fixture
def postgresql_away(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Makes every acceptance fail as without PostgreSQL, until `failing` is cleared."""
    accept = Failing(acceptor.accept_new, DatabaseUnavailable("away"))
    accept.failing.set()
    monkeypatch.setattr(acceptor, "accept_new", accept)
    return accept


@pytest.fixture
def settled(context: Context, redis_client: redis.Redis) -> Callable[[], None]:
    """Returns once everything sent is read, and marked in both servers."""

    def settle() -> None:
        wait_until_read(redis_client)
        wait_until(lambda: is_marked(context.database, redis_client))

    return settle
