"""Abuse reports: what is a complaint, and whose delivery it is about."""

import pytest

from publisher.domain.delivery_event import EventKind
from publisher.mail.reports.mail import read_report
from publisher.mail.reports.report import NotAReport
from tests.mail_reports import DELIVERY, MESSAGE_ID, arf


@pytest.mark.parametrize("feedback", ["abuse", "Fraud", "other"])
def test_an_abuse_report_is_a_complaint(feedback: str) -> None:
    """It names its delivery by the returned message and by the address that the message came from (VERP)."""
    reading = read_report(arf(feedback, original_from="<bounce+abc=def@mail.example.com>"))

    assert not isinstance(reading, NotAReport)
    [report] = reading
    assert report.event is EventKind.COMPLAINED
    assert report.names.delivery_ids == (DELIVERY,)
    assert report.names.message_ids == (MESSAGE_ID,)
    assert "bounce+abc=def@mail.example.com" in report.names.envelope


@pytest.mark.parametrize("feedback", ["not-spam", "auth-failure", ""])
def test_feedback_that_blames_nobody_is_no_complaint(feedback: str) -> None:
    """A recipient may take a complaint back (RFC 6430)."""
    assert isinstance(read_report(arf(feedback)), NotAReport)
