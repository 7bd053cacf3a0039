"""Turns an entry into its record: an intent with its routes, a cancellation, a delivery event, or malformed."""

from collections.abc import Mapping

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.domain.delivery_event_fields import parse_event
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection
from publisher.streams.consumer_group import Entry
from publisher.streams.recovery import poison
from storage.accepting.intents import IncomingIntent
from storage.answers.delivery_events import IncomingEvent
from storage.cancelling.cancellations import IncomingCancellation
from storage.malformed.recording import IncomingMalformed

Incoming = IncomingIntent | IncomingCancellation | IncomingMalformed


def incoming(entry: Entry, channels: Mapping[str, Channel]) -> Incoming:
    """Returns the record of this entry (R19). channels: the configured ones, by name.

    An entry that was delivered more than five times is malformed.
    """
    verdict = poison(entry)
    if verdict is not None:
        return IncomingMalformed(entry.id, entry.fields, verdict)
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
    verdict = poison(entry)
    if verdict is not None:
        return IncomingMalformed(entry.id, entry.fields, verdict)
    event = parse_event(entry.fields)
    if isinstance(event, Rejection):
        return IncomingMalformed(entry.id, entry.fields, event)
    return IncomingEvent(event, entry.id, entry.fields)
