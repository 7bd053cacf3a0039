"""Workers audit their channels (R12a), however long the queues are."""

import threading
from collections.abc import Sequence

import dramatiq
import structlog

from actors.context import context
from actors.maintenance import audit
from actors.queues import served_channels
from publisher.domain.errors import PublisherError
from publisher.streams.keys import audit_key
from publisher.streams.mutex import Mutex

_log = structlog.get_logger()


class Auditor(dramatiq.Middleware):
    """Looks each scan interval whether an audit of one of this worker's channels is due, in a thread of its own.

    No message and no worker thread is needed, so that neither a long queue nor a clock that is dead holds an audit up.
    Of all processes one looks, each interval and channel. An audit that failed is tried again at the next interval.
    """

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts looking."""
        if not context().loss_audit.is_off:
            served = served_channels(worker, context().channels)
            threading.Thread(target=self._run, args=(served,), name="auditor", daemon=True).start()

    def _run(self, served: Sequence[str]) -> None:
        service = context()
        mutex = Mutex(service.redis, audit_key)
        while not service.stopping.wait(service.scan_interval.total_seconds()):
            for channel in served:
                # The watchdog sees a walk that hangs: it beats page by page.
                with service.watchdog.at_work():
                    if mutex.acquire_or_share(channel, service.scan_interval):
                        self._look(channel)

    def _look(self, channel: str) -> None:
        try:
            audit(channel)
        except PublisherError as error:
            _log.warning("an audit failed and will be repeated", channel=channel, error=str(error))
        except Exception:  # noqa: BLE001 - the thread must outlive a bug: without it nothing of a loss would be seen
            _log.exception("an audit failed and will be repeated", channel=channel)
