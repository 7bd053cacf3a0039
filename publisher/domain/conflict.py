"""Conflicts: other content under a key that was accepted before (R18), another delivery under an event id (R32)."""

from dataclasses import replace

from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.intent import Intent
from publisher.domain.masking import masked
from publisher.domain.rejection import Rejection, RejectionCode


def idempotency_conflict(intent: Intent, accepted_fingerprint: str | None) -> Rejection | None:
    """Returns the rejection of an intent whose key was accepted with other content; None if there is no conflict (R18).

    accepted_fingerprint: the fingerprint accepted under the same producer and idempotency_key; None if none was.
    """
    if accepted_fingerprint in (None, intent.fingerprint):
        return None
    return Rejection(
        RejectionCode.IDEMPOTENCY_CONFLICT,
        f"this producer and idempotency_key were accepted with other content as notification {intent.notification_id}",
    )


def standing_conflict(intent: Intent, accepted_fingerprint: str | None) -> Rejection | None:
    """As `idempotency_conflict`, for whoever can still change the intent: the message says what to change."""
    conflict = idempotency_conflict(intent, accepted_fingerprint)
    return conflict and replace(conflict, message=f"{conflict.message}: change idempotency_key")


def event_conflict(event: DeliveryEvent, recorded_for: str | None) -> Rejection | None:
    """Returns the rejection of an event whose id its source has used for another delivery; None if it has not (R32).

    recorded_for: the delivery for which (source, event_id) is on record; None if it is not. A delivery id may hold an
    address: both ids are masked (R36).
    """
    if recorded_for in (None, event.delivery_id):
        return None
    message = (
        f"event_id: this source has used {event.event_id!r} for another delivery, {recorded_for!r}:"
        " every event needs an id of its own"
    )
    return Rejection(RejectionCode.EVENT_CONFLICT, masked(message), "event_id")
