"""Attempts that fail: why, how long until the next, and the last one (R3, R5a, R7, R9, R11)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from publisher.channels.email import EMAIL, encode
from publisher.domain.backoff import Backoff
from publisher.domain.channel import Channel, Command
from publisher.domain.notification import Notification, Route
from publisher.streams.keys import witness_key
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import BACKOFF, commands, publisher
from tests.integration.rows import all_routes, change, due_routes, expire_leases, make_due, one_route, rows

SECOND = timedelta(seconds=1)
STREAM_FAILURES = [("email", "mail_stream_publish_failed"), ("push", "gateway_stream_publish_failed")]


def channel(encoder: Callable[[Notification, Route], Command] = encode, **fields: object) -> dict[str, Channel]:
    """The email channel alone, with another encoder or policy."""
    return {"email": replace(EMAIL, encode=encoder, **fields)}


@pytest.mark.parametrize(("name", "classification"), STREAM_FAILURES)
def test_a_stream_that_refuses_fails_the_attempt(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, name: str, classification: str
) -> None:
    """Where the stream's key is no stream, the attempt failed with the channel's own classification (R7)."""
    [route] = due_routes(database, 1, name)
    redis_client.set(CHANNELS[name].stream, "no stream")

    report = publisher(database, streams).publish_due(name)

    row = one_route(database, route)
    assert (row["status"], row["attempt_count"], row["lease_token"]) == ("failed", 1, None)
    assert row["last_failure_classification"] == classification
    assert row["last_failure_message"].startswith("Redis refused: WRONGTYPE")
    assert (report.published, report.rescheduled) == (0, [(route, SECOND)])


@pytest.mark.parametrize(("name", "classification"), STREAM_FAILURES)
def test_a_redis_that_is_away_fails_the_attempt(database: Database, name: str, classification: str) -> None:
    """Where Redis cannot be reached, each attempt failed with the channel's own classification (R7)."""
    due_routes(database, 2, name)
    with open_redis("redis://127.0.0.1:1/0", timeout=SECOND, client_name="test") as away:
        publisher(database, OutboundStreams(StreamServers(away), timedelta(hours=1))).publish_due(name)

    for row in all_routes(database):
        assert (row["status"], row["attempt_count"]) == ("failed", 1)
        assert row["last_failure_classification"] == classification
        assert row["last_failure_message"].startswith("Redis is not available")


def test_a_route_that_makes_no_command_fails(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """An address that no mail can go to fails its attempt as payload_encoding_failed, and appends nothing (R7, R23)."""
    [route] = due_routes(database, 1)
    change(database, [route], "resolved_email = 'no address'")

    publisher(database, streams).publish_due("email")

    row = one_route(database, route)
    assert (row["status"], row["attempt_count"]) == ("failed", 1)
    assert row["last_failure_classification"] == "payload_encoding_failed"
    assert "exactly one @" in row["last_failure_message"]
    assert commands(redis_client) == {}


def test_a_broken_encoder_fails_its_route(database: Database, streams: OutboundStreams) -> None:
    """Whatever a third party's encoder raises is an encoding failure, its text cut to what can be kept (R7, R24)."""
    [route] = due_routes(database, 1)

    def broken(notification: Notification, route: Route) -> Command:
        raise ZeroDivisionError(" \0 \ud83c" + "x" * 3000)

    publisher(database, streams, channels=channel(broken)).publish_due("email")

    row = one_route(database, route)
    assert row["last_failure_classification"] == "payload_encoding_failed"
    assert row["last_failure_message"].startswith("the email encoder raised ZeroDivisionError:")
    assert len(row["last_failure_message"]) == 2000


@pytest.mark.parametrize("fields", [(), (("", ""),) * 20_000, (("text", "x" * 1_100_000),), (("text", "\ud83c"),)])
def test_one_bad_route_never_stops_its_batch(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, fields: tuple[tuple[str, str], ...]
) -> None:
    """A command with no fields, far too many, too large or no text fails alone: its neighbours are published (R11)."""
    first, bad, last = due_routes(database, 3)

    def some_are_odd(notification: Notification, route: Route) -> Command:
        return Command(fields) if route.id == bad else encode(notification, route)

    report = publisher(database, streams, channels=channel(some_are_odd)).publish_due("email")

    assert report.published == 2
    assert report.rescheduled == [(bad, SECOND)]
    assert [one_route(database, id_)["status"] for id_ in (first, bad, last)] == ["published", "failed", "published"]
    assert len(commands(redis_client)) == 2


@pytest.mark.stray_keys("plants a key of another type")
def test_each_route_of_a_batch_ends_in_its_own_way(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """In one batch some routes are published, some fail for reasons of their own, and some are given up (R11)."""
    good, unreachable, refused, worn_out = due_routes(database, 4)
    change(database, [unreachable, worn_out], "resolved_email = NULL")
    change(database, [worn_out], "attempt_count = 15, status = 'failed'")
    delivery_id = f"{one_route(database, refused)['notification_id']}/email:user:2"
    redis_client.lpush(witness_key(EMAIL.stream, delivery_id), "no witness")

    report = publisher(database, streams).publish_due("email")

    assert (report.published, report.dead_lettered) == (1, [worn_out])
    assert sorted(report.rescheduled) == [(unreachable, SECOND), (refused, SECOND)]
    assert [(row["id"], row["status"], row["last_failure_classification"]) for row in all_routes(database)] == [
        (good, "published", None),
        (unreachable, "failed", "payload_encoding_failed"),
        (refused, "failed", "mail_stream_publish_failed"),
        (worn_out, "dead_letter", "payload_encoding_failed"),
    ]


def test_attempts_back_off_until_the_dead_letter(database: Database, streams: OutboundStreams) -> None:
    """Each failed attempt doubles the wait up to the maximum, and the sixteenth is the last (R3, R9)."""
    [route] = due_routes(database, 1)
    change(database, [route], "resolved_email = NULL")
    worker = publisher(database, streams)

    waits = []
    while not (report := worker.publish_due("email")).dead_lettered:
        row = one_route(database, route)
        waits.append(row["next_attempt_at"] - row["last_failure_at"])
        assert report.rescheduled == [(route, waits[-1])]
        make_due(database)

    row = one_route(database, route)
    assert [wait.total_seconds() for wait in waits] == [*(2**n for n in range(11)), 1800, 1800, 1800, 1800]
    assert report.dead_lettered == [route]
    assert (row["status"], row["attempt_count"], row["next_attempt_at"]) == ("dead_letter", 16, None)
    assert rows(database, "SELECT attempt_count, classification FROM dead_letters") == [
        {"attempt_count": 16, "classification": "payload_encoding_failed"}
    ]
    assert not worker.publish_due("email").dead_lettered


def test_a_failed_route_is_published_once_the_cause_is_gone(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A retry that succeeds publishes the route and keeps the attempts it took (R3)."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams)
    redis_client.set(EMAIL.stream, "no stream")
    worker.publish_due("email")
    assert worker.publish_due("email").published == 0
    redis_client.delete(EMAIL.stream)
    make_due(database)

    assert worker.publish_due("email").published == 1

    row = one_route(database, route)
    assert (row["status"], row["attempt_count"]) == ("published", 1)
    assert len(commands(redis_client)) == 1


def test_a_channel_may_have_a_backoff_of_its_own(database: Database, streams: OutboundStreams) -> None:
    """A channel's own backoff goes before the service's (R24)."""
    [route] = due_routes(database, 1)
    change(database, [route], "resolved_email = NULL")
    own = Backoff(SECOND * 7, SECOND * 7)

    report = publisher(database, streams, channels=channel(backoff=own)).publish_due("email")

    assert report.rescheduled == [(route, SECOND * 7)]


def test_jitter_shortens_each_wait_by_its_own_roll(database: Database, streams: OutboundStreams) -> None:
    """With jitter, each route of a batch waits another part of the full delay (R9)."""
    first, second = due_routes(database, 2)
    change(database, [first, second], "resolved_email = NULL, attempt_count = 2")
    rolls = iter([0.25, 0.5])
    spread = replace(BACKOFF, jitter=True)

    report = publisher(database, streams, backoff=spread, roll=lambda: next(rolls)).publish_due("email")

    assert report.rescheduled == [(first, SECOND * 3), (second, SECOND * 2)]


def test_the_fifth_lost_lease_is_the_last(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A route whose workers died five times is given up as lease_expired, without an attempt or a command (R5a)."""
    [route] = due_routes(database, 1)
    change(
        database,
        [route],
        "lease_loss_count = 4, attempt_count = 2, status = 'failed',"
        " lease_token = 'dead', lease_expires_at = now() + interval '1 minute'",
    )
    expire_leases(database)

    report = publisher(database, streams).publish_due("email")

    row = one_route(database, route)
    assert report.dead_lettered == [route]
    assert (row["status"], row["attempt_count"], row["lease_loss_count"]) == ("dead_letter", 2, 0)
    assert row["last_failure_classification"] == "lease_expired"
    assert commands(redis_client) == {}


def test_the_fourth_lost_lease_is_not(database: Database, streams: OutboundStreams) -> None:
    """A route that lost four leases is attempted as any other (R5a)."""
    [route] = due_routes(database, 1)
    change(database, [route], "lease_loss_count = 4")

    assert publisher(database, streams).publish_due("email").published == 1

    assert one_route(database, route)["lease_loss_count"] == 0
