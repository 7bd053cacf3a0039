"""Chaos over a cluster for the streams and a PostgreSQL with a standby: servers and processes fail side by side."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.clusters import RunningCluster
from tests.factories import INTENTS
from tests.faults.chaos import LEASE_TTL
from tests.faults.failover_run import FailoverRun, run
from tests.faults.fleet import Fleet
from tests.faults.invariants import STREAMS
from tests.faults.over_a_cluster import kill, over_a_cluster, timed

_SEED = 1623
_STREAMS = [INTENTS, *STREAMS.values()]
# Faults of the servers, one after the other; those of processes come beside them.
_MOVES, _KILLS = 8, (2, 6)


@contextmanager
def failing_processes(fleet: Fleet, seed: int) -> Iterator[None]:
    """Kills, stops and pauses processes meanwhile, one every second or so; each is started again."""
    over, roll = threading.Event(), random.Random(seed)

    def fail() -> None:
        while not over.wait(roll.uniform(0.5, 1.5)):
            name = roll.choice(sorted(fleet.slots))
            how: list[Callable[[], object]] = [
                partial(fleet.kill, name),
                partial(fleet.terminate, name),
                partial(fleet.pause, name, LEASE_TTL + 1),
            ]
            roll.choice(how)()

    with ThreadPoolExecutor(1) as thread:
        failing = thread.submit(fail)
        try:
            yield
        finally:
            over.set()
        failing.result()


def kill_one(cluster: RunningCluster) -> None:
    """Kills a node that has a stream and a replica, which takes over. A shard that has lost one before is spared."""
    for stream in _STREAMS:
        if cluster.owner(stream).info("replication")["connected_slaves"]:
            kill(cluster, stream)
            return
    raise AssertionError("no stream is on a shard with a replica")


def drawn(cluster: RunningCluster, going: FailoverRun) -> Iterator[tuple[str, Callable[[], float]]]:
    """The faults of the servers, by the seed: slots move, two nodes die, and the standby takes over halfway."""
    roll = random.Random(_SEED)
    for number in range(1, _MOVES + 1):
        stream, way = roll.choice(_STREAMS), roll.choice((cluster.move, cluster.migrate))
        yield f"{number}: {stream} has moved", timed(way, stream)
        if number in _KILLS:
            yield f"{number}: a node was killed", timed(kill_one, cluster)
        if number == _MOVES // 2:
            yield f"{number}: the standby took over", going.take_over


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nothing_is_lost_where_servers_and_processes_fail_side_by_side(server_folder: Path) -> None:
    """Streams in a cluster, PostgreSQL with a standby, processes killed, stopped and paused: 0 lost, 0 twice."""
    with over_a_cluster(server_folder) as (cluster, environ):

        def faults(going: FailoverRun) -> None:
            going.kills = True
            with failing_processes(going.fleet, _SEED):
                for what, happen in drawn(cluster, going):
                    going.fault(what, happen)

        going = run(server_folder, cluster.url, environ, faults, seed=_SEED, with_standby=True)

    assert going.result.problems == []
