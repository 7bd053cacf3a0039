"""What an entry of the intents stream is to PostgreSQL: an intent with its routes, or a malformed entry."""

from collections.abc import Mapping

from publisher.domain.channel import Channel
from publisher.domain.intent import parse_intent
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection
from publisher.streams.consumer_group import Entry
from storage.intents import IncomingIntent
from storage.malformed_records import IncomingMalformed


def incoming(entry: Entry, channels: Mapping[str, Channel]) -> IncomingIntent | IncomingMalformed:
    """The entry as it is to be recorded (R19). channels: the configured ones, by name."""
    intent = parse_intent(entry.fields, channels)
    if isinstance(intent, Rejection):
        return IncomingMalformed(entry.id, entry.fields, intent)
    routes = plan_routes(intent, channels)
    if isinstance(routes, Rejection):
        return IncomingMalformed(entry.id, entry.fields, routes)
    return IncomingIntent(entry.id, entry.fields, intent, routes)
