"""The gates of the channels: pausing and resuming, parking and probing. Each change says whether it happened."""

from publisher.domain.gate import Gate
from storage.database import Database

# One small row a channel that was ever paused or parked.
_GATES = """
SELECT channel, paused_at, paused_by, pause_reason, refused_batches, parked_at, park_reason, probe_at, probes
FROM channel_gates ORDER BY channel
"""


def read_gates(database: Database) -> dict[str, Gate]:
    """Every gate that was ever closed, by channel. A channel that is missing is open."""
    return {row[0]: Gate(*row) for row in database.rows(_GATES)}
