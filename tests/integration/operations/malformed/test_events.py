"""Malformed delivery events, sent again to the stream that they came from (R19, R32)."""

import pytest
import redis

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations.malformed.resubmit import Resubmission, Sendable
from storage.answers.delivery_events import IncomingEvent
from storage.answers.event_entries import take_in
from storage.database import Database
from storage.malformed.reading import MalformedRecord, find_malformed
from storage.malformed.recording import IncomingMalformed
from tests.factories import EVENTS, INTENTS, delivery_event, event_fields, raw
from tests.integration.operations.malformed.resubmissions import Give, marks, send_all, sent
from tests.integration.storage.answers.test_delivery_events import UNKNOWN, deliveries


def give_event(database: Database, entry_id: str = "8-1", **fields: str | None) -> MalformedRecord:
    """Records an entry of the stream of delivery events with these fields as malformed."""
    why = Rejection(RejectionCode.INVALID_FIELD, "event: must be something else")
    take_in(database, EVENTS, [], [IncomingMalformed(entry_id, raw(event_fields(**fields)), why)])
    [(id_,)] = database.rows("SELECT max(id) FROM malformed_intents")
    return find_malformed(database, id_)


def test_an_event_goes_back_to_its_own_stream(
    work: Resubmission, database: Database, redis_client: redis.Redis
) -> None:
    """Corrected, it is judged as an event; the intents stream gets nothing."""
    [known] = deliveries(database)
    record = give_event(database, delivery_id=known, event="opened", event_id="e")
    assert isinstance(work.judge_unchanged(record), Rejection)
    corrected = work.judge(record, raw(event_fields(delivery_id=known, event="delivered", event_id="e")))
    assert isinstance(corrected, Sendable)

    entry_id = work.send(corrected, "ann", "file")

    assert sent(redis_client) == []
    [(id_, fields)] = redis_client.xrange(EVENTS)
    assert (id_.decode(), fields[b"event"], fields[b"delivery_id"]) == (entry_id, b"delivered", known.encode())
    assert marks(database) == [entry_id]


@pytest.mark.parametrize("delivery_id", [UNKNOWN, "nothing"])
def test_an_event_of_an_unknown_delivery_is_not_sent(work: Resubmission, database: Database, delivery_id: str) -> None:
    """It would be malformed again at once."""
    verdict = work.judge_unchanged(give_event(database, delivery_id=delivery_id))

    assert isinstance(verdict, Rejection)
    assert verdict.code is RejectionCode.UNKNOWN_DELIVERY


def test_an_intent_on_the_stream_of_events_is_no_intent(
    work: Resubmission, give: Give, database: Database, redis_client: redis.Redis
) -> None:
    """All that match go each to its own stream; what came by the wrong one is valid on neither."""
    [known] = deliveries(database)
    give()
    give_event(database, delivery_id=known)
    why = Rejection(RejectionCode.UNKNOWN_FIELD, "it is an intent")
    stray = find_malformed(database, 1).raw_fields
    take_in(database, EVENTS, [], [IncomingMalformed("8-2", raw({k: str(v) for k, v in stray.items()}), why)])

    _, tally = send_all(work, database)

    assert (tally.sent, tally.taken, dict(tally.left)) == (2, 0, {"missing_field": 1})
    assert [redis_client.xlen(stream) for stream in (INTENTS, EVENTS)] == [1, 1]
    assert [mark is not None for mark in marks(database)] == [True, True, False]


def test_an_event_whose_id_names_another_delivery_is_not_sent(work: Resubmission, database: Database) -> None:
    """It would be malformed again; with an id of its own it is sent."""
    first, second = deliveries(database, 2)
    taken = IncomingEvent(delivery_event(delivery_id=first, event_id="1"), "7-1")
    take_in(database, EVENTS, [taken], [])
    record = give_event(database, delivery_id=second, event_id="1")

    verdict = work.judge_unchanged(record)

    assert isinstance(verdict, Rejection)
    assert verdict.code is RejectionCode.EVENT_CONFLICT
    assert isinstance(work.judge(record, raw(event_fields(delivery_id=second, event_id="2"))), Sendable)
    assert isinstance(work.judge(record, raw(event_fields(delivery_id=first, event_id="1"))), Sendable)
