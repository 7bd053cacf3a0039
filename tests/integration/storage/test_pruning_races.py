"""Prunings that meet other work: prunings at once, requeues, locks that someone holds (R15)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from storage import dead_letters
from storage.audits import published_after, return_lost
from storage.database import Database
from storage.places import Place
from storage.retention import prune_notifications
from tests.conftest import connected
from tests.integration.old_notifications import DAYS, age, bury, ended, kept, prune_all
from tests.integration.rows import all_routes, change, count, rows


def test_two_prunings_at_once_share_the_work(database: Database) -> None:
    """Prunings at once neither wait for each other nor fail, and each notification is counted once (R15)."""
    ended(database, 200)

    def walk(_: int) -> int:
        return sum(pruned.notifications for pruned in prune_all(database, limit=20))

    with ThreadPoolExecutor(4) as threads:
        counted = sum(threads.map(walk, range(4)))
    counted += walk(0)

    assert counted == 200
    assert kept(database) == set()
    assert count(database, "pruned_notifications") == 200
    assert all_routes(database) == []


# Routes of one notification.
OF_IT = "notification_key = (SELECT id FROM notifications WHERE notification_id = %(id)s)"


@pytest.mark.parametrize(
    "held",
    [
        "SELECT 1 FROM notifications WHERE notification_id = %(id)s FOR UPDATE",
        f"SELECT 1 FROM routes WHERE {OF_IT} LIMIT 1 FOR UPDATE",
        "SELECT 1 FROM dead_letters WHERE notification_id = %(id)s FOR UPDATE",
        f"UPDATE routes SET updated_at = now() WHERE {OF_IT}",
    ],
    ids=["notification", "route", "dead letter", "routes changed"],
)
def test_what_someone_holds_is_left_for_the_next_time(held: str, database: Database, database_url: str) -> None:
    """A pruning waits for no lock: a notification of which anything is held stays whole, its neighbours go."""
    ids = ended(database, 3)
    for id_ in ids:
        bury(database, id_)
    age(database, ids, 31)

    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(held, {"id": ids[1]})
        pruned = prune_notifications(database, DAYS)
        assert pruned.notifications == 2
        assert kept(database) == {ids[1]}
        cursor.execute("ROLLBACK")

    assert len(all_routes(database)) == 2
    assert prune_notifications(database, DAYS).notifications == 1


def test_a_requeue_before_the_pruning_keeps_the_notification(database: Database) -> None:
    """A dead letter that an operator has taken back is pending, so its notification stays."""
    [old] = ended(database)
    letter = bury(database, old)
    age(database, [old], 31)
    dead_letters.requeue(database, [letter], "ann")

    assert prune_notifications(database, DAYS).notifications == 0
    assert kept(database) == {old}


def test_a_requeue_after_the_pruning_finds_nothing(database: Database) -> None:
    """Taking back a dead letter that is pruned changes nothing, and says so."""
    [old] = ended(database)
    letter = bury(database, old)
    age(database, [old], 31)
    prune_notifications(database, DAYS)

    assert dead_letters.requeue(database, [letter], "ann") == []


def test_requeues_and_prunings_at_once_never_wait_for_each_other(database: Database) -> None:
    """Requeues that race with prunings: no deadlock, and each notification is pruned, or pending with its letter."""
    ids = ended(database, 60)
    letters = [bury(database, id_) for id_ in ids]
    age(database, ids, 31)

    def take_back(first: int) -> int:
        return sum(len(dead_letters.requeue(database, [letter], "ann")) for letter in letters[first::2])

    def prune(_: int) -> int:
        return sum(pruned.notifications for pruned in prune_all(database, limit=6))

    with ThreadPoolExecutor(4) as threads:
        requeued = [threads.submit(take_back, n) for n in range(2)]
        gone = [threads.submit(prune, n) for n in range(2)]
        counted = sum(f.result() for f in requeued), sum(f.result() for f in gone)

    assert len(kept(database)) == 60 - counted[1]
    assert counted[0] <= len(kept(database))
    assert count(database, "dead_letters") == len(kept(database))
    assert len(all_routes(database)) == 2 * len(kept(database))


def test_a_lost_command_keeps_its_notification(database: Database) -> None:
    """A route that the loss audit took back is open again: nothing of it is pruned (R12a)."""
    [old] = ended(database)
    window = timedelta(days=365)
    beginning = Place(datetime.now(UTC) - window, 0)
    return_lost(database, published_after(database, "email", beginning, window=window, limit=10), window=window)

    assert prune_notifications(database, DAYS).notifications == 0
    assert kept(database) == {old}


def test_nothing_that_stays_is_written_to(database: Database) -> None:
    """A walk over notifications that are not over locks and writes none of them: walking is cheap."""
    ended(database, 5)
    change(database, [route["id"] for route in all_routes(database)], "updated_at = now()")
    marks = (
        "SELECT n.xmax::text AS n, r.xmax::text AS r"
        " FROM notifications AS n JOIN routes AS r ON r.notification_key = n.id"
    )
    before = rows(database, marks)

    assert prune_notifications(database, DAYS).seen == 5

    assert rows(database, marks) == before
