"""A delivery event: what a mail service or gateway answers about a delivery, and which answer outranks which (R32)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What happened to a delivery.

    ACCEPTED: the next system took the message over.
    DEFERRED: it was not taken yet; it is tried again.
    DELIVERED: it reached the recipient's mailbox or device.
    BOUNCED: the recipient's system returned it.
    COMPLAINED: the recipient called it spam.
    REJECTED: the next system refused to take it, whoever the recipient is.
    FAILED: no message could be made of the command, or it was given up.
    SUPPRESSED: it was not sent, because the address bounced or complained before.
    """

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class Permanence(StrEnum):
    """Whether the same delivery would fail again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    UNDETERMINED = "undetermined"


class Fault(StrEnum):
    """What was at fault: the recipient's address, a system on the way, the message itself, or nobody knows."""

    RECIPIENT = "recipient"
    INFRASTRUCTURE = "infrastructure"
    CONTENT = "content"
    UNKNOWN = "unknown"


# An answer of a higher rank replaces one of a lower rank, and never the other way round; of one rank the later event
# counts. `accepted` and `deferred` are of one rank: some services defer a message that they accepted, and others accept
# one that they deferred. A complaint is a flag beside the answer: it comes after a delivery, and says nothing against
# it.
RANKS: Mapping[EventKind, int] = {
    EventKind.ACCEPTED: 1,
    EventKind.DEFERRED: 1,
    EventKind.DELIVERED: 2,
    EventKind.BOUNCED: 3,
    EventKind.REJECTED: 3,
    EventKind.FAILED: 3,
    EventKind.SUPPRESSED: 3,
}

# The sources of what this service answers itself: its mail service, and an operator who settles a held message. Nobody
# else may answer under them: by another's event ids our own events would be taken for known.
MAILER, OPERATOR = "mailer", "operator"
OUR_SOURCES = frozenset({MAILER, OPERATOR})


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """One event of one delivery. (source, event_id) names it: the same event again changes nothing (R32).

    event_id: the source's own id of it.
    occurred_at: when it happened, as the source says.
    source: who answers, such as `mailer` or `ses`.
    permanence, fault: None where the source does not say.
    code: the answer's code, such as an SMTP reply code or a provider's type of bounce; None: there is none.
    enhanced_code: an enhanced status code such as 5.1.1 (RFC 3463); None: there is none.
    diagnostic: one line for people, its addresses masked; None: there is none.
    provider_ref: the id under which the source knows the message; None: there is none.
    detail_json: a JSON object with more, as text; None: there is none.
    """

    event_id: str
    delivery_id: str
    event: EventKind
    occurred_at: datetime
    source: str
    permanence: Permanence | None = None
    fault: Fault | None = None
    code: str | None = None
    enhanced_code: str | None = None
    diagnostic: str | None = None
    provider_ref: str | None = None
    detail_json: str | None = None


def outranks(event: DeliveryEvent, answer: EventKind | None, answered_at: datetime | None) -> bool:
    """Whether the event becomes the answer of a route that has this one, or none (R32).

    Of one rank the later event does; of two at the same instant, the one that is recorded last. A complaint never does.
    """
    rank, standing = RANKS.get(event.event, 0), RANKS[answer] if answer else 0
    if rank != standing:
        return rank > standing
    return answered_at is not None and event.occurred_at >= answered_at
