"""Dead letters taken back in pages, bounded where the action began, counted in its audit (R3)."""

from concurrent.futures import ThreadPoolExecutor

from storage.actions import begin_action, find_action
from storage.database import Database
from storage.dead_letters import (
    DeadLetterFilter,
    count_dead_letters,
    count_past_deadline,
    dead_letter_ids,
    list_dead_letters,
    newest_dead_letter,
    requeue,
)
from tests.acceptance.final_routes import BURY
from tests.integration.rows import all_routes, due_routes, execute, rows

EVERYTHING = DeadLetterFilter()


def buried(database: Database, count: int) -> list[int]:
    """The ids of this many dead letters, newest first."""
    due_routes(database, count)
    execute(database, BURY)
    return dead_letter_ids(database, EVERYTHING, before=None, limit=1000)


def test_ids_are_the_pages_of_the_list(database: Database) -> None:
    """Newest first, filtered and paged as the list is."""
    ids = buried(database, 5)
    matching = DeadLetterFilter(up_to=ids[1])

    page = dead_letter_ids(database, matching, before=ids[1], limit=2)

    assert page == ids[2:4]
    assert page == [record.id for record in list_dead_letters(database, matching, before=ids[1], limit=2)]


def test_what_is_given_up_later_is_beyond_the_bound(database: Database) -> None:
    """A route given up again has a new dead letter, with an id above all there were (R34)."""
    assert newest_dead_letter(database) == 0
    ids = buried(database, 3)
    bound = DeadLetterFilter(up_to=newest_dead_letter(database))
    assert requeue(database, ids[:1], "ann")
    execute(database, BURY.replace("ORDER BY routes.id", "WHERE routes.status = 'pending'"))

    assert count_dead_letters(database, EVERYTHING) == 3
    assert count_dead_letters(database, bound) == 2
    assert dead_letter_ids(database, bound, before=None, limit=10) == ids[1:]


def test_what_is_done_is_counted_in_its_action_by_the_same_statement(database: Database) -> None:
    """Only what was really changed counts; without an action nothing does (R34)."""
    ids = buried(database, 4)
    action = begin_action(database, "requeue-dead-letters", "ann", {}, 4)

    assert len(requeue(database, ids[:1], "bob")) == 1
    assert len(requeue(database, ids[:3], "ann", action)) == 2
    assert find_action(database, action).done == 2
    assert requeue(database, ids[:3], "ann", action) == []

    assert find_action(database, action).done == 2


def test_two_at_once_share_the_dead_letters(database: Database) -> None:
    """Each is taken by one of them, and counted once (R15)."""
    ids = buried(database, 200)
    action = begin_action(database, "requeue-dead-letters", "ann", {}, 200)

    def take(start: int) -> int:
        return sum(len(requeue(database, ids[n : n + 20], "ann", action)) for n in range(start, 200, 10))

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(take, [0, 0, 5, 5]))

    assert sum(counts) == 200
    assert find_action(database, action).done == 200
    assert {row["status"] for row in all_routes(database)} == {"pending"}


def test_what_is_past_its_deadline_is_left(database: Database) -> None:
    """A route that would expire at once stays a dead letter, and is counted as such; its neighbours are taken (R3)."""
    ids = buried(database, 3)
    execute(
        database,
        "UPDATE routes SET expires_at = now() + CASE WHEN dead_letter_id = %s THEN -1 ELSE 1 END * interval '1 hour'",
        ids[1],
    )
    action = begin_action(database, "requeue-dead-letters", "ann", {}, 2)

    assert count_past_deadline(database, EVERYTHING) == 1
    assert len(requeue(database, ids, "ann", action)) == 2

    assert find_action(database, action).done == 2
    assert dead_letter_ids(database, EVERYTHING, before=None, limit=10) == [ids[1]]
    assert count_past_deadline(database, EVERYTHING) == 1
    assert count_past_deadline(database, DeadLetterFilter(up_to=ids[1] - 1)) == 0
    assert {row["requeues"] for row in all_routes(database) if row["status"] == "pending"} == {1}


def test_a_burst_is_counted_before_its_statistics_are_renewed(database: Database) -> None:
    """Until autovacuum comes by, PostgreSQL knows of no dead letter: each reads its own route all the same (R35)."""
    due_routes(database, 200)
    execute(database, "ANALYZE routes, dead_letters")
    execute(database, BURY)
    read = "SELECT idx_tup_read AS read FROM pg_stat_user_indexes WHERE indexrelname = 'routes_dead_letter_id'"
    flush = "SELECT pg_stat_force_next_flush()"
    rows(database, flush)
    [before] = rows(database, read)

    assert count_past_deadline(database, EVERYTHING) == 0

    rows(database, flush)
    [after] = rows(database, read)
    assert after["read"] - before["read"] == 200
