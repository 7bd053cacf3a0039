"""A small fixed workload, run by the whole service in this process, step after step, the same each time."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import dramatiq
import pytest
import redis
import structlog

from actors.broker import WakingBroker
from actors.context import Context
from publisher.bootstrap import compose_intake, install_context
from publisher.connections import open_client
from publisher.domain.errors import PublisherError, Unavailable
from publisher.environment import load_settings
from publisher.intake import consumer as intake
from publisher.intake import read_ahead
from publisher.intake.consumer import IntakeOptions
from publisher.settings.settings import Settings
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.stream_servers import StreamServers
from storage.republishing import PublishedFilter, republish
from tests.conftest import connected
from tests.factories import GROUP, INTENTS, intent
from tests.faults.at_once import AtOnce
from tests.faults.composition import EMPTY
from tests.faults.crash_points import Crash, IoInterceptor, Point
from tests.faults.invariants import Expected, violations
from tests.faults.io_interception import intercept_io
from tests.faults.workload_intents import ENTRIES, GOOD, MALFORMED, entry_of, routes_of

CHANNELS = ("email", "push")
MAX_ATTEMPTS = 2
SEED = 20260314
_BATCH = 3
_ROUNDS = 12
_LOOKS = 60
_LEASE = timedelta(seconds=30)
# Routes that have not ended, and cancellations that are not answered.
_OPEN = """
SELECT (SELECT count(*) FROM routes WHERE status IN ('pending', 'failed'))
       + (SELECT count(*) FROM cancellations WHERE answered_at IS NULL)
"""


@dataclass
class Workload:
    """The fixed workload on two servers: what was sent, what must come of it, and how to run it with faults."""

    settings: Settings
    sql: Any
    redis: redis.Redis
    io: IoInterceptor
    expected: Expected = field(default_factory=lambda: Expected({}))
    attempts: Mapping[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    fault_log: list[str] = field(default_factory=list)
    deaths: int = 0
    replays: Mapping[str, int] = field(default_factory=dict)
    published_until: datetime | None = None

    def reset(self, entries: Sequence[Mapping[str, Any]] = ENTRIES) -> None:
        """Empty servers, as if they had never been used, and the intents on their stream."""
        self.sql.execute(EMPTY)
        self.redis.flushdb()
        self.redis.script_flush()
        ids = [self.redis.xadd(INTENTS, dict(entry_of(fields))).decode() for fields in entries]
        self.expected = Expected(
            {
                id_: ends
                for fields in entries
                if fields is not MALFORMED and "cancels" not in fields
                for id_, ends in routes_of(fields)
            },
            [id_ for id_, fields in zip(ids, entries, strict=True) if fields is MALFORMED],
        )
        self.attempts = {id_: MAX_ATTEMPTS for id_, ends in self.expected.routes.items() if "dead_letter" in ends}
        self.replays, self.published_until = {}, None
        self.errors.clear()

    def run_once(self, point: Point | None = None) -> bool:
        """One life of a process: takes every intent, publishes every route, and some once more at an operator's word.

        False if it died at the point.
        """
        self.io.begin(point)
        try:
            with self.process() as context:
                self.take_in(context, handover=_LEASE)
                self.publish()
                self.republish(context)
                self.publish()
        except Crash:
            self.wait_until_disconnected()
            return False
        return True

    def after(self, *points: Point) -> list[str]:
        """The violations after these points, each in a life of its own, and one more life if all were deadly."""
        self.reset()
        self.replays = {id_: 1 for id_, _ in routes_of(GOOD)}
        self.fault_log, self.deaths = [], 0
        for point in points:
            alive = self.run_once(point)
            self.fault_log.append(self.io.described)
            if alive:
                return self.violations()
            self.deaths += 1
            self.pass_time()
        self.run_once()
        return self.violations()

    def pass_time(self) -> None:
        """Every lease and deadline is over, every retry is due, and what a dead consumer left counts as left behind."""
        self.sql.execute("UPDATE routes SET lease_expires_at = now() - interval '1 s' WHERE lease_token IS NOT NULL")
        self.sql.execute("UPDATE routes SET expires_at = now() - interval '1 s' WHERE expires_at > now()")
        self.make_due()
        with suppress(redis.ResponseError):
            for pending in self.redis.xpending_range(INTENTS, GROUP, "-", "+", 100):
                ids = [pending["message_id"]]
                self.redis.xclaim(INTENTS, GROUP, pending["consumer"], 0, ids, idle=3_600_000, justid=True)

    def scan(self, channel: str) -> None:
        """One scan of the channel by the actor."""
        from actors.routes import scan_due_routes

        self._do(scan_due_routes.fn, channel)

    def make_due(self) -> None:
        """Every retry is due, and the lease of what ends without an attempt has run out: a later scan sees to that."""
        self.sql.execute(
            "UPDATE routes SET lease_expires_at = now()"
            " WHERE lease_token <> '' AND least(expires_at, cancel_requested_at) <= now()"
        )
        self.sql.execute("UPDATE routes SET next_attempt_at = now() - interval '1 s' WHERE next_attempt_at > now()")

    def violations(self) -> list[str]:
        """Whatever is not as it must be at the end."""
        self.sql.execute(
            "SELECT notification_id || '/' || route_id, replay, attempt_count, (SELECT count(*) FROM dead_letters AS d"
            " WHERE (d.notification_id, d.route_id) = (n.notification_id, routes.route_id))"
            " FROM routes JOIN notifications AS n ON n.id = notification_key"
        )
        wrong = list(self.errors)
        for delivery_id, replay, attempts, dead_letters in self.sql.fetchall():
            if replay != self.replays.get(delivery_id, 0):
                wrong.append(f"{delivery_id} was republished {replay} times, not {self.replays.get(delivery_id, 0)}")
            if attempts != self.attempts.get(delivery_id, 0):
                wrong.append(f"{delivery_id} counts {attempts} attempts, not {self.attempts.get(delivery_id, 0)}")
            buried = "dead_letter" in self.expected.routes.get(delivery_id, ())
            if dead_letters != buried:
                wrong.append(f"{delivery_id} has {dead_letters} dead letters")
        self.sql.execute("SELECT idempotency_key, answered_at, cancelled, published, otherwise FROM cancellations")
        for key, answered_at, *counts in self.sql.fetchall():
            if answered_at is None or counts != [2, 0, 0]:
                wrong.append(f"the cancellation of {key!r} is answered {answered_at}: {counts}")
        return [*violations(self.settings.database_url.text, self.redis, self.expected), *wrong]

    def one(self, sql: str) -> Any:
        """The one value of a query."""
        self.sql.execute(sql)
        return self.sql.fetchone()[0]

    def is_taken_in(self) -> bool:
        """True if every intent was read, is on record, and acknowledged."""
        groups = self.redis.xinfo_groups(INTENTS)
        read = bool(groups) and groups[0]["lag"] == 0 and groups[0]["pending"] == 0
        return bool(read and self.one("SELECT count(*) FROM routes") >= len(self.expected.routes))

    @contextmanager
    def process(self) -> Iterator[Context]:
        """What one process works with, composed as the service composes it."""
        # What Dramatiq remembers of its server for as long as a process lives.
        WakingBroker._max_unpack_size_val = None
        context = install_context(self.settings, "life")
        with ExitStack() as stack:
            yield context
            # Reached by those alone that live to the end.
            stack.enter_context(closing(context.database))
            stack.enter_context(context.redis)
            stack.enter_context(dramatiq.get_broker().client)

    def take_in(self, context: Context, handover: timedelta = timedelta(0)) -> None:
        """Runs intake until every intent is read and acknowledged. handover: see `IntakeOptions`."""
        with open_client(self.settings, "intake-group", timedelta(seconds=3)) as client:
            group = IntentsGroup(StreamServers(client), INTENTS, GROUP, secrets.token_hex(4))
            until_read = replace(context, stopping=_WhenRead(self))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(read_ahead, "ThreadPoolExecutor", AtOnce)
                compose_intake(until_read, group, IntakeOptions(INTENTS, _BATCH, _LEASE, handover=handover)).run()

    def publish(self) -> None:
        """Publishes by message what is new on one channel, and by scans until no route is open.

        The messages of the other channel are lost, and their handovers run out.
        """
        from actors.routes import publish_routes

        self.sql.execute(
            "SELECT array_agg(id ORDER BY id), lease_token FROM routes WHERE channel = 'email' AND status = 'pending'"
            " GROUP BY lease_token ORDER BY min(id)"
        )
        for ids, handover in self.sql.fetchall():
            self._do(publish_routes.fn, "email", ids, handover)
        self.sql.execute("UPDATE routes SET lease_expires_at = now() WHERE starts_with(lease_token, 'handover:')")
        for _ in range(_ROUNDS):
            for channel in CHANNELS:
                self.scan(channel)
            if not self.one(_OPEN):
                return
            self.make_due()

    def republish(self, context: Context) -> None:
        """An operator has one intent published again, and goes on with that action after a crash or a lost reply."""
        if self.published_until is None:
            # Instants are whole milliseconds, and nothing is published twice within one.
            self.published_until = self.one("SELECT max(published_at) + interval '1 millisecond' FROM routes")
        notification_id = intent(**GOOD).notification_id
        matching = PublishedFilter(until=self.published_until, notification_id=notification_id)
        for channel in CHANNELS:
            for _ in range(_ROUNDS):
                with suppress(Unavailable):
                    republish(context.database, channel, matching, after=None, limit=10)
                    break

    def _do(self, actor: Any, *arguments: Any) -> None:
        # Dramatiq would repeat the message of one that failed; here the next round does.
        from actors.routes import RouteDeadLettered

        try:
            actor(*arguments)
        except (RouteDeadLettered, dramatiq.Retry):
            pass
        except Unavailable:
            self.pass_time()
        except PublisherError as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def wait_until_disconnected(self) -> None:
        """Returns once PostgreSQL has noticed a death: the transaction is rolled back, its locks are gone."""
        alive = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        for _ in range(100_000):
            self.sql.execute(alive, ["publisher-life"])
            if self.sql.fetchone()[0] == 0:
                return
        raise AssertionError("a dead process is still connected to PostgreSQL")


class _WhenRead(Event):
    """Set once every intent is taken in, or when that seems never to happen. Nobody waits."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self._scene, self._looks = workload, 0

    def is_set(self) -> bool:
        self._looks += 1
        return self._looks > _LOOKS or self._scene.is_taken_in()

    def wait(self, _timeout: float | None = None) -> bool:
        return self.is_set()


@contextmanager
def open_workload(environ: Mapping[str, str], client: redis.Redis) -> Iterator[Workload]:
    """A workload on these servers, with the service's I/O intercepted and its logs switched off."""
    settings = load_settings({**environ, "PUBLISHER_EMAIL_MAX_ATTEMPTS": str(MAX_ATTEMPTS)})
    configured = structlog.get_config()
    # Nobody waits for entries that will not come.
    patch = pytest.MonkeyPatch()
    patch.setattr(intake, "_BLOCK", timedelta(milliseconds=1))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    try:
        with intercept_io() as io, connected(settings.database_url.text) as connection, connection.cursor() as cursor:
            yield Workload(settings, cursor, client, io)
    finally:
        patch.undo()
        structlog.configure(**configured)
