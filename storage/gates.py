"""The gates of the channels: pause and resume, park and probe. Each change returns whether it happened."""

from datetime import timedelta

from publisher.domain.circuit import Gate, Probing
from storage.clock import NOW
from storage.database import Database

# One small row for each channel that was ever paused or refused a batch.
_GATES = """/* read_gates */
SELECT channel, paused_at, paused_by, pause_reason, refused_batches, parked_at, park_reason, probe_at, probes
FROM channel_gates ORDER BY channel
"""

_PAUSE = f"""/* pause */
INSERT INTO channel_gates AS gate (channel, paused_at, paused_by, pause_reason)
VALUES (%s, {NOW}, %s, %s)
ON CONFLICT (channel) DO UPDATE
SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason
WHERE gate.paused_at IS NULL
RETURNING channel
"""

_RESUME = """/* resume */
UPDATE channel_gates
SET paused_at = NULL, paused_by = NULL, pause_reason = NULL,
    refused_batches = 0, parked_at = NULL, park_reason = NULL, probe_at = NULL, probes = 0
WHERE channel = %s AND (paused_at IS NOT NULL OR parked_at IS NOT NULL)
RETURNING channel
"""

# Counts a batch, and parks the channel with the one that is too many: both see the count under the row's lock, so one
# caller alone parks it. Batches that were in flight when it was parked count on, and change nothing else.
_REFUSED = """/* count_refused */
INSERT INTO channel_gates AS gate (channel, refused_batches) VALUES (%(channel)s, 1)
ON CONFLICT (channel) DO UPDATE SET refused_batches = gate.refused_batches + 1
RETURNING refused_batches >= %(limit)s AND parked_at IS NULL
"""
_PARK = f"""/* park */
UPDATE channel_gates
SET parked_at = {NOW}, park_reason = %(reason)s, probes = 0,
    probe_at = {NOW} + %(first)s
WHERE channel = %(channel)s AND parked_at IS NULL AND refused_batches >= %(limit)s
RETURNING channel
"""

# Parks at once, whatever was refused before: a stream at its ceiling takes nothing until its reader has caught up.
_PARK_AT_ONCE = f"""/* park_at_once */
INSERT INTO channel_gates AS gate (channel, refused_batches, parked_at, park_reason, probes, probe_at)
VALUES (%(channel)s, %(limit)s, {NOW}, %(reason)s, 0,
        {NOW} + %(first)s)
ON CONFLICT (channel) DO UPDATE
SET refused_batches = greatest(gate.refused_batches, excluded.refused_batches), parked_at = excluded.parked_at,
    park_reason = excluded.park_reason, probes = 0, probe_at = excluded.probe_at
WHERE gate.parked_at IS NULL
RETURNING channel
"""
# A probe that was refused records the present reason.
_STILL_PARKED = """/* renew_park_reason */
UPDATE channel_gates SET park_reason = %(reason)s
WHERE channel = %(channel)s AND parked_at IS NOT NULL AND park_reason IS DISTINCT FROM %(reason)s
RETURNING channel
"""

# One caller gets each probe: the statement moves the next probe to a later time for every other caller.
_PROBE = f"""/* begin_probe */
UPDATE channel_gates
SET probes = probes + 1,
    probe_at = {NOW}
               + least(%(longest)s::interval, %(first)s::interval * power(2, least(probes + 1, 20)))
WHERE channel = %(channel)s AND parked_at IS NOT NULL AND paused_at IS NULL AND probe_at <= statement_timestamp()
RETURNING channel
"""

# The old row says whether this was the end of a parking: it is locked first, since UPDATE returns new values alone.
_TAKEN = """/* note_taken */
WITH before AS (SELECT channel, parked_at FROM channel_gates WHERE channel = %s AND refused_batches > 0 FOR UPDATE)
UPDATE channel_gates
SET refused_batches = 0, parked_at = NULL, park_reason = NULL, probe_at = NULL, probes = 0
FROM before WHERE channel_gates.channel = before.channel
RETURNING statement_timestamp() - before.parked_at
"""


def read_gates(database: Database) -> dict[str, Gate]:
    """Returns every gate that was ever closed, by channel. A channel without one is open."""
    return {row[0]: Gate(*row) for row in database.rows(_GATES)}


def pause(database: Database, channel: str, by: str, reason: str) -> bool:
    """Pauses the channel: no claim that begins from now on gets a route of it. False if it was paused before."""
    return bool(database.rows(_PAUSE, [channel, by, reason]))


def resume(database: Database, channel: str) -> bool:
    """Opens a paused or parked channel. False if it was open."""
    return bool(database.rows(_RESUME, [channel]))


def note_refused(database: Database, channel: str, reason: str, probing: Probing) -> bool:
    """Counts a batch that the channel refused. True, for one caller, if that parked the channel."""
    parameters = {"channel": channel, "limit": probing.refused_batches, "reason": reason, "first": probing.first}
    return bool(database.rows(_REFUSED, parameters)[0][0] and database.rows(_PARK, parameters))


def note_held_back(database: Database, channel: str, reason: str, probing: Probing) -> bool:
    """Parks a channel whose stream is at its ceiling, at once. True if that parked it, for one caller alone.

    If it was parked before, its reason is this one from now on.
    """
    parameters = {"channel": channel, "limit": probing.refused_batches, "reason": reason, "first": probing.first}
    if database.rows(_PARK_AT_ONCE, parameters):
        return True
    database.rows(_STILL_PARKED, parameters)
    return False


def begin_probe(database: Database, channel: str, probing: Probing) -> bool:
    """True, for one caller, if the channel is parked, not paused, and its next probe is due."""
    parameters = {"channel": channel, "first": probing.first, "longest": probing.longest}
    return bool(database.rows(_PROBE, parameters))


def note_taken(database: Database, channel: str) -> timedelta | None:
    """Records that the channel took a command. Returns how long the channel was parked; None if it was not."""
    rows = database.rows(_TAKEN, [channel])
    return rows[0][0] if rows else None
