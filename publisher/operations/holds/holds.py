"""Holds as an operator sees and changes them: what matches one is not published (R29). A change is an action (R34)."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from publisher.domain.errors import BadRequest, NotFound
from publisher.operations.changes.audited import audited
from publisher.operations.names import check_channel, check_recipient, unseen_producer, unseen_type
from publisher.settings.settings import Settings
from storage import holds as store
from storage.actions import advance_action
from storage.database import Database
from storage.holds import (
    Held,
    HeldByOthers,
    HoldCriteria,
    HoldRecord,
    count_all_held,
    count_held,
    held_by_others,
    list_holds,
)
from storage.routes import RouteRecord

__all__ = [
    "Held",
    "HeldByOthers",
    "HoldCriteria",
    "HoldRecord",
    "add",
    "alike",
    "channels_of",
    "checked_reason",
    "find",
    "held_by_others",
    "held_now",
    "hold_fields",
    "holds_of",
    "holds_on",
    "list_holds",
    "plan",
    "remove",
    "unseen",
    "worded",
]


def plan(database: Database, settings: Settings, criteria: HoldCriteria) -> Held:
    """Counts the open routes that such a hold matches now.

    Raises BadRequest if no criterion is set, for a channel that is neither installed nor on record, and for a text that
    names no recipient.
    """
    if criteria == HoldCriteria():
        raise BadRequest("say what to hold: --channel, --type, --producer, --recipient")
    check_channel(database, settings, criteria.channel)
    check_recipient(criteria.recipient_ref)
    return count_held(database, criteria)


def checked_reason(reason: str) -> str:
    """Returns the reason without blanks at its ends. Raises BadRequest for a blank one."""
    if not reason.strip():
        raise BadRequest("--reason must not be blank: it is shown to whoever asks why a route waits")
    return reason.strip()


def alike(database: Database, criteria: HoldCriteria) -> Sequence[str]:
    """Returns a line for each hold that matches the very same. Each of them must be removed before anything goes."""
    return [
        f"hold {hold.id} by {hold.held_by} matches the same: both must be removed before anything goes"
        for hold in list_holds(database)
        if hold.criteria == criteria
    ]


def unseen(database: Database, criteria: HoldCriteria) -> Sequence[str]:
    """Returns a line for a type and for a producer that no notification has yet. To be called if nothing matched.

    Such a hold is no mistake by itself: it holds what is accepted later.
    """
    lines = unseen_type(database, criteria.notification_type), unseen_producer(database, criteria.producer)
    return [line for line in lines if line is not None]


def held_now(database: Database, holds: Iterable[HoldRecord]) -> dict[int, Held]:
    """Counts the open routes that each of these holds matches now, up to a bound.

    One that somebody removed since it was listed matches none.
    """
    counted = count_all_held(database)
    return {hold.id: counted.get(hold.id, Held(0, is_bound=False)) for hold in holds}


def add(database: Database, criteria: HoldCriteria, by: str, reason: str) -> HoldRecord:
    """Adds a hold: no process claims what it matches until it is removed. Raises BadRequest for a blank reason."""
    reason = checked_reason(reason)
    with audited(database, "add-hold", by, _target(criteria) | {"reason": reason}) as action:
        hold = store.add_hold(database, criteria, reason, by)
        advance_action(database, action.id, 1)
    return hold


def find(database: Database, hold_id: int) -> HoldRecord:
    """Returns the hold. Raises NotFound."""
    for hold in list_holds(database):
        if hold.id == hold_id:
            return hold
    raise NotFound(f"there is no hold {hold_id}: 'publisher holds list' shows those there are")


def remove(database: Database, hold_id: int, by: str) -> HoldRecord:
    """Removes the hold, and returns it as it was. What it held is claimed with the next scan. Raises NotFound."""
    target = _target(find(database, hold_id).criteria) | {"hold": hold_id}
    with audited(database, "remove-hold", by, target) as action:
        removed = store.remove_hold(database, hold_id)
        if removed is None:
            raise NotFound(f"hold {hold_id} was removed by someone else meanwhile")
        advance_action(database, action.id, 1)
    return removed


def channels_of(settings: Settings, hold: HoldRecord) -> Sequence[str]:
    """Returns the channels whose routes the hold may match: once it is removed, their workers are to be woken."""
    return sorted(settings.channels) if hold.criteria.channel is None else [hold.criteria.channel]


def holds_of(route: RouteRecord, producer: str, holds: Iterable[HoldRecord]) -> Sequence[HoldRecord]:
    """Returns those of these holds that match the route. producer: that of its notification."""
    found = []
    for hold in holds:
        wanted = hold.criteria
        pairs = (
            (wanted.channel, route.channel),
            (wanted.notification_type, route.notification_type),
            (wanted.producer, producer),
            (wanted.recipient_ref, route.recipient_ref),
        )
        if all(want is None or want == value for want, value in pairs):
            found.append(hold)
    return found


def holds_on(channel: str, holds: Iterable[HoldRecord]) -> Sequence[HoldRecord]:
    """Returns those of these holds that may match routes of the channel."""
    return [hold for hold in holds if hold.criteria.channel in (None, channel)]


def hold_fields(hold: HoldRecord) -> dict[str, object]:
    """The fields of a hold, by the names that --json prints."""
    record = {"reason": hold.reason, "held_by": hold.held_by, "held_at": hold.held_at}
    return {"id": hold.id, **asdict(hold.criteria), **record}


def worded(criteria: HoldCriteria) -> str:
    """Words what a hold matches: `type game.turn.ready, producer shop`."""
    names = {"notification_type": "type", "recipient_ref": "recipient"}
    return ", ".join(f"{names.get(name, name)} {value}" for name, value in _target(criteria).items())


def _target(criteria: HoldCriteria) -> dict[str, object]:
    return {name: value for name, value in asdict(criteria).items() if value is not None}
