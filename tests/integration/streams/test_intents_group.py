"""The consumer group on the intents stream: making it, and reading from it (R19, R20)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.consumer_group import Entry
from publisher.streams.intents import IntentsGroup
from tests.factories import INTENTS
from tests.integration.stream_entries import add_entries, ids_of

AT_ONCE = timedelta(0)
SHORTLY = timedelta(milliseconds=20)
Consumers = Callable[[str], IntentsGroup]


def test_a_group_reads_from_the_streams_beginning(consumer: Consumers, redis_client: redis.Redis) -> None:
    """What stood on the stream before the group was made is read too (R20)."""
    added = add_entries(redis_client, 3)
    group = consumer("one")
    group.create()

    assert ids_of(group.read(10, SHORTLY)) == added


def test_making_a_group_twice_keeps_its_place(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Making a group that exists changes nothing: what was acknowledged is not read again (R15)."""
    add_entries(redis_client, 2)
    group.acknowledge(ids_of(group.read(10, SHORTLY)))

    group.create()

    assert group.read(10, SHORTLY) == []


def test_a_wait_after_a_vain_one_is_one_command(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """While nothing comes, each wait costs Redis one command, and what then comes is read at once."""
    assert group.read(10, SHORTLY) == []
    before = redis_client.info("commandstats")["cmdstat_xreadgroup"]["calls"]

    assert [group.read(10, SHORTLY) for _ in range(3)] == [[]] * 3
    assert redis_client.info("commandstats")["cmdstat_xreadgroup"]["calls"] == before
    added = add_entries(redis_client, 2)

    assert ids_of(group.read(10, SHORTLY)) == added


def test_a_key_that_is_no_stream_is_refused(consumer: Consumers, redis_client: redis.Redis) -> None:
    """Where the intents key holds something else, making the group says so (R20)."""
    redis_client.set(INTENTS, "x")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        consumer("one").create()


def test_a_lost_group_is_said_and_made_again(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """After a loss of data reading is refused with NOGROUP, and works once the group is made again (R20)."""
    redis_client.flushdb()
    with pytest.raises(RedisRefused, match="NOGROUP"):
        group.read(10, SHORTLY)

    group.create()
    added = add_entries(redis_client, 1)

    assert ids_of(group.read(10, SHORTLY)) == added


def test_reading_waits_no_longer_than_asked(group: IntentsGroup) -> None:
    """Nothing new within the wait is an empty answer (R20)."""
    assert group.read(10, SHORTLY) == []
    assert group.read(10, AT_ONCE) == []


def test_reading_takes_at_most_a_batch(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """A read takes up to its count, the oldest first, and each entry once (R21)."""
    added = add_entries(redis_client, 5)

    assert ids_of(group.read(3, SHORTLY)) == added[:3]
    assert ids_of(group.read(3, SHORTLY)) == added[3:]


def test_an_entry_read_the_first_time_says_so(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """The delivery count of a new entry is one (R19)."""
    add_entries(redis_client, 1)

    assert [entry.deliveries for entry in group.read(1, SHORTLY)] == [1]


@pytest.mark.parametrize(
    "fields",
    [
        ((b"a", b"1"), (b"a", b"2"), (b"b", b""), (b"a", b"1")),
        ((b"\xff\xfe", b"\x80\x00\xc3("),),
        ((b"", b""),),
        tuple((b"f%d" % n, b"x" * 1000) for n in range(500)),
    ],
    ids=["repeated", "not UTF-8", "empty", "many"],
)
@pytest.mark.parametrize("way", ["read", "own", "others"])
def test_fields_are_kept_as_they_are(
    fields: tuple[tuple[bytes, bytes], ...], way: str, consumer: Consumers, redis_client: redis.Redis
) -> None:
    """Whatever bytes an entry holds, repeated fields too, are kept in their order on every way (R19)."""
    group = consumer("one")
    group.create()
    entry_id = redis_client.execute_command("XADD", INTENTS, "*", *(part for pair in fields for part in pair)).decode()

    entries: Any = group.read(10, SHORTLY)
    if way == "own":
        entries = group.recover_own(10).entries
    if way == "others":
        entries = consumer("two").recover_others(10, AT_ONCE).entries

    assert [(entry.id, entry.fields) for entry in entries] == [(entry_id, fields)]


def test_an_entry_is_one_value(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """An entry is its id, its raw fields and its delivery count."""
    entry_id = redis_client.xadd(INTENTS, {"name": "value"}).decode()

    assert group.read(1, SHORTLY) == [Entry(entry_id, ((b"name", b"value"),), 1)]
