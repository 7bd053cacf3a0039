"""A late append, by a worker that was paused between its claim and its append: its route has ended, nothing follows.

A route that expires or becomes a dead letter leaves a tombstone in the place of its witness (R12).
"""

import pytest
import redis

from publisher.process.telemetry import Telemetry
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, dead_letter_ids, requeue
from tests.integration.publishers import commands, counters, publisher
from tests.integration.publishing.tombstones import (
    EMAIL,
    PASSED,
    die,
    last_attempt,
    paused_while,
    refuse,
    with_encoder,
    witness_of,
)
from tests.integration.rows import change, due_routes, expire_leases, make_due, one_route, rows


def test_a_late_append_of_an_expired_route_writes_nothing(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker is paused, its lease and the deadline pass, the route expires: what it appends then never stands."""
    [route] = due_routes(database, 1)

    def deadline_passes() -> None:
        expire_leases(database)
        change(database, [route], PASSED)
        publisher(database, streams).end_routes("email")

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
    publisher(database, streams).end_routes("email")
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


def test_the_witness_that_a_deadline_finds_is_renewed(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A command found standing past the deadline stays known for another window, so that the audit finds it (R12a)."""
    [route] = due_routes(database, 1)
    key = witness_of(database, route)
    redis_client.set(key, "1795540000000-0", px=60_000)
    change(database, [route], PASSED)

    publisher(database, streams).end_routes("email")

    assert one_route(database, route)["status"] == "published"
    assert redis_client.pttl(key) > 3_500_000


def test_a_dead_letter_by_lost_leases_leaves_a_tombstone(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Its workers may only have been paused: the fifth that comes back appends nothing (R5a)."""
    [route] = due_routes(database, 1)
    change(database, [route], "lease_loss_count = 5")

    publisher(database, streams).publish_due("email")

    assert one_route(database, route)["status"] == "dead_letter"
    assert redis_client.hget(witness_of(database, route), "ended") == b"dead:0"
