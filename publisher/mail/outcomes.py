"""Decides what becomes of a delivery after an attempt to send it (R33). Pure: time and chance are arguments."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from publisher.domain.backoff import Backoff
from publisher.domain.delivery_event import MAILER, DeliveryEvent, EventKind, Fault, Permanence
from publisher.domain.mail_outcome import MailOutcome, MailState
from publisher.mail.delivery import Delivery
from publisher.mail.messages.faults import AddressFault, TemplateFault
from publisher.mail.smtp.verdict import Verdict
from storage.mail.deliveries import BegunMail

# RFC 3463: the delivery time has expired.
_TOO_LATE = "4.4.7"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a message is tried.

    backoff: the waits between two attempts.
    give_up_after: how long after the first attempt the last one may be.
    holds_unsure: whether an operator decides about a message that may have been accepted.
    """

    backoff: Backoff
    give_up_after: timedelta
    holds_unsure: bool


def decided(delivery: Delivery, verdict: Verdict, patience: Patience, now: datetime, roll: float) -> MailOutcome:
    """Decides by the verdict on an attempt. roll: a random number in [0, 1), for the backoff."""
    begun = delivery.begun
    event = event_of(begun, verdict, now)
    if verdict.event is EventKind.ACCEPTED:
        return MailOutcome(begun.delivery_id, MailState.SENT, event)
    if verdict.event is not EventKind.DEFERRED:
        return MailOutcome(begun.delivery_id, MailState.GIVEN_UP, event, address=delivery.command.to)
    if verdict.is_unsure and patience.holds_unsure:
        return MailOutcome(begun.delivery_id, MailState.HELD, event, command=delivery.fields_to_keep, is_unsure=True)
    wait = patience.backoff.delay(begun.tries + 1, roll)
    if begun.age + wait > patience.give_up_after:
        last = replace(
            verdict,
            event=EventKind.FAILED,
            permanence=Permanence.TRANSIENT,
            fault=Fault.INFRASTRUCTURE,
            enhanced_code=_TOO_LATE,
            diagnostic=f"tried for too long; the last attempt: {verdict.diagnostic}",
        )
        given_up = event_of(begun, last, now)
        return MailOutcome(begun.delivery_id, MailState.GIVEN_UP, given_up, is_unsure=verdict.is_unsure)
    return MailOutcome(
        begun.delivery_id, MailState.WAITING, event, wait, delivery.fields_to_keep, is_unsure=verdict.is_unsure
    )


def unsendable(begun: BegunMail, fault: TemplateFault | AddressFault, now: datetime) -> MailOutcome:
    """Decides of a command that makes no message: the same command would fail again."""
    verdict = Verdict(EventKind.FAILED, permanence=Permanence.PERMANENT, fault=fault.fault, diagnostic=fault.message)
    return MailOutcome(begun.delivery_id, MailState.GIVEN_UP, event_of(begun, verdict, now), was_tried=False)


def suppressed(begun: BegunMail, now: datetime) -> MailOutcome:
    """Decides of a message to an address that bounced or complained before: it is not sent."""
    verdict = Verdict(EventKind.SUPPRESSED, fault=Fault.RECIPIENT, diagnostic="the address is suppressed")
    return MailOutcome(begun.delivery_id, MailState.GIVEN_UP, event_of(begun, verdict, now), was_tried=False)


def put_back(delivery: Delivery) -> MailOutcome:
    """Puts back a delivery that was not tried: the next process takes it up at once."""
    return MailOutcome(
        delivery.delivery_id, MailState.WAITING, None, timedelta(0), delivery.fields_to_keep, was_tried=False
    )


def event_of(begun: BegunMail, verdict: Verdict, now: datetime) -> DeliveryEvent:
    """Returns the event of this verdict. The same attempt, recorded again after a crash, makes the same event (R32)."""
    return DeliveryEvent(
        event_id=f"{begun.delivery_id}#{begun.entry_id}#{begun.tries + 1}#{verdict.event}",
        delivery_id=begun.delivery_id,
        event=verdict.event,
        occurred_at=now,
        source=MAILER,
        permanence=verdict.permanence,
        fault=verdict.fault,
        code=verdict.code,
        enhanced_code=verdict.enhanced_code,
        diagnostic=verdict.diagnostic,
    )


def answered_again(delivery_id: str, entry_id: str, event: EventKind, now: datetime) -> DeliveryEvent:
    """Returns the answer to another command for a delivery that is sent: it is not sent again."""
    return DeliveryEvent(
        event_id=f"{delivery_id}#{entry_id}#again#{event}",
        delivery_id=delivery_id,
        event=event,
        occurred_at=now,
        source=MAILER,
        diagnostic="sent before; the command came again",
    )
