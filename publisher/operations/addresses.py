"""Records that an operator has addresses and payloads shown unmasked (R34, R36)."""

from collections.abc import Mapping, Sequence

from publisher.operations.changes.audited import audited
from storage.actions import advance_action
from storage.database import Database

_ACTION = "show-addresses"


def record_showing(database: Database, notification_ids: Sequence[str], by: str) -> int:
    """Records who sees the addresses of these notifications, and returns the action's id.

    To be called before they are shown: what could not be recorded is not shown.
    """
    return _recorded(database, {"notifications": list(notification_ids)}, len(notification_ids), by)


def record_malformed_showing(database: Database, id_: int, by: str) -> int:
    """Records who sees the fields of this malformed intent as they are, and returns the action's id.

    To be called before they are shown, as the other.
    """
    return _recorded(database, {"malformed": id_}, 1, by)


def _recorded(database: Database, target: Mapping[str, object], count: int, by: str) -> int:
    with audited(database, _ACTION, by, target, count) as action:
        advance_action(database, action.id, count)
    return action.id
