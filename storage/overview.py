"""Counts of what there is, and where given routes stand."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from publisher.domain.notification import RouteStatus
from storage.database import Database

# Reads every route: for an operator's eyes, not for a loop.
_COUNTS = "/* count_routes */ SELECT channel, status, count(*) FROM routes GROUP BY channel, status"

_MALFORMED = "/* count_malformed */ SELECT count(*) FROM malformed_intents WHERE resubmitted_at IS NULL"

_MALFORMED_AMONG = """/* count_malformed_among */
SELECT count(*) FROM malformed_intents WHERE stream = %s AND stream_entry_id = ANY(%s)
"""

_COUNTS_AMONG = """/* count_routes_among */
SELECT channel, status, count(*) FROM routes WHERE notification_id = ANY(%s::uuid[]) GROUP BY channel, status
"""

_ENDS = """/* route_ends */
SELECT notification_id || '/' || route_id, channel, status, attempt_count
FROM routes
WHERE notification_id = ANY(%s::uuid[])
"""

Counts = Mapping[tuple[str, RouteStatus], int]


@dataclass(frozen=True, slots=True)
class RouteEnd:
    """Where a route stands, and after how many failed attempts."""

    delivery_id: str
    channel: str
    status: RouteStatus
    attempt_count: int


def count_routes(database: Database, notification_ids: Collection[str] | None = None) -> Counts:
    """How many routes there are by channel and status, of all notifications or of these."""
    rows = (
        database.rows(_COUNTS) if notification_ids is None else database.rows(_COUNTS_AMONG, [list(notification_ids)])
    )
    return {(channel, RouteStatus(status)): count for channel, status, count in rows}


def count_malformed(database: Database) -> int:
    """How many malformed intents wait for someone to see to them."""
    return int(database.rows(_MALFORMED)[0][0])


def count_malformed_among(database: Database, stream: str, entry_ids: Collection[str]) -> int:
    """How many of these entries of the stream were recorded as malformed."""
    return int(database.rows(_MALFORMED_AMONG, [stream, list(entry_ids)])[0][0])


def route_ends(database: Database, notification_ids: Collection[str]) -> list[RouteEnd]:
    """Where every route of these notifications stands."""
    return [
        RouteEnd(delivery_id, channel, RouteStatus(status), attempts)
        for delivery_id, channel, status, attempts in database.rows(_ENDS, [list(notification_ids)])
    ]
