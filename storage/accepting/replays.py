"""Replays of intents that PostgreSQL may have lost: one replay a stream at a time, page by page, under a lease.

A replay is to intents what the loss audit is to commands (R12a). Every statement checks that this is still the server
on which the replay began: after one more failover, what the earlier pages have committed may be gone as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.accepting.marks import SERVER, place_of
from storage.array_literals import columns
from storage.clock import NOW
from storage.database import Database
from storage.malformed.recording import RawFields, readable_fields


class ReplayReason(StrEnum):
    """Why PostgreSQL may have lost intents.

    OTHER_SERVER: the mark was made by another server, or by this one before its last start.
    OLDER_DATA: Redis knows of a later mark.
    NO_DATA: Redis knows of a mark, and PostgreSQL of none.
    """

    OTHER_SERVER = "other_server"
    OLDER_DATA = "older_data"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class ReplayRecord:
    """A replay as an operator sees it.

    seen: how many entries were checked.
    replayed: how many were accepted again.
    left_out: how many are missing in PostgreSQL and were not accepted, since they may have been published too long ago.
    silent: for how long no process has held its lease; None while one does, and once the replay has ended.
    """

    id: int
    stream: str
    reason: ReplayReason
    after_id: str
    reached_id: str
    up_to_id: str
    begun_at: datetime
    ended_at: datetime | None
    seen: int
    replayed: int
    left_out: int
    silent: timedelta | None


@dataclass(frozen=True, slots=True)
class HeldReplay:
    """A replay whose lease this process holds.

    now: the database's clock.
    tries: how often the replay was claimed since its last page.
    The other fields: see `IntentsReplay`.
    """

    id: int
    reason: ReplayReason
    reached_id: str
    up_to_id: str
    covered_at: datetime | None
    tries: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """The result of one page of a replay.

    reached: the last entry id that was checked. The other fields are numbers of entries.
    """

    reached: str
    seen: int
    replayed: int
    left_out: int


# Where nothing is wrong with the mark, nothing begins: another process may have replayed everything meanwhile.
# witnessed: the mark that Redis has. It is written once PostgreSQL has it, so PostgreSQL is never behind it, unless it
# went back.
_BEGIN = f"""/* begin_replay */
INSERT INTO intents_replays (stream, reason, server, after_id, reached_id, up_to_id, covered_at, begun_at)
SELECT given.stream,
       CASE WHEN m.stream IS NULL THEN 'no_data' WHEN m.server <> {SERVER} THEN 'other_server' ELSE 'older_data' END,
       {SERVER}, coalesce(m.entry_id, '0-0'), coalesce(m.entry_id, '0-0'), given.up_to, m.marked_at,
       {NOW}
FROM (VALUES (%(stream)s::text, %(up_to)s::text, %(witnessed)s::text)) AS given (stream, up_to, witnessed)
LEFT JOIN intents_marks AS m USING (stream)
WHERE m.server IS DISTINCT FROM {SERVER}
   OR {place_of("m.entry_id")} < {place_of("given.witnessed")}
ON CONFLICT (stream) WHERE ended_at IS NULL DO NOTHING
RETURNING id, after_id, reason
"""

# The lease is free, over, or ours. A replay that another server began goes on from where this one knows of it, and up
# to what is acknowledged by now: what was accepted here since it began may be gone, too.
_CLAIM = f"""/* claim_replay */
UPDATE intents_replays
SET replayer = %(by)s, replayer_until = statement_timestamp() + %(lease)s, tries = tries + 1,
    up_to_id = CASE WHEN server = {SERVER} THEN up_to_id ELSE %(up_to)s END, server = {SERVER}
WHERE stream = %(stream)s AND ended_at IS NULL
  AND (replayer IS NULL OR replayer_until <= statement_timestamp() OR replayer = %(by)s)
RETURNING id, reason, reached_id, up_to_id, covered_at, tries, statement_timestamp()
"""

_ADVANCE = f"""/* advance_replay */
UPDATE intents_replays
SET reached_id = %(reached)s, seen = seen + %(seen)s, replayed = replayed + %(replayed)s,
    left_out = left_out + %(left_out)s, tries = 1, replayer_until = statement_timestamp() + %(lease)s
WHERE id = %(id)s AND ended_at IS NULL AND replayer = %(by)s AND server = {SERVER}
RETURNING id
"""

# The end, and the mark that lets everything go on from there, in one statement.
_END = f"""/* end_replay */
WITH ended AS (
    UPDATE intents_replays
    SET ended_at = {NOW}, reached_id = up_to_id,
        replayer = NULL, replayer_until = NULL
    WHERE id = %(id)s AND ended_at IS NULL AND replayer = %(by)s AND server = {SERVER}
    RETURNING stream, up_to_id, server, ended_at
)
INSERT INTO intents_marks AS m (stream, entry_id, server, marked_at) SELECT * FROM ended
ON CONFLICT (stream) DO UPDATE
SET entry_id = CASE WHEN {place_of("m.entry_id")} > {place_of("excluded.entry_id")}
                    THEN m.entry_id ELSE excluded.entry_id END,
    server = excluded.server, marked_at = excluded.marked_at
RETURNING entry_id
"""

# A process that stops gives the lease back, so that another goes on at once.
_RELEASE = """/* release_replay */
UPDATE intents_replays SET replayer = NULL, replayer_until = NULL, tries = greatest(tries - 1, 0)
WHERE id = %s AND ended_at IS NULL AND replayer = %s
RETURNING id
"""

_LATEST = """/* latest_replays */
SELECT id, stream, reason, after_id, reached_id, up_to_id, begun_at, ended_at, seen, replayed, left_out,
       CASE WHEN ended_at IS NULL AND coalesce(replayer_until, begun_at) < statement_timestamp()
            THEN statement_timestamp() - coalesce(replayer_until, begun_at) END
FROM intents_replays WHERE stream = ANY(%s) ORDER BY id DESC LIMIT %s
"""

# What is accepted under these ids, or was and is pruned (R18).
# Few are malformed: their contents are compared only where an id is on record. Ids come again with other content.
_MALFORMED_IDS = """/* known_malformed_ids */
SELECT stream_entry_id FROM malformed_intents WHERE stream = %s AND stream_entry_id = ANY(%s)
"""

_KNOWN_MALFORMED = """/* known_malformed */
SELECT stream_entry_id FROM malformed_intents
JOIN unnest(%s::text[], %s::jsonb[]) AS given (entry_id, raw_fields) ON stream_entry_id = given.entry_id
WHERE stream = %s AND malformed_intents.raw_fields = given.raw_fields
"""

_PRUNE = """/* prune_replays */
DELETE FROM intents_replays WHERE id = ANY(ARRAY(
    SELECT id FROM intents_replays WHERE ended_at < statement_timestamp() - %(kept)s
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
RETURNING id
"""


def begin_replay(database: Database, stream: str, *, up_to: str, witnessed: str | None) -> ReplayReason | None:
    """Begins a replay behind the stream's mark, if PostgreSQL may have gone back and no replay goes on.

    up_to: the last entry that was delivered to a consumer.
    witnessed: the mark that Redis has, None if it has none.
    Returns the reason of the replay that began, or None.
    """
    rows = database.rows(_BEGIN, {"stream": stream, "up_to": up_to, "witnessed": witnessed})
    return ReplayReason(rows[0][2]) if rows else None


def claim_replay(database: Database, stream: str, by: str, lease: timedelta, *, up_to: str) -> HeldReplay | None:
    """Claims the lease of the stream's replay. Returns None if there is none to do, or another process holds it."""
    rows = database.rows(_CLAIM, {"stream": stream, "by": by, "lease": lease, "up_to": up_to})
    return HeldReplay(rows[0][0], ReplayReason(rows[0][1]), *rows[0][2:]) if rows else None


def advance_replay(database: Database, replay_id: int, by: str, lease: timedelta, page: Page) -> bool:
    """Records a page and renews the lease. Returns False if the lease is lost, or the server is another one."""
    parameters = {
        "id": replay_id,
        "by": by,
        "lease": lease,
        "reached": page.reached,
        "seen": page.seen,
        "replayed": page.replayed,
        "left_out": page.left_out,
    }
    return bool(database.rows(_ADVANCE, parameters))


def end_replay(database: Database, replay_id: int, by: str) -> str | None:
    """Ends the replay and sets the stream's mark. Returns the mark, or None if the lease is lost."""
    rows = database.rows(_END, {"id": replay_id, "by": by})
    return rows[0][0] if rows else None


def release_replay(database: Database, replay_id: int, by: str) -> bool:
    """Gives the lease back. Returns False if it was not held."""
    return bool(database.rows(_RELEASE, [replay_id, by]))


def latest_replays(database: Database, streams: Sequence[str], limit: int = 1) -> list[ReplayRecord]:
    """Returns the last replays of these streams, newest first."""
    rows = database.rows(_LATEST, [list(streams), limit])
    return [ReplayRecord(row[0], row[1], ReplayReason(row[2]), *row[3:]) for row in rows]


def known_malformed(database: Database, stream: str, entries: Sequence[tuple[str, RawFields]]) -> set[str]:
    """Returns the ids of those entries that are recorded as malformed with these fields."""
    ids = {row[0] for row in database.rows(_MALFORMED_IDS, [stream, [id_ for id_, _ in entries]])} if entries else ()
    if not ids:
        return set()
    found = columns([(id_, readable_fields(raw)) for id_, raw in entries if id_ in ids])
    return {row[0] for row in database.rows(_KNOWN_MALFORMED, [*found, stream])}


def prune_replays(database: Database, kept: timedelta, *, limit: int = 1000) -> int:
    """Deletes replays that ended longer ago than this. Returns how many were deleted."""
    return len(database.rows(_PRUNE, {"kept": kept, "limit": limit}))
