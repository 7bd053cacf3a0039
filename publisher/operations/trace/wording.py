"""Words a notification's origin and a route's history: the parts of an explanation, as terminal and page show them."""

from collections.abc import Iterator, Sequence

from publisher.domain.instants import readable
from publisher.operations.explain.answers import event_words
from publisher.operations.explain.cancellation_answer import cancelled_by
from publisher.operations.remedy.remedy import Sentence
from publisher.operations.trace.route_history import RouteHistory
from storage.cancelling.cancellation_records import CancellationRecord
from storage.notifications import NotificationRecord


def standing(history: RouteHistory) -> str:
    """Words a route's status, and its state where that says more: `pending, paused`."""
    status, state = history.route.status.value, history.explanation.state.value
    return status if state == status else f"{status}, {state.replace('_', ' ')}"


def route_parts(history: RouteHistory) -> Iterator[tuple[str, Sequence[Sentence]]]:
    """Yields the parts of a route's explanation, each with its name; a part may be empty."""
    yield "why", history.explanation.why
    yield "next", history.explanation.next
    yield "so far", step_lines(history)
    if history.command is not None:
        yield "then", history.command.sentences
    yield "answer", event_lines(history)


def step_lines(history: RouteHistory) -> Sequence[str]:
    """Returns a line for each step of the route, in the order in which they happened."""
    return [f"{readable(step.at)}  {step.what}" for step in history.steps]


def event_lines(history: RouteHistory) -> Sequence[str]:
    """Returns a line for each delivery event of the route, in the order in which they happened."""
    return [f"{readable(event.occurred_at)}  {event_words(event)}" for event in history.events]


def notification_lines(record: NotificationRecord, cancellation: CancellationRecord | None) -> Iterator[str]:
    """Yields what is known of a notification besides its routes. cancellation: its producer's, or None."""
    yield f"occurred {readable(record.occurred_at)}, accepted {readable(record.accepted_at)}"
    if record.expires_at is not None:
        yield f"its deadline: {readable(record.expires_at)}"
    if cancellation is not None:
        yield cancelled_by(cancellation)
    if traced := [f"{name} {id_}" for name, id_ in (("request", record.request_id), ("trace", record.trace_id)) if id_]:
        yield ", ".join(traced)
