"""Figures, spans and gates as `status` words them."""

from datetime import timedelta

import pytest

from publisher.cli.wording import closed, counted, figure, rate
from publisher.domain.circuit import Gate
from publisher.operations.wording import coarse
from storage.counts import Count
from tests.factories import INSTANT

MINUTE = timedelta(minutes=1)


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


def paused(reason: str = "mail server moves") -> Gate:
    return Gate("email", paused_at=INSTANT - 12 * MINUTE, paused_by="ann", pause_reason=reason)


def parked(probe: timedelta) -> Gate:
    return Gate("push", parked_at=INSTANT - MINUTE, park_reason="Redis refused: OOM", probe_at=INSTANT + probe)


def test_an_open_channel_needs_no_words() -> None:
    """A channel that refused a batch or two is open still."""
    assert closed(Gate("email", refused_batches=2), INSTANT) is None


def test_a_paused_channel_says_who_and_why() -> None:
    """Who paused it, for how long it has been, and the reason that was given."""
    assert closed(paused(), INSTANT) == "email is paused by ann for 12m: mail server moves"


@pytest.mark.parametrize(
    ("probe", "text"), [(timedelta(seconds=4), "in 4s"), (timedelta(0), "now"), (timedelta(seconds=-9), "now")]
)
def test_a_parked_channel_says_when_it_is_tried_again(probe: timedelta, text: str) -> None:
    """For how long it has been parked, when the next probe is due, and what its stream said."""
    assert closed(parked(probe), INSTANT) == f"push is parked for 1m, next probe {text}: Redis refused: OOM"


def test_a_pause_is_told_before_a_parking() -> None:
    """A channel that is both stays closed until an operator resumes it: that is what is said."""
    both = Gate("email", INSTANT, "ann", "moves", 3, INSTANT, "OOM", INSTANT)

    assert closed(both, INSTANT) == "email is paused by ann for 0s: moves"


def test_a_reason_cannot_write_to_the_terminal() -> None:
    """What an operator or a server wrote is one printable line."""
    text = closed(paused("line\nbreak \x1b[31mred"), INSTANT)

    assert text == "email is paused by ann for 12m: line break ?[31mred"
