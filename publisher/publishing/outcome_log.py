"""What is said of a batch once its outcomes are recorded: an event and a count for each (R25, R26)."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from publisher.domain.attempt import DeadLettered, Expired, Published, Rescheduled
from publisher.domain.notification import Notification
from publisher.process.logs import failure_fields, route_fields
from publisher.process.telemetry import Telemetry

_log = structlog.get_logger()
Outcome = TypeVar("Outcome", Published, Rescheduled, DeadLettered, Expired)


class OutcomeLog:
    """Tells of one batch. notifications and recorded are by route key: an outcome not recorded is a conflict (R8)."""

    def __init__(
        self,
        channel: str,
        notifications: Mapping[int, Notification],
        recorded: Collection[int],
        telemetry: Telemetry,
    ) -> None:
        self._channel = channel
        self._notifications = notifications
        self._recorded = recorded
        self._telemetry = telemetry

    def published(self, outcomes: Sequence[Published]) -> None:
        """Routes whose command stands on the stream."""
        types: Counter[str] = Counter()
        # Bound once: through the module's proxy each event would be bound anew.
        log = _log.bind()
        for outcome, notification, fields in self._told(outcomes):
            log.info("route published", **fields, stream_entry_id=outcome.entry_id)
            types[notification.notification_type] += 1
        self._telemetry.published(self._channel, types)

    def rescheduled(self, outcomes: Sequence[Rescheduled], due_again: Mapping[int, datetime]) -> None:
        """Failed attempts that have another one coming, and when."""
        for outcome, notification, fields in self._told(outcomes):
            failed = failure_fields(outcome.route, outcome.failure, outcome.attempt_count)
            at = due_again[outcome.route.id].isoformat(timespec="milliseconds")
            _log.warning("route failed and was rescheduled", **fields, **failed, next_attempt_at=at)
            self._telemetry.retried(self._channel, notification.notification_type, outcome.failure.classification)

    def dead_lettered(self, outcomes: Sequence[DeadLettered]) -> None:
        """Routes given up."""
        for outcome, notification, fields in self._told(outcomes):
            failed = failure_fields(outcome.route, outcome.failure, outcome.attempt_count)
            _log.warning("route dead-lettered", **fields, **failed)
            self._telemetry.dead_lettered(self._channel, notification.notification_type, outcome.failure.classification)

    def expired(self, outcomes: Sequence[Expired]) -> None:
        """Routes whose deadline passed before they were published."""
        for _, notification, fields in self._told(outcomes):
            _log.info("route expired", **fields)
            self._telemetry.expired(self._channel, notification.notification_type)

    def _told(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[Outcome, Notification, dict[str, object]]]:
        """Each outcome that was recorded, with its notification and what every event says of it."""
        for outcome in outcomes:
            notification = self._notifications[outcome.route.id]
            fields = route_fields(notification, outcome.route)
            if outcome.route.id in self._recorded:
                yield outcome, notification, fields
            else:
                _log.debug("route was moved on by someone else", **fields)
