"""Counts what the mail service did, for Prometheus (R25)."""

from typing import TYPE_CHECKING

from publisher.domain.delivery_event import EventKind

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class MailCounters:
    """Prometheus counters of messages, safe to share between threads."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        """Adds its counters to this registry."""
        import prometheus_client

        self._answers = prometheus_client.Counter(
            "mail_messages", "Attempts to send a message, by what was answered.", ["event"], registry=registry
        )
        self._unsure = prometheus_client.Counter(
            "mail_unsure",
            "Messages that may have been accepted while the reply was lost.",
            registry=registry,
        )

    def answered(self, event: EventKind) -> None:
        """Counts an attempt that ended with this answer."""
        self._answers.labels(event.value).inc()

    def unsure(self) -> None:
        """Counts a message that may have been accepted (R33)."""
        self._unsure.inc()
