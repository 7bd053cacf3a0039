"""What the end of an attempt means for its route (R3, R5a, R7)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.attempt import (
    PAYLOAD_ENCODING_FAILED,
    DeadLettered,
    Failure,
    Rescheduled,
    after_failure,
    after_lost_leases,
)
from publisher.domain.backoff import Backoff
from publisher.domain.notification import RouteStatus
from tests import factories

BACKOFF = Backoff(timedelta(seconds=1), timedelta(seconds=1800))
FAILURE = Failure.of("mail_stream_publish_failed", "Redis is away")


@pytest.mark.parametrize(
    ("attempt_count", "max_attempts", "seconds"),
    [(0, 2, 1), (0, 16, 1), (1, 16, 2), (3, 16, 8), (14, 16, 1800)],
)
def test_a_failed_attempt_is_followed_by_another(attempt_count: int, max_attempts: int, seconds: int) -> None:
    """While attempts are left the route fails, the attempt is counted, and the wait is the backoff's (R3, R9)."""
    route = factories.route(attempt_count=attempt_count, max_attempts=max_attempts)

    outcome = after_failure(route, FAILURE, BACKOFF, 0.0)

    assert outcome == Rescheduled(route, FAILURE, attempt_count + 1, timedelta(seconds=seconds))


@pytest.mark.parametrize(("attempt_count", "max_attempts"), [(0, 1), (1, 2), (15, 16), (16, 16), (40, 16)])
def test_the_last_attempt_that_fails_makes_a_dead_letter(attempt_count: int, max_attempts: int) -> None:
    """At attempt_count + 1 >= max_attempts the route is given up, this attempt counted; also when an operator
    lowered the maximum meanwhile (R3)."""
    route = factories.route(attempt_count=attempt_count, max_attempts=max_attempts)

    outcome = after_failure(route, FAILURE, BACKOFF, 0.0)

    assert outcome == DeadLettered(route, FAILURE, attempt_count + 1)


@pytest.mark.parametrize("status", [RouteStatus.PENDING, RouteStatus.FAILED])
def test_a_first_and_a_later_failure_are_alike(status: RouteStatus) -> None:
    """What a failure means depends on the attempts made, not on whether one failed before (R3)."""
    route = factories.route(status=status, attempt_count=3)

    assert isinstance(after_failure(route, FAILURE, BACKOFF, 0.0), Rescheduled)


def test_the_roll_reaches_the_jitter() -> None:
    """With jitter the wait depends on the roll of this failure (R9)."""
    jittered = Backoff(BACKOFF.minimum, BACKOFF.maximum, jitter=True)

    outcome = after_failure(factories.route(attempt_count=3), FAILURE, jittered, 0.5)

    assert isinstance(outcome, Rescheduled)
    assert outcome.delay == timedelta(seconds=4)


@pytest.mark.parametrize("losses", [0, 1, 4])
def test_a_route_that_lost_few_leases_is_attempted(losses: int) -> None:
    """Up to four leases in a row may expire without an outcome (R5a)."""
    assert after_lost_leases(factories.route(lease_loss_count=losses)) is None


@pytest.mark.parametrize("losses", [5, 6, 100])
def test_the_fifth_lost_lease_makes_a_dead_letter(losses: int) -> None:
    """A route that five workers died of is given up as `lease_expired`; that is no attempt, none is counted (R5a)."""
    route = factories.route(lease_loss_count=losses, attempt_count=2)

    outcome = after_lost_leases(route)

    assert outcome is not None
    assert (outcome.route, outcome.attempt_count) == (route, 2)
    assert outcome.failure.classification == "lease_expired"
    assert str(losses) in outcome.failure.message


def test_an_encoding_failure_has_its_name() -> None:
    """Dead letters and dashboards know it as `payload_encoding_failed` (R7)."""
    assert PAYLOAD_ENCODING_FAILED == "payload_encoding_failed"


@pytest.mark.parametrize(
    ("message", "stored"),
    [
        ("  refused \r\n\t", "refused"),
        ("two  words\nand a line", "two  words\nand a line"),
        ("", ""),
        (" \n ", ""),
        ("x" * 2000, "x" * 2000),
        ("x" * 2001, "x" * 2000),
        (" " * 5000 + "x" * 2000 + " " * 5000, "x" * 2000),
        ("é" * 3000, "é" * 2000),
        ("\0 nul \0", "nul"),
        ("half a pair: \ud83d!", "half a pair: ?!"),
    ],
)
def test_a_message_is_stripped_then_cut(message: str, stored: str) -> None:
    """What is stored has no white space around it, at most 2,000 characters, and only characters that
    PostgreSQL stores (R7)."""
    assert Failure.of("payload_encoding_failed", message) == Failure("payload_encoding_failed", stored)


@given(st.text(alphabet=st.characters(codec=None), max_size=50).map(lambda text: text * 60))
def test_any_message_can_be_stored(message: str) -> None:
    """Whatever an error says, its message is valid UTF-8 without NUL and fits (R7)."""
    stored = Failure.of("payload_encoding_failed", message).message

    assert len(stored) <= 2000
    assert b"\0" not in stored.encode()
    assert stored == stored.lstrip()
