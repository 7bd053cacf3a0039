"""More processes over more partitions: the CPU of a thousand intents stays what it was. For the guide on scaling.

Every stream is one on one server, or has four partitions on the four nodes of a cluster. All of them share the cores of
one machine, so the rate says little. CPU tells what a machine for each part would carry, as long as it stays flat.
"""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.domain.stream_address import StreamAddress
from publisher.local.embedded import Servers
from tests.benchmarks.cost import Cost
from tests.benchmarks.results import Figure
from tests.benchmarks.scaling import cost_of_fleet
from tests.benchmarks.size import Size
from tests.benchmarks.stage import EMAIL_STREAM, INTENTS_STREAM, PUSH_STREAM, Stage, stage
from tests.clusters import running_cluster

GROUP = "partitions"
COUNTS = (1, 4)
_STREAMS = {"INTENTS": INTENTS_STREAM, "EMAIL": EMAIL_STREAM, "PUSH": PUSH_STREAM}
_FLAT = "within 15 %"


def figures(servers: Servers, size: Size) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    first: float | None = None
    for partitions in COUNTS:
        for processes in size.spread:
            seen = [_cost(servers, size.intents, processes, partitions) for _ in range(size.runs)]
            name = spread_name(processes, partitions)
            rate = statistics.median(cost.rate for cost in seen)
            whole = statistics.median(sum(cost.cpu.values()) for cost in seen)
            first = first or whole
            yield Figure(GROUP, f"{name}: intents a second", f"{rate:,.0f} intents/s")
            for part in seen[0].cpu:
                cpu = statistics.median(cost.cpu[part] for cost in seen)
                yield Figure(GROUP, f"{name}: {part}", f"{cpu:.1f} ms for 1,000 intents")
            beside = f"{whole / first:.2f} × the first"
            yield Figure(GROUP, f"{name}: together", f"{whole:.0f} ms for 1,000 intents", beside, _FLAT)


def spread_name(processes: int, partitions: int) -> str:
    """Names a line by how many of each process and partitions there are."""
    plural = "s" if processes > 1 else ""
    over = "four partitions on four servers" if partitions > 1 else "one partition"
    return f"{processes} worker{plural} and intake{plural}, {over}"


def _cost(servers: Servers, intents: int, processes: int, partitions: int) -> Cost:
    with _stage(servers, partitions) as on:
        return cost_of_fleet(on, intents, processes, processes)


@contextmanager
def _stage(servers: Servers, partitions: int) -> Iterator[Stage]:
    if partitions == 1:
        with stage(servers) as on:
            yield on
        return
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder), shards=partitions) as cluster:
        environ = {f"PUBLISHER_{name}_PARTITIONS": str(partitions) for name in _STREAMS}
        environ |= {f"PUBLISHER_{name}_REDIS_URL": cluster.url for name in _STREAMS}
        places = {
            stream: [
                (cluster.owner(part.stream), part.stream) for part in StreamAddress(stream, partitions=partitions).parts
            ]
            for stream in _STREAMS.values()
        }
        with stage(servers, environ, places) as on:
            yield on
