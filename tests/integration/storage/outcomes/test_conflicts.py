"""Outcomes of routes that someone else has moved on: nothing changes, and nothing is counted (R8)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.domain.attempt import DeadLettered, Failure, Published, Rescheduled
from publisher.domain.errors import DatabaseRefused
from publisher.domain.notification import Route
from storage.claiming.claims import Claim, claim_due
from storage.claiming.leases import release
from storage.database import Database
from storage.outcomes.outcomes import complete
from tests.integration.rows import FINAL, all_routes, bury_something, change, due_routes, execute, expire_leases, rows

FAILURE = Failure.of("x", "y")
Verb = Callable[[Database, str, Sequence[Route]], Iterable[int]]


def published(database: Database, token: str, routes: Sequence[Route]) -> Iterable[int]:
    return complete(database, token, [Published(route, "1-0") for route in routes])


def failed(database: Database, token: str, routes: Sequence[Route]) -> Iterable[int]:
    return complete(database, token, [Rescheduled(route, FAILURE, 1, timedelta(seconds=1)) for route in routes])


def dead_lettered(database: Database, token: str, routes: Sequence[Route]) -> Iterable[int]:
    return complete(database, token, [DeadLettered(route, FAILURE, 1) for route in routes])


every_verb = pytest.mark.parametrize("verb", [published, failed, dead_lettered])


def claim(database: Database) -> Claim:
    return claim_due(database, "email", limit=10, lease_ttl=timedelta(seconds=30))


def routes_of(claimed: Claim) -> list[Route]:
    return [c.route for c in claimed.routes]


def letters(database: Database) -> int:
    return rows(database, "SELECT count(*) FROM dead_letters WHERE classification = 'x'")[0]["count"]


@every_verb
@pytest.mark.parametrize(
    "moved",
    [
        "lease_token = 'someone else'",
        "lease_token = NULL, lease_expires_at = NULL",
        "attempt_count = attempt_count + 1",
        "status = 'failed'",
        *(f"{final}, lease_token = NULL, lease_expires_at = NULL" for final in FINAL.values()),
    ],
)
def test_a_route_that_was_moved_on_is_left_alone(database: Database, verb: Verb, moved: str) -> None:
    """With another token, attempt count or status than was read, no outcome is recorded (R8)."""
    bury_something(database)
    ids = due_routes(database, 1)
    claimed = claim(database)
    change(database, ids, moved)
    before = all_routes(database)

    recorded = verb(database, claimed.token, routes_of(claimed))

    assert list(recorded) == []
    assert all_routes(database) == before
    assert letters(database) == 0


@every_verb
def test_a_late_worker_does_not_overrule_the_next_one(database: Database, verb: Verb) -> None:
    """A worker whose lease ran out records nothing over the one that holds the route now (R8)."""
    due_routes(database, 1)
    late = claim(database)
    expire_leases(database)
    now = claim(database)

    assert list(verb(database, late.token, routes_of(late))) == []

    assert [row["lease_token"] for row in all_routes(database)] == [now.token]


@every_verb
def test_an_outcome_counts_while_no_one_took_the_lease_over(database: Database, verb: Verb) -> None:
    """A lease that ran out still ends with its outcome if nobody has taken the route since (R8)."""
    ids = due_routes(database, 1)
    claimed = claim(database)
    expire_leases(database)

    assert list(verb(database, claimed.token, routes_of(claimed))) == ids


@every_verb
def test_an_outcome_is_recorded_once(database: Database, verb: Verb) -> None:
    """Recording the same outcome again changes nothing: a lost reply may be repeated blindly (R8)."""
    due_routes(database, 2)
    claimed = claim(database)
    verb(database, claimed.token, routes_of(claimed))
    before, count = all_routes(database), letters(database)

    again = verb(database, claimed.token, routes_of(claimed))

    assert list(again) == []
    assert (all_routes(database), letters(database)) == (before, count)


@every_verb
def test_a_conflict_spoils_no_neighbour(database: Database, verb: Verb) -> None:
    """Of a batch in which some routes were moved on, the others are recorded and named (R8, R11)."""
    a, b, c, d = due_routes(database, 4)
    claimed = claim(database)
    change(database, [b], "lease_token = 'someone else'")
    release(database, claimed.token, [d])

    recorded = verb(database, claimed.token, routes_of(claimed))

    assert set(recorded) == {a, c}
    assert [row["status"] for row in all_routes(database) if row["id"] in (b, d)] == ["pending", "pending"]


@every_verb
def test_what_was_read_is_compared_and_not_what_stands(database: Database, verb: Verb) -> None:
    """The guard is on the status and count that this worker read (R8)."""
    due_routes(database, 1)
    claimed = claim(database)
    stale = [replace(route, attempt_count=1) for route in routes_of(claimed)]

    assert list(verb(database, claimed.token, stale)) == []


def test_a_dead_letter_and_its_row_stand_or_fall_together(database: Database) -> None:
    """If the row of a dead letter cannot be written, the route stays as it was, and so does the batch (R3)."""
    due_routes(database, 2)
    claimed = claim(database)
    execute(database, "ALTER TABLE dead_letters ADD CHECK (route_id <> 'email:user:1')")
    before = all_routes(database)

    with pytest.raises(DatabaseRefused):
        dead_lettered(database, claimed.token, routes_of(claimed))

    assert all_routes(database) == before
    assert letters(database) == 0


def test_no_row_is_buried_for_a_route_that_cannot_follow(database: Database) -> None:
    """If the route of a dead letter cannot be changed, no row in dead_letters is left behind (R3)."""
    due_routes(database, 1)
    claimed = claim(database)
    execute(database, "ALTER TABLE routes ADD CHECK (status <> 'dead_letter')")

    with pytest.raises(DatabaseRefused):
        dead_lettered(database, claimed.token, routes_of(claimed))

    assert letters(database) == 0
