"""`publisher trace`."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from publisher.bootstrap import open_client
from publisher.cli.explain import RoutesOption
from publisher.cli.output import JsonFlag, console, one_line, print_json
from publisher.cli.session import opened
from publisher.domain.errors import NotFound
from publisher.domain.instants import readable
from publisher.operations.entry_outcome import EntryVerdict
from publisher.operations.lookup import MATCHES, IntentsStream, Trace
from publisher.operations.lookup import trace as find
from publisher.operations.route_history import Story, stories
from publisher.settings.settings import Settings
from storage.database import Database
from storage.gates import read_gates
from storage.traces import NotificationRecord, PrunedRecord

Told = list[tuple[NotificationRecord, list[Story]]]


def trace(
    id: Annotated[  # noqa: A002 - the argument's name
        str,
        typer.Argument(
            metavar="ID", help="A stream entry id of an intent, a notification or delivery id, or an idempotency key."
        ),
    ],
    producer: Annotated[
        str | None, typer.Option("--producer", help="Of an idempotency key that several producers use, this one's.")
    ] = None,
    limit: RoutesOption = 20,
    json: JsonFlag = False,
) -> None:
    """Show the whole way of an intent: its entry, the notification, each route, each attempt, the outbound entry.

    Everything that has this id is shown. An entry that became no notification is told with what became of it.
    """
    with opened() as (settings, database), open_client(settings, "cli") as client:
        intents = IntentsStream(client, settings.intents_stream, settings.intents_group, settings.channels)
        found = find(database, intents, id, producer)
        told = _told(database, settings, found, limit)
    if found.route_id is not None and not any(stories for _, stories in told):
        raise NotFound(f"there is no route {id}: see 'publisher trace {id.partition('/')[0]}' for those there are")
    if found.unread is not None:
        print(f"publisher: the intents stream could not be asked: {one_line(str(found.unread))}", file=sys.stderr)
    if json:
        _print_json(id, found, told)
    else:
        _print(id, found, told)


def _told(database: Database, settings: Settings, found: Trace, limit: int) -> Told:
    gates = read_gates(database)
    return [
        (
            record,
            stories(database, settings.channels, gates, record.notification_id, found.route_id, limit=limit),
        )
        for record in found.notifications
    ]


def _print_json(entry_id: str, found: Trace, told: Told) -> None:
    if found.entry is not None:
        print_json({"kind": "entry", "entry_id": entry_id, **asdict(found.entry)})
    for record, its in told:
        print_json({"kind": "notification", **asdict(record), "routes": [story.fields() for story in its]})
    for pruned in found.pruned:
        print_json({"kind": "pruned", **asdict(pruned)})


def _print(entry_id: str, found: Trace, told: Told) -> None:
    """A tree for each notification, below the entry that it came from."""
    out = console()
    if found.entry is not None:
        out.print(_entry(entry_id, found.entry))
    for record, its in told:
        out.print(_notification(record, its, whole=found.route_id is not None))
    for pruned in found.pruned:
        out.print(_pruned(pruned))
    if len(told) >= MATCHES:
        print(f"the newest {MATCHES} alone: choose with --producer")


def _entry(entry_id: str, verdict: EntryVerdict) -> Tree:
    tree = Tree(_head("entry", entry_id, verdict.fate.value))
    for sentence in verdict.sentences:
        tree.add(_line(sentence))
    return tree


def _notification(record: NotificationRecord, its: list[Story], *, whole: bool) -> Tree:
    origin = record.intent_entry_id or "that was not kept"
    root = Tree(_head("from entry", origin, f"{record.producer}, key {record.idempotency_key}"))
    node = root.add(_head("notification", record.notification_id, record.notification_type))
    node.add(_line(f"occurred {readable(record.occurred_at)}, accepted {readable(record.accepted_at)}"))
    if record.expires_at is not None:
        node.add(_line(f"its deadline: {readable(record.expires_at)}"))
    traced = [f"{name} {id_}" for name, id_ in (("request", record.request_id), ("trace", record.trace_id)) if id_]
    if traced:
        node.add(_line(", ".join(traced)))
    for story in its:
        route = node.add(_head("route", story.route.route_id, story.route.status.value))
        for step in story.steps:
            route.add(_line(f"{readable(step.at)}  {step.what}"))
        if not story.route.status.is_final:
            for sentence in story.explanation.next:
                route.add(_line(f"next: {sentence}"))
    if not whole and record.route_count > len(its):
        node.add(_line(f"{len(its):,} of {record.route_count:,} routes: --limit {record.route_count}"))
    return root


def _pruned(record: PrunedRecord) -> Tree:
    tree = Tree(_head("notification", record.notification_id, "pruned"))
    tree.add(_line(f"pruned {readable(record.pruned_at)}: only its key is left"))
    return tree


def _head(what: str, id_: str, more: str) -> Text:
    return Text.assemble(f"{what} ", (one_line(id_), "bold"), f"  {one_line(more)}")


def _line(text: str) -> Text:
    return Text(one_line(text))
