"""Where the next claim of a channel may begin, so that claims cost the same however many routes went before.

An index entry of a published route stays until the table is vacuumed, and longer while some transaction is old. A
claim that begins at the beginning walks over all of them: 25 µs a route become 115 µs after 200,000 routes. So a
worker that drains a channel begins behind its last claim.
"""

import threading
from collections.abc import Callable

from storage.claims import Claim, Place

# What becomes due behind the place, a retry or a lease that ran out, waits at most this long.
_SECONDS = 1.0


class ClaimStart:
    """The places of one process, by channel. Safe to share between threads.

    now: seconds on a monotonic clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._since: dict[str, float] = {}

    def of(self, channel: str) -> Place | None:
        """Where to begin now: None, at the beginning, once a second and after every claim that was not full."""
        with self._lock:
            if self._now() - self._since.get(channel, 0.0) > _SECONDS:
                self._places.pop(channel, None)
                self._since[channel] = self._now()
            return self._places.get(channel)

    def note(self, channel: str, claim: Claim) -> None:
        """Remembers where this claim ended. Of several threads, the one that is furthest counts."""
        with self._lock:
            known = self._places.pop(channel, None)
            if claim.last is not None:
                self._places[channel] = max(
                    (place for place in (known, claim.last) if place), key=lambda p: (p.next_attempt_at, p.id)
                )
