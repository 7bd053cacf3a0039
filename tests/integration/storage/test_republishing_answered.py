"""Published routes made pending by what was answered about them (R3, R32)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import Fault
from storage.database import Database
from storage.republishing import PublishedFilter, count_published, republish, window_end
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import all_routes, execute, one_route
from tests.integration.storage.ids.test_named import Watched

EVER = PublishedFilter(until=datetime(2100, 1, 1, tzinfo=UTC))
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("said", "fault", "places"),
    [
        (AnswerIs.FAILED, None, [1, 2]),
        (AnswerIs.FAILED, Fault.CONTENT, [2]),
        (None, Fault.RECIPIENT, [3]),
        (AnswerIs.NONE, None, [0]),
        (AnswerIs.DELIVERED, None, [4]),
    ],
)
def test_routes_are_taken_by_their_answer(
    database: Database, said: AnswerIs | None, fault: Fault | None, places: list[int]
) -> None:
    """As many as were counted, over several pages; none of them has an answer then."""
    ids = published_routes(database, 5, ago=HOUR)
    answer(database, ids[1], "failed", fault="infrastructure")
    answer(database, ids[2], "failed", fault="content")
    answer(database, ids[3], "bounced", fault="recipient")
    answer(database, ids[4], "delivered")
    matching = replace(EVER, answer=said, fault=fault, until=window_end(database, None))

    counted, taken, after, more = count_published(database, ["email", "push"], matching), 0, None, True
    while more:
        done = republish(database, "email", matching, after=after, limit=1)
        taken, after, more = taken + done.count, done.last, done.last is not None

    pending = [row["id"] for row in all_routes(database) if row["status"] == "pending"]
    assert pending == [ids[place] for place in places]
    assert counted == taken == len(places)
    assert {one_route(database, id_)["answer"] for id_ in pending} == {None}


def test_the_few_that_failed_are_found_among_many(database: Database, database_url: str) -> None:
    """Neither the count nor a page reads the thousands that were delivered."""
    [id_] = published_routes(database, 1, ago=HOUR)
    answer(database, id_, "failed", fault="content")
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at, answer, answered_at) SELECT -n, 'email:user:1', 'email', 'published', 1, 'user:1',"
        " now(), now(), now() - interval '1 hour', 'delivered', now() FROM generate_series(1, 5000) AS n",
    )
    execute(database, "ANALYZE routes")
    watched = Watched(database_url, application_name="test")
    matching = replace(EVER, answer=AnswerIs.FAILED, fault=Fault.CONTENT)

    count_published(watched, ["email"], matching)
    counting = watched.plans()
    republish(watched, "email", matching, after=None, limit=100)
    taking = watched.plans()

    for plan in (counting, taking):
        assert "routes_answered_ill" in plan
        assert "Seq Scan on routes" not in plan
        assert "Seq Scan on delivery_events" not in plan
