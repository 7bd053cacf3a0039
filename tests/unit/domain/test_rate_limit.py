"""How a rate limit is written, and when a channel that waits for it is looked at again (R30)."""

from datetime import timedelta

import pytest

from publisher.domain.rate_limit import RateLimit, parse_limit, parse_rate


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("14/s", RateLimit(14.0, 14)),
        (" 14 / S ", RateLimit(14.0, 14)),
        ("600/m", RateLimit(10.0, 10)),
        ("10000/h", RateLimit(10000 / 3600, 3)),
        ("0.5/s", RateLimit(0.5, 2)),
        ("1/h", RateLimit(1 / 3600, 2)),
        ("14/s burst 28", RateLimit(14.0, 28)),
        ("14/s  BURST 1", RateLimit(14.0, 1)),
    ],
)
def test_a_limit_is_read(text: str, limit: RateLimit) -> None:
    """A rate a second, minute or hour; the burst is one second's worth, at least 2, unless it is named."""
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["14/s", "10/s", "0.5/m", "10000/h", "1.25/s", "7/m", "0.01/h", "1000000/s"])
def test_a_limit_is_worded_as_it_is_read(text: str) -> None:
    """What is shown of a limit can be given again, and means the same."""
    limit = parse_rate(text)

    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    ("limit", "worded"),
    [
        (RateLimit(14.0, 28), "14/s"),
        (RateLimit(0.5, 1), "30/m"),
        (RateLimit(10000 / 3600, 1), "10000/h"),
        (RateLimit(1.5, 1), "1.5/s"),
        (RateLimit(0.1 / 3600, 1), "0.1/h"),
    ],
)
def test_a_rate_is_worded_in_the_unit_that_makes_it_short(limit: RateLimit, worded: str) -> None:
    """A rate stands in the first unit in which it is at least one, with two decimals at most."""
    assert limit.rate == worded


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("14", "must be a number of commands"),
        ("14/d", "must be a number of commands"),
        ("-1/s", "must be a number of commands"),
        ("1e3/s", "must be a number of commands"),
        ("nan/s", "must be a number of commands"),
        ("", "must be a number of commands"),
        ("14/s burst", "must be a number of commands"),
        ("14/s burst -1", "must be a number of commands"),
        ("0/s", "must be from 0.01/h to 1000000/s"),
        ("9" * 400 + "/s", "must be from 0.01/h to 1000000/s"),
        ("14/s burst 0", "must have a burst from 1 to 1000000"),
        ("14/s burst " + "9" * 5000, "must have a burst from 1 to 1000000"),
    ],
)
def test_what_is_no_limit_breaks_a_rule(text: str, rule: str) -> None:
    """The rule that is broken is said, whatever stands there."""
    with pytest.raises(ValueError, match=rule):
        parse_limit(text)


@pytest.mark.parametrize(
    ("limit", "batch", "goal"),
    [
        (RateLimit(14.0, 28), 500, 7.0),
        (RateLimit(14.0, 4), 500, 2.0),
        (RateLimit(1.0, 1), 500, 1.0),
        (RateLimit(1 / 3600, 1), 500, 1.0),
        (RateLimit(100_000.0, 100_000), 500, 500.0),
    ],
)
def test_a_look_is_worth_its_statements(limit: RateLimit, batch: int, goal: float) -> None:
    """The goal is half a second's tokens, and neither more than a batch nor than half of the burst."""
    assert limit.goal(batch) == goal


def test_the_wait_is_over_when_the_goal_is_reached() -> None:
    """The wait is what is lacking at the rate, rounded up to the millisecond, and never nothing."""
    limit = RateLimit(14.0, 28)

    assert limit.wait(0.0, 500) == timedelta(milliseconds=500)
    assert limit.wait(6.5, 500) == timedelta(milliseconds=36)
    assert limit.wait(7.0, 500) == timedelta(milliseconds=1)
    assert limit.wait(-7.0, 500) == timedelta(seconds=1)


def test_partitions_share_a_limit() -> None:
    """Together they append no more than it says, but for a burst of less than one command for each (R30, R37)."""
    assert RateLimit(14, 28).share_of(4) == RateLimit(3.5, 7)
    assert RateLimit(14, 28).share_of(1) == RateLimit(14, 28)
    assert RateLimit(1, 2).share_of(8) == RateLimit(0.125, 1)
