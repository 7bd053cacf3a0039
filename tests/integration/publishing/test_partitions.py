"""A channel whose stream has partitions: each delivery has one, whatever their number was before (R12, R13, R37)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.domain.channel import Channel, Command
from publisher.domain.circuit import Probing
from publisher.domain.errors import RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.domain.stream_address import read_address
from publisher.operations.channels.readers import command_readers
from publisher.streams.append_result import Limited
from publisher.streams.groups import StreamGroups
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.integration.publishing.test_renamed_streams import HOUR, die_after_append, worker
from tests.integration.rows import all_routes, change, due_routes, make_due

ONE, FOUR, THREE = EMAIL, replace(EMAIL, partitions=4), replace(EMAIL, partitions=3)


def standing(client: redis.Redis) -> Counter[str]:
    """How often each delivery stands, on the stream and on every partition of it together."""
    names = {part.stream for channel in (ONE, THREE, FOUR) for part in channel.streams}
    return Counter(fields[b"delivery_id"].decode() for name in names for _, fields in client.xrange(name))


def test_each_delivery_is_on_its_partition_once(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The route remembers the partitions as they are, and its entry."""
    due_routes(database, 40)

    report = worker(database, streams, FOUR).publish_due("email")

    assert report.published == 40
    assert set(standing(redis_client).values()) == {1}
    lengths = [redis_client.xlen(part.stream) for part in FOUR.streams]
    assert sum(lengths) == 40
    assert all(lengths)
    for part in FOUR.streams:
        for _, fields in redis_client.xrange(part.stream):
            assert read_address(FOUR.address).part(fields[b"delivery_id"].decode()) == part
    assert {route["stream"] for route in all_routes(database)} == {"mail:delivery_commands:{0..3}"}


@pytest.mark.parametrize(("before", "after"), [(ONE, FOUR), (FOUR, THREE), (FOUR, ONE)])
def test_another_number_of_partitions_repeats_nothing(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, before: Channel, after: Channel
) -> None:
    """A worker was killed between append and record, and the next deploy has more partitions, or fewer (R12)."""
    due_routes(database, 20)
    die_after_append(database, redis_client, before)
    due_routes(database, 20)

    while worker(database, streams, after).publish_due("email").published:
        pass

    assert len(standing(redis_client)) == 40
    assert set(standing(redis_client).values()) == {1}
    assert {route["status"] for route in all_routes(database)} == {"published"}


class WithoutOne(StreamServers):
    """One Redis for all partitions but the first, whose node is away."""

    def __init__(self, client: redis.Redis, nowhere: redis.Redis) -> None:
        super().__init__(client)
        self._nowhere = nowhere

    def of(self, address: str) -> redis.Redis:
        return self._nowhere if self.is_away(address) else self.hints

    def is_away(self, address: str) -> bool:
        return address == FOUR.streams[0].stream


@pytest.fixture
def nowhere() -> Iterator[redis.Redis]:
    """A client of a server that is not there."""
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as client:
        yield client


@pytest.mark.parametrize("before", [FOUR, THREE], ids=["as it is", "spread in another way"])
def test_a_partition_that_is_away_costs_no_attempts(
    database: Database,
    streams: OutboundStreams,
    redis_client: redis.Redis,
    nowhere: redis.Redis,
    before: Channel,
) -> None:
    """The channel is parked at once, whatever the other partitions take, and probes find the partition back (R13)."""
    due_routes(database, 40)
    worker(database, streams, before, stopping=iter([False, True]).__next__).publish_due("email")
    probing = {"probing": Probing(10, first=timedelta(0))}
    broken = OutboundStreams(WithoutOne(redis_client, nowhere), HOUR)

    worker(database, broken, FOUR, **probing).publish_due("email")

    routes = all_routes(database)
    assert {route["attempt_count"] for route in routes if route["status"] != "published"} == {0}
    [gate] = database.rows("SELECT park_reason FROM channel_gates WHERE parked_at IS NOT NULL")
    assert "a partition is away" in gate[0]
    assert "127.0.0.1:1" in gate[0]
    back = worker(database, streams, FOUR, **probing)
    while back.publish_due("email").published:
        make_due(database)
    assert set(standing(redis_client).values()) == {1}
    assert len(standing(redis_client)) == 40


def test_a_partition_that_is_away_holds_up_no_end_on_the_others(
    database: Database, redis_client: redis.Redis, nowhere: redis.Redis
) -> None:
    """What is to be cancelled is cancelled on the other partitions, and waits on this one (R28)."""
    ids = due_routes(database, 40)
    change(database, ids, "cancel_requested_at = now(), cancelled_by = 'ann'")
    by = worker(database, OutboundStreams(WithoutOne(redis_client, nowhere), HOUR), FOUR)

    by.end_routes("email")

    waits = [row for row in all_routes(database) if row["status"] == "pending"]
    assert 0 < len(waits) < 40
    assert {FOUR.location.part(f"{row['notification_id']}/{row['route_id']}") for row in waits} == {FOUR.streams[0]}
    assert {row["lease_token"] for row in waits} == {None}
    with pytest.raises(RedisUnavailable):
        by.end_routes("email")


@pytest.mark.stray_keys("plants a key of another type")
def test_a_partition_that_refuses_everything_costs_no_attempts(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The memory of its node is full, say, and others take commands: it parks the channel as one that is away (R13)."""
    due_routes(database, 40)
    redis_client.set(FOUR.streams[0].stream, "no stream")
    probing = {"probing": Probing(10, first=timedelta(0))}

    worker(database, streams, FOUR, **probing).publish_due("email")

    routes = all_routes(database)
    assert {route["attempt_count"] for route in routes if route["status"] != "published"} == {0}
    [gate] = database.rows("SELECT park_reason FROM channel_gates WHERE parked_at IS NOT NULL")
    assert "a partition takes nothing: Redis refused: WRONGTYPE" in gate[0]
    redis_client.delete(FOUR.streams[0].stream)
    while worker(database, streams, FOUR, **probing).publish_due("email").published:
        make_due(database)
    assert list(standing(redis_client).values()) == [1] * 40


def test_a_rate_limit_is_shared_by_the_partitions(streams: OutboundStreams) -> None:
    """No more than the burst is appended at once, over all of them (R30)."""
    deliveries = [Delivery(f"n-{number}/r", Command((("delivery_id", "d"),))) for number in range(400)]
    limit, appended = RateLimit(0.001, 40), 0

    for _ in range(3):
        results = streams.append(FOUR, deliveries, limit=limit)
        appended = sum(not isinstance(result, Limited) for result in results)

    assert appended <= 40


def test_the_readers_of_partitions_are_shown_as_one(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A group that one partition lacks has read nothing there (R27)."""
    streams.append(FOUR, [Delivery(f"n-{number}/r", Command((("delivery_id", "d"),))) for number in range(40)])
    for part in FOUR.streams[:3]:
        redis_client.xgroup_create(part.stream, "mailers", id="0")
        redis_client.xreadgroup("mailers", "one", {part.stream: ">"}, count=2)

    found = command_readers(StreamServers(redis_client), {"email": FOUR})["email"]

    assert found.stream == "mail:delivery_commands:{0..3}"
    assert isinstance(found.found, StreamGroups)
    [group] = found.groups
    assert (found.found.length, group.pending, group.unread, group.consumer_count) == (40, 6, 34, 1)
    [consumer] = group.consumers or ()
    assert (consumer.name, consumer.pending) == ("one", 6)
