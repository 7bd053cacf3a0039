"""Finds the notifications, routes and entries that an id names, and the outcome of an intent's entry."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from publisher.domain.channel import Channel
from publisher.domain.errors import NotFound, PublisherError
from publisher.domain.instants import readable
from publisher.domain.intent import Intent, parse_intent
from publisher.domain.notification import notification_id_of
from publisher.domain.rejection import Rejection
from publisher.operations.entry_outcome import EarlierAcceptance, EntryFacts, EntryOutcome, outcome_of
from publisher.streams.consumer_group import Entry
from publisher.streams.groups import Standing, find_entry
from storage import traces
from storage.database import Database
from storage.traces import NotificationRecord, PrunedRecord

# How many notifications of one idempotency key are found: there is one for each producer that used it.
MATCHES = 100
_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
_LARGEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class IntentsStream:
    """Where intents come in: the stream, the group that reads it, and the channels that intents may ask for."""

    client: redis.Redis
    name: str
    group: str
    channels: Mapping[str, Channel]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that an id names.

    entry: the outcome of the entry with this id. None: it is no entry's id, or nothing knows such an entry.
    pruned: pruned notifications that the id names: only their keys are left.
    route_id: the route that a delivery id names, or None.
    unread: why the stream could not be read, or None. Then `entry` rests on PostgreSQL alone.
    """

    entry: EntryOutcome | None
    notifications: Sequence[NotificationRecord]
    pruned: Sequence[PrunedRecord]
    route_id: str | None = None
    unread: PublisherError | None = None


def lookup(database: Database, intents: IntentsStream, id_: str, producer: str | None = None) -> Found:
    """Finds everything with this id: an entry of the intents stream, a notification, a delivery, an idempotency key.

    An id may be several of these; all that match are found. producer: only its notifications. Raises NotFound if
    nothing has the id, and RedisUnavailable or RedisRefused if nothing in PostgreSQL has it and the stream could not be
    read.
    """
    entry, outcome, unread = None, None, None
    if is_entry_id(id_):
        # The stream is read first: whatever it shows as acknowledged was committed before, so PostgreSQL has it.
        try:
            entry = find_entry(intents.client, intents.name, intents.group, id_)
        except PublisherError as error:
            unread = error
        outcome = outcome_of(_entry_facts(database, intents, id_, entry))
    notification_id, route_id = _as_delivery(id_)
    asked = [i for i in (notification_id, outcome and outcome.notification_id) if i]
    if producer is not None:
        asked.append(notification_id_of(producer, id_))
        by_key: Sequence[NotificationRecord] = ()
    else:
        by_key = traces.notifications_of_key(database, id_, limit=MATCHES)
    by_entry = traces.notifications_of_entry(database, id_, limit=MATCHES) if is_entry_id(id_) else ()
    found = {n.notification_id: n for n in (*by_entry, *traces.notifications_of_ids(database, asked), *by_key)}
    pruned = traces.pruned_notifications(database, set(asked) - set(found))
    notifications = [n for n in found.values() if producer in (None, n.producer)]
    if outcome is None and not notifications and not pruned:
        if unread is not None:
            raise type(unread)(f"PostgreSQL knows no {id_!r}, and the intents stream could not be asked: {unread}")
        raise _unknown(id_, producer)
    return Found(outcome, notifications, list(pruned.values()), route_id, unread)


def find_notification(database: Database, notification_id: str) -> NotificationRecord:
    """Returns the notification. Raises NotFound, which tells one that was pruned from one that never was (R18)."""
    for found in traces.notifications_of_ids(database, [notification_id]):
        return found
    for pruned in traces.pruned_notifications(database, [notification_id]).values():
        raise NotFound(f"notification {notification_id} was pruned {readable(pruned.pruned_at)}: only its key is left")
    raise NotFound(f"there is no notification {notification_id}")


def is_entry_id(text: str) -> bool:
    """Returns whether an entry of a stream can have this id. It may be an idempotency key all the same."""
    matched = _ENTRY_ID.fullmatch(text)
    return matched is not None and all(int(part) <= _LARGEST for part in matched.groups())


def _entry_facts(
    database: Database, intents: IntentsStream, entry_id: str, found: tuple[Entry, Standing] | None
) -> EntryFacts:
    """Reads what is on record about an entry.

    An entry id can come a second time: Redis was emptied, or a producer chooses its ids. So an entry on the stream is
    matched with records by its content as well; the id alone decides only for an entry that is no longer there.
    """
    accepted = traces.notifications_of_entry(database, entry_id, limit=MATCHES)
    if found is None:
        recorded = traces.malformed_entry(database, intents.name, entry_id)
        return EntryFacts(entry_id, tuple(n.notification_id for n in accepted), recorded)
    entry, standing = found
    content = parse_intent(entry.fields, intents.channels)
    return EntryFacts(
        entry_id,
        tuple(n.notification_id for n in accepted if _is_accepted_as(n, entry, content)),
        traces.malformed_entry(database, intents.name, entry_id, entry.fields),
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
    for record in traces.notifications_of_ids(database, [notification_id]):
        return EarlierAcceptance(record.request_fingerprint, record.intent_entry_id, None)
    pruned = traces.pruned_notifications(database, [notification_id]).get(notification_id)
    return None if pruned is None else EarlierAcceptance(pruned.request_fingerprint, None, pruned.pruned_at)


def _as_delivery(text: str) -> tuple[str | None, str | None]:
    """Returns the notification id and the route id that the text may be, None for each that it is not."""
    notification_id, _, route_id = text.partition("/")
    try:
        return str(uuid.UUID(notification_id)), route_id or None
    except ValueError:
        return None, None


def _unknown(id_: str, producer: str | None) -> NotFound:
    key = "idempotency key" if producer is None else f"idempotency key of producer {producer!r}"
    return NotFound(f"nothing has the id {id_!r}: no intent's stream entry, no notification or delivery, no {key}")
