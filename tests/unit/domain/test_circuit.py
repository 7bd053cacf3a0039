"""Gates and deadlines: what state a channel is in, and when a route is too late."""

from datetime import timedelta

import pytest

from publisher.domain.attempt import Cancelled, Expired, Published, is_too_late, without_attempt
from publisher.domain.circuit import Gate, GateState
from tests.factories import INSTANT, route

PAUSED = {"paused_at": INSTANT, "paused_by": "ann", "pause_reason": "lunch"}
PARKED = {"parked_at": INSTANT, "park_reason": "OOM", "probe_at": INSTANT}


@pytest.mark.parametrize(
    ("fields", "state"),
    [({}, GateState.OPEN), ({"refused_batches": 2}, GateState.OPEN), (PAUSED, GateState.PAUSED),
     (PARKED, GateState.PARKED), (PAUSED | PARKED, GateState.PAUSED)],
)  # fmt: skip
def test_the_state_of_a_gate(fields: dict[str, object], state: GateState) -> None:
    """A pause is stronger than a parking; without either a channel is open, whatever it refused."""
    assert Gate("email", **fields).state is state


@pytest.mark.parametrize(
    ("left", "elapsed", "late"),
    [(None, 10**6, False), (5.0, 4.999, False), (5.0, 5.0, True), (0.0, 0.0, True), (-1.0, 0.0, True)],
)
def test_when_a_route_is_too_late(left: float | None, elapsed: float, late: bool) -> None:
    """From its deadline on, counted from when it was read; never without one."""
    time_left = None if left is None else timedelta(seconds=left)

    assert is_too_late(route(time_left=time_left), timedelta(seconds=elapsed)) is late


def test_a_command_that_stands_was_in_time() -> None:
    """After its deadline a route expires, unless its command stands on the stream: then it was published."""
    one = route()

    assert without_attempt(one, None) == Expired(one)
    assert without_attempt(one, "1-0") == Published(one, "1-0")


def test_a_command_that_stands_came_before_the_cancellation() -> None:
    """A route that is to be cancelled is, deadline or not, unless its command stands on the stream (R28)."""
    one = route(to_be_cancelled=True, time_left=timedelta(seconds=-1))

    assert without_attempt(one, None) == Cancelled(one)
    assert without_attempt(one, "1-0") == Published(one, "1-0")
