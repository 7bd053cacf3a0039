"""The backlog of each channel: for how long its open routes have been due, and which leases nobody took over."""

from dataclasses import dataclass
from datetime import timedelta

from storage.database import Database
from storage.loose_scan import distinct
from storage.models.routes import OPEN


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open routes of a channel, by the thousand that have been due longest.

    oldest_due: for how long the first free route has been due. None: no route is free and due.
    orphaned: how many leases expired long ago and were not taken over.
    longest_over: how long ago the first of those leases expired. None: there is none.
    """

    channel: str
    oldest_due: timedelta | None
    orphaned: int
    longest_over: timedelta | None


# By the partial index routes_due: from one channel to the next, and a thousand routes of each. A route whose lease
# expired is among the first of them, since it has been due since before it was leased.
_BACKLOGS = f"""/* read_backlogs */
WITH RECURSIVE {distinct("channels", "channel", "routes", OPEN)}
SELECT c.channel, longest.oldest_due, longest.orphaned, longest.longest_over
FROM channels AS c CROSS JOIN LATERAL (
    SELECT statement_timestamp() - min(next_attempt_at)
               FILTER (WHERE lease_expires_at IS NULL OR lease_expires_at <= statement_timestamp()) AS oldest_due,
           count(*) FILTER (WHERE lease_expires_at <= statement_timestamp() - %(over)s) AS orphaned,
           statement_timestamp() - min(lease_expires_at)
               FILTER (WHERE lease_expires_at <= statement_timestamp() - %(over)s) AS longest_over
    FROM (
        SELECT next_attempt_at, lease_expires_at FROM routes AS r
        WHERE r.channel = c.channel AND r.status IN ('pending', 'failed')
          AND r.next_attempt_at <= statement_timestamp()
        ORDER BY r.next_attempt_at, r.id LIMIT 1000
    ) AS due
) AS longest
WHERE c.channel IS NOT NULL
ORDER BY c.channel
"""


def read_backlogs(database: Database, *, over: timedelta) -> list[Backlog]:
    """Returns the backlog of every channel that has open routes.

    over: how long ago a lease must have expired to count as orphaned.
    """
    return [Backlog(*row) for row in database.rows(_BACKLOGS, {"over": over})]
