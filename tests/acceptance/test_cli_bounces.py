"""`publisher mailer bounces`: what a mailbox of bounces says of deliveries (R32, R33)."""

import json
import signal
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from storage.database import Database
from storage.mail.suppressions import find_suppression
from tests.acceptance.conftest import Publisher
from tests.conftest import run_sql
from tests.imap_server import imap_server
from tests.integration.mail.bounces.test_bounces import answers, bounce
from tests.integration.mail_rows import ADDRESS, sent_mail
from tests.integration.roles import plain_role
from tests.mail_reports import ses_bounce
from tests.maildirs import deliver, made_maildir, names, unreadable
from tests.processes import Processes
from tests.waiting import wait_until


@pytest.fixture
def box(environ: dict[str, str], tmp_path: Path) -> Path:
    """An empty maildir, which is that of the settings."""
    folder = made_maildir(tmp_path / "box")
    environ["PUBLISHER_MAIL_BOUNCES_URL"] = f"maildir://{folder}"
    return folder


def test_a_mailbox_is_read_and_what_it_held_is_said(database: Database, publisher: Publisher, box: Path) -> None:
    """A row for each kind of event, and for each reason why a message waits for a person."""
    for _ in range(2):
        deliver(box, bounce(database, sent_mail(database)))
    deliver(box, b"Subject: Out of office\n\nUntil Monday.")

    looked = publisher("mailer", "bounces", "--dry-run", "--json")
    seen = publisher("mailer", "bounces", "--dry-run")
    done = publisher("mailer", "bounces")
    again = publisher("mailer", "bounces")

    assert json.loads(looked.stdout) == {
        "mailbox": f"maildir:{box}",
        "messages": 3,
        "events": {"bounced": 2},
        "recorded": 0,
        "suppressed": 0,
        "not_ours": {},
        "no_report": {"it has neither a delivery status nor a feedback report": 1},
        "unreadable": 0,
    }
    assert seen.stdout.endswith(
        "2 events would be recorded, unless they are on record already; 1 address would be suppressed\n"
    )
    assert done.returncode == 0, done.stderr
    assert "why it waits" in done.stdout
    assert "bounced           2  –" in done.stdout
    assert "no report         1  it has neither a delivery status nor a feedback report" in done.stdout
    assert done.stdout.endswith("2 new events recorded, 1 address suppressed\n")
    assert again.stdout == f"there is no unread message in maildir:{box}\n"
    assert answers(database) == [("bounced", False)] * 2


def test_a_mailbox_is_followed_until_it_is_stopped(
    database: Database, processes: Processes, environ: dict[str, str], box: Path
) -> None:
    """A bounce that comes later is recorded, and a mailbox that is away for a while is waited for (R17)."""
    following = processes.start("publisher mailer bounces --follow --interval 0.1")
    deliver(box, bounce(database, sent_mail(database)))
    wait_until(lambda: answers(database) == [("bounced", False)])

    (box / "new").rename(box / "away")
    wait_until(lambda: "the maildir cannot be read" in following.output)
    (box / "away").rename(box / "new")
    deliver(box, bounce(database, sent_mail(database)))
    wait_until(lambda: answers(database) == [("bounced", False)] * 2)

    following.signal(signal.SIGTERM)
    assert following.wait() == 0
    assert names(box, "new") == []


def test_a_message_that_cannot_be_read_is_named_once_and_holds_up_no_other(
    database: Database, publisher: Publisher, processes: Processes, box: Path
) -> None:
    """With what to do, on standard error; the others are recorded, and it is counted and left as it is."""
    for name in ("1.a", "2.b"):
        unreadable(box, name)
    deliver(box, bounce(database, sent_mail(database)))
    warning = (
        "publisher: message new/1.a (and 1 other) cannot be read: input/output error;"
        " let this user read the file, or move it out of the maildir\n"
    )

    looked = publisher("mailer", "bounces", "--dry-run", "--json")
    following = processes.start("publisher mailer bounces --follow --interval 0.1")
    wait_until(lambda: answers(database) == [("bounced", False)])
    deliver(box, bounce(database, sent_mail(database)))
    wait_until(lambda: answers(database) == [("bounced", False)] * 2)
    following.signal(signal.SIGTERM)
    assert following.wait() == 0
    again = publisher("mailer", "bounces")

    found = json.loads(looked.stdout)
    assert (found["messages"], found["unreadable"], looked.stderr) == (1, 2, warning)
    assert following.output.count("cannot be read") == 1
    assert (again.returncode, again.stderr) == (0, warning)
    assert "unreadable         2  input/output error" in again.stdout
    assert names(box, "new") == ["1.a", "2.b"]


def test_an_imap_mailbox_is_read(database: Database, publisher: Publisher, tmp_path: Path) -> None:
    """Within TLS, with a certificate that OpenSSL trusts; the password is shown nowhere."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with imap_server(authority) as server:
        uid = server.deliver(bounce(database, sent_mail(database)))
        url = f"imaps://ann:{quote('pass word/é', safe='')}@127.0.0.1:{server.port}/"
        trusting = {"PUBLISHER_MAIL_BOUNCES_URL": url, "SSL_CERT_FILE": str(tmp_path / "ca.pem")}

        done = publisher("mailer", "bounces", "--json", **trusting)
        untrusted = publisher("mailer", "bounces", **trusting | {"SSL_CERT_FILE": None})

        assert json.loads(done.stdout)["events"] == {"bounced": 1}, done.stderr
        assert server.flags[uid] == {r"\Seen"}
    assert find_suppression(database, ADDRESS) is not None
    assert (untrusted.returncode, untrusted.stderr.count("\n")) == (1, 1)
    assert "pass" not in done.stdout + done.stderr + untrusted.stderr


def test_a_suppression_lasts_as_long_as_the_settings_say(database: Database, publisher: Publisher, box: Path) -> None:
    """PUBLISHER_MAIL_SUPPRESS=0: for no time."""
    deliver(box, bounce(database, sent_mail(database)))

    done = publisher("mailer", "bounces", PUBLISHER_MAIL_SUPPRESS="0")

    assert done.stdout.endswith("1 new event recorded, 0 addresses suppressed\n"), done.stderr
    assert find_suppression(database, ADDRESS) is None


def test_without_a_mailbox_it_says_what_to_set(publisher: Publisher) -> None:
    """In one line, exit code 2, and nothing of a URL."""
    unset = publisher("mailer", "bounces")
    wrong = publisher("mailer", "bounces", "imap://ann:secret@host")

    assert (unset.returncode, unset.stderr[:50]) == (2, "publisher: PUBLISHER_MAIL_BOUNCES_URL is not set, ")
    assert (wrong.returncode, wrong.stderr[:29]) == (2, "publisher: MAILBOX must be a ")
    assert "secret" not in wrong.stderr


def test_a_dry_run_needs_no_right_to_write(
    database: Database, database_url: str, environ: dict[str, str], publisher: Publisher, box: Path
) -> None:
    """It makes no key for the words that name a delivery, where no mailer has made one yet (R33)."""
    delivery_id = sent_mail(database)
    notification = ses_bounce()
    notification["mail"]["headers"][0]["value"] = delivery_id
    deliver(box, bounce(database, delivery_id))
    run_sql(database_url, "DELETE FROM mail_reference_key")
    with plain_role(database_url, "GRANT pg_read_all_data TO {role}") as environ["DATABASE_URL"]:
        looked = publisher("mailer", "bounces", "--dry-run", "--json")
        asked = publisher("mailer", "event", "--from", "ses", "-", "--dry-run", stdin=json.dumps(notification))

    assert json.loads(looked.stdout)["not_ours"] == {"it names a delivery that is unknown here, or was pruned": 1}
    assert asked.stdout == f"{delivery_id}: bounced (permanent, recipient), would be recorded\n", asked.stderr
