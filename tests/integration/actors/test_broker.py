"""Dramatiq's consumers asleep on Redis: woken by a message, and outliving any fault (R14)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis, dq_name
from dramatiq.errors import ConnectionClosed

from actors.broker import WakingBroker, WakingConsumer
from publisher.streams.connection import open_redis
from tests.waiting import wait_until

QUEUE = "email"
DELAYED = dq_name(QUEUE)
# Far longer than any test waits: a consumer that is not woken makes its test fail.
ASLEEP_MS = 60_000
Consume = Callable[..., WakingConsumer]


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


def sleepers(client: redis.Redis) -> list[dict[str, Any]]:
    return [c for c in client.client_list() if "b" in c["flags"]]


def asleep(client: redis.Redis, count: int = 1) -> None:
    """Returns once so many consumers block."""
    wait_until(lambda: len(sleepers(client)) == count, describe=client.client_list)


def message(number: int = 0) -> "dramatiq.Message[None]":
    return dramatiq.Message(queue_name=QUEUE, actor_name="actor", args=(number,), kwargs={}, options={})


def received(future: "Future[dramatiq.MessageProxy | None]") -> int | None:
    """The number in the message that a consumer got, or None; without waiting for its timeout."""
    got = future.result(timeout=20)
    return None if got is None else got.args[0]


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
    """It blocks, and then looks whether messages wait; it fetches only for this worker's heartbeat."""
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


def calls(client: redis.Redis) -> dict[str, int]:
    """How often each command was called."""
    return {name.removeprefix("cmdstat_"): seen["calls"] for name, seen in client.info("commandstats").items()}


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
    """A lost wake-up costs two timeouts, not the message: a stock broker's messages arrive too (R14)."""
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
