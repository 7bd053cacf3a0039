"""The parts that the actors of this process share, installed once by the entry module before actors are imported."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import redis

from publisher.domain.channel import Channel
from publisher.domain.retention import Retention
from publisher.process.telemetry import Telemetry
from publisher.process.watchdog import Watchdog
from publisher.publishing.loss_audit import LossAudit
from publisher.publishing.publisher import Publisher
from publisher.publishing.throttle import Throttle
from publisher.streams.keys import next_look_key, scan_key
from publisher.streams.mutex import Mutex
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database


@dataclass(frozen=True)
class Context:
    """Everything an actor or middleware of this process needs.

    redis: that of REDIS_URL, for queues and mutexes.
    servers: the Redis of every stream.
    stopping: set once the process was told to stop.
    watchdog: counts the threads at work; long work beats on it.
    busy_endings: how often a batch of routes is ended while others of the channel are due.
    """

    publisher: Publisher
    database: Database
    redis: redis.Redis
    servers: StreamServers
    streams: OutboundStreams
    channels: Mapping[str, Channel]
    telemetry: Telemetry
    scan_interval: timedelta
    retry_horizon: timedelta
    loss_audit: LossAudit
    retention: Retention
    intents_streams: Sequence[str]
    intents_group: str
    events_stream: str
    events_group: str
    stopping: threading.Event = field(default_factory=threading.Event)
    watchdog: Watchdog = field(default_factory=Watchdog)
    busy_endings: Throttle = field(default_factory=lambda: Throttle(1.0))

    @cached_property
    def scans(self) -> Mutex:
        """One mutex for each channel: held for `silence` after each scan."""
        return Mutex(self.redis, scan_key)

    @cached_property
    def next_looks(self) -> Mutex:
        """One mutex for each channel: held until the look that was sent for a channel with a rate limit (R30)."""
        return Mutex(self.redis, next_look_key)

    @property
    def silence(self) -> timedelta:
        """How long after its last scan a channel counts as silent, so that a worker scans it by itself (R14a)."""
        return self.scan_interval * 3


_installed: list[Context] = []


def install(context: Context) -> None:
    """Makes this the context of every actor of this process, in the place of any before it."""
    _installed[:] = [context]


def context() -> Context:
    """Returns the installed context. Raises RuntimeError if there is none: an actor ran outside an entry module."""
    if not _installed:
        raise RuntimeError("no context is installed: start workers with 'dramatiq publisher.actors'")
    return _installed[0]
