"""Spans that are kept where a test can look at them."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from publisher.process.otel_spans import OtelSpans


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Keeps what was exported."""
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[OtelSpans]:
    """Makes spans that are exported there once it is closed."""
    with closing(OtelSpans([exporter], "worker")) as spans:
        yield spans
