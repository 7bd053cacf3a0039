"""The first SIGTERM stops a worker gracefully; repeats of it change nothing (R5, R17)."""

import signal
import threading
from contextlib import suppress
from types import FrameType

import dramatiq
import structlog

_log = structlog.get_logger()


class GracefulStop(dramatiq.Middleware):
    """Sets `stopping` at the first SIGTERM, and keeps a second one from Dramatiq.

    A platform signals the whole process group, and Dramatiq's master forwards its own to the same workers;
    Dramatiq takes the second for a wish to be killed at once, and would cut the work short.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._told = False

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        """Puts itself before Dramatiq's handler."""
        stock = signal.getsignal(signal.SIGTERM)

        def handle(signum: int, frame: FrameType | None) -> None:
            # A second signal may come in the middle of this: Event.set, called again by itself, would wait for ever.
            if not self._told:
                self._told = True
                self._stopping.set()
                if callable(stock):
                    # It raises where it was called before this handler stood in its place.
                    with suppress(SystemExit):
                        stock(signum, frame)

        signal.signal(signal.SIGTERM, handle)

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Also without a signal, no new work is begun once the worker stops."""
        self._stopping.set()
