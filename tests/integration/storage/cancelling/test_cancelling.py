"""Choosing the routes to be cancelled: by every filter, page by page, once, and by index (R28)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.actions import begin_action, find_action
from storage.cancelling.cancelling import (
    _COUNT_DEAD,
    _COUNT_OPEN,
    CancelFilter,
    Marked,
    _parameters,
    bounds_of_now,
    channels_to_cancel_in,
    count_to_cancel,
    mark_for_cancelling,
    reopen_for_cancelling,
)
from storage.database import Database
from tests.conftest import connected
from tests.factories import accepted
from tests.integration.rows import FINAL, all_routes, change, count, due_routes, execute, rows
from tests.integration.storage.accepting.test_accept_races import wait_for_locks

BOTH = ["email", "push"]
USERS = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(3)]
HOUR = timedelta(hours=1)


def bounded(database: Database, matching: CancelFilter) -> CancelFilter:
    """The filter, with the bounds of now."""
    until, up_to = bounds_of_now(database, matching.until)
    return replace(matching, until=until, up_to=up_to)


def mark(database: Database, channel: str, matching: CancelFilter, limit: int = 100) -> list[Marked]:
    """Marks page by page, to the end."""
    matching, pages = bounded(database, matching), list[Marked]()
    while not pages or pages[-1].last is not None:
        after = pages[-1].last if pages else None
        pages.append(mark_for_cancelling(database, channel, matching, "ann", after=after, limit=limit))
    return pages


def cancelled(database: Database) -> set[str]:
    """The route ids that are cancelled."""
    return {row["route_id"] for row in all_routes(database) if row["status"] == "cancelled"}


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        ({}, {f"{channel}:user:{n}" for channel in BOTH for n in range(4)}),
        ({"channel": "push"}, {f"push:user:{n}" for n in range(4)}),
        ({"notification_type": "game.won"}, {"email:user:3", "push:user:3"}),
        ({"producer": "shop"}, {"email:user:3", "push:user:3"}),
        ({"producer": "nobody"}, set()),
        ({"recipient_ref": "user:1"}, {"email:user:1", "push:user:1"}),
        ({"recipient_ref": "user:1", "channel": "email"}, {"email:user:1"}),
        ({"route_id": "email:user:2"}, {"email:user:2"}),
        ({"dead_letter": 17}, set()),
    ],
)
@pytest.mark.parametrize("release", ["this", "before"])
def test_what_matches_every_option_is_cancelled(
    database: Database, matching: dict[str, Any], expected: set[str], release: str
) -> None:
    """What is counted is what is marked; routes of earlier releases are known by their notification."""
    accepted(database, [{"recipients_json": USERS}])
    accepted(
        database,
        [{"notification_type": "game.won", "producer": "shop", "recipients_json": [USERS[0] | {"user_id": "3"}]}],
    )
    if release == "before":
        execute(database, "UPDATE routes SET producer = '', notification_type = ''")
    chosen = CancelFilter(**matching)
    channels = [chosen.channel] if chosen.channel else BOTH

    assert count_to_cancel(database, channels, bounded(database, chosen)) == (len(expected), 0)
    for channel in channels:
        mark(database, channel, chosen)

    assert cancelled(database) == expected
    assert count_to_cancel(database, channels, bounded(database, chosen)) == (0, 0)


def test_a_window_is_of_the_acceptance(database: Database) -> None:
    """Routes accepted then or later, and before; one that comes while an operator cancels is left alone."""
    old, middle, _ = due_routes(database, 3)
    change(database, [old], "created_at = now() - interval '2 hours', updated_at = now() - interval '2 hours'")
    change(database, [middle], "created_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'")
    [row] = rows(database, "SELECT now() AS now")
    window = CancelFilter(since=row["now"] - 1.5 * HOUR, until=row["now"] - HOUR / 2)
    of_now = bounded(database, CancelFilter())
    change(database, due_routes(database, 1), "created_at = now() + interval '1 second'")

    assert count_to_cancel(database, ["email"], window) == (1, 0)
    assert count_to_cancel(database, ["email"], of_now) == (3, 0)


def test_a_walk_passes_every_route_once(database: Database) -> None:
    """Page by page, each counted in the action by the same statement; a second walk finds nothing."""
    due_routes(database, 7)
    action = begin_action(database, "cancel-routes", "ann", {}, 7)
    matching = bounded(database, CancelFilter())
    after, counts = None, []
    while not counts or after is not None:
        page = mark_for_cancelling(database, "email", matching, "ann", after=after, limit=3, action_id=action)
        after = page.last
        counts.append(page.count)

    assert counts == [3, 3, 1]
    assert find_action(database, action).done == 7
    assert [page.count for page in mark(database, "email", CancelFilter())] == [0]


def test_routes_that_have_ended_are_left_alone(database: Database) -> None:
    """Published, skipped and expired routes stay as they are."""
    for status in ("published", "skipped", "expired"):
        change(database, due_routes(database, 1), FINAL[status])

    assert channels_to_cancel_in(database) == []
    assert [page.count for page in mark(database, "email", CancelFilter())] == [0]


def test_a_discarded_dead_letter_is_dealt_with(database: Database) -> None:
    """It waits no more, so it is neither counted nor cancelled."""
    [route] = due_routes(database, 1)
    execute(
        database,
        "INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,"
        " attempt_count, max_attempts, dead_lettered_at, discarded_at, discarded_by)"
        " VALUES (gen_random_uuid(), 'email:user:0', 'email', 'test', 'test', 'test', 1, 1, now(), now(), 'bob')",
    )
    change(database, [route], FINAL["dead_letter"])
    matching = bounded(database, CancelFilter())

    assert count_to_cancel(database, ["email"], matching) == (0, 0)
    assert reopen_for_cancelling(database, "email", matching, "ann", after=None, limit=9) == Marked(0, [], None)


def test_an_attempt_that_begins_at_this_moment_is_marked(database: Database, database_url: str) -> None:
    """The mark waits for the claim's commit, and finds the lease: the route is not cancelled under its worker (R5)."""
    [route] = due_routes(database, 1)
    with connected(database_url) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(
            "UPDATE routes SET lease_token = 'x', lease_expires_at = now() + interval '1 minute',"
            " updated_at = now() + interval '1 second'"
        )
        marking = thread.submit(mark, database, "email", CancelFilter())
        wait_for_locks(database)
        cursor.execute("COMMIT")
        [page] = marking.result()

    assert page == Marked(1, [route], None)
    assert [(row["status"], row["cancelled_by"]) for row in all_routes(database)] == [("pending", "ann")]


@pytest.mark.parametrize("statement", [_COUNT_OPEN, _COUNT_DEAD], ids=["open routes", "dead letters"])
def test_published_routes_cost_nothing(database: Database, statement: str) -> None:
    """Open routes and dead letters are found by their partial indexes, however many routes have ended."""
    due_routes(database, 50)
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at) SELECT 1, 'email:old:' || n, 'email', 'published', 1, 'user:7', now(), now(), now()"
        " FROM generate_series(1, 20000) AS n",
    )
    execute(database, "ANALYZE routes")
    assert count(database, "routes") == 20_050
    parameters = _parameters("email", bounded(database, CancelFilter(recipient_ref="user:7")))

    plan = "\n".join(row[0] for row in database.rows(f"EXPLAIN {statement}", parameters))

    assert "Seq Scan on routes" not in plan, plan
