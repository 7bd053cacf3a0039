"""One mail process alone loses PostgreSQL: what it has sent meanwhile is its own still (R33)."""

import pytest
import redis

from storage.database import Database
from tests.faults.mailbox import copies, mail_problems, twice_without_a_lost_reply
from tests.faults.proxied_url import proxied
from tests.integration.rows import count
from tests.mail_commands import append_commands
from tests.mail_run import answers
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until

COMMANDS = 8
_BEGUN = "state = 'begun'"
_LONG_OVER = "lease_expires_at < now() - interval '5 seconds'"


@pytest.mark.long
def test_another_process_does_not_send_what_one_without_postgresql_has_in_hand(
    database: Database, database_url: str, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Its leases run out, and it holds its commands in Redis: it records what it sent once PostgreSQL is back."""
    with proxied(database_url) as (proxy, url):
        smtp.always(Fault(Step.END, slow=0.5))
        deliveries = append_commands(database, redis_client, COMMANDS)
        alone = processes.start("mailer", DATABASE_URL=url)
        wait_until(lambda: smtp.taken, describe=lambda: alone.output)
        proxy.refuse()
        processes.start("mailer").wait_until_ready()
        wait_until(lambda: len(copies(smtp)) == COMMANDS)
        # The other process has looked for what a dead one left, more than once.
        wait_until(lambda: count(database, f"mail_deliveries WHERE {_BEGUN} AND NOT {_LONG_OVER}") == 0, within=60)
        assert count(database, f"mail_deliveries WHERE {_BEGUN}") > 0
        proxy.resume()
        wait_until(lambda: answers(database) == {"accepted": COMMANDS}, within=60)

        assert twice_without_a_lost_reply(smtp) == []
        assert mail_problems(database, smtp, deliveries) == []
