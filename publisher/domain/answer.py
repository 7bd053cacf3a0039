"""The answers by which routes are selected (R32)."""

from enum import StrEnum


class AnswerIs(StrEnum):
    """What a route's answer is to be.

    NONE: it is published, and nobody has answered. COMPLAINED: it was complained of, whatever its answer is.
    """

    NONE = "none"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
