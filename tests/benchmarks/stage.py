"""The stage of a measurement: durable servers, a fresh database, the Procfile's processes, and eyes from outside."""

import os
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from publisher.local.embedded import Servers, embedded_servers
from publisher.local.procfile import environment, procfile
from storage.database import Database
from storage.group_keys import GROUP_KEY
from storage.schema.schema import migrate
from tests.conftest import run_sql, with_database
from tests.waiting import wait_until

EMAIL_STREAM = "mail:delivery_commands"
PUSH_STREAM = "gateway:client_events"
INTENTS_STREAM = "notification:intents"
# A server, and the name of a stream there.
Place = tuple[redis.Redis, str]

# What stands in the log of a process that is ready, and how often.
_READY = {"worker": (b"ready for action", 2), "clock": (b"scheduler started", 1), "web": (b"the page is served", 1)}


@contextmanager
def durable_servers() -> Iterator[Servers]:
    """PostgreSQL and Valkey as `publisher up` runs them: fsync on, append-only file on."""
    with tempfile.TemporaryDirectory(prefix="publisher-bench-") as folder, embedded_servers(Path(folder)) as servers:
        yield servers


@dataclass
class Stage:
    """One measurement's servers and processes."""

    servers: Servers
    environ: dict[str, str]
    redis: redis.Redis
    database: Database
    processes: dict[str, psutil.Popen] = field(default_factory=dict)
    # Where the partitions of a stream are: the server of each, and its name. A stream that is missing is on `redis`.
    places: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    _folder: str = ""

    def start(self, *names: str, startup: str = "") -> None:
        """Starts these processes of the Procfile, and waits until they are ready.

        startup: Python that each of them runs before anything else, for faults that production code cannot make.
        """
        environ = {}
        if startup:
            (Path(self._folder) / "sitecustomize.py").write_text(startup)
            environ["PYTHONPATH"] = self._folder
        for name in names:
            log = Path(self._folder) / f"{name}.log"
            with log.open("wb") as output:
                self.processes[name] = psutil.Popen(
                    f"exec {procfile().get(name, 'publisher mailer run')}",
                    shell=True,
                    env=environment({**os.environ, **self.environ, **environ}),
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            ready = _READY.get(name)
            if ready:
                text, times = ready
                wait_until(lambda log=log, text=text, times=times: log.read_bytes().count(text) >= times)
            elif name == "intake":
                wait_until(lambda: self.redis.exists(INTENTS_STREAM))

    def stop(self) -> None:
        """Stops every process, each by its pid."""
        for process in self.processes.values():
            if process.is_running():
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(30)
        self.processes.clear()

    def appended(self) -> int:
        """How many commands were ever appended to the outbound streams."""
        total = 0
        for client, stream in (*self.places_of(EMAIL_STREAM), *self.places_of(PUSH_STREAM)):
            if client.exists(stream):
                total += client.xinfo_stream(stream)["entries-added"]
        return total

    def places_of(self, stream: str) -> Sequence[Place]:
        """Where this stream is, or each of its partitions."""
        return self.places.get(stream, [(self.redis, stream)])

    def wait_for_appended(self, count: int, within: float = 900.0) -> list[tuple[float, int]]:
        """Waits for so many commands. Returns what was seen on the way: monotonic seconds and commands."""
        seen = [(time.monotonic(), self.appended())]
        deadline = time.monotonic() + within
        while seen[-1][1] < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{seen[-1][1]} of {count} commands within {within} s")
            time.sleep(0.02)
            seen.append((time.monotonic(), self.appended()))
        return seen

    def all_published(self, count: int, already: int = 0) -> None:
        """Checks that so many routes were published, each once, and `already` before; and none is anything else."""
        total = [(count + already,)]
        wait_until(
            lambda: self.database.rows("SELECT count(*) FROM routes WHERE status = 'published'") == total,
            within=30,
            describe=lambda: self.database.rows("SELECT status, count(*) FROM routes GROUP BY 1"),
        )
        if self.appended() != count:
            raise AssertionError(f"{self.appended()} commands for {count} routes")

    def family(self) -> dict[str, list[psutil.Process]]:
        """Every started process with its children, by name."""
        return {name: [p, *p.children(recursive=True)] for name, p in self.processes.items() if p.is_running()}


@contextmanager
def stage(
    servers: Servers, environ: Mapping[str, str] | None = None, places: Mapping[str, Sequence[Place]] | None = None
) -> Iterator[Stage]:
    """A stage with an empty, migrated database and an empty Redis. places: where the partitions of streams are."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    run_sql(servers.database_url, f"CREATE DATABASE {name}")
    url = with_database(servers.database_url, name)
    with closing(Database(url, application_name="bench", statement_timeout=None)) as database:
        migrate(database)
        with redis.Redis.from_url(servers.redis_url) as client, tempfile.TemporaryDirectory() as folder:
            client.flushall()
            own = {
                "DATABASE_URL": url,
                "REDIS_URL": servers.redis_url,
                "PUBLISHER_LOG_FORMAT": "json",
                # Nobody reads here, and no measurement stops at so many commands.
                "PUBLISHER_EMAIL_STREAM_CEILING": "0",
                "PUBLISHER_PUSH_STREAM_CEILING": "0",
            }
            made = Stage(servers, own | dict(environ or {}), client, database, places=places or {}, _folder=folder)
            try:
                yield made
            finally:
                made.stop()
    run_sql(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


NOTIFICATIONS = """
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                           request_fingerprint, payload, request_id, occurred_at, accepted_at)
SELECT md5('{series}-' || n)::uuid, 'game.turn.ready', 'game-service', 'user', '{series}-' || n, sha256(n::text::bytea),
       json_build_object('game', 'chess', 'turn', n, 'text', repeat('x', 100)), 'request-' || n,
       date_trunc('milliseconds', now()), date_trunc('milliseconds', now())
FROM generate_series(1, {count}) AS n
"""
_ROUTES = """
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                    next_attempt_at, published_at, stream_entry_id, created_at, updated_at, producer,
                    notification_type, lane, group_key)
SELECT {first} + n, channel || ':user:' || n, channel, '{status}', 6, 'user:' || n,
       CASE channel WHEN 'email' THEN 'user-' || n || '@' || {domain} END,
       CASE WHEN '{status}' = 'pending' THEN t END, CASE WHEN '{status}' = 'published' THEN t END,
       CASE WHEN '{status}' = 'published' THEN '1-' || n END, t, t, producer, notification_type, lane, {group_key}
FROM generate_series(1, {count}) AS n, unnest(ARRAY['email', 'push']) AS channel,
     (SELECT 'game-service' AS producer, 'game.turn.ready' AS notification_type, 'normal' AS lane) AS group_of,
     (SELECT date_trunc('milliseconds', now()) - interval '1 hour' AS t) AS instant
ORDER BY n
"""
# The key before the first of the notifications that were made just now.
BEFORE_FIRST = "(SELECT max(id) - {count} FROM notifications)"


def seed(
    stage: Stage, routes: int, *, status: str = "pending", series: str = "due", domain: str = "'example.com'"
) -> None:
    """Makes so many routes, half email and half push, of notifications with two routes each.

    domain: an SQL expression over n for the part behind the @ of the nth email address.
    """
    values = {"series": series, "count": routes // 2, "status": status, "domain": domain}
    values["group_key"] = GROUP_KEY
    values["first"] = BEFORE_FIRST.format(**values)
    with stage.database.unit() as connection, connection.atomic():
        connection.execute_sql(NOTIFICATIONS.format(**values))
        connection.execute_sql(_ROUTES.format(**values))
    # As autovacuum would have left it.
    run_sql(stage.environ["DATABASE_URL"], "VACUUM ANALYZE notifications", "VACUUM ANALYZE routes", "CHECKPOINT")
