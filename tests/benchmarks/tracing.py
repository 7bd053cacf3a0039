"""Tracing: CPU of 1,000 intents without it, with one trace in ten recorded, and with all of them.

From the inbound stream to both outbound ones, in turn, so that whatever else the machine does meets all alike. Spans go
to a collector that reads and forgets them, and is not counted.
"""

import statistics
from collections.abc import Iterator

from publisher.local.embedded import Servers
from tests.benchmarks.cost import cost_of
from tests.benchmarks.intake import intent, published
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import stage
from tests.otlp_collector import otlp_collector

GROUP = "tracing"
# How many traces of a hundred are recorded; None: tracing is off.
_SHARES: dict[str, int | None] = {"off": None, "one trace in ten is recorded": 10, "every trace is recorded": 100}
_PARTS = ("worker", "intake")


def figures(servers: Servers, intents: int, runs: int) -> Iterator[Figure]:
    """The lines of RESULTS.md, medians of so many runs."""
    seen: dict[str, list[dict[str, float]]] = {what: [] for what in _SHARES}
    for _ in range(runs):
        for what, share in _SHARES.items():
            seen[what].append(_cost(servers, intents, share))
    off = _middle(seen["off"])
    for what, costs in seen.items():
        cost = _middle(costs)
        beside = "" if what == "off" else f"{cost['whole'] / off['whole']:.2f} × off"
        yield Figure(GROUP, f"{what}: 1,000 intents", f"{cost['whole']:.0f} ms", beside or "all processes and servers")
        for part in _PARTS:
            yield Figure(GROUP, f"{what}: 1,000 intents: {part}", f"{cost[part]:.1f} ms")


def _cost(servers: Servers, intents: int, share: int | None) -> dict[str, float]:
    """CPU milliseconds for 1,000 intents, by process and as a whole. Every intent has a trace context."""

    def traced(number: int) -> dict[str, str]:
        flags = "01" if share is not None and number % 100 < share else "00"
        return intent(number) | {"trace_id": f"00-{number + 1:032x}-00f067aa0ba902b7-{flags}"}

    with otlp_collector(keeps=False) as collector:
        # Quickly exported: what is measured ends with the last command.
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with stage(servers, {} if share is None else asked) as on:
            on.start("worker", "clock", "intake")
            cpu = cost_of(on, intents, published, make=traced).cpu
    return cpu | {"whole": sum(cpu.values())}


def _middle(costs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(cost[name] for cost in costs) for name in costs[0]}
