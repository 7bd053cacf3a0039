"""`POST /v1/delivery-events`: takes delivery events in, of the source that the token is for (R32)."""

from collections.abc import Sequence

from publisher.domain.event_json import event_of_members
from publisher.domain.json_text import Member
from publisher.domain.rejection import Rejection
from publisher.domain.written_fields import bound
from publisher.intake.over_http import HttpIntake, not_taken
from publisher.web.door.answers import NO_OBJECT, Told, answer, foreign
from publisher.web.door.bodies import read_items
from publisher.web.door.intents import ids_of
from publisher.web.door.serving import Answer
from storage.answers.delivery_events import IncomingEvent
from storage.tokens import TokenRecord


class Events:
    """Takes them in. Safe to share between threads."""

    def __init__(self, intake: HttpIntake) -> None:
        self._intake = intake

    def post(self, sender: TokenRecord, body: bytes) -> Answer:
        """Records what the body holds before it answers. Raises Problem for a body that is no JSON, and Unavailable."""
        items, is_array = read_items(body)
        ids = ids_of(sender.id)
        judged = [_judged(sender, item, next(ids)) for item in items]
        outcomes = self._intake.record([each for each in judged if not isinstance(each, Told)])
        told = [
            each if isinstance(each, Told) else Told(outcomes[str(each.entry_id)], {"event_id": each.event.event_id})
            for each in judged
        ]
        self._intake.report_refused("delivery events", sender.producer, [each.outcome for each in told])
        return answer(told, is_array=is_array)


def _judged(sender: TokenRecord, item: Sequence[Member] | None, id_: str) -> IncomingEvent | Told:
    if item is None:
        return NO_OBJECT
    members = bound(item, "source", sender.producer)
    if members is None:
        return foreign(f"source: this token is for the source {sender.producer!r} alone", "source")
    event = event_of_members(members)
    return Told(not_taken(event)) if isinstance(event, Rejection) else IncomingEvent(event, id_)
