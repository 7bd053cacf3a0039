"""Resolves an id: from the text that an operator has at hand to everything that it names. It never guesses.

The exact ids are looked up first. If nothing has one, quotes and brackets around the text are left out, then a
shortened notification id is completed, then the newest records are searched for ids that have no index: keys of
malformed intents, request ids, trace ids and route ids.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.instants import from_milliseconds
from publisher.domain.names import near_names
from publisher.domain.rejection import Rejection
from publisher.operations.ids.forms import Forms, as_delivery, beginning, cleaned, forms
from publisher.settings.settings import Settings
from storage.cancelling.cancellations import known_cancellations
from storage.database import Database
from storage.ids.named import Named, NamedKind, Wanted, named, published_as
from storage.ids.near_ids import ids_that_begin, malformed_of_key, near_ids
from storage.notifications import notifications_of_ids
from storage.routes import find_routes

if TYPE_CHECKING:
    from publisher.streams.entries import Fields
    from publisher.streams.servers.stream_servers import StreamServers

__all__ = ["IntentsStream", "Named", "NamedKind", "Resolution", "meant", "of_kind", "resolve"]

# The years that an instant can be in: an entry id may begin with any number.
_LATEST_MS = 253_402_300_799_000


@dataclass(frozen=True, slots=True)
class IntentsStream:
    """Where intents come in: the stream or its partitions, the group that reads it, and the channels of intents.

    connect: returns the Redis of every stream, the same with each call. Called for an id that an entry of a stream can
        have.
    """

    connect: "Callable[[], StreamServers]"
    names: Sequence[str]
    group: str
    channels: Mapping[str, Channel]

    @classmethod
    def of(cls, settings: Settings, connect: "Callable[[], StreamServers]") -> Self:
        """Returns the intents stream of these settings."""
        return cls(connect, settings.intents_streams, settings.intents_group, settings.channels)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Everything that an id names.

    forms: the text, and what it can be.
    things: what has this id; empty: nothing has it. Several: the text alone does not tell which is meant.
    unread: why the streams could not be read, or None. Then `things` rests on PostgreSQL alone.
    routes: if nothing has it, routes among the newest of which it is the route id alone.
    keys: if nothing has it, idempotency keys that are nearly the same.
    """

    forms: Forms
    things: Sequence[Named] = ()
    unread: PublisherError | None = None
    routes: Sequence[Named] = ()
    keys: Sequence[str] = ()


def resolve(database: Database, intents: IntentsStream, text: str, producer: str | None = None) -> Resolution:
    """Finds everything that has this id. producer: a key is this one's alone.

    Nothing is left out because Redis could not be asked: `unread` says so.
    """
    exact = _exact(database, intents, forms(text, producer))
    if exact.things:
        return exact
    bare = cleaned(text)
    if bare not in ("", text):
        again = _exact(database, intents, forms(bare, producer))
        if again.things:
            return again
    shortened = beginning(bare)
    if shortened is not None:
        first, last, route_id = shortened
        if things := ids_that_begin(database, first, last):
            return replace(exact, things=[_route_of(thing, route_id) for thing in things])
    if malformed := malformed_of_key(database, _keys(text), producer):
        return replace(exact, things=malformed)
    near = near_ids(database, bare)
    return replace(exact, things=near.requests, routes=near.routes, keys=near_names(bare, near.keys))


def of_kind(database: Database, text: str, kind: NamedKind) -> Sequence[Named]:
    """Returns the things of one kind that have this id, in PostgreSQL alone: for a command of that kind.

    Of malformed intents the newest are searched for this idempotency key as well.
    """
    for each in dict.fromkeys((text, cleaned(text))):
        if found := [thing for thing in named(database, forms(each).wanted) if thing.kind is kind]:
            return found
    return malformed_of_key(database, _keys(text)) if kind is NamedKind.MALFORMED else []


def meant(found: Resolution, own: NamedKind | None = None) -> Sequence[Named]:
    """Returns the things that the text can mean to a command.

    own: the kind that a bare number is of, for a command about that kind. None: any kind. The number of a route, which
    only --json shows, is then meant if nothing else has the number.
    """
    if not found.forms.number:
        return found.things
    others = [thing for thing in found.things if thing.number is None]
    numbered = [thing for thing in found.things if thing.number is not None]
    if own is not None:
        mine = [thing for thing in numbered if thing.kind is own]
        return [*(mine or numbered), *others]
    first = [*(thing for thing in numbered if thing.kind is not NamedKind.ROUTE), *others]
    return first or numbered


def _keys(text: str) -> list[str]:
    """Returns the idempotency keys that the text can be."""
    return list(dict.fromkeys(key for each in (text, cleaned(text)) for key in forms(each).wanted.keys))


def _exact(database: Database, intents: IntentsStream, read: Forms) -> Resolution:
    entry_id, unread = read.entry_id, None
    entries: Mapping[str, Fields] = {}
    if entry_id is not None:
        # With redis-py, which most ids do not need: it takes as long to import as all that reads PostgreSQL.
        from publisher.streams.entries import entries_at

        # The streams are read first: what the intents stream shows as acknowledged was committed before.
        streams = [*intents.names, *(str(part) for channel in intents.channels.values() for part in channel.streams)]
        try:
            found = intents.connect().on_each(streams, lambda client, names: entries_at(client, names, entry_id))
        except (RedisUnavailable, RedisRefused) as error:
            unread = error
        else:
            entries = {stream: of for stream, of in found.items() if not isinstance(of, PublisherError)}
            unread = next((error for error in found.values() if isinstance(error, PublisherError)), None)
    things = [_route_of(thing, read.route_id, of=read.wanted) for thing in named(database, read.wanted)]
    if entry_id is not None:
        things += _commands(database, intents, entries, entry_id, walk=not things)
        things = things or _repeated(database, intents, entries)
        if not things:
            things += [Named(NamedKind.ENTRY, name=entry_id, detail=stream) for stream in entries]
    return Resolution(read, list(dict.fromkeys(things)), unread)


def _repeated(database: Database, intents: IntentsStream, entries: "Mapping[str, Fields]") -> list[Named]:
    """Returns the notification whose intent or cancellation the entry repeats (R18): no record names the entry."""
    from publisher.domain.intent_parsing import parse_entry

    fields = next((entries[name] for name in intents.names if name in entries), {})
    content = parse_entry(list(fields.items()), intents.channels)
    if isinstance(content, Rejection):
        return []
    if isinstance(content, Cancellation):
        known = known_cancellations(database, [content.notification_id])
        return [
            Named(NamedKind.NOTIFICATION, None, id_, None, content.producer, content.idempotency_key) for id_ in known
        ]
    return [
        Named(NamedKind.NOTIFICATION, None, earlier.notification_id, None, earlier.producer, earlier.idempotency_key)
        for earlier in notifications_of_ids(database, [content.notification_id])
        if earlier.request_fingerprint == content.fingerprint
    ]


def _route_of(thing: Named, route_id: str | None, of: Wanted | None = None) -> Named:
    """The route of a delivery id in the place of its notification. of: the ids that the text named."""
    named_itself = of is None or thing.notification_id == next(iter(of.notification_ids), None)
    if route_id is None or thing.kind is not NamedKind.NOTIFICATION or not named_itself:
        return thing
    return Named(NamedKind.ROUTE, None, thing.notification_id, route_id)


def _commands(
    database: Database, intents: IntentsStream, entries: "Mapping[str, Fields]", entry_id: str, *, walk: bool
) -> list[Named]:
    """Returns the routes whose commands have this entry id.

    The command says which. walk: where no stream has the entry any more, the published routes are looked at.
    """
    routes = [
        Named(NamedKind.ROUTE, None, route.notification_id, route.route_id, route.channel, route.status.value)
        for stream, fields in entries.items()
        if stream not in intents.names
        for notification_id, route_id in _deliveries(fields.values())
        for route in find_routes(database, notification_id, route_id)
    ]
    milliseconds = int(entry_id.partition("-")[0])
    if routes or not walk or milliseconds > _LATEST_MS or any(name in entries for name in intents.names):
        return routes
    return published_as(database, sorted(intents.channels), entry_id, from_milliseconds(milliseconds))


def _deliveries(values: Iterable[bytes]) -> set[tuple[str, str]]:
    found = (as_delivery(value.decode(errors="replace")) for value in values if b"/" in value and len(value) < 1000)
    return {(notification_id, route_id) for notification_id, route_id in found if notification_id and route_id}
