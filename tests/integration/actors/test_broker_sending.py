"""Messages that the service puts on Dramatiq's queues (R14, R16)."""

from collections.abc import Iterator
from datetime import timedelta

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from actors.broker import WakingBroker
from actors.queues import URGENT
from publisher.domain.errors import RedisRefused
from publisher.streams.servers.connection import open_redis

QUEUES = ("email", "push")


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakingBroker]:
    """A broker with two queues."""
    with open_redis(redis_url, timeout=timedelta(seconds=5), client_name="broker") as client:
        broker = WakingBroker(client=client, middleware=[])
        for queue in QUEUES:
            broker.declare_queue(queue)
        yield broker


def message(queue: str, number: object = 0) -> "dramatiq.Message[None]":
    return dramatiq.Message(queue_name=queue, actor_name="actor", args=(number,), kwargs={}, options={})


def stored(client: redis.Redis, queue: str) -> list[tuple[object, ...]]:
    """The messages of a queue in their order, without the ids that differ each time."""
    ids = client.lrange(f"dramatiq:{queue}", 0, -1)
    texts = [client.hget(f"dramatiq:{queue}.msgs", id_) for id_ in ids]
    assert client.hlen(f"dramatiq:{queue}.msgs") == len(ids)
    decoded = [dramatiq.Message.decode(text) for text in texts]
    assert [m.options["redis_message_id"].encode() for m in decoded] == ids
    return [(m.queue_name, m.actor_name, m.args, m.kwargs, sorted(m.options)) for m in decoded]


def send_together(broker: WakingBroker, *messages: "dramatiq.Message[None]") -> None:
    with broker.together():
        for each in messages:
            broker.enqueue(each)


def test_a_message_is_put_on_its_queue_as_dramatiq_does(
    broker: WakingBroker, redis_client: redis.Redis, redis_url: str
) -> None:
    """Any worker of Dramatiq finds it where Dramatiq's own broker puts one, at once or delayed."""
    stock = RedisBroker(url=redis_url, middleware=[])
    stock.declare_queue("email")
    seen = []
    for each in (stock, broker):
        redis_client.flushall()
        each.enqueue(message("email", 1))
        each.enqueue(message("email", 2))
        each.enqueue(message("email", 3), delay=60_000)
        seen.append([stored(redis_client, queue) for queue in ("email", "email.DQ")])

    assert seen[0] == seen[1]
    assert [len(queue) for queue in seen[1]] == [2, 1]


def test_messages_that_are_sent_together_arrive_together(broker: WakingBroker, redis_client: redis.Redis) -> None:
    """Nothing is there before the end; then each message is on its queue, with a wake-up of its own."""
    with broker.together():
        for queue in QUEUES:
            broker.enqueue(message(queue))
        assert redis_client.keys() == []

    assert [len(stored(redis_client, queue)) for queue in QUEUES] == [1, 1]
    assert [redis_client.llen(broker.wake_key(queue)) for queue in QUEUES] == [1, 1]
    assert broker.waiting == dict.fromkeys(QUEUES, 1)


def test_an_urgent_message_is_put_before_the_others(broker: WakingBroker, redis_client: redis.Redis) -> None:
    """Alone, among messages that are sent together, and delayed; a message that follows is an ordinary one (R31)."""
    urgent = message("email", "urgent").copy(options={URGENT: True})
    broker.enqueue(message("email", 1))
    broker.enqueue(urgent)
    broker.enqueue(message("email", 2))
    send_together(broker, message("push", 1), urgent.copy(queue_name="push"), message("push", 2))

    assert [found[2] for found in stored(redis_client, "email")] == [("urgent",), (1,), (2,)]
    assert [found[2] for found in stored(redis_client, "push")] == [("urgent",), (1,), (2,)]


def test_none_is_sent_if_one_cannot_be_made(broker: WakingBroker, redis_client: redis.Redis) -> None:
    """An error among messages that are to be sent together leaves none; those that follow are sent as ever."""
    with pytest.raises(TypeError):
        send_together(broker, message("email"), message("push", object()))

    assert redis_client.keys() == []
    broker.enqueue(message("push"))
    assert len(stored(redis_client, "push")) == 1


def test_none_is_sent_if_redis_refuses_one(broker: WakingBroker, redis_client: redis.Redis, redis_url: str) -> None:
    """A user who may write one queue alone sends nothing of what is sent together."""
    redis_client.acl_setuser("half", enabled=True, nopass=True, categories=["+@all"], keys=["dramatiq:email*"])
    try:
        broker.client.execute_command("AUTH", "half", "")
        with pytest.raises(RedisRefused, match="permissions"):
            send_together(broker, *map(message, QUEUES))
    finally:
        redis_client.acl_deluser("half")

    assert redis_client.keys() == []
