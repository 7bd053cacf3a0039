"""Waits before the next try of what a server did not do, however long the server is away (R19a, R20)."""

import threading
from datetime import timedelta

import structlog

from publisher.domain.backoff import Backoff
from publisher.domain.errors import PublisherError

_log = structlog.get_logger()
# However long a server was away, it is used again within seconds of its return.
_BACKOFF = Backoff(timedelta(milliseconds=100), timedelta(seconds=2))


def wait_for_next_try(who: str, stopping: threading.Event, tries: int, error: PublisherError) -> None:
    """Logs the error and waits before the next try, longer after each, but ends at once if told to stop.

    who: the part of the service that waits, as it stands in the log. tries: how often it was tried in vain.
    """
    seconds = _BACKOFF.delay(tries, 0.0).total_seconds()
    _log.warning(f"{who} waits and tries again", seconds=seconds, error=error)
    stopping.wait(seconds)
