"""The traces of a batch: its own spans, the place of each route in its producer's trace, and the spans of its attempts.

A route is one span of its producer's trace, whose id is known before it is made: a hash of the delivery id and the
replay. So the command can name it, and has the same bytes at every attempt (R22). A failed attempt is a span beside it,
to which the next attempt has a link.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from publisher.domain.attempt import Cancelled, DeadLettered, Expired, Outcome, Published, Rescheduled
from publisher.domain.channel import COMMAND_SIZE_LIMIT, Command
from publisher.domain.notification import Route
from publisher.domain.traceparent import Traceparent, parse_traceparent, route_context, span_id_of
from publisher.process.logs import route_fields
from publisher.process.spans import POSTGRESQL, Attributes, Past, SpanKind, Spans
from publisher.publishing.batch import Batch

TRACEPARENT = "traceparent"


@contextmanager
def traced(spans: Spans, batch: Batch) -> Iterator[None]:
    """Makes the spans of the batch, from its claim to the end of the context, and those of its routes."""
    place(spans, batch)
    attributes: Attributes = {"notification.channel": batch.channel.name, "notification.routes": len(batch.claim.ids)}
    with spans.batch(f"publish {batch.channel.name}", SpanKind.INTERNAL, attributes, batch.began) as span:
        span.link(batch.contexts.values())
        with spans.batch(f"claim {batch.channel.name}", SpanKind.CLIENT, POSTGRESQL, batch.began):
            pass
        try:
            yield
        finally:
            if spans.is_on:
                ends = Counter(type(recorded.outcome).__name__.lower() for recorded in batch.recorded)
                span.set({f"notification.{end}": count for end, count in ends.items()})
                spans.past(ends_of(batch))


def place(spans: Spans, batch: Batch) -> None:
    """Finds the place of each route in its producer's trace, if tracing is on."""
    if spans.is_on:
        batch.contexts = {
            c.route.id: route_context(c.notification.trace_id, c.route.delivery_id, c.route.replay)
            for c in batch.claim.routes
            if c.notification
        }


def carrying(command: Command, context: Traceparent | None) -> Command:
    """Returns the command with a field `traceparent`, unless it has one, or would be too large (R6)."""
    if context is None or any(name == TRACEPARENT for name, _ in command.fields):
        return command
    with_context = Command((*command.fields, (TRACEPARENT, str(context))))
    return with_context if with_context.size <= COMMAND_SIZE_LIMIT else command


def fields_of(batch: Batch, route: Route, outcome: Outcome | None = None) -> Mapping[str, object]:
    """What every log line about the route says of it (R26). If tracing is on, the ids of its span are among it.

    outcome: what the line tells, if it does: a failed attempt has a span of its own.
    """
    fields = route_fields(batch.notifications[route.id], route)
    if route.id in batch.contexts:
        context = batch.contexts[route.id]
        at = _place_of(outcome, context) if context and outcome else context
        # None: a line would otherwise name the batch's span beside what the producer gave as trace_id.
        fields |= {"trace_id": at.trace_id, "span_id": at.span_id} if at else {"span_id": None}
    return fields


def ends_of(batch: Batch) -> Iterator[Past]:
    """Makes the spans of what is on record: routes, failed attempts, routes that ended without a command."""
    for recorded in batch.recorded:
        outcome = recorded.outcome
        route = outcome.route
        context = batch.contexts.get(route.id)
        if context is None or not context.is_sampled:
            continue
        parent = parse_traceparent(batch.notifications[route.id].trace_id)
        if parent is None:
            continue
        attributes: dict[str, str | int | float | bool] = {
            "notification.id": route.notification_id,
            "notification.type": batch.notifications[route.id].notification_type,
            "notification.channel": route.channel,
        }
        attempt = {"notification.attempt": route.attempt_count + 1}
        kind, failure = SpanKind.PRODUCER, None
        match outcome:
            case Published():
                name = "route"
                attributes |= {**attempt, "messaging.message.id": outcome.entry_id, "messaging.system": "redis"}
            case Rescheduled() | DeadLettered():
                name = "attempt"
                attributes |= {**attempt, "notification.is_dead_letter": isinstance(outcome, DeadLettered)}
                failure = f"{outcome.failure.classification}: {outcome.failure.message}"
            case Expired() | Cancelled():
                name, kind = type(outcome).__name__.lower(), SpanKind.INTERNAL
        after = _attempt_id(route, route.attempt_count) if route.attempt_count else None
        at = _place_of(outcome, context)
        yield Past(name, at, parent, batch.began, None, kind, attributes, failure, after)


def _place_of(outcome: Outcome, context: Traceparent) -> Traceparent:
    """Returns where an outcome stands in the trace: an attempt that failed beside its route's place, others there."""
    match outcome:
        case Rescheduled(route, _, attempt_count):
            return context.child(_attempt_id(route, attempt_count))
        case DeadLettered(route):
            return context.child(_attempt_id(route, "last"))
    return context


def _attempt_id(route: Route, attempt: object) -> str:
    return span_id_of("attempt", route.delivery_id, route.replay, route.requeues, attempt)
