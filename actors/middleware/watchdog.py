"""Ends a worker process that makes no progress, or whose master is gone."""

import multiprocessing
import os
import signal
import threading
import time
from datetime import timedelta

import dramatiq
import structlog

_log = structlog.get_logger()
_TICK = 1.0
_ORPHAN_TICKS = 5
EXIT_STUCK = 70


class Watchdog(dramatiq.Middleware):
    """Ends the process when one message has been at work for longer than the limit.

    Every call to a server has a timeout, so this fires on what has none: a deadlock, an encoder's endless
    loop. The thread cannot be interrupted safely (a TimeLimit would tear connections), the process can be
    ended: its leases expire, and the platform starts another. Time is counted in ticks of its own, so that a
    process that was paused as a whole is not taken for a stuck one.
    """

    def __init__(self, limit: timedelta) -> None:
        self._limit_ticks = max(2, round(limit.total_seconds() / _TICK))
        self._ticks: dict[int, int] = {}
        self._lock = threading.Lock()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts watching."""
        threading.Thread(target=self._watch, args=(master_pid(),), name="watchdog", daemon=True).start()

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        """Begins to count for this thread."""
        with self._lock:
            self._ticks[threading.get_ident()] = 0

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Ends the count of this thread."""
        with self._lock:
            self._ticks.pop(threading.get_ident(), None)

    after_skip_message = after_process_message

    def beat(self) -> None:
        """Says that this thread made progress. One with no message at work is not counted."""
        with self._lock:
            if threading.get_ident() in self._ticks:
                self._ticks[threading.get_ident()] = 0

    def _watch(self, master: int) -> None:
        orphaned = 0
        while True:
            time.sleep(_TICK)
            orphaned += os.getppid() != master
            if orphaned == 1:
                # The master was killed: no one would ever stop this process, or restart it.
                _log.critical("the master process is gone: stopping")
                os.kill(os.getpid(), signal.SIGTERM)
            if orphaned > _ORPHAN_TICKS:
                # One that was still booting waits for its master for ever: Dramatiq's event has lost its other side.
                os._exit(EXIT_STUCK)
            if self._is_stuck():
                _log.critical("a message makes no progress: ending the process")
                os._exit(EXIT_STUCK)

    def _is_stuck(self) -> bool:
        with self._lock:
            for thread in self._ticks:
                self._ticks[thread] += 1
            return any(ticks > self._limit_ticks for ticks in self._ticks.values())


def master_pid() -> int:
    """The process that started this one, also if it has been killed since."""
    parent = multiprocessing.parent_process()
    # A fork server stands between the two.
    if parent is None or parent.pid is None or multiprocessing.get_start_method() == "forkserver":
        return os.getppid()
    return parent.pid
