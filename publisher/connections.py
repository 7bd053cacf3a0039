"""Makes PostgreSQL and Redis from the settings, with the timeouts that fit the lease. Each connects on its first use.

A command that only reads needs these alone, and none of what `bootstrap` imports.
"""

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from publisher.process.outages import Server, outages, redis_of
from publisher.settings.settings import Settings
from publisher.settings.stream_servers import StreamRedis
from storage.database import POOL_SIZE, Database

if TYPE_CHECKING:
    import redis

    from publisher.streams.servers.cluster import Cluster
    from publisher.streams.servers.stream_servers import StreamServers


def open_database(
    settings: Settings, role: str, statement_timeout: timedelta | None = None, pool_size: int = POOL_SIZE
) -> Database:
    """Returns PostgreSQL with the timeouts that fit the lease.

    role: names this process in pg_stat_activity.
    statement_timeout: another than the one that fits the lease.
    pool_size: how many connections it opens at most.
    """
    return Database(
        settings.database_url.text,
        application_name=f"publisher-{role}",
        connect_timeout=settings.timeouts.connect,
        on_answer=partial(outages.answered, Server.POSTGRESQL),
        statement_timeout=statement_timeout or settings.timeouts.statement,
        pool_size=pool_size,
    )


def open_patient_database(settings: Settings, role: str) -> Database:
    """Returns PostgreSQL without statement timeouts: for migrations, and for an operator, who can press Ctrl-C."""
    return Database(settings.database_url.text, application_name=f"publisher-{role}", statement_timeout=None)


def open_client(settings: Settings, role: str, timeout: timedelta | None = None) -> "redis.Redis":
    """Returns a client of the Redis of REDIS_URL. timeout: of each call; None: the one that fits the lease."""
    # Not imported by a command that needs PostgreSQL alone.
    from publisher.streams.servers.connection import open_redis

    return open_redis(settings.redis_url.text, **_options(settings, role, timeout, "REDIS_URL"))


def check_redis_url(settings: Settings, role: str) -> None:
    """Asks the Redis of REDIS_URL whether it is one shard of a cluster of several. Raises SettingsError if it is.

    One that is away is not waited for.
    """
    from publisher.streams.servers.one_server import refuse_shards

    with open_client(settings, role) as client:
        refuse_shards(client)


def open_servers(settings: Settings, role: str, timeout: timedelta | None = None) -> "StreamServers":
    """Returns the Redis of every stream. timeout: as `open_client` has it."""
    from publisher.streams.servers.stream_servers import StreamServers

    own = {at.url.shown: _open_stream_redis(settings, role, timeout, at) for at in settings.stream_servers.values()}
    return StreamServers(open_client(settings, role, timeout), own, settings.placed, settings.channels.values())


def _open_stream_redis(
    settings: Settings, role: str, timeout: timedelta | None, at: StreamRedis
) -> "redis.Redis | Cluster":
    from publisher.streams.servers.cluster import Cluster
    from publisher.streams.servers.connection import open_node, open_redis
    from publisher.streams.servers.redis_url import read_url

    options = _options(settings, role, timeout, at.variable)
    url = read_url(at.url.text)
    if url is None or url.primary is not None:
        return open_redis(at.url.text, **options)
    on_answer = options.pop("on_answer")
    return Cluster(
        url.hosts,
        lambda node, on_fault, on_answer: open_node(url, *node, on_fault=on_fault, on_answer=on_answer, **options),
        at.variable,
        on_answer,
    )


def _options(settings: Settings, role: str, timeout: timedelta | None, variable: str) -> dict[str, Any]:
    return {
        "timeout": timeout or settings.timeouts.redis,
        "client_name": f"publisher-{role}",
        "tls": settings.redis_tls,
        "ca_file": settings.redis_ca_file,
        "on_answer": partial(outages.answered, redis_of(variable)),
        "variable": variable,
    }
