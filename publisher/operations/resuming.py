"""Resumes an action on record, of whatever kind it is: counts what it left, and names the command that does the rest.

A second operator may resume what the first began, and an action that another process still carries out, too. Both then
take batches of the same rest: each route is changed by one of them and counted once, since every change is guarded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from publisher.domain.errors import BadRequest
from publisher.operations.changes.audited import ActionRecord, find_action
from publisher.operations.changes.bulk import ActionOutcome, Batch, Change
from publisher.operations.changes.cancel import plan_cancel_rest
from publisher.operations.changes.discard import plan_discard_rest
from publisher.operations.changes.republish import plan_republish_rest
from publisher.operations.changes.requeue import plan_requeue_rest
from publisher.operations.held import plan_send_rest, plan_settle_rest
from publisher.operations.malformed.resubmit import ACTION as RESUBMIT
from publisher.operations.malformed.resubmit import resubmission
from publisher.operations.malformed.resubmit_many import plan_resubmission_rest
from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database

# Given the database, the settings, Redis, the id of the action, and the operator.
_Plan = Callable[[Database, Settings, StreamServers, int, str], Change]


def _cancel_rest(database: Database, action_id: int, by: str) -> Change:
    """Counts what a cancellation left. Workers are woken: they end the routes that it marked.

    At its end the action counts as done the routes that are cancelled by then, as one of the terminal does.
    """
    cancelling = plan_cancel_rest(database, action_id, by)
    change = cancelling.change

    def batches(database: Database, action_id: int, limit: int) -> Iterator[Batch]:
        yield from change.batches(database, action_id, limit)
        cancelling.come_to(database)

    return replace(change, batches=batches, makes_due=True)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of action that can be resumed. command: resumes it. plan: counts what is left of it."""

    command: str
    plan: _Plan


def _of_database(plan: Callable[[Database, int, str], Change]) -> _Plan:
    return lambda database, _, __, action_id, by: plan(database, action_id, by)


def _republish_rest(database: Database, settings: Settings, _: StreamServers, action_id: int, by: str) -> Change:
    return plan_republish_rest(database, settings, action_id, by)


def _resubmit_rest(database: Database, settings: Settings, servers: StreamServers, action_id: int, by: str) -> Change:
    return plan_resubmission_rest(database, resubmission(settings, servers), action_id, by).change


_KINDS: Mapping[str, _Kind] = {
    "requeue-dead-letters": _Kind("publisher dead-letters requeue", _of_database(plan_requeue_rest)),
    "discard-dead-letters": _Kind("publisher dead-letters discard", _of_database(plan_discard_rest)),
    "republish-routes": _Kind("publisher routes republish", _republish_rest),
    RESUBMIT: _Kind("publisher malformed resubmit", _resubmit_rest),
    "cancel-routes": _Kind("publisher routes cancel", _of_database(_cancel_rest)),
    "send-held-mail": _Kind("publisher mailer held send", _of_database(plan_send_rest)),
    "settle-held-mail": _Kind("publisher mailer held settle", _of_database(plan_settle_rest)),
}


def resume_command(record: ActionRecord) -> str | None:
    """Returns the command that does the rest of the action; None: it is done, or of a kind that is begun anew."""
    kind = _KINDS.get(record.action)
    # One intent alone is resubmitted by its own id, whatever became of the first try.
    is_of_one = record.action == RESUBMIT and "id" in record.target
    if kind is None or is_of_one or record.outcome is ActionOutcome.DONE:
        return None
    return f"{kind.command} --resume {record.id}"


def plan_rest(database: Database, settings: Settings, servers: StreamServers, action_id: int, by: str) -> Change:
    """Counts what the action left. Raises NotFound, or BadRequest if it is done, or of a kind that is begun anew.

    by: the operator who resumes it, added to those on record.
    """
    record = find_action(database, action_id)
    kind = _KINDS.get(record.action)
    if kind is None:
        raise BadRequest(f"action {action_id} is {record.action!r}, which is not resumed: do the same again")
    return kind.plan(database, settings, servers, action_id, by)
