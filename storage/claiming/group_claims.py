"""Claims by shares: so many due routes of each group, under one lease (R4, R5, R5a, R29, R31)."""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from publisher.domain.rate_limit import RateLimit
from publisher.domain.shares import Group
from storage.array_literals import array_literal
from storage.claiming.claim_statement import (
    COLUMNS,
    DUE,
    FREE,
    ISOLATION,
    LEASE,
    LOST_NOW,
    OPEN_GATE,
    REFUSING,
    ROUTE,
    TO_BE_SENT,
)
from storage.claiming.claims import DUE_AT, Claim, claim_of
from storage.claiming.due_groups import Places
from storage.database import Database
from storage.holds import not_held
from storage.limits import SET_LIMIT, UNLIMITED
from storage.models.routes import OPEN
from storage.places import Place

# due      Of each group the first `quota` routes that meet every condition of a claim, locked as there. All conditions
#          are asked again: a hold may have been added, or the channel paused, since the groups were read.
# The rest is that of `claim_statement`.
_CLAIM_SHARES = f"""/* claim_shares */
WITH due AS MATERIALIZED (
    SELECT each.*
    FROM unnest(%(groups)s::bigint[], %(quotas)s::int[], %(behind_at)s::timestamptz[], %(behind_keys)s::bigint[])
         AS share (key, quota, behind_at, behind_key)
    CROSS JOIN LATERAL (
        SELECT id, next_attempt_at AS place, lease_loss_count + {LOST_NOW} AS losses
        FROM routes
        WHERE group_key = share.key AND channel = %(channel)s
          AND (next_attempt_at, id) > (coalesce(behind_at, '-infinity'), coalesce(behind_key, 0))
          AND {DUE} AND {TO_BE_SENT} AND {OPEN_GATE} AND {UNLIMITED} AND {not_held()}
          AND {OPEN}
          AND {FREE}
        ORDER BY next_attempt_at, id
        LIMIT share.quota
        FOR UPDATE SKIP LOCKED
    ) AS each
), {ISOLATION}, claimed AS (
    UPDATE routes
    SET {LEASE}
    WHERE id = ANY(ARRAY(SELECT id FROM chosen))
    RETURNING {COLUMNS}, group_key
)
SELECT {ROUTE}, r.group_key, (SELECT count(*) FROM due) AS seen, %(ttl)s::interval AS lasts, {REFUSING},
       {SET_LIMIT}, false
FROM (SELECT) AS always LEFT JOIN claimed AS r ON true LEFT JOIN notifications AS n ON n.id = r.notification_key
ORDER BY r.next_attempt_at, r.id
"""
_GROUP, _SEEN = DUE_AT + 1, DUE_AT + 2


def claim_shares(
    database: Database,
    channel: str,
    quotas: Mapping[Group, int],
    *,
    places: Places,
    lease_ttl: timedelta,
    stream: str | None = None,
    setting: RateLimit | None = None,
    hoped: bool = False,
    through_parking: bool = False,
) -> tuple[Claim, dict[int, Place[int]]]:
    """Leases up to so many due routes of each group, those due longest first.

    Each route is as `claim_due` would lease it, and matches no hold.
    quotas: at least one group.
    places: by the key of a group, the place behind which its routes are taken. Routes that became due before it are
        missed: the next claim of the group must start at its beginning, unless this one was full.
    lease_ttl, stream, setting, hoped, through_parking: as for `claim_due`.
    Returns the claim, and the place where each group ended of which all of its quota was taken. `more` of the claim
    says that routes were left for the sake of isolation (R5a). Raises DatabaseUnavailable.
    """
    token = str(uuid.uuid4())
    behind = [places.get(group.key) for group in quotas]
    parameters = {"channel": channel, "token": token, "ttl": lease_ttl, "stream": stream, "through": through_parking}
    parameters |= {
        "limited": setting is not None,
        "hoped": hoped,
        "limit": sum(quotas.values()),
        "groups": array_literal([group.key for group in quotas]),
        "quotas": array_literal(quotas.values()),
        "behind_at": array_literal([place.at if place else None for place in behind]),
        "behind_keys": array_literal([place.key if place else None for place in behind]),
    }
    rows = database.rows(_CLAIM_SHARES, parameters)
    claim = replace(claim_of(token, rows, sum(quotas.values()), setting), last=None)
    is_isolated = bool(claim.routes) and rows[-1][_SEEN] > len(rows)
    claim = replace(claim, more=is_isolated)
    if is_isolated or not claim.routes:
        return claim, {}
    taken = Counter(row[_GROUP] for row in rows)
    last = {row[_GROUP]: Place(row[DUE_AT], row[0]) for row in rows}
    return claim, {group.key: last[group.key] for group, quota in quotas.items() if taken[group.key] == quota}
