"""Taking over what other consumers left behind, and leaving the group without losing anything (R15, R20)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.intents import IntentsGroup
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries, consumers

AT_ONCE = timedelta(0)
HOUR = timedelta(hours=1)
SHORTLY = timedelta(milliseconds=20)
Consumers = Callable[[str], IntentsGroup]


@pytest.fixture
def one(consumer: Consumers) -> IntentsGroup:
    """A consumer of a group that exists."""
    group = consumer("one")
    group.create()
    return group


@pytest.fixture
def two(consumer: Consumers) -> IntentsGroup:
    """Another consumer of that group."""
    return consumer("two")


def age(client: redis.Redis, ids: list[str], idle: timedelta) -> None:
    """Makes consumer `one` look idle on these entries for so long."""
    client.xclaim(INTENTS, GROUP, "one", 0, ids, idle=round(idle.total_seconds() * 1000), justid=True)


def owners(client: redis.Redis) -> dict[str, str]:
    return {
        p["message_id"].decode(): p["consumer"].decode() for p in client.xpending_range(INTENTS, GROUP, "-", "+", 1000)
    }


def recovered_in(group: IntentsGroup, count: int, idle: timedelta, calls: int) -> list[str]:
    """The ids that recovery finds until it says there is no more, within so many calls."""
    seen: list[str] = []
    for _ in range(calls):
        recovered = group.recover_others(count, idle)
        seen += [entry.id for entry in recovered.entries]
        if not recovered.more:
            return seen
    raise AssertionError(f"still more after {calls} calls")


def test_what_a_consumer_left_is_taken_over(one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis) -> None:
    """Entries that their consumer has not acknowledged for long go to whoever looks (R20)."""
    added = add_entries(redis_client, 3)
    one.read(10, SHORTLY)
    age(redis_client, added, HOUR)

    assert recovered_in(two, 80, HOUR, calls=1) == added
    assert set(owners(redis_client).values()) == {"two"}


def test_what_a_consumer_works_on_is_left_to_it(
    one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis
) -> None:
    """Entries that were read just now stay with their consumer (R15)."""
    stale, fresh = add_entries(redis_client, 2)
    one.read(10, SHORTLY)
    age(redis_client, [stale], HOUR)
    age(redis_client, [fresh], HOUR / 2)

    assert recovered_in(two, 10, HOUR, calls=1) == [stale]
    assert owners(redis_client) == {stale: "two", fresh: "one"}


def test_more_than_a_batch_is_taken_over_batch_by_batch(
    one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis
) -> None:
    """However much was left behind, all of it is taken over, each entry once (R20)."""
    added = add_entries(redis_client, 25)
    one.read(25, SHORTLY)
    age(redis_client, added, HOUR)

    assert recovered_in(two, 80, HOUR, calls=3) == added


def test_each_death_makes_the_next_batch_smaller(
    one: IntentsGroup, two: IntentsGroup, consumer: Consumers, redis_client: redis.Redis
) -> None:
    """An entry that kills its readers is alone before a neighbour counts as poison, and what a reader did not have
    counts nothing (R5a, R20)."""
    added = add_entries(redis_client, 128)
    one.read(128, SHORTLY)

    taken = [two.recover_others(128, AT_ONCE).entries]
    for heir in ("three", "four", "five"):
        redis_client.xack(INTENTS, GROUP, *(set(owners(redis_client)) - {entry.id for entry in taken[-1]}))
        taken.append(consumer(heir).recover_others(128, AT_ONCE).entries)

    assert [(len(entries), {entry.deliveries for entry in entries}) for entries in taken] == [
        (16, {2}),
        (2, {3}),
        (1, {4}),
        (1, {5}),
    ]
    assert taken[-1][0].id == added[0]


def test_what_was_given_back_is_taken_over_as_a_whole(
    one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis
) -> None:
    """A restart takes nobody long: entries that count no delivery go to the next consumer in one batch (R17)."""
    added = add_entries(redis_client, 30)
    one.read(30, SHORTLY)
    one.give_back(HOUR)

    recovered = two.recover_others(100, HOUR)

    assert ([entry.id for entry in recovered.entries], recovered.more) == (added, False)
    assert {entry.deliveries for entry in recovered.entries} == {1}


def test_entries_left_behind_are_found_past_those_at_work(
    one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis
) -> None:
    """A long list of entries at work elsewhere hides nothing that was left behind them (R20)."""
    added = add_entries(redis_client, 105)
    one.read(200, SHORTLY)
    age(redis_client, added[-2:], HOUR)

    assert recovered_in(two, 2, HOUR, calls=20) == added[-2:]


def test_each_recovery_looks_at_everything_again(
    one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis
) -> None:
    """What grew old behind one recovery is found by the next (R20)."""
    added = add_entries(redis_client, 50)
    one.read(100, SHORTLY)
    assert recovered_in(two, 2, HOUR, calls=20) == []
    age(redis_client, added[:1], HOUR)

    assert recovered_in(two, 2, HOUR, calls=20) == added[:1]


def test_trimmed_entries_of_others_are_named(one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis) -> None:
    """An entry left behind and trimmed off the stream is reported as lost, once (R19)."""
    added = add_entries(redis_client, 3)
    one.read(10, SHORTLY)
    redis_client.xdel(INTENTS, added[1])

    recovered = two.recover_others(80, AT_ONCE)

    assert [entry.id for entry in recovered.entries] == [added[0], added[2]]
    assert recovered.trimmed == [added[1]]
    assert two.recover_others(10, AT_ONCE).trimmed == []


def test_a_consumer_that_leaves_is_gone(one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis) -> None:
    """A consumer with nothing pending leaves the group, and alone (R17)."""
    for group in (one, two):
        add_entries(redis_client, 1)
        group.acknowledge([entry.id for entry in group.read(10, SHORTLY)])

    one.leave()

    assert consumers(redis_client) == {"two"}


def test_a_consumer_with_pending_entries_stays(one: IntentsGroup, redis_client: redis.Redis) -> None:
    """A consumer that leaves with entries pending stays in the group, and its entries with it (R20)."""
    added = add_entries(redis_client, 2)
    one.read(10, SHORTLY)
    one.acknowledge(added[:1])

    one.leave()

    assert owners(redis_client) == {added[1]: "one"}


def test_a_read_that_arrives_while_its_consumer_leaves_loses_nothing(
    one: IntentsGroup, two: IntentsGroup, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that was given up and comes late, just as its consumer looks whether it may leave, is not thrown
    away: someone takes it over (R15)."""
    (added,) = add_entries(redis_client, 1)
    looking = one._client.execute_command

    def look(*command: object, **options: object) -> object:
        seen = looking(*command, **options)
        if command[0] == "XPENDING":
            redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"})
        return seen

    monkeypatch.setattr(one._client, "execute_command", look)

    one.leave()

    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"})
    assert [entry.id for entry in two.recover_others(10, AT_ONCE).entries] == [added]


def test_leaving_a_lost_group_is_refused(one: IntentsGroup, redis_client: redis.Redis) -> None:
    """A group that is gone cannot be left, and says so (R20)."""
    redis_client.flushdb()

    with pytest.raises(RedisRefused, match="NOGROUP"):
        one.leave()


def test_consumers_of_dead_processes_are_removed(
    one: IntentsGroup, two: IntentsGroup, consumer: Consumers, redis_client: redis.Redis
) -> None:
    """Consumers that have not been seen for long, with nothing pending, are removed, and no others (R15)."""
    with_pending = consumer("with pending")
    add_entries(redis_client, 1)
    with_pending.read(10, SHORTLY)
    # Redis 7.0 knows a consumer from its first entry on.
    for seen in (one, two, consumer("")):
        add_entries(redis_client, 1)
        seen.acknowledge([entry.id for entry in seen.read(10, SHORTLY)])

    assert one.remove_stale(HOUR) == 0
    assert one.remove_stale(AT_ONCE) == 2
    assert consumers(redis_client) == {"one", "with pending"}


def test_removing_consumers_of_a_lost_group_is_refused(one: IntentsGroup, redis_client: redis.Redis) -> None:
    """Where the group is gone there are no consumers to remove, and that is said (R20)."""
    redis_client.xgroup_destroy(INTENTS, GROUP)

    with pytest.raises(RedisRefused, match="NOGROUP"):
        one.remove_stale(AT_ONCE)
