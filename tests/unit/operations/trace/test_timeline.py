"""What happened to a route, in the order in which it happened."""

from datetime import datetime, timedelta

from publisher.domain.notification import RouteStatus
from publisher.operations.trace.timeline import Step, timeline
from storage.dead_letters import DeadLetterRecord
from storage.outcomes.failures import FailureRecord
from tests.factories import INSTANT, route_record
from tests.unit.operations.explain.test_explain import NOW, STREAM
from tests.unit.operations.explain.test_explain_final import PUBLISHED

MINUTE = timedelta(minutes=1)
ACCEPTED = NOW - 60 * MINUTE


def failed(at: datetime, number: int, classification: str, message: str) -> FailureRecord:
    return FailureRecord(1, "notification", "email:user:7", "email", number, classification, message, at)


def given_up(at: datetime, requeued_at: datetime, by: str) -> DeadLetterRecord:
    """A dead letter that was taken back."""
    return DeadLetterRecord(
        1, "notification", "email:user:7", "email", "game.turn.ready", "x", "no", 16, 16, at, requeued_at, by
    )


def test_a_whole_way_is_told_in_order() -> None:
    """Accepted, failed, given up, taken back, failed, published: each with its instant, the failure before what it
    led to."""
    route = route_record(**PUBLISHED)
    at = INSTANT - 40 * MINUTE

    steps = timeline(
        route,
        STREAM,
        [
            failed(at, 16, "x", "no"),
            failed(INSTANT - 50 * MINUTE, 15, "x", ""),
            failed(INSTANT - 20 * MINUTE, 1, "y", "again"),
        ],
        [given_up(at, INSTANT - 30 * MINUTE, "ann")],
    )

    assert steps == [
        Step(ACCEPTED, "accepted"),
        Step(INSTANT - 50 * MINUTE, "attempt 15 failed: x"),
        Step(at, "attempt 16 failed: x: no"),
        Step(at, "given up: a dead letter"),
        Step(INSTANT - 30 * MINUTE, "taken back by ann"),
        Step(INSTANT - 20 * MINUTE, "attempt 1 failed: y: again"),
        Step(NOW - MINUTE, "published: mail:delivery_commands 17-1"),
    ]


def test_equal_failures_in_a_row_are_one_step() -> None:
    """Attempts 2 to 4 failed alike: their sentence stands once, with the instants of the first and of the last."""
    at = [INSTANT - n * MINUTE for n in range(50, 40, -1)]
    reasons = ["no", "full", "full", "full", "no"]
    failures = [failed(at[n], n + 1, "x", reason) for n, reason in enumerate(reasons)]

    steps = timeline(route_record(), STREAM, failures, [])

    assert steps[1:] == [
        Step(at[0], "attempt 1 failed: x: no"),
        Step(at[1], "attempts 2 to 4 failed, the last at 2026-03-14 08:39:53.589Z: x: full"),
        Step(at[4], "attempt 5 failed: x: no"),
    ]


def test_failures_before_and_after_a_dead_letter_stay_apart() -> None:
    """A requeued route begins again with attempt 1: what came between keeps its place."""
    at = INSTANT - 40 * MINUTE
    first, second = failed(at, 16, "x", "no"), failed(INSTANT, 1, "x", "no")

    steps = timeline(route_record(), STREAM, [first, second], [given_up(at, INSTANT - 30 * MINUTE, "ann")])

    assert [step.what for step in steps[1:]] == [
        "attempt 16 failed: x: no",
        "given up: a dead letter",
        "taken back by ann",
        "attempt 1 failed: x: no",
    ]


def test_lost_leases_are_no_attempt() -> None:
    """What gave a route up for its lost leases was no attempt (R5a)."""
    steps = timeline(route_record(), STREAM, [failed(NOW, 0, "lease_expired", "5 leases in a row")], [])

    assert steps[-1] == Step(NOW, "no attempt: lease_expired: 5 leases in a row")


def test_a_skipped_route_took_one_step() -> None:
    """It was skipped as it was accepted, and nothing else happened (R3)."""
    route = route_record(status=RouteStatus.SKIPPED, next_attempt_at=None)

    assert timeline(route, STREAM, [], []) == [Step(ACCEPTED, "skipped: no address for email")]


def test_an_expired_route_ends_so() -> None:
    """The last step of an expired route is its end."""
    route = route_record(status=RouteStatus.EXPIRED, next_attempt_at=None, expires_at=NOW - MINUTE, updated_at=NOW)

    assert timeline(route, STREAM, [], [])[-1] == Step(NOW, "expired")


def test_a_command_stands_where_it_was_published() -> None:
    """A stream that was renamed since keeps its commands: the way names the one that has it (R12)."""
    steps = timeline(route_record(**PUBLISHED, stream="mail:old"), STREAM, [], [])

    assert steps[-1] == Step(NOW - MINUTE, "published: mail:old 17-1")
