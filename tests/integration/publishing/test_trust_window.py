"""A worker that was held up between its claim and its append: it begins nothing that another may be at (R5)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.channel import Channel, Command
from publisher.domain.notification import Notification, Route
from publisher.publishing.publisher import Publisher
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import commands, publisher
from tests.integration.rows import all_routes, due_routes

TTL = timedelta(seconds=30)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every attempt in this test."""
    clock = Clock()
    monkeypatch.setattr("publisher.publishing.publisher.time.monotonic", clock)
    return clock


def slow(clock: Clock, seconds: Callable[[int], float]) -> Channel:
    """The email channel, whose nth encoding takes so many seconds."""
    count = 0

    def encode(notification: Notification, route: Route) -> Command:
        nonlocal count
        clock.now += seconds(count)
        count += 1
        return CHANNELS["email"].encode(notification, route)

    return replace(CHANNELS["email"], encode=encode)


def worker(database: Database, streams: OutboundStreams, channel: Channel, **options: Any) -> Publisher:
    return publisher(database, streams, channels={**CHANNELS, "email": channel}, lease_ttl=TTL, **options)


@pytest.mark.parametrize("seconds", [11.3, 29.0, 3600.0])
def test_a_worker_held_up_before_its_append_begins_nothing(
    seconds: float, database: Database, streams: OutboundStreams, redis_client: redis.Redis, clock: Clock
) -> None:
    """With more than three eighths of the lease gone no command is appended: the routes are free again, uncounted."""
    due_routes(database, 3)
    held_up = slow(clock, lambda n: seconds if n == 0 else 0)

    report = worker(database, streams, held_up).publish_due("email")

    assert (report.published, report.more) == (0, True)
    assert commands(redis_client) == {}
    assert {
        (r["status"], r["attempt_count"], r["lease_token"], r["lease_loss_count"]) for r in all_routes(database)
    } == {("pending", 0, None, 0)}
    assert worker(database, streams, CHANNELS["email"]).publish_due("email").published == 3


def test_a_worker_in_time_appends(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, clock: Clock
) -> None:
    """Up to three eighths of the lease an append begins."""
    due_routes(database, 1)

    assert worker(database, streams, slow(clock, lambda _: 11.2)).publish_due("email").published == 1


def test_a_batch_that_is_slow_to_encode_gets_on(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, clock: Clock
) -> None:
    """What is encoded within a quarter of the lease is published; the rest is given back, and the next batch's."""
    due_routes(database, 10)
    by = worker(database, streams, slow(clock, lambda _: 2))

    reports = [by.publish_due("email") for _ in range(3)]

    assert [(report.published, report.more) for report in reports] == [(4, True), (4, True), (2, False)]
    assert len(commands(redis_client)) == 10
    assert {row["attempt_count"] for row in all_routes(database)} == {0}


def test_one_slow_route_is_always_encoded(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, clock: Clock
) -> None:
    """A batch of routes that each take a quarter of the lease is published one by one."""
    due_routes(database, 3)
    by = worker(database, streams, slow(clock, lambda _: 8))

    assert [by.publish_due("email").published for _ in range(3)] == [1, 1, 1]
