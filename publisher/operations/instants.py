"""Reads instants as people write them: as they are printed, as a clock's time, and as a time ago."""

import re
from datetime import UTC, datetime, time, timedelta

from publisher.domain.errors import BadRequest
from publisher.domain.instants import readable

_DAY = timedelta(days=1)
# How far the clock that wrote a record may be ahead of this one.
_CLOCKS_DIFFER = timedelta(minutes=1)
# Longest first, as they are written: 1h30m.
_UNITS = {
    "w": timedelta(weeks=1),
    "d": _DAY,
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_AGO = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit in _UNITS), re.ASCII)
_CLOCK = re.compile(r"\d{1,2}:", re.ASCII)


def read_instant(text: str, now: datetime) -> datetime:
    """Reads an instant in UTC, as every instant is printed. An offset, where one is given, is heeded.

    2026-03-14, 2026-03-14T09:26 or 2026-03-14 09:26:53.589Z: that instant; a day is its begin.
    19:00, 9:00 or 19:00:30: the last time that a clock in UTC showed it.
    90s, 15m, 1h30m, 2d or 1w: that long before now.
    now, today, yesterday: now, or the begin of the day.
    Raises BadRequest for anything else.
    """
    given = text.strip()
    days = {"today": now.date(), "yesterday": now.date() - _DAY}
    try:
        if given == "now":
            return now
        if given in days:
            return datetime.combine(days[given], time(tzinfo=UTC))
        if given and (ago := _AGO.fullmatch(given)):
            return now - sum(
                (int(count) * unit for count, unit in zip(ago.groups(), _UNITS.values(), strict=True) if count),
                timedelta(),
            )
        if _CLOCK.match(given):
            return _last(time.fromisoformat(given.zfill(len(given) + (given[1] == ":"))), now)
        found = datetime.fromisoformat(given)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"{text!r} is no instant: those look like 2d or 1h30m (ago), 19:00 or yesterday (UTC), 2026-03-14,"
            " 2026-03-14T09:26:53Z or 2026-03-14T10:26+01:00"
        ) from None


def check_window(
    since: datetime | None, until: datetime | None, now: datetime, named: tuple[str, str] = ("since", "until")
) -> None:
    """Raises BadRequest if nothing can lie in the time between the two. None: no bound.

    named: what the person who gave them knows the two by.
    """
    if since is not None and since > now + _CLOCKS_DIFFER:
        raise BadRequest(f"{named[0]}: {readable(since)} lies in the future")
    if since is not None and until is not None and since >= until:
        raise BadRequest(
            f"nothing lies between {named[0]} and {named[1]}: {readable(since)} is not before {readable(until)}"
        )


def _last(clock: time, now: datetime) -> datetime:
    """Returns the last instant, not after now, at which a clock showed this time."""
    zone = clock.tzinfo or UTC
    shown = datetime.combine(now.astimezone(zone).date(), clock.replace(tzinfo=zone)).astimezone(UTC)
    return shown if shown <= now else shown - _DAY
