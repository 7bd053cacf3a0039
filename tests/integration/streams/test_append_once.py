"""Appending commands to a stream at most once per delivery (R12, R13)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from publisher.channels.push import PUSH
from publisher.domain.channel import Command, StreamTrim
from publisher.streams.append_result import Appended, AppendResult
from publisher.streams.keys import counted_key, witness_key
from publisher.streams.outbound import Delivery, OutboundStreams

WINDOW_MS = 3_600_000
MEBIBYTE = 1024 * 1024
HOSTILE_IDS = [
    *("", " ", "{}", "}{", "{other}", "a}b", "\n", "line\r\nbreak", "\0", "*", "ключ/ключ", "/", "🦉" * 40),
    "x" * 10_000,
]


def delivery(delivery_id: str, *fields: tuple[str, str]) -> Delivery:
    return Delivery(delivery_id, Command(fields or (("delivery_id", delivery_id),)))


def deliveries(count: int) -> list[Delivery]:
    return [delivery(f"delivery-{n}") for n in range(count)]


def entries(client: redis.Redis) -> list[tuple[str, dict[str, str]]]:
    return [
        (entry_id.decode(), {name.decode(): value.decode() for name, value in fields.items()})
        for entry_id, fields in client.xrange(PUSH.stream)
    ]


def ids(results: Sequence[AppendResult]) -> list[str]:
    return [result.entry_id for result in results if isinstance(result, Appended)]


def script_calls(client: redis.Redis) -> int:
    return int(client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


def test_commands_stand_on_the_stream_field_by_field(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A command stands on the stream with its fields in their order, repeated and empty ones too (R12)."""
    # redis-py's own form of a reply loses repeated fields.
    redis_client.set_response_callback("XRANGE", lambda reply, **_: reply)

    [result] = streams.append(PUSH, [delivery("d", ("b", "1"), ("a", ""), ("b", "zwei \n €"))])

    [[entry_id, flat]] = redis_client.xrange(PUSH.stream)
    assert result == Appended(entry_id.decode(), first=True)
    assert [part.decode() for part in flat] == ["b", "1", "a", "", "b", "zwei \n €"]


def test_a_batch_is_appended_a_hundred_commands_a_call(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A batch of 250 commands holds Redis up in three short calls, and its results stand in its order (R12)."""
    streams.append(PUSH, [delivery("loads the script")])
    before = script_calls(redis_client)

    results = streams.append(PUSH, deliveries(250))

    assert script_calls(redis_client) - before == 3
    written = {fields["delivery_id"]: entry_id for entry_id, fields in entries(redis_client)}
    assert ids(results) == [written[f"delivery-{n}"] for n in range(250)]


def test_a_second_append_changes_nothing(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A delivery that stands on the stream is not appended again; its first entry id is the answer (R12)."""
    first = streams.append(PUSH, deliveries(3))

    second = streams.append(PUSH, deliveries(3))

    assert second == [Appended(entry_id, first=False) for entry_id in ids(first)]
    assert len(entries(redis_client)) == 3


def test_a_delivery_given_twice_in_one_batch_stands_once(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """The same delivery twice in one batch is one entry (R12)."""
    first, second = streams.append(PUSH, [delivery("d"), delivery("d")])

    assert isinstance(first, Appended)
    assert first.first
    assert second == Appended(first.entry_id, first=False)
    assert len(entries(redis_client)) == 1


def test_deliveries_of_two_streams_do_not_meet(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """The same delivery id on another stream is another delivery (R12)."""
    other = replace(PUSH, stream="other:events")

    streams.append(PUSH, [delivery("d")])
    [result] = streams.append(other, [delivery("d")])

    assert isinstance(result, Appended)
    assert result.first
    assert redis_client.xlen(other.stream) == 1


def test_a_witness_lives_for_the_window(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A delivery is remembered for the dedup window, and no longer (R12)."""
    streams.append(PUSH, [delivery("d")])

    assert WINDOW_MS - 60_000 < redis_client.pttl(witness_key(PUSH.stream, "d")) <= WINDOW_MS


def test_a_delivery_asked_for_again_stays_known(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """An append that finds its delivery known remembers it for another window (R12a)."""
    streams.append(PUSH, [delivery("d")])
    redis_client.pexpire(witness_key(PUSH.stream, "d"), 60_000)

    streams.append(PUSH, [delivery("d")])

    assert redis_client.pttl(witness_key(PUSH.stream, "d")) > 60_000


def test_a_delivery_is_appended_again_after_the_window(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Once its witness has expired a delivery is appended like a new one (R12)."""
    streams.append(PUSH, [delivery("d")])
    redis_client.delete(witness_key(PUSH.stream, "d"))

    [result] = streams.append(PUSH, [delivery("d")])

    assert isinstance(result, Appended)
    assert result.first
    assert len(entries(redis_client)) == 2


def test_racing_appends_write_each_delivery_once(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Twenty threads that append the same deliveries at once make one entry of each, and all hear its id (R12)."""
    with ThreadPoolExecutor(20) as pool:
        heard = list(pool.map(lambda _: streams.append(PUSH, deliveries(50)), range(20)))

    written = [fields["delivery_id"] for _, fields in entries(redis_client)]
    assert sorted(written) == sorted(d.delivery_id for d in deliveries(50))
    assert len({tuple(ids(results)) for results in heard}) == 1
    assert sum(result.first for results in heard for result in results if isinstance(result, Appended)) == 50


def test_an_empty_batch_is_nothing(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """An empty batch asks Redis nothing (R12)."""
    before = script_calls(redis_client)

    assert streams.append(PUSH, []) == []
    assert script_calls(redis_client) == before


def test_large_commands_are_split_into_calls(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A batch too large for one call is appended in several, in order and each command once (R12)."""
    streams.append(PUSH, [delivery("loads the script")])
    before = script_calls(redis_client)

    results = streams.append(PUSH, [delivery(f"d{n}", ("n", str(n)), ("x", "x" * MEBIBYTE)) for n in range(10)])

    assert script_calls(redis_client) - before > 1
    assert [fields["n"] for _, fields in entries(redis_client)[1:]] == [str(n) for n in range(10)]
    assert ids(results) == [entry_id for entry_id, _ in entries(redis_client)[1:]]


@pytest.mark.parametrize("trim", StreamTrim)
def test_an_append_never_trims(trim: StreamTrim, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Whatever a stream is trimmed by, no append takes anything away from it (R13)."""
    channel = replace(PUSH, stream_ceiling=0 if trim is StreamTrim.ACKNOWLEDGED else 1, stream_trim=trim)
    redis_client.xadd(PUSH.stream, {"n": 1})
    redis_client.xgroup_create(PUSH.stream, "gateway", "$")

    for n in range(1000):
        streams.append(channel, [delivery(f"delivery-{n}")])

    assert redis_client.xlen(PUSH.stream) == (2 if trim is StreamTrim.NEVER else 1001)


def test_trimming_forgets_no_delivery(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A delivery whose entry was trimmed away is still known (R12, R13)."""
    first = streams.append(PUSH, deliveries(500))
    redis_client.xtrim(PUSH.stream, maxlen=0, approximate=False)

    assert streams.append(PUSH, deliveries(500)) == [Appended(entry_id, first=False) for entry_id in ids(first)]


@pytest.mark.parametrize("hostile", HOSTILE_IDS, ids=lambda text: ascii(text[:12]))
def test_any_delivery_id_is_appended_once(hostile: str, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Whatever a delivery id holds, it is appended once and found again (R12)."""
    first = streams.append(PUSH, [delivery(hostile)])

    assert streams.append(PUSH, [delivery(hostile)]) == [Appended(ids(first)[0], first=False)]
    assert [fields for _, fields in entries(redis_client)] == [{"delivery_id": hostile}]
    assert streams.witnesses([(PUSH.stream, hostile, 0)]) != [None]


def test_hostile_delivery_ids_do_not_meet(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Delivery ids that differ are different deliveries, whatever they hold (R12)."""
    results = streams.append(PUSH, [delivery(hostile) for hostile in HOSTILE_IDS])

    assert [isinstance(result, Appended) and result.first for result in results] == [True] * len(HOSTILE_IDS)


@pytest.mark.parametrize(
    "stream",
    ["mail:delivery_commands", "{mail}:commands", "a{b}c", "a{b}{c}", "x{{y}}z", "a{b", "{", "поток", "with space"],
)
@pytest.mark.parametrize("delivery_id", ["plain", "{other}", "}{", "a}b"])
def test_stream_and_witness_share_a_cluster_slot(stream: str, delivery_id: str) -> None:
    """A delivery's witness lives in its stream's cluster slot, whatever braces either name has (R12)."""
    assert key_slot(witness_key(stream, delivery_id).encode()) == key_slot(stream.encode())
    assert key_slot(counted_key(stream).encode()) == key_slot(stream.encode())


def test_a_lost_reply_makes_no_second_entry(
    streams: OutboundStreams, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append whose reply is lost is repeated, and finds what it wrote (R12)."""
    streams.append(PUSH, [delivery("loads the script")])
    whole = redis_client.evalsha
    lost: list[Any] = []

    def loses_the_first_reply(*arguments: Any) -> Any:
        reply = whole(*arguments)
        if not lost:
            lost.append(reply)
            raise redis.TimeoutError("Timeout reading from socket")
        return reply

    monkeypatch.setattr(redis_client, "evalsha", loses_the_first_reply)
    results = streams.append(PUSH, deliveries(3))

    assert ids(results) == [entry_id for entry_id, _ in entries(redis_client)[1:]]
    assert len(results) == 3


def test_a_forgotten_script_is_loaded_again(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A server that has forgotten the script is given it again, and nobody notices (R12)."""
    first = streams.append(PUSH, deliveries(2))
    redis_client.script_flush()

    assert streams.append(PUSH, deliveries(2)) == [Appended(entry_id, first=False) for entry_id in ids(first)]
