"""The failure history: every failed attempt kept, in the statement that records it (R3, R5a)."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from publisher.domain.attempt import DeadLettered, Failure, Published, Rescheduled
from publisher.domain.errors import DatabaseRefused
from publisher.domain.notification import Route
from storage.claiming.claims import Claim, claim_due
from storage.claiming.leases import release
from storage.database import Database
from storage.outcomes.failures import FailureRecord, failure_history, recent_failures
from storage.outcomes.outcomes import complete
from tests.integration.rows import change, due_routes, execute, make_due, one_route, rows

SECOND = timedelta(seconds=1)
FAILURE = Failure.of("mail_stream_publish_failed", "Redis refused: WRONGTYPE")


def claim(database: Database, limit: int = 10) -> Claim:
    make_due(database)
    return claim_due(database, "email", limit=limit, lease_ttl=timedelta(seconds=30))


def routes_of(claimed: Claim) -> Sequence[Route]:
    return [c.route for c in claimed.routes]


def fail(database: Database, *messages: str) -> None:
    """So many failed attempts of every route, one after another, with these reasons."""
    for message in messages:
        claimed = claim(database)
        failure = Failure.of("mail_stream_publish_failed", message)
        failed = [Rescheduled(r, failure, r.attempt_count + 1, SECOND) for r in routes_of(claimed)]
        assert len(complete(database, claimed.token, failed)) == len(failed)


def history(database: Database, id_: int, limit: int = 100) -> Sequence[FailureRecord]:
    return failure_history(database, [id_], limit=limit).get(id_, [])


def test_every_failed_attempt_is_kept(database: Database) -> None:
    """A route that failed three times has three lines: which attempt, when, and why."""
    [id_] = due_routes(database, 1)

    fail(database, "one", "two", "three")

    kept = history(database, id_)
    route = one_route(database, id_)
    assert [(f.attempt_number, f.message) for f in kept] == [(1, "one"), (2, "two"), (3, "three")]
    assert kept[-1] == FailureRecord(
        id=kept[-1].id,
        notification_id=str(route["notification_id"]),
        route_id="email:user:0",
        channel="email",
        attempt_number=3,
        classification="mail_stream_publish_failed",
        message="three",
        failed_at=route["last_failure_at"],
    )


def test_the_attempt_that_made_a_dead_letter_is_kept_too(database: Database) -> None:
    """The last attempt stands in the history under its own number, at the instant of the dead letter (R3)."""
    [id_] = due_routes(database, 1)
    change(database, [id_], "attempt_count = 15, status = 'failed'")
    claimed = claim(database)

    complete(database, claimed.token, [DeadLettered(routes_of(claimed)[0], FAILURE, 16)])

    [kept] = history(database, id_)
    [letter] = rows(database, "SELECT * FROM dead_letters")
    assert (kept.attempt_number, kept.classification, kept.message, kept.failed_at) == (
        16,
        letter["classification"],
        letter["message"],
        letter["dead_lettered_at"],
    )


def test_a_dead_letter_by_lost_leases_names_the_attempts_made(database: Database) -> None:
    """No attempt was made, so the line bears the number of those made before (R5a)."""
    [id_] = due_routes(database, 1)
    fail(database, "one")
    claimed = claim(database)

    lost = Failure.of("lease_expired", "5 leases in a row expired")
    complete(database, claimed.token, [DeadLettered(routes_of(claimed)[0], lost, 1)])

    assert [(f.attempt_number, f.classification) for f in history(database, id_)] == [
        (1, "mail_stream_publish_failed"),
        (1, "lease_expired"),
    ]


def test_each_route_of_a_batch_has_its_own_reason(database: Database) -> None:
    """Routes that fail in one statement each keep their own classification and message (R11)."""
    first, second, third, fourth = due_routes(database, 4)
    claimed = claim(database)
    a, b, c, d = routes_of(claimed)

    complete(
        database,
        claimed.token,
        [Rescheduled(b, Failure.of("x", "b"), 1, SECOND), Rescheduled(a, Failure.of("y", "a"), 1, SECOND)],
    )
    complete(
        database,
        claimed.token,
        [DeadLettered(d, Failure.of("x", "d"), 6), DeadLettered(c, Failure.of("y", "c"), 5)],
    )

    kept = failure_history(database, [first, second, third, fourth], limit=10)
    assert {id_: [(f.attempt_number, f.classification, f.message) for f in lines] for id_, lines in kept.items()} == {
        first: [(1, "y", "a")],
        second: [(1, "x", "b")],
        third: [(5, "y", "c")],
        fourth: [(6, "x", "d")],
    }


def test_a_conflict_leaves_no_line(database: Database) -> None:
    """An outcome that comes too late, its lease gone, changes nothing, the history included (R8)."""
    due_routes(database, 2)
    claimed = claim(database)
    late, dead = routes_of(claimed)
    release(database, claimed.token, claimed.ids)

    assert complete(database, claimed.token, [Rescheduled(late, FAILURE, 1, SECOND)]) == {}
    assert complete(database, claimed.token, [DeadLettered(dead, FAILURE, 16)]) == {}

    assert rows(database, "SELECT * FROM route_failures") == []


def test_the_same_outcome_told_twice_is_kept_once(database: Database) -> None:
    """A batch that is recorded again, its first reply lost, finds the route moved on: one line (R8)."""
    [id_] = due_routes(database, 1)
    claimed = claim(database)
    outcome = Rescheduled(routes_of(claimed)[0], FAILURE, 1, SECOND)

    complete(database, claimed.token, [outcome])
    complete(database, claimed.token, [outcome])

    assert len(history(database, id_)) == 1


def test_the_line_and_the_failure_are_one(database: Database) -> None:
    """Where the line cannot be written the failure is not recorded either: both or neither."""
    ids = due_routes(database, 2)
    claimed = claim(database)
    failed, dead = routes_of(claimed)
    before = [one_route(database, id_) for id_ in ids]
    execute(database, "ALTER TABLE route_failures ADD CONSTRAINT nothing_fits CHECK (attempt_number < 0)")

    with pytest.raises(DatabaseRefused, match="nothing_fits"):
        complete(database, claimed.token, [Rescheduled(failed, FAILURE, 1, SECOND)])
    with pytest.raises(DatabaseRefused, match="nothing_fits"):
        complete(database, claimed.token, [DeadLettered(dead, FAILURE, 16)])

    assert [one_route(database, id_) for id_ in ids] == before
    assert rows(database, "SELECT * FROM dead_letters") == []


def test_a_success_is_no_failure(database: Database) -> None:
    """A published route keeps the failures it had, and gets no further line (R6)."""
    [id_] = due_routes(database, 1)
    fail(database, "one")
    claimed = claim(database)

    complete(database, claimed.token, [Published(routes_of(claimed)[0], "1-0")])

    assert [f.message for f in history(database, id_)] == ["one"]


def test_the_history_goes_with_its_route(database: Database) -> None:
    """A route that is pruned takes its failures along, and no other's."""
    first, second = due_routes(database, 2)
    fail(database, "one")

    execute(database, "DELETE FROM routes WHERE id = %s", first)

    assert rows(database, "SELECT route_key FROM route_failures") == [{"route_key": second}]


def test_a_long_history_shows_its_end(database: Database) -> None:
    """Of a history longer than the bound the newest are shown, oldest of them first."""
    first, second = due_routes(database, 2)
    fail(database, "one", "two", "three")

    kept = failure_history(database, [first, second], limit=2)

    assert {id_: [f.message for f in lines] for id_, lines in kept.items()} == {
        first: ["two", "three"],
        second: ["two", "three"],
    }


def test_a_route_that_never_failed_has_no_history(database: Database) -> None:
    """No failure, no line; nor for a route that is not there, nor for none at all."""
    [id_] = due_routes(database, 1)

    assert failure_history(database, [id_, 4711], limit=10) == {}
    assert failure_history(database, [], limit=10) == {}
    assert recent_failures(database, 10) == []


def test_the_newest_failures_are_read_page_by_page(database: Database) -> None:
    """The newest of all channels come first, and `before` goes on behind the last one seen."""
    due_routes(database, 3)
    due_routes(database, 1, "push")
    fail(database, "one", "two")
    push = claim_due(database, "push", limit=10, lease_ttl=30 * SECOND)
    failure = Failure.of("gateway_stream_publish_failed", "three")
    complete(database, push.token, [Rescheduled(routes_of(push)[0], failure, 1, SECOND)])

    everything = recent_failures(database, 100)
    first = recent_failures(database, 4)
    rest = recent_failures(database, 4, before=first[-1].id)

    assert [(f.channel, f.message) for f in everything] == [
        ("push", "three"),
        *[("email", "two")] * 3,
        *[("email", "one")] * 3,
    ]
    assert [*first, *rest] == everything
