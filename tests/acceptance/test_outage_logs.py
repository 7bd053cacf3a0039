"""What the processes log while a server is away: one line each, and one when it is back (R26)."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from tests.acceptance.outside import Outside
from tests.conftest import connected
from tests.factories import intent_fields
from tests.faults.proxied_url import proxied
from tests.processes import Process, Processes
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

ROLES = ("worker", "clock", "intake")


@contextmanager
def closing_each(port: int) -> Iterator[Callable[[], int]]:
    """Takes the place of a server that is away: closes every connection at once. Yields how many there were."""
    attempts: list[None] = []
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()
                    attempts.append(None)

        threading.Thread(target=serve, daemon=True).start()
        yield lambda: len(attempts)
        listener.shutdown(socket.SHUT_RDWR)


def lines_since(running: Mapping[str, Process], marks: Mapping[str, int]) -> dict[str, Counter[str]]:
    """The warnings and errors of each process after its mark, by event."""
    found = {}
    for role, process in running.items():
        lines = [json.loads(line) for line in process.output[marks[role] :].splitlines()]
        found[role] = Counter(line["event"] for line in lines if line["level"] != "info")
        assert not [line for line in lines if "exception" in line]
        assert not [line for line in lines if line["event"].startswith(("Restarting", "Retrying"))]
    return found


def assert_few(found: Counter[str], server: str, minutes: float) -> None:
    """One line at once, one when the server is back, and none between but one a minute."""
    assert found.pop(f"{server} is not available") == 1
    assert found.pop(f"{server} is available again") == 1
    assert found.pop(f"{server} is still not available", 0) <= minutes
    assert set(found) == set()


def failures_told(process: Process) -> int:
    """The number of failures in the line about the end of the outage."""
    lines = [json.loads(line) for line in process.output.splitlines()]
    [told] = [line for line in lines if line["event"].endswith("is available again")]
    return int(told["failures"])


@pytest.mark.long
def test_an_outage_of_redis_is_two_lines_of_each_process(
    processes: Processes, environ: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """However often each loop tries meanwhile; afterwards the work goes on."""
    valkey = OwnValkey(tmp_path / "valkey")
    environ["REDIS_URL"] = valkey.url
    try:
        with connected(database_url) as connection, redis.Redis.from_url(valkey.url, decode_responses=True) as client:
            outside = Outside(connection, client)
            running = {role: processes.start(role) for role in ROLES}
            outside.send(intent_fields())
            outside.wait_for_routes(published=2)
            for process in running.values():
                process.wait_until_ready()
            marks = {role: len(process.output) for role, process in running.items()}
            began = time.monotonic()

            valkey.stop()
            with closing_each(client.connection_pool.connection_kwargs["port"]) as attempts:
                for process in running.values():
                    process.wait_for_output("redis is not available", within=60)
                wait_until(lambda: attempts() >= 60, within=60)
            valkey.start()
            for process in running.values():
                process.wait_for_output("redis is available again", within=60)
            minutes = (time.monotonic() - began) / 60

            outside.send(intent_fields())
            outside.wait_for_routes(published=4)
            found = lines_since(running, marks)
    finally:
        processes.kill_all()
        valkey.stop()
    for lines in found.values():
        assert_few(lines, "redis", minutes)
    assert sum(failures_told(process) for process in running.values()) >= 20


def test_an_outage_of_postgresql_is_two_lines_of_each_process_that_uses_it(
    processes: Processes, environ: dict[str, str], database_url: str, outside: Outside
) -> None:
    """The scans that fail meanwhile leave no traceback of Dramatiq; afterwards the work goes on."""
    with proxied(database_url) as (proxy, url):
        environ["DATABASE_URL"] = url
        running = {role: processes.start(role) for role in ROLES}
        outside.send(intent_fields())
        outside.wait_for_routes(published=2)
        for process in running.values():
            process.wait_until_ready()
        marks = {role: len(process.output) for role, process in running.items()}
        began = time.monotonic()

        proxy.refuse()
        outside.send(intent_fields())
        with closing_each(proxy.port) as attempts:
            for role in ("worker", "intake"):
                running[role].wait_for_output("postgresql is not available", within=60)
            wait_until(lambda: attempts() >= 60, within=60)
        proxy.resume()
        for role in ("worker", "intake"):
            running[role].wait_for_output("postgresql is available again", within=60)
        minutes = (time.monotonic() - began) / 60

        outside.wait_for_routes(published=4)
        found = lines_since(running, marks)
    assert found.pop("clock") == {}
    for lines in found.values():
        assert_few(lines, "postgresql", minutes)
    assert failures_told(running["worker"]) >= 10
