"""Instants on the command line."""

from datetime import UTC, datetime

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from publisher.cli.instants import instant
from publisher.cli.output import show


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
    assert instant(text) == expected


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants it bare
def test_what_is_printed_is_accepted(printed: datetime) -> None:
    """Both forms in which instants are printed, for people and for machines."""
    whole = printed.replace(microsecond=printed.microsecond // 1000 * 1000)

    assert instant(show(whole)) == whole
    assert instant(whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")) == whole


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "1773480413589", "9999-12-31T23:59:59-12:00", "\x1b[2J"]
)
def test_anything_else_is_bad_usage(text: str) -> None:
    """The line shows what was given, and what an instant looks like."""
    with pytest.raises(typer.BadParameter, match=r"is no instant: those look like 2026-03-14"):
        instant(text)
