"""Carries out `publisher explain`, and prints the history of a route."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from publisher.cli.ids import intents_stream, place
from publisher.cli.layout import Hanging
from publisher.cli.output import one_line, print_json, print_layout, printable
from publisher.cli.remedies import worded
from publisher.cli.session import reading
from publisher.domain.errors import NotFound
from publisher.domain.instants import readable
from publisher.domain.notification import RouteStatus, delivery_id_of
from publisher.operations.answers import event_words
from publisher.operations.holds import hold_fields
from publisher.operations.limited_queue import queue_fields
from publisher.operations.lookup import find_notification
from publisher.operations.route_history import NotificationHistory, RouteHistory, notification_histories

if TYPE_CHECKING:
    from publisher.operations.command_outcome import CommandOutcome, GroupHandling
    from publisher.operations.ids import IntentsStream

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


def with_outcomes(histories: Sequence[NotificationHistory], streams: "IntentsStream") -> Sequence[NotificationHistory]:
    """Returns the histories with what became of each command. Without a published route Redis is not asked."""
    if not any(each.route.status is RouteStatus.PUBLISHED for history in histories for each in history.routes):
        return histories
    # With redis-py, which a route that was not published does not need.
    from publisher.operations.command_lookup import with_commands

    return with_commands(histories, streams.connect)


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
        "holds": [hold_fields(hold) for hold in explanation.holds],
        "rate_limit": queue_fields(explanation.queue),
        "command": history.command and _command(history.command),
        "delivery_events": [asdict(event) for event in history.events],
        "mail": history.mail and asdict(history.mail),
        "failures": [_without(asdict(failure), _REPEATED | {"id"}) for failure in history.failures],
        "dead_letters": [_without(asdict(letter), _REPEATED) for letter in history.dead_letters],
    }


def _command(command: "CommandOutcome") -> dict[str, object]:
    return {
        "stream": command.stream,
        "entry_id": command.entry_id,
        "place": command.place,
        "groups": [_handling(each) for each in command.groups],
        "sentences": command.sentences,
        "problem": command.problem and str(command.problem),
    }


def _handling(each: "GroupHandling") -> dict[str, object]:
    standing, before = each.standing, each.standing.before
    is_held = standing.consumer is not None
    return {
        "group": each.group,
        "state": each.handling,
        "consumer": standing.consumer,
        "idle_seconds": round(standing.idle.total_seconds(), 3) if is_held else None,
        "deliveries": standing.deliveries if is_held else None,
        "unread_before": before and before.count,
        "is_bound": before is not None and before.is_bound,
    }


def _without(fields: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in names}


def _print(history: RouteHistory) -> None:
    delivery_id = Text(printable(history.route.delivery_id), style="bold")
    status, state = history.route.status.value, history.explanation.state.value
    standing = Text(status if state == status else f"{status}, {state.replace('_', ' ')}")
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
    if history.command is not None:
        yield "then", history.command.sentences
    yield "answer", event_lines(history)


def event_lines(history: RouteHistory) -> Sequence[str]:
    """Returns a line for each delivery event of the route, in the order in which they happened."""
    return [f"{readable(event.occurred_at)}  {event_words(event)}" for event in history.events]
