"""Every right that this installation needs of its servers, as values: for `doctor --print-grants` and the guide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from publisher.channels.email import EMAIL
from publisher.settings.settings import Settings
from publisher.settings.stream_servers import EVENTS, place_of
from publisher.streams.rights import Streams, acl_rules, user_of
from storage.schema.rights import Grantee, grant_statements, grantee, migrating_statement

# Stands where the URL names nobody, or the superuser that PostgreSQL is installed with: that one needs no rights.
_NAME = "publisher"
_SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True)
class RedisGrant:
    """The rights on one Redis.

    variable: the setting that names it.
    user: the name of the Redis user.
    rules: the rules of `ACL SETUSER` after that name; none sets a password.
    in_cluster: whether it is a Redis Cluster, each node of which needs the user.
    """

    variable: str
    user: str
    rules: Sequence[str]
    in_cluster: bool


@dataclass(frozen=True, slots=True)
class Grants:
    """The rights to give to the service, and no others.

    redis: of each Redis, that of REDIS_URL first.
    to: the PostgreSQL role, its database and schema.
    postgresql_statements: the GRANTs of rights to rows.
    postgresql_migrating: the GRANT that `publisher migrate` needs besides, as long as there is something to apply.
    """

    redis: Sequence[RedisGrant]
    to: Grantee
    postgresql_statements: Sequence[str]
    postgresql_migrating: str


def streams_of(settings: Settings, variable: str = "REDIS_URL") -> Streams:
    """Returns the streams that are on the Redis of this setting."""
    there = place_of(settings.stream_servers, variable)
    here = [channel for channel in settings.channels.values() if channel.server == there]
    commands = {channel.name: [part.stream for part in channel.streams] for channel in here}
    return Streams(
        intents=settings.intents_streams if settings.intents_server == there else (),
        group=settings.intents_group,
        events=settings.events_stream if place_of(settings.stream_servers, EVENTS) == there else None,
        events_group=settings.events_group,
        commands=commands,
        mail=commands.get(EMAIL.name, ()) if settings.mail.is_used else (),
        mail_group=settings.mail.group,
        queues=None if there else list(settings.channels),
        in_cluster="+cluster://" in there,
    )


def stream_variables(settings: Settings) -> list[str]:
    """Returns the setting of each Redis that has streams alone, each Redis once."""
    return list(dict.fromkeys(at.variable for at in settings.stream_servers.values()))


def needed_grants(settings: Settings, *, role: str | None = None, schema: str | None = None) -> Grants:
    """Returns the rights for the streams, channels and database that the settings name. Asks no server.

    role: the name of both the Redis users and the PostgreSQL role; None: those that the URLs log in as,
        but `publisher` for `default` and `postgres`.
    schema: where the tables are; None: the first schema in the search path of DATABASE_URL, or `public`.
    """
    found = grantee(settings.database_url.text)
    own = "" if found.role == _SUPERUSER else found.role
    to = replace(found, role=role or own or _NAME, schema=schema or found.schema)
    to = replace(to, database=to.database or to.role)
    urls = {"REDIS_URL": settings.redis_url}
    urls |= {variable: settings.stream_servers[variable].url for variable in stream_variables(settings)}
    return Grants(
        redis=[_redis_grant(settings, variable, role or user_of(url.text)) for variable, url in urls.items()],
        to=to,
        postgresql_statements=grant_statements(to),
        postgresql_migrating=migrating_statement(to),
    )


def _redis_grant(settings: Settings, variable: str, user: str) -> RedisGrant:
    streams = streams_of(settings, variable)
    return RedisGrant(variable, user or _NAME, ["on", *acl_rules(streams)], streams.in_cluster)
