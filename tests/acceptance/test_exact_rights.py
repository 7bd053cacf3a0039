"""The service with the rights that `doctor --print-grants` prints, and no other: neither server ever says no."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from publisher.streams.rights import Streams, needed_rights
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.exact_rights import NO, exact_rights, refusals
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.factories import EVENTS, GROUP, INTENTS, intent_fields
from tests.integration.old_notifications import ended
from tests.processes import Processes
from tests.waiting import wait_until

STREAMS = {"email": EMAIL, "push": PUSH}
# Trimmed and given up at once, so that a test sees it.
QUICK = {
    "PUBLISHER_INTENTS_RETENTION": "0.001",
    "PUBLISHER_EMAIL_STREAM_RETENTION": "0.001",
    "PUBLISHER_EMAIL_MAX_ATTEMPTS": "1",
    "PUBLISHER_AUDIT_WINDOW": "30",
}


@pytest.fixture
def world(database_url: str, environ: dict[str, str], tmp_path: Path) -> Iterator[Outside]:
    """Both servers as an administrator sees them; everything in `environ` is the service's own user and role."""
    with exact_rights(database_url, environ, tmp_path / "valkey") as outside:
        environ |= QUICK
        yield outside


def read(outside: Outside, stream: str) -> None:
    """Reads and acknowledges the stream as its consumer does."""
    wait_until(lambda: outside.redis.exists(stream))
    if not outside.redis.xinfo_groups(stream):
        outside.redis.xgroup_create(stream, "mail", "0")
    for _, entries in outside.redis.xreadgroup("mail", "one", {stream: ">"}):
        outside.redis.xack(stream, "mail", *(id_ for id_, _ in entries))


@contextmanager
def all_running(processes: Processes) -> Iterator[None]:
    """A worker, a clock and an intake. In the end each stops well, and none was ever refused anything."""
    started = [processes.start(name) for name in ("worker", "clock", "intake")]
    yield
    for process in started:
        # The clock is in no one's way: on a busy machine it may still be importing.
        process.wait_until_ready()
        process.signal(15)
    assert [process.wait() for process in started] == [0, 0, 0]
    for process in started:
        assert not [line for line in process.output.splitlines() if NO.search(line)]


def test_the_processes_do_their_whole_work_with_exactly_these_rights(
    processes: Processes, world: Outside, database: Database
) -> None:
    """Intents become commands, dead letters, expired routes and malformed rows; losses come back; what is old goes."""
    ended(database, 3)
    with all_running(processes):
        world.send(
            intent_fields(recipients_json=users(150)),
            intent_fields(recipients_json=[{"user_id": "bad", "email": "no address"}], channels_json=["email"]),
            intent_fields(expires_at_ms="1773480413590", channels_json=["push"]),
            intent_fields(payload_json="[]"),
            *(intent_fields(channels_json=["push"]) for _ in range(300)),
        )
        world.wait_for_routes(published=600, dead_letter=1, expired=1)
        assert world.row("SELECT count(*) FROM malformed_intents") == {"count": 1}
        # Old notifications, and intents that are acknowledged.
        wait_until(lambda: world.rows("SELECT 1 FROM pruned_notifications"))

        # The loss audit, after it has looked for the first time.
        wait_until(lambda: len(world.rows("SELECT 1 FROM stream_audits WHERE covered_to IS NOT NULL")) == 2)
        for key in world.redis.keys("publisher:*"):
            world.redis.delete(key)
        world.redis.delete(EMAIL)
        wait_until(lambda: world.redis.xlen(EMAIL) == 150, describe=world.statuses)

        # Trimming: a worker does it when it starts.
        read(world, EMAIL)
        world.wait_until_acknowledged()
        for key in world.redis.keys("publisher:retention:*"):
            world.redis.delete(key)
        processes.start("worker")
        wait_until(lambda: world.redis.xlen(EMAIL) < 150, describe=lambda: refusals(world))
        wait_until(lambda: world.redis.xlen(INTENTS) < 300, describe=lambda: refusals(world))

    assert refusals(world) == []


@pytest.fixture
def run(publisher: Publisher) -> Callable[..., str]:
    """Runs a command that goes well and is refused nothing, and returns what it printed."""

    def well(*arguments: str) -> str:
        done = publisher(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        assert not NO.findall(done.stdout + done.stderr)
        return done.stdout

    return well


def some_routes(outside: Outside) -> dict[str, Any]:
    """Sends intents of which four routes are published, one is given up, and one entry is malformed. One published."""
    outside.send(
        intent_fields(recipients_json=users(2), idempotency_key="k1"),
        intent_fields(recipients_json=[{"user_id": "bad", "email": "no address"}], channels_json=["email"]),
        intent_fields(channels_json=["sms"]),
    )
    outside.wait_for_routes(published=4, dead_letter=1)
    wait_until(lambda: outside.rows("SELECT 1 FROM malformed_intents"))
    return outside.rows(
        "SELECT routes.*, notification_id FROM routes JOIN notifications AS n ON n.id = notification_key"
        " WHERE status = 'published' ORDER BY routes.id"
    )[0]


def test_every_look_works_with_exactly_these_rights(
    processes: Processes, world: Outside, run: Callable[..., str]
) -> None:
    """`migrate` and `doctor` of a release phase, and whatever an operator may ask."""
    assert run("migrate").startswith("nothing to apply: the schema is at 0")
    with all_running(processes):
        route = some_routes(world)
        id_, entry = str(route["notification_id"]), world.redis.xrange(INTENTS)[0][0]
        for asked in (
            *(("status",), ("routes", "list"), ("routes", "show", id_, route["route_id"]), ("explain", id_)),
            *(("trace", id_), ("trace", "k1"), ("trace", entry), ("channels", "list")),
            *(("dead-letters", "list"), ("malformed", "list"), ("malformed", "show", "1"), ("actions", "list")),
        ):
            run(*asked)
        read(world, EMAIL)
        read(world, PUSH)
        checks = [json.loads(text) for text in run("doctor", "--json").splitlines()]

    # The tests' own server does not sync.
    assert {c["name"]: c["finding"] for c in checks if c["verdict"] != "ok"}.keys() <= {"postgresql-durability"}
    # doctor asks for the configuration, and does without: it would show passwords, too.
    # And whether something waits on a partition that was given up, once for each stream.
    refused = refusals(world)
    assert [each for each in refused if not re.fullmatch(r"key .+:\{0\}", each)] == ["command config|get"]
    assert len(refused) <= 4


def test_every_change_works_with_exactly_these_rights(
    processes: Processes, world: Outside, run: Callable[..., str], tmp_path: Path
) -> None:
    """Whatever an operator may do."""
    (tmp_path / "edited.json").write_text(json.dumps(intent_fields(recipients_json=users(2))))
    line = {"notification_type": "a.b", "producer": "p", "audience_kind": "user", "occurred_at_ms": 1773480413589}
    sent = line | {"recipients": users(2), "idempotency_key": "k2", "payload": {}}
    (tmp_path / "intents.jsonl").write_text(json.dumps(sent) + "\n")
    with all_running(processes):
        some_routes(world)
        for done in (
            *(("scheduler", "scan", "--wait"), ("retention", "run", "--yes")),
            *(("channels", "pause", "push", "--reason", "m", "--yes"), ("channels", "resume", "push", "--yes")),
            ("dead-letters", "requeue", "--all", "--yes"),
            ("routes", "republish", "--channel", "push", "--since", "2026-01-01T00:00", "--yes"),
            ("malformed", "resubmit", "1", "--file", str(tmp_path / "edited.json"), "--yes"),
            ("intents", "send", str(tmp_path / "intents.jsonl")),
        ):
            run(*done)
        world.wait_for_routes(published=12, dead_letter=1)
        assert run("dead-letters", "discard", "--all", "--yes").startswith("1 matched, 1 discarded")

    assert refusals(world) == []


def test_the_rights_are_no_more_than_the_service_has_commands_for(world: Outside, environ: dict[str, str]) -> None:
    """The user may neither look at other keys nor administer the server."""
    with redis.Redis.from_url(environ["REDIS_URL"]) as client:
        for command in (("GET", "others:key"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
    assert (
        len(
            needed_rights(
                Streams(
                    [INTENTS], GROUP, EVENTS, GROUP, {name: [of] for name, of in STREAMS.items()}, queues=list(STREAMS)
                )
            )
        )
        > 50
    )
