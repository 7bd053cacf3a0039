"""Checks that ask Redis."""

from datetime import timedelta

import redis

from publisher.doctor.clock import read_clock
from publisher.doctor.step import Look, Server, Step, once
from publisher.domain.diagnosis import clocks, intents, redis_server
from publisher.domain.diagnosis.verdict import Diagnosis
from publisher.settings import Settings
from publisher.streams import health


def of_redis(settings: Settings, client: redis.Redis) -> list[Step]:
    """Every check of Redis, of its streams, and of the intents that wait there."""
    server = once(lambda: health.read_server(client))
    clock = once(lambda: read_clock(lambda: health.read_clock(client)))
    group = once(lambda: health.read_group(client, settings.intents_stream, settings.intents_group))
    outbound = {name: channel.stream for name, channel in settings.channels.items()}

    def reachable() -> Diagnosis:
        # Before anything else: while it loads its data, Redis answers to INFO alone.
        found = server()
        if found.loading:
            return redis_server.server(found, timedelta(0), settings.timeouts.redis)
        return redis_server.server(found, clock().round_trip, settings.timeouts.redis)

    looks: dict[str, Look] = {
        "redis": reachable,
        "redis-clock": lambda: clocks.clock("Redis", clock()),
        "redis-persistence": lambda: redis_server.persistence(server(), health.read_configuration(client)),
        "redis-eviction": lambda: redis_server.eviction(server()),
        "redis-memory": lambda: redis_server.memory(server()),
        "redis-clients": lambda: redis_server.clients(server()),
        "redis-rights": lambda: redis_server.rights(
            health.missing_rights(
                client, intents=settings.intents_stream, group=settings.intents_group, streams=outbound
            )
        ),
        "streams": lambda: redis_server.streams(
            health.key_types(client, [settings.intents_stream, *outbound.values()])
        ),
        "intents-group": lambda: intents.group(settings.intents_stream, settings.intents_group, group()),
        "intents-pending": lambda: intents.pending(group(), settings.route_lease_ttl),
    }
    return [Step(name, Server.REDIS, look) for name, look in looks.items()]
