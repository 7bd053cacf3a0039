"""Redis fails over under load: each command goes out once, and nobody restarts a process (R12, R12a, R17, R20, R35)."""

import time
from pathlib import Path

from tests.clusters import running_cluster
from tests.factories import INTENTS
from tests.faults.failover_run import FailoverRun, outages, run
from tests.faults.invariants import STREAMS
from tests.sentinels import watched
from tests.valkeys import port_of, server, wait_for_replica
from tests.waiting import wait_until

_OWN = ("PUBLISHER_INTENTS_REDIS_URL", "PUBLISHER_EMAIL_REDIS_URL", "PUBLISHER_PUSH_REDIS_URL")


def assert_told_in_few_lines(going: FailoverRun, server: str) -> None:
    """Each process has told each outage once, and its end, and of this server alone."""
    for name, lines in outages(going.fleet).items():
        assert len(lines) <= 2 * len(going.back) + 2, (name, lines)
        assert all(line.startswith(f"{server} is ") for line in lines), (name, lines)


def test_a_failover_that_sentinels_make_loses_and_repeats_nothing(server_folder: Path) -> None:
    """A replica takes over while the primary lives, and then because it was killed; the processes follow it."""
    with watched(server_folder / "redis", sentinels=3) as two:

        def faults(going: FailoverRun) -> None:
            going.fault("a planned failover", two.switch)
            going.fault("the primary is killed", two.kill_primary)

        going = run(server_folder, two.url, {"REDIS_URL": two.url}, faults, seed=1618)

    assert going.result.problems == []
    assert_told_in_few_lines(going, "redis")


def test_a_cluster_whose_slots_move_and_whose_nodes_die_loses_and_repeats_nothing(server_folder: Path) -> None:
    """The slot of the emails goes to another shard, and the node of the intents is killed; the processes follow."""
    with (
        running_cluster(server_folder / "cluster", replicated=True) as cluster,
        server(server_folder / "hints") as hints,
    ):

        def move() -> float:
            cluster.move(STREAMS["email"])
            return time.monotonic()

        def kill() -> float:
            owner = cluster.owner(INTENTS)
            wait_for_replica(owner)
            cluster.kill(owner)
            wait_until(lambda: cluster.owner(INTENTS) is not owner)
            return time.monotonic()

        def faults(going: FailoverRun) -> None:
            going.fault("the slot of the emails has moved", move)
            going.fault("the node of the intents was killed", kill)

        own = dict.fromkeys(_OWN, cluster.url)
        hints_url = f"redis://127.0.0.1:{port_of(hints)}/0"
        going = run(server_folder, cluster.url, {"REDIS_URL": hints_url, **own}, faults, seed=1619)

    assert going.result.problems == []
    assert_told_in_few_lines(going, f"redis ({_OWN[0]})")
