"""A notification, its routes, and the transition table: where an event leads a route from each status (R1, R3)."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# R1: fixed for ever. Changing it would give every known notification a new id.
NOTIFICATION_NAMESPACE = uuid.UUID("6f0f3a52-3a63-5d6e-9c0e-2b6f7a0c9d11")
_NAMESPACE_DIGEST = hashlib.sha1(NOTIFICATION_NAMESPACE.bytes, usedforsecurity=False)
# A hex digit, and the same with its two high bits set to the variant 10.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class RouteStatus(StrEnum):
    """The status of a route (R3)."""

    PENDING = "pending"
    FAILED = "failed"
    PUBLISHED = "published"
    DEAD_LETTER = "dead_letter"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True if no attempt follows, unless an operator or the loss audit reopens the route."""
        return self not in OPEN_STATUSES


OPEN_STATUSES = frozenset({RouteStatus.PENDING, RouteStatus.FAILED})


class RouteEvent(StrEnum):
    """An event that changes a route's status. Its statement names it (`storage.outcomes.transitions`)."""

    COMMAND_WRITTEN = "command_written"
    ATTEMPT_FAILED = "attempt_failed"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    LEASES_EXHAUSTED = "leases_exhausted"
    OPERATOR_REQUEUED = "operator_requeued"
    COMMAND_LOST = "command_lost"
    DEADLINE_PASSED = "deadline_passed"
    OPERATOR_REPUBLISHED = "operator_republished"
    CANCELLED = "cancelled"
    DEAD_LETTER_CANCELLED = "dead_letter_cancelled"


TRANSITIONS: Mapping[tuple[RouteStatus, RouteEvent], RouteStatus] = {
    (RouteStatus.PENDING, RouteEvent.COMMAND_WRITTEN): RouteStatus.PUBLISHED,
    (RouteStatus.FAILED, RouteEvent.COMMAND_WRITTEN): RouteStatus.PUBLISHED,
    (RouteStatus.PENDING, RouteEvent.ATTEMPT_FAILED): RouteStatus.FAILED,
    (RouteStatus.FAILED, RouteEvent.ATTEMPT_FAILED): RouteStatus.FAILED,
    (RouteStatus.PENDING, RouteEvent.ATTEMPTS_EXHAUSTED): RouteStatus.DEAD_LETTER,
    (RouteStatus.FAILED, RouteEvent.ATTEMPTS_EXHAUSTED): RouteStatus.DEAD_LETTER,
    (RouteStatus.PENDING, RouteEvent.LEASES_EXHAUSTED): RouteStatus.DEAD_LETTER,
    (RouteStatus.FAILED, RouteEvent.LEASES_EXHAUSTED): RouteStatus.DEAD_LETTER,
    (RouteStatus.DEAD_LETTER, RouteEvent.OPERATOR_REQUEUED): RouteStatus.PENDING,
    # R12a: Redis lost the command after it was published.
    (RouteStatus.PUBLISHED, RouteEvent.COMMAND_LOST): RouteStatus.PENDING,
    (RouteStatus.PENDING, RouteEvent.DEADLINE_PASSED): RouteStatus.EXPIRED,
    (RouteStatus.FAILED, RouteEvent.DEADLINE_PASSED): RouteStatus.EXPIRED,
    (RouteStatus.PUBLISHED, RouteEvent.OPERATOR_REPUBLISHED): RouteStatus.PENDING,
    (RouteStatus.PENDING, RouteEvent.CANCELLED): RouteStatus.CANCELLED,
    (RouteStatus.FAILED, RouteEvent.CANCELLED): RouteStatus.CANCELLED,
    # R28: open until it is known that its command does not stand, and marked, so that no attempt is made.
    (RouteStatus.DEAD_LETTER, RouteEvent.DEAD_LETTER_CANCELLED): RouteStatus.PENDING,
}


def next_status(status: RouteStatus, event: RouteEvent) -> RouteStatus | None:
    """The status after the event, or None if that event cannot happen to a route of this status (R3)."""
    return TRANSITIONS.get((status, event))


def notification_id_of(producer: str, idempotency_key: str) -> str:
    """The id of a notification, derived from these two alone, so that a replay yields the same one (R1)."""
    # uuid.uuid5 by hand, after RFC 4122, in an eighth of its time: the id of every intent is computed.
    # A line feed cannot stand in either part (R19), so two different pairs never make the same name.
    digest = _NAMESPACE_DIGEST.copy()
    digest.update(f"{producer}\n{idempotency_key}".encode())
    d = digest.hexdigest()
    return f"{d[:8]}-{d[8:12]}-5{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:32]}"


def delivery_id_of(notification_id: str, route_id: str) -> str:
    """The id under which a route's command is published, the same at every attempt (R1)."""
    return f"{notification_id}/{route_id}"


@dataclass(frozen=True, slots=True)
class Notification:
    """One accepted intent. payload is the JSON object's text, as the producer wrote it. Instants are UTC (R2)."""

    notification_id: str
    notification_type: str
    producer: str
    audience_kind: str
    idempotency_key: str
    payload: str
    request_id: str | None
    trace_id: str | None
    occurred_at: datetime
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Route:
    """One recipient on one channel, as it was read. id is the database's key; route_id names it there (R1).

    replay: how often an operator had it published again. requeues: how often one took it back from the dead letters.
    time_left: until its deadline, when it was read; None: it has none.
    stream: where the command of an attempt may stand; None: no attempt was begun. It is another than the channel's once
        that was renamed.
    to_be_cancelled: it is to be cancelled (R28): it was claimed to be ended, and not for an attempt.
    """

    id: int
    notification_id: str
    route_id: str
    channel: str
    status: RouteStatus
    attempt_count: int
    max_attempts: int
    recipient_ref: str
    resolved_email: str | None
    resolved_locale: str | None
    lease_loss_count: int
    replay: int = 0
    time_left: timedelta | None = None
    stream: str | None = None
    requeues: int = 0
    to_be_cancelled: bool = False

    @property
    def delivery_id(self) -> str:
        """The id under which this route's command is published (R1)."""
        return delivery_id_of(self.notification_id, self.route_id)
