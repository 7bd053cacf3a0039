"""Keeps what OpenTelemetry's SDK says in the log short and free of secrets (R26, R36).

The SDK warns of each export that fails and of each value that it cuts, and quotes the variables that it cannot use.
Here each place of its code is heard once a minute, with a count of the lines between.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

_log = structlog.get_logger()
_SDK = "opentelemetry"
_HIDDEN = "***"


def without(secrets: Sequence[str], text: str) -> str:
    """Returns the text with three asterisks in the place of each of these secrets. secrets: the longest ones first."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text


def hear_sdk(secrets: Sequence[str]) -> None:
    """Sends the warnings of the SDK's loggers to the log by way of an `OtelLog`, for as long as the process lives."""
    logger = logging.getLogger(_SDK)
    logger.handlers[:] = [OtelLog(secrets)]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    # What sends for the exporter names whole URLs below that.
    logging.getLogger("urllib3").setLevel(logging.WARNING)


@dataclass(slots=True)
class _Told:
    """When a line was logged, by a monotonic clock, and how many of the same place were left out since."""

    at: float
    left_out: int = 0


class OtelLog(logging.Handler):
    """Logs what the SDK says, each place of its code once an interval. A traceback is told by its last line alone."""

    def __init__(
        self,
        secrets: Sequence[str],
        interval: timedelta = timedelta(minutes=1),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """secrets: what no line may hold, the longest ones first."""
        super().__init__()
        self._secrets = secrets
        self._interval = interval.total_seconds()
        self._clock = clock
        self._told: dict[tuple[str, int], _Told] = {}

    def handle(self, record: logging.LogRecord) -> bool:
        """Takes no lock, for which there would be no limit: of two threads at once each may tell the same."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Logs the record, unless its place was heard within the interval."""
        place, now = (record.name, record.lineno), self._clock()
        told = self._told.get(place)
        if told is not None and now - told.at < self._interval:
            told.left_out += 1
            return
        self._told[place] = _Told(now)
        error = record.exc_info[1] if record.exc_info else None
        fields = {
            "said": without(self._secrets, _text(record)),
            "error": None if error is None else without(self._secrets, f"{type(error).__name__}: {error}"),
            "left_out": told.left_out if told else 0,
            "logger": record.name,
        }
        _log.warning("OpenTelemetry warns", **{name: value for name, value in fields.items() if value})


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - as every handler of the standard library
        return str(record.msg)
