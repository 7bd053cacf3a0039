"""The traces of messages: each try to send one is a span of the trace that its command names (R33)."""

from collections.abc import Mapping

from publisher.domain.delivery_event import EventKind
from publisher.domain.mail_outcome import MailOutcome
from publisher.domain.traceparent import span_id_of
from publisher.mail.delivery import Delivery
from publisher.process.spans import Attributes, Past, SpanKind, Spans
from storage.mail.deliveries import BegunMail


def try_of(delivery: Delivery, outcome: MailOutcome, began: float, ended: float) -> Past | None:
    """Returns what became of a try; None: its command names no trace, or there was no try. By time.monotonic()."""
    context, begun, event = delivery.command.context, delivery.begun, outcome.event
    if context is None or event is None:
        return None
    said = (event.code, event.enhanced_code, event.diagnostic)
    attributes: Attributes = {
        "notification.template": delivery.command.template_id,
        "notification.attempt": begun.tries + 1,
        "notification.event": event.event.value,
    }
    return Past(
        "send",
        context.child(_try_id(begun, begun.tries + 1)),
        context,
        began,
        ended,
        SpanKind.CLIENT,
        attributes,
        failure=None if event.event is EventKind.ACCEPTED else " ".join(str(part) for part in said if part),
        after=_try_id(begun, begun.tries) if begun.tries else None,
    )


def log_ids(spans: Spans, delivery: Delivery) -> Mapping[str, str | None]:
    """Returns the ids of a delivery's last try for a log line: of its span if tracing is on."""
    context = delivery.command.context
    if context is None or not spans.is_on:
        return {"trace_id": delivery.command.trace_id}
    return {"trace_id": context.trace_id, "span_id": _try_id(delivery.begun, delivery.begun.tries + 1)}


def _try_id(begun: BegunMail, number: int) -> str:
    return span_id_of("send", begun.delivery_id, begun.entry_id, number)
