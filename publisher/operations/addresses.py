"""Records that an operator has addresses and payloads of notifications shown unmasked (R34, R36)."""

from collections.abc import Sequence

from publisher.operations.audited import audited
from storage.actions import advance_action
from storage.database import Database

_ACTION = "show-addresses"


def record_showing(database: Database, notification_ids: Sequence[str], by: str) -> int:
    """Records who sees the addresses of these notifications, and returns the action's id.

    To be called before they are shown: what could not be recorded is not shown.
    """
    target = {"notifications": list(notification_ids)}
    with audited(database, _ACTION, by, target, len(notification_ids)) as action:
        advance_action(database, action.id, len(notification_ids))
    return action.id
