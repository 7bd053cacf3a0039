"""What Redis says of its own state, each fault made real (issue 5, item 8)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from publisher.domain.diagnosis.redis_server import RedisConfiguration
from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.streams import health
from publisher.streams.connection import open_redis
from tests.factories import GROUP, INTENTS, intent_fields
from tests.integration.streams import send_intents
from tests.valkeys import OwnValkey

AsUser = Callable[..., redis.Redis]
OUTBOUND = {"email": "mail:delivery_commands", "push": "gateway:client_events"}


@pytest.fixture
def as_user(own_valkey: OwnValkey, own_client: redis.Redis) -> Iterator[AsUser]:
    """Opens a client as a user with these rights."""
    clients = []

    def make(*rules: str) -> redis.Redis:
        own_client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", *rules)
        url = own_valkey.url.replace("://", "://app:secret@")
        clients.append(open_redis(url, timeout=timedelta(seconds=3), client_name="test"))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def missing(client: redis.Redis) -> list[str]:
    """What this user may not do."""
    return health.missing_rights(client, intents=INTENTS, group=GROUP, streams=OUTBOUND)


def test_the_embedded_server_says_what_it_is(own_client: redis.Redis) -> None:
    """Its name and version, that it persists, and that it evicts nothing."""
    found = health.read_server(own_client)

    assert found.product.startswith("Valkey ")
    assert (found.role, found.loading, found.aof, found.aof_healthy, found.rdb_healthy) == (
        ("master", False) + (True,) * 3
    )
    assert (found.policy, found.max_memory, found.evicted) == ("noeviction", 0, 0)
    assert found.used_memory > 0
    assert found.max_clients == 10_000
    assert health.read_configuration(own_client) == RedisConfiguration("everysec", "", stop_writes_on_error=True)


def test_changes_of_the_configuration_are_seen(own_client: redis.Redis) -> None:
    """Another policy, a limit, no append-only file, snapshots, and keys that were evicted."""
    own_client.config_set("appendonly", "no")
    own_client.config_set("save", "3600 1")
    own_client.config_set("appendfsync", "no")
    own_client.config_set("stop-writes-on-bgsave-error", "no")
    own_client.config_set("maxmemory-policy", "allkeys-lru")
    own_client.config_set("maxmemory", "8mb")
    with own_client.pipeline(transaction=False) as pipe:
        for n in range(200):
            pipe.set(f"filling:{n}", b"x" * 65536)
        pipe.execute()

    found = health.read_server(own_client)

    assert (found.aof, found.policy, found.max_memory) == (False, "allkeys-lru", 8 * 1024 * 1024)
    assert found.evicted > 0
    assert health.read_configuration(own_client) == RedisConfiguration("no", "3600 1", stop_writes_on_error=False)


def test_a_replica_is_seen(own_client: redis.Redis) -> None:
    """It would refuse every append."""
    own_client.replicaof("127.0.0.1", 1)

    assert health.read_server(own_client).role == "slave"


def test_the_clock_is_this_machine_s(own_client: redis.Redis) -> None:
    """An aware instant, to the microsecond."""
    before = datetime.now(UTC)

    now = health.read_clock(own_client)

    assert before <= now <= datetime.now(UTC)


def test_a_server_that_is_away_is_unavailable(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """Every look says so, none hangs."""
    own_valkey.stop()

    for look in (health.read_server, health.read_clock, health.read_configuration, missing):
        with pytest.raises(RedisUnavailable):
            look(own_client)


def test_without_a_stream_or_a_group_there_is_none(redis_client: redis.Redis) -> None:
    """Before intake ran for the first time, and where others alone read the stream."""
    assert health.read_group(redis_client, INTENTS, GROUP) is None
    redis_client.xgroup_create(INTENTS, "others", "0", mkstream=True)

    assert health.read_group(redis_client, INTENTS, GROUP) is None


def test_a_group_that_has_read_nothing_says_what_waits(redis_client: redis.Redis) -> None:
    """How many entries, and how long the first has stood there."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    redis_client.xadd(INTENTS, intent_fields(), id=f"{hour_ago}-0")
    send_intents(redis_client, 2)

    found = health.read_group(redis_client, INTENTS, GROUP)

    assert found is not None
    assert (found.lag, found.pending, found.oldest_pending, found.consumers) == (3, 0, None, [])
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

    found = health.read_group(redis_client, INTENTS, GROUP)

    assert found is not None
    assert {c.name: c.pending for c in found.consumers} == {"dead\x1b[31m\ufffd": 2, "alive": 0}
    assert (found.lag, found.pending, found.oldest_unread) == (0, 2, None)
    assert found.oldest_pending is not None
    assert timedelta(0) <= found.oldest_pending < timedelta(minutes=1)


def test_entry_ids_that_are_no_instants_do_no_harm(redis_client: redis.Redis) -> None:
    """A producer may choose its ids: the largest there is, too."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    redis_client.xadd(INTENTS, intent_fields(), id="18446744073709551615-0")

    found = health.read_group(redis_client, INTENTS, GROUP)

    assert found is not None
    assert found.oldest_unread is not None
    assert found.oldest_unread < timedelta(0)


def test_a_key_that_is_no_stream_is_refused_by_its_type(redis_client: redis.Redis) -> None:
    """Every key with what it holds, one that is missing too."""
    redis_client.set("a", 1)
    redis_client.xadd("b", {"c": 1})

    assert health.key_types(redis_client, ["a", "b", "c"]) == {"a": "string", "b": "stream", "c": "none"}
    redis_client.set(INTENTS, 1)
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        health.read_group(redis_client, INTENTS, GROUP)


def test_a_user_who_may_do_everything_lacks_no_right(own_client: redis.Redis) -> None:
    """The default user of a server without ACLs."""
    assert missing(own_client) == []


def test_the_rights_that_are_needed_are_enough(as_user: AsUser) -> None:
    """Our keys, the data commands, KEYS for Dramatiq, and ACL DRYRUN for this very check."""
    rules = ("~notification:*", "~mail:*", "~gateway:*", "~publisher:*", "~dramatiq", "~dramatiq:*", "+@all", "-@admin")

    assert missing(as_user(*rules, "+acl|dryrun", "+acl|whoami")) == []


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [
        (["~*", "+@all", "-keys"], ["KEYS dramatiq:__acks__*"]),
        (["~*", "+@all", "-xautoclaim", "-info"], [f"XAUTOCLAIM {INTENTS}", "INFO"]),
        (
            ["~notification:*", "~mail:*", "~publisher:*", "~dramatiq", "~dramatiq:*", "+@all"],
            [
                "XADD gateway:client_events",
                "EVALSHA on gateway:client_events publisher:witness:{gateway:client_events}:0/0",
            ],
        ),
    ],
)
def test_a_right_that_is_missing_is_named_with_its_key(
    as_user: AsUser, own_client: redis.Redis, rules: list[str], lacking: list[str]
) -> None:
    """Commands and keys alike, and nothing was run to find it out."""
    assert missing(as_user(*rules)) == lacking
    assert own_client.dbsize() == 0


def test_a_user_who_may_not_ask_is_refused_and_not_a_crash(as_user: AsUser) -> None:
    """Managed servers deny ACL and CONFIG: the one cannot be answered, the other is left out."""
    client = as_user("~*", "+@all", "-@admin", "-@dangerous", "+info")

    with pytest.raises(RedisRefused, match="no permissions"):
        missing(client)
    assert health.read_configuration(client) is None
    assert health.read_server(client).role == "master"
