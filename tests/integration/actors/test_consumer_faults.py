"""Dramatiq's consumers outlive every fault of Redis (R14). `test_broker_faults` has them in a whole worker."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
from dramatiq.errors import ConnectionClosed

from actors.broker import WakingBroker
from publisher.streams.servers.connection import open_redis
from tests.integration.actors.consumers import QUEUE, Consume, asleep, message, sleepers

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "fault",
    [
        redis.TimeoutError("Timeout reading from socket"),
        redis.ConnectionError("Connection reset by peer"),
        redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("operation", ["fetch", "ack", "nack", "requeue"])
def test_every_fault_closes_the_consumer(
    fault: redis.RedisError,
    operation: str,
    broker: WakingBroker,
    consume: Consume,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever Redis fails with, at whatever operation, the worker is told that the connection is closed."""
    consumer = consume()
    broker.enqueue(message(7))
    taken = next(consumer)

    def fails(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(broker.client, "evalsha", fails)

    operations: dict[str, Callable[[], object]] = {
        # It sleeps first, as the queue is empty, and is woken by what the message has left.
        "fetch": lambda: (next(consumer), next(consumer)),
        "ack": lambda: consumer.ack(taken),
        "nack": lambda: consumer.nack(taken),
        "requeue": lambda: consumer.requeue([taken]),
    }
    with pytest.raises(ConnectionClosed):
        operations[operation]()


def test_a_fault_while_asleep_closes_the_consumer(
    consume: Consume, pool: ThreadPoolExecutor, redis_client: redis.Redis
) -> None:
    """A connection that dies under a sleeping consumer closes it."""
    future = pool.submit(next, consume())
    asleep(redis_client)

    redis_client.client_kill_filter(_id=sleepers(redis_client)[0]["id"])

    with pytest.raises(ConnectionClosed):
        future.result(timeout=20)


def test_a_sleep_may_be_longer_than_the_sockets_timeout(redis_url: str) -> None:
    """A consumer that sleeps longer than an answer may take does not take that for a dead connection."""
    with open_redis(redis_url, timeout=timedelta(milliseconds=100), client_name="broker") as client:
        broker = WakingBroker(client=client, middleware=[])

        assert next(broker.consume(QUEUE, prefetch=1, timeout=200)) is None
