"""Makes spans with OpenTelemetry's SDK, which takes all else from the variables OTEL_*: imported only where asked for.

The SDK samples (OTEL_TRACES_SAMPLER), keeps up to OTEL_BSP_MAX_QUEUE_SIZE spans, drops further ones, and exports them
in a thread of its own: no batch waits for a collector.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import entry_points, version
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from publisher.domain.masking import masked
from publisher.domain.traceparent import Traceparent
from publisher.process.spans import Attributes, BatchSpan, Past, SpanKind, Spans

# Of a batch: OpenTelemetry's own limit of a span.
LINKS = 128
_CLOSE_SECONDS = 2.0
# One of the SDK's loggers, whose lines are few (see `publisher.process.otel_log`).
_log = logging.getLogger("opentelemetry.notification_publisher")


def open_otel_spans(exporters: Sequence[str], role: str) -> "OtelSpans":
    """Returns spans that go to these exporters, see `publisher.process.spans.open_spans`.

    Raises LookupError if an exporter is not installed, and whatever the SDK or an exporter raises if a variable OTEL_*
    cannot be used.
    """
    # Threads have the mask of the one that starts them. A signal that the SDK's took would end the process at once.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return OtelSpans([_exporter(name) for name in exporters], role)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exporter(name: str) -> SpanExporter:
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        made: SpanExporter = found.load()()
        return made
    raise LookupError(f"the exporter {name} is not installed")


class OtelSpans(Spans):
    """Makes spans. Owns the exporters, and a thread for each."""

    is_on = True

    def __init__(self, exporters: Iterable[SpanExporter], role: str) -> None:
        release = version("notification-publisher")
        ours = {"service.name": "notification-publisher", "service.version": release, "publisher.process": role}
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=Resource.create(ours).merge(OTELResourceDetector().detect()),
            id_generator=self._ids,
            # `close` has a limit, which an exit would not have.
            shutdown_on_exit=False,
        )
        self._processors = [BatchSpanProcessor(exporter) for exporter in exporters]
        for processor in self._processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("notification-publisher", release)

    def batch(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None, began: float = 0.0
    ) -> AbstractContextManager[BatchSpan]:
        """See `Spans.batch`."""
        span = self._start(
            name, kind=trace.SpanKind[kind], attributes=attributes, start_time=_nanoseconds(began) if began else None
        )
        return _lasting(span)

    def past(self, events: Iterable[Past | None]) -> None:
        """See `Spans.past`."""
        for event in events:
            if event is not None and event.parent.is_sampled:
                self._past(event)

    def close(self) -> None:
        """See `Spans.close`."""
        # The SDK waits for half a minute where a collector is silent, one exporter after the other. A platform would
        # kill the process meanwhile.
        ends_at = time.monotonic() + _CLOSE_SECONDS
        closing = [threading.Thread(target=each.shutdown, name="spans", daemon=True) for each in self._processors]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, ends_at - time.monotonic()))

    def _past(self, event: Past) -> None:
        self._ids.next_is(int(event.at.span_id, 16))
        span = self._start(
            event.name,
            context=trace.set_span_in_context(trace.NonRecordingSpan(_context(event.parent)), Context()),
            kind=trace.SpanKind[event.kind],
            attributes=event.attributes,
            links=[trace.Link(_context(event.at.child(event.after)))] if event.after else (),
            start_time=_nanoseconds(event.began),
        )
        if event.failure is not None:
            span.set_status(trace.StatusCode.ERROR, masked(event.failure))
        span.end(None if event.ended is None else _nanoseconds(event.ended))

    def _start(self, name: str, **options: Any) -> trace.Span:
        """Starts a span. Where that fails it is none, and the work goes on: a sampler may be anybody's."""
        try:
            return self._tracer.start_span(name, **options)
        except Exception:  # noqa: BLE001 - logged, at most once a minute
            _log.exception("A span could not be made.")
            return trace.INVALID_SPAN
        finally:
            # Not used if there is no span: the thread's next one has an id of its own all the same.
            self._ids.next_is(0)


class _OtelBatchSpan(BatchSpan):
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._links = 0

    def link(self, contexts: Iterable[Traceparent | None]) -> None:
        """See `BatchSpan.link`."""
        for context in contexts:
            if self._links == LINKS:
                return
            if context and context.is_sampled:
                self._links += 1
                self._span.add_link(_context(context))

    def set(self, attributes: Attributes) -> None:
        """See `BatchSpan.set`."""
        self._span.set_attributes(attributes)


class _Ids(RandomIdGenerator):
    """Random ids, unless the next one is given."""

    def __init__(self) -> None:
        self._given = threading.local()

    def next_is(self, span_id: int) -> None:
        """The next span that this thread starts has this id."""
        self._given.id = span_id

    def generate_span_id(self) -> int:
        """Returns the id that was given, or a random one."""
        given: int = getattr(self._given, "id", 0)
        self._given.id = 0
        return given or super().generate_span_id()


@contextmanager
def _lasting(span: trace.Span) -> Iterator[BatchSpan]:
    context = span.get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if span.is_recording() else {}
    try:
        # The SDK would record the exception whole: its text may hold an address (R36).
        with (
            trace.use_span(span, record_exception=False, set_status_on_exception=False),
            structlog.contextvars.bound_contextvars(**ids),
        ):
            yield _OtelBatchSpan(span)
    except BaseException as error:
        span.set_status(trace.StatusCode.ERROR, masked(f"{type(error).__name__}: {error}"))
        raise
    finally:
        span.end()


def _context(at: Traceparent) -> trace.SpanContext:
    return trace.SpanContext(
        int(at.trace_id, 16), int(at.span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(at.flags)
    )


def _nanoseconds(at: float) -> int:
    """Returns Unix nanoseconds. at: by time.monotonic()."""
    return time.time_ns() - round((time.monotonic() - at) * 1e9)
