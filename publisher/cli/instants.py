"""Reads instants on the command line: as they are printed, as a clock's time, and as a time ago."""

import re
import sys
from datetime import UTC, datetime, time, timedelta
from typing import Any

import typer

from publisher.cli.output import say
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


def instant(text: str) -> datetime:
    """Reads an instant as `read_instant` does, now, and says on a terminal which one a relative text is."""
    now = datetime.now(UTC)
    found = read_instant(text, now.replace(microsecond=now.microsecond // 1000 * 1000))
    if not text.strip()[:4].isdecimal() and sys.stderr.isatty():
        say(f"publisher: {text.strip()} is {readable(found)}", sys.stderr)
    return found


def since(done: str) -> Any:
    """Returns the option --since of a command. done: what was done to the records, such as 'given up'."""
    return _option("--since", f"Only those {done} then or later: 1h (ago), 19:00 (UTC), yesterday, 2026-03-14T09:26.")


def until(done: str) -> Any:
    """Returns the option --until of a command. done: what was done to the records, such as 'given up'."""
    return _option("--until", f"Only those {done} before.")


def window(done: str, since: datetime | None, until: datetime | None) -> str:
    """Words the time that was asked for, such as 'given up from … on', for a result that is empty. Empty for any."""
    if since is not None and until is not None:
        return f"{done} from {readable(since)} to {readable(until)}"
    if since is not None:
        return f"{done} from {readable(since)} on"
    return f"{done} before {readable(until)}" if until is not None else ""


def _option(name: str, about: str) -> Any:
    return typer.Option(name, parser=instant, callback=_checked, metavar="INSTANT", help=about)


def _checked(context: typer.Context, parameter: typer.CallbackParam, value: datetime | None) -> datetime | None:
    """Returns the value of --since or --until. Raises BadRequest if nothing can lie in the time that the two name."""
    given = {**context.params, str(parameter.name): value}
    begin, end = given.get("since"), given.get("until")
    if begin is not None and begin > datetime.now(UTC) + _CLOCKS_DIFFER:
        raise BadRequest(f"--since: {readable(begin)} lies in the future")
    if begin is not None and end is not None and begin >= end:
        raise BadRequest(f"nothing lies between --since and --until: {readable(begin)} is not before {readable(end)}")
    return value


def read_instant(text: str, now: datetime) -> datetime:
    """Reads an instant in UTC, as every instant is printed. An offset, where one is given, is heeded.

    2026-03-14, 2026-03-14T09:26 or 2026-03-14 09:26:53.589Z: that instant; a day is its begin.
    19:00, 9:00 or 19:00:30: the last time that a clock in UTC showed it.
    90s, 15m, 1h30m, 2d or 1w: that long before now.
    now, today, yesterday: now, or the begin of the day.
    Raises typer.BadParameter for anything else.
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
        raise typer.BadParameter(
            f"{text!r} is no instant: those look like 2d or 1h30m (ago), 19:00 or yesterday (UTC), 2026-03-14,"
            " 2026-03-14T09:26:53Z or 2026-03-14T10:26+01:00"
        ) from None


def _last(clock: time, now: datetime) -> datetime:
    """Returns the last instant, not after now, at which a clock showed this time."""
    zone = clock.tzinfo or UTC
    shown = datetime.combine(now.astimezone(zone).date(), clock.replace(tzinfo=zone)).astimezone(UTC)
    return shown if shown <= now else shown - _DAY
