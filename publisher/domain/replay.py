"""Which acknowledged intents may be taken in again after PostgreSQL went back: those whose witnesses still tell.

PostgreSQL went back when it lost what it had committed: a failover to a replica that lagged, a restored snapshot, a
crash without fsync. The intents that it lost still stand on their stream. Taken in again, their routes are pending, and
were perhaps published before: the witness in Redis keeps them from going out twice, for as long as it lives (R12).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

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


class ReplayReason(StrEnum):
    """Why PostgreSQL may have lost intents.

    OTHER_SERVER: another server made the mark, or this one before its last start. OLDER_DATA: Redis knows of a later
    mark. NO_DATA: Redis knows of a mark, and PostgreSQL of none.
    """

    OTHER_SERVER = "other_server"
    OLDER_DATA = "older_data"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class ReplayRecord:
    """A replay as an operator sees it.

    seen: how many entries were looked at. replayed: how many were taken in again. left_out: how many PostgreSQL lacks
    and were not taken in, since they may have been published too long ago.
    silent: for how long nobody has had its lease; None while somebody has, and once it has ended.
    """

    id: int
    stream: str
    reason: ReplayReason
    after_id: str
    reached_id: str
    up_to_id: str
    begun_at: datetime
    ended_at: datetime | None
    seen: int
    replayed: int
    left_out: int
    silent: timedelta | None
