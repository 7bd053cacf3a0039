"""The traces of routes: one span each, which the command names before it is made, and one a failed attempt (R22)."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import redis
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from publisher.domain.channel import COMMAND_SIZE_LIMIT, Command
from publisher.domain.traceparent import parse_traceparent
from publisher.process.otel_spans import OtelSpans
from publisher.process.telemetry import Telemetry
from publisher.publishing.tracing import carrying
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import CHANNELS, accepted
from tests.integration.publishers import commands, logged, publisher
from tests.integration.rows import REOPENED, change

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
Traced = Callable[..., list[ReadableSpan]]


@pytest.fixture
def traced(database: Database, streams: OutboundStreams) -> Traced:
    """Publishes what is due, ends what is too late, and returns the spans of that."""

    def publish(of: OutboundStreams = streams, **options: Any) -> list[ReadableSpan]:
        exporter = InMemorySpanExporter()
        with closing(OtelSpans([exporter], "worker")) as spans:
            worker = publisher(database, of, telemetry=Telemetry(spans), **options)
            worker.publish_due("email")
            worker.end_routes("email")
        return list(exporter.get_finished_spans())

    return publish


def ids(span: ReadableSpan) -> str:
    """The span as a trace context."""
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


def named(spans: list[ReadableSpan], name: str) -> list[ReadableSpan]:
    """Those of this name."""
    return [span for span in spans if span.name == name]


def test_a_route_is_one_span_that_its_command_names(
    database: Database, traced: Traced, redis_client: redis.Redis
) -> None:
    """Whoever reads the command goes on in the producer's trace, under our span. The batch links it, and is whole."""
    accepted(database, [{"trace_id": SAMPLED}])

    spans = traced()

    [command] = commands(redis_client).values()
    [route] = named(spans, "route")
    assert command["traceparent"] == ids(route)
    assert command["trace_id"] == SAMPLED
    assert route.parent is not None
    assert f"{route.parent.span_id:016x}" == PARENT
    [batch] = named(spans, "publish email")
    assert [link.context.span_id for link in batch.links] == [route.context.span_id]
    within = {span.name for span in spans if span.parent == batch.context}
    assert within == {"claim email", "append mail:delivery_commands", "record email"}
    assert all(span.end_time and batch.end_time and span.end_time <= batch.end_time for span in spans)


def test_a_trace_that_nobody_records_gets_no_span(
    database: Database, traced: Traced, redis_client: redis.Redis
) -> None:
    """The producer's flag is handed on; an intent without a trace context has none, and its command is as ever."""
    accepted(database, [{"trace_id": UNSAMPLED}, {"trace_id": "ours-17", "idempotency_key": "other"}])

    spans = traced()

    unsampled, plain = commands(redis_client).values()
    assert unsampled["traceparent"].startswith(f"00-{TRACE}-")
    assert unsampled["traceparent"].endswith("-00")
    assert plain["trace_id"] == "ours-17"
    assert "traceparent" not in plain
    assert named(spans, "route") == []
    assert [len(batch.links) for batch in named(spans, "publish email")] == [0]


def test_without_tracing_a_command_is_as_ever(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """It names no span that nobody makes."""
    accepted(database, [{"trace_id": SAMPLED}])

    publisher(database, streams).publish_due("email")

    [command] = commands(redis_client).values()
    assert "traceparent" not in command


def test_each_failed_attempt_is_a_span_and_the_next_links_it(
    database: Database, traced: Traced, redis_client: redis.Redis
) -> None:
    """The trace shows why a message came late: every try, in a chain, and the route at its end (R7)."""
    [route_key] = accepted(database, [{"trace_id": SAMPLED}]).due["email"]
    stream = CHANNELS["email"].stream
    redis_client.set(stream, "no stream")
    with logged() as events:
        first = traced()
        change(database, [route_key], "next_attempt_at = now()")
        second = traced()
    redis_client.delete(stream)
    change(database, [route_key], "next_attempt_at = now()")
    third = traced()

    [one], [two], [route] = named(first, "attempt"), named(second, "attempt"), named(third, "route")
    assert [span.status.is_ok for span in (one, two, route)] == [False, False, True]
    assert "mail_stream_publish_failed" in str(one.status.description)
    assert [list(span.links) and span.links[0].context.span_id for span in (one, two, route)] == [
        [],
        one.context.span_id,
        two.context.span_id,
    ]
    assert {f"{span.parent.span_id:016x}" for span in (one, two, route) if span.parent} == {PARENT}
    failed = [e for e in events if e["event"] == "route failed and was rescheduled"]
    assert [(e["trace_id"], e["span_id"]) for e in failed] == [(TRACE, ids(span).split("-")[2]) for span in (one, two)]


def test_a_republished_route_is_another_span(database: Database, traced: Traced, redis_client: redis.Redis) -> None:
    """What is sent again is seen apart; the repetition of one attempt is the same span (R22)."""
    [route_key] = accepted(database, [{"trace_id": SAMPLED}]).due["email"]
    [first] = named(traced(), "route")
    change(database, [route_key], REOPENED)
    [repeated] = named(traced(), "route")
    change(database, [route_key], f"{REOPENED}, replay = 1")
    [replayed] = named(traced(), "route")

    assert ids(first) == ids(repeated)
    assert ids(replayed) != ids(first)
    assert [c["traceparent"] for c in commands(redis_client).values()] == [ids(first), ids(replayed)]


def test_a_dead_letter_ends_the_trace(database: Database, traced: Traced, redis_client: redis.Redis) -> None:
    """A route that is given up shows as its last attempt, which says so."""
    bad = {"trace_id": SAMPLED, "recipients_json": '[{"user_id": "7", "email": "nobody"}]'}
    change(database, accepted(database, [bad]).due["email"], "max_attempts = 1")

    spans = traced()

    [attempt] = named(spans, "attempt")
    assert attempt.attributes is not None
    assert attempt.attributes["notification.is_dead_letter"] is True
    assert "payload_encoding_failed" in str(attempt.status.description)
    assert named(spans, "route") == []


def test_a_route_that_ends_without_an_attempt_is_in_its_trace(database: Database, traced: Traced) -> None:
    """The trace says why nothing came, under the id that the log names. A command that stands has its route (R12)."""
    [standing] = accepted(database, [{"trace_id": SAMPLED}]).due["email"]
    [route] = named(traced(), "route")
    [late] = accepted(database, [{"trace_id": SAMPLED, "idempotency_key": "late"}]).due["email"]
    change(database, [standing], f"{REOPENED}, expires_at = now() - interval '1 millisecond'")
    change(database, [late], "expires_at = now() - interval '1 millisecond'")

    with logged() as events:
        spans = traced()

    [stood], [expired] = named(spans, "route"), named(spans, "expired")
    assert ids(stood) == ids(route)
    assert expired.parent is not None
    assert f"{expired.parent.span_id:016x}" == PARENT
    assert {e["span_id"] for e in events if e["event"] == "route expired"} == {ids(expired).split("-")[2]}


def test_a_command_that_has_its_own_context_keeps_it() -> None:
    """A third party's channel may name one; and a command at the limit of its size stays within it (R6)."""
    context = parse_traceparent(SAMPLED)
    own = Command((("traceparent", UNSAMPLED),))
    full = Command((("payload_json", "x" * (COMMAND_SIZE_LIMIT - 20)),))

    assert carrying(own, context) == own
    assert carrying(full, context) == full
    assert carrying(replace(full), None) == full
