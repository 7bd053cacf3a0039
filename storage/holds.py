"""Holds: which routes an operator keeps from being claimed, and the condition by which every claim passes over them.

A hold matches a route if each of its columns that is set is the route's. It takes effect with the claim that begins
next, in every process, since claims read the table (R29). It touches no route: a held route still expires at its
deadline, and can be cancelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.clock import NOW
from storage.database import Database, Row
from storage.loose_scan import distinct
from storage.models.routes import OPEN


@dataclass(frozen=True, slots=True)
class HoldCriteria:
    """What a hold matches. None: whatever it is. At least one is set.

    recipient_ref: `user:<user id>` or `address:<email address>` (R1).
    """

    channel: str | None = None
    notification_type: str | None = None
    producer: str | None = None
    recipient_ref: str | None = None


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A hold that is in force. held_by: the operator. held_at: since when."""

    id: int
    criteria: HoldCriteria
    reason: str
    held_by: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """The open routes that a hold matches. is_bound: there may be more than `count`."""

    count: int
    is_bound: bool


@dataclass(frozen=True, slots=True)
class HeldByOthers:
    """What becomes of the open routes that a hold matches, once it is removed.

    held: those that it matches.
    free: those of them that no other hold matches.
    others: the numbers of the holds that match the rest: of each route the first.
    """

    held: Held
    free: int
    others: Sequence[int]

    @property
    def kept(self) -> int:
        """How many of them other holds keep."""
        return self.held.count - self.free


def matches(channel: str, notification_type: str, producer: str) -> str:
    """Returns the condition that hold `h` matches these SQL expressions, whatever it says of the recipient."""
    return (
        f"(h.channel IS NULL OR h.channel = {channel})"
        f" AND (h.notification_type IS NULL OR h.notification_type = {notification_type})"
        f" AND (h.producer IS NULL OR h.producer = {producer})"
    )


def not_held(route: str = "routes") -> str:
    """Returns the condition that no hold matches a route.

    The first look at the table decides for all routes of the statement where there is no hold. A route that an earlier
    release inserted lacks its type, which its notification has. route: the name of a table with the columns of routes.
    """
    type_, producer = _of_notification(route, "notification_type"), _of_notification(route, "producer")
    return f"""(NOT EXISTS (SELECT FROM holds) OR NOT EXISTS (
          SELECT FROM holds AS h WHERE {matches(f"{route}.channel", type_, producer)}
            AND (h.recipient_ref IS NULL OR h.recipient_ref = {route}.recipient_ref)))"""


def _of_notification(route: str, column: str) -> str:
    return (
        f"coalesce(nullif({route}.{column}, ''), (SELECT {column} FROM notifications"
        f" WHERE notifications.id = {route}.notification_key))"
    )


_BOUND = 100_000
# Of each channel so many open routes are looked at for a list of holds: half a second's work.
_LOOKED_AT = 200_000
_TYPE, _PRODUCER = _of_notification("routes", "notification_type"), _of_notification("routes", "producer")
_CHANNELS = distinct("names", "channel", "routes", OPEN)
# The open routes of a channel along index routes_due, however many final ones there are: see `storage.counts.counts`.
_OPEN_OF_CHANNEL = f"routes.channel >= names.channel AND routes.channel <= names.channel AND {OPEN}"
# As `not_held` compares, with what an earlier release left blank. Reads the open routes one by one, up to the bound.
_OPEN_HELD = f"""names CROSS JOIN LATERAL (
        SELECT * FROM routes
        WHERE {_OPEN_OF_CHANNEL}
          AND (%(type)s::text IS NULL OR {_TYPE} = %(type)s)
          AND (%(producer)s::text IS NULL OR {_PRODUCER} = %(producer)s)
          AND (%(recipient)s::text IS NULL OR recipient_ref = %(recipient)s)
    ) AS routes
    WHERE %(channel)s::text IS NULL OR names.channel = %(channel)s"""
_COUNT = f"""/* count_held */
WITH RECURSIVE {_CHANNELS}
SELECT count(*) FROM (SELECT FROM {_OPEN_HELD} LIMIT %(bound)s) AS first
"""
# Each open route under the first other hold that matches it. As `_COUNT`, which has the remarks.
_OTHER = f"""/* held_by_others */
WITH RECURSIVE {_CHANNELS}
SELECT other, count(*) FROM (
    SELECT (
        SELECT min(h.id) FROM holds AS h
        WHERE h.id <> %(hold)s
          AND {matches("routes.channel", _TYPE, _PRODUCER)}
          AND (h.recipient_ref IS NULL OR h.recipient_ref = routes.recipient_ref)
    ) AS other
    FROM {_OPEN_HELD}
    LIMIT %(bound)s
) AS first
GROUP BY other
"""
# Reads the open routes once for all holds: by what holds can tell apart they are few groups.
_COUNT_ALL = f"""/* count_all_held */
WITH RECURSIVE {_CHANNELS}, named AS MATERIALIZED (
    SELECT DISTINCT recipient_ref FROM holds WHERE recipient_ref IS NOT NULL
), open AS MATERIALIZED (
    SELECT names.channel, few.notification_type, few.producer, named.recipient_ref, count(*) AS routes
    FROM names CROSS JOIN LATERAL (
        SELECT {_TYPE} AS notification_type, {_PRODUCER} AS producer, recipient_ref
        FROM routes WHERE {_OPEN_OF_CHANNEL} LIMIT %(bound)s
    ) AS few
    LEFT JOIN named ON named.recipient_ref = few.recipient_ref
    GROUP BY 1, 2, 3, 4
)
SELECT h.id, coalesce(sum(open.routes), 0)::bigint,
       coalesce((SELECT max(looked_at) FROM (
           SELECT sum(routes) AS looked_at FROM open WHERE h.channel IS NULL OR channel = h.channel GROUP BY channel
       ) AS by_channel) >= %(bound)s, false)
FROM holds AS h
LEFT JOIN open ON {matches("open.channel", "open.notification_type", "open.producer")}
    AND (h.recipient_ref IS NULL OR h.recipient_ref = open.recipient_ref)
GROUP BY h.id
"""
_COLUMNS = "id, channel, notification_type, producer, recipient_ref, reason, held_by, held_at"
_ADD = f"""/* add_hold */
INSERT INTO holds (channel, notification_type, producer, recipient_ref, reason, held_by, held_at)
VALUES (%s, %s, %s, %s, %s, %s, {NOW}) RETURNING {_COLUMNS}
"""
_REMOVE = f"/* remove_hold */ DELETE FROM holds WHERE id = %s RETURNING {_COLUMNS}"
# A handful of rows, set by people.
_LIST = f"/* list_holds */ SELECT {_COLUMNS} FROM holds ORDER BY id"


def add_hold(database: Database, criteria: HoldCriteria, reason: str, by: str) -> HoldRecord:
    """Adds a hold: no claim that begins from now on gets a route that it matches. Raises DatabaseUnavailable."""
    criteria_ = [criteria.channel, criteria.notification_type, criteria.producer, criteria.recipient_ref]
    return _record(database.rows(_ADD, [*criteria_, reason, by])[0])


def remove_hold(database: Database, hold_id: int) -> HoldRecord | None:
    """Removes the hold, and returns it as it was; None if there is no such hold. Raises DatabaseUnavailable."""
    rows = database.rows(_REMOVE, [hold_id])
    return _record(rows[0]) if rows else None


def list_holds(database: Database) -> list[HoldRecord]:
    """Returns every hold, the oldest first. Raises DatabaseUnavailable."""
    return [_record(row) for row in database.rows(_LIST)]


def count_held(database: Database, criteria: HoldCriteria, *, bound: int = _BOUND) -> Held:
    """Counts the open routes that such a hold matches, up to the bound. Raises DatabaseUnavailable."""
    count = database.rows(_COUNT, _parameters(criteria, bound))[0][0]
    return Held(count, is_bound=count >= bound)


def count_all_held(database: Database, *, bound: int = _LOOKED_AT) -> dict[int, Held]:
    """Counts the open routes that each hold in force matches, by its number.

    bound: so many open routes of each channel are looked at; a hold on a channel that has more may match more.
    Raises DatabaseUnavailable.
    """
    return {id_: Held(count, is_bound) for id_, count, is_bound in database.rows(_COUNT_ALL, {"bound": bound})}


def held_by_others(database: Database, hold: HoldRecord, *, bound: int = _BOUND) -> HeldByOthers:
    """Tells of the open routes that this hold matches, up to the bound, which ones other holds match as well.

    Raises DatabaseUnavailable.
    """
    rows = database.rows(_OTHER, _parameters(hold.criteria, bound) | {"hold": hold.id})
    counts: dict[int | None, int] = dict(rows)
    count = sum(counts.values())
    free = counts.pop(None, 0)
    return HeldByOthers(Held(count, is_bound=count >= bound), free, sorted(other for other in counts if other))


def _parameters(criteria: HoldCriteria, bound: int) -> dict[str, object]:
    return {
        "channel": criteria.channel,
        "type": criteria.notification_type,
        "producer": criteria.producer,
        "recipient": criteria.recipient_ref,
        "bound": bound,
    }


def _record(row: Row) -> HoldRecord:
    id_, channel, type_, producer, recipient, reason, by, at = row
    return HoldRecord(id_, HoldCriteria(channel, type_, producer, recipient), reason, by, at)
