"""Messages that an operator decides about: they may have been accepted, and the mail service asks (R33).

Only a delivery that is `held` is changed. Whoever changes it counts it in the operator's action, in the same statement.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from publisher.domain.delivery_event import OPERATOR, DeliveryEvent, EventKind, Fault, Permanence
from publisher.domain.mail_outcome import MailState
from storage.actions import counted_in_action
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.clock import NOW
from storage.database import Database, fetch


class SettledAs(StrEnum):
    """What an operator knows about a held message.

    ACCEPTED: it has arrived, or the SMTP server's log says that it was taken.
    FAILED: it was not taken, and is not to be sent again.
    """

    ACCEPTED = "accepted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HeldMail:
    """A message that is held.

    notification_type: None: PostgreSQL knows no such route.
    unsure: how often it may have been accepted while the reply was lost.
    tries: attempts that ended without being sent or given up.
    """

    delivery_id: str
    held_at: datetime
    notification_type: str | None
    unsure: int
    tries: int


@dataclass(frozen=True, slots=True)
class HeldFilter:
    """Selects the held messages that match everything that is given.

    notification_id, route_id: of one notification, or of one of its routes.
    until: held at this instant or before.
    """

    notification_id: str | None = None
    route_id: str | None = None
    until: datetime | None = None


# By the index mail_deliveries_held, which has those rows alone.
_HELD = """d.state = 'held' AND d.held_at IS NOT NULL
  AND (%(notification_id)s::text IS NULL OR starts_with(d.delivery_id, %(notification_id)s || '/'))
  AND (%(route_id)s::text IS NULL OR d.delivery_id = %(notification_id)s || '/' || %(route_id)s)
  AND (%(until)s::timestamptz IS NULL OR d.held_at <= %(until)s)"""

_LIST = f"""/* list_held_mail */
SELECT d.delivery_id, d.held_at, n.notification_type, d.unsure, d.tries
FROM mail_deliveries AS d
LEFT JOIN routes AS r ON r.id = d.route_key
LEFT JOIN notifications AS n ON n.id = r.notification_key
WHERE {_HELD}
  AND (%(before)s::text IS NULL
       OR (d.held_at, d.delivery_id) < (
           SELECT held_at, delivery_id FROM mail_deliveries WHERE delivery_id = %(before)s))
ORDER BY d.held_at DESC, d.delivery_id DESC LIMIT %(limit)s
"""

_COUNT = f"/* count_held_mail */ SELECT count(*), {NOW} FROM mail_deliveries AS d WHERE {_HELD}"

# The oldest first. Of two operators one waits for the other, and then takes those that come next.
_CHOSEN = f"""chosen AS MATERIALIZED (
    SELECT delivery_id FROM mail_deliveries AS d WHERE {_HELD}
    ORDER BY d.held_at, d.delivery_id LIMIT %(limit)s FOR UPDATE
)"""

# The command is kept in the row, so that the mail service finds the delivery among those whose time has come. How long
# it is tried counts anew: an operator may have taken days.
_SEND = f"""/* send_held_mail */
WITH {_CHOSEN}, changed AS (
    UPDATE mail_deliveries AS d
    SET state = 'waiting', next_attempt_at = {NOW}, held_at = NULL, begun_at = {NOW}, takeovers = 0
    FROM chosen WHERE d.delivery_id = chosen.delivery_id
    RETURNING d.delivery_id
), {counted_in_action("changed")}
SELECT delivery_id FROM changed
"""

_SETTLE = f"""/* settle_held_mail */
WITH {_CHOSEN}, changed AS (
    UPDATE mail_deliveries AS d
    SET state = %(state)s, event = %(event)s, ended_at = {NOW}, held_at = NULL, command = NULL
    FROM chosen WHERE d.delivery_id = chosen.delivery_id
    RETURNING d.delivery_id, d.entry_id, d.ended_at
), {counted_in_action("changed")}
SELECT delivery_id, entry_id, ended_at FROM changed
"""


def list_held_mail(database: Database, matching: HeldFilter, *, before: str | None, limit: int) -> Sequence[HeldMail]:
    """Returns up to `limit` held messages, those held last first. before: the last delivery id seen."""
    parameters = asdict(matching) | {"before": before, "limit": limit}
    return [HeldMail(*row) for row in database.rows(_LIST, parameters)]


def count_held_mail(database: Database, matching: HeldFilter) -> tuple[int, datetime]:
    """Returns how many held messages match, and the database's instant at which they were counted."""
    [(count, at)] = database.rows(_COUNT, asdict(matching))
    return int(count), at


def send_held_mail(database: Database, matching: HeldFilter, action_id: int | None, limit: int) -> int:
    """Makes up to `limit` held messages due: the mail service sends them, each with its Message-ID of before.

    Returns how many. After an error it may be repeated: those that it has made due are held no more.
    """
    return len(database.rows(_SEND, asdict(matching) | {"action": action_id, "limit": limit}))


def settle_held_mail(
    database: Database, matching: HeldFilter, settled_as: SettledAs, action_id: int | None, limit: int
) -> int:
    """Ends up to `limit` held messages as an operator says, and records their events, in one transaction (R32).

    Returns how many. After an error it may be repeated: those that it has ended are held no more.
    """
    state = MailState.SENT if settled_as is SettledAs.ACCEPTED else MailState.GIVEN_UP
    parameters = asdict(matching) | {
        "action": action_id,
        "limit": limit,
        "state": state.value,
        "event": settled_as.value,
    }
    with database.unit() as connection, connection.atomic():
        settled = fetch(connection, _SETTLE, parameters)
        events = [_event(id_, entry_id, at, settled_as, action_id) for id_, entry_id, at in settled]
        record_events(connection, [IncomingEvent(event) for event in events])
    return len(settled)


def _event(
    delivery_id: str, entry_id: str, at: datetime, settled_as: SettledAs, action_id: int | None
) -> DeliveryEvent:
    """Returns the answer. A delivery that was given up is begun anew by another entry alone: no id comes twice."""
    failed = settled_as is SettledAs.FAILED
    by = "" if action_id is None else f" (action {action_id})"
    return DeliveryEvent(
        event_id=f"{delivery_id}#{entry_id}#settled#{settled_as}",
        delivery_id=delivery_id,
        event=EventKind(settled_as.value),
        occurred_at=at,
        source=OPERATOR,
        permanence=Permanence.UNDETERMINED if failed else None,
        fault=Fault.UNKNOWN if failed else None,
        diagnostic=f"an operator settled it: the reply of the SMTP server was lost{by}",
    )
