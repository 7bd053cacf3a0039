"""Idempotency conflicts: other content under a key that was accepted before (R18)."""

from publisher.domain.intent import Intent
from publisher.domain.rejection import Rejection, RejectionCode


def standing_conflict(intent: Intent, accepted_fingerprint: str | None) -> Rejection | None:
    """Returns the rejection of an intent whose key was accepted with other content; None if there is no conflict (R18).

    accepted_fingerprint: the fingerprint accepted under the same producer and idempotency_key; None if none was.
    """
    if accepted_fingerprint in (None, intent.fingerprint):
        return None
    return Rejection(
        RejectionCode.IDEMPOTENCY_CONFLICT,
        "this producer and idempotency_key were accepted with other content as notification"
        f" {intent.notification_id}: change idempotency_key",
    )
