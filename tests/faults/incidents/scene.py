"""A small system at work: the real processes, a producer, consumers that answer, and everything at hand to break it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from publisher.local.embedded import embedded_servers
from publisher.local.mail_environ import SENDER, TEMPLATES
from storage.database import Database
from storage.schema.schema import migrate
from tests.acceptance.counters import metrics_port, scraped, served_port
from tests.conftest import run_sql, with_database
from tests.factories import intent_fields
from tests.faults.incidents.recording import INTERVAL, Scrape, labelled
from tests.processes import Process, Processes
from tests.smtp_servers import HostileSmtp, hostile_smtp
from tests.waiting import wait_until

INTENTS, EVENTS = "notification:intents", "notification:delivery_events"
EMAIL, PUSH = "mail:delivery_commands", "gateway:client_events"
PROCESSES = ("worker", "clock", "intake")
DATABASE = "incident"
_HEALTHY = 'publisher_finding{cause="all_well",channel="",level="ok"}'


@dataclass
class Scene:
    """Everything that an incident may touch.

    server_url: of the PostgreSQL server, beside the service's database.
    load: intents a second, which the producer sends. read: the streams that consumers read; answers: what they answer.
    """

    database: Database
    server_url: str
    redis: redis.Redis
    processes: dict[str, Process]
    smtp: HostileSmtp
    load: float = 4.0
    fields: dict[str, object] = field(default_factory=dict)
    read: set[str] = field(default_factory=lambda: {EMAIL, PUSH})
    answers: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    stack: ExitStack = field(default_factory=ExitStack)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a process and all that belongs to it."""
        self.processes[name].signal(number, group=True)

    def send(self, *intents: Mapping[str, object]) -> None:
        """Adds intents to their stream."""
        with self.redis.pipeline(transaction=False) as pipe:
            for fields in intents:
                pipe.xadd(INTENTS, dict(fields))  # type: ignore[arg-type]
            pipe.execute()

    def produce(self) -> None:
        """Sends intents until the scene is over."""
        while not self.over.wait(1 / self.load):
            with suppress(redis.RedisError):
                self.send(intent_fields(**self.fields))

    def consume(self, stream: str) -> None:
        """Reads commands, answers and acknowledges them, until the scene is over."""
        group = "mail-service" if stream == EMAIL else "gateway"
        while not self.over.wait(0.1):
            if stream not in self.read:
                continue
            with suppress(redis.RedisError):
                self._consume(stream, group)

    def scrape(self) -> dict[str, float]:
        """What every process serves at this moment; one that serves nothing has no sample."""
        found: dict[str, float] = {}
        for name, process in self.processes.items():
            with suppress(OSError):
                found |= labelled(kept(scraped(served_port(process))), name)
        return found

    @property
    def is_healthy(self) -> bool:
        """Whether the clock exports that all is well."""
        with suppress(OSError):
            return scraped(served_port(self.processes["clock"])).get(_HEALTHY) == 1
        return False

    def _consume(self, stream: str, group: str) -> None:
        try:
            found = self.redis.xreadgroup(group, "one", {stream: ">"}, count=100, block=500)
        except redis.ResponseError:
            self.redis.xgroup_create(stream, group, "0", mkstream=True)
            return
        for _, entries in found:
            for entry_id, fields in entries:
                if self.answers and (delivery_id := fields.get(b"delivery_id")):
                    now = str(round(time.time() * 1000))
                    event = {"event_id": entry_id, "delivery_id": delivery_id, "event": "delivered"}
                    self.redis.xadd(EVENTS, event | {"occurred_at_ms": now, "source": "example"})
                self.redis.xack(stream, group, entry_id)


@contextmanager
def scene(folder: Path, environ: Mapping[str, str], *, with_mailer: bool) -> Iterator[Scene]:
    """A scene in which all is well. Everything ends with it, each process by its pid."""
    with ExitStack() as stack:
        servers = stack.enter_context(embedded_servers(folder / "servers"))
        run_sql(servers.database_url, f"CREATE DATABASE {DATABASE}")
        url = with_database(servers.database_url, DATABASE)
        database = stack.enter_context(closing(Database(url, application_name="scene", statement_timeout=None)))
        migrate(database)
        client = stack.enter_context(redis.Redis.from_url(servers.redis_url))
        smtp = stack.enter_context(hostile_smtp())
        whole = {
            "DATABASE_URL": url,
            "REDIS_URL": servers.redis_url,
            "PUBLISHER_SCAN_INTERVAL": "0.5",
            "PUBLISHER_LOG_FORMAT": "json",
            "PUBLISHER_METRICS_PORT": metrics_port(),
            "PUBLISHER_AUDIT_WINDOW": "40",
            "PUBLISHER_SMTP_URL": smtp.url,
            "PUBLISHER_MAIL_FROM": SENDER,
            "PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES),
            **environ,
        }
        processes = Processes(whole, folder)
        stack.callback(processes.kill_all)
        names = [*PROCESSES, "mailer"] if with_mailer else PROCESSES
        started = {name: processes.start(name) for name in names}
        made = Scene(database, servers.database_url, client, started, smtp, stack=stack)
        if with_mailer:
            made.read.remove(EMAIL)
        stack.enter_context(_at_work([made.produce, *(lambda s=s: made.consume(s) for s in sorted(made.read))], made))
        yield made


@contextmanager
def _at_work(work: Sequence[Callable[[], None]], made: Scene) -> Iterator[None]:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        made.over.set()
        for thread in threads:
            thread.join()


def recorded(made: Scene, begin: Callable[[Scene], None], before: int, after: int) -> tuple[list[Scrape], float]:
    """Scrapes so many times before the incident begins and after. Returns the scrapes, and when the first was.

    Raises AssertionError if not all is well for a while before.
    """
    wait_until(lambda: made.is_healthy, within=90)
    # Rates count from a state in which nothing changes but what the load changes.
    for _ in range(4):
        time.sleep(INTERVAL.total_seconds())
        assert made.is_healthy
    origin = time.time()
    scrapes: list[Scrape] = []
    for number in range(before + after):
        if number == before:
            begin(made)
        # A sleep that waits for nothing: it is the interval of a scrape.
        time.sleep(max(0.0, origin + number * INTERVAL.total_seconds() - time.time()))
        scrapes.append(made.scrape())
    return scrapes, origin


def kept(scrape: Scrape) -> Scrape:
    """The samples of the service alone, without those of Python and of when each counter was made."""
    ours = ("publisher_", "route", "channel_", "intents_", "delivery_events_", "mail_")
    return {name: value for name, value in scrape.items() if name.startswith(ours) and "_created" not in name}
