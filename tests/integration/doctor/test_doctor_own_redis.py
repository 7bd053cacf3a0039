"""Each Redis that has streams is examined as that of REDIS_URL is, under names of its own (R13, R35)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from publisher.doctor.verdict import Verdict
from tests.clusters import RunningCluster, running_cluster
from tests.integration.doctor.examined import Examined, amiss
from tests.processes import free_port
from tests.valkeys import OwnValkey, port_of

FAILED, UNKNOWN, OK = Verdict.FAILED, Verdict.UNKNOWN, Verdict.OK
MAIL, PUSH, INTENTS = (f"PUBLISHER_{name}_REDIS_URL" for name in ("EMAIL", "PUSH", "INTENTS"))
WHAT = ("tls", "clock", "persistence", "eviction", "memory", "clients", "writes", "rights", "streams")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Two shards without replicas."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), shards=2) as running:
        yield running


def test_a_redis_of_its_own_is_examined_with_its_own_streams(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """One that is unfit fails its own checks, and those of REDIS_URL are as they were."""
    assert amiss(examined(**{MAIL: own_valkey.url})) == {}
    own_client.set("mail:delivery_commands", "no stream")
    own_client.set("notification:intents", "nobody looks here")
    own_client.config_set("maxmemory-policy", "allkeys-lru")
    own_client.config_set("maxmemory", 10**9)
    own_client.config_set("appendonly", "no")
    own_client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", "-xadd")

    found = examined(**{MAIL: own_valkey.url.replace("://", "://app:secret@")})

    assert {f"redis-email-{what}" for what in WHAT} <= found.keys()
    failed = {"eviction", "persistence", "streams", "rights"}
    assert amiss(found) == {f"redis-email-{what}": FAILED for what in failed} | {"commands-groups": UNKNOWN}
    assert found["redis-email-rights"].finding == "not allowed: XADD mail:delivery_commands"
    assert found["redis-email-rights"].remedy.endswith(f"for the user of {MAIL}, or name another user there")


def test_one_that_is_away_fails_its_check_and_hides_nothing_else(examined: Examined, own_valkey: OwnValkey) -> None:
    """Its setting is named, with what to do. Every other server and stream is looked at."""
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    found = examined(**{PUSH: nowhere, MAIL: own_valkey.url, INTENTS: nowhere})
    nobody = examined(**{PUSH: nowhere, MAIL: nowhere})

    wrong = amiss(found)
    assert wrong.pop("redis-intents") is FAILED
    assert f"correct {INTENTS}" in found["redis-intents"].finding
    assert found["redis-intents-writes"].finding == f"not looked at: needs the Redis of {INTENTS}"
    assert found["redis-intents-writes"].remedy == "mend redis-intents first"
    of_intents = {f"redis-intents-{what}" for what in WHAT if what != "tls"}
    assert wrong == dict.fromkeys({*of_intents, "intents-pending", "commands-groups"}, UNKNOWN)
    assert found["commands-groups"].finding.startswith("push: gateway:client_events could not be read")
    assert nobody["commands-pending"].finding == "not looked at: no stream could be read, of email, push"


def test_without_the_redis_of_redis_url_the_others_are_looked_at(examined: Examined, own_valkey: OwnValkey) -> None:
    """What stands on a Redis of its own does not hang on it."""
    found = examined(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", **{MAIL: own_valkey.url, INTENTS: own_valkey.url})

    assert found["redis"].verdict is FAILED
    looked = {"redis-intents", *(f"redis-intents-{what}" for what in WHAT), "intents-pending", "commands-pending"}
    assert {found[name].verdict for name in looked} == {OK}
    # One Redis, named twice, is examined once.
    assert "redis-email" not in found


def test_every_primary_of_a_cluster_is_examined(examined: Examined, shards: RunningCluster) -> None:
    """A fault names its node."""
    cluster = {MAIL: shards.url, PUSH: shards.url}
    assert amiss(examined(**cluster)) == {}
    node = shards.nodes[1]
    node.config_set("maxmemory", 1)

    found = examined(**cluster)

    node.config_set("maxmemory", 0)
    assert amiss(found) == {"redis-email-writes": FAILED, "redis-email-memory": FAILED}
    assert found["redis-email-writes"].finding.startswith(f"127.0.0.1:{port_of(node)}: it took no write")
    assert found["redis-email-slots"].finding == "every slot has a node"


def test_a_url_that_does_not_fit_its_redis_says_which_would(
    examined: Examined, shards: RunningCluster, own_valkey: OwnValkey
) -> None:
    """A node of a cluster is no single server, and a single server no cluster."""
    node = f"redis://127.0.0.1:{port_of(shards.nodes[0])}/0"
    found = examined(**{MAIL: node, PUSH: own_valkey.url.replace("redis://", "redis+cluster://")})

    assert found["redis-email"].verdict is found["redis-push"].verdict is FAILED
    assert f"write redis+cluster://host:port,host:port in {MAIL}" in found["redis-email"].remedy
    assert f"write redis:// in the place of redis+cluster:// in {PUSH}" in found["redis-push"].remedy


def test_a_node_that_died_hides_no_other(examined: Examined, tmp_path: Path) -> None:
    """Its check fails with its name; the living ones are examined."""
    with running_cluster(tmp_path, shards=2) as cluster:
        cluster.kill(cluster.nodes[1])
        found = examined(**{MAIL: cluster.url})

    dead = f"127.0.0.1:{port_of(cluster.nodes[1])}"
    assert found["redis-email"].verdict is FAILED
    assert f"{dead}: Redis is not available" in found["redis-email"].finding
    assert found["redis-email-clock"].finding == f"{dead}: not looked at: it cannot be asked"
