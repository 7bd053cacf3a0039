"""Routes without an answer in time: exactly those of which one is missing (R32)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from storage.answers import unanswered
from storage.answers.unanswered import Unanswered, count_unanswered
from storage.database import Database
from storage.routes import RouteFilter, list_routes
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import due_routes, execute
from tests.integration.storage.ids.test_named import Watched

DAY = timedelta(days=1)
EXPECTED = {"email": 3 * DAY, "push": timedelta(0)}


def counted(
    database: Database, expected: Mapping[str, timedelta] = EXPECTED, *, bound: int = 100
) -> Mapping[str, Unanswered]:
    """What is counted, ages in whole days."""
    found = count_unanswered(database, expected, bound=bound)
    return {
        channel: replace(
            each,
            oldest=each.oldest and DAY * round(each.oldest / DAY),
            last_answer=None if each.last_answer is None else DAY * round(each.last_answer / DAY),
        )
        for channel, each in found.items()
    }


def listed(database: Database, expected: Mapping[str, timedelta] = EXPECTED) -> list[int]:
    """The keys of the routes that are listed, as those that are counted."""
    asked = {channel: within for channel, within in expected.items() if within}
    return [r.id for r in reversed(list_routes(database, RouteFilter(unanswered=asked), before=None, limit=100))]


def test_where_nobody_ever_answered_nothing_is_missing(database: Database) -> None:
    """A mail service that does not answer yet raises no alarm after an upgrade, however old its routes are."""
    published_routes(database, 2, ago=9 * DAY)
    answer(database, published_routes(database, 1, "push")[0], "delivered", ago=20 * DAY)

    assert counted(database) == {"email": Unanswered()}
    assert listed(database) == []


def test_a_route_is_unanswered_once_its_time_is_over(database: Database) -> None:
    """Not before; not if it was answered, is open, or was published before the channel's first answer."""
    published_routes(database, 1, ago=9 * DAY)
    [first, late] = published_routes(database, 2, ago=7 * DAY)
    answer(database, first, "accepted", ago=8 * DAY)
    [later] = published_routes(database, 1, ago=4 * DAY)
    published_routes(database, 1, ago=2 * DAY)
    [bounced] = published_routes(database, 1, ago=5 * DAY)
    answer(database, bounced, "bounced", ago=DAY)
    due_routes(database, 1)

    assert counted(database) == {"email": Unanswered(2, False, 7 * DAY, DAY)}
    assert listed(database) == [late, later]


def test_a_channel_that_expects_no_answer_has_none_missing(database: Database) -> None:
    """Zero: none is expected, whatever came; with a time set, the same routes are unanswered."""
    [answered, _] = published_routes(database, 2, "push", ago=5 * DAY)
    answer(database, answered, "delivered", ago=6 * DAY)

    assert "push" not in counted(database)
    assert listed(database) == []
    both = EXPECTED | {"push": DAY}
    assert counted(database, both)["push"].count == len(listed(database, both)) == 1


def test_very_many_are_a_bound(database: Database) -> None:
    """No more are read than that."""
    ids = published_routes(database, 5, ago=5 * DAY)
    answer(database, ids[0], "accepted", ago=6 * DAY)

    assert counted(database, bound=3)["email"] == Unanswered(3, True, 5 * DAY, 6 * DAY)
    assert counted(database, bound=5)["email"] == Unanswered(4, False, 5 * DAY, 6 * DAY)


def test_neither_routes_nor_events_are_read_through(database: Database, database_url: str) -> None:
    """A channel that never answers costs a step, beside thousands of answers of another; so does a list."""
    [id_] = published_routes(database, 1, "push")
    published_routes(database, 1, ago=9 * DAY)
    execute(
        database,
        "INSERT INTO delivery_events (route_key, channel, source, event_id, event, occurred_at, recorded_at)"
        " SELECT %s, 'push', 's', n::text, 'delivered', now(), now() FROM generate_series(1, 5000) AS n",
        id_,
    )
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at, answer, answered_at) SELECT -n, 'push:user:1', 'push', 'published', 1, 'user:1',"
        " now(), now(), now(), 'delivered', now() FROM generate_series(1, 5000) AS n",
    )
    execute(database, "ANALYZE routes, delivery_events")
    watched = Watched(database_url, application_name="test")

    listed(watched)
    plan = watched.plans()
    counted(watched)
    plan += explained(watched)

    assert "routes_unanswered" in plan
    assert "delivery_events_of_channel" in plan
    assert "Seq Scan on routes" not in plan
    assert "Seq Scan on delivery_events" not in plan


def explained(database: Database) -> str:
    """How PostgreSQL counts them."""
    parameters: dict[str, object] = {"channel": "email", "within": DAY, "bound": 100}
    statements = (unanswered._COUNT, unanswered._LAST)
    return "\n".join(line for sql in statements for (line,) in database.rows(f"EXPLAIN {sql}", parameters))
