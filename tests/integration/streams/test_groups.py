"""Who reads a stream, how far and since when, as read from a real server (R27, R35)."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.streams import group_reading
from publisher.streams.group_reading import read_groups, stream_groups
from publisher.streams.groups import Group, StreamGroups
from tests.factories import GROUP, INTENTS, intent_fields
from tests.integration.conftest import AsUser
from tests.integration.stream_entries import add_entries, send_intents
from tests.valkeys import OwnValkey


def only(found: StreamGroups) -> Group:
    [group] = found.groups
    return group


def commands(client: redis.Redis) -> int:
    """How many commands the server has run."""
    return sum(int(stats["calls"]) for stats in client.info("commandstats").values())


def test_without_a_stream_or_a_group_there_is_none(redis_client: redis.Redis) -> None:
    """Before intake ran for the first time, and where others alone read the stream."""
    assert stream_groups(redis_client, INTENTS).group(GROUP) is None
    redis_client.xgroup_create(INTENTS, "others", "0", mkstream=True)

    assert stream_groups(redis_client, INTENTS).group(GROUP) is None


def test_a_group_that_has_read_nothing_says_what_waits(redis_client: redis.Redis) -> None:
    """How many entries, and how long the first has stood there."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    redis_client.xadd(INTENTS, intent_fields(), id=f"{hour_ago}-0")
    send_intents(redis_client, 2)

    found = stream_groups(redis_client, INTENTS).group(GROUP)

    assert found is not None
    assert (found.unread, found.pending, found.oldest_pending, found.consumers) == (3, 0, None, [])
    assert found.oldest_unread is not None
    assert timedelta(hours=1) <= found.oldest_unread < timedelta(hours=1, minutes=1)


def test_what_consumers_hold_is_told_by_consumer(redis_client: redis.Redis) -> None:
    """A dead one among them, whatever its name."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    send_intents(redis_client, 3)
    redis_client.xreadgroup(GROUP, b"dead\x1b[31m\xff", {INTENTS: ">"}, count=2)
    redis_client.xreadgroup(GROUP, "alive", {INTENTS: ">"}, count=1)
    acknowledged = redis_client.xpending_range(INTENTS, GROUP, "-", "+", 1, "alive")[0]["message_id"]
    redis_client.xack(INTENTS, GROUP, acknowledged)

    found = stream_groups(redis_client, INTENTS).group(GROUP)

    assert found is not None
    assert {c.name: c.pending for c in found.consumers} == {"dead\x1b[31m\ufffd": 2, "alive": 0}
    assert (found.unread, found.pending, found.oldest_unread) == (0, 2, None)
    assert found.oldest_pending is not None
    assert timedelta(0) <= found.oldest_pending < timedelta(minutes=1)


def test_entry_ids_that_are_no_instants_do_no_harm(redis_client: redis.Redis) -> None:
    """A producer may choose its ids: the largest there is, too."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    redis_client.xadd(INTENTS, intent_fields(), id="18446744073709551615-0")

    found = stream_groups(redis_client, INTENTS).group(GROUP)

    assert found is not None
    assert found.oldest_unread is not None
    assert found.oldest_unread < timedelta(0)


def test_every_group_of_every_stream_is_read_in_two_round_trips(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many groups there are: a look must stay cheap. Nothing is counted where the server knows the lag."""
    for stream in ("a:1", "a:2", INTENTS):
        redis_client.xadd(stream, {"n": 1})
        for n in range(10):
            redis_client.xgroup_create(stream, f"group-{n}", "0")
    sent = []
    execute = redis.client.Pipeline.execute
    monkeypatch.setattr(redis.client.Pipeline, "execute", lambda *a, **k: (sent.append(1), execute(*a, **k))[1])

    found = read_groups(redis_client, ["a:1", "a:2", INTENTS, "a:1"])

    redis_client.delete("a:1", "a:2")
    assert len(sent) == 2
    assert {name: len(of.groups) for name, of in found.items()} == {"a:1": 10, "a:2": 10, INTENTS: 10}
    assert {group.unread for of in found.values() for group in of.groups} == {1}


@pytest.mark.stray_keys("plants a key of another type")
def test_a_stream_that_is_refused_hides_no_other(redis_client: redis.Redis) -> None:
    """A key of another type is an error in the place of its stream; the others are read (R35)."""
    redis_client.set("mail", "x")
    add_entries(redis_client, 2)
    redis_client.xgroup_create(INTENTS, GROUP, "0")

    found = read_groups(redis_client, ["mail", INTENTS, "missing"])

    assert isinstance(found["mail"], RedisRefused)
    assert "WRONGTYPE" in str(found["mail"])
    assert isinstance(found[INTENTS], StreamGroups)
    assert only(found[INTENTS]).unread == 2
    assert found["missing"] == StreamGroups(groups=[])
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        stream_groups(redis_client, "mail")


def test_consumers_that_may_not_be_read_hide_nothing_else(as_user: AsUser, own_client: redis.Redis) -> None:
    """A user without XINFO CONSUMERS is told everything but the consumers, and nobody is taken for gone."""
    add_entries(own_client, 3)
    own_client.xgroup_create(INTENTS, GROUP, "0")
    own_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=2)
    client = as_user("~*", "+@all", "-xinfo|consumers")

    group = only(stream_groups(client, INTENTS))

    assert (group.unread, group.pending, group.consumer_count, group.consumers) == (1, 2, 1, None)
    assert (group.last_read, group.gone, group.reads_nothing) == (None, [], False)


def test_a_user_who_may_not_look_is_told_so(as_user: AsUser, own_client: redis.Redis) -> None:
    """That is no stream without groups."""
    add_entries(own_client, 1)
    own_client.xgroup_create(INTENTS, GROUP, "0")

    for rule in ("-xinfo|groups", "-xpending", "-xrange", "-time"):
        with pytest.raises(RedisRefused, match="NOPERM"):
            stream_groups(as_user("~*", "+@all", rule), INTENTS)


def test_strangers_may_make_any_number_of_groups_and_consumers(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many groups the first are read, and of a group with many consumers none; how many there are is told (R35)."""
    monkeypatch.setattr(group_reading, "GROUPS", 3)
    monkeypatch.setattr(group_reading, "_CONSUMERS", 2)
    add_entries(redis_client, 1)
    for n in range(5):
        redis_client.xgroup_create(INTENTS, f"group-{n}", "0")
    for n in range(3):
        redis_client.xgroup_createconsumer(INTENTS, "group-0", f"consumer-{n}")
    redis_client.xgroup_createconsumer(INTENTS, "group-1", "consumer")

    found = stream_groups(redis_client, INTENTS)

    assert (len(found.groups), found.more) == (3, 2)
    assert [(group.consumer_count, group.consumers is None) for group in found.groups] == [
        (3, True),
        (1, False),
        (0, False),
    ]


def test_a_long_name_is_cut(redis_client: redis.Redis) -> None:
    """Whoever names a group decides how much of a screen it takes, up to 100 characters. It is found all the same."""
    redis_client.xgroup_create(INTENTS, "x" * 5000, "0", mkstream=True)

    found = stream_groups(redis_client, INTENTS)

    assert only(found).name == "x" * 99 + "…"
    assert found.group("x" * 5000) is only(found)


def test_a_group_that_goes_between_the_round_trips_is_left_out(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream's other groups are told; so is a stream that is gone as a whole."""
    add_entries(redis_client, 1)
    redis_client.xgroup_create(INTENTS, "gone", "0")
    redis_client.xgroup_create(INTENTS, "stays", "0")
    details = group_reading._details

    def destroyed(*arguments: object) -> object:
        redis_client.xgroup_destroy(INTENTS, "gone")
        return details(*arguments)  # type: ignore[arg-type]

    def deleted(*arguments: object) -> object:
        redis_client.delete(INTENTS)
        return details(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(group_reading, "_details", destroyed)
    assert [group.name for group in stream_groups(redis_client, INTENTS).groups] == ["stays"]
    monkeypatch.setattr(group_reading, "_details", deleted)
    assert stream_groups(redis_client, INTENTS).groups == []


def test_a_server_that_is_away_is_unavailable(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """It is one error for all streams, and nothing hangs."""
    own_valkey.stop()

    with pytest.raises(RedisUnavailable):
        read_groups(own_client, [INTENTS])


def test_a_look_changes_nothing(redis_client: redis.Redis) -> None:
    """Nothing is read, delivered, acknowledged or trimmed, and no key is made."""
    ids = add_entries(redis_client, 20)
    redis_client.xgroup_create(INTENTS, GROUP, "0")
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=5)
    redis_client.xdel(INTENTS, ids[10])

    def state() -> object:
        pending = [
            (p["message_id"], p["times_delivered"]) for p in redis_client.xpending_range(INTENTS, GROUP, "-", "+", 9)
        ]
        return redis_client.xinfo_groups(INTENTS), pending, redis_client.keys("*")

    before = state()
    stream_groups(redis_client, INTENTS)

    assert state() == before
