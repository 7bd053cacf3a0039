"""Claims: a worker leases the routes that it may attempt now (R4, R5, R5a). `claim_statement` has the SQL."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from publisher.domain.notification import Notification, Route, RouteStatus
from publisher.domain.rate_limit import RateLimit
from storage.claiming.claim_statement import (
    DUE,
    ENDING,
    ENDS_AT,
    FREE,
    HANDED_OVER,
    MAY_END,
    OPEN_GATE,
    TAKE_HANDED_OVER,
    TO_BE_SENT,
    UNANSWERED,
    claim_statement,
)
from storage.claiming.control import HELD, LANED
from storage.database import Database, Row
from storage.holds import not_held
from storage.limits import UNLIMITED, limit_of
from storage.places import Place, behind, place_parameters


@dataclass(frozen=True, slots=True)
class ClaimedRoute:
    """A leased route and its notification. notification: None only in a damaged database (R10)."""

    route: Route
    notification: Notification | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Routes of one channel under one lease.

    token: proves that the caller holds the lease.
    more: other routes may be due as well, so claim again.
    last: the place of the last route, behind which the next claim may begin. None unless the claim was full and took
        every route that it saw.
    refusing: the channel's stream refused the last batches. Of a parked channel always true.
    unanswered: of a claim of routes that end: producers wait for the answers to their cancellations (R28).
    lasts: how long the lease lasts, from before the routes were read.
    limit: the channel's rate limit at that moment; None: it has none (R30).
    controlled: nothing was claimed, since there are holds, or routes in lanes of their own: see
        `storage.claiming.group_claims`.
    """

    token: str
    routes: Sequence[ClaimedRoute]
    more: bool
    last: Place[int] | None = None
    refusing: bool = False
    lasts: timedelta = timedelta(0)
    limit: RateLimit | None = None
    controlled: bool = False
    unanswered: bool = False

    @property
    def ids(self) -> list[int]:
        """The database keys of the routes."""
        return [claimed.route.id for claimed in self.routes]


# The walk begins behind the routes claimed before. Index entries of published routes stay until the next vacuum, and
# without a place to begin every claim would walk over all of them again.
_CLAIM_DUE = claim_statement(
    "claim_due",
    [behind("next_attempt_at", "id"), DUE, TO_BE_SENT, OPEN_GATE, UNLIMITED],
    order="next_attempt_at",
    controlled=f"{HELD} OR %(look_for_lanes)s AND {LANED}",
)
_CLAIM_THESE = claim_statement(
    "claim_these",
    ["id = ANY(%(ids)s::bigint[])", DUE, TO_BE_SENT, OPEN_GATE, UNLIMITED, not_held()],
    order="next_attempt_at",
    free=f"({FREE} OR {HANDED_OVER})",
)
_CLAIM_ENDING = claim_statement("claim_ending", [ENDING, MAY_END], order=ENDS_AT, flag=UNANSWERED)
# The position of next_attempt_at in a row, the last column of `claim_statement.ROUTE`.
DUE_AT = 25


def claim_due(
    database: Database,
    channel: str,
    *,
    limit: int,
    lease_ttl: timedelta,
    stream: str | None = None,
    after: Place[int] | None = None,
    through_parking: bool = False,
    setting: RateLimit | None = None,
    hoped: bool = False,
    look_for_lanes: bool = True,
) -> Claim:
    """Leases up to `limit` due routes of the channel, those due longest first (R4, R5).

    Nothing, and `controlled` is true, while there is a hold; or, if it is to look for them, an open route in a lane of
    its own. Holds are looked for always.

    Each route was open, due, free, before its deadline by the database's clock and not to be cancelled when it was
    leased, and the channel was not paused. A route whose lease expired is free; claiming it adds one to its
    lease_loss_count (R5a).
    stream: where the channel publishes. It is recorded with each route that has no stream yet; None records nothing.
    after: the claim takes only routes behind this place, and misses those that became due before it meanwhile. So
        `more` is true, and the next claim must start at the beginning.
    through_parking: claims although the channel is parked.
    setting: the channel's rate limit by its settings; None: it has none.
    hoped: the caller has asked the rate limit, and claims no more than it may hope for. Without it nothing is claimed
        of a channel that has a limit (R30).
    Raises DatabaseUnavailable.
    """
    parameters = {"channel": channel, "limit": limit, "ttl": lease_ttl, "through": through_parking, "stream": stream}
    parameters |= place_parameters(after, 0) | _limited(setting) | {"hoped": hoped, "look_for_lanes": look_for_lanes}
    claim = _claim(database, _CLAIM_DUE, parameters, limit, setting)
    return replace(claim, more=True) if after else claim


def claim_these(
    database: Database,
    channel: str,
    ids: Collection[int],
    *,
    lease_ttl: timedelta,
    stream: str | None = None,
    through_parking: bool = False,
    handover: str | None = None,
    setting: RateLimit | None = None,
) -> Claim:
    """Leases those of these routes that belong to the channel, are due and free, and match no hold (R4, R5, R29).

    Leaves out the others: published, leased by another worker, not due, or unknown. Leases none of a channel that has a
    rate limit.
    ids: keys of routes.
    stream, through_parking, setting: as for `claim_due`.
    handover: the token of the handover that the caller's message names: its routes are the caller's.
    """
    if not ids:
        return Claim("", (), more=False)
    limit = len(ids)
    parameters = {"channel": channel, "ids": list(ids), "limit": limit, "ttl": lease_ttl, "through": through_parking}
    parameters |= {"stream": stream, "handover": handover, "hoped": False} | _limited(setting)
    return _claim(database, _CLAIM_THESE, parameters, limit + 1, setting)


def take_handed_over(
    database: Database,
    channel: str,
    ids: Collection[int],
    handover: str,
    *,
    at_least: timedelta,
    at_most: timedelta,
    through_parking: bool = False,
    setting: RateLimit | None = None,
) -> Claim:
    """Reads those of these routes that are handed over under this token, and that `claim_these` could lease now.

    They are leased already: see `storage.claiming.handover`. Writes nothing, and counts nothing. Reads none of a
    channel that has a rate limit.
    at_least, at_most: routes whose lease ends sooner or later are left out. All of one handover end together.
    through_parking, setting: as for `claim_due`.
    """
    parameters = {"channel": channel, "ids": list(ids), "handover": handover, "at_least": at_least, "at_most": at_most}
    parameters |= {"through": through_parking} | _limited(setting)
    return claim_of(handover, database.rows(TAKE_HANDED_OVER, parameters), len(ids) + 1, setting)


def claim_ending(database: Database, channel: str, *, limit: int, lease_ttl: timedelta) -> Claim:
    """Leases up to `limit` open, free routes of the channel that end without an attempt, although it may be paused.

    Their deadline has passed, or they are to be cancelled (R28).
    """
    parameters = {"channel": channel, "limit": limit, "ttl": lease_ttl, "stream": None}
    claim = _claim(database, _CLAIM_ENDING, parameters, limit, None)
    return replace(claim, refusing=False, unanswered=claim.refusing)


def _limited(setting: RateLimit | None) -> dict[str, object]:
    return {"limited": setting is not None}


def _claim(database: Database, sql: str, parameters: dict[str, object], full: int, setting: RateLimit | None) -> Claim:
    token = str(uuid.uuid4())
    return claim_of(token, database.rows(sql, parameters | {"token": token}), full, setting)


def claim_of(token: str, rows: Sequence[Row], full: int, setting: RateLimit | None) -> Claim:
    """Reads the rows of a claim.

    full: how many routes it could have taken. setting: the channel's rate limit by its settings, or None.
    """
    seen, lasts, refusing, set_limit, controlled = rows[-1][-5:]
    limit = limit_of(set_limit, setting)
    if rows[-1][0] is None:
        return Claim(token, (), more=False, refusing=refusing, limit=limit, controlled=controlled)
    # A claim that took fewer routes than it saw left the others because of ISOLATION: they are due as well.
    last = Place(rows[-1][DUE_AT], rows[-1][0]) if seen == len(rows) == full else None
    more = seen >= full or seen > len(rows)
    return Claim(token, [_claimed(row) for row in rows], more, last, refusing, lasts, limit)


def _claimed(row: Row) -> ClaimedRoute:
    (id_, notification_id, route_id, channel, status, attempts, max_attempts, recipient_ref, email, locale, losses,
     replay, time_left, type_, producer, audience, key, payload, request_id, trace_id, occurred, accepted, stream,
     requeues, to_be_cancelled, *_) = row  # fmt: skip
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
        to_be_cancelled=to_be_cancelled,
    )
    if type_ is None:
        return ClaimedRoute(route, None)
    notification = Notification(
        notification_id, type_, producer, audience, key, payload, request_id, trace_id, occurred, accepted
    )
    return ClaimedRoute(route, notification)
