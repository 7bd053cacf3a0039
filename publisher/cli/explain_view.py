"""Carries out `publisher explain`, and prints the history of a route."""

from rich.text import Text

from publisher.cli.ids import intents_stream, place
from publisher.cli.session import reading
from publisher.cli.terminal.layout import Hanging
from publisher.cli.terminal.output import one_line, print_json, print_layout, printable
from publisher.domain.errors import NotFound
from publisher.domain.notification import delivery_id_of
from publisher.operations.remedy.wording import worded
from publisher.operations.trace.history_fields import history_fields
from publisher.operations.trace.lookup import find_notification
from publisher.operations.trace.route_history import RouteHistory, notification_histories
from publisher.operations.trace.trace import with_outcomes
from publisher.operations.trace.wording import route_parts, standing

# Where the lines of an explanation begin, behind the longest name.
_INDENT = len("  so far  ")


def print_explanation(id_: str, route_id: str | None, limit: int, *, json: bool) -> None:
    """Explains each route that the id names, at most so many.

    Raises NotFound, or BadRequest for an id of another kind.
    """
    with reading() as (settings, database), intents_stream(settings) as streams:
        named = place(settings, database, id_, route_id, command="publisher explain")
        notification, route = named.notification_id, named.route_id
        found = [find_notification(database, notification)]
        histories = notification_histories(database, settings.channels, found, route, limit=limit)
        [history] = with_outcomes(histories, streams)
    if route is not None and not history.routes:
        raise NotFound(
            f"there is no route {delivery_id_of(notification, route)}:"
            f" see 'publisher explain {notification}' for those there are"
        )
    if json:
        for each in history.routes:
            print_json(history_fields(each))
        return
    for n, each in enumerate(history.routes):
        if n:
            print()
        _print(each)
    count = history.notification.route_count
    if route is None and count > len(history.routes):
        print(f"\n{len(history.routes):,} of {count:,} routes: name one, or --limit {count}")


def _print(history: RouteHistory) -> None:
    delivery_id = Text(printable(history.route.delivery_id), style="bold")
    print_layout(
        Hanging(Text(standing(history)), delivery_id),
        *(
            Hanging(Text(one_line(worded(line))), Text(f"  {name}" if n == 0 else ""), _INDENT)
            for name, lines in route_parts(history)
            for n, line in enumerate(lines)
        ),
    )
