"""What the holder of a lease changes beside the outcome: the stream, the count of requeues, and giving the route back.

Every statement is guarded by the lease: a route that another worker holds, or that has an outcome, stays as it is.
"""

from collections.abc import Collection, Mapping

from storage.clock import NOW
from storage.database import Database

_MOVE_TO_STREAM = """/* move_to_stream */
UPDATE routes SET stream = %(stream)s WHERE id = ANY(%(ids)s::bigint[]) AND lease_token = %(token)s RETURNING id
"""

_HELD_AT = """/* held_at */
SELECT id, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint FROM routes
WHERE id = ANY(%(ids)s::bigint[]) AND lease_token = %(token)s
"""

_BEGIN_LIFE = """/* begin_life */
UPDATE routes SET requeues = greatest(requeues, life + 1)
FROM unnest(%(ids)s::bigint[], %(lives)s::int[]) AS ended (id, life)
WHERE routes.id = ended.id AND lease_token = %(token)s
RETURNING routes.id
"""

_RELEASE = f"""/* release */
UPDATE routes
SET lease_token = NULL, lease_expires_at = NULL, updated_at = {NOW}
WHERE id = ANY(%(ids)s::bigint[]) AND lease_token = %(token)s
RETURNING id
"""


def move_to_stream(database: Database, token: str, ids: Collection[int], stream: str) -> set[int]:
    """Records that the commands of these routes go to this stream. Returns the routes that the token still holds.

    Call it before the next append, once no command of theirs was found on the stream that was recorded before.
    """
    return {row[0] for row in database.rows(_MOVE_TO_STREAM, {"ids": list(ids), "token": token, "stream": stream})}


def held_at(database: Database, token: str, ids: Collection[int]) -> dict[int, int]:
    """Returns those of these routes that the token still holds, each with the instant at which that was asked.

    The instant is one of the database's clock, in microseconds. Whoever claims the route later gets a later one.
    """
    return dict(database.rows(_HELD_AT, {"ids": list(ids), "token": token}))


def begin_life(database: Database, token: str, ended: Mapping[int, int]) -> set[int]:
    """Counts these routes as requeued, so that the tombstone of their earlier life holds them no longer.

    For routes that a process of the release before has requeued, which counts no requeues (R15).
    ended: route key -> how often the route had been requeued when that life ended.
    Returns the routes that the token still holds.
    """
    lives = list(ended.values())
    return {row[0] for row in database.rows(_BEGIN_LIFE, {"ids": list(ended), "lives": lives, "token": token})}


def release(database: Database, token: str, ids: Collection[int]) -> list[int]:
    """Gives back the lease of these routes, counting no loss. Returns the routes that the token still held."""
    if not ids:
        return []
    return [row[0] for row in database.rows(_RELEASE, {"ids": list(ids), "token": token})]
