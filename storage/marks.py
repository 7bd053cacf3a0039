"""How far the intents of a stream are committed, as this PostgreSQL server knows it.

A server is told by its start: a replica that was promoted, a restored snapshot and a restarted primary each have one of
their own, and every role may ask for it. So a mark of another server says up to where this one is sure to have
everything. WAL is replayed in order: where the mark is, everything committed before it is.

One process of the server that is killed makes the others begin anew from the WAL, under the same start: what
synchronous_commit = off had not written yet is gone. Statistics are reset by that, and by nothing else but a start or
an operator, so the instant of that is a part of the name.
"""

from dataclasses import dataclass
from datetime import datetime

from storage.clock import NOW
from storage.database import Database

# The start, and the last reset of statistics, in seconds since 1970, as text.
SERVER = """(extract(epoch FROM pg_postmaster_start_time())::text || '/'
    || coalesce(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text, ''))"""


def place_of(entry_id: str) -> str:
    """The SQL by which ids compare as pairs of numbers: they have 64 bits without a sign."""
    return f"string_to_array({entry_id}, '-')::numeric[]"


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a stream.

    entry_id: every intent up to this one is committed; None: nobody said so yet.
    marked_at: when that was said last.
    is_ours: this server said it. False: another one, or this one before its last start.
    replaying: a replay of the stream has not ended.
    """

    entry_id: str | None
    marked_at: datetime | None
    is_ours: bool
    replaying: bool

    @property
    def is_settled(self) -> bool:
        """True if nothing says that PostgreSQL may lack what was acknowledged."""
        return not self.replaying and (self.is_ours or self.entry_id is None)


_READ = f"""/* read_mark */
SELECT m.entry_id, m.marked_at, coalesce(m.server = {SERVER}, false),
       EXISTS (SELECT FROM intents_replays AS r WHERE r.stream = given.stream AND r.ended_at IS NULL)
FROM (VALUES (%s::text)) AS given (stream) LEFT JOIN intents_marks AS m USING (stream)
"""

# The first mark of all.
_BEGIN = f"""/* begin_mark */
INSERT INTO intents_marks (stream, entry_id, server, marked_at)
VALUES (%(stream)s, %(entry_id)s, {SERVER}, {NOW})
ON CONFLICT (stream) DO NOTHING
RETURNING entry_id
"""

# Only while this is the server that the mark speaks of, and nothing is being replayed. A mark that stands still is
# renewed once a minute: it says until when nothing was missing.
_ADVANCE = f"""/* advance_mark */
UPDATE intents_marks AS m
SET entry_id = %(entry_id)s, marked_at = {NOW}
WHERE stream = %(stream)s AND server = {SERVER}
  AND (%(again)s OR {place_of("%(entry_id)s")} > {place_of("m.entry_id")}
       OR ({place_of("%(entry_id)s")} = {place_of("m.entry_id")}
           AND marked_at < statement_timestamp() - interval '1 minute'))
  AND NOT EXISTS (SELECT FROM intents_replays AS r WHERE r.stream = m.stream AND r.ended_at IS NULL)
RETURNING entry_id
"""


def read_mark(database: Database, stream: str) -> Mark:
    """The mark of the stream as it stands."""
    return Mark(*database.rows(_READ, [stream])[0])


def begin_mark(database: Database, stream: str, entry_id: str) -> bool:
    """Sets the stream's first mark. False if there is one."""
    return bool(database.rows(_BEGIN, {"stream": stream, "entry_id": entry_id}))


def advance_mark(database: Database, stream: str, entry_id: str, *, again: bool = False) -> bool:
    """Says that every intent up to this entry is committed.

    again: the stream begins again with lower ids, so the mark goes back. False if the mark stayed as it was: it is
    there already, this server did not set it, or a replay goes on.
    """
    return bool(database.rows(_ADVANCE, {"stream": stream, "entry_id": entry_id, "again": again}))
