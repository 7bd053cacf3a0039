"""Lists the losses of intents, and acknowledges them for an operator."""

from dataclasses import dataclass

from publisher.domain.errors import BadRequest
from publisher.operations.changes.audited import audited
from storage.accepting.losses import LossRecord, acknowledge_loss, find_loss, list_losses
from storage.actions import advance_action
from storage.database import Database

__all__ = ["Acknowledged", "LossRecord", "acknowledge", "list_losses"]

_ACTION = "acknowledge-loss"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A loss that is acknowledged.

    action: the id of the action.
    changed: False if another operator acknowledged the loss at the same moment.
    """

    action: int
    changed: bool


def acknowledge(database: Database, loss_id: int, by: str) -> Acknowledged:
    """Records that an operator knows of the loss. Raises NotFound, or BadRequest if it was acknowledged before."""
    found = find_loss(database, loss_id)
    if found.acknowledged_by is not None:
        raise BadRequest(f"loss {loss_id} was acknowledged by {found.acknowledged_by}")
    with audited(database, _ACTION, by, {"loss": loss_id, "entries": found.entries}) as action:
        changed = acknowledge_loss(database, loss_id, by)
        advance_action(database, action.id, int(changed))
    return Acknowledged(action.id, changed)
