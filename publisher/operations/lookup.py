"""From whatever an operator has in hand to the notifications it leads to, and what became of an intent's entry."""

import re
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import redis

from publisher.domain.errors import NotFound, PublisherError
from publisher.domain.intent import Intent, parse_intent
from publisher.domain.notification import notification_id_of
from publisher.domain.rejection import Rejection
from publisher.operations.entry_outcome import EntryFacts, EntryVerdict, Known, verdict_on
from publisher.streams.inbound import Entry, Standing, find_entry
from storage import traces
from storage.database import Database
from storage.traces import NotificationRecord, PrunedRecord

# Of one idempotency key there is a notification for each producer that used it.
MATCHES = 100
_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
_LARGEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class IntentsStream:
    """Where intents come in: the stream, the group that reads it, and the names of the channels they may ask for."""

    client: redis.Redis
    name: str
    group: str
    channels: Collection[str]


@dataclass(frozen=True, slots=True)
class Trace:
    """What an id leads to. entry: if it is an entry's id that is known. route_id: of a delivery id, the route's.

    pruned: notifications that it leads to and that are gone. unread: why the stream could not be looked at; then an
    entry is only what PostgreSQL says of it.
    """

    entry: EntryVerdict | None
    notifications: Sequence[NotificationRecord]
    pruned: Sequence[PrunedRecord]
    route_id: str | None = None
    unread: PublisherError | None = None


def trace(database: Database, intents: IntentsStream, id_: str, producer: str | None) -> Trace:
    """Everything that has this id: as an entry of the intents stream, a notification, a delivery, an idempotency key.

    producer: only its notifications. An id may be more than one of these, and all that match are found. Raises
    NotFound if nothing has it, and RedisUnavailable or RedisRefused if then the stream could not be looked at.
    """
    entry, verdict, unread = None, None, None
    if is_entry_id(id_):
        # The stream first: what it tells as acknowledged was committed before, and is found by the look that follows.
        try:
            entry = find_entry(intents.client, intents.name, intents.group, id_)
        except PublisherError as error:
            unread = error
        verdict = verdict_on(_entry_facts(database, intents, id_, entry))
    notification_id, route_id = _as_delivery(id_)
    asked = [i for i in (notification_id, verdict and verdict.notification_id) if i]
    if producer is not None:
        asked.append(notification_id_of(producer, id_))
        by_key: Sequence[NotificationRecord] = ()
    else:
        by_key = traces.notifications_of_key(database, id_, limit=MATCHES)
    by_entry = traces.notifications_of_entry(database, id_, limit=MATCHES) if is_entry_id(id_) else ()
    found = {n.notification_id: n for n in (*by_entry, *traces.notifications_of_ids(database, asked), *by_key)}
    pruned = traces.pruned_notifications(database, set(asked) - set(found))
    notifications = [n for n in found.values() if producer in (None, n.producer)]
    if verdict is None and not notifications and not pruned:
        if unread is not None:
            raise type(unread)(f"PostgreSQL knows no {id_!r}, and the intents stream could not be asked: {unread}")
        raise _unknown(id_, producer)
    return Trace(verdict, notifications, list(pruned.values()), route_id, unread)


def is_entry_id(text: str) -> bool:
    """True if an entry of a stream may have this id: it may be an idempotency key all the same."""
    matched = _ENTRY_ID.fullmatch(text)
    return matched is not None and all(int(part) <= _LARGEST for part in matched.groups())


def _entry_facts(
    database: Database, intents: IntentsStream, entry_id: str, found: tuple[Entry, Standing] | None
) -> EntryFacts:
    """Entry ids come again, once Redis was emptied or where a producer chooses them. So what stands on the stream is
    told of by what was recorded with its content; only of what is gone does the id alone tell."""
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
        _known(database, content.notification_id) if isinstance(content, Intent) else None,
    )


def _is_accepted_as(record: NotificationRecord, entry: Entry, content: Intent | Rejection) -> bool:
    """Whether this notification can be what became of the entry, which may be malformed by the rules of today."""
    if isinstance(content, Intent):
        return record.request_fingerprint == content.fingerprint
    named = dict(entry.fields)
    return (named.get(b"producer"), named.get(b"idempotency_key")) == (
        record.producer.encode(),
        record.idempotency_key.encode(),
    )


def _known(database: Database, notification_id: str) -> Known | None:
    for record in traces.notifications_of_ids(database, [notification_id]):
        return Known(record.request_fingerprint, record.intent_entry_id, None)
    pruned = traces.pruned_notifications(database, [notification_id]).get(notification_id)
    return None if pruned is None else Known(pruned.request_fingerprint, None, pruned.pruned_at)


def _as_delivery(text: str) -> tuple[str | None, str | None]:
    """The notification id and route id that this may be, or None for each that it is not."""
    notification_id, _, route_id = text.partition("/")
    try:
        return str(uuid.UUID(notification_id)), route_id or None
    except ValueError:
        return None, None


def _unknown(id_: str, producer: str | None) -> NotFound:
    key = "idempotency key" if producer is None else f"idempotency key of producer {producer!r}"
    return NotFound(f"nothing has the id {id_!r}: no intent's stream entry, no notification or delivery, no {key}")
