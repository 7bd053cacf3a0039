"""Finds the delivery of which an event is on record, by the event's source and id (R32)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import peewee

from publisher.domain.delivery_event import DeliveryEvent
from storage.array_literals import array_literal
from storage.database import Database, fetch

# (source, event_id).
EventKey = tuple[str, str]

# By the unique index of delivery_events.
_ON_RECORD = """/* events_on_record */
SELECT d.source, d.event_id, n.notification_id::text || '/' || routes.route_id, d.stream_entry_id
FROM unnest(%s::text[], %s::text[]) AS given (source, event_id)
JOIN delivery_events AS d USING (source, event_id)
JOIN routes ON routes.id = d.route_key
JOIN notifications AS n ON n.id = routes.notification_key
"""


@dataclass(frozen=True, slots=True)
class EventOnRecord:
    """An event on record.

    delivery_id: of the delivery that it is about.
    entry_id: of the entry that it came by; None: this service answered itself.
    """

    delivery_id: str
    entry_id: str | None


def events_on_record(
    connection: peewee.PostgresqlDatabase, events: Sequence[DeliveryEvent]
) -> Mapping[EventKey, EventOnRecord]:
    """Returns those events whose source and id are on record, also of another delivery. No events: no statement."""
    keys = list(dict.fromkeys((event.source, event.event_id) for event in events))
    if not keys:
        return {}
    sources, ids = (array_literal(list(column)) for column in zip(*keys, strict=True))
    rows = fetch(connection, _ON_RECORD, [sources, ids])
    return {(source, event_id): EventOnRecord(delivery_id, entry) for source, event_id, delivery_id, entry in rows}


def deliveries_on_record(database: Database, events: Sequence[DeliveryEvent]) -> Mapping[EventKey, str]:
    """Returns the delivery id with which each of these events is on record, if it is. Raises DatabaseUnavailable."""
    with database.unit() as connection:
        return {key: found.delivery_id for key, found in events_on_record(connection, events).items()}
