"""An operator at work during a run: a rate limit on the email channel, and holds that come and go."""

import random
import threading
from collections import Counter

from publisher.domain.rate_limit import RateLimit
from tests.faults.producer import TYPES
from tests.faults.servers import PostgreSQL

# More than the producer sends, so that what has waited is caught up with; its burst is less than a claim takes at once.
LIMITS = {"email": RateLimit(200.0, 50)}
_LIMIT = """
INSERT INTO channel_limits (channel, per_second, burst, set_by, set_at) VALUES (%s, %s, %s, 'chaos', now())
RETURNING channel
"""
_HOLD = """
INSERT INTO holds (channel, notification_type, reason, held_by, held_at) VALUES (%s, %s, 'chaos', 'chaos', now())
RETURNING id
"""
_REMOVE = "DELETE FROM holds RETURNING id"


class Controls:
    """Sets the limits, then adds and removes holds in a thread of its own until it is closed."""

    def __init__(self, postgresql: PostgreSQL, seed: int) -> None:
        self._postgresql = postgresql
        self._dice = random.Random(seed)
        self._stopping = threading.Event()
        self.counts: Counter[str] = Counter()
        for channel, limit in LIMITS.items():
            postgresql.rows(_LIMIT, channel, limit.per_second, limit.burst)
        self._thread = threading.Thread(target=self._run, name="operator", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Removes what is held, and ends."""
        self._stopping.set()
        self._thread.join()
        self._postgresql.rows(_REMOVE)

    def _run(self) -> None:
        while not self._stopping.wait(self._dice.uniform(0.5, 2.0)):
            channel, type_ = self._dice.choice([("push", None), (None, self._dice.choice(TYPES)), ("email", TYPES[0])])
            self._postgresql.rows(_HOLD, channel, type_)
            self.counts["holds"] += 1
            self._stopping.wait(self._dice.uniform(0.5, 3.0))
            self._postgresql.rows(_REMOVE)
