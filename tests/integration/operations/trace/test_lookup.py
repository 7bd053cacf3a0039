"""From whatever an operator has in hand to what it leads to."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.errors import RedisUnavailable
from publisher.operations.ids.forms import is_entry_id
from publisher.operations.ids.resolution import IntentsStream, meant, resolve
from publisher.operations.trace.entry_lookup import entry_outcome
from publisher.operations.trace.entry_outcome import EntryState
from publisher.operations.trace.lookup import Found, lookup
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.factories import CHANNELS, GROUP, INTENTS, accept, accepted, incoming, intent, intent_fields
from tests.integration.rows import execute, rows
from tests.integration.stream_entries import send_intents

Look = Callable[..., Found]


@pytest.fixture
def look(database: Database, redis_url: str) -> Iterator[Look]:
    """Looks an id up, with an optional producer."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        stream = IntentsStream(lambda: StreamServers(client), [INTENTS], GROUP, CHANNELS)
        yield lambda id_, producer=None: looked_up(database, stream, id_, producer)


@pytest.fixture
def id_(database: Database) -> str:
    """A notification of producer game-service and key turn-17, accepted from entry 0-1."""
    return accepted(database, [{"idempotency_key": "turn-17"}]).accepted[0].intent.notification_id


def looked_up(database: Database, stream: IntentsStream, id_: str, producer: str | None = None) -> Found:
    """What the id leads to, as `publisher trace` looks it up."""
    named = resolve(database, stream, id_, producer)
    return lookup(database, stream, meant(named), named.forms.entry_id, producer)


def found(result: Found) -> list[str]:
    return [n.notification_id for n in result.notifications]


@pytest.mark.parametrize("given", ["turn-17", "0-1"])
def test_key_and_entry_lead_to_the_notification(look: Look, id_: str, given: str) -> None:
    """The idempotency key and the entry id lead to what was accepted."""
    [record] = look(given).notifications

    assert (record.notification_id, record.producer, record.idempotency_key, record.intent_entry_id) == (
        id_,
        "game-service",
        "turn-17",
        "0-1",
    )
    assert record.route_count == 2


def test_a_notification_id_is_taken_in_any_form(look: Look, id_: str) -> None:
    """Upper case, without hyphens, or as a delivery id: all are the same notification."""
    assert found(look(id_)) == found(look(id_.upper())) == found(look(id_.replace("-", ""))) == [id_]
    delivered = look(f"{id_}/email:user:7")
    assert (found(delivered), delivered.routes) == ([id_], {id_: ["email:user:7"]})


def test_a_key_that_several_producers_use_leads_to_all(database: Database, look: Look) -> None:
    """Without a producer all are found, newest first; with one, its own alone (R18)."""
    for n, producer in enumerate(("a", "b", "c")):
        accept(database, INTENTS, [incoming(f"{n}-1", producer=producer, idempotency_key="k")], [])
        execute(
            database,
            "UPDATE notifications SET accepted_at = now() + %s WHERE producer = %s",
            timedelta(minutes=n),
            producer,
        )

    assert [n.producer for n in look("k").notifications] == ["c", "b", "a"]
    assert [n.producer for n in look("k", "b").notifications] == ["b"]
    assert found(look("k", "nobody")) == []


def test_a_key_that_looks_like_an_id_is_found_as_a_key_too(database: Database, look: Look, id_: str) -> None:
    """Producers choose keys as they like: one that reads as an entry id or another's notification id is no less one."""
    accept(database, INTENTS, [incoming("7-7", producer="x", idempotency_key="0-1")], [])
    accept(database, INTENTS, [incoming("8-8", producer="x", idempotency_key=id_)], [])

    assert {(n.producer, n.idempotency_key) for n in look("0-1").notifications} == {
        ("game-service", "turn-17"),
        ("x", "0-1"),
    }
    assert {n.producer for n in look(id_).notifications} == {"game-service", "x"}


def test_a_producer_chooses_whatever_the_id_is(look: Look, id_: str) -> None:
    """Another producer's notification is left out, by whichever id it is found."""
    assert found(look(id_, "game-service")) == [id_]
    assert found(look(id_, "x")) == []


def test_a_repetition_on_the_stream_leads_to_what_it_repeats(
    database: Database, look: Look, redis_client: redis.Redis
) -> None:
    """A repeated intent that still waits is told as one, with the notification that it repeats (R18)."""
    fields = {"idempotency_key": "turn-17"}
    id_ = accepted(database, [fields]).accepted[0].intent.notification_id
    [entry] = send_intents(redis_client, **fields)

    result = look(entry)

    assert result.entry is not None
    assert (result.entry.state, result.entry.notification_id) == (EntryState.WAITING, id_)
    assert "repeats notification" in result.entry.sentences[1]
    assert found(result) == [id_]


def test_an_entry_that_waits_is_told_before_anything_is_recorded(look: Look, redis_client: redis.Redis) -> None:
    """An intent that no intake has read is found on the stream, with the id that it will have (R1)."""
    [entry] = send_intents(redis_client, idempotency_key="turn-18")

    result = look(entry)

    assert result.entry is not None
    assert result.entry.state is EntryState.WAITING
    assert result.entry.notification_id == intent(idempotency_key="turn-18").notification_id
    assert found(result) == []


def test_a_malformed_entry_is_told_by_what_was_recorded(database: Database, look: Look) -> None:
    """A conflict stands in malformed_intents, long after its entry was trimmed (R18, R19)."""
    accept(
        database,
        INTENTS,
        [incoming("1-0", idempotency_key="k"), incoming("2-0", idempotency_key="k", payload_json={})],
        [],
    )

    result = look("2-0")

    assert result.entry is not None
    assert result.entry.state is EntryState.MALFORMED
    assert "idempotency_conflict" in result.entry.sentences[0]


def test_another_stream_s_malformed_entry_of_the_same_id_is_not_meant(database: Database, look: Look) -> None:
    """Entry ids are a stream's own: an entry of another one is not told."""
    accept(database, "other", [incoming("1-0", idempotency_key="k")], [])
    accept(database, "other", [incoming("2-0", idempotency_key="k", payload_json={})], [])

    assert look("2-0").entry is None


def test_partitions_may_each_have_an_entry_of_one_id(database: Database, redis_client: redis.Redis) -> None:
    """One was accepted, and the other waits: both are told, each by its partition, and that one waits."""
    parts = [f"{INTENTS}:{{0}}", f"{INTENTS}:{{1}}"]
    accepted(database, [{"idempotency_key": "one"}])
    for part, key in zip(parts, ("one", "another"), strict=True):
        redis_client.xadd(part, intent_fields(idempotency_key=key), id="0-1")
        redis_client.xgroup_create(part, GROUP, id="0")
    intents = IntentsStream(lambda: StreamServers(redis_client), parts, GROUP, CHANNELS)

    outcome, _ = entry_outcome(database, intents, "0-1")

    assert outcome is not None
    assert outcome.state is EntryState.WAITING
    said = [str(sentence) for sentence in outcome.sentences]
    assert said.index(f"On {parts[0]}:") < said.index(f"On {parts[1]}:")
    assert any("Accepted as notification" in sentence for sentence in said)


def test_a_pruned_notification_is_told_as_pruned(database: Database, look: Look, id_: str) -> None:
    """Of a pruned notification its id, and its key with its producer, still say that there was one (R18)."""
    execute(
        database,
        "INSERT INTO pruned_notifications SELECT notification_id, request_fingerprint, now() FROM notifications",
    )
    execute(database, "DELETE FROM routes")
    execute(database, "DELETE FROM notifications")

    for result in (look(id_), look("turn-17", "game-service")):
        assert found(result) == []
        assert [p.notification_id for p in result.pruned] == [id_]


def test_an_entry_accepted_by_an_older_release_is_not_claimed_to_be_a_repetition(
    database: Database, look: Look, redis_client: redis.Redis
) -> None:
    """Where the entry id was not kept, an acknowledged entry is the intent or repeats it."""
    [entry] = send_intents(redis_client, idempotency_key="turn-17")
    redis_client.xgroup_create(INTENTS, GROUP, id="$")
    accepted(database, [{"idempotency_key": "turn-17"}])
    execute(database, "UPDATE notifications SET intent_entry_id = NULL")

    verdict = look(entry).entry

    assert verdict is not None
    assert verdict.state is EntryState.REPETITION
    assert "or repeats it" in verdict.sentences[0]


@pytest.mark.parametrize("unknown", ["turn-18", "1773480413589-0", "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11", "", "a/b"])
def test_an_id_that_nothing_has_is_not_found(look: Look, id_: str, unknown: str) -> None:
    """What nothing has leads nowhere."""
    nowhere = look(unknown)

    assert (nowhere.entry, found(nowhere), list(nowhere.pruned)) == (None, [], [])


def test_without_redis_the_database_still_tells(database: Database, id_: str) -> None:
    """With Redis away what PostgreSQL knows is told, and why the rest is not; what it does not know is no absence."""
    with open_redis("redis://127.0.0.1:1", timeout=timedelta(seconds=1), client_name="test") as client:
        stream = IntentsStream(lambda: StreamServers(client), [INTENTS], GROUP, CHANNELS)

        result = looked_up(database, stream, "0-1")

        assert found(result) == [id_]
        assert isinstance(result.unread, RedisUnavailable)
        assert found(looked_up(database, stream, "turn-17")) == [id_]
        assert isinstance(resolve(database, stream, "9-9").unread, RedisUnavailable)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("1773480413589-0", True),
        ("0-1", True),
        ("18446744073709551615-18446744073709551615", True),
        ("18446744073709551616-0", False),
        ("1773480413589", False),
        ("1-", False),
        ("-1", False),
        ("1-2-3", False),
        ("１-２", False),
        (" 1-2", False),
        ("1-2\n", False),
        ("9" * 5000 + "-0", False),
    ],
)
def test_an_entry_id_is_two_numbers_of_64_bits(text: str, is_one: bool) -> None:
    """Only what Redis takes as an id is asked of it."""
    assert is_entry_id(text) is is_one


def test_the_newest_of_many_are_found(database: Database, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that more producers use than are shown is cut to the newest."""
    monkeypatch.setattr("storage.ids.named.MATCHES", 2)
    intents: list[dict[str, Any]] = [{"producer": str(n), "idempotency_key": "k"} for n in range(4)]
    accepted(database, intents)
    execute(database, "UPDATE notifications SET accepted_at = now() + producer::int * interval '1 minute'")

    assert [n.producer for n in look("k").notifications] == ["3", "2"]
    assert rows(database, "SELECT count(*) FROM notifications") == [{"count": 4}]
