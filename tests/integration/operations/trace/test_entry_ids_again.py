"""Entry ids that come again with other content: Redis was emptied, or a producer chooses ids (R19)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations.ids.resolution import IntentsStream, resolve
from publisher.operations.trace.entry_outcome import EntryOutcome, EntryState
from publisher.operations.trace.lookup import lookup
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.intents import IncomingMalformed
from storage.database import Database
from tests.factories import CHANNELS, GROUP, INTENTS, accept, incoming, intent_fields
from tests.integration.rows import rows

Look = Callable[[str], EntryOutcome]
ENTRY = "1773480413589-0"
WHY = Rejection(RejectionCode.MISSING_FIELD, "producer: Field required")


@pytest.fixture
def look(database: Database, redis_url: str) -> Iterator[Look]:
    """What `trace` says of an entry."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:

        def verdict(entry_id: str) -> EntryOutcome:
            stream = IntentsStream(lambda: StreamServers(client), [INTENTS], GROUP, CHANNELS)
            told = lookup(database, stream, resolve(database, stream, entry_id).things, entry_id).entry
            assert told is not None
            return told

        yield verdict


def malformed(entry_id: str = ENTRY, value: str = "x") -> IncomingMalformed:
    return IncomingMalformed(entry_id, ((b"payload_json", value.encode()),), WHY)


def recorded(database: Database) -> list[tuple[str, str]]:
    """The entry id and the content of every record, oldest first."""
    found = rows(database, "SELECT * FROM malformed_intents ORDER BY id")
    return [(row["stream_entry_id"], row["raw_fields"]["payload_json"]) for row in found]


@contextmanager
def on_the_stream(client: redis.Redis, **fields: Any) -> Iterator[None]:
    """The entry as it stands on the stream, read by nobody."""
    client.xadd(INTENTS, intent_fields(**fields), id=ENTRY)
    client.xgroup_create(INTENTS, GROUP, id="0")
    yield


def test_another_content_under_an_entry_id_is_on_record_as_well(database: Database) -> None:
    """Of two malformed entries with one id both are on record: the newer under the id, the older beside it; so are
    three, and their neighbours (R19)."""
    for value in ("first", "second", "third"):
        batch = accept(database, INTENTS, [], [malformed(value=value), malformed("5-0", "neighbour")])
        assert [m.entry_id for m in batch.malformed] == [ENTRY, "5-0"]
        assert ENTRY not in batch.again

    first, _, second, _ = rows(database, "SELECT id FROM malformed_intents ORDER BY id")
    assert recorded(database) == [
        (f"{ENTRY}~{first['id']}", "first"),
        ("5-0", "neighbour"),
        (f"{ENTRY}~{second['id']}", "second"),
        (ENTRY, "third"),
    ]


def test_the_same_content_again_is_told_as_known(database: Database) -> None:
    """An entry that is read a second time is not recorded again, and said to have been there (R19, R25)."""
    accept(database, INTENTS, [], [malformed()])

    batch = accept(database, INTENTS, [], [malformed()])

    assert batch.again == {ENTRY}
    assert recorded(database) == [(ENTRY, "x")]


def test_the_release_before_finds_the_index_that_it_needs(database: Database) -> None:
    """A process of the release before records beside an older record that stepped aside (R15)."""
    accept(database, INTENTS, [], [malformed(value="first")])
    accept(database, INTENTS, [], [malformed(value="second")])

    of_before = (
        "INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields,"
        " recorded_at) VALUES (%s, %s, 'x', 'x', '{}', now())"
        " ON CONFLICT (stream, stream_entry_id) DO NOTHING RETURNING id"
    )

    assert database.rows(of_before, [INTENTS, ENTRY]) == []
    assert len(database.rows(of_before, [INTENTS, "6-0"])) == 1


def test_an_entry_is_not_told_as_another_intents_notification(
    database: Database, look: Look, redis_client: redis.Redis
) -> None:
    """An entry that waits is not claimed to be accepted because another intent once had its id."""
    accept(database, INTENTS, [incoming(ENTRY, idempotency_key="before")], [])
    with on_the_stream(redis_client, idempotency_key="now"):
        assert look(ENTRY).state is EntryState.WAITING


def test_an_entry_is_not_told_as_malformed_for_another(
    database: Database, look: Look, redis_client: redis.Redis
) -> None:
    """An entry that waits is not claimed to be malformed because another one once had its id."""
    accept(database, INTENTS, [], [malformed()])
    with on_the_stream(redis_client):
        assert look(ENTRY).state is EntryState.WAITING


def test_what_stands_on_the_stream_is_told_by_its_own_record(
    database: Database, look: Look, redis_client: redis.Redis
) -> None:
    """An entry whose content was accepted is told as accepted, also where an older one had its id."""
    accept(database, INTENTS, [incoming(ENTRY, idempotency_key="before")], [])
    accept(database, INTENTS, [incoming(ENTRY, idempotency_key="now")], [])
    with on_the_stream(redis_client, idempotency_key="now"):
        verdict = look(ENTRY)

    assert (verdict.state, verdict.notification_id) == (
        EntryState.ACCEPTED,
        incoming(idempotency_key="now").intent.notification_id,
    )
    assert len(verdict.sentences) == 1


def test_what_was_accepted_is_told_so_by_other_rules_too(
    database: Database, look: Look, redis_client: redis.Redis
) -> None:
    """An entry that would be malformed today, its channel gone, is told as what it was accepted as."""
    channels = CHANNELS | {"sms": CHANNELS["push"]}
    fields = {"idempotency_key": "now", "channels_json": ["email"]}
    accept(database, INTENTS, [incoming(ENTRY, **fields)], [])
    with on_the_stream(redis_client, **fields | {"channels_json": sorted(channels)}):
        assert look(ENTRY).state is EntryState.ACCEPTED
