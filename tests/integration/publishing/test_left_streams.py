"""A worker that is paused right before its append while its route moves to another stream appends nothing (R12)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.domain.channel import Channel
from publisher.domain.errors import DatabaseUnavailable
from publisher.publishing.publisher import Publisher
from publisher.streams.append_result import AppendResult
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.claiming import leases
from storage.database import Database
from tests.integration.publishers import publisher
from tests.integration.publishing.tombstones import witness_of
from tests.integration.rows import all_routes, due_routes, expire_leases, make_due

RENAMED, SPREAD = replace(EMAIL, stream="mail:commands-2"), replace(EMAIL, partitions=4)


class PausedStreams(OutboundStreams):
    """The worker is paused right before its append, for longer than its lease. `meanwhile`: what happens then."""

    def __init__(self, client: redis.Redis, meanwhile: Callable[[], object]) -> None:
        super().__init__(StreamServers(client), timedelta(hours=1))
        self._meanwhile = meanwhile

    def append(self, *args: Any, **options: Any) -> list[AppendResult]:
        self._meanwhile()
        return super().append(*args, **options)


def worker(database: Database, client: redis.Redis, channel: Channel, *meanwhile: Channel) -> Publisher:
    """A worker of this channel that is paused before its append; then workers of these channels try, each so paused."""

    def others() -> None:
        if meanwhile:
            expire_leases(database)
            worker(database, client, *meanwhile).publish_due("email")

    return publisher(database, PausedStreams(client, others), channels={"email": channel})


def entries(client: redis.Redis) -> int:
    """How many commands stand on all streams."""
    return sum(client.xlen(key) for key in client.scan_iter(match="mail:*"))


@pytest.mark.parametrize(
    "addresses",
    [
        (EMAIL, RENAMED),
        (EMAIL, SPREAD),
        (SPREAD, replace(EMAIL, partitions=3)),
        (EMAIL, RENAMED, EMAIL),
        (EMAIL, RENAMED, EMAIL, SPREAD),
        (RENAMED, EMAIL, SPREAD, RENAMED, EMAIL),
    ],
    ids=["renamed", "partitioned", "fewer", "there and back", "on and on", "round"],
)
def test_workers_that_were_paused_before_their_appends_write_nothing(
    addresses: tuple[Channel, ...], database: Database, redis_client: redis.Redis
) -> None:
    """Each one outlives its lease right before its append, and the next one has another address: one command (R12)."""
    due_routes(database, 1)

    worker(database, redis_client, *addresses).publish_due("email")

    assert entries(redis_client) == 1
    assert [route["status"] for route in all_routes(database)] == ["published"]


def test_a_route_comes_back_to_the_stream_that_it_left(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker died between leaving the stream and saying so: a worker of before publishes at its first try (R12)."""
    due_routes(database, 1)
    publisher(database, streams, stopping=iter([False, True]).__next__).publish_due("email")

    def dies(*_: object) -> set[int]:
        raise DatabaseUnavailable("PostgreSQL is not available")

    with monkeypatch.context() as patch:
        patch.setattr(leases, "move_to_stream", dies)
        with pytest.raises(DatabaseUnavailable):
            worker(database, redis_client, RENAMED).publish_due("email")
    expire_leases(database)
    make_due(database)

    assert worker(database, redis_client, EMAIL).publish_due("email").published == 1
    assert entries(redis_client) == 1


def test_a_release_before_takes_what_was_left_for_ended(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It knows no moves and reads the tombstone's text: it gives the route back uncounted, and does not fail (R15)."""
    [route] = due_routes(database, 1)
    publisher(database, streams, stopping=iter([False, True]).__next__).publish_due("email")
    worker(database, redis_client, RENAMED).publish_due("email")

    assert redis_client.hget(witness_of(database, route), "ended") == b"expired"
