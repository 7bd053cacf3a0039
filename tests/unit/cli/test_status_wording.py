"""Figures and spans as `status` words them."""

from datetime import timedelta

import pytest

from publisher.cli.terminal.wording import counted
from publisher.operations.wording import coarse, figure, rate
from storage.counts.counts import Count


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (99_999, "99,999"),
        (100_000, "100k"),
        (999_999, "999k"),
        (1_000_000, "1.0M"),
        (10_049_999, "10.0M"),
        (2_500_000_000, "2.5G"),
    ],
)
def test_a_figure_stays_narrow(number: int, text: str) -> None:
    """Small numbers are whole, large ones are rounded to what fits a column."""
    assert figure(number) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(Count(0), "0"), (Count(1_234_567), "1,234,567"), (Count(10_000_123, estimated=True), "~10.0M")],
)
def test_an_estimate_looks_like_one(count: Count, text: str) -> None:
    """What is exact is shown to the last digit; what is estimated has a ~ and no more digits than are true."""
    assert counted(count) == text


@pytest.mark.parametrize(
    ("count", "seconds", "text"),
    [(0, 2, "0"), (1, 2, "0.5"), (1, 3600, "<0.1"), (19, 2, "9.5"), (20, 2, "10"), (50_000, 2, "25,000")],
)
def test_a_rate_is_a_second(count: int, seconds: int, text: str) -> None:
    """A rate is divided by its span; one that is not zero never looks like it."""
    assert rate(count, timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (0.9, "0s"), (9.99, "9s"), (75, "1m 15s"), (90_000, "1d 1h")]
)
def test_a_span_is_told_in_seconds(seconds: float, text: str) -> None:
    """Ages need no fractions, and clocks that differ make none negative."""
    assert coarse(timedelta(seconds=seconds)) == text
