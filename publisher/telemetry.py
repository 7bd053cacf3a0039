"""The counters (R25). A conflict counts nowhere."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from publisher.domain.errors import SettingsError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Telemetry:
    """Prometheus counters of routes and intents, safe to share between threads.

    prometheus_client is imported by the constructor and not with this module: it decides once, at its import,
    whether to share counters between processes (its manual, "Multiprocess Mode").
    """

    def __init__(self) -> None:
        import prometheus_client

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

    def published(self, channel: str, notification_types: Mapping[str, int]) -> None:
        """Counts routes published: so many of each type."""
        for notification_type, count in notification_types.items():
            self._attempts.labels(channel, notification_type, "published", "").inc(count)

    def retried(self, channel: str, notification_type: str, classification: str) -> None:
        """Counts a failed attempt that has another one coming."""
        self._attempts.labels(channel, notification_type, "retry", classification).inc()
        self._retries.labels(channel, notification_type).inc()

    def dead_lettered(self, channel: str, notification_type: str, classification: str) -> None:
        """Counts a route given up."""
        self._attempts.labels(channel, notification_type, "dead_letter", classification).inc()
        self._dead_letters.labels(channel, notification_type, classification).inc()

    def lost(self, channel: str, count: int) -> None:
        """Counts published routes whose command Redis lost (R12a)."""
        self._lost.labels(channel).inc(count)

    def expired(self, channel: str, notification_type: str) -> None:
        """Counts a route whose deadline passed before it was published."""
        self._expired.labels(channel, notification_type).inc()

    def gate_changed(self, channel: str, change: str) -> None:
        """Counts a channel that was parked, or unparked."""
        self._gates.labels(channel, change).inc()

    def intents(self, result: str, count: int) -> None:
        """Counts entries of the intents stream: accepted, duplicate, conflict, malformed, or trimmed unread."""
        if count:
            self._intents.labels(result).inc(count)

    def expose(self, port: int) -> None:
        """Serves the counters at http://0.0.0.0:port/metrics, if a port is set, until the process ends.

        Raises SettingsError if the port is taken.
        """
        if port:
            _serve(port, self.registry)


def serve_workers(port: int, directory: str) -> None:
    """Serves the counters that worker processes share in this directory, until the process ends."""
    import prometheus_client
    import prometheus_client.multiprocess

    registry = prometheus_client.CollectorRegistry()
    prometheus_client.multiprocess.MultiProcessCollector(registry, path=directory)
    _serve(port, registry)


def metrics_directory(master_pid: int) -> str:
    """Where the worker processes of one master share their counters."""
    return str(Path(tempfile.gettempdir()) / f"publisher-metrics-{master_pid}")


def _serve(port: int, registry: "CollectorRegistry") -> None:
    import prometheus_client

    try:
        prometheus_client.start_http_server(port, registry=registry)
    except OSError as error:
        raise SettingsError(f"PUBLISHER_METRICS_PORT: port {port} cannot be used: {error.strerror}") from error
