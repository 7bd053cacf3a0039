"""Records the entries that are not accepted, whole (R19). `storage.malformed.reading` reads the records."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import peewee

from publisher.domain.rejection import Rejection
from storage.array_literals import columns
from storage.clock import NOW
from storage.database import fetch

RawFields = Sequence[tuple[bytes, bytes]]
_RAW_LIMIT = 16 * 1024 * 1024
_CUT = 64 * 1024


@dataclass(frozen=True, slots=True)
class IncomingMalformed:
    """An entry that cannot be accepted, and its rejection.

    is_plain: the entry is recorded in ASCII alone, every other text as base64: for a database that cannot hold the
        texts.
    """

    entry_id: str
    raw: RawFields
    malformed: Rejection
    is_plain: bool = False


# An entry that is read a second time, after a crash between commit and XACK, is recorded once.
_INSERT_MALFORMED = f"""/* insert_malformed */
INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields, recorded_at)
SELECT %s, given.*, {NOW}
FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[]) AS given
ON CONFLICT (stream, stream_entry_id) DO NOTHING
RETURNING stream_entry_id
"""

# An entry id comes again with other content once Redis was emptied, or where a producer chooses ids. The older record
# steps aside, under its entry id and its own, and the plain id is free for the newer one. Rows come in order, so that
# two statements do not wait for each other.
_STEP_ASIDE = """/* step_aside */
WITH older AS (
    SELECT id FROM malformed_intents
    JOIN unnest(%s::text[], %s::jsonb[]) AS newer (entry_id, raw_fields) ON stream_entry_id = entry_id
    WHERE stream = %s AND malformed_intents.raw_fields <> newer.raw_fields
    ORDER BY id FOR UPDATE OF malformed_intents
)
UPDATE malformed_intents SET stream_entry_id = stream_entry_id || '~' || malformed_intents.id
FROM older WHERE malformed_intents.id = older.id
"""


def record_malformed(
    connection: peewee.PostgresqlDatabase, stream: str, rejected: Sequence[IncomingMalformed]
) -> set[str]:
    """Records the rejections, within the caller's transaction.

    Returns the ids of the entries that were not on record with this content. If an entry id is on record with other
    content, the older record stays, under another id.
    """
    rows = {
        r.entry_id: (r.entry_id, r.malformed.code.value, _message(r), readable_fields(r.raw, is_plain=r.is_plain))
        for r in sorted(rejected, key=lambda r: r.entry_id)
    }
    recorded = _insert_records(connection, stream, list(rows.values()))
    if standing := [row for entry_id, row in rows.items() if entry_id not in recorded]:
        ids, _, _, raw_fields = columns(standing)
        connection.execute_sql(_STEP_ASIDE, [ids, raw_fields, stream])
        recorded |= _insert_records(connection, stream, standing)
    return recorded


def _insert_records(connection: peewee.PostgresqlDatabase, stream: str, rows: Sequence[tuple[str, ...]]) -> set[str]:
    return {row[0] for row in fetch(connection, _INSERT_MALFORMED, [stream, *columns(rows)])} if rows else set()


def _message(rejected: IncomingMalformed) -> str:
    message = rejected.malformed.message
    return message.encode("ascii", "backslashreplace").decode() if rejected.is_plain else message


def readable_fields(raw: RawFields, *, is_plain: bool = False) -> str:
    """Returns raw fields as a JSON object, with nothing lost (R19): see MalformedIntent.raw_fields.

    Of an entry over 16 MiB each value is cut to its first 64 KiB: `{"cut": …, "bytes": its whole length}`. The whole
    entry stands on the stream.
    is_plain: a text that is not ASCII is written as base64.
    """
    if sum(len(name) + len(value) for name, value in raw) > _RAW_LIMIT:
        cut = {
            _name(name, is_plain): {"cut": _readable(value[:_CUT], is_plain), "bytes": len(value)}
            for name, value in raw
        }
        return json.dumps({name[:_CUT]: value for name, value in cut.items()})
    members: dict[str, list[object]] = {}
    for name, value in raw:
        members.setdefault(_name(name, is_plain), []).append(_readable(value, is_plain))
    return json.dumps({name: values[0] if len(values) == 1 else values for name, values in members.items()})


def _name(name: bytes, is_plain: bool) -> str:
    text = _readable(name, is_plain)
    return text if isinstance(text, str) else f"base64:{text['base64']}"


def _readable(data: bytes, is_plain: bool) -> str | dict[str, str]:
    # PostgreSQL's jsonb holds neither bytes that are no text nor NUL.
    try:
        text = data.decode("ascii" if is_plain else "utf-8")
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": base64.b64encode(data).decode()} if "\0" in text else text
