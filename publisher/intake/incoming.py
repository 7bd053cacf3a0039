"""Turns an entry into its record: an intent with its routes, a cancellation, a delivery event, or malformed."""

from collections.abc import Mapping

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.domain.delivery_event_fields import parse_event
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.streams.consumer_group import Entry
from storage.cancellations import IncomingCancellation
from storage.delivery_events import IncomingEvent
from storage.intents import IncomingIntent
from storage.malformed_records import IncomingMalformed

_DELIVERY_LIMIT = 5


Incoming = IncomingIntent | IncomingCancellation | IncomingMalformed


def incoming(entry: Entry, channels: Mapping[str, Channel]) -> Incoming:
    """Returns the record of this entry (R19). channels: the configured ones, by name.

    An entry that was delivered more than five times is malformed.
    """
    poison = poisoned(entry)
    if poison is not None:
        return poison
    intent = parse_entry(entry.fields, channels)
    if isinstance(intent, Cancellation):
        return IncomingCancellation(entry.id, entry.fields, intent)
    if isinstance(intent, Rejection):
        return IncomingMalformed(entry.id, entry.fields, intent)
    routes = plan_routes(intent, channels)
    if isinstance(routes, Rejection):
        return IncomingMalformed(entry.id, entry.fields, routes)
    return IncomingIntent(entry.id, entry.fields, intent, routes)


def incoming_event(entry: Entry) -> IncomingEvent | IncomingMalformed:
    """Returns the record of this entry of the stream of delivery events (R32)."""
    poison = poisoned(entry)
    if poison is not None:
        return poison
    event = parse_event(entry.fields)
    if isinstance(event, Rejection):
        return IncomingMalformed(entry.id, entry.fields, event)
    return IncomingEvent(event, entry.id, entry.fields)


def poisoned(entry: Entry) -> IncomingMalformed | None:
    """Returns the rejection of an entry that was delivered more than five times: it may kill its reader. Else None."""
    if entry.deliveries <= _DELIVERY_LIMIT:
        return None
    message = f"given to a consumer {entry.deliveries} times and never acknowledged: it may kill its reader"
    return IncomingMalformed(entry.id, entry.fields, Rejection(RejectionCode.POISON, message))
