"""What waits on streams that settings name no more is found by itself, and told while somebody looks (R27, R37)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import redis

from publisher.domain.stream_address import StreamAddress
from publisher.streams.given_up import GivenUp, GivenUpStreams, read_named
from publisher.streams.hints import read_hints
from publisher.streams.keys import GIVEN_UP
from publisher.streams.servers.stream_servers import StreamServers
from tests.integration.conftest import AsUser
from tests.named_streams import named_before
from tests.valkeys import OwnValkey

MAIL = "mail:commands"
EIGHT = StreamAddress(MAIL, partitions=8)
TWO = replace(EIGHT, partitions=2)
OWN = "redis://own:6379/0"
DAY = timedelta(days=1)


def part(number: int) -> str:
    """The name of a partition."""
    return f"{MAIL}:{{{number}}}"


def found(client: redis.Redis, servers: StreamServers | None = None) -> Sequence[GivenUp] | None:
    """What the snapshot is told after a look of a process with two partitions."""
    streams = GivenUpStreams(servers or StreamServers(client))
    streams.note(TWO.parts)
    streams.look()
    return read_hints(client, []).given_up


def test_what_waits_on_a_partition_that_was_given_up_is_told_until_it_is_read(redis_client: redis.Redis) -> None:
    """Eight partitions became two. A group acknowledges what waits on one; nobody ever reads another, which goes."""
    named_before(redis_client, *map(str, EIGHT.parts))
    for number, count in ((0, 9), (5, 2), (6, 1)):
        for _ in range(count):
            redis_client.xadd(part(number), {"n": 1})
    redis_client.xgroup_create(part(5), "mail-service", "0")

    assert found(redis_client) == [GivenUp(part(5), 2), GivenUp(part(6), 1)]
    [[_, entries]] = redis_client.xreadgroup("mail-service", "one", {part(5): ">"})
    assert found(redis_client) == [GivenUp(part(5), 2), GivenUp(part(6), 1)]
    redis_client.xack(part(5), "mail-service", *(id_ for id_, _ in entries))
    assert found(redis_client) == [GivenUp(part(6), 1)]
    redis_client.delete(part(6))
    assert found(redis_client) == []


def test_while_old_and_new_workers_overlap_nothing_is_given_up(redis_client: redis.Redis) -> None:
    """The workers of before a deploy name their streams as long as they run, and append to them."""
    GivenUpStreams(StreamServers(redis_client)).note(EIGHT.parts)
    redis_client.xadd(part(5), {"n": 1})

    assert found(redis_client) == []
    named_before(redis_client, part(5), ago=timedelta(minutes=4))
    assert found(redis_client) == [GivenUp(part(5), 1)]


def test_nobody_is_told_what_was_found_long_ago(redis_client: redis.Redis) -> None:
    """Without workers the last look is forgotten within minutes, and nothing is known."""
    assert read_hints(redis_client, []).given_up is None
    assert found(redis_client) == []
    assert 0 < redis_client.pttl(GIVEN_UP) <= 300_000


def test_a_stream_is_remembered_for_a_month_or_while_entries_wait(redis_client: redis.Redis) -> None:
    """Those that wait are told however long ago the stream was given up."""
    redis_client.xadd(part(5), {"n": 1})
    named_before(redis_client, part(4), f"{MAIL} @ {OWN}", ago=29 * DAY)
    named_before(redis_client, part(5), part(6), f"other @ {OWN}", ago=31 * DAY)

    assert found(redis_client) == [GivenUp(part(5), 1)]
    assert read_named(redis_client)[0].keys() == {part(0), part(1), part(4), part(5), f"{MAIL} @ {OWN}"}


def test_a_stream_that_may_not_be_read_is_asked_for_once(own_client: redis.Redis, as_user: AsUser) -> None:
    """One line in Redis' ACL log for all its partitions, as long as the process runs; what may be read is told."""
    client = as_user("+@all", "~publisher:*", f"~{part(0)}", f"~{part(1)}", "~old")
    own_client.xadd("old", {"n": 1})
    own_client.xadd(part(5), {"n": 1})
    named_before(own_client, "old", *map(str, EIGHT.parts))
    process = GivenUpStreams(StreamServers(client))
    process.note(TWO.parts)

    process.look()
    assert [line["object"] for line in own_client.acl_log()] == ["mail:commands:{2}"]
    own_client.acl_log_reset()
    process.look()

    assert own_client.acl_log() == []
    assert read_hints(client, []).given_up == [GivenUp("old", 1)]


def test_a_redis_that_is_away_hides_what_waits_on_the_others(
    redis_client: redis.Redis, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Each stream is asked for on the very Redis of its address; one that no settings name is asked nothing."""
    # Intents have moved there, and have the same name.
    servers = StreamServers(redis_client, {OWN: own_client}, {"intents": OWN})
    for client, count in ((redis_client, 1), (own_client, 2)):
        for _ in range(count):
            client.xadd("intents", {"n": 1})
            client.xadd("other", {"n": 1})
    named_before(redis_client, "intents", f"other @ {OWN}", "other @ redis://gone:6379/0")

    assert found(redis_client, servers) == [GivenUp("intents", 1), GivenUp(f"other @ {OWN}", 2)]
    own_valkey.stop()
    assert found(redis_client, servers) == [GivenUp("intents", 1)]
