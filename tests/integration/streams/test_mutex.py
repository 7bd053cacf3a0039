"""The best-effort mutex: one process does the work for all (R15)."""

from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisUnavailable
from publisher.streams.keys import audit_key, look_back_key
from publisher.streams.mutex import Mutex
from publisher.streams.servers.connection import open_redis
from tests.waiting import wait_until

HOUR = timedelta(hours=1)


def test_a_mutex_has_one_holder(redis_client: redis.Redis) -> None:
    """Of all who ask for a channel one gets it; other channels, and other work, have mutexes of their own (R15)."""
    first, second = Mutex(redis_client, audit_key), Mutex(redis_client, audit_key)
    other = Mutex(redis_client, look_back_key)

    assert [
        first.acquire("email", HOUR),
        second.acquire("email", HOUR),
        first.acquire("push", HOUR),
        other.acquire("email", HOUR),
    ] == [True, False, True, True]


def test_a_mutex_is_free_after_its_period(redis_client: redis.Redis) -> None:
    """The holder may have died: after the period another process gets it (R15)."""
    mutex = Mutex(redis_client, audit_key)
    assert mutex.acquire("email", timedelta(milliseconds=50))

    wait_until(lambda: mutex.acquire("email", HOUR))


def test_a_mutex_that_is_extended_is_not_free(redis_client: redis.Redis) -> None:
    """Who does the work anyway keeps others from it for another period, whoever held the mutex (R14a)."""
    mutex = Mutex(redis_client, audit_key)
    assert mutex.acquire("email", timedelta(milliseconds=500))

    mutex.extend("email", HOUR)

    assert redis_client.pttl(audit_key("email")) > 1000
    assert not mutex.acquire("email", HOUR)
    assert not Mutex(redis_client, audit_key).acquire("email", HOUR)


def test_a_process_does_not_ask_for_what_it_holds(redis_client: redis.Redis) -> None:
    """The one that began the period knows when it ends, and asks again then."""
    mutex = Mutex(redis_client, audit_key)
    mutex.extend("email", timedelta(milliseconds=500))
    redis_client.delete(audit_key("email"))

    assert not mutex.acquire("email", HOUR)

    wait_until(lambda: mutex.acquire("email", HOUR))


def test_without_redis_the_work_is_shared() -> None:
    """Work that Redis cannot share out is done by all, rather than by none (R14)."""
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        mutex = Mutex(nowhere, audit_key)

        assert mutex.acquire_or_share("email", HOUR)
        assert mutex.acquire_or_share("email", HOUR)
        with pytest.raises(RedisUnavailable):
            mutex.acquire("email", HOUR)
