"""Where a worker's next claim begins (R4)."""

from datetime import timedelta

import pytest

from publisher.publishing.claim_cursor import ClaimCursor
from storage.claiming.claims import Claim
from storage.places import Place
from tests import factories

EARLY = Place(factories.INSTANT, 5)
LATE = Place(factories.INSTANT + timedelta(milliseconds=1), 2)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """The clock of this test's process."""
    return Clock()


@pytest.fixture
def start(clock: Clock) -> ClaimCursor:
    """The places of a process that has just begun to drain email."""
    start = ClaimCursor(clock, lambda _channel, _lasting: True)
    assert start.of("email") is None
    return start


def claim(last: Place[int] | None) -> Claim:
    """A claim that was full and ended here, or that left nothing."""
    return Claim("token", (), more=last is not None, last=last)


def note(start: ClaimCursor, claim: Claim, after: Place[int] | None = EARLY) -> None:
    """A claim of email that began just now."""
    start.note("email", start._now(), after, claim)


def test_after_a_full_claim_the_next_begins_behind_it(start: ClaimCursor) -> None:
    """What was claimed is not walked over again (R4)."""
    note(start, claim(EARLY))

    assert start.of("email") == EARLY


def test_after_a_claim_that_was_not_full_the_next_begins_at_the_beginning(start: ClaimCursor) -> None:
    """Nothing is left behind the place, so whatever is due next stands before it (R4)."""
    note(start, claim(EARLY))
    note(start, claim(None))

    assert start.of("email") is None


@pytest.mark.parametrize(("seconds", "place"), [(0.9, EARLY), (1.1, None)])
def test_once_a_second_a_claim_begins_at_the_beginning(
    seconds: float, place: Place[int] | None, start: ClaimCursor, clock: Clock
) -> None:
    """A lease that was lost behind the place waits no longer than that (R4, R5)."""
    note(start, claim(EARLY))

    clock.seconds += seconds

    assert start.of("email") == place


def test_a_long_drain_keeps_looking_back(start: ClaimCursor, clock: Clock) -> None:
    """With a full claim every 0.4 seconds, every third one begins at the beginning (R4)."""
    begun = []
    for _ in range(7):
        begun.append(start.of("email"))
        note(start, claim(EARLY), begun[-1])
        clock.seconds += 0.4

    assert begun == [None, EARLY, EARLY, None, EARLY, EARLY, None]


@pytest.mark.parametrize(("took", "pause"), [(0.001, 1.0), (0.04, 2.0), (10.0, 7.0)])
def test_where_looking_back_is_dear_it_is_done_less_often(
    took: float, pause: float, start: ClaimCursor, clock: Clock
) -> None:
    """It takes a fiftieth of the time, but a route behind the place never waits longer than seven seconds (R4)."""
    began = clock.seconds
    clock.seconds += took
    start.note("email", began, None, claim(EARLY))

    clock.seconds += pause - 0.01
    assert start.of("email") == EARLY
    clock.seconds += 0.02
    assert start.of("email") is None


@pytest.mark.parametrize("places", [(EARLY, LATE), (LATE, EARLY)])
def test_of_several_threads_the_furthest_counts(places: tuple[Place[int], Place[int]], start: ClaimCursor) -> None:
    """Two threads that drain one channel end in any order (R15)."""
    for place in places:
        note(start, claim(place))

    assert start.of("email") == LATE


def test_each_channel_has_its_place(start: ClaimCursor) -> None:
    """Draining one channel moves no other (R16)."""
    start.of("push")
    note(start, claim(EARLY))

    assert start.of("push") is None
    assert start.of("email") == EARLY


def drained_dearly(clock: Clock, turns: list[bool], asked: list[float]) -> ClaimCursor:
    """The places of a process whose look back took a tenth of a second, and whose turn it is as given."""

    def may_look_back(channel: str, lasting: timedelta) -> bool:
        assert channel == "email"
        asked.append(lasting.total_seconds())
        return turns.pop(0)

    start = ClaimCursor(clock, may_look_back)
    assert start.of("email") is None
    began = clock.seconds
    clock.seconds += 0.1
    start.note("email", began, None, claim(EARLY))
    return start


def test_where_it_is_dear_one_process_looks_back_for_all(clock: Clock) -> None:
    """A process whose turn it is not goes on behind its place, and asks again in a second (R15)."""
    asked: list[float] = []
    start = drained_dearly(clock, [False, True], asked)

    clock.seconds += 4.9
    assert (start.of("email"), asked) == (EARLY, [])
    clock.seconds += 0.2
    assert (start.of("email"), start.of("email"), asked) == (EARLY, EARLY, [4.0])
    clock.seconds += 1.1
    assert (start.of("email"), asked) == (None, [4.0, 4.0])


def test_where_it_is_cheap_nobody_is_asked(clock: Clock) -> None:
    """A look back that takes no time is taken by every process, once a second."""
    asked: list[float] = []
    start = ClaimCursor(clock, lambda _channel, lasting: bool(asked.append(lasting.total_seconds())))
    start.of("email")
    start.note("email", clock.seconds, None, claim(EARLY))
    clock.seconds += 1.1

    assert (start.of("email"), asked) == (None, [])
