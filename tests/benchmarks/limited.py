"""A rate limit: how exactly four worker processes hold it together, and what a backlog that waits for it costs."""

import statistics
import time
from collections.abc import Iterator

from publisher.domain.rate_limit import RateLimit, parse_rate
from publisher.local.embedded import Servers
from storage import limits
from tests.benchmarks.cpu import cpu_seconds, since
from tests.benchmarks.rest import log_statements, statements_of
from tests.benchmarks.results import Figure
from tests.benchmarks.scaling import launch_workers
from tests.benchmarks.stage import EMAIL_STREAM, Stage, seed, stage
from tests.conftest import run_sql
from tests.rate_windows import over_limit

GROUP = "control"
_LIMIT = RateLimit(14.0, 28)
_SLOW = parse_rate("1/s")
_WORKERS = 4
# The largest of a second's looks is in the middle of it.
_WARM = 100


def figures(servers: Servers, routes: int, seconds: float) -> Iterator[Figure]:
    """The lines of RESULTS.md. routes: how many are due behind the limit."""
    yield _held(servers, seconds)
    yield from _waiting(servers, routes, seconds)


def _held(servers: Servers, seconds: float) -> Figure:
    with stage(servers) as on:
        warm = min(_WARM, round(seconds))
        seed(on, 4 * round(warm + _LIMIT.per_second * (seconds + 10)))
        limits.set_limit(on.database, "email", _LIMIT, "bench")
        launch_workers(on, _WORKERS)
        on.start("clock")
        while on.redis.xlen(EMAIL_STREAM) < warm:
            time.sleep(0.1)
        begin = on.redis.xlen(EMAIL_STREAM)
        time.sleep(seconds)
        ids = [entry_id.decode() for entry_id, _ in on.redis.xrange(EMAIL_STREAM)]
    if over_limit(ids, _LIMIT) > 0:
        raise AssertionError(f"a window holds more than {_LIMIT}")
    instants = [int(entry_id.partition("-")[0]) for entry_id in ids[begin:]]
    held = statistics.linear_regression(instants, range(len(instants))).slope * 1000
    return Figure(
        GROUP,
        f"{_LIMIT} held by {_WORKERS} worker processes over {seconds:g} s",
        f"{held:.2f}/s, {held / _LIMIT.per_second - 1:+.2%}",
        "no window over rate × time + burst",
        "1%",
    )


def _waiting(servers: Servers, routes: int, seconds: float) -> Iterator[Figure]:
    """CPU of all processes and statements of PostgreSQL, with so many routes due and a command a second."""
    with stage(servers) as on:
        seed(on, 2 * routes)
        # Of the other channel nothing is due. The routes are of this release, whose claims need fill in nothing.
        on.database.rows("DELETE FROM routes WHERE channel = 'push' RETURNING 1")
        on.database.rows(
            "UPDATE routes SET producer = 'game-service', notification_type = 'game.turn.ready' RETURNING 1"
        )
        run_sql(on.environ["DATABASE_URL"], "VACUUM ANALYZE routes", "CHECKPOINT")
        limits.set_limit(on.database, "email", _SLOW, "bench")
        log = log_statements(on)
        on.start("worker", "clock", "intake")
        while on.redis.xlen(EMAIL_STREAM) < 3:
            time.sleep(0.1)
        before, read, begun = cpu_seconds(on), log.stat().st_size, on.redis.xlen(EMAIL_STREAM)
        commands = _commands(on)
        time.sleep(seconds)
        spent, statements = since(before, cpu_seconds(on)), statements_of(log, read)
        commands = _commands(on) - commands - 1
        published = on.redis.xlen(EMAIL_STREAM) - begun
        given_back = len(on.database.rows("SELECT 1 FROM routes WHERE lease_loss_count > 0 OR attempt_count > 0"))
    own = sum(spent[name] for name in spent if name not in ("PostgreSQL", "Redis")) / seconds
    servers_ = (spent["PostgreSQL"] + spent["Redis"]) / seconds
    what = f"{_SLOW}, {routes:,} due"
    yield Figure(
        GROUP,
        f"{what}: CPU of all processes",
        f"{own:.2%} of a core",
        f"both servers {servers_:.2%}; {published} published in {seconds:g} s, {given_back} counted anything",
        "5%",
    )
    yield Figure(
        GROUP,
        f"{what}: statements of PostgreSQL",
        f"{statements / seconds:.1f} a second",
        f"commands of Redis: {commands / seconds:.0f} a second",
    )


def _commands(on: Stage) -> int:
    return int(on.redis.info("stats")["total_commands_processed"])
