"""Streams on servers of their own, each with the rights that `doctor --print-grants` prints for it, and no other."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.acceptance.conftest import Publisher
from tests.acceptance.exact_rights import NO
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.clusters import RunningCluster, running_cluster
from tests.factories import INTENTS, intent_fields
from tests.processes import Processes
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

FIRST, INTENTS_AT, EMAIL_AT = "REDIS_URL", "PUBLISHER_INTENTS_REDIS_URL", "PUBLISHER_EMAIL_REDIS_URL"
PUSH_AT = "PUBLISHER_PUSH_REDIS_URL"


@pytest.fixture
def nodes(tmp_path: Path, environ: dict[str, str], publisher: Publisher) -> Iterator[dict[str, list[redis.Redis]]]:
    """The servers as an administrator sees them, by setting: two servers, and a cluster for emails.

    The service's own user has exactly the rights that are printed.
    """
    with ExitStack() as stack:
        alone = {name: OwnValkey(tmp_path / name) for name in (FIRST, INTENTS_AT)}
        for server in alone.values():
            stack.callback(server.stop)
        cluster: RunningCluster = stack.enter_context(running_cluster(tmp_path / "cluster", shards=2))
        # Nothing but queues and delivery events stays on the first.
        urls = {name: server.url for name, server in alone.items()} | {EMAIL_AT: cluster.url, PUSH_AT: cluster.url}
        environ |= {name: url.replace("://", "://app:secret@") for name, url in urls.items()}
        environ["PUBLISHER_AUDIT_WINDOW"] = "4"
        opened = {
            name: [stack.enter_context(redis.Redis.from_url(server.url, decode_responses=True))]
            for name, server in alone.items()
        } | {EMAIL_AT: cluster.nodes}
        printed = json.loads(publisher("doctor", "--print-grants", "--json").stdout)
        for name, grant in {FIRST: printed["redis"], **printed["stream_redis"]}.items():
            for node in opened[name]:
                node.execute_command("ACL", "SETUSER", grant["user"], *grant["rules"], ">secret")
        yield opened


def test_the_service_works_with_exactly_these_rights_on_each_server(
    processes: Processes, nodes: dict[str, list[redis.Redis]], outside: Outside, publisher: Publisher
) -> None:
    """Intents become commands, audits look for them, doctor tries every right, and no server ever says no (R13)."""
    [first], [intents] = nodes[FIRST], nodes[INTENTS_AT]
    started = [processes.start(name) for name in ("worker", "clock", "intake")]
    producer = Outside(outside.connection, intents)
    producer.send(intent_fields(recipients_json=users(5)))
    producer.wait_for_routes(published=10)
    audited = "SELECT 1 FROM stream_audits WHERE channel = 'email' AND covered_to IS NOT NULL"
    wait_until(lambda: outside.rows(audited))
    status, refused = publisher("status"), _refused(nodes)
    # It asks for the configuration and for streams that may have been given up, and does without.
    doctor = publisher("doctor", "--json")

    assert (first.exists(EMAIL, PUSH, INTENTS), intents.xlen(INTENTS)) == (0, 1)
    assert [sum(node.xlen(of) for node in nodes[EMAIL_AT] if _has(node, of)) for of in (EMAIL, PUSH)] == [5, 5]
    checks = {check["name"]: check for check in map(json.loads, doctor.stdout.splitlines())}
    assert {name for name, check in checks.items() if check["verdict"] not in ("ok", "warning")} == set()
    assert {"redis-email-rights", "redis-intents-rights"} <= checks.keys()
    assert status.returncode == 0, status.stderr
    for process in started:
        assert not [line for line in process.output.splitlines() if NO.search(line)]
    assert refused == set()
    by_doctor = {each for each in _refused(nodes) if not re.fullmatch(r"key .+:\{\d+\}", each)}
    assert by_doctor <= {"command config|get", *(f"key {stream}" for stream in (INTENTS, EMAIL, PUSH))}


def _refused(nodes: Mapping[str, Sequence[redis.Redis]]) -> set[str]:
    """What was refused to anybody, as far as the servers remember."""
    return {f"{line['reason']} {line['object']}" for of in nodes.values() for node in of for line in node.acl_log()}


def _has(node: redis.Redis, stream: str) -> bool:
    """Whether the stream is in a slot of this node."""
    try:
        node.exists(stream)
    except redis.exceptions.MovedError:
        return False
    return True
