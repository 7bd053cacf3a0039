"""Remembers where the next claim of a channel may begin, so that claims cost the same however many routes went before.

An index entry of a published route stays until the table is vacuumed, and longer while some transaction is old. A claim
that begins at the oldest entry walks over all of them: 25 µs a route become 115 µs after 200,000 routes. So a process
that drains a channel begins each claim behind its last one.

A route can become due behind that place if its lease was given back or ran out. Everything else becomes due later than
what was claimed. Such a route waits until some claim begins at the oldest entry again: after each claim that was not
full, and every second, or less often where that costs much. Where it does, one process looks back for all of them:
their leases and their routes are the same.
"""

import threading
from collections.abc import Callable
from datetime import timedelta

from storage.claiming.claims import Claim
from storage.places import Place

_LEAST_SECONDS, _MOST_SECONDS = 1.0, 7.0
# A claim from the beginning that took so long is made again when it is this small a part of the time.
_SHARE = 0.02


class ClaimCursor:
    """The places of one process, by channel. Safe to share between threads.

    now: seconds on a monotonic clock.
    may_look_back: asked where looking back is dear. True if this process may begin the channel at its oldest entry, and
    no other for so long.
    """

    def __init__(self, now: Callable[[], float], may_look_back: Callable[[str, timedelta], bool]) -> None:
        self._now = now
        self._may_look_back = may_look_back
        self._lock = threading.Lock()
        self._places: dict[str, Place[int]] = {}
        self._until: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    def of(self, channel: str) -> Place[int] | None:
        """Returns the place behind which the next claim begins; None: at the oldest entry."""
        with self._lock:
            place, pause = self._places.get(channel), self._pauses.get(channel, _LEAST_SECONDS)
            if self._now() <= self._until.get(channel, 0.0):
                return place
            self._until[channel] = self._now() + _LEAST_SECONDS
        # A process that may not look back asks again after a second, so no route waits longer than `pause`.
        elsewhere = timedelta(seconds=pause - _LEAST_SECONDS)
        if place is not None and elsewhere and not self._may_look_back(channel, elsewhere):
            return place
        with self._lock:
            self._places.pop(channel, None)
        return None

    def note(self, channel: str, began: float, after: Place[int] | None, claim: Claim) -> None:
        """Remembers where this claim ended. Of several threads, the one that is furthest counts.

        began: when, on the same clock. after: where it began.
        """
        with self._lock:
            if after is None:
                pause = min(max(_LEAST_SECONDS, (self._now() - began) / _SHARE), _MOST_SECONDS)
                self._pauses[channel] = pause
                self._until[channel] = self._now() + pause
            known = self._places.pop(channel, None)
            if claim.last is not None:
                self._places[channel] = max(place for place in (known, claim.last) if place)
