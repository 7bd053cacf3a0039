"""Counting routes at a cost that does not grow with the final ones."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from publisher.domain.answer import AnswerIs
from publisher.domain.attempt import DeadLettered, Failure
from publisher.domain.delivery_event import Fault
from publisher.domain.notification import RouteStatus
from storage.claiming.claims import claim_due
from storage.counts.counts import Count, OpenRoutes, final_routes, open_routes
from storage.counts.overview import count_routes
from storage.counts.rates import before, happened_between, mark
from storage.database import Database
from storage.dead_letters import requeue
from storage.holds import Held, HoldCriteria, add_hold, count_all_held, count_held, held_by_others, list_holds
from storage.outcomes.outcomes import complete
from storage.republishing import PublishedFilter, newest_published
from tests.factories import accepted
from tests.integration.rows import FINAL, change, due_routes, execute, rows

ENDS = {
    RouteStatus.PUBLISHED: FINAL["published"],
    RouteStatus.SKIPPED: FINAL["skipped"],
    RouteStatus.EXPIRED: FINAL["expired"],
    RouteStatus.CANCELLED: FINAL["cancelled"],
}
LEASE = timedelta(seconds=30)


def ended(database: Database, status: RouteStatus, count: int, channel: str = "email") -> list[int]:
    """So many routes of this final status."""
    ids = due_routes(database, count, channel)
    change(database, ids, ENDS[status])
    return ids


def bury(database: Database, count: int) -> None:
    """So many routes given up, as the service does it."""
    due_routes(database, count)
    claimed = claim_due(database, "email", limit=count, lease_ttl=LEASE)
    doomed = [DeadLettered(c.route, Failure.of("test", "test"), 1) for c in claimed.routes]
    assert len(complete(database, claimed.token, doomed)) == count


def test_nothing_is_counted_where_nothing_is(database: Database) -> None:
    """An empty table has no open and no final route, on no channel."""
    assert (open_routes(database), final_routes(database)) == ({}, {})


def test_open_routes_are_told_apart(database: Database) -> None:
    """Pending and failed, due, and in flight under a lease; a leased route is not due, nor is one whose time will come.

    An expired lease is free (R5): its route is due again.
    """
    ids = due_routes(database, 5)
    change(database, ids[1:3], "status = 'failed', attempt_count = 1")
    change(database, ids[2:3], "next_attempt_at = now() + interval '1 hour'")
    change(database, ids[3:4], "lease_token = 'x', lease_expires_at = now() + interval '1 hour'")
    change(database, ids[4:5], "lease_token = 'x', lease_expires_at = now() - interval '1 second'")

    counted = open_routes(database)["email"]

    assert counted == OpenRoutes(pending=3, failed=2, due=3, oldest_due=counted.oldest_due, in_flight=1)
    assert counted.oldest_due is not None
    assert timedelta(hours=1) - timedelta(seconds=5) < counted.oldest_due < timedelta(hours=1, minutes=1)


def test_a_channel_with_all_in_flight_has_nothing_due(database: Database) -> None:
    """With every route under a lease nothing waits, and there is no oldest."""
    due_routes(database, 3)
    claim_due(database, "email", limit=3, lease_ttl=LEASE)

    assert open_routes(database) == {"email": OpenRoutes(pending=3, in_flight=3)}


@pytest.mark.parametrize("status", ENDS)
def test_few_final_routes_are_counted_one_by_one(database: Database, status: RouteStatus) -> None:
    """Up to the bound a count is exact, also on a channel that nobody serves any more."""
    ended(database, status, 4)
    ended(database, status, 3, "push")
    change(database, ended(database, status, 2), "channel = 'sms'")

    counted = final_routes(database, bound=4)

    assert counted == {
        ("email", status): Count(4),
        ("push", status): Count(3),
        ("sms", status): Count(2),
    }


def test_dead_letters_are_counted_while_they_wait(database: Database) -> None:
    """A dead letter counts until it is taken back."""
    bury(database, 3)
    [taken] = rows(database, "SELECT min(id) AS id FROM dead_letters")
    assert final_routes(database) == {("email", RouteStatus.DEAD_LETTER): Count(3)}

    requeue(database, [taken["id"]], "ann")

    assert final_routes(database) == {("email", RouteStatus.DEAD_LETTER): Count(2)}


def test_many_final_routes_are_estimated(database: Database) -> None:
    """Above the bound the planner's figure is given, and marked, for each channel and status by itself.

    All skipped routes are email's here: their count is not shared out over the channels.
    """
    ended(database, RouteStatus.PUBLISHED, 600)
    ended(database, RouteStatus.PUBLISHED, 300, "push")
    ended(database, RouteStatus.SKIPPED, 200)
    execute(database, "ANALYZE routes")

    counted = final_routes(database, bound=100)

    assert counted == {
        ("email", RouteStatus.PUBLISHED): Count(600, estimated=True),
        ("push", RouteStatus.PUBLISHED): Count(300, estimated=True),
        ("email", RouteStatus.SKIPPED): Count(200, estimated=True),
    }


def test_an_estimate_is_never_below_what_was_counted(database: Database) -> None:
    """With statistics from when the table was empty a count is the bound at least."""
    execute(database, "ANALYZE routes")
    ended(database, RouteStatus.PUBLISHED, 50)

    counted = final_routes(database, bound=20)["email", RouteStatus.PUBLISHED]

    assert counted.estimated
    assert counted.value >= 20


def test_cheap_counts_and_the_exact_ones_agree(database: Database) -> None:
    """While there are few routes, the whole table says the same."""
    bury(database, 2)
    for n, status in enumerate(ENDS, start=3):
        ended(database, status, n)
    due_routes(database, 1)

    exact = count_routes(database)

    cheap = {key: count.value for key, count in final_routes(database).items()}
    opened = {("email", RouteStatus.PENDING): open_routes(database)["email"].pending}
    assert cheap | opened == exact


@pytest.fixture
def large(database: Database) -> Database:
    """A database with 10,000 published routes and their statistics, as many open ones, and a few of everything else."""
    accepted(database)
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at)"
        " SELECT notifications.id, 'push:user:x' || n, 'push', 'published', 1, 'user:x', now(), now(), now()"
        " - interval '1 day' FROM notifications, generate_series(1, 10000) AS n",
    )
    ended(database, RouteStatus.SKIPPED, 3)
    ended(database, RouteStatus.EXPIRED, 3)
    bury(database, 3)
    due_routes(database, 3)
    # A share that a planner which thinks of them as spread over the table would read the whole of it for.
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, next_attempt_at, producer, notification_type)"
        " SELECT max(notifications.id), 'push:user:y' || n, 'push', 'pending', 1, 'user:y', now(), now(),"
        " now() - random() * interval '1 h', 'p', 't' FROM notifications, generate_series(1, 10000) AS n GROUP BY n",
    )
    add_hold(database, HoldCriteria(producer="p", recipient_ref="user:y"), "look first", "ann")
    execute(database, "VACUUM ANALYZE routes")
    return database


def look(database: Database) -> None:
    now = mark(database)
    happened_between(database, before(now), now, ["email", "push"])


def count_by_producer(database: Database) -> None:
    assert count_held(database, HoldCriteria(producer="p")).count == 10_000


def count_by_others(database: Database) -> None:
    [hold] = list_holds(database)
    assert held_by_others(database, hold).free == 10_000


def count_all(database: Database) -> None:
    [(number, held)] = count_all_held(database).items()
    assert held == Held(10_000, is_bound=False)
    assert count_all_held(database, bound=100)[number].is_bound


@pytest.mark.parametrize(
    "read",
    [
        *(open_routes, lambda database: final_routes(database, bound=100), look),
        *(count_by_producer, count_by_others, count_all),
    ],
)
def test_no_count_reads_the_table(large: Database, read: Callable[[Database], object]) -> None:
    """However many final routes there are, each statement goes through an index."""
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'routes'"
    execute(large, "SELECT pg_stat_force_next_flush()")
    earlier = rows(large, scans)

    read(large)

    execute(large, "SELECT pg_stat_force_next_flush()")
    assert rows(large, scans) == earlier
    count_routes(large)
    execute(large, "SELECT pg_stat_force_next_flush()")
    assert rows(large, scans) != earlier, "the watch itself is blind"


def test_the_newest_answered_ill_are_found_without_the_others(large: Database) -> None:
    """However many routes are published, those with a fault are looked for among the answers other than success."""
    scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'routes_published'"
    execute(
        large, "UPDATE routes SET answer = 'failed', answered_at = now() WHERE mod(id, 10) = 0 AND channel = 'push'"
    )
    execute(large, "VACUUM ANALYZE routes")
    execute(large, "SELECT pg_stat_force_next_flush()")
    earlier = rows(large, scans)

    matching = PublishedFilter(until=datetime.now(UTC), answer=AnswerIs.FAILED, fault=Fault.CONTENT)
    assert newest_published(large, "push", matching, limit=10) == []

    execute(large, "SELECT pg_stat_force_next_flush()")
    assert rows(large, scans) == earlier


def test_the_newest_of_a_kind_that_nothing_has_are_looked_for_among_so_many(large: Database) -> None:
    """Where no published route matches, the list costs the same, however many are published."""
    read = "SELECT idx_tup_fetch FROM pg_stat_user_indexes WHERE indexrelname = 'routes_published'"
    until = datetime.now(UTC)
    execute(large, "SELECT pg_stat_force_next_flush()")
    [earlier] = rows(large, read)

    for matching in (PublishedFilter(notification_type="t"), PublishedFilter(answer=AnswerIs.DELIVERED)):
        assert newest_published(large, "push", replace(matching, until=until), limit=10, looked_through=50) == []

    execute(large, "SELECT pg_stat_force_next_flush()")
    [later] = rows(large, read)
    assert later["idx_tup_fetch"] - earlier["idx_tup_fetch"] == 2 * 50
