"""A consumer answers by delivery events: `publisher intake` takes them in beside the intents (R32)."""

import signal

import redis

from storage.database import Database
from tests.acceptance.outside import Outside
from tests.factories import EVENTS, GROUP, INTENTS, event_fields, intent_fields
from tests.integration.rows import all_routes
from tests.integration.storage.answers.test_delivery_events import deliveries
from tests.integration.stream_entries import consumers
from tests.processes import Processes
from tests.waiting import wait_until


def test_intake_takes_answers_in_beside_intents_and_stops_on_a_signal(
    processes: Processes, database: Database, outside: Outside, redis_client: redis.Redis
) -> None:
    """Both streams are read at once; on SIGTERM the process leaves both groups and exits 0 (R17)."""
    [delivery] = deliveries(database)
    intake = processes.start("intake")
    intake.wait_until_ready()
    redis_client.xadd(EVENTS, dict(event_fields(delivery_id=delivery, event="delivered")))
    outside.send(intent_fields())

    wait_until(lambda: len(all_routes(database)) == 3 and all_routes(database)[0]["answer"] == "delivered")
    intake.signal(signal.SIGTERM)

    assert intake.wait() == 0
    assert [consumers(redis_client, stream) for stream in (INTENTS, EVENTS)] == [set(), set()]
    assert {group["name"].decode() for group in redis_client.xinfo_groups(EVENTS)} == {GROUP}
