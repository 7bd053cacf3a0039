"""Intents that are lost: entries that were removed from their stream before they were accepted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LossCause(StrEnum):
    """How entries were lost.

    TRIMMED: somebody removed them before anyone read them. PENDING: somebody removed them after a consumer had read
    them, and before they were accepted. NOT_REPLAYED: PostgreSQL lost them, and their witnesses are gone.
    """

    TRIMMED = "trimmed"
    PENDING = "pending"
    NOT_REPLAYED = "not_replayed"


@dataclass(frozen=True, slots=True)
class LossRecord:
    """A loss on record.

    after_id, before_id: the entries stood between these two ids; of `pending`, they are the first and the last one.
    entries: how many; None: at least one, and nobody can tell.
    acknowledged_at, acknowledged_by: None until an operator has said that he knows.
    """

    id: int
    stream: str
    cause: LossCause
    after_id: str
    before_id: str
    entries: int | None
    noticed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
