"""CPU of each process for 1,000 intents of two routes, and the WAL of a route: what a rate hides on a busy machine.

Intake alone, then from the inbound stream to both outbound ones. Nothing is asked of PostgreSQL meanwhile.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from publisher.local.embedded import Servers
from tests.benchmarks.cpu import cpu_seconds, since
from tests.benchmarks.intake import accepted, fill, intent, published
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import Stage, stage
from tests.conftest import run_sql

GROUP = "cpu"
# Connected, and with every plan made and every page of the empty tables written.
_WARM = 500
_WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


@dataclass(frozen=True)
class Cost:
    """What so many intents cost.

    rate: intents a second.
    cpu: CPU milliseconds for 1,000 intents, by process.
    sent: CPU milliseconds of Redis for 1,000 XADD of producers, which come before.
    wal: bytes a route.
    """

    rate: float

    cpu: dict[str, float]
    sent: float
    wal: float


def figures(servers: Servers, intents: int, runs: int) -> Iterator[Figure]:
    """The lines of RESULTS.md, medians of so many runs."""
    for what, measure in (("intake alone", intake_alone), ("end to end", end_to_end)):
        seen = [measure(servers, intents) for _ in range(runs)]
        by_process = {name: _middle([cost.cpu[name] for cost in seen]) for name in seen[0].cpu}
        whole = _middle([sum(cost.cpu.values()) for cost in seen])
        target = "290 ms" if what == "end to end" else ""
        yield Figure(GROUP, f"{what}: 1,000 intents", f"{whole:.0f} ms", "all processes and both servers", target)
        for name, milliseconds in by_process.items():
            yield Figure(GROUP, f"{what}: 1,000 intents: {name}", f"{milliseconds:.1f} ms")
        if what == "intake alone":
            sent = _middle([cost.sent for cost in seen])
            yield Figure(GROUP, "producers: 1,000 intents: Redis", f"{sent:.1f} ms", "before all that")
        yield Figure(GROUP, f"{what}: WAL of a route", f"{_middle([cost.wal for cost in seen]):,.0f} bytes")


def intake_alone(servers: Servers, intents: int) -> Cost:
    """One intake process, with no worker beside it."""
    with stage(servers) as on:
        on.start("intake")
        return cost_of(on, intents, accepted)


def end_to_end(servers: Servers, intents: int) -> Cost:
    """Every process of the Procfile, from the inbound stream to both outbound ones."""
    with stage(servers) as on:
        on.start("worker", "clock", "intake")
        cost = cost_of(on, intents, published)
        on.all_published(2 * (_WARM + intents))
        return cost


def cost_of(
    on: Stage,
    intents: int,
    wait: Callable[[Stage, int], None],
    *,
    start: int = 0,
    checkpoint: bool = False,
    make: Callable[[int], dict[str, str]] = intent,
) -> Cost:
    """Sends so many intents while intake is stopped, and measures from its first step to the end of the wait.

    start: how many were sent before. checkpoint: PostgreSQL makes one right before the measurement.
    make: returns the intent of a number.
    """
    first = start + _WARM
    fill(on, start, first, make)
    wait(on, first)
    intakes = [process for name, process in on.processes.items() if name.startswith("intake")]
    for intake in intakes:
        intake.suspend()
    empty = cpu_seconds(on)
    fill(on, first, first + intents, make)
    sent = since(empty, cpu_seconds(on))["Redis"]
    if checkpoint:
        run_sql(on.environ["DATABASE_URL"], "CHECKPOINT")
    before, wal, began = cpu_seconds(on), written(on), time.monotonic()
    for intake in intakes:
        intake.resume()
    wait(on, first + intents)
    seconds = time.monotonic() - began
    by_process: dict[str, float] = {}
    for name, cpu in since(before, cpu_seconds(on)).items():
        # `intake 2` is one more intake.
        kind = name.split()[0]
        by_process[kind] = by_process.get(kind, 0.0) + cpu / intents * 1e6
    return Cost(intents / seconds, by_process, sent / intents * 1e6, (written(on) - wal) / (2 * intents))


def written(on: Stage) -> int:
    """Returns how many bytes PostgreSQL has ever written to its WAL."""
    [(position,)] = on.database.rows(_WRITTEN)
    return int(position)


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)
