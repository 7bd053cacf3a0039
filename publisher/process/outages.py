"""Keeps the log short while a server is away: one line at once, one a minute with a count, and one when it is back.

Every loop of a process notices an outage for itself, several times a second together. Here their failures are counted
for each server. The lines of all other errors are written as ever.
"""

import logging
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from publisher.domain.durations import span
from publisher.domain.errors import (
    DatabaseBusy,
    DatabaseMisconfigured,
    DatabaseUnavailable,
    MailServerUnavailable,
    RedisUnavailable,
)
from publisher.domain.instants import from_milliseconds, readable
from publisher.domain.trouble import Trouble

# Lines of libraries that repeat a failure and do not hold its error: (logger, beginning of the line).
_ECHOES = (
    ("dramatiq.worker.ConsumerThread", "Restarting consumer in"),
    ("dramatiq.middleware.retries", "Retrying message"),
    ("dramatiq.middleware.retries", "Retries exceeded"),
    # A job that waits for the server is still at work when it is due again.
    ("apscheduler.scheduler", "Execution of job"),
)


class Server(StrEnum):
    """A server that may be away. A Redis that has streams alone is named by `redis_of`."""

    REDIS = "redis"
    POSTGRESQL = "postgresql"
    SMTP = "the SMTP server"


def redis_of(variable: str) -> str:
    """Returns the name of the Redis that this setting names."""
    return Server.REDIS if variable == "REDIS_URL" else f"redis ({variable})"


def server_of(error: BaseException | None) -> str | None:
    """Returns the server that is away according to this error, or an error that caused it. None: no server is."""
    error = _unavailable(error)
    if isinstance(error, RedisUnavailable):
        return redis_of(error.variable)
    if isinstance(error, MailServerUnavailable):
        return Server.SMTP
    # These two are answers of a server that is there, about this statement or this role.
    if error is None or isinstance(error, DatabaseBusy | DatabaseMisconfigured):
        return None
    return Server.POSTGRESQL


def _unavailable(error: BaseException | None) -> BaseException | None:
    """Returns the error of a server, be it this one or the one that caused it. None: there is none."""
    while error is not None and not isinstance(error, RedisUnavailable | MailServerUnavailable | DatabaseUnavailable):
        error = error.__cause__
    return error


@dataclass(slots=True)
class Outage:
    """The failures of one server, one after the other. Times are seconds of a monotonic clock.

    began: when the first one happened. since: the same, as an instant.
    told: when the last line was written.
    error: the last one, and when it happened: failed.
    failures: how many there were.
    answered: when the server answered for the first time after the last failure, or None.
    """

    began: float
    since: datetime
    told: float
    error: str
    failed: float
    failures: int = 1
    answered: float | None = None


class Outages:
    """Counts the failures of each server in this process. Safe to share between threads.

    It does nothing until `watch` is called: a command that an operator runs tells every error.
    """

    def __init__(
        self,
        interval: timedelta = timedelta(minutes=1),
        settled: timedelta = timedelta(seconds=2),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """interval: time between two lines. settled: how long a server must answer without a failure to be back."""
        self._interval = interval.total_seconds()
        self._settled = settled.total_seconds()
        self._clock = clock
        self._ongoing: dict[str, Outage] = {}
        self._lock = threading.Lock()
        self._is_watching = False

    def watch(self) -> None:
        """Begins to count: from now on repeated failures are not logged one by one."""
        self._is_watching = True

    def failed(self, server: str, error: str, noticed_by: str) -> None:
        """Counts a failure, and logs it if it is the first or the last line is an interval old.

        noticed_by: the line that would have been logged without this.
        """
        now = self._clock()
        with self._lock:
            outage = self._ongoing.get(server)
            if outage is None:
                since = from_milliseconds(time.time_ns() // 1_000_000)
                self._ongoing[server] = Outage(began=now, since=since, told=now, error=error, failed=now)
            else:
                outage.error, outage.failed = error, now
                outage.failures += 1
                outage.answered = None
                if now - outage.told < self._interval:
                    return
                outage.told = now
        if outage is None:
            _warn(f"{server} is not available", error=error, noticed_by=noticed_by)
        else:
            _warn(
                f"{server} is still not available",
                error=error,
                since=readable(outage.since),
                failures=outage.failures,
            )

    def answered(self, server: str) -> None:
        """Notes that the server did what it was asked. Logs the end of an outage, once the server has settled."""
        # Asked after every answer: nearly always there is no outage.
        if not self._ongoing:
            return
        now = self._clock()
        with self._lock:
            outage = self._ongoing.get(server)
            if outage is None:
                return
            if outage.answered is None:
                outage.answered = now
            if now - outage.answered < self._settled:
                return
            del self._ongoing[server]
        away = timedelta(seconds=outage.answered - outage.began)
        _warn(f"{server} is available again", after=span(away), failures=outage.failures)

    def trouble(self, server: str) -> Trouble | None:
        """Returns why the server is away. None: it is not, or nobody asked it within the last interval."""
        now = self._clock()
        with self._lock:
            outage = self._ongoing.get(server)
            if outage is None or outage.answered is not None or now - outage.failed > self._interval:
                return None
            return Trouble(outage.error, outage.since)

    def collapse(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Words the exception that stands under `error`. Drops the event if it says that a server is away.

        A processor of structlog.
        """
        error = event.get("error")
        if isinstance(error, BaseException):
            event["error"] = str(error)
            server = server_of(error) if self._is_watching else None
            if server is not None:
                self.failed(server, str(_unavailable(error)), str(event.get("event")))
                from structlog import DropEvent

                raise DropEvent
        return event

    def is_repetition(self, record: logging.LogRecord) -> bool:
        """Returns True if this line of a library says that a server is away, which is then counted here."""
        if not self._is_watching:
            return False
        server = server_of(error := _error_of(record))
        if server is not None:
            self.failed(server, str(_unavailable(error)), record.name)
            return True
        return bool(self._ongoing) and any(
            record.name.startswith(logger) and str(record.msg).startswith(line) for logger, line in _ECHOES
        )


def _warn(said: str, **fields: object) -> None:
    # Not imported by a command that only reads: it counts no outage.
    import structlog

    structlog.get_logger().warning(said, **fields)


def _error_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that a library logs: as a traceback, or as a part of the line."""
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    arguments = record.args if isinstance(record.args, tuple) else ()
    return next((argument for argument in arguments if isinstance(argument, BaseException)), None)


# The outages of this process.
outages = Outages()
