"""Waits for the database schema when a process starts: `publisher migrate` may run at the same moment."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from publisher.domain.errors import PublisherError

_log = structlog.get_logger()
_TICK = timedelta(seconds=0.5)
# Whoever waits for so long waits for a person.
_REMINDER = timedelta(minutes=1)


def wait_for_schema(read_pending: Callable[[], Sequence[str]], pause: Callable[[float], bool]) -> None:
    """Returns once no migration of this release is pending. Says that it waits, and again each minute.

    read_pending: reads the names of the pending migrations. If they cannot be read, this returns at once: whatever the
        process does next waits for PostgreSQL by itself, as in any outage (R19a).
    pause: sleeps for so many seconds. True if the process was told to stop meanwhile, which ends the wait.
    """
    said: float | None = None
    while pending := _pending(read_pending):
        now = time.monotonic()
        if said is None or now - said > _REMINDER.total_seconds():
            _log.warning("waiting for the database schema: 'publisher migrate' brings it", pending=list(pending))
            said = now
        if pause(_TICK.total_seconds()):
            return
    if said is not None:
        _log.info("the database schema is there")


def _pending(read_pending: Callable[[], Sequence[str]]) -> Sequence[str]:
    try:
        return read_pending()
    except PublisherError as error:
        _log.debug("the state of the schema was not read", error=str(error))
        return []
