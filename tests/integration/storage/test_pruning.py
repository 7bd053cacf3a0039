"""Pruning of notifications: what is over goes whole after its time, and nothing else does (retention)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg2.extensions
import pytest

from storage import dead_letters
from storage.audits import Place, published_after, return_lost
from storage.database import Database
from storage.retention import AcceptedPlace, count_old_notifications, prune_notifications
from tests.conftest import connected
from tests.factories import accepted
from tests.integration.old_notifications import age, count, ended, kept
from tests.integration.rows import FINAL, all_routes, change, execute, rows

DAYS = timedelta(days=30)


@contextmanager
def holding(url: str, sql: str, *parameters: object) -> Iterator[psycopg2.extensions.cursor]:
    """A transaction that has run this statement, and is still open."""
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(sql, parameters)
        yield cursor


def bury(database: Database, notification_id: str) -> int:
    """Makes the notification's first route a dead letter with a failure, of long ago. Returns the letter's key."""
    route = next(r for r in all_routes(database) if str(r["notification_id"]) == notification_id)
    [letter] = rows(
        database,
        "INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,"
        " attempt_count, max_attempts, dead_lettered_at) VALUES (%s, %s, %s, 't', 'c', 'm', 1, 1, now()) RETURNING id",
        notification_id,
        route["route_id"],
        route["channel"],
    )
    execute(
        database,
        "UPDATE routes SET status = 'dead_letter', published_at = NULL, dead_lettered_at = now(), dead_letter_id = %s"
        " WHERE id = %s",
        letter["id"],
        route["id"],
    )
    execute(
        database,
        "INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)"
        " VALUES (%s, 1, 'c', 'm', now())",
        route["id"],
    )
    return int(letter["id"])


def test_a_notification_goes_with_all_that_hangs_on_it(database: Database) -> None:
    """A notification that is over for long goes with its routes, their failures and their dead letters."""
    old, young = ended(database)[0], ended(database, days=29)[0]
    bury(database, old)
    letter = bury(database, young)

    pruned = prune_notifications(database, DAYS)

    assert (pruned.notifications, pruned.routes, pruned.last) == (1, 2, None)
    assert kept(database) == {young}
    assert {str(r["notification_id"]) for r in all_routes(database)} == {young}
    assert [r["id"] for r in rows(database, "SELECT id FROM dead_letters")] == [letter]
    assert count(database, "route_failures") == 1


def test_a_pruned_notification_leaves_its_key(database: Database) -> None:
    """The key and the fingerprint of a pruned notification stay behind, with the time of the pruning (R18)."""
    [old] = ended(database)
    [before] = rows(database, "SELECT request_fingerprint FROM notifications")

    prune_notifications(database, DAYS)

    [left] = rows(database, "SELECT *, now() - pruned_at AS age FROM pruned_notifications")
    assert (str(left["notification_id"]), left["request_fingerprint"]) == (old, before["request_fingerprint"])
    assert timedelta(0) <= left["age"] < timedelta(minutes=1)
    assert left["pruned_at"].microsecond % 1000 == 0


@pytest.mark.parametrize("status", sorted(FINAL))
def test_every_final_status_is_over(status: str, database: Database) -> None:
    """Published, skipped, dead-lettered and expired routes are over, in any mixture (R3)."""
    [old] = ended(database)
    letter = bury(database, old)
    # Its second route: the first is a dead letter.
    route = all_routes(database)[1]["id"]
    change(database, [route], "published_at = NULL, status = 'skipped'")
    change(database, [route], FINAL[status].replace("(SELECT id FROM dead_letters LIMIT 1)", str(letter)))
    age(database, [old], 31)

    assert prune_notifications(database, DAYS).notifications == 1


def test_an_expired_route_is_over(database: Database) -> None:
    """A route that met its deadline is final."""
    [old] = ended(database)
    change(
        database,
        [r["id"] for r in all_routes(database)],
        "status = 'expired', published_at = NULL, expires_at = now() - interval '31 days'",
    )
    age(database, [old], 31)

    assert prune_notifications(database, DAYS).notifications == 1


@pytest.mark.parametrize(
    "assignments",
    [
        "status = 'pending', published_at = NULL, next_attempt_at = now()",
        "status = 'failed', published_at = NULL, attempt_count = 1, next_attempt_at = now() + interval '1 day'",
        "updated_at = now() - interval '29 days'",
    ],
    ids=["pending", "failed", "changed lately"],
)
def test_one_route_that_is_not_over_keeps_them_all(assignments: str, database: Database) -> None:
    """While one route is open, or was changed within the retention, nothing of its notification goes."""
    [old] = ended(database)
    change(database, [all_routes(database)[1]["id"]], assignments)

    pruned = prune_notifications(database, DAYS)

    assert (pruned.notifications, pruned.routes, pruned.seen) == (0, 0, 1)
    assert kept(database) == {old}
    assert len(all_routes(database)) == 2
    assert count(database, "pruned_notifications") == 0


def test_what_was_accepted_lately_stays(database: Database) -> None:
    """A notification accepted within the retention stays, whatever its routes say."""
    [young] = ended(database)
    execute(database, "UPDATE notifications SET accepted_at = now() - interval '29 days'")

    assert prune_notifications(database, DAYS).seen == 0
    assert kept(database) == {young}


def test_an_empty_database_is_the_end(database: Database) -> None:
    """With nothing there a pruning does nothing."""
    pruned = prune_notifications(database, DAYS)

    assert (pruned.notifications, pruned.routes, pruned.seen, pruned.last) == (0, 0, 0, None)


def test_a_walk_takes_small_steps_and_sees_everything(database: Database) -> None:
    """Batch after batch, the oldest first, every notification is looked at once; those not over are passed by."""
    ids = [ended(database, days=days)[0] for days in (39, 38, 37, 36, 35, 34, 33)]
    stays = ids[2]
    change(
        database,
        [r["id"] for r in all_routes(database) if str(r["notification_id"]) == stays],
        "updated_at = now()",
    )

    batches, after = [], None
    while True:
        # Five rows: two notifications of two routes, and one that is cut.
        pruned = prune_notifications(database, DAYS, after=after, limit=5)
        batches.append((pruned.seen, pruned.notifications))
        after = pruned.last
        if after is None:
            break

    assert batches == [(2, 2), (2, 1), (2, 2), (1, 1)]
    assert kept(database) == {stays}


def test_notifications_of_one_instant_are_all_seen(database: Database) -> None:
    """A batch accepted in one millisecond is walked through by id: none is passed by."""
    ended(database, 7)
    execute(database, "UPDATE notifications SET accepted_at = '2020-01-01'")
    after, seen = None, 0
    while True:
        pruned = prune_notifications(database, DAYS, after=after, limit=4)
        seen += pruned.seen
        if (after := pruned.last) is None:
            break

    assert seen == 7
    assert kept(database) == set()


def test_one_notification_larger_than_a_batch_goes_whole(database: Database) -> None:
    """A notification of more routes than a batch reads goes with all of them, alone."""
    recipients = [{"user_id": str(n), "email": f"u{n}@example.com"} for n in range(30)]
    giant = ended(database, days=40, recipients_json=recipients)[0]
    small = ended(database)[0]

    pruned = prune_notifications(database, DAYS, limit=7)

    assert (pruned.notifications, pruned.routes) == (1, 60)
    assert pruned.last is not None
    assert pruned.last.notification_id == giant
    assert kept(database) == {small}


def test_an_open_route_out_of_sight_keeps_a_giant(database: Database) -> None:
    """Also where a batch reads only some of a notification's routes, an open one among the others keeps it."""
    recipients = [{"user_id": str(n), "email": f"u{n}@example.com"} for n in range(30)]
    [giant] = ended(database, recipients_json=recipients)
    change(database, [all_routes(database)[-1]["id"]], "status = 'pending', published_at = NULL, next_attempt_at=now()")
    change(database, [all_routes(database)[-1]["id"]], "updated_at = now() - interval '31 days'")

    assert prune_notifications(database, DAYS, limit=7).notifications == 0
    assert kept(database) == {giant}
    assert len(all_routes(database)) == 60


def test_two_prunings_at_once_share_the_work(database: Database) -> None:
    """Prunings at once neither wait for each other nor fail, and each notification is counted once (R15)."""
    ended(database, 200)

    def walk(_: int) -> int:
        total, after = 0, None
        while True:
            pruned = prune_notifications(database, DAYS, after=after, limit=20)
            total += pruned.notifications
            if (after := pruned.last) is None:
                return total

    with ThreadPoolExecutor(4) as threads:
        counted = sum(threads.map(walk, range(4)))
    counted += walk(0)

    assert counted == 200
    assert kept(database) == set()
    assert count(database, "pruned_notifications") == 200
    assert all_routes(database) == []


@pytest.mark.parametrize(
    "held",
    [
        "SELECT 1 FROM notifications WHERE notification_id = %(id)s FOR UPDATE",
        "SELECT 1 FROM routes WHERE notification_id = %(id)s LIMIT 1 FOR UPDATE",
        "SELECT 1 FROM dead_letters WHERE notification_id = %(id)s FOR UPDATE",
        "UPDATE routes SET updated_at = now() WHERE notification_id = %(id)s",
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
        total, after = 0, None
        while True:
            pruned = prune_notifications(database, DAYS, after=after, limit=6)
            total += pruned.notifications
            if (after := pruned.last) is None:
                return total

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


def test_a_key_left_by_an_earlier_pruning_is_replaced(database: Database) -> None:
    """A notification that an older release accepted again, beside its pruned key, goes like any other (R15)."""
    [old] = ended(database)
    execute(database, "INSERT INTO pruned_notifications VALUES (%s, 'older', now() - interval '80 days')", old)

    assert prune_notifications(database, DAYS).notifications == 1

    [left] = rows(database, "SELECT request_fingerprint, now() - pruned_at AS age FROM pruned_notifications")
    assert left["request_fingerprint"] != "older"
    assert left["age"] < timedelta(minutes=1)


def test_old_notifications_are_counted(database: Database) -> None:
    """The count before a pruning is of all that are old enough to be looked at."""
    ended(database, 2)
    accepted(database)

    assert count_old_notifications(database, DAYS) == 2


def test_a_walk_begins_behind_its_place(database: Database) -> None:
    """What was accepted before the place, or stands there, is not looked at again."""
    first, second = ended(database, days=40)[0], ended(database, days=35)[0]
    [row] = rows(database, "SELECT accepted_at FROM notifications WHERE notification_id = %s", first)

    prune_notifications(database, DAYS, after=AcceptedPlace(row["accepted_at"], first))

    assert kept(database) == {first}
    assert second not in kept(database)


def test_nothing_that_stays_is_written_to(database: Database) -> None:
    """A walk over notifications that are not over locks and writes none of them: walking is cheap."""
    ended(database, 5)
    change(database, [route["id"] for route in all_routes(database)], "updated_at = now()")
    marks = (
        "SELECT n.xmax::text AS n, r.xmax::text AS r FROM notifications AS n JOIN routes AS r USING (notification_id)"
    )
    before = rows(database, marks)

    assert prune_notifications(database, DAYS).seen == 5

    assert rows(database, marks) == before
