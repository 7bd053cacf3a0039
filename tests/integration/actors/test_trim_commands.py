"""Trimming of the channels' streams: what every reader has done with goes, and nothing unread (R13)."""

from collections.abc import Callable, Iterator

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.retention import trim_commands
from publisher.streams.keys import counted_key
from tests.factories import CHANNELS
from tests.integration.publishers import logged
from tests.waiting import wait_until

Install = Callable[..., Context]
STREAM = CHANNELS["push"].stream
GROUP = "gateway"


@pytest.fixture(autouse=True)
def small_nodes(redis_client: redis.Redis) -> Iterator[None]:
    """Nodes of one entry: what may be trimmed is trimmed to the entry."""
    [before] = redis_client.config_get("stream-node-max-entries").values()
    redis_client.config_set("stream-node-max-entries", 1)
    yield
    redis_client.config_set("stream-node-max-entries", before)


def add(client: redis.Redis, count: int, age: float) -> list[bytes]:
    """Adds so many entries, so many seconds old."""
    seconds, _ = client.time()
    return [client.xadd(STREAM, {"n": n}, id=f"{round((seconds - age) * 1000)}-{n + 1}") for n in range(count)]


def acknowledge(client: redis.Redis, count: int, group: str = GROUP) -> None:
    [(_, entries)] = client.xreadgroup(group, "one", {STREAM: ">"}, count)
    client.xack(STREAM, group, *[id_ for id_, _ in entries])


def left(client: redis.Redis) -> list[bytes]:
    return [id_ for id_, _ in client.xrange(STREAM)]


def test_workers_trim_what_is_acknowledged_and_old(
    context: Context, start_worker: Callable[[], dramatiq.Worker], redis_client: redis.Redis
) -> None:
    """After a day, what the reader has acknowledged goes; what it has not, and what is younger, stays."""
    ids = add(redis_client, 6, 90_000) + add(redis_client, 2, 60)
    redis_client.xgroup_create(STREAM, GROUP, "0")
    acknowledge(redis_client, 4)

    start_worker()

    wait_until(lambda: left(redis_client) == ids[3:], describe=lambda: left(redis_client))
    assert left(redis_client) == ids[3:]


def test_every_group_is_waited_for(context: Context, redis_client: redis.Redis) -> None:
    """A command stays until the slowest group has acknowledged it."""
    ids = add(redis_client, 6, 90_000)
    for group in (GROUP, "reporting"):
        redis_client.xgroup_create(STREAM, group, "0")
    acknowledge(redis_client, 6)
    acknowledge(redis_client, 2, "reporting")

    trim_commands("push")

    assert left(redis_client) == ids[1:]


def test_a_stream_that_no_group_reads_is_not_trimmed(context: Context, redis_client: redis.Redis) -> None:
    """Where there is nobody who could be asked, all stays."""
    ids = add(redis_client, 6, 90_000)

    trim_commands("push")

    assert left(redis_client) == ids


@pytest.mark.parametrize(
    "variables",
    [
        {"PUBLISHER_PUSH_STREAM_RETENTION": "0"},
        {"PUBLISHER_PUSH_STREAM_TRIM": "never"},
        {"PUBLISHER_PUSH_STREAM_RETENTION": "100000"},
    ],
)
def test_what_is_kept_longer_stays(variables: dict[str, str], install: Install, redis_client: redis.Redis) -> None:
    """A retention of 0 never trims, neither does `never`, and a longer one keeps what is younger."""
    install(**variables)
    ids = add(redis_client, 6, 90_000)
    redis_client.xgroup_create(STREAM, GROUP, "0")
    acknowledge(redis_client, 6)

    trim_commands("push")

    assert left(redis_client) == ids


def test_by_length_the_oldest_go(install: Install, redis_client: redis.Redis) -> None:
    """For readers without a group the stream is kept to its ceiling: the oldest go, read or not."""
    install(PUBLISHER_PUSH_STREAM_TRIM="length", PUBLISHER_PUSH_STREAM_CEILING="4")
    ids = add(redis_client, 10, 5)

    trim_commands("push")

    assert left(redis_client) == ids[6:]


def test_by_length_without_a_ceiling_nothing_goes(install: Install, redis_client: redis.Redis) -> None:
    """Without a ceiling there is no length to trim to."""
    install(PUBLISHER_PUSH_STREAM_TRIM="length", PUBLISHER_PUSH_STREAM_CEILING="0")
    ids = add(redis_client, 10, 5)

    trim_commands("push")

    assert left(redis_client) == ids


def test_everybody_who_asks_gets_one_trimming(install: Install, redis_client: redis.Redis) -> None:
    """Clocks and workers may all ask at once: one trims, and no other for half an interval; each channel by itself."""
    install(
        PUBLISHER_PUSH_STREAM_TRIM="length",
        PUBLISHER_PUSH_STREAM_CEILING="4",
        PUBLISHER_EMAIL_STREAM_TRIM="length",
    )
    add(redis_client, 10, 5)
    trim_commands("email")
    trim_commands("push")
    add(redis_client, 10, 0)

    trim_commands("push")

    assert len(left(redis_client)) == 14


def test_a_lag_that_the_server_does_not_know_is_counted(install: Install, redis_client: redis.Redis) -> None:
    """What a group made in the middle of the stream has not read is counted, for a while, for the append script."""
    install(PUBLISHER_PUSH_STREAM_CEILING="2500")
    ids = add(redis_client, 2500, 60)
    redis_client.xgroup_create(STREAM, GROUP, ids[300])
    redis_client.xgroup_create(STREAM, "reporting", "0")
    assert redis_client.xinfo_groups(STREAM)[0]["lag"] is None

    trim_commands("push")

    key = counted_key(STREAM)
    assert redis_client.hgetall(key) == {b"gateway": b"2199"}
    assert 60_000 < redis_client.pttl(key) <= 90_000


def test_a_stream_below_its_ceiling_is_not_counted(context: Context, redis_client: redis.Redis) -> None:
    """Nobody asks how far a reader is behind on a stream that is shorter than its ceiling."""
    ids = add(redis_client, 5, 60)
    redis_client.xgroup_create(STREAM, GROUP, ids[2])

    trim_commands("push")

    assert not redis_client.exists(counted_key(STREAM))


def test_a_key_that_is_no_stream_is_told_and_left(context: Context, redis_client: redis.Redis) -> None:
    """Where the stream's key holds something else, nothing is changed, and a line says so."""
    redis_client.set(STREAM, "x")

    with logged() as events:
        trim_commands("push")

    assert redis_client.get(STREAM) == b"x"
    assert [event["event"] for event in events] == ["a stream was not trimmed"]
