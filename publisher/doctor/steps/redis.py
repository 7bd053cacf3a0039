"""Checks that ask Redis."""

from collections.abc import Mapping
from datetime import timedelta

import redis

from publisher.channels.email import EMAIL
from publisher.doctor.checks import commands, counters, given_up, intents, mail, systems
from publisher.doctor.grants import stream_variables, streams_of
from publisher.doctor.steps.redis_server import ExaminedRedis
from publisher.doctor.steps.step import NOBODY, REDIS, Server, Step, Unusable, once, own_redis
from publisher.doctor.verdict import Diagnosis, ok
from publisher.domain.channel import PARTITIONS, Channel
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable, Unavailable
from publisher.domain.stream_address import read_address
from publisher.operations.channels.readers import CommandReaders, command_readers
from publisher.settings.mail import MailSettings
from publisher.settings.settings import Settings
from publisher.settings.stream_servers import place_of
from publisher.streams.given_up import named_today, read_named, read_unless_refused, unnamed, waiting_on
from publisher.streams.group_reading import stream_groups
from publisher.streams.groups import Group, together
from publisher.streams.heartbeats import ProcessRegister, of_other_systems
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from storage.identity import read_system

# A process that is silent for longer was killed, or cannot reach Redis.
_ALIVE = timedelta(seconds=15)
# The counters of workers are served once all of them run.
_STARTING = timedelta(seconds=15)


def of_redis(settings: Settings, servers: StreamServers, database: Database) -> list[Step]:
    """Every check of each Redis, of its streams, and of the intents and delivery events that wait there."""
    client = servers.hints
    examined = {"": ExaminedRedis(REDIS, client, streams_of(settings), settings.timeouts.redis)}
    for variable in stream_variables(settings):
        place, streams = place_of(settings.stream_servers, variable), streams_of(settings, variable)
        examined[place] = ExaminedRedis(own_redis(variable), servers.at(place), streams, settings.timeouts.redis)
    groups = once(lambda: together([stream_groups(servers.of(stream), stream) for stream in settings.intents_streams]))
    readers = once(lambda: _readers(servers, settings.channels, examined))
    events = once(
        lambda: stream_groups(servers.of(settings.events_stream), settings.events_stream).group(settings.events_group)
    )

    def group() -> Group | None:
        return groups().group(settings.intents_group)

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

    def server_of(stream: str) -> Server:
        return examined[servers.place_of(stream)].asks

    of_intents, of_events = server_of(settings.intents_streams[0]), server_of(settings.events_stream)
    # Those of several servers are looked at where they can be.
    of_commands = REDIS if all(not channel.server for channel in settings.channels.values()) else NOBODY
    first, *own = examined.values()
    return [
        *first.steps(),
        Step("redis-systems", REDIS, others),
        Step("counters", REDIS, counting),
        *(step for each in own for step in each.steps()),
        Step(
            "intents-group",
            of_intents,
            lambda: intents.group(str(settings.intents), settings.intents_group, group()),
        ),
        Step("intents-pending", of_intents, lambda: intents.pending(group(), settings.route_lease_ttl)),
        Step("events-group", of_events, lambda: intents.group(settings.events_stream, settings.events_group, events())),
        Step("events-pending", of_events, lambda: intents.pending(events(), settings.route_lease_ttl)),
        Step("commands-groups", of_commands, lambda: commands.groups(readers().values())),
        Step("commands-pending", of_commands, lambda: commands.pending(readers().values())),
        Step("streams-given-up", REDIS, lambda: _given_up(settings, servers, examined)),
        Step("mail", REDIS, lambda: _mail(settings.mail, client, readers().get(EMAIL.name))),
    ]


def _readers(
    servers: StreamServers, channels: Mapping[str, Channel], examined: Mapping[str, ExaminedRedis]
) -> Mapping[str, CommandReaders]:
    """Who reads the commands of each channel. A Redis that is away, or is none, is not asked once more."""
    away: dict[str, PublisherError] = {}
    for name, channel in channels.items():
        try:
            examined[channel.server].is_there()
        except (PublisherError, Unusable) as error:
            if isinstance(error, Unusable | Unavailable):
                away[name] = RedisUnavailable(str(error), examined[channel.server].asks.variable)
    found = command_readers(servers, {name: of for name, of in channels.items() if name not in away})
    return {
        name: CommandReaders(of, away[name]) if name in away else found[name] for name, of in sorted(channels.items())
    }


def _given_up(settings: Settings, servers: StreamServers, examined: Mapping[str, ExaminedRedis]) -> Diagnosis:
    """What waits on the streams that workers have named, and on those that today's may have been.

    A Redis that is away is not asked.
    """
    channels = settings.channels.values()
    today = set(named_today(servers, (*settings.intents_streams, settings.events_stream), channels))
    whole = [settings.intents_location, *(channel.location for channel in channels)]
    named = unnamed(*read_named(servers.hints))
    earlier = [read_address(each) for each in named]
    earlier += [each for address in whole for each in address.earlier(PARTITIONS)]
    there = {server: _is_there(examined[server]) for server in {each.server for each in earlier} & examined.keys()}
    asked = [each for each in dict.fromkeys(earlier) if each not in today and there.get(each.server)]
    found = read_unless_refused(servers, [str(each) for each in asked])
    refused = [address for address, of in found.items() if isinstance(of, RedisRefused)]
    hidden = [address for address in refused if address in named]
    return given_up.given_up(waiting_on(found), hidden, sees_all=not refused)


def _is_there(each: ExaminedRedis) -> bool:
    try:
        each.is_there()
    except (PublisherError, Unusable):
        return False
    return True


def _mail(settings: MailSettings, client: redis.Redis, readers: CommandReaders | None) -> Diagnosis:
    if readers is None:
        return ok("the channel email is not installed")
    if settings.smtp_url is None:
        return mail.mail(None, settings.group, readers, 0)
    alive = [s for s in ProcessRegister(client).seen() if s.process.role == "mailer" and not s.is_silent]
    return mail.mail(settings.smtp_url.shown, settings.group, readers, len(alive))
