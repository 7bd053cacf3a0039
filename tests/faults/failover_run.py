"""A run over a Redis that fails over: servers, processes, producer, observer, mailbox; faults; quiet; the checker."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from redis.cluster import RedisCluster

from tests.faults import run_checker
from tests.faults.chaos import environment, wait_until_quiet
from tests.faults.chaos_mail import ChaosMail
from tests.faults.fleet import Fleet
from tests.faults.following import following
from tests.faults.observer import Observer
from tests.faults.producer import Producer
from tests.faults.run_result import RunResult
from tests.faults.servers import PostgreSQL
from tests.faults.standby import Standby
from tests.processes import run_command
from tests.waiting import wait_until

SLOTS = ("worker-b", "worker-c", "clock-a", "intake-a", "intake-b", "mailer-a")
_PER_SECOND = 60.0
# More than there is time for: a run sends for as long as faults come.
_INTENTS = 100_000
# Longer than chaos has it: a server that a busy machine keeps from answering is not to be told as away.
_LEASE_TTL = "8"
# Deliveries that are seen before the first fault, and after each.
_BETWEEN = 40


@dataclass
class Streams:
    """The Redis of the streams, as those outside ask it. client: finds a primary or a slot again."""

    url: str
    client: Any
    running_since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def that_has(self, stream: str) -> redis.Redis:
        """The server that has this stream now."""
        if not isinstance(self.client, RedisCluster):
            asked: redis.Redis = self.client
            return asked
        # So it learns of a slot that has moved, and of a node that died.
        self.client.exists(stream)
        return self.client.get_redis_connection(self.client.get_node_from_key(stream))


@dataclass
class FailoverRun:
    """What goes on.

    environ: where processes find the servers.
    standby: of PostgreSQL; None: it has none.
    kills: whether processes are killed as well, and so started again.
    back: seconds from the end of each fault until a command was seen of an intent that was sent since.
    """

    postgresql: PostgreSQL
    valkey: Streams
    environ: dict[str, str]
    result: RunResult
    standby: Standby | None = None
    kills: bool = False
    fleet: Fleet = field(init=False)
    observer: Observer = field(init=False)
    producer: Producer = field(init=False)
    back: dict[str, float] = field(default_factory=dict)

    def fault(self, what: str, happen: Callable[[], float]) -> None:
        """Has this happen under load. happen: returns when it was over, on the monotonic clock."""
        over = happen()
        self.valkey.running_since = datetime.now(UTC)
        wait_until(
            lambda: self.observer.saw_any(self.producer.asked_since(over)),
            within=30,
            describe=lambda: f"{what}: {self.producer.intents} intents, {said(self.fleet)}",
        )
        self.back[what] = time.monotonic() - over
        seen = self.observer.deliveries
        wait_until(lambda: self.observer.deliveries > seen + _BETWEEN, within=30, describe=lambda: what)

    def take_over(self) -> float:
        """Kills PostgreSQL and promotes its standby. Returns when that took writes, on the monotonic clock."""
        assert self.standby is not None
        self.postgresql.kill()
        self.standby.promote()
        over = time.monotonic()
        self.postgresql.fail_over(self.standby.address, self.standby.url)
        return over

    def looks(self) -> list[str]:
        """What an operator's looks have come to, one line each that failed. Faults may be going on."""
        [(notification,)] = self.postgresql.rows("SELECT notification_id::text FROM notifications LIMIT 1")
        looks = (["status"], ["channels", "list"], ["trace", notification], ["doctor"])
        done = [run_command("publisher", *look, environ=self.environ) for look in looks]
        # Doctor, and it alone, may have found what is wrong.
        failed = [each for each in done if each.returncode not in (0, 1 if each.args[1] == "doctor" else 0)]
        return [f"{each.args}: {each.returncode} {each.stdout[-2000:]} {each.stderr}" for each in failed]


def run(
    folder: Path,
    url: str,
    environ: Mapping[str, str],
    faults: Callable[[FailoverRun], None],
    seed: int,
    *,
    with_standby: bool = False,
) -> FailoverRun:
    """Runs all processes, and has the faults come while intents do. Returns what has come of it.

    url: of the streams. environ: names the servers of Redis. with_standby: PostgreSQL has one, in DATABASE_URL, too.
    """
    folder.chmod(0o755)
    with ExitStack() as stack:
        postgresql = stack.enter_context(closing(PostgreSQL(folder / "postgresql")))
        client = stack.enter_context(closing(following(url, timeout=5)))
        standby = stack.enter_context(closing(Standby(postgresql, folder / "standby"))) if with_standby else None
        everywhere = {"DATABASE_URL": standby.database_url if standby else postgresql.proxied_url, **environ}
        going = FailoverRun(postgresql, Streams(url, client), everywhere, RunResult(seed), standby)
        mail = stack.enter_context(closing(ChaosMail(folder, seed)))
        told = environment(going, 4, 0.4) | mail.environ | everywhere | {"PUBLISHER_ROUTE_LEASE_TTL": _LEASE_TTL}
        fleet = going.fleet = stack.enter_context(closing(Fleet(told, folder, SLOTS)))
        going.observer = stack.enter_context(closing(Observer(url)))
        for slot in fleet.slots.values():
            fleet.wait_until_ready(slot)
        going.producer = stack.enter_context(
            closing(Producer(url, seed=seed, per_second=_PER_SECOND, intents=_INTENTS))
        )
        wait_until(lambda: going.observer.deliveries > _BETWEEN)
        faults(going)
        going.producer.enough()
        wait_until(lambda: going.producer.done, within=60)
        wait_until_quiet(going, going.producer, print, mail)
        fleet.stop_all()
        _check(going, mail)
    print(*(f"{what}: {seconds:.2f} s" for what, seconds in going.back.items()), going.result.counts, sep="\n")
    return going


def _check(going: FailoverRun, mail: ChaosMail) -> None:
    run_checker.check_run(going.result, going, going.fleet, going.observer, going.producer)
    problems = going.result.problems
    problems += mail.problems(going)
    if going.fleet.started > len(SLOTS) and not going.kills:
        problems.append(f"{going.fleet.started - len(SLOTS)} processes had to be started again")
    texts = {log.name: log.read_text(errors="replace") for log in going.fleet.logs}
    problems += [
        f"a traceback stands in {name}: {text[text.index('Traceback') :][:4000]}"
        for name, text in texts.items()
        if "Traceback" in text
    ]


def outages(fleet: Fleet) -> dict[str, list[str]]:
    """By process: the lines that say that a server is away, with the error, or that it is back."""
    found = {}
    for log in fleet.logs:
        told = [line for line in _lines(log) if " available" in line.get("event", "")]
        found[log.name] = [f"{line['event']}: {line.get('error', '')}" for line in told]
    return found


def said(fleet: Fleet) -> Counter[tuple[str, str]]:
    """How often each warning or error stands in the logs: process and event."""
    loud = [(log.name, line) for log in fleet.logs for line in _lines(log) if line.get("level") != "info"]
    return Counter((name, f"{line.get('event')} {line.get('error', '')}") for name, line in loud)


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            yield {"event": line, "level": "raw"}
