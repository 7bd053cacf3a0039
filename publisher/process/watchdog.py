"""A watchdog: ends this process if a thread at work shows no progress.

Every call to a server has a timeout, so the watchdog fires on code that has none: a deadlock, or an encoder's endless
loop. A thread cannot be interrupted safely, since that would break connections. The process can be ended: its leases
expire, its intents are taken over, and the platform starts another.

The watchdog counts ticks of its own. A process that was paused as a whole is therefore not taken for a stuck one.
"""

import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

import structlog

_log = structlog.get_logger()
TICK = timedelta(seconds=1)
EXIT_STUCK = 70
# Code that waits for a server beats before each try, and no try takes as long. A process that hangs must end within a
# minute, so the limit is below that.
LIMIT = timedelta(seconds=50)


class Watchdog:
    """Counts, for each thread at work, the ticks since its last beat. Safe to share between threads.

    who: a name for the work, or None for the calling thread.
    """

    def __init__(self) -> None:
        self._ticks: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    def begin(self, who: Hashable = None) -> None:
        """Starts counting `who`."""
        with self._lock:
            self._ticks[_known(who)] = 0

    def end(self, who: Hashable = None) -> None:
        """Stops counting `who`; does nothing if it is not being counted."""
        with self._lock:
            self._ticks.pop(_known(who), None)

    def beat(self, who: Hashable = None) -> None:
        """Notes progress of `who`; does nothing if it is not being counted."""
        with self._lock:
            if _known(who) in self._ticks:
                self._ticks[_known(who)] = 0

    def tick(self) -> int:
        """Counts one tick for all. Returns the highest count."""
        with self._lock:
            for who in self._ticks:
                self._ticks[who] += 1
            return max(self._ticks.values(), default=0)

    @contextmanager
    def at_work(self, who: Hashable = None) -> Iterator[None]:
        """Counts `who` during the block."""
        self.begin(who)
        try:
            yield
        finally:
            self.end(who)

    @contextmanager
    def watched(self, what: str) -> Iterator[None]:
        """Ends the process if anyone shows no progress for LIMIT during the block. what: named in the log."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(TICK.total_seconds()):
                if self.tick() > LIMIT / TICK:
                    end_stuck(what)

        threading.Thread(target=watch, name="watchdog", daemon=True).start()
        try:
            yield
        finally:
            done.set()


def end_stuck(what: str) -> NoReturn:
    """Logs that `what` makes no progress, and ends this process at once with EXIT_STUCK."""
    _log.critical(f"{what} makes no progress: ending the process")
    os._exit(EXIT_STUCK)


def _known(who: Hashable) -> Hashable:
    return threading.get_ident() if who is None else who
