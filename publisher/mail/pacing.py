"""Paces the messages of one process: no more than rate × time + burst in any window."""

import asyncio
import time
from collections.abc import Callable

from publisher.domain.rate_limit import RateLimit
from publisher.mail.waiting import wait_at_most


class Pacing:
    """A token bucket. Used by the event loop alone. limit: None lets everything through."""

    def __init__(self, limit: RateLimit | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        # Tokens at that time; below zero where messages wait already, each for its own.
        self._tokens = float(limit.burst) if limit else 0.0
        self._at = clock()

    async def take(self, stopping: asyncio.Event) -> None:
        """Returns once a message may be sent, or once told to stop."""
        if self._limit is None:
            return
        now = self._clock()
        self._tokens = min(float(self._limit.burst), self._tokens + (now - self._at) * self._limit.per_second) - 1
        self._at = now
        if self._tokens < 0:
            await wait_at_most(stopping, -self._tokens / self._limit.per_second)
