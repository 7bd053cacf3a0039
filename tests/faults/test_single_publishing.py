"""An attempt whose call hangs in the network: it ends within its lease, or another worker does its work."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import PublisherError
from publisher.domain.notification import Notification, Route
from publisher.process.telemetry import Telemetry
from publisher.publishing.report import Report
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.claiming import claims
from storage.database import Database
from storage.outcomes import recording
from tests.faults.composition import installed
from tests.faults.proxied_url import proxied
from tests.faults.proxy import Proxy
from tests.integration.publishers import commands, counters, publisher
from tests.integration.rows import due_routes, expire_leases, one_route, rows
from tests.waiting import wait_until


class Slow:
    """A worker in a thread, whose append is held up on its way by the proxy."""

    def __init__(self, database: Database, proxy: Proxy, client: redis.Redis) -> None:
        client.ping()
        self.telemetry = Telemetry()
        self.proxy = proxy
        self._database = database
        self._worker = publisher(
            database, OutboundStreams(StreamServers(client), timedelta(hours=1)), telemetry=self.telemetry
        )
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
        proxied(redis_url) as (proxy, url),
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
    [(claims, "claim_due"), (OutboundStreams, "append"), (recording, "complete")],
    ids=["claiming", "appending", "recording"],
)
def test_an_attempt_ends_within_its_lease_whatever_goes_silent(
    owner: Any, call: str, environ: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both servers fall silent at any step, every connection open: all timeouts together fit the lease."""
    lease = 2.0
    due_routes(database, 20)
    with (
        proxied(environ["DATABASE_URL"]) as (database_proxy, database_url),
        proxied(environ["REDIS_URL"]) as (redis_proxy, redis_url),
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


LARGE = 900 * 1024


def large(_: Notification, route: Route) -> Command:
    """A command near the limit of one (R23): four of them fill a call."""
    return Command((("delivery_id", route.delivery_id), ("text", "x" * LARGE)))


def test_a_batch_too_large_for_its_lease_is_published_in_parts(
    redis_url: str, database: Database, redis_client: redis.Redis
) -> None:
    """What there is no time for is given back uncounted, and the next attempts go on there: each command stands once,
    and no lease runs out (R5, R12). Before each call there is a sign of life."""
    lease = timedelta(seconds=2.4)
    channels = {"email": Channel(name="email", stream="large", encode=large, max_attempts=3)}
    due_routes(database, 24)
    with proxied(redis_url) as (proxy, url), open_redis(url, timeout=lease, client_name="slow") as client:
        client.ping()
        # Each of six calls takes a fifth of a second there and back: together half the lease.
        proxy.delay(0.1)
        beats: list[int] = []
        reports: list[Report] = []
        worker = publisher(
            database,
            OutboundStreams(StreamServers(client), timedelta(hours=1)),
            channels=channels,
            lease_ttl=lease,
            beat=lambda: beats.append(len(reports)),
        )
        took: list[float] = []
        while not reports or reports[-1].more:
            began = time.monotonic()
            reports.append(worker.publish_due("email"))
            took.append(time.monotonic() - began)

    assert 0 < reports[0].published < 24
    assert reports[0].published % 4 == 0
    assert sum(report.published for report in reports) == 24
    assert max(took) < lease.total_seconds()
    # Four commands a call.
    assert all(beats.count(place) > report.published / 4 for place, report in enumerate(reports))
    assert redis_client.xlen("large") == 24
    [counted] = rows(database, "SELECT max(attempt_count) AS attempts, max(lease_loss_count) AS losses FROM routes")
    assert counted == {"attempts": 0, "losses": 0}


def test_a_worker_told_to_stop_gives_back_the_rest_of_a_large_batch(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Told in the middle of a batch, it begins no other call with commands; the rest is free at once (R5, R17)."""
    channels = {"email": Channel(name="email", stream="large", encode=large, max_attempts=3)}
    due_routes(database, 12)

    report = publisher(
        database, streams, channels=channels, stopping=lambda: bool(redis_client.xlen("large"))
    ).publish_due("email")

    assert (report.published, report.more) == (4, True)
    assert rows(database, "SELECT FROM routes WHERE status = 'pending' AND lease_token IS NULL") == [{}] * 8
