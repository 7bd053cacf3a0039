"""Every event against a route of every status, by the statements that record it (R3, R5a, R12a)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.attempt import (
    LEASE_EXPIRED,
    PAYLOAD_ENCODING_FAILED,
    Cancelled,
    DeadLettered,
    Expired,
    Failure,
    Outcome,
    Published,
    Rescheduled,
)
from publisher.domain.notification import Route, RouteEvent, RouteStatus, next_status
from storage.audits import PublishedRoute, return_lost
from storage.cancelling.cancelling import CancelFilter, reopen_for_cancelling
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.dead_letters import requeue
from storage.outcomes.outcomes import complete
from storage.republishing import PublishedFilter, republish
from tests.integration.rows import FINAL, bury_something, change, due_routes, one_route, rows

WINDOW = timedelta(hours=1)
WRONG = Failure(PAYLOAD_ENCODING_FAILED, "no such template")


@dataclass(frozen=True)
class Given:
    """A route of every status, all claimed under one token before they came to it."""

    token: str
    routes: Mapping[RouteStatus, Route]


@pytest.fixture
def given(database: Database) -> Given:
    """One route of every status. Each has a dead letter that waits."""
    due_routes(database, len(RouteStatus))
    claim = claim_due(database, "email", limit=100, lease_ttl=timedelta(minutes=1))
    routes = {}
    for status, claimed in zip(RouteStatus, claim.routes, strict=True):
        bury_something(database)
        assignments = FINAL.get(status, f"status = '{status}'").replace("LIMIT 1", "ORDER BY id DESC LIMIT 1")
        free = ", lease_token = NULL, lease_expires_at = NULL" if status.is_final else ""
        change(database, [claimed.route.id], assignments + free)
        routes[status] = replace(claimed.route, status=status)
    return Given(claim.token, routes)


def completed(outcome: Callable[[Route], Outcome]) -> Callable[[Database, Given], None]:
    def record(database: Database, given: Given) -> None:
        complete(database, given.token, [outcome(route) for route in given.routes.values()])

    return record


def lose(database: Database, given: Given) -> None:
    known: Sequence[dict[str, Any]] = [one_route(database, route.id) for route in given.routes.values()]
    lost = [PublishedRoute(r["id"], "", 0, r["stream_entry_id"], r["published_at"], None, True) for r in known]
    return_lost(database, lost, window=WINDOW)


def take_back(database: Database, _: Given) -> None:
    requeue(database, [row["id"] for row in rows(database, "SELECT id FROM dead_letters")], "ann")


def publish_again(database: Database, _: Given) -> None:
    [row] = rows(database, "SELECT now() AS at")
    republish(database, "email", PublishedFilter(until=row["at"] + WINDOW), after=None, limit=100)


def cancel_dead_letters(database: Database, _: Given) -> None:
    [row] = rows(database, "SELECT now() AS at, max(id) AS newest FROM dead_letters")
    matching = CancelFilter(until=row["at"] + WINDOW, up_to=row["newest"])
    reopen_for_cancelling(database, "email", matching, "ann", after=None, limit=100)


VERBS: Mapping[RouteEvent, Callable[[Database, Given], None]] = {
    RouteEvent.COMMAND_WRITTEN: completed(lambda route: Published(route, "1-0")),
    RouteEvent.ATTEMPT_FAILED: completed(lambda route: Rescheduled(route, WRONG, 1, timedelta(seconds=5))),
    RouteEvent.ATTEMPTS_EXHAUSTED: completed(lambda route: DeadLettered(route, WRONG, route.max_attempts)),
    RouteEvent.LEASES_EXHAUSTED: completed(lambda route: DeadLettered(route, Failure(LEASE_EXPIRED, "5 leases"), 0)),
    RouteEvent.OPERATOR_REQUEUED: take_back,
    RouteEvent.COMMAND_LOST: lose,
    RouteEvent.DEADLINE_PASSED: completed(Expired),
    RouteEvent.OPERATOR_REPUBLISHED: publish_again,
    RouteEvent.CANCELLED: completed(Cancelled),
    RouteEvent.DEAD_LETTER_CANCELLED: cancel_dead_letters,
}


@pytest.mark.parametrize("event", RouteEvent)
def test_an_event_happens_where_the_table_allows_it(event: RouteEvent, given: Given, database: Database) -> None:
    """Its statement moves a route to the status of the transition table, or changes nothing of it (R3)."""
    if event is RouteEvent.DEADLINE_PASSED:
        change(database, [route.id for route in given.routes.values()], "expires_at = now() - interval '1 second'")
    if event is RouteEvent.CANCELLED:
        change(
            database,
            [route.id for status, route in given.routes.items() if not status.is_final],
            "cancel_requested_at = now(), cancelled_by = 'ann'",
        )
    before = {status: one_route(database, route.id) for status, route in given.routes.items()}

    VERBS[event](database, given)

    after = {status: one_route(database, route.id) for status, route in given.routes.items()}
    moved = {status: next_status(status, event) for status in RouteStatus if next_status(status, event) is not None}
    assert {status: after[status]["status"] for status in moved} == moved
    assert all(after[status] != before[status] for status in moved)
    assert {s: row for s, row in after.items() if s not in moved} == {
        s: row for s, row in before.items() if s not in moved
    }
