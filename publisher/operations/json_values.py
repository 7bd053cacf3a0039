"""Turns values that JSON has none of into those that it has: the terminal and the HTTP door print the same."""

from datetime import UTC, datetime, timedelta
from enum import Enum


def json_value(value: object) -> object:
    """Returns an instant as ISO 8601 in UTC with milliseconds (R2), a duration in seconds, an enum's value.

    Any other value is returned as its text. For `default` of `json.dumps`.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    return str(value)
