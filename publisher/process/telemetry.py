"""Counts routes, intents and delivery events for Prometheus, and times them (R25). A conflict is no outcome (R8)."""

import threading
from collections.abc import Iterable, Mapping

from publisher.process.durations import Durations
from publisher.process.spans import NO_SPANS, Spans

# A process counts this many notification types by name, in the order in which it meets them; all later ones as one.
TYPES_COUNTED = 200
OTHER_TYPES = "other"


class Telemetry:
    """Prometheus counters of routes, intents and delivery events, safe to share between threads.

    prometheus_client is imported by the constructor and not with this module: it decides once, at its import,
    whether to share counters between processes (its manual, "Multiprocess Mode").

    spans: makes the spans of batches for OpenTelemetry.
    """

    def __init__(self, spans: Spans = NO_SPANS) -> None:
        import prometheus_client

        self.spans = spans
        self._types: set[str] = set()
        self._lock = threading.Lock()
        self.registry = prometheus_client.CollectorRegistry()
        self._attempts = prometheus_client.Counter(
            "route_publish_attempts",
            "Attempts to publish a route, by how they ended.",
            ["channel", "notification_type", "result", "classification"],
            registry=self.registry,
        )
        self._retries = prometheus_client.Counter(
            "route_retries",
            "Failed attempts that have another one coming.",
            ["channel", "notification_type"],
            registry=self.registry,
        )
        self._dead_letters = prometheus_client.Counter(
            "route_dead_letters",
            "Routes given up.",
            ["channel", "notification_type", "classification"],
            registry=self.registry,
        )
        self._lost = prometheus_client.Counter(
            "routes_lost",
            "Published routes whose command Redis lost, returned to pending.",
            ["channel"],
            registry=self.registry,
        )
        self._expired = prometheus_client.Counter(
            "routes_expired",
            "Routes whose deadline passed before they were published.",
            ["channel", "notification_type"],
            registry=self.registry,
        )
        self._cancelled = prometheus_client.Counter(
            "routes_cancelled",
            "Routes that were cancelled before they were published.",
            ["channel", "notification_type"],
            registry=self.registry,
        )
        self._gates = prometheus_client.Counter(
            "channel_gate_changes",
            "Channels parked, or taking commands again.",
            ["channel", "change"],
            registry=self.registry,
        )
        self._intents = prometheus_client.Counter(
            "intents",
            "Entries of the intents stream, by what became of them.",
            ["result"],
            registry=self.registry,
        )
        self._delivery_events = prometheus_client.Counter(
            "delivery_events",
            "Delivery events that were answered, by what became of them.",
            ["channel", "event", "result"],
            registry=self.registry,
        )

        self._commits = Durations(
            self.registry, "publisher_intent_commit", "From when an intent was sent until it was committed."
        )
        self._commands = Durations(
            self.registry,
            "publisher_intent_command",
            "From when an intent was committed until the command of a route stood on its stream.",
            ["channel"],
        )
        self._attempt_durations = Durations(
            self.registry,
            "publisher_attempt",
            "From the claim of a batch until its outcomes were recorded, for each of its routes.",
            ["channel", "outcome"],
        )

    def committed(self, seconds: Iterable[float]) -> None:
        """Times intents from when each was sent until it was committed."""
        self._commits.add(seconds)

    def commanded(self, channel: str, seconds: Iterable[float]) -> None:
        """Times routes from when the intent was committed until the command stood on the stream."""
        self._commands.add(seconds, channel)

    def attempted(self, channel: str, outcome: str, seconds: float, count: int) -> None:
        """Times the attempts of a batch that ended in the same way. outcome: published, retry or dead_letter."""
        self._attempt_durations.add_same(seconds, count, channel, outcome)

    def published(self, channel: str, notification_types: Mapping[str, int]) -> None:
        """Counts routes published: so many of each type."""
        for notification_type, count in notification_types.items():
            self._attempts.labels(channel, self._type(notification_type), "published", "").inc(count)

    def retried(self, channel: str, notification_type: str, classification: str) -> None:
        """Counts a failed attempt that has another one coming."""
        self._attempts.labels(channel, self._type(notification_type), "retry", classification).inc()
        self._retries.labels(channel, self._type(notification_type)).inc()

    def dead_lettered(self, channel: str, notification_type: str, classification: str) -> None:
        """Counts a route given up."""
        self._attempts.labels(channel, self._type(notification_type), "dead_letter", classification).inc()
        self._dead_letters.labels(channel, self._type(notification_type), classification).inc()

    def lost(self, channel: str, count: int) -> None:
        """Counts published routes whose command Redis lost (R12a)."""
        self._lost.labels(channel).inc(count)

    def expired(self, channel: str, notification_type: str) -> None:
        """Counts a route whose deadline passed before it was published."""
        self._expired.labels(channel, self._type(notification_type)).inc()

    def cancelled(self, channel: str, notification_type: str, count: int = 1) -> None:
        """Counts routes that were cancelled before they were published (R28)."""
        self._cancelled.labels(channel, self._type(notification_type)).inc(count)

    def gate_changed(self, channel: str, change: str) -> None:
        """Counts a channel that was parked, or unparked."""
        self._gates.labels(channel, change).inc()

    def intents(self, result: str, count: int) -> None:
        """Counts entries of the intents stream, by what became of them (R25)."""
        if count:
            self._intents.labels(result).inc(count)

    def delivery_events(self, channel: str, event: str, result: str, count: int = 1) -> None:
        """Counts delivery events (R25, R32). result: new, known or malformed.

        channel, event: blank of malformed ones.
        """
        self._delivery_events.labels(channel, event, result).inc(count)

    def _type(self, notification_type: str) -> str:
        """The label for a notification's type: a producer's text, so that there may be any number of them."""
        with self._lock:
            if notification_type not in self._types:
                if len(self._types) >= TYPES_COUNTED:
                    return OTHER_TYPES
                self._types.add(notification_type)
        return notification_type
