"""What a consumer has read and not acknowledged: it is acknowledged, or found again as its own (R19, R20)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from publisher.streams.intents import IntentsGroup
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries, ids_of

AT_ONCE = timedelta(0)
SHORTLY = timedelta(milliseconds=20)
Consumers = Callable[[str], IntentsGroup]


def pending(client: redis.Redis) -> list[tuple[str, str, int]]:
    """Id, consumer and delivery count of every entry that was read and not acknowledged."""
    return [
        (p["message_id"].decode(), p["consumer"].decode(), p["times_delivered"])
        for p in client.xpending_range(INTENTS, GROUP, "-", "+", 1000)
    ]


@pytest.mark.parametrize("forgets_scripts", [False, True])
def test_entries_are_acknowledged_with_the_next_reading(
    group: IntentsGroup, redis_client: redis.Redis, forgets_scripts: bool
) -> None:
    """What is done is acknowledged by the reading that follows, also where nothing is left to read, and where Redis has
    forgotten the scripts meanwhile (R20)."""
    added = add_entries(redis_client, 3)
    first = ids_of(group.read(2, SHORTLY))
    if forgets_scripts:
        redis_client.script_flush()

    group.acknowledge_later(first)
    assert [id_ for id_, *_ in pending(redis_client)] == first
    assert ids_of(group.read(2, SHORTLY)) == added[2:]
    assert [entry.id for entry in group.recover_own(10).entries] == added[2:]
    group.acknowledge_later(added[2:])
    assert group.read(2, SHORTLY) == []
    assert pending(redis_client) == []


def test_entries_that_were_not_acknowledged_after_all_come_again(
    group: IntentsGroup, redis_client: redis.Redis
) -> None:
    """A consumer that begins anew forgets what it was to acknowledge: that is pending, and comes again (R20)."""
    added = add_entries(redis_client, 1)
    group.acknowledge_later(ids_of(group.read(1, SHORTLY)))

    group.create()

    assert group.read(1, SHORTLY) == []
    assert [entry.id for entry in group.recover_own(10).entries] == added


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
    assert ids_of(group.recover_own(10).entries) == added


def test_the_own_list_is_recovered_batch_by_batch(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Recovery says whether more may be left, until what is acknowledged leaves nothing (R20)."""
    added = add_entries(redis_client, 5)
    group.read(10, SHORTLY)
    seen = []
    more = True

    while more:
        recovered = group.recover_own(2)
        seen += ids_of(recovered.entries)
        group.acknowledge(ids_of(recovered.entries))
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

    assert [entry.deliveries for entry in two.recover_others(20, AT_ONCE).entries] == [2, 2]
    assert [entry.deliveries for entry in two.recover_own(10).entries] == [2, 2]


def test_trimmed_entries_of_ones_own_are_named(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """An entry that was trimmed off the stream unacknowledged is reported as lost, the others recovered (R19)."""
    added = add_entries(redis_client, 3)
    group.read(10, SHORTLY)
    redis_client.xdel(INTENTS, added[1])

    recovered = group.recover_own(10)

    assert ids_of(recovered.entries) == [added[0], added[2]]
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
    assert ids_of(group.recover_own(2).entries) == added[2:]
