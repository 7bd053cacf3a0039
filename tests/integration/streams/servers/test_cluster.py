"""Streams in a Redis Cluster: each has one slot, with all that stands beside it, and slots move (R12, R13, R20)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.channels.push import PUSH
from publisher.domain.errors import RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.streams.append_result import Appended, AppendResult, Limited, NotAppended
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.given_up import GivenUp, read_unless_refused, waiting_on
from publisher.streams.group_reading import read_groups
from publisher.streams.intents import IntentsGroup
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis, translated
from publisher.streams.servers.redis_url import read_url
from publisher.streams.servers.stream_servers import StreamServers
from publisher.streams.trimming import trim_acknowledged
from tests.clusters import RunningCluster, running_cluster
from tests.integration.streams.servers.clustered import (
    AT,
    CHANNELS,
    HOUR,
    SECOND,
    deliveries,
    entries,
    opened,
    until_appended,
)
from tests.valkeys import wait_for_replica
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three shards without replicas."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def servers(shards: RunningCluster) -> Iterator[StreamServers]:
    """The cluster as the service opens it. What other tests left there is gone."""
    for node in shards.nodes:
        node.flushall()
    with opened(shards) as servers:
        yield servers


def test_each_channel_appends_once_in_its_own_shard(shards: RunningCluster, servers: StreamServers) -> None:
    """A command that is appended again is known, whichever shard has its stream (R12)."""
    assert len({id(shards.owner(channel.stream)) for channel in CHANNELS}) == 3
    streams = OutboundStreams(servers, HOUR)

    first = [entries(streams.append(channel, deliveries(1, 2))) for channel in CHANNELS]
    again = [entries(streams.append(channel, deliveries(1, 2))) for channel in CHANNELS]

    assert first == again
    assert [shards.owner(channel.stream).xlen(channel.stream) for channel in CHANNELS] == [2, 2, 2]


def test_the_partitions_of_a_stream_are_on_several_shards(shards: RunningCluster, servers: StreamServers) -> None:
    """Each delivery is on one of them once, with its witness beside it (R12, R37)."""
    channel = replace(PUSH, server=AT, partitions=4)
    assert len({id(shards.owner(part.stream)) for part in channel.streams}) == 3
    streams, wanted = OutboundStreams(servers, HOUR), deliveries(*range(100))

    first, again = entries(streams.append(channel, wanted)), entries(streams.append(channel, wanted))

    assert first == again
    lengths = [shards.owner(part.stream).xlen(part.stream) for part in channel.streams]
    assert sum(lengths) == 100
    assert all(lengths)
    assert streams.witnesses([(channel.address, delivery.delivery_id, 0) for delivery in wanted]) == first
    assert streams.identities()(channel.address).count(",") == 3


def test_witnesses_of_several_shards_are_read_together(servers: StreamServers) -> None:
    """The loss audit, tombstones and renamed streams ask for them in any mixture (R12, R12a)."""
    streams = OutboundStreams(servers, HOUR)
    written = {channel.address: entries(streams.append(channel, deliveries(1)))[0] for channel in CHANNELS}
    asked = [(channel.address, f"n/{number}", 0) for number in (1, 2) for channel in CHANNELS]
    known = [written.get(address) if id_ == "n/1" else None for address, id_, _ in asked]

    assert streams.witnesses(asked) == known
    assert streams.leave(asked, 1) == known
    assert streams.standing(asked, known) == [entry is not None for entry in known]
    assert streams.end(asked, ["expired"] * len(asked)) == known
    assert streams.append(CHANNELS[0], deliveries(2)) != entries(streams.append(CHANNELS[0], deliveries(1)))


def test_each_shard_has_an_identity_that_ends_with_its_data(shards: RunningCluster, servers: StreamServers) -> None:
    """One that lost its data is noticed, and the others are not suspected (R12a)."""
    streams = OutboundStreams(servers, HOUR)
    before = [streams.identities()(channel.address) for channel in CHANNELS]
    assert [streams.identities()(channel.address) for channel in CHANNELS] == before

    shards.owner(CHANNELS[1].stream).flushall()

    after = [streams.identities()(channel.address) for channel in CHANNELS]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_a_rate_limit_holds_in_a_cluster(servers: StreamServers) -> None:
    """Its bucket has the stream's slot (R30)."""
    streams, limit, results = OutboundStreams(servers, HOUR), RateLimit(10, 3), list[AppendResult]()

    def begins() -> bool:
        results[:] = streams.append(CHANNELS[0], deliveries(1, 2, 3, 4, 5), limit=limit)
        return isinstance(results[0], Appended)

    wait_until(begins, describe=lambda: results)
    assert isinstance(results[-1], Limited)


def test_a_group_reads_recovers_and_trims_in_a_cluster(servers: StreamServers) -> None:
    """As on one server (R20)."""
    dead = IntentsGroup(servers, "intents", "group", "dead")
    dead.create()
    client = servers.of("intents")
    ids = [client.xadd("intents", {"n": n}).decode() for n in range(5)]
    assert [entry.id for entry in dead.read(2, SECOND)] == ids[:2]

    other = ConsumerGroup(servers, "intents", "group", "other")
    taken = other.recover_others(100, timedelta(0))
    rest = other.read(10, SECOND)
    other.acknowledge([entry.id for entry in (*taken.entries, *rest)])

    assert [entry.id for entry in (*taken.entries, *rest)] == ids
    found = servers.on_each(["intents", *(channel.address for channel in CHANNELS)], read_groups)
    assert {address: type(groups).__name__ for address, groups in found.items()} == dict.fromkeys(found, "StreamGroups")
    assert found["intents"].state("group").pending == 0  # type: ignore[union-attr]
    assert trim_acknowledged(client, "intents", "group", timedelta(0)) == 0


def test_a_slot_that_moves_loses_and_repeats_nothing(shards: RunningCluster, servers: StreamServers) -> None:
    """While its keys move, appends wait; afterwards the other shard goes on where the first has stopped (R12)."""
    streams, channel = OutboundStreams(servers, HOUR), CHANNELS[0]
    before = entries(streams.append(channel, deliveries(1, 2)))
    source = shards.owner(channel.stream)

    shards.begin_move(channel.stream)
    [waiting] = streams.append(channel, deliveries(3))
    assert isinstance(waiting, NotAppended)
    assert waiting.unreachable
    shards.end_move(channel.stream)

    assert until_appended(streams, channel, deliveries(1, 2)) == before
    until_appended(streams, channel, deliveries(3))
    target = shards.owner(channel.stream)
    assert target is not source
    assert [fields["event_id"] for _, fields in target.xrange(channel.stream)] == ["n/1", "n/2", "n/3"]


def test_a_reader_follows_the_slot_that_moves(shards: RunningCluster, servers: StreamServers) -> None:
    """It fails once, as in an outage, and then reads where the stream is (R20)."""
    group = IntentsGroup(servers, "intents", "group", "one")
    group.create()
    servers.of("intents").xadd("intents", {"n": 1})
    [first] = group.read(10, SECOND)

    shards.move("intents")
    with pytest.raises(RedisUnavailable, match="MOVED"):
        group.acknowledge([first.id])
    group.create()
    recovered = group.recover_own(10)
    servers.of("intents").xadd("intents", {"n": 2})
    [second] = group.read(10, SECOND)

    assert [entry.id for entry in recovered.entries] == [first.id]
    assert second.fields == ((b"n", b"2"),)


def test_a_replica_that_takes_over_is_found(tmp_path: Path) -> None:
    """The node that had the slot is killed; what it had is known, and appends go on (R12).

    Until then the outage goes on, though other nodes answer: an end would be told, and soon a new beginning (R35).
    """
    answers: list[int] = []
    with (
        running_cluster(tmp_path, replicated=True) as cluster,
        opened(cluster, on_answer=lambda: answers.append(1)) as servers,
    ):
        for node in cluster.nodes:
            node.config_set("cluster-require-full-coverage", "no")
            node.config_set("cluster-replica-no-failover", "yes")
        streams, channel = OutboundStreams(servers, HOUR), CHANNELS[1]
        before = entries(streams.append(channel, deliveries(1, 2)))
        owner = cluster.owner(channel.stream)
        wait_for_replica(owner)

        cluster.kill(owner)
        [failed] = streams.append(channel, deliveries(3))
        answers.clear()
        until_appended(streams, CHANNELS[0], deliveries(1))
        told = len(answers)
        for node in cluster.living():
            node.config_set("cluster-replica-no-failover", "no")

        assert isinstance(failed, NotAppended)
        assert told == 0
        assert until_appended(streams, channel, deliveries(1, 2, 3))[:2] == before
        assert answers
        assert cluster.owner(channel.stream).xlen(channel.stream) == 3
        assert len(servers.of(channel.address).xrange(channel.stream)) == 3


def test_a_cluster_that_is_away_is_told_as_any_server_is(tmp_path: Path) -> None:
    """Its setting and a node are named (R35)."""
    with running_cluster(tmp_path, shards=1) as cluster, opened(cluster) as servers:
        cluster.kill(cluster.nodes[0])

        [result] = OutboundStreams(servers, HOUR).append(CHANNELS[0], deliveries(1))

    assert isinstance(result, NotAppended)
    assert result.unreachable
    assert "127.0.0.1" in result.message


def test_a_node_without_its_cluster_in_the_url_is_told(shards: RunningCluster) -> None:
    """The words of Redis alone would not say which setting is wrong, and what to write there."""
    several = read_url(shards.url)
    assert several is not None
    url = "redis://{}:{}/0".format(*several.hosts[0])
    with (
        open_redis(url, timeout=SECOND, client_name="test", variable="PUBLISHER_PUSH_REDIS_URL") as alone,
        pytest.raises(RedisUnavailable, match=r"write redis\+cluster://host:port,host:port in .*_PUSH_REDIS_URL$"),
        translated(),
    ):
        # The keys are in three different shards.
        [alone.get(channel.stream) for channel in CHANNELS]


def test_partitions_that_were_given_up_are_read_on_each_shard(shards: RunningCluster, servers: StreamServers) -> None:
    """Each is asked for at the node that has its slot (R27, R37)."""
    parts = [str(part) for part in replace(PUSH, stream="commands", server=AT, partitions=4).streams]
    assert len({id(servers.named_by(part)) for part in parts}) == 3
    for number, part in enumerate(parts[1:], 1):
        for _ in range(number):
            servers.named_by(part).xadd(f"commands:{{{number}}}", {"n": 1})

    found = waiting_on(read_unless_refused(servers, parts))

    assert found == [GivenUp(part, number) for number, part in enumerate(parts) if number]
