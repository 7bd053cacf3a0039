"""Republishes for an operator: makes published routes pending, under the same delivery ids (R3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import EventKind, Fault
from publisher.domain.notification import RouteEvent
from storage.actions import counted_in_action
from storage.answers.answered import AnswerFilter
from storage.answers.delivery_events import UNANSWERED
from storage.cancelling.cancel_mark import UNMARK
from storage.clock import NOW
from storage.database import Database
from storage.outcomes.transitions import allowing, following
from storage.places import Place, behind, place_parameters


@dataclass(frozen=True, slots=True)
class PublishedFilter:
    """Selects the published routes that match every field that is given.

    since, until: bounds of published_at. answer, fault: see `AnswerFilter`, which says what raises BadRequest.
    """

    channel: str | None = None
    notification_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    notification_id: str | None = None
    route_id: str | None = None
    answer: AnswerIs | None = None
    fault: Fault | None = None

    @property
    def answered(self) -> AnswerFilter:
        """The part that is about answers."""
        return AnswerFilter(self.answer, self.fault)


@dataclass(frozen=True, slots=True)
class PublishedRoute:
    """A published route in a list. answer, answered_at: both None if nobody has answered."""

    notification_id: str
    route_id: str
    notification_type: str
    published_at: datetime
    answer: EventKind | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Republished:
    """The result of one statement.

    count: how many routes were made pending.
    last: the place behind which the next statement begins; None at the end.
    """

    count: int
    last: Place[int] | None


# Absent values are constants when the statement is planned, so that a condition without one costs nothing, and one
# with a notification is served by routes_identity, one with an answer other than success by routes_answered_ill. The
# rest is a walk along routes_published.
#
# A route past its deadline is left alone: made pending it would expire, and no longer say that it was published.
_IN_WINDOW = f"""routes.channel = %(channel)s AND {allowing(RouteEvent.OPERATOR_REPUBLISHED)}
      AND routes.published_at >= %(since)s::timestamptz AND routes.published_at < %(until)s::timestamptz"""
_MATCHING = f"""
    {_IN_WINDOW}
      AND (%(notification_id)s::uuid IS NULL OR routes.notification_key
           = (SELECT id FROM notifications WHERE notification_id = %(notification_id)s::uuid))
      AND (%(route_id)s::text IS NULL OR routes.route_id = %(route_id)s::text)
      AND (routes.expires_at IS NULL OR routes.expires_at > statement_timestamp())
"""

# What an action takes ends before it begins, on the database's clock: a route that it made published again is later.
_END = f"/* window_end */ SELECT least(%s::timestamptz, {NOW})"


# Reads every route of the window: for a question to a person, once.
def _count(where: str) -> str:
    """Returns the statement. where: which routes match."""
    return f"/* count_published */ SELECT count(*) FROM routes WHERE {where}"


def _count_of_type(where: str) -> str:
    """Returns the statement. where: which routes match, whatever their type."""
    return f"""/* count_published_of_type */
SELECT count(*) FROM routes JOIN notifications AS n ON n.id = routes.notification_key
WHERE {where} AND n.notification_type = %(type)s
"""


# The type of a route that an earlier release inserted is blank: its notification tells.
_TYPE = """coalesce(nullif(routes.notification_type, ''),
                (SELECT n.notification_type FROM notifications AS n WHERE n.id = routes.notification_key))"""


# routes    those published last, by the index that serves `served`. Whatever else is asked for, of a type or an answer
#           that nothing has, no more than `looked_through` are read for it.
# chosen    those of them that match.
def _newest(where: str, served: str, *, is_ill: bool) -> str:
    """Returns the statement. where: which routes match, whatever their type. served: the part with an index.

    is_ill: whether routes_answered_ill or routes_complained is that index. The planner knows neither when they were
    answered nor what was at fault: in the order of an index it might walk past all others that are published.
    """
    at = "routes.published_at + interval '0'" if is_ill else "routes.published_at"
    return f"""/* newest_published */
WITH chosen AS MATERIALIZED (
    SELECT notification_key, route_id, published_at, answer, answered_at
    FROM (SELECT * FROM routes WHERE {served} ORDER BY {at} DESC LIMIT %(looked_through)s) AS routes
    WHERE {where} AND (%(type)s::text IS NULL OR {_TYPE} = %(type)s::text)
    ORDER BY {at} DESC LIMIT %(limit)s
)
SELECT n.notification_id::text, route_id, n.notification_type, published_at, answer, answered_at
FROM chosen JOIN notifications AS n ON n.id = chosen.notification_key
ORDER BY published_at DESC
"""


# page      the next of the window, by keyset: each page costs the same, however long the window.
# chosen    those of the type, at most `limit`; a page that holds few of them is walked over quickly.
# locked    SKIP LOCKED: whoever holds a route at this moment is moving it on itself.
# taken     the transition, guarded again under the lock. A cancellation that came too late is over: this is to be sent,
#           and answered anew.
# bounds    where the next page begins: behind the last chosen if there may be more in this one, else behind the page.
def _republish(where: str) -> str:
    """Returns the statement. where: which routes match, whatever their type."""
    return f"""/* republish */
WITH page AS MATERIALIZED (
    SELECT routes.id, routes.published_at, routes.notification_key FROM routes
    WHERE {where} AND {behind("routes.published_at", "routes.id")}
    ORDER BY routes.published_at, routes.id
    LIMIT %(page)s
), chosen AS MATERIALIZED (
    SELECT page.id, page.published_at
    FROM page LEFT JOIN notifications AS n ON n.id = page.notification_key AND %(type)s::text IS NOT NULL
    WHERE %(type)s::text IS NULL OR n.notification_type = %(type)s::text
    ORDER BY page.published_at, page.id
    LIMIT %(limit)s
), locked AS MATERIALIZED (
    SELECT id FROM routes WHERE id = ANY(ARRAY(SELECT id FROM chosen)) AND {where} FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE routes
    SET {following(RouteEvent.OPERATOR_REPUBLISHED)}, replay = replay + 1, attempt_count = 0, lease_loss_count = 0,
        published_at = NULL, stream_entry_id = NULL, stream = NULL, witness_until = NULL, {UNMARK}, {UNANSWERED},
        next_attempt_at = {NOW},
        updated_at = {NOW}
    WHERE id = ANY(ARRAY(SELECT id FROM locked))
    RETURNING id
), {counted_in_action("taken")}, bounds AS (
    SELECT (SELECT count(*) FROM page) = %(page)s AS page_full,
           (SELECT count(*) FROM chosen) = %(limit)s AS chosen_full
)
SELECT (SELECT count(*) FROM taken), last.published_at, last.id
FROM bounds LEFT JOIN LATERAL (
    (SELECT published_at, id FROM chosen WHERE chosen_full ORDER BY published_at DESC, id DESC LIMIT 1)
    UNION ALL
    (SELECT published_at, id FROM page WHERE page_full AND NOT chosen_full
     ORDER BY published_at DESC, id DESC LIMIT 1)
) AS last ON true
"""


# How many routes are looked at for those of one type, in one statement.
_PAGE_FOR_A_TYPE = 2_000
# How many routes are looked through for a list of the newest.
LOOKED_THROUGH = 10_000


def window_end(database: Database, until: datetime | None) -> datetime:
    """Returns the end of a window: now, by the database's clock, or the given end if that is earlier."""
    end: datetime = database.rows(_END, [until])[0][0]
    return end


def count_published(database: Database, channels: Sequence[str], matching: PublishedFilter) -> int:
    """Returns how many published routes of these channels match. matching.until must be given."""
    sql = (_count if matching.notification_type is None else _count_of_type)(_matching(matching))
    return sum(int(database.rows(sql, _parameters(channel, matching))[0][0]) for channel in channels)


def newest_published(
    database: Database, channel: str, matching: PublishedFilter, *, limit: int, looked_through: int = LOOKED_THROUGH
) -> Sequence[PublishedRoute]:
    """Returns up to `limit` of the routes of the channel that `count_published` counts, those published last first.

    looked_through: only so many routes are looked through, of the window, or of those in it that nobody answered, or
        that were answered ill. Older ones are not returned, even if they match.
    """
    answered = matching.answered
    has_index = answered.is_ill or matching.answer is AnswerIs.NONE
    served = " AND ".join([_IN_WINDOW, *(answered.conditions("routes") if has_index else ())])
    sql = _newest(_matching(matching), served, is_ill=answered.is_ill)
    rows = database.rows(sql, _parameters(channel, matching) | {"limit": limit, "looked_through": looked_through})
    return [
        PublishedRoute(id_, route_id, type_, at, answer and EventKind(answer), answered_at)
        for id_, route_id, type_, at, answer, answered_at in rows
    ]


def republish(
    database: Database,
    channel: str,
    matching: PublishedFilter,
    *,
    after: Place[int] | None,
    limit: int,
    action_id: int | None = None,
) -> Republished:
    """Makes up to `limit` published routes of the channel pending and due, as a new replay with all attempts (R3).

    The routes keep their delivery ids. matching.until must be given, and lie before this work began (`window_end`), so
    that no route is taken twice.
    after: the place where the statement before ended.
    action_id: the operator's action in which the same statement counts the routes.
    """
    parameters = _parameters(channel, matching) | {
        "limit": limit,
        "page": limit if matching.notification_type is None else max(limit, _PAGE_FOR_A_TYPE),
        "action": action_id,
    }
    parameters |= place_parameters(after, 0)
    count, published_at, id_ = database.rows(_republish(_matching(matching)), parameters)[0]
    return Republished(count, None if id_ is None else Place(published_at, id_))


def _matching(matching: PublishedFilter) -> str:
    return " AND ".join([_MATCHING, *matching.answered.conditions("routes")])


def _parameters(channel: str, matching: PublishedFilter) -> dict[str, object]:
    return {
        "channel": channel,
        "type": matching.notification_type,
        "since": "-infinity" if matching.since is None else matching.since,
        "until": matching.until,
        "notification_id": matching.notification_id,
        "route_id": matching.route_id,
    }
