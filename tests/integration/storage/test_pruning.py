"""Pruning of notifications: what is over goes whole after its time, and nothing else does (retention)."""

from datetime import timedelta

import pytest

from storage.database import Database
from storage.retention import count_old_notifications, prune_notifications
from tests.factories import accepted
from tests.integration.old_notifications import DAYS, age, bury, ended, kept
from tests.integration.rows import FINAL, all_routes, change, count, execute, rows


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


def test_a_key_left_by_an_earlier_pruning_is_replaced(database: Database) -> None:
    """A notification that an older release accepted again, beside its pruned key, goes like any other (R15)."""
    [old] = ended(database)
    execute(database, "INSERT INTO pruned_notifications VALUES (%s, 'older', now() - interval '80 days')", old)

    assert prune_notifications(database, DAYS).notifications == 1

    [left] = rows(database, "SELECT request_fingerprint, now() - pruned_at AS age FROM pruned_notifications")
    assert left["request_fingerprint"] != b"older"
    assert left["age"] < timedelta(minutes=1)


def test_old_notifications_are_counted(database: Database) -> None:
    """The count before a pruning is of all that are old enough to be looked at, one behind a younger one as well."""
    assert count_old_notifications(database, DAYS) == 0
    ids = ended(database, 40)
    assert count_old_notifications(database, DAYS) == 40
    accepted(database)
    age(database, ids[20:39], 1)

    assert count_old_notifications(database, DAYS) == 21
