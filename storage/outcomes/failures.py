"""Reads the failure history: every failed attempt of a route, or the newest of all. outcomes.py writes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.database import Database


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """One failed attempt of a route.

    id: the record's id, and its place in a listing.
    attempt_number: which of the route's attempts failed, counted anew after a requeue. For a dead letter by lost
        leases, which was not attempted, the number of attempts made before (R5a).
    """

    id: int
    notification_id: str
    route_id: str
    channel: str
    attempt_number: int
    classification: str
    message: str
    failed_at: datetime


_COLUMNS = """
    f.id, n.notification_id::text, r.route_id, r.channel, f.attempt_number, f.classification, f.message, f.failed_at
"""

# The newest of each route, by index route_failures_of_route, however long its history is.
_OF_ROUTES = f"""/* failure_history */
SELECT r.id, {_COLUMNS}
FROM routes AS r
CROSS JOIN LATERAL (
    SELECT * FROM route_failures WHERE route_key = r.id ORDER BY id DESC LIMIT %(limit)s
) AS f
JOIN notifications AS n ON n.id = r.notification_key
WHERE r.id = ANY(%(keys)s::bigint[])
ORDER BY f.id
"""

# Backward along the primary key, and the route of each by its own: the limit's worth of work. MATERIALIZED, since a
# planner with old statistics may begin with the routes.
_RECENT = f"""/* recent_failures */
WITH newest AS MATERIALIZED (
    SELECT * FROM route_failures
    WHERE id < coalesce(%(before)s::bigint, 9223372036854775807)
    ORDER BY id DESC LIMIT %(limit)s
)
SELECT {_COLUMNS}
FROM newest AS f JOIN routes AS r ON r.id = f.route_key JOIN notifications AS n ON n.id = r.notification_key
ORDER BY f.id DESC
"""


def failure_history(
    database: Database, route_keys: Collection[int], *, limit: int
) -> Mapping[int, Sequence[FailureRecord]]:
    """Returns the last `limit` failed attempts of each of these routes, oldest first.

    A route without any is missing.
    """
    history: dict[int, list[FailureRecord]] = {}
    for key, *fields in database.rows(_OF_ROUTES, {"keys": list(route_keys), "limit": limit}):
        history.setdefault(key, []).append(FailureRecord(*fields))
    return history


def recent_failures(database: Database, limit: int, *, before: int | None = None) -> list[FailureRecord]:
    """Returns up to `limit` failed attempts of all channels, newest first. before: the id of the last one seen."""
    return [FailureRecord(*row) for row in database.rows(_RECENT, {"before": before, "limit": limit})]
