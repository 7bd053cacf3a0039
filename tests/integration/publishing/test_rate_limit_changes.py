"""Setting, lowering and lifting a rate limit: workers that know the one of before obey the new one at once (R30)."""

from datetime import timedelta

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.domain.rate_limit import RateLimit
from storage import limits
from storage.accepting.intents import accept_new
from storage.claiming.handover import Handover
from storage.database import Database
from tests.factories import incoming
from tests.integration.buckets import fill
from tests.integration.publishing.limited_workers import SLOW, Worker, waiting
from tests.integration.rows import due_routes, one_route
from tests.waiting import wait_until


@pytest.mark.parametrize("lifted", [True, False], ids=["lifted", "raised"])
def test_a_limit_that_is_lifted_or_raised_holds_a_waiting_worker_back_no_longer(
    lifted: bool, worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A worker that knows a slow limit and waits for its next token learns at its next look that it has changed."""
    due_routes(database, 20)
    limits.set_limit(database, "email", SLOW, "ann")
    waits = worker()
    assert waits.publish_due("email").published == 0
    assert waits.publish_due("email").published == 0

    limits.set_limit(database, "email", None if lifted else RateLimit(1e6, 20), "ann")

    wait_until(lambda: waits.publish_due("email").published == 20)


def test_a_worker_that_knows_a_faster_limit_fills_no_bucket_by_it(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """Once a limit is lowered, the tokens since the last look are those of the lower one, whoever looks (R30)."""
    due_routes(database, 40)
    limits.set_limit(database, "email", RateLimit(1e6, 20), "ann")
    knows = worker()
    wait_until(lambda: knows.publish_due("email").published == 20)
    limits.set_limit(database, "email", SLOW, "ann")
    fill(redis_client, 0)

    assert knows.publish_due("email").published == 0


def test_what_was_handed_over_goes_at_once_after_a_limit_was_lifted(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A worker that knows the limit of before takes the routes of its message: their lease need not run out (R5)."""
    limits.set_limit(database, "email", SLOW, "ann")
    knows = worker(handover=timedelta(seconds=30))
    assert knows.publish_due("email").wait is not None
    limits.set_limit(database, "email", None, "ann")
    handover = Handover({"email": EMAIL.stream}, timedelta(seconds=30))
    due = accept_new(database, [incoming()], handover)[0].due["email"]

    assert knows.publish_these("email", due, handover.token).published == len(due)


def test_an_operators_limit_holds_from_the_next_claim_on(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A worker that knows of no limit learns it from its claim, which takes nothing."""
    due_routes(database, 30)
    unlimited = worker(batch_size=10)
    assert unlimited.publish_due("email").published == 10
    limits.set_limit(database, "email", SLOW, "ann")
    fill(redis_client, 4.0)

    report = unlimited.publish_due("email")

    assert report.published == 4
    assert waiting(database) == {("pending", 0, None, 0)}
    assert redis_client.xlen(EMAIL.stream) == 14


def test_a_lowered_limit_holds_at_once(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """The append obeys the limit that its claim has read: the bucket's tokens are cut to the new burst."""
    due_routes(database, 30)
    fill(redis_client, 20.0)
    limited = worker(SLOW)
    limits.set_limit(database, "email", RateLimit(0.001, 3), "ann")

    report = limited.publish_due("email")

    assert report.published == 3
    assert report.wait is not None
    assert waiting(database) == {("pending", 0, None, 0)}


def test_without_a_limit_all_goes_again(worker: Worker, database: Database) -> None:
    """An operator who wants no limit overrides that of the settings, with the next claim."""
    due_routes(database, 30)
    limited = worker(SLOW)
    assert limited.publish_due("email").published == 0
    limits.set_limit(database, "email", None, "ann")
    # Another process has learned of it, say.
    limited._limiter._known["email"] = None

    assert limited.publish_due("email").published == 30


def test_a_limit_of_the_settings_is_taken_away(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """The next look after it knows of no limit any more, and takes a whole batch, whatever the settings say."""
    due_routes(database, 30)
    limits.set_limit(database, "email", None, "ann")
    fill(redis_client, 1.0)

    assert worker(SLOW).publish_due("email").published == 30


def test_a_message_to_a_worker_that_knows_no_limit_is_one_too(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """It learns of an operator's limit from the claim of the routes that the message names."""
    ids = due_routes(database, 10)
    limits.set_limit(database, "email", SLOW, "ann")
    fill(redis_client, 2.0)

    worker().publish_these("email", ids[5:])

    assert [one_route(database, id_)["status"] for id_ in ids] == ["published"] * 2 + ["pending"] * 8


def test_what_was_handed_over_before_waits_as_well(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """Routes that intake handed over just before there was a limit are given back at once, and go within it."""
    ids = due_routes(database, 5)
    _hand_over(database, ids)
    limits.set_limit(database, "email", SLOW, "ann")
    fill(redis_client, 3.0)

    report = worker(handover=timedelta(seconds=5)).publish_these("email", ids, "handover:1")

    assert report.published == 3
    assert waiting(database) == {("pending", 0, None, 0)}


def _hand_over(database: Database, ids: list[int]) -> None:
    with database.unit() as connection:
        connection.execute_sql(
            "UPDATE routes SET lease_token = 'handover:1', lease_expires_at = now() + interval '5 seconds'"
            " WHERE id = ANY(%s)",
            (ids,),
        )
