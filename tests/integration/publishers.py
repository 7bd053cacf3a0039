"""A Publisher on this test's servers, and what its attempts leave behind: commands, counters, events."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from typing import Any

import redis
import structlog
from structlog.testing import capture_logs

from publisher.domain.backoff import Backoff
from publisher.process.telemetry import Telemetry
from publisher.publishing.policy import Hooks, Policy
from publisher.publishing.publisher import Publisher
from publisher.streams.append_result import AppendResult
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.factories import CHANNELS

BACKOFF = Backoff(timedelta(seconds=1), timedelta(seconds=1800))


def publisher(database: Database, streams: OutboundStreams, **options: Any) -> Publisher:
    """A publisher with the default settings, each option to be overridden by name."""
    channels = options.pop("channels", CHANNELS)
    telemetry = options.pop("telemetry", None) or Telemetry()
    hooks = {field.name: options.pop(field.name) for field in fields(Hooks) if field.name in options}
    policy = {"lease_ttl": timedelta(seconds=30), "batch_size": 500, "backoff": BACKOFF, **options}
    return Publisher(database, streams, channels, telemetry, Policy(**policy), Hooks(**hooks))


class InterruptedStreams(OutboundStreams):
    """The streams, with something that happens once an append is done and before its reply is used."""

    def __init__(self, client: redis.Redis, then: Callable[[], object]) -> None:
        super().__init__(StreamServers(client), timedelta(hours=1))
        self._then = then

    def append(self, *args: Any, **options: Any) -> list[AppendResult]:
        results = super().append(*args, **options)
        self._then()
        return results


def commands(client: redis.Redis, channel: str = "email") -> dict[str, dict[str, str]]:
    """The commands on the channel's stream, by entry id, in order."""
    return {
        id_.decode(): {name.decode(): value.decode() for name, value in fields.items()}
        for id_, fields in client.xrange(CHANNELS[channel].stream)
    }


def counters(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Every counter that counted something: name and label values -> count."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


@contextmanager
def logged() -> Iterator[list[Any]]:
    """The events logged meanwhile, those of debug level too."""
    configured = structlog.get_config()
    structlog.reset_defaults()
    try:
        with capture_logs() as events:
            yield events
    finally:
        structlog.configure(**configured)
