"""Publishers with a circuit breaker, and the time until its probes."""

from datetime import timedelta
from typing import Any

from publisher.domain.circuit import Probing
from publisher.publishing.publisher import Publisher
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import publisher
from tests.integration.rows import execute, make_due

EMAIL = CHANNELS["email"].stream
PROBING = Probing(refused_batches=3, first=timedelta(seconds=1), longest=timedelta(seconds=3), batch=2)
HOUR = timedelta(hours=1)


def worker(database: Database, streams: OutboundStreams, **options: Any) -> Publisher:
    """A publisher with a circuit breaker, which parks the channel at the third refused batch in a row."""
    return publisher(database, streams, **{"probing": PROBING, **options})


def refuse(database: Database, by: Publisher, batches: int) -> None:
    """Runs so many batches in a row, each over all routes."""
    for _ in range(batches):
        make_due(database)
        by.publish_due("email")


def probe_is_due(database: Database) -> None:
    """Makes the next probe of a parked channel due."""
    execute(database, "UPDATE channel_gates SET probe_at = now() - interval '1 second' WHERE parked_at IS NOT NULL")
