"""Reads ids on the command line: every command takes every id that any command prints, and guesses none.

`publisher.operations.ids.resolution` finds what an id names. Here a command says which kinds it can act on. Any other
id is an error that says what it names and which command takes it.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from publisher.cli.session import streams
from publisher.cli.terminal.output import one_line, say
from publisher.domain.errors import BadRequest
from publisher.operations.ids.resolution import IntentsStream, NamedKind, Resolution, meant, of_kind, resolve
from publisher.operations.ids.wording import NOUNS, not_for, said, several, unknown
from publisher.settings.settings import Settings
from storage.database import Database

# More than a delivery id can have: a user id, a channel's name and an address fit several times.
_LONGEST = 4_096
_PLACED = {NamedKind.NOTIFICATION, NamedKind.PRUNED, NamedKind.ROUTE, NamedKind.DEAD_LETTER}


@dataclass(frozen=True, slots=True)
class Place:
    """A notification, or one of its routes.

    route_id: None for all of its routes.
    dead_letter: the number of the dead letter by which the route was named, or None.
    """

    notification_id: str
    route_id: str | None = None
    dead_letter: int | None = None


def place(
    settings: Settings,
    database: Database,
    text: str,
    route_id: str | None = None,
    *,
    command: str,
    own: NamedKind | None = None,
) -> Place:
    """Returns the notification or the route that an id names, of which route_id may name the route.

    command: the command line that takes such an id. own: the kind that a bare number is of; None: of any.
    Raises NotFound for an id that nothing has, and BadRequest for one that names something else, or several things.
    """
    found = resolved(settings, database, text)
    things = meant(found, own)
    # A cancellation that waits for its intent has no routes yet: what has some is meant.
    things = [each for each in things if each.kind is not NamedKind.CANCELLATION] or things
    if not things:
        raise unknown(found, command, own and NOUNS[own])
    [thing] = things if len(things) == 1 else [None]
    if thing is not None and thing.kind not in _PLACED:
        raise not_for(text, thing, "a notification, a route or a dead letter")
    if thing is None or (own is not None and found.forms.number and thing.number is not None and thing.kind is not own):
        raise several(text, things, lambda each: command if each.kind in _PLACED else None)
    if thing.route_id is not None and route_id not in (None, thing.route_id):
        raise BadRequest(f"{text!r} is {said(thing)}, and {route_id!r} is another one")
    letter = thing.number if thing.kind is NamedKind.DEAD_LETTER else None
    return Place(str(thing.notification_id), thing.route_id or route_id, letter)


def numbers(settings: Settings, database: Database, text: str, kind: NamedKind) -> Sequence[int]:
    """Returns the numbers of the things of one kind that an id names: several for an entry id of several streams.

    Raises NotFound for an id that nothing has, and BadRequest for one that names nothing of this kind.
    """
    if found := of_kind(database, text, kind):
        return [thing.number for thing in found if thing.number is not None]
    resolution = resolved(settings, database, text)
    things = meant(resolution)
    if not things:
        raise unknown(resolution, "publisher trace", NOUNS[kind])
    if len(things) > 1:
        raise several(text, things, lambda _: None)
    raise not_for(text, things[0], f"the id of a {NOUNS[kind]}" if kind is not NamedKind.ACTION else "an action's id")


def number(settings: Settings, database: Database, text: str, kind: NamedKind, command: str) -> int:
    """Returns the number of the only thing of one kind that an id names. Raises as `numbers` does."""
    found = numbers(settings, database, text, kind)
    if len(found) > 1:
        raise several(text, of_kind(database, text, kind), lambda _: command)
    return found[0]


def resolved(settings: Settings, database: Database, text: str, producer: str | None = None) -> Resolution:
    """Returns everything that an id names; says on standard error if the streams could not be asked for more."""
    if len(text) > _LONGEST:
        raise BadRequest(f"an id has at most {_LONGEST:,} characters, and this one {len(text):,}")
    with intents_stream(settings) as intents:
        found = resolve(database, intents, text, producer)
    if found.unread is not None and found.things:
        say(f"publisher: the streams could not be asked: {one_line(str(found.unread))}", sys.stderr)
    return found


@contextmanager
def intents_stream(settings: Settings) -> Iterator[IntentsStream]:
    """Yields where intents come in, by these settings. Closes the connections, if any was needed, at the end."""
    with ExitStack() as opened:
        connect = cache(lambda: opened.enter_context(streams(settings)))
        yield IntentsStream.of(settings, connect)
