"""A mail process is killed, and another takes over: nothing is lost, and a second copy was counted as unsure (R33)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
import redis

from storage.database import Database
from tests.faults.mailbox import copies, mail_problems
from tests.integration.rows import rows
from tests.mail_commands import append_commands
from tests.mail_run import answers, events, is_all_read, pending, states
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until

COMMANDS = 12
# As many messages are under way at once as there are connections.
UNDER_WAY = 4
STALLED = Fault(Step.END, stall=True)


@contextmanager
def nothing_recorded(database: Database, url: str) -> Iterator[None]:
    """No outcome of a message can be recorded until the end of the block: its events have to wait."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE delivery_events IN SHARE MODE")
        yield


def test_one_that_is_killed_before_the_replies_came_is_succeeded(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """What the server has may be what it never got: it comes again under its Message-ID, and is counted (R33)."""
    smtp.always(STALLED)
    deliveries = append_commands(database, redis_client, COMMANDS)
    mailer = processes.start("mailer")
    wait_until(lambda: len(smtp.taken) == UNDER_WAY, describe=lambda: mailer.output)

    mailer.kill()
    smtp.calm()
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": COMMANDS}, within=40)

    assert mail_problems(database, smtp, deliveries) == []
    assert sum(len(messages) == 2 for messages in copies(smtp).values()) == UNDER_WAY
    wait_until(lambda: is_all_read(redis_client))


def test_one_that_is_killed_before_it_recorded_what_was_accepted_is_succeeded(
    database: Database, database_url: str, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Every reply came, and PostgreSQL does not know: to the next process that is the same as a lost reply (R33)."""
    deliveries = append_commands(database, redis_client, COMMANDS)
    with nothing_recorded(database, database_url):
        mailer = processes.start("mailer")
        wait_until(lambda: [taken.replied for taken in smtp.taken] == [True] * COMMANDS)
        mailer.kill()
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": COMMANDS}, within=40)

    assert mail_problems(database, smtp, deliveries) == []
    assert rows(database, "SELECT DISTINCT unsure FROM mail_deliveries") == [{"unsure": 1}]
    wait_until(lambda: is_all_read(redis_client))


@pytest.mark.long
@pytest.mark.parametrize("before", ["the reply", "the record"])
def test_an_operator_may_decide_about_what_a_killed_one_left(
    before: str,
    database: Database,
    database_url: str,
    redis_client: redis.Redis,
    processes: Processes,
    smtp: HostileSmtp,
) -> None:
    """With PUBLISHER_MAIL_UNSURE=hold nothing is sent twice, and nothing forgotten: it is held (R33)."""
    if before == "the reply":
        smtp.always(STALLED)
    deliveries = append_commands(database, redis_client, COMMANDS)
    with nothing_recorded(database, database_url):
        mailer = processes.start("mailer", PUBLISHER_MAIL_UNSURE="hold")
        wait_until(lambda: len(smtp.taken) == (UNDER_WAY if before == "the reply" else COMMANDS))
        mailer.kill()
    smtp.calm()
    sent_before = len(smtp.taken)
    processes.start("mailer", PUBLISHER_MAIL_UNSURE="hold")
    wait_until(lambda: states(database) == {"held": COMMANDS}, within=40)
    later = append_commands(database, redis_client, first=COMMANDS)
    wait_until(lambda: events(database, later[0]) == ["accepted"])

    assert len(smtp.taken) == sent_before + 1
    assert mail_problems(database, smtp, [*deliveries, *later], ends="held sent") == []
    assert rows(database, "SELECT FROM mail_deliveries WHERE state = 'held' AND command IS NULL") == []
    wait_until(lambda: is_all_read(redis_client))


def test_one_that_is_killed_before_it_acknowledged_sends_nothing_again(
    database: Database, database_url: str, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """The outcome stands in PostgreSQL: whoever reads the command next acknowledges it alone (R20, R33)."""
    deliveries = append_commands(database, redis_client, COMMANDS)
    with nothing_recorded(database, database_url):
        mailer = processes.start("mailer")
        wait_until(lambda: len(smtp.taken) == COMMANDS)
        redis_client.client_pause(60_000, all=False)
    wait_until(lambda: states(database) == {"sent": COMMANDS})
    mailer.kill()
    redis_client.client_unpause()
    assert pending(redis_client) == COMMANDS
    processes.start("mailer")
    wait_until(lambda: is_all_read(redis_client), within=40)

    assert mail_problems(database, smtp, deliveries) == []
    assert len(smtp.taken) == COMMANDS


@pytest.mark.long
def test_a_retry_that_was_under_way_is_sent_again_though_its_command_came_again(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Where nobody asked for an operator none is waited for, whichever command its successor reads (R33)."""
    smtp.once(Fault(Step.RCPT, reply="451 4.7.1 Come again"))
    smtp.always(STALLED)
    deliveries = append_commands(database, redis_client)
    mailer = processes.start("mailer", PUBLISHER_SMTP_TIMEOUT="60")
    wait_until(lambda: len(smtp.taken) == 1)
    append_commands(database, redis_client, replay=1)
    wait_until(lambda: pending(redis_client) == 1)
    mailer.kill()
    smtp.calm()
    over = "SELECT FROM mail_deliveries WHERE lease_expires_at < now() - interval '1 second'"
    wait_until(lambda: rows(database, over))
    processes.start("mailer")
    wait_until(lambda: is_all_read(redis_client), within=40, describe=lambda: states(database))

    assert mail_problems(database, smtp, deliveries, commands=2) == []
    assert len(smtp.taken) == 2
