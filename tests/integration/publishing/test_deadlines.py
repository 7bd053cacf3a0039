"""Deadlines: what is not published by then is never sent, and ends as expired."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.errors import RedisUnavailable
from publisher.process.telemetry import Telemetry
from publisher.publishing.batch import Batch
from publisher.publishing.publisher import Publisher
from publisher.streams.keys import witness_key
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.claiming.claims import claim_due, claim_ending, claim_these
from storage.database import Database
from storage.gates import pause
from tests.factories import CHANNELS, accepted
from tests.integration.publishers import commands, counters, logged, publisher
from tests.integration.rows import all_routes, change, due_routes, expire_leases, one_route

TTL = timedelta(seconds=30)
PASSED = "expires_at = now() - interval '1 millisecond'"
AHEAD = "expires_at = now() + interval '1 hour'"


def test_a_deadline_stands_on_every_route(database: Database) -> None:
    """The deadline of an intent is that of each of its routes, to the millisecond (R2)."""
    accepted(database, [{"expires_at_ms": "1995540000123"}])

    assert {route["expires_at"].isoformat() for route in all_routes(database)} == {"2033-03-27T12:40:00.123000+00:00"}


def test_before_its_deadline_a_route_is_published(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A deadline that is still ahead changes nothing."""
    [route] = due_routes(database, 1)
    change(database, [route], AHEAD)

    assert publisher(database, streams).publish_due("email").published == 1
    assert len(commands(redis_client)) == 1


def test_past_its_deadline_a_route_is_not_claimed(database: Database) -> None:
    """Neither a scan nor a message leases a route whose deadline has passed; its neighbours are not disturbed."""
    late, timely = due_routes(database, 2)
    change(database, [late], PASSED)

    assert claim_these(database, "email", [late], lease_ttl=TTL).ids == []
    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == [timely]


def test_past_its_deadline_a_route_expires(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It ends as expired: final, with no command, no lease, no attempt and no failure."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)
    telemetry = Telemetry()

    with logged() as events:
        assert publisher(database, streams, telemetry=telemetry).end_routes("email") is False

    row = one_route(database, route)
    assert (row["status"], row["next_attempt_at"], row["lease_token"]) == ("expired", None, None)
    assert (row["attempt_count"], row["last_failure_at"]) == (0, None)
    assert commands(redis_client) == {}
    assert [event["event"] for event in events] == ["route expired"]
    assert counters(telemetry) == {("routes_expired_total", "email", "game.turn.ready"): 1}


def test_a_route_that_waits_for_its_retry_expires_in_time(database: Database, streams: OutboundStreams) -> None:
    """A failed route does not wait for its next attempt to expire, and its last failure stays to be seen."""
    [route] = due_routes(database, 1)
    change(
        database,
        [route],
        f"status = 'failed', attempt_count = 3, next_attempt_at = now() + interval '1 hour',"
        f" last_failure_message = 'refused', {PASSED}",
    )

    publisher(database, streams).end_routes("email")

    row = one_route(database, route)
    assert (row["status"], row["attempt_count"], row["last_failure_message"]) == ("expired", 3, "refused")


def test_a_paused_channel_expires_its_routes(database: Database, streams: OutboundStreams) -> None:
    """A deadline holds while the channel is paused: what would be too late then ends at its time."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)
    pause(database, "email", "ann", "mail server moves")

    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "expired"


def test_a_route_at_work_is_left_to_its_worker(database: Database, streams: OutboundStreams) -> None:
    """A leased route does not expire under the hands of its worker, which may just have published it (R8)."""
    [route] = due_routes(database, 1)
    claim_due(database, "email", limit=1, lease_ttl=TTL)
    change(database, [route], PASSED)

    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "pending"


def test_a_command_that_stands_was_in_time(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A route whose worker died between append and record was published in time, and is recorded so (R6, R12)."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams)
    claim = claim_due(database, "email", limit=1, lease_ttl=TTL)
    delivery = claim.routes[0].route.delivery_id
    redis_client.set(witness_key(CHANNELS["email"].stream, delivery), "1795540000000-0")
    change(database, [route], PASSED)
    expire_leases(database)

    worker.end_routes("email")

    row = one_route(database, route)
    assert (row["status"], row["stream_entry_id"]) == ("published", "1795540000000-0")


def test_what_redis_cannot_say_is_not_decided(database: Database) -> None:
    """While Redis is away no route expires: its command might stand there. Its lease is given up."""
    [route] = due_routes(database, 1)
    change(database, [route], PASSED)

    with (
        open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere,
        pytest.raises(RedisUnavailable),
    ):
        publisher(database, OutboundStreams(StreamServers(nowhere), timedelta(hours=1))).end_routes("email")

    row = one_route(database, route)
    assert (row["status"], row["lease_token"]) == ("pending", None)


def test_a_deadline_that_passes_in_hand_is_kept(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was held up after its claim appends nothing that has become too late, and gives it back."""
    late, timely = due_routes(database, 2)
    change(database, [late], "expires_at = now() + interval '10 seconds'")
    whole = Publisher._append

    def held_up(by: Publisher, batch: Batch, *arguments: Any) -> bool:
        batch.began -= 11
        return whole(by, batch, *arguments)

    monkeypatch.setattr(Publisher, "_append", held_up)

    report = publisher(database, streams).publish_due("email")

    assert report.published == 1
    assert len(commands(redis_client)) == 1
    assert (one_route(database, late)["status"], one_route(database, late)["lease_token"]) == ("pending", None)
    assert one_route(database, timely)["status"] == "published"


def test_many_expire_batch_by_batch(database: Database, streams: OutboundStreams) -> None:
    """More than a batch is ended in several, each saying whether to look again."""
    change(database, due_routes(database, 5), PASSED)
    worker = publisher(database, streams, batch_size=2)

    looks = [worker.end_routes("email") for _ in range(3)]

    assert looks == [True, True, False]
    assert {route["status"] for route in all_routes(database)} == {"expired"}


def test_two_workers_expire_a_route_once(database: Database, streams: OutboundStreams) -> None:
    """A route that another worker is ending at this moment is passed over (R5, R15)."""
    change(database, due_routes(database, 1), PASSED)
    first = claim_ending(database, "email", limit=10, lease_ttl=TTL)

    second = claim_ending(database, "email", limit=10, lease_ttl=TTL)

    assert (len(first.ids), second.ids) == (1, [])


def test_a_deadline_is_part_of_the_content(database: Database) -> None:
    """The same key with another deadline is another content: a conflict, as for any other field (R18)."""
    key: dict[str, Any] = {"idempotency_key": "turn-17"}

    accepted(database, [key | {"expires_at_ms": "1995540000000"}])
    again = accepted(database, [key | {"expires_at_ms": "1995540000001"}])

    assert [entry.malformed.code.value for entry in again.malformed] == ["idempotency_conflict"]
