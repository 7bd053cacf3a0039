"""Reads the delivery events of routes: what was answered about their commands. Changes nothing (R32)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from storage.database import Database


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A delivery event as it was recorded. The fields of the same names are as in `DeliveryEvent`.

    recorded_at: by the database's clock; occurred_at is by the source's.
    stream_entry_id: the entry that it came by; None: this service recorded it itself.
    """

    event: EventKind
    occurred_at: datetime
    recorded_at: datetime
    source: str
    event_id: str
    permanence: Permanence | None
    fault: Fault | None
    code: str | None
    enhanced_code: str | None
    diagnostic: str | None
    provider_ref: str | None
    detail_json: str | None
    stream_entry_id: str | None


# The newest of each route, by index delivery_events_of_route, however many a source sends.
_OF_ROUTES = """/* event_history */
SELECT keys.key, e.event, e.occurred_at, e.recorded_at, e.source, e.event_id, e.permanence, e.fault, e.code,
       e.enhanced_code, e.diagnostic, e.provider_ref, e.detail::text, e.stream_entry_id
FROM unnest(%(keys)s::bigint[]) AS keys (key)
CROSS JOIN LATERAL (
    SELECT * FROM delivery_events WHERE route_key = keys.key ORDER BY id DESC LIMIT %(limit)s
) AS e
ORDER BY e.occurred_at, e.id
"""


def event_history(
    database: Database, route_keys: Collection[int], *, limit: int
) -> Mapping[int, Sequence[EventRecord]]:
    """Returns the last `limit` recorded events of each of these routes, in the order in which they happened.

    A route without any is missing. Raises DatabaseUnavailable.
    """
    history: dict[int, list[EventRecord]] = {}
    for key, event, at, recorded, source, id_, permanence, fault, *more in database.rows(
        _OF_ROUTES, {"keys": list(route_keys), "limit": limit}
    ):
        history.setdefault(key, []).append(
            EventRecord(
                EventKind(event),
                at,
                recorded,
                source,
                id_,
                None if permanence is None else Permanence(permanence),
                None if fault is None else Fault(fault),
                *more,
            )
        )
    return history
