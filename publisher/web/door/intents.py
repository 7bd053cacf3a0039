"""`POST /v1/intents`: takes intents and cancellations in (R18, R28)."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from publisher.domain.channel import Channel
from publisher.domain.door_ids import door_id
from publisher.domain.intent_json import RefusedLine, WrittenCancellation, intent_of_members
from publisher.domain.json_text import Member
from publisher.domain.written_fields import bound
from publisher.intake.over_http import HttpIntake, Incoming, not_taken
from publisher.web.door.answers import NO_OBJECT, Told, answer, foreign
from publisher.web.door.bodies import read_items
from publisher.web.door.serving import Answer
from storage.accepting.intents import IncomingIntent
from storage.cancelling.cancellations import IncomingCancellation
from storage.tokens import TokenRecord


class Intents:
    """Takes them in. Safe to share between threads."""

    def __init__(self, intake: HttpIntake, channels: Mapping[str, Channel]) -> None:
        self._intake = intake
        self._channels = channels

    def post(self, sender: TokenRecord, body: bytes) -> Answer:
        """Commits what the body holds before it answers. Raises Problem for a body that is no JSON, and Unavailable."""
        items, is_array = read_items(body)
        ids = ids_of(sender.id)
        judged = [self._judged(sender, item, next(ids)) for item in items]
        outcomes = self._intake.take([each for each in judged if not isinstance(each, Told)])
        told = [each if isinstance(each, Told) else Told(outcomes[each.entry_id], _named(each)) for each in judged]
        self._intake.report_refused("intents", sender.producer, [each.outcome for each in told])
        return answer(told, is_array=is_array)

    def _judged(self, sender: TokenRecord, item: Sequence[Member] | None, id_: str) -> Incoming | Told:
        if item is None:
            return NO_OBJECT
        members = bound(item, "producer", sender.producer)
        if members is None:
            return foreign(f"producer: this token is for the producer {sender.producer!r} alone", "producer")
        found = intent_of_members(members, self._channels)
        if isinstance(found, RefusedLine):
            return NO_OBJECT if found.rejection is None else Told(not_taken(found.rejection))
        if isinstance(found, WrittenCancellation):
            return IncomingCancellation(id_, (), found.cancellation)
        return IncomingIntent(id_, (), found.intent, found.routes)


def ids_of(token_id: int) -> Iterator[str]:
    """Yields an id for each thing that one request brings."""
    milliseconds, first = time.time_ns() // 1_000_000, secrets.randbelow(10**12) * 1_000
    return (door_id(token_id, milliseconds, number) for number in count(first))


def _named(entry: Incoming) -> Mapping[str, object]:
    if isinstance(entry, IncomingIntent):
        return {"notification_id": entry.intent.notification_id}
    return {"notification_id": entry.cancellation.notification_id}
