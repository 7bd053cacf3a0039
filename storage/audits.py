"""The loss audit's reads and its one transition: a published route whose command Redis lost (R12a)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Database


@dataclass(frozen=True, slots=True)
class LastAudit:
    """What an audit of a channel last saw. age: how long ago, by the database's clock."""

    redis_identity: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class PublishedRoute:
    """A published route, as far as the audit needs it. published_at and id are its place in the walk."""

    id: int
    delivery_id: str
    replay: int
    stream_entry_id: str | None
    published_at: datetime
    stream: str | None = None


_LAST = """
SELECT redis_identity, statement_timestamp() - audited_at FROM stream_audits WHERE channel = %s
"""

_RECORD = """
INSERT INTO stream_audits (channel, redis_identity, audited_at)
VALUES (%s, %s, date_trunc('milliseconds', statement_timestamp()))
ON CONFLICT (channel) DO UPDATE
SET redis_identity = excluded.redis_identity, audited_at = excluded.audited_at
"""

# A walk by keyset, not by offset: each page costs the same. The partial index routes_published serves it.
_PUBLISHED_WITHIN = """
SELECT id, notification_id || '/' || route_id, replay, stream_entry_id, published_at, stream
FROM routes
WHERE channel = %(channel)s AND status = 'published'
  AND published_at >= statement_timestamp() - %(window)s
  AND (published_at, id) > (%(after_at)s, %(after_id)s)
ORDER BY published_at, id
LIMIT %(limit)s
"""

# Due again at once, under the same delivery id, with all its attempts: the loss was not the route's. Guarded
# by the entry that was looked for: a route requeued or published again meanwhile is left alone.
_LOST = """
UPDATE routes
SET status = 'pending', attempt_count = 0, published_at = NULL, stream_entry_id = NULL,
    stream = NULL, witness_until = NULL,
    next_attempt_at = date_trunc('milliseconds', statement_timestamp()),
    updated_at = date_trunc('milliseconds', statement_timestamp())
FROM unnest(%s::bigint[], %s::text[]) AS lost (id, entry_id)
WHERE routes.id = lost.id AND status = 'published' AND stream_entry_id IS NOT DISTINCT FROM lost.entry_id
RETURNING routes.id
"""


def last_audit(database: Database, channel: str) -> LastAudit | None:
    """The channel's last completed audit, or None if there was none."""
    rows = database.rows(_LAST, [channel])
    return LastAudit(*rows[0]) if rows else None


def record_audit(database: Database, channel: str, redis_identity: str) -> None:
    """Notes that every route of the window was just looked at."""
    with database.unit() as connection:
        connection.execute_sql(_RECORD, [channel, redis_identity])


def published_within(
    database: Database, channel: str, window: timedelta, *, after: PublishedRoute | None, limit: int
) -> list[PublishedRoute]:
    """Up to `limit` routes published within the window, oldest first, after this one."""
    parameters = {
        "channel": channel,
        "window": window,
        "after_at": "-infinity" if after is None else after.published_at,
        "after_id": 0 if after is None else after.id,
        "limit": limit,
    }
    return [PublishedRoute(*row) for row in database.rows(_PUBLISHED_WITHIN, parameters)]


def return_lost(database: Database, routes: Collection[PublishedRoute]) -> set[int]:
    """Makes these routes pending again (R12a). Returns the keys of those it changed."""
    if not routes:
        return set()
    parameters = [[route.id for route in routes], [route.stream_entry_id for route in routes]]
    return {row[0] for row in database.rows(_LOST, parameters)}
