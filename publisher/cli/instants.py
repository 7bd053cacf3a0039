"""Reads instants on the command line: as they are printed, as a clock's time, and as a time ago."""

import sys
from datetime import UTC, datetime
from typing import Any

import typer

from publisher.cli.terminal.output import say
from publisher.domain.errors import BadRequest
from publisher.domain.instants import readable
from publisher.operations import instants


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
    instants.check_window(given.get("since"), given.get("until"), datetime.now(UTC), ("--since", "--until"))
    return value


def read_instant(text: str, now: datetime) -> datetime:
    """Reads an instant as `publisher.operations.instants` says. Raises typer.BadParameter for a text that is none."""
    try:
        return instants.read_instant(text, now)
    except BadRequest as error:
        raise typer.BadParameter(str(error)) from None
