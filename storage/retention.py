"""Pruning: deletes records that have been kept long enough, in small batches, each in a transaction of its own.

No statement waits for a lock, so none deadlocks: a row that another session holds is left for the next pruning. Any
number of prunings may run at once.
"""

from dataclasses import dataclass
from datetime import timedelta

from storage.clock import NOW
from storage.database import Database

# How many rows of routes one statement reads and deletes: a tenth of a second's work.
ROUTES = 2_000
# How many rows of the other tables one statement deletes. They are small, and nothing refers to them.
ROWS = 5_000
# Keys of notifications are given out in the order of acceptance, but for those of intakes at work at the same moment.
_OUT_OF_ORDER = 10_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one statement pruned.

    notifications, routes: how many were deleted.
    seen: how many notifications that are old enough were examined.
    last: the key behind which the next statement begins. None: the walk has ended.
    """

    notifications: int
    routes: int
    seen: int
    last: int | None


# A notification is deleted once it was accepted longer ago than `kept`, all of its routes are final, and none was
# changed within `kept`. The same statement copies its key to pruned_notifications (R18), so every reader finds the key
# in one of the two tables.
#
# first     the next notifications along the primary key, which is nearly in the order of acceptance: one that was
#           accepted at the same moment as others may stand some thousand places off. The walk ends once none of them is
#           old enough. So one that is old and stands behind them is left to a later walk, and never for long.
# seen      the old ones of them, ended by the routes that were read: a notification may have thousands. LATERAL with a
#           LIMIT can only be run as a nested loop, whatever the planner believes; the walk keeps its order and stops at
#           its limit.
# page      the notifications seen, but not the last one, whose routes may have been cut off, unless it is alone.
# mine      locks the notifications that are over, so that two prunings never share the routes of one. A notification
#           that stays is not locked, so its row is not written.
# ended     locks the routes and checks them again: a requeue, a republishing or the loss audit may have reopened a
#           route since the statement began. A notification gets no new routes. A route whose mail is not over yet is
#           left out, by the index mail_deliveries_of_route: what the mail service has to send would go with it (R33).
# letters   locks the dead letters before they are deleted: a requeue locks the dead letter first and its route second,
#           and the two statements would wait for each other.
# whole     the notifications of which every route and every dead letter is locked. The others wait for the next walk.
# = ANY(ARRAY(…))  gives the planner keys to look up.
# kept      conflicts with a row only if an older release, which does not read pruned keys, accepted a repetition (R15).
#
# The foreign key of route_failures deletes them with their routes.
_NOTIFICATIONS = f"""/* prune_notifications */
WITH first AS MATERIALIZED (
    SELECT id, accepted_at < statement_timestamp() - %(kept)s AS is_old
    FROM notifications WHERE id > %(after)s
    ORDER BY id
    LIMIT %(limit)s
), seen AS MATERIALIZED (
    SELECT n.id,
           coalesce(r.status NOT IN ('pending', 'failed') AND r.updated_at < statement_timestamp() - %(kept)s, true)
               AS over
    FROM (SELECT id FROM first WHERE is_old ORDER BY id) AS n
    LEFT JOIN LATERAL (
        SELECT status, updated_at FROM routes WHERE routes.notification_key = n.id LIMIT %(limit)s
    ) AS r ON true
    ORDER BY n.id
    LIMIT %(limit)s
), page AS MATERIALIZED (
    SELECT id, bool_and(over) AS over
    FROM seen
    GROUP BY id
    ORDER BY id
    LIMIT (SELECT greatest(1, count(DISTINCT id) - (count(*) = %(limit)s)::int) FROM seen)
), mine AS MATERIALIZED (
    SELECT id, notification_id FROM notifications
    WHERE id = ANY(ARRAY(SELECT id FROM page WHERE over))
    FOR UPDATE SKIP LOCKED
), ended AS MATERIALIZED (
    SELECT id, notification_key FROM routes
    WHERE notification_key = ANY(ARRAY(SELECT id FROM mine))
      AND status NOT IN ('pending', 'failed') AND updated_at < statement_timestamp() - %(kept)s
      AND NOT EXISTS (
          SELECT FROM mail_deliveries AS mail
          WHERE mail.route_key = routes.id AND mail.state IN ('begun', 'waiting', 'held')
      )
    FOR UPDATE SKIP LOCKED
), letters AS MATERIALIZED (
    SELECT dead_letters.id, mine.id AS notification_key
    FROM dead_letters JOIN mine USING (notification_id)
    WHERE notification_id = ANY(ARRAY(SELECT notification_id FROM mine))
    FOR UPDATE OF dead_letters SKIP LOCKED
), held AS (
    SELECT notification_key, count(*) AS rows
    FROM (SELECT notification_key FROM ended UNION ALL SELECT notification_key FROM letters) AS locked
    GROUP BY notification_key
), whole AS MATERIALIZED (
    SELECT mine.id FROM mine LEFT JOIN held ON held.notification_key = mine.id
    WHERE coalesce(held.rows, 0)
          = (SELECT count(*) FROM routes WHERE routes.notification_key = mine.id)
            + (SELECT count(*) FROM dead_letters WHERE dead_letters.notification_id = mine.notification_id)
), gone_routes AS (
    DELETE FROM routes
    WHERE id = ANY(ARRAY(SELECT ended.id FROM ended JOIN whole ON whole.id = ended.notification_key))
    RETURNING id
), gone_letters AS (
    DELETE FROM dead_letters
    WHERE id = ANY(ARRAY(SELECT letters.id FROM letters JOIN whole ON whole.id = letters.notification_key))
), gone AS (
    DELETE FROM notifications WHERE id = ANY(ARRAY(SELECT id FROM whole))
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
       CASE WHEN (SELECT count(*) FROM seen) = %(limit)s THEN (SELECT max(id) FROM page)
            WHEN (SELECT count(*) = %(limit)s AND bool_or(is_old) FROM first) THEN (SELECT max(id) FROM first) END
"""

# The first young notification is found by halving the range of keys, which are nearly in the order of acceptance: some
# twenty look-ups, however many young ones there are. Those before it are read, and those some thousand places behind.
_OLD_NOTIFICATIONS = f"""/* count_old_notifications */
WITH RECURSIVE halved (low, high) AS (
    SELECT coalesce(min(id), 0), coalesce(max(id), 0) + 1 FROM notifications
    UNION ALL
    SELECT CASE WHEN is_old THEN middle.id + 1 ELSE low END, CASE WHEN is_old THEN high ELSE middle.at END
    FROM (SELECT low, high, (low + high) / 2 AS at FROM halved WHERE low < high) AS middle_of
    CROSS JOIN LATERAL (
        SELECT id, middle_of.at, accepted_at < statement_timestamp() - %(kept)s AS is_old
        FROM notifications WHERE id >= middle_of.at ORDER BY id LIMIT 1
    ) AS middle
)
SELECT count(*) FROM notifications
WHERE id < (SELECT max(low) FROM halved) + {_OUT_OF_ORDER} AND accepted_at < statement_timestamp() - %(kept)s
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

# By the index mail_deliveries_of_route. Every other row goes with its route. Rows without one are few: of commands that
# strangers wrote, or whose notification was pruned before they were taken up.
_MAIL = """/* prune_mail */
DELETE FROM mail_deliveries
WHERE delivery_id = ANY(ARRAY(
    SELECT delivery_id FROM mail_deliveries
    WHERE route_key IS NULL AND state IN ('sent', 'given_up') AND ended_at < statement_timestamp() - %(kept)s
    LIMIT %(limit)s
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


def prune_notifications(
    database: Database, kept: timedelta, *, after: int | None = None, limit: int = ROUTES
) -> Pruned:
    """Deletes notifications that have been over for longer than `kept`, the oldest first.

    A notification is deleted with all of its routes, route_failures and dead_letters, or not at all. Its key is kept in
    pruned_notifications. One whose mail is being sent, waits or is held stays (R33).
    after: the walk goes on behind this key of a notification; None: it begins with the oldest one.
    limit: how many routes are read at most; one notification is read whole, however many routes it has.
    Raises DatabaseUnavailable.
    """
    [row] = database.rows(_NOTIFICATIONS, {"kept": kept, "limit": limit, "after": after or 0})
    return Pruned(*row)


def count_old_notifications(database: Database, kept: timedelta) -> int:
    """Returns how many notifications were accepted longer ago than `kept`, with those that are not over yet."""
    return int(database.rows(_OLD_NOTIFICATIONS, {"kept": kept})[0][0])


def prune_malformed(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes malformed intents recorded longer ago than `kept`, the oldest first. Returns how many were deleted."""
    return len(database.rows(_MALFORMED, {"kept": kept, "limit": limit}))


def prune_actions(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes operators' actions that ended longer ago than `kept`. Returns how many were deleted."""
    return len(database.rows(_ACTIONS, {"kept": kept, "limit": limit}))


def prune_mail(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes what the mail service did about deliveries of no route, and ended longer ago than `kept` (R33).

    One that is being sent, waits or is held stays. Returns how many were deleted.
    """
    return len(database.rows(_MAIL, {"kept": kept, "limit": limit}))


def prune_keys(database: Database, kept: timedelta, *, limit: int = ROWS) -> int:
    """Deletes the idempotency keys of notifications pruned longer ago than `kept`. Returns how many were deleted.

    From then on a repetition of such a notification is accepted as a new intent.
    """
    return len(database.rows(_KEYS, {"kept": kept, "limit": limit}))
