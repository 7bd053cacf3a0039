"""Intents over HTTP, in batches of 100 of two routes each, beside as many that wait on the stream for one intake."""

import http.client
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from publisher.local.embedded import Servers
from publisher.operations import tokens
from publisher.operations.tokens import Sends
from tests.benchmarks.cost import intake_alone
from tests.benchmarks.cpu import cpu_seconds, since
from tests.benchmarks.intake import intent
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import Stage, stage
from tests.processes import free_port

GROUP = "door"
_BATCH = 100
_SENDERS = 4
_WARM = 500


@dataclass(frozen=True)
class Sent:
    """What so many intents over HTTP came to. cpu: CPU milliseconds for 1,000 of them, by process."""

    rate: float
    cpu: dict[str, float]


def figures(servers: Servers, intents: int, runs: int) -> Iterator[Figure]:
    """The lines of RESULTS.md, medians of so many runs, the stream and the door in turn."""
    streams, doors = [], []
    for _ in range(runs):
        streams.append(intake_alone(servers, intents))
        doors.append(over_http(servers, intents))
    stream, door = (statistics.median(each.rate for each in seen) for seen in (streams, doors))
    yield Figure(
        GROUP,
        f"accepted over HTTP in batches of {_BATCH}, two routes each",
        f"{door:,.0f} intents/s",
        f"{door / stream:.2f} × the stream, {stream:,.0f} intents/s",
        "0.5 × the stream",
    )
    for name in ("web", "PostgreSQL"):
        cpu = statistics.median(each.cpu[name] for each in doors)
        beside = statistics.median(each.cpu["intake" if name == "web" else name] for each in streams)
        what = "the stream's intake" if name == "web" else "that"
        yield Figure(GROUP, f"1,000 intents: {name}", f"{cpu:.1f} ms", f"{beside:.1f} ms of {what} for the stream")


def over_http(servers: Servers, intents: int) -> Sent:
    """One process `web` and four senders, with no worker beside them."""
    port = free_port()
    with stage(servers, {"PUBLISHER_WEB_PORT": str(port), "PUBLISHER_WEB_DOOR_RATE": "0"}) as on:
        on.start("web")
        token = tokens.add(on.database, "game-service", "a benchmark", [Sends.INTENTS], "bench").token
        _send(port, token, _bodies(0, _WARM))
        bodies = _bodies(_WARM, _WARM + intents)
        before, began = cpu_seconds(on), time.monotonic()
        _send(port, token, bodies)
        seconds = time.monotonic() - began
        used = since(before, cpu_seconds(on))
        _check(on, _WARM + intents)
        return Sent(intents / seconds, {name: cpu / intents * 1e6 for name, cpu in used.items()})


def _bodies(start: int, stop: int) -> Sequence[bytes]:
    """The intents of these numbers as JSON arrays."""
    numbers = range(start, stop)
    return [
        json.dumps([_written(number) for number in numbers[at : at + _BATCH]]).encode()
        for at in range(0, len(numbers), _BATCH)
    ]


def _written(number: int) -> dict[str, object]:
    fields = intent(number)
    return {
        name.removesuffix("_json"): json.loads(text) if name.endswith("_json") else text
        for name, text in fields.items()
    }


def _send(port: int, token: str, bodies: Sequence[bytes]) -> None:
    """Sends them over four connections. Raises AssertionError unless every intent is new."""
    with ThreadPoolExecutor(_SENDERS) as threads:
        list(threads.map(lambda first: _send_each(port, token, bodies[first::_SENDERS]), range(_SENDERS)))


def _send_each(port: int, token: str, bodies: Sequence[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for body in bodies:
        connection.request("POST", "/v1/intents", body, headers)
        answer = connection.getresponse().read()
        if answer.count(b'"status":201') != body.count(b'"idempotency_key"'):
            raise AssertionError(f"not every intent was accepted: {answer[:300]!r}")
    connection.close()


def _check(on: Stage, intents: int) -> None:
    [(found,)] = on.database.rows("SELECT count(*) FROM notifications")
    if found != intents:
        raise AssertionError(f"{found} notifications of {intents} intents")
