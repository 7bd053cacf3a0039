"""The streams in a cluster with replicas, the hints on a server beside it; and what may happen to a node."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clusters import RunningCluster, running_cluster
from tests.valkeys import port_of, server, wait_for_replica
from tests.waiting import wait_until

OWN = ("PUBLISHER_INTENTS_REDIS_URL", "PUBLISHER_EMAIL_REDIS_URL", "PUBLISHER_PUSH_REDIS_URL")


@contextmanager
def over_a_cluster(folder: Path) -> Iterator[tuple[RunningCluster, dict[str, str]]]:
    """Runs both. Yields the cluster, and where processes find the servers."""
    with running_cluster(folder / "cluster", replicated=True) as cluster, server(folder / "hints") as hints:
        yield cluster, {"REDIS_URL": f"redis://127.0.0.1:{port_of(hints)}/0", **dict.fromkeys(OWN, cluster.url)}


def timed(happen: Callable[..., None], *arguments: object) -> Callable[[], float]:
    """The same with these arguments; returns when it was over."""

    def happened() -> float:
        happen(*arguments)
        return time.monotonic()

    return happened


def kill(cluster: RunningCluster, stream: str) -> None:
    """Kills the node that has this stream, and waits until its replica has taken over."""
    owner = cluster.owner(stream)
    wait_for_replica(owner)
    cluster.kill(owner)
    wait_until(lambda: cluster.owner(stream) is not owner)
