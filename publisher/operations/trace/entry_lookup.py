"""Reads everything that is known about an entry of the intents stream, from the stream and from PostgreSQL."""

from dataclasses import dataclass

from publisher.domain.cancellation import Cancellation
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.rejection import Rejection
from publisher.operations.ids.forms import is_entry_id
from publisher.operations.ids.resolution import IntentsStream
from publisher.operations.trace.entry_outcome import EarlierAcceptance, EntryFacts, EntryOutcome, of_several, outcome_of
from publisher.streams.consumer_group import Entry
from publisher.streams.standing import Standing, find_entry
from storage.cancelling.cancellation_records import CancellationRecord, cancellation_of_entry, cancellations_of
from storage.database import Database
from storage.ids.named import MATCHES
from storage.notifications import (
    NotificationRecord,
    malformed_entry,
    notifications_of_entry,
    notifications_of_ids,
    pruned_notifications,
)


def entry_outcome(
    database: Database, intents: IntentsStream, entry_id: str
) -> tuple[EntryOutcome | None, PublisherError | None]:
    """Returns the outcome of the entry, or None if nothing knows such an entry.

    The second value says why the stream could not be read, or is None. Then the outcome rests on PostgreSQL alone.
    """
    found, unread = list[_Found](), None
    # The stream is read first: whatever it shows as acknowledged was committed before, so PostgreSQL has it.
    try:
        if is_entry_id(entry_id):
            found = _find(intents, entry_id)
    except (RedisUnavailable, RedisRefused) as error:
        unread = error
    outcomes = {at.stream: outcome_of(_facts(database, intents, entry_id, at)) for at in found}
    if not found:
        return outcome_of(_facts(database, intents, entry_id, None)), unread
    return of_several({stream: outcome for stream, outcome in outcomes.items() if outcome is not None}), unread


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry on the stream, or on one of its partitions."""

    stream: str
    entry: Entry
    standing: Standing


def _find(intents: IntentsStream, entry_id: str) -> list[_Found]:
    """Finds the entries of this id: partitions may have one each."""
    servers = intents.connect()
    each = ((stream, find_entry(servers.of(stream), stream, intents.group, entry_id)) for stream in intents.names)
    return [_Found(stream, *found) for stream, found in each if found is not None]


def _facts(database: Database, intents: IntentsStream, entry_id: str, found: _Found | None) -> EntryFacts:
    """Reads what is on record about an entry.

    An entry id can come a second time: Redis was emptied, or a producer chooses its ids. So an entry on the stream is
    matched with records by its content as well; the id alone decides only for an entry that is no longer there.
    """
    accepted = notifications_of_entry(database, entry_id, limit=MATCHES)
    if found is None:
        each = (malformed_entry(database, stream, entry_id) for stream in intents.names)
        recorded = next((record for record in each if record is not None), None)
        asked = None if accepted or recorded else cancellation_of_entry(database, entry_id)
        return EntryFacts(entry_id, tuple(n.notification_id for n in accepted), recorded, cancellation=asked)
    entry, standing = found.entry, found.standing
    content = parse_entry(entry.fields, intents.channels)
    return EntryFacts(
        entry_id,
        tuple(n.notification_id for n in accepted if _is_accepted_as(n, entry, content)),
        malformed_entry(database, found.stream, entry_id, entry.fields),
        standing,
        content,
        _earlier(database, content.notification_id) if isinstance(content, Intent) else None,
        _cancellation(database, content) if isinstance(content, Cancellation) else None,
    )


def _cancellation(database: Database, content: Cancellation) -> CancellationRecord | None:
    return cancellations_of(database, [content.notification_id]).get(content.notification_id)


def _is_accepted_as(record: NotificationRecord, entry: Entry, content: Intent | Cancellation | Rejection) -> bool:
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
