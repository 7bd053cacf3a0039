"""Signs of life: which processes run, and when each was last heard of."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
import structlog

from publisher.domain.errors import DatabaseUnavailable, RedisRefused
from publisher.domain.trouble import Trouble
from publisher.process.heartbeat import Heartbeat, heartbeats
from publisher.streams.heartbeats import REMEMBERED, Process, ProcessRegister, of_other_systems
from publisher.streams.servers.connection import open_redis
from tests.factories import INSTANT
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

KEY = "publisher:processes"
WORKER = Process("a1", "worker", "web-1", 17, INSTANT, "0.1.0")
SECOND = timedelta(seconds=1)


@pytest.fixture
def register(redis_client: redis.Redis) -> ProcessRegister:
    return ProcessRegister(redis_client)


@pytest.fixture
def silent_redis() -> Iterator[redis.Redis]:
    """A Redis that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        with open_redis(url, timeout=timedelta(seconds=30), client_name="test") as client:
            yield client


def age(client: redis.Redis, id_: str, by: timedelta) -> None:
    """Makes the last sign of life of this process so much older."""
    value = client.hget(KEY, id_)
    assert isinstance(value, bytes)
    at, said = value.split(b" ", 1)
    client.hset(KEY, id_, b"%d %s" % (int(at) - by // timedelta(milliseconds=1), said))


def test_nobody_was_seen_in_an_empty_redis(register: ProcessRegister) -> None:
    """Before the first sign of life there is no process, and no error."""
    assert register.seen() == []


def test_a_process_is_seen_with_what_it_says_of_itself(register: ProcessRegister) -> None:
    """Role, host, pid, start and version, and that it was heard of just now."""
    register.sign(WORKER)

    [seen] = register.seen()

    assert seen.process == WORKER
    assert timedelta(0) <= seen.silent < SECOND


def test_a_mailer_that_can_send_no_mail_says_why(register: ProcessRegister) -> None:
    """Until it can again: the next heartbeat says nothing of it."""
    register.sign(replace(WORKER, role="mailer", trouble=Trouble("connection refused (smtp://h:25)", INSTANT)))
    [away] = register.seen()
    register.sign(replace(WORKER, role="mailer"))
    [back] = register.seen()

    assert away.process.trouble == Trouble("connection refused (smtp://h:25)", INSTANT)
    assert back.process.trouble is None


def test_silence_is_measured_by_the_clock_of_redis(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """The clocks of this machine and of the process's play no part: both ends are Redis's own."""
    register.sign(WORKER)
    age(redis_client, WORKER.id, timedelta(minutes=12))

    [seen] = register.seen()

    seconds, microseconds = redis_client.time()
    now = seconds * 1000 + microseconds // 1000
    assert timedelta(minutes=12) <= seen.silent < timedelta(minutes=12, seconds=5)
    assert abs(now - seen.seen_at.timestamp() * 1000 - 720_000) < 5000


def test_processes_stand_in_the_order_of_role_host_and_pid(register: ProcessRegister) -> None:
    """Each sign renews its own line alone."""
    others = [replace(WORKER, id=str(pid), pid=pid) for pid in (9, 100)]
    for process in (*others, WORKER, replace(WORKER, id="c", role="clock"), WORKER):
        register.sign(process)

    assert [(s.process.role, s.process.pid) for s in register.seen()] == [
        ("clock", 17),
        ("worker", 9),
        ("worker", 17),
        ("worker", 100),
    ]


def test_a_process_that_stopped_is_gone(register: ProcessRegister) -> None:
    """One that says that it stops is not missed; saying so twice is no error."""
    register.sign(WORKER)
    register.remove(WORKER.id)
    register.remove(WORKER.id)

    assert register.seen() == []


def test_a_killed_process_is_remembered_for_an_hour(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """It is shown as silent, then left out, and cleared up by whoever starts next."""
    killed, alive = replace(WORKER, id="killed"), WORKER
    register.sign(killed)
    register.sign(alive)
    age(redis_client, killed.id, REMEMBERED - 10 * SECOND)
    assert {s.process.id for s in register.seen()} == {killed.id, alive.id}

    age(redis_client, killed.id, 20 * SECOND)
    assert [s.process.id for s in register.seen()] == [alive.id]
    assert redis_client.hlen(KEY) == 2
    register.sweep()

    assert redis_client.hkeys(KEY) == [alive.id.encode()]


def test_nothing_stays_once_nobody_lives(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """The hash itself expires an hour after the last sign of life, and a minute later at most."""
    register.sign(WORKER)

    assert REMEMBERED < timedelta(milliseconds=redis_client.pttl(KEY)) <= REMEMBERED + 60 * SECOND


def test_the_hash_expires_whatever_happens_to_it(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """One that Redis lost, or that somebody made without a TTL, has one after the next sign of a process not in it."""
    register.sign(WORKER)
    redis_client.delete(KEY)

    register.sign(WORKER)

    assert redis_client.pttl(KEY) > 0


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"17", b"x {}", b"17 {}", b"17 []", b"17 nonsense", b"9" * 40 + b" {}", b'17 {"role": "worker"}'],
)
def test_a_line_that_is_not_understood_is_left_out(
    register: ProcessRegister, redis_client: redis.Redis, value: bytes
) -> None:
    """What another version, or anybody, wrote there hides no process."""
    register.sign(WORKER)
    redis_client.hset(KEY, b"\xfe", value)

    assert [s.process for s in register.seen()] == [WORKER]
    register.sweep()


@pytest.mark.stray_keys("plants a key of another type")
def test_a_key_of_another_type_is_refused(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """Whoever asks is told; nothing else is disturbed."""
    redis_client.set(KEY, "a string")

    with pytest.raises(RedisRefused):
        register.seen()


def test_a_process_says_that_it_lives_until_it_stops(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """Signs go on at intervals; the stop takes the line away."""
    presence = Heartbeat(redis_client, "worker", interval=timedelta(milliseconds=20))
    presence.start()
    [first] = wait_until(register.seen)
    wait_until(lambda: [s.seen_at for s in register.seen()] > [first.seen_at])

    presence.stop()

    assert first.process == presence.process
    assert register.seen() == []


def test_a_process_says_where_its_counters_are_served(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """The counters of workers are served some time after the first heartbeat; later ones bring the port."""
    ports = iter([0])
    presence = Heartbeat(
        redis_client, "worker", interval=timedelta(milliseconds=20), read_port=lambda: next(ports, 9102)
    )
    presence.start()

    wait_until(lambda: [seen.process.metrics_port for seen in register.seen()] == [9102])
    presence.stop()


def test_a_process_says_so_when_redis_comes_back(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """While Redis is away nothing happens, and nothing is raised; with its return the process is seen again."""
    presence = Heartbeat(own_client, "clock", interval=timedelta(milliseconds=20))
    presence.start()
    wait_until(ProcessRegister(own_client).seen)
    own_valkey.stop()
    own_valkey.start()
    own_client.delete(KEY)

    wait_until(ProcessRegister(own_client).seen)
    presence.stop()

    assert ProcessRegister(own_client).seen() == []


def test_work_never_waits_for_a_sign_of_life(silent_redis: redis.Redis) -> None:
    """With a Redis that takes the connection and never answers, work begins at once, and its end waits a second."""
    began = time.monotonic()
    with heartbeats(silent_redis, "intake"):
        assert time.monotonic() - began < 1
        told = time.monotonic()

    assert time.monotonic() - told < 3


def test_a_work_that_fails_stops_its_signs_too(redis_client: redis.Redis, register: ProcessRegister) -> None:
    """An error passes through, and the process is not shown any more."""

    def work() -> None:
        with heartbeats(redis_client, "clock"):
            wait_until(register.seen)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()

    assert register.seen() == []
    assert not [t for t in threading.enumerate() if t.name == "heartbeat"]


def test_a_process_says_which_system_it_is_of(redis_client: redis.Redis, register: ProcessRegister) -> None:
    """It is seen before the database has answered, and says the system as soon as it has."""
    answers = iter([DatabaseUnavailable("away"), "7/5"])

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    presence = Heartbeat(redis_client, "worker", interval=timedelta(milliseconds=20), read_system=read)
    presence.start()
    wait_until(lambda: [s.process.system for s in register.seen()] == ["7/5"])

    presence.stop()


def test_another_system_s_process_is_told_while_it_lives(register: ProcessRegister, redis_client: redis.Redis) -> None:
    """Neither one's own, nor one that says nothing, nor one that was silent for half a minute."""
    for id_, system in (("own", "7/5"), ("old", ""), ("other", "8/5"), ("gone", "9/5")):
        register.sign(replace(WORKER, id=id_, system=system))
    age(redis_client, "gone", timedelta(seconds=31))

    assert [s.process.id for s in of_other_systems(register.seen(), "7/5")] == ["other"]


def test_a_process_that_finds_another_system_says_so_in_its_log(
    register: ProcessRegister, redis_client: redis.Redis
) -> None:
    """Once, and by name: the two take each other's messages."""
    register.sign(replace(WORKER, system="8/5"))

    with structlog.testing.capture_logs() as logs:
        presence = Heartbeat(redis_client, "worker", timedelta(milliseconds=20), lambda: "7/5")
        presence.start()
        wait_until(lambda: any("another system" in line["event"] for line in logs))
        presence.stop()

    [line] = [line for line in logs if "another system" in line["event"]]
    assert (line["log_level"], line["processes"]) == ("error", ["worker web-1 pid 17"])
