"""Reads everything that a resolved id leads to: its notifications and routes, and the outcome of an intent's entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from publisher.domain.errors import NotFound, PublisherError
from publisher.domain.instants import readable
from publisher.operations.ids.resolution import IntentsStream, Named, NamedKind
from storage.cancelling.cancellation_records import CancellationRecord, cancellations_of
from storage.database import Database
from storage.ids.named import MATCHES
from storage.notifications import (
    NotificationRecord,
    PrunedRecord,
    notifications_of_ids,
    pruned_notifications,
)

if TYPE_CHECKING:
    from publisher.operations.trace.entry_outcome import EntryOutcome

__all__ = ["MATCHES", "Found", "find_notification", "lookup"]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that an id leads to.

    entry: the outcome of the intent's entry that it names. None: it names none, or nothing knows such an entry.
    entry_id: the id of that entry, or None.
    pruned: pruned notifications that it names: only their keys are left.
    cancellations: the producers' cancellations of these notifications, and of those that are still to come, by id.
    routes: the routes that it names, by notification. A notification that is not here is named as a whole.
    unread: why the stream could not be read, or None. Then `entry` rests on PostgreSQL alone.
    """

    entry: "EntryOutcome | None"
    entry_id: str | None
    notifications: Sequence[NotificationRecord]
    pruned: Sequence[PrunedRecord]
    routes: Mapping[str, Sequence[str]]
    unread: PublisherError | None = None
    cancellations: Mapping[str, CancellationRecord] = field(default_factory=dict)


def lookup(
    database: Database,
    intents: IntentsStream,
    things: Sequence[Named],
    entry_id: str | None = None,
    producer: str | None = None,
) -> Found:
    """Reads what these things lead to, and the outcome of the entry of this id.

    things: what an id names. producer: only its notifications. All of it may be empty.
    """
    recorded = [thing.detail for thing in things if thing.kind is NamedKind.MALFORMED]
    entry_id = entry_id or next(iter(recorded), None)
    outcome, unread = None, None
    if entry_id is not None:
        # With redis-py and the parsing of intents, which most ids do not need.
        from publisher.operations.trace.entry_lookup import entry_outcome

        outcome, unread = entry_outcome(database, intents, entry_id)
    routes: dict[str, list[str]] = {}
    whole: dict[str, None] = {}
    for thing in things:
        if thing.notification_id is not None and thing.route_id is not None:
            routes.setdefault(thing.notification_id, []).append(thing.route_id)
        elif thing.notification_id is not None:
            whole[thing.notification_id] = None
    if outcome is not None and outcome.notification_id is not None:
        whole[outcome.notification_id] = None
    asked = [*whole, *(id_ for id_ in routes if id_ not in whole)]
    found = {n.notification_id: n for n in notifications_of_ids(database, asked)}
    pruned = pruned_notifications(database, set(asked) - set(found))
    return Found(
        outcome,
        entry_id if outcome is not None else None,
        [n for n in found.values() if producer in (None, n.producer)],
        list(pruned.values()),
        {id_: ids for id_, ids in routes.items() if id_ not in whole},
        unread,
        {id_: c for id_, c in cancellations_of(database, asked).items() if producer in (None, c.producer)},
    )


def find_notification(database: Database, notification_id: str) -> NotificationRecord:
    """Returns the notification. Raises NotFound, which tells one that was pruned from one that never was (R18)."""
    for found in notifications_of_ids(database, [notification_id]):
        return found
    for pruned in pruned_notifications(database, [notification_id]).values():
        raise NotFound(f"notification {notification_id} was pruned {readable(pruned.pruned_at)}: only its key is left")
    raise NotFound(f"there is no notification {notification_id}")
