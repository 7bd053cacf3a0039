"""Decides what an attempt to send a message amounts to: which event, whose fault, and whether it lasts (RFC 3463).

The reply's code says whether the message may be tried again (RFC 5321, 4.2.1): 4yz is a transient refusal, 5yz a
permanent one. Whose fault a refusal is, its enhanced code says if it has one, and else its code at its stage.
"""

import re
from dataclasses import dataclass

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.domain.enhanced_status import EnhancedStatus, enhanced_status
from publisher.domain.masking import masked
from publisher.mail.smtp.outcome import Accepted, Broken, Outcome, Refused, Reply, Stage, Unsendable, Unsure

_LONGEST_DIAGNOSTIC = 1000
# Where an enhanced code stands in a reply (RFC 2034): at its beginning. Some servers put a # or a bracket before it.
_STATUS_FIRST = re.compile(r"[#(\[ ]*(\d\.\d{1,3}\.\d{1,3})(?![\d.])")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")

# RFC 5321, 4.2.3, and beside it: the fault of a refusal without an enhanced code.
_FAULTS = {
    # "mailbox unavailable": not found, no access, or refused for reasons of policy.
    (Stage.RCPT, 450): Fault.RECIPIENT,
    (Stage.RCPT, 550): Fault.RECIPIENT,
    # "user not local".
    (Stage.RCPT, 551): Fault.RECIPIENT,
    # "insufficient system storage", "exceeded storage allocation": the mailbox is full.
    (Stage.RCPT, 452): Fault.RECIPIENT,
    (Stage.RCPT, 552): Fault.RECIPIENT,
    # "mailbox name not allowed".
    (Stage.RCPT, 553): Fault.RECIPIENT,
    # "domain does not accept mail" (RFC 7504).
    (Stage.RCPT, 556): Fault.RECIPIENT,
    # The message is longer than the server takes (RFC 1870).
    (Stage.MAIL, 552): Fault.CONTENT,
    (Stage.DATA, 552): Fault.CONTENT,
    (Stage.CONTENT, 552): Fault.CONTENT,
    # "transaction failed" says nothing, and neither does 550 of the content: most often a filter took it for spam.
    (Stage.RCPT, 554): Fault.UNKNOWN,
    (Stage.DATA, 554): Fault.UNKNOWN,
    (Stage.CONTENT, 554): Fault.UNKNOWN,
    (Stage.CONTENT, 550): Fault.UNKNOWN,
}
# RFC 4954: the server wants a login, another one, or an encrypted connection. Someone mends that, and the message goes.
_LOGIN_CODES = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt amounts to. The fields are those of DeliveryEvent.

    is_unsure: the message may have been accepted (R33); event is then DEFERRED.
    """

    event: EventKind
    permanence: Permanence | None = None
    fault: Fault | None = None
    code: str | None = None
    enhanced_code: str | None = None
    diagnostic: str | None = None
    is_unsure: bool = False


def decide(outcome: Outcome) -> Verdict:
    """Decides by how the attempt ended.

    - Accepted: `accepted`.
    - Refused with 4yz, and every refusal that asks for a login: `deferred`, transient.
    - Refused with 5yz: `rejected` if it came before the recipient was named, else `bounced`.
    - Broken: `deferred`, transient, the infrastructure's fault.
    - Unsure: the same, and `is_unsure`.
    - Unsendable with a code of class 5: `rejected`, permanent, the content's fault, or the recipient's if the address
      is. With one of class 4: `deferred`, transient.
    - Nothing that is said of the return path is the recipient's fault.
    """
    match outcome:
        case Accepted(reply):
            status = _status(reply)
            return Verdict(
                EventKind.ACCEPTED,
                code=str(reply.code),
                enhanced_code=str(status) if status else None,
                diagnostic=_diagnostic(reply),
            )
        case Refused(stage, reply):
            return _refused(stage, reply)
        case Broken(stage, reason):
            return _deferred(f"{reason} (at {stage.upper()}, before the message was sent)")
        case Unsure(reason):
            return _deferred(f"{reason} (after the whole message was sent)", is_unsure=True)
        case Unsendable(enhanced_code, reason):
            status = enhanced_status(enhanced_code)
            fault = status.fault if status else Fault.CONTENT
            if status is not None and status.class_ == 4:
                return Verdict(EventKind.DEFERRED, Permanence.TRANSIENT, fault, None, enhanced_code, reason)
            return Verdict(EventKind.REJECTED, Permanence.PERMANENT, fault, None, enhanced_code, reason)


def one_line(text: str, longest: int) -> str:
    """Returns the text on one line, its addresses masked, cut to so many characters (R36)."""
    line = masked(_SPACES.sub(" ", text).strip())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _refused(stage: Stage, reply: Reply) -> Verdict:
    status = _status(reply)
    transient = reply.code < 500 or reply.code in _LOGIN_CODES
    if transient:
        event, permanence = EventKind.DEFERRED, Permanence.TRANSIENT
    else:
        event = EventKind.REJECTED if stage is Stage.MAIL else EventKind.BOUNCED
        permanence = _permanence(stage, reply, status)
    fault = _fault(stage, reply, status)
    return Verdict(event, permanence, fault, str(reply.code), str(status) if status else None, _diagnostic(reply))


def _permanence(stage: Stage, reply: Reply, status: EnhancedStatus | None) -> Permanence:
    if status is None:
        # A mailbox that is full may have room an hour later.
        is_full = (stage, reply.code) == (Stage.RCPT, 552)
        return Permanence.UNDETERMINED if is_full else Permanence.PERMANENT
    # Another class contradicts the code (RFC 2034, 4).
    return status.permanence if status.class_ == 5 else Permanence.UNDETERMINED


def _fault(stage: Stage, reply: Reply, status: EnhancedStatus | None) -> Fault:
    if reply.code in _LOGIN_CODES:
        return Fault.INFRASTRUCTURE
    # Subject 0 says nothing but the class.
    if status is not None and status.subject != 0:
        # At this stage no recipient was named: the address in question is the sender's.
        is_senders = stage is Stage.MAIL and status.fault is Fault.RECIPIENT
        return Fault.INFRASTRUCTURE if is_senders else status.fault
    return _FAULTS.get((stage, reply.code), Fault.INFRASTRUCTURE)


def _deferred(diagnostic: str, *, is_unsure: bool = False) -> Verdict:
    return Verdict(
        EventKind.DEFERRED,
        Permanence.TRANSIENT,
        Fault.INFRASTRUCTURE,
        diagnostic=one_line(diagnostic, _LONGEST_DIAGNOSTIC),
        is_unsure=is_unsure,
    )


def _status(reply: Reply) -> EnhancedStatus | None:
    found = _STATUS_FIRST.match(reply.text)
    return enhanced_status(found[1]) if found else None


def _diagnostic(reply: Reply) -> str:
    return one_line(f"{reply.code} {reply.text}", _LONGEST_DIAGNOSTIC)
