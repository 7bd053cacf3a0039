"""Memory and processor time of the service's processes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from publisher.local.embedded import Servers
from tests.benchmarks.drain import QUIET_CLOCK, scan_now
from tests.benchmarks.latency import send_evenly
from tests.benchmarks.stage import Stage, seed, stage


@dataclass(frozen=True)
class Usage:
    """cpu_seconds: of all the service's processes. memory_mb: resident, of the largest one of each name."""

    cpu_seconds: float
    memory_mb: Mapping[str, float]


def cpu_per_thousand(servers: Servers, routes: int) -> Usage:
    """What a drain of so many routes costs, for 1,000 of them."""
    with stage(servers, QUIET_CLOCK) as on:
        seed(on, routes)
        on.start("worker", "clock")
        before = _cpu(on)
        scan_now(on)
        on.wait_for_appended(routes)
        on.all_published(routes)
        return Usage((_cpu(on) - before) / routes * 1000, _memory(on))


def idle(servers: Servers, seconds: float) -> Usage:
    """What the service costs with nothing to do, a second: the share of one core."""
    with stage(servers) as on:
        on.start("worker", "clock", "intake")
        send_evenly(on, 0, 10, 10)
        before = _cpu(on)
        time.sleep(seconds)
        return Usage((_cpu(on) - before) / seconds, _memory(on))


def steady_memory(servers: Servers, rate: int, seconds: float) -> tuple[Usage, Usage]:
    """Memory after a tenth of the time and at its end, at so many intents a second."""
    # Nobody reads here: by length the streams stay small.
    ceilings = {"PUBLISHER_PUSH_STREAM_CEILING": "1000", "PUBLISHER_EMAIL_STREAM_CEILING": "1000"}
    trims = {"PUBLISHER_PUSH_STREAM_TRIM": "length", "PUBLISHER_EMAIL_STREAM_TRIM": "length"}
    with stage(servers, ceilings | trims) as on:
        on.start("worker", "clock", "intake")
        first = round(rate * seconds / 10)
        send_evenly(on, 0, first, rate)
        early = Usage(_cpu(on), _memory(on))
        send_evenly(on, first, round(rate * seconds) - first, rate)
        return early, Usage(_cpu(on), _memory(on))


def _cpu(on: Stage) -> float:
    return sum(_seconds(process) for family in on.family().values() for process in family)


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _memory(on: Stage) -> dict[str, float]:
    return {
        name: max(round(process.memory_info().rss / 1e6, 1) for process in family)
        for name, family in on.family().items()
    }
