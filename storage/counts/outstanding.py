"""Counts what waits for an operator: dead letters, malformed intents, losses of intents, and held messages.

Every count stops at a bound, so that it can be read every second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Database, fetch
from storage.loose_scan import distinct
from storage.models.routes import WAITING

# Records are counted one by one up to this number.
BOUND = 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """Records of one kind that wait for an operator.

    count: how many, or the bound if there are at least so many.
    is_bound: whether there may be more than `count`.
    newest: the classification of the newest dead letter, or the failure code of the newest malformed intent. Blank if
        there is none.
    newest_age: how long ago the newest was recorded, or None if there is none.
    """

    count: int = 0
    is_bound: bool = False
    newest: str = ""
    newest_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What waits for an operator, and whether the system has ever been used.

    dead_letters: those that nobody requeued or discarded.
    malformed: those that nobody resubmitted.
    losses: those that nobody acknowledged.
    held_mail: messages that may have been accepted, and that nobody sent again or settled (R33).
    is_unused: no intent was ever accepted or recorded as malformed.
    """

    dead_letters: Waiting = Waiting()
    malformed: Waiting = Waiting()
    losses: Waiting = Waiting()
    held_mail: Waiting = Waiting()
    is_unused: bool = False


# From one channel to the next by the partial index dead_letters_waiting: of each the bound's worth, and the newest.
_DEAD_LETTERS = f"""/* outstanding_dead_letters */
WITH RECURSIVE {distinct("names", "channel", "dead_letters", WAITING)}
SELECT (
    SELECT count(*) FROM (
        SELECT FROM dead_letters AS d
        WHERE d.channel = names.channel AND {WAITING}
        ORDER BY d.id LIMIT %(bound)s
    ) AS few
), newest.classification, newest.dead_lettered_at, statement_timestamp() - newest.dead_lettered_at
FROM names CROSS JOIN LATERAL (
    SELECT classification, dead_lettered_at FROM dead_letters AS d
    WHERE d.channel = names.channel AND {WAITING} ORDER BY d.id DESC LIMIT 1
) AS newest
WHERE names.channel IS NOT NULL
"""

# Backward along the partial index malformed_intents_waiting: thousands may have been resubmitted at once.
_MALFORMED = """/* outstanding_malformed */
SELECT count(*), (array_agg(failure_code ORDER BY id DESC))[1], statement_timestamp() - max(recorded_at)
FROM (
    SELECT id, failure_code, recorded_at FROM malformed_intents WHERE resubmitted_at IS NULL
    ORDER BY id DESC LIMIT %(bound)s
) AS few
"""

_LOSSES = """/* outstanding_losses */
SELECT count(*), '', statement_timestamp() - max(noticed_at)
FROM (
    SELECT noticed_at FROM intents_losses WHERE acknowledged_at IS NULL ORDER BY id DESC LIMIT %(bound)s
) AS few
"""

# Backward along the partial index mail_deliveries_held.
_HELD_MAIL = """/* outstanding_held_mail */
SELECT count(*), '', statement_timestamp() - max(held_at)
FROM (
    SELECT held_at FROM mail_deliveries WHERE held_at IS NOT NULL ORDER BY held_at DESC LIMIT %(bound)s
) AS few
"""

# Along an index: the beginning of a pruned table may be millions of dead rows. EXISTS would drop ORDER BY and LIMIT.
_IS_UNUSED = """/* is_unused */
SELECT (SELECT true FROM notifications ORDER BY id LIMIT 1) IS NULL
   AND (SELECT true FROM malformed_intents ORDER BY id LIMIT 1) IS NULL
   AND (SELECT true FROM pruned_notifications ORDER BY notification_id LIMIT 1) IS NULL
"""


def read_outstanding(database: Database, *, bound: int = BOUND) -> Outstanding:
    """Reads what waits for an operator. bound: each kind is counted up to so many, dead letters of each channel."""
    parameters: dict[str, object] = {"bound": bound}
    with database.unit() as connection:
        return Outstanding(
            _dead_letters(fetch(connection, _DEAD_LETTERS, parameters), bound),
            _waiting(*fetch(connection, _MALFORMED, parameters)[0], bound=bound),
            _waiting(*fetch(connection, _LOSSES, parameters)[0], bound=bound),
            _waiting(*fetch(connection, _HELD_MAIL, parameters)[0], bound=bound),
            bool(fetch(connection, _IS_UNUSED)[0][0]),
        )


def _waiting(count: int, newest: str | None, age: timedelta | None, *, bound: int) -> Waiting:
    return Waiting(count, count >= bound, newest or "", age)


def _dead_letters(rows: Sequence[tuple[int, str, datetime, timedelta]], bound: int) -> Waiting:
    if not rows:
        return Waiting()
    newest = max(rows, key=lambda row: row[2])
    return Waiting(sum(row[0] for row in rows), any(row[0] >= bound for row in rows), newest[1], newest[3])
