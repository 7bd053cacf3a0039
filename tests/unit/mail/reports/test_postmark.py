"""Postmark's webhooks: what each becomes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.mail.reports.postmark import read_postmark
from publisher.mail.reports.report import NotAReport
from tests.mail_reports import DELIVERY, postmark, postmark_bounce


@pytest.mark.parametrize(
    ("record", "becomes"),
    [
        (postmark_bounce(), (EventKind.BOUNCED, Permanence.PERMANENT, Fault.RECIPIENT)),
        (postmark_bounce("SoftBounce", 4096), (EventKind.BOUNCED, Permanence.TRANSIENT, Fault.UNKNOWN)),
        (postmark_bounce("SpamNotification", 512), (EventKind.BOUNCED, Permanence.PERMANENT, Fault.CONTENT)),
        (postmark_bounce("Blocked", 100006), (EventKind.BOUNCED, Permanence.PERMANENT, Fault.INFRASTRUCTURE)),
        (postmark_bounce("Transient", 2), (EventKind.DEFERRED, Permanence.TRANSIENT, Fault.UNKNOWN)),
        (postmark_bounce("BadEmailAddress", 100000), (EventKind.REJECTED, Permanence.PERMANENT, Fault.RECIPIENT)),
        (postmark_bounce("ManuallyDeactivated", 100002), (EventKind.SUPPRESSED, Permanence.PERMANENT, Fault.RECIPIENT)),
        (postmark_bounce("TemplateRenderingFailed", 100010), (EventKind.FAILED, Permanence.PERMANENT, Fault.CONTENT)),
        (postmark_bounce(Type=None), (EventKind.BOUNCED, Permanence.PERMANENT, Fault.RECIPIENT)),
        (postmark("SpamComplaint", ID=42, Email="ann@example.net"), (EventKind.COMPLAINED, None, None)),
        (postmark("Delivery", Recipient="ann@example.net"), (EventKind.DELIVERED, None, None)),
    ],
)
def test_each_type_becomes_one_event(
    record: dict[str, Any], becomes: tuple[EventKind, Permanence | None, Fault | None]
) -> None:
    """A bounce goes by its Type, and by its TypeCode where it has no Type."""
    reading = read_postmark(json.dumps(record))

    assert not isinstance(reading, NotAReport)
    [report] = reading
    assert (report.event, report.permanence, report.fault) == becomes
    assert report.names.delivery_ids == (DELIVERY,)


def test_a_bounce_says_when_and_in_whose_words() -> None:
    """Seven digits of a second and an offset are read; the server's status stands in its words."""
    reading = read_postmark(json.dumps(postmark_bounce()))

    assert not isinstance(reading, NotAReport)
    [report] = reading
    assert report.occurred_at == datetime(2026, 3, 13, 9, 26, 53, 589000, tzinfo=UTC)
    assert (report.code, report.enhanced_code) == ("HardBounce", "5.1.1")
    assert report.report_id == "Bounce#4323372036854775807"


def test_a_bounce_without_a_type_ought_to_have_one() -> None:
    """It is no kind that is passed over: whoever sends it learns what is missing."""
    reading = read_postmark(json.dumps(postmark_bounce(Type=None, TypeCode=None)))

    assert reading == NotAReport("it is a bounce of Postmark that has no Type", is_known=False)


@pytest.mark.parametrize(
    "record",
    [
        postmark("Open"),
        postmark("SubscriptionChange", SuppressSending=True, SuppressionReason="HardBounce"),
        postmark_bounce("AutoResponder", 64),
        {"eventType": "Bounce"},
    ],
)
def test_what_tells_nothing_of_a_delivery_is_a_value(record: dict[str, Any]) -> None:
    """An automatic answer is no bounce, and a subscription that changed is told of by a record of its own."""
    assert isinstance(read_postmark(json.dumps(record)), NotAReport)
