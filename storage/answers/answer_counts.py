"""Counts the delivery events of the last hour: what consumers have answered of late (R32).

The cost is bounded (R35): it does not grow with how many events there ever were.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from publisher.domain.delivery_event import EventKind
from storage.database import Database

WINDOW = timedelta(hours=1)
# The newest events are counted up to this number: half a second's work.
BOUND = 1_000_000
# Keys are given out nearly in the order of recording, but for those of transactions at work at the same moment.
_OUT_OF_ORDER = 10_000


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """The delivery events that were recorded within the last hour.

    counts: by channel and kind; a pair that is missing has no event.
    is_bound: whether there may be more: only the newest million are counted.
    """

    counts: Mapping[tuple[str, EventKind], int] = field(default_factory=dict)
    is_bound: bool = False


# The first young event is found by halving the range of keys, as for old notifications in `storage.retention`. From
# some thousand places before it the newest ones are counted, backward along the primary key.
_COUNT = f"""/* count_answers */
WITH RECURSIVE halved (low, high) AS (
    SELECT coalesce(min(id), 0), coalesce(max(id), 0) + 1 FROM delivery_events
    UNION ALL
    SELECT CASE WHEN is_old THEN middle.id + 1 ELSE low END, CASE WHEN is_old THEN high ELSE middle.at END
    FROM (SELECT low, high, (low + high) / 2 AS at FROM halved WHERE low < high) AS middle_of
    CROSS JOIN LATERAL (
        SELECT id, middle_of.at, recorded_at <= statement_timestamp() - %(window)s AS is_old
        FROM delivery_events WHERE id >= middle_of.at ORDER BY id LIMIT 1
    ) AS middle
)
SELECT channel, event, count(*)
FROM (
    SELECT channel, event, recorded_at FROM delivery_events
    WHERE id >= (SELECT max(low) FROM halved) - {_OUT_OF_ORDER}
    ORDER BY id DESC LIMIT %(bound)s
) AS newest
WHERE recorded_at > statement_timestamp() - %(window)s
GROUP BY channel, event
"""


def count_answers(database: Database, *, bound: int = BOUND) -> AnswerCounts:
    """Counts the delivery events of the last hour, at most the newest `bound` of all channels together.

    Raises DatabaseUnavailable.
    """
    rows = database.rows(_COUNT, {"window": WINDOW, "bound": bound})
    counts = {(channel, EventKind(event)): count for channel, event, count in rows}
    return AnswerCounts(counts, sum(counts.values()) >= bound)
