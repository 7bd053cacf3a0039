"""Runs the loss audits in workers (R12a), however long the queues are."""

import threading
from collections.abc import Sequence

import dramatiq

from actors.context import context
from actors.maintenance import audit
from actors.middleware.surviving import surviving
from actors.queues import served_channels
from publisher.streams.keys import audit_key
from publisher.streams.mutex import Mutex


class Auditor(dramatiq.Middleware):
    """Checks every scan interval, in a thread of its own, whether an audit of one of this worker's channels is due.

    It needs no message and no worker thread: neither a long queue nor a dead scheduler delays an audit. Of the
    processes that serve the same channels one checks each interval. An audit that failed is tried again at the next
    interval.
    """

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts the thread, unless audits are switched off."""
        if not context().loss_audit.is_off:
            served = served_channels(worker, context().channels)
            threading.Thread(target=self._run, args=(served,), name="auditor", daemon=True).start()

    def _run(self, served: Sequence[str]) -> None:
        service = context()
        mutex = Mutex(service.redis, audit_key)
        while not service.stopping.wait(service.scan_interval.total_seconds()):
            # The audit beats page by page, so that the watchdog sees one that hangs.
            with service.watchdog.at_work():
                if mutex.acquire_or_share(",".join(served), service.scan_interval):
                    self._look(served)

    def _look(self, served: Sequence[str]) -> None:
        # Read once for all channels of a server. If it changes meanwhile, the next interval audits again.
        identity = context().streams.identities()
        for channel in served:
            with surviving("an audit failed and will be repeated", channel=channel):
                audit(channel, identity)
