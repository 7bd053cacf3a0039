"""The reader of push commands that the guide shows: it is run as it stands there, against a real Redis."""

import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from storage.database import Database
from tests.acceptance.outside import PUSH
from tests.factories import EVENTS, accepted
from tests.faults.proxied_connection import Loss
from tests.faults.proxied_url import proxied
from tests.guide_blocks import GUIDES
from tests.integration.rows import all_routes
from tests.processes import Process, Processes
from tests.waiting import wait_until

pytestmark = pytest.mark.stray_keys("the reader remembers what it has pushed")
GROUP = "gateway"
DELIVERY = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/push:user:7"

Start = Callable[..., Process]


@pytest.fixture
def start(processes: Processes, tmp_path: Path) -> Start:
    """Starts the reader of the guide as it stands there. gateway: lines to stand for the one that pushes (`LINE`)."""
    [block] = re.findall(r"^```python\n(.*?)^```", (GUIDES / "consumers.md").read_text(), re.MULTILINE | re.DOTALL)
    [line] = re.findall(r"^    print\(json.dumps.*$", block, re.MULTILINE)

    def started(gateway: str = "LINE", **environ: str) -> Process:
        path = tmp_path / f"reader{len(list(tmp_path.iterdir()))}.py"
        path.write_text(block.replace(line, gateway.replace("LINE", line)))
        return processes.start(f"{sys.executable} {path}", **environ)

    return started


def send(client: redis.Redis, **fields: str) -> str:
    """Adds a command with these fields, and returns its entry id."""
    whole = {"event_id": DELIVERY, "user_id": "7", "event_type": "turn.ready", "payload_json": '{"turn": 17}'}
    return client.xadd(PUSH, {**whole, **fields}).decode()


def left_by_the_dead(client: redis.Redis, *entries: str) -> None:
    """Has these commands read by a consumer that died a minute ago, as Redis counts."""
    client.xgroup_create(PUSH, GROUP, id="0", mkstream=True)
    client.xreadgroup(GROUP, "dead", {PUSH: ">"})
    client.xclaim(PUSH, GROUP, "dead", 0, list(entries), idle=60_000)


def pushed(*readers: Process) -> list[Any]:
    """What the readers have pushed."""
    return [json.loads(line) for reader in readers for line in reader.output.splitlines() if line.startswith("{")]


def events(client: redis.Redis) -> list[dict[str, str]]:
    """What was answered, in order."""
    return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in client.xrange(EVENTS)]


def pending(client: redis.Redis) -> int:
    """How many commands were read and not acknowledged."""
    return int(client.xpending(PUSH, GROUP)["pending"])


def test_a_command_that_comes_twice_is_pushed_once_and_its_route_is_delivered(
    start: Start, processes: Processes, database: Database, redis_client: redis.Redis
) -> None:
    """Each entry is answered by an event of its own, which intake takes in (R32)."""
    accepted(database, [{"channels_json": ["push"]}])
    [route] = all_routes(database)
    delivery = f"{route['notification_id']}/{route['route_id']}"
    entries = [send(redis_client, event_id=delivery), send(redis_client, event_id=delivery)]

    reader = start()
    wait_until(lambda: len(events(redis_client)) == 2, describe=lambda: reader.output)
    processes.start("intake")
    wait_until(lambda: all_routes(database)[0]["answer"] == "delivered")

    assert pushed(reader) == [{"user_id": "7", "event_type": "turn.ready", "payload": {"turn": 17}}]
    assert [event["event_id"] for event in events(redis_client)] == [f"{entry}/{delivery}" for entry in entries]
    assert pending(redis_client) == 0


def test_what_a_killed_reader_left_is_pushed_by_another(start: Start, redis_client: redis.Redis) -> None:
    """A minute after it was read, as Redis counts."""
    first = start()
    wait_until(lambda: redis_client.exists(PUSH) and redis_client.xinfo_consumers(PUSH, GROUP))
    first.kill()
    [consumer] = redis_client.xinfo_consumers(PUSH, GROUP)
    entry = send(redis_client)
    redis_client.xreadgroup(GROUP, consumer["name"], {PUSH: ">"})
    redis_client.xclaim(PUSH, GROUP, consumer["name"], 0, [entry], idle=60_000)

    second = start()
    wait_until(lambda: pushed(second), describe=lambda: second.output)
    wait_until(lambda: pending(redis_client) == 0)

    assert [event["event"] for event in events(redis_client)] == ["delivered"]


def test_a_reader_that_dies_between_push_and_answer_pushes_twice_and_answers_once(
    start: Start, redis_client: redis.Redis
) -> None:
    """It remembers after it has pushed: a second push is chosen over none (R32)."""
    entry = send(redis_client)
    first = start("LINE\n    os.kill(os.getpid(), signal.SIGKILL)")
    first.wait()
    assert (events(redis_client), pending(redis_client)) == ([], 1)
    [consumer] = redis_client.xinfo_consumers(PUSH, GROUP)
    redis_client.xclaim(PUSH, GROUP, consumer["name"], 0, [entry], idle=60_000)

    second = start()
    wait_until(lambda: pushed(second) and pending(redis_client) == 0, describe=lambda: second.output)

    assert len(pushed(first, second)) == 2
    assert [event["event_id"] for event in events(redis_client)] == [f"{entry}/{DELIVERY}"]


def test_a_command_that_was_deleted_while_it_was_pending_stops_nothing(start: Start, redis_client: redis.Redis) -> None:
    """The one behind it is taken over and pushed."""
    entries = [send(redis_client), send(redis_client, event_id="another")]
    left_by_the_dead(redis_client, *entries)
    redis_client.xdel(PUSH, entries[0])

    reader = start()
    wait_until(lambda: pushed(reader) and pending(redis_client) == 0, describe=lambda: reader.output)

    assert [event["delivery_id"] for event in events(redis_client)] == ["another"]


def test_commands_that_cannot_be_pushed_now_hide_none_behind_them(start: Start, redis_client: redis.Redis) -> None:
    """However many stand before it: Redis looks through a hundred pending commands at a time."""
    away = [send(redis_client, event_id=f"away-{number}", user_id="away") for number in range(120)]
    left_by_the_dead(redis_client, *away, send(redis_client, event_id="another"))

    reader = start('    if user_id == "away":\n        raise OSError("away")\nLINE')
    wait_until(lambda: pushed(reader) and pending(redis_client) == 120, describe=lambda: reader.output)

    assert [event["delivery_id"] for event in events(redis_client)] == ["another"]


def test_a_command_that_is_none_stops_nothing(start: Start, redis_client: redis.Redis) -> None:
    """It is acknowledged, and answered if it names its delivery; those behind it are pushed (R11)."""
    redis_client.xadd(PUSH, {b"event_type": b"\xff"})
    send(redis_client, payload_json="{")
    send(redis_client, event_id="deep", payload_json="[" * 100_000)
    send(redis_client, event_id="another")

    reader = start()
    wait_until(lambda: len(events(redis_client)) == 3, describe=lambda: reader.output)

    assert len(pushed(reader)) == 1
    assert [(event["delivery_id"], event["event"]) for event in events(redis_client)] == [
        (DELIVERY, "failed"),
        ("deep", "failed"),
        ("another", "delivered"),
    ]
    assert pending(redis_client) == 0


def test_it_goes_on_once_redis_is_back_and_stops_on_sigterm(
    start: Start, redis_url: str, redis_client: redis.Redis
) -> None:
    """It exits 0 and leaves its group, since it holds no command."""
    with proxied(redis_url) as (proxy, url):
        reader = start(REDIS_URL=url)
        wait_until(lambda: redis_client.exists(PUSH) and redis_client.xinfo_consumers(PUSH, GROUP))
        proxy.refuse()
        send(redis_client)
        reader.wait_for_output("trying again")
        proxy.resume()
        wait_until(lambda: pushed(reader) and pending(redis_client) == 0, describe=lambda: reader.output)
        reader.signal(signal.SIGTERM)

        assert reader.wait() == 0
    assert len(pushed(reader)) == 1
    assert redis_client.xinfo_consumers(PUSH, GROUP) == []


def test_a_step_whose_reply_was_lost_is_done_once(start: Start, redis_url: str, redis_client: redis.Redis) -> None:
    """Redis has the answer and the acknowledgement, or neither: nothing is pushed or answered again."""
    with proxied(redis_url) as (proxy, url):
        loss = Loss((b"EXEC",))
        proxy.lose(loss)
        reader = start(REDIS_URL=url)
        entries = [send(redis_client)]
        wait_until(loss.happened.is_set, describe=lambda: reader.output)
        entries.append(send(redis_client, event_id="another"))
        wait_until(lambda: len(pushed(reader)) == 2 and pending(redis_client) == 0, describe=lambda: reader.output)
        reader.kill()

    assert [event["event_id"].partition("/")[0] for event in events(redis_client)] == entries
