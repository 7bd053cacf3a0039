"""More workers and more intakes: what they carry together, and the CPU of each part. For the guide on scaling.

On one machine more processes share its cores, so the CPU of a thousand intents says more than the rate. It tells what
one core of each part carries, and whether a part gets dearer when more processes ask it at once.
"""

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import psutil

from publisher.local.embedded import Servers
from publisher.local.procfile import environment, procfile
from tests.benchmarks.cost import Cost, cost_of, published
from tests.benchmarks.intake import places_of
from tests.benchmarks.results import Figure
from tests.benchmarks.size import Size
from tests.benchmarks.stage import Stage, stage
from tests.waiting import wait_until

GROUP = "scaling"
_READY = b"ready for action"


def figures(servers: Servers, size: Size) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    for workers, intakes in size.fleets:
        seen = [_fleet(servers, size.intents, workers, intakes) for _ in range(size.runs)]
        fleet = fleet_name(workers, intakes)
        rate = statistics.median(cost.rate for cost in seen)
        yield Figure(GROUP, f"{fleet}: intents a second", f"{rate:,.0f} intents/s")
        for name in seen[0].cpu:
            cpu = statistics.median(cost.cpu[name] for cost in seen)
            cores = statistics.median(cost.cpu[name] * cost.rate / 1e6 for cost in seen)
            yield Figure(GROUP, f"{fleet}: {name}", f"{cpu:.1f} ms for 1,000 intents", f"{cores:.2f} cores")


def fleet_name(workers: int, intakes: int) -> str:
    """Names a line by how many worker processes and intakes it has."""
    return f"{workers} worker process{'es' if workers > 1 else ''}, {intakes} intake{'s' if intakes > 1 else ''}"


def _fleet(servers: Servers, intents: int, workers: int, intakes: int) -> Cost:
    with stage(servers) as on:
        return cost_of_fleet(on, intents, workers, intakes)


def cost_of_fleet(on: Stage, intents: int, workers: int, intakes: int) -> Cost:
    """What so many intents cost, from the inbound stream to both outbound ones, by so many processes."""
    launch_workers(on, workers)
    for number in range(1, intakes + 1):
        _launch(on, "intake" if number == 1 else f"intake {number}", procfile()["intake"])
    for client, stream in places_of(on):
        wait_until(lambda client=client, stream=stream: client.exists(stream))  # type: ignore[misc]
        wait_until(lambda of=(client, stream): of[0].xinfo_groups(of[1])[0]["consumers"] >= intakes)  # type: ignore[misc]
    cost = cost_of(on, intents, published)
    # A line of the table stands for intents of which each was published once.
    [(routes,)] = on.database.rows("SELECT count(*) FROM routes")
    on.all_published(routes)
    return cost


def launch_workers(on: Stage, workers: int) -> None:
    """Starts so many worker processes under one master, as the Procfile does, and waits until they are ready."""
    command = procfile()["worker"].replace("--processes 2", f"--processes {workers}")
    assert f"--processes {workers} " in command, "the Procfile asks for another number of processes"
    worker = _launch(on, "worker", command)
    wait_until(lambda: worker.read_bytes().count(_READY) >= workers)


def _launch(on: Stage, name: str, command: str) -> Path:
    """Starts a process of the stage by this command. Returns its log."""
    log = Path(on._folder) / f"{name}.log"
    with log.open("wb") as output:
        on.processes[name] = psutil.Popen(
            f"exec {command}",
            shell=True,
            env=environment({**os.environ, **on.environ}),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return log
