"""Histograms of durations, filled once a batch: a route costs an addition, and no call into the client (R25)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# Seconds: from a command that a worker was handed to routes that waited for hours.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)


class Durations:
    """One histogram of durations. Safe to share between threads, and between processes as counters are."""

    def __init__(self, registry: "CollectorRegistry", name: str, about: str, labels: Sequence[str] = ()) -> None:
        """Adds it to this registry. name: without the unit, which is seconds."""
        import prometheus_client

        self._histogram = prometheus_client.Histogram(
            name, about, labels, unit="seconds", registry=registry, buckets=BOUNDS
        )

    def add(self, seconds: Iterable[float], *labels: str) -> None:
        """Adds durations. One below zero counts as zero: the clocks of two machines differ."""
        counts: Counter[float] = Counter()
        for each in seconds:
            counts[each] += 1
        self._add(counts, labels)

    def add_same(self, seconds: float, count: int, *labels: str) -> None:
        """Adds the same duration so many times."""
        self._add({seconds: count}, labels)

    def _add(self, counts: "Counter[float] | dict[float, int]", labels: Sequence[str]) -> None:
        buckets: Counter[int] = Counter()
        total = 0.0
        for seconds, count in counts.items():
            if count:
                buckets[bisect_left(BOUNDS, seconds)] += count
                total += max(0.0, seconds) * count
        if buckets:
            histogram = self._histogram.labels(*labels) if labels else self._histogram
            # What `observe` does for one value, for all of them at once: the client has no call for that.
            histogram._sum.inc(total)
            for bucket, count in buckets.items():
                histogram._buckets[bucket].inc(count)
