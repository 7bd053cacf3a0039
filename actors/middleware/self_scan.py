"""Scans in workers when no scheduler sends scans (R14a)."""

import threading
from collections.abc import Sequence

import dramatiq
import structlog

from actors.context import context
from actors.queues import served_channels
from actors.retention import send_retention
from actors.routes import as_hint, drain
from publisher.domain.errors import PublisherError

_log = structlog.get_logger()


class SelfScan(dramatiq.Middleware):
    """Scans each channel of this worker that was not scanned for three intervals, in a thread of its own.

    It scans without a message, so that it also helps when Dramatiq's queues are lost or too long. One worker of all
    scans a channel. A worker of some queues leaves the other channels to their workers (R16).
    """

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts the thread."""
        served = served_channels(worker, context().channels)
        threading.Thread(target=self._run, args=(served,), name="self-scan", daemon=True).start()

    def _run(self, served: Sequence[str]) -> None:
        service = context()
        while not service.stopping.wait(service.scan_interval.total_seconds()):
            for channel in served:
                # No message is at work here: without this the watchdog would not see an encoder that hangs.
                with service.watchdog.at_work():
                    self._look(channel)

    def _look(self, channel: str) -> None:
        try:
            if context().scans.acquire(channel, context().silence):
                _log.info("no scan for three intervals: scanning by itself", channel=channel)
                # The scheduler is silent, so its other messages are missing, too.
                as_hint(send_retention, channel)
                context().watchdog.beat()
                drain(channel)
        except PublisherError as error:
            _log.warning("a scan failed and will be repeated", channel=channel, error=error)
