"""Histograms that are filled once a batch are those that the client fills one by one (R25)."""

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.process.durations import BOUNDS, Durations

Samples = dict[tuple[str, ...], float]


def samples(registry: prometheus_client.CollectorRegistry) -> Samples:
    """The value of each sample, but for when the histogram was made."""
    found = [sample for family in registry.collect() for sample in family.samples]
    return {(s.name, *s.labels.values()): s.value for s in found if not s.name.endswith("_created")}


def in_one(seconds: list[float]) -> Samples:
    """What one batch of these durations makes."""
    registry = prometheus_client.CollectorRegistry()
    Durations(registry, "took", "Time.", ["channel"]).add(seconds, "email")
    return samples(registry)


def one_by_one(seconds: list[float]) -> Samples:
    """What the client makes of them."""
    registry = prometheus_client.CollectorRegistry()
    histogram = prometheus_client.Histogram(
        "took", "Time.", ["channel"], unit="seconds", registry=registry, buckets=BOUNDS
    )
    for each in seconds:
        histogram.labels("email").observe(each)
    return samples(registry)


@given(st.lists(st.sampled_from(BOUNDS) | st.floats(0, 1e6)))
def test_a_batch_counts_as_its_durations_one_by_one(seconds: list[float]) -> None:
    """In the same buckets, also at their very bounds."""
    batch, single = in_one(seconds), one_by_one(seconds)

    assert batch.keys() == single.keys()
    assert batch == pytest.approx(single)


def test_a_duration_below_zero_counts_as_zero() -> None:
    """The clock of the server was before ours; a sum that falls would look like a restart."""
    assert in_one([-5.0, 1.0]) == in_one([0.0, 1.0])


def test_the_same_duration_of_many_is_added_once() -> None:
    """As for the routes of one batch."""
    registry = prometheus_client.CollectorRegistry()
    Durations(registry, "took", "Time.", ["channel"]).add_same(0.3, 500, "email")

    assert samples(registry) == pytest.approx(in_one([0.3] * 500))


def test_of_nothing_nothing_is_told() -> None:
    """A channel on which nothing happened has no histogram."""
    assert in_one([]) == {}
