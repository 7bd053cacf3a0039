"""Reads the instants that reports hold, in the forms of mail (RFC 5322) and of JSON (ISO 8601)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A provider writes seven digits of a second, and Python takes six.
_DIGITS = re.compile(r"(\.\d{6})\d+")


def mail_instant(text: str | None) -> datetime | None:
    """Returns the instant of a `Date` field, in UTC; None if the text is none."""
    try:
        return None if text is None else _in_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def json_instant(text: object) -> datetime | None:
    """Returns the instant of an ISO 8601 text, in UTC; None if the value is none."""
    try:
        return _in_utc(datetime.fromisoformat(_DIGITS.sub(r"\1", text))) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


def _in_utc(instant: datetime) -> datetime:
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    in_utc = aware.astimezone(UTC)
    return in_utc.replace(microsecond=in_utc.microsecond // 1000 * 1000)
