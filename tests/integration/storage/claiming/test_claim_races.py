"""Many claims at once: every route goes to one worker, and the partial index finds it (R5, R15)."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

import pytest

from publisher.domain.attempt import Published
from storage.claiming.claims import claim_due, claim_these
from storage.database import Database, Row
from storage.outcomes.outcomes import complete
from tests.integration.rows import all_routes, due_routes, execute, expire_leases

TTL = timedelta(seconds=30)
THREADS = 8
T = TypeVar("T")


def at_once(work: Callable[[], T]) -> list[T]:
    """What each of many threads returned that began at the same moment."""
    start = Barrier(THREADS)

    def begin(_: int) -> T:
        start.wait()
        return work()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


class Watched(Database):
    """Remembers the last statement."""

    def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[Row]:
        self.statement = sql, parameters
        return super().rows(sql, parameters)

    def plan(self) -> str:
        """How PostgreSQL would run it again."""
        sql, parameters = self.statement
        return "\n".join(line for (line,) in super().rows(f"EXPLAIN {sql}", parameters))


def test_every_route_is_claimed_by_one_worker(database: Database) -> None:
    """However many workers scan at once, each due route is leased to exactly one of them (R5)."""
    routes = due_routes(database, 200)

    def scan() -> list[int]:
        taken: list[int] = []
        while ids := claim_due(database, "email", limit=7, lease_ttl=TTL).ids:
            taken += ids
        return taken

    taken = [id_ for ids in at_once(scan) for id_ in ids]

    assert Counter(taken) == Counter(routes)


def test_a_message_given_out_twice_is_worked_on_once(database: Database) -> None:
    """Workers that hold the same message at once claim each of its routes once between them (R5, R15)."""
    routes = due_routes(database, 50)

    taken = at_once(lambda: claim_these(database, "email", routes, lease_ttl=TTL).ids)

    assert Counter(id_ for ids in taken for id_ in ids) == Counter(routes)


def test_an_expired_lease_goes_to_one_worker(database: Database) -> None:
    """Of many workers that see a lease expired, one takes it over, and one loss is counted (R5, R5a)."""
    [route] = due_routes(database, 1)
    claim_due(database, "email", limit=1, lease_ttl=TTL)
    expire_leases(database)

    taken = at_once(lambda: claim_due(database, "email", limit=1, lease_ttl=TTL).ids)

    assert sorted(taken) == [[]] * (THREADS - 1) + [[route]]
    assert all_routes(database)[0]["lease_loss_count"] == 1


def test_no_route_is_claimed_again_once_it_is_published(database: Database) -> None:
    """While some workers claim and others record, every route is published exactly once (R5, R8)."""
    routes = due_routes(database, 150)

    def work() -> list[int]:
        done: list[int] = []
        while (claimed := claim_due(database, "email", limit=5, lease_ttl=TTL)).routes:
            done += complete(database, claimed.token, [Published(c.route, "1-0") for c in claimed.routes])
        return done

    done = [id_ for ids in at_once(work) for id_ in ids]

    assert Counter(done) == Counter(routes)
    assert {row["status"] for row in all_routes(database)} == {"published"}


@pytest.mark.parametrize("analysed", ["before", "after", "never"])
def test_a_claim_reads_the_open_routes_alone(database_url: str, analysed: str) -> None:
    """A claim costs the same beside any number of final routes: the partial index serves it, however old the
    planner's statistics are (R5)."""
    with closing(Watched(database_url, application_name="test")) as database:
        execute(database, "ALTER TABLE routes SET (autovacuum_enabled = off)")
        routes = due_routes(database, 20)
        if analysed == "before":
            execute(database, "ANALYZE routes")
        execute(
            database,
            "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref,"
            " created_at, updated_at, published_at)"
            " SELECT notifications.id, 'email:user:published-' || n, 'email', 'published', 16, 'user', now(), now(),"
            " now() FROM notifications, generate_series(1, 20000) AS n",
        )
        if analysed == "after":
            execute(database, "ANALYZE routes")

        claimed = claim_due(database, "email", limit=500, lease_ttl=TTL)
        plan_of_scan = database.plan()
        complete(database, claimed.token, [Published(c.route, "1-0") for c in claimed.routes])
        plan_of_completion = database.plan()

    assert claimed.ids == routes
    assert "Index Scan using routes_due on routes" in plan_of_scan
    assert "Seq Scan on routes" not in plan_of_scan
    assert "routes_pkey" in plan_of_completion
    assert "Seq Scan on routes" not in plan_of_completion
