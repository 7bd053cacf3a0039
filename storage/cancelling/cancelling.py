"""Cancels routes for an operator: marks open ones, and reopens dead letters as marked (R28). `cancel_mark` says how."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.notification import RouteEvent, RouteStatus
from storage.actions import counted_in_action
from storage.cancelling.cancel_mark import BY_OPERATOR, MARKABLE, mark, reopen
from storage.clock import NOW
from storage.database import Database
from storage.loose_scan import distinct
from storage.models.routes import OPEN, WAITING
from storage.outcomes.transitions import allowing
from storage.places import Place, behind, place_parameters


@dataclass(frozen=True, slots=True)
class CancelFilter:
    """Selects the routes to be cancelled: those that match every field that is given, and have not ended.

    since, until: bounds of when they were accepted.
    recipient_ref: `user:<id>` or `address:<email>`.
    dead_letter: this one alone. up_to: dead letters of at most this id, that is, given up no later.
    """

    channel: str | None = None
    notification_type: str | None = None
    producer: str | None = None
    recipient_ref: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    notification_id: str | None = None
    route_id: str | None = None
    dead_letter: int | None = None
    up_to: int | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """The result of one statement.

    count: how many routes were marked or cancelled.
    open: the keys of those that are to be ended yet.
    last: the place behind which the next statement begins; None at the end.
    """

    count: int
    open: Sequence[int]
    last: Place[int] | None


# Absent values are constants when the statement is planned, so that a condition without one costs nothing. Routes of
# early releases have a blank producer and type: their notification tells.
_MATCHING = """routes.created_at >= %(since)s::timestamptz AND routes.created_at < %(until)s::timestamptz
      AND (%(notification_id)s::uuid IS NULL OR routes.notification_key
           = (SELECT id FROM notifications WHERE notification_id = %(notification_id)s::uuid))
      AND (%(route_id)s::text IS NULL OR routes.route_id = %(route_id)s::text)
      AND (%(recipient_ref)s::text IS NULL OR routes.recipient_ref = %(recipient_ref)s::text)
      AND (%(producer)s::text IS NULL OR routes.producer = %(producer)s::text OR routes.producer = ''
           AND EXISTS (SELECT FROM notifications AS n
                       WHERE n.id = routes.notification_key AND n.producer = %(producer)s::text))
      AND (%(notification_type)s::text IS NULL OR routes.notification_type = %(notification_type)s::text
           OR routes.notification_type = ''
           AND EXISTS (SELECT FROM notifications AS n
                       WHERE n.id = routes.notification_key AND n.notification_type = %(notification_type)s::text))"""
_OPEN_MATCHING = f"""routes.channel = %(channel)s AND {OPEN} AND routes.cancel_requested_at IS NULL
      AND %(dead_letter)s::bigint IS NULL AND {_MATCHING}"""
_DEAD_MATCHING = f"""d.channel = %(channel)s AND {WAITING} AND d.id <= %(up_to)s
      AND (%(dead_letter)s::bigint IS NULL OR d.id = %(dead_letter)s::bigint) AND {_MATCHING}"""

# A route of this very millisecond is one of now.
_NOW = f"""/* window_of_cancelling */
SELECT least(%s::timestamptz, {NOW} + interval '1 millisecond'), (SELECT coalesce(max(id), 0) FROM dead_letters)
"""

# Along the partial indexes routes_due and dead_letters_waiting: published routes cost nothing.
_CHANNELS = f"""/* channels_to_cancel_in */
WITH RECURSIVE {distinct("open", "channel", "routes", OPEN)}, {distinct("dead", "channel", "dead_letters", WAITING)}
SELECT channel FROM open WHERE channel IS NOT NULL
UNION
SELECT channel FROM dead WHERE channel IS NOT NULL
ORDER BY 1
"""
_COUNT_OPEN = f"/* count_to_cancel */ SELECT count(*) FROM routes WHERE {_OPEN_MATCHING}"
_COUNT_DEAD = f"""/* count_dead_to_cancel */
SELECT count(*) FROM dead_letters AS d JOIN routes ON routes.dead_letter_id = d.id WHERE {_DEAD_MATCHING}
"""

# page    the next of the channel's open routes, by keyset in the order in which they are due: an attempt that fails
#         meanwhile moves its route on, behind the page, and never back.
# locked  in the order of the ids, so that two cancellations do not wait for each other. It waits for whoever changes a
#         route at this moment, and leaves out a route that has ended by then.
_MARK = f"""/* mark_for_cancelling */
WITH page AS MATERIALIZED (
    SELECT id, next_attempt_at FROM routes
    WHERE {_OPEN_MATCHING} AND {behind("next_attempt_at", "id")}
    ORDER BY next_attempt_at, id
    LIMIT %(limit)s
), locked AS MATERIALIZED (
    SELECT id FROM routes
    WHERE id = ANY(ARRAY(SELECT id FROM page)) AND {MARKABLE}
    ORDER BY id FOR UPDATE
), marked AS (
    UPDATE routes SET {mark(BY_OPERATOR)}
    WHERE id = ANY(ARRAY(SELECT id FROM locked))
    RETURNING id, status
), {counted_in_action("marked")}
SELECT (SELECT count(*) FROM marked), ARRAY(SELECT id FROM marked WHERE status <> '{RouteStatus.CANCELLED}'),
       last.next_attempt_at, last.id
FROM (SELECT) AS always LEFT JOIN LATERAL (
    SELECT next_attempt_at, id FROM page WHERE (SELECT count(*) FROM page) = %(limit)s
    ORDER BY next_attempt_at DESC, id DESC LIMIT 1
) AS last ON true
"""

# A dead letter's command may stand on the stream: its route is open again, and marked, until that is known. The dead
# letter says who dealt with it. SKIP LOCKED: whoever holds one at this moment requeues, discards or cancels it.
_REOPEN = f"""/* reopen_for_cancelling */
WITH page AS MATERIALIZED (
    SELECT d.id, d.dead_lettered_at FROM dead_letters AS d JOIN routes ON routes.dead_letter_id = d.id
    WHERE {_DEAD_MATCHING} AND d.id > %(after_key)s
    ORDER BY d.id
    LIMIT %(limit)s
), chosen AS MATERIALIZED (
    SELECT id FROM dead_letters WHERE {WAITING} AND id = ANY(ARRAY(SELECT id FROM page)) FOR UPDATE SKIP LOCKED
), reopened AS (
    UPDATE routes
    SET {reopen(BY_OPERATOR)}
    FROM chosen
    WHERE routes.dead_letter_id = chosen.id AND {allowing(RouteEvent.DEAD_LETTER_CANCELLED)}
    RETURNING routes.id, chosen.id AS letter
), discarded AS (
    UPDATE dead_letters SET discarded_at = {NOW}, discarded_by = %(by)s
    FROM reopened WHERE dead_letters.id = reopened.letter
), {counted_in_action("reopened")}
SELECT (SELECT count(*) FROM reopened), ARRAY(SELECT id FROM reopened), last.dead_lettered_at, last.id
FROM (SELECT) AS always LEFT JOIN LATERAL (
    SELECT dead_lettered_at, id FROM page WHERE (SELECT count(*) FROM page) = %(limit)s ORDER BY id DESC LIMIT 1
) AS last ON true
"""

_STATUSES = f"""/* statuses_of */
SELECT status, coalesce(lease_expires_at > {NOW}, false), count(*) FROM routes
WHERE id = ANY(%s::bigint[]) GROUP BY 1, 2
"""


def bounds_of_now(database: Database, until: datetime | None) -> tuple[datetime, int]:
    """Returns the end of a window, now or earlier, by the database's clock; and the id of the newest dead letter."""
    [(end, newest)] = database.rows(_NOW, [until])
    return end, newest


def channels_to_cancel_in(database: Database) -> list[str]:
    """Returns the channels that have open routes or dead letters that wait, installed or not."""
    return [channel for (channel,) in database.rows(_CHANNELS)]


def count_to_cancel(database: Database, channels: Sequence[str], matching: CancelFilter) -> tuple[int, int]:
    """Returns how many open routes of these channels match and are not marked yet, and how many dead letters match.

    matching.until and matching.up_to must be given.
    """
    parameters = [_parameters(channel, matching) for channel in channels]
    open_ = sum(int(database.rows(_COUNT_OPEN, given)[0][0]) for given in parameters)
    return open_, sum(int(database.rows(_COUNT_DEAD, given)[0][0]) for given in parameters)


def mark_for_cancelling(
    database: Database,
    channel: str,
    matching: CancelFilter,
    by: str,
    *,
    after: Place[int] | None,
    limit: int,
    action_id: int | None = None,
) -> Marked:
    """Marks up to `limit` open routes of the channel. Those of which no attempt was ever begun are cancelled by that.

    by: who asked. after: the place where the statement before ended. action_id: the action that counts them.
    """
    return _marked(database, _MARK, _parameters(channel, matching), by, after, limit, action_id)


def reopen_for_cancelling(
    database: Database,
    channel: str,
    matching: CancelFilter,
    by: str,
    *,
    after: Place[int] | None,
    limit: int,
    action_id: int | None = None,
) -> Marked:
    """Opens up to `limit` dead letters of the channel as marked: no attempt follows. The arguments are as above."""
    return _marked(database, _REOPEN, _parameters(channel, matching), by, after, limit, action_id)


def statuses_of(database: Database, ids: Collection[int]) -> dict[tuple[RouteStatus, bool], int]:
    """Returns how many of these routes have which status, and whether a lease on them is in force."""
    return {(RouteStatus(status), leased): count for status, leased, count in database.rows(_STATUSES, [list(ids)])}


def _marked(
    database: Database,
    sql: str,
    parameters: dict[str, object],
    by: str,
    after: Place[int] | None,
    limit: int,
    action_id: int | None,
) -> Marked:
    given = parameters | place_parameters(after, 0) | {"by": by, "limit": limit, "action": action_id}
    [(count, open_, at, id_)] = database.rows(sql, given)
    return Marked(count, open_, None if id_ is None else Place(at, id_))


def _parameters(channel: str, matching: CancelFilter) -> dict[str, object]:
    return {
        "channel": channel,
        "notification_type": matching.notification_type,
        "producer": matching.producer,
        "recipient_ref": matching.recipient_ref,
        "since": "-infinity" if matching.since is None else matching.since,
        "until": matching.until,
        "notification_id": matching.notification_id,
        "route_id": matching.route_id,
        "dead_letter": matching.dead_letter,
        "up_to": matching.up_to,
    }
