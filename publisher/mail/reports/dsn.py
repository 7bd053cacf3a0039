"""Reads delivery status notifications (RFC 3464), in their internationalized form as well (RFC 6533)."""

import re
from dataclasses import dataclass

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.domain.enhanced_status import EnhancedStatus, enhanced_status
from publisher.mail.reports.instants import mail_instant
from publisher.mail.reports.naming import names_in
from publisher.mail.reports.parts import Parts, blocks_of, first
from publisher.mail.reports.report import DeliveryNames, NotAReport, Reading, Report

_SOURCE = "dsn"
# RFC 3464. Whoever relays or expands a message says that it was handed on, not that it arrived.
_ACTIONS = {
    "failed": EventKind.BOUNCED,
    "delayed": EventKind.DEFERRED,
    "delivered": EventKind.DELIVERED,
    "relayed": EventKind.ACCEPTED,
    "expanded": EventKind.ACCEPTED,
}
_FAILURES = {EventKind.BOUNCED, EventKind.DEFERRED}
_REPLY_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?![\d.])", re.ASCII)
_DETAIL = ("reporting-mta", "remote-mta", "action", "status")


@dataclass(frozen=True, slots=True)
class _Whole:
    """The fields of a report that are about all of its recipients."""

    names: DeliveryNames
    message: dict[str, list[str]]
    date: str | None


def reports_in(parts: Parts) -> Reading:
    """Reads the delivery statuses among the parts of a message: one Report for each recipient of whom they tell.

    A message without one is NotAReport.
    """
    if not parts.status:
        return NotAReport("it has no delivery status")
    blocks = [block for text in parts.status for block in blocks_of(text)]
    recipients = [block for block in blocks if "action" in block]
    message = next((block for block in blocks if "action" not in block), {})
    whole = _Whole(names_in(parts), message, first(parts.headers, "date"))
    found = [report for block in recipients if (report := _report(block, whole)) is not None]
    return found or NotAReport("its delivery status names no recipient and no action that is known")


def _report(block: dict[str, list[str]], whole: _Whole) -> Report | None:
    action = (first(block, "action") or "").split("(")[0].strip().lower()
    event = _ACTIONS.get(action)
    if event is None:
        return None
    said, diagnostic = first(block, "status") or "", _typed(first(block, "diagnostic-code"))
    status = _status(said, diagnostic)
    reply = _REPLY_CODE.match(diagnostic or "")
    failed = event in _FAILURES
    recipient = _typed(first(block, "original-recipient")) or _typed(first(block, "final-recipient"))
    occurred = first(block, "last-attempt-date") or whole.date or first(whole.message, "arrival-date")
    return Report(
        _SOURCE,
        None,
        event,
        whole.names,
        recipient,
        mail_instant(occurred),
        _permanence(event, status) if failed else None,
        (status.fault if status else Fault.UNKNOWN) if failed else None,
        reply[1] if reply else None,
        str(status) if status else None,
        diagnostic,
        detail={
            name: value for name in _DETAIL if (value := first(block, name) or first(whole.message, name)) is not None
        },
    )


def _status(said: str, diagnostic: str | None) -> EnhancedStatus | None:
    """Returns the status, or that of the diagnostic where the status says nothing but its class (`5.0.0`)."""
    status, of_server = enhanced_status(said), enhanced_status(diagnostic or "")
    if status is None or (status.subject == 0 and of_server is not None and of_server.class_ == status.class_):
        return of_server or status
    return status


def _permanence(event: EventKind, status: EnhancedStatus | None) -> Permanence:
    if event is EventKind.DEFERRED:
        return Permanence.TRANSIENT
    return status.permanence if status else Permanence.UNDETERMINED


def _typed(value: str | None) -> str | None:
    """Returns a typed field's value without its type: `rfc822; ann@example.com`, `smtp; 550 5.1.1 Unknown`."""
    if value is None:
        return None
    kind, semicolon, rest = value.partition(";")
    return (rest if semicolon and kind.strip().replace("-", "").isalnum() else value).strip() or None
