"""A cluster of one shard behind REDIS_URL: every key is on one server, and every step keeps to one slot."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.conftest import connected
from tests.factories import intent_fields
from tests.processes import Processes
from tests.valkeys import cluster


@pytest.fixture
def one_shard(database_url: str, tmp_path: Path, environ: dict[str, str]) -> Iterator[Outside]:
    """Both servers from outside, Redis a cluster of one shard."""
    with (
        cluster(tmp_path / "cluster", shards=1) as url,
        connected(database_url) as connection,
        redis.Redis.from_url(url, decode_responses=True) as client,
    ):
        environ["REDIS_URL"] = url
        yield Outside(connection, client)


def test_the_service_works_on_a_cluster_of_one_shard(
    processes: Processes, one_shard: Outside, publisher: Publisher
) -> None:
    """As managed ones are: intents become commands, and no step is refused for keys of several slots."""
    started = [processes.start(name) for name in ("worker", "clock", "intake")]
    one_shard.send(*(intent_fields(recipients_json=users(10)) for _ in range(20)))
    one_shard.wait_for_routes(published=400)
    assert (one_shard.redis.xlen(EMAIL), one_shard.redis.xlen(PUSH)) == (200, 200)
    scan, status, doctor = publisher("scheduler", "scan", "--wait"), publisher("status"), publisher("doctor", "--json")

    assert (scan.returncode, status.returncode) == (0, 0), (scan.stderr, status.stderr)
    assert [check for check in map(json.loads, doctor.stdout.splitlines()) if check["verdict"] == "failed"] == []
    assert [process.output for process in started if "CROSSSLOT" in process.output] == []
