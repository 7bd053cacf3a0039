"""Converts instants, which are aware, in UTC and of whole milliseconds (R2)."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(instant: datetime) -> int:
    """Returns the Unix milliseconds of an aware instant, exactly: no float is involved."""
    return (instant - EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """Returns the instant of these Unix milliseconds, in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def readable(instant: datetime) -> str:
    """Returns the instant as a person reads it: `2026-03-14 09:26:53.589Z`."""
    return instant.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
