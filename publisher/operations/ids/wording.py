"""Words what an id names, the command line that takes it, and the error for an id that nothing has."""

import shlex
from collections.abc import Callable, Mapping, Sequence

from publisher.domain.errors import PublisherError
from publisher.domain.notification import delivery_id_of
from publisher.operations.ids.choice import Choice, OtherKind, UnknownId
from publisher.operations.ids.resolution import Named, NamedKind, Resolution
from storage.ids.near_ids import NEWEST

NOUNS: Mapping[NamedKind, str] = {
    NamedKind.DEAD_LETTER: "dead letter",
    NamedKind.MALFORMED: "malformed intent",
    NamedKind.ACTION: "operator action",
    NamedKind.LOSS: "loss of intents",
    NamedKind.ROUTE: "route",
}
_SAID: Mapping[NamedKind, Callable[[Named], str]] = {
    NamedKind.NOTIFICATION: lambda t: f"notification {t.notification_id} of {t.name}, key {t.detail}",
    NamedKind.PRUNED: lambda t: f"notification {t.notification_id}, which was pruned: only its key is left",
    NamedKind.ROUTE: lambda t: f"route {_delivery(t)}",
    NamedKind.DEAD_LETTER: lambda t: f"dead letter {t.number}, of route {_delivery(t)}",
    NamedKind.MALFORMED: lambda t: f"malformed intent {t.number}, entry {t.detail}: {t.name}",
    NamedKind.ACTION: lambda t: f"action {t.number}, {t.name} by {t.detail}",
    NamedKind.LOSS: lambda t: f"loss {t.number} of intents of stream {t.detail}",
    NamedKind.CANCELLATION: lambda t: f"cancellation of key {t.detail} by {t.name}, which waits for its intent",
    NamedKind.ENTRY: lambda t: f"entry {t.name} of stream {t.detail}, which no record names",
}
# The command that shows a thing of a kind, and its id there.
_SHOWN: Mapping[NamedKind, tuple[str, Callable[[Named], str]]] = {
    NamedKind.NOTIFICATION: ("publisher trace", lambda t: str(t.notification_id)),
    NamedKind.PRUNED: ("publisher trace", lambda t: str(t.notification_id)),
    NamedKind.ROUTE: ("publisher explain", lambda t: _delivery(t)),
    NamedKind.DEAD_LETTER: ("publisher dead-letters show", lambda t: f"dead-letter:{t.number}"),
    NamedKind.MALFORMED: ("publisher malformed show", lambda t: str(t.number)),
    NamedKind.ACTION: ("publisher actions show", lambda t: str(t.number)),
    NamedKind.LOSS: ("publisher intents losses acknowledge", lambda t: str(t.number)),
    NamedKind.CANCELLATION: ("publisher trace", lambda t: str(t.notification_id)),
    NamedKind.ENTRY: ("publisher trace", lambda t: f"entry:{t.name}"),
}
# What a text that names nothing may still be.
_NOT_SEARCHED = " Not searched: the keys of intents that wait to be accepted; 'publisher status' says how many wait."


def said(thing: Named) -> str:
    """Words a thing: its noun, its id and one fact."""
    return _SAID[thing.kind](thing)


def line_of(thing: Named, text: str, command: str | None) -> str:
    """Returns a command line that names this thing alone. command: the one that takes it; None: the one that shows it.

    text: the id that was given, which names several things and must not be the one in the line.
    """
    shown_by, id_of = _SHOWN[thing.kind]
    id_ = id_of(thing)
    if command is not None and thing.kind in NOUNS and thing.kind is not NamedKind.ROUTE:
        id_ = f"{thing.kind.value.replace('_', '-')}:{thing.number}"
    elif id_ == text and thing.notification_id is not None:
        id_ = f"notification:{id_}"
    return f"{command or shown_by} {shlex.quote(id_)}"


def several(text: str, things: Sequence[Named], takes: Callable[[Named], str | None]) -> Choice:
    """Returns the error for an id that names several things. takes: the command that is to get one of them, or None."""
    return Choice(
        f"{text!r} names {len(things)} things: choose one",
        [(line_of(thing, text, takes(thing)), said(thing)) for thing in things],
        things,
    )


def not_for(text: str, thing: Named, what: str) -> OtherKind:
    """Returns the error for an id of a thing that the command cannot act on. what: what the command takes instead."""
    return OtherKind(f"{text!r} is {said(thing)}; this command takes {what}: see '{line_of(thing, text, None)}'", thing)


def unknown(
    found: Resolution,
    command: str,
    noun: str | None = None,
    producer: str | None = None,
    near: Sequence[str] = (),
) -> PublisherError:
    """Returns the error for an id that nothing has: what it could have been, and what was looked at.

    command: the line that a near id is put into.
    noun: the kind that a bare number is of; None: of any.
    producer: whose key it was looked for as; None: anybody's.
    near: what may have been meant instead; empty: the keys that are nearly the same.
    """
    text = found.forms.text
    if found.unread is not None:
        return type(found.unread)(f"PostgreSQL knows no {text!r}, and the streams could not be asked: {found.unread}")
    if found.routes:
        return Choice(
            f"{text!r} is a route id, which names a route within a notification; the newest are",
            [(f"{command} {shlex.quote(_delivery(route))}", str(route.detail)) for route in found.routes],
            found.routes,
        )
    near = near or [f"'{command} {shlex.quote(key)}'" for key in found.keys]
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    searched = "; ".join(_searched(found, noun, producer))
    return UnknownId(f"nothing has the id {text!r}. Searched: {searched}.{meant or _NOT_SEARCHED}", found.keys)


def _searched(found: Resolution, noun: str | None, producer: str | None) -> list[str]:
    """Names the ids among which the text was looked for."""
    read = found.forms
    searched = []
    if read.number:
        searched.append(f"the number of every {noun or 'dead letter, malformed intent, action, loss and route'}")
    if read.entry_id:
        searched.append(
            "the entry ids of the streams that the settings name, of accepted intents and of malformed ones"
        )
    if read.notification:
        searched.append("every notification id and delivery id")
    searched.append("every idempotency key" + ("" if producer is None else f" of producer {producer!r}"))
    searched.append(f"the keys of the newest {NEWEST:,} malformed intents, without large ones")
    searched.append(f"the request, trace and route ids of the newest {NEWEST:,} notifications and routes")
    return searched


def _delivery(thing: Named) -> str:
    return delivery_id_of(str(thing.notification_id), str(thing.route_id))
