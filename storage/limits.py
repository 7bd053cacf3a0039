"""The rate limits that operators have set for channels (R30). A channel without one has that of its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.rate_limit import RateLimit
from storage.clock import NOW
from storage.database import Database
from storage.group_keys import LANE_KEYS, first_key
from storage.models.routes import OPEN

# One small row for each channel whose limit an operator has set.
_LIMITS = """/* read_limits */
SELECT channel, per_second, burst, set_by, set_at FROM channel_limits ORDER BY channel
"""

# A limit that is set again as it stands keeps who set it and when.
_SET = f"""/* set_limit */
INSERT INTO channel_limits AS standing (channel, per_second, burst, set_by, set_at)
VALUES (%(channel)s, %(per_second)s, %(burst)s, %(by)s, {NOW})
ON CONFLICT (channel) DO UPDATE
SET per_second = excluded.per_second, burst = excluded.burst, set_by = excluded.set_by, set_at = excluded.set_at
WHERE (standing.per_second, standing.burst) IS DISTINCT FROM (excluded.per_second, excluded.burst)
RETURNING channel
"""

_CLEAR = """/* clear_limit */
DELETE FROM channel_limits WHERE channel = %s RETURNING channel
"""

# Routes due before this one in these lanes, as far as they are counted. The partial index routes_due serves it.
_DUE_BEFORE = f"""/* due_before */
SELECT count(*) FROM (
    SELECT FROM routes, (SELECT next_attempt_at AS at, id AS key FROM routes WHERE id = %(id)s) AS this
    WHERE channel = %(channel)s AND {OPEN} AND next_attempt_at <= at AND (next_attempt_at, id) < (at, key)
      AND lane = ANY(%(lanes)s)
    LIMIT %(bound)s
) AS few
"""

# Whether the channel's open routes are of more than one group, as far as is known: routes of an earlier release, of any
# channel, are of none. The first and the last key of the channel in the index routes_shares.
_SHARED = f"""/* limit_is_shared */
SELECT min(group_key) IS DISTINCT FROM max(group_key)
FROM routes WHERE group_key >= {first_key("'urgent'")} AND group_key < {first_key("'bulk'")} + {LANE_KEYS} AND {OPEN}
UNION ALL
SELECT true FROM (SELECT FROM routes WHERE group_key IS NULL AND {OPEN} ORDER BY group_key LIMIT 1) AS blank
"""

# As the last column of a statement about one channel: the limit that is set for it, as `limit_of` reads it. PostgreSQL
# reads the one row once a statement.
SET_LIMIT = "(SELECT ARRAY[per_second, burst] FROM channel_limits WHERE channel = %(channel)s) AS set_limit"

# The channel has no limit, whether it is set or by the settings (`limited`); or the claim takes no more routes than
# the limit lets through (`hoped`).
UNLIMITED = """(%(hoped)s OR NOT coalesce((SELECT per_second IS NOT NULL FROM channel_limits
                                  WHERE channel = %(channel)s), %(limited)s))"""


@dataclass(frozen=True, slots=True)
class SetLimit:
    """The limit that an operator has set. limit: None: none, whatever the settings say. at: UTC."""

    channel: str
    limit: RateLimit | None
    by: str
    at: datetime


def read_limits(database: Database) -> dict[str, SetLimit]:
    """Returns the limits that are set, by channel."""
    return {
        channel: SetLimit(channel, limit_of([per_second, burst], None), by, at)
        for channel, per_second, burst, by, at in database.rows(_LIMITS)
    }


def set_limit(database: Database, channel: str, limit: RateLimit | None, by: str) -> bool:
    """Sets the channel's limit: it holds for every claim that begins from now on. False if it stood so before."""
    parameters: dict[str, object] = {
        "channel": channel,
        "per_second": limit and limit.per_second,
        "burst": limit and limit.burst,
        "by": by,
    }
    return bool(database.rows(_SET, parameters))


def clear_limit(database: Database, channel: str) -> bool:
    """Takes the limit that was set away: that of the settings holds. False if none was set."""
    return bool(database.rows(_CLEAR, [channel]))


def due_before(database: Database, channel: str, id_: int, lanes: Sequence[str], *, bound: int) -> int:
    """Counts the channel's open routes of these lanes that were due before this one, up to the bound."""
    parameters = {"channel": channel, "id": id_, "lanes": list(lanes), "bound": bound}
    return int(database.rows(_DUE_BEFORE, parameters)[0][0])


def limit_is_shared(database: Database, channel: str) -> bool:
    """Returns whether the channel's open routes are of more than one lane, producer or type, or may be."""
    return any(shared for (shared,) in database.rows(_SHARED, {"channel": channel}))


def limit_of(found: Sequence[float | None] | None, setting: RateLimit | None) -> RateLimit | None:
    """Returns the limit that holds. found: a SET_LIMIT; None: none is set, and that of the settings holds."""
    if found is None:
        return setting
    per_second, burst = found
    return None if per_second is None or burst is None else RateLimit(per_second, int(burst))
