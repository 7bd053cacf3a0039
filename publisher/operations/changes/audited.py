"""Audits operators' changes (R34): an action is recorded before its change begins, and its result after the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from publisher.domain.errors import BadRequest, PublisherError
from storage.actions import (
    ActionFilter,
    ActionOutcome,
    ActionRecord,
    begin_action,
    end_action,
    find_action,
    list_actions,
    resume_action,
)
from storage.database import Database

__all__ = [
    "ActionFilter",
    "ActionOutcome",
    "ActionRecord",
    "RunningAction",
    "audited",
    "find_action",
    "list_actions",
    "resumable",
]


@dataclass(slots=True)
class RunningAction:
    """An action on record whose change is being made.

    id: its id in the audit.
    outcome: the end that is recorded if no error ends the change first.
    """

    id: int
    outcome: ActionOutcome = ActionOutcome.DONE


@contextmanager
def audited(
    database: Database,
    action: str,
    by: str,
    target: Mapping[str, object],
    matched: int = 1,
    *,
    resumed: ActionRecord | None = None,
    must_end: bool = True,
) -> Iterator[RunningAction]:
    """Records an operator's action around the change made in its block.

    It ends as `outcome` says, as interrupted by KeyboardInterrupt, and as failed by any other error; both are raised
    on. An action whose process is killed, or whose end PostgreSQL does not take, stays 'running' and can be resumed.

    action: the name of its kind.
    by: the operator.
    target: names and values of what is changed, kept as JSON.
    matched: how many things are to be changed.
    resumed: the action that goes on, in the place of a new one. Raises BadRequest if it is done by now.
    must_end: raises the error if the end of a change that was made is not recorded. False drops that error: for a
        caller with results to report, which are committed and counted whatever becomes of the end.
    """
    running = RunningAction(_begin(database, action, by, target, matched, resumed))
    try:
        yield running
    except KeyboardInterrupt:
        _end_if_possible(database, running.id, ActionOutcome.INTERRUPTED)
        raise
    except BaseException:
        _end_if_possible(database, running.id, ActionOutcome.FAILED)
        raise
    if not must_end:
        _end_if_possible(database, running.id, running.outcome)
        return
    try:
        end_action(database, running.id, running.outcome)
    except PublisherError as error:
        raise type(error)(
            f"{error}; the end of action {running.id} is not recorded, or the reply to that was lost"
        ) from error


def resumable(database: Database, action_id: int, action: str) -> ActionRecord:
    """The action of this id, to be resumed. action: the name its kind must have.

    Raises NotFound, or BadRequest if it is of another kind or done.
    """
    record = find_action(database, action_id)
    if record.action != action:
        raise BadRequest(f"action {action_id} is {record.action!r}; this command goes on with {action!r}")
    if record.outcome is ActionOutcome.DONE:
        raise BadRequest(f"action {action_id} is done: nothing of it is left")
    return record


def _begin(
    database: Database,
    action: str,
    by: str,
    target: Mapping[str, object],
    matched: int,
    resumed: ActionRecord | None,
) -> int:
    if resumed is None:
        return begin_action(database, action, by, target, matched)
    if not resume_action(database, resumed.id, by):
        raise BadRequest(f"action {resumed.id} is done: someone else went on with it")
    return resumed.id


def _end_if_possible(database: Database, action_id: int, outcome: ActionOutcome) -> None:
    # The caller has more to say: the error that ended the change, or what the change came to.
    with suppress(PublisherError):
        end_action(database, action_id, outcome)
