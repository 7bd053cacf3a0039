"""Counts what the mail service did, for Prometheus (R25)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from publisher.domain.delivery_event import EventKind
from publisher.process.durations import Durations

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

        self._durations = Durations(
            registry,
            "publisher_command_accepted",
            "From when a command was appended until the SMTP server had accepted its message.",
        )

    def accepted_after(self, seconds: Iterable[float]) -> None:
        """Times messages from when each command was appended until it was recorded that its message is accepted."""
        self._durations.add(seconds)

    def answered(self, event: EventKind) -> None:
        """Counts an attempt that ended with this answer."""
        self._answers.labels(event.value).inc()

    def unsure(self) -> None:
        """Counts a message that may have been accepted (R33)."""
        self._unsure.inc()
