"""Records how attempts ended: each outcome guarded by what was read (R8), all of one kind in one statement.

A new kind of outcome has its statement here, and what it writes in `_given`.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from publisher.domain.attempt import Cancelled, DeadLettered, Expired, Failure, Outcome, Published, Rescheduled
from publisher.domain.notification import RouteEvent
from storage.array_literals import array_literal, columns
from storage.clock import NOW
from storage.database import Database
from storage.outcomes.transitions import following

_Unpublished = Rescheduled | DeadLettered | Expired | Cancelled

# What every completion is conditional on (R8): the token, and the status and attempt_count that were read.
#
# Outcomes other than published stand in one JSON object by route key, and each row looks its own up. A join with
# unnest(…) reads better, but the planner, once it has seen lease_token all NULL, expects one row here, picks a nested
# loop and compares every route with every outcome.
GIVEN = "given AS MATERIALIZED (SELECT %(outcomes)s::jsonb AS outcomes)"
MINE = "given.outcomes -> routes.id::text"
_GUARD = f"""
    routes.id = ANY(%(ids)s::bigint[])
      AND lease_token = %(token)s
      AND status = {MINE} ->> 'status'
      AND attempt_count = ({MINE} ->> 'attempt_count')::int
"""
_FAILURE = f"""
    last_failure_classification = {MINE} ->> 'classification',
    last_failure_message = {MINE} ->> 'message',
    last_failure_at = {NOW}
"""
# The end of a lease with an outcome: nothing is held, and no loss is remembered (R5a).
_LEASE_OVER = f"lease_token = NULL, lease_expires_at = NULL, lease_loss_count = 0, updated_at = {NOW}"

# Most attempts end published. So this statement reads arrays, which takes a quarter less time than the JSON object:
# each row finds its values where its key stands in %(ids)s, the keys in ascending order. width_bucket finds it.
_PLACE = "width_bucket(routes.id, %(ids)s::bigint[])"

# The witness was set, or renewed, after the claim. Counted from there, which the lease's end tells, it is sure to live
# as long as said, however late this statement comes. Where there is no witness, the loss audit must not look for one.
_PUBLISHED = f"""/* record_published */
UPDATE routes
SET {following(RouteEvent.COMMAND_WRITTEN)}, published_at = {NOW}, next_attempt_at = NULL,
    stream_entry_id = (%(entries)s::text[])[{_PLACE}],
    witness_until = CASE WHEN routes.id = ANY(%(unwitnessed)s::bigint[]) THEN {NOW}
                         ELSE lease_expires_at + %(witness_after_lease)s::interval END,
    {_LEASE_OVER}
WHERE routes.id = ANY(%(ids)s::bigint[])
  AND lease_token = %(token)s
  AND status = (%(statuses)s::text[])[{_PLACE}]
  AND attempt_count = (%(attempts)s::int[])[{_PLACE}]
RETURNING id, NULL
"""

# Every failed attempt is kept (route_failures), by the very statement that records it: both or neither. RETURNING
# gives the route as it is now, so that its last failure and its line of history are the same.
_AS_IT_FAILED = (
    "routes.id, attempt_count, last_failure_classification, last_failure_message, last_failure_at, next_attempt_at"
)
_HISTORY = """
    INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)
    SELECT id, attempt_count, last_failure_classification, last_failure_message, last_failure_at FROM failed
"""

# The next attempt is counted from the failure on the database's clock (R3, R5), so that a worker whose clock
# is wrong delays nothing.
_RESCHEDULED = f"""/* record_rescheduled */
WITH {GIVEN}, failed AS (
    UPDATE routes
    SET {following(RouteEvent.ATTEMPT_FAILED)}, attempt_count = attempt_count + 1,
        next_attempt_at = {NOW}
            + ({MINE} ->> 'delay_ms')::bigint * interval '1 millisecond',
        {_FAILURE}, {_LEASE_OVER}
    FROM given
    WHERE {_GUARD}
    RETURNING {_AS_IT_FAILED}
), kept AS ({_HISTORY})
SELECT id, next_attempt_at FROM failed
"""

# The row in dead_letters and the status change together or not at all (R3): doomed locks and checks, buried
# writes the rows, and the update points each route at its own. A route ends so by exhausted attempts and by exhausted
# leases alike. A route that was to be cancelled meanwhile is no dead letter: it is given back, and cancelled (R28).
_DEAD_LETTERED = f"""/* record_dead_lettered */
WITH {GIVEN}, doomed AS (
    SELECT routes.id, n.notification_id, route_id, channel, n.notification_type, max_attempts,
           ({MINE} ->> 'new_attempt_count')::int AS attempts
    FROM given, routes JOIN notifications AS n ON n.id = routes.notification_key
    WHERE {_GUARD} AND cancel_requested_at IS NULL
    FOR UPDATE OF routes
), buried AS (
    INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,
                              attempt_count, max_attempts, dead_lettered_at)
    SELECT d.notification_id, d.route_id, d.channel, d.notification_type,
           given.outcomes -> d.id::text ->> 'classification', given.outcomes -> d.id::text ->> 'message',
           d.attempts, d.max_attempts, {NOW}
    FROM given, doomed AS d
    RETURNING id, notification_id, route_id
), failed AS (
    UPDATE routes
    SET {following(RouteEvent.ATTEMPTS_EXHAUSTED)}, attempt_count = doomed.attempts, next_attempt_at = NULL,
        dead_letter_id = buried.id, dead_lettered_at = {NOW},
        {_FAILURE}, {_LEASE_OVER}
    FROM given, doomed JOIN buried USING (notification_id, route_id)
    WHERE routes.id = doomed.id
    RETURNING {_AS_IT_FAILED}
), kept AS ({_HISTORY})
SELECT id, NULL FROM failed
"""


# next_attempt_at goes, as nothing follows; a failure before the deadline stays to be seen.
_EXPIRED = f"""/* record_expired */
WITH {GIVEN}
UPDATE routes
SET {following(RouteEvent.DEADLINE_PASSED)}, next_attempt_at = NULL, {_LEASE_OVER}
FROM given
WHERE {_GUARD} AND expires_at <= statement_timestamp()
RETURNING id, NULL
"""

_CANCELLED = f"""/* record_cancelled */
WITH {GIVEN}
UPDATE routes
SET {following(RouteEvent.CANCELLED)}, next_attempt_at = NULL, {_LEASE_OVER}
FROM given
WHERE {_GUARD} AND cancel_requested_at IS NOT NULL
RETURNING id, NULL
"""


def complete(
    database: Database, token: str, outcomes: Sequence[Outcome], witness_after_lease: timedelta | None = None
) -> dict[int, datetime | None]:
    """Records outcomes of one kind in one statement. Returns the keys of the routes it changed, and when each is due.

    Published (R6): the command stands on its stream. Rescheduled (R3, R9): the failure is kept in the route's failure
    history under the number of the attempt that failed. DeadLettered (R3): the route has its row in dead_letters, and
    the failure is kept under the number of attempts made, none of them now if it lost its leases (R5a). Expired: the
    deadline has passed. Cancelled: it was to be cancelled (R28).
    witness_after_lease: for how long after the end of the lease the witnesses are sure to live (R12a); None: unknown.
    A route that is missing in the result was moved on by someone else: a conflict (R8).
    All or none of the statement happens. Raises DatabaseUnavailable, after which whether it happened is unknown, or
    DatabaseRefused.
    """
    if not outcomes:
        return {}
    published = [outcome for outcome in outcomes if isinstance(outcome, Published)]
    others = [outcome for outcome in outcomes if not isinstance(outcome, Published)]
    parameters = (_as_arrays(published) if published else _as_json(others)) | {
        "token": token,
        "witness_after_lease": witness_after_lease,
    }
    return dict(database.rows(_statement(outcomes[0]), parameters))


def _statement(outcome: Outcome) -> str:
    match outcome:
        case Published():
            return _PUBLISHED
        case Rescheduled():
            return _RESCHEDULED
        case DeadLettered():
            return _DEAD_LETTERED
        case Expired():
            return _EXPIRED
        case Cancelled():
            return _CANCELLED


def _as_arrays(outcomes: Sequence[Published]) -> dict[str, object]:
    """The outcomes as _PUBLISHED reads them: an array a column, in the order of the keys."""
    rows = sorted((o.route.id, o.entry_id, o.route.status.value, o.route.attempt_count) for o in outcomes)
    given: dict[str, object] = dict(zip(("ids", "entries", "statuses", "attempts"), columns(rows), strict=True))
    return given | {"unwitnessed": array_literal(o.route.id for o in outcomes if not o.witnessed)}


def _as_json(outcomes: Sequence[_Unpublished]) -> dict[str, object]:
    """The outcomes as the other statements read them: one JSON object by route key."""
    return {
        "ids": array_literal(outcome.route.id for outcome in outcomes),
        "outcomes": json.dumps({outcome.route.id: _given(outcome) for outcome in outcomes}),
    }


def _given(outcome: _Unpublished) -> dict[str, object]:
    """The outcome as its statement reads it: what was read of the route, and what is written."""
    read: dict[str, object] = {"status": outcome.route.status.value, "attempt_count": outcome.route.attempt_count}
    match outcome:
        case Rescheduled(_, failure, _, delay):
            return read | _failure(failure) | {"delay_ms": round(delay.total_seconds() * 1000)}
        case DeadLettered(_, failure, attempt_count):
            return read | _failure(failure) | {"new_attempt_count": attempt_count}
        case Expired() | Cancelled():
            return read


def _failure(failure: Failure) -> dict[str, object]:
    return {"classification": failure.classification, "message": failure.message}
