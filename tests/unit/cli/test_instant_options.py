"""Instants on the command line."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from publisher.cli.instants import instant, read_instant
from publisher.cli.terminal.output import show

# A Saturday.
NOW = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-14", datetime(2026, 3, 14, tzinfo=UTC)),
        ("2026-03-14T09:26", datetime(2026, 3, 14, 9, 26, tzinfo=UTC)),
        ("2026-03-14T09:26:53", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)),
        ("2026-03-14 09:26:53.589Z", datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)),
        (" 2026-03-14T10:26:53+01:00 ", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)),
    ],
)
def test_an_instant_is_iso_8601_and_utc_unless_it_says_else(text: str, expected: datetime) -> None:
    """A day, a minute, or to the millisecond (R2)."""
    assert read_instant(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        (" 1h30m ", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w2d3h4m5s", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
    ],
)
def test_a_length_of_time_is_so_long_ago(text: str, ago: timedelta) -> None:
    """`--since 1h` is an hour before now."""
    assert read_instant(text, NOW) == NOW - ago


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", datetime(2026, 3, 14, tzinfo=UTC)),
        ("yesterday", datetime(2026, 3, 13, tzinfo=UTC)),
        ("09:00", datetime(2026, 3, 14, 9, tzinfo=UTC)),
        ("9:00", datetime(2026, 3, 14, 9, tzinfo=UTC)),
        ("09:26:53.589", NOW),
        ("09:27", datetime(2026, 3, 13, 9, 27, tzinfo=UTC)),
        ("19:00", datetime(2026, 3, 13, 19, tzinfo=UTC)),
        ("10:00+01:00", datetime(2026, 3, 14, 9, tzinfo=UTC)),
        ("23:30-10:00", datetime(2026, 3, 14, 9, 30, tzinfo=UTC) - timedelta(days=1)),
        ("23:00-10:00", datetime(2026, 3, 14, 9, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_is_the_last_time_that_a_clock_showed_it(text: str, expected: datetime) -> None:
    """In UTC, as everything is printed, unless it says else: at half past nine, 19:00 is last night's."""
    assert read_instant(text, NOW) == expected


@given(st.times(), st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants it bare
def test_a_time_of_day_is_never_in_the_future(clock: object, now: datetime) -> None:
    """It lies in the day before now."""
    assert timedelta() <= now - read_instant(str(clock), now) < timedelta(days=1)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants it bare
def test_what_is_printed_is_accepted(printed: datetime) -> None:
    """Both forms in which instants are printed, for people and for machines."""
    whole = printed.replace(microsecond=printed.microsecond // 1000 * 1000)

    assert instant(show(whole)) == whole
    assert instant(whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")) == whole


@pytest.mark.parametrize(
    "text",
    [
        *("", "h", "1x", "-1h", "1m1h", "1.5h", "1 h", "1h ago", "999999999w", "١h"),
        *("tomorrow", "Yesterday", "25:00", "9:0", "9:", "19:00:61", "1y", " ", "2026-03-14T09:00 Europe/Berlin"),
        *("2026-13-01", "1773480413589", "9999-12-31T23:59:59-12:00", "\x1b[2J"),
    ],
)
def test_anything_else_is_bad_usage(text: str) -> None:
    """The line shows what was given, and what an instant looks like."""
    with pytest.raises(typer.BadParameter, match=r"is no instant: those look like 2d or 1h30m \(ago\), 19:00 or "):
        read_instant(text, NOW)
