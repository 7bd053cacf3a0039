"""Reads instants on the command line, in every form in which they are printed."""

from datetime import UTC, datetime

import typer

# What help shows for an option that takes one.
METAVAR = "INSTANT"


def instant(text: str) -> datetime:
    """Reads an ISO 8601 text, such as 2026-03-14, 2026-03-14T09:26 or 2026-03-14 09:26:53.589Z.

    Without an offset it is UTC. Raises typer.BadParameter for anything else.
    """
    try:
        given = datetime.fromisoformat(text.strip())
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no instant: those look like 2026-03-14 or 2026-03-14T09:26:53Z"
        ) from None
