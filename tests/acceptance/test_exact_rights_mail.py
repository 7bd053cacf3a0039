"""Mail and delivery events with the rights that `doctor --print-grants` prints, and no other (R33)."""

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.streams.servers.connection import open_redis
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.exact_rights import NO, exact_rights, refusals
from tests.acceptance.outside import Outside
from tests.factories import EVENTS
from tests.integration.mail.bounces.test_bounces import bounce
from tests.integration.mail_rows import held_mail, sent_mail
from tests.integration.rows import rows
from tests.mail_commands import append_commands
from tests.mail_reports import recipient, ses_bounce
from tests.mail_run import answers, is_all_read, states
from tests.maildirs import deliver, made_maildir
from tests.processes import Process, Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until


@pytest.fixture
def world(database_url: str, environ: dict[str, str], tmp_path: Path) -> Iterator[Outside]:
    """Both servers as an administrator sees them; everything in `environ` is the service's own user and role."""
    with exact_rights(database_url, environ, tmp_path / "valkey") as outside:
        yield outside


def stopped_well(*processes: Process) -> None:
    """Each ends in good order, and was never refused anything."""
    for process in processes:
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert not [line for line in process.output.splitlines() if NO.search(line)]


def test_mail_is_sent_deferred_held_and_answered_with_exactly_these_rights(
    world: Outside, environ: dict[str, str], database: Database, smtp: HostileSmtp, processes: Processes
) -> None:
    """A mailer takes over from one that was killed, and intake takes the events of another service in."""
    environ |= {"PUBLISHER_MAIL_UNSURE": "hold", "PUBLISHER_ROUTE_LEASE_TTL": "2"}
    smtp.once(Fault(Step.RCPT, reply="451 4.7.1 Later"), Fault(Step.RCPT, reply="550 5.1.1 No such user"))
    with open_redis(environ["REDIS_URL"], timeout=timedelta(seconds=3), client_name="test") as client:
        first, *_ = append_commands(database, client, 30)
        killed, intake = processes.start("mailer"), processes.start("intake")
        wait_until(lambda: answers(database) == {"accepted": 29, "bounced": 1}, describe=lambda: killed.output[-2000:])
        smtp.always(Fault(Step.END, stall=True))
        append_commands(database, client, 1, first=30)
    wait_until(lambda: states(database)["begun"] == 1)
    killed.signal(signal.SIGKILL)
    killed.wait()
    smtp.calm()

    mailer = processes.start("mailer")
    world.redis.xadd(EVENTS, delivered(first))
    world.redis.xadd(EVENTS, {"no": "event"})
    wait_until(lambda: states(database)["held"] == 1, describe=lambda: mailer.output[-2000:])
    wait_until(lambda: answers(database)["delivered"] == 1 and rows(database, "SELECT 1 FROM malformed_intents"))

    wait_until(lambda: is_all_read(world.redis))
    stopped_well(mailer, intake)
    assert refusals(world) == []


def test_every_command_about_mail_works_with_exactly_these_rights(
    world: Outside, database: Database, smtp: HostileSmtp, publisher: Publisher, tmp_path: Path
) -> None:
    """Bounces, notifications, suppressions, held messages, and what shows them."""
    held, sent = held_mail(database), sent_mail(database)
    settled = held_mail(database, "bob@example.com")
    notice = ses_bounce()
    notice["mail"]["headers"][0]["value"] = sent
    box = made_maildir(tmp_path / "box")
    deliver(box, bounce(database, sent, recipient()))
    for command in (
        ("mailer bounces", str(box)),
        ("mailer event --from ses -",),
        ("mailer suppressions add eve@example.com --yes",),
        ("mailer suppressions list",),
        ("mailer suppressions remove eve@example.com --yes",),
        ("mailer held list",),
        ("mailer held settle --as accepted --yes", settled),
        ("mailer held send --yes", held),
        ("mailer check",),
        ("trace", sent.partition("/")[0]),
        ("routes list --answer bounced",),
        ("routes list --unanswered",),
        ("routes republish --answer bounced --yes",),
        ("status",),
    ):
        done = publisher(*command[0].split(), *command[1:], stdin=json.dumps(notice))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert not NO.findall(done.stdout + done.stderr)

    assert answers(database)["accepted"] == 1
    assert refusals(world) == []


def delivered(delivery_id: str) -> dict[str, str]:
    """A delivery event as another mail service adds it."""
    return {
        "event_id": "e1",
        "delivery_id": delivery_id,
        "event": "delivered",
        "occurred_at_ms": "1773480413589",
        "source": "gateway",
    }
