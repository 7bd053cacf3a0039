"""Streams with a Redis of their own, by the real processes: one that is away parks its channel alone (R35, R37)."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.acceptance.conftest import Publisher
from tests.acceptance.deploy import ROUTES, deploy
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.factories import INTENTS, intent_fields
from tests.processes import Processes
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

_PARKED = "SELECT channel, park_reason FROM channel_gates WHERE parked_at IS NOT NULL"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[dict[str, OwnValkey]]:
    """A Valkey for intents, one for emails and one for pushes."""
    names = ("INTENTS", "EMAIL", "PUSH")
    with ExitStack() as stack:
        servers = {name: OwnValkey(tmp_path / name) for name in names}
        for server in servers.values():
            stack.callback(server.stop)
        yield servers


def client_of(server: OwnValkey) -> redis.Redis:
    """A client of this server. It reconnects by itself."""
    return redis.Redis.from_url(server.url, decode_responses=True)


def times(client: redis.Redis, stream: str) -> Counter[str]:
    """How often each delivery stands on the stream."""
    return Counter(c.get("delivery_id", c.get("event_id", "")) for _, c in client.xrange(stream))


def test_each_stream_is_on_its_own_redis_and_one_that_is_away_parks_its_channel_alone(
    processes: Processes, environ: dict[str, str], outside: Outside, own: dict[str, OwnValkey], publisher: Publisher
) -> None:
    """While the Redis of pushes is away emails go out; once it is back every push does, once."""
    environ |= {f"PUBLISHER_{name}_REDIS_URL": server.url for name, server in own.items()}
    environ |= {"PUBLISHER_ROUTE_LEASE_TTL": "3", "PUBLISHER_AUDIT_WINDOW": "5"}
    for name in ("worker", "clock", "intake"):
        processes.start(name)
    with client_of(own["INTENTS"]) as intents, client_of(own["EMAIL"]) as mail, client_of(own["PUSH"]) as push:
        producer = Outside(outside.connection, intents)
        producer.send(intent_fields(recipients_json=users(10)))
        producer.wait_for_routes(published=20)
        assert (mail.xlen(EMAIL), push.xlen(PUSH)) == (10, 10)

        own["PUSH"].stop()
        producer.send(*(intent_fields(recipients_json=users(10)) for _ in range(9)))
        wait_until(lambda: mail.xlen(EMAIL) == 100)
        wait_until(lambda: [row["channel"] for row in outside.rows(_PARKED)] == ["push"])
        status, doctor, listed = publisher("status"), publisher("doctor"), publisher("channels", "list")
        own["PUSH"].start()
        producer.wait_for_routes(published=200)

        assert set(times(push, PUSH).values()) == {1}
        assert (len(times(push, PUSH)), len(times(mail, EMAIL))) == (100, 100)
        assert not outside.redis.exists(EMAIL, PUSH, INTENTS)
        # Who looks meanwhile sees the rest, and which setting names what is away.
        assert (status.returncode, listed.returncode) == (0, 0), (status.stderr, listed.stderr)
        assert doctor.returncode == 1
        for told in (status.stdout, listed.stdout, doctor.stdout):
            assert "PUBLISHER_PUSH_REDIS_URL" in told


def test_a_deploy_that_moves_a_channel_to_another_redis_sends_nothing_twice(
    processes: Processes, environ: dict[str, str], outside: Outside, own: dict[str, OwnValkey]
) -> None:
    """What stands on the Redis before is not sent again, though its worker died before it was recorded (R12, R12a)."""
    deploy(processes, environ, outside, PUBLISHER_EMAIL_REDIS_URL=own["EMAIL"].url)

    with client_of(own["EMAIL"]) as mail:
        both = outside.deliveries(EMAIL) + times(mail, EMAIL)
        assert set(both.values()) == {1}
        assert len(both) == ROUTES
        assert mail.xlen(EMAIL) > 0
        assert outside.statuses() == {"published": ROUTES}
