"""An attempt whose call hangs in the network: it ends within its lease, or another worker does its work."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.errors import PublisherError
from publisher.publishing import Report
from publisher.streams.connection import open_redis
from publisher.streams.outbound import OutboundStreams
from publisher.telemetry import Telemetry
from storage import claims, outcomes
from storage.database import Database
from tests.faults.far import far
from tests.faults.proxy import Proxy
from tests.faults.service import installed
from tests.integration.attempts import commands, counters, publisher
from tests.integration.rows import due_routes, expire_leases, one_route, rows
from tests.waiting import wait_until


class Slow:
    """A worker in a thread, whose append is held up on its way by the proxy."""

    def __init__(self, database: Database, proxy: Proxy, client: redis.Redis) -> None:
        client.ping()
        self.telemetry = Telemetry()
        self.proxy = proxy
        self._database = database
        self._worker = publisher(database, OutboundStreams(client, timedelta(hours=1)), telemetry=self.telemetry)
        self._reports: list[Report] = []
        self._thread = threading.Thread(target=lambda: self._reports.append(self._worker.publish_due("email")))
        proxy.stall()
        self._thread.start()
        wait_until(lambda: rows(database, "SELECT FROM routes WHERE lease_token IS NOT NULL"))

    def overtaken(self, streams: OutboundStreams) -> Report:
        """What another worker does, once the lease has run out."""
        expire_leases(self._database)
        return publisher(self._database, streams, telemetry=self.telemetry).publish_due("email")

    def end(self) -> Report:
        """What it did itself."""
        self._thread.join()
        return self._reports[0]


@contextmanager
def slow_worker(database: Database, redis_url: str, patience: float) -> Iterator[Slow]:
    """Starts a worker that waits so long for a reply, which does not come."""
    with (
        far(redis_url) as (proxy, url),
        open_redis(url, timeout=timedelta(seconds=patience), client_name="slow") as client,
    ):
        yield Slow(database, proxy, client)


@pytest.mark.parametrize("waits", [True, False], ids=["its worker still waits", "its worker has given it up"])
def test_an_append_that_arrives_after_its_lease_adds_nothing(
    waits: bool, redis_url: str, database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The lease runs out while the append is on its way, another worker publishes, the append arrives: one command,
    one publication, and no attempt that failed (R5, R8, R12)."""
    [route] = due_routes(database, 1)
    with slow_worker(database, redis_url, 20.0 if waits else 0.5) as slow:
        quick = slow.overtaken(streams)
        if not waits:
            slow.end()
        [entry_id] = commands(redis_client)
        before = appends(redis_client)
        slow.proxy.resume()
        late = slow.end()
        wait_until(lambda: appends(redis_client) > before)

    assert (quick.published, late.published, list(late.rescheduled)) == (1, 0, [])
    assert list(commands(redis_client)) == [entry_id]
    row = one_route(database, route)
    assert (row["status"], row["stream_entry_id"], row["attempt_count"]) == ("published", entry_id, 0)
    assert counters(slow.telemetry) == {
        ("route_publish_attempts_total", "email", "game.turn.ready", "published", ""): 1
    }


def appends(client: redis.Redis) -> int:
    """How many scripts have arrived."""
    return client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)


@pytest.mark.parametrize(
    ("owner", "call"),
    [(claims, "claim_due"), (OutboundStreams, "append"), (outcomes, "complete_published")],
    ids=["claiming", "appending", "recording"],
)
def test_an_attempt_ends_within_its_lease_whatever_goes_silent(
    owner: Any, call: str, environ: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both servers fall silent at any step, every connection open: all timeouts together fit the lease (section 4)."""
    lease = 2.0
    due_routes(database, 20)
    with (
        far(environ["DATABASE_URL"]) as (database_proxy, database_url),
        far(environ["REDIS_URL"]) as (redis_proxy, redis_url),
        installed(
            environ, DATABASE_URL=database_url, REDIS_URL=redis_url, PUBLISHER_ROUTE_LEASE_TTL=str(lease)
        ) as context,
    ):
        assert not context.publisher.publish_due("push").more
        context.redis.ping()
        whole = getattr(owner, call)

        def silenced(*arguments: Any, **options: Any) -> Any:
            database_proxy.stall()
            redis_proxy.stall()
            return whole(*arguments, **options)

        monkeypatch.setattr(owner, call, silenced)
        began = time.monotonic()
        with suppress(PublisherError):
            context.publisher.publish_due("email")
        took = time.monotonic() - began

    assert lease / 20 < took < lease
