"""Counts routes and malformed intents, and reads the status of given routes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from publisher.domain.notification import RouteStatus
from storage.database import Database

# Reads every route: run it once for an operator, never in a loop. As storage.counts.counts, it leaves out routes whose
# dead letters were discarded: only a route that is a dead letter has a dead_letter_id.
_COUNTS = """/* count_routes */
SELECT routes.channel, status, count(*)
FROM routes LEFT JOIN dead_letters ON dead_letters.id = routes.dead_letter_id
WHERE dead_letters.discarded_at IS NULL
GROUP BY routes.channel, status
"""

_MALFORMED = "/* count_malformed */ SELECT count(*) FROM malformed_intents WHERE resubmitted_at IS NULL"

_MALFORMED_AMONG = """/* count_malformed_among */
SELECT count(*) FROM malformed_intents WHERE stream = %s AND stream_entry_id = ANY(%s)
"""

_COUNTS_AMONG = """/* count_routes_among */
SELECT channel, status, count(*)
FROM routes JOIN notifications AS n ON n.id = routes.notification_key
WHERE n.notification_id = ANY(%s::uuid[])
GROUP BY channel, status
"""

_ENDS = """/* route_ends */
SELECT notification_id || '/' || route_id, channel, status, attempt_count
FROM routes JOIN notifications AS n ON n.id = routes.notification_key
WHERE n.notification_id = ANY(%s::uuid[])
"""

Counts = Mapping[tuple[str, RouteStatus], int]


@dataclass(frozen=True, slots=True)
class RouteEnd:
    """The status of a route, and how many attempts of it have failed."""

    delivery_id: str
    channel: str
    status: RouteStatus
    attempt_count: int


def count_routes(database: Database, notification_ids: Collection[str] | None = None) -> Counts:
    """Returns the number of routes by channel and status, of these notifications or of all.

    Of all: those whose dead letter an operator discarded are left out.
    """
    rows = (
        database.rows(_COUNTS) if notification_ids is None else database.rows(_COUNTS_AMONG, [list(notification_ids)])
    )
    return {(channel, RouteStatus(status)): count for channel, status, count in rows}


def count_malformed(database: Database) -> int:
    """Returns the number of malformed intents that nobody has resubmitted."""
    return int(database.rows(_MALFORMED)[0][0])


def count_malformed_among(database: Database, stream: str, entry_ids: Collection[str]) -> int:
    """Returns how many of these entries of the stream were recorded as malformed."""
    return int(database.rows(_MALFORMED_AMONG, [stream, list(entry_ids)])[0][0])


def route_ends(database: Database, notification_ids: Collection[str]) -> list[RouteEnd]:
    """Returns the status of every route of these notifications."""
    return [
        RouteEnd(delivery_id, channel, RouteStatus(status), attempts)
        for delivery_id, channel, status, attempts in database.rows(_ENDS, [list(notification_ids)])
    ]
