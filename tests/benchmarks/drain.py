"""Drain: so many due routes, half email and half push, until the last one is published."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise

from publisher.local.embedded import Servers
from tests.benchmarks import rulers
from tests.benchmarks.stage import Stage, seed, stage
from tests.conftest import connected

# The clock's own scans would begin before the stop-watch does.
QUIET_CLOCK = {"PUBLISHER_SCAN_INTERVAL": "3600", "PUBLISHER_DEDUP_WINDOW": "7200"}


def drain(
    servers: Servers, routes: int, *, published: int = 0, old_snapshot: bool = False
) -> Sequence[tuple[float, int]]:
    """Drains the routes beside so many published ones. Returns what was seen: seconds since the start, commands.

    old_snapshot: another client holds a transaction open all the while, so that no dead row can be cleaned up.
    """
    with stage(servers, QUIET_CLOCK) as on:
        if published:
            seed(on, published, status="published", series="old")
        seen = drain_on(on, routes, old_snapshot=old_snapshot)
        on.all_published(routes, published)
    return seen


def drain_on(on: Stage, routes: int, *, series: str = "due", old_snapshot: bool = False) -> Sequence[tuple[float, int]]:
    """Drains so many routes on this stage. Returns what was seen, as `drain` does.

    series: names the routes; another one in each drain on the same stage.
    """
    seed(on, routes, series=series)
    # A message that an earlier drain left would begin before the stop-watch does.
    if left := on.redis.keys("dramatiq:*"):
        on.redis.delete(*left)
    on.start("worker", "clock")
    before = on.appended()
    with _snapshot(on) if old_snapshot else nullcontext():
        began = time.monotonic()
        scan_now(on)
        seen = on.wait_for_appended(before + routes)
    # The first look may come when all is done: a small drain is over in no time.
    return [(0.0, 0), *((at - began, count - before) for at, count in seen)]


def scan_now(on: Stage) -> None:
    """Enqueues a scan of each channel, as the clock does."""
    from publisher.bootstrap import install_context
    from publisher.environment import load_settings

    settings = load_settings(on.environ)
    install_context(settings, "bench")
    from actors.routes import send_scan

    for channel in settings.channels:
        send_scan(channel)


@contextmanager
def _snapshot(on: Stage) -> Iterator[None]:
    with connected(on.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM malformed_intents")
        yield
        cursor.execute("COMMIT")


def tenths(seen: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The rates over the first and over the last tenth of the commands."""
    end, total = seen[-1]
    return total / 10 / _instant(seen, total / 10), total / 10 / (end - _instant(seen, total * 9 / 10))


def _instant(seen: Sequence[tuple[float, int]], count: float) -> float:
    """When so many commands had come, between the two looks around it."""
    for (earlier, fewer), (later, more) in pairwise(seen):
        if more >= count:
            return earlier + (later - earlier) * (count - fewer) / (more - fewer)
    raise ValueError(f"never saw {count} commands")


def routes_per_second(seen: Sequence[tuple[float, int]]) -> float:
    """The rate from the start to the last command."""
    return seen[-1][1] / seen[-1][0]


def floor(servers: Servers, routes: int, processes: int) -> float:
    """The floor at the same work."""
    with stage(servers) as on:
        seed(on, routes)
        rate = rulers.floor(on.environ["DATABASE_URL"], servers.redis_url, routes, processes=processes)
        on.all_published(routes)
        return rate


def route_by_route(servers: Servers, routes: int) -> float:
    """The obvious loop at the same work."""
    with stage(servers) as on:
        seed(on, routes * 2)
        return rulers.route_by_route(on.environ["DATABASE_URL"], servers.redis_url, routes)
