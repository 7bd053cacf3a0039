"""Finds the groups of a channel that have due routes: by lane, producer and type, at the cost of a step each (R31)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from publisher.domain.lanes import Lane
from publisher.domain.rate_limit import RateLimit
from publisher.domain.shares import DueGroup, Group
from storage.array_literals import array_literal
from storage.claiming.claim_statement import DUE, FREE, OPEN_GATE, REFUSING, TO_BE_SENT
from storage.claiming.control import CONTROLLED
from storage.database import Database
from storage.group_keys import GROUP_KEY, LANE_KEYS, first_key
from storage.holds import matches, not_held
from storage.limits import SET_LIMIT, UNLIMITED, limit_of
from storage.models.routes import OPEN
from storage.places import Place

# By the key of a group.
Places = Mapping[int, Place[int]]
# A claim looks at no more due groups of a lane than a quarter of its tokens, and at these at least. Where there are
# more, the next claim goes on behind them.
_GROUPS, _PART = 64, 4
# So many times its equal share is counted in each group, so that what others leave is shared out as well.
_COUNTED = 4
# A walk over groups of which none is due ends after so many, and goes on with the next claim.
_STEPS = 2_000
# So many due routes of a group are compared with the holds on recipients. Where all of them are held and more are due,
# the group counts as due: its other routes are compared when they are counted.
_COMPARED = 200


@dataclass(frozen=True, slots=True)
class DueGroups:
    """The groups that a claim may choose from, and what else it must know of the channel.

    controlled: False: nothing is held, and no lane but the normal one is in use, so claim what is due longest.
    limit: the channel's rate limit; None: it has none.
    refusing: see `Claim`.
    has_blank: due routes are of no group, since they lack their key: see `fill_blank`.
    groups: those with due routes that no hold covers wholly, of each lane in the order of its walk.
    cut: by lane, the last group of a walk that did not see all groups.
    """

    controlled: bool
    limit: RateLimit | None
    refusing: bool
    has_blank: bool
    groups: Sequence[DueGroup]
    cut: Mapping[Lane, Group]


_BLANK = f"group_key IS NULL AND {DUE} AND {OPEN}"
# Sorted, and so by routes_shares: the planner, which believes for a while that most routes are blank after the last one
# was filled in, would read the table. Where a transaction is old, the entries of those that were filled in are read.
_HAS_BLANK = f"(SELECT true FROM routes WHERE {_BLANK} ORDER BY group_key, next_attempt_at LIMIT 1) IS NOT NULL"

_HELD_WHOLLY = f"""EXISTS (SELECT FROM holds AS h WHERE h.recipient_ref IS NULL
                AND {matches("%(channel)s", "g.notification_type", "g.producer")})"""

_DUE_ROUTES = f"""SELECT channel, producer, notification_type, notification_key, recipient_ref,
                       row_number() OVER () AS nth
                FROM routes WHERE group_key = g.key AND channel = %(channel)s AND {DUE} AND {TO_BE_SENT} AND {OPEN}
                ORDER BY group_key, next_attempt_at, id LIMIT {_COMPARED}"""
_MAY_GO = f"""(NOT EXISTS (SELECT FROM holds WHERE recipient_ref IS NOT NULL) OR EXISTS (
                SELECT FROM ({_DUE_ROUTES}) AS first WHERE nth = {_COMPARED} OR {not_held("first")}))"""


def _first_route(condition: str) -> str:
    """The first open route of the walk's lane whose group key meets the condition."""
    return f"""SELECT group_key AS key, producer, notification_type, next_attempt_at
                      FROM routes WHERE group_key {condition} AND group_key < w.first + {LANE_KEYS} AND {OPEN}
                      ORDER BY group_key, next_attempt_at, id LIMIT 1"""


# control  One row. Where the plain claim may be used, the channel's gate is closed, or its rate limit was not asked,
#          nothing else is read.
# walk     A loose index scan (PostgreSQL wiki, "Loose indexscan") over the groups of each lane: one step to the first
#          open route of the next group, behind the last group to the first one, and round to where it began. That route
#          is the one that is due longest: so a step tells whether the group is due. A group that a hold covers wholly
#          is passed over. So is one all of whose due routes are held; that is asked while some hold names a recipient.
#          The walk of a lane ends after `most` due groups.
# due      The due groups, and up to how many routes of each are counted.
# The rows: of each due group how many routes are due, free and not held, up to a few times its share; up to its share
#          alone where other groups are to come with the next claim. They are counted behind the place where the last
#          claim of the group ended, as `claim_shares` finds them.
_DUE_GROUPS = f"""/* due_groups */
WITH RECURSIVE control AS MATERIALIZED (
    SELECT %(hoped)s OR {CONTROLLED} AS controlled, {OPEN_GATE} AND {UNLIMITED} AS is_open, {REFUSING}, {SET_LIMIT},
           %(look_for_blank)s AND {_HAS_BLANK} AS has_blank
), lanes AS (
    SELECT lane, {first_key("lane")} AS first, start
    FROM unnest(%(lanes)s::text[], %(starts)s::bigint[]) AS each (lane, start)
    WHERE (SELECT controlled AND is_open FROM control)
), walk AS (
    SELECT lane, first, coalesce(start, first - 1) AS start, coalesce(start, first - 1) AS key, '' AS producer,
           '' AS notification_type, NULL::timestamptz AS since, false AS is_due, false AS wrapped,
           0 AS steps, 0 AS found
    FROM lanes
    UNION ALL
    SELECT w.lane, w.first, w.start, g.key, g.producer, g.notification_type, g.next_attempt_at, each.is_due,
           g.wrapped, w.steps + 1, w.found + each.is_due::int
    FROM walk AS w
    CROSS JOIN LATERAL (
        (SELECT *, w.wrapped FROM ({_first_route("> w.key")}) AS next)
        UNION ALL
        (SELECT *, true FROM ({_first_route(">= w.first AND NOT w.wrapped")}) AS first)
        LIMIT 1
    ) AS g
    CROSS JOIN LATERAL (
        SELECT g.next_attempt_at <= statement_timestamp() AND NOT {_HELD_WHOLLY} AND {_MAY_GO} AS is_due
    ) AS each
    WHERE w.found < %(most)s AND w.steps < {_STEPS} AND NOT (g.wrapped AND g.key > w.start)
), due AS (
    SELECT key, greatest(1, CASE WHEN groups >= %(most)s THEN 1 ELSE {_COUNTED} END * %(tokens)s / groups) AS counted
    FROM (SELECT *, count(*) OVER (PARTITION BY lane) AS groups FROM walk WHERE is_due) AS each
), counted AS (
    SELECT due.key, waiting.due, waiting.due = due.counted AS is_more
    FROM due
    LEFT JOIN unnest(%(behind_groups)s::bigint[], %(behind_at)s::timestamptz[], %(behind_keys)s::bigint[])
              AS behind (key, at, route) ON behind.key = due.key
    CROSS JOIN LATERAL (
        SELECT count(*) AS due FROM (
            SELECT FROM routes
            WHERE group_key = due.key AND channel = %(channel)s
              AND (next_attempt_at, id) > (coalesce(behind.at, '-infinity'), coalesce(behind.route, 0))
              AND {DUE} AND {TO_BE_SENT} AND {OPEN} AND {FREE} AND {not_held()}
            LIMIT due.counted
        ) AS first
    ) AS waiting
)
SELECT control.controlled, control.refusing, control.set_limit, control.has_blank,
       walk.key, walk.lane, walk.producer, walk.notification_type, walk.since, walk.is_due, counted.due,
       counted.is_more, walk.found >= %(most)s OR walk.steps >= {_STEPS}
FROM control
LEFT JOIN walk ON walk.steps > 0
LEFT JOIN counted ON counted.key = walk.key
ORDER BY walk.lane, walk.steps
"""

# An earlier release, which may run beside this one, inserts routes without their key; older ones inserted none of what
# it is made of. The columns are no part of any guard, so a route under a lease is filled in as well. Each call takes
# `limit` of them, those due longest first, of all channels. A route without its notification gets a name that no
# producer has: it is claimed, and its attempt reports it (R10). In the order of routes_shares: the planner does not see
# that rows whose group_key is NULL stand there by the time at which they are due.
_FILL = f"""/* fill_blank */
WITH blank AS MATERIALIZED (
    SELECT id, notification_key, channel, lane
    FROM routes
    WHERE {_BLANK}
    ORDER BY group_key, next_attempt_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), named AS (
    SELECT blank.id, channel, lane, coalesce(n.producer, '?') AS producer,
           coalesce(n.notification_type, '?') AS notification_type
    FROM blank LEFT JOIN notifications AS n ON n.id = blank.notification_key
)
UPDATE routes
SET producer = grouped.producer, notification_type = grouped.notification_type, group_key = grouped.group_key
FROM (SELECT *, {GROUP_KEY} AS group_key FROM named) AS grouped
WHERE routes.id = grouped.id
RETURNING routes.id
"""


def due_groups(
    database: Database,
    channel: str,
    *,
    tokens: int,
    starts: Mapping[Lane, int],
    places: Places,
    setting: RateLimit | None = None,
    hoped: bool = False,
    through_parking: bool = False,
    look_for_blank: bool = True,
) -> DueGroups:
    """Finds the channel's groups with due routes: of each lane all, or a part of them that the next claim goes on from.

    tokens: how many routes the claim takes at most.
    starts: by lane, the key of the group behind which its walk begins; without one it begins with the first group.
    places: by the key of a group, the place behind which its routes are counted.
    setting, hoped, through_parking: as for `claim_due`.
    look_for_blank: whether `has_blank` is to be found out.
    Raises DatabaseUnavailable.
    """
    parameters: dict[str, object] = {"channel": channel, "through": through_parking, "limited": setting is not None}
    parameters |= {
        "look_for_blank": look_for_blank,
        "hoped": hoped,
        "tokens": tokens,
        "most": max(_GROUPS, tokens // _PART),
    }
    parameters |= {"lanes": array_literal(Lane), "starts": array_literal([starts.get(lane) for lane in Lane])}
    parameters |= {
        "behind_groups": array_literal(places),
        "behind_at": array_literal([place.at for place in places.values()]),
        "behind_keys": array_literal([place.key for place in places.values()]),
    }
    rows = database.rows(_DUE_GROUPS, parameters)
    controlled, refusing, set_limit, has_blank = rows[0][:4]
    groups, cut = [], {}
    for _, _, _, _, key, lane, producer, type_, since, is_due, due, is_more, is_cut in rows:
        if key is None:
            continue
        group = Group(key, Lane(lane), producer, type_)
        if is_due:
            groups.append(DueGroup(group, due, is_more, since))
        if is_cut:
            cut[group.lane] = group
    return DueGroups(controlled, limit_of(set_limit, setting), refusing, has_blank, groups, cut)


def fill_blank(database: Database, limit: int) -> int:
    """Gives up to `limit` due routes that lack it their group, and returns how many. Raises DatabaseUnavailable."""
    return len(database.rows(_FILL, {"limit": limit}))
