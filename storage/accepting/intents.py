"""Accepts intents, compares those that are known, cancels, and records malformed entries (R18–R21, R28)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import peewee

from publisher.domain.conflict import idempotency_conflict
from publisher.domain.errors import DatabaseUnavailable
from publisher.domain.intent import Intent
from publisher.domain.planning import PlannedRoute
from storage.accepting.accept_cancelled import accept_cancelled
from storage.accepting.accept_statement import (
    ACCEPT,
    parameters_of_handover,
    parameters_of_intents,
    parameters_of_routes,
)
from storage.accepting.fingerprints import accepted_among
from storage.cancelling.cancellations import IncomingCancellation, cancel_intents
from storage.claiming.handover import Handover
from storage.database import Database, fetch
from storage.malformed.recording import IncomingMalformed, RawFields, record_malformed


@dataclass(frozen=True, slots=True)
class IncomingIntent:
    """A valid entry of the intents stream, and the routes it asks for."""

    entry_id: str
    raw: RawFields
    intent: Intent
    routes: Sequence[PlannedRoute]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The result of one transaction of intake.

    accepted: intents that became notifications.
    duplicates: intents that are known with the same content.
    malformed: rejections, which are on record now.
    again: ids of the duplicates and rejections that an earlier reading of the very same entry has left: nothing is new.
    by_lane: channel and lane -> keys of the new routes that can be published at once.
    handover: the token of the handover under which they are leased; None: nothing was handed over.
    cancellations, known_cancellations: those that are recorded now, and those whose intent was cancelled before.
    cancelled: (channel, notification type) -> how many routes were cancelled.
    """

    accepted: Sequence[IncomingIntent] = ()
    duplicates: Sequence[IncomingIntent] = ()
    malformed: Sequence[IncomingMalformed] = ()
    again: Collection[str] = ()
    by_lane: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)
    handover: str | None = None
    cancellations: Sequence[IncomingCancellation] = ()
    known_cancellations: Sequence[IncomingCancellation] = ()
    cancelled: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def due(self) -> dict[str, list[int]]:
        """Channel -> keys of the new routes that can be published at once, whatever their lane."""
        found: dict[str, list[int]] = {}
        for (channel, _), ids in self.by_lane.items():
            found.setdefault(channel, []).extend(ids)
        return found

    def told_as_new(self) -> "Acceptance":
        """The same, where an earlier try of this process left what was found again, and its reply was lost."""
        own = [i for i in self.duplicates if i.entry_id in self.again]
        repeated = [i for i in self.duplicates if i.entry_id not in self.again]
        cancelling = [c for c in self.known_cancellations if c.entry_id in self.again]
        return replace(
            self,
            accepted=[*self.accepted, *own],
            duplicates=repeated,
            again=(),
            cancellations=[*self.cancellations, *cancelling],
            known_cancellations=[c for c in self.known_cancellations if c.entry_id not in self.again],
        )


def accept_new(
    database: Database, intents: Sequence[IncomingIntent], handover: Handover | None = None
) -> tuple[Acceptance, Sequence[IncomingIntent]]:
    """Accepts those of these intents that are new, all or none, in one transaction (R20, R21).

    Those that were cancelled before they came are accepted in another one (R28).
    A new intent becomes a notification with its routes. The key of a pruned notification is known for as long as
    pruned_notifications keeps it. May be repeated after any error: what an earlier try has left is then known.
    handover: the lease of the new routes, for the messages that the caller sends about them; None: they have none.
    Returns what was accepted, and the intents that are known: `compare_known` says what becomes of them.
    Raises DatabaseUnavailable or DatabaseRefused.
    """
    first: dict[str, IncomingIntent] = {}
    for incoming in intents:
        first.setdefault(incoming.intent.notification_id, incoming)
    places = {id_: place for place, id_ in enumerate(sorted(first), 1)}
    # Routes keep the order of the stream.
    planned = [(places[id_], i.intent, route) for id_, i in first.items() for route in i.routes]
    parameters = {
        **parameters_of_intents([(first[id_].entry_id, first[id_].intent) for id_ in places]),
        **parameters_of_routes(planned),
        **parameters_of_handover(handover),
    }
    with database.unit() as connection:
        (_, _, keys), *due = fetch(connection, ACCEPT, parameters)
    new = {id_ for id_, key in zip(places, keys, strict=True) if key}
    routes: Mapping[tuple[str, str], int] = {}
    if 0 in keys:
        back = [first[id_] for id_, key in zip(places, keys, strict=True) if key == 0]
        late, routes = accept_cancelled(database, [(i.entry_id, i.intent, i.routes) for i in back])
        new |= late
    accepted = [incoming for id_, incoming in first.items() if id_ in new]
    known = [i for i in intents if i.intent.notification_id not in new or first[i.intent.notification_id] is not i]
    token = handover.token if handover else None
    by_lane = {(channel, lane): ids for channel, lane, ids in due}
    return Acceptance(accepted, by_lane=by_lane, handover=token, cancelled=routes), known


def cancel(database: Database, cancellations: Sequence[IncomingCancellation]) -> Acceptance:
    """Records cancellations, and cancels what they name, all or none, in one transaction (R28).

    May be repeated after any error. Raises DatabaseUnavailable or DatabaseRefused.
    """
    done = cancel_intents(database, cancellations)
    return Acceptance(cancellations=done.new, known_cancellations=done.known, again=done.again, cancelled=done.routes)


def compare_known(database: Database, stream: str | None, known: Sequence[IncomingIntent]) -> Acceptance:
    """Compares intents with what was accepted under their keys (R18).

    The same content again changes nothing. Other content is recorded as malformed, `idempotency_conflict`. May be
    repeated after any error. Raises DatabaseUnavailable or DatabaseRefused.
    stream: whose entries they are. None: they came over HTTP. Their sender is told, and nothing is recorded.
    """
    with database.unit() as connection:
        duplicates, conflicts, again = _compared(connection, known)
        if stream is not None:
            again |= _record(connection, stream, conflicts)
    return Acceptance(duplicates=duplicates, malformed=conflicts, again=again)


def reject(database: Database, stream: str, malformed: Sequence[IncomingMalformed]) -> Acceptance:
    """Records malformed entries, all or none, in one transaction (R19, R21).

    May be repeated after any error. Raises DatabaseUnavailable or DatabaseRefused.
    """
    with database.unit() as connection:
        return Acceptance(malformed=malformed, again=_record(connection, stream, malformed))


def _compared(
    connection: peewee.PostgresqlDatabase, known: Sequence[IncomingIntent]
) -> tuple[list[IncomingIntent], list[IncomingMalformed], set[str]]:
    """Returns duplicates, conflicts (R18), and the ids of the duplicates that the very same entry was accepted from."""
    ids = list({i.intent.notification_id for i in known})
    stored = accepted_among(connection, ids)
    if len(stored) < len(ids):
        raise DatabaseUnavailable("a notification vanished while its repetition was read; reading it again")
    again, duplicates, conflicts = set(), [], []
    for incoming in known:
        accepted = stored[incoming.intent.notification_id]
        conflict = idempotency_conflict(incoming.intent, accepted.fingerprint)
        if conflict is not None:
            conflicts.append(IncomingMalformed(incoming.entry_id, incoming.raw, conflict))
            continue
        duplicates.append(incoming)
        if accepted.entry_id == incoming.entry_id:
            again.add(incoming.entry_id)
    return duplicates, conflicts, again


def _record(connection: peewee.PostgresqlDatabase, stream: str, rejected: Sequence[IncomingMalformed]) -> set[str]:
    """Records the rejections in one transaction. Returns the ids of the entries that were on record before."""
    if not rejected:
        return set()
    with connection.atomic():
        return {r.entry_id for r in rejected} - record_malformed(connection, stream, rejected)
