"""Entries deleted once they are done are no loss, in whatever order; those trimmed before the first reading are."""

from collections.abc import Callable

import redis

from publisher.domain.loss import LossCause
from publisher.streams.intents import IntentsGroup
from tests.factories import INTENTS
from tests.integration.intake.test_intents_losses import gaps, read
from tests.integration.stream_entries import add_entries


def entries_read(client: redis.Redis) -> object:
    return client.xinfo_groups(INTENTS)[0]["entries-read"]


def test_entries_deleted_once_they_are_done_are_no_loss(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Somebody deletes what intake has done with, the latest first: Redis may lose count, and nothing is lost."""
    add_entries(redis_client, 1)
    *older, latest = read(group) + (add_entries(redis_client, 3) and read(group))
    redis_client.xdel(INTENTS, latest)
    add_entries(redis_client, 5)
    done = read(group, 2)
    read(group, 1)
    redis_client.xtrim(INTENTS, minid=redis_client.xrange(INTENTS)[-2][0], approximate=False)
    redis_client.xdel(INTENTS, *older, *done)

    read(group)

    assert gaps(redis_client) == []


def test_a_gap_is_counted_to_the_entry_where_redis_lost_count(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Valkey does so when a group reads past an entry that was deleted by its id; Redis 7.0 keeps count."""
    add_entries(redis_client, 4)
    latest = read(group)[-1]
    redis_client.xdel(INTENTS, latest)
    add_entries(redis_client, 4)
    read(group, 2)
    read(group, 1)
    add_entries(redis_client, 6)
    redis_client.xtrim(INTENTS, maxlen=2, approximate=False)

    read(group)

    assert [entries for *_, entries in gaps(redis_client)] == [5]


def test_what_is_trimmed_before_anything_was_given_is_lost(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """The group waits for its first intents: those that are cut off before intake comes back are counted, too."""
    assert read(group) == []
    ids = add_entries(redis_client, 9)
    redis_client.xtrim(INTENTS, maxlen=2, approximate=False)

    assert read(group) == ids[-2:]

    assert gaps(redis_client) == [(LossCause.TRIMMED, "0-0", ids[-2], 7)]


def test_a_group_that_begins_later_misses_nothing(
    consumer: Callable[[str], IntentsGroup], redis_client: redis.Redis
) -> None:
    """What was trimmed before there was a group is no loss: it was nobody's."""
    add_entries(redis_client, 9)
    redis_client.xtrim(INTENTS, maxlen=2, approximate=False)
    late = consumer("one")
    late.create()

    assert len(read(late)) == 2
    read(late)

    assert gaps(redis_client) == []


def test_a_count_that_a_restart_made_wrong_is_put_right(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Redis 7.0 forgets in a restart how much a group was given: what is done and then removed is no loss (R19)."""
    add_entries(redis_client, 10)
    last = read(group)[-1]
    redis_client.execute_command("XGROUP", "SETID", INTENTS, "notification-publisher", last, "ENTRIESREAD", 0)
    assert read(group) == []
    assert entries_read(redis_client) == 10
    redis_client.xtrim(INTENTS, maxlen=0, approximate=False)
    add_entries(redis_client, 10)

    read(group)

    assert gaps(redis_client) == []
