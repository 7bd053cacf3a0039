"""Records what reports amount to: the delivery events, and the addresses that they suppress, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.suppression import suppression_reason
from publisher.mail.bounces.attribution import Answer
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.database import Database
from storage.mail.suppressions import NewSuppression, suppress


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """What was recorded.

    new: the events that were not on record yet.
    suppressed: how many addresses are suppressed because of them, or for longer.
    """

    new: Sequence[DeliveryEvent] = ()
    suppressed: int = 0


def record_answers(database: Database, answers: Sequence[Answer], kept: timedelta) -> RecordedAnswers:
    """Records the events, and suppresses the addresses of the new ones that say so (R32, R33).

    kept: how long an address stays suppressed; zero: none is. An event that is on record suppresses nothing again: an
    operator may have removed the suppression. Raises DatabaseUnavailable.
    """
    if not answers:
        return RecordedAnswers()
    addresses = {answer.event.delivery_id: answer.address for answer in answers}
    with database.unit() as connection, connection.atomic():
        recorded = record_events(connection, [IncomingEvent(answer.event) for answer in answers])
        new = [incoming.event for incoming in recorded.new]
        suppressed = suppress(connection, suppressions_by(new, addresses), kept)
    return RecordedAnswers(new, suppressed)


def suppressions_by(events: Sequence[DeliveryEvent], addresses: dict[str, str | None]) -> Sequence[NewSuppression]:
    """Returns what the events suppress. addresses: of each delivery, that of its own route."""
    return [
        NewSuppression(address, reason, event.delivery_id, event.source)
        for event in events
        if (reason := suppression_reason(event)) is not None and (address := addresses[event.delivery_id]) is not None
    ]
