"""Reads a message from the mailbox to which bounces go, whichever kind of report it is."""

from publisher.mail.reports.arf import complaint_in
from publisher.mail.reports.dsn import reports_in
from publisher.mail.reports.parts import parts_of
from publisher.mail.reports.report import NotAReport, Reading


def read_report(message: bytes) -> Reading:
    """Reads the message as a delivery status notification or an abuse report. Never raises, whatever the bytes."""
    parts = parts_of(message)
    if isinstance(parts, NotAReport):
        return parts
    if parts.status:
        return reports_in(parts)
    if parts.feedback:
        return complaint_in(parts)
    return NotAReport("it has neither a delivery status nor a feedback report")
