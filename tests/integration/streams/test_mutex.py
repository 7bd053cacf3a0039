"""Turns: what one process does for all (R15)."""

from datetime import timedelta

import redis

from publisher.streams.connection import open_redis
from publisher.streams.mutex import turns
from tests.waiting import wait_until

HOUR = timedelta(hours=1)


def test_a_turn_is_one_callers(redis_client: redis.Redis) -> None:
    """Of all who ask about a channel one has the turn; other channels, and other work, have turns of their own."""
    first, second, other = turns(redis_client, "a"), turns(redis_client, "a"), turns(redis_client, "b")

    assert [first("email", HOUR), second("email", HOUR), first("push", HOUR), other("email", HOUR)] == [
        True,
        False,
        True,
        True,
    ]


def test_a_turn_ends_by_itself(redis_client: redis.Redis) -> None:
    """Whoever took it may have died: after its time it is somebody else's."""
    take = turns(redis_client, "a")
    assert take("email", timedelta(milliseconds=50))

    wait_until(lambda: take("email", HOUR))


def test_without_redis_it_is_everybodys_turn() -> None:
    """Work that Redis cannot share out is done by all, rather than by none (R14)."""
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        take = turns(nowhere, "a")

        assert take("email", HOUR)
        assert take("email", HOUR)
