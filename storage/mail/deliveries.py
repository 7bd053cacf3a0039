"""Begins deliveries of the mail service, each under a lease, so that one process at a time sends it (R33).

A command is kept in two places, one after the other. While its first attempt is under way it stands on its stream,
unacknowledged. Once it is deferred or held its fields are kept here, and the entry is acknowledged. A process that dies
leaves a delivery begun, with a lease that runs out: it is found again where its command is kept. Such a delivery is
unsure: the message may have been accepted.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.delivery_event import EventKind
from publisher.domain.mail_outcome import MailState
from storage.array_literals import array_literal
from storage.clock import NOW
from storage.database import Database, fetch

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A command that was read: the delivery that it asks for, and the id of its entry."""

    delivery_id: str
    entry_id: str


@dataclass(frozen=True, slots=True)
class BegunMail:
    """A delivery that this process has begun.

    entry_id: of the command that asked for it last.
    tries: earlier attempts.
    is_unsure: it is taken over from a process that died, and that may have sent it.
    age: since it was begun for the first time.
    command: the fields of its command as a JSON object, if they are kept here; None: they stand on the stream.
    """

    delivery_id: str
    entry_id: str
    tries: int
    is_unsure: bool
    age: timedelta
    command: str | None = None


@dataclass(frozen=True, slots=True)
class StandingMail:
    """A delivery that was not begun, since it is over, waits, or is being sent by another process.

    event: the outcome of one that is over.
    is_abandoned: it is begun, and its lease has run out.
    """

    delivery_id: str
    state: MailState
    entry_id: str
    event: EventKind | None
    is_abandoned: bool


# A lease that has run out is free. After a restart of PostgreSQL its holder gets as long again to report what it did.
_ABANDONED = (
    "(d.state = 'begun' AND d.lease_expires_at <= statement_timestamp()"
    " AND pg_postmaster_start_time() <= statement_timestamp() - %(ttl)s)"
)

# New deliveries are inserted, given up ones are begun anew by another command, abandoned ones are taken over: they were
# begun a lease ago at least. A blind repetition, after a reply was lost, finds its own. The route is looked up once, so
# that both are pruned together.
# known     locks the routes: one that a pruning deletes at this moment is waited for, and then is none. Without the
#           lock the foreign key would refuse the whole batch.
# Rows come sorted by id: two processes that insert the same ids in different orders would deadlock.
_BEGIN = f"""/* begin_mail */
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest(%(deliveries)s::text[], %(notifications)s::uuid[], %(routes)s::text[], %(entries)s::text[])
        AS wanted (delivery_id, notification_id, route_id, entry_id)
), known AS MATERIALIZED (
    SELECT wanted.delivery_id, routes.id
    FROM wanted
    JOIN notifications ON notifications.notification_id = wanted.notification_id
    JOIN routes ON routes.notification_key = notifications.id AND routes.route_id = wanted.route_id
    ORDER BY routes.id
    FOR KEY SHARE OF routes
)
INSERT INTO mail_deliveries AS d (delivery_id, route_key, state, entry_id, lease_token, lease_expires_at, begun_at)
SELECT wanted.delivery_id, known.id, 'begun', wanted.entry_id, %(token)s, {NOW} + %(ttl)s, {NOW}
FROM wanted LEFT JOIN known ON known.delivery_id = wanted.delivery_id
ORDER BY wanted.delivery_id
ON CONFLICT (delivery_id) DO UPDATE
SET state = 'begun', entry_id = excluded.entry_id, lease_token = excluded.lease_token,
    lease_expires_at = excluded.lease_expires_at,
    tries = CASE d.state WHEN 'given_up' THEN 0 ELSE d.tries END,
    takeovers = CASE d.state WHEN 'given_up' THEN 0 ELSE d.takeovers END,
    begun_at = CASE d.state WHEN 'given_up' THEN excluded.begun_at ELSE d.begun_at END,
    unsure = d.unsure + (d.state = 'begun' AND d.lease_token <> excluded.lease_token)::int,
    event = NULL, ended_at = NULL
WHERE (d.state = 'given_up' AND d.entry_id <> excluded.entry_id)
   OR (d.state = 'begun' AND d.lease_token = excluded.lease_token)
   OR (%(take_over)s AND {_ABANDONED} AND d.command IS NULL)
RETURNING d.delivery_id, d.entry_id, d.tries, d.unsure > 0 AND {NOW} - d.begun_at >= %(ttl)s, {NOW} - d.begun_at, NULL
"""

_STANDING = f"""/* standing_mail */
SELECT d.delivery_id, d.state, d.entry_id, d.event, {_ABANDONED}
FROM mail_deliveries AS d WHERE d.delivery_id = ANY(%(deliveries)s::text[])
"""


def _begin_kept(name: str, condition: str) -> str:
    """Returns the statement that begins deliveries on which the condition holds, and of which the command is kept.

    By the index mail_deliveries_due, where they stay findable by the end of their lease. One that was put back untried
    begins now: how long it is tried counts from the first attempt.
    """
    return f"""/* {name} */
WITH due AS MATERIALIZED (
    SELECT delivery_id, state = 'begun' AS was_begun FROM mail_deliveries AS d
    WHERE next_attempt_at <= statement_timestamp() AND {condition}
    ORDER BY next_attempt_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE mail_deliveries AS d
SET state = 'begun', lease_token = %(token)s, lease_expires_at = {NOW} + %(ttl)s, next_attempt_at = {NOW} + %(ttl)s,
    unsure = unsure + was_begun::int, takeovers = takeovers + was_begun::int,
    begun_at = CASE d.tries WHEN 0 THEN {NOW} ELSE d.begun_at END
FROM due WHERE d.delivery_id = due.delivery_id
RETURNING d.delivery_id, d.entry_id, d.tries, was_begun, {NOW} - d.begun_at, d.command::text
"""


_BEGIN_DUE = _begin_kept("begin_due_mail", "d.state = 'waiting'")
_TAKE_OVER = _begin_kept("take_over_mail", _ABANDONED)

_RENEW = f"""/* renew_mail */
UPDATE mail_deliveries
SET lease_expires_at = {NOW} + %(ttl)s, next_attempt_at = CASE WHEN next_attempt_at IS NOT NULL THEN {NOW} + %(ttl)s END
WHERE delivery_id = ANY(%(deliveries)s::text[]) AND state = 'begun' AND lease_token = %(token)s
RETURNING delivery_id
"""

# An operator is to decide. Of the first kind the command stands on the stream still.
_HOLD = f"""/* hold_abandoned_mail */
UPDATE mail_deliveries AS d
SET state = 'held', held_at = {NOW}, unsure = unsure + 1, lease_token = NULL, lease_expires_at = NULL,
    next_attempt_at = NULL, command = given.command
FROM unnest(%(deliveries)s::text[], %(commands)s::json[]) AS given (delivery_id, command)
WHERE d.delivery_id = given.delivery_id AND {_ABANDONED}
RETURNING d.delivery_id
"""
_HOLD_DUE = f"""/* hold_abandoned_retries */
UPDATE mail_deliveries AS d
SET state = 'held', held_at = {NOW}, unsure = unsure + 1, lease_token = NULL, lease_expires_at = NULL,
    next_attempt_at = NULL
WHERE next_attempt_at <= statement_timestamp() AND {_ABANDONED} AND takeovers >= %(least)s
RETURNING d.delivery_id
"""


def begin_mail(
    database: Database, wanted: Sequence[Wanted], token: str, ttl: timedelta, *, take_over: bool
) -> tuple[Mapping[str, BegunMail], Mapping[str, StandingMail]]:
    """Begins those of these deliveries that are to be sent, each under a lease. No delivery may stand there twice.

    token: of the lease; ttl: how long it lasts. May be repeated with the same token after any error.
    take_over: begins also those that another process has abandoned; False leaves them to `hold_mail`.
    Returns what was begun, and why the others were not, by delivery id. Raises DatabaseUnavailable or DatabaseRefused.
    """
    ids = [each.delivery_id for each in wanted]
    parameters = {
        "deliveries": array_literal(ids),
        "notifications": array_literal([_notification(id_) for id_ in ids]),
        "routes": array_literal([id_.partition("/")[2] for id_ in ids]),
        "entries": array_literal([each.entry_id for each in wanted]),
        "token": token,
        "ttl": ttl,
        "take_over": take_over,
    }
    with database.unit() as connection:
        begun = {row[0]: BegunMail(*row) for row in fetch(connection, _BEGIN, parameters)}
        others = [id_ for id_ in ids if id_ not in begun]
        found = fetch(connection, _STANDING, {"deliveries": others, "ttl": ttl}) if others else []
    standing = [
        StandingMail(id_, MailState(state), entry_id, EventKind(event) if event else None, abandoned)
        for id_, state, entry_id, event, abandoned in found
    ]
    return begun, {each.delivery_id: each for each in standing}


def begin_due_mail(database: Database, token: str, ttl: timedelta, limit: int) -> Sequence[BegunMail]:
    """Begins up to `limit` deferred deliveries whose time has come.

    Parameters as of `begin_mail`. A call after an error begins others. What was begun while the reply was lost is sent
    by nobody: it comes free at the end of its lease, as unsure, and is taken over or held.
    """
    return [BegunMail(*row) for row in database.rows(_BEGIN_DUE, {"token": token, "ttl": ttl, "limit": limit})]


def take_over_mail(database: Database, token: str, ttl: timedelta) -> BegunMail | None:
    """Begins the delivery that was abandoned first, of those of which a command is kept. None: there is none.

    One alone: if it kills the process that has it in hand, it takes no other along. Parameters as of `begin_mail`, and
    after an error as `begin_due_mail`.
    """
    for row in database.rows(_TAKE_OVER, {"token": token, "ttl": ttl, "limit": 1}):
        return BegunMail(*row)
    return None


def renew_mail(database: Database, token: str, deliveries: Collection[str], ttl: timedelta) -> set[str]:
    """Renews the leases of these deliveries. Returns those that this token still holds."""
    parameters = {"deliveries": list(deliveries), "token": token, "ttl": ttl}
    return {row[0] for row in database.rows(_RENEW, parameters)} if deliveries else set()


def hold_mail(database: Database, commands: Mapping[str, str], ttl: timedelta) -> set[str]:
    """Holds abandoned deliveries for an operator. commands: delivery id -> the fields of its command as a JSON object.

    Returns those that are held now. May be repeated.
    """
    parameters = {
        "deliveries": array_literal(list(commands)),
        "commands": array_literal(list(commands.values())),
        "ttl": ttl,
    }
    return {row[0] for row in database.rows(_HOLD, parameters)} if commands else set()


def hold_abandoned_retries(database: Database, ttl: timedelta, least: int = 0) -> set[str]:
    """Holds the abandoned deliveries of which a command is kept. Returns those that are held now.

    least: only those that were taken over so often in a row before.
    """
    return {row[0] for row in database.rows(_HOLD_DUE, {"ttl": ttl, "least": least})}


def _notification(delivery_id: str) -> str | None:
    """Returns the notification's id in a delivery id (R1), or None: a stranger's command may name deliveries anyhow."""
    id_ = delivery_id.partition("/")[0]
    return id_ if _UUID.fullmatch(id_) else None
