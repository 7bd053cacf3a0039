"""Decides which acknowledged intents may be accepted again after PostgreSQL lost data (R12, R20).

PostgreSQL loses committed data in a failover to a replica that lagged, with a restored snapshot, or in a crash without
fsync. The lost intents still stand on their stream. If they are accepted again, their routes are pending, although
their commands may have been published before. The witness in Redis keeps such a command from going out twice, as long
as it lives.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.domain.entry_ids import place, sent_at


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """The entries of one replay.

    after: the replay begins with the entry behind this id.
    up_to: the id of the last entry of the replay.
    covered_at: when everything up to `after` was known to be committed; None if that is not known. An intent that
        PostgreSQL lacks was committed, and its commands published, later than this.
    witnessed_since: a command published since then has a witness that outlives the publishing of the replay.
    """

    after: str
    up_to: str
    covered_at: datetime | None
    witnessed_since: datetime

    def may_replay(self, entry_id: str) -> bool:
        """True if the commands of this entry cannot be older than the witnesses that are still alive."""
        earliest = sent_at(entry_id)
        if self.covered_at is not None:
            earliest = max(earliest, self.covered_at)
        return earliest >= self.witnessed_since

    def is_over(self, reached: str) -> bool:
        """True if the replay ends with the entry `reached`, or before it."""
        return place(reached) >= place(self.up_to)


def witnessed_since(now: datetime, dedup_window: timedelta, lease_ttl: timedelta) -> datetime:
    """Returns the instant since which every witness is alive, and stays alive for another lease."""
    return now - max(timedelta(0), dedup_window - lease_ttl)


# So many processes may die at one place of a replay. Then the entry there is taken for the cause (R5a, R19).
TRIES = 5
