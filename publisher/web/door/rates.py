"""Limits how often a sender may ask: a bucket of requests for each token, in this process."""

import math
import threading
import time
from collections.abc import Callable


class Rates:
    """A token bucket for each sender: `rate` requests a second, after a quiet time twice as many at once.

    Safe to share between threads. A process more is a bucket more: the limit keeps one sender from the others' door,
    and is no promise about the whole fleet.
    """

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        """rate: requests a second of one sender; 0: any number."""
        self._rate = rate
        self._burst = max(1.0, 2 * rate)
        self._now = now
        # By the token's number: as many as an operator has made.
        self._buckets: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, token_id: int) -> int:
        """Takes one request. Returns 0, or after how many seconds to ask again, if there is none."""
        if not self._rate:
            return 0
        with self._lock:
            now = self._now()
            left, at = self._buckets.get(token_id, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._rate)
            enough = left >= 1
            self._buckets[token_id] = (left - 1 if enough else left, now)
        return 0 if enough else math.ceil((1 - left) / self._rate)
