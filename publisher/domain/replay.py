"""Which acknowledged intents may be taken in again after PostgreSQL went back: those whose witnesses still tell.

PostgreSQL went back when it lost what it had committed: a failover to a replica that lagged, a restored snapshot, a
crash without fsync. The intents that it lost still stand on their stream. Taken in again, their routes are pending, and
were perhaps published before: the witness in Redis keeps them from going out twice, for as long as it lives (R12).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.domain.entry_ids import place, sent_at


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """The entries of one replay.

    after: an id; the replay begins behind it.
    up_to: the id of the last entry that belongs to it.
    covered_at: when everything up to `after` was known to be committed; None if nobody knew. What PostgreSQL lacks was
        committed, and published, later than this.
    witnessed_since: what was published since then has a witness that outlives the replay's own publishing.
    """

    after: str
    up_to: str
    covered_at: datetime | None
    witnessed_since: datetime

    def may_replay(self, entry_id: str) -> bool:
        """True if the entry's commands were published, if ever, so late that their witnesses tell of them."""
        earliest = sent_at(entry_id)
        if self.covered_at is not None:
            earliest = max(earliest, self.covered_at)
        return earliest >= self.witnessed_since

    def is_over(self, reached: str) -> bool:
        """True if nothing of it stands behind the entry that was reached."""
        return place(reached) >= place(self.up_to)


def witnessed_since(now: datetime, dedup_window: timedelta, lease_ttl: timedelta) -> datetime:
    """Since when every witness is alive, and stays so for the lease in which a replayed route is published."""
    return now - max(timedelta(0), dedup_window - lease_ttl)


# An entry that kills whoever replays it is isolated as one that kills its reader is (R5a, R19).
TRIES = 5


def page_size(batch: int, tries: int) -> int:
    """How many entries a replay reads at once, after its replayer died so often at this very place."""
    return int(max(1, batch // 8 ** (tries - 1))) if tries > 1 else batch
