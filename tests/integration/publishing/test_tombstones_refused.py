"""Ends of routes while Redis is away, full, a replica, or PostgreSQL refuses the record (R12)."""

from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused, RedisUnavailable, RouteError
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from storage.outcomes import recording
from tests.integration.failing_calls import Failing
from tests.integration.publishers import commands, publisher
from tests.integration.publishing.tombstones import PASSED, last_attempt, refuse, with_encoder
from tests.integration.rows import change, due_routes, one_route


def test_a_dead_letter_that_was_not_recorded_is_recorded_by_the_next_attempt(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tombstone whose dead letter PostgreSQL did not take: the route fails once more, and ends, and is not sent."""
    [route] = due_routes(database, 1)
    last_attempt(database, [route])
    whole = recording.complete
    refused = Failing(whole, RouteError("refused"))
    refused.failing.set()
    monkeypatch.setattr(recording, "complete", refused)
    with pytest.raises(RouteError):
        publisher(database, streams, channels=with_encoder(refuse)).publish_due("email")
    assert one_route(database, route)["status"] == "failed"
    monkeypatch.setattr(recording, "complete", whole)

    report = publisher(database, streams).publish_due("email")

    row = one_route(database, route)
    assert (report.dead_lettered, row["status"]) == ([route], "dead_letter")
    assert row["last_failure_classification"] == "mail_stream_publish_failed"
    assert commands(redis_client) == {}


def test_a_redis_that_is_away_keeps_no_route_from_its_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis was found away a dead letter is recorded without a last look."""
    [route] = due_routes(database, 1)
    last_attempt(database, [route])
    asked: list[object] = []
    monkeypatch.setattr(OutboundStreams, "end", lambda *arguments: asked.append(arguments))
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        publisher(database, OutboundStreams(StreamServers(nowhere), timedelta(hours=1))).publish_due("email")

    assert one_route(database, route)["status"] == "dead_letter"
    assert asked == []


def test_a_redis_that_goes_away_keeps_no_route_from_its_end(database: Database) -> None:
    """Where the last look fails the dead letter is recorded all the same."""
    [route] = due_routes(database, 1)
    last_attempt(database, [route])
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        by = publisher(
            database, OutboundStreams(StreamServers(nowhere), timedelta(hours=1)), channels=with_encoder(refuse)
        )
        by.publish_due("email")

    assert one_route(database, route)["status"] == "dead_letter"


def test_a_full_redis_keeps_no_route_from_expiring(database: Database, own_client: redis.Redis) -> None:
    """A Redis that takes no tombstone takes no late command either."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)
    own_client.config_set("maxmemory", "1")

    publisher(database, OutboundStreams(StreamServers(own_client), timedelta(hours=1))).end_routes("email")

    assert one_route(database, route)["status"] == "expired"


def test_a_replica_decides_nothing(database: Database, own_client: redis.Redis) -> None:
    """A server that has become a replica may not know what stands: the route expires once a master says so."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)
    by = publisher(database, OutboundStreams(StreamServers(own_client), timedelta(hours=1)))
    own_client.replicaof("127.0.0.1", "1")
    with pytest.raises((RedisUnavailable, RedisRefused)):
        by.end_routes("email")
    assert one_route(database, route)["status"] == "pending"

    own_client.replicaof("NO", "ONE")
    by.end_routes("email")

    assert one_route(database, route)["status"] == "expired"
