"""The two statements that accept a batch of intents, in one message and one transaction (R18, R21).

Each has a snapshot of its own, and the second sees what the first has done. PostgreSQL answers with the rows of the
last one alone.
"""

from collections.abc import Mapping, Sequence

from publisher.domain.intent import Intent
from publisher.domain.lanes import Lane
from publisher.domain.notification import RouteStatus
from publisher.domain.planning import PlannedRoute
from storage.accepting.fingerprints import STORED_FINGERPRINT
from storage.array_literals import array_literal
from storage.claiming.handover import Handover
from storage.clock import NOW
from storage.group_keys import GROUP_KEY

# Between two payloads: no JSON text holds a control character. In an array each of their many quotes would be escaped.
_SEPARATOR = "\x1e"

# INSERT      The id is derived from producer and idempotency key, so its conflict is the repetition of both (R1, R18).
#             Rows come sorted by id: two intakes that insert the same ids in different orders would deadlock.
# new_keys    A setting of this transaction: the key of each notification in the order of the ids, NULL where it is not
#             new. The result of this statement goes to nobody, and the next one must know: nothing but RETURNING tells
#             new rows for sure, whatever triggers there are.
# taken_back  What was pruned is still known by its key (R18). What was cancelled before it came has a statement of its
#             own (R28, `accept_cancelled`). This is no condition of the insertion, which may have waited for a pruning
#             or a cancellation at this moment: its snapshot is older than what that left behind. Now each is seen that
#             the insertion came after. What is taken back has no routes yet.
# accepted    One row, the keys with 0 in the place of those. An array and no join, so that the routes keep their order,
#             and the plan depends on no estimate.
# inserted    Routes are due at once, by the database's clock (R5), or not before the time that its producer named: such
#             a route is found by a scan, and no message names it. A skipped route is never due (R3).
# lease       One row: channel -> stream, of the channels whose routes are handed over. Those of a channel whose gate is
#             closed, or which has a rate limit, are not: they would only wait under a lease. Nor are routes of the bulk
#             lane, which are claimed where there is room.
# The rows: the keys of `accepted`, under no channel; then the keys of the new routes that are due, by channel and lane.
_INSERT_NOTIFICATIONS = f"""WITH named AS MATERIALIZED (
    SELECT %(ids)s::uuid[] AS ids
), inserted AS (
    INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key, payload,
                               request_id, trace_id, occurred_at, expires_at, not_before, intent_entry_id,
                               request_fingerprint, accepted_at)
    SELECT notification_id, type, producer, audience, key, payload, request_id, trace_id, occurred_at, expires_at,
           not_before, entry_id, {STORED_FINGERPRINT}, {NOW}
    FROM unnest((SELECT ids FROM named)::uuid[], %(types)s::text[], %(producers)s::text[], %(audiences)s::text[],
                %(keys)s::text[], string_to_array(%(payloads)s, chr({ord(_SEPARATOR)}))::json[], %(requests)s::text[],
                %(traces)s::text[], %(occurred)s::timestamptz[], %(expiring)s::timestamptz[],
                %(not_before)s::timestamptz[], %(entries)s::text[], %(fingerprints)s::text[])
             AS incoming (notification_id, type, producer, audience, key, payload, request_id, trace_id, occurred_at,
                          expires_at, not_before, entry_id, fingerprint)
    ON CONFLICT (notification_id) DO NOTHING
    RETURNING notification_id, id
)
SELECT set_config('publisher.new_keys', ARRAY(
    SELECT id FROM unnest((SELECT ids FROM named)::uuid[]) WITH ORDINALITY AS given (notification_id, place)
    LEFT JOIN inserted USING (notification_id)
    ORDER BY place
)::text, true);
"""


def inserting(names: tuple[str, str], unwanted: str) -> str:
    """Returns the first statement, and the second one up to the CTE `accepted`.

    names: of the two.
    unwanted: a query for the ids of notifications that are taken back, whatever inserted them.
    """
    return f"""/* {names[0]} */
{_INSERT_NOTIFICATIONS}
/* {names[1]} */
WITH new AS MATERIALIZED (
    SELECT current_setting('publisher.new_keys')::bigint[] AS keys, %(ids)s::uuid[] AS ids
), taken_back AS (
    DELETE FROM notifications
    WHERE notification_id = ANY(ARRAY({unwanted})) AND id = ANY((SELECT keys FROM new)::bigint[])
    RETURNING id
), accepted AS MATERIALIZED (
    SELECT CASE WHEN EXISTS (SELECT FROM taken_back)
                THEN ARRAY(SELECT CASE WHEN key NOT IN (SELECT id FROM taken_back) THEN key ELSE 0 END
                           FROM unnest(keys) WITH ORDINALITY AS each (key, place) ORDER BY place)
                ELSE keys END AS keys
    FROM new
)"""


_GIVEN = "notification_id = ANY((SELECT ids FROM new)::uuid[])"
PRUNED = f"SELECT notification_id FROM pruned_notifications WHERE {_GIVEN}"
_CANCELLED = f"SELECT notification_id FROM cancellations WHERE awaits_intent AND {_GIVEN}"
# The routes to insert. skipped, lane: NULL is no and normal. Of nearly all routes they are, and an array of nothing but
# NULL costs nothing.
PLANNED = """unnest(%(places)s::int[], %(route_ids)s::text[], %(channels)s::text[], %(skipped)s::bool[],
                      %(attempts)s::int[], %(recipients)s::text[], %(emails)s::text[], %(locales)s::text[],
                      %(deadlines)s::timestamptz[], %(route_producers)s::text[], %(route_types)s::text[],
                      %(lanes)s::text[], %(not_before_of_routes)s::timestamptz[])
               AS planned (place, route_id, channel, skipped, max_attempts, recipient_ref, email, locale, expires_at,
                           producer, notification_type, lane, not_before)"""
STATUS = f"CASE WHEN skipped THEN '{RouteStatus.SKIPPED}' ELSE '{RouteStatus.PENDING}' END"
ACCEPT = f"""{inserting(("accept_intents", "insert_routes"), f"{PRUNED} UNION ALL {_CANCELLED}")}, inserted AS (
    INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                        resolved_locale, expires_at, producer, notification_type, lane, group_key, next_attempt_at,
                        created_at, updated_at, lease_token, lease_expires_at, stream)
    SELECT keys[place], route_id, channel, {STATUS}, max_attempts, recipient_ref, email, locale, expires_at, producer,
           notification_type, coalesce(lane, 'normal'), {GROUP_KEY},
           CASE WHEN skipped IS NULL THEN greatest(now.at, not_before) END, now.at, now.at,
           CASE WHEN stream IS NOT NULL THEN token END, CASE WHEN stream IS NOT NULL THEN now.at + lasts END, stream
    FROM accepted
    CROSS JOIN {PLANNED}
    CROSS JOIN (SELECT {NOW} AS at) AS now
    CROSS JOIN (
        SELECT %(token)s AS token, %(lasts)s::interval AS lasts, jsonb_object_agg(channel, stream) AS streams
        FROM unnest(%(handed)s::text[], %(streams)s::text[]) AS given (channel, stream)
        WHERE NOT EXISTS (SELECT FROM channel_gates AS gate WHERE gate.channel = given.channel
                          AND (paused_at IS NOT NULL OR parked_at IS NOT NULL))
          AND NOT EXISTS (SELECT FROM channel_limits AS set_limit WHERE set_limit.channel = given.channel
                          AND per_second IS NOT NULL)
    ) AS lease
    CROSS JOIN LATERAL (
        SELECT CASE WHEN skipped IS NULL AND lane IS DISTINCT FROM 'bulk' AND (not_before > now.at) IS NOT TRUE
                    THEN streams ->> channel END AS stream
    ) AS handed
    WHERE keys[place] > 0
    RETURNING id, channel, lane, next_attempt_at <= created_at AS is_due
)
SELECT NULL AS channel, NULL AS lane, keys FROM accepted
UNION ALL
SELECT channel, lane, array_agg(id) FROM inserted WHERE is_due GROUP BY channel, lane
"""


def parameters_of_intents(incoming: Sequence[tuple[str, Intent]]) -> Mapping[str, str]:
    """Returns the parameters of ACCEPT that name these intents, each after the id of its entry."""
    intents = [intent for _, intent in incoming]
    return {
        "ids": array_literal([i.notification_id for i in intents]),
        "types": array_literal([i.notification_type for i in intents]),
        "producers": array_literal([i.producer for i in intents]),
        "audiences": array_literal([i.audience_kind for i in intents]),
        "keys": array_literal([i.idempotency_key for i in intents]),
        "payloads": _SEPARATOR.join([i.payload for i in intents]),
        "requests": array_literal([i.request_id for i in intents]),
        "traces": array_literal([i.trace_id for i in intents]),
        "occurred": array_literal([i.occurred_at for i in intents]),
        "expiring": array_literal([i.expires_at for i in intents]),
        "not_before": array_literal([i.not_before for i in intents]),
        "entries": array_literal([entry_id for entry_id, _ in incoming]),
        "fingerprints": array_literal([i.fingerprint for i in intents]),
    }


def parameters_of_routes(planned: Sequence[tuple[int, Intent, PlannedRoute]]) -> Mapping[str, str]:
    """Returns the parameters of ACCEPT that name these routes, each after the place of its intent, from 1 on."""
    routes = [route for _, _, route in planned]
    return {
        "places": array_literal([place for place, _, _ in planned]),
        "route_ids": array_literal([r.route_id for r in routes]),
        "channels": array_literal([r.channel for r in routes]),
        "skipped": array_literal([True if r.status is RouteStatus.SKIPPED else None for r in routes]),
        "attempts": array_literal([r.max_attempts for r in routes]),
        "recipients": array_literal([r.recipient_ref for r in routes]),
        "emails": array_literal([r.resolved_email for r in routes]),
        "locales": array_literal([r.resolved_locale for r in routes]),
        "deadlines": array_literal([intent.expires_at for _, intent, _ in planned]),
        "route_producers": array_literal([intent.producer for _, intent, _ in planned]),
        "route_types": array_literal([intent.notification_type for _, intent, _ in planned]),
        "lanes": array_literal([None if intent.lane is Lane.NORMAL else intent.lane for _, intent, _ in planned]),
        "not_before_of_routes": array_literal([intent.not_before for _, intent, _ in planned]),
    }


def parameters_of_handover(handover: Handover | None) -> Mapping[str, object]:
    """Returns the parameters of ACCEPT that name the lease of its routes. None: they have none."""
    streams = handover.streams if handover else {}
    return {
        "token": handover.token if handover else None,
        "lasts": handover.lasts if handover else None,
        "handed": array_literal(streams),
        "streams": array_literal(streams.values()),
    }
