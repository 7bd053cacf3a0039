"""The statement that claims routes, made of named parts: conditions on a route, isolation, and the lease (R4, R5, R5a).

One statement, so that a route is leased or not, never in between (R5). It has these CTEs:

control  says once a statement whether this claim must leave the channel alone (`storage.claiming.control`).
due      locks up to `limit` routes that meet every condition. SKIP LOCKED passes over the routes that another claim is
         taking at this moment. A CTE, since a subquery with LIMIT and a lock may run more than once (PostgreSQL manual,
         SELECT, "The Locking Clause").
chosen   keeps those that ISOLATION lets through.
claimed  writes the lease. `= ANY(ARRAY(…))` gives the planner keys to look up, whatever it expects of the table.

Conditions compare with statement_timestamp(): the database's clock (R5), stable within a statement, so that an index
serves them.
"""

from collections.abc import Sequence

from storage.claiming.handover import IS_CLAIMED
from storage.clock import NOW
from storage.limits import SET_LIMIT
from storage.models.routes import OPEN

# Nobody holds the route, or the lease of its holder has expired.
FREE = "(lease_expires_at IS NULL OR lease_expires_at <= statement_timestamp())"

# The route's next attempt is due.
DUE = "next_attempt_at <= statement_timestamp()"

# The route is to be sent: it is not to be cancelled, and has no deadline or one that is still to come. A route that is
# ENDING is claimed to be ended without an attempt, the one first whose deadline, or cancellation, came first (R28).
TO_BE_SENT = "cancel_requested_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())"
ENDS_AT = "least(expires_at, cancel_requested_at)"
ENDING = f"{ENDS_AT} <= statement_timestamp()"
# By index routes_ending: its condition, word for word.
MAY_END = "(expires_at IS NOT NULL OR cancel_requested_at IS NOT NULL)"

# The channel is neither paused nor parked. `through`: the claim is a probe, which passes a parked channel's gate.
# PostgreSQL reads the one row once a statement.
OPEN_GATE = """NOT EXISTS (SELECT FROM channel_gates WHERE channel = %(channel)s
                      AND (paused_at IS NOT NULL OR parked_at IS NOT NULL AND NOT %(through)s))"""

# The lease of a handover: the caller holds the message that names it, and claims the route under a token of its own.
HANDED_OVER = "lease_token = %(handover)s"

# A lease that expired without an outcome: this claim will count it (R5a). A handover counts nothing.
LOST_NOW = f"({IS_CLAIMED})::int"

# Limits what a route that crashes its workers can take with it (R5a): a claim takes only the routes with the highest
# loss count that it sees, and at most limit / 8^losses of them. After three losses such a route is claimed alone. The
# other routes of its first batch are published long before its fifth loss. Reads due (id, place, losses).
ISOLATION = """ranked AS (
    SELECT id, losses, max(losses) OVER () AS worst,
           row_number() OVER (PARTITION BY losses ORDER BY place, id) AS rank
    FROM due
), chosen AS (
    SELECT id FROM ranked
    WHERE losses = worst AND rank <= greatest(1, %(limit)s / power(8, worst))
)"""

# stream: where this attempt's command goes. A stream that is there already stays, because it may hold the command of an
# earlier attempt until a worker has looked for it there (see `move_to_stream`).
LEASE = f"""lease_token = %(token)s,
        lease_expires_at = {NOW} + %(ttl)s,
        lease_loss_count = lease_loss_count + {LOST_NOW},
        stream = coalesce(stream, %(stream)s),
        updated_at = {NOW}"""


COLUMNS = """id, notification_key, route_id, channel, status, attempt_count, max_attempts, recipient_ref,
           resolved_email, resolved_locale, lease_loss_count, replay, expires_at, next_attempt_at, stream, requeues,
           cancel_requested_at"""
# A route as the caller gets it, with its notification: the columns that `storage.claiming.claims` reads.
ROUTE = """r.id, coalesce(n.notification_id::text, ''), r.route_id, r.channel, r.status, r.attempt_count,
       r.max_attempts, r.recipient_ref, r.resolved_email, r.resolved_locale, r.lease_loss_count, r.replay,
       r.expires_at - statement_timestamp(),
       n.notification_type, n.producer, n.audience_kind, n.idempotency_key, n.payload::text,
       n.request_id, n.trace_id, n.occurred_at, n.accepted_at, r.stream, r.requeues,
       r.cancel_requested_at IS NOT NULL, r.next_attempt_at"""
REFUSING = """EXISTS (SELECT FROM channel_gates WHERE channel = %(channel)s AND refused_batches > 0) AS refusing"""


# In the place of `refusing`, which a claim of routes that end does not ask: whether there is a cancellation that is not
# answered. By the index cancellations_unanswered, which is empty nearly always.
UNANSWERED = "EXISTS (SELECT FROM cancellations WHERE answered_at IS NULL AND NOT awaits_intent)"


def claim_statement(
    name: str,
    conditions: Sequence[str],
    *,
    order: str,
    free: str = FREE,
    controlled: str = "false",
    flag: str = REFUSING,
) -> str:
    """Returns the statement that claims open, free routes of one channel that meet these conditions.

    order: the column by which the first `limit` are taken.
    controlled: the condition on which it claims nothing (see `storage.claiming.control`).
    free: the condition that nobody else holds the route.
    flag: what each row tells beside its route.
    A row has the columns that `storage.claiming.claims` reads. If nothing is claimed, one row, whose id is NULL, tells
    of the channel's gate alone.
    """
    return f"""/* {name} */
WITH control AS MATERIALIZED (
    SELECT {controlled} AS controlled
), due AS MATERIALIZED (
    SELECT id, {order} AS place, lease_loss_count + {LOST_NOW} AS losses
    FROM routes
    WHERE channel = %(channel)s AND NOT (SELECT controlled FROM control) AND {" AND ".join(conditions)}
      AND {OPEN}
      AND {free}
    ORDER BY {order}, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), {ISOLATION}, claimed AS (
    UPDATE routes
    SET {LEASE}
    WHERE id = ANY(ARRAY(SELECT id FROM chosen))
    RETURNING {COLUMNS}
)
SELECT {ROUTE}, (SELECT count(*) FROM due) AS seen, %(ttl)s::interval AS lasts, {flag},
       {SET_LIMIT}, (SELECT controlled FROM control)
FROM (SELECT) AS always LEFT JOIN claimed AS r ON true LEFT JOIN notifications AS n ON n.id = r.notification_key
ORDER BY r.next_attempt_at, r.id
"""


# Reads what was handed over, and writes nothing: the routes are leased already, for the holder of the token. The
# conditions are those of a claim: the channel may have been paused meanwhile, or a deadline have passed. A lease with
# less than `at_least` left is too short for an attempt. One with more than `at_most`, given by an intake with other
# settings, would tell of a longer life of the witness than it has (see `storage.outcomes.outcomes`).
#
# Nothing is taken of a channel with a rate limit, or while there is any hold: then the routes are claimed, by a
# statement that knows of limits and holds (R29, R30).
#
# Planning takes longer than running. So the routes are read by their keys alone, which leaves the planner no other
# index to weigh, and gate and limit are joins and no subqueries.
TAKE_HANDED_OVER = f"""/* take_handed_over */
WITH named AS MATERIALIZED (
    SELECT {COLUMNS}, lease_token, lease_expires_at FROM routes WHERE id = ANY(%(ids)s::bigint[])
), handed_over AS (
    SELECT * FROM named
    WHERE channel = %(channel)s AND {OPEN} AND {HANDED_OVER}
      AND lease_expires_at BETWEEN statement_timestamp() + %(at_least)s AND statement_timestamp() + %(at_most)s
      AND {TO_BE_SENT}
)
SELECT {ROUTE}, 0 AS seen, r.lease_expires_at - statement_timestamp() AS lasts,
       coalesce(refused_batches > 0, false) AS refusing,
       CASE WHEN set_at IS NOT NULL THEN ARRAY[per_second, burst] END AS set_limit, false AS controlled
FROM (SELECT) AS always
LEFT JOIN channel_gates AS gate ON gate.channel = %(channel)s
LEFT JOIN channel_limits AS set_limit ON set_limit.channel = %(channel)s
LEFT JOIN handed_over AS r ON paused_at IS NULL AND (parked_at IS NULL OR %(through)s)
     AND CASE WHEN set_at IS NULL THEN NOT %(limited)s ELSE per_second IS NULL END
     AND NOT (SELECT EXISTS (SELECT FROM holds))
LEFT JOIN notifications AS n ON n.id = r.notification_key
ORDER BY r.id
"""
