"""Several mail processes, paused, stopped or side by side: each message is sent by the one that holds it (R17, R33)."""

import signal

import pytest
import redis

from publisher.channels.email import EMAIL
from storage.database import Database
from tests.faults.mailbox import copies, mail_problems
from tests.mail_commands import append_commands
from tests.mail_run import GROUP, answers, events, is_all_read, pending, states
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until

PATIENCE = 25.0
# A lease is renewed three times before it would run out.
_LEASES = "SELECT lease_expires_at FROM mail_deliveries"


def test_a_command_that_comes_again_is_not_sent_beside_the_first(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Published again while its message is on its way, it waits for that, and is answered by it (R33)."""
    smtp.once(Fault(Step.END, slow=2))
    deliveries = append_commands(database, redis_client)
    mailer = processes.start("mailer", PUBLISHER_SMTP_TIMEOUT="20")
    wait_until(lambda: len(smtp.taken) == 1, describe=lambda: mailer.output)

    append_commands(database, redis_client, replay=1)
    wait_until(lambda: events(database) == ["accepted", "accepted"])

    assert mail_problems(database, smtp, deliveries, commands=2) == []
    assert len(smtp.taken) == 1
    wait_until(lambda: is_all_read(redis_client))


def test_a_command_that_waits_for_another_process_is_no_poison(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """The first message waits for its server; whoever keeps the second command keeps it from the others (R20, R33)."""
    smtp.refuse()
    deliveries = append_commands(database, redis_client)
    quick = {"PUBLISHER_ROUTE_LEASE_TTL": "1", "PUBLISHER_SMTP_TIMEOUT": "0.3"}
    for _ in range(2):
        processes.start("mailer", **quick).wait_until_ready()
    wait_until(lambda: states(database) == {"begun": 1})
    append_commands(database, redis_client, replay=1)
    wait_until(lambda: pending(redis_client) == 2)

    leases = set()
    wait_until(lambda: leases.update(database.rows(_LEASES)) or len(leases) > 9)
    given = redis_client.xpending_range(EMAIL.stream, GROUP, "-", "+", 2)
    smtp.listen()
    wait_until(lambda: events(database) == ["accepted", "accepted"])

    assert [entry["times_delivered"] for entry in given] == [1, 1]
    assert mail_problems(database, smtp, deliveries, commands=2) == []


def test_two_side_by_side_send_each_message_once(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """They share the commands, and one sends none of what the other does (R33)."""
    running = [processes.start("mailer") for _ in range(2)]
    for process in running:
        process.wait_until_ready()
    deliveries = append_commands(database, redis_client, 500)
    wait_until(lambda: answers(database) == {"accepted": 500}, within=40)

    assert mail_problems(database, smtp, deliveries) == []
    assert len(smtp.taken) == 500
    wait_until(lambda: is_all_read(redis_client))
    assert all("messages accepted" in process.output for process in running)


def test_one_that_was_paused_beyond_its_leases_sends_nothing_of_what_it_had(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Another has sent them meanwhile: it looks at its leases before it begins a message (R33)."""
    smtp.always(Fault(Step.END, stall=True))
    deliveries = append_commands(database, redis_client, 12)
    paused = processes.start("mailer")
    wait_until(lambda: len(smtp.taken) == 4)

    paused.signal(signal.SIGSTOP)
    smtp.calm()
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 12}, within=40)
    paused.signal(signal.SIGCONT)
    paused.wait_for_output("their leases are gone")
    later = append_commands(database, redis_client, 12, first=12)
    wait_until(lambda: answers(database) == {"accepted": 24})
    paused.signal(signal.SIGTERM)

    assert paused.wait(PATIENCE) == 0
    assert mail_problems(database, smtp, [*deliveries, *later]) == []
    assert sum(len(messages) == 2 for messages in copies(smtp).values()) == 4
    assert len(smtp.taken) == 24 + 4


@pytest.mark.long
def test_one_that_was_paused_while_it_connected_sends_nothing_of_what_it_had(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """A connection may take longer than a lease: it looks again once there is one (R33)."""
    smtp.once(Fault(Step.BANNER, slow=4))
    deliveries = append_commands(database, redis_client, 6)
    alone = {"PUBLISHER_MAIL_CONNECTIONS": "1", "PUBLISHER_SMTP_TIMEOUT": "60"}
    paused = processes.start("mailer", **alone)
    wait_until(lambda: smtp.to_come == 0)

    paused.signal(signal.SIGSTOP)
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 6}, within=40)
    paused.signal(signal.SIGCONT)
    paused.wait_for_output("their leases are gone")
    paused.signal(signal.SIGTERM)

    assert paused.wait(PATIENCE) == 0
    assert mail_problems(database, smtp, deliveries) == []
    assert len(smtp.taken) == 6


def test_one_that_is_stopped_while_the_server_is_slow_ends_in_time_and_leaves_the_rest(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """What is under way is finished, the rest put back, and the next process sends it: nothing twice (R17, R33)."""
    smtp.always(Fault(Step.END, slow=0.5))
    deliveries = append_commands(database, redis_client, 100)
    slow = processes.start("mailer", PUBLISHER_SMTP_TIMEOUT="20")
    wait_until(lambda: states(database)["sent"] >= 4)

    slow.signal(signal.SIGTERM)
    assert slow.wait(PATIENCE) == 0
    assert states(database)["begun"] == 0
    assert 4 <= len(smtp.taken) < 100
    smtp.calm()
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 100})

    assert mail_problems(database, smtp, deliveries) == []
    assert len(smtp.taken) == 100
    wait_until(lambda: pending(redis_client) == 0)


@pytest.mark.long
def test_one_that_is_stopped_while_the_server_is_silent_ends_in_time(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """What it waits for is cut off and unsure, which is recorded before it ends; the next one sends it again (R17)."""
    smtp.always(Fault(Step.END, stall=True))
    deliveries = append_commands(database, redis_client, 12)
    mailer = processes.start("mailer", PUBLISHER_SMTP_TIMEOUT="60")
    wait_until(lambda: len(smtp.taken) == 4)

    mailer.signal(signal.SIGTERM)
    assert mailer.wait(PATIENCE) == 0
    assert states(database) == {"waiting": 12}
    smtp.calm()
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 12})

    assert mail_problems(database, smtp, deliveries) == []
    assert len(smtp.taken) == 12 + 4
