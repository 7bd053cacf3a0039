"""Carries out `publisher trace`: finds everything that an id leads to, and prints it as a tree."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from publisher.cli.explain_view import event_lines, history_fields, with_outcomes
from publisher.cli.id_wording import not_for, several, unknown
from publisher.cli.ids import intents_stream
from publisher.cli.layout import Tree
from publisher.cli.output import one_line, print_json, print_layout, say
from publisher.cli.remedies import worded
from publisher.cli.session import reading
from publisher.domain.errors import NotFound, PublisherError
from publisher.domain.instants import readable
from publisher.operations.answers import explain_mail
from publisher.operations.cancellation_answer import answer_of, cancelled_by
from publisher.operations.ids import IntentsStream, NamedKind, Resolution, meant, resolve
from publisher.operations.lookup import MATCHES, Found, lookup
from publisher.operations.names import near_producers
from publisher.operations.route_history import NotificationHistory, RouteHistory, notification_histories
from storage.cancellation_records import CancellationRecord
from storage.database import Database

if TYPE_CHECKING:
    from publisher.operations.entry_outcome import EntryOutcome

# As many commands as a sentence can hold.
_SUGGESTED = 3
# Kinds that have a way to show: actions and losses have none.
_SHOWN = frozenset(NamedKind) - {NamedKind.ACTION, NamedKind.LOSS}


def print_trace(id_: str, producer: str | None, limit: int, *, json: bool) -> None:
    """Shows everything that has this id, with at most so many routes of each notification. Raises NotFound."""
    with reading() as (settings, database), intents_stream(settings) as intents:
        found = _found(database, intents, id_, producer)
        recorded = [
            history
            for notification in found.notifications
            for route_id in found.routes.get(notification.notification_id, [None])
            for history in notification_histories(database, settings.channels, [notification], route_id, limit=limit)
        ]
        histories = with_outcomes(recorded, intents)
    if found.routes and not any(history.routes for history in histories):
        raise NotFound(f"there is no route {id_}: see 'publisher trace {next(iter(found.routes))}' for those there are")
    if found.unread is not None:
        say(f"publisher: the intents stream could not be asked: {one_line(str(found.unread))}", sys.stderr)
    if json:
        _print_json(found, histories)
    else:
        _print(found, histories)


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


def _print_json(found: Found, histories: Sequence[NotificationHistory]) -> None:
    if found.entry is not None:
        entry_id = found.entry_id
        sentences = [worded(sentence) for sentence in found.entry.sentences]
        entry = {"fate": found.entry.state, "sentences": sentences, "notification_id": found.entry.notification_id}
        print_json({"kind": "entry", "entry_id": entry_id, **entry})
    for history in histories:
        routes = [history_fields(route) for route in history.routes]
        print_json({"kind": "notification", **asdict(history.notification), "routes": routes})
    for pruned in found.pruned:
        print_json({"kind": "pruned", **asdict(pruned)})
    for cancellation in found.cancellations.values():
        print_json({"kind": "cancellation", **asdict(cancellation), "answer": answer_of(cancellation)})


def _print(found: Found, histories: Sequence[NotificationHistory]) -> None:
    """Prints a tree for each notification, below the entry that it came from."""
    if found.entry is not None:
        print_layout(_entry(str(found.entry_id), found.entry))
    for history in histories:
        id_ = history.notification.notification_id
        print_layout(_notification(history, found.cancellations.get(id_), whole=id_ in found.routes))
    for pruned in found.pruned:
        tree = Tree(_head("notification", pruned.notification_id, "pruned"))
        tree.add(_line(f"pruned {readable(pruned.pruned_at)}: only its key is left"))
        if pruned.notification_id in found.cancellations:
            tree.add(_line(cancelled_by(found.cancellations[pruned.notification_id])))
        print_layout(tree)
    here = {h.notification.notification_id for h in histories} | {p.notification_id for p in found.pruned}
    for id_, cancellation in found.cancellations.items():
        if id_ not in here:
            key = f"{cancellation.producer}, key {cancellation.idempotency_key}"
            tree = Tree(_head("notification", id_, f"of {key}, not accepted"))
            tree.add(_line(cancelled_by(cancellation)))
            print_layout(tree)
    if len(histories) >= MATCHES:
        print(f"the newest {MATCHES} alone: choose with --producer")


def _entry(entry_id: str, outcome: "EntryOutcome") -> Tree:
    tree = Tree(_head("entry", entry_id, outcome.state.value))
    for sentence in outcome.sentences:
        tree.add(_line(worded(sentence)))
    return tree


def _notification(history: NotificationHistory, cancellation: CancellationRecord | None, *, whole: bool) -> Tree:
    """whole: nothing but these routes was asked for."""
    record, routes = history.notification, history.routes
    origin = record.intent_entry_id or "that was not kept"
    root = Tree(_head("from entry", origin, f"{record.producer}, key {record.idempotency_key}"))
    node = root.add(_head("notification", record.notification_id, record.notification_type))
    node.add(_line(f"occurred {readable(record.occurred_at)}, accepted {readable(record.accepted_at)}"))
    if record.expires_at is not None:
        node.add(_line(f"its deadline: {readable(record.expires_at)}"))
    if cancellation is not None:
        node.add(_line(cancelled_by(cancellation)))
    traced = [f"{name} {id_}" for name, id_ in (("request", record.request_id), ("trace", record.trace_id)) if id_]
    if traced:
        node.add(_line(", ".join(traced)))
    for each in routes:
        _add_route(node, each)
    if not whole and record.route_count > len(routes):
        node.add(_line(f"{len(routes):,} of {record.route_count:,} routes: --limit {record.route_count}"))
    return root


def _add_route(node: Tree, each: RouteHistory) -> None:
    branch = node.add(_head("route", each.route.route_id, each.route.status.value))
    for step in each.steps:
        branch.add(_line(f"{readable(step.at)}  {step.what}"))
    for line in each.command.sentences if each.command is not None else ():
        branch.add(_line(line))
    for line in event_lines(each):
        branch.add(_line(line))
    for sentence in explain_mail(each.route, each.mail):
        branch.add(_line(worded(sentence)))
    if not each.route.status.is_final:
        for sentence in each.explanation.next:
            branch.add(_line(f"next: {worded(sentence)}"))


def _head(what: str, id_: str, more: str) -> Text:
    return Text.assemble(f"{what} ", (one_line(id_), "bold"), f"  {one_line(more)}")


def _line(text: str) -> Text:
    return Text(one_line(text))
