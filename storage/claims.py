"""Claiming: which routes a worker may attempt now, and giving them back (R4, R5, R5a)."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from publisher.domain.notification import Notification, Route, RouteStatus
from storage.database import Database, Row


@dataclass(frozen=True, slots=True)
class ClaimedRoute:
    """A leased route and its notification, which is None only in a damaged database (R10)."""

    route: Route
    notification: Notification | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order in which a channel's routes are due."""

    next_attempt_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Routes of one channel under one lease.

    more: others may be due as well, so look again. last: the place of the last route, if the claim was full and
    took every route that it saw: a next one may begin behind it. refusing: the channel refused its last batches.
    """

    token: str
    routes: Sequence[ClaimedRoute]
    more: bool
    last: Place | None = None
    refusing: bool = False

    @property
    def ids(self) -> list[int]:
        """The database keys of the routes."""
        return [claimed.route.id for claimed in self.routes]


# One statement, so that a route is leased or not, never in between (R5).
#
# due       locks what is due and free. SKIP LOCKED passes over what another claim is taking at this moment.
#           A CTE, since a plain subquery with LIMIT and a lock may run more than once (PostgreSQL manual,
#           SELECT, "The Locking Clause").
# gate      a paused or parked channel has nothing due, from the moment that its gate was closed. One row, read once
#           a statement. A probe passes the parking.
# chosen    isolates a route that kills its workers (R5a): of routes whose lease ran out, only those that lost
#           the most are taken, an eighth as many after each loss, alone from the third. Its neighbours in
#           the first batch are published long before the fifth.
# after     where to begin: behind what was claimed before. Index entries of published routes stay until the next
#           vacuum; without a place to begin, every claim walks over all of them again.
# stream    where this attempt's command goes, and where a later one looks for it. One that stands there already stays:
#           it may hold the command of an earlier attempt, until a worker has looked there (see `move_to_stream`).
# = ANY(ARRAY(…))  gives the planner keys to look up, whatever it believes about the table.
# statement_timestamp()  the database's clock (R5), stable within the statement, so that the index serves.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, {order} AS place, lease_loss_count + (lease_token IS NOT NULL)::int AS losses
    FROM routes
    WHERE channel = %(channel)s AND {which}
      AND status IN ('pending', 'failed')
      AND (lease_expires_at IS NULL OR lease_expires_at <= statement_timestamp())
    ORDER BY {order}, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT id, losses, max(losses) OVER () AS worst,
           row_number() OVER (PARTITION BY losses ORDER BY place, id) AS rank
    FROM due
), chosen AS (
    SELECT id FROM ranked
    WHERE losses = worst AND rank <= greatest(1, %(limit)s / power(8, worst))
), claimed AS (
    UPDATE routes
    SET lease_token = %(token)s,
        lease_expires_at = date_trunc('milliseconds', statement_timestamp()) + %(ttl)s,
        lease_loss_count = lease_loss_count + (lease_token IS NOT NULL)::int,
        stream = coalesce(stream, %(stream)s),
        updated_at = date_trunc('milliseconds', statement_timestamp())
    WHERE id = ANY(ARRAY(SELECT id FROM chosen))
    RETURNING id, notification_id, route_id, channel, status, attempt_count, max_attempts, recipient_ref,
              resolved_email, resolved_locale, lease_loss_count, replay, expires_at, next_attempt_at, stream,
              requeues
)
SELECT c.id, c.notification_id::text, c.route_id, c.channel, c.status, c.attempt_count, c.max_attempts,
       c.recipient_ref, c.resolved_email, c.resolved_locale, c.lease_loss_count, c.replay,
       c.expires_at - statement_timestamp(),
       n.notification_type, n.producer, n.audience_kind, n.idempotency_key, n.payload::text,
       n.request_id, n.trace_id, n.occurred_at, n.accepted_at, c.stream, c.requeues, c.next_attempt_at,
       (SELECT count(*) FROM due) AS seen,
       EXISTS (SELECT FROM channel_gates WHERE channel = %(channel)s AND refused_batches > 0) AS refusing
FROM claimed AS c LEFT JOIN notifications AS n USING (notification_id)
ORDER BY c.next_attempt_at, c.id
"""
_OPEN_GATE = """next_attempt_at <= statement_timestamp()
      AND (expires_at IS NULL OR expires_at > statement_timestamp())
      AND NOT EXISTS (SELECT FROM channel_gates WHERE channel = %(channel)s
                      AND (paused_at IS NOT NULL OR parked_at IS NOT NULL AND NOT %(through)s))"""
_CLAIM_DUE = _CLAIM.format(
    which=f"(next_attempt_at, id) > (%(after_at)s::timestamptz, %(after_id)s) AND {_OPEN_GATE}",
    order="next_attempt_at",
)
_CLAIM_THESE = _CLAIM.format(which=f"id = ANY(%(ids)s::bigint[]) AND {_OPEN_GATE}", order="next_attempt_at")
_CLAIM_OVERDUE = _CLAIM.format(which="expires_at <= statement_timestamp()", order="expires_at")

# Guarded by the lease: without it another worker may append to another stream.
_MOVE_TO_STREAM = """
UPDATE routes SET stream = %(stream)s WHERE id = ANY(%(ids)s::bigint[]) AND lease_token = %(token)s RETURNING id
"""

# Guarded by the lease: it shows that the route lives, whatever its tombstone says.
_BEGIN_LIFE = """
UPDATE routes SET requeues = greatest(requeues, life + 1)
FROM unnest(%(ids)s::bigint[], %(lives)s::int[]) AS ended (id, life)
WHERE routes.id = ended.id AND lease_token = %(token)s
RETURNING routes.id
"""

_BEGINNING = {"after_at": "-infinity", "after_id": 0}

# A route whose lease is not ours any more, or that has an outcome, is left alone.
_RELEASE = """
UPDATE routes
SET lease_token = NULL, lease_expires_at = NULL,
    updated_at = date_trunc('milliseconds', statement_timestamp())
WHERE id = ANY(%(ids)s::bigint[]) AND lease_token = %(token)s
RETURNING id
"""


def claim_due(
    database: Database,
    channel: str,
    *,
    limit: int,
    lease_ttl: timedelta,
    stream: str | None = None,
    after: Place | None = None,
    through_parking: bool = False,
) -> Claim:
    """Leases up to `limit` due routes of the channel, those due longest first (R4, R5).

    stream: where the channel publishes, kept with each route that has none yet; None keeps nothing.
    after: leaves out what is due before this place, or stands there. What became due there meanwhile is missed:
    `more` is true, and the next claim must begin at the beginning. through_parking: also if the channel is parked.

    Each was open, due, free and before its deadline by the database's clock at the moment it was leased, and the
    channel was not paused. An expired lease is free; taking it over adds one to the route's lease_loss_count (R5a).
    Raises DatabaseUnavailable.
    """
    place = {"after_at": after.next_attempt_at, "after_id": after.id} if after else _BEGINNING
    parameters = {"channel": channel, "limit": limit, "ttl": lease_ttl, "through": through_parking, **place}
    claim = _claim(database, _CLAIM_DUE, parameters | {"stream": stream}, limit)
    return replace(claim, more=True) if after else claim


def claim_these(
    database: Database,
    channel: str,
    ids: Collection[int],
    *,
    lease_ttl: timedelta,
    stream: str | None = None,
    through_parking: bool = False,
) -> Claim:
    """Leases those of these routes that belong to the channel and could be claimed as due (R4, R5).

    The others are left out without a word: published by someone else, leased elsewhere, not due, unknown. stream: as
    for `claim_due`.
    """
    if not ids:
        return Claim("", (), more=False)
    limit = len(ids)
    parameters = {"channel": channel, "ids": list(ids), "limit": limit, "ttl": lease_ttl, "through": through_parking}
    return _claim(database, _CLAIM_THESE, parameters | {"stream": stream}, limit + 1)


def claim_overdue(database: Database, channel: str, *, limit: int, lease_ttl: timedelta) -> Claim:
    """Leases up to `limit` open, free routes of the channel whose deadline has passed, whatever its gate says."""
    parameters = {"channel": channel, "limit": limit, "ttl": lease_ttl, "stream": None}
    return _claim(database, _CLAIM_OVERDUE, parameters, limit)


def move_to_stream(database: Database, token: str, ids: Collection[int], stream: str) -> set[int]:
    """Keeps with these routes that their commands go to this stream now. Returns those that the token still holds.

    To be called once the stream that stood there was found to hold no command of theirs, and before the next append.
    """
    return {row[0] for row in database.rows(_MOVE_TO_STREAM, {"ids": list(ids), "token": token, "stream": stream})}


def begin_life(database: Database, token: str, ended: Mapping[int, int]) -> set[int]:
    """Counts these routes as requeued, so that the tombstone of their earlier life holds them no longer.

    ended: route key -> how often it had been requeued when that life ended. For routes that a process of the release
    before has taken back, which counts no requeues (R15). Returns those that the token still holds.
    """
    lives = list(ended.values())
    return {row[0] for row in database.rows(_BEGIN_LIFE, {"ids": list(ended), "lives": lives, "token": token})}


def release(database: Database, token: str, ids: Collection[int]) -> list[int]:
    """Gives back these routes if this token still holds them, counting nothing. Returns those it gave back."""
    if not ids:
        return []
    return [row[0] for row in database.rows(_RELEASE, {"ids": list(ids), "token": token})]


def _claim(database: Database, sql: str, parameters: dict[str, object], full: int) -> Claim:
    token = str(uuid.uuid4())
    rows = database.rows(sql, parameters | {"token": token})
    if not rows:
        return Claim(token, (), more=False)
    next_attempt_at, seen, refusing = rows[-1][-3:]
    # Fewer taken than seen: the rest was kept apart from a suspect, and is due as well.
    last = Place(next_attempt_at, rows[-1][0]) if seen == len(rows) == full else None
    return Claim(token, [_claimed(row) for row in rows], seen >= full or seen > len(rows), last, refusing)


def _claimed(row: Row) -> ClaimedRoute:
    (id_, notification_id, route_id, channel, status, attempts, max_attempts, recipient_ref, email, locale, losses,
     replay, time_left, type_, producer, audience, key, payload, request_id, trace_id, occurred, accepted, stream,
     requeues, _, _, _) = row  # fmt: skip
    route = Route(
        id=id_,
        notification_id=notification_id,
        route_id=route_id,
        channel=channel,
        status=RouteStatus(status),
        attempt_count=attempts,
        max_attempts=max_attempts,
        recipient_ref=recipient_ref,
        resolved_email=email,
        resolved_locale=locale,
        lease_loss_count=losses,
        replay=replay,
        time_left=time_left,
        stream=stream,
        requeues=requeues,
    )
    if type_ is None:
        return ClaimedRoute(route, None)
    notification = Notification(
        notification_id, type_, producer, audience, key, payload, request_id, trace_id, occurred, accepted
    )
    return ClaimedRoute(route, notification)
