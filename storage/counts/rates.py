"""Counts what happened between two marks: routes published, attempts failed and routes given up, by channel."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.clock import NOW
from storage.database import Database

# The time before the first mark that is counted.
WINDOW = timedelta(seconds=10)
# A statement's instant is its beginning, and its rows are seen at its end: what is younger is left to the next look.
_SETTLED = timedelta(milliseconds=500)
# Ids are given out in the order of time, nearly: what is counted next may have so much smaller ones.
_LATE_IDS = 10_000
# So many ids a window are certain to hold all that failed in it: more than is published in as much time.
_FIRST_IDS = 500_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark up to which is counted, by the database's clock.

    until: half a second before `at`, when every row up to it is visible.
    failure_id, dead_letter_id: the largest ids at that moment.
    """

    at: datetime
    until: datetime
    failure_id: int
    dead_letter_id: int


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened on a channel between two marks. retried: failed attempts that another attempt follows."""

    published: int = 0
    retried: int = 0
    dead_lettered: int = 0


_NOW = f"""/* mark_rates */
SELECT {NOW}, {NOW} - %s,
       coalesce((SELECT max(id) FROM route_failures), 0),
       coalesce((SELECT max(id) FROM dead_letters), 0)
"""

# Three short stretches of an index each: routes_published for each of the channels, and two primary keys. The ids only
# say where to begin, the instants what to count. MATERIALIZED, since a planner with old statistics may begin with the
# routes of all failures there are. A failure retries its route unless it was its last attempt, or lost its last lease.
_BETWEEN = """/* happened_between */
WITH failures AS MATERIALIZED (
    SELECT route_key, attempt_number, classification FROM route_failures
    WHERE id > %(failure_id)s AND failed_at > %(since)s AND failed_at <= %(until)s
)
SELECT channel, sum(published)::bigint, sum(retried)::bigint, sum(dead_lettered)::bigint
FROM (
    SELECT channel, count(*) AS published, 0 AS retried, 0 AS dead_lettered FROM routes
    WHERE status = 'published' AND channel = ANY(%(channels)s)
      AND published_at > %(since)s AND published_at <= %(until)s
    GROUP BY channel
    UNION ALL
    SELECT routes.channel, 0, count(*), 0
    FROM failures JOIN routes ON routes.id = failures.route_key
    WHERE failures.attempt_number < routes.max_attempts AND failures.classification <> 'lease_expired'
    GROUP BY routes.channel
    UNION ALL
    SELECT channel, 0, 0, count(*) FROM dead_letters
    WHERE id > %(dead_letter_id)s AND dead_lettered_at > %(since)s AND dead_lettered_at <= %(until)s
    GROUP BY channel
) AS happened
GROUP BY channel
"""


def mark(database: Database) -> Mark:
    """Returns a mark of the present."""
    return Mark(*database.rows(_NOW, [_SETTLED])[0])


def before(mark: Mark) -> Mark:
    """Returns the mark of one WINDOW earlier, to count from when there is no earlier mark."""
    return Mark(mark.at - WINDOW, mark.until - WINDOW, mark.failure_id - _FIRST_IDS, mark.dead_letter_id - _FIRST_IDS)


def happened_between(database: Database, first: Mark, last: Mark, channels: Collection[str]) -> dict[str, Happened]:
    """What happened after the first mark and up to the last. A channel on which nothing did is missing.

    Published routes of these channels alone are counted; failures and dead letters of all.
    """
    parameters = {
        "since": first.until,
        "until": last.until,
        "failure_id": first.failure_id - _LATE_IDS,
        "dead_letter_id": first.dead_letter_id - _LATE_IDS,
        "channels": list(channels),
    }
    return {channel: Happened(*counts) for channel, *counts in database.rows(_BETWEEN, parameters)}
