"""Follows any id the whole way of an intent: its entry, its notification, each route, and what became of each command.

What Redis could not be asked for is said in its place, and hides nothing that PostgreSQL knows (R35).
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.domain.errors import NotFound, PublisherError
from publisher.domain.notification import RouteStatus
from publisher.operations.ids.resolution import IntentsStream, NamedKind, Resolution, meant, resolve
from publisher.operations.ids.wording import not_for, several, unknown
from publisher.operations.names import near_producers
from publisher.operations.trace.lookup import MATCHES, Found, lookup
from publisher.operations.trace.route_history import NotificationHistory, notification_histories
from storage.database import Database

# As many commands as a sentence can hold.
_SUGGESTED = 3
# Kinds that have a way to show: actions and losses have none.
_SHOWN = frozenset(NamedKind) - {NamedKind.ACTION, NamedKind.LOSS}


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that an id leads to, and the history of each of its notifications, newest first."""

    found: Found
    histories: Sequence[NotificationHistory]

    def is_whole(self, history: NotificationHistory) -> bool:
        """Returns whether the notification was meant as a whole. If not, the id names some of its routes."""
        return history.notification.notification_id not in self.found.routes


def trace(
    database: Database,
    intents: IntentsStream,
    id_: str,
    producer: str | None,
    *,
    limit: int,
    most: int = MATCHES,
) -> Trace:
    """Returns everything that has this id, with at most so many routes of each notification.

    producer: an idempotency key is this one's alone. None: anybody's.
    most: of how many notifications, the newest, the histories are read.
    Raises NotFound for an id that nothing has, and BadRequest for one of something that has no such way; both say which
    ids were meant instead (`choice`).
    """
    found = _found(database, intents, id_, producer)
    recorded = [
        history
        for notification in found.notifications[:most]
        for route_id in found.routes.get(notification.notification_id, [None])
        for history in notification_histories(database, intents.channels, [notification], route_id, limit=limit)
    ]
    if found.routes and not any(history.routes for history in recorded):
        raise NotFound(f"there is no route {id_}: see 'publisher trace {next(iter(found.routes))}' for those there are")
    return Trace(found, with_outcomes(recorded, intents))


def with_outcomes(histories: Sequence[NotificationHistory], intents: IntentsStream) -> Sequence[NotificationHistory]:
    """Returns the histories with what became of each command. Without a published route Redis is not asked."""
    if not any(each.route.status is RouteStatus.PUBLISHED for history in histories for each in history.routes):
        return histories
    # With redis-py, which a route that was not published does not need.
    from publisher.operations.trace.command_lookup import with_commands

    return with_commands(histories, intents.connect)


def _found(database: Database, intents: IntentsStream, id_: str, producer: str | None) -> Found:
    """Returns everything that the id leads to. Raises NotFound, or BadRequest for an id of what has no way to show."""
    resolution = resolve(database, intents, id_, producer)
    things = meant(resolution)
    if not things:
        raise _unknown(database, intents, resolution, producer)
    # Several records of one entry id are of one entry; several of one number or of one key are not.
    one_entry = resolution.forms.entry_id is not None
    numbered = [thing for thing in things if not one_entry and thing.number is not None]
    if len(things) > 1 and (len(numbered) > 1 or any(thing.kind not in _SHOWN for thing in things)):
        raise several(id_, things, lambda thing: "publisher trace" if thing.kind in _SHOWN else None)
    found = lookup(database, intents, things, resolution.forms.entry_id, producer)
    if found.entry is None and not found.notifications and not found.pruned and not found.cancellations:
        if producer is not None:
            raise _unknown(database, intents, resolution, producer)
        raise not_for(id_, things[0], "an entry, a notification, a route, a dead letter or a malformed intent")
    return found


def _unknown(
    database: Database, intents: IntentsStream, resolution: Resolution, producer: str | None
) -> PublisherError:
    """Returns the error for an id that nothing has; of a producer's, with the producers that have it, or near ones."""
    if producer is None:
        return unknown(resolution, "publisher trace")
    text = resolution.forms.text
    named = resolve(database, intents, text).things
    having = [shlex.quote(thing.name) for thing in named if thing.kind is NamedKind.NOTIFICATION][:_SUGGESTED]
    near = [f"'publisher trace {shlex.quote(text)} --producer {name}'" for name in having]
    near = near or [f"--producer {shlex.quote(name)}" for name in near_producers(database, producer)]
    return unknown(resolution, "publisher trace", producer=producer, near=near)
