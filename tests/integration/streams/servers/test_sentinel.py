"""A Redis whose primary Sentinels name: a failover is an outage that ends by itself (R12, R17, R35)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from publisher.channels.push import PUSH
from publisher.domain.channel import Command
from publisher.domain.errors import RedisUnavailable
from publisher.streams.append_result import Appended, AppendResult
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis, translated
from publisher.streams.servers.stream_servers import StreamServers
from tests.processes import free_port
from tests.sentinels import NAME, Watched, watched
from tests.waiting import wait_until

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A primary and a replica, which take turns."""
    with watched(tmp_path_factory.mktemp("sentinels")) as running:
        yield running


@pytest.fixture
def client(two: Watched) -> Iterator[redis.Redis]:
    """The primary as the service opens it."""
    two.primary.flushall()
    with open_redis(two.url, timeout=timedelta(seconds=2), client_name="test") as client:
        yield client


def deliveries(*numbers: int) -> list[Delivery]:
    """Commands of these deliveries."""
    return [Delivery(f"n/{number}", Command((("event_id", f"n/{number}"),))) for number in numbers]


def until_appended(streams: OutboundStreams, *numbers: int) -> list[str]:
    """Appends as a worker does: again and again, until all stand. Returns their entries."""
    results: list[AppendResult] = []

    def stand() -> bool:
        results[:] = streams.append(PUSH, deliveries(*numbers))
        return all(isinstance(result, Appended) for result in results)

    wait_until(stand, describe=lambda: results)
    return [result.entry_id for result in results if isinstance(result, Appended)]


def test_the_primary_is_asked_for_and_spoken_to(two: Watched, client: redis.Redis) -> None:
    """Whatever the Sentinels name."""
    until_appended(OutboundStreams(StreamServers(client), HOUR), 1)

    assert two.primary.xlen(PUSH.stream) == 1


def test_a_primary_that_becomes_a_replica_is_left(two: Watched, client: redis.Redis) -> None:
    """Connections that it still answers are closed at its first refusal to write (R12)."""
    streams = OutboundStreams(StreamServers(client), HOUR)
    before = until_appended(streams, 1, 2)

    two.switch()

    assert until_appended(streams, 1, 2, 3)[:2] == before
    assert two.primary.xlen(PUSH.stream) == 3


def test_a_name_that_no_sentinel_has_is_told(two: Watched) -> None:
    """With the variable, the Sentinels that were asked, and what to do."""
    url = two.url.replace(NAME.replace(" ", "%20"), "other")
    with (
        open_redis(url, timeout=timedelta(seconds=2), client_name="test", variable="PUBLISHER_PUSH_REDIS_URL") as other,
        pytest.raises(RedisUnavailable, match=r"no Sentinel names a primary 'other'.*127.0.0.1.*_PUSH_") as raised,
        translated(),
    ):
        other.ping()

    assert raised.value.variable == "PUBLISHER_PUSH_REDIS_URL"


def test_sentinels_that_are_away_are_told() -> None:
    """Each that was asked."""
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/main"
    with (
        open_redis(url, timeout=timedelta(seconds=2), client_name="test") as client,
        pytest.raises(RedisUnavailable, match=r"no Sentinel names a primary 'main' that is up \(asked: .*, .*\)"),
        translated(),
    ):
        client.ping()


def test_a_redis_in_the_place_of_its_sentinels_is_told(two: Watched) -> None:
    """The words of Redis alone would not say which setting is wrong, and how."""
    at = two.primary.connection_pool.connection_kwargs
    url = f"redis+sentinel://{at['host']}:{at['port']}/main"
    with (
        open_redis(url, timeout=timedelta(seconds=2), client_name="test") as client,
        pytest.raises(RedisUnavailable, match=r"is no Sentinel: name hosts and ports of Sentinels in REDIS_URL"),
        translated(),
    ):
        client.ping()


def test_threads_that_ask_at_once_forget_no_sentinel(two: Watched) -> None:
    """One that is away is asked again later, when another one may be (R17)."""
    start, url = threading.Barrier(8), two.url.replace("://", f"://127.0.0.1:{free_port()},", 1)
    with open_redis(url, timeout=timedelta(seconds=2), client_name="test") as client, ThreadPoolExecutor(8) as pool:
        known = client.connection_pool.sentinel_manager
        asked = {*known.sentinels}

        def ask(_: int) -> object:
            start.wait()
            return client.ping()

        assert all(pool.map(ask, range(8)))

    assert {*known.sentinels} == asked
    assert len(asked) == 3


def test_a_replica_that_takes_over_from_a_dead_primary_is_found(tmp_path: Path) -> None:
    """What the primary had acknowledged to it is known (R12)."""
    with (
        watched(tmp_path, sentinels=1) as two,
        open_redis(two.url, timeout=timedelta(seconds=2), client_name="test") as client,
    ):
        streams = OutboundStreams(StreamServers(client), HOUR)
        before = until_appended(streams, 1, 2)

        two.kill_primary()

        assert until_appended(streams, 1, 2, 3)[:2] == before
        assert two.primary.xlen(PUSH.stream) == 3
