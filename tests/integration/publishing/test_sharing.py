"""Publishing by shares: lanes and fair shares from the claim to the stream (R29, R31)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.rate_limit import RateLimit
from publisher.publishing.claimer import Claimer
from publisher.publishing.policy import Policy
from publisher.publishing.publisher import Publisher
from publisher.publishing.sharing import BulkRoom, Sharing
from publisher.streams.outbound import OutboundStreams
from storage.claiming import due_groups
from storage.database import Database
from storage.holds import HoldCriteria, add_hold
from tests.factories import CHANNELS
from tests.integration.buckets import fill
from tests.integration.publishers import BACKOFF, publisher
from tests.integration.publishing.draining import drain, due, published
from tests.integration.rows import change, execute, rows

# So slow that no token comes while a test runs.
SLOW = RateLimit(0.001, 100)


def test_urgent_routes_overtake_bulk(database: Database, streams: OutboundStreams) -> None:
    """They go with the next claim, however many bulk routes have waited for longer (R31)."""
    due(database, 50, lane="bulk")
    execute(database, "UPDATE routes SET next_attempt_at = next_attempt_at - interval '1 hour'")
    due(database, 5, lane="urgent")

    publisher(database, streams, batch_size=10).publish_due("email")

    assert published(database, "lane") == {"urgent": 5, "bulk": 5}


def test_no_lane_starves(database: Database, streams: OutboundStreams) -> None:
    """While all lanes have more due, each has its part of the routes, also where a claim takes one (R31)."""
    for lane in ("urgent", "normal", "bulk"):
        due(database, 30, lane=lane)
    by = publisher(database, streams, batch_size=1)

    for _ in range(24):
        by.publish_due("email")

    assert published(database, "lane") == {"urgent": 16, "normal": 6, "bulk": 2}


def test_once_the_lanes_are_empty_what_is_due_longest_goes(database: Database, streams: OutboundStreams) -> None:
    """A worker that has claimed by shares finds the plain way back by itself."""
    due(database, 2, lane="urgent")
    by = publisher(database, streams)
    drain(by)
    due(database, 3, lane="normal")

    drain(by)

    assert published(database, "lane") == {"urgent": 2, "normal": 3}


def limited(database: Database, streams: OutboundStreams, **options: Any) -> Publisher:
    """A publisher whose email channel has a rate limit by its settings."""
    return publisher(database, streams, channels={"email": replace(CHANNELS["email"], rate=SLOW)}, **options)


def test_a_big_producer_delays_a_small_one_by_its_share(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Under a limit ten routes of one producer go with ten of another that has many more due (R31)."""
    due(database, 300, producer="big")
    execute(database, "UPDATE routes SET next_attempt_at = next_attempt_at - interval '1 hour'")
    due(database, 10, producer="small")
    by = limited(database, streams)
    fill(redis_client, 12.0)

    by.publish_due("email")
    assert published(database) == {"big": 6, "small": 6}

    fill(redis_client, 20.0)
    by.publish_due("email")
    assert published(database) == {"big": 22, "small": 10}


def test_producers_take_turns_for_a_single_token(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Where each look finds one token, none of three producers gets two more than another (R31)."""
    for producer in "abc":
        due(database, 20, producer=producer)
    by = limited(database, streams)

    for _ in range(12):
        fill(redis_client, 1.0)
        by.publish_due("email")

    assert published(database) == {"a": 4, "b": 4, "c": 4}


def test_a_route_that_becomes_due_before_the_place_is_found(database: Database, streams: OutboundStreams) -> None:
    """A worker claims behind its last claim, and looks at the beginning before it says that nothing is left (R4)."""
    ids = due(database, 6, lane="bulk")
    change(database, ids[:1], "lease_token = 'other', lease_expires_at = now() + interval '1 minute'")
    by = publisher(database, streams, batch_size=2)
    by.publish_due("email")
    change(database, ids[:1], "lease_token = NULL, lease_expires_at = NULL")

    drain(by)

    assert published(database).total() == 6


def test_one_batch_of_bulk_at_a_time(database: Database) -> None:
    """While one is in progress, a thread of the same process claims what else is due, and leaves room (R31)."""
    sharing = Sharing(database, Policy(timedelta(seconds=30), 10, BACKOFF))
    due(database, 50, lane="bulk")

    def claim() -> Any:
        return sharing.claim(CHANNELS["email"], 10, hoped=False, through_parking=False)

    first = claim()
    due(database, 2, lane="urgent")
    second = claim()
    # The second claim took all that it could of its group, so one more look is taken at what stands before.
    third, fourth = claim(), claim()

    assert [len(batch.claim.routes) for batch in (first, second, third, fourth)] == [10, 2, 0, 0]
    assert (first.is_followed_at_once, second.is_followed_at_once) == (False, True)
    assert (fourth.claim.more, first.leave_room()) == (False, True)
    assert len(claim().claim.routes) == 10


def test_a_claim_behind_a_place_looks_for_lanes_once_a_second(database: Database) -> None:
    """In between it takes what is due longest (R31)."""
    clock = [10.0]
    claimer = Claimer(database, Policy(timedelta(seconds=30), 1, BACKOFF), lambda: clock[0])
    normal = due(database, 4)
    behind = claimer.due(CHANNELS["email"], None).claim.last
    assert claimer.due(CHANNELS["email"], behind).claim.ids == normal[1:2]

    urgent = due(database, 2, lane="urgent")

    assert claimer.due(CHANNELS["email"], behind).claim.ids == normal[2:3]
    clock[0] = 11.0
    assert claimer.due(CHANNELS["email"], behind).claim.ids == urgent[:1]


def test_the_room_tells_who_was_turned_away() -> None:
    """Whoever leaves it knows that another claim has left bulk routes for it."""
    room = BulkRoom()

    assert room.enter()
    assert room.leave() is False
    assert room.enter()
    assert not room.enter()
    assert room.leave() is True
    assert room.enter()
    assert room.leave() is False


def test_the_next_scan_follows_a_bulk_batch(database: Database, streams: OutboundStreams) -> None:
    """It is asked for when the batch is done, and not beside it."""
    due(database, 5, lane="bulk")
    seen: list[int] = []

    publisher(database, streams, batch_size=2).publish_due(
        "email", on_more=lambda: seen.append(published(database).total())
    )

    assert seen == [2]


@pytest.mark.parametrize("lane", ["urgent", "normal"])
def test_the_next_scan_of_other_lanes_begins_beside_the_batch(
    database: Database, streams: OutboundStreams, lane: str
) -> None:
    """As without lanes: several threads drain a channel."""
    due(database, 5, lane=lane)
    due(database, 1, lane="urgent")
    add_hold(database, HoldCriteria(producer="nobody"), "so that shares are used", "ann")
    seen: list[int] = []

    publisher(database, streams, batch_size=2).publish_due(
        "email", on_more=lambda: seen.append(published(database).total())
    )

    assert seen == [0]


def many_groups(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twelve groups with one route each, where a walk ends after five. Returns their producers as they are walked."""
    monkeypatch.setattr(due_groups, "_DUE_GROUPS", due_groups._DUE_GROUPS.replace("2000", "5"))
    for n in range(12):
        due(database, 1, producer=f"p{n}", lane="bulk")
    return [row["producer"] for row in rows(database, "SELECT producer FROM routes ORDER BY group_key")]


def test_groups_that_are_not_due_yet_keep_no_other_waiting(
    database: Database, streams: OutboundStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that ends among them is followed by another one at once, until a due group is found (R31)."""
    *_, last = many_groups(database, monkeypatch)
    execute(database, "UPDATE routes SET next_attempt_at = now() + interval '1 hour' WHERE producer <> %s", last)

    drain(publisher(database, streams), batches=10)

    assert published(database) == {last: 1}


def test_where_all_is_held_no_look_follows_for_ever(
    database: Database, streams: OutboundStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once all groups were seen, everything waits for the next scan (R29)."""
    many_groups(database, monkeypatch)
    add_hold(database, HoldCriteria(channel="email"), "a wrong price", "ann")
    by = publisher(database, streams)

    looks = [by.publish_due("email").more for _ in range(6)]

    # Three looks of five groups see all twelve.
    assert looks == [True, True, False, True, True, False]
