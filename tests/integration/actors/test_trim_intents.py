"""The intents stream is trimmed by message: what every group has acknowledged, after its time."""

from collections.abc import Callable

import dramatiq
import pytest
import redis
from structlog.testing import capture_logs

from actors.context import Context
from actors.retention import TRIM_INTERVAL, send_retention, trim_intents
from tests.factories import EVENTS, GROUP, INTENTS
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[[], dramatiq.Worker]


def test_intents_are_trimmed_as_often_as_commands(install: Install, redis_client: redis.Redis) -> None:
    """The next trim may begin within half a minute: at thousands a second a stream grows by gigabytes an hour."""
    install(PUBLISHER_INTENTS_RETENTION="60")
    redis_client.xadd(INTENTS, {"n": 1})
    redis_client.xgroup_create(INTENTS, GROUP, "$")

    trim_intents("email")

    [key] = redis_client.keys("publisher:retention:intents")
    assert 0 < redis_client.ttl(key) <= TRIM_INTERVAL.total_seconds() / 2


def test_acknowledged_intents_are_trimmed_by_message(
    install: Install, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    """The intents stream loses what every group has acknowledged and what is older than it is kept."""
    install(PUBLISHER_INTENTS_RETENTION="60")
    for n in range(1000):
        redis_client.xadd(INTENTS, {"n": n}, id=f"{n + 1}-0")
    redis_client.xadd(INTENTS, {"n": 1})
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    [(_, entries)] = redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"})
    redis_client.xack(INTENTS, GROUP, *(id_ for id_, _ in entries))
    start_worker()

    send_retention("email")

    wait_until(lambda: redis_client.xlen(INTENTS) <= 101, describe=lambda: redis_client.xlen(INTENTS))


def test_acknowledged_delivery_events_are_trimmed_with_them(install: Install, redis_client: redis.Redis) -> None:
    """By a retention of their own, and no further than their group has read; intents without one stay."""
    install(PUBLISHER_EVENTS_RETENTION="60", PUBLISHER_INTENTS_RETENTION="0")
    for stream in (EVENTS, INTENTS):
        for n in range(1000):
            redis_client.xadd(stream, {"n": n}, id=f"{n + 1}-0")
        redis_client.xgroup_create(stream, GROUP, "0")
        redis_client.xgroup_setid(stream, GROUP, "500-0")

    trim_intents("email")

    assert 500 <= redis_client.xlen(EVENTS) <= 600
    assert redis_client.xlen(INTENTS) == 1000


@pytest.mark.stray_keys("another program's list has the name of the stream of delivery events")
def test_intents_are_trimmed_whatever_is_wrong_with_the_delivery_events(
    install: Install, redis_client: redis.Redis
) -> None:
    """A user whose rights are those of a release without them, or another program's key, fills no Redis (R13)."""
    install(PUBLISHER_INTENTS_RETENTION="60")
    redis_client.rpush(EVENTS, "no entry")
    for n in range(1000):
        redis_client.xadd(INTENTS, {"n": n}, id=f"{n + 1}-0")
    redis_client.xgroup_create(INTENTS, GROUP, "1000-0")

    with capture_logs() as said:
        trim_intents("email")

    assert redis_client.xlen(INTENTS) <= 100
    assert [(line["event"], line["stream"]) for line in said] == [
        ("a stream was not trimmed", EVENTS),
        ("acknowledged intents were trimmed", INTENTS),
    ]


def test_an_intents_retention_of_zero_never_trims(install: Install, redis_client: redis.Redis) -> None:
    """With PUBLISHER_INTENTS_RETENTION=0 the stream is left to whoever else looks after it."""
    install(PUBLISHER_INTENTS_RETENTION="0", PUBLISHER_EVENTS_RETENTION="0")
    for n in range(1000):
        redis_client.xadd(INTENTS, {"n": n}, id=f"{n + 1}-0")
    redis_client.xgroup_create(INTENTS, GROUP, "$")
    redis_client.xgroup_setid(INTENTS, GROUP, "1000-0")

    trim_intents("email")

    assert redis_client.xlen(INTENTS) == 1000
