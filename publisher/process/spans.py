"""Makes spans of batches for OpenTelemetry, where somebody asked for them (R26).

What the service does is done in batches, and so are its spans: a span of each batch, with a link to every trace that it
has work of, and no span that is open for longer. What happened to one notification stands in its producer's trace, as
spans that are over when they are made.

`publisher.process.tracing` opens them, and imports opentelemetry only if tracing is asked for.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from publisher.domain.traceparent import Traceparent

Attributes = Mapping[str, str | int | float | bool]
# OpenTelemetry's names, see its semantic conventions for messaging and for databases.
REDIS: Attributes = {"messaging.system": "redis"}
POSTGRESQL: Attributes = {"db.system.name": "postgresql"}


class SpanKind(StrEnum):
    """What a span is of, in OpenTelemetry's words."""

    INTERNAL = "INTERNAL"
    CLIENT = "CLIENT"
    CONSUMER = "CONSUMER"
    PRODUCER = "PRODUCER"


@dataclass(frozen=True, slots=True)
class Past:
    """Something that is over, of one notification: to be made a span of its producer's trace.

    at: the span's own place. parent: the place under which it stands, in the same trace.
    began, ended: by time.monotonic(). None: it ends now.
    failure: why it failed; None: it did not. Without addresses and payloads (R36).
    after: the id of the span of the try before; None: this is the first.
    """

    name: str
    at: Traceparent
    parent: Traceparent
    began: float
    ended: float | None = None
    kind: SpanKind = SpanKind.PRODUCER
    attributes: Attributes = field(default_factory=dict)
    failure: str | None = None
    after: str | None = None


class BatchSpan(Protocol):
    """The span of a batch in progress."""

    def link(self, contexts: Iterable[Traceparent | None]) -> None:
        """Links the batch to the first 128 sampled ones of these contexts, each of a trace that it has work of."""

    def set(self, attributes: Attributes) -> None:
        """Adds these attributes."""


class Spans(Protocol):
    """Makes spans. Safe to share between threads.

    is_on: whether it makes any.
    """

    is_on: bool

    def batch(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None, began: float = 0.0
    ) -> AbstractContextManager[BatchSpan]:
        """Returns a span that lasts as long as the context, under the one around it. Log lines within carry its ids.

        An exception that leaves the context marks the span as failed.
        began: by time.monotonic(), if it began earlier; 0: it begins now.
        """

    def past(self, events: Iterable[Past | None]) -> None:
        """Makes a span of each whose trace is sampled."""

    def close(self) -> None:
        """Exports what is left, for two seconds at most, and makes no further spans."""


class _NoSpan(BatchSpan):
    def link(self, *_: object) -> None:
        pass

    def set(self, *_: object) -> None:
        pass


class _NoSpans(Spans):
    """Makes none, and costs next to nothing."""

    is_on = False

    def batch(self, *_: object, **__: object) -> AbstractContextManager[BatchSpan]:
        return _NOTHING

    def past(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


_NOTHING: AbstractContextManager[BatchSpan] = nullcontext(_NoSpan())
NO_SPANS: Spans = _NoSpans()


def received(spans: Spans, stream: str, entries: int) -> AbstractContextManager[BatchSpan]:
    """Returns the span of a batch of entries that were read off a stream."""
    attributes = {**REDIS, "messaging.destination.name": stream, "messaging.batch.message_count": entries}
    return spans.batch(f"receive {stream}", SpanKind.CONSUMER, attributes)
