"""A channel that waits for its rate limit is looked at again: one message for all workers, at the right time (R30)."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.routes import drain, look_again, send_publish, send_scan
from publisher.channels.email import EMAIL
from publisher.domain.rate_limit import RateLimit
from publisher.streams import scan_runs
from publisher.streams.keys import next_look_key, scan_key
from storage import limits
from storage.database import Database
from tests.integration.buckets import fill
from tests.integration.dramatiq_messages import delayed, held, wait_for_quiet
from tests.integration.rows import all_routes, due_routes
from tests.rate_windows import over_limit
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[..., dramatiq.Worker]
SLOW = RateLimit(0.5, 10)


@pytest.fixture
def limited(install: Install, database: Database, redis_client: redis.Redis) -> Iterator[Context]:
    """Actors whose email channel has a limit of a command every two seconds, and a scan interval far longer."""
    context = install(PUBLISHER_SCAN_INTERVAL="60")
    limits.set_limit(database, "email", SLOW, "ann")
    yield context
    redis_client.delete(next_look_key("email"))


def looks(client: redis.Redis) -> list[tuple[str, int]]:
    """Actor and delay of each message that waits for its time."""
    return [(m["actor_name"], m["options"]["eta"] - m["message_timestamp"]) for m in delayed(client, "email")]


def test_a_backlog_goes_at_the_rate_without_further_scans(
    install: Install, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """One scan begins a chain of looks, each at the time when the next routes may go; it ends with the last route."""
    install(PUBLISHER_SCAN_INTERVAL="60")
    limit = RateLimit(40.0, 20)
    limits.set_limit(database, "email", limit, "ann")
    due_routes(database, 60)
    start_worker()
    began = time.monotonic()

    send_scan("email")
    wait_until(lambda: redis_client.xlen(EMAIL.stream) == 60, describe=lambda: held(redis_client, "email"))

    # The bucket was empty, so the last of sixty goes when the rate has let through as many.
    assert time.monotonic() - began >= 59 / 40
    wait_for_quiet(redis_client, "email")
    assert over_limit([id_.decode() for id_, _ in redis_client.xrange(EMAIL.stream)], limit) <= 0
    assert {row["attempt_count"] for row in all_routes(database)} == {0}


def test_the_fleet_sends_one_look(limited: Context, database: Database, redis_client: redis.Redis) -> None:
    """Whoever finds the limit at its end asks for another look; one message is sent, for when a token is there."""
    due_routes(database, 3)
    fill(redis_client, 0.0)

    for _ in range(5):
        drain("email")

    [(actor, delay)] = looks(redis_client)
    assert actor == "publish_within_limit"
    # A hundredth of a token has come meanwhile, or more on a slow machine.
    assert 0 < delay <= 2000


def test_a_wait_longer_than_the_scan_interval_needs_no_message(
    limited: Context, database: Database, redis_client: redis.Redis
) -> None:
    """A scan comes before that."""
    look_again("email", timedelta(seconds=60))

    assert looks(redis_client) == []


def test_a_look_whose_message_was_lost_is_sent_again(
    limited: Context, database: Database, redis_client: redis.Redis
) -> None:
    """Once the time of the lost one has come, whoever looks next sends another (R14)."""
    due_routes(database, 3)
    fill(redis_client, 0.0)
    look_again("email", timedelta(milliseconds=50))
    redis_client.delete("dramatiq:email.DQ", "dramatiq:email.DQ.msgs")
    wait_until(lambda: not redis_client.exists(next_look_key("email")))

    def looked() -> bool:
        drain("email")
        return bool(looks(redis_client))

    wait_until(looked)


def test_a_look_is_no_scan_of_a_scheduler(
    limited: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Workers go on missing the scheduler while a chain of looks goes on (R14a)."""
    fill(redis_client, 5.0)
    due_routes(database, 1)
    start_worker()

    look_again("email", timedelta(milliseconds=10))
    wait_until(lambda: redis_client.xlen(EMAIL.stream) == 1)
    wait_for_quiet(redis_client, "email")

    assert not redis_client.exists(scan_key("email"))


def test_a_scan_that_is_waited_for_ends(
    limited: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """With what the limit lets through now: the rest is not the operator's to wait for."""
    fill(redis_client, 2.0)
    due_routes(database, 6)
    start_worker()

    send_scan("email", "run-1")

    wait_until(lambda: scan_runs.state(redis_client, "run-1").published > 0)
    wait_until(lambda: scan_runs.state(redis_client, "run-1").open == 0)
    assert scan_runs.state(redis_client, "run-1").published == 2


def test_a_message_without_a_token_asks_for_one_look(
    limited: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """Intake's messages about new routes are wake-ups: a hundred of them make one look, and lease nothing."""
    ids = due_routes(database, 3)
    fill(redis_client, 0.0)
    start_worker()

    for _ in range(100):
        send_publish("email", ids)
    wait_until(
        lambda: [m["actor_name"] for m in held(redis_client, "email")] == ["publish_within_limit"],
        describe=lambda: held(redis_client, "email"),
    )

    assert {row["lease_token"] for row in all_routes(database)} == {None}
