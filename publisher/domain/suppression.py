"""Decides which delivery events suppress an address, and when two addresses are the same (R33)."""

import unicodedata
from enum import StrEnum

from publisher.domain.delivery_event import DeliveryEvent, EventKind, Fault, Permanence

# Python's codec follows IDNA of 2003, which writes these as other letters: another domain since 2008.
_LETTERS_SINCE_2008 = frozenset("ßς")
# Characters (RFC 1035, 2.3.4). The codec takes a second for some hundred thousand, which a report may bring.
_LONGEST_DOMAIN = 253


class SuppressionReason(StrEnum):
    """Why nothing is sent to an address.

    BOUNCED: its own system refused it for good.
    COMPLAINED: whoever reads it called a message spam.
    OPERATOR: an operator added it.
    """

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OPERATOR = "operator"


def suppression_reason(event: DeliveryEvent) -> SuppressionReason | None:
    """Returns why the address of the event's delivery is to be suppressed, or None if it is not.

    A bounce suppresses only if it is permanent and the recipient's fault: what a full mailbox, a blocked server or a
    message's content causes passes. `suppressed` itself does not: it would prolong itself for ever.
    """
    if event.event is EventKind.COMPLAINED:
        return SuppressionReason.COMPLAINED
    is_dead = event.permanence is Permanence.PERMANENT and event.fault is Fault.RECIPIENT
    return SuppressionReason.BOUNCED if event.event is EventKind.BOUNCED and is_dead else None


def comparable_address(address: str) -> str:
    """Returns the address as it is compared: lower case, the domain in its ASCII form (IDNA).

    Servers may tell apart upper and lower case before the @, and hardly one does. A domain without an ASCII form stays
    as it is, in lower case.
    """
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{local.lower()}{at}{_ascii_domain(domain.lower().rstrip('.'))}"


def _ascii_domain(domain: str) -> str:
    if domain.isascii() or len(domain) > _LONGEST_DOMAIN or _LETTERS_SINCE_2008 & set(domain):
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain
