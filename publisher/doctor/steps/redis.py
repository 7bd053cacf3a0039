"""Checks that ask Redis."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import redis

from publisher.channels.email import EMAIL
from publisher.doctor.checks import clocks, commands, counters, intents, mail, redis_server, rights, systems
from publisher.doctor.grants import streams_of
from publisher.doctor.steps.clock import read_clock
from publisher.doctor.steps.step import Look, Server, Step, Unusable, once, refusal_of
from publisher.doctor.verdict import Diagnosis, ok
from publisher.domain.errors import RedisRefused
from publisher.operations.readers import CommandReaders, command_readers
from publisher.settings.mail import MailSettings
from publisher.settings.settings import Settings
from publisher.streams import health
from publisher.streams import rights_trial as rights_
from publisher.streams.group_reading import stream_groups
from publisher.streams.groups import Group
from publisher.streams.heartbeats import ProcessRegister, of_other_systems
from publisher.streams.servers import StreamServers
from storage.database import Database
from storage.identity import read_system

T = TypeVar("T")
# A process that is silent for longer was killed, or cannot reach Redis.
_ALIVE = timedelta(seconds=15)
# The counters of workers are served once all of them run.
_STARTING = timedelta(seconds=15)


def of_redis(settings: Settings, servers: StreamServers, database: Database) -> list[Step]:
    """Every check of Redis, of its streams, and of the intents and delivery events that wait there."""
    client = servers.hints
    server = once(lambda: health.read_server(client))
    clock = once(lambda: read_clock(lambda: health.read_clock(client)))
    groups = once(lambda: stream_groups(servers.of(settings.intents_stream), settings.intents_stream))
    readers = once(lambda: command_readers(servers, settings.channels))
    events = once(
        lambda: stream_groups(servers.of(settings.events_stream), settings.events_stream).group(settings.events_group)
    )
    streams = streams_of(settings)
    trial = once(lambda: rights_.try_rights(client, streams))

    def group() -> Group | None:
        return groups().group(settings.intents_group)

    def reachable() -> Diagnosis:
        found, timeout = _if_allowed(server), settings.timeouts.redis
        # Before anything else: while it loads its data, Redis answers to INFO alone, and a Sentinel to little more.
        if found is not None and found.loading:
            return redis_server.server(found, timedelta(0), timeout)
        sentinel = redis_server.misdirected(found, None, elsewhere=False)
        if sentinel is not None:
            raise Unusable(sentinel)
        shards = health.read_shards(client) if found is None or found.mode == "cluster" else None
        try:
            cluster = redis_server.misdirected(found, shards, elsewhere=trial().elsewhere)
        except RedisRefused as error:
            raise Unusable(redis_server.refuses_everything(str(error))) from error
        if cluster is not None:
            raise Unusable(cluster)
        return redis_server.server(found or server(), clock().round_trip, timeout)

    def others() -> Diagnosis:
        seen = of_other_systems(ProcessRegister(client).seen(), read_system(database))
        return systems.alone([f"{s.process.role} {s.process.host} pid {s.process.pid}" for s in seen])

    def counting() -> Diagnosis:
        seen = [
            s
            for s in ProcessRegister(client).seen()
            if s.silent <= _ALIVE and s.seen_at - s.process.started_at > _STARTING
        ]
        named = [
            counters.Counting(f"{p.role} {p.host} pid {p.pid}", p.host, p.metrics_port)
            for p in (s.process for s in seen)
            # A page has a port of its own, and by default no token for its metrics: that is how it is meant.
            if p.metrics_port or p.role != "web"
        ]
        return counters.counters(settings.metrics_port, named)

    looks: dict[str, Look] = {
        "redis": reachable,
        "redis-clock": lambda: clocks.clock("Redis", clock()),
        "redis-persistence": lambda: redis_server.persistence(server(), health.read_configuration(client)),
        "redis-eviction": lambda: redis_server.eviction(server()),
        "redis-memory": lambda: redis_server.memory(server()),
        "redis-clients": lambda: redis_server.clients(server()),
        "redis-writes": lambda: redis_server.writes(refusal_of(lambda: health.try_write(client))),
        "redis-systems": others,
        "counters": counting,
        "redis-rights": lambda: rights.redis(trial()),
        "streams": lambda: redis_server.streams(health.key_types(client, streams.names)),
        "intents-group": lambda: intents.group(settings.intents_stream, settings.intents_group, group()),
        "intents-pending": lambda: intents.pending(group(), settings.route_lease_ttl),
        "events-group": lambda: intents.group(settings.events_stream, settings.events_group, events()),
        "events-pending": lambda: intents.pending(events(), settings.route_lease_ttl),
        "commands-groups": lambda: commands.groups(readers().values()),
        "commands-pending": lambda: commands.pending(readers().values()),
        "mail": lambda: _mail(settings.mail, client, readers().get(EMAIL.name)),
    }
    return [Step(name, Server.REDIS, look) for name, look in looks.items()]


def _mail(settings: MailSettings, client: redis.Redis, readers: CommandReaders | None) -> Diagnosis:
    if readers is None:
        return ok("the channel email is not installed")
    if settings.smtp_url is None:
        return mail.mail(None, settings.group, readers, 0)
    alive = [s for s in ProcessRegister(client).seen() if s.process.role == "mailer" and not s.is_silent]
    return mail.mail(settings.smtp_url.shown, settings.group, readers, len(alive))


def _if_allowed(read: Callable[[], T]) -> T | None:
    """What it reads, or None where Redis refuses."""
    try:
        return read()
    except RedisRefused:
        return None
