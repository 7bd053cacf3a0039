"""Who is at work in this process, and whether they get on: a process that hangs ends itself.

Every call to a server has a timeout, so this fires on what has none: a deadlock, an encoder's endless loop. A
thread cannot be interrupted safely (it would tear connections), the process can be ended: its leases expire, its
intents are taken over, and the platform starts another.

Time is counted in ticks of our own, so that a process that was paused as a whole is not taken for a stuck one.
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
# What waits for a server beats each time it tries again, and no try takes as long. Below the minute within which
# a process that hangs must end.
LIMIT = timedelta(seconds=50)


class Progress:
    """Counts ticks for everyone at work, from their last sign of progress. Safe to share between threads.

    Whoever is at work is known by a name, or else by their thread.
    """

    def __init__(self) -> None:
        self._ticks: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    def begin(self, who: Hashable = None) -> None:
        """Begins to count."""
        with self._lock:
            self._ticks[_known(who)] = 0

    def end(self, who: Hashable = None) -> None:
        """Ends the count. One who is not at work may say so, too."""
        with self._lock:
            self._ticks.pop(_known(who), None)

    def beat(self, who: Hashable = None) -> None:
        """A sign of progress. One who is not at work is not counted."""
        with self._lock:
            if _known(who) in self._ticks:
                self._ticks[_known(who)] = 0

    def tick(self) -> int:
        """Counts a tick for everyone. Returns the most that anyone has counted."""
        with self._lock:
            for who in self._ticks:
                self._ticks[who] += 1
            return max(self._ticks.values(), default=0)

    @contextmanager
    def at_work(self, who: Hashable = None) -> Iterator[None]:
        """Counts for as long as the block takes."""
        self.begin(who)
        try:
            yield
        finally:
            self.end(who)

    @contextmanager
    def watched(self, what: str) -> Iterator[None]:
        """During the block the process ends as soon as anyone at work shows no progress for LIMIT."""
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
    """Ends this process at once, and says why."""
    _log.critical(f"{what} makes no progress: ending the process")
    os._exit(EXIT_STUCK)


def _known(who: Hashable) -> Hashable:
    return threading.get_ident() if who is None else who
