"""Ends a worker process that makes no progress, or whose master is gone."""

import os
import signal
import threading
import time
from datetime import timedelta

import dramatiq
import structlog

from publisher.process.lifeline import master_pid
from publisher.process.watchdog import EXIT_STUCK, Progress, end_stuck

_log = structlog.get_logger()
_TICK = 1.0
_ORPHAN_TICKS = 5


class Watchdog(dramatiq.Middleware):
    """Ends the process when one message is at work for longer than the limit (see `publisher.process.watchdog`)."""

    def __init__(self, limit: timedelta, progress: Progress | None = None) -> None:
        """progress: what long actors beat on."""
        self._limit_ticks = max(2, round(limit.total_seconds() / _TICK))
        self._progress = progress or Progress()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts watching."""
        threading.Thread(target=self._watch, args=(master_pid(),), name="watchdog", daemon=True).start()

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        """Begins to count for this thread."""
        self._progress.begin()

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Ends the count of this thread."""
        self._progress.end()

    after_skip_message = after_process_message

    def beat(self) -> None:
        """Says that this thread made progress. One with no message at work is not counted."""
        self._progress.beat()

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
            if self._progress.tick() > self._limit_ticks:
                end_stuck("a message")
