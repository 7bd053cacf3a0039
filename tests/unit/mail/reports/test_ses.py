"""Notifications of Amazon SES: what each becomes."""

import json
from typing import Any

import pytest

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.mail.reports.report import NotAReport, Report
from publisher.mail.reports.ses import read_ses
from tests.mail_reports import DELIVERY, ses, ses_bounce, sns

PERMANENT, TRANSIENT, UNDETERMINED = Permanence.PERMANENT, Permanence.TRANSIENT, Permanence.UNDETERMINED


def reports(event: dict[str, Any]) -> list[Report]:
    """The reports in a notification."""
    reading = read_ses(json.dumps(event))
    assert not isinstance(reading, NotAReport), reading
    return reading


@pytest.mark.parametrize(
    ("event", "becomes"),
    [
        (ses_bounce(), (EventKind.BOUNCED, PERMANENT, Fault.RECIPIENT)),
        (ses_bounce(status="5.7.1"), (EventKind.BOUNCED, PERMANENT, Fault.INFRASTRUCTURE)),
        (ses_bounce(bouncedRecipients=[{"emailAddress": "a@b"}]), (EventKind.BOUNCED, PERMANENT, Fault.RECIPIENT)),
        (ses_bounce("Transient", "MailboxFull", "4.2.2"), (EventKind.BOUNCED, TRANSIENT, Fault.RECIPIENT)),
        (ses_bounce("Transient", "ContentRejected", "5.7.1"), (EventKind.BOUNCED, TRANSIENT, Fault.CONTENT)),
        (ses_bounce("Undetermined", "Undetermined", ""), (EventKind.BOUNCED, UNDETERMINED, Fault.UNKNOWN)),
        (ses_bounce(sub_kind="OnAccountSuppressionList"), (EventKind.SUPPRESSED, PERMANENT, Fault.RECIPIENT)),
        (ses_bounce(sub_kind="Suppressed"), (EventKind.SUPPRESSED, PERMANENT, Fault.RECIPIENT)),
        (ses("Complaint", complainedRecipients=[{"emailAddress": "a@b"}]), (EventKind.COMPLAINED, None, None)),
        (
            ses("Complaint", complaintSubType="OnAccountSuppressionList"),
            (EventKind.SUPPRESSED, PERMANENT, Fault.RECIPIENT),
        ),
        (ses("Delivery", recipients=["ann@example.net"]), (EventKind.DELIVERED, None, None)),
        (ses("DeliveryDelay", delayType="IPFailure"), (EventKind.DEFERRED, TRANSIENT, Fault.INFRASTRUCTURE)),
        (ses("DeliveryDelay", delayType="MailboxFull"), (EventKind.DEFERRED, TRANSIENT, Fault.RECIPIENT)),
        (ses("Send"), (EventKind.ACCEPTED, None, None)),
        (ses("Reject", reason="Bad content"), (EventKind.REJECTED, PERMANENT, Fault.CONTENT)),
        (ses("Rendering Failure", errorMessage="no attribute"), (EventKind.FAILED, PERMANENT, Fault.CONTENT)),
    ],
)
def test_each_type_becomes_one_event(
    event: dict[str, Any], becomes: tuple[EventKind, Permanence | None, Fault | None]
) -> None:
    """Type, subtype and status together say what happened, whether it lasts and whose fault it is."""
    [report] = reports(event)

    assert (report.event, report.permanence, report.fault) == becomes
    assert report.names.delivery_ids == (DELIVERY,)
    assert report.provider_ref == "0100018f-ses-000000"


def test_the_providers_own_words_are_kept() -> None:
    """Its type of bounce is the code; the server's status and words stand beside it."""
    [report] = reports(ses_bounce("Transient", "MailboxFull", "4.2.2"))

    assert (report.code, report.enhanced_code) == ("MailboxFull", "4.2.2")
    assert report.diagnostic == "smtp; 550 4.2.2 user ann@example.net unknown"
    assert report.detail == {
        "bounceType": "Transient",
        "bounceSubType": "MailboxFull",
        "action": "failed",
        "status": "4.2.2",
    }


def test_what_sns_wraps_is_the_same_report() -> None:
    """Wrapped or bare, by event publishing or as a feedback notification: one and the same id (R32)."""
    event = ses_bounce()
    feedback = {"notificationType" if name == "eventType" else name: value for name, value in event.items()}

    assert reports(event) == reports(sns(event)) == reports(feedback)


def test_each_recipient_has_a_report_of_its_own() -> None:
    """Their ids differ."""
    recipients = [{"emailAddress": "ann@example.net"}, {"emailAddress": "bob@example.net"}]
    found = reports(ses_bounce(bouncedRecipients=recipients))

    assert [report.recipient for report in found] == ["ann@example.net", "bob@example.net"]
    assert len({report.report_id for report in found}) == 2


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ses("Open"), "type Open"),
        (ses("Complaint", complaintFeedbackType="not-spam"), "type Complaint"),
        ({"notificationType": "AmazonSnsSubscriptionSucceeded"}, "AmazonSnsSubscriptionSucceeded"),
        ({"Type": "Notification", "Message": "Successfully validated SNS topic"}, "not JSON"),
        ({"RecordType": "Bounce"}, "no notification of Amazon SES"),
    ],
)
def test_what_tells_nothing_of_a_delivery_is_a_value(event: dict[str, Any], reason: str) -> None:
    """The reading says why."""
    reading = read_ses(json.dumps(event))

    assert isinstance(reading, NotAReport)
    assert reason in reading.reason
