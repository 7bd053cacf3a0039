"""A database that has grown: intake, drain and an operator's commands beside millions of published routes.

The routes are made once for all of these. Intake and drain run beside them and alone, each right after a CHECKPOINT:
the first change of a page after one writes the whole page to the WAL, which costs most where pages are many.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence

from publisher.local.embedded import Servers
from tests.benchmarks.cost import Cost, cost_of
from tests.benchmarks.drain import QUIET_CLOCK, drain_on, routes_per_second
from tests.benchmarks.intake import accepted
from tests.benchmarks.millions import seed_millions
from tests.benchmarks.results import Figure
from tests.benchmarks.size import Size
from tests.benchmarks.stage import Stage, stage
from tests.benchmarks.startup import PUBLISHER

GROUP = "grown"
_SIZES = """
SELECT t.relname, NULL, pg_table_size(t.oid) FROM pg_class t WHERE t.relname = %(table)s AND t.relkind = 'r'
UNION ALL
SELECT t.relname, i.relname, pg_relation_size(i.oid)
FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE t.relname = %(table)s
ORDER BY 3 DESC
"""
_NEWEST = "SELECT notification_id::text, idempotency_key FROM notifications ORDER BY accepted_at DESC LIMIT 1"


def figures(servers: Servers, size: Size) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    with stage(servers, QUIET_CLOCK) as on:
        drains_alone = _drains(on, size)
    with stage(servers) as on:
        intakes_alone = _intakes(on, size)
    with stage(servers, QUIET_CLOCK) as on:
        seed_millions(on, size.grown)
        beside = f"beside {size.grown:,} published routes"
        yield _bytes(on, "notifications", "notification", size.grown // 2)
        yield _bytes(on, "routes", "route", size.grown)
        yield from _commands(on, beside, size.startups)
        drains = _drains(on, size)
        yield Figure(
            GROUP,
            f"{size.routes:,} due {beside}",
            f"{drains:,.0f} routes/s",
            f"{drains / drains_alone:.2f} × alone",
            "0.85 ×",
        )
        yield from _beside_alone(beside, _intakes(on, size), intakes_alone)


def _bytes(on: Stage, table: str, what: str, count: int) -> Figure:
    """Bytes on disk of one row: in the table itself, and in each index of at least one byte a row."""
    sizes = [(index or "table", size / count) for _, index, size in on.database.rows(_SIZES, {"table": table})]
    parts = ", ".join(f"{name} {each:.0f}" for name, each in sizes if each >= 1)
    return Figure(GROUP, f"bytes of a {what}", f"{sum(each for _, each in sizes):.0f} bytes", parts)


def _commands(on: Stage, beside: str, runs: int) -> Iterator[Figure]:
    """The time of a whole command, from its start to its end."""
    [(notification_id, key)] = on.database.rows(_NEWEST)
    for arguments in (["status"], ["explain", notification_id], ["trace", key]):
        milliseconds = statistics.median(_milliseconds(on, arguments) for _ in range(runs))
        yield Figure(GROUP, f"publisher {arguments[0]} {beside}", f"{milliseconds:.0f} ms", "", "450 ms")


def _milliseconds(on: Stage, arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [PUBLISHER, *arguments], env=os.environ | on.environ, stdout=subprocess.DEVNULL, check=True, timeout=60
    )
    return (time.perf_counter() - began) * 1000


def _drains(on: Stage, size: Size) -> float:
    """Routes a second, the median."""
    rates = []
    for run in range(size.runs):
        rates.append(routes_per_second(drain_on(on, size.routes, series=f"due-{run}")))
        on.stop()
    return statistics.median(rates)


def _intakes(on: Stage, size: Size) -> list[Cost]:
    """What intake alone costs, run by run."""
    seen: list[Cost] = []
    for _ in range(size.runs):
        on.start("intake")
        start = on.redis.xinfo_stream("notification:intents")["entries-added"]
        seen.append(cost_of(on, size.intents, accepted, start=start, checkpoint=True))
        on.stop()
    return seen


def _beside_alone(beside: str, seen: Sequence[Cost], alone: Sequence[Cost]) -> Iterator[Figure]:
    what = f"intake {beside}"
    rate, rate_alone = _median(cost.rate for cost in seen), _median(cost.rate for cost in alone)
    yield Figure(GROUP, what, f"{rate:,.0f} intents/s", f"{rate / rate_alone:.2f} × alone", "0.9 ×")
    for name in seen[0].cpu:
        cpu, cpu_alone = (_median(cost.cpu[name] for cost in costs) for costs in (seen, alone))
        ratio = f"{cpu / cpu_alone:.2f} × alone" if cpu_alone else ""
        yield Figure(GROUP, f"{what}: 1,000 intents: {name}", f"{cpu:.1f} ms", ratio)
    wal, wal_alone = _median(cost.wal for cost in seen), _median(cost.wal for cost in alone)
    yield Figure(GROUP, f"{what}: WAL of a route", f"{wal:,.0f} bytes", f"{wal / wal_alone:.2f} × alone")


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)
