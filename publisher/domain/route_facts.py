"""A route as an operator looks at it."""

from dataclasses import dataclass
from datetime import datetime

from publisher.domain.notification import RouteStatus, delivery_id_of


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route as it stood at read_at, by the database's clock. id is the database's key. Instants are UTC.

    stream: where its command stands, or may stand from an attempt that was cut off; None: no attempt was begun, or it
    was published by a release that kept no stream.
    """

    id: int
    notification_id: str
    route_id: str
    channel: str
    status: RouteStatus
    attempt_count: int
    max_attempts: int
    next_attempt_at: datetime | None
    recipient_ref: str
    last_failure_classification: str | None
    last_failure_message: str | None
    last_failure_at: datetime | None
    lease_expires_at: datetime | None
    lease_loss_count: int
    stream_entry_id: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    dead_lettered_at: datetime | None
    expires_at: datetime | None
    replay: int
    stream: str | None
    read_at: datetime

    @property
    def delivery_id(self) -> str:
        """The id under which this route's command is published (R1)."""
        return delivery_id_of(self.notification_id, self.route_id)
