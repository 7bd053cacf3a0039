"""A best-effort mutex in Redis, one holder per period. If Redis forgets it, several processes do the same idempotent
work (R15)."""

import time
from collections.abc import Callable
from datetime import timedelta

import redis

from publisher.domain.errors import PublisherError
from publisher.streams.servers.connection import translated


class Mutex:
    """The mutexes of one kind of work, one for each name. Safe to share between threads."""

    def __init__(self, client: redis.Redis, key: Callable[[str], str]) -> None:
        """key: makes the Redis key of a name, such as a channel's (see keys.py)."""
        self._client = client
        self._key = key
        # By name: until when (monotonic) a period lasts that was started here.
        self._held: dict[str, float] = {}

    def acquire(self, name: str, period: timedelta) -> bool:
        """Returns True to the first caller within `period`, and False to the others.

        Redis is not asked while a period lasts that was started here. Raises RedisUnavailable or RedisRefused.
        """
        if time.monotonic() < self._held.get(name, 0.0):
            return False
        return self._set(name, period, only_if_free=True)

    def acquire_or_share(self, name: str, period: timedelta) -> bool:
        """As `acquire`, but returns True to every caller while Redis cannot tell: all do the work rather than none."""
        try:
            return self.acquire(name, period)
        except PublisherError:
            return True

    def extend(self, name: str, period: timedelta) -> None:
        """Starts a period, whoever holds the mutex: nobody acquires it before that ends.

        Raises RedisUnavailable or RedisRefused.
        """
        self._set(name, period, only_if_free=False)

    def _set(self, name: str, period: timedelta, *, only_if_free: bool) -> bool:
        milliseconds, began = max(1, round(period.total_seconds() * 1000)), time.monotonic()
        with translated():
            is_set = bool(self._client.set(self._key(name), 1, px=milliseconds, nx=only_if_free))
        if is_set:
            self._held[name] = began + period.total_seconds()
        return is_set
