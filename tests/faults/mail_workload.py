"""A small fixed workload for the mail service, run in this process, the same each time."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import redis
import structlog

from publisher.channels.email import EMAIL
from publisher.connections import open_database
from publisher.environment import load_settings
from publisher.mail import reading
from publisher.mail_process import compose_mailer
from publisher.process.telemetry import Telemetry
from publisher.process.watchdog import Watchdog
from publisher.settings.mail import Unsure
from publisher.settings.settings import Settings
from storage.database import Database
from tests.conftest import connected
from tests.faults.crash_points import Crash, IoInterceptor, Point
from tests.faults.io_interception import intercept_io
from tests.faults.mailbox import DELIVERIES, copies, problems_of
from tests.faults.smtp_interception import SmtpInterception
from tests.mail_commands import append_commands
from tests.mail_run import GROUP, mail_server
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until

_LOOKS = 600
# One message at a time.
_VARIABLES = {
    "PUBLISHER_MAIL_CONNECTIONS": "1",
    "PUBLISHER_MAIL_BACKOFF_MIN": "0.001",
    "PUBLISHER_MAIL_BACKOFF_MAX": "0.001",
    "PUBLISHER_ROUTE_LEASE_TTL": "3",
}
_EMPTY = """
DELETE FROM delivery_events; DELETE FROM mail_deliveries; DELETE FROM malformed_intents;
UPDATE routes SET answer = NULL, answered_at = NULL, complained = false
"""
_COLUMNS = ("state", "unsure", "accepted", "answer")
_OPEN = "SELECT count(*) FILTER (WHERE state IN ('begun', 'waiting')), count(*) FROM mail_deliveries"
_ALIVE = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'publisher-life'"


@dataclass
class MailWorkload:
    """The workload: what was asked for, what must come of it, and how to run it with faults.

    entries: as they stand on the stream.
    commands: how many there are for each delivery. ends: how it may end, separated by spaces.
    """

    settings: Settings
    sql: Any
    redis: redis.Redis
    io: IoInterceptor
    smtp: HostileSmtp
    entries: Sequence[Mapping[bytes, bytes]]
    commands: Mapping[str, int]
    ends: Mapping[str, str]
    fault_log: list[str] = field(default_factory=list)
    deaths: int = 0

    def after(self, *points: Point) -> list[str]:
        """The violations after these points, each in a life of its own, and one more life if all were deadly."""
        self._reset()
        self.fault_log, self.deaths = [], 0
        for point in points:
            alive = self._run_once(point)
            self.fault_log.append(self.io.described)
            if alive:
                return self._violations()
            self.deaths += 1
            self._pass_time()
        self._run_once()
        return self._violations()

    def is_over(self) -> bool:
        """True if every command is acknowledged, and no delivery is open."""
        groups = self.redis.xinfo_groups(EMAIL.stream)
        if not groups or groups[0]["lag"] != 0 or groups[0]["pending"] != 0:
            return False
        self.sql.execute(_OPEN)
        return bool(self.sql.fetchone() == (0, len(self.commands)))

    def may_take_over(self) -> bool:
        """True if PostgreSQL has run for as long as a lease lasts: before that, none counts as abandoned."""
        return bool(self._rows("SELECT 1 WHERE pg_postmaster_start_time() < now() - interval '3 seconds'"))

    def _reset(self) -> None:
        self.sql.execute(_EMPTY)
        self.redis.flushdb()
        self.redis.script_flush()
        for entry in self.entries:
            self.redis.xadd(EMAIL.stream, dict(entry))  # type: ignore[arg-type]
        self.smtp.calm()
        self.smtp.taken.clear()
        self.smtp.once(Fault(Step.RCPT, reply="451 4.7.1 Come again"))

    def _run_once(self, point: Point | None = None) -> bool:
        """One life of a process. False if it died at the point."""
        self.io.begin(point)
        try:
            asyncio.run(self._life())
        except BaseExceptionGroup as group:
            if (others := group.split(Crash)[1]) is not None:
                raise others from group
        except Crash:
            pass
        else:
            return True
        wait_until(lambda: not self._rows(_ALIVE))
        return False

    async def _life(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            SmtpInterception(self.io, self.smtp).install(patch)
            database = open_database(self.settings, "life")
            telemetry = Telemetry()
            mailer = compose_mailer(self.settings, database, b"key", telemetry, _WhenOver(self), Watchdog())
            await mailer.run()
            # Reached by those alone that live to the end.
            database.close()

    def _pass_time(self) -> None:
        """Every lease is over, every retry is due, and what a dead consumer had read counts as left behind."""
        self.sql.execute(
            "UPDATE mail_deliveries SET lease_expires_at = now() - interval '1 s' WHERE lease_token IS NOT NULL;"
            "UPDATE mail_deliveries SET next_attempt_at = now() - interval '1 s' WHERE next_attempt_at IS NOT NULL"
        )
        with suppress(redis.ResponseError):
            for entry in self.redis.xpending_range(EMAIL.stream, GROUP, "-", "+", 100):
                ids = [entry["message_id"]]
                self.redis.xclaim(EMAIL.stream, GROUP, entry["consumer"], 0, ids, idle=3_600_000, justid=True)

    def _violations(self) -> list[str]:
        known = {row[0]: dict(zip(_COLUMNS, row[1:], strict=True)) for row in self._rows(DELIVERIES)}
        wrong = problems_of(known, self.smtp, self.commands, self.ends)
        if self.settings.mail.unsure is Unsure.HOLD:
            twice = [id_ for id_, messages in copies(self.smtp).items() if len(messages) > 1]
            wrong += [f"{id_} was sent twice, and an operator was to decide" for id_ in twice]
        if not self.is_over():
            wrong.append("it never came to an end")
        if (malformed := self._rows("SELECT failure_code FROM malformed_intents")) != [("missing_field",)]:
            wrong.append(f"malformed are {malformed}")
        return wrong

    def _rows(self, sql: str) -> list[Any]:
        self.sql.execute(sql)
        return list(self.sql.fetchall())


class _WhenOver(Event):
    """Set once all is over, or when that seems never to happen. Nobody waits."""

    def __init__(self, workload: MailWorkload) -> None:
        super().__init__()
        self._workload, self._looks = workload, 0

    def is_set(self) -> bool:
        self._looks += 1
        return self._looks > _LOOKS or self._workload.is_over()

    def wait(self, _timeout: float | None = None) -> bool:
        return self.is_set()


@contextmanager
def open_mail_workload(
    environ: dict[str, str], database: Database, client: redis.Redis, *, unsure: str = "send"
) -> Iterator[MailWorkload]:
    """A workload on these servers and an SMTP server of its own, with every I/O intercepted and logs switched off."""
    configured = structlog.get_config()
    with ExitStack() as stack:
        smtp = stack.enter_context(mail_server(environ))
        settings = load_settings({**environ, **_VARIABLES, "PUBLISHER_MAIL_UNSURE": unsure})
        sent = append_commands(database, client, 3)
        failing = append_commands(database, client, first=3, notification_type="no.such.template")
        suppressed = append_commands(database, client, first=4)
        client.xadd(EMAIL.stream, {"delivery_id": "x", "payload_json": "{"})
        append_commands(database, client, replay=1)
        entries = [fields for _, fields in client.xrange(EMAIL.stream)]
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(reading, "_BLOCK", timedelta(milliseconds=1))
        patch.setattr(reading, "_DUE_SECONDS", 0.0)
        # Long enough to look for what is due first.
        patch.setattr(reading, "_MISSED_SECONDS", 0.01)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
        stack.callback(lambda: structlog.configure(**configured))
        io = stack.enter_context(intercept_io())
        cursor = stack.enter_context(closing(stack.enter_context(connected(settings.database_url.text)).cursor()))
        cursor.execute(
            "INSERT INTO mail_suppressions (address, reason, added_by, added_at)"
            " VALUES ('u4@example.com', 'operator', 'test', now())"
        )
        # Nobody knows of what an abandoned one was sent: it may have had another template then.
        held = " held" if unsure == "hold" else ""
        ends = dict.fromkeys(sent, "sent" + held) | dict.fromkeys([*failing, *suppressed], "given_up" + held)
        commands = {id_: 2 if id_ == sent[0] else 1 for id_ in ends}
        workload = MailWorkload(settings, cursor, client, io, smtp, entries, commands, ends)
        wait_until(workload.may_take_over)
        yield workload
