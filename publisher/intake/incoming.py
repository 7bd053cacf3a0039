"""Turns an entry of the intents stream into its record: an intent with its routes, a cancellation, or malformed."""

from collections.abc import Mapping

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.streams.consumer_group import Entry
from storage.cancellations import IncomingCancellation
from storage.intents import IncomingIntent
from storage.malformed_records import IncomingMalformed

_DELIVERY_LIMIT = 5


Incoming = IncomingIntent | IncomingCancellation | IncomingMalformed


def incoming(entry: Entry, channels: Mapping[str, Channel]) -> Incoming:
    """Returns the record of this entry (R19). channels: the configured ones, by name.

    An entry that was delivered more than five times is malformed: it may kill its reader.
    """
    if entry.deliveries > _DELIVERY_LIMIT:
        message = f"given to a consumer {entry.deliveries} times and never acknowledged: it may kill its reader"
        return IncomingMalformed(entry.id, entry.fields, Rejection(RejectionCode.POISON, message))
    intent = parse_entry(entry.fields, channels)
    if isinstance(intent, Cancellation):
        return IncomingCancellation(entry.id, entry.fields, intent)
    if isinstance(intent, Rejection):
        return IncomingMalformed(entry.id, entry.fields, intent)
    routes = plan_routes(intent, channels)
    if isinstance(routes, Rejection):
        return IncomingMalformed(entry.id, entry.fields, routes)
    return IncomingIntent(entry.id, entry.fields, intent, routes)
