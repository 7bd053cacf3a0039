"""Says when walks have seen all groups of a channel, and found no route to claim in any (R31).

A walk that ends before it has seen all groups may have passed over held or later ones alone. The next walk goes on
behind it, and follows at once until the round is complete: then all waits for the next scan.
"""

import threading
from collections.abc import Collection, Mapping

from publisher.domain.lanes import Lane

# A round ends after so many walks, should groups come faster than walks pass over them.
_WALKS = 100
# Before every key.
_BEGINNING = -1


class WalkRound:
    """The walks since the last one that led to a claim. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._walks = 0
        self._begun: dict[Lane, int] = {}
        self._complete: set[Lane] = set()

    def goes_on(
        self, starts: Mapping[Lane, int], ends: Mapping[Lane, int], cut: Collection[Lane], *, found_some: bool
    ) -> bool:
        """Notes a walk, and returns whether another one is to follow at once. A round that is complete begins anew.

        starts, ends: by lane, the keys of the groups behind which the walk began, and behind which the next one begins.
        cut: the lanes of which it has not seen all groups.
        found_some: it led to the claim of a route, and so begins the round anew.
        """
        with self._lock:
            if not found_some:
                self._walks += 1
                for lane in Lane:
                    start = starts.get(lane, _BEGINNING)
                    begun = self._begun.setdefault(lane, start)
                    if lane not in cut or _passes(start, begun, ends.get(lane, _BEGINNING)):
                        self._complete.add(lane)
                if self._walks < _WALKS and len(self._complete) < len(Lane):
                    return True
            self._walks = 0
            self._begun.clear()
            self._complete.clear()
            return False


def _passes(start: int, key: int, end: int) -> bool:
    """Whether a walk from behind `start` to `end`, which goes on with the first key behind the last, passes the key."""
    return start < key <= end if start < end else key > start or key <= end
