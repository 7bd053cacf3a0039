"""A resubmission, and the malformed intents that it is given."""

from typing import Any

import pytest
import redis

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.stream_address import StreamAddress
from publisher.operations.malformed.resubmit import Resubmission
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.intents import IncomingMalformed
from storage.database import Database
from storage.malformed.reading import MalformedRecord, find_malformed
from tests.factories import CHANNELS, EVENTS, INTENTS, accept, intent_fields, raw
from tests.integration.operations.malformed.resubmissions import Give

WHY = Rejection(RejectionCode.UNKNOWN_CHANNEL, "channels_json.0: no such channel")


@pytest.fixture
def work(database: Database, redis_client: redis.Redis) -> Resubmission:
    """Resubmission with email and push installed."""
    return Resubmission(database, StreamServers(redis_client), StreamAddress(INTENTS), EVENTS, CHANNELS)


@pytest.fixture
def give(database: Database) -> Give:
    """Records an entry with these fields as malformed."""
    given: list[str] = []

    def record(**fields: Any) -> MalformedRecord:
        given.append(f"{len(given) + 1}-1")
        accept(database, INTENTS, [], [IncomingMalformed(given[-1], raw(intent_fields(**fields)), WHY)])
        [(id_,)] = database.rows("SELECT max(id) FROM malformed_intents")
        return find_malformed(database, id_)

    return record
