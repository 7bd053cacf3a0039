"""Intake with a PostgreSQL that is away, and intake whose marks stand in both servers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis

from actors.context import Context
from publisher.bootstrap import compose_events_intake
from publisher.domain.backoff import Backoff
from publisher.domain.errors import DatabaseUnavailable
from publisher.intake import acceptor, events
from publisher.process import next_try
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.factories import EVENTS, GROUP
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


@pytest.fixture
def start_events(
    context: Context, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., threading.Thread]]:
    """Runs the intake of delivery events in a thread, as a consumer of this name, until the context is told to stop."""
    monkeypatch.setattr(events, "_BLOCK", timedelta(milliseconds=50))
    monkeypatch.setattr(next_try, "_BACKOFF", Backoff(timedelta(milliseconds=10), timedelta(milliseconds=50)))
    threads: list[threading.Thread] = []
    with ExitStack() as stack:

        def start(name: str = "one", *, batch: int = 10, idle: timedelta = timedelta(hours=1)) -> threading.Thread:
            client = stack.enter_context(open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test"))
            group = ConsumerGroup(StreamServers(client), EVENTS, GROUP, name)
            loop = compose_events_intake(context, group, events.EventsOptions(EVENTS, batch, idle))
            threads.append(threading.Thread(target=loop.run, name=f"events {name}"))
            threads[-1].start()
            return threads[-1]

        yield start
        context.stopping.set()
        for thread in threads:
            thread.join()
