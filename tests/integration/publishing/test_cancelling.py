"""Cancelled routes: none is attempted any more, and each ends cancelled unless its command stands already (R28)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisUnavailable
from publisher.process.telemetry import Telemetry
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.audits import PublishedRoute, return_lost
from storage.cancelling.cancelling import CancelFilter, bounds_of_now, mark_for_cancelling, reopen_for_cancelling
from storage.claiming.claims import claim_due, claim_these
from storage.database import Database
from storage.dead_letters import requeue
from storage.gates import pause
from storage.republishing import PublishedFilter, republish, window_end
from tests.factories import CHANNELS
from tests.integration.publishers import InterruptedStreams, commands, counters, logged, publisher
from tests.integration.publishing.tombstones import (
    EMAIL,
    die,
    last_attempt,
    paused_while,
    refuse,
    with_encoder,
    witness_of,
)
from tests.integration.rows import FINAL, change, due_routes, expire_leases, one_route, rows

TTL = timedelta(seconds=30)


def cancel(database: Database, channel: str = "email", limit: int = 100) -> tuple[int, list[int]]:
    """Cancels every route of the channel that has not ended. Returns how many, and the keys of those that are open."""
    until, up_to = bounds_of_now(database, None)
    matching = CancelFilter(until=until, up_to=up_to)
    marked = mark_for_cancelling(database, channel, matching, "ann", after=None, limit=limit)
    reopened = reopen_for_cancelling(database, channel, matching, "ann", after=None, limit=limit)
    return marked.count + reopened.count, [*marked.open, *reopened.open]


def begun(database: Database, route: int) -> None:
    """Makes the route one whose attempt was begun and given back."""
    change(database, [route], f"stream = '{EMAIL.stream}', updated_at = now()")


def test_a_route_that_was_never_attempted_is_cancelled_at_once(database: Database, redis_client: redis.Redis) -> None:
    """No command can follow: it takes no Redis, and the route says who cancelled it and when."""
    [route] = due_routes(database, 1)

    assert cancel(database) == (1, [])

    row = one_route(database, route)
    assert (row["status"], row["next_attempt_at"], row["cancelled_by"]) == ("cancelled", None, "ann")
    assert row["cancel_requested_at"] == row["updated_at"]
    assert redis_client.keys() == []


def test_a_marked_route_is_not_claimed(database: Database) -> None:
    """Neither a scan nor a message leases a route that is to be cancelled; its neighbours are not disturbed."""
    marked, other = due_routes(database, 2)
    begun(database, marked)
    until, up_to = bounds_of_now(database, None)
    matching = CancelFilter(until=until, up_to=up_to, route_id=one_route(database, marked)["route_id"])
    assert mark_for_cancelling(database, "email", matching, "ann", after=None, limit=9).open == [marked]

    assert claim_these(database, "email", [marked], lease_ttl=TTL).ids == []
    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == [other]


@pytest.mark.parametrize("paused", [False, True])
def test_a_marked_route_ends_cancelled(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, paused: bool
) -> None:
    """Free as it is, the next pass ends it and counts it: final, no command, no attempt, a tombstone."""
    [route] = due_routes(database, 1)
    begun(database, route)
    if paused:
        pause(database, "email", "ann", "mail server moves")
    assert cancel(database) == (1, [route])
    assert one_route(database, route)["status"] == "pending"
    telemetry = Telemetry()

    with logged() as events:
        assert publisher(database, streams, telemetry=telemetry).end_routes("email") is False

    row = one_route(database, route)
    assert (row["status"], row["next_attempt_at"], row["lease_token"], row["attempt_count"]) == (
        *("cancelled", None, None, 0),
    )
    assert commands(redis_client) == {}
    assert redis_client.hget(witness_of(database, route), "ended") == b"expired"
    assert [event["event"] for event in events] == ["route cancelled"]
    assert counters(telemetry) == {("routes_cancelled_total", "email", "game.turn.ready"): 1}


def test_an_attempt_under_way_ends_as_it_ends(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A route that is cancelled while a worker has it in its hands is published: too late, and it says so."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams, channels=paused_while(lambda: cancel(database)))

    assert worker.publish_due("email").published == 1
    assert worker.end_routes("email") is False

    row = one_route(database, route)
    assert (row["status"], row["cancelled_by"]) == ("published", "ann")
    assert len(commands(redis_client)) == 1


def _refused_while(happens: Callable[[], object]) -> Callable[..., None]:
    def encode(notification: object, route: object) -> None:
        happens()
        refuse(notification, route)  # type: ignore[arg-type]

    return encode


@pytest.mark.parametrize("last", [False, True], ids=["attempts left", "the last attempt"])
def test_an_attempt_that_fails_meanwhile_is_the_last(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, last: bool
) -> None:
    """The attempt ends without a command: the route is cancelled then, and never a dead letter."""
    [route] = due_routes(database, 1)
    if last:
        last_attempt(database, [route])
    channels = with_encoder(_refused_while(lambda: cancel(database)))  # type: ignore[arg-type]

    publisher(database, streams, channels=channels).publish_due("email")
    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "cancelled"
    assert rows(database, "SELECT * FROM dead_letters") == []
    assert commands(redis_client) == {}


def test_a_late_append_of_a_cancelled_route_writes_nothing(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker is paused, its lease runs out, the route is cancelled: what it appends then never stands (R12)."""
    [route] = due_routes(database, 1)

    def is_cancelled() -> None:
        expire_leases(database)
        cancel(database)
        publisher(database, streams).end_routes("email")
        assert one_route(database, route)["status"] == "cancelled"

    late = publisher(database, streams, channels=paused_while(is_cancelled))

    report = late.publish_due("email")

    assert (report.published, report.rescheduled, report.dead_lettered) == (0, [], [])
    assert one_route(database, route)["status"] == "cancelled"
    assert commands(redis_client) == {}


def test_a_command_that_stands_came_before(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker died between append and record: the route is published, not cancelled (R6)."""
    [route] = due_routes(database, 1)
    interrupted = InterruptedStreams(redis_client, lambda: change(database, [route], "lease_token = 'another'"))
    publisher(database, interrupted).publish_due("email")
    expire_leases(database)
    assert cancel(database) == (1, [route])

    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "published"
    assert len(commands(redis_client)) == 1


def test_what_redis_cannot_say_is_not_decided(database: Database) -> None:
    """While Redis is away no attempted route is cancelled: its command might stand there. The mark stays."""
    [route] = due_routes(database, 1)
    begun(database, route)
    cancel(database)

    with (
        open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere,
        pytest.raises(RedisUnavailable),
    ):
        publisher(database, OutboundStreams(StreamServers(nowhere), timedelta(hours=1))).end_routes("email")

    row = one_route(database, route)
    assert (row["status"], row["lease_token"], row["cancelled_by"]) == ("pending", None, "ann")


@pytest.mark.parametrize("stands", [False, True], ids=["no command", "its command stands"])
def test_a_dead_letter_is_cancelled(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, stands: bool
) -> None:
    """It is open again, and marked, until its command is known not to stand; its dead letter waits no more."""
    [route] = due_routes(database, 1)
    die(database, streams, route)
    if stands:
        redis_client.delete(witness_of(database, route))
        redis_client.set(witness_of(database, route), "1795540000000-0")

    assert cancel(database) == (1, [route])
    assert claim_due(database, "email", limit=10, lease_ttl=TTL).ids == []
    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == ("published" if stands else "cancelled")
    [letter] = rows(database, "SELECT discarded_by, requeued_by FROM dead_letters")
    assert (letter["discarded_by"], letter["requeued_by"]) == ("ann", None)


def test_what_is_sent_again_is_no_longer_cancelled(database: Database, streams: OutboundStreams) -> None:
    """An operator who republishes or requeues a route wants it sent: the mark of an earlier cancellation is gone."""
    published, dead = due_routes(database, 2)
    marked = ", cancel_requested_at = now(), cancelled_by = 'ann'"
    die(database, streams, dead)
    change(database, [dead], marked.removeprefix(", "))
    change(database, [published], FINAL["published"] + ", lease_token = NULL, lease_expires_at = NULL" + marked)
    change(database, [published], "published_at = published_at - interval '1 second'")

    republish(database, "email", PublishedFilter(until=window_end(database, None)), after=None, limit=9)
    requeue(database, [row["id"] for row in rows(database, "SELECT id FROM dead_letters")], "bob")

    assert {one_route(database, route)["cancelled_by"] for route in (published, dead)} == {None}


def test_a_lost_command_that_was_to_be_cancelled_does_not_go_out_again(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The cancellation came too late, and its answer stands. Nothing is appended after it: the route is cancelled."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams, channels=paused_while(lambda: cancel(database)))
    worker.publish_due("email")
    redis_client.flushdb()
    row = one_route(database, route)
    lost = PublishedRoute(route, "", 0, row["stream_entry_id"], row["published_at"], EMAIL.stream, True)

    assert return_lost(database, [lost], window=timedelta(hours=1)) == {route}
    assert publisher(database, streams).publish_due("email").published == 0
    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "cancelled"
    assert not commands(redis_client)


def test_a_route_that_the_audit_brought_back_has_a_tombstone(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It has no stream, and yet a worker may hold it from before: it is cancelled with a tombstone, and not at once."""
    [route] = due_routes(database, 1)
    change(database, [route], "updated_at = created_at + interval '1 second'")

    assert cancel(database) == (1, [route])
    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "cancelled"
    assert redis_client.hget(witness_of(database, route), "ended") == b"expired"


def test_every_channel_is_known(database: Database) -> None:
    """Push routes are cancelled like those of email."""
    due_routes(database, 3, "push")

    assert CHANNELS.keys() >= {"push"}
    assert cancel(database, "push") == (3, [])
