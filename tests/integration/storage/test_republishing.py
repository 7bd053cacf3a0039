"""Published routes made pending at an operator's word (R3): which, how, once."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from publisher.domain.notification import RouteEvent, RouteStatus, next_status
from storage import republishing
from storage.actions import begin_action, find_action
from storage.database import Database
from storage.places import Place
from storage.republishing import PublishedFilter, count_published, newest_published, republish, window_end
from tests.factories import accepted
from tests.integration.rows import FINAL, all_routes, bury_something, change, due_routes, execute, one_route, rows

BEGIN = datetime(2026, 3, 14, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WINDOW = PublishedFilter(since=BEGIN, until=BEGIN + timedelta(hours=1))


def published(database: Database, count: int = 1, channel: str = "email") -> list[int]:
    """The keys of this many routes of one notification, published a second apart from BEGIN on."""
    ids = due_routes(database, count, channel)
    for place, id_ in enumerate(ids):
        at = (BEGIN + place * SECOND).isoformat()
        change(database, [id_], f"status = 'published', next_attempt_at = NULL, published_at = '{at}'")
    return ids


def taken(database: Database, matching: PublishedFilter = WINDOW, *, limit: int = 100, channel: str = "email") -> int:
    """How many routes a whole walk makes pending."""
    total, after, more = 0, None, True
    while more:
        done = republish(database, channel, matching, after=after, limit=limit)
        assert done.count <= limit
        total, after, more = total + done.count, done.last, done.last is not None
    return total


def pending(database: Database) -> list[int]:
    """The keys of the pending routes."""
    return [row["id"] for row in all_routes(database) if row["status"] == "pending"]


def test_the_newest_of_a_type_are_listed_also_where_a_route_does_not_say_it(database: Database) -> None:
    """A route that an earlier release inserted is of its notification's type; so many are looked through at most."""
    ids = published(database, 3)
    [kept] = rows(database, "SELECT DISTINCT notification_type FROM notifications")
    change(database, ids[:1], "notification_type = ''")
    change(database, ids[1:2], "notification_type = 'another.type'")
    matching = replace(WINDOW, notification_type=kept["notification_type"])

    def listed(looked_through: int) -> list[datetime]:
        found = newest_published(database, "email", matching, limit=10, looked_through=looked_through)
        return [route.published_at for route in found]

    assert listed(3) == [BEGIN + 2 * SECOND, BEGIN]
    assert listed(2) == [BEGIN + 2 * SECOND]


def test_a_republished_route_is_pending_due_and_a_new_replay(database: Database) -> None:
    """Under the same ids, with all its attempts before it, and nothing left of where it stood (R3, R4)."""
    [id_] = published(database)
    change(database, [id_], "attempt_count = 3, lease_loss_count = 2, stream_entry_id = '7-0'")
    before = one_route(database, id_)

    assert taken(database) == 1

    after = one_route(database, id_)
    assert next_status(RouteStatus(before["status"]), RouteEvent.OPERATOR_REPUBLISHED) == RouteStatus(after["status"])
    changed: dict[str, Any] = {
        "status": "pending",
        "replay": 1,
        "attempt_count": 0,
        "lease_loss_count": 0,
        "published_at": None,
        "stream_entry_id": None,
    }
    instants = {"next_attempt_at": after["next_attempt_at"], "updated_at": after["updated_at"]}
    assert after == before | changed | instants
    assert after["next_attempt_at"] == after["updated_at"]
    assert abs(datetime.now(UTC) - after["updated_at"]) < timedelta(minutes=1)


def test_each_time_is_another_replay(database: Database) -> None:
    """A route sent again and again counts how often, so that each has a witness of its own (R12)."""
    [id_] = published(database)
    for _ in range(2):
        taken(database)
        change(database, [id_], f"status = 'published', next_attempt_at = NULL, published_at = '{BEGIN.isoformat()}'")

    assert one_route(database, id_)["replay"] == 2


def test_the_window_has_its_beginning_and_not_its_end(database: Database) -> None:
    """since <= published_at < until, to the millisecond (R2)."""
    ids = published(database, 4)

    assert taken(database, replace(WINDOW, since=BEGIN + SECOND, until=BEGIN + 3 * SECOND)) == 2

    assert pending(database) == ids[1:3]


def test_only_the_channel_that_is_named_is_touched(database: Database) -> None:
    """Each channel is a walk of its own."""
    published(database, 2)
    push = published(database, 2, channel="push")

    assert taken(database, channel="push") == 2

    assert pending(database) == push


def test_one_notification_or_one_delivery_can_be_named(database: Database) -> None:
    """By its notification's id, with or without a route id."""
    published(database, 2)
    ids = published(database, 3)
    notification = str(one_route(database, ids[0])["notification_id"])
    matching = PublishedFilter(until=WINDOW.until, notification_id=notification, route_id="email:user:1")

    assert taken(database, matching) == 1
    assert pending(database) == ids[1:2]
    assert taken(database, replace(matching, route_id=None), limit=1) == 2
    assert pending(database) == ids


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_type_is_found_wherever_it_stands_in_the_window(
    database: Database, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Pages that hold none of the type are walked over, and none of it is passed by, in pages of any size."""
    monkeypatch.setattr(republishing, "_PAGE_FOR_A_TYPE", 3)
    ids = published(database, 20)
    due = accepted(database, [{"notification_type": "rare", "channels_json": ["email"]} for _ in range(4)]).due["email"]
    for id_, place in zip(due, (0, 7, 8, 19), strict=True):
        at = (BEGIN + place * SECOND).isoformat()
        change(database, [id_], f"status = 'published', next_attempt_at = NULL, published_at = '{at}'")
    matching = replace(WINDOW, notification_type="rare")
    assert count_published(database, ["email"], matching) == 4

    assert taken(database, matching, limit=limit) == 4

    assert pending(database) == due
    assert count_published(database, ["email"], WINDOW) == len(ids)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_routes_published_in_one_millisecond_are_all_taken(database: Database, limit: int) -> None:
    """A page may end in the midst of an instant: the next one goes on by the key."""
    ids = published(database, 7)
    change(database, ids, f"published_at = '{BEGIN.isoformat()}'")

    assert taken(database, limit=limit) == 7

    assert {one_route(database, id_)["replay"] for id_ in ids} == {1}


def test_a_walk_says_where_it_stands_until_its_end(database: Database) -> None:
    """A full page says where the next begins; one that is not full is the last."""
    ids = published(database, 3)

    first = republish(database, "email", WINDOW, after=None, limit=2)
    assert (first.count, first.last) == (2, Place(BEGIN + SECOND, ids[1]))
    last = republish(database, "email", WINDOW, after=first.last, limit=2)
    assert (last.count, last.last) == (1, None)
    nothing = republish(database, "email", WINDOW, after=None, limit=2)
    assert (nothing.count, nothing.last) == (0, None)


@pytest.mark.parametrize("status", ["pending", "failed", "dead_letter", "skipped"])
def test_what_is_not_published_is_left_alone(database: Database, status: str) -> None:
    """The transition begins at published (R3)."""
    bury_something(database)
    [id_] = due_routes(database, 1)
    change(database, [id_], FINAL.get(status, f"status = '{status}'"))
    before = all_routes(database)

    assert taken(database, PublishedFilter(until=datetime.now(UTC) + timedelta(days=1))) == 0

    assert all_routes(database) == before


def test_a_route_past_its_deadline_stays_published(database: Database) -> None:
    """It would expire, and no longer say that it was published; one with time left is taken."""
    past, left = published(database, 2)
    change(database, [past], "expires_at = now() - interval '1 second'")
    change(database, [left], "expires_at = now() + interval '1 hour'")

    assert count_published(database, ["email"], WINDOW) == 1
    assert taken(database) == 1

    assert pending(database) == [left]


def test_a_route_that_another_moves_on_at_this_moment_is_not_waited_for(database: Database, database_url: str) -> None:
    """Whoever holds its row moves it on itself; the others of the batch are taken."""
    held, free = published(database, 2)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM routes WHERE id = %s FOR UPDATE", [held])

        assert taken(database) == 1

    assert pending(database) == [free]


def test_what_is_done_is_counted_in_its_action_by_the_same_statement(database: Database) -> None:
    """The number is true after each batch; without an action nothing is counted (R34)."""
    published(database, 3)
    action = begin_action(database, "republish-routes", "ann", {}, 3)
    other = begin_action(database, "republish-routes", "ann", {}, 3)

    republish(database, "email", WINDOW, after=None, limit=2, action_id=action)
    assert find_action(database, action).done == 2
    republish(database, "email", WINDOW, after=None, limit=2)

    assert find_action(database, action).done == 2
    assert find_action(database, other).done == 0


def test_a_batch_that_is_refused_counts_nothing(database: Database) -> None:
    """Both or neither: what is rolled back is not in the audit."""
    published(database, 3)
    action = begin_action(database, "republish-routes", "ann", {}, 3)
    execute(database, "ALTER TABLE routes ADD CONSTRAINT broken CHECK (replay = 0) NOT VALID")

    with pytest.raises(Exception, match="broken"):
        republish(database, "email", WINDOW, after=None, limit=2, action_id=action)

    assert find_action(database, action).done == 0
    assert pending(database) == []


def test_a_window_ends_now_at_the_latest(database: Database) -> None:
    """By the database's clock, in whole milliseconds, so that what it publishes again lies behind it (R2, R5)."""
    assert window_end(database, BEGIN) == BEGIN
    for given in (None, datetime.now(UTC) + timedelta(days=1)):
        end = window_end(database, given)
        assert abs(datetime.now(UTC) - end) < timedelta(minutes=1)
        assert end.microsecond % 1000 == 0


def test_what_is_counted_is_what_is_taken(database: Database) -> None:
    """The question names the number of routes that will be published again, over all its channels."""
    published(database, 3)
    published(database, 2, channel="push")
    matching = replace(WINDOW, since=BEGIN + SECOND)

    assert count_published(database, ["email", "push"], matching) == 3
    assert taken(database, matching) + taken(database, matching, channel="push") == 3
    assert count_published(database, ["email", "push"], matching) == 0


def test_a_republished_route_is_answered_anew(database: Database) -> None:
    """Else the answer to its next command could be of a lower rank, and never count; a complaint stays (R32)."""
    [id_] = published(database)
    change(database, [id_], "answer = 'failed', answered_at = now(), complained = true")

    taken(database)

    route = one_route(database, id_)
    assert (route["answer"], route["answered_at"], route["complained"]) == (None, None, True)
