"""Accepts intents that their producer cancelled before they came: their routes are cancelled on arrival (R28).

Few intents come to this, so that the statement for all the others pays nothing for them but one look-up.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from publisher.domain.intent import Intent
from publisher.domain.notification import RouteStatus
from publisher.domain.planning import PlannedRoute
from storage.accepting.accept_statement import PLANNED, PRUNED, inserting, parameters_of_intents, parameters_of_routes
from storage.clock import NOW
from storage.database import Database, fetch
from storage.group_keys import GROUP_KEY

# No route is due, leased or told of; a skipped one stays skipped. The answers are given in the same transaction. A
# cancellation that was pruned at this moment has no answer, and its intent is cancelled all the same.
_ACCEPT_CANCELLED = f"""{inserting(("accept_cancelled", "insert_cancelled_routes"), PRUNED)}, inserted AS (
    INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                        resolved_locale, expires_at, producer, notification_type, lane, group_key, created_at,
                        updated_at, cancel_requested_at, cancelled_by)
    SELECT keys[place], route_id, channel, CASE WHEN skipped THEN 'skipped' ELSE 'cancelled' END, max_attempts,
           recipient_ref, email, locale, expires_at, producer, notification_type, coalesce(lane, 'normal'),
           {GROUP_KEY}, {NOW}, {NOW},
           CASE WHEN skipped IS NULL THEN {NOW} END, CASE WHEN skipped IS NULL THEN 'producer ' || producer END
    FROM accepted CROSS JOIN {PLANNED}
    WHERE keys[place] > 0
    RETURNING notification_key, status
), answered AS (
    UPDATE cancellations AS c
    SET awaits_intent = false, answered_at = {NOW}, cancelled = sums.cancelled, otherwise = sums.otherwise
    FROM (
        SELECT given.id, count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE status <> 'cancelled') AS otherwise
        FROM unnest(%(ids)s::uuid[], (SELECT keys FROM accepted)::bigint[]) AS given (id, key)
        JOIN inserted ON notification_key = given.key
        GROUP BY given.id
    ) AS sums
    WHERE c.notification_id = sums.id AND c.awaits_intent
)
SELECT keys FROM accepted
"""

Cancelled = Mapping[tuple[str, str], int]


def accept_cancelled(
    database: Database, incoming: Sequence[tuple[str, Intent, Sequence[PlannedRoute]]]
) -> tuple[set[str], Cancelled]:
    """Accepts those of these intents that are new, all or none, and answers their cancellations.

    incoming: each with the id of its entry and its routes. Every notification id once.
    Returns the ids of the notifications that are new, and how many routes are cancelled, by channel and type.
    May be repeated after any error. Raises DatabaseUnavailable or DatabaseRefused.
    """
    ordered = sorted(incoming, key=lambda each: each[1].notification_id)
    planned = [(place, intent, route) for place, (_, intent, routes) in enumerate(ordered, 1) for route in routes]
    parameters: dict[str, object] = {
        **parameters_of_intents([(entry_id, intent) for entry_id, intent, _ in ordered]),
        **parameters_of_routes(planned),
    }
    with database.unit() as connection:
        [(keys,)] = fetch(connection, _ACCEPT_CANCELLED, parameters)
    new = [each for each, key in zip(ordered, keys, strict=True) if key]
    routes = Counter(
        (route.channel, intent.notification_type)
        for _, intent, planned_routes in new
        for route in planned_routes
        if route.status is RouteStatus.PENDING
    )
    return {intent.notification_id for _, intent, _ in new}, routes
