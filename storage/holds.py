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
from storage.route_models import OPEN


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
    type_, producer = (
        f"coalesce(nullif({route}.{column}, ''), (SELECT {column} FROM notifications"
        f" WHERE notifications.id = {route}.notification_key))"
        for column in ("notification_type", "producer")
    )
    return f"""(NOT EXISTS (SELECT FROM holds) OR NOT EXISTS (
          SELECT FROM holds AS h WHERE {matches(f"{route}.channel", type_, producer)}
            AND (h.recipient_ref IS NULL OR h.recipient_ref = {route}.recipient_ref)))"""


_BOUND = 100_000
# As `not_held` compares, with what an earlier release left blank. Reads the open routes one by one, up to the bound.
_TYPE = "coalesce(n.notification_type, routes.notification_type)"
_PRODUCER = "coalesce(n.producer, routes.producer)"
_OPEN_HELD = f"""routes LEFT JOIN notifications AS n
           ON n.id = routes.notification_key AND (routes.notification_type = '' OR routes.producer = '')
    WHERE {OPEN}
      AND (%(channel)s::text IS NULL OR channel = %(channel)s)
      AND (%(type)s::text IS NULL OR {_TYPE} = %(type)s)
      AND (%(producer)s::text IS NULL OR {_PRODUCER} = %(producer)s)
      AND (%(recipient)s::text IS NULL OR recipient_ref = %(recipient)s)"""
_COUNT = f"""/* count_held */
SELECT count(*) FROM (SELECT FROM {_OPEN_HELD} LIMIT %(bound)s) AS first
"""
# Each open route under the first other hold that matches it. As `_COUNT`, which has the remarks.
_OTHER = f"""/* held_by_others */
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
