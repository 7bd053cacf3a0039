"""A channel whose stream was renamed sends nothing twice: a command on the old stream is done (R12, R15)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.domain.channel import Channel
from publisher.domain.circuit import Probing
from publisher.domain.errors import DatabaseUnavailable
from publisher.publishing.publisher import Publisher
from publisher.streams.append_result import AppendResult
from publisher.streams.keys import witness_key
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from storage.republishing import PublishedFilter, republish, window_end
from tests.integration.publishers import publisher
from tests.integration.rows import all_routes, change, due_routes, expire_leases, make_due, one_route

OLD, NEW = EMAIL, replace(EMAIL, stream="mail:commands-2")
HOUR = timedelta(hours=1)


class KilledStreams(OutboundStreams):
    """The worker dies once its commands stand on the stream, and before any of it is recorded."""

    def append(
        self, channel: Channel, deliveries: Sequence[Delivery], *args: Any, **options: Any
    ) -> list[AppendResult]:
        super().append(channel, deliveries, *args, **options)
        raise KeyboardInterrupt


def worker(database: Database, streams: OutboundStreams, channel: Channel, **options: object) -> Publisher:
    """A worker of a deploy in which the channel's stream has this name."""
    return publisher(database, streams, channels={"email": channel}, **options)


def die_after_append(database: Database, client: redis.Redis, channel: Channel) -> None:
    """A worker appends what is due and is killed; its lease runs out."""
    doomed = worker(database, KilledStreams(StreamServers(client), HOUR), channel)
    # SIGKILL gives nothing back.
    doomed._recorder.release = lambda _batch: None  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        doomed.publish_due("email")
    expire_leases(database)


def lengths(client: redis.Redis) -> tuple[int, int]:
    """How many commands stand on the old stream and on the new one."""
    return client.xlen(OLD.stream), client.xlen(NEW.stream)


def test_what_was_appended_before_a_rename_is_not_appended_again(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker is killed between append and record, and the next deploy renames the stream: the command that stands is
    found, recorded as published, and none is added (R12)."""
    ids = due_routes(database, 3)
    die_after_append(database, redis_client, OLD)
    late = due_routes(database, 2)

    while worker(database, streams, NEW).publish_due("email").published:
        pass

    assert lengths(redis_client) == (3, 2)
    entries = [entry.decode() for entry, _ in redis_client.xrange(OLD.stream)]
    routes = all_routes(database)
    assert [r["status"] for r in routes] == ["published"] * 5
    assert [(r["stream"], r["stream_entry_id"]) for r in routes if r["id"] in ids] == [
        (OLD.stream, entry) for entry in entries
    ]
    assert {r["stream"] for r in routes if r["id"] in late} == {NEW.stream}


def test_two_names_in_an_overlap_send_nothing_twice(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """While a deploy overlaps, workers of both names take over from each other, killed each time: one command (R15)."""
    due_routes(database, 4)
    for channel in (OLD, NEW, OLD):
        die_after_append(database, redis_client, channel)

    while worker(database, streams, NEW).publish_due("email").published:
        pass

    assert sum(lengths(redis_client)) == 4
    assert {r["status"] for r in all_routes(database)} == {"published"}


def test_what_does_not_stand_on_the_old_stream_goes_to_the_new_one(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A route that was claimed under the old name, and never appended, is published on the new one and kept so."""
    [id_] = due_routes(database, 1)
    worker(database, streams, OLD, stopping=iter([False, True]).__next__).publish_due("email")
    assert one_route(database, id_)["stream"] == OLD.stream

    worker(database, streams, NEW).publish_due("email")

    assert lengths(redis_client) == (0, 1)
    assert one_route(database, id_)["stream"] == NEW.stream


def test_a_second_kill_after_the_move_finds_the_command_on_the_new_stream(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Moved to the new stream and killed there, a route is looked for there, whatever the stream is called next."""
    due_routes(database, 1)
    worker(database, streams, OLD, stopping=iter([False, True]).__next__).publish_due("email")
    die_after_append(database, redis_client, NEW)

    worker(database, streams, OLD).publish_due("email")

    assert lengths(redis_client) == (0, 1)


def test_redis_away_at_that_look_is_redis_away(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """With Redis unreachable the attempt fails as an append would, the old stream is remembered, and nothing is sent
    twice once Redis is back (R7, R12)."""
    [id_] = due_routes(database, 1)
    die_after_append(database, redis_client, OLD)
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        worker(database, OutboundStreams(StreamServers(nowhere), HOUR), NEW).publish_due("email")
    failed = one_route(database, id_)
    assert (failed["status"], failed["last_failure_classification"]) == ("failed", "mail_stream_publish_failed")
    assert failed["stream"] == OLD.stream
    make_due(database)

    worker(database, streams, NEW).publish_due("email")

    assert lengths(redis_client) == (1, 0)
    assert one_route(database, id_)["status"] == "published"


def test_a_probe_that_cannot_look_counts_nothing(database: Database, redis_client: redis.Redis) -> None:
    """A parked channel's probe that cannot look at the old stream costs its routes no attempt."""
    [id_] = due_routes(database, 1)
    die_after_append(database, redis_client, OLD)
    with open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as nowhere:
        probing = worker(
            database, OutboundStreams(StreamServers(nowhere), HOUR), NEW, probing=Probing(1, first=timedelta(0))
        )
        probing.publish_due("email")
        make_due(database)
        before = one_route(database, id_)["attempt_count"]
        probing.publish_due("email")

    assert one_route(database, id_)["attempt_count"] == before


def test_a_route_that_someone_else_took_meanwhile_is_not_appended(
    database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose lease was taken while it looked at the old stream appends nothing (R8)."""
    taken, mine = due_routes(database, 2)
    streams = OutboundStreams(StreamServers(redis_client), HOUR)
    worker(database, streams, OLD, stopping=iter([False, True]).__next__).publish_due("email")
    look = streams.leave

    def then_taken(deliveries: Sequence[tuple[str, str, int]], at: int) -> list[str | None]:
        change(database, [taken], "lease_token = 'someone else'")
        return look(deliveries, at)

    monkeypatch.setattr(streams, "leave", then_taken)
    worker(database, streams, NEW).publish_due("email")

    assert redis_client.xlen(NEW.stream) == 1
    assert [one_route(database, id_)["status"] for id_ in (taken, mine)] == ["pending", "published"]


def test_a_database_away_at_the_move_appends_nothing(
    database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be kept that the command goes to the new stream, it does not go there."""
    due_routes(database, 1)
    streams = OutboundStreams(StreamServers(redis_client), HOUR)
    worker(database, streams, OLD, stopping=iter([False, True]).__next__).publish_due("email")

    def away(*_: object) -> set[int]:
        raise DatabaseUnavailable("PostgreSQL is not available")

    monkeypatch.setattr("storage.claiming.leases.move_to_stream", away)
    with pytest.raises(DatabaseUnavailable):
        worker(database, streams, NEW).publish_due("email")

    assert lengths(redis_client) == (0, 0)


def test_a_route_past_its_deadline_whose_command_stands_on_the_old_stream_is_published(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Sent in time and not recorded, then renamed, then too late: it was sent, and says so."""
    [id_] = due_routes(database, 1)
    die_after_append(database, redis_client, OLD)
    change(database, [id_], "expires_at = now() - interval '1 second'")

    worker(database, streams, NEW).end_routes("email")

    assert one_route(database, id_)["status"] == "published"
    assert lengths(redis_client) == (1, 0)


def test_a_replay_goes_to_the_new_stream(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """What an operator has published again goes where the channel publishes now, though its first command stands."""
    [id_] = due_routes(database, 1)
    worker(database, streams, OLD).publish_due("email")
    change(database, [id_], "published_at = published_at - interval '1 second'")
    republish(database, "email", PublishedFilter(until=window_end(database, None)), after=None, limit=10)
    assert (one_route(database, id_)["stream"], one_route(database, id_)["witness_until"]) == (None, None)

    worker(database, streams, NEW).publish_due("email")

    assert lengths(redis_client) == (1, 1)


def test_a_witness_that_was_found_lives_for_another_window(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The witness on the old stream is renewed by the look, so that it lives as long as the route says (R12a)."""
    [id_] = due_routes(database, 1)
    die_after_append(database, redis_client, OLD)
    route = one_route(database, id_)
    key = witness_key(OLD.stream, f"{route['notification_id']}/{route['route_id']}")
    redis_client.pexpire(key, 60_000)

    worker(database, streams, NEW).publish_due("email")

    assert redis_client.pttl(key) > 3_500_000


def test_nothing_is_looked_for_where_no_stream_was_renamed(
    database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that keeps its stream pays for none of this: retried routes are looked for by their append alone."""
    due_routes(database, 2)
    die_after_append(database, redis_client, OLD)
    streams = OutboundStreams(StreamServers(redis_client), HOUR)
    monkeypatch.setattr(streams, "leave", None)

    assert worker(database, streams, OLD).publish_due("email").published == 2
    assert lengths(redis_client) == (2, 0)
