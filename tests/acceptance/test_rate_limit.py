"""A rate limit over real processes: exact for the whole fleet, through restarts and a killed Redis (R30)."""

import json
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

from publisher.domain.rate_limit import RateLimit
from storage import limits
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL
from tests.integration.rows import due_routes, execute, rows
from tests.processes import Processes
from tests.rate_windows import over_limit
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

# Every lease that was given back without an outcome.
_GIVEN_BACK = """
CREATE TABLE given_back (route bigint);
CREATE FUNCTION see_given_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO given_back VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER see_given_back AFTER UPDATE ON routes FOR EACH ROW
WHEN (OLD.lease_token IS NOT NULL AND NEW.lease_token IS NULL AND OLD.status = NEW.status
      AND OLD.attempt_count = NEW.attempt_count) EXECUTE FUNCTION see_given_back()
"""


class Fleet:
    """Four workers and a clock on a Valkey of their own, with an append-only file."""

    def __init__(self, database: Database, valkey: OwnValkey, processes: Processes) -> None:
        self.database, self.valkey, self._processes = database, valkey, processes
        execute(database, _GIVEN_BACK)
        self.workers = [processes.start("worker") for _ in range(4)]
        self.clock = processes.start("clock")
        for worker in self.workers:
            worker.wait_until_ready()

    def replace(self, number: int, by: signal.Signals) -> None:
        """Ends a worker with this signal, and starts another in its place."""
        self.workers[number].signal(by, group=by is signal.SIGKILL)
        self.workers[number].wait(60)
        self.workers[number] = self._processes.start("worker")
        self.workers[number].wait_until_ready()

    def ids(self) -> list[str]:
        """The ids of every command on the stream, in order."""
        with redis.Redis.from_url(self.valkey.url, decode_responses=True) as client:
            return [entry_id for entry_id, _ in client.xrange(EMAIL)]

    def wait_for(self, more: int) -> None:
        """Returns once so many more commands stand on the stream than do now."""
        before = len(self.ids())
        wait_until(lambda: len(self.ids()) >= before + more, within=120)

    def column(self, sql: str) -> list[object]:
        """The only column of these rows."""
        return [value for row in rows(self.database, sql) for value in row.values()]


@pytest.fixture
def fleet(database: Database, processes: Processes, environ: dict[str, str], tmp_path: Path) -> Iterator[Fleet]:
    """The fleet, with no limit and nothing due."""
    valkey = OwnValkey(tmp_path / "valkey")
    environ["REDIS_URL"] = valkey.url
    yield Fleet(database, valkey, processes)
    valkey.stop()


def per_second(ids: Sequence[str], since: str) -> float:
    """The rate behind this entry: of the line through all entries, since looks publish several at once."""
    instants = [int(entry_id.partition("-")[0]) for entry_id in ids[ids.index(since) + 1 :]]
    return statistics.linear_regression(instants, range(len(instants))).slope * 1000


def test_four_workers_hold_a_rate_together(fleet: Fleet) -> None:
    """No window holds more than rate × time + burst, the rate is used, no attempt is counted, and of the routes that
    were claimed hardly any was given back; a worker that stops and one that is killed change nothing."""
    limit = RateLimit(50.0, 250)
    limits.set_limit(fleet.database, "email", limit, "ann")
    due_routes(fleet.database, 900)
    fleet.wait_for(100)
    fleet.replace(0, signal.SIGTERM)
    fleet.replace(1, signal.SIGKILL)

    wait_until(lambda: len(fleet.ids()) == 900, within=120)

    ids = fleet.ids()
    assert over_limit(ids, limit) <= 0
    assert per_second(ids, ids[0]) > 45
    assert set(fleet.column("SELECT attempt_count FROM routes")) == {0}
    # A worker that stops gives back what it has not begun: a batch of half a second.
    assert len(fleet.column("SELECT route FROM given_back")) <= 25


def test_a_lowered_limit_holds_within_two_seconds(fleet: Fleet) -> None:
    """While workers publish as fast as a higher limit lets them: the claim after the change obeys it."""
    limits.set_limit(fleet.database, "email", RateLimit(200.0, 200), "ann")
    for _ in range(3):
        due_routes(fleet.database, 1_000)
    fleet.wait_for(200)

    low = RateLimit(10.0, 10)
    limits.set_limit(fleet.database, "email", low, "ann")
    with redis.Redis.from_url(fleet.valkey.url) as client:
        seconds, microseconds = client.time()
    fleet.wait_for(60)

    holds_at = (int(seconds) + 2) * 1000 + int(microseconds) // 1000
    after = [entry_id for entry_id in fleet.ids() if int(entry_id.partition("-")[0]) >= holds_at]
    assert len(after) > 10
    assert over_limit(after, low) <= 0


def test_a_scan_that_is_waited_for_ends_within_the_limit(fleet: Fleet, publisher: Publisher) -> None:
    """It reports what the limit let through, and says on standard error why that is not all."""
    limits.set_limit(fleet.database, "email", RateLimit(0.5, 5), "ann")
    due_routes(fleet.database, 50)

    done = publisher("scheduler", "scan", "email", "--wait", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["published"] < 50
    assert "email is limited to 30/m burst 5, set by ann" in done.stderr


@pytest.mark.long
def test_a_rate_is_held_to_a_percent_over_a_minute(fleet: Fleet) -> None:
    """14 a second by four workers, after two were replaced and Redis was killed and came back with its file."""
    limit = RateLimit(14.0, 28)
    limits.set_limit(fleet.database, "email", limit, "ann")
    for _ in range(3):
        due_routes(fleet.database, 1_000)
    fleet.wait_for(50)
    fleet.replace(0, signal.SIGTERM)
    fleet.replace(1, signal.SIGKILL)
    assert set(fleet.column("SELECT attempt_count FROM routes")) == {0}
    fleet.valkey.kill()
    fleet.valkey.start()
    # The burst that has gathered meanwhile is used up.
    wait_until(lambda: bool(fleet.ids()), within=60)
    fleet.wait_for(50)

    since = fleet.ids()[-1]
    time.sleep(60)

    ids = fleet.ids()
    held = per_second(ids, since)
    print(f"held {held:.3f} of 14 a second; {len(fleet.column('SELECT route FROM given_back'))} routes given back")
    assert held == pytest.approx(14, rel=0.01)
    assert over_limit(ids, limit) <= 0
