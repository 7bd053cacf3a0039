"""Instants: UTC, whole milliseconds (R2)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.instants import from_milliseconds, to_milliseconds


@given(st.integers(0, 10**14 - 1))
def test_milliseconds_survive_the_way_there_and_back(milliseconds: int) -> None:
    """Every instant that an intent can name is kept exactly (R2)."""
    instant = from_milliseconds(milliseconds)

    assert instant.tzinfo is UTC
    assert to_milliseconds(instant) == milliseconds


@pytest.mark.parametrize(
    ("instant", "milliseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC), 1_773_480_413_589),
        (datetime(2026, 3, 14, 9, 26, 53, 589_999, tzinfo=UTC), 1_773_480_413_589),
        (datetime(2026, 3, 14, 14, 56, 53, 589_000, tzinfo=timezone(timedelta(hours=5.5))), 1_773_480_413_589),
        (datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC), -1),
    ],
)
def test_an_instant_is_cut_to_the_millisecond(instant: datetime, milliseconds: int) -> None:
    """Whatever its zone, and never rounded up (R2)."""
    assert to_milliseconds(instant) == milliseconds
