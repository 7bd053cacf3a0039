"""Marks: up to which entry the intents of a stream are committed, as this PostgreSQL server knows it.

A server is identified by the instant of its start: a promoted replica, a restored snapshot and a restarted primary each
have their own, and every role may read it. A mark that another server made says up to where this one is sure to have
everything: WAL is replayed in order, so where the mark is, all that was committed before it is.

If one process of the server is killed, the others recover from the WAL under the same start. What synchronous_commit =
off had not written yet is gone then. That resets the statistics, and so do only a start and an operator. So the
instant of the statistics' reset is a part of the server's identity.

A stream is known by its address, as `domain.stream_address` writes it: while intents move to another Redis, a stream of
the same name stands on each, and each has its mark.
"""

from dataclasses import dataclass
from datetime import datetime

from publisher.domain.stream_address import BEFORE_SERVER
from storage.clock import NOW
from storage.database import Database

# The start, and the last reset of statistics, in seconds since 1970, as text.
SERVER = """(extract(epoch FROM pg_postmaster_start_time())::text || '/'
    || coalesce(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text, ''))"""


def place_of(entry_id: str) -> str:
    """Returns the SQL by which entry ids compare as pairs of numbers of 64 bits without a sign."""
    return f"string_to_array({entry_id}, '-')::numeric[]"


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a stream.

    entry_id: every intent up to this one is committed; None: no mark was set yet.
    marked_at: when the mark was set last.
    is_ours: this server set it. False: another server did, or this one before its last start.
    replaying: a replay of the stream has not ended.
    """

    entry_id: str | None
    marked_at: datetime | None
    is_ours: bool
    replaying: bool

    @property
    def is_settled(self) -> bool:
        """True unless something says that PostgreSQL may lack intents that were acknowledged."""
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

# A stream is the same one though its Redis is written in another way, or was not a part of its address yet. Of several
# places the one that was marked last.
_TAKE_OVER = """/* take_over_mark */
INSERT INTO intents_marks (stream, entry_id, server, marked_at)
SELECT %(stream)s, entry_id, server, marked_at FROM intents_marks
WHERE split_part(stream, %(separator)s, 1) = split_part(%(stream)s, %(separator)s, 1)
ORDER BY marked_at DESC LIMIT 1
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
    """Returns the mark of the stream as it stands."""
    return Mark(*database.rows(_READ, [stream])[0])


def begin_mark(database: Database, stream: str, entry_id: str) -> bool:
    """Sets the stream's first mark. Returns False if there is one."""
    return bool(database.rows(_BEGIN, {"stream": stream, "entry_id": entry_id}))


def take_over_mark(database: Database, stream: str) -> bool:
    """Sets the stream's first mark as it was set for this name at another place. Returns False if there is none."""
    return bool(database.rows(_TAKE_OVER, {"stream": stream, "separator": BEFORE_SERVER}))


def advance_mark(database: Database, stream: str, entry_id: str, *, again: bool = False) -> bool:
    """Records that every intent up to this entry is committed.

    again: the stream begins again with lower ids, so the mark goes back.
    Returns False if the mark stayed as it was: it is there already, this server did not set it, or a replay goes on.
    """
    return bool(database.rows(_ADVANCE, {"stream": stream, "entry_id": entry_id, "again": again}))
