"""Valkey or PostgreSQL goes away while messages are being sent: none is lost, and none goes out twice unasked (R15)."""

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import redis

from publisher.channels.email import EMAIL
from storage.database import Database
from tests.faults.mailbox import mail_problems
from tests.faults.proxied_url import proxied
from tests.faults.servers import PostgreSQL
from tests.integration.rows import execute
from tests.mail_commands import append_commands
from tests.mail_run import answers, is_all_read, states
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

COMMANDS = 300
AMID = range(20, 250)


@pytest.fixture
def smtp(smtp: HostileSmtp) -> HostileSmtp:
    """The SMTP server of this test's mail service: slow enough that something happens in the midst."""
    smtp.always(Fault(Step.END, slow=0.01))
    return smtp


def kill_and_start(valkey: OwnValkey) -> None:
    """As a crash and a restart, with all that it had acknowledged."""
    valkey.kill()
    valkey.start()


def cut(valkey: OwnValkey) -> None:
    """Every connection is ended by the server, three times."""
    with redis.Redis.from_url(valkey.url) as client:
        for _ in range(3):
            client.execute_command("CLIENT KILL TYPE normal SKIPME yes")


@pytest.mark.parametrize("fault", [kill_and_start, pytest.param(cut, marks=pytest.mark.long)])
def test_a_valkey_that_goes_away_amid_messages_costs_none(
    fault: Callable[[OwnValkey], None],
    environ: dict[str, str],
    database: Database,
    processes: Processes,
    smtp: HostileSmtp,
    tmp_path: Path,
) -> None:
    """What was read and not acknowledged is found again, and what was sent is not sent again (R20, R33)."""
    valkey = OwnValkey(tmp_path / "valkey")
    environ["REDIS_URL"] = valkey.url
    try:
        with redis.Redis.from_url(valkey.url) as client:
            deliveries = append_commands(database, client, COMMANDS)
            mailer = processes.start("mailer")
            wait_until(lambda: len(smtp.taken) in AMID, describe=lambda: mailer.output)

            fault(valkey)
            wait_until(lambda: answers(database) == {"accepted": COMMANDS}, within=40, describe=lambda: mailer.output)
            wait_until(lambda: is_all_read(client))

            assert mail_problems(database, smtp, deliveries) == []
            assert len(smtp.taken) == COMMANDS
            assert client.xlen(EMAIL.stream) == COMMANDS
    finally:
        valkey.stop()


@pytest.mark.long
def test_a_postgresql_that_restarts_amid_messages_costs_none(
    environ: dict[str, str], redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp, server_folder: Path
) -> None:
    """What was accepted meanwhile is recorded afterwards: the leases outlive the restart (R33)."""
    with closing(PostgreSQL(server_folder / "postgresql")) as postgresql:
        environ["DATABASE_URL"] = postgresql.url
        with closing(Database(postgresql.url, application_name="test")) as database:
            deliveries = append_commands(database, redis_client, COMMANDS)
            mailer = processes.start("mailer")
            wait_until(lambda: len(smtp.taken) in AMID, describe=lambda: mailer.output)

            postgresql.restart(0.5)
        with closing(Database(postgresql.url, application_name="test")) as database:
            wait_until(lambda: answers(database) == {"accepted": COMMANDS}, within=40, describe=lambda: mailer.output)
            wait_until(lambda: is_all_read(redis_client))

            assert mail_problems(database, smtp, deliveries) == []
            assert len(smtp.taken) == COMMANDS, states(database)


@pytest.mark.long
@pytest.mark.parametrize("silent", ["DATABASE_URL", "REDIS_URL"])
def test_a_mail_process_whose_server_is_silent_stops_in_time(
    silent: str,
    environ: dict[str, str],
    database: Database,
    redis_client: redis.Redis,
    processes: Processes,
    smtp: HostileSmtp,
) -> None:
    """In the midst of its work nothing answers any more: it ends within 25 s, and another sends the rest (R17)."""
    deliveries = append_commands(database, redis_client, COMMANDS)
    with proxied(environ[silent]) as (proxy, url):
        mailer = processes.start("mailer", **{silent: url}, PUBLISHER_ROUTE_LEASE_TTL="30")
        wait_until(lambda: len(smtp.taken) in AMID, describe=lambda: mailer.output)

        proxy.stall()
        for _ in range(2):
            mailer.signal(signal.SIGTERM, group=True)
        assert mailer.wait(25.0) == 0, mailer.output[-2000:]
    # So that nobody waits for the leases of half a minute.
    execute(database, "UPDATE mail_deliveries SET lease_expires_at = now() WHERE lease_token IS NOT NULL")
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": COMMANDS}, within=40, describe=lambda: states(database))

    assert mail_problems(database, smtp, deliveries) == []
