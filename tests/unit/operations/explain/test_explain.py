"""Why a route is where it is and what comes next, case by case (R3-R5a)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.circuit import Gate
from publisher.domain.notification import RouteStatus
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import Explanation, RouteState
from publisher.operations.remedy.remedy import Advice, Remedy
from publisher.operations.remedy.wording import worded
from storage.claiming.handover import Handover
from tests.factories import INSTANT, route_record

NOW = INSTANT
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
STREAM = "mail:delivery_commands"
OPEN = Gate("email")
PAUSED = replace(OPEN, paused_at=NOW - MINUTE, paused_by="ann", pause_reason="mail server moves")
PARKED = replace(OPEN, parked_at=NOW - MINUTE, park_reason="Redis refused: OOM", probe_at=NOW + SECOND, probes=3)
FAILED = {
    "status": RouteStatus.FAILED,
    "attempt_count": 2,
    "last_failure_classification": "mail_stream_publish_failed",
    "last_failure_message": "Redis refused: WRONGTYPE",
    "last_failure_at": NOW - 2 * SECOND,
    "next_attempt_at": NOW + 42 * SECOND,
}


def told(gate: Gate = OPEN, stream: str | None = STREAM, **fields: Any) -> Explanation:
    """The explanation of that route with these fields, its remedies worded as commands."""
    explanation = explain(route_record(**fields), gate, stream)
    return replace(explanation, next=tuple(map(worded, explanation.next)))


def test_a_due_route_is_taken_with_the_next_claim() -> None:
    """A new route that is due waits for nothing but a worker (R4)."""
    assert told() == Explanation(
        RouteState.DUE,
        (
            "Accepted 2026-03-14 08:26:53.589Z (1 h ago); no attempt has failed.",
            "Due since 2026-03-14 09:26:52.589Z (1 s ago).",
        ),
        ("A worker takes it with its next claim: attempt 1 of 16.",),
        NOW,
    )


@pytest.mark.parametrize(("due_for", "late"), [(59 * SECOND, False), (MINUTE, True), (600 * MINUTE, True)])
def test_a_route_that_nobody_takes_makes_one_look_at_the_workers(due_for: timedelta, late: bool) -> None:
    """A route that has been due for a minute says that this is late, and where to look."""
    assert ("workers running" in str(told(next_attempt_at=NOW - due_for).next[-1])) == late


def test_a_failed_route_says_when_it_is_tried_again() -> None:
    """A failed route names its last failure, and its next attempt with its number and time (R3, R9)."""
    assert told(**FAILED) == Explanation(
        RouteState.WAITING,
        (
            (
                "Attempt 2 of 16 failed 2026-03-14 09:26:51.589Z (2 s ago):"
                " mail_stream_publish_failed: Redis refused: WRONGTYPE."
            ),
        ),
        ("Due in 42 s (2026-03-14 09:27:35.589Z): attempt 3 of 16.",),
        NOW + 42 * SECOND,
    )


def test_a_route_whose_producer_named_a_time_says_so() -> None:
    """A first attempt that lies ahead because the producer wants it so is no retry (R4)."""
    explanation = told(next_attempt_at=INSTANT + timedelta(hours=1), not_before=INSTANT + timedelta(hours=1))

    assert explanation.state is RouteState.WAITING
    assert explanation.why[-1] == "Its producer wants it no sooner than 2026-03-14 10:26:53.589Z."
    assert explanation.next == ("Due in 1 h (2026-03-14 10:26:53.589Z): attempt 1 of 16.",)


def test_a_route_due_at_this_very_instant_is_due() -> None:
    """next_attempt_at <= now is due, to the millisecond (R4)."""
    assert told(next_attempt_at=NOW).state is RouteState.DUE
    assert told(next_attempt_at=NOW + timedelta(milliseconds=1)).state is RouteState.WAITING


def test_a_leased_route_is_being_worked_on() -> None:
    """A lease says until when, and what its worker's death would mean (R5)."""
    explanation = told(lease_expires_at=NOW + 20 * SECOND)

    assert explanation.state is RouteState.LEASED
    assert explanation.next_at == NOW + 20 * SECOND
    assert explanation.why[-1] == (
        "Leased until 2026-03-14 09:27:13.589Z by a worker, which is at work on it: attempt 1 of 16."
    )
    assert explanation.next == (
        "The attempt ends any moment. If its worker dies, the route is free in 20 s (2026-03-14 09:27:13.589Z).",
    )


def test_a_route_that_is_handed_over_is_in_the_hands_of_the_workers() -> None:
    """A new route that intake has handed over says so, and when it is free if no worker publishes it (R5)."""
    token = Handover({}, MINUTE).token
    explanation = told(lease_token=token, lease_expires_at=NOW + 5 * SECOND)

    assert explanation.state is RouteState.LEASED
    assert explanation.why[-1] == (
        "Intake has handed it over to the workers until 2026-03-14 09:26:58.589Z: attempt 1 of 16."
    )
    assert explanation.next == (
        "A worker publishes it any moment. If none does, the route is free in 5 s (2026-03-14 09:26:58.589Z).",
    )
    late = told(lease_token=token, lease_expires_at=NOW)
    assert late.state is RouteState.DUE
    assert late.why[-1] == "The handover to the workers ended 2026-03-14 09:26:53.589Z (0 ms ago): it is free."


@pytest.mark.parametrize("gate", [PAUSED, PARKED])
def test_a_lease_goes_on_in_a_channel_that_was_closed_meanwhile(gate: Gate) -> None:
    """What was leased before the gate closed is still at work: that comes first."""
    assert told(gate, lease_expires_at=NOW + SECOND).state is RouteState.LEASED


def test_a_lease_that_ended_is_free() -> None:
    """A lease is over at its very instant; the route is due, and its lost leases are told (R5, R5a)."""
    explanation = told(lease_expires_at=NOW, lease_loss_count=1)

    assert explanation.state is RouteState.DUE
    assert explanation.why[1:] == (
        "1 lease in a row ended without an outcome: the worker died or hung. With 5 it is given up.",
        "Due since 2026-03-14 09:26:52.589Z (1 s ago).",
        "The lease of its last worker ended 2026-03-14 09:26:53.589Z (0 ms ago): it is free.",
    )


@pytest.mark.parametrize(
    ("gate", "fields", "advice"),
    [
        (PAUSED, {}, Advice("It waits until the channel is resumed", Remedy.RESUME_CHANNEL, "email")),
        (
            OPEN,
            {"next_attempt_at": NOW - MINUTE},
            Advice("That is late: are workers running and keeping up?", Remedy.CHECK_STATUS),
        ),
    ],
)
def test_a_remedy_is_a_value(gate: Gate, fields: dict[str, Any], advice: Advice) -> None:
    """What an operator can do is no command line: a page makes a button of it."""
    assert explain(route_record(**fields), gate, STREAM).next[-1] == advice


@pytest.mark.parametrize(
    ("deadline", "said"),
    [
        (60 * SECOND, "Not published by its deadline, in 1 min (2026-03-14 09:27:53.589Z), it expires."),
        (42 * SECOND, "Its deadline comes before that: it expires in 42 s (2026-03-14 09:27:35.589Z)."),
        (10 * SECOND, "Its deadline comes before that: it expires in 10 s (2026-03-14 09:27:03.589Z)."),
    ],
)
def test_a_deadline_ahead_is_told(deadline: timedelta, said: str) -> None:
    """A route with a deadline says when it expires, and whether that is before its next attempt."""
    explanation = told(**FAILED, expires_at=NOW + deadline)

    assert explanation.next[-1] == said
    assert explanation.next_at == NOW + min(deadline, 42 * SECOND)


@pytest.mark.parametrize("gate", [OPEN, PAUSED, PARKED])
def test_a_deadline_that_passed_ends_the_route_with_the_next_scan(gate: Gate) -> None:
    """At its deadline an open route is too late, whatever its channel's gate says."""
    explanation = told(gate, expires_at=NOW)

    assert (explanation.state, explanation.next_at) == (RouteState.TOO_LATE, NOW)
    assert explanation.why[-1] == "Its deadline was 2026-03-14 09:26:53.589Z (0 ms ago)."


def test_a_pause_with_a_deadline_ends_at_the_deadline() -> None:
    """A paused route with a deadline does not wait for ever: it expires then."""
    assert told(PAUSED, expires_at=NOW + MINUTE).next_at == NOW + MINUTE


@pytest.mark.parametrize("again", [{"replay": 1}, {"last_failure_at": NOW - MINUTE}])
def test_a_route_that_is_open_again_is_not_told_as_new(again: dict[str, Any]) -> None:
    """A route taken back, sent again or lost by Redis has all its attempts before it (R3, R12a)."""
    assert "Open again, with all 16 attempts before it." in told(**again).why


def test_a_failure_without_a_message_ends_with_its_classification() -> None:
    """An empty reason leaves no dangling colon."""
    assert told(**FAILED | {"last_failure_message": ""}).why[0].endswith("mail_stream_publish_failed.")


def test_an_attempt_on_another_stream_is_told() -> None:
    """An open route whose channel's stream was renamed says where its command may stand from before (R12)."""
    said = explain(route_record(stream="mail:old"), OPEN, STREAM).why

    assert "An attempt was begun when its stream was mail:old: its command is looked for there first." in said
    assert "mail:" not in "".join(explain(route_record(stream=STREAM), OPEN, STREAM).why)
