"""The routes that were answered `failed` within the last hour, counted at a bounded cost (R32, R35)."""

from datetime import timedelta

from publisher.domain.delivery_event import OPERATOR, Fault
from storage.answers.answered_failed import count_answered_failed
from storage.database import Database
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import execute
from tests.integration.storage.ids.test_named import Watched

MINUTE = timedelta(minutes=1)
CHANNELS = ["email", "push"]


def test_what_failed_within_the_hour_by_a_fault_to_mend_is_counted(database: Database) -> None:
    """No bounce, no fault of the recipient, nothing older; and what the newest failed of is told."""
    content, unsaid, recipient, old, bounced = published_routes(database, 5)
    answer(database, content, "deferred", fault="infrastructure", ago=4 * MINUTE)
    answer(database, content, "failed", fault="content", diagnostic="template turn: no subject", ago=2 * MINUTE)
    answer(database, unsaid, "failed", ago=3 * MINUTE)
    answer(database, recipient, "failed", fault="recipient")
    answer(database, old, "failed", fault="content", ago=61 * MINUTE)
    answer(database, bounced, "bounced", fault="infrastructure")

    found = count_answered_failed(database, CHANNELS)

    assert list(found) == ["email"]
    email = found["email"]
    assert (email.count, email.is_bound, email.fault) == (2, False, Fault.CONTENT)
    assert (email.code, email.diagnostic) == ("550", "template turn: no subject")
    assert 2 * MINUTE <= email.newest_age < 3 * MINUTE
    assert count_answered_failed(database, CHANNELS, bound=2) == {}
    assert count_answered_failed(database, CHANNELS, bound=5)["email"].is_bound is False


def test_what_an_operator_settled_as_failed_is_no_news(database: Database) -> None:
    """Whoever settled a held message knows of it: nothing is to be mended, and the cause of the others is told."""
    settled, broken = published_routes(database, 2)
    answer(database, settled, "failed", source=OPERATOR)
    assert count_answered_failed(database, CHANNELS) == {}

    answer(database, broken, "failed", fault="content", ago=MINUTE)
    found = count_answered_failed(database, CHANNELS)["email"]
    assert (found.count, found.fault) == (1, Fault.CONTENT)


def test_a_failed_route_that_is_published_again_is_counted_no_more(database: Database) -> None:
    """Its answer is that of its next command, and many that failed are a bound."""
    ids = published_routes(database, 3)
    for id_ in ids:
        answer(database, id_, "failed", fault="infrastructure")
    few = count_answered_failed(database, CHANNELS, bound=2)["email"]
    execute(database, "UPDATE routes SET answer = NULL, answered_at = NULL WHERE id = %s", ids[0])

    assert (few.count, few.is_bound) == (2, True)
    assert count_answered_failed(database, CHANNELS)["email"].count == 2


def test_what_did_not_fail_costs_nothing(database: Database, database_url: str) -> None:
    """Thousands of delivered routes are not read, though so many failed that the planner takes them for common."""
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at, answer, answered_at) SELECT -n, 'email:user:1', 'email', 'published', 1, 'user:1',"
        " now(), now(), now(), CASE mod(n, 5) WHEN 0 THEN 'failed' ELSE 'delivered' END, now()"
        " FROM generate_series(1, 10000) AS n",
    )
    execute(
        database,
        "INSERT INTO delivery_events (route_key, channel, source, event_id, event, occurred_at, recorded_at)"
        " SELECT id, 'email', 's', id::text, answer, now(), now() FROM routes",
    )
    execute(database, "ANALYZE routes, delivery_events")
    watched = Watched(database_url, application_name="test")

    count_answered_failed(watched, CHANNELS, bound=100)

    plan = watched.plans()
    assert "Index Scan Backward using routes_answered_ill" in plan
    assert "delivery_events_of_route" in plan
    assert "routes_pkey" not in plan
    assert "Seq Scan" not in plan
