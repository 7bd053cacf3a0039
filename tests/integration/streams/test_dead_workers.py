"""What a dead worker had fetched comes back, and Redis never searches through its keys for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis, dq_name

from actors.broker import WakingBroker
from publisher.streams.dead_workers import GivenBack, give_back
from publisher.streams.servers.connection import open_redis

HEARTBEATS = "dramatiq:__heartbeats__"
SILENT = timedelta(seconds=15)
GiveBack = Callable[..., GivenBack]


@pytest.fixture
def upkeep(redis_client: redis.Redis) -> GiveBack:
    """Gives back what the dead have left, as a process that knows the email queue does."""

    def call(*queues: str, later: timedelta = timedelta(0)) -> GivenBack:
        now = current_millis() + round(later.total_seconds() * 1000)
        kept = timedelta(days=7)
        return give_back(redis_client, "dramatiq", queues or ("email",), now, silent_for=SILENT, dead_letters_kept=kept)

    return call


@pytest.fixture
def made(redis_url: str) -> Iterator[Callable[[type[RedisBroker]], RedisBroker]]:
    """Makes a broker, of this release or Dramatiq's own as releases before have it."""
    with ExitStack() as stack:

        def make(kind: type[RedisBroker] = RedisBroker) -> RedisBroker:
            client = stack.enter_context(open_redis(redis_url, timeout=timedelta(seconds=3), client_name="broker"))
            # Dramatiq's own does its upkeep by chance, in the midst of a test.
            options = {} if kind is WakingBroker else {"maintenance_chance": 0}
            broker = kind(client=client, middleware=[], **options)
            for queue in ("email", "push"):
                broker.declare_queue(queue)
            return broker

        yield make


def fetched(broker: RedisBroker, queue: str, count: int = 1, delay: int | None = None) -> None:
    """Puts messages onto a queue, and takes them as a worker does that dies before it acknowledges any."""
    for number in range(count):
        broker.enqueue(dramatiq.Message(queue, "work", (number,), {}, {}), delay=delay)
    name = queue if delay is None else dq_name(queue)
    assert len(broker.do_fetch(name, count)) == count


def dead(client: redis.Redis, broker: RedisBroker) -> None:
    """Makes this broker's worker silent for longer than the living are."""
    client.zadd(HEARTBEATS, {broker.broker_id: current_millis() - 70_000})


@pytest.mark.parametrize("kind", [RedisBroker, WakingBroker], ids=["of the release before", "of this release"])
def test_what_a_dead_worker_had_fetched_comes_back(
    kind: type[RedisBroker], made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis
) -> None:
    """Messages of every queue, delayed ones too, are back in their queues, and the worker is forgotten (R14)."""
    broker = made(kind)
    fetched(broker, "email", 3)
    fetched(broker, "email", 2, delay=60_000)
    fetched(broker, "push", 4)
    dead(redis_client, broker)

    assert upkeep("email", "push") == GivenBack(messages=9, more=False)

    assert redis_client.llen("dramatiq:email") == 3
    assert redis_client.llen("dramatiq:email.DQ") == 2
    assert redis_client.llen("dramatiq:push") == 4
    assert redis_client.zrange(HEARTBEATS, 0, -1) == []
    assert redis_client.keys("dramatiq:__acks__*") == []


def test_what_comes_back_wakes_a_worker(
    made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis
) -> None:
    """Idle workers of each queue that got messages back look for them at once; those of the others sleep on."""
    broker = made()
    fetched(broker, "email", 3)
    fetched(broker, "email", 2, delay=60_000)
    dead(redis_client, broker)

    upkeep("email", "push")

    wakes = [f"dramatiq:{queue}.wake" for queue in ("email", "email.DQ", "push")]
    assert [redis_client.llen(key) for key in wakes] == [1, 1, 0]
    assert all(0 < redis_client.pttl(key) <= 60_000 for key in wakes[:2])


def test_a_living_worker_keeps_what_it_has(
    made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis
) -> None:
    """Nothing is taken from a worker that was heard of within fifteen seconds."""
    broker = made()
    fetched(broker, "email", 3)

    assert upkeep() == GivenBack(messages=0, more=False)

    assert redis_client.llen("dramatiq:email") == 0
    assert upkeep(later=timedelta(seconds=16)).messages == 3


def test_a_message_that_was_done_does_not_come_back(
    made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis
) -> None:
    """A message whose data is gone was acknowledged: its id is dropped, as Dramatiq does."""
    broker = made()
    fetched(broker, "email", 2)
    redis_client.delete("dramatiq:email.msgs")
    dead(redis_client, broker)

    upkeep()

    assert redis_client.llen("dramatiq:email") == 0
    assert redis_client.zcard(HEARTBEATS) == 0


def test_a_queue_that_this_process_does_not_know_is_looked_after(
    made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis
) -> None:
    """A worker is not forgotten for what it had of a channel that is installed elsewhere: its messages come back."""
    broker = made()
    fetched(broker, "push", 4)
    upkeep("push")
    dead(redis_client, broker)

    assert upkeep("email") == GivenBack(messages=4, more=False)

    assert redis_client.llen("dramatiq:push") == 4


def test_a_call_moves_a_bounded_number_of_messages(
    made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis
) -> None:
    """However much the dead have left, one call moves a thousand messages, and says that there are more."""
    brokers = [made() for _ in range(3)]
    for broker in brokers:
        fetched(broker, "email", 800)
        dead(redis_client, broker)

    calls = [upkeep() for _ in range(3)]

    assert [call.messages for call in calls] == [1000, 1000, 400]
    assert [call.more for call in calls] == [True, True, False]
    assert redis_client.llen("dramatiq:email") == 2400
    assert redis_client.zcard(HEARTBEATS) == 0


def test_old_dead_letters_go(made: Callable[..., RedisBroker], upkeep: GiveBack, redis_client: redis.Redis) -> None:
    """Dramatiq's own dead letters are dropped after a week, younger ones stay."""
    broker = made()
    for number, age in enumerate([timedelta(days=8), timedelta(days=6)]):
        at = current_millis() - round(age.total_seconds() * 1000)
        redis_client.zadd("dramatiq:email.XQ", {str(number): at})
        redis_client.hset("dramatiq:email.XQ.msgs", str(number), "message")
    broker.do_qsize("email")

    upkeep()

    assert redis_client.zrange("dramatiq:email.XQ", 0, -1) == [b"1"]
    assert redis_client.hkeys("dramatiq:email.XQ.msgs") == [b"1"]


def test_a_consumer_brings_them_back_by_itself(made: Callable[..., Any], redis_client: redis.Redis) -> None:
    """A worker that looks for messages looks after the dead first, and takes what they had."""
    broker = made()
    fetched(broker, "email")
    dead(redis_client, broker)
    consumer = made(WakingBroker).consume("email", prefetch=1, timeout=20)

    message = next(consumer)

    assert message is not None
    assert message.args == (0,)


@pytest.mark.stray_keys("plants a key of another type")
def test_a_server_that_refuses_the_upkeep_still_gives_messages(
    made: Callable[..., Any], redis_client: redis.Redis
) -> None:
    """A refusal is logged; messages are fetched all the same."""
    redis_client.set("dramatiq:__queues__", "no set")
    broker = made(WakingBroker)
    broker.enqueue(dramatiq.Message("email", "work", (7,), {}, {}))

    message = next(broker.consume("email", prefetch=1, timeout=20))

    assert message is not None
    assert message.args == (7,)
