"""Looking an entry of the intents stream up, and how it stands with the group (R20)."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.consumer_group import Entry
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.connection import open_redis
from publisher.streams.standing import Standing, find_entry
from publisher.streams.unread import Counted
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries, pending_ids

Find = Callable[[str], tuple[Entry, Standing] | None]
Consumer = Callable[[str], IntentsGroup]
BLOCK = timedelta(milliseconds=50)


@pytest.fixture
def find(redis_url: str) -> Iterator[Find]:
    """Looks an entry up with a client of its own."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        yield lambda entry_id: find_entry(client, INTENTS, GROUP, entry_id)


def standing(found: tuple[Entry, Standing] | None) -> Standing:
    assert found is not None
    return found[1]


def test_an_entry_that_nobody_read_waits(find: Find, redis_client: redis.Redis, consumer: Consumer) -> None:
    """An entry behind the last one that the group was given is unread, its neighbour in front of it is not."""
    group = consumer("one")
    group.create()
    first, second = add_entries(redis_client, 2)
    group.acknowledge([entry.id for entry in group.read(1, BLOCK)])

    assert standing(find(first)) == Standing(is_read=True)
    assert standing(find(second)) == Standing(is_read=False, before=Counted(0))


def test_without_a_group_everything_waits(find: Find, redis_client: redis.Redis) -> None:
    """Before the first intake ever started there is no group: the entry waits."""
    [entry] = add_entries(redis_client, 1)

    assert standing(find(entry)) == Standing(is_read=False)


def test_a_pending_entry_names_its_holder(find: Find, redis_client: redis.Redis, consumer: Consumer) -> None:
    """An entry that was read and not acknowledged is with its consumer, for so long, given out so often (R20)."""
    group, heir = consumer("one"), consumer("two")
    group.create()
    [entry] = add_entries(redis_client, 1)
    group.read(1, BLOCK)

    held = standing(find(entry))
    assert (held.consumer, held.deliveries, held.is_acknowledged) == ("one", 1, False)
    assert timedelta(0) <= held.idle < timedelta(minutes=1)

    heir.recover_others(1, timedelta(0))
    assert (standing(find(entry)).consumer, standing(find(entry)).deliveries) == ("two", 2)


def test_a_look_changes_nothing(find: Find, redis_client: redis.Redis, consumer: Consumer) -> None:
    """Looking counts no delivery, takes nothing over and reads nothing."""
    group = consumer("one")
    group.create()
    held, unread = add_entries(redis_client, 2)
    group.read(1, BLOCK)
    before = redis_client.xpending_range(INTENTS, GROUP, "-", "+", 10)[0]

    for entry in (held, unread, held):
        find(entry)

    after = redis_client.xpending_range(INTENTS, GROUP, "-", "+", 10)[0]
    assert pending_ids(redis_client) == [held]
    assert (after["consumer"], after["times_delivered"]) == (before["consumer"], before["times_delivered"])


def test_the_order_of_ids_is_that_of_their_numbers(find: Find, redis_client: redis.Redis, consumer: Consumer) -> None:
    """10-0 comes after 9-0, and 9-10 after 9-9: ids are compared as numbers, not as text."""
    group = consumer("one")
    group.create()
    for entry_id in ("9-9", "9-10", "10-0"):
        redis_client.xadd(INTENTS, {"n": 1}, id=entry_id)
    group.acknowledge([entry.id for entry in group.read(1, BLOCK)])

    assert [standing(find(i)).is_read for i in ("9-9", "9-10", "10-0")] == [True, False, False]


def test_fields_are_had_as_they_stand(find: Find, redis_client: redis.Redis) -> None:
    """Bytes that are no text, and a name that is given twice, come out whole (R19)."""
    entry = redis_client.execute_command("XADD", INTENTS, "*", "a", b"\xff", "a", "2").decode()

    found = find(entry)

    assert found is not None
    assert found[0].fields == ((b"a", b"\xff"), (b"a", b"2"))


def test_what_is_not_on_the_stream_is_none(find: Find, redis_client: redis.Redis) -> None:
    """A trimmed entry, an id that never was, a stream that is not there: none."""
    assert find("1-1") is None
    [entry] = add_entries(redis_client, 1)
    redis_client.xtrim(INTENTS, maxlen=0, approximate=False)
    assert find(entry) is None
    assert find("18446744073709551615-18446744073709551615") is None


def test_a_stream_that_is_none_is_refused(find: Find, redis_client: redis.Redis) -> None:
    """A key of another type under the stream's name is an error, not an absence."""
    redis_client.set(INTENTS, "x")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        find("1-1")
