"""Fixtures of Dramatiq's consumers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis

from actors.broker import WakingBroker
from actors.consumer import WakingConsumer
from publisher.streams.servers.connection import open_redis
from tests.integration.actors.consumers import ASLEEP_MS, QUEUE, Consume, sleepers


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakingBroker]:
    """A broker with one queue, whose idle consumers may block for as long as they like."""
    with open_redis(redis_url, timeout=timedelta(hours=1), client_name="broker") as client:
        broker = WakingBroker(client=client, middleware=[])
        broker.declare_queue(QUEUE)
        yield broker


@pytest.fixture
def consume(broker: WakingBroker) -> Consume:
    """Makes a consumer."""

    def make(queue: str = QUEUE, *, timeout: int = ASLEEP_MS, prefetch: int = 8) -> WakingConsumer:
        consumer = broker.consume(queue, prefetch=prefetch, timeout=timeout)
        assert isinstance(consumer, WakingConsumer)
        return consumer

    return make


@pytest.fixture
def pool(redis_client: redis.Redis) -> Iterator[ThreadPoolExecutor]:
    """Threads for consumers; whoever still sleeps at the end is woken."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(8))
        stack.callback(lambda: [redis_client.client_unblock(c["id"]) for c in sleepers(redis_client)])
        yield pool
