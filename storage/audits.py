"""The loss audit in PostgreSQL: its lease, its walk over published routes, and returning the lost ones (R12a)."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from publisher.domain.notification import RouteEvent
from storage.answers.delivery_events import UNANSWERED
from storage.answers.unanswered import first_answer
from storage.clock import NOW
from storage.database import Database
from storage.outcomes.transitions import allowing, following
from storage.places import Place, behind, place_parameters


@dataclass(frozen=True, slots=True)
class AuditLease:
    """The right to audit a channel, one holder at a time (R15).

    start: the place behind which the walk begins.
    began: when the walk begins, by the database's clock.
    is_redis_changed: the last audit saw another Redis.
    """

    channel: str
    token: str
    start: Place[int]
    began: datetime
    is_redis_changed: bool


class PublishedRoute(NamedTuple):
    """A published route, with the columns that the audit needs. published_at and id are its place in the walk.

    stream: where its command was published. None: the release that published it recorded no stream.
    is_witnessed: its witness exists now, unless Redis lost it.

    A tuple, because a walk makes millions of them and a frozen dataclass takes four times as long to make.
    """

    id: int
    delivery_id: str
    replay: int
    stream_entry_id: str | None
    published_at: datetime
    stream: str | None
    is_witnessed: bool


# One statement, so that one of all who ask has the lease. It is given if an audit is due: Redis is another one, or the
# last audit ended an interval ago; and if nobody holds it, or its holder let it run out.
#
# start   R12a: what was published since the last completed audit began, and in a window before that. A loss goes back
#         that far at most, whenever it is found. No witness is older than the dedup window.
# A release before this one wrote audited_at and redis_identity alone, and works beside it during a deploy: its audits
# count, and its identity, which is made in another way, is left as it is.
_TAKE = f"""/* take_audit */
INSERT INTO stream_audits AS audit (channel, redis_identity, audited_at, auditor, auditor_until)
VALUES (%(channel)s, '', 'epoch', %(token)s, statement_timestamp() + %(ttl)s)
ON CONFLICT (channel) DO UPDATE SET auditor = excluded.auditor, auditor_until = excluded.auditor_until
WHERE (audit.auditor_until IS NULL OR audit.auditor_until <= statement_timestamp())
  AND (audit.identity IS DISTINCT FROM %(identity)s OR audit.audited_at <= statement_timestamp() - %(interval)s)
RETURNING greatest(least(coalesce(covered_to, audited_at), statement_timestamp()) - %(window)s,
                   statement_timestamp() - %(reach)s),
          {NOW}, identity <> %(identity)s
"""

_RENEW = """/* renew_audit */
UPDATE stream_audits SET auditor_until = statement_timestamp() + %(ttl)s
WHERE channel = %(channel)s AND auditor = %(token)s
RETURNING channel
"""

_COMPLETE = f"""/* complete_audit */
UPDATE stream_audits
SET identity = %(identity)s, audited_at = {NOW}, covered_to = %(began)s,
    auditor = NULL, auditor_until = NULL
WHERE channel = %(channel)s AND auditor = %(token)s
RETURNING channel
"""

_GIVE_UP = """/* give_up_audit */
UPDATE stream_audits SET auditor = NULL, auditor_until = NULL
WHERE channel = %(channel)s AND auditor = %(token)s
RETURNING channel
"""

# Whether the witness is sure to be alive at this moment. A release before this one kept no witness_until: its witnesses
# live at least for the audit window.
_WITNESSED = """coalesce(witness_until > statement_timestamp(), published_at >= statement_timestamp() - %(window)s)"""


def _page(name: str, condition: str) -> str:
    """Returns the statement that reads a page of the published routes on which the condition holds."""
    return f"""/* {name} */
WITH page AS MATERIALIZED (
    SELECT id, notification_key, route_id, replay, stream_entry_id, published_at, stream, {_WITNESSED} AS is_witnessed
    FROM routes
    WHERE channel = %(channel)s AND status = 'published' AND {behind("published_at", "id")}{condition}
    ORDER BY published_at, id
    LIMIT %(limit)s
)
SELECT page.id, coalesce(n.notification_id || '/' || route_id, ''), replay, stream_entry_id, published_at, stream,
       is_witnessed AND n.notification_id IS NOT NULL
FROM page LEFT JOIN LATERAL (
    SELECT notification_id FROM notifications WHERE notifications.id = page.notification_key LIMIT 1
) AS n ON true
ORDER BY published_at, page.id
"""


# A walk by keyset, not by offset, along the partial index routes_published: each page costs the same. Routes that are
# not to be looked for come as well, so that the walk gets past a million of them page by page. A page first, and its
# notifications by their keys: LATERAL with a LIMIT can only be run as a nested loop, where a planner would read a whole
# table of a hundred thousand notifications for each page. LEFT: a page that is shorter than its limit ends the walk.
_PUBLISHED_AFTER = _page("published_after", "")

# Along the partial index routes_unanswered. Not those from before the first answer on the channel: another mail service
# may have sent them.
_UNANSWERED_AFTER = _page(
    "unanswered_after", f" AND answer IS NULL AND published_at < %(until)s AND published_at >= ({first_answer()})"
)

# Due again at once, under the same delivery id, with all its attempts: the loss was not the route's. A cancellation
# that came too late was answered so, and the route goes out again (R28). Whoever reads the command answers it again.
#
# Guarded by what was looked for, an entry id and when it was published: entry ids come again once Redis was emptied.
# And by the witness, which must be sure to be alive now: then it was when Redis was asked, however long ago that is.
_LOST = f"""/* return_lost */
UPDATE routes
SET {following(RouteEvent.COMMAND_LOST)}, attempt_count = 0, published_at = NULL, stream_entry_id = NULL,
    stream = NULL, witness_until = NULL, {UNANSWERED},
    next_attempt_at = {NOW},
    updated_at = {NOW}
FROM unnest(%(ids)s::bigint[], %(entries)s::text[], %(instants)s::timestamptz[]) AS lost (id, entry_id, at)
WHERE routes.id = lost.id AND {allowing(RouteEvent.COMMAND_LOST)}
  AND stream_entry_id IS NOT DISTINCT FROM lost.entry_id AND published_at = lost.at AND {_WITNESSED}
  AND (answer IS NULL OR NOT %(unanswered)s)
RETURNING routes.id
"""


def take_audit(
    database: Database,
    channel: str,
    *,
    identity: str,
    interval: timedelta,
    window: timedelta,
    dedup_window: timedelta,
    lease_ttl: timedelta,
) -> AuditLease | None:
    """Leases the audit of a channel. None: no audit is due, or another process holds the lease (R12a).

    identity: of the Redis that is connected now.
    interval: how long after the last audit's end the next one is due, while Redis stays the same.
    window: how far before the last audit a loss may go back.
    Raises DatabaseUnavailable.
    """
    token = str(uuid.uuid4())
    parameters = {"channel": channel, "token": token, "identity": identity, "interval": interval, "ttl": lease_ttl}
    for start, began, changed in database.rows(_TAKE, parameters | {"window": window, "reach": dedup_window}):
        return AuditLease(channel, token, Place(start, 0), began, bool(changed))
    return None


def renew_audit(database: Database, lease: AuditLease, lease_ttl: timedelta) -> bool:
    """Renews the lease for another `lease_ttl`. False if it expired and another process holds it."""
    return bool(database.rows(_RENEW, {"channel": lease.channel, "token": lease.token, "ttl": lease_ttl}))


def complete_audit(database: Database, lease: AuditLease, identity: str) -> bool:
    """Records that every route published before the walk began was audited, and gives the lease up.

    False, and nothing is recorded, if the lease expired and another process holds it.
    """
    parameters = {"channel": lease.channel, "token": lease.token, "began": lease.began, "identity": identity}
    return bool(database.rows(_COMPLETE, parameters))


def give_up_audit(database: Database, lease: AuditLease) -> None:
    """Gives up the lease of an audit that was not completed. The next audit begins where this one began."""
    database.rows(_GIVE_UP, {"channel": lease.channel, "token": lease.token})


def published_after(
    database: Database,
    channel: str,
    after: Place[int],
    *,
    window: timedelta,
    limit: int,
    unanswered_until: datetime | None = None,
) -> list[PublishedRoute]:
    """Returns up to `limit` published routes of the channel behind this place, those published first.

    window: how long a witness lives at least if no witness_until was recorded.
    unanswered_until: returns only routes without an answer that were published before; None: all.
    """
    parameters = {"channel": channel, "window": window, "limit": limit} | place_parameters(after, 0)
    if unanswered_until is None:
        rows = database.rows(_PUBLISHED_AFTER, parameters)
    else:
        rows = database.rows(_UNANSWERED_AFTER, parameters | {"until": unanswered_until})
    return [PublishedRoute._make(row) for row in rows]


def return_lost(
    database: Database, routes: Collection[PublishedRoute], *, window: timedelta, unanswered: bool = False
) -> set[int]:
    """Makes these routes pending again (R12a). Returns the keys of the routes it changed.

    A route that changed meanwhile stays as it is, and so does one whose witness may have expired by itself.
    window: as for `published_after`.
    unanswered: leaves those that have an answer by now.
    """
    if not routes:
        return set()
    parameters = {
        "ids": [route.id for route in routes],
        "entries": [route.stream_entry_id for route in routes],
        "instants": [route.published_at for route in routes],
        "window": window,
        "unanswered": unanswered,
    }
    return {row[0] for row in database.rows(_LOST, parameters)}
