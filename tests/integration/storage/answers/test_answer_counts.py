"""The delivery events of the last hour, counted at a bounded cost (R32, R35)."""

import re
from datetime import timedelta

from publisher.domain.delivery_event import EventKind
from storage.answers.answer_counts import AnswerCounts, count_answers
from storage.database import Database
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import execute
from tests.integration.storage.ids.test_named import Watched

MINUTE = timedelta(minutes=1)

FILL = """
INSERT INTO delivery_events (route_key, channel, source, event_id, event, occurred_at, recorded_at)
SELECT %s, 'email', 'old', n::text, 'accepted', now(), now() - interval '2 hours' FROM generate_series(1, 30000) AS n
"""


def test_the_events_of_the_last_hour_are_counted_by_channel_and_kind(database: Database) -> None:
    """Those recorded before are not, wherever they stand; a route may have several."""
    assert count_answers(database) == AnswerCounts()
    email, push = published_routes(database, 1)[0], published_routes(database, 1, "push")[0]
    answer(database, email, "accepted", ago=61 * MINUTE)
    answer(database, email, "deferred", ago=59 * MINUTE)
    answer(database, email, "bounced", ago=90 * MINUTE)
    answer(database, email, "complained")
    answer(database, push, "delivered")
    answer(database, push, "delivered")

    assert count_answers(database) == AnswerCounts(
        {("email", EventKind.DEFERRED): 1, ("email", EventKind.COMPLAINED): 1, ("push", EventKind.DELIVERED): 2}
    )


def test_no_more_than_the_bound_are_read(database: Database) -> None:
    """Of very many the newest are counted, and the number is marked as a bound."""
    [id_] = published_routes(database, 1)
    for _ in range(4):
        answer(database, id_, "accepted")

    found = count_answers(database, bound=3)

    assert (found.counts, found.is_bound) == ({("email", EventKind.ACCEPTED): 3}, True)


def test_old_events_cost_nothing(database: Database, database_url: str) -> None:
    """Tens of thousands of old ones are passed over along the primary key."""
    [id_] = published_routes(database, 1)
    execute(database, FILL, id_)
    answer(database, id_, "delivered")
    execute(database, "ANALYZE delivery_events")
    watched = Watched(database_url, application_name="test")

    found = count_answers(watched)

    assert found == AnswerCounts({("email", EventKind.DELIVERED): 1})
    plan = watched.plans()
    assert re.search(r"Index Scan Backward using delivery_events_pkey.*\n\s+Index Cond: \(id >= ", plan)
    assert "Seq Scan on delivery_events" not in plan
