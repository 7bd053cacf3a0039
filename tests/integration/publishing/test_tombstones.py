"""A late append, by a worker that was paused between its claim and its append: its route has ended, nothing follows.

A route that expires or becomes a dead letter leaves a tombstone in the place of its witness (R12).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import EncodingError, RedisRefused, RedisUnavailable, RouteError
from publisher.domain.notification import Notification, Route
from publisher.process.telemetry import Telemetry
from publisher.streams.connection import open_redis
from publisher.streams.keys import witness_key
from publisher.streams.outbound import OutboundStreams
from storage import recording
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, dead_letter_ids, requeue
from tests.factories import CHANNELS
from tests.integration.failing_calls import Failing
from tests.integration.publishers import commands, counters, publisher
from tests.integration.rows import change, due_routes, expire_leases, make_due, one_route, rows

EMAIL = CHANNELS["email"]
PASSED = "expires_at = now() - interval '1 millisecond'"
TTL = timedelta(seconds=30)


def with_encoder(encode: Callable[[Notification, Route], Command], **changes: Any) -> dict[str, Channel]:
    return {**CHANNELS, "email": replace(EMAIL, encode=encode, **changes)}


def refuse(_notification: Notification, _route: Route) -> Command:
    raise EncodingError("no such template")


def paused_while(happens: Callable[[], object]) -> dict[str, Channel]:
    """The channels, with an email encoder during which this happens: so it goes to a worker that is paused there."""

    def encode(notification: Notification, route: Route) -> Command:
        happens()
        return EMAIL.encode(notification, route)

    return with_encoder(encode)


def last_attempt(database: Database, ids: list[int]) -> None:
    """The next failed attempt of these routes is their last."""
    change(database, ids, "status = 'failed', attempt_count = max_attempts - 1")


def witness_of(database: Database, route: int, stream: str = EMAIL.stream) -> str:
    row = one_route(database, route)
    return witness_key(stream, f"{row['notification_id']}/{row['route_id']}")


def die(database: Database, streams: OutboundStreams, route: int) -> None:
    """The route becomes a dead letter at another worker's hands: it cannot be encoded."""
    expire_leases(database)
    last_attempt(database, [route])
    publisher(database, streams, channels=with_encoder(refuse)).publish_due("email")


def test_a_late_append_of_an_expired_route_writes_nothing(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker is paused, its lease and the deadline pass, the route expires: what it appends then never stands."""
    [route] = due_routes(database, 1)

    def deadline_passes() -> None:
        expire_leases(database)
        change(database, [route], PASSED)
        publisher(database, streams).expire_overdue("email")

    telemetry = Telemetry()
    late = publisher(database, streams, channels=paused_while(deadline_passes), telemetry=telemetry)

    report = late.publish_due("email")

    assert (report.published, report.rescheduled, report.dead_lettered) == (0, [], [])
    assert one_route(database, route)["status"] == "expired"
    assert commands(redis_client) == {}
    assert counters(telemetry) == {}


def test_a_late_append_of_a_dead_letter_writes_nothing(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker is paused, and another gives the route up meanwhile: what the first appends then never stands."""
    [route] = due_routes(database, 1)
    late = publisher(database, streams, channels=paused_while(lambda: die(database, streams, route)))

    report = late.publish_due("email")

    assert (report.published, report.rescheduled, report.dead_lettered) == (0, [], [])
    assert one_route(database, route)["status"] == "dead_letter"
    assert commands(redis_client) == {}


def test_a_tombstone_is_kept_for_the_window(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It is there as long as a witness would be."""
    expired, dead = due_routes(database, 2)
    change(database, [expired], PASSED)
    publisher(database, streams).expire_overdue("email")
    die(database, streams, dead)

    for route, text in ((expired, b"expired"), (dead, b"dead:0")):
        key = witness_of(database, route)
        assert redis_client.hget(key, "ended") == text
        assert 3_500_000 < redis_client.pttl(key) <= 3_600_000


def test_a_requeued_route_is_published(database: Database, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """The tombstone of an earlier life does not hold a later one, however often it dies and is taken back."""
    [route] = due_routes(database, 1)
    for life in range(3):
        die(database, streams, route)
        assert redis_client.hget(witness_of(database, route), "ended") == f"dead:{life}".encode()
        assert requeue(database, dead_letter_ids(database, DeadLetterFilter(), before=None, limit=1), "ann")
        make_due(database)

    assert publisher(database, streams).publish_due("email").published == 1
    assert len(commands(redis_client)) == 1


def test_a_late_append_of_an_earlier_life_writes_nothing_twice(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker that was paused since before the requeue finds the command of the later life, and adds none."""
    [route] = due_routes(database, 1)

    def dies_and_is_published() -> None:
        die(database, streams, route)
        requeue(database, dead_letter_ids(database, DeadLetterFilter(), before=None, limit=1), "ann")
        publisher(database, streams).publish_due("email")

    publisher(database, streams, channels=paused_while(dies_and_is_published)).publish_due("email")

    assert one_route(database, route)["status"] == "published"
    assert len(commands(redis_client)) == 1


@pytest.mark.parametrize("moved", [False, True], ids=["today's stream", "an earlier stream"])
def test_a_route_whose_command_stands_is_published_and_no_dead_letter(
    moved: bool, database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The last look before a route is given up finds the command of an attempt that could not record it."""
    [route] = due_routes(database, 1)
    stream = "mail:earlier" if moved else EMAIL.stream
    if moved:
        change(database, [route], f"stream = '{stream}'")
    key = witness_of(database, route, stream)
    redis_client.set(key, "1795540000000-0", px=60_000)
    last_attempt(database, [route])
    telemetry = Telemetry()

    publisher(database, streams, channels=with_encoder(refuse), telemetry=telemetry).publish_due("email")

    row = one_route(database, route)
    assert (row["status"], row["stream_entry_id"], row["stream"]) == ("published", "1795540000000-0", stream)
    assert rows(database, "SELECT * FROM dead_letters") == []
    assert redis_client.pttl(key) > 60_000
    published = {key: n for key, n in counters(telemetry).items() if "published" in key}
    assert list(published.values()) == [1]


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
        publisher(database, OutboundStreams(nowhere, timedelta(hours=1))).publish_due("email")

    assert one_route(database, route)["status"] == "dead_letter"
    assert asked == []


def test_a_redis_that_goes_away_keeps_no_route_from_its_end(database: Database) -> None:
    """Where the last look fails the dead letter is recorded all the same."""
    [route] = due_routes(database, 1)
    last_attempt(database, [route])
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        by = publisher(database, OutboundStreams(nowhere, timedelta(hours=1)), channels=with_encoder(refuse))
        by.publish_due("email")

    assert one_route(database, route)["status"] == "dead_letter"


def test_the_witness_that_a_deadline_finds_is_renewed(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A command found standing past the deadline stays known for another window, so that the audit finds it (R12a)."""
    [route] = due_routes(database, 1)
    key = witness_of(database, route)
    redis_client.set(key, "1795540000000-0", px=60_000)
    change(database, [route], PASSED)

    publisher(database, streams).expire_overdue("email")

    assert one_route(database, route)["status"] == "published"
    assert redis_client.pttl(key) > 3_500_000


def test_a_full_redis_keeps_no_route_from_expiring(database: Database, own_client: redis.Redis) -> None:
    """A Redis that takes no tombstone takes no late command either."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)
    own_client.config_set("maxmemory", "1")

    publisher(database, OutboundStreams(own_client, timedelta(hours=1))).expire_overdue("email")

    assert one_route(database, route)["status"] == "expired"


def test_a_replica_decides_nothing(database: Database, own_client: redis.Redis) -> None:
    """A server that has become a replica may not know what stands: the route expires once a master says so."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)
    by = publisher(database, OutboundStreams(own_client, timedelta(hours=1)))
    own_client.replicaof("127.0.0.1", "1")
    with pytest.raises((RedisUnavailable, RedisRefused)):
        by.expire_overdue("email")
    assert one_route(database, route)["status"] == "pending"

    own_client.replicaof("NO", "ONE")
    by.expire_overdue("email")

    assert one_route(database, route)["status"] == "expired"


def test_a_dead_letter_by_lost_leases_leaves_a_tombstone(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Its workers may only have been paused: the fifth that comes back appends nothing (R5a)."""
    [route] = due_routes(database, 1)
    change(database, [route], "lease_loss_count = 5")

    publisher(database, streams).publish_due("email")

    assert one_route(database, route)["status"] == "dead_letter"
    assert redis_client.hget(witness_of(database, route), "ended") == b"dead:0"
