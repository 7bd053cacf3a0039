"""Spans of batches and of attempts, by OpenTelemetry's SDK (R26, R36)."""

import time

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from publisher.domain.traceparent import Traceparent
from publisher.process.otel_spans import LINKS, OtelSpans
from publisher.process.spans import Past, Spans
from tests.integration.publishers import logged

AT = Traceparent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)
UNSAMPLED = Traceparent(AT.trace_id, AT.span_id, 0)


def test_a_batch_links_the_traces_that_it_has_work_of(spans: Spans, exporter: InMemorySpanExporter) -> None:
    """The first 128 sampled ones: a span with thousands of links would be cut anyway, and a trace that nobody records
    has no span to link to."""
    with spans.batch("publish email") as span:
        span.link([None, UNSAMPLED, *(AT.child(f"{n:016x}") for n in range(1, 200))])
    spans.close()

    [batch] = exporter.get_finished_spans()
    assert [link.context.span_id for link in batch.links] == list(range(1, LINKS + 1))
    assert batch.parent is None


def test_log_lines_within_a_batch_name_its_span(spans: Spans, exporter: InMemorySpanExporter) -> None:
    """From a line of the log the operator gets to the trace (R26). The inner span is under the outer one."""
    with logged() as events, spans.batch("publish email"):
        structlog.configure(processors=[structlog.contextvars.merge_contextvars, *structlog.get_config()["processors"]])
        with spans.batch("claim email"):
            structlog.get_logger().info("within")
        structlog.get_logger().info("around")
    structlog.get_logger().info("after")
    spans.close()

    inner, outer = exporter.get_finished_spans()
    assert inner.parent == outer.context
    assert [(e["trace_id"], e["span_id"]) for e in events[:2]] == [
        (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") for span in (inner, outer)
    ]
    assert not [e for e in events[2:] if "span_id" in e]


def test_an_error_marks_the_span_without_what_it_says_of_people(spans: Spans, exporter: InMemorySpanExporter) -> None:
    """No address leaves the service by a trace, and no traceback either (R36)."""
    with pytest.raises(ValueError, match="ann@example"), spans.batch("commit"):
        raise ValueError("no such mailbox: ann@example.com")
    spans.past([Past("send", AT.child("0" * 15 + "1"), AT, time.monotonic(), failure="550 bob@example.com is gone")])
    spans.close()

    exported = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "a***@example.com" in exported
    assert "b***@example.com" in exported
    assert "ann@" not in exported
    assert "bob@" not in exported


def test_what_is_over_has_the_id_that_was_foretold(spans: Spans, exporter: InMemorySpanExporter) -> None:
    """It stands in the producer's trace under the producer's span, and links the try before. The next id is random."""
    began = time.monotonic() - 5
    spans.past([Past("route", AT.child("00000000000000aa"), AT, began, after="00000000000000bb")])
    spans.past([Past("route", UNSAMPLED.child("00000000000000cc"), UNSAMPLED, began)])
    with spans.batch("publish email"):
        pass
    spans.close()

    route, batch = exporter.get_finished_spans()
    assert (f"{route.context.trace_id:032x}", route.context.span_id) == (AT.trace_id, 0xAA)
    assert route.parent is not None
    assert f"{route.parent.span_id:016x}" == AT.span_id
    assert [link.context.span_id for link in route.links] == [0xBB]
    assert route.start_time is not None
    assert route.end_time is not None
    assert 4.9e9 < route.end_time - route.start_time < 60e9
    assert batch.context.span_id not in (0xAA, 0xBB, 0xCC)
    assert batch.context.trace_id != route.context.trace_id


def test_the_environment_names_the_service(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more than we do; the process's role stays."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "game-mail")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    spans = OtelSpans([exporter], "intake")
    with spans.batch("commit"):
        pass
    spans.close()

    said = exporter.get_finished_spans()[0].resource.attributes
    assert (said["service.name"], said["publisher.process"]) == ("game-mail", "intake")
    assert said["deployment.environment.name"] == "staging"
