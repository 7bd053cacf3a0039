"""Dead letters: listing, counting, requeueing and discarding them (R3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import SQL, fn

from publisher.domain.notification import RouteEvent
from storage.actions import counted_in_action
from storage.cancelling.cancel_mark import UNMARK
from storage.clock import NOW
from storage.database import Database
from storage.models.routes import WAITING, Route
from storage.models.routes import DeadLetter as Row
from storage.outcomes.transitions import allowing, following


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A dead letter.

    id: also its place in a listing.
    requeued_at, requeued_by: None until an operator requeued it.
    discarded_at, discarded_by: None until an operator discarded it. Both happen only if a process of the release
        before, which knows no discards, requeued it afterwards (R15).
    """

    id: int
    notification_id: str
    route_id: str
    channel: str
    notification_type: str
    classification: str
    message: str
    attempt_count: int
    max_attempts: int
    dead_lettered_at: datetime
    requeued_at: datetime | None
    requeued_by: str | None
    discarded_at: datetime | None = None
    discarded_by: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters: those that match everything that is given.

    since and until bound dead_lettered_at. up_to: those of at most this id, that is, given up no later.
    id: this one.
    requeued: False for those that wait: neither requeued nor discarded. None for all.
    """

    channel: str | None = None
    notification_type: str | None = None
    classification: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    notification_id: str | None = None
    route_id: str | None = None
    requeued: bool | None = False
    up_to: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """A route that is pending again. id is the route's key."""

    id: int
    channel: str


# SKIP LOCKED lets two operators share the work. It and the conditions let a requeue and a discard of one dead letter
# meet: one of the two happens.
_CHOSEN = f"""chosen AS (
    SELECT id FROM dead_letters WHERE {WAITING} AND id = ANY(%(ids)s::bigint[]) FOR UPDATE SKIP LOCKED
)"""

# The routes go back and their dead letters say who and when, in one statement: both or neither (R3). An expired witness
# is not this statement's matter: a command that stands on its stream within the dedup window is not appended again
# (R12). The count of requeues sets the tombstone of the life that has ended apart from the one that begins. What is
# past its deadline would expire at once: it is left alone.
_REQUEUE = f"""/* requeue */
WITH {_CHOSEN}, revived AS (
    UPDATE routes
    SET {following(RouteEvent.OPERATOR_REQUEUED)}, attempt_count = 0, lease_loss_count = 0,
        dead_letter_id = NULL, dead_lettered_at = NULL, requeues = requeues + 1, {UNMARK},
        next_attempt_at = {NOW},
        updated_at = {NOW}
    FROM chosen
    WHERE routes.dead_letter_id = chosen.id AND {allowing(RouteEvent.OPERATOR_REQUEUED)}
      AND (routes.expires_at IS NULL OR routes.expires_at > statement_timestamp())
    RETURNING routes.id, routes.channel, chosen.id AS dead_letter_id
), {counted_in_action("revived")}
UPDATE dead_letters
SET requeued_at = {NOW}, requeued_by = %(by)s
FROM revived
WHERE dead_letters.id = revived.dead_letter_id
RETURNING revived.id, revived.channel
"""

# The route stays a dead letter, which is final: nothing of it changes.
_DISCARD = f"""/* discard */
WITH {_CHOSEN}, discarded AS (
    UPDATE dead_letters
    SET discarded_at = {NOW}, discarded_by = %(by)s
    FROM chosen
    WHERE dead_letters.id = chosen.id
    RETURNING dead_letters.channel
), {counted_in_action("discarded")}
SELECT channel FROM discarded
"""

_NEWEST = "/* newest_dead_letter */ SELECT coalesce(max(id), 0) FROM dead_letters"


def newest_dead_letter(database: Database) -> int:
    """Returns the id of the newest dead letter, 0 if there is none. A later dead letter has a greater id."""
    return int(database.rows(_NEWEST)[0][0])


def list_dead_letters(
    database: Database, matching: DeadLetterFilter, *, before: int | None, limit: int
) -> list[DeadLetterRecord]:
    """Up to `limit` dead letters, newest first. before: the id of the last one seen, for the next page."""
    query = _page(Row.select(), matching, before, limit)
    with database.unit() as connection:
        return [_record(row) for row in query.dicts().execute(connection)]


def dead_letters_of_routes(
    database: Database, notification_id: str, route_ids: Sequence[str], *, limit: int
) -> list[DeadLetterRecord]:
    """Returns the newest dead letters of these routes of a notification, oldest first."""
    query = Row.select().where(Row.notification_id == notification_id, Row.route_id.in_(route_ids))
    with database.unit() as connection:
        rows = query.order_by(Row.id.desc()).limit(limit).dicts().execute(connection)
        return [_record(row) for row in reversed(list(rows))]


def dead_letter_ids(database: Database, matching: DeadLetterFilter, *, before: int | None, limit: int) -> list[int]:
    """The ids of the same page as `list_dead_letters`, without what they say."""
    query = _page(Row.select(Row.id), matching, before, limit)
    with database.unit() as connection:
        return [id_ for (id_,) in query.tuples().execute(connection)]


def count_dead_letters(database: Database, matching: DeadLetterFilter) -> int:
    """Returns how many dead letters match."""
    with database.unit() as connection:
        return int(_matching(Row.select(), matching).count(connection))


def count_past_deadline(database: Database, matching: DeadLetterFilter) -> int:
    """Returns how many matching dead letters cannot be requeued, because the route's deadline has passed."""
    # A subquery, and no join: a burst is younger than the statistics that a join is planned by, and would be read
    # once for each of its rows.
    deadline = Route.select(fn.MAX(Route.expires_at)).where(Route.dead_letter == Row.id)
    with database.unit() as connection:
        query = Row.select().where(deadline <= SQL("statement_timestamp()"))
        return int(_matching(query, matching).count(connection))


def requeue(database: Database, ids: Sequence[int], by: str, action_id: int | None = None) -> list[Requeued]:
    """Makes the routes of these dead letters pending and due, with all their attempts before them (R3).

    by: who asked, kept with the dead letter. action_id: the operator's action that counts them, in the same statement.
    Returns the routes it changed: those requeued before, or by someone else at this moment, or past their deadline, are
    left out.
    """
    return [Requeued(*row) for row in database.rows(_REQUEUE, {"ids": list(ids), "by": by, "action": action_id})]


def discard(database: Database, ids: Sequence[int], by: str, action_id: int | None = None) -> list[str]:
    """Marks these dead letters as discarded: they are neither listed nor counted among those that wait (R3).

    The mark stands on the dead letter alone: its route stays dead_letter, and no transition of the route reads it.
    by and action_id: as `requeue`. Returns the channel of each that was marked: those that were requeued or discarded
    before, or by someone else at this moment, are left out.
    """
    return [channel for (channel,) in database.rows(_DISCARD, {"ids": list(ids), "by": by, "action": action_id})]


def _page(query: Any, matching: DeadLetterFilter, before: int | None, limit: int) -> Any:
    if before is not None:
        query = query.where(Row.id < before)
    return _matching(query, matching).order_by(Row.id.desc()).limit(limit)


def _matching(query: Any, matching: DeadLetterFilter) -> Any:
    equal = {
        Row.id: matching.id,
        Row.channel: matching.channel,
        Row.notification_type: matching.notification_type,
        Row.classification: matching.classification,
        Row.notification_id: matching.notification_id,
        Row.route_id: matching.route_id,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if matching.since is not None:
        query = query.where(Row.dead_lettered_at >= matching.since)
    if matching.until is not None:
        query = query.where(Row.dead_lettered_at < matching.until)
    if matching.up_to is not None:
        query = query.where(Row.id <= matching.up_to)
    if matching.requeued is not None:
        query = query.where(Row.requeued_at.is_null(not matching.requeued))
        if not matching.requeued:
            query = query.where(Row.discarded_at.is_null())
    return query


def _record(row: dict[str, Any]) -> DeadLetterRecord:
    return DeadLetterRecord(**row | {"notification_id": str(row["notification_id"])})
