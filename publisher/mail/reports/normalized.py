"""Makes delivery events of reports whose delivery is known, without an address in them (R32, R36)."""

import json
from collections.abc import Sequence
from datetime import datetime

from publisher.domain.delivery_event import RANKS, DeliveryEvent
from publisher.domain.masking import masked
from publisher.domain.suppression import comparable_address
from publisher.mail.reports.report import Report, fingerprint

LONGEST_DIAGNOSTIC = 1_000
# A report has a few fields of detail, each cut to this: together they stay far below 16 KiB.
_LONGEST_DETAIL = 300
_LONGEST_REFERENCE = 200
_LONGEST_CODE = 60


def about(reports: Sequence[Report], address: str) -> Report:
    """Returns the one of a notification's reports that counts for its delivery, which has one recipient.

    Of those that name the delivery's own address, or else of all, the gravest; of several such the first.
    """
    own = [r for r in reports if r.recipient and comparable_address(r.recipient) == comparable_address(address)]
    return max(own or reports, key=lambda report: RANKS.get(report.event, 0))


def to_event(report: Report, delivery_id: str, now: datetime) -> DeliveryEvent:
    """Returns the delivery event that the report amounts to.

    The same report gives the same event id. An instant that the report does not name, or that lies in the future, is
    `now`. Texts lose their control characters, and addresses in them are masked (R36).
    """
    detail = {name: clean(value, _LONGEST_DETAIL) for name, value in report.detail.items()}
    return DeliveryEvent(
        # Anybody can send reports by mail, as many as they like: a delivery has one event of each kind from there.
        f"{report.report_id or report.event.value}#{fingerprint(delivery_id)}",
        delivery_id,
        report.event,
        min(report.occurred_at or now, now),
        report.source,
        report.permanence,
        report.fault,
        clean(report.code, _LONGEST_CODE) if report.code else None,
        report.enhanced_code,
        clean(report.diagnostic, LONGEST_DIAGNOSTIC) if report.diagnostic else None,
        clean(report.provider_ref, _LONGEST_REFERENCE) if report.provider_ref else None,
        json.dumps(detail) if detail else None,
    )


def clean(text: str, longest: int) -> str:
    """Returns the text as one line without control characters, with masked addresses, cut to a length."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * longest])
    return masked(" ".join(printable.split()))[:longest]
