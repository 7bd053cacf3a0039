"""Intents that are lost: entries that were removed from their stream before they were accepted."""

from enum import StrEnum


class LossCause(StrEnum):
    """How entries were lost.

    TRIMMED: somebody removed them before anyone read them. PENDING: somebody removed them after a consumer had read
    them, and before they were accepted. NOT_REPLAYED: PostgreSQL lost them, and their witnesses are gone.
    """

    TRIMMED = "trimmed"
    PENDING = "pending"
    NOT_REPLAYED = "not_replayed"
