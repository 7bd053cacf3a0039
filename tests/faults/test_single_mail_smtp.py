"""The SMTP server closes, stalls or refuses at any step: nothing is lost, and twice is only what was unsure (R33)."""

from collections import Counter

import pytest
import redis

from storage.database import Database
from tests.faults.mailbox import copies, mail_problems, twice_without_a_lost_reply
from tests.integration.rows import rows
from tests.mail_commands import append_commands
from tests.mail_run import answers, is_all_read, states
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until

EACH = 6
# At END the message may count as taken, or not: nobody but the server can tell.
STEPS = [
    (Step.BANNER, True),
    (Step.EHLO, True),
    (Step.MAIL, True),
    (Step.RCPT, True),
    (Step.DATA, True),
    (Step.CONTENT, True),
    (Step.END, False),
    (Step.END, True),
    (Step.AFTER, True),
]


@pytest.mark.long
@pytest.mark.parametrize("how", ["close", "stall"])
def test_a_connection_that_fails_at_any_step_loses_nothing(
    how: str, database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Only a message whose reply was lost is sent again after the server has it, and that is counted (R33)."""
    processes.start("mailer", PUBLISHER_SMTP_TIMEOUT="0.5")
    deliveries: list[str] = []
    outcome: dict[str, tuple[int, int]] = {}
    for number, (step, keeps) in enumerate(STEPS):
        # Banner and greeting are said to new connections alone.
        smtp.refuse()
        smtp.listen()
        smtp.once(*[Fault(step, close=how == "close", stall=how == "stall", keeps=keeps)] * 2)
        made = append_commands(database, redis_client, EACH, first=number * EACH)
        deliveries += made
        wait_until(lambda: answers(database).keys() == {"accepted"}, describe=lambda: states(database))
        wait_until(lambda: smtp.to_come == 0)
        [unsure] = rows(
            database, "SELECT sum(unsure) AS times FROM mail_deliveries WHERE delivery_id = ANY(%s)", list(made)
        )
        twice = sum(len(messages) - 1 for id_, messages in copies(smtp).items() if id_ in made)
        outcome[f"{step}{', kept' if step is Step.END and keeps else ''}"] = twice, int(unsure["times"])

    assert mail_problems(database, smtp, deliveries) == []
    assert twice_without_a_lost_reply(smtp) == []
    # By second copies and by how often it was unsure. A short message goes out together with its end.
    assert {what: both for what, both in outcome.items() if both != (0, 0)} == {
        "content": (0, 2),
        "end": (0, 2),
        "end, kept": (2, 2),
    }
    wait_until(lambda: is_all_read(redis_client))


def test_a_server_that_is_not_there_is_waited_for(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """It counts no attempt, and no bounce: the message is not at fault (R33)."""
    smtp.refuse()
    deliveries = append_commands(database, redis_client, 30)
    mailer = processes.start("mailer")
    mailer.wait_for_output("the SMTP server is not available")
    smtp.listen()
    wait_until(lambda: answers(database) == {"accepted": 30})

    assert mail_problems(database, smtp, deliveries) == []
    assert rows(database, "SELECT DISTINCT tries, unsure FROM mail_deliveries") == [{"tries": 0, "unsure": 0}]


def test_a_storm_of_temporary_refusals_is_sat_out(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Every second recipient is refused for a while: each gets the message in the end, and once (R33)."""
    refused, taken = Fault(Step.RCPT, reply="451 4.7.1 Come again"), Fault(Step.RCPT, reply="250 2.1.5 Ok")
    smtp.once(*[refused, taken] * 150)
    deliveries = append_commands(database, redis_client, 200)
    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 200}, within=40, describe=lambda: states(database))

    assert mail_problems(database, smtp, deliveries) == []
    assert Counter(each.delivery_id for each in smtp.taken) == Counter(deliveries)
    [tries] = rows(database, "SELECT sum(tries) AS all, sum(unsure) AS unsure FROM mail_deliveries")
    assert tries == {"all": 150, "unsure": 0}
    wait_until(lambda: is_all_read(redis_client))
