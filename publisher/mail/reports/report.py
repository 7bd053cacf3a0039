"""One thing that a report says about one recipient, before it is known which delivery it is about."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from publisher.domain.delivery_event import EventKind, Fault, Permanence


@dataclass(frozen=True, slots=True)
class DeliveryNames:
    """Every name by which a report may mean a delivery. They are a stranger's texts until the delivery is found.

    envelope: addresses to which the report was sent, or from which the message came (VERP).
    delivery_ids: delivery ids in full, as `X-Delivery-Id` has them.
    message_ids: values of `Message-ID` of the message, and of headers that refer to it.
    """

    envelope: tuple[str, ...] = ()
    delivery_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.envelope or self.delivery_ids or self.message_ids)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a provider's word for an event means. permanence, fault: as in DeliveryEvent."""

    event: EventKind
    permanence: Permanence | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says about one recipient.

    source: which kind of report it is: `dsn`, `arf`, `ses` or `postmark`.
    report_id: the same for the same report, however often it is read. None: it came by mail, where a delivery has one
        report of each kind.
    event: the delivery event that it amounts to.
    names: how it names the delivery.
    recipient: the address that it names, or None. It is compared with that of the route, and kept nowhere.
    occurred_at: when it happened, as the report says; None: it does not say.
    permanence, fault: as in DeliveryEvent.
    code: the SMTP reply code, or the provider's type of bounce; None: there is none.
    enhanced_code: the enhanced status code (RFC 3463), or None.
    diagnostic: the text of the server that refused, or None. Addresses are not masked yet.
    provider_ref: the provider's own id of the message, or None.
    detail: a few more fields of the report. Addresses are not masked yet.
    """

    source: str
    report_id: str | None
    event: EventKind
    names: DeliveryNames
    recipient: str | None = None
    occurred_at: datetime | None = None
    permanence: Permanence | None = None
    fault: Fault | None = None
    code: str | None = None
    enhanced_code: str | None = None
    diagnostic: str | None = None
    provider_ref: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotAReport:
    """A message or a notification that says nothing about a delivery.

    reason: why, in words without an address.
    is_known: it is of a kind that is known, and there is nothing to do about it: a message was opened, say.
    """

    reason: str
    is_known: bool = False


Reading = list[Report] | NotAReport


def fingerprint(*parts: str | None) -> str:
    """Returns 32 hexadecimal digits that are the same for the same parts: an id for a report that has none."""
    joined = "\0".join("" if part is None else part for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "replace")).hexdigest()[:32]
