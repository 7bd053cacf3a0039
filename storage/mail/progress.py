"""Reads how far our own mail service has come with deliveries. Changes nothing (R33)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from publisher.domain.delivery_event import EventKind
from publisher.domain.mail_outcome import MailState
from storage.database import Database


@dataclass(frozen=True, slots=True)
class MailProgress:
    """How far the mail service has come with one delivery.

    tries: attempts that ended without being sent or given up.
    unsure: how often the message may have been accepted while the reply was lost.
    begun_at: when it was taken up for the first time.
    lease_expires_at: until when a process sends it; None: nobody does.
    next_attempt_at: when it is tried again at the earliest, or taken over from a mailer that died; None: nothing is
        scheduled.
    held_at: since when an operator is to decide; None: it is not held.
    event: the outcome; None: there is none yet.
    ended_at: when it was sent or given up; None: it is not over.
    """

    state: MailState
    tries: int
    unsure: int
    begun_at: datetime
    lease_expires_at: datetime | None
    next_attempt_at: datetime | None
    held_at: datetime | None
    event: EventKind | None
    ended_at: datetime | None


# By index mail_deliveries_of_route.
_OF_ROUTES = """/* mail_progress */
SELECT route_key, state, tries, unsure, begun_at, lease_expires_at, next_attempt_at, held_at, event, ended_at
FROM mail_deliveries WHERE route_key = ANY(%s::bigint[])
"""


# By index mail_deliveries_due, which also has those that are being tried again.
_DEFERRED = """/* deferred_mail */
SELECT count(*), statement_timestamp() - min(begun_at)
FROM (
    SELECT begun_at FROM mail_deliveries WHERE next_attempt_at IS NOT NULL AND state = 'waiting' LIMIT %(bound)s
) AS few
"""
# Messages are counted one by one up to this number.
BOUND = 10_000


@dataclass(frozen=True, slots=True)
class DeferredMail:
    """The messages that are tried again later.

    count: how many, or the bound if there are at least so many.
    is_bound: whether there may be more than `count`.
    oldest: how long ago the first of those counted was taken up for the first time; None: there is none.
    """

    count: int = 0
    is_bound: bool = False
    oldest: timedelta | None = None


def deferred_mail(database: Database, *, bound: int = BOUND) -> DeferredMail:
    """Counts the messages that are tried again later. Raises DatabaseUnavailable."""
    [(count, oldest)] = database.rows(_DEFERRED, {"bound": bound})
    return DeferredMail(count, count >= bound, oldest)


def mail_progress(database: Database, route_keys: Collection[int]) -> Mapping[int, MailProgress]:
    """Returns how far the mail service has come with each of these routes, by key.

    A route that it has not taken up is missing. Raises DatabaseUnavailable.
    """
    return {key: _record(*fields) for key, *fields in database.rows(_OF_ROUTES, [list(route_keys)])}


def _record(*fields: Any) -> MailProgress:
    state, tries, unsure, begun, lease, next_attempt, held, event, ended = fields
    outcome = None if event is None else EventKind(event)
    return MailProgress(MailState(state), tries, unsure, begun, lease, next_attempt, held, outcome, ended)
