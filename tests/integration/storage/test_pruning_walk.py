"""The walk of a pruning: batch after batch, the oldest first, each notification looked at once."""

from storage.database import Database
from storage.retention import prune_notifications
from tests.integration.old_notifications import DAYS, age, ended, kept, prune_all
from tests.integration.rows import all_routes, change, execute, rows


def ended_by_key(database: Database, count: int) -> list[str]:
    """As `ended`, the ids in the order of the keys, in which a walk sees them."""
    ended(database, count)
    return [
        str(row["notification_id"]) for row in rows(database, "SELECT notification_id FROM notifications ORDER BY id")
    ]


def test_a_walk_takes_small_steps_and_sees_everything(database: Database) -> None:
    """Batch after batch, the oldest first, every notification is looked at once; those not over are passed by."""
    ids = [ended(database, days=days)[0] for days in (39, 38, 37, 36, 35, 34, 33)]
    stays = ids[2]
    change(
        database,
        [r["id"] for r in all_routes(database) if str(r["notification_id"]) == stays],
        "updated_at = now()",
    )

    # Five rows: two notifications of two routes, and one that is cut.
    batches = prune_all(database, limit=5)

    assert [(pruned.seen, pruned.notifications) for pruned in batches] == [(2, 2), (2, 1), (2, 2), (1, 1)]
    assert kept(database) == {stays}


def test_one_that_was_accepted_out_of_order_does_not_end_the_walk(database: Database) -> None:
    """Keys are nearly in the order of acceptance: the old ones behind a younger one are pruned all the same."""
    ids = ended_by_key(database, 7)
    age(database, ids[2:3], 1)

    # Of four looked at three are old, fewer rows than the limit.
    batches = prune_all(database, limit=4)

    assert sum(pruned.notifications for pruned in batches) == 6
    assert kept(database) == set(ids[2:3])


def test_the_walk_ends_where_all_are_young(database: Database) -> None:
    """It does not go through millions of young ones; an old one behind them is left until they are old as well."""
    ids = ended_by_key(database, 7)
    age(database, ids[1:6], 1)

    assert [pruned.seen for pruned in prune_all(database, limit=3)] == [1, 0]
    assert kept(database) == set(ids[1:])
    age(database, ids, 31)
    prune_all(database, limit=3)
    assert kept(database) == set()


def test_notifications_of_one_instant_are_all_seen(database: Database) -> None:
    """A batch accepted in one millisecond is walked through by id: none is passed by."""
    ended(database, 7)
    execute(database, "UPDATE notifications SET accepted_at = '2020-01-01'")

    assert sum(pruned.seen for pruned in prune_all(database, limit=4)) == 7
    assert kept(database) == set()


def test_one_notification_larger_than_a_batch_goes_whole(database: Database) -> None:
    """A notification of more routes than a batch reads goes with all of them, alone."""
    recipients = [{"user_id": str(n), "email": f"u{n}@example.com"} for n in range(30)]
    ended(database, days=40, recipients_json=recipients)
    small = ended(database)[0]

    pruned = prune_notifications(database, DAYS, limit=7)

    assert (pruned.notifications, pruned.routes) == (1, 60)
    assert pruned.last == 1
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


def test_a_walk_begins_behind_its_place(database: Database) -> None:
    """What was accepted before the place, or stands there, is not looked at again."""
    first, second = ended(database, days=40)[0], ended(database, days=35)[0]
    [row] = rows(database, "SELECT id FROM notifications WHERE notification_id = %s", first)

    prune_notifications(database, DAYS, after=row["id"])

    assert kept(database) == {first}
    assert second not in kept(database)
