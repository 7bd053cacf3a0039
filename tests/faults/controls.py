"""An operator at work during a run: a rate limit on the email channel, and holds that come and go."""

import random
import threading
from collections import Counter
from collections.abc import Sequence

import redis

from tests.faults.invariants import RENAMED, STREAMS
from tests.faults.producer import TYPES
from tests.faults.servers import PostgreSQL

# More than the producer sends, so that what has waited is caught up with; less than a claim takes at once.
PER_SECOND, BURST = 90.0, 45
_LIMIT = """
INSERT INTO channel_limits (channel, per_second, burst, set_by, set_at) VALUES ('email', %s, %s, 'chaos', now())
RETURNING channel
"""
_HOLD = """
INSERT INTO holds (channel, notification_type, reason, held_by, held_at) VALUES (%s, %s, 'chaos', 'chaos', now())
RETURNING id
"""
_REMOVE = "DELETE FROM holds RETURNING id"


class Controls:
    """Sets the limit, then adds and removes holds in a thread of its own until it is closed."""

    def __init__(self, postgresql: PostgreSQL, seed: int) -> None:
        self._postgresql = postgresql
        self._dice = random.Random(seed)
        self._stopping = threading.Event()
        self.counts: Counter[str] = Counter()
        postgresql.rows(_LIMIT, PER_SECOND, BURST)
        self._thread = threading.Thread(target=self._run, name="operator", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Removes what is held, and ends."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._dice.uniform(0.5, 2.0)):
            channel, type_ = self._dice.choice([("push", None), (None, self._dice.choice(TYPES)), ("email", TYPES[0])])
            self._postgresql.rows(_HOLD, channel, type_)
            self.counts["holds"] += 1
            self._stopping.wait(self._dice.uniform(0.5, 3.0))
            self._postgresql.rows(_REMOVE)


def over_limit(client: redis.Redis) -> list[str]:
    """Names each stream of the limited channel that took more than rate x time + burst in some window (R30).

    An entry's id has whole milliseconds: a window may be so much longer than its ids say.
    """
    return [
        f"{stream} took {most:.0f} commands more than its limit in some window"
        for stream in (STREAMS["email"], RENAMED)
        if (most := excess([int(id_.split(b"-")[0]) / 1000 for id_, _ in client.xrange(stream) or []])) > 0
    ]


def excess(times: Sequence[float], per_second: float = PER_SECOND, burst: int = BURST) -> float:
    """Returns by how much the worst window of these instants, in seconds, is over the limit; 0 if none is."""
    lowest, worst = float("inf"), 0.0
    for place, at in enumerate(times):
        lowest = min(lowest, place - per_second * at)
        in_window = (place + 1 - per_second * at) - lowest
        worst = max(worst, in_window - burst - per_second * 0.001)
    return worst
