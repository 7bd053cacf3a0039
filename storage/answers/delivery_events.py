"""Records delivery events, and the answer that each route has by them (R32)."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import peewee

from publisher.domain.conflict import event_conflict
from publisher.domain.delivery_event import RANKS, DeliveryEvent, EventKind
from publisher.domain.rejection import Rejection
from storage.answers.event_deliveries import events_on_record
from storage.array_literals import array_literal
from storage.clock import NOW
from storage.database import Database, fetch
from storage.malformed.recording import RawFields


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """A valid delivery event that is to be recorded.

    entry_id: of the entry that it came by; None: this service answers itself.
    raw: the fields of that entry; empty without one.
    """

    event: DeliveryEvent
    entry_id: str | None = None
    raw: RawFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class EventConflict:
    """An event whose source has used its id for another delivery. rejection: says so, and names that delivery."""

    incoming: IncomingEvent
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class RecordedEvents:
    """The result of one statement.

    new: events that are recorded now.
    known: those whose (source, event_id) is on record, or stands in the same batch before: they change nothing.
    conflicts: those whose (source, event_id) stands there for another delivery. Nothing of them is recorded.
    unknown: those whose delivery PostgreSQL does not know. Nothing of them is recorded.
    again: entry ids of the known ones that an earlier reading of the very same entry has left.
    channels: delivery id -> the route's channel, of all but the unknown ones.
    """

    new: Sequence[IncomingEvent] = ()
    known: Sequence[IncomingEvent] = ()
    unknown: Sequence[IncomingEvent] = ()
    conflicts: Sequence[EventConflict] = ()
    again: Collection[str] = field(default=(), compare=False)
    channels: Mapping[str, str] = field(default_factory=dict, compare=False)


# The form of the ids that this service gives its notifications; PostgreSQL would take others for the same id.
_NOTIFICATION_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What every statement sets that makes a route pending which was published: the answer to its next command is another
# one, and may be of a lower rank. A complaint stays.
UNANSWERED = "answer = NULL, answered_at = NULL"


def rank_of(of: str) -> str:
    """Returns the rank of an answer in SQL: 0 of none, and of a complaint. of: an expression."""
    ranks = " ".join(f"WHEN '{kind.value}' THEN {rank}" for kind, rank in RANKS.items())
    return f"CASE {of} {ranks} ELSE 0 END"


# The same as `outranks`: between two rows that differ in rank the instants are not looked at, and no answer has none.
_OUTRANKS = f"(best.rank, best.occurred_at) >= ({rank_of('routes.answer')}, routes.answered_at)"

# given     The place of an event is its place in the batch.
# found     By notifications_identity and routes_identity. An id that is none is NULL, and finds nothing.
# locked    In the order of the ids, so that two statements do not wait for each other. Every lock is taken before the
#           first event is inserted. A route that was pruned meanwhile is not there any more. The key stays free:
#           whoever begins a delivery locks that first and the delivery then, and whoever ends one the other way round.
# chosen    Of events with one (source, event_id) the first of the batch. They are inserted in the order of their
#           unique index, for two statements that hold the same ones.
# inserted  Its conflict is the repetition of an event.
# new       An event of the future, by a source whose clock is wrong, counts as of now: else it would outrank all later
#           ones until then. So does every event of our own mail service: its attempts are recorded one after the other,
#           and by different machines, of which one may be behind.
# best      The best new event of each route; of one rank the later, of one instant the last of the batch.
# answered  Guarded by the answer that the route has under its lock. updated_at stays, for an answer is no step of the
#           route: pruning counts from the last of those, and a cancellation sees by it that no attempt was made.
# The rows: of each event whose route is there its place, the route's channel, whether it is new, and whether it is on
# record by the very same entry. IN and no join, whose estimate of one row made the planner compare each with each.
_RECORD = f"""/* record_delivery_events */
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(notifications)s::uuid[], %(route_ids)s::text[], %(sources)s::text[], %(event_ids)s::text[],
                         %(events)s::text[], %(occurred)s::timestamptz[], %(permanences)s::text[], %(faults)s::text[],
                         %(codes)s::text[], %(enhanced_codes)s::text[], %(diagnostics)s::text[],
                         %(provider_refs)s::text[], %(details)s::json[], %(entries)s::text[])
                  WITH ORDINALITY
           AS given (notification_id, route_id, source, event_id, event, occurred_at, permanence, fault, code,
                     enhanced_code, diagnostic, provider_ref, detail, entry_id, place)
), found AS MATERIALIZED (
    SELECT given.place, routes.id
    FROM given JOIN notifications AS n USING (notification_id)
    JOIN routes ON routes.notification_key = n.id AND routes.route_id = given.route_id
), locked AS MATERIALIZED (
    SELECT id, channel FROM routes WHERE id = ANY(ARRAY(SELECT id FROM found)) ORDER BY id FOR NO KEY UPDATE
), chosen AS MATERIALIZED (
    SELECT DISTINCT ON (source, event_id) given.*, locked.id, locked.channel
    FROM given JOIN found USING (place) JOIN locked USING (id)
    ORDER BY source, event_id, place
), inserted AS (
    INSERT INTO delivery_events (route_key, channel, source, event_id, event, occurred_at, recorded_at, permanence,
                                 fault, code, enhanced_code, diagnostic, provider_ref, detail, stream_entry_id)
    SELECT id, channel, source, event_id, event, occurred_at, {NOW}, permanence, fault, code, enhanced_code,
           diagnostic, provider_ref, detail, entry_id
    FROM chosen ORDER BY source, event_id
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING source, event_id
), new AS MATERIALIZED (
    SELECT place, id, event, {rank_of("event")} AS rank,
           CASE WHEN %(as_of_now)s THEN {NOW} ELSE least(occurred_at, {NOW}) END AS occurred_at
    FROM inserted JOIN chosen USING (source, event_id)
), best AS MATERIALIZED (
    SELECT DISTINCT ON (id) id, event, occurred_at, rank,
           bool_or(event = '{EventKind.COMPLAINED}') OVER (PARTITION BY id) AS complained
    FROM new ORDER BY id, rank DESC, occurred_at DESC, place DESC
), answered AS (
    UPDATE routes
    SET answer = CASE WHEN {_OUTRANKS} THEN best.event ELSE routes.answer END,
        answered_at = CASE WHEN {_OUTRANKS} THEN best.occurred_at ELSE routes.answered_at END,
        complained = routes.complained OR best.complained
    FROM best
    WHERE routes.id = best.id AND routes.id = ANY(ARRAY(SELECT id FROM best))
      AND ({_OUTRANKS} OR (best.complained AND NOT routes.complained))
)
SELECT place, locked.channel, place IN (SELECT place FROM new)
FROM given JOIN found USING (place) JOIN locked USING (id)
"""

_KNOWN = """/* known_deliveries */
SELECT given.place
FROM unnest(%s::uuid[], %s::text[]) WITH ORDINALITY AS given (notification_id, route_id, place)
JOIN notifications AS n USING (notification_id)
JOIN routes ON routes.notification_key = n.id AND routes.route_id = given.route_id
"""


def record_events(
    connection: peewee.PostgresqlDatabase, events: Sequence[IncomingEvent], *, as_of_now: bool = False
) -> RecordedEvents:
    """Records those of these events that are new, and the answers that follow, within the caller's transaction (R32).

    as_of_now: the answers are given now, by the database's clock (R5); False: when the events occurred, by the clock
        of their source. An event keeps its own instant either way.
    One statement, and another one where some are not new. They may be repeated after any error: what an earlier try has
    left is then known. The routes may have any status: an event may come before the publishing is recorded.
    """
    if not events:
        return RecordedEvents()
    new: set[int] = set()
    channels: dict[int, str] = {}
    for place, channel, is_new in fetch(connection, _RECORD, _parameters(events) | {"as_of_now": as_of_now}):
        channels[place] = channel
        if is_new:
            new.add(place)
    placed = list(enumerate(events, start=1))
    standing = [each for place, each in placed if place in channels and place not in new]
    known, conflicts, again = _compared(connection, standing)
    return RecordedEvents(
        new=tuple(each for place, each in placed if place in new),
        known=known,
        unknown=tuple(each for place, each in placed if place not in channels),
        conflicts=conflicts,
        again=again,
        channels={each.event.delivery_id: channels[place] for place, each in placed if place in channels},
    )


def _compared(
    connection: peewee.PostgresqlDatabase, standing: Sequence[IncomingEvent]
) -> tuple[tuple[IncomingEvent, ...], tuple[EventConflict, ...], set[str]]:
    """Tells events that are on record from those whose id is on record for another delivery, and which came again.

    By a statement of its own: the one that records does not see what another process committed while it ran.
    """
    on_record = events_on_record(connection, [each.event for each in standing])
    known, conflicts, again = [], [], set()
    for each in standing:
        found = on_record.get((each.event.source, each.event.event_id))
        rejection = event_conflict(each.event, found.delivery_id if found else None)
        if rejection is not None:
            conflicts.append(EventConflict(each, rejection))
            continue
        known.append(each)
        if found is not None and each.entry_id is not None and found.entry_id == each.entry_id:
            again.add(each.entry_id)
    return tuple(known), tuple(conflicts), again


def known_deliveries(database: Database, delivery_ids: Sequence[str]) -> set[str]:
    """Returns those of these delivery ids that a route has. Raises DatabaseUnavailable."""
    if not delivery_ids:
        return set()
    ids = [_delivery(delivery_id) for delivery_id in delivery_ids]
    rows = database.rows(_KNOWN, [array_literal([n for n, _ in ids]), array_literal([r for _, r in ids])])
    return {delivery_ids[place - 1] for (place,) in rows}


def _parameters(incoming: Sequence[IncomingEvent]) -> dict[str, object]:
    events = [each.event for each in incoming]
    ids = [_delivery(event.delivery_id) for event in events]
    return {
        "notifications": array_literal([notification_id for notification_id, _ in ids]),
        "route_ids": array_literal([route_id for _, route_id in ids]),
        "sources": array_literal([e.source for e in events]),
        "event_ids": array_literal([e.event_id for e in events]),
        "events": array_literal([e.event for e in events]),
        "occurred": array_literal([e.occurred_at for e in events]),
        "permanences": array_literal([e.permanence for e in events]),
        "faults": array_literal([e.fault for e in events]),
        "codes": array_literal([e.code for e in events]),
        "enhanced_codes": array_literal([e.enhanced_code for e in events]),
        "diagnostics": array_literal([e.diagnostic for e in events]),
        "provider_refs": array_literal([e.provider_ref for e in events]),
        "details": array_literal([e.detail_json for e in events]),
        "entries": array_literal([each.entry_id for each in incoming]),
    }


def _delivery(delivery_id: str) -> tuple[str | None, str | None]:
    """Returns the notification id and the route id; None for both if the text is no delivery id."""
    notification_id, _, route_id = delivery_id.partition("/")
    return (notification_id, route_id) if _NOTIFICATION_ID.fullmatch(notification_id) else (None, None)
