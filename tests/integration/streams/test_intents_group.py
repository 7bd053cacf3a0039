"""The consumer group on the intents stream: read, recover, acknowledge (R19, R20)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.consumer_group import Entry
from publisher.streams.intents import IntentsGroup
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries

AT_ONCE = timedelta(0)
SHORTLY = timedelta(milliseconds=20)
Consumers = Callable[[str], IntentsGroup]


@pytest.fixture
def group(consumer: Consumers) -> IntentsGroup:
    """The consumer `one` of a group that exists."""
    group = consumer("one")
    group.create()
    return group


def pending(client: redis.Redis) -> list[tuple[str, str, int]]:
    """Id, consumer and delivery count of every entry that was read and not acknowledged."""
    return [
        (p["message_id"].decode(), p["consumer"].decode(), p["times_delivered"])
        for p in client.xpending_range(INTENTS, GROUP, "-", "+", 1000)
    ]


def ids(entries: Any) -> list[str]:
    return [entry.id for entry in entries]


def test_a_group_reads_from_the_streams_beginning(consumer: Consumers, redis_client: redis.Redis) -> None:
    """What stood on the stream before the group was made is read too (R20)."""
    added = add_entries(redis_client, 3)
    group = consumer("one")
    group.create()

    assert ids(group.read(10, SHORTLY)) == added


@pytest.mark.parametrize("forgets_scripts", [False, True])
def test_entries_are_acknowledged_with_the_next_reading(
    group: IntentsGroup, redis_client: redis.Redis, forgets_scripts: bool
) -> None:
    """What is done is acknowledged by the reading that follows, also where nothing is left to read, and where Redis has
    forgotten the scripts meanwhile (R20)."""
    added = add_entries(redis_client, 3)
    first = ids(group.read(2, SHORTLY))
    if forgets_scripts:
        redis_client.script_flush()

    group.acknowledge_later(first)
    assert [id_ for id_, *_ in pending(redis_client)] == first
    assert ids(group.read(2, SHORTLY)) == added[2:]
    assert [entry.id for entry in group.recover_own(10).entries] == added[2:]
    group.acknowledge_later(added[2:])
    assert group.read(2, SHORTLY) == []
    assert pending(redis_client) == []


def test_entries_that_were_not_acknowledged_after_all_come_again(
    group: IntentsGroup, redis_client: redis.Redis
) -> None:
    """A consumer that begins anew forgets what it was to acknowledge: that is pending, and comes again (R20)."""
    added = add_entries(redis_client, 1)
    group.acknowledge_later(ids(group.read(1, SHORTLY)))

    group.create()

    assert group.read(1, SHORTLY) == []
    assert [entry.id for entry in group.recover_own(10).entries] == added


def test_making_a_group_twice_keeps_its_place(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Making a group that exists changes nothing: what was acknowledged is not read again (R15)."""
    add_entries(redis_client, 2)
    group.acknowledge(ids(group.read(10, SHORTLY)))

    group.create()

    assert group.read(10, SHORTLY) == []


def test_a_wait_after_a_vain_one_is_one_command(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """While nothing comes, each wait costs Redis one command, and what then comes is read at once."""
    assert group.read(10, SHORTLY) == []
    before = redis_client.info("commandstats")["cmdstat_xreadgroup"]["calls"]

    assert [group.read(10, SHORTLY) for _ in range(3)] == [[]] * 3
    assert redis_client.info("commandstats")["cmdstat_xreadgroup"]["calls"] == before
    added = add_entries(redis_client, 2)

    assert ids(group.read(10, SHORTLY)) == added


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

    assert ids(group.read(10, SHORTLY)) == added


def test_reading_waits_no_longer_than_asked(group: IntentsGroup) -> None:
    """Nothing new within the wait is an empty answer (R20)."""
    assert group.read(10, SHORTLY) == []
    assert group.read(10, AT_ONCE) == []


def test_reading_takes_at_most_a_batch(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """A read takes up to its count, the oldest first, and each entry once (R21)."""
    added = add_entries(redis_client, 5)

    assert ids(group.read(3, SHORTLY)) == added[:3]
    assert ids(group.read(3, SHORTLY)) == added[3:]


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


def test_acknowledged_entries_are_done(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Acknowledging takes entries off the pending list, and may be repeated (R20)."""
    first, second, third = add_entries(redis_client, 3)
    group.read(10, SHORTLY)

    group.acknowledge([first, third])
    group.acknowledge([first, third])
    group.acknowledge([])

    assert [entry_id for entry_id, _, _ in pending(redis_client)] == [second]


def test_another_entry_of_the_same_id_is_not_acknowledged(
    group: IntentsGroup, consumer: Consumers, redis_client: redis.Redis
) -> None:
    """Redis was emptied and the id came again: what another consumer has read since stays with that one (R20)."""
    redis_client.xadd(INTENTS, {"n": "before"}, id="7-0")
    group.read(10, SHORTLY)
    redis_client.flushdb()
    redis_client.xadd(INTENTS, {"n": "since"}, id="7-0")
    other = consumer("two")
    other.create()
    other.read(10, SHORTLY)

    group.acknowledge(["7-0"])

    assert pending(redis_client) == [("7-0", "two", 1)]


def test_entries_of_a_lost_reply_are_in_the_own_list(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """What a read gave out and nobody saw is not read again as new, but is found as one's own (R20)."""
    added = add_entries(redis_client, 2)
    group.read(10, SHORTLY)

    assert group.read(10, SHORTLY) == []
    assert ids(group.recover_own(10).entries) == added


def test_the_own_list_is_recovered_batch_by_batch(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Recovery says whether more may be left, until what is acknowledged leaves nothing (R20)."""
    added = add_entries(redis_client, 5)
    group.read(10, SHORTLY)
    seen = []
    more = True

    while more:
        recovered = group.recover_own(2)
        seen += ids(recovered.entries)
        group.acknowledge(ids(recovered.entries))
        more = recovered.more

    assert seen == added
    assert not group.recover_own(2).entries


def test_delivery_counts_rise_with_each_takeover(consumer: Consumers, redis_client: redis.Redis) -> None:
    """An entry says how many consumers had it; finding one's own again counts nothing (R19)."""
    one, two = consumer("one"), consumer("two")
    one.create()
    add_entries(redis_client, 2)
    one.read(1, SHORTLY)
    one.recover_own(1)
    one.read(1, SHORTLY)

    assert [entry.deliveries for entry in two.recover_others(10, AT_ONCE).entries] == [2, 2]
    assert [entry.deliveries for entry in two.recover_own(10).entries] == [2, 2]


def test_trimmed_entries_of_ones_own_are_named(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """An entry that was trimmed off the stream unacknowledged is reported as lost, the others recovered (R19)."""
    added = add_entries(redis_client, 3)
    group.read(10, SHORTLY)
    redis_client.xdel(INTENTS, added[1])

    recovered = group.recover_own(10)

    assert ids(recovered.entries) == [added[0], added[2]]
    assert recovered.trimmed == [added[1]]
    assert [entry.deliveries for entry in recovered.entries] == [1, 1]


def test_a_batch_of_nothing_but_trimmed_entries_is_not_the_end(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Entries behind trimmed ones are still recovered (R19)."""
    added = add_entries(redis_client, 3)
    group.read(10, SHORTLY)
    redis_client.xdel(INTENTS, added[0], added[1])

    recovered = group.recover_own(2)

    assert (recovered.entries, recovered.trimmed, recovered.more) == ([], added[:2], True)
    group.acknowledge(recovered.trimmed)
    assert ids(group.recover_own(2).entries) == added[2:]


def test_an_entry_is_one_value(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """An entry is its id, its raw fields and its delivery count."""
    entry_id = redis_client.xadd(INTENTS, {"name": "value"}).decode()

    assert group.read(1, SHORTLY) == [Entry(entry_id, ((b"name", b"value"),), 1)]
