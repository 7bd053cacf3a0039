"""Trims the streams in workers (R13), without messages: a Redis that is full accepts none."""

import threading
from collections.abc import Sequence

import dramatiq

from actors.context import context
from actors.middleware.surviving import surviving
from actors.queues import served_channels
from actors.retention import TRIM_INTERVAL, trim_commands, trim_intents


class Trimmer(dramatiq.Middleware):
    """Trims this worker's streams, and the intents stream, at its boot and every trim interval, in a thread of its own.

    One process of all trims. Only if Redis is full every process does: the mutex cannot be written then.
    """

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts the thread."""
        served = served_channels(worker, context().channels)
        threading.Thread(target=self._run, args=(served,), name="trimmer", daemon=True).start()

    def _run(self, served: Sequence[str]) -> None:
        service = context()
        while not service.stopping.is_set():
            for channel in served:
                # A trim beats batch by batch, so that the watchdog sees one that hangs.
                with service.watchdog.at_work():
                    for trim in (trim_commands, trim_intents):
                        with surviving("a stream was not trimmed and will be later", channel=channel):
                            trim(channel)
            service.stopping.wait(TRIM_INTERVAL.total_seconds())
