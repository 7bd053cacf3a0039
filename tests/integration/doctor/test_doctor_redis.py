"""The checks of Redis, its streams and the intents that wait there, on real servers with real faults."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis

from publisher.doctor.verdict import Verdict
from publisher.streams.heartbeats import Process, ProcessRegister
from publisher.streams.servers.connection import open_redis
from storage.database import Database
from storage.identity import read_system
from tests.factories import GROUP, INTENTS
from tests.integration.doctor.examined import Examined, amiss
from tests.integration.stream_entries import send_intents
from tests.valkeys import OwnValkey, cluster, sentinel

OK, WARNING, FAILED, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.UNKNOWN


def test_a_redis_unfit_for_the_job_fails_its_checks(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """It evicts, keeps nothing, and is nearly full; and a channel's stream is no stream."""
    # Made by the server: what a client sends stays in its buffer for a while, and would count as memory in use.
    own_client.setrange("mail:delivery_commands", 2_000_000, b"x")
    own_client.config_set("appendonly", "no")
    own_client.config_set("maxmemory-policy", "allkeys-lru")
    used = int(own_client.info("memory")["used_memory"])
    own_client.config_set("maxmemory", round(used * 1.2))

    wrong = amiss(examined(REDIS_URL=own_valkey.url))

    assert wrong == {
        "redis-persistence": FAILED,
        "redis-eviction": FAILED,
        "redis-memory": WARNING,
        "streams": FAILED,
        "commands-groups": UNKNOWN,
    }


def test_a_redis_that_tells_nothing_leaves_its_checks_unknown(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """A managed server denies INFO, CONFIG and ACL: that is no failure, and each says what to do.

    Rights are tried without asking for them.
    """
    rules = ("reset", "on", ">secret", "~*", "+@all", "-@dangerous")
    own_client.execute_command("ACL", "SETUSER", "app", *rules)

    found = examined(REDIS_URL=own_valkey.url.replace("://", "://app:secret@"))

    unknown = {"redis", "redis-persistence", "redis-eviction", "redis-memory", "redis-clients"}
    assert amiss(found) == dict.fromkeys(unknown, UNKNOWN)
    assert all(found[name].remedy for name in unknown)


def test_a_redis_without_a_right_of_the_service_fails_its_check(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Signs of life, a scan that someone waits for: whatever is refused is named, and the rules that give it."""
    rules = ("reset", "on", ">secret", "~*", "+@all", "-hdel", "-hgetall")
    own_client.execute_command("ACL", "SETUSER", "app", *rules)

    found = examined(REDIS_URL=own_valkey.url.replace("://", "://app:secret@"))

    unknown = dict.fromkeys(["redis-systems", "counters", "streams-given-up"], UNKNOWN)
    assert amiss(found) == {"redis-rights": FAILED, **unknown}
    assert found["redis-rights"].finding.startswith("not allowed: HDEL publisher:processes, HGETALL publisher:process")
    assert found["redis-rights"].remedy.startswith("ACL SETUSER … +hdel ~publisher:* +hgetall ~dramatiq:* for")


def test_a_user_who_may_not_even_connect_fails_one_check(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Without CLIENT SETNAME no connection of the service begins."""
    own_client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", "-client")

    found = examined(REDIS_URL=own_valkey.url.replace("://", "://app:secret@"))

    wrong = amiss(found)
    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert "client|setname" in found["redis"].finding
    assert found["redis-rights"].finding == "not looked at: needs Redis"


def test_a_redis_that_takes_no_writes_fails_a_check(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Whatever the reason, and whatever it says of its own state."""
    own_client.config_set("maxmemory", 1)
    assert examined(REDIS_URL=own_valkey.url)["redis-writes"].verdict is FAILED
    own_client.config_set("maxmemory", 0)
    assert examined(REDIS_URL=own_valkey.url)["redis-writes"].verdict is OK
    own_client.replicaof("127.0.0.1", 1)
    assert examined(REDIS_URL=own_valkey.url)["redis-writes"].verdict is FAILED


def test_a_cluster_of_several_shards_is_named_for_what_it_is(examined: Examined, tmp_path: Path) -> None:
    """Its own check says so, and the others do not complain of what follows."""
    with cluster(tmp_path, shards=2) as url:
        found = examined(REDIS_URL=url)

    wrong = amiss(found)
    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert found["redis"].finding.startswith("it is one shard of a cluster of 2 shards")


def test_a_cluster_that_may_not_be_asked_is_told_by_keys_that_are_elsewhere(examined: Examined, tmp_path: Path) -> None:
    """INFO and CLUSTER are denied, and MOVED is not."""
    with cluster(tmp_path, shards=2) as url, redis.Redis.from_url(url) as client:
        rules = ("reset", "on", ">secret", "~*", "+@all", "-info", "-cluster")
        client.execute_command("ACL", "SETUSER", "app", *rules)
        found = examined(REDIS_URL=url.replace("://", "://app:secret@"))

    assert found["redis"].verdict is FAILED
    assert "a cluster of several shards" in found["redis"].finding


def test_a_cluster_of_one_shard_will_do(examined: Examined, tmp_path: Path) -> None:
    """Every key is on it."""
    with cluster(tmp_path, shards=1) as url:
        assert amiss(examined(REDIS_URL=url)) == {}


def test_a_sentinel_is_named_for_what_it_is(examined: Examined, tmp_path: Path) -> None:
    """It answers, and knows next to no command."""
    with sentinel(tmp_path / "sentinel") as url:
        found = examined(REDIS_URL=url)

    wrong = amiss(found)
    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert found["redis"].finding.startswith("it is a Sentinel")


def test_a_second_system_on_the_same_redis_fails_its_check(
    examined: Examined, create_database: Callable[[str], str], template: str, database: Database, redis_url: str
) -> None:
    """Each of the two learns it, by the other's living processes; a system alone has nothing amiss."""
    other_url = create_database(template)
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        own, other = "a" * 16, "b" * 16
        process = Process(own, "intake", "web-1", 17, datetime.now(UTC), "0.1.0", read_system(database))
        ProcessRegister(client).sign(process)
        assert amiss(examined()) == {}
        with closing(Database(other_url, application_name="test")) as theirs:
            ProcessRegister(client).sign(replace(process, id=other, host="web-2", system=read_system(theirs)))

        ours, theirs_found = examined(), examined(DATABASE_URL=other_url)

    assert amiss(ours) == amiss(theirs_found) == {"redis-systems": FAILED}
    assert "intake web-2 pid 17" in ours["redis-systems"].finding
    assert "intake web-1 pid 17" in theirs_found["redis-systems"].finding


def test_a_process_whose_counters_nobody_can_read_is_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """It was told to serve them, and had time to; one that has just started is not asked yet."""
    register, now = ProcessRegister(redis_client), datetime.now(UTC)
    old = Process("a", "intake", "web-1", 17, now - timedelta(hours=1), "0.1.0", metrics_port=9100)
    for process in (
        old,
        replace(old, id="b", pid=18, metrics_port=0),
        replace(old, id="c", started_at=now, metrics_port=0),
    ):
        register.sign(process)

    served, told = examined(), examined(PUBLISHER_METRICS_PORT="9100")

    assert (served["counters"].verdict, served["counters"].finding) == (OK, "counters are served at web-1:9100")
    assert amiss(told) == {"counters": WARNING}
    assert told["counters"].finding == "no counters are served by: intake web-1 pid 18"


def test_a_consumer_that_died_with_entries_is_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """Nobody has taken over for longer than it takes."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    [entry] = send_intents(redis_client, 1)
    redis_client.xreadgroup(GROUP, "dead", {INTENTS: ">"})
    short = {"PUBLISHER_ROUTE_LEASE_TTL": "0.05"}
    time_passes = redis_client.time()
    while redis_client.xinfo_consumers(INTENTS, GROUP)[0]["idle"] <= 100:
        assert redis_client.time()[0] - time_passes[0] < 10

    found = examined(**short)["intents-pending"]

    assert (found.verdict, found.finding.rpartition(" ")[2]) == (WARNING, "dead")
    redis_client.xack(INTENTS, GROUP, entry)
    assert examined(**short)["intents-pending"].verdict is OK
