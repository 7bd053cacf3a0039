"""PostgreSQL fails over to a replica that lagged: what it lost is taken in again, and goes out once (R12, R18, R20)."""

from contextlib import ExitStack, closing
from pathlib import Path

from tests.faults import run_checker
from tests.faults.chaos import environment, wait_until_quiet
from tests.faults.fleet import Fleet
from tests.faults.observer import Observer
from tests.faults.producer import Producer
from tests.faults.replica import Replica
from tests.faults.run_result import RunResult
from tests.faults.servers import Servers
from tests.waiting import wait_until

_SLOTS = ("worker-b", "intake-a", "intake-b")
_INTENTS, _PER_SECOND = 400, 80.0
# Deliveries that are seen before the replica is cut off, and routes accepted and published between that and the
# primary's death.
_BEFORE, _LOST = 60, 60
_NOTIFICATIONS = "SELECT count(*) FROM notifications"
_PUBLISHED_SINCE = """
SELECT count(*) FROM routes JOIN notifications AS n ON n.id = notification_key
WHERE status = 'published' AND accepted_at > %s
"""


def test_a_failover_to_a_replica_that_lagged_loses_and_repeats_nothing(server_folder: Path) -> None:
    """Hundreds of acknowledged intents are missing in the promoted replica: 0 are lost in the end, 0 go out twice."""
    result = RunResult(1615)
    with ExitStack() as stack:
        server_folder.chmod(0o755)
        servers = stack.enter_context(closing(Servers(server_folder)))
        replica = stack.enter_context(closing(Replica(servers.postgresql, server_folder / "replica")))
        fleet = stack.enter_context(closing(Fleet(environment(servers, 4, 0.4), server_folder, _SLOTS)))
        observer = stack.enter_context(closing(Observer(servers.valkey.url)))
        for slot in fleet.slots.values():
            fleet.wait_until_ready(slot)
        producer = stack.enter_context(
            closing(Producer(servers.valkey.url, seed=1615, per_second=_PER_SECOND, intents=_INTENTS, bad_until=0.5))
        )
        wait_until(lambda: observer.deliveries > _BEFORE)

        replica.wait_until_level()
        replica.cut_off()
        [(since,)] = servers.postgresql.rows("SELECT now()")
        wait_until(lambda: servers.postgresql.rows(_PUBLISHED_SINCE, since)[0][0] > _LOST)
        [(before,)] = servers.postgresql.rows(_NOTIFICATIONS)
        servers.postgresql.kill()
        replica.promote()
        after = replica.value(_NOTIFICATIONS)
        servers.postgresql.fail_over(replica.address, replica.url)

        wait_until(lambda: producer.done, within=60)
        wait_until_quiet(servers, producer, print)
        [(replayed, left_out)] = servers.postgresql.rows("SELECT replayed, left_out FROM intents_replays")
        fleet.stop_all()
        run_checker.check_run(result, servers, fleet, observer, producer)

    assert isinstance(after, int)
    assert before - after > 20
    assert result.problems == []
    # A few that their readers held come from these themselves.
    assert replayed > 20
    assert left_out == 0
