"""Reads malformed intents, and marks those that were resubmitted. `malformed_records` records them (R19)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from publisher.domain.errors import NotFound
from storage.actions import counted_in_action
from storage.clock import NOW
from storage.database import Database


@dataclass(frozen=True, slots=True)
class MalformedFacts:
    """An entry that was not accepted, without its fields.

    id: the record's id, and its place in a listing.
    producer, notification_type: the values of these fields, cut to 200 characters.
    resubmitted_as: the id of the entry by which it was last sent again; None: it was not.
    """

    id: int
    stream: str
    stream_entry_id: str
    failure_code: str
    failure_message: str
    recorded_at: datetime
    producer: str | None
    notification_type: str | None
    resubmitted_at: datetime | None
    resubmitted_by: str | None
    resubmitted_as: str | None


@dataclass(frozen=True, slots=True)
class MalformedRecord:
    """An entry that was not accepted, with its fields: see MalformedIntent.raw_fields."""

    facts: MalformedFacts
    raw_fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MalformedFilter:
    """Selects the entries that match every field that is not None.

    since, until: bounds of recorded_at.
    resubmitted: true for the resubmitted, false for the others, None for both.
    up_to: the highest id that matches, None for no bound.
    """

    failure_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    stream: str | None = None
    resubmitted: bool | None = False
    up_to: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A malformed intent that was sent again as an entry.

    seen: its resubmitted_as when it was read.
    """

    id: int
    entry_id: str
    seen: str | None


_FACTS = """
id, stream, stream_entry_id, failure_code, failure_message, recorded_at,
left(raw_fields ->> 'producer', 200), left(raw_fields ->> 'notification_type', 200),
resubmitted_at, resubmitted_by, resubmitted_as
"""

# The driver puts the parameters in: the planner sees constants, and a condition whose parameter is None costs nothing.
_MATCHING = """
(%(failure_code)s::text IS NULL OR failure_code = %(failure_code)s)
AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
AND (%(stream)s::text IS NULL OR stream = %(stream)s)
AND (%(resubmitted)s::boolean IS NULL OR (resubmitted_at IS NOT NULL) = %(resubmitted)s)
AND (%(up_to)s::bigint IS NULL OR id <= %(up_to)s)
"""

# Along the primary key, backwards. Fields are looked into only for the rows that come out.
_LIST = f"""/* list_malformed */
SELECT {_FACTS} FROM malformed_intents
WHERE {_MATCHING} AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s
"""

# Reads every row, its fields left aside: for an operator's eyes, not for a loop.
_COUNT = f"/* count_matching_malformed */ SELECT count(*), max(id) FROM malformed_intents WHERE {_MATCHING}"

_BY_ID = f"/* find_malformed */ SELECT {_FACTS}, raw_fields FROM malformed_intents WHERE id = %s"

# A page that fits into memory: up to so many entries, and no more than one beyond so many bytes. An entry's fields
# may take 16 MiB. Their sizes are taken first, and only those of the page are sent.
_PAGE = f"""/* malformed_pages */
WITH sized AS (
    SELECT id, octet_length(raw_fields::text) AS size FROM malformed_intents
    WHERE {_MATCHING} AND id > %(after)s ORDER BY id LIMIT %(limit)s
), summed AS (
    SELECT id, sum(size) OVER (ORDER BY id) - size AS bytes_before FROM sized
)
SELECT {_FACTS}, raw_fields FROM malformed_intents JOIN summed USING (id)
WHERE bytes_before < %(bytes)s ORDER BY id
"""

# Guarded by what was read: of two operators at once one marks it. Rows come in order, so that two statements do not
# wait for each other.
_MARK = f"""/* mark_resubmitted */
WITH sent AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(entry_ids)s::text[], %(seen)s::text[]) AS sent (id, entry_id, seen)
), locked AS (
    SELECT malformed_intents.id, sent.entry_id FROM malformed_intents JOIN sent USING (id)
    WHERE resubmitted_as IS NOT DISTINCT FROM sent.seen
    ORDER BY malformed_intents.id FOR UPDATE OF malformed_intents
), marked AS (
    UPDATE malformed_intents
    SET resubmitted_at = {NOW}, resubmitted_by = %(by)s,
        resubmitted_as = locked.entry_id
    FROM locked WHERE malformed_intents.id = locked.id
    RETURNING malformed_intents.id
), {counted_in_action("marked")}
SELECT id FROM marked
"""


def list_malformed(
    database: Database, matching: MalformedFilter, *, before: int | None, limit: int
) -> list[MalformedFacts]:
    """Returns up to `limit` malformed intents, newest first. before: the id of the last one seen, for the next page."""
    rows = database.rows(_LIST, asdict(matching) | {"before": before, "limit": limit})
    return [MalformedFacts(*row) for row in rows]


def count_matching(database: Database, matching: MalformedFilter) -> tuple[int, int | None]:
    """Returns how many malformed intents match, and the newest one's id, or None if none matches."""
    [(count, newest)] = database.rows(_COUNT, asdict(matching))
    return count, newest


def find_malformed(database: Database, id_: int) -> MalformedRecord:
    """Returns the malformed intent of this id. Raises NotFound."""
    for row in database.rows(_BY_ID, [id_]):
        return _record(row)
    raise NotFound(f"there is no malformed intent {id_}")


def malformed_pages(
    database: Database, matching: MalformedFilter, *, limit: int = 500, most_bytes: int = 8 * 1024 * 1024
) -> Iterator[list[MalformedRecord]]:
    """Yields the matching malformed intents, oldest first, page by page.

    Each page is read when it is asked for, so it shows changes made since the page before.
    """
    after = 0
    parameters = asdict(matching) | {"limit": limit, "bytes": most_bytes}
    while page := [_record(row) for row in database.rows(_PAGE, parameters | {"after": after})]:
        yield page
        after = page[-1].facts.id


def mark_resubmitted(database: Database, sent: Sequence[Sent], by: str, action_id: int) -> set[int]:
    """Records of these malformed intents that they were sent again: by whom, as which entry, and when.

    The instant is the database's. The same statement counts them in the action. Returns the ids that were marked: it
    leaves out those that someone else resubmitted since they were read, and those that were pruned.
    """
    parameters = {
        "ids": [s.id for s in sent],
        "entry_ids": [s.entry_id for s in sent],
        "seen": [s.seen for s in sent],
        "by": by,
        "action": action_id,
    }
    return {id_ for (id_,) in database.rows(_MARK, parameters)}


def _record(row: tuple[Any, ...]) -> MalformedRecord:
    return MalformedRecord(MalformedFacts(*row[:-1]), row[-1])
