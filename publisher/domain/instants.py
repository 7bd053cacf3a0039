"""Instants: aware, UTC, whole milliseconds (R2)."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(instant: datetime) -> int:
    """Unix milliseconds of an aware instant, exact: no float on the way."""
    return (instant - EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """The instant of these Unix milliseconds, in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def readable(instant: datetime) -> str:
    """The instant as a person reads it: `2026-03-14 09:26:53.589Z`."""
    return instant.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
