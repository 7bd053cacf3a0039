"""How every group of a stream stands with single entries, on a real server (R27)."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused
from publisher.streams import standing
from publisher.streams.servers.connection import open_redis
from publisher.streams.standing import EntryStanding, Place, Standing, find_entries
from publisher.streams.unread import Counted, Limit
from tests.integration.conftest import AsUser

MAIL = "mail:delivery_commands"
UNLIMITED = Limit(10_000)
Find = Callable[..., Mapping[str, EntryStanding]]


@pytest.fixture
def find(redis_url: str) -> Iterator[Find]:
    """Finds entries with a client of its own."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        yield lambda *ids, limit=UNLIMITED: find_entries(client, MAIL, ids, limit)


@pytest.fixture
def ids(redis_client: redis.Redis) -> list[str]:
    """Ten entries, of which `mail` has read six and acknowledged four, and `audit` none."""
    added = [redis_client.xadd(MAIL, {"n": n}, id=f"{100 + n}-0").decode() for n in range(10)]
    redis_client.xgroup_create(MAIL, "mail", "0")
    redis_client.xgroup_create(MAIL, "audit", "0")
    redis_client.xreadgroup("mail", "mail-1", {MAIL: ">"}, count=6)
    redis_client.xack(MAIL, "mail", *added[:4])
    return added


def test_each_group_stands_by_itself_with_each_entry(find: Find, ids: list[str]) -> None:
    """Acknowledged, pending with a consumer, or unread behind so many others."""
    found = find(ids[9], ids[0], ids[5], ids[6])

    assert {each.place for each in found.values()} == {Place.ON_STREAM}
    assert {id_: each.groups["audit"] for id_, each in found.items()} == {
        ids[n]: Standing(is_read=False, before=Counted(n)) for n in (0, 5, 6, 9)
    }
    assert found[ids[0]].groups["mail"] == Standing(is_read=True)
    held = found[ids[5]].groups["mail"]
    assert (held.is_read, held.consumer, held.deliveries, held.before) == (True, "mail-1", 1, None)
    assert timedelta(0) <= held.idle < timedelta(minutes=1)
    assert found[ids[6]].groups["mail"] == Standing(is_read=False, before=Counted(0))
    assert found[ids[9]].groups["mail"] == Standing(is_read=False, before=Counted(3))
    entry = found[ids[9]].entry
    assert entry is not None
    assert entry.fields == ((b"n", b"9"),)


def test_counting_what_is_before_ends_at_its_limit(find: Find, ids: list[str]) -> None:
    """More than that is a bound."""
    found = find(ids[2], ids[9], limit=Limit(4))

    assert found[ids[2]].groups["audit"].before == Counted(2)
    assert found[ids[9]].groups["audit"].before == Counted(4, is_bound=True)


def test_an_entry_that_was_trimmed_is_told_from_one_that_was_deleted(
    find: Find, redis_client: redis.Redis, ids: list[str]
) -> None:
    """Nothing before a trimmed one is left; what a group holds, or had read, is known of both."""
    redis_client.xtrim(MAIL, minid=ids[2], approximate=False)
    redis_client.xdel(MAIL, ids[4], ids[7])

    found = find(ids[1], ids[4], ids[7])

    assert [found[id_].place for id_ in (ids[1], ids[4], ids[7])] == [Place.TRIMMED, Place.DELETED, Place.DELETED]
    assert all(each.entry is None for each in found.values())
    assert found[ids[1]].groups["mail"].is_acknowledged
    assert found[ids[4]].groups["mail"].consumer == "mail-1"
    assert not found[ids[7]].groups["mail"].is_read


def test_a_stream_that_was_trimmed_to_nothing_has_trimmed_its_entries(
    find: Find, redis_client: redis.Redis, ids: list[str]
) -> None:
    """The stream remembers the last id that it gave."""
    redis_client.xtrim(MAIL, maxlen=0, approximate=False)

    assert find(ids[9])[ids[9]].place is Place.TRIMMED


def test_an_entry_beyond_the_streams_end_was_lost(find: Find, redis_client: redis.Redis, ids: list[str]) -> None:
    """A Redis that lost its data, or a stream that was made anew, has not come to that id."""
    redis_client.delete(MAIL)
    assert find(ids[9])[ids[9]] == EntryStanding(Place.NO_STREAM)

    redis_client.xadd(MAIL, {"n": 1}, id="50-0")
    assert find(ids[9])[ids[9]].place is Place.BEYOND


def test_without_a_group_no_one_stands(find: Find, redis_client: redis.Redis) -> None:
    """The entry is there, and nobody is known to read it."""
    redis_client.xadd(MAIL, {"n": 1}, id="50-0")

    assert find("50-0")["50-0"].groups == {}


def test_a_stream_of_another_type_is_refused(find: Find, redis_client: redis.Redis) -> None:
    """A key of another type is an error, not an absence."""
    redis_client.set(MAIL, "x")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        find("1-1")
    redis_client.delete(MAIL)


def test_a_user_who_may_not_look_is_refused(as_user: AsUser, own_client: redis.Redis) -> None:
    """That is not told as an entry that is gone."""
    own_client.xadd(MAIL, {"n": 1}, id="50-0")
    own_client.xgroup_create(MAIL, "mail", "50-0")

    for rule in ("-xinfo|stream", "-xinfo|groups", "-xrange", "-xpending"):
        with pytest.raises(RedisRefused, match="NOPERM"):
            find_entries(as_user("~*", "+@all", rule), MAIL, ["50-0"], UNLIMITED)


def test_a_group_that_goes_meanwhile_is_left_out(
    find: Find, redis_client: redis.Redis, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are told."""
    read = standing._standings

    def destroyed(*arguments: object) -> object:
        redis_client.xgroup_destroy(MAIL, "mail")
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(standing, "_standings", destroyed)

    assert set(find(ids[0])[ids[0]].groups) == {"audit"}
