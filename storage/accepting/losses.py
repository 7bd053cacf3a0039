"""Losses of intents: entries that were removed from the stream before they were accepted, and their acknowledgement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.domain.errors import NotFound
from publisher.domain.loss import LossCause
from storage.clock import NOW
from storage.database import Database


@dataclass(frozen=True, slots=True)
class LossRecord:
    """A loss on record.

    after_id, before_id: the entries stood between these two ids; of `pending`, they are the first and the last one.
    entries: how many; None: at least one, and nobody can tell.
    acknowledged_at, acknowledged_by: None until an operator has acknowledged the loss.
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


# A loss that is noticed twice is recorded once.
_RECORD = f"""/* record_loss */
INSERT INTO intents_losses (stream, cause, after_id, before_id, entries, noticed_at)
VALUES (%s, %s, %s, %s, %s, {NOW})
ON CONFLICT (stream, cause, after_id, before_id) DO NOTHING
RETURNING id
"""

_LIST = """/* list_losses */
SELECT id, stream, cause, after_id, before_id, entries, noticed_at, acknowledged_at, acknowledged_by
FROM intents_losses WHERE %(all)s OR acknowledged_at IS NULL ORDER BY id DESC LIMIT %(limit)s
"""

_FIND = """/* find_loss */
SELECT id, stream, cause, after_id, before_id, entries, noticed_at, acknowledged_at, acknowledged_by
FROM intents_losses WHERE id = %s
"""

_ACKNOWLEDGE = f"""/* acknowledge_loss */
UPDATE intents_losses
SET acknowledged_at = {NOW}, acknowledged_by = %s
WHERE id = %s AND acknowledged_at IS NULL
RETURNING id
"""

# A commit before the acknowledgement is a commit: such an entry is on record, though it was never acknowledged.
_UNRECORDED = """/* unrecorded */
SELECT given.id FROM unnest(%(ids)s::text[]) AS given (id)
WHERE NOT EXISTS (SELECT FROM notifications WHERE intent_entry_id = given.id)
  AND NOT EXISTS (SELECT FROM malformed_intents WHERE stream = %(stream)s AND stream_entry_id = given.id)
  AND NOT EXISTS (SELECT FROM cancellations WHERE intent_entry_id = given.id)
"""

_PRUNE = """/* prune_losses */
DELETE FROM intents_losses WHERE id = ANY(ARRAY(
    SELECT id FROM intents_losses WHERE acknowledged_at < statement_timestamp() - %(kept)s
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
RETURNING id
"""


def record_loss(
    database: Database, stream: str, cause: LossCause, after_id: str, before_id: str, entries: int | None
) -> bool:
    """Records a loss. False if it is on record."""
    return bool(database.rows(_RECORD, [stream, cause.value, after_id, before_id, entries]))


def unrecorded(database: Database, stream: str, entry_ids: Sequence[str]) -> set[str]:
    """Returns those of these entries that were neither accepted nor recorded, as malformed or as a cancellation."""
    return {row[0] for row in database.rows(_UNRECORDED, {"stream": stream, "ids": list(entry_ids)})}


def list_losses(database: Database, *, acknowledged: bool, limit: int) -> list[LossRecord]:
    """Returns the losses that nobody has acknowledged, the newest first. acknowledged: with the acknowledged ones."""
    return [_record(row) for row in database.rows(_LIST, {"all": acknowledged, "limit": limit})]


def find_loss(database: Database, loss_id: int) -> LossRecord:
    """Returns the loss of this id. Raises NotFound."""
    rows = database.rows(_FIND, [loss_id])
    if not rows:
        raise NotFound(f"there is no loss of intents {loss_id}")
    return _record(rows[0])


def acknowledge_loss(database: Database, loss_id: int, by: str) -> bool:
    """Records that an operator acknowledges the loss. False if it was acknowledged before, or does not exist."""
    return bool(database.rows(_ACKNOWLEDGE, [by, loss_id]))


def prune_losses(database: Database, kept: timedelta, *, limit: int = 1000) -> int:
    """Deletes losses acknowledged longer ago than `kept`. Returns how many were deleted."""
    return len(database.rows(_PRUNE, {"kept": kept, "limit": limit}))


def _record(row: tuple[object, ...]) -> LossRecord:
    id_, stream, cause, *rest = row
    return LossRecord(id_, stream, LossCause(cause), *rest)  # type: ignore[arg-type]  # the driver's types
