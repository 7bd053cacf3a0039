"""The gate between the two ways to claim: whether any route of a channel may be held, or is in a lane of its own.

The plain claim takes what is due longest. It takes nothing where this gate is closed, and says so: then the claim by
shares, which knows of holds and lanes, takes its place (see `publisher.publishing.sharing`). Of a channel with a rate
limit all routes are claimed by shares.
"""

from publisher.domain.lanes import Lane
from storage.group_keys import LANE_KEYS, first_key
from storage.models.routes import OPEN


def _in_use(lane: str) -> str:
    first = first_key(f"'{lane}'")
    keys = f"group_key >= {first} AND group_key < {first} + {LANE_KEYS}"
    return f"EXISTS (SELECT FROM routes WHERE {keys} AND {OPEN})"


# Neither depends on a route, so PostgreSQL looks once a statement: into the table of holds; and with a step into
# routes_shares for each further lane.
HELD = "EXISTS (SELECT FROM holds WHERE channel IS NULL OR channel = %(channel)s)"
LANED = f"({_in_use(Lane.URGENT)} OR {_in_use(Lane.BULK)})"
CONTROLLED = f"({HELD} OR {LANED})"
