"""`publisher mailer event`: what a provider notified of (R32)."""

import json

from storage.database import Database
from storage.mail.suppressions import find_suppression
from tests.acceptance.conftest import Publisher
from tests.integration.mail.bounces.test_bounces import answers
from tests.integration.mail_rows import ADDRESS, sent_mail
from tests.mail_reports import postmark, postmark_bounce, ses, ses_bounce, sns


def test_a_notification_is_recorded_once(database: Database, publisher: Publisher) -> None:
    """It says what the notification became; the same again, wrapped by SNS, changes nothing."""
    delivery_id = sent_mail(database)
    bounce = ses_bounce()
    bounce["mail"]["headers"][0]["value"] = delivery_id

    looked = publisher("mailer", "event", "--from", "ses", "-", "--dry-run", stdin=json.dumps(bounce))
    done = publisher("mailer", "event", "--from", "ses", "-", stdin=json.dumps(bounce, indent=2))
    again = publisher("mailer", "event", "--from", "ses", "-", "--json", stdin=json.dumps(sns(bounce)))

    assert looked.stdout == f"{delivery_id}: bounced (permanent, recipient), would be recorded\n", looked.stderr
    assert done.stdout == f"{delivery_id}: bounced (permanent, recipient), recorded\n", done.stderr
    [said] = json.loads(again.stdout)["events"]
    assert (said["event"], said["suppresses"], said["recorded"], again.returncode) == ("bounced", True, False, 0)
    assert answers(database) == [("bounced", False)]
    assert find_suppression(database, ADDRESS) is not None


def test_another_service_may_have_sent_it(database: Database, publisher: Publisher) -> None:
    """A provider is believed for every email delivery, whoever read its command."""
    delivery_id = sent_mail(database, state="")
    record = postmark("Delivery", Recipient=ADDRESS, Metadata={"delivery_id": delivery_id})

    done = publisher("mailer", "event", "--from", "postmark", "-", stdin=json.dumps(record))

    assert done.stdout == f"{delivery_id}: delivered, recorded\n", done.stderr
    assert answers(database) == [("delivered", False)]


def test_of_many_lines_each_is_taken_for_itself(database: Database, publisher: Publisher) -> None:
    """What cannot be attributed is said with its line, exit code 1; what tells nothing is passed over."""
    delivery_id = sent_mail(database)
    good = json.dumps(postmark_bounce(Metadata={"delivery_id": delivery_id}))
    unnamed = json.dumps(postmark_bounce(Metadata={}))
    lines = [good, json.dumps(postmark("Open")), "", json.dumps(postmark_bounce()), "{", good, unnamed]

    done = publisher("mailer", "event", "--from", "postmark", "-", "--json", stdin="\n".join(lines))

    assert done.returncode == 1
    assert [event["line"] for event in json.loads(done.stdout)["events"]] == [1, 6]
    assert [(other["line"], other["refused"]) for other in json.loads(done.stdout)["passed_over"]] == [
        (2, False),
        (4, True),
        (5, True),
        (7, True),
    ]
    assert done.stderr.splitlines() == [
        "publisher: line 2: records of type Open tell nothing of a delivery",
        "publisher: line 4: it names a delivery that is unknown here, or was pruned",
        "publisher: line 5: it is not JSON",
        (
            "publisher: line 7: it names no delivery of ours; it would be told by delivery_id in the metadata:"
            " publisher guide mail"
        ),
    ]


def test_a_notification_that_tells_nothing_is_no_failure(database: Database, publisher: Publisher) -> None:
    """A provider sends all that its door is open for; what is no notification is a failure."""
    opened = publisher("mailer", "event", "--from", "ses", "-", stdin=json.dumps(ses("Open")))
    empty = publisher("mailer", "event", "--from", "ses", "-", stdin=" \n")
    other = publisher("mailer", "event", "--from", "ses", "-", stdin=json.dumps(postmark_bounce()))

    assert (opened.returncode, opened.stdout) == (0, "")
    assert (empty.returncode, empty.stdout) == (0, "there is no notification\n")
    assert (other.returncode, "no notification of Amazon SES" in other.stderr) == (1, True)


def test_a_line_ends_where_the_file_says_so(database: Database, publisher: Publisher) -> None:
    """A line separator of Unicode within a text ends no line: JSON takes it for a letter (R32)."""
    delivery_id = sent_mail(database)
    record = postmark_bounce(Metadata={"delivery_id": delivery_id}, Description="no\u2028such\u0085user")
    lines = [json.dumps(record, ensure_ascii=False), json.dumps(postmark("Open"))]

    done = publisher("mailer", "event", "--from", "postmark", "-", stdin="\r\n".join(lines))

    assert done.stdout == f"{delivery_id}: bounced (permanent, recipient), recorded\n", done.stderr
    assert done.stderr == "publisher: line 2: records of type Open tell nothing of a delivery\n"
