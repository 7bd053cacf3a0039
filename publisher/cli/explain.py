"""`publisher explain`."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from publisher.cli.ids import NotificationId, RouteId, delivery
from publisher.cli.output import JsonFlag, console, one_line, print_json, printable
from publisher.cli.session import opened
from publisher.domain.errors import NotFound
from publisher.domain.instants import readable
from publisher.domain.notification import delivery_id_of
from publisher.operations.route_history import Story, stories
from storage.database import Database
from storage.gates import read_gates
from storage.traces import notifications_of_ids, pruned_notifications

RoutesOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many routes of each.")]


def explain(
    notification_id: NotificationId,
    route_id: RouteId = None,
    limit: RoutesOption = 20,
    json: JsonFlag = False,
) -> None:
    """Say why a route is where it is, what happens next and when, and what happened so far.

    A notification id alone explains each of its routes. Times are by the database's clock.
    """
    notification, route = delivery(notification_id, route_id)
    with opened() as (settings, database):
        gates = read_gates(database)
        told = stories(database, settings.channels, gates, notification, route, limit=limit)
        if not told:
            raise _not_found(database, notification, route)
        records = notifications_of_ids(database, [notification]) if route is None else ()
    if json:
        for story in told:
            print_json(story.fields())
        return
    for n, story in enumerate(told):
        if n:
            print()
        _print(story)
    for record in records:
        if record.route_count > len(told):
            print(f"\n{len(told):,} of {record.route_count:,} routes: name one, or --limit {record.route_count}")


def _print(story: Story) -> None:
    out = console()
    delivery_id = Text(printable(story.route.delivery_id), style="bold")
    status, state = story.route.status.value, story.explanation.state.value
    out.print(Text.assemble(delivery_id, f"  {status if state == status else f'{status}, {state}'}"))
    table = Table.grid(padding=(0, 2))
    for name, lines in _parts(story):
        for n, line in enumerate(lines):
            table.add_row(Text(name if n == 0 else ""), Text(one_line(line)))
    out.print(table)


def _parts(story: Story) -> Iterator[tuple[str, Sequence[str]]]:
    yield "  why", story.explanation.why
    yield "  next", story.explanation.next
    yield "  so far", [f"{readable(step.at)}  {step.what}" for step in story.steps]


def _not_found(database: Database, notification_id: str, route_id: str | None) -> NotFound:
    for record in pruned_notifications(database, [notification_id]).values():
        return NotFound(f"notification {notification_id} was pruned {readable(record.pruned_at)}: only its key is left")
    if route_id is None or not notifications_of_ids(database, [notification_id]):
        return NotFound(f"there is no notification {notification_id}")
    return NotFound(
        f"there is no route {delivery_id_of(notification_id, route_id)}:"
        f" see 'publisher explain {notification_id}' for those there are"
    )
