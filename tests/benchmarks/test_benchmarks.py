"""The benchmarks still run. What they measure at this size means nothing."""

from collections.abc import Iterator

import pytest

from publisher.local.embedded import Servers
from tests.benchmarks.measurements import GROUPS, measure
from tests.benchmarks.results import as_markdown
from tests.benchmarks.size import TINY
from tests.benchmarks.stage import durable_servers

# Of the long form: those that start the most processes, and those that do as others do.
SLOW = {
    "latency",
    "tracing",
    "control",
    "mail",
    "rates",
    "sizes",
    "grown",
    "page",
    "drain",
    "resources",
    "retries",
    "scaling",
    "door",
    "cpu",
}


@pytest.fixture(scope="module")
def durable() -> Iterator[Servers]:
    """Servers of their own: a stage empties Redis."""
    with durable_servers() as servers:
        yield servers


@pytest.mark.parametrize(
    "group", [pytest.param(group, marks=pytest.mark.long) if group in SLOW else group for group in GROUPS]
)
def test_every_benchmark_runs(durable: Servers, group: str) -> None:
    """Each group of measurements comes to its end, having checked that every route was published once."""
    figures = list(measure(durable, TINY, (group,)))

    assert {figure.value for figure in figures}
    assert group in as_markdown(figures, TINY.runs)
