"""Reads abuse reports (RFC 5965): a recipient, or the recipient's provider, calls a message spam."""

from publisher.domain.delivery_event import EventKind
from publisher.mail.reports.instants import mail_instant
from publisher.mail.reports.naming import names_in
from publisher.mail.reports.parts import Parts, blocks_of, first
from publisher.mail.reports.report import NotAReport, Reading, Report

_SOURCE = "arf"
# Registered types that are no complaint: the recipient took it back (RFC 6430), or a check of the message failed
# (RFC 6591).
_NO_COMPLAINTS = {"not-spam", "auth-failure"}
_DETAIL = ("feedback-type", "user-agent", "reporting-mta", "source-ip")


def complaint_in(parts: Parts) -> Reading:
    """Reads the abuse report among the parts of a message: one Report, since our messages have one recipient.

    A message without one, or whose feedback is no complaint, is NotAReport.
    """
    fields = next((block for text in parts.feedback for block in blocks_of(text)), None)
    if fields is None:
        return NotAReport("it has no feedback report")
    kind = (first(fields, "feedback-type") or "").lower()
    if not kind:
        return NotAReport("its feedback report has no type")
    if kind in _NO_COMPLAINTS:
        return NotAReport(f"its feedback is {kind}, which is no complaint", is_known=True)
    date = first(fields, "arrival-date") or first(fields, "received-date") or first(parts.headers, "date")
    recipient = (first(fields, "original-rcpt-to") or "").strip("<> ") or None
    return [
        Report(
            _SOURCE,
            None,
            EventKind.COMPLAINED,
            names_in(parts, fields.get("original-mail-from", [])),
            recipient,
            mail_instant(first(parts.headers, "date")) or mail_instant(date),
            detail={name: value for name in _DETAIL if (value := first(fields, name)) is not None},
        )
    ]
