"""How long a failed route waits (R9)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.backoff import Backoff

MILLISECOND = timedelta(milliseconds=1)
DEFAULT = Backoff(timedelta(seconds=1), timedelta(seconds=1800))

# Down to microseconds: finer than what is kept, so that truncation shows.
durations = st.integers(1_000, 10**13).map(lambda n: timedelta(microseconds=n))
bounds = st.lists(durations, min_size=2, max_size=2).map(sorted)
plain = bounds.map(lambda pair: Backoff(*pair))
jittered = bounds.map(lambda pair: Backoff(*pair, jitter=True))
counts = st.one_of(st.integers(1, 60), st.integers(1, 10**18))
rolls = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("failed_attempts", "seconds"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (11, 1024), (12, 1800), (13, 1800), (10**18, 1800)],
)
def test_the_wait_doubles_with_every_failure_up_to_the_maximum(failed_attempts: int, seconds: int) -> None:
    """With the default bounds a route waits 1, 2, 4 … seconds, and never more than half an hour (R9)."""
    assert DEFAULT.delay(failed_attempts, 0.0) == timedelta(seconds=seconds)


@given(plain, counts)
def test_the_wait_lies_between_the_bounds(backoff: Backoff, failed_attempts: int) -> None:
    """No wait is shorter than the minimum, less what truncation takes, or longer than the maximum (R9)."""
    delay = backoff.delay(failed_attempts, 0.0)

    assert backoff.minimum - MILLISECOND < delay <= backoff.maximum


@given(plain, counts)
def test_the_wait_never_shrinks(backoff: Backoff, failed_attempts: int) -> None:
    """One more failure never means a shorter wait (R9)."""
    assert backoff.delay(failed_attempts, 0.0) <= backoff.delay(failed_attempts + 1, 0.0)


@given(st.one_of(plain, jittered), counts, rolls)
def test_the_wait_is_in_whole_milliseconds(backoff: Backoff, failed_attempts: int, roll: float) -> None:
    """Nothing finer than a millisecond is left, with jitter or without (R2, R9)."""
    assert backoff.delay(failed_attempts, roll) % MILLISECOND == timedelta(0)


def test_the_wait_is_truncated_not_rounded() -> None:
    """1.9999 seconds are 1,999 milliseconds (R9)."""
    backoff = Backoff(timedelta(microseconds=1_999_900), timedelta(seconds=60))

    assert backoff.delay(1, 0.0) == timedelta(milliseconds=1999)


@given(plain, counts, rolls)
def test_without_jitter_chance_changes_nothing(backoff: Backoff, failed_attempts: int, roll: float) -> None:
    """Jitter is off by default (R9)."""
    assert backoff.delay(failed_attempts, roll) == backoff.delay(failed_attempts, 0.0)


@given(bounds, counts, rolls)
def test_jitter_only_shortens_the_wait(pair: list[timedelta], failed_attempts: int, roll: float) -> None:
    """With full jitter downward a wait is anything from nothing to the full delay (R9)."""
    full = Backoff(*pair).delay(failed_attempts, 0.0)

    assert timedelta(0) <= Backoff(*pair, jitter=True).delay(failed_attempts, roll) <= full


@pytest.mark.parametrize(("roll", "milliseconds"), [(0.0, 8000), (0.25, 6000), (0.5, 4000), (0.9999, 0)])
def test_jitter_spreads_over_the_whole_range(roll: float, milliseconds: int) -> None:
    """The roll picks a point of the whole range, evenly (R9)."""
    backoff = Backoff(timedelta(seconds=1), timedelta(seconds=1800), jitter=True)

    assert backoff.delay(4, roll) == timedelta(milliseconds=milliseconds)


def test_a_huge_count_costs_nothing() -> None:
    """A thousand digits of failures are answered at once: no such power of two is computed (R9)."""
    assert DEFAULT.delay(10**1000, 0.0) == DEFAULT.maximum


def test_equal_bounds_make_a_constant_wait() -> None:
    """A minimum that equals the maximum is allowed, and holds from the first failure on (R9)."""
    backoff = Backoff(timedelta(seconds=3), timedelta(seconds=3))

    assert {backoff.delay(n, 0.0) for n in (1, 2, 50)} == {timedelta(seconds=3)}


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 1), (-1, 1), (2, 1), (0, 0)])
def test_bounds_out_of_order_are_refused(minimum: int, maximum: int) -> None:
    """A backoff needs 0 < minimum <= maximum (R9)."""
    with pytest.raises(ValueError, match="0 < minimum <= maximum"):
        Backoff(timedelta(seconds=minimum), timedelta(seconds=maximum))


@pytest.mark.parametrize("failed_attempts", [0, -1])
def test_no_wait_follows_no_failure(failed_attempts: int) -> None:
    """A delay is asked for only after at least one failed attempt (R9)."""
    with pytest.raises(ValueError, match="at least one failed attempt"):
        DEFAULT.delay(failed_attempts, 0.0)
