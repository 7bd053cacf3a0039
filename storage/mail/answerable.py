"""Finds the email deliveries that reports are about: each with its recipient's address, and whether we sent it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.notification import delivery_id_of
from storage.database import Database


@dataclass(frozen=True, slots=True)
class AnswerableDelivery:
    """A delivery of which a report may tell.

    address: to which it was addressed, or None.
    was_sent: our own mail service sent it, or may have, not longer ago than was asked.
    """

    delivery_id: str
    address: str | None
    was_sent: bool


# Through the index routes_identity: the routes of a notification lie together. A message of which the reply was lost
# may have been sent (unsure). So may one that is begun: a bounce can be quicker than the record that it was sent, or
# than whoever takes it over from a process that died.
_FIND = """/* find_answerable */
SELECT n.notification_id::text, r.route_id, r.resolved_email,
       coalesce(
           (m.state IN ('sent', 'begun') OR m.unsure > 0)
               AND coalesce(m.ended_at, m.begun_at) > statement_timestamp() - %(within)s,
           false
       )
FROM notifications AS n
JOIN routes AS r ON r.notification_key = n.id
LEFT JOIN mail_deliveries AS m ON m.route_key = r.id
WHERE n.notification_id = ANY(%(notifications)s::uuid[]) AND r.channel = 'email'
"""


def find_answerable(
    database: Database, notification_ids: Collection[str], within: timedelta
) -> list[AnswerableDelivery]:
    """Returns the email deliveries of these notifications.

    notification_ids: UUIDs as text. within: how long ago our mail service may have sent one.
    Raises DatabaseUnavailable.
    """
    if not notification_ids:
        return []
    rows = database.rows(_FIND, {"notifications": list(notification_ids), "within": within})
    return [
        AnswerableDelivery(delivery_id_of(notification_id, route_id), address, was_sent)
        for notification_id, route_id, address, was_sent in rows
    ]
