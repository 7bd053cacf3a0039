"""Dramatiq's consumers asleep on Redis, and woken by a message (R14)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from actors import broker as waking
from actors import consumer as asleep_on_redis
from actors.broker import WakingBroker
from publisher.streams.keys import DRAMATIQ_HEARTBEATS
from publisher.streams.servers.connection import open_redis
from tests.integration.actors.consumers import (
    ASLEEP_MS,
    QUEUE,
    Consume,
    asleep,
    calls,
    message,
    received,
    sleepers,
)
from tests.waiting import wait_until


def test_a_message_wakes_a_sleeping_consumer(
    broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """A message is delivered when it comes, not when the idle consumer's timeout ends."""
    future = pool.submit(next, consume())
    asleep(redis_client)

    broker.enqueue(message(7))

    # Woken, it looks: as the stock consumer does after its sleep.
    assert received(future) is None
    assert received(pool.submit(next, consume())) == 7


def test_a_sleeping_consumer_costs_redis_two_commands_a_sleep(consume: Consume, redis_client: redis.Redis) -> None:
    """It blocks, and then looks whether messages wait; it fetches only what it is woken for, or sees to wait."""
    consumer = consume(timeout=1)
    assert [next(consumer) for _ in range(3)] == [None] * 3
    before = calls(redis_client)

    assert [next(consumer) for _ in range(10)] == [None] * 10

    made = {name: count - before.get(name, 0) for name, count in calls(redis_client).items()}
    assert (made["blpop"], made["llen"], made["evalsha"]) == (10, 10, 0)


def test_a_message_costs_one_fetch(broker: WakingBroker, consume: Consume, redis_client: redis.Redis) -> None:
    """A consumer that has emptied its queue sleeps next, and does not ask again; no message is missed by that."""
    consumer = consume()
    broker.enqueue(message(7))
    taken = next(consumer)
    before = calls(redis_client)["evalsha"]

    # The message's own wake-up ends the sleep.
    slept = next(consumer)
    after = calls(redis_client)["evalsha"]
    broker.enqueue(message(8))
    found = next(consumer)

    assert taken is not None
    assert found is not None
    assert (taken.args, slept, found.args) == ((7,), None, (8,))
    assert after == before


def test_a_stop_ends_a_sleep(redis_client: redis.Redis, redis_url: str, pool: ThreadPoolExecutor) -> None:
    """However long an idle consumer would sleep, a process that is told to stop does not wait for it (R17)."""
    stopping = threading.Event()
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="broker") as client:
        broker = WakingBroker(client=client, middleware=[], stopping=stopping)
        future = pool.submit(next, broker.consume(QUEUE, prefetch=1, timeout=ASLEEP_MS))
        asleep(redis_client)

        stopping.set()

        assert received(future) is None
        wait_until(lambda: not sleepers(redis_client))


def test_a_consumer_that_stops_passes_its_wake_up_on(
    redis_client: redis.Redis, redis_url: str, broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor
) -> None:
    """A message that wakes a consumer of a process that was told to stop wakes another one (R17)."""
    stopping = threading.Event()
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="broker") as client:
        stops = WakingBroker(client=client, middleware=[], stopping=stopping).consume(QUEUE, 1, ASLEEP_MS)
        woken = pool.submit(next, stops)
        asleep(redis_client)
        broker.wake(QUEUE)
        assert received(woken) is None
        other = pool.submit(next, consume())
        asleep(redis_client)

        stopping.set()
        next(stops)

        assert received(other) is None


def test_messages_that_are_given_back_wake_a_consumer(
    broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """What a worker that stops gives back is taken by another at once, not when that one's sleep ends (R17)."""
    stops, other = consume(), consume()
    broker.enqueue(message(7))
    taken = next(stops)
    redis_client.delete(broker.wake_key(QUEUE))
    sleeping = pool.submit(next, other)
    asleep(redis_client)

    stops.requeue(iter([taken]))

    assert received(sleeping) is None
    assert received(pool.submit(next, other)) == 7


def test_a_sleeping_worker_goes_on_with_its_heartbeat(
    broker: WakingBroker,
    consume: Consume,
    pool: ThreadPoolExecutor,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long its consumers sleep, no other worker takes it for dead, and none of them is woken for that."""
    monkeypatch.setattr(asleep_on_redis, "_STOP_SECONDS", 0.01)
    monkeypatch.setattr(waking, "_HEARTBEAT_EVERY_SECONDS", 0.02)
    sleeping = pool.submit(next, consume())
    asleep(redis_client)
    redis_client.zadd(DRAMATIQ_HEARTBEATS, {broker.broker_id: 0})

    wait_until(lambda: redis_client.zscore(DRAMATIQ_HEARTBEATS, broker.broker_id))

    assert not sleeping.done()


def test_a_command_is_a_heartbeat(broker: WakingBroker, consume: Consume, redis_client: redis.Redis) -> None:
    """A worker that has just taken a message writes no heartbeat besides."""
    broker.enqueue(message(7))
    next(consume())
    redis_client.zadd(DRAMATIQ_HEARTBEATS, {broker.broker_id: 0})

    broker.keep_alive(QUEUE)

    assert redis_client.zscore(DRAMATIQ_HEARTBEATS, broker.broker_id) == 0


def test_each_message_wakes_a_consumer_of_its_own(
    broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """As many messages as there are sleepers wake them all."""
    futures = [pool.submit(next, consume()) for _ in range(3)]
    asleep(redis_client, 3)

    for number in range(3):
        broker.enqueue(message(number))

    assert [received(future) for future in futures] == [None] * 3


def test_a_message_without_a_wake_up_is_found_all_the_same(consume: Consume, redis_client: redis.Redis) -> None:
    """A lost wake-up costs ten timeouts, not the message: a stock broker's messages arrive too (R14)."""
    consumer = consume(timeout=20)
    assert next(consumer) is None

    RedisBroker(client=redis_client, middleware=[]).enqueue(message(7))

    assert wait_until(lambda: next(consumer)).args == (7,)


def test_an_old_wake_up_does_no_harm(
    broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """A wake-up whose message another consumer took lets a consumer look once, and sleep again."""
    consumer = consume()
    broker.enqueue(message(7))
    next(consumer)

    assert next(consumer) is None
    pool.submit(next, consumer)
    asleep(redis_client)


def test_wake_ups_do_not_pile_up(broker: WakingBroker, redis_client: redis.Redis) -> None:
    """With no consumer about, the wake list stays short and goes away by itself."""
    for number in range(200):
        broker.enqueue(message(number))

    assert redis_client.llen(broker.wake_key(QUEUE)) == 64
    assert 0 < redis_client.pttl(broker.wake_key(QUEUE)) <= 60_000


def test_a_full_consumer_takes_no_more(broker: WakingBroker, consume: Consume) -> None:
    """A consumer with as much work as it may prefetch leaves the rest to others."""
    consumer = consume(prefetch=2)
    for number in range(3):
        broker.enqueue(message(number))
    taken = [next(consumer), next(consumer)]

    assert next(consumer) is None

    assert taken[0] is not None
    consumer.ack(taken[0])
    rest = next(consumer)
    assert rest is not None
    assert rest.args == (2,)
