"""Tombstones while processes of the release before work beside new ones (R15): it knows none, and counts no requeue."""

import pytest
import redis

from publisher.streams.outbound import OutboundStreams
from storage.claiming.claims import claim_these
from storage.database import Database
from tests.integration.publishers import commands, publisher
from tests.integration.publishing.tombstones import EMAIL, PASSED, TTL, die, paused_while, witness_of
from tests.integration.rows import change, due_routes, expire_leases, make_due, one_route


def requeue_as_before(database: Database, route: int) -> None:
    """What the release before does to the route of a dead letter."""
    change(
        database,
        [route],
        "status = 'pending', attempt_count = 0, lease_loss_count = 0, dead_letter_id = NULL, dead_lettered_at = NULL,"
        " next_attempt_at = now()",
    )


def test_the_release_before_takes_no_tombstone_for_a_command(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It takes any text that GET finds for the entry id of a command, and would call a requeued route published."""
    expired, dead = due_routes(database, 2)
    change(database, [expired], PASSED)
    publisher(database, streams).end_routes("email")
    die(database, streams, dead)

    for route in (expired, dead):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            redis_client.get(witness_of(database, route))


def test_what_the_release_before_has_requeued_is_published(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It counts no requeue, so the tombstone of the last life seems to be of this one. No attempt is counted."""
    [route] = due_routes(database, 1)
    for _ in range(2):
        die(database, streams, route)
        requeue_as_before(database, route)
    by = publisher(database, streams)

    reports = [by.publish_due("email") for _ in range(2)]

    assert [report.published for report in reports] == [0, 1]
    assert one_route(database, route)["attempt_count"] == 0
    assert len(commands(redis_client)) == 1


def test_a_late_append_does_not_take_a_dead_letter_back(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker was paused while its route died, was requeued, and is with another: it counts nothing."""
    [route] = due_routes(database, 1)

    def dies_and_is_claimed() -> None:
        die(database, streams, route)
        requeue_as_before(database, route)
        claim_these(database, "email", [route], lease_ttl=TTL)

    late = publisher(database, streams, channels=paused_while(dies_and_is_claimed))

    report = late.publish_due("email")

    assert (report.published, one_route(database, route)["requeues"]) == (0, 0)
    assert commands(redis_client) == {}
    expire_leases(database)
    make_due(database)
    by = publisher(database, streams)
    assert [by.publish_due("email").published for _ in range(2)] == [0, 1]
    assert one_route(database, route)["stream"] == EMAIL.stream
