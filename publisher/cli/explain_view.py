"""Carries out `publisher explain`, and prints the history of a route."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.text import Text

from publisher.cli.ids import place
from publisher.cli.layout import Hanging
from publisher.cli.output import one_line, print_json, print_layout, printable
from publisher.cli.remedies import worded
from publisher.cli.session import reading
from publisher.domain.errors import NotFound
from publisher.domain.instants import readable
from publisher.domain.notification import delivery_id_of
from publisher.operations.lookup import find_notification
from publisher.operations.route_history import RouteHistory, notification_histories

# Where the lines of an explanation begin, behind the longest name.
_INDENT = len("  so far  ")
# The fields of a route's record that --json leaves out.
_HIDDEN = {"id", "notification_type", "resolved_email", "resolved_locale", "lease_token"}
# The fields that a failure and a dead letter repeat of their route.
_REPEATED = {"notification_id", "route_id", "channel", "notification_type"}


def print_explanation(id_: str, route_id: str | None, limit: int, *, json: bool) -> None:
    """Explains each route that the id names, at most so many.

    Raises NotFound, or BadRequest for an id of another kind.
    """
    with reading() as (settings, database):
        named = place(settings, database, id_, route_id, command="publisher explain")
        notification, route = named.notification_id, named.route_id
        found = [find_notification(database, notification)]
        [history] = notification_histories(database, settings.channels, found, route, limit=limit)
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


def history_fields(history: RouteHistory) -> dict[str, object]:
    """Everything on record about a route, by the names that --json prints."""
    route, explanation = history.route, history.explanation
    return {
        "delivery_id": route.delivery_id,
        **_without(asdict(route), _HIDDEN),
        "stream": (route.stream if route.published_at else None) or history.stream,
        "state": explanation.state,
        "why": explanation.why,
        "next": [worded(sentence) for sentence in explanation.next],
        "next_at": explanation.next_at,
        "failures": [_without(asdict(failure), _REPEATED | {"id"}) for failure in history.failures],
        "dead_letters": [_without(asdict(letter), _REPEATED) for letter in history.dead_letters],
    }


def _without(fields: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in names}


def _print(history: RouteHistory) -> None:
    delivery_id = Text(printable(history.route.delivery_id), style="bold")
    status, state = history.route.status.value, history.explanation.state.value
    standing = Text(status if state == status else f"{status}, {state}")
    print_layout(
        Hanging(standing, delivery_id),
        *(
            Hanging(Text(one_line(line)), Text(f"  {name}" if n == 0 else ""), _INDENT)
            for name, lines in _parts(history)
            for n, line in enumerate(lines)
        ),
    )


def _parts(history: RouteHistory) -> Iterator[tuple[str, Sequence[str]]]:
    yield "why", history.explanation.why
    yield "next", [worded(sentence) for sentence in history.explanation.next]
    yield "so far", [f"{readable(step.at)}  {step.what}" for step in history.steps]
