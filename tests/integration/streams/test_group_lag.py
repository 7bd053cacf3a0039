"""How many intents wait: what stands behind the group's last delivered entry, whatever Redis believes of the past."""

from datetime import datetime

import pytest
import redis

from publisher.domain.entry_ids import sent_at
from publisher.streams.groups import group_state
from publisher.streams.health import read_group
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries


def waiting(client: redis.Redis) -> int | None:
    """What `status` shows, which is what `doctor` shows."""
    state, found = group_state(client, INTENTS, GROUP), read_group(client, INTENTS, GROUP)
    assert found is not None
    assert found.lag == state.lag
    assert (found.oldest_unread is None) == (state.lag == 0)
    assert (state.oldest_at is None) == (state.lag == 0 and not state.pending)
    return state.lag


@pytest.fixture
def ids(redis_client: redis.Redis) -> list[str]:
    """Twenty entries, of which the group was given five."""
    added = add_entries(redis_client, 20)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=5)
    return added


def believe(client: redis.Redis, entry_id: str, read: int | None) -> None:
    """Redis believes that the group stands at this entry, and was given so many."""
    client.xgroup_setid(INTENTS, GROUP, entry_id, entries_read=read)


def test_what_was_not_given_out_waits(redis_client: redis.Redis, ids: list[str]) -> None:
    """Where Redis counts right, that is what is shown."""
    assert waiting(redis_client) == 15


def test_at_the_streams_end_nothing_waits(redis_client: redis.Redis, ids: list[str]) -> None:
    """Redis goes on counting entries that were trimmed away: 160,263 were shown for ever."""
    believe(redis_client, ids[-1], 3)
    assert redis_client.xinfo_groups(INTENTS)[0]["lag"] == 17

    assert waiting(redis_client) == 0


def test_no_more_waits_than_the_stream_has(redis_client: redis.Redis, ids: list[str]) -> None:
    """Behind a gap, what Redis counts too much is cut to what is there."""
    redis_client.xtrim(INTENTS, maxlen=10, approximate=False)
    believe(redis_client, ids[-6], 1)
    assert redis_client.xinfo_groups(INTENTS)[0]["lag"] == 19

    assert waiting(redis_client) == 10


def test_a_stream_that_is_wholly_unread_is_counted(redis_client: redis.Redis, ids: list[str]) -> None:
    """Also where Redis cannot tell the lag, and where more was trimmed away."""
    redis_client.xtrim(INTENTS, maxlen=8, approximate=False)
    believe(redis_client, ids[2], None)

    assert waiting(redis_client) == 8


def test_what_nobody_can_count_is_unknown(redis_client: redis.Redis, ids: list[str]) -> None:
    """A deleted entry ahead: Redis does not know, and nor do we."""
    redis_client.xdel(INTENTS, ids[10])

    assert waiting(redis_client) is None


def test_an_empty_stream_has_nothing_waiting(redis_client: redis.Redis, ids: list[str]) -> None:
    """Trimmed to nothing, read or not: nobody will get anything of it."""
    redis_client.xtrim(INTENTS, maxlen=0, approximate=False)

    assert waiting(redis_client) == 0


def test_the_oldest_entry_is_the_first_that_is_not_acknowledged(redis_client: redis.Redis, ids: list[str]) -> None:
    """Read or unread, with or without the group: since then an intent has waited."""

    def oldest() -> datetime | None:
        return group_state(redis_client, INTENTS, GROUP).oldest_at

    assert oldest() == sent_at(ids[0])
    redis_client.xack(INTENTS, GROUP, *ids[:5])
    assert oldest() == sent_at(ids[5])
    redis_client.xgroup_destroy(INTENTS, GROUP)
    assert oldest() == sent_at(ids[0])
    redis_client.delete(INTENTS)
    assert oldest() is None
