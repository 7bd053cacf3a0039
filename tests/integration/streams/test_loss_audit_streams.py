"""What Redis can say of the commands it should have: the streams' side of the loss audit (R12a)."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel, Command
from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.streams.keys import witness_key
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.valkeys import OwnValkey, cluster

HOUR = timedelta(hours=1)
NAMES = [f"delivery-{n}" for n in range(5)]


@pytest.fixture
def own_streams(own_client: redis.Redis) -> OutboundStreams:
    return OutboundStreams(StreamServers(own_client), HOUR)


def missing(streams: OutboundStreams, channel: Channel, names: Sequence[str]) -> list[str]:
    found = streams.witnesses([(channel.stream, name, 0) for name in names])
    return [name for name, entry in zip(names, found, strict=True) if entry is None]


def append(streams: OutboundStreams, *names: str) -> None:
    streams.append(PUSH, [Delivery(name, Command((("delivery_id", name),))) for name in names])


def test_nothing_is_missing_after_an_append(streams: OutboundStreams) -> None:
    """Redis knows every delivery that it appended (R12a)."""
    append(streams, *NAMES)

    assert missing(streams, PUSH, NAMES) == []


def test_a_lost_witness_is_named(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Exactly the deliveries whose witness is gone are missing, in the order asked (R12a)."""
    append(streams, *NAMES)
    redis_client.delete(witness_key(PUSH.stream, NAMES[3]), witness_key(PUSH.stream, NAMES[1]))

    assert missing(streams, PUSH, NAMES) == [NAMES[1], NAMES[3]]


def test_a_delivery_of_another_stream_is_missing_here(streams: OutboundStreams) -> None:
    """A delivery is looked for on its own channel's stream (R12a)."""
    append(streams, NAMES[0])

    assert missing(streams, EMAIL, [NAMES[0]]) == [NAMES[0]]


def test_asking_about_nothing_needs_no_redis() -> None:
    """No deliveries, nothing missing, whether Redis is there or not (R12a)."""
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        assert missing(OutboundStreams(StreamServers(nowhere), HOUR), PUSH, []) == []


def test_a_trimmed_entry_is_not_lost(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A command that its stream has trimmed, or a consumer deleted, was not lost (R12a, R13)."""
    append(streams, *NAMES)
    redis_client.delete(PUSH.stream)

    assert missing(streams, PUSH, NAMES) == []


@pytest.mark.stray_keys("plants a key of another type")
def test_a_witness_that_is_something_else_counts_as_missing(
    streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A key of another type in a witness's place says nothing of its delivery (R12a)."""
    redis_client.lpush(witness_key(PUSH.stream, NAMES[0]), "x")

    assert missing(streams, PUSH, [NAMES[0]]) == [NAMES[0]]


def test_an_unreachable_redis_loses_nothing() -> None:
    """A server that does not answer is an error, never a list of lost deliveries (R12a)."""
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        streams = OutboundStreams(StreamServers(nowhere), HOUR)
        with pytest.raises(RedisUnavailable):
            missing(streams, PUSH, NAMES)
        with pytest.raises(RedisUnavailable):
            streams.identities()(PUSH.address)


def test_a_server_that_refuses_loses_nothing(own_client: redis.Redis, own_streams: OutboundStreams) -> None:
    """A server that answers with an error is an error, never a list of lost deliveries (R12a)."""
    append(own_streams, *NAMES)
    own_client.acl_setuser("default", commands=["-mget", "-set"])

    with pytest.raises(RedisRefused):
        missing(own_streams, PUSH, NAMES)
    with pytest.raises(RedisRefused):
        own_streams.identities()(PUSH.address)


def test_the_identity_needs_no_info(own_client: redis.Redis, own_streams: OutboundStreams) -> None:
    """Where INFO is not allowed, as on managed servers, our own key tells that Redis was emptied (R12a)."""
    own_client.execute_command("ACL", "SETUSER", "default", "-@dangerous", "+flushdb")
    before = own_streams.identities()(PUSH.address)
    assert own_streams.identities()(PUSH.address) == before

    own_client.flushdb()

    assert own_streams.identities()(PUSH.address) != before


def test_deliveries_of_two_streams_are_looked_for_at_once(tmp_path: Path) -> None:
    """On a cluster of one shard, too: a page of the audit has routes of the stream before it was renamed (R12a)."""
    with (
        cluster(tmp_path, shards=1) as url,
        open_redis(url, timeout=timedelta(seconds=3), client_name="test") as client,
    ):
        streams = OutboundStreams(StreamServers(client), HOUR)
        append(streams, *NAMES[:2])

        found = streams.witnesses([("earlier", NAMES[0], 0), *((PUSH.stream, name, 0) for name in NAMES[:3])])

    assert [entry is None for entry in found] == [True, False, False, True]


def test_a_tombstone_is_no_witness(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A text that is no entry id in a witness's place says that no command stands (R12a)."""
    redis_client.set(witness_key(PUSH.stream, NAMES[0]), "expired", px=60_000)

    assert missing(streams, PUSH, NAMES[:1]) == NAMES[:1]


def test_a_stream_that_is_left_tells_what_stands_on_it(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Whoever moves a route away finds its command if it stands, and takes a key of another type for no witness."""
    append(streams, *NAMES[:2])
    asked = [(PUSH.stream, name, 0) for name in NAMES[:3]]
    known = streams.witnesses(asked)
    assert [entry is None for entry in known] == [False, False, True]

    assert streams.leave(asked, 1) == known
    assert streams.leave([], 1) == []


def test_a_stream_that_cannot_be_left_is_an_error(own_client: redis.Redis, own_streams: OutboundStreams) -> None:
    """A server that refuses the look is an error, never a delivery that is not there."""
    own_client.acl_setuser("default", commands=["-get"])

    with pytest.raises(RedisRefused):
        own_streams.leave([(PUSH.stream, NAMES[0], 0)], 1)


def test_the_identity_stays(streams: OutboundStreams) -> None:
    """A Redis that lost nothing has the same identity each time, appends or not (R12a)."""
    before = streams.identities()(PUSH.address)
    append(streams, *NAMES)

    assert streams.identities()(PUSH.address) == before


def test_every_process_sees_the_same_identity(streams: OutboundStreams, redis_url: str) -> None:
    """Two clients of one Redis agree on its identity (R12a, R15)."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="other") as client:
        assert OutboundStreams(StreamServers(client), HOUR).identities()(PUSH.address) == streams.identities()(
            PUSH.address
        )


def test_an_emptied_redis_has_another_identity(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A FLUSHALL changes the identity (R12a)."""
    before = streams.identities()(PUSH.address)
    redis_client.flushdb()

    assert streams.identities()(PUSH.address) != before


def test_a_restarted_redis_has_another_identity(own_valkey: OwnValkey, own_streams: OutboundStreams) -> None:
    """A restart changes the identity, though the data is all there (R12a)."""
    append(own_streams, *NAMES)
    before = own_streams.identities()(PUSH.address)
    own_valkey.restart()

    assert own_streams.identities()(PUSH.address) != before
    assert missing(own_streams, PUSH, NAMES) == []


def test_a_failover_changes_the_identity(own_client: redis.Redis, own_streams: OutboundStreams) -> None:
    """A replica that is promoted has another identity, though it never restarted (R12a)."""
    before = own_streams.identities()(PUSH.address)
    own_client.replicaof("127.0.0.1", "1")
    own_client.replicaof("NO", "ONE")

    assert own_streams.identities()(PUSH.address) != before
