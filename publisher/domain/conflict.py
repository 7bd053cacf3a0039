"""Idempotency conflicts: other content under a key that was accepted before (R18)."""

from dataclasses import replace

from publisher.domain.intent import Intent
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
