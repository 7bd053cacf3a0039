"""Reads the answers to the routes of given notifications (R32)."""

from collections.abc import Collection, Mapping

from publisher.domain.delivery_event import EventKind
from storage.database import Database

_SETTLED = f"""/* count_settled_among */
SELECT count(*)
FROM routes JOIN notifications AS n ON n.id = routes.notification_key
WHERE n.notification_id = ANY(%s::uuid[]) AND routes.channel = %s AND routes.answer <> '{EventKind.DEFERRED}'
"""

_ACCEPTED = f"""/* count_accepted_among */
SELECT n.notification_id || '/' || routes.route_id, count(*)
FROM routes JOIN notifications AS n ON n.id = routes.notification_key
JOIN delivery_events AS e ON e.route_key = routes.id
WHERE n.notification_id = ANY(%s::uuid[]) AND routes.channel = %s AND e.event = '{EventKind.ACCEPTED}'
GROUP BY 1
"""

_LAST_REFUSAL = f"""/* last_refusal_among */
SELECT e.diagnostic
FROM routes JOIN notifications AS n ON n.id = routes.notification_key
JOIN delivery_events AS e ON e.route_key = routes.id
WHERE n.notification_id = ANY(%s::uuid[]) AND routes.channel = %s
  AND e.event = '{EventKind.DEFERRED}' AND e.diagnostic IS NOT NULL
ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1
"""


def count_settled(database: Database, notification_ids: Collection[str], channel: str) -> int:
    """Returns how many routes of these notifications, on this channel, have an answer other than `deferred`."""
    return int(database.rows(_SETTLED, [list(notification_ids), channel])[0][0])


def count_accepted(database: Database, notification_ids: Collection[str], channel: str) -> Mapping[str, int]:
    """Returns how many `accepted` events the routes of these notifications on this channel have, by delivery id.

    A route that has none is left out.
    """
    return dict(database.rows(_ACCEPTED, [list(notification_ids), channel]))


def last_refusal(database: Database, notification_ids: Collection[str], channel: str) -> str | None:
    """Returns the words of the last `deferred` event of these notifications on this channel; None: there is none."""
    return next((str(row[0]) for row in database.rows(_LAST_REFUSAL, [list(notification_ids), channel])), None)
