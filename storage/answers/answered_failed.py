"""Counts the routes of each channel whose command was answered `failed` within the last hour, by a fault to mend (R32).

A fault of the recipient is not among them: nobody here can mend an address. What an operator settled as failed is not
either: somebody has dealt with it. A route that is published again has no answer, and is counted no more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.delivery_event import OPERATOR, EventKind, Fault
from storage.answers.answered import THE_ANSWER_FIRST
from storage.array_literals import array_literal
from storage.database import Database

WINDOW = timedelta(hours=1)
# So many failed routes of a channel are looked at: some 50 ms, while all of them have just failed.
BOUND = 10_000
# So many where it is done every second: some 5 ms.
QUICK_BOUND = 1_000

# Backward along index routes_answered_ill, which has no other routes: the newest that are `failed`, whenever that was.
# By the bounds of a range, since by an equality the planner may follow the primary key through all routes. The event is
# looked up by index delivery_events_of_route, of those within the hour alone.
_COUNT = f"""/* count_answered_failed */
SELECT names.channel, few.count, few.looked_at >= %(bound)s, few.newest_age, e.fault, e.code, e.diagnostic
FROM unnest(%(channels)s::text[]) AS names (channel)
CROSS JOIN LATERAL (
    SELECT count(*) AS looked_at, count(event.id) AS count,
           statement_timestamp() - max(failed.answered_at) FILTER (WHERE event.id IS NOT NULL) AS newest_age,
           (array_agg(event.id ORDER BY failed.answered_at DESC) FILTER (WHERE event.id IS NOT NULL))[1] AS newest
    FROM (
        SELECT id, answered_at FROM routes
        WHERE answer = '{EventKind.FAILED}' AND channel >= names.channel AND channel <= names.channel
        ORDER BY channel DESC, id DESC LIMIT %(bound)s
    ) AS failed
    LEFT JOIN LATERAL (
        SELECT e.id, e.fault, e.source FROM delivery_events AS e
        WHERE e.route_key = failed.id AND e.event = '{EventKind.FAILED}'
          AND failed.answered_at > statement_timestamp() - %(window)s
        ORDER BY {THE_ANSWER_FIRST} LIMIT 1
    ) AS event ON event.fault IS DISTINCT FROM '{Fault.RECIPIENT}' AND event.source <> '{OPERATOR}'
) AS few
JOIN delivery_events AS e ON e.id = few.newest
"""


@dataclass(frozen=True, slots=True)
class AnsweredFailed:
    """The routes of a channel that were answered `failed` within the last hour by a fault to mend.

    count: how many of the newest failed routes that are looked at; at least one. is_bound: whether there may be more.
    newest_age: how long ago the last of them was answered.
    fault, code, diagnostic: what was answered about that one, as in `DeliveryEvent`.
    """

    count: int
    is_bound: bool
    newest_age: timedelta
    fault: Fault | None = None
    code: str | None = None
    diagnostic: str | None = None


def count_answered_failed(
    database: Database, channels: Collection[str], *, bound: int = BOUND
) -> Mapping[str, AnsweredFailed]:
    """Counts such routes of each of these channels; one that has none is missing.

    bound: of each channel the newest so many failed routes are looked at. Raises DatabaseUnavailable.
    """
    rows = database.rows(_COUNT, {"channels": array_literal(channels), "window": WINDOW, "bound": bound})
    return {
        channel: AnsweredFailed(count, is_bound, age, None if fault is None else Fault(fault), *more)
        for channel, count, is_bound, age, fault, *more in rows
    }
