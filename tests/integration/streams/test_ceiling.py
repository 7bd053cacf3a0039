"""The ceiling of a stream: what its readers have not read, or not acknowledged, holds new commands back (R13)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from publisher.channels.push import PUSH
from publisher.domain.channel import Channel, Command, StreamTrim
from publisher.streams.append_result import Appended, AppendResult, HeldBack, is_held_back
from publisher.streams.keys import counted_key
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.valkeys import OwnValkey

GROUP = "gateway"
CEILING = 10
CHANNEL = replace(PUSH, stream_ceiling=CEILING)


def deliveries(count: int, first: int = 0) -> list[Delivery]:
    return [Delivery(f"delivery-{n}", Command((("n", str(n)),))) for n in range(first, first + count)]


def words(results: Sequence[AppendResult]) -> list[str]:
    """One word for each result."""
    return [
        ("new" if result.first else "known") if isinstance(result, Appended) else type(result).__name__
        for result in results
    ]


def reasons(results: Sequence[AppendResult]) -> set[str]:
    return {result.message for result in results if isinstance(result, HeldBack)}


def read(client: redis.Redis, count: int, group: str = GROUP) -> list[bytes]:
    """Reads so many entries for the group. Returns their ids."""
    [(_, entries)] = client.xreadgroup(group, "one", {PUSH.stream: ">"}, count)
    return [id_ for id_, _ in entries]


def calls(client: redis.Redis, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def make_lag_unknown(streams: OutboundStreams, client: redis.Redis) -> None:
    """Appends ten commands; one is read, and one of those behind it deleted: the server cannot tell the group's lag."""
    streams.append(CHANNEL, deliveries(10))
    client.xack(PUSH.stream, GROUP, *read(client, 1))
    client.xdel(PUSH.stream, client.xrange(PUSH.stream)[5][0])
    assert client.xinfo_groups(PUSH.stream)[0]["lag"] is None


@pytest.fixture
def group(redis_client: redis.Redis) -> redis.Redis:
    """The gateway's group, from the stream's beginning."""
    redis_client.xgroup_create(PUSH.stream, GROUP, "0", mkstream=True)
    return redis_client


def test_unread_commands_hold_new_ones_back(streams: OutboundStreams, group: redis.Redis) -> None:
    """As many as the ceiling are appended, and no more: the reason names the group and how far it is behind."""
    results = streams.append(CHANNEL, deliveries(13))

    assert words(results) == ["new"] * 10 + ["HeldBack"] * 3
    assert group.xlen(PUSH.stream) == CEILING
    assert reasons(results) == {"gateway is 10 commands behind"}
    assert all(map(is_held_back, reasons(results)))
    assert not is_held_back("Redis refused: OOM command not allowed")
    assert reasons(streams.append(CHANNEL, deliveries(2, 50))) == {"gateway is 10 commands behind"}


def test_nothing_unread_is_lost(streams: OutboundStreams, group: redis.Redis) -> None:
    """A reader that was away while far more came finds every command that was called appended."""
    appended = [
        delivery.delivery_id
        for n in range(0, 300, 10)
        for delivery, result in zip(deliveries(10, n), streams.append(CHANNEL, deliveries(10, n)), strict=True)
        if isinstance(result, Appended)
    ]

    assert len(appended) == len(read(group, 1000)) == CEILING


def test_unacknowledged_commands_hold_back_as_well(streams: OutboundStreams, group: redis.Redis) -> None:
    """A reader that reads and acknowledges nothing is as far behind as one that does not read."""
    streams.append(CHANNEL, deliveries(10))
    ids = read(group, 6)

    assert words(streams.append(CHANNEL, deliveries(1, 50))) == ["HeldBack"]

    group.xack(PUSH.stream, GROUP, *ids[:2])
    assert words(streams.append(CHANNEL, deliveries(3, 50))) == ["new", "new", "HeldBack"]


def test_the_slowest_group_decides(streams: OutboundStreams, group: redis.Redis) -> None:
    """A stream that one group has read holds back for the other that has not."""
    group.xgroup_create(PUSH.stream, "reporting", "0")
    streams.append(CHANNEL, deliveries(10))
    group.xack(PUSH.stream, GROUP, *read(group, 10))

    assert reasons(streams.append(CHANNEL, deliveries(1, 50))) == {"reporting is 10 commands behind"}


def test_what_is_acknowledged_holds_nothing_back(streams: OutboundStreams, group: redis.Redis) -> None:
    """A stream far longer than the ceiling takes commands, as long as its readers keep up."""
    for n in range(0, 200, 10):
        assert words(streams.append(CHANNEL, deliveries(10, n))) == ["new"] * 10
        group.xack(PUSH.stream, GROUP, *read(group, 10))


def test_known_deliveries_take_no_room(streams: OutboundStreams, group: redis.Redis) -> None:
    """A delivery that stands on a full stream is known, wherever it is in the batch."""
    streams.append(CHANNEL, deliveries(9))

    results = streams.append(CHANNEL, [*deliveries(1, 50), *deliveries(9), *deliveries(1, 60)])

    assert words(results) == ["new", *["known"] * 9, "HeldBack"]


def test_a_stream_that_no_group_reads_fills_to_its_ceiling(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Where there is nobody to be asked all of the stream counts, and the reason says what to do."""
    assert words(streams.append(CHANNEL, deliveries(12))) == ["new"] * 10 + ["HeldBack"] * 2

    [reason] = reasons(streams.append(CHANNEL, deliveries(1, 50)))
    assert reason.startswith("no consumer group reads gateway:client_events and 10 commands stand on it: create ")
    assert "XGROUP CREATE gateway:client_events" in reason
    assert "PUBLISHER_PUSH_STREAM_TRIM=length" in reason


@pytest.mark.parametrize(
    "channel", [replace(CHANNEL, stream_ceiling=0), replace(CHANNEL, stream_trim=StreamTrim.LENGTH)]
)
def test_without_a_ceiling_nothing_is_held_back(
    channel: Channel, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A ceiling of 0 is none; and where the oldest go anyway, a full stream takes commands."""
    assert words(streams.append(channel, deliveries(50))) == ["new"] * 50


def test_below_the_ceiling_no_group_is_asked(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Until a stream is as long as its ceiling an append asks for its length alone: the hot path pays nothing."""
    before = calls(redis_client, "xinfo|groups")

    streams.append(CHANNEL, deliveries(10))

    assert calls(redis_client, "xinfo|groups") == before


def test_a_group_whose_lag_is_unknown_holds_nothing_back(streams: OutboundStreams, group: redis.Redis) -> None:
    """A server that cannot tell how far a group is behind, because someone has deleted entries, parks nobody."""
    make_lag_unknown(streams, group)

    assert words(streams.append(CHANNEL, deliveries(5, 50))) == ["new"] * 5


@pytest.mark.stray_keys("plants a count by hand")
def test_what_was_counted_stands_for_an_unknown_lag(streams: OutboundStreams, group: redis.Redis) -> None:
    """A group of which the server cannot tell is as far behind as was counted, while that is fresh."""
    make_lag_unknown(streams, group)
    streams.append(CHANNEL, deliveries(5, 50))
    group.hset(counted_key(PUSH.stream), GROUP, 13)

    assert reasons(streams.append(CHANNEL, deliveries(1, 60))) == {"gateway is 13 commands behind"}


def test_a_lag_that_is_wrong_parks_nobody(streams: OutboundStreams, group: redis.Redis) -> None:
    """A server that counts entries as unread which someone has trimmed away is not believed: nothing stands there."""
    streams.append(CHANNEL, deliveries(10))
    group.xack(PUSH.stream, GROUP, *read(group, 10))
    group.execute_command("XGROUP", "SETID", PUSH.stream, GROUP, "$", "ENTRIESREAD", "1")
    assert group.xinfo_groups(PUSH.stream)[0]["lag"] == 9

    assert words(streams.append(CHANNEL, deliveries(10, 50))) == ["new"] * 10


@pytest.mark.parametrize("name", ["with space", "ключ", "line\nbreak", "\0", "", "x" * 1000])
def test_any_groups_name_can_be_told(name: str, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Whatever a group is called, the reason is one line that a database can keep."""
    redis_client.xgroup_create(PUSH.stream, name, "0", mkstream=True)
    streams.append(CHANNEL, deliveries(10))

    [reason] = reasons(streams.append(CHANNEL, deliveries(1, 50)))

    assert reason.endswith(" is 10 commands behind")
    assert reason.isprintable()
    assert len(reason) < 300


def test_a_user_who_may_not_ask_is_not_held_back(own_client: redis.Redis, own_valkey: OwnValkey) -> None:
    """Without the right to XINFO nothing is known of the readers, and an unknown parks nobody; doctor tells."""
    own_client.acl_setuser("limited", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-xinfo"])
    url = own_valkey.url.replace("redis://", "redis://limited:x@")
    with open_redis(url, timeout=timedelta(seconds=3), client_name="test") as limited:
        streams = OutboundStreams(StreamServers(limited), timedelta(hours=1))

        assert words(streams.append(CHANNEL, deliveries(30))) == ["new"] * 30
