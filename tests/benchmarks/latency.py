"""Latency: intents at a steady rate, from the XADD of each to the XADD of its command, by the server's own clock.

Both are entry ids of the same server, in milliseconds: no clock of the measuring process is in between.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.local.embedded import Servers
from tests.benchmarks.intake import intent
from tests.benchmarks.stage import EMAIL_STREAM, INTENTS_STREAM, PUSH_STREAM, Stage, stage


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    maximum: float

    @property
    def text(self) -> str:
        """The three percentiles."""
        return f"{self.p50:.0f} / {self.p95:.0f} / {self.p99:.0f} ms"


def latency(servers: Servers, rate: int, seconds: float, idle: float = 0) -> tuple[Latency, float | None]:
    """The latencies at this rate, and that of one intent after so many idle seconds before it (None without)."""
    with stage(servers) as on:
        on.start("worker", "clock", "intake")
        # Connections and caches are warm in a service that runs.
        send_evenly(on, 0, 20, 20)
        first = None
        if idle:
            time.sleep(idle)
            send_evenly(on, 20, 1, 1)
            first = max(delays(on, 20, 21))
        count = round(rate * seconds)
        start = 100
        send_evenly(on, start, count, rate)
        summary = summarized(delays(on, start, start + count))
    return summary, first


def send_evenly(on: Stage, start: int, count: int, rate: int) -> None:
    """Sends intents evenly, one a call as a producer would, and waits for their commands."""
    before = on.appended()
    began = time.monotonic()
    for n in range(count):
        pause = began + n / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        on.redis.xadd(INTENTS_STREAM, intent(start + n))
    on.wait_for_appended(before + 2 * count, within=60)


def delays(on: Stage, start: int, stop: int) -> list[int]:
    """Milliseconds from each intent to each of its commands."""
    sent = {
        int(fields[b"request_id"].removeprefix(b"request-")): _milliseconds(entry_id)
        for entry_id, fields in on.redis.xrange(INTENTS_STREAM)
    }
    found = []
    for stream in (EMAIL_STREAM, PUSH_STREAM):
        for entry_id, fields in on.redis.xrange(stream):
            number = int(fields[b"request_id"].removeprefix(b"request-"))
            if start <= number < stop:
                found.append(_milliseconds(entry_id) - sent[number])
    return found


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def summarized(delays: Sequence[int]) -> Latency:
    """The percentiles of these delays."""
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    return Latency(cuts[49], cuts[94], cuts[98], max(delays))
