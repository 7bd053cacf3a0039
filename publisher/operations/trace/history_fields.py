"""What is on record about a route, a notification or an id, by the names that --json and the HTTP door print."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from publisher.operations.explain.cancellation_answer import answer_of
from publisher.operations.explain.limited_queue import queue_fields
from publisher.operations.holds.holds import hold_fields
from publisher.operations.remedy.wording import worded
from publisher.operations.trace.route_history import NotificationHistory, RouteHistory
from publisher.operations.trace.trace import Trace

if TYPE_CHECKING:
    from publisher.operations.trace.command_outcome import CommandOutcome, GroupHandling

# The fields of a route's record that are left out.
_HIDDEN = {"id", "notification_type", "resolved_email", "resolved_locale", "lease_token"}
# The fields that a failure and a dead letter repeat of their route.
_REPEATED = {"notification_id", "route_id", "channel", "notification_type"}


def trace_fields(trace: Trace) -> Iterator[dict[str, object]]:
    """Yields everything that an id leads to: the entry, each notification, each pruned one, each cancellation."""
    found = trace.found
    if found.entry is not None:
        sentences = [worded(sentence) for sentence in found.entry.sentences]
        entry = {"fate": found.entry.state, "sentences": sentences, "notification_id": found.entry.notification_id}
        yield {"kind": "entry", "entry_id": found.entry_id, **entry}
    for history in trace.histories:
        yield notification_fields(history)
    for pruned in found.pruned:
        yield {"kind": "pruned", **asdict(pruned)}
    for cancellation in found.cancellations.values():
        yield {"kind": "cancellation", **asdict(cancellation), "answer": answer_of(cancellation)}


def notification_fields(history: NotificationHistory) -> dict[str, object]:
    """Everything on record about a notification but its payload, with the routes that were read."""
    routes = [history_fields(route) for route in history.routes]
    return {"kind": "notification", **asdict(history.notification), "routes": routes}


def history_fields(history: RouteHistory) -> dict[str, object]:
    """Everything on record about a route but its address."""
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
