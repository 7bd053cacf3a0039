"""Reads how far the loss audits have come, for `status` and `doctor`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Database

# An audit is overdue once it is late by this many intervals.
OVERDUE_AFTER_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class AuditState:
    """How far the loss audits of a channel have come.

    audited_at, age: when the last audit ended, and how long ago. None: no audit has ended yet.
    unaudited: for how long the oldest published route that no completed audit covers has been published. None: every
        published route is covered.
    """

    channel: str
    audited_at: datetime | None = None
    age: timedelta | None = None
    unaudited: timedelta | None = None

    def is_overdue(self, interval: timedelta) -> bool:
        """True if published routes have waited for three intervals and no audit ended within that time."""
        patience = OVERDUE_AFTER_INTERVALS * interval
        waits = self.unaudited is not None and self.unaudited > patience
        return waits and (self.age is None or self.age > patience)


# For each channel one step into the index routes_published: the first route behind what the last audit covered. An
# audit of the release before kept audited_at alone, which is 'epoch' before the first audit.
_STATES = """/* audit_states */
SELECT asked.channel, nullif(a.audited_at, 'epoch'), statement_timestamp() - nullif(a.audited_at, 'epoch'),
       statement_timestamp() - (
           SELECT min(published_at) FROM routes AS r
           WHERE r.channel = asked.channel AND r.status = 'published'
             AND r.published_at > coalesce(a.covered_to, a.audited_at, '-infinity')
       )
FROM unnest(%s::text[]) AS asked (channel) LEFT JOIN stream_audits AS a USING (channel)
ORDER BY 1
"""


def audit_states(database: Database, channels: Collection[str]) -> dict[str, AuditState]:
    """Returns how far the audits of each of these channels have come, by channel."""
    return {row[0]: AuditState(*row) for row in database.rows(_STATES, [list(channels)])}
