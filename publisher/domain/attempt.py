"""Decides how an attempt ends for its route. Each outcome is a value, recorded and reported elsewhere (R3, R5a, R7)."""

from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.backoff import Backoff
from publisher.domain.notification import Route

PAYLOAD_ENCODING_FAILED = "payload_encoding_failed"
LEASE_EXPIRED = "lease_expired"
LEASE_LOSS_LIMIT = 5
MESSAGE_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. The message is stripped and at most 2,000 characters (R7)."""

    classification: str
    message: str

    @classmethod
    def of(cls, classification: str, message: str) -> "Failure":
        """A failure whose message fits what is stored (R7)."""
        # A message may be anybody's text; PostgreSQL's holds no NUL and no half of a surrogate pair.
        storable = message.replace("\0", "").encode(errors="replace").decode()
        return cls(classification, storable.strip()[:MESSAGE_LIMIT])


@dataclass(frozen=True, slots=True)
class Published:
    """The command stands on the stream under this entry id. witnessed: its witness stands as well (R12)."""

    route: Route
    entry_id: str
    witnessed: bool = True


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """The attempt failed, and another follows after the delay."""

    route: Route
    failure: Failure
    attempt_count: int
    delay: timedelta


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """The route is given up. attempt_count: the attempts it made, this one included if there was one."""

    route: Route
    failure: Failure
    attempt_count: int


@dataclass(frozen=True, slots=True)
class Expired:
    """The route's deadline passed before its command was on the stream. No failure, and no attempt."""

    route: Route


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The route was cancelled before its command was on the stream (R28). No failure, and no attempt."""

    route: Route


Outcome = Published | Rescheduled | DeadLettered | Expired | Cancelled


def without_attempt(route: Route, entry_id: str | None) -> Published | Expired | Cancelled:
    """Decides how a route ends that is past its deadline, or to be cancelled.

    entry_id: where its command stands on the stream all the same, if it does: an attempt wrote it in time, and could
    not record it.
    """
    if entry_id is not None:
        return Published(route, entry_id)
    return Cancelled(route) if route.to_be_cancelled else Expired(route)


def is_too_late(route: Route, elapsed: timedelta) -> bool:
    """True if the route's deadline has passed, so long after it was read. It is not published then."""
    return route.time_left is not None and elapsed >= route.time_left


def after_failure(route: Route, failure: Failure, backoff: Backoff, roll: float) -> Rescheduled | DeadLettered:
    """What a failed attempt means: another one later, or a dead letter once max_attempts are made (R3).

    roll: a random number in [0, 1) for the jitter.
    """
    attempts = route.attempt_count + 1
    if attempts >= route.max_attempts:
        return DeadLettered(route, failure, attempts)
    return Rescheduled(route, failure, attempts, backoff.delay(attempts, roll))


def after_lost_leases(route: Route) -> DeadLettered | None:
    """A dead letter if this route's leases ran out five times in a row without an outcome, else None (R5a).

    It was not attempted now, so no attempt is counted.
    """
    if route.lease_loss_count < LEASE_LOSS_LIMIT:
        return None
    message = f"{route.lease_loss_count} leases in a row expired without an outcome: its workers died or hung"
    return DeadLettered(route, Failure.of(LEASE_EXPIRED, message), route.attempt_count)
