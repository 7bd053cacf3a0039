"""Keeps the tokens of the HTTP door, as hashes, and finds the one that a request came with."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.door_token import Sends
from storage.clock import NOW
from storage.database import Database, Row


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token, without its text and its hash.

    producer: the producer of the intents, and the source of the delivery events, that come with it.
    purpose: what it is for, in an operator's words.
    sends: what its holder may send. At least one.
    last_used_at: when a request last came with it, renewed once a minute at most; None: never.
    revoked_at, revoked_by: since when it lets nobody in, and by whom; both None while it does.
    """

    id: int
    producer: str
    purpose: str
    sends: Collection[Sends]
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None


_COLUMNS = (
    "id, producer, purpose, sends_intents, sends_events, created_at, created_by, last_used_at, revoked_at, revoked_by"
)
_ADD = f"""/* add_token */
INSERT INTO door_tokens (producer, purpose, sends_intents, sends_events, token_sha256, created_at, created_by)
VALUES (%s, %s, %s, %s, %s, {NOW}, %s) RETURNING {_COLUMNS}
"""
# A token that was revoked stays so, with who did it and when.
_REVOKE = f"""/* revoke_token */
UPDATE door_tokens SET revoked_at = {NOW}, revoked_by = %s WHERE id = %s AND revoked_at IS NULL RETURNING {_COLUMNS}
"""
# A handful of rows, made by people.
_LIST = f"/* list_tokens */ SELECT {_COLUMNS} FROM door_tokens ORDER BY id"
_FIND = f"/* find_token */ SELECT {_COLUMNS} FROM door_tokens WHERE id = %s"
# By door_tokens_hash. Each request asks, so that a token that is revoked lets nobody in from then on.
_OF_HASH = f"""/* token_of_hash */
SELECT {_COLUMNS}, last_used_at IS NULL OR last_used_at < {NOW} - interval '1 minute'
FROM door_tokens WHERE token_sha256 = %s AND revoked_at IS NULL
"""
# Of the processes that see it unused for a minute, one writes.
_USED = f"""/* renew_last_use */
UPDATE door_tokens SET last_used_at = {NOW}
WHERE id = %s AND (last_used_at IS NULL OR last_used_at < {NOW} - interval '1 minute')
RETURNING id
"""


def add_token(
    database: Database, producer: str, purpose: str, sends: Collection[Sends], token_sha256: bytes, by: str
) -> TokenRecord:
    """Records a token by its hash. Raises DatabaseUnavailable."""
    may = [Sends.INTENTS in sends, Sends.EVENTS in sends]
    return _record(database.rows(_ADD, [producer, purpose, *may, token_sha256, by])[0])


def revoke_token(database: Database, token_id: int, by: str) -> TokenRecord | None:
    """Revokes the token: the next request with it is refused, in every process.

    Returns it; None if there is no such token, or it was revoked before. Raises DatabaseUnavailable.
    """
    rows = database.rows(_REVOKE, [by, token_id])
    return _record(rows[0]) if rows else None


def list_tokens(database: Database) -> list[TokenRecord]:
    """Returns every token, the oldest first, also those that were revoked. Raises DatabaseUnavailable."""
    return [_record(row) for row in database.rows(_LIST)]


def find_token(database: Database, token_id: int) -> TokenRecord | None:
    """Returns the token; None if there is none. Raises DatabaseUnavailable."""
    rows = database.rows(_FIND, [token_id])
    return _record(rows[0]) if rows else None


def token_of_hash(database: Database, token_sha256: bytes) -> TokenRecord | None:
    """Returns the token that has this hash, and notes that it was used; None if there is none or it was revoked.

    One statement, and another one once a minute. Raises DatabaseUnavailable.
    """
    rows = database.rows(_OF_HASH, [token_sha256])
    if not rows:
        return None
    *columns, is_stale = rows[0]
    record = _record(tuple(columns))
    if is_stale:
        database.rows(_USED, [record.id])
    return record


def _record(row: Row) -> TokenRecord:
    id_, producer, purpose, intents, events, *rest = row
    sends = tuple(each for each, may in ((Sends.INTENTS, intents), (Sends.EVENTS, events)) if may)
    return TokenRecord(id_, producer, purpose, sends, *rest)
