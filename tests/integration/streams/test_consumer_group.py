"""One class reads any stream: here one of delivery events, which has fields of its own and no intents."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.group_reading import stream_groups
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from publisher.streams.standing import find_entry
from publisher.streams.trimming import trim_acknowledged

EVENTS, GROUP = "mail:delivery_events", "status"
AT_ONCE, HOUR = timedelta(0), timedelta(hours=1)
SHORTLY = timedelta(milliseconds=20)
Consumers = Callable[[str], ConsumerGroup]


@pytest.fixture
def events(redis_url: str) -> Iterator[Consumers]:
    """Makes a consumer of this name in the group that reads the events."""
    with ExitStack() as stack:

        def make(name: str) -> ConsumerGroup:
            client = stack.enter_context(open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test"))
            consumer = ConsumerGroup(StreamServers(client), EVENTS, GROUP, name)
            consumer.create()
            return consumer

        yield make


def add(client: redis.Redis, count: int) -> list[str]:
    return [client.xadd(EVENTS, {"event": "bounced", "number": n}).decode() for n in range(count)]


def pending(client: redis.Redis) -> dict[str, tuple[str, int]]:
    """Entry id -> its consumer and deliveries."""
    return {
        p["message_id"].decode(): (p["consumer"].decode(), p["times_delivered"])
        for p in client.xpending_range(EVENTS, GROUP, "-", "+", 100)
    }


def test_a_consumer_knows_whether_it_created_the_group_and_what_stood_there(
    events: Consumers, redis_client: redis.Redis
) -> None:
    """Whoever creates it reads the whole stream (R20): how much that is, and since when."""
    first = events("first")
    assert first.on_stream() == (0, None)
    oldest, *_ = add(redis_client, 3)
    redis_client.xgroup_destroy(EVENTS, GROUP)

    assert (first.create(), events("second").create()) == (True, False)
    assert first.on_stream() == (3, oldest)


def test_entries_are_read_once_and_in_order(events: Consumers, redis_client: redis.Redis) -> None:
    """Of two consumers each entry goes to one, with its own fields, whoever reads first (R20)."""
    one, two = events("one"), events("two")
    added = add(redis_client, 3)

    first, rest = one.read(2, SHORTLY), two.read(10, SHORTLY)

    assert [entry.id for entry in (*first, *rest)] == added
    assert first[1].fields == ((b"event", b"bounced"), (b"number", b"1"))
    assert one.read(10, SHORTLY) == []


def test_a_large_batch_is_acknowledged_and_the_entries_of_another_stay_its_own(
    events: Consumers, redis_client: redis.Redis
) -> None:
    """Thousands are acknowledged at once, in any order; what another has read of them stays pending with it (R20)."""
    one, other = events("one"), events("other")
    added = add(redis_client, 2_501)
    one.read(1_200, SHORTLY)
    other.read(2, SHORTLY)
    one.read(2_000, SHORTLY)

    one.acknowledge(added[1_000:] + added[:1_000])

    assert stream_groups(redis_client, EVENTS).state(GROUP).pending == 2
    assert [entry.id for entry in other.recover_own(10).entries] == added[1_200:1_202]


def test_acknowledged_entries_are_trimmed_and_others_are_not(events: Consumers, redis_client: redis.Redis) -> None:
    """What the group has acknowledged may be trimmed; what it has not stays (R13)."""
    one = events("one")
    added = add(redis_client, 250)
    one.read(250, SHORTLY)

    one.acknowledge(added[:220])
    trim_acknowledged(redis_client, EVENTS, GROUP, AT_ONCE)

    assert stream_groups(redis_client, EVENTS).state(GROUP).pending == 30
    assert redis_client.xlen(EVENTS) < 250
    assert [entry.id for entry in one.recover_own(100).entries] == added[220:]


def test_entries_of_a_dead_consumer_are_recovered(events: Consumers, redis_client: redis.Redis) -> None:
    """Entries that a consumer left are taken over, and count a delivery; held ones are not taken over (R20)."""
    one, two = events("one"), events("two")
    held, left = add(redis_client, 2)
    one.read(10, SHORTLY)
    redis_client.xclaim(EVENTS, GROUP, "one", 0, [held, left], idle=3_600_000, justid=True)

    one.hold([held])
    recovered = two.recover_others(10, timedelta(minutes=30))

    assert [(entry.id, entry.deliveries) for entry in recovered.entries] == [(left, 2)]
    assert pending(redis_client)[held] == ("one", 1)


def test_entries_that_were_removed_are_reported(events: Consumers, redis_client: redis.Redis) -> None:
    """A pending entry that somebody removed from the stream is named as lost."""
    one = events("one")
    gone, there = add(redis_client, 2)
    one.read(10, SHORTLY)

    redis_client.xdel(EVENTS, gone)

    recovered = one.recover_own(10)
    assert ([entry.id for entry in recovered.entries], recovered.trimmed) == ([there], [gone])


def test_a_consumer_that_leaves_gives_its_entries_back(events: Consumers, redis_client: redis.Redis) -> None:
    """A stop costs no delivery: the next consumer gets the entry as if it were new, and none is lost (R17)."""
    one, two = events("one"), events("two")
    [entry_id] = add(redis_client, 1)
    one.read(10, SHORTLY)

    one.give_back(HOUR)
    one.leave()
    [entry] = two.recover_others(10, HOUR).entries
    two.acknowledge([entry_id])
    one.leave()

    assert (entry.id, entry.deliveries) == (entry_id, 1)
    assert {c["name"] for c in redis_client.xinfo_consumers(EVENTS, GROUP)} == {b"two"}


def test_how_far_the_group_is_with_an_entry(events: Consumers, redis_client: redis.Redis, redis_url: str) -> None:
    """An entry is unread, then pending with a consumer, then acknowledged."""
    one = events("one")
    [entry_id] = add(redis_client, 1)
    standings = []

    for step in (lambda: None, lambda: one.read(1, SHORTLY), lambda: one.acknowledge([entry_id])):
        step()
        with open_redis(redis_url, timeout=HOUR, client_name="test") as own:
            found = find_entry(own, EVENTS, GROUP, entry_id)
        assert found is not None
        standings.append((found[1].is_read, found[1].consumer, found[1].is_acknowledged))

    assert standings == [(False, None, False), (True, "one", False), (True, None, True)]


def test_a_group_that_is_gone_refuses_to_read(events: Consumers, redis_client: redis.Redis) -> None:
    """A reader learns that Redis lost its group, and goes on once it was made again (R20)."""
    one = events("one")
    redis_client.flushdb()
    with pytest.raises(RedisRefused, match="NOGROUP"):
        one.read(1, SHORTLY)

    one.create()
    added = add(redis_client, 1)

    assert [entry.id for entry in one.read(1, SHORTLY)] == added
