"""Recognises outcomes that a statement recorded although its reply was lost (R8)."""

import json
from collections.abc import Sequence
from datetime import datetime

from publisher.domain.attempt import Cancelled, DeadLettered, Expired, Outcome, Published, Rescheduled
from publisher.domain.notification import RouteStatus
from storage.database import Database
from storage.outcomes.outcomes import GIVEN, MINE

# A completion clears the token, so that it is recognised by all that it wrote: the status, the count of attempts, and
# the command's entry or the failure's message. Reads by primary key, and only after a lost reply.
_RECORDED = f"""/* already_recorded */
WITH {GIVEN}
SELECT routes.id, next_attempt_at
FROM routes, given
WHERE routes.id = ANY(%(ids)s::bigint[])
  AND status = {MINE} ->> 'status'
  AND attempt_count = ({MINE} ->> 'attempt_count')::int
  AND ({MINE} ->> 'entry_id' IS NULL OR stream_entry_id = {MINE} ->> 'entry_id')
  AND ({MINE} ->> 'message' IS NULL OR last_failure_message = {MINE} ->> 'message')
"""


def already_recorded(database: Database, outcomes: Sequence[Outcome]) -> dict[int, datetime | None]:
    """Returns which of these outcomes stand exactly as `complete` writes them: route key -> when it is due again.

    outcomes: at most one a route.
    Ask within the lease under which they were decided: nobody else can have written the same before it ended.
    Raises DatabaseUnavailable or DatabaseRefused.
    """
    described = {outcome.route.id: _as_recorded(outcome) for outcome in outcomes}
    return dict(database.rows(_RECORDED, {"ids": list(described), "outcomes": json.dumps(described)}))


def _as_recorded(outcome: Outcome) -> dict[str, object]:
    """What the route says once this outcome is recorded."""
    match outcome:
        case Published(route, entry_id):
            wrote = {"status": RouteStatus.PUBLISHED, "attempt_count": route.attempt_count, "entry_id": entry_id}
        case Expired(route):
            wrote = {"status": RouteStatus.EXPIRED, "attempt_count": route.attempt_count}
        case Cancelled(route):
            wrote = {"status": RouteStatus.CANCELLED, "attempt_count": route.attempt_count}
        case Rescheduled(_, failure, attempts):
            wrote = {"status": RouteStatus.FAILED, "attempt_count": attempts, "message": failure.message}
        case DeadLettered(_, failure, attempts):
            wrote = {"status": RouteStatus.DEAD_LETTER, "attempt_count": attempts, "message": failure.message}
    return wrote
