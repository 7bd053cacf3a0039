"""Reads enhanced status codes (RFC 3463): whose fault a failed delivery is, and whether it lasts."""

import re
from dataclasses import dataclass

from publisher.domain.delivery_event import Fault, Permanence

# A code may stand in a longer text, as in `550 5.1.1 User unknown`. Its last part may have three digits.
_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])", re.ASCII)


@dataclass(frozen=True, slots=True)
class EnhancedStatus:
    """An enhanced status code.

    class_: 2 success, 4 a transient failure, 5 a permanent one.
    subject: what it is about, such as 1 for the address, 2 for the mailbox.
    detail: which failure of that subject.
    """

    class_: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.class_}.{self.subject}.{self.detail}"

    @property
    def permanence(self) -> Permanence:
        """Whether the failure lasts: class 5 does, class 4 does not. A full mailbox may have room an hour later."""
        if (self.class_, self.subject, self.detail) == _MAILBOX_FULL:
            return Permanence.UNDETERMINED
        return {4: Permanence.TRANSIENT, 5: Permanence.PERMANENT}.get(self.class_, Permanence.UNDETERMINED)

    @property
    def fault(self) -> Fault:
        """Whose fault the failure is. A detail that says it better than its subject comes first."""
        of_detail = _OF_DETAIL.get((self.subject, self.detail))
        return of_detail or _OF_SUBJECT.get(self.subject, Fault.UNKNOWN)


_MAILBOX_FULL = (5, 2, 2)
# RFC 3463. Refusals by policy (7) are about the sender's standing far more often than about the recipient.
_OF_SUBJECT = {
    1: Fault.RECIPIENT,
    2: Fault.RECIPIENT,
    3: Fault.INFRASTRUCTURE,
    4: Fault.INFRASTRUCTURE,
    5: Fault.INFRASTRUCTURE,
    6: Fault.CONTENT,
    7: Fault.INFRASTRUCTURE,
}
_OF_DETAIL = {
    # The sender's address, not the recipient's.
    (1, 7): Fault.INFRASTRUCTURE,
    (1, 8): Fault.INFRASTRUCTURE,
    # The message is too long for this mailbox, or for the whole system.
    (2, 3): Fault.CONTENT,
    (3, 4): Fault.CONTENT,
    # The account is disabled (RFC 5248); the mailbox or the domain has another owner now (RFC 7293).
    (7, 13): Fault.RECIPIENT,
    (7, 17): Fault.RECIPIENT,
    (7, 18): Fault.RECIPIENT,
}


def enhanced_status(text: str) -> EnhancedStatus | None:
    """Returns the first enhanced status code in the text, or None if there is none."""
    found = _CODE.search(text)
    return None if found is None else EnhancedStatus(*(int(part) for part in found.groups()))
