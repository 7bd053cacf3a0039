"""Where the next claim of a channel may begin, so that claims cost the same however many routes went before.

An index entry of a published route stays until the table is vacuumed, and longer while some transaction is old. A
claim that begins at the beginning walks over all of them: 25 µs a route become 115 µs after 200,000 routes. So a
worker that drains a channel begins behind its last claim.

What can be due behind that place is a route whose lease was given back or ran out; everything else becomes due
later than what was claimed. It waits until some claim begins at the beginning again: after each that was not full,
and every second, or less often where that costs much.
"""

import threading
from collections.abc import Callable

from storage.claims import Claim, Place

_LEAST_SECONDS, _MOST_SECONDS = 1.0, 7.0
# A claim from the beginning that took so long is made again when it is this small a part of the time.
_SHARE = 0.02


class ClaimStart:
    """The places of one process, by channel. Safe to share between threads.

    now: seconds on a monotonic clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._until: dict[str, float] = {}

    def of(self, channel: str) -> Place | None:
        """Where to begin now: None, at the beginning, or behind this place."""
        with self._lock:
            if self._now() > self._until.get(channel, 0.0):
                self._places.pop(channel, None)
                self._until[channel] = self._now() + _LEAST_SECONDS
            return self._places.get(channel)

    def note(self, channel: str, began: float, after: Place | None, claim: Claim) -> None:
        """Remembers where this claim ended. Of several threads, the one that is furthest counts.

        began: when, on the same clock. after: where it began.
        """
        with self._lock:
            if after is None:
                pause = min(max(_LEAST_SECONDS, (self._now() - began) / _SHARE), _MOST_SECONDS)
                self._until[channel] = self._now() + pause
            known = self._places.pop(channel, None)
            if claim.last is not None:
                self._places[channel] = max(
                    (place for place in (known, claim.last) if place), key=lambda p: (p.next_attempt_at, p.id)
                )
