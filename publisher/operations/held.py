"""Held messages as an operator sees them, sends them again or settles them (R33). Each change is an action (R34)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial

from publisher.channels.email import EMAIL
from publisher.operations.changes.audited import resumable
from publisher.operations.changes.bulk import Batch, Change, filter_of, target_of
from storage.actions import ActionRecord
from storage.database import Database
from storage.mail import held as store
from storage.mail.held import HeldFilter, HeldMail, SettledAs, count_held_mail, list_held_mail

__all__ = [
    "HeldFilter",
    "HeldMail",
    "SettledAs",
    "count_held_mail",
    "held_fields",
    "list_held_mail",
    "plan_send",
    "plan_send_rest",
    "plan_settle",
    "plan_settle_rest",
    "settled_as_of",
]

_SEND, _SETTLE = "send-held-mail", "settle-held-mail"
_AS = "settled_as"


def plan_send(database: Database, matching: HeldFilter, by: str) -> Change:
    """Counts the held messages that are to be sent again, those of now."""
    return _change(database, _SEND, store.send_held_mail, matching, by)


def plan_send_rest(database: Database, action_id: int, by: str) -> Change:
    """Counts what an earlier send left. Raises NotFound, or BadRequest if the action is no such one, or is done."""
    resumed = resumable(database, action_id, _SEND)
    return _change(database, _SEND, store.send_held_mail, _filter(resumed), by, resumed)


def plan_settle(database: Database, matching: HeldFilter, settled_as: SettledAs, by: str) -> Change:
    """Counts the held messages that are to be settled, those of now."""
    return _settle(database, matching, settled_as, by)


def plan_settle_rest(database: Database, action_id: int, by: str) -> Change:
    """Counts what an earlier settling left, to be settled as that one says. Raises as `plan_send_rest` does."""
    resumed = resumable(database, action_id, _SETTLE)
    return _settle(database, _filter(resumed), SettledAs(resumed.target[_AS]), by, resumed)


def settled_as_of(change: Change) -> SettledAs:
    """Returns as what a change settles its messages."""
    return SettledAs(str(change.target[_AS]))


def held_fields(held: HeldMail) -> dict[str, object]:
    """The fields of a held message, by the names that --json prints."""
    return asdict(held)


def _settle(
    database: Database,
    matching: HeldFilter,
    settled_as: SettledAs,
    by: str,
    resumed: ActionRecord | None = None,
) -> Change:
    def settle(database: Database, matching: HeldFilter, action_id: int, limit: int) -> int:
        return store.settle_held_mail(database, matching, settled_as, action_id, limit)

    change = _change(database, _SETTLE, settle, matching, by, resumed)
    return replace(change, target={**change.target, _AS: settled_as.value})


def _change(
    database: Database,
    action: str,
    make: Callable[[Database, HeldFilter, int, int], int],
    matching: HeldFilter,
    by: str,
    resumed: ActionRecord | None = None,
) -> Change:
    """Counts, and bounds the filter by the instant of that: what is held later is not a part of the change."""
    count, at = store.count_held_mail(database, matching)
    bounded = replace(matching, until=matching.until or at)
    batches = partial(_batches, make, bounded)
    return Change(action, by, target_of(bounded), count, batches, resumed, makes_due=False)


def _batches(
    make: Callable[[Database, HeldFilter, int, int], int],
    matching: HeldFilter,
    database: Database,
    action_id: int,
    limit: int,
) -> Iterator[Batch]:
    more = True
    while more:
        changed = make(database, matching, action_id, limit)
        more = changed == limit
        yield Batch({EMAIL.name: changed}, more)


def _filter(resumed: ActionRecord) -> HeldFilter:
    return filter_of(HeldFilter, resumed.target)
