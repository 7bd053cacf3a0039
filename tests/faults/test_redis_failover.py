"""Redis fails over under load: each command goes out once, and nobody restarts a process (R12, R12a, R17, R20, R35)."""

import re
from pathlib import Path

import pytest

from tests.factories import INTENTS
from tests.faults.failover_run import FailoverRun, outages, run
from tests.faults.invariants import STREAMS
from tests.faults.over_a_cluster import OWN, kill, over_a_cluster, timed
from tests.sentinels import watched

_SLOW = re.compile("(postgresql|the SMTP server) is (not available: .*answer within|available again)")


def assert_told_in_few_lines(going: FailoverRun, server: str) -> None:
    """Each process has told each outage once, and its end, and of this server alone.

    A busy machine may keep the others from answering in time: that is told as well, and is no mistake.
    """
    for name, lines in outages(going.fleet).items():
        others = [line for line in lines if not line.startswith(f"{server} is ")]
        assert len(lines) - len(others) <= 2 * len(going.back) + 2, (name, lines)
        assert all(_SLOW.match(line) for line in others), (name, others)


def test_a_failover_that_sentinels_make_loses_and_repeats_nothing(server_folder: Path) -> None:
    """A replica takes over while the primary lives, and then because it was killed; the processes follow it."""
    with watched(server_folder / "redis", sentinels=3) as two:

        def faults(going: FailoverRun) -> None:
            going.fault("a planned failover", two.switch)
            going.fault("the primary is killed", two.kill_primary)

        going = run(server_folder, two.url, {"REDIS_URL": two.url}, faults, seed=1618)

    assert going.result.problems == []
    assert_told_in_few_lines(going, "redis")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_one_failover_after_the_other(server_folder: Path) -> None:
    """Primary and replica change places again and again, in both ways that Sentinels know."""
    with watched(server_folder / "redis", sentinels=3) as two:

        def faults(going: FailoverRun) -> None:
            for number in range(1, 4):
                two.wait_until_replicated()
                going.fault(f"coordinated failover {number}", lambda: two.switch("COORDINATED"))
                two.wait_until_replicated()
                going.fault(f"failover {number}", two.switch)
                going.result.problems += going.looks()
            two.wait_until_replicated()
            going.fault("the primary is killed", two.kill_primary)
            going.result.problems += going.looks()

        going = run(server_folder, two.url, {"REDIS_URL": two.url}, faults, seed=1620)

    assert going.result.problems == []
    assert_told_in_few_lines(going, "redis")


def test_a_cluster_whose_slots_move_and_whose_nodes_die_loses_and_repeats_nothing(server_folder: Path) -> None:
    """The slot of the emails goes to another shard, and the node of the intents is killed; the processes follow."""
    with over_a_cluster(server_folder) as (cluster, environ):

        def faults(going: FailoverRun) -> None:
            going.fault("the slot of the emails has moved", timed(cluster.move, STREAMS["email"]))
            going.fault("the node of the intents was killed", timed(kill, cluster, INTENTS))

        going = run(server_folder, cluster.url, environ, faults, seed=1619)

    assert going.result.problems == []
    assert_told_in_few_lines(going, f"redis ({OWN[0]})")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_one_move_after_the_other(server_folder: Path) -> None:
    """Each stream moves in both ways that a cluster knows, to one shard; two shards of three lose their primaries."""
    with over_a_cluster(server_folder) as (cluster, environ):

        def faults(going: FailoverRun) -> None:
            for stream in (INTENTS, *STREAMS.values()):
                going.fault(f"{stream} has moved key by key", timed(cluster.move, stream))
                going.fault(f"{stream} has moved at once", timed(cluster.migrate, stream))
                going.result.problems += going.looks()
            going.fault("the node of all three was killed", timed(kill, cluster, INTENTS))
            going.result.problems += going.looks()
            going.fault("the emails have moved to a shard of their own", timed(cluster.move, STREAMS["email"]))
            going.fault("the node of the emails was killed", timed(kill, cluster, STREAMS["email"]))
            going.result.problems += going.looks()

        going = run(server_folder, cluster.url, environ, faults, seed=1621)

    assert going.result.problems == []
    assert_told_in_few_lines(going, f"redis ({OWN[0]})")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_cluster_and_a_standby_take_over_one_after_the_other(server_folder: Path) -> None:
    """Streams in a cluster, PostgreSQL with a synchronous standby: slots move, nodes die, the standby takes over."""
    with over_a_cluster(server_folder) as (cluster, environ):

        def faults(going: FailoverRun) -> None:
            going.fault("the pushes have moved", timed(cluster.move, STREAMS["push"]))
            going.fault("the standby of PostgreSQL took over", going.take_over)
            going.result.problems += going.looks()
            going.fault("the node of the intents was killed", timed(kill, cluster, INTENTS))
            going.fault("the emails have moved at once", timed(cluster.migrate, STREAMS["email"]))
            going.result.problems += going.looks()

        going = run(server_folder, cluster.url, environ, faults, seed=1622, with_standby=True)

    assert going.result.problems == []
