"""Recording a batch: each outcome on record, a conflict, or not recorded, whatever PostgreSQL does meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.attempt import DeadLettered, Failure, Outcome, Published, Rescheduled
from publisher.domain.errors import DatabaseRefused, DatabaseUnavailable
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.outcomes import recording
from storage.outcomes.recording import Conflict, NotRecorded, Recorded, record
from tests.integration.rows import all_routes, due_routes

FAILURE = Failure.of("stream_write_failed", "the stream is full")
Complete = Callable[..., Mapping[int, Any]]


def outcomes_of(database: Database, count: int) -> tuple[str, list[Outcome]]:
    """The token of a claim of so many routes, and that each is published."""
    due_routes(database, count)
    claimed = claim_due(database, "email", limit=count, lease_ttl=timedelta(seconds=30))
    return claimed.token, [Published(c.route, f"{c.route.id}-0") for c in claimed.routes]


def broken(
    monkeypatch: pytest.MonkeyPatch, breaks: Callable[[Sequence[Outcome]], None], *, after: bool = False
) -> None:
    """Lets each statement break in this way, before it runs or after."""
    whole = recording.complete

    def complete(database: Database, token: str, outcomes: Sequence[Outcome], *rest: Any) -> Mapping[int, Any]:
        if not after:
            breaks(outcomes)
        changed = whole(database, token, outcomes, *rest)
        if after:
            breaks(outcomes)
        return changed

    monkeypatch.setattr(recording, "complete", complete)


def test_each_kind_of_outcome_is_recorded_in_one_call(database: Database) -> None:
    """A published, a rescheduled and a dead-lettered route of one claim: each has its outcome on record (R8)."""
    due_routes(database, 3)
    claimed = claim_due(database, "email", limit=3, lease_ttl=timedelta(seconds=30))
    first, second, third = [c.route for c in claimed.routes]
    outcomes = [
        Rescheduled(second, FAILURE, 1, timedelta(seconds=9)),
        Published(first, "1-0"),
        DeadLettered(third, FAILURE, 16),
    ]

    recordings = record(database, claimed.token, outcomes)

    rows = {row["id"]: row for row in all_routes(database)}
    assert {r.outcome.route.id: r for r in recordings} == {
        first.id: Recorded(outcomes[1]),
        second.id: Recorded(outcomes[0], rows[second.id]["next_attempt_at"]),
        third.id: Recorded(outcomes[2]),
    }
    assert [rows[r.id]["status"] for r in (first, second, third)] == ["published", "failed", "dead_letter"]


def test_an_outcome_under_a_lost_lease_is_a_conflict(database: Database) -> None:
    """Someone else has the lease by now: nothing is recorded, and that is said of each route (R8)."""
    _, outcomes = outcomes_of(database, 2)

    assert record(database, "another lease", outcomes) == [Conflict(outcome) for outcome in outcomes]


def test_of_a_refused_statement_each_outcome_is_tried_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One outcome that PostgreSQL refuses keeps no other of its batch from being recorded (R11)."""
    token, outcomes = outcomes_of(database, 3)
    bad, refusal = outcomes[1], DatabaseRefused("no room")

    def refuse(some: Sequence[Outcome]) -> None:
        if bad in some:
            raise refusal

    broken(monkeypatch, refuse)

    assert record(database, token, outcomes) == [
        Recorded(outcomes[0]),
        NotRecorded(bad, refusal),
        Recorded(outcomes[2]),
    ]


def test_an_outcome_whose_answer_was_lost_is_in_doubt(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that happened without an answer finds nothing to change when it is repeated: that is told (R8)."""
    token, outcomes = outcomes_of(database, 1)
    lost = iter([True])

    def lose_the_first_answer(_: Sequence[Outcome]) -> None:
        if next(lost, False):
            raise DatabaseUnavailable("the answer was lost")

    broken(monkeypatch, lose_the_first_answer, after=True)

    assert record(database, token, outcomes) == [Conflict(outcomes[0], in_doubt=True)]


def test_nobody_waits_for_postgresql_once_a_route(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL refuses a batch and is away from the second route on: the rest is not tried one by one (R11)."""
    token, outcomes = outcomes_of(database, 10)
    away = DatabaseUnavailable("gone")
    tries: list[int] = []

    def refuse_then_go(some: Sequence[Outcome]) -> None:
        tries.append(len(some))
        if len(some) > 1:
            raise DatabaseRefused("no room")
        if some[0] is not outcomes[0]:
            raise away

    broken(monkeypatch, refuse_then_go)

    recordings = record(database, token, outcomes)

    assert recordings[0] == Recorded(outcomes[0])
    assert [r.outcome for r in recordings[1:] if isinstance(r, NotRecorded) and r.reason is away] == outcomes[1:]
    assert tries == [10, 1, 1, 1]
