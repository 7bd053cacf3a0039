"""Names the causes of lost intents: entries that left their stream before they were accepted (R19)."""

from enum import StrEnum


class LossCause(StrEnum):
    """How entries were lost.

    TRIMMED: somebody removed them before a consumer read them.
    PENDING: somebody removed them after a consumer had read them and before they were accepted.
    NOT_REPLAYED: PostgreSQL lost them, and the witnesses of their commands may be gone.
    """

    TRIMMED = "trimmed"
    PENDING = "pending"
    NOT_REPLAYED = "not_replayed"
