"""What is said of routes that are cancelled, or to be (R28)."""

from typing import Any

import pytest

from publisher.domain.mail_outcome import MailState
from publisher.domain.notification import RouteStatus
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import Explanation, RouteState
from publisher.operations.remedy.remedy import Advice, Remedy
from publisher.operations.trace.timeline import Step, timeline
from storage.claiming.handover import Handover
from storage.mail.progress import MailProgress
from tests.factories import route_record
from tests.unit.operations.explain.test_explain import FAILED, MINUTE, NOW, OPEN, PAUSED, SECOND, STREAM, told
from tests.unit.operations.explain.test_explain_final import PUBLISHED

MARKED = {"cancel_requested_at": NOW - 3 * SECOND, "cancelled_by": "ann", "stream": STREAM}
CANCELLED = MARKED | {
    "status": RouteStatus.CANCELLED,
    "next_attempt_at": None,
    "updated_at": NOW - 3 * SECOND,
    "stream": None,
}
EXPIRED = {
    "status": RouteStatus.EXPIRED,
    "next_attempt_at": None,
    "expires_at": NOW - 3 * SECOND,
    "updated_at": NOW - 2 * SECOND,
}
LEASE_END = "2026-03-14 09:26:58.589Z"
NEVER = ("Nothing: it is never sent. An intent under another idempotency key makes a new notification.",)


def test_a_cancelled_route_says_who_and_when() -> None:
    """A cancelled route names the canceller, the instant, and that no attempt was made."""
    assert told(**CANCELLED) == Explanation(
        RouteState.CANCELLED, ("Cancelled by ann 2026-03-14 09:26:50.589Z (3 s ago): no attempt was made.",), NEVER
    )


def test_a_cancelled_route_names_the_failure_before() -> None:
    """A route that failed before it was cancelled names its last failure."""
    assert told(**FAILED | CANCELLED).why == (
        "Cancelled by ann 2026-03-14 09:26:50.589Z (3 s ago).",
        (
            "Its last failed attempt, 2026-03-14 09:26:51.589Z (2 s ago):"
            " mail_stream_publish_failed: Redis refused: WRONGTYPE."
        ),
    )
    attempted = explain(route_record(**CANCELLED | {"stream": STREAM}), OPEN, STREAM)
    assert attempted.why[0].endswith(": no command of it was written.")


def test_a_cancelled_route_of_which_an_earlier_command_is_deferred_is_not_called_never_sent() -> None:
    """Its message goes out still, and when is said. Nobody takes back what stands on a stream (R28, R33)."""
    waits = MailProgress(MailState.WAITING, 1, 0, NOW - 9 * SECOND, None, NOW + 5 * SECOND, None, None, None)

    explained = explain(route_record(**CANCELLED, replay=1), OPEN, STREAM, mail=waits)

    assert explained.why[0] == "Cancelled by ann 2026-03-14 09:26:50.589Z (3 s ago): it was not published again."
    assert (explained.next[0], explained.next_at) == (
        "No command follows. An earlier one was published, and is not taken back.",
        NOW + 5 * SECOND,
    )
    assert str(explained.next[1]).endswith("It tries again in 5 s (2026-03-14 09:26:58.589Z).")
    assert explained.next[-1] == Advice("To keep it from being sent, suppress its address", Remedy.SUPPRESS)


@pytest.mark.parametrize("fields", [CANCELLED, EXPIRED], ids=["cancelled", "expired"])
def test_of_a_route_that_was_published_before_only_a_further_command_is_ruled_out(fields: dict[str, Any]) -> None:
    """Another mail service may have sent the earlier one; our own has not, where it gave up (R28)."""
    gave_up = MailProgress(MailState.GIVEN_UP, 1, 0, NOW - MINUTE, None, None, None, None, NOW - 9 * SECOND)
    earlier = ("No command follows. An earlier one was published: the rest of that is its consumers' matter.",)

    assert explain(route_record(**fields, replay=1), OPEN, STREAM).next == earlier
    assert explain(route_record(**fields), OPEN, STREAM, mail=gave_up).next[0].startswith("Nothing: it is never sent")


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("17", "its attempt is under way"),
        (
            Handover({}, MINUTE).token,
            "it was handed over to the workers",
        ),
    ],
    ids=["leased", "handed over"],
)
def test_a_route_under_lease_is_to_be_cancelled(token: str, why: str) -> None:
    """It says who wanted it, until when the attempt lasts, and how it may end. A paused channel changes nothing."""
    explanation = told(PAUSED, **MARKED, lease_token=token, lease_expires_at=NOW + 5 * SECOND)

    assert (explanation.state, explanation.next_at) == (RouteState.TO_BE_CANCELLED, NOW + 5 * SECOND)
    assert (
        explanation.why[-1]
        == f"To be cancelled since 2026-03-14 09:26:50.589Z (3 s ago), by ann: {why}, until {LEASE_END} at the latest."
    )
    assert explanation.next == (
        "Once that has ended, it is cancelled, or published if its command was written. No further attempt follows.",
    )


def test_a_free_route_is_cancelled_by_the_next_scan() -> None:
    """A marked route that nobody holds waits for the next scan, whatever its deadline."""
    explanation = told(**MARKED, expires_at=NOW + MINUTE)

    assert (explanation.state, explanation.next_at) == (RouteState.TO_BE_CANCELLED, NOW)
    assert explanation.why[-1] == (
        "To be cancelled since 2026-03-14 09:26:50.589Z (3 s ago), by ann: no attempt follows."
    )
    assert explanation.next == (
        "The next scan ends it: cancelled, or published if its command stands on the stream from before.",
    )


def test_a_published_route_says_that_its_cancellation_came_too_late() -> None:
    """Whoever cancelled it learns that its command stood already."""
    assert told(**PUBLISHED | MARKED).why[-1] == (
        "ann asked to cancel it 2026-03-14 09:26:50.589Z (3 s ago): too late, its command stood already."
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (CANCELLED, [Step(NOW - 3 * SECOND, "cancelled by ann")]),
        (
            CANCELLED | {"updated_at": NOW},
            [Step(NOW - 3 * SECOND, "to be cancelled, by ann"), Step(NOW, "cancelled by ann")],
        ),
        (MARKED, [Step(NOW - 3 * SECOND, "to be cancelled, by ann")]),
    ],
    ids=["at once", "later", "not yet"],
)
def test_a_cancellation_is_a_step(fields: dict[str, Any], expected: list[Step]) -> None:
    """The timeline has the request, and the end where that came later."""
    assert timeline(route_record(**fields), STREAM, [], [])[1:] == expected
