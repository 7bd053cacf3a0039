"""Bounds how often a process does a thing for each channel."""

import threading
import time
from collections.abc import Callable


class Throttle:
    """Lets a thing be done at most once in so many seconds for each channel. Safe to share between threads.

    now: seconds on a monotonic clock.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    def is_time(self, channel: str) -> bool:
        """Returns whether it is time again, and if so counts from now on."""
        with self._lock:
            now = self._now()
            if now < self._next.get(channel, now):
                return False
            self._next[channel] = now + self._seconds
            return True
