"""How fast a long action goes."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.operations.changes.pace import Pace

rates = st.integers(1, 10**9)
spans = st.integers(0, 10**8).map(lambda n: timedelta(microseconds=n))


@pytest.mark.parametrize(("rate", "batch"), [(None, 500), (1, 1), (7, 1), (20, 5), (1000, 250), (10**6, 500)])
def test_a_batch_is_a_quarter_of_a_second_and_at_most_500(rate: int | None, batch: int) -> None:
    """A rate is spread over small batches; without one they are as large as they may be."""
    assert Pace(rate).batch == batch


@given(st.integers(0, 500), spans)
def test_without_a_rate_nothing_waits(done: int, spent: timedelta) -> None:
    """As fast as it goes."""
    assert Pace().pause(done, spent) == timedelta(0)


@given(rates, st.integers(0, 500), spans)
def test_no_batch_is_faster_than_the_rate(rate: int, done: int, spent: timedelta) -> None:
    """A batch and its pause take as long as so many may take, and no longer than that or than the batch itself."""
    pause = Pace(rate).pause(done, spent)

    due = timedelta(seconds=done / rate)
    assert pause >= timedelta(0)
    assert pause + spent == max(due, spent)


def test_what_a_slow_batch_is_behind_is_not_made_up_for() -> None:
    """After a stall the next batch waits as long as any other: no burst."""
    pace = Pace(10)
    assert pace.pause(2, timedelta(minutes=1)) == timedelta(0)
    assert pace.pause(2, timedelta(0)) == timedelta(milliseconds=200)


def test_a_batch_that_changed_nothing_is_not_waited_for() -> None:
    """Pages that hold nothing of what is looked for cost no time."""
    assert Pace(1).pause(0, timedelta(0)) == timedelta(0)
