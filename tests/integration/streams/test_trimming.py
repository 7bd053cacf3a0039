"""Trimming of the intents stream: up to what every consumer group has acknowledged, and never further (retention)."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.streams import trimming
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.connection import open_redis
from publisher.streams.trimming import trim_acknowledged
from tests.factories import GROUP, INTENTS

AT_ONCE = timedelta(0)
OTHER = "reporting"


@pytest.fixture(autouse=True)
def small_nodes(redis_client: redis.Redis) -> Iterator[None]:
    """Nodes of one entry: what may be trimmed is trimmed to the entry."""
    [before] = redis_client.config_get("stream-node-max-entries").values()
    redis_client.config_set("stream-node-max-entries", 1)
    yield
    redis_client.config_set("stream-node-max-entries", before)


def add(client: redis.Redis, count: int) -> list[str]:
    """Adds so many entries, all of them long past."""
    return [client.xadd(INTENTS, {"n": n}, id=f"{1000 + n}-0").decode() for n in range(count)]


def read(client: redis.Redis, count: int, group: str = GROUP) -> list[str]:
    """Reads so many entries for the group. Returns their ids."""
    [(_, entries)] = client.xreadgroup(group, "one", {INTENTS: ">"}, count)
    return [id_.decode() for id_, _ in entries]


def left(client: redis.Redis) -> list[str]:
    return [id_.decode() for id_, _ in client.xrange(INTENTS)]


def trim(client: redis.Redis, keep: timedelta = AT_ONCE) -> int:
    return trim_acknowledged(client, INTENTS, GROUP, keep)


def test_acknowledged_entries_are_trimmed(redis_client: redis.Redis) -> None:
    """What the group has acknowledged goes, but for the last entry; what it has not read stays (R20)."""
    ids = add(redis_client, 5)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 3))

    assert trim(redis_client) == 2
    assert left(redis_client) == ids[2:]
    assert trim(redis_client) == 0


def test_a_pending_entry_and_all_behind_it_stay(redis_client: redis.Redis) -> None:
    """An entry that was read and not acknowledged stays, however many behind it are (R20)."""
    ids = add(redis_client, 5)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    read(redis_client, 4)
    redis_client.xack(INTENTS, GROUP, ids[0], ids[2], ids[3])

    assert trim(redis_client) == 1
    assert left(redis_client) == ids[1:]


def test_the_slowest_group_decides(redis_client: redis.Redis) -> None:
    """An entry stays until every group of the stream has acknowledged it."""
    ids = add(redis_client, 5)
    for group in (GROUP, OTHER):
        redis_client.xgroup_create(INTENTS, group, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 5))
    slow = read(redis_client, 3, OTHER)
    redis_client.xack(INTENTS, OTHER, slow[0])

    assert trim(redis_client) == 1
    assert left(redis_client) == ids[1:]


@pytest.mark.parametrize("groups", [[], [OTHER], [f"{GROUP}-2"]], ids=["none", "another's", "a longer name"])
def test_without_the_services_group_nothing_is_trimmed(groups: list[str], redis_client: redis.Redis) -> None:
    """While the service's own group is missing, nobody has taken the intents in: all stay (R20)."""
    ids = add(redis_client, 3)
    for group in groups:
        redis_client.xgroup_create(INTENTS, group, "0")
        redis_client.xack(INTENTS, group, *read(redis_client, 3, group))

    assert trim(redis_client) == 0
    assert left(redis_client) == ids


def test_a_group_that_never_read_keeps_everything(redis_client: redis.Redis) -> None:
    """A group that was made and has not read yet wants the whole stream."""
    ids = add(redis_client, 3)
    for group in (GROUP, OTHER):
        redis_client.xgroup_create(INTENTS, group, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 3))

    assert trim(redis_client) == 0
    assert left(redis_client) == ids


def test_young_entries_stay(redis_client: redis.Redis) -> None:
    """Acknowledged entries stay for the time they are kept, by the server's clock (R1)."""
    seconds, _ = redis_client.time()
    ids = [redis_client.xadd(INTENTS, {"n": 1}, id=f"{(seconds - age) * 1000}-0").decode() for age in (900, 60, 30, 0)]
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 4))

    assert trim(redis_client, timedelta(days=366)) == 0
    assert trim(redis_client, timedelta(seconds=600)) == 1
    assert left(redis_client) == ids[1:]
    assert trim(redis_client, timedelta(seconds=45)) == 1
    assert left(redis_client) == ids[2:]


def test_a_stream_that_is_not_there_is_not_made(redis_client: redis.Redis) -> None:
    """Without a stream there is nothing to trim, and none is made."""
    assert trim(redis_client) == 0
    assert redis_client.keys() == []


def test_a_key_that_is_no_stream_is_refused(redis_client: redis.Redis) -> None:
    """Where the intents key holds something else, the trimming says so and changes nothing."""
    redis_client.set(INTENTS, "x")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        trim(redis_client)
    assert redis_client.get(INTENTS) == b"x"


@pytest.mark.parametrize(
    ("slow", "fast"),
    [
        ("9-0", "10-0"),
        ("10-9", "10-10"),
        ("9007199254740992-0", "9007199254740993-0"),
        ("18446744073709551615-18446744073709551613", "18446744073709551615-18446744073709551614"),
    ],
)
@pytest.mark.parametrize("own_is_slow", [True, False])
def test_ids_are_compared_as_numbers(slow: str, fast: str, own_is_slow: bool, redis_client: redis.Redis) -> None:
    """The smaller of two ids decides, also where their text or a floating-point number says otherwise."""
    first = "1-0"
    for id_ in (first, slow, fast):
        redis_client.xadd(INTENTS, {"n": 1}, id=id_)
    # A trimming compares ages first; these ids say that they come from the far future.
    for group, last in ((GROUP, slow if own_is_slow else fast), (OTHER, fast if own_is_slow else slow)):
        redis_client.xgroup_create(INTENTS, group, last)

    trim(redis_client)

    assert left(redis_client)[-1] == fast
    assert slow in left(redis_client)


def test_only_whole_nodes_go(redis_client: redis.Redis) -> None:
    """With nodes of 100 entries at most 100 that could go stay: what is removed is always within what may be."""
    redis_client.config_set("stream-node-max-entries", 100)
    ids = add(redis_client, 1000)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 750))

    removed = trim(redis_client)

    assert removed in range(650, 750)
    assert left(redis_client) == ids[removed:]


def test_one_trimming_is_bounded(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call removes so many at most; the next ones the rest."""
    monkeypatch.setattr(trimming, "_LIMIT", 10)
    ids = add(redis_client, 25)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 25))

    assert [trim(redis_client) for _ in range(4)] == [10, 10, 4, 0]
    assert left(redis_client) == ids[-1:]


def test_a_group_made_after_a_trimming_finds_what_is_left(redis_client: redis.Redis) -> None:
    """A group that is made at the beginning afterwards reads what is left, and the next trimming spares that."""
    ids = add(redis_client, 5)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 3))
    trim(redis_client)

    redis_client.xgroup_create(INTENTS, OTHER, "0")
    redis_client.xack(INTENTS, GROUP, *read(redis_client, 2))
    trim(redis_client)

    assert read(redis_client, 10, OTHER) == ids[2:]


def test_trimming_while_others_read_loses_nothing(
    redis_client: redis.Redis, redis_url: str, consumer: Callable[[str], IntentsGroup]
) -> None:
    """With trimmings all the time, consumers read every entry, and none of the pending ones is gone (R15, R20)."""
    group = consumer("one")
    group.create()
    stop = threading.Event()

    def keep_trimming() -> None:
        with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="trimmer") as client:
            while not stop.is_set():
                trim(client)

    trimmers = [threading.Thread(target=keep_trimming) for _ in range(2)]
    for thread in trimmers:
        thread.start()
    try:
        seen, lost = [], []
        added = [redis_client.xadd(INTENTS, {"n": n}).decode() for n in range(300)]
        while len(seen) < len(added):
            entries = group.read(7, timedelta(milliseconds=20))
            lost += group.recover_own(100).trimmed
            seen += [entry.id for entry in entries]
            group.acknowledge([entry.id for entry in entries])
    finally:
        stop.set()
        for thread in trimmers:
            thread.join()

    assert seen == added
    assert lost == []
    assert trim(redis_client) >= 0
    assert left(redis_client) == added[-1:]


def test_a_redis_that_is_away_is_told(redis_url: str) -> None:
    """A trimming that cannot reach Redis says so."""
    with (
        open_redis("redis://127.0.0.1:1/0", timeout=timedelta(seconds=1), client_name="test") as client,
        pytest.raises(RedisUnavailable),
    ):
        trim(client)
