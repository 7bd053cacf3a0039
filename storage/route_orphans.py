"""Finds routes whose notification is missing: no foreign key keeps it from being deleted from under them (R10)."""

from dataclasses import dataclass

from storage.database import Database

# How many routes are looked at, from either end of the table.
LOOKED_AT = 5_000

# Along the primary key from both ends, and each notification by its own: the cost does not grow with the table. The
# subquery can only be run as a look-up, whatever the planner believes.
_ORPHANS = """/* orphaned_routes */
SELECT count(*), min(id), max(id)
FROM (
    (SELECT id, notification_key FROM routes ORDER BY id LIMIT %(limit)s)
    UNION
    (SELECT id, notification_key FROM routes ORDER BY id DESC LIMIT %(limit)s)
) AS ends
WHERE (SELECT true FROM notifications WHERE notifications.id = ends.notification_key) IS NULL
"""

# What an operator may run by hand.
DELETE_ORPHANS = """/* delete_orphans */
DELETE FROM routes WHERE NOT EXISTS (SELECT FROM notifications WHERE notifications.id = routes.notification_key)
"""


@dataclass(frozen=True, slots=True)
class Orphans:
    """Routes without their notification, of those that were looked at.

    first, last: the lowest and the highest key of them. None: there are none.
    """

    count: int
    first: int | None
    last: int | None


def orphaned_routes(database: Database, *, limit: int = LOOKED_AT) -> Orphans:
    """Looks at the oldest and the newest routes. limit: at so many of either."""
    return Orphans(*database.rows(_ORPHANS, {"limit": limit})[0])
