"""Changes of many routes that the process of the page carries out in its threads (R34)."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import BadRequest
from publisher.operations.changes.bulk import ActionOutcome, Change
from publisher.operations.changes.discard import plan_discard
from publisher.operations.changes.requeue import DeadLetterFilter, plan_requeue, plan_requeue_rest
from publisher.operations.resuming import plan_rest
from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from publisher.web.running import Running
from storage.actions import find_action
from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import users
from tests.factories import accepted
from tests.integration.rows import execute
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("buried")

PATIENCE = timedelta(seconds=10)
# Routes a second: each batch is one route, and a change of six takes five seconds.
SLOW = 1
RUNNING, DONE, INTERRUPTED, FAILED = ActionOutcome


@pytest.fixture
def buried(database: Database) -> None:
    """Six dead email routes and six dead push routes."""
    accepted(database, [{"recipients_json": users(6)}])
    execute(database, BURY)


@pytest.fixture
def running(database: Database) -> Iterator[Running]:
    """The changes of this process."""
    running = Running(database, lambda _: True)
    yield running
    running.close(PATIENCE)


@pytest.fixture
def requeue(database: Database, settings: Settings) -> Callable[[str], Change]:
    """Counts the requeue of a channel by ann."""
    return lambda channel: plan_requeue(database, settings, DeadLetterFilter(channel=channel), "ann")


def test_two_changes_run_side_by_side_and_each_is_stopped_by_itself(
    database: Database, settings: Settings, running: Running, requeue: Callable[[str], Change]
) -> None:
    """To stop one between two batches leaves the other at work, and its own rest to be resumed (R34)."""
    first = running.begin(requeue("email"), SLOW)
    second = running.begin(plan_discard(database, settings, DeadLetterFilter(channel="push"), "bob"), SLOW)
    wait_until(lambda: find_action(database, first).done and find_action(database, second).done)

    assert running.stop(first)
    wait_until(lambda: not running.is_here(first))

    stopped = find_action(database, first)
    assert (stopped.outcome, 0 < stopped.done < 6) == (INTERRUPTED, True)
    assert (running.is_here(second), running.is_stopping(second), running.stop(first)) == (True, False, False)


def test_another_operator_does_the_rest_of_what_was_stopped(
    database: Database, running: Running, requeue: Callable[[str], Change]
) -> None:
    """The action goes on under its own id, and says who resumed it; the same rest is not begun twice here (R34)."""
    action = running.begin(requeue("email"), SLOW)
    running.stop(action)
    wait_until(lambda: not running.is_here(action))

    rest = plan_requeue_rest(database, action, "bob")
    assert running.begin(rest, SLOW) == action
    with pytest.raises(BadRequest, match=f"action {action} is under way"):
        running.begin(rest, None)
    running.stop(action)
    wait_until(lambda: not running.is_here(action))
    running.begin(plan_requeue_rest(database, action, "bob"), None)

    wait_until(lambda: find_action(database, action).outcome is DONE)
    record = find_action(database, action)
    assert (record.matched, record.done, record.target["resumed_by"]) == (6, 6, ["bob", "bob"])


def test_the_end_of_the_process_interrupts_what_can_be_resumed(
    database: Database, running: Running, requeue: Callable[[str], Change]
) -> None:
    """At SIGTERM a change ends between two batches, says 'interrupted', and nothing new is begun (R17, R34)."""
    action = running.begin(requeue("email"), 1)
    wait_until(lambda: find_action(database, action).done)

    running.close(PATIENCE)

    assert find_action(database, action).outcome is INTERRUPTED
    with pytest.raises(BadRequest, match="about to end"):
        running.begin(requeue("push"), None)
    assert plan_requeue_rest(database, action, "bob").matched == 6 - find_action(database, action).done


def test_what_fails_before_the_first_batch_is_told_to_whoever_asked(
    database: Database, running: Running, requeue: Callable[[str], Change]
) -> None:
    """An action that somebody else finished meanwhile is not begun again, and the error is the answer."""
    action = running.begin(requeue("email"), SLOW)
    running.stop(action)
    wait_until(lambda: not running.is_here(action))
    late = plan_requeue_rest(database, action, "bob")
    execute(database, "UPDATE operator_actions SET outcome = 'done'")

    with pytest.raises(BadRequest, match="someone else went on with it"):
        running.begin(late, None)

    assert not running.is_here(action)


def test_why_a_batch_failed_is_kept_until_it_is_resumed(
    database: Database, running: Running, requeue: Callable[[str], Change]
) -> None:
    """The audit says 'failed'; why stands beside it as long as this process lives."""
    change = requeue("email")
    execute(database, "ALTER TABLE routes ADD CONSTRAINT broken CHECK (status <> 'pending') NOT VALID")

    action = running.begin(change, None)
    wait_until(lambda: not running.is_here(action))

    assert find_action(database, action).outcome is FAILED
    assert "broken" in str(running.reason(action))
    execute(database, "ALTER TABLE routes DROP CONSTRAINT broken")
    running.begin(plan_requeue_rest(database, action, "ann"), None)
    wait_until(lambda: find_action(database, action).outcome is DONE)
    assert running.reason(action) is None


def test_only_so_many_run_at_once(running: Running, requeue: Callable[[str], Change]) -> None:
    """A fifth change is refused while four are under way, and says what to do."""
    change = requeue("email")
    for _ in range(4):
        running.begin(change, 1)

    with pytest.raises(BadRequest, match="wait until one of them ends"):
        running.begin(change, 1)


def test_the_death_of_the_process_leaves_a_rest_that_another_does(
    database: Database, redis_client: redis.Redis, database_url: str, settings: Settings, running: Running
) -> None:
    """Killed, its action stays 'running' with what it has done counted, and goes on in another process (R34)."""
    script = """
        import sys, time
        from publisher.operations.changes.discard import DeadLetterFilter, plan_discard
        from publisher.channels.registry import discover_channels
        from publisher.settings.settings import Settings
        from publisher.web.running import Running
        from storage.database import Database

        url = sys.argv[1]
        settings = Settings.from_environ({"DATABASE_URL": url, "REDIS_URL": sys.argv[2]}, discover_channels())
        database = Database(url, application_name="dies")
        change = plan_discard(database, settings, DeadLetterFilter(), "ann")
        print(Running(database, lambda channel: True).begin(change, 4), flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), database_url, settings.redis_url.text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        action = int(process.stdout.readline())
        wait_until(lambda: find_action(database, action).done)
        process.kill()

    assert find_action(database, action).outcome is RUNNING
    running.begin(plan_rest(database, settings, StreamServers(redis_client), action, "bob"), None)
    wait_until(lambda: find_action(database, action).outcome is DONE)
    assert find_action(database, action).done == 12
