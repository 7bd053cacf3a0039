"""Dead letters that are discarded: neither listed nor counted as waiting, and never taken back (R3, R34)."""

from concurrent.futures import ThreadPoolExecutor

from publisher.domain.notification import RouteStatus
from storage.actions import begin_action, find_action
from storage.counts.counts import final_routes
from storage.counts.outstanding import read_outstanding
from storage.counts.overview import count_routes
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, count_dead_letters, discard, list_dead_letters, requeue
from tests.integration.rows import all_routes, execute
from tests.integration.storage.test_requeue import EVERYTHING, buried


def test_what_is_discarded_waits_no_more(database: Database) -> None:
    """It keeps who and when; its route changes in nothing."""
    ids = buried(database, 3)
    before = all_routes(database)

    assert discard(database, ids[:2], "ann") == ["email", "email"]

    assert all_routes(database) == before
    assert [record.id for record in list_dead_letters(database, EVERYTHING, before=None, limit=10)] == ids[2:]
    whole = list_dead_letters(database, DeadLetterFilter(requeued=None), before=None, limit=10)
    assert [(record.discarded_by, record.discarded_at is not None) for record in whole] == [
        *(("ann", True), ("ann", True), (None, False)),
    ]
    assert final_routes(database)["email", RouteStatus.DEAD_LETTER].value == 1
    assert count_routes(database) == {("email", RouteStatus.DEAD_LETTER): 1}
    assert read_outstanding(database).dead_letters.count == 1


def test_an_estimate_leaves_out_what_is_discarded(database: Database) -> None:
    """Beyond the bound the planner's statistics of the dead letters that wait are used, and not those of the routes."""
    ids = buried(database, 200)
    discard(database, ids[:150], "ann")
    execute(database, "ANALYZE routes")
    execute(database, "ANALYZE dead_letters")

    count = final_routes(database, bound=10)["email", RouteStatus.DEAD_LETTER]

    assert count.estimated
    assert 40 <= count.value <= 60


def test_one_of_requeue_and_discard_happens(database: Database) -> None:
    """What was discarded is not requeued, and what was requeued is not discarded."""
    ids = buried(database, 2)

    assert discard(database, ids[:1], "ann") == ["email"]
    assert len(requeue(database, ids, "bob")) == 1
    assert discard(database, ids, "eve") == []


def test_a_requeue_and_a_discard_at_once_share_the_dead_letters(database: Database) -> None:
    """Each dead letter has one of the two ends, and only the routes of those requeued are pending."""
    ids = buried(database, 200)

    with ThreadPoolExecutor(2) as pool:
        requeued = pool.submit(lambda: sum(len(requeue(database, ids[n : n + 10], "ann")) for n in range(0, 200, 10)))
        discarded = pool.submit(
            lambda: sum(len(discard(database, ids[n : n + 10], "bob")) for n in range(190, -1, -10))
        )

    assert requeued.result() + discarded.result() == 200
    whole = list_dead_letters(database, DeadLetterFilter(requeued=None), before=None, limit=1000)
    assert all((record.requeued_at is None) != (record.discarded_at is None) for record in whole)
    assert [route["status"] for route in all_routes(database)].count("pending") == requeued.result()


def test_a_discard_is_counted_in_its_action_by_the_same_statement(database: Database) -> None:
    """Only what was really changed counts (R34)."""
    ids = buried(database, 3)
    action = begin_action(database, "discard-dead-letters", "ann", {}, 3)
    discard(database, ids[:1], "bob")

    discard(database, ids, "ann", action)

    assert find_action(database, action).done == 2
    assert count_dead_letters(database, EVERYTHING) == 0
