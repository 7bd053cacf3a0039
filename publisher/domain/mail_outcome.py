"""What became of an attempt to send a message, and what the mail service remembers of it (R33).

A delivery is `begun` by one process under a lease, and leaves that state by one outcome:

    begun ── sent       the SMTP server took it over
          ── given_up   it was refused for good, nothing could be made of it, or it was tried long enough
          ── waiting    it is tried again: the server was away, or refused it for now
          ── held       it may have been accepted, and an operator is to say what is done

`sent` and `given_up` are final, but that a new command begins a delivery anew that was given up.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from publisher.domain.delivery_event import DeliveryEvent


class MailState(StrEnum):
    """The state of a delivery."""

    BEGUN = "begun"
    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class MailOutcome:
    """One outcome.

    state: every state but begun.
    event: what is answered; None: nothing is, as where a message is put back untried.
    wait: until it is tried again, of a waiting one; None of every other.
    command: the fields of the command as a JSON object, for a waiting or held one; None of every other, or where they
        are kept already.
    address: the recipient's, which such an event may suppress; None: it cannot.
    was_tried: whether the server was asked. An attempt that did not succeed is counted.
    is_unsure: whether it may have been accepted while the reply was lost.
    """

    delivery_id: str
    state: MailState
    event: DeliveryEvent | None = None
    wait: timedelta | None = None
    command: str | None = None
    address: str | None = field(default=None, repr=False)
    was_tried: bool = True
    is_unsure: bool = False
