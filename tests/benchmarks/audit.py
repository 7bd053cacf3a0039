"""The loss audit: one walk over everything that was published, with nothing lost."""

import time
from dataclasses import dataclass

import psutil

from publisher.local.embedded import Servers
from publisher.streams.keys import witness_key
from tests.benchmarks.stage import BEFORE_FIRST, EMAIL_STREAM, NOTIFICATIONS, Stage, stage
from tests.conftest import run_sql

_BATCH = 10_000
# Evenly over a window and a half, the youngest a second ago.
_PUBLISHED = """
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                    published_at, stream, stream_entry_id, witness_until, created_at, updated_at)
SELECT {first} + n, 'email:user:' || n, 'email', 'published', 6, 'user:' || n,
       'user-' || n || '@example.com', t, '{stream}', '1-' || n, t + interval '1 hour', t, t
FROM generate_series(1, {count}) AS n,
     LATERAL (SELECT date_trunc('milliseconds', now()) - interval '1 second'
                     - ({count} - n) * interval '{span} seconds' / {count} AS t) AS instant
ORDER BY n
"""


@dataclass(frozen=True)
class Walk:
    """What one audit took. cpu_seconds: of the process that audits. servers_cpu_seconds: of PostgreSQL and Redis."""

    seconds: float
    cpu_seconds: float
    servers_cpu_seconds: float


def walk(servers: Servers, published: int, span: float) -> Walk:
    """Audits one channel on which so many routes were published within so many seconds, each with its witness."""
    from publisher.bootstrap import install_context
    from publisher.environment import load_settings

    with stage(servers) as on:
        _publish(on, published, span)
        context = install_context(load_settings(on.environ), "bench")
        # Connected to both.
        context.loss_audit.run("push")
        before, servers_before, began = _cpu(), _servers_cpu(on), time.monotonic()
        lost = context.loss_audit.run("email")
        seconds, cpu_seconds = time.monotonic() - began, _cpu() - before
        walked = Walk(seconds, cpu_seconds, _servers_cpu(on) - servers_before)
        context.database.close()
        if lost or on.database.rows("SELECT count(covered_to) FROM stream_audits") != [(2,)]:
            raise AssertionError(f"the audit found {lost} lost, or did not come to its end")
        return walked


def _publish(on: Stage, count: int, span: float) -> None:
    with on.database.unit() as connection, connection.atomic():
        connection.execute_sql(NOTIFICATIONS.format(series="audited", count=count))
        first = BEFORE_FIRST.format(count=count)
        connection.execute_sql(_PUBLISHED.format(count=count, span=span, stream=EMAIL_STREAM, first=first))
    run_sql(on.environ["DATABASE_URL"], "VACUUM ANALYZE notifications", "VACUUM ANALYZE routes", "CHECKPOINT")
    after = 0
    while page := on.database.rows(
        "SELECT routes.id, notification_id || '/' || route_id, stream_entry_id FROM routes JOIN notifications AS n"
        " ON n.id = notification_key WHERE routes.id > %s ORDER BY routes.id LIMIT %s",
        [after, _BATCH],
    ):
        with on.redis.pipeline(transaction=False) as pipe:
            for _, delivery_id, entry_id in page:
                pipe.set(witness_key(EMAIL_STREAM, delivery_id), entry_id, px=3_600_000)
            pipe.execute()
        after = page[-1][0]


def _cpu(pid: int | None = None) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _servers_cpu(on: Stage) -> float:
    """Of the sessions of this database, and of Redis."""
    sessions = on.database.rows("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    redis = on.redis.info("cpu")
    return sum(_cpu(pid) for (pid,) in sessions) + redis["used_cpu_user"] + redis["used_cpu_sys"]
