"""Counts the routes that nobody has answered within the time that their channel expects (R32).

Such a route is unanswered exactly if all of this holds, by the database's clock:

- It is published, and has no answer.
- Its channel expects answers, and its command was published longer ago than the channel allows.
- It was published since the first delivery event of its channel that is on record was recorded.

The last is there for consumers that do not answer yet: as long as nobody has ever answered on a channel, nothing is
missing there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Database, fetch

# Routes of a channel are counted one by one up to this number.
BOUND = 100_000


def first_answer(channel: str = "channel") -> str:
    """Returns the query for when the first delivery event of a channel was recorded. channel: the parameter."""
    # By index delivery_events_of_channel.
    return f"SELECT recorded_at FROM delivery_events WHERE channel = %({channel})s ORDER BY id LIMIT 1"


def is_unanswered(route: str, channel: str = "channel", within: str = "within") -> str:
    """Returns the condition that a route is unanswered. Index routes_unanswered serves it.

    route: the name of the table of routes in the statement.
    channel, within: the parameters that have the channel, and the time in which it expects an answer.
    """
    return (
        f"{route}.status = 'published' AND {route}.answer IS NULL AND {route}.channel = %({channel})s"
        f" AND {route}.published_at >= ({first_answer(channel)})"
        f" AND {route}.published_at < statement_timestamp() - %({within})s"
    )


# Along index routes_unanswered, the oldest first. Where the channel has no event the subquery is NULL, and nothing is
# read.
_COUNT = f"""/* count_unanswered */
SELECT count(*), statement_timestamp() - min(published_at)
FROM (
    SELECT published_at FROM routes
    WHERE {is_unanswered("routes")}
    ORDER BY published_at LIMIT %(bound)s
) AS few
"""

_LAST = """/* last_answer */
SELECT statement_timestamp() - (
    SELECT recorded_at FROM delivery_events WHERE channel = %(channel)s ORDER BY id DESC LIMIT 1
)
"""


_WINDOW = f"/* unanswered_window */ SELECT ({first_answer()}), statement_timestamp() - %(within)s"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The unanswered routes of a channel.

    count: how many, or the bound if there are at least so many. is_bound: whether there may be more than `count`.
    oldest: how long ago the first of them was published; None: there is none.
    last_answer: how long ago anything was answered on the channel; None: nothing is on record.
    """

    count: int = 0
    is_bound: bool = False
    oldest: timedelta | None = None
    last_answer: timedelta | None = None


def count_unanswered(
    database: Database, expected: Mapping[str, timedelta], *, bound: int = BOUND
) -> Mapping[str, Unanswered]:
    """Counts the unanswered routes of each channel that expects answers; none of the others is among them.

    expected: by channel, how long after its command an answer is expected; zero: none is.
    bound: each channel is counted up to so many. Raises DatabaseUnavailable.
    """
    found = {}
    with database.unit() as connection:
        for channel, within in expected.items():
            if within:
                parameters = {"channel": channel, "within": within, "bound": bound}
                [(count, oldest)] = fetch(connection, _COUNT, parameters)
                [(last,)] = fetch(connection, _LAST, {"channel": channel})
                found[channel] = Unanswered(count, count >= bound, oldest, last)
    return found


def unanswered_window(database: Database, channel: str, within: timedelta) -> tuple[datetime, datetime] | None:
    """Returns when the unanswered routes of the channel were published: from the first instant on, before the second.

    within: how long after its command an answer is expected. None: nobody has ever answered on the channel, so that
    nothing is missing.
    """
    [(since, until)] = database.rows(_WINDOW, {"channel": channel, "within": within})
    return None if since is None else (since, until)
