"""The token bucket of a channel's rate limit: each command that is appended takes one of its tokens (R30)."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from redis.crc import key_slot

from publisher.channels.push import PUSH
from publisher.domain.rate_limit import RateLimit
from publisher.streams.append_result import Appended, Limited, NotAppended
from publisher.streams.keys import limit_key
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.integration.buckets import now_us, tokens
from tests.integration.streams.limited_appends import HOUR_US, KEY, SLOW, deliveries, fill_push, words
from tests.rate_windows import over_limit
from tests.valkeys import OwnValkey
from tests.waiting import wait_until


def has_loaded(valkey: OwnValkey) -> bool:
    with redis.Redis.from_url(valkey.url) as client:
        return client.info("persistence")["loading"] == 0


def test_a_bucket_begins_empty(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """The first append under a limit writes nothing, and says when the next token is there; so after every loss."""
    results = streams.append(PUSH, deliveries(2), limit=RateLimit(0.5, 10))

    assert words(results) == ["Limited", "Limited"]
    assert [r.wait for r in results if isinstance(r, Limited)] == [timedelta(seconds=2)] * 2
    assert redis_client.exists(PUSH.stream) == 0
    assert redis_client.pttl(KEY) > 3_600_000
    redis_client.delete(KEY)
    assert words(streams.append(PUSH, deliveries(1), limit=RateLimit(0.5, 10))) == ["Limited"]


def test_each_command_that_is_written_takes_a_token(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """As many commands are written as there are tokens, those first that come first."""
    fill_push(redis_client, 3.5)

    results = streams.append(PUSH, deliveries(5), limit=SLOW)

    assert words(results) == ["new"] * 3 + ["Limited"] * 2
    assert tokens(redis_client, "push") == pytest.approx(0.5, abs=0.01)


def test_a_known_delivery_takes_none(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """What stands on the stream already costs nothing, and is found with an empty bucket, too (R12)."""
    fill_push(redis_client, 4.0)
    streams.append(PUSH, deliveries(2), limit=SLOW)

    assert words(streams.append(PUSH, deliveries(4), limit=SLOW)) == ["known", "known", "new", "new"]
    assert tokens(redis_client, "push") < 1
    assert words(streams.append(PUSH, deliveries(5), limit=SLOW)) == ["known"] * 4 + ["Limited"]
    assert redis_client.xlen(PUSH.stream) == 4


def test_a_refused_command_takes_none(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A stream that takes nothing costs no tokens."""
    redis_client.set(PUSH.stream, "no stream")
    fill_push(redis_client, 2.0)

    assert words(streams.append(PUSH, deliveries(2), limit=SLOW)) == ["NotAppended"] * 2
    assert tokens(redis_client, "push") >= 2


def test_without_a_limit_there_is_no_bucket(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Channels without a limit neither read nor write a bucket."""
    assert words(streams.append(PUSH, deliveries(3))) == ["new"] * 3
    assert redis_client.exists(KEY) == 0


def test_tokens_come_with_time_up_to_the_burst(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """After an hour's rest the bucket is full, and no fuller."""
    fill_push(redis_client, 0.0, at=now_us(redis_client) - HOUR_US)

    assert words(streams.append(PUSH, deliveries(20), limit=RateLimit(0.1, 8))) == ["new"] * 8 + ["Limited"] * 12


def test_a_clock_that_went_back_gives_nothing(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """The bucket keeps what it has and goes on from the earlier instant, however far the clock was set back."""
    fill_push(redis_client, 1.0, at=now_us(redis_client) + HOUR_US)

    assert words(streams.append(PUSH, deliveries(2), limit=RateLimit(0.01, 8))) == ["new", "Limited"]
    assert int(redis_client.hget(KEY, "at")) <= now_us(redis_client)


def test_a_lower_burst_cuts_the_tokens(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """With the first append under the new limit."""
    fill_push(redis_client, 10.0)

    assert words(streams.append(PUSH, deliveries(4), limit=RateLimit(0.001, 2))) == ["new", "new", "Limited", "Limited"]


def test_every_window_keeps_the_limit(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Appending as fast as Redis answers puts no more than rate × time + burst on the stream, in any window."""
    limit, ends, n = RateLimit(200.0, 5), time.monotonic() + 1.0, 0
    while time.monotonic() < ends:
        results = streams.append(PUSH, deliveries(3, n), limit=limit)
        n += sum(isinstance(result, Appended) for result in results)

    ids = [entry_id.decode() for entry_id, _ in redis_client.xrange(PUSH.stream)]
    assert len(ids) > 50
    assert over_limit(ids, limit) <= 0
    # The measure finds what is over: the same entries under a lower limit.
    assert over_limit(ids, RateLimit(20.0, 5)) > 0


def test_small_numbers_lose_no_digits(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """An instant keeps its microseconds and a bucket its fractions: many small steps add up to the rate."""
    limit = RateLimit(1000.0, 1_000_000)
    began = now_us(redis_client)
    fill_push(redis_client, 0.0, at=began)
    for _ in range(300):
        streams.append(PUSH, deliveries(1), limit=limit)

    gained = tokens(redis_client, "push") + redis_client.xlen(PUSH.stream)
    assert gained == pytest.approx((int(redis_client.hget(KEY, "at")) - began) / 1000, abs=1e-6)


def test_a_bucket_of_another_type_refuses(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A limit that cannot be held lets nothing through, and the result names its key, not the stream's."""
    redis_client.set(KEY, "no bucket", ex=60)

    [result] = streams.append(PUSH, deliveries(1), limit=SLOW)

    assert isinstance(result, NotAppended)
    assert result.channels_fault
    assert result.message.startswith(
        f"Redis refused: the key of the rate limit {KEY} is no token bucket: delete it. WR"
    )
    assert redis_client.exists(PUSH.stream) == 0
    redis_client.delete(KEY)


def test_the_bucket_stands_in_the_slot_of_its_stream() -> None:
    """One script touches both, in a cluster too."""
    for stream in ("mail:commands", "{a}b", "x{"):
        assert key_slot(limit_key(stream, "push").encode()) == key_slot(stream.encode())


def append_for(valkey: OwnValkey, limit: RateLimit, seconds: float) -> int:
    """Appends new commands as fast as the server answers. Returns how many were written."""
    appended = 0
    with open_redis(valkey.url, timeout=timedelta(seconds=3), client_name="test") as client:
        streams, ends, first = (
            OutboundStreams(StreamServers(client), timedelta(hours=1)),
            time.monotonic() + seconds,
            now_us(client),
        )
        while time.monotonic() < ends:
            results = streams.append(PUSH, deliveries(5, first + appended), limit=limit)
            appended += sum(isinstance(result, Appended) for result in results)
    return appended


def test_a_killed_server_keeps_the_limit(own_valkey: OwnValkey) -> None:
    """With an append-only file the bucket comes back as it was, in step with its stream: kill -9 gives no tokens."""
    limit, appended = RateLimit(50.0, 10), 0
    for _ in range(3):
        appended += append_for(own_valkey, limit, 0.5)
        own_valkey.kill()
        own_valkey.start()
        wait_until(lambda: has_loaded(own_valkey))
    with redis.Redis.from_url(own_valkey.url) as client:
        ids = [entry_id.decode() for entry_id, _ in client.xrange(PUSH.stream)]
    assert len(ids) >= appended > 20
    assert over_limit(ids, limit) <= 0


def test_a_promoted_replica_keeps_the_limit(own_valkey: OwnValkey, tmp_path: Path) -> None:
    """A replica has the bucket in step with its stream: what follows its promotion goes within the limit."""
    limit, replica = RateLimit(50.0, 10), OwnValkey(tmp_path / "replica")
    try:
        with redis.Redis.from_url(replica.url) as follower:
            follower.replicaof("127.0.0.1", own_valkey.url.partition("127.0.0.1:")[2].partition("/")[0])
            wait_until(lambda: follower.info("replication")["master_link_status"] == "up")
            append_for(own_valkey, limit, 0.5)
            own_valkey.kill()
            follower.replicaof("NO", "ONE")
        append_for(replica, limit, 0.5)
        with redis.Redis.from_url(replica.url) as client:
            ids = [entry_id.decode() for entry_id, _ in client.xrange(PUSH.stream)]
    finally:
        replica.stop()
    assert len(ids) > 20
    assert over_limit(ids, limit) <= 0
