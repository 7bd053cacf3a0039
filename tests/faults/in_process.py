"""Runs intake and a scanning worker in the test's own process, on servers that the test may break."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta

import dramatiq
import pytest
import redis
from dramatiq import worker as dramatiq_worker

from actors.context import Context
from publisher.bootstrap import compose_intake
from publisher.connections import open_client
from publisher.domain.backoff import Backoff
from publisher.domain.planning import plan_routes
from publisher.environment import load_settings
from publisher.intake import consumer as intake
from publisher.process import next_try
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.stream_servers import StreamServers
from tests.acceptance.outside import Outside
from tests.conftest import connected
from tests.factories import CHANNELS, GROUP, INTENTS, intent, intent_fields
from tests.faults.composition import installed
from tests.faults.invariants import Expected, violations

# Workers look for themselves after three of these; servers are given up in a fraction of the lease.
_QUICK = {"PUBLISHER_SCAN_INTERVAL": "0.2", "PUBLISHER_ROUTE_LEASE_TTL": "8", "PUBLISHER_ROUTE_BACKOFF_MAX": "1"}
# After a server's return everything goes on within this, with no restart by hand.
RESUMED = 5.0


@contextmanager
def running(environ: Mapping[str, str], **variables: str) -> Iterator[Context]:
    """Intake and a worker, from this environment and the variables given besides, until the end of the block."""
    whole = {**environ, **_QUICK, **variables}
    with pytest.MonkeyPatch.context() as patch, installed(whole) as context:
        patch.setattr(intake, "_BLOCK", timedelta(milliseconds=50))
        patch.setattr(next_try, "_BACKOFF", Backoff(timedelta(milliseconds=50), timedelta(milliseconds=500)))
        patch.setattr(dramatiq_worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)
        worker = dramatiq.Worker(dramatiq.get_broker(), worker_timeout=50, worker_threads=2)
        client = open_client(load_settings(whole), "group")
        group = IntentsGroup(StreamServers(client), INTENTS, GROUP, "inside")
        loop = compose_intake(context, group, intake.IntakeOptions(INTENTS, 10, timedelta(hours=1)))
        thread = threading.Thread(target=loop.run, name="intake")
        with client:
            worker.start()
            thread.start()
            try:
                yield context
            finally:
                context.stopping.set()
                thread.join()
                worker.stop()


@contextmanager
def seen_outside(environ: Mapping[str, str]) -> Iterator[Outside]:
    """Opens the servers of this environment as producers, consumers and operators see them."""
    client = redis.Redis.from_url(environ["REDIS_URL"], decode_responses=True)
    with connected(environ["DATABASE_URL"]) as connection, client:
        yield Outside(connection, client)


def problems(environ: Mapping[str, str], *sent: Mapping[str, str], malformed: tuple[str, ...] = ()) -> list[str]:
    """The broken invariants, once each of these intents must have been published."""
    routes = {id_: {"published"} for fields in sent for id_ in deliveries(fields)}
    with closing(redis.Redis.from_url(environ["REDIS_URL"])) as client:
        return violations(environ["DATABASE_URL"], client, Expected(routes, malformed))


def deliveries(fields: Mapping[str, str]) -> list[str]:
    """The delivery ids of an intent."""
    parsed = intent(**fields)
    return [f"{parsed.notification_id}/{route.route_id}" for route in plan_routes(parsed, CHANNELS)]


def intents(count: int) -> list[dict[str, str]]:
    """So many different intents, of two routes each."""
    return [intent_fields() for _ in range(count)]
