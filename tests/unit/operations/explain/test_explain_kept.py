"""What keeps a route from being claimed: each pause, parking, hold and rate limit is named with its end (R29, R30)."""

from dataclasses import replace

import pytest

from publisher.domain.circuit import Gate
from publisher.domain.rate_limit import RateLimit
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import Explanation, RouteState
from publisher.operations.explain.limited_queue import LimitedQueue, queue_fields
from publisher.operations.holds.holds import HoldCriteria, HoldRecord
from publisher.operations.remedy.wording import worded
from tests.factories import route_record
from tests.unit.operations.explain.test_explain import FAILED, MINUTE, NOW, OPEN, PARKED, PAUSED, SECOND, STREAM, told

HELD_BY = "Held by bob since 2026-03-14 09:26:50.589Z (3 s ago): 'a wrong price'. Hold 7 matches producer shop."
PAUSED_BY = "Channel email is paused by ann since 2026-03-14 09:25:53.589Z (1 min ago): 'mail server moves'."
SHARED = "Lanes and fair shares may bring it sooner or later."


def hold(number: int) -> HoldRecord:
    """Such a hold of bob's."""
    return HoldRecord(number, HoldCriteria(producer="shop"), "a wrong price", "bob", NOW - 3 * SECOND)


def limited(before: int, *, is_bound: bool = False, is_shared: bool = False) -> LimitedQueue:
    """The place behind so many routes, with a limit of 14 a second."""
    return LimitedQueue("email", RateLimit(14.0, 28), "ann", before, is_bound, is_shared)


def kept(
    gate: Gate = OPEN, *holds: HoldRecord, queue: LimitedQueue | None = None, stream: str | None = STREAM
) -> Explanation:
    """The explanation of a due route that these keep, its remedies worded as commands."""
    explanation = explain(route_record(), gate, stream, None, queue, holds)
    return replace(explanation, next=tuple(map(worded, explanation.next)))


def test_a_paused_channel_says_who_when_and_why() -> None:
    """A pause names who, since when and the reason, and how to end it; nothing happens by itself."""
    explanation = told(PAUSED)

    assert (explanation.state, explanation.next_at) == (RouteState.PAUSED, None)
    assert explanation.why[-1] == (
        "Channel email is paused by ann since 2026-03-14 09:25:53.589Z (1 min ago): 'mail server moves'."
    )
    assert explanation.next == ("It waits until the channel is resumed: publisher channels resume email",)


def test_a_hold_behind_a_pause_is_named_as_well() -> None:
    """Resumed alone the channel would not publish the route: both must be undone, each with its command."""
    explanation = kept(PAUSED, hold(7))

    assert explanation.state is RouteState.PAUSED
    assert explanation.why[-2:] == (PAUSED_BY, HELD_BY)
    assert explanation.next == (
        "It waits until the channel is resumed and hold 7 is removed.",
        "To resume the channel: publisher channels resume email",
        "To remove the hold: publisher holds remove 7",
    )
    assert [each.id for each in explanation.holds] == [7]


def test_all_holds_behind_a_pause_are_named() -> None:
    """Each of them must be removed."""
    explanation = kept(PAUSED, hold(7), hold(9))

    assert explanation.why[-1] == f"{HELD_BY} Hold 9 matches it as well."
    assert explanation.next == (
        "It waits until the channel is resumed and holds 7, 9 are removed.",
        "To resume the channel: publisher channels resume email",
        "To remove the first hold: publisher holds remove 7",
    )


def test_a_hold_behind_a_parking_is_named_as_well() -> None:
    """The stream that takes commands again opens the channel, and does not let the route go."""
    explanation = kept(PARKED, hold(7))

    assert (explanation.state, explanation.next_at) == (RouteState.PARKED, NOW + SECOND)
    assert explanation.why[-1] == HELD_BY
    assert explanation.next[:2] == (
        "It waits until the channel is open again and hold 7 is removed.",
        "The channel opens once Redis has memory again: it is full.",
    )
    assert explanation.next[-1] == "To remove the hold: publisher holds remove 7"


def test_everything_of_a_channel_that_is_not_installed_is_named() -> None:
    """A package that is installed is of no use while the channel is paused."""
    explanation = kept(PAUSED, hold(7), stream=None)

    assert explanation.state is RouteState.UNSERVED
    assert explanation.next[0] == (
        "It waits until the package of that channel is installed beside the workers, the channel is resumed and"
        " hold 7 is removed."
    )


@pytest.mark.parametrize(("gate", "holds"), [(PAUSED, ()), (PARKED, ()), (OPEN, (hold(7),)), (PAUSED, (hold(7),))])
def test_a_rate_limit_behind_something_else_is_named(gate: Gate, holds: tuple[HoldRecord, ...]) -> None:
    """What is let go goes within the limit, behind what was due before it (R30)."""
    assert kept(gate, *holds, queue=limited(4_200)).next[-1] == (
        "After that the rate limit of email counts, 14/s burst 28, set by ann: 4,200 routes of its lane or a more"
        " urgent one were due before it."
    )


def test_a_route_that_nothing_keeps_names_no_hold() -> None:
    """A route in a worker's hands ends its attempt, whatever holds are set meanwhile."""
    leased = explain(route_record(lease_expires_at=NOW + SECOND), PAUSED, STREAM, None, None, [hold(7)])

    assert (leased.state, leased.holds) == (RouteState.LEASED, ())


@pytest.mark.parametrize(
    ("queue", "why", "takes"),
    [
        (limited(4_200), "4,200 routes of its lane or a more urgent one were due before it.", "about 5 min"),
        (
            limited(10_000, is_bound=True),
            "at least 10,000 routes of its lane or a more urgent one were due before it.",
            "at least 11 min 54 s",
        ),
        (limited(1), "1 route of its lane or a more urgent one was due before it.", "about 71.4 ms"),
    ],
)
def test_a_route_that_waits_for_the_rate_limit_says_so(queue: LimitedQueue, why: str, takes: str) -> None:
    """It says how many were due before it and how long they take, and not that it is late (R30)."""
    found = explain(route_record(next_attempt_at=NOW - 10 * MINUTE), OPEN, STREAM, None, queue)

    limit = "It waits for the rate limit of email, 14/s burst 28, set by ann: "
    assert (found.state, found.why[-1]) == (RouteState.LIMITED, limit + why)
    assert found.next == (
        f"A worker takes it within the limit: attempt 1 of 16. Those before it take {takes} at this rate.",
    )


@pytest.mark.parametrize("before", [0, 4_200])
def test_shares_may_change_the_turn(before: int) -> None:
    """With several lanes or producers, those that were due before are not those that go before (R31)."""
    assert kept(queue=limited(before, is_shared=True)).next[-1] == SHARED
    assert SHARED not in kept(queue=limited(before)).next


def test_the_place_before_a_limit_has_its_fields() -> None:
    """A script reads the number, the limit and the seconds without a sentence."""
    assert queue_fields(limited(4_200, is_shared=True)) == {
        "per_second": 14.0,
        "burst": 28,
        "set_by": "ann",
        "due_before": 4_200,
        "at_least": False,
        "seconds": 300.0,
        "is_shared": True,
    }
    assert queue_fields(None) is None


def test_a_route_that_goes_next_names_the_limit() -> None:
    """With an empty bucket it waits as well; it is late only after the time between two commands (R30)."""
    queue = LimitedQueue("email", RateLimit(1 / 60, 2), None, 0)

    found = explain(route_record(next_attempt_at=NOW - 119 * SECOND), OPEN, STREAM, None, queue)

    limit = "The rate limit of email is 1/m burst 2, by its settings: no route of its lane or a more urgent one was due"
    assert (found.state, found.why[-1]) == (RouteState.DUE, f"{limit} before it.")
    assert found.next == ("A worker takes it once the limit lets a command through, one every 1 min: attempt 1 of 16.",)
    late = explain(route_record(next_attempt_at=NOW - 2 * MINUTE), OPEN, STREAM, None, queue)
    assert "workers running" in str(late.next[-1])


def test_a_parked_channel_says_when_it_is_probed() -> None:
    """A parking names its reason and the next probe."""
    explanation = told(PARKED)

    assert (explanation.state, explanation.next_at) == (RouteState.PARKED, NOW + SECOND)
    assert explanation.why[-1] == (
        "Channel email is parked since 2026-03-14 09:25:53.589Z (1 min ago), probed 3 times so far: Redis refused: OOM."
    )
    assert explanation.next == (
        "It is published once Redis has memory again: it is full.",
        (
            "The next probe is in 1 s (2026-03-14 09:26:54.589Z): it tries a few routes,"
            " and the first that is taken opens the channel."
        ),
    )


def test_a_probe_that_is_due_is_no_probe_in_the_past() -> None:
    """Between two scans a probe may be overdue; nothing is announced for a moment that is over."""
    explanation = told(replace(PARKED, probe_at=NOW - MINUTE))

    assert explanation.next_at == NOW
    assert str(explanation.next[1]).startswith("The next probe is due: ")


def test_a_pause_is_stronger_than_a_parking() -> None:
    """A channel that is both is paused: no probe opens it."""
    assert told(replace(PARKED, paused_at=NOW, paused_by="ann", pause_reason="x")).state is RouteState.PAUSED


def test_a_route_beside_a_partition_that_is_away_waits_for_that_partition() -> None:
    """Its own one takes commands: to wait for that would be to wait for nothing."""
    partition = f"{STREAM}:{{3}} @ redis+cluster://a:7000,b:7000"

    away = told(replace(PARKED, park_reason="a partition is away: Redis is not available: refused"), partition)
    full = told(replace(PARKED, park_reason="a partition takes nothing: ERR something"), partition)

    assert away.next[0] == "It is published once Redis is available again."
    assert full.next[0] == f"It is published once each partition of {STREAM} takes commands again."


@pytest.mark.parametrize("gate", [PAUSED, PARKED])
def test_a_closed_channel_makes_no_route_due_earlier(gate: Gate) -> None:
    """A route in its backoff is not due when the channel opens before (R9)."""
    assert told(gate, **FAILED).next[-1:] == (
        "It is due in 42 s (2026-03-14 09:27:35.589Z) at the earliest: attempt 3 of 16.",
    )


def test_a_channel_that_is_not_installed_is_published_by_nobody() -> None:
    """A route of an unknown channel says so, and what to do (R24)."""
    explanation = told(stream=None)

    assert (explanation.state, explanation.next_at) == (RouteState.UNSERVED, None)
    assert "No channel 'email' is installed here" in explanation.why[-1]
