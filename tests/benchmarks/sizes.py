"""Sizes: bytes of a notification in each place, and the CPU seconds it costs, from its intent to its pruning.

Every notification has two routes, an email and a push, and a payload of some 140 bytes. All figures are for a million.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import redis

from publisher.local.embedded import Servers
from tests.benchmarks.cpu import cpu_seconds, since
from tests.benchmarks.intake import accepted, fill
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import EMAIL_STREAM, INTENTS_STREAM, PUSH_STREAM, Stage, stage
from tests.conftest import run_sql
from tests.waiting import wait_until

GROUP = "sizes"
# A retention of seconds, and what the settings demand to be shorter: so a pruning need not wait for something old.
_SHORT = {
    "PUBLISHER_ROUTE_LEASE_TTL": "1",
    "PUBLISHER_SCAN_INTERVAL": "0.5",
    "PUBLISHER_DEDUP_WINDOW": "2",
    "PUBLISHER_AUDIT_WINDOW": "0",
    "PUBLISHER_RETENTION": "3",
}
_RELATIONS = """
SELECT t.relname, NULL, pg_table_size(t.oid) FROM pg_class t WHERE t.relname = ANY(%(tables)s) AND t.relkind = 'r'
UNION ALL
SELECT t.relname, i.relname, pg_relation_size(i.oid)
FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE t.relname = ANY(%(tables)s) AND t.relkind = 'r'
"""
_ALL_OLD = "SELECT max(accepted_at) < now() - interval '5 seconds' FROM notifications"
_WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


@dataclass
class Sizes:
    """What so many notifications took, by place.

    stored: bytes that stay, of PostgreSQL's tables and indexes and of Redis' memory.
    written: bytes written on the way: PostgreSQL's WAL, Redis' append-only file.
    cpu_seconds: by process.
    """

    notifications: int
    stored: dict[str, float] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def million(self, amount: float, of: int = 0) -> float:
        """Scales what so many notifications took (all of them if `of` is left out) to a million."""
        return amount / (of or self.notifications) * 1_000_000


def sizes(servers: Servers, notifications: int) -> Sizes:
    """Takes so many notifications from the intents stream to the outbound streams, then prunes them."""
    found = Sizes(notifications)
    with stage(servers) as on, _append_only_file(on.redis):
        on.start("intake")
        _waiting_messages(on, found)
        on.start("worker", "clock")
        _publish(on, found)
        _relations(on, found, "notifications", "routes")
        _write_ahead(on, found)
        on.stop()
        _redis(on, found)
        _prune(on, found)
    return found


def figures(part: Sizes, whole: Sizes) -> Iterator[Figure]:
    """The lines of RESULTS.md. part: the same with fewer notifications, to see that the sizes are linear."""
    yield Figure(GROUP, "measured", f"{whole.notifications:,} notifications", "one email and one push each")
    for kind, unit in (("stored", "MB"), ("written", "MB"), ("cpu_seconds", "s")):
        fewer = getattr(part, kind)
        for place, amount in getattr(whole, kind).items():
            scale = 1_000_000 if unit == "MB" else 1
            beside = f"{fewer[place] / amount:.2f} × that, if {part.notifications:,} are measured" if amount else ""
            yield Figure(
                GROUP, f"{kind.removesuffix('_seconds')}: {place}", f"{_number(amount / scale)} {unit}", beside
            )


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.1f}"


def _waiting_messages(on: Stage, found: Sizes) -> None:
    """With no worker, a tenth of the intents: what stands in Dramatiq's queues by then."""
    count = found.notifications // 10
    fill(on, 0, count)
    accepted(on, count)
    # The message about a batch follows its commit.
    wait_until(lambda: on.redis.xpending(INTENTS_STREAM, "notification-publisher")["pending"] == 0)
    found.stored["Redis: Dramatiq queues, while no worker runs"] = found.million(_memory(on.redis, "dramatiq:*"), count)


def _publish(on: Stage, found: Sizes) -> None:
    """The rest, as fast as it goes, and what it costs."""
    first = found.notifications // 10
    on.wait_for_appended(2 * first)
    of = found.notifications - first
    cpu, wal, file = cpu_seconds(on), _wal(on), _file(on.redis)
    fill(on, first, found.notifications)
    on.wait_for_appended(2 * found.notifications)
    on.all_published(2 * found.notifications)
    # Autovacuum comes a little later, and is a part of the cost.
    run_sql(on.environ["DATABASE_URL"], "VACUUM ANALYZE notifications", "VACUUM ANALYZE routes")
    for name, seconds in since(cpu, cpu_seconds(on)).items():
        found.cpu_seconds[name] = found.million(seconds, of)
    found.written["PostgreSQL: WAL, in a backlog"] = found.million(_wal(on) - wal, of)
    found.written["Redis: append-only file"] = found.million(_file(on.redis) - file, of)


def _write_ahead(on: Stage, found: Sizes) -> None:
    """The least that PostgreSQL writes to its WAL, and the most.

    The first change of a page after a checkpoint writes the whole page. In large tables nearly every notification is
    the first to change its pages of the indexes that are not in the order of time.
    """
    count = max(found.notifications // 1000, 20)
    for name, settings in (
        ("PostgreSQL: WAL, without whole pages", "off"),
        ("PostgreSQL: WAL, every page whole", "on"),
    ):
        run_sql(
            on.environ["DATABASE_URL"],
            f"ALTER SYSTEM SET full_page_writes = {settings}",
            "SELECT pg_reload_conf()",
            "CHECKPOINT",
        )
        wait_until(lambda settings=settings: on.database.rows("SHOW full_page_writes") == [(settings,)])
        before, appended, start = _wal(on), on.appended(), appended_intents(on)
        fill(on, start, start + count)
        on.wait_for_appended(appended + 2 * count)
        on.all_published(appended + 2 * count)
        found.written[name] = found.million(_wal(on) - before, count)
    run_sql(on.environ["DATABASE_URL"], "ALTER SYSTEM RESET full_page_writes", "SELECT pg_reload_conf()")


def appended_intents(on: Stage) -> int:
    """Returns how many intents were ever sent: the number of the next one."""
    return int(on.redis.xinfo_stream(INTENTS_STREAM)["entries-added"])


def _redis(on: Stage, found: Sizes) -> None:
    """By what Redis frees when each is removed, its own bookkeeping included."""
    of = appended_intents(on)
    places = {
        "Redis: intents stream": INTENTS_STREAM,
        "Redis: outbound stream of email": EMAIL_STREAM,
        "Redis: outbound stream of push": PUSH_STREAM,
        "Redis: witnesses": "publisher:witness:*",
    }
    for place, pattern in places.items():
        before = on.redis.info("memory")["used_memory"]
        _delete(on.redis, pattern)
        wait_until(lambda: on.redis.info("memory")["lazyfree_pending_objects"] == 0)
        found.stored[place] = found.million(before - on.redis.info("memory")["used_memory"], of)
    found.stored["Redis: Dramatiq queues, while workers keep up"] = found.million(_memory(on.redis, "dramatiq:*"), of)


def _prune(on: Stage, found: Sizes) -> None:
    """Prunes all of them, and measures what is left of them: their keys."""
    [(total,)] = on.database.rows("SELECT count(*) FROM notifications")
    wait_until(lambda: on.database.rows(_ALL_OLD) == [(True,)], within=60)
    wal, cpu, own = _wal(on), cpu_seconds(on), _children()
    subprocess.run(
        [str(Path(sys.executable).with_name("publisher")), "retention", "run", "--yes", "--json"],
        env={**os.environ, **on.environ, **_SHORT},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    if on.database.rows("SELECT count(*) FROM pruned_notifications") != [(total,)]:
        raise AssertionError(f"not all of {total} notifications were pruned")
    run_sql(on.environ["DATABASE_URL"], *(f"VACUUM {t}" for t in ("notifications", "routes", "pruned_notifications")))
    found.cpu_seconds["pruning: the pruning process"] = found.million(_children() - own, total)
    found.cpu_seconds["pruning: PostgreSQL"] = found.million(since(cpu, cpu_seconds(on))["PostgreSQL"], total)
    found.written["PostgreSQL: WAL, of pruning"] = found.million(_wal(on) - wal, total)
    _relations(on, found, "pruned_notifications")


def _relations(on: Stage, found: Sizes, *tables: str) -> None:
    for table, index, size in on.database.rows(_RELATIONS, {"tables": list(tables)}):
        place = f"index {index}" if index else f"table {table}"
        found.stored[f"PostgreSQL: {place}"] = found.million(size)


def _children() -> float:
    """CPU seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wal(on: Stage) -> int:
    [(written,)] = on.database.rows(_WRITTEN)
    return int(written)


def _file(client: redis.Redis) -> int:
    return int(client.info("persistence")["aof_current_size"])


def _memory(client: redis.Redis, pattern: str) -> int:
    return sum(client.memory_usage(key, samples=0) or 0 for key in client.scan_iter(pattern, count=1000))


def _delete(client: redis.Redis, pattern: str) -> None:
    found = client.scan_iter(pattern, count=10_000)
    while keys := list(islice(found, 10_000)):
        client.delete(*keys)


@contextmanager
def _append_only_file(client: redis.Redis) -> Iterator[None]:
    """Lets the append-only file grow, so that its size is all that was written."""
    client.config_set("auto-aof-rewrite-percentage", 0)
    yield
    client.config_set("auto-aof-rewrite-percentage", 100)
