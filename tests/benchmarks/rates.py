"""Rates: notifications at a steady rate for a while, and what each process costs meanwhile.

At a low rate every batch is small, so a notification costs more than in a backlog.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from publisher.local.embedded import Servers
from tests.benchmarks.cpu import cpu_seconds, since
from tests.benchmarks.intake import fill
from tests.benchmarks.latency import Latency, delays, summarized
from tests.benchmarks.recommended import SETTINGS
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import Stage, stage

GROUP = "rates"
_WARM = 200
_STEP_SECONDS = 0.02


@dataclass(frozen=True)
class Steady:
    """What a steady rate cost.

    cores: by process, CPU seconds for the intents of a second.
    memory_mb: resident, of the largest process of each name.
    latency: from intent to command.
    late_seconds: how long after the last intent its commands came. Where this is more than a moment, the machine did
        not carry the rate.
    """

    cores: Mapping[str, float]
    memory_mb: Mapping[str, float]
    latency: Latency
    late_seconds: float


def steady(servers: Servers, rate: int, seconds: float) -> Steady:
    """Sends intents at this rate for so many seconds, with the settings that the guide on sizing names for it."""
    with stage(servers, SETTINGS.get(rate)) as on:
        on.start("worker", "clock", "intake")
        # Connections and caches are warm in a service that runs.
        fill(on, 0, _WARM)
        on.wait_for_appended(2 * _WARM)
        count = round(rate * seconds)
        before = cpu_seconds(on)
        _send(on, _WARM, count, rate)
        sent = time.monotonic()
        on.wait_for_appended(2 * (_WARM + count))
        late = time.monotonic() - sent
        used = since(before, cpu_seconds(on))
        on.all_published(2 * (_WARM + count))
        memory = {
            name: max(process.memory_info().rss / 1e6 for process in family) for name, family in on.family().items()
        }
        found = summarized(delays(on, _WARM, _WARM + count))
    return Steady({name: cpu / seconds for name, cpu in used.items()}, memory, found, late)


def figures(rate: int, seen: Steady) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    at = f"{rate:,} a second"
    late = f"the last command came {seen.late_seconds:.1f} s after the last intent"
    yield Figure(GROUP, f"{at}: from intent to command, p50 / p95 / p99", seen.latency.text, late)
    for name, cores in seen.cores.items():
        megabytes = seen.memory_mb.get(name)
        beside = f"the largest process {megabytes:.0f} MB" if megabytes else ""
        yield Figure(GROUP, f"{at}: CPU of {name}", f"{cores:.1%} of a core", beside)


def _send(on: Stage, start: int, count: int, rate: int) -> None:
    """Sends intents evenly, those of a step together: one call each would cost a core of its own."""
    began, sent = time.monotonic(), 0
    while sent < count:
        due = min(count, round((time.monotonic() - began) * rate))
        fill(on, start + sent, start + due)
        sent = due
        time.sleep(_STEP_SECONDS)
