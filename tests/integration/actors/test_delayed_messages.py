"""Dramatiq's consumers that hold delayed messages sleep until the earliest of them is due."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from dramatiq.common import current_millis

from actors.broker import WakingBroker
from tests.integration.actors.consumers import DELAYED, Consume, asleep, message, received


def test_a_consumer_wakes_for_its_delayed_message(
    broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """A consumer that holds a delayed message sleeps no longer than until that is due."""
    consumer = consume(DELAYED)
    broker.enqueue(message(7), delay=300)
    delayed = next(consumer)
    redis_client.delete(broker.wake_key(DELAYED))

    assert received(pool.submit(next, consumer)) is None
    assert delayed is not None
    assert current_millis() >= delayed.options["eta"] - 5


def test_a_consumer_waits_for_the_earliest_of_its_delayed_messages(
    broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """A delayed message that comes while a later one is waited for wakes its consumer, and is waited for first."""
    consumer = consume(DELAYED)
    broker.enqueue(message(1), delay=3_600_000)
    next(consumer)
    assert next(consumer) is None
    sleeping = pool.submit(next, consumer)
    asleep(redis_client)

    broker.enqueue(message(2), delay=100)

    assert received(sleeping) is None
    assert received(pool.submit(next, consumer)) == 2
    assert received(pool.submit(next, consumer)) is None


@pytest.mark.parametrize("end", ["ack", "nack"])
def test_a_delayed_message_that_is_done_is_not_waited_for(
    end: str, broker: WakingBroker, consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """A consumer whose delayed message is passed on sleeps like any other."""
    consumer = consume(DELAYED)
    broker.enqueue(message(7), delay=1)
    delayed = next(consumer)
    getattr(consumer, end)(delayed)
    redis_client.delete(broker.wake_key(DELAYED))

    pool.submit(next, consumer)

    asleep(redis_client)
