"""Operators' actions on record: who began one and when, its target, how many rows it changed, and how it ended."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from publisher.domain.errors import NotFound
from storage.clock import NOW
from storage.database import Database


class ActionOutcome(StrEnum):
    """How an action ended. RUNNING: it has not ended, or its process was killed."""

    RUNNING = "running"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An operator's action. target: its options, as JSON names and values. id: also its place in a listing."""

    id: int
    action: str
    by: str
    target: Mapping[str, Any]
    matched: int
    done: int
    outcome: ActionOutcome
    begun_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """Which actions: those that match everything that is given. since and until bound begun_at."""

    action: str | None = None
    by: str | None = None
    outcome: ActionOutcome | None = None
    since: datetime | None = None
    until: datetime | None = None


_BEGIN = f"""/* begin_action */
INSERT INTO operator_actions (action, by, target, matched, begun_at)
VALUES (%s, %s, %s::jsonb, %s, {NOW})
RETURNING id
"""

_ADVANCE = "/* advance_action */ UPDATE operator_actions SET done = done + %s WHERE id = %s RETURNING done"

# An action that was interrupted may be taken up again and end once more.
_END = f"""/* end_action */
UPDATE operator_actions SET outcome = %s, ended_at = {NOW}
WHERE id = %s AND outcome = 'running'
RETURNING id
"""

# One that still says 'running' may be taken up too: its process was killed, or works on, which does no harm. Whoever
# takes it up is kept in the target, beside what it is aimed at.
_RESUME = """/* resume_action */
UPDATE operator_actions
SET outcome = 'running', ended_at = NULL,
    target = target || jsonb_build_object('resumed_by', coalesce(target -> 'resumed_by', '[]') || to_jsonb(%s::text))
WHERE id = %s AND outcome <> 'done'
RETURNING id
"""

# Newest first by the primary key; a few rows a day, pruned with the rest.
_LIST = """/* list_actions */
SELECT id, action, by, target, matched, done, outcome, begun_at, ended_at FROM operator_actions
WHERE (%(before)s::bigint IS NULL OR id < %(before)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(by)s::text IS NULL OR by = %(by)s)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
  AND (%(since)s::timestamptz IS NULL OR begun_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR begun_at < %(until)s)
ORDER BY id DESC LIMIT %(limit)s
"""

_ONE = """/* find_action */
SELECT id, action, by, target, matched, done, outcome, begun_at, ended_at FROM operator_actions WHERE id = %s
"""


def counted_in_action(changed: str) -> str:
    """The CTE by which a statement counts the rows of its CTE `changed` in the action of parameter `action`.

    In the statement that changes them, so that the number is true even if its process is killed. NULL counts nowhere.
    """
    return f"""counted_in_action AS (
    UPDATE operator_actions SET done = done + (SELECT count(*) FROM {changed}) WHERE id = %(action)s::bigint
)"""


def begin_action(database: Database, action: str, by: str, target: Mapping[str, object], matched: int) -> int:
    """Records that an operator begins to change something. Returns the action's id."""
    return int(database.rows(_BEGIN, [action, by, json.dumps(target, default=str), matched])[0][0])


def advance_action(database: Database, action_id: int, done: int) -> int:
    """Adds to the number of rows that the action has changed. Returns the sum."""
    return int(database.rows(_ADVANCE, [done, action_id])[0][0])


def end_action(database: Database, action_id: int, outcome: ActionOutcome) -> bool:
    """Records how a running action ended. False if it had ended before."""
    return bool(database.rows(_END, [outcome.value, action_id]))


def resume_action(database: Database, action_id: int, by: str) -> bool:
    """Makes an action that did not end well run again. False if it was done, or there is none.

    by: who takes it up, added to `resumed_by` in its target.
    """
    return bool(database.rows(_RESUME, [by, action_id]))


def find_action(database: Database, action_id: int) -> ActionRecord:
    """Returns the action of this id. Raises NotFound."""
    rows = database.rows(_ONE, [action_id])
    if not rows:
        raise NotFound(f"there is no operator action {action_id}")
    return _record(rows[0])


def list_actions(
    database: Database, matching: ActionFilter, *, before: int | None = None, limit: int
) -> list[ActionRecord]:
    """Up to `limit` actions, newest first. before: the id of the last one seen, for the next page."""
    return [_record(row) for row in database.rows(_LIST, asdict(matching) | {"before": before, "limit": limit})]


def _record(row: tuple[Any, ...]) -> ActionRecord:
    id_, action, by, target, matched, done, outcome, begun_at, ended_at = row
    return ActionRecord(id_, action, by, target, matched, done, ActionOutcome(outcome), begun_at, ended_at)
