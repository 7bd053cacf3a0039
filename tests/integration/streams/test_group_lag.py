"""How much a group has not read: what stands behind its last delivered entry, whatever Redis believes (R27)."""

from datetime import timedelta

import pytest
import redis

from publisher.streams import group_reading, unread
from publisher.streams.group_reading import stream_groups
from publisher.streams.groups import Group
from publisher.streams.unread import Counted, Limit, count_before, count_behind
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries

UNLIMITED = Limit(1_000_000)


def state(client: redis.Redis, group: str = GROUP) -> Group:
    """What `status` shows, which is what `doctor` shows."""
    return stream_groups(client, INTENTS).state(group)


def waiting(client: redis.Redis) -> int:
    """The exact number of unread entries."""
    group = state(client)
    assert not group.is_bound
    assert (group.oldest_unread is None) == (group.unread == 0)
    return group.unread


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


def test_a_stream_that_is_wholly_unread_is_as_long_as_it_is(
    redis_client: redis.Redis, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Redis cannot tell the lag, and where more was trimmed away: the length is exact without counting."""
    monkeypatch.setattr(group_reading, "COUNTED", 3)
    redis_client.xtrim(INTENTS, maxlen=8, approximate=False)
    believe(redis_client, ids[2], None)

    assert waiting(redis_client) == 8


def test_what_redis_cannot_tell_is_counted(redis_client: redis.Redis, ids: list[str]) -> None:
    """After XDEL of an entry ahead Redis knows no lag; the entries are counted one by one, and the number is exact."""
    redis_client.xdel(INTENTS, ids[10])
    assert redis_client.xinfo_groups(INTENTS)[0]["lag"] is None

    assert waiting(redis_client) == 14


def test_counting_ends_at_its_limit(redis_client: redis.Redis, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A look has no time for a million entries: the number is then a bound, and says so."""
    redis_client.xdel(INTENTS, ids[10])
    monkeypatch.setattr(group_reading, "COUNTED", 6)

    group = state(redis_client)

    assert (group.unread, group.is_bound) == (6, True)
    assert group.oldest_unread is not None


def test_counting_ends_when_its_time_is_up(
    redis_client: redis.Redis, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow server is not waited for page by page (R35)."""
    redis_client.xdel(INTENTS, ids[10])
    monkeypatch.setattr(group_reading, "PATIENCE", timedelta(seconds=-1))

    assert (state(redis_client).unread, state(redis_client).is_bound) == (0, True)


def test_many_groups_are_counted_in_one_walk(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group's number is its own, and no entry is counted twice."""
    monkeypatch.setattr(unread, "_PAGE", 3)
    ids = [id_.encode() for id_ in add_entries(redis_client, 20)]
    redis_client.config_resetstat()

    counts = count_behind(redis_client, INTENTS, [ids[2], ids[16], ids[9], ids[16], b"0-0", ids[19]], UNLIMITED)

    assert {id_: counted.count for id_, counted in counts.items()} == {
        ids[19]: 0,
        ids[16]: 3,
        ids[9]: 10,
        ids[2]: 17,
        b"0-0": 20,
    }
    assert not any(counted.is_bound for counted in counts.values())
    # A page of three each: as many as a walk of one group takes, and one more for each group.
    assert redis_client.info("commandstats")["cmdstat_xrange"]["calls"] <= 20 // 3 + 1 + 5
    limited = count_behind(redis_client, INTENTS, [ids[2], ids[16], ids[9]], Limit(10))
    assert limited == {ids[16]: Counted(3), ids[9]: Counted(10, True), ids[2]: Counted(10, True)}


def test_entries_before_others_are_counted_in_one_walk(redis_client: redis.Redis) -> None:
    """What stands between a group and each of these entries, neither included; a bound from the limit on."""
    ids = [id_.encode() for id_ in add_entries(redis_client, 20)]
    asked = [ids[19], ids[3], ids[4], ids[10]]

    counts = count_before(redis_client, INTENTS, ids[2], asked, UNLIMITED)

    assert [counts[id_].count for id_ in asked] == [16, 0, 1, 7]
    bounded = count_before(redis_client, INTENTS, ids[2], asked, Limit(5))
    assert [(bounded[id_].count, bounded[id_].is_bound) for id_ in asked] == [
        (5, True),
        (0, False),
        (1, False),
        (5, True),
    ]


def test_an_empty_stream_has_nothing_waiting(redis_client: redis.Redis, ids: list[str]) -> None:
    """Trimmed to nothing, read or not: nobody will get anything of it."""
    redis_client.xtrim(INTENTS, maxlen=0, approximate=False)

    assert waiting(redis_client) == 0


def test_the_oldest_entry_is_the_first_that_is_not_acknowledged(redis_client: redis.Redis) -> None:
    """Read or unread, with or without the group: since then an intent has waited."""
    now = redis_client.time()[0] * 1000
    ids = [redis_client.xadd(INTENTS, {"n": 1}, id=f"{now - hours * 3_600_000}-0") for hours in (9, 5, 2)]
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=2)

    def hours() -> int | None:
        oldest = state(redis_client).oldest
        return None if oldest is None else oldest // timedelta(hours=1)

    assert hours() == 9
    redis_client.xack(INTENTS, GROUP, ids[0])
    assert hours() == 5
    redis_client.xack(INTENTS, GROUP, ids[1])
    assert hours() == 2
    redis_client.xgroup_destroy(INTENTS, GROUP)
    assert hours() == 9
    redis_client.delete(INTENTS)
    assert hours() is None
