"""Reads notifications of Amazon SES, from event publishing and from feedback notifications, bare or wrapped by SNS."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.domain.enhanced_status import enhanced_status
from publisher.mail.reports.fields import chosen, json_object, object_of, objects_of, text_of, texts_of
from publisher.mail.reports.instants import json_instant
from publisher.mail.reports.report import DeliveryNames, Meaning, NotAReport, Reading, Report, fingerprint

_SOURCE = "ses"
Fields = Mapping[str, object]


_PERMANENCE = {"Permanent": Permanence.PERMANENT, "Transient": Permanence.TRANSIENT}
# bounceSubType -> whose fault it is. Where it says nothing of that (`General`), the recipient's status does.
_FAULTS = {
    "NoEmail": Fault.RECIPIENT,
    "MailboxFull": Fault.RECIPIENT,
    "MessageTooLarge": Fault.CONTENT,
    "ContentRejected": Fault.CONTENT,
    "AttachmentRejected": Fault.CONTENT,
}
# The message was not sent: the address is on a list of the provider.
_ON_A_LIST = {"Suppressed", "OnAccountSuppressionList", "UnsubscribedRecipient"}
_SUPPRESSED = Meaning(EventKind.SUPPRESSED, Permanence.PERMANENT, Fault.RECIPIENT)
_DELAYS = {
    "MailboxFull": Fault.RECIPIENT,
    "SpamDetected": Fault.CONTENT,
    "General": Fault.UNKNOWN,
    "Undetermined": Fault.UNKNOWN,
}


def _bounce(bounce: Fields, recipient: Fields) -> Meaning | None:
    kind, sub_kind = text_of(bounce, "bounceType") or "", text_of(bounce, "bounceSubType") or ""
    if sub_kind in _ON_A_LIST:
        return _SUPPRESSED
    permanence = _PERMANENCE.get(kind, Permanence.UNDETERMINED)
    status = enhanced_status(text_of(recipient, "status") or "")
    fault = _FAULTS.get(sub_kind) or (status.fault if status else Fault.UNKNOWN)
    if fault is Fault.UNKNOWN and permanence is Permanence.PERMANENT:
        # The provider takes such an address for dead, and counts every further message to it.
        fault = Fault.RECIPIENT
    return Meaning(EventKind.BOUNCED, permanence, fault)


def _complaint(complaint: Fields, _: Fields) -> Meaning | None:
    if text_of(complaint, "complaintFeedbackType") == "not-spam":
        return None
    return _SUPPRESSED if text_of(complaint, "complaintSubType") in _ON_A_LIST else Meaning(EventKind.COMPLAINED)


def _delay(delay: Fields, _: Fields) -> Meaning | None:
    fault = _DELAYS.get(text_of(delay, "delayType") or "Undetermined", Fault.INFRASTRUCTURE)
    return Meaning(EventKind.DEFERRED, Permanence.TRANSIENT, fault)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of notification.

    at: the field that holds what the type tells.
    recipients: the list of recipients in it, objects or addresses. None: those of the message.
    meaning: what it amounts to for a recipient; None: it tells nothing of the delivery.
    diagnostic: the field of the recipient, or else of the notification, with the words of whoever refused.
    """

    at: str
    recipients: str | None
    meaning: Callable[[Fields, Fields], Meaning | None]
    diagnostic: str


_KINDS = {
    "Bounce": _Kind("bounce", "bouncedRecipients", _bounce, "diagnosticCode"),
    "Complaint": _Kind("complaint", "complainedRecipients", _complaint, "complaintFeedbackType"),
    "Delivery": _Kind("delivery", "recipients", lambda *_: Meaning(EventKind.DELIVERED), "smtpResponse"),
    "DeliveryDelay": _Kind("deliveryDelay", "delayedRecipients", _delay, "diagnosticCode"),
    "Send": _Kind("send", None, lambda *_: Meaning(EventKind.ACCEPTED), ""),
    "Reject": _Kind(
        "reject",
        None,
        lambda *_: Meaning(EventKind.REJECTED, Permanence.PERMANENT, Fault.CONTENT),
        "reason",
    ),
    "Rendering Failure": _Kind(
        "failure",
        None,
        lambda *_: Meaning(EventKind.FAILED, Permanence.PERMANENT, Fault.CONTENT),
        "errorMessage",
    ),
}
_DETAIL = ("bounceType", "bounceSubType", "delayType", "complaintFeedbackType", "complaintSubType", "reportingMTA")


def read_ses(text: str | bytes) -> Reading:
    """Reads one notification: one Report for each recipient of whom it tells.

    NotAReport: it is none, or tells nothing of a delivery, such as that a message was opened. Never raises.
    """
    fields = json_object(text)
    if not isinstance(fields, NotAReport) and text_of(fields, "Type") == "Notification":
        fields = json_object(text_of(fields, "Message") or "")
    if isinstance(fields, NotAReport):
        return fields
    name = text_of(fields, "eventType") or text_of(fields, "notificationType")
    if name is None:
        return NotAReport("it is no notification of Amazon SES: it has neither eventType nor notificationType")
    kind = _KINDS.get(name)
    if kind is None:
        return NotAReport(f"notifications of type {name[:40]} tell nothing of a delivery", is_known=True)
    mail, told = object_of(fields, "mail"), object_of(fields, kind.at)
    found = [
        report for recipient in _recipients(kind, mail, told) for report in _report(name, kind, mail, told, recipient)
    ]
    return found or NotAReport(f"this notification of type {name} tells nothing of a delivery", is_known=True)


def _recipients(kind: _Kind, mail: Fields, told: Fields) -> Sequence[Fields]:
    holder, at = (mail, "destination") if kind.recipients is None else (told, kind.recipients)
    objects = objects_of(holder, at) or [{"emailAddress": address} for address in texts_of(holder, at)]
    return objects or [{}]


def _report(name: str, kind: _Kind, mail: Fields, told: Fields, recipient: Fields) -> Iterator[Report]:
    meaning = kind.meaning(told, recipient)
    if meaning is None:
        return
    message_id, address = text_of(mail, "messageId"), text_of(recipient, "emailAddress")
    at = text_of(told, "timestamp") or text_of(mail, "timestamp")
    diagnostic = text_of(recipient, kind.diagnostic) or text_of(told, kind.diagnostic)
    status = enhanced_status(text_of(recipient, "status") or "") or enhanced_status(diagnostic or "")
    yield Report(
        _SOURCE,
        f"{text_of(told, 'feedbackId') or fingerprint(message_id, name, at)}#{fingerprint(address)[:12]}"[:200],
        meaning.event,
        _names(mail),
        address,
        json_instant(at),
        meaning.permanence,
        meaning.fault,
        text_of(told, "bounceSubType") or text_of(told, "delayType") or text_of(told, "complaintFeedbackType"),
        str(status) if status else None,
        diagnostic,
        message_id,
        chosen(told, *_DETAIL) | chosen(recipient, "action", "status"),
    )


def _names(mail: Fields) -> DeliveryNames:
    """Returns how the notification names our delivery. SES gives the message a Message-ID of its own."""
    headers: dict[str, list[str]] = {}
    for header in objects_of(mail, "headers"):
        headers.setdefault((text_of(header, "name") or "").lower(), []).append(text_of(header, "value") or "")
    of_headers = [*headers.get("message-id", []), text_of(object_of(mail, "commonHeaders"), "messageId")]
    return DeliveryNames(
        tuple(address for address in [text_of(mail, "source")] if address),
        tuple(filter(None, [*headers.get("x-delivery-id", []), *texts_of(object_of(mail, "tags"), "delivery_id")])),
        tuple(dict.fromkeys(id_ for id_ in of_headers if id_)),
    )
