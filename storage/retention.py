"""Pruning: deletes records that have been kept long enough, in small batches, each in a transaction of its own.

No statement waits for a lock, so none deadlocks: a row that another session holds is left for the next pruning. Any
number of prunings may run at once.
"""

from dataclasses import dataclass
from datetime import timedelta

from storage.clock import NOW
from storage.database import Database
from storage.places import Place, behind, place_parameters

# How many rows of routes one statement reads and deletes: a tenth of a second's work.
ROUTES = 2_000
# How many rows of the other tables one statement deletes. They are small, and nothing refers to them.
ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one statement pruned.

    notifications, routes: how many were deleted.
    seen: how many notifications that are old enough were examined.
    last: the place behind which the next statement begins. None: the walk has ended.
    """

    notifications: int
    routes: int
    seen: int
    last: Place[str] | None


# A notification is deleted once it was accepted longer ago than `kept`, all of its routes are final, and none was
# changed within `kept`. The same statement copies its key to pruned_notifications (R18), so every reader finds the key
# in one of the two tables.
#
# seen      a walk along notifications_accepted by keyset, ended by the routes that it has read: a notification may
#           have thousands. LATERAL with a LIMIT can only be run as a nested loop, whatever the planner believes; the
#           walk keeps the index's order and stops at its limit.
# page      the notifications seen, but not the last one, whose routes may have been cut off, unless it is alone.
# mine      locks the notifications that are over, so that two prunings never share the routes of one. A notification
#           that stays is not locked, so its row is not written.
# ended     locks the routes and checks them again: a requeue, a republishing or the loss audit may have reopened a
#           route since the statement began. A notification gets no new routes.
# letters   locks the dead letters before they are deleted: a requeue locks the dead letter first and its route second,
#           and the two statements would wait for each other.
# whole     the notifications of which every route and every dead letter is locked. The others wait for the next walk.
# = ANY(ARRAY(…))  gives the planner keys to look up.
# kept      conflicts with a row only if an older release, which does not read pruned keys, accepted a repetition (R15).
#
# The foreign key of route_failures deletes them with their routes.
_NOTIFICATIONS = f"""/* prune_notifications */
WITH seen AS MATERIALIZED (
    SELECT n.notification_id, n.accepted_at,
           coalesce(r.status NOT IN ('pending', 'failed') AND r.updated_at < statement_timestamp() - %(kept)s, true)
               AS over
    FROM (
        SELECT notification_id, accepted_at FROM notifications
        WHERE accepted_at < statement_timestamp() - %(kept)s
          AND {behind("accepted_at", "notification_id", "uuid")}
        ORDER BY accepted_at, notification_id
        LIMIT %(limit)s
    ) AS n
    LEFT JOIN LATERAL (
        SELECT status, updated_at FROM routes WHERE routes.notification_id = n.notification_id LIMIT %(limit)s
    ) AS r ON true
    ORDER BY n.accepted_at, n.notification_id
    LIMIT %(limit)s
), page AS MATERIALIZED (
    SELECT notification_id, accepted_at, bool_and(over) AS over
    FROM seen
    GROUP BY accepted_at, notification_id
    ORDER BY accepted_at, notification_id
    LIMIT (SELECT greatest(1, count(DISTINCT notification_id) - (count(*) = %(limit)s)::int) FROM seen)
), mine AS MATERIALIZED (
    SELECT notification_id FROM notifications
    WHERE notification_id = ANY(ARRAY(SELECT notification_id FROM page WHERE over))
    FOR UPDATE SKIP LOCKED
), ended AS MATERIALIZED (
    SELECT id, notification_id FROM routes
    WHERE notification_id = ANY(ARRAY(SELECT notification_id FROM mine))
      AND status NOT IN ('pending', 'failed') AND updated_at < statement_timestamp() - %(kept)s
    FOR UPDATE SKIP LOCKED
), letters AS MATERIALIZED (
    SELECT id, notification_id FROM dead_letters
    WHERE notification_id = ANY(ARRAY(SELECT notification_id FROM mine))
    FOR UPDATE SKIP LOCKED
), held AS (
    SELECT notification_id, count(*) AS rows
    FROM (SELECT notification_id FROM ended UNION ALL SELECT notification_id FROM letters) AS locked
    GROUP BY notification_id
), whole AS MATERIALIZED (
    SELECT notification_id FROM mine LEFT JOIN held USING (notification_id)
    WHERE coalesce(held.rows, 0)
          = (SELECT count(*) FROM routes WHERE routes.notification_id = mine.notification_id)
            + (SELECT count(*) FROM dead_letters WHERE dead_letters.notification_id = mine.notification_id)
), gone_routes AS (
    DELETE FROM routes WHERE id = ANY(ARRAY(SELECT id FROM ended JOIN whole USING (notification_id)))
    RETURNING id
), gone_letters AS (
    DELETE FROM dead_letters WHERE id = ANY(ARRAY(SELECT id FROM letters JOIN whole USING (notification_id)))
), gone AS (
    DELETE FROM notifications WHERE notification_id = ANY(ARRAY(SELECT notification_id FROM whole))
    RETURNING notification_id, request_fingerprint
), kept AS (
    INSERT INTO pruned_notifications (notification_id, request_fingerprint, pruned_at)
    SELECT notification_id, request_fingerprint, {NOW}
    FROM gone
    ORDER BY notification_id
    ON CONFLICT (notification_id) DO UPDATE
    SET request_fingerprint = excluded.request_fingerprint, pruned_at = excluded.pruned_at
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM gone_routes), (SELECT count(*) FROM page),
       accepted_at, notification_id::text, (SELECT count(*) FROM seen)
FROM page
ORDER BY accepted_at DESC, notification_id DESC
LIMIT 1
"""

_OLD_NOTIFICATIONS = """/* count_old_notifications */
SELECT count(*) FROM notifications WHERE accepted_at < statement_timestamp() - %s
"""

# Keys are given out nearly in the order of time, so only the rows with the lowest keys are read. A large table of young
# rows costs no more than a small one.
_MALFORMED = """/* prune_malformed */
DELETE FROM malformed_intents
WHERE id = ANY(ARRAY(
    SELECT id FROM (SELECT id, recorded_at FROM malformed_intents ORDER BY id LIMIT %(limit)s) AS first
    WHERE recorded_at < statement_timestamp() - %(kept)s
))
RETURNING 1
"""

# A few rows a day, so the whole table is read. An action that is still running has no ended_at, and stays.
_ACTIONS = """/* prune_actions */
DELETE FROM operator_actions
WHERE id = ANY(ARRAY(
    SELECT id FROM operator_actions
    WHERE ended_at < statement_timestamp() - %(kept)s
    ORDER BY id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING 1
"""

# By the index pruned_notifications_pruned.
_KEYS = """/* prune_keys */
DELETE FROM pruned_notifications
WHERE notification_id = ANY(ARRAY(
    SELECT notification_id FROM pruned_notifications
    WHERE pruned_at < statement_timestamp() - %(kept)s
    ORDER BY pruned_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING 1
"""

_LEAST_ID = "00000000-0000-0000-0000-000000000000"


def prune_notifications(
    database: Database, kept: timedelta, *, after: Place[str] | None = None, limit: int = ROUTES
) -> Pruned:
    """Deletes notifications that have been over for longer than `kept`, the oldest first.

    A notification is deleted with all of its routes, route_failures and dead_letters, or not at all. Its key is kept in
    pruned_notifications.
    after: the walk goes on behind this place; None: it begins with the oldest notification.
    limit: how many routes are read at most; one notification is read whole, however many routes it has.
    Raises DatabaseUnavailable.
    """
    rows = database.rows(_NOTIFICATIONS, {"kept": kept, "limit": limit} | place_parameters(after, _LEAST_ID))
    if not rows:
        return Pruned(0, 0, 0, None)
    notifications, routes, seen, accepted_at, notification_id, read = rows[0]
    last = Place(accepted_at, notification_id) if read == limit else None
    return Pruned(notifications, routes, seen, last)


def count_old_notifications(database: Database, kept: timedelta) -> int:
    """Returns how many notifications were accepted longer ago than `kept`, with those that are not over yet."""
    return int(database.rows(_OLD_NOTIFICATIONS, [kept])[0][0])


def prune_malformed(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes malformed intents recorded longer ago than `kept`, the oldest first. Returns how many were deleted."""
    return len(database.rows(_MALFORMED, {"kept": kept, "limit": limit}))


def prune_actions(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes operators' actions that ended longer ago than `kept`. Returns how many were deleted."""
    return len(database.rows(_ACTIONS, {"kept": kept, "limit": limit}))


def prune_keys(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes the idempotency keys of notifications pruned longer ago than `kept`. Returns how many were deleted.

    From then on a repetition of such a notification is accepted as a new intent.
    """
    return len(database.rows(_KEYS, {"kept": kept, "limit": limit}))
