"""Reads Postmark's webhooks: bounces, spam complaints and deliveries."""

from collections.abc import Mapping

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.domain.enhanced_status import enhanced_status
from publisher.mail.reports.fields import chosen, json_object, object_of, text_of
from publisher.mail.reports.instants import json_instant
from publisher.mail.reports.report import DeliveryNames, Meaning, NotAReport, Reading, Report, fingerprint

_SOURCE = "postmark"
Fields = Mapping[str, object]


_COMPLAINED = Meaning(EventKind.COMPLAINED)
_DELIVERED = Meaning(EventKind.DELIVERED)


def _bounced(permanence: Permanence, fault: Fault) -> Meaning:
    return Meaning(EventKind.BOUNCED, permanence, fault)


# The Type of a Bounce record, and its TypeCode. Those that are missing here tell nothing of the delivery: an automatic
# answer, an address change, a subscription, the test of a relay.
_BOUNCES = {
    ("HardBounce", "1"): _bounced(Permanence.PERMANENT, Fault.RECIPIENT),
    ("Transient", "2"): Meaning(EventKind.DEFERRED, Permanence.TRANSIENT, Fault.UNKNOWN),
    ("DnsError", "256"): Meaning(EventKind.DEFERRED, Permanence.TRANSIENT, Fault.INFRASTRUCTURE),
    ("SpamNotification", "512"): _bounced(Permanence.PERMANENT, Fault.CONTENT),
    ("Unknown", "2048"): _bounced(Permanence.UNDETERMINED, Fault.UNKNOWN),
    ("SoftBounce", "4096"): _bounced(Permanence.TRANSIENT, Fault.UNKNOWN),
    ("VirusNotification", "8192"): _bounced(Permanence.PERMANENT, Fault.CONTENT),
    ("BadEmailAddress", "100000"): Meaning(EventKind.REJECTED, Permanence.PERMANENT, Fault.RECIPIENT),
    ("SpamComplaint", "100001"): _COMPLAINED,
    ("ManuallyDeactivated", "100002"): Meaning(EventKind.SUPPRESSED, Permanence.PERMANENT, Fault.RECIPIENT),
    ("Unconfirmed", "100003"): Meaning(EventKind.REJECTED, Permanence.PERMANENT, Fault.RECIPIENT),
    ("Blocked", "100006"): _bounced(Permanence.PERMANENT, Fault.INFRASTRUCTURE),
    ("SMTPApiError", "100007"): Meaning(EventKind.FAILED, Permanence.UNDETERMINED, Fault.UNKNOWN),
    ("DMARCPolicy", "100009"): _bounced(Permanence.PERMANENT, Fault.INFRASTRUCTURE),
    ("TemplateRenderingFailed", "100010"): Meaning(EventKind.FAILED, Permanence.PERMANENT, Fault.CONTENT),
}
_BY_NAME = {name: meaning for (name, _), meaning in _BOUNCES.items()}
_BY_CODE = {code: meaning for (_, code), meaning in _BOUNCES.items()}


def read_postmark(text: str | bytes) -> Reading:
    """Reads one webhook's body: one Report.

    NotAReport: it is none, or tells nothing of a delivery, such as that a subscription changed: a hard bounce and a
    spam complaint that change one come as records of their own. Never raises.
    """
    fields = json_object(text)
    if isinstance(fields, NotAReport):
        return fields
    kind = text_of(fields, "RecordType")
    if kind is None:
        return NotAReport("it is no webhook of Postmark: it has no RecordType")
    meaning = _meaning(kind, fields)
    type_ = text_of(fields, "Type") or text_of(fields, "TypeCode")
    if meaning is None and kind == "Bounce" and type_ is None:
        return NotAReport("it is a bounce of Postmark that has no Type")
    if meaning is None:
        of_type = f" with type {type_}"[:60] if kind == "Bounce" else ""
        return NotAReport(f"records of type {kind[:40]}{of_type} tell nothing of a delivery", is_known=True)
    return [_report(kind, fields, meaning)]


def _meaning(kind: str, fields: Fields) -> Meaning | None:
    if kind == "Bounce":
        name, code = text_of(fields, "Type"), text_of(fields, "TypeCode")
        return _BY_NAME.get(name or "") or (_BY_CODE.get(code or "") if name is None else None)
    return {"SpamComplaint": _COMPLAINED, "Delivery": _DELIVERED}.get(kind)


def _report(kind: str, fields: Fields, meaning: Meaning) -> Report:
    message_id, id_ = text_of(fields, "MessageID"), text_of(fields, "ID")
    at = text_of(fields, "BouncedAt") or text_of(fields, "DeliveredAt")
    recipient = text_of(fields, "Email") or text_of(fields, "Recipient")
    diagnostic = text_of(fields, "Details") or text_of(fields, "Description")
    status = enhanced_status(diagnostic or "")
    return Report(
        _SOURCE,
        f"{kind}#{id_ or fingerprint(message_id, at, recipient)}"[:200],
        meaning.event,
        _names(fields),
        recipient,
        json_instant(at),
        meaning.permanence,
        meaning.fault,
        text_of(fields, "Type"),
        str(status) if status else None,
        diagnostic,
        message_id,
        chosen(fields, "Type", "TypeCode", "Name", "Description", "MessageStream"),
    )


def _names(fields: Fields) -> DeliveryNames:
    """Returns how the record names our delivery: by the metadata that the message was sent with.

    Postmark's MessageID is its own. It is a name as well, for a message that kept its own Message-ID.
    """
    named = text_of(object_of(fields, "Metadata"), "delivery_id")
    message_id = text_of(fields, "MessageID")
    return DeliveryNames((), (named,) if named else (), (f"<{message_id}>",) if message_id else ())
