"""Ends a worker process that makes no progress, or whose master is gone."""

import os
import signal
import threading
import time
from datetime import timedelta

import dramatiq
import structlog

from publisher.process.lifeline import master_pid
from publisher.process.watchdog import EXIT_STUCK, Watchdog, end_stuck

_log = structlog.get_logger()
_TICK = 1.0
_ORPHAN_TICKS = 5


class WorkerWatchdog(dramatiq.Middleware):
    """Ends the process if a message shows no progress for `limit`, or if the master process is gone (R17)."""

    def __init__(self, limit: timedelta, watchdog: Watchdog | None = None) -> None:
        """watchdog: counts for the actors of this process, which beat on it."""
        self._limit_ticks = max(2, round(limit.total_seconds() / _TICK))
        self._watchdog = watchdog or Watchdog()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts watching."""
        threading.Thread(target=self._watch, args=(master_pid(),), name="watchdog", daemon=True).start()

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        """Starts counting this thread."""
        self._watchdog.begin()

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Stops counting this thread."""
        self._watchdog.end()

    after_skip_message = after_process_message

    def beat(self) -> None:
        """Notes progress of this thread; does nothing if it has no message at work."""
        self._watchdog.beat()

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
            if self._watchdog.tick() > self._limit_ticks:
                end_stuck("a message")
