"""What happened between two looks: the rates of `status --watch`."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from publisher.domain.attempt import LEASE_EXPIRED, DeadLettered, Failure, Published, Rescheduled
from publisher.domain.notification import Route
from storage.claiming.claims import Claim, claim_due
from storage.counts.rates import WINDOW, Happened, Mark, before, happened_between, mark
from storage.database import Database
from storage.outcomes.outcomes import complete
from tests.integration.rows import due_routes, execute

CHANNELS = ["email", "push"]
REFUSED = Failure.of("mail_stream_publish_failed", "Redis refused: OOM")


def claimed(database: Database, count: int, channel: str = "email") -> tuple[Claim, list[Route]]:
    due_routes(database, count, channel)
    claim = claim_due(database, channel, limit=count, lease_ttl=timedelta(seconds=30))
    return claim, [c.route for c in claim.routes]


def publish(database: Database, count: int, channel: str = "email") -> None:
    claim, routes = claimed(database, count, channel)
    assert len(complete(database, claim.token, [Published(r, "1-1") for r in routes])) == count


def retry(database: Database, count: int) -> None:
    claim, routes = claimed(database, count)
    failed = [Rescheduled(r, REFUSED, 1, timedelta(hours=1)) for r in routes]
    assert len(complete(database, claim.token, failed)) == count


def bury(database: Database, count: int, failure: Failure = REFUSED, attempts: int = 16) -> None:
    claim, routes = claimed(database, count)
    doomed = [DeadLettered(r, failure, attempts) for r in routes]
    assert len(complete(database, claim.token, doomed)) == count


def settled(database: Database) -> Mark:
    """The mark of now, up to this very moment: what a test did counts at once."""
    now = mark(database)
    return replace(now, until=now.at)


def test_everything_that_happens_is_counted_by_channel(database: Database) -> None:
    """Routes published, failed with another attempt before them, and given up, since the first mark."""
    start = settled(database)
    publish(database, 3)
    publish(database, 2, "push")
    retry(database, 4)
    bury(database, 1)

    assert happened_between(database, start, settled(database), CHANNELS) == {
        "email": Happened(published=3, retried=4, dead_lettered=1),
        "push": Happened(published=2),
    }


def test_nothing_is_counted_twice_or_left_out(database: Database) -> None:
    """What one look has counted the next does not; together they have counted everything."""
    marks = [settled(database)]
    for count in (1, 2, 3):
        publish(database, count)
        retry(database, count)
        bury(database, count)
        marks.append(settled(database))

    looks = [happened_between(database, first, last, CHANNELS) for first, last in pairwise(marks)]

    assert looks == [{"email": Happened(n, n, n)} for n in (1, 2, 3)]


def test_a_lost_lease_is_no_retry(database: Database) -> None:
    """A route given up for the workers it lost (R5a) is a dead letter, though it had attempts left."""
    start = settled(database)
    bury(database, 1, Failure.of(LEASE_EXPIRED, "five workers were lost"), attempts=0)

    assert happened_between(database, start, settled(database), CHANNELS) == {"email": Happened(dead_lettered=1)}


def test_a_look_leaves_the_last_moment_to_the_next(database: Database) -> None:
    """A statement's rows are seen at its end, and bear the instant of its beginning: half a second is for settling."""
    now = mark(database)

    assert now.at - now.until == timedelta(milliseconds=500)
    assert now.at.microsecond % 1000 == 0


def test_a_first_look_counts_a_short_window(database: Database) -> None:
    """With no look before it, the last seconds count, and nothing older."""
    for seconds, count in ((2, 1), (WINDOW.total_seconds() + 60, 2)):
        publish(database, count)
        retry(database, count)
        bury(database, count)
        old = f"'1 second'::interval * {seconds}"
        execute(database, f"UPDATE routes SET published_at = now() - {old} WHERE published_at > now() - interval '1 s'")
        execute(
            database, f"UPDATE route_failures SET failed_at = now() - {old} WHERE failed_at > now() - interval '1 s'"
        )
        execute(
            database,
            f"UPDATE dead_letters SET dead_lettered_at = now() - {old} WHERE dead_lettered_at > now() - interval '1 s'",
        )
    now = mark(database)

    assert happened_between(database, before(now), now, CHANNELS) == {"email": Happened(1, 1, 1)}


def test_a_failure_that_came_late_is_counted(database: Database) -> None:
    """A transaction that began first and ended last has a smaller id than what the last look saw: it counts."""
    retry(database, 1)
    start = settled(database)
    execute(database, "UPDATE route_failures SET failed_at = clock_timestamp() + interval '1 ms'")
    end = replace(start, until=start.until + timedelta(seconds=5))

    assert happened_between(database, start, end, CHANNELS) == {"email": Happened(retried=1)}


@pytest.mark.parametrize("channels", [[], ["nothing"]])
def test_an_empty_system_is_still(database: Database, channels: list[str]) -> None:
    """Where nothing ever happened, nothing happened now."""
    now = mark(database)

    assert happened_between(database, before(now), now, channels) == {}
