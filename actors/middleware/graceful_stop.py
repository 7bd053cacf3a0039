"""The first signal to stop a worker stops it gracefully; repeats of it change nothing (R5, R17)."""

import signal
import threading
from contextlib import suppress

import dramatiq

# The master sends SIGTERM, and SIGHUP where it is to begin anew with other code.
_SIGNALS = {signal.SIGTERM, signal.SIGHUP}


def hold_signals() -> None:
    """Blocks the signals to stop until `GracefulStop` takes them. Call it before any thread is started.

    Dramatiq's handler logs. If it interrupts the main thread, it may wait for a lock that the main thread itself holds.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


class GracefulStop(dramatiq.Middleware):
    """Sets `stopping` at the first signal to stop, and keeps a second signal from Dramatiq.

    A platform signals the whole process group, and Dramatiq's master forwards its own signal to the same workers.
    Dramatiq takes the second signal as an order to end at once, which would interrupt the work.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        """Waits for a signal in a thread of its own, and runs Dramatiq's handler there."""
        hold_signals()
        stock = signal.getsignal(signal.SIGTERM)

        def wait() -> None:
            number = signal.sigwait(_SIGNALS)
            self._stopping.set()
            if callable(stock):
                # It raises where it was called before.
                with suppress(SystemExit):
                    stock(number, None)

        threading.Thread(target=wait, name="signals", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Sets `stopping`, so that no new work begins even if no signal came."""
        self._stopping.set()
