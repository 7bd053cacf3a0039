"""Reads everything that a resolved id leads to: its notifications and routes, and the outcome of an intent's entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from publisher.domain.errors import NotFound, PublisherError
from publisher.domain.instants import readable
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.rejection import Rejection
from publisher.operations.entry_outcome import EarlierAcceptance, EntryFacts, EntryOutcome, outcome_of
from publisher.operations.id_forms import is_entry_id
from publisher.operations.ids import IntentsStream, Named, NamedKind
from publisher.streams.consumer_group import Entry
from publisher.streams.groups import Standing, find_entry
from storage.database import Database
from storage.named import MATCHES
from storage.notifications import (
    NotificationRecord,
    PrunedRecord,
    malformed_entry,
    notifications_of_entry,
    notifications_of_ids,
    pruned_notifications,
)

__all__ = ["MATCHES", "Found", "find_notification", "lookup"]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that an id leads to.

    entry: the outcome of the intent's entry that it names. None: it names none, or nothing knows such an entry.
    entry_id: the id of that entry, or None.
    pruned: pruned notifications that it names: only their keys are left.
    routes: the routes that it names, by notification. A notification that is not here is named as a whole.
    unread: why the stream could not be read, or None. Then `entry` rests on PostgreSQL alone.
    """

    entry: EntryOutcome | None
    entry_id: str | None
    notifications: Sequence[NotificationRecord]
    pruned: Sequence[PrunedRecord]
    routes: Mapping[str, Sequence[str]]
    unread: PublisherError | None = None


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
    entry, outcome, unread = None, None, None
    if entry_id is not None:
        # The stream is read first: whatever it shows as acknowledged was committed before, so PostgreSQL has it.
        try:
            if is_entry_id(entry_id):
                entry = find_entry(intents.client, intents.name, intents.group, entry_id)
        except PublisherError as error:
            unread = error
        outcome = outcome_of(_entry_facts(database, intents, entry_id, entry))
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
    )


def find_notification(database: Database, notification_id: str) -> NotificationRecord:
    """Returns the notification. Raises NotFound, which tells one that was pruned from one that never was (R18)."""
    for found in notifications_of_ids(database, [notification_id]):
        return found
    for pruned in pruned_notifications(database, [notification_id]).values():
        raise NotFound(f"notification {notification_id} was pruned {readable(pruned.pruned_at)}: only its key is left")
    raise NotFound(f"there is no notification {notification_id}")


def _entry_facts(
    database: Database, intents: IntentsStream, entry_id: str, found: tuple[Entry, Standing] | None
) -> EntryFacts:
    """Reads what is on record about an entry.

    An entry id can come a second time: Redis was emptied, or a producer chooses its ids. So an entry on the stream is
    matched with records by its content as well; the id alone decides only for an entry that is no longer there.
    """
    accepted = notifications_of_entry(database, entry_id, limit=MATCHES)
    if found is None:
        recorded = malformed_entry(database, intents.name, entry_id)
        return EntryFacts(entry_id, tuple(n.notification_id for n in accepted), recorded)
    entry, standing = found
    content = parse_intent(entry.fields, intents.channels)
    return EntryFacts(
        entry_id,
        tuple(n.notification_id for n in accepted if _is_accepted_as(n, entry, content)),
        malformed_entry(database, intents.name, entry_id, entry.fields),
        standing,
        content,
        _earlier(database, content.notification_id) if isinstance(content, Intent) else None,
    )


def _is_accepted_as(record: NotificationRecord, entry: Entry, content: Intent | Rejection) -> bool:
    """Returns whether the notification can come from this entry, which may be malformed by the rules of today."""
    if isinstance(content, Intent):
        return record.request_fingerprint == content.fingerprint
    named = dict(entry.fields)
    return (named.get(b"producer"), named.get(b"idempotency_key")) == (
        record.producer.encode(),
        record.idempotency_key.encode(),
    )


def _earlier(database: Database, notification_id: str) -> EarlierAcceptance | None:
    for record in notifications_of_ids(database, [notification_id]):
        return EarlierAcceptance(record.request_fingerprint, record.intent_entry_id, None)
    pruned = pruned_notifications(database, [notification_id]).get(notification_id)
    return None if pruned is None else EarlierAcceptance(pruned.request_fingerprint, None, pruned.pruned_at)
